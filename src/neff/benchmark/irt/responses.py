"""`Responses`: which model got which item right, from a matrix or from records."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import ArgumentError
from neff.records import Records, as_records
from neff.records.table import ALL
from neff.stats._validate import as_numbers, check_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["Responses", "as_responses", "responses_of"]


@dataclass(frozen=True, slots=True, eq=False)
class Responses:
    """Answers of models to the items of one benchmark.

    Attributes
    ----------
    matrix
        1 right, 0 wrong, NaN not asked, shape (n_models, n_items).
    models, items
        Their names.
    task
        The benchmark.
    """

    matrix: NDArray[np.float64]
    models: tuple[str, ...]
    items: tuple[str, ...]
    task: str = ""

    def __str__(self) -> str:
        known = int(np.count_nonzero(~np.isnan(self.matrix)))
        return f"{known:,} answers of {len(self.models):,} models to {len(self.items):,} items"

    def keep(self, models: NDArray[Any]) -> Responses:
        """Return those of some models, by position or by mask."""
        names = np.asarray(self.models, object)[models]
        return Responses(self.matrix[models], tuple(names.tolist()), self.items, self.task)


def as_responses(
    source: Any,
    *,
    models: Sequence[Any] | None = None,
    items: Sequence[Any] | None = None,
    threshold: float | None = None,
    task: str | None = None,
    call: str,
) -> Responses:
    """Return the answers of a matrix (models x items), of records, or of anything that `neff.read` takes."""
    if isinstance(source, Responses):
        return source
    if not isinstance(source, np.ndarray | list | tuple) or (len(source) and isinstance(source[0], str)):
        return responses_of(source, threshold=threshold, task=task, call=call)
    array = np.asarray(as_numbers(source, argument="responses", call=call), np.float64)
    if array.ndim != 2:
        fix = "One row per model, one column per item."
        raise ArgumentError("responses", "a matrix of models by items", f"shape {array.shape}", fix, call=call)
    n, j = array.shape
    return Responses(
        _binary(array, threshold, call), _names(models, n, "models", call), _names(items, j, "items", call), task or ""
    )


def responses_of(
    source: Any, *, threshold: float | None = None, task: str | None = None, call: str = "responses_of", **columns: Any
) -> Responses:
    """Return the answers in records as a matrix of models by items.

    Use it on logs of one benchmark: several benchmarks have one scale each, not one together.

    Parameters
    ----------
    source
        Records, paths, a dataframe, or a dict of columns.
    threshold
        A score (the mean over draws, where there are several) of at least this is right. Without it every score must be
        0 or 1, and there is one draw per item.
    task
        The benchmark to keep, where the records have several.
    call
        For error messages.
    **columns
        As in `neff.read`.

    Returns
    -------
    Responses
        Cells without a scored draw are NaN: not asked, not wrong. Models are in the order of their names, numbers in
        them by value.

    Raises
    ------
    ArgumentError
        If there are several tasks or metrics, graded scores or repeated draws without a threshold, or no such task.
    RecordsError
        If the records cannot be read.

    Examples
    --------
    >>> told = {"item": ["q1", "q2", "q1"], "model": ["a", "a", "b"], "score": [1, 0, 1]}
    >>> responses_of(told).matrix.tolist()
    [[1.0, 0.0], [1.0, nan]]
    """
    table = source if isinstance(source, Records) else as_records(source, **columns)
    rows = np.ones(len(table), bool)
    if task is not None:
        if task not in table.task.levels:
            raise ArgumentError("task", "one of the records'", task, f"They have {list(table.task.levels)}.", call=call)
        rows = table.task.codes == table.task.levels.index(task)
    for factor, name in ((table.task, "task"), (table.metric, "metric")):
        used = np.unique(factor.codes[rows])
        if len(used) > 1:
            named = [factor.levels[code] for code in used[:5]]
            fix = f"Keep one {name}: each benchmark has a scale of its own."
            raise ArgumentError("records", f"of one {name}", named, fix, call=call)
    if not rows.any():
        raise ArgumentError("records", "at least one answer", "none", call=call)
    levels, item = np.unique(table.item.codes[rows], return_inverse=True)
    kept, model = np.unique(table.model.codes[rows], return_inverse=True)
    order = sorted(range(len(kept)), key=lambda k: _by_number(table.model.levels[kept[k]]))
    kept, model = kept[order], np.argsort(order)[model]
    score = table.score[rows]
    known = ~np.isnan(score)
    cell = model * len(levels) + item
    size = len(kept) * len(levels)
    draws = np.bincount(cell[known], minlength=size)
    if threshold is None and draws.max(initial=0) > 1:
        fix = "Several draws per item: give threshold=0.5 to call an item right whose mean is at least that."
        raise ArgumentError("records", "of one draw per item", f"{draws.max()} draws", fix, call=call)
    with np.errstate(invalid="ignore"):
        mean = np.bincount(cell[known], score[known], size) / np.where(draws > 0, draws, np.nan)
    matrix = _binary(mean.reshape(len(kept), len(levels)), threshold, call)
    names = tuple(table.item.levels[code] for code in levels)
    name = table.task.levels[table.task.codes[int(np.argmax(rows))]]
    return Responses(matrix, tuple(table.model.levels[code] for code in kept), names, "" if name == ALL else name)


def _by_number(name: str) -> list[tuple[int, str]]:
    """Return a key that puts step2 before step10: checkpoints come in the order of their numbers."""
    parts = re.split(r"(\d+)", name)
    return [(int(part), "") if k % 2 and part.isascii() else (-1, part) for k, part in enumerate(parts)]


def _binary(array: NDArray[np.float64], threshold: float | None, call: str) -> NDArray[np.float64]:
    if threshold is not None:
        limit = check_number(threshold, argument="threshold", call=call)
        return np.where(np.isnan(array), np.nan, (array >= limit).astype(np.float64))
    wrong = ~np.isnan(array) & (array != 0) & (array != 1)
    if wrong.any():
        fix = "Graded scores: give threshold=0.5 to call a score of at least that right."
        raise ArgumentError("responses", "0, 1 or NaN", float(array[wrong][0]), fix, call=call)
    return array


def _names(names: Sequence[Any] | None, n: int, argument: str, call: str) -> tuple[str, ...]:
    found = tuple(map(str, range(n) if names is None else names))
    if len(found) != n or len(set(found)) != n:
        fix = f"One name per {argument[:-1]}, none twice."
        raise ArgumentError(argument, f"{n} different names", f"{len(set(found))} different ones", fix, call=call)
    return found
