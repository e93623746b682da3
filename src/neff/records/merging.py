"""Sums added up: of chunks, files and workers, with the same result in any order."""

from __future__ import annotations

from functools import reduce
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from neff.errors import RecordsError
from neff.records.cells import group
from neff.records.drawsets import DrawSets
from neff.records.exact import ExactSums, exact_sums, gather
from neff.records.factor import Factor
from neff.records.summary import ItemSums, WeightSums

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from neff.records.cells import Cells

__all__ = ["SharedDrawError", "cells_of", "fold", "merge"]


class SharedDrawError(RecordsError):
    """Two parts hold the same draw."""

    def __init__(self, item: str, model: str) -> None:
        self.item, self.model = item, model
        super().__init__(
            f"item {item!r} of model {model!r} has a draw twice.",
            "Remove the repeated rows; to count them as repeats, name the columns to use, without --draw.",
        )


def merge(parts: Sequence[ItemSums]) -> ItemSums:
    """Return the sums over all draws of the parts, which may share cells.

    Raises
    ------
    RecordsError
        If only some parts have clusters, or two of them hold the same draw (where all say which they hold).
    """
    if len(parts) == 1:
        return parts[0]
    if len({len(part.clusters) for part in parts}) != 1:
        raise RecordsError(
            "some inputs have a cluster column and some do not.", "Give the cluster for all, or for none."
        )
    found, place = cells_of(parts)
    n_cells = len(found.row)
    edges = np.cumsum([0, *(part.n_cells for part in parts)])
    places = [place[start:stop] for start, stop in pairwise(edges)]

    def counted(name: str) -> NDArray[np.int64]:
        counts = np.zeros(n_cells, np.int64)
        for part, at in zip(parts, places, strict=True):
            counts[at] += getattr(part, name)
        return counts

    n = counted("n")
    total, squares = _scores(parts, places, n)
    clusters = zip(*(part.clusters for part in parts), strict=True)
    backends = {part.backend for part in parts}
    return ItemSums(
        item=found.item,
        model=found.model,
        task=found.task,
        metric=found.metric,
        n=n,
        n_unscored=counted("n_unscored"),
        total=total,
        squares=squares,
        fractional=counted("fractional") > 0,
        weights=_merged_weights(parts, places, n_cells),
        clusters=tuple(Factor.concat(factors)[found.row] for factors in clusters),
        seen=_seen(parts, places, found),
        lower_is_better=frozenset().union(*(part.lower_is_better for part in parts)),
        sources=tuple(source for part in parts for source in part.sources),
        unread=tuple(unread for part in parts for unread in part.unread),
        backend=backends.pop() if len(backends) == 1 else None,
    )


def cells_of(parts: Sequence[ItemSums]) -> tuple[Cells, NDArray[np.int64]]:
    """Return the cells of all parts, and the new place of each cell of each part, one part after the other."""
    return group(_Names(*(Factor.concat([getattr(part, name) for part in parts]) for name in _Names._fields)))


def _scores(
    parts: Sequence[ItemSums], places: Sequence[NDArray[np.int64]], n: NDArray[np.int64]
) -> tuple[ExactSums | NDArray[np.float64], ExactSums | None]:
    """Add the scores of cells: as they stand where no cell has two, else exactly, with their squares."""
    single = [part.total for part in parts if not isinstance(part.total, ExactSums)]
    if len(single) == len(parts) and int(n.max(initial=0)) <= 1:
        scores = np.zeros(len(n))
        for part, at in zip(single, places, strict=True):
            scores[at] += part
        return scores, None
    exact = [part.exact() for part in parts]
    return gather([s for s, _ in exact], places, len(n)), gather([q for _, q in exact], places, len(n))


def fold(parts: Iterable[ItemSums]) -> ItemSums:
    """Merge a stream of sums; only a few of them, each much larger than the next, are held at once."""
    held: list[ItemSums] = []
    for part in parts:
        held.append(part)
        while len(held) > 1 and held[-2].n_cells <= 2 * held[-1].n_cells:
            held[-2:] = [merge(held[-2:])]
    if not held:
        raise RecordsError("there are no rows.", "Give at least one file with rows.")
    return reduce(lambda a, b: merge([b, a]), reversed(held))


class _Names(NamedTuple):
    item: Factor
    model: Factor
    task: Factor
    metric: Factor


def _merged_weights(parts: Sequence[ItemSums], places: Sequence[NDArray[np.int64]], n_cells: int) -> WeightSums | None:
    """Add the sums of weights; where only some parts have weights, the draws of the others weigh 1."""
    if all(part.weights is None for part in parts):
        return None
    sums = [part.weights or _ones(part) for part in parts]
    return WeightSums(*(gather(column, places, n_cells) for column in zip(*sums, strict=True)))


def _ones(part: ItemSums) -> WeightSums:
    cells = np.arange(part.n_cells)
    n, n_unscored = (exact_sums(cells, count.astype(float), part.n_cells) for count in (part.n, part.n_unscored))
    return WeightSums(n, part.exact()[0], n_unscored)


def _seen(parts: Sequence[ItemSums], places: Sequence[NDArray[np.int64]], found: Cells) -> DrawSets | None:
    sets = [part.seen for part in parts if part.seen is not None]
    if len(sets) < len(parts):
        return None
    union, shared = DrawSets.union(sets, places, len(found.row))
    if shared is not None:
        raise SharedDrawError(
            found.item.levels[found.item.codes[shared]], found.model.levels[found.model.codes[shared]]
        )
    return union
