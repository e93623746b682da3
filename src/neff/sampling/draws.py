"""`Draws`: the repeated answers of one model to the items of one task, ragged, in the order they were drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import ArgumentError
from neff.records import Records, as_records
from neff.sampling.answers import no_answer
from neff.stats._validate import as_numbers

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

__all__ = ["Draws", "as_draws", "draws_of"]


@dataclass(frozen=True, slots=True, eq=False)
class Draws:
    """Repeated answers of one model to the items of one task: one entry per draw, items together, in order of draws.

    Attributes
    ----------
    item
        Code of each draw's item, 0 to n_items - 1, ascending, shape (n,).
    outcome
        Whether the draw is right (1) or not (0), shape (n,); NaN = unscored, which is not wrong.
    score
        What a verifier or judge says of the draw, higher is better, shape (n,), NaN = none; None where there is none.
    answer
        Code of the answer given, shape (n,), -1 = none could be read; None where answers are not known.
    accept
        Whether a verifier accepts the draw (1) or not (0), shape (n,), NaN = unknown; None where there is none.
    items
        Name of each item, shape (n_items,).
    cluster
        Code of each item's cluster, shape (n_items,), or None.
    model, task, metric
        Whose answers to what, and the name of the outcome.
    """

    item: NDArray[np.int64]
    outcome: NDArray[np.float64]
    items: tuple[str, ...]
    score: NDArray[np.float64] | None = None
    answer: NDArray[np.int64] | None = None
    accept: NDArray[np.float64] | None = None
    cluster: NDArray[np.int64] | None = None
    model: str = ""
    task: str = ""
    metric: str = ""

    def __len__(self) -> int:
        return len(self.outcome)

    @property
    def n_items(self) -> int:
        """Number of items."""
        return len(self.items)

    @property
    def scored(self) -> NDArray[np.int64]:
        """Scored draws of each item, shape (n_items,)."""
        return np.bincount(self.item[~np.isnan(self.outcome)], minlength=self.n_items)

    @property
    def right(self) -> NDArray[np.float64]:
        """Right draws of each item, shape (n_items,)."""
        return np.asarray(np.bincount(self.item, np.nan_to_num(self.outcome), self.n_items), np.float64)

    def spans(self) -> list[slice]:
        """Return where each item's draws are."""
        lengths = np.bincount(self.item, minlength=self.n_items)
        ends = np.cumsum(lengths)
        return [slice(*ends_of) for ends_of in zip((ends - lengths).tolist(), ends.tolist(), strict=True)]


def as_draws(
    outcomes: Any, *, scores: Any = None, answers: Any = None, accepts: Any = None, call: str = "as_draws"
) -> Draws:
    """Build `Draws` from a matrix of items by draws, or from one sequence per item.

    Parameters
    ----------
    outcomes
        0/1 or bool, NaN = unscored: an array of shape (n_items, n_draws), or a list of n_items sequences.
    scores, answers, accepts
        Of the same shape: numbers; any hashable values, None, NaN or "" = no answer; 0/1 or bool.
    call
        Who is named in error messages.

    Raises
    ------
    ArgumentError
        If shapes differ, an outcome or acceptance is not 0, 1 or NaN, or an answer cannot be counted.
    """
    rows = _rows(outcomes, "outcomes", call)
    lengths = [len(row) for row in rows]
    item = np.repeat(np.arange(len(rows)), lengths)
    outcome = _binary([x for row in rows for x in row], "outcomes", call)

    def flat(values: Any, name: str) -> list[Any]:
        parts = _rows(values, name, call)
        if [len(part) for part in parts] != lengths:
            shape = f"{len(parts)} items, {sum(map(len, parts))} draws"
            raise ArgumentError(name, "of the shape of outcomes", shape, "Give one value per draw.", call=call)
        return [x for part in parts for x in part]

    score = None if scores is None else as_numbers(flat(scores, "scores"), argument="scores", call=call)
    return Draws(
        item=item,
        outcome=outcome,
        items=tuple(map(str, range(len(rows)))),
        score=None if score is None else np.asarray(score, np.float64),
        answer=None if answers is None else _codes(flat(answers, "answers"), call),
        accept=None if accepts is None else _binary(flat(accepts, "accepts"), "accepts", call),
    )


