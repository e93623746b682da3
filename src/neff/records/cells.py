"""Rows to cells: one (metric, task, item, model) each, in an order that rows cannot change, in O(n) where it can be."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from neff.errors import RecordsError
from neff.records.factor import Factor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["Cells", "Rows", "compacted", "group", "refuse_split_items"]


class Rows(Protocol):
    """Anything with the four names of a row."""

    @property
    def item(self) -> Factor: ...  # noqa: D102
    @property
    def model(self) -> Factor: ...  # noqa: D102
    @property
    def task(self) -> Factor: ...  # noqa: D102
    @property
    def metric(self) -> Factor: ...  # noqa: D102


class Cells(NamedTuple):
    """The distinct names, `Factor` of n_cells rows each, and one row of each cell (any: what is asked is constant)."""

    item: Factor
    model: Factor
    task: Factor
    metric: Factor
    row: NDArray[np.int64]


def group(rows: Rows) -> tuple[Cells, NDArray[np.int64]]:
    """Return the cells that occur, sorted by metric, task, item and model, and the cell of each row.

    Examples
    --------
    >>> from neff.records import Records
    >>> cells, place = group(Records.build(item=["q", "p", "q"], model=["b", "a", "b"], score=[1, 1, 0]))
    >>> cells.item.names(), cells.model.names(), place.tolist()
    (['p', 'q'], ['a', 'b'], [1, 0, 1])
    """
    n_items, n_models, n_tasks = rows.item.n_levels, rows.model.n_levels, rows.task.n_levels
    key = rows.metric.codes.astype(np.int64)
    for factor in (rows.task, rows.item):
        key *= factor.n_levels  # in place: a copy of 10^7 keys is 80 MB
        key += factor.codes
    # Items first, then their models: the table of items by models is dense, that of tasks by items is not.
    place, questions = compacted(key, rows.metric.n_levels * n_tasks * n_items)
    del key
    place *= n_models
    place += rows.model.codes
    place, cells = compacted(place, len(questions) * n_models)
    row = np.zeros(len(cells), np.int64)
    row[place] = np.arange(len(place), dtype=np.int32 if len(place) < 2**31 else np.int64)
    question, model = np.divmod(cells, max(n_models, 1))
    question, item = np.divmod(questions[question], max(n_items, 1))
    metric, task = np.divmod(question, max(n_tasks, 1))
    found = Cells(
        Factor(item.astype(np.int32), rows.item.levels),
        Factor(model.astype(np.int32), rows.model.levels),
        Factor(task.astype(np.int32), rows.task.levels),
        Factor(metric.astype(np.int32), rows.metric.levels),
        row,
    )
    return found, place


def compacted(key: NDArray[np.int64], size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the place of each key among the distinct ones, and these, sorted.

    Parameters
    ----------
    key
        Integers in [0, size), shape (n,).
    size
        Up to a few times n they are marked in a table, in O(n); else sorted.
    """
    if size > 4 * len(key) + (1 << 16):
        distinct, place = np.unique(key, return_inverse=True)
        return place.astype(np.int64, copy=False), distinct
    present = np.zeros(size, bool)
    present[key] = True
    distinct = np.flatnonzero(present)
    place = np.cumsum(present)
    place -= 1
    return place[key], distinct


def refuse_split_items(task: Factor, item: Factor, clusters: Sequence[Factor]) -> None:
    """Raise where an item lies in two clusters of one grouping.

    Raises
    ------
    RecordsError
        With the first such row as its line.
    """
    if not clusters:
        return
    key = task.codes.astype(np.int64) * item.n_levels + item.codes
    order = np.argsort(key, kind="stable")
    for cluster in clusters:
        codes = cluster.codes[order]
        split = np.flatnonzero((key[order][1:] == key[order][:-1]) & (codes[1:] != codes[:-1]))
        if len(split):
            row = int(order[split[0] + 1])
            raise RecordsError(
                f"item {item.levels[item.codes[row]]!r} lies in two clusters.",
                "Give a cluster column that is constant within an item (passage, topic, author).",
                line=row + 1,
            )
