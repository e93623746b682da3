"""Answers by model, item and wording, from records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import ArgumentError, RecordsError
from neff.records import Factor, as_records

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from neff.records import Records

__all__ = ["Wordings", "wordings_of"]


@dataclass(frozen=True, slots=True, eq=False)
class Wordings:
    """Scores of every model on every item in every wording.

    Attributes
    ----------
    score
        Shape (n_models, n_items, n_wordings); the original wording first. NaN: answered, but no score.
    answer
        Code of the answer given, same shape, -1 where there is none; None where no answers are known.
    models, items, wordings
        Names; `wordings[0]` is the original.
    cluster
        Group of each item, or None.
    n_incomplete
        Items left out, as some model has not seen them in some wording.
    """

    score: NDArray[np.float64]
    answer: NDArray[np.int64] | None
    models: tuple[str, ...]
    items: tuple[str, ...]
    wordings: tuple[str, ...]
    cluster: NDArray[np.int64] | None = None
    n_incomplete: int = 0


def wordings_of(data: Any, *, wording: str = "wording", original: str, answer: str | None = None) -> Wordings:
    """Collect records with a column of wordings into one array.

    Parameters
    ----------
    data
        Records, or anything `neff.records.as_records` reads: one row per model, item and wording.
    wording
        Column of the wording. Epochs, or draws, are not wordings.
    original
        The value that is the original wording.
    answer
        Column of the answer as given (a letter, a number, a text), for consistency of wrong answers too.

    Returns
    -------
    Wordings
        Items that all models have seen in all wordings.

    Raises
    ------
    ArgumentError
        If a column is missing, the original is no wording, there is no other one, or a cell is there twice.

    Examples
    --------
    >>> rows = {
    ...     "item": ["q1", "q1", "q2", "q2"],
    ...     "model": ["m"] * 4,
    ...     "score": [1, 0, 1, 1],
    ...     "style": ["o", "p", "o", "p"],
    ... }
    >>> wordings_of(rows, wording="style", original="o").score.tolist()
    [[[1.0, 0.0], [1.0, 1.0]]]
    """
    call = "wordings_of"
    records = _read(data, wording, answer, call)
    words = _factor(records.extra[wording])
    if (words.codes < 0).any():
        fix = "Name the original wording too."
        raise ArgumentError("wording", "known in every row", "an empty cell", fix, call=call)
    if original not in words.levels:
        raise ArgumentError("original", f"one of {list(words.levels)}", original, call=call)
    if words.n_levels < 2:
        fix = "Every item must be asked in the original and in at least one other wording."
        raise ArgumentError("wording", "of two or more values", list(words.levels), fix, call=call)
    order = [original, *(name for name in words.levels if name != original)]
    rank = np.array([order.index(name) for name in words.levels])
    item = records.task.codes.astype(np.int64) * records.item.n_levels + records.item.codes
    ids, place = np.unique(item, return_inverse=True)
    shape = (records.model.n_levels, ids.size, len(order))
    at = (records.model.codes.astype(np.int64), place, rank[words.codes])
    seen = np.zeros(shape, np.int64)
    np.add.at(seen, at, 1)
    if (seen > 1).any():
        fix = "Keep one draw, or average the draws of a wording first: epochs are not wordings."
        raise ArgumentError(
            "records", "of one answer per model, item and wording", f"{int(seen.max())}", fix, call=call
        )
    whole = (seen == 1).all(axis=(0, 2))
    if not whole.any():
        fix = "No item is answered by all models in all wordings."
        raise ArgumentError("records", "complete for at least one item", "none", fix, call=call)
    score = np.full(shape, np.nan)
    score[at] = records.score
    given = None
    if answer is not None:
        codes = _factor(records.extra[answer]).codes.astype(np.int64)
        given = np.full(shape, -1, np.int64)
        given[at] = codes
        given = given[:, whole]
    cluster = None
    if records.clusters:
        of_item = np.zeros(ids.size, np.int64)
        of_item[place] = records.clusters[0].codes
        cluster = of_item[whole]
    names = tuple(records.item.levels[int(i) % records.item.n_levels] for i in ids[whole])
    return Wordings(score[:, whole], given, records.model.levels, names, tuple(order), cluster, int((~whole).sum()))


def _read(data: Any, wording: str, answer: str | None, call: str) -> Records:
    extra = (wording,) if answer is None else (wording, answer)
    try:
        records = as_records(data, keep=extra)
    except RecordsError as error:
        if wording in str(error):
            raise ArgumentError("wording", "a column of the records", wording, str(error), call=call) from error
        raise
    for name, column in (("wording", wording), ("answer", answer)):
        if column is not None and column not in records.extra:
            fix = f"Kept beside the score are: {sorted(records.extra)}."
            raise ArgumentError(name, "a column of the records", column, fix, call=call)
    if records.metric.n_levels > 1:
        found = ", ".join(records.metric.levels)
        raise ArgumentError("records", "of one metric", found, "Keep the rows of one metric.", call=call)
    return records


def _factor(column: Any) -> Factor:
    if isinstance(column, Factor):
        return column
    values: Sequence[Any] = [None if x != x else f"{x:g}" for x in np.asarray(column, np.float64).tolist()]
    return Factor.of(values)