def draws_of(
    source: Any,
    *,
    scores: str | None = None,
    answers: str | None = None,
    accepts: str | None = None,
    call: str = "draws_of",
    **columns: Any,
) -> list[Draws]:
    """Split records into the `Draws` of each task, metric and model.

    Parameters
    ----------
    source
        Records, paths, a dataframe, or a dict of columns; the records' score is the outcome.
    scores, answers, accepts
        Columns of the verifier's score, of the answer, and of the verifier's yes or no.
    call
        Who is named in error messages.
    **columns
        As in `neff.read`; `score` is the column of the outcome.

    Raises
    ------
    ArgumentError
        If a column is missing, or an outcome is not 0 or 1.
    RecordsError
        If the records cannot be read.
    """
    asked = {"scores": scores, "answers": answers, "accepts": accepts}
    named = [name for name in asked.values() if name]
    table = source if isinstance(source, Records) else as_records(source, keep=tuple(named) or "mapped", **columns)
    for argument, name in asked.items():
        if name and name not in table.extra:
            fix = (
                f"Free columns: {', '.join(sorted(table.extra)) or 'none'}; one that is the item or the score is taken."
            )
            raise ArgumentError(argument, "a column that the records keep", name, fix, call=call)
    order = np.lexsort((table.draw, table.item.codes, table.model.codes, table.metric.codes, table.task.codes))
    group = (table.task.codes.astype(np.int64) * table.metric.n_levels + table.metric.codes) * table.model.n_levels
    group = (group + table.model.codes)[order]
    cuts = np.flatnonzero(np.r_[True, group[1:] != group[:-1]]) if len(group) else np.array([], np.int64)
    parts = [order[a:b] for a, b in zip(cuts, np.r_[cuts[1:], len(order)], strict=True)]
    return [_part(table, rows, (scores, answers, accepts), call) for rows in parts]


def _part(table: Records, rows: NDArray[Any], named: Sequence[str | None], call: str) -> Draws:
    codes, item = np.unique(table.item.codes[rows], return_inverse=True)
    first = np.r_[True, item[1:] != item[:-1]]
    score, answer, accept = ((None if name is None else table.extra[name]) for name in named)
    model = table.model.levels[table.model.codes[rows[0]]]
    return Draws(
        item=item.astype(np.int64),
        outcome=_binary(table.score[rows], f"the outcomes of {model}", call),
        items=tuple(table.item.levels[code] for code in codes),
        score=None if score is None else _number_column(score, rows, "scores", named[0], call),
        answer=None if answer is None else _answer_codes(answer, rows, call),
        accept=None
        if accept is None
        else _binary(_number_column(accept, rows, "accepts", named[2], call), "accepts", call),
        cluster=np.unique(table.clusters[0].codes[rows][first], return_inverse=True)[1] if table.clusters else None,
        model=model,
        task=table.task.levels[table.task.codes[rows[0]]],
        metric=table.metric.levels[table.metric.codes[rows[0]]],
    )


def _rows(values: Any, name: str, call: str) -> list[Sequence[Any]]:
    if isinstance(values, np.ndarray) and values.ndim != 2:
        raise ArgumentError(name, "a matrix of items by draws", f"shape {values.shape}", "One row per item.", call=call)
    try:
        return [list(row) for row in values]
    except TypeError:
        fix = "One item: [[1, 0, 1]]."
        raise ArgumentError(name, "a matrix, or one sequence per item", values, fix, call=call) from None


def _binary(values: Iterable[Any], name: str, call: str) -> NDArray[np.float64]:
    told = list(values)
    try:
        array = np.array([np.nan if x is None else x for x in told], np.float64)
    except (TypeError, ValueError):
        got = next(x for x in told if not isinstance(x, (int, float, np.number, np.bool_, type(None))))
        raise ArgumentError(name, "0, 1 or missing", got, "Say 1 for yes and 0 for no.", call=call) from None
    wrong = ~np.isnan(array) & (array != 0) & (array != 1)
    if wrong.any():
        fix = "Say which scores are right answers first, for example score >= 0.5; a fraction is not a pass."
        raise ArgumentError(name, "0, 1 or missing", float(array[wrong][0]), fix, call=call)
    return array


def _codes(values: list[Any], call: str) -> NDArray[np.int64]:
    """Return the number of each answer, in order of first occurrence, -1 where there is none."""
    place: dict[Any, int] = {}
    try:
        return np.array([-1 if no_answer(x) else place.setdefault(x, len(place)) for x in values], np.int64)
    except TypeError:
        got = next(x for x in values if getattr(type(x), "__hash__", None) is None)
        raise ArgumentError("answers", "hashable, one per draw", got, "Give text or numbers.", call=call) from None


def _answer_codes(column: Any, rows: NDArray[Any], call: str) -> NDArray[np.int64]:
    if isinstance(column, np.ndarray):
        return _codes(column[rows].tolist(), call)
    known = np.array([*(not no_answer(level) for level in column.levels), False])  # the last for -1
    codes: NDArray[np.int64] = column.codes[rows].astype(np.int64)
    return np.where(known[codes], codes, -1)


def _number_column(column: Any, rows: NDArray[Any], argument: str, name: str | None, call: str) -> NDArray[np.float64]:
    if not isinstance(column, np.ndarray):
        text = next((level for level in column.levels if level), "")
        fix = "say 1 for yes and 0 for no." if argument == "accepts" else "name another column, or mend this one."
        raise ArgumentError(argument, "a column of numbers", name, f"It holds text such as {text!r}: {fix}", call=call)
    return np.asarray(column[rows], np.float64)
