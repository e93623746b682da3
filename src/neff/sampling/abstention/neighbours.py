"""Exact nearest neighbours in blocks: how long the run of agreeing neighbours is, and how near the nearest one is.

No sorting: the run of consecutive neighbours that agree ends at the nearest one that does not, so its length is the
number of agreeing points that are strictly closer. Where two points are equally near, the one that does not agree
counts first: no order of the support matters.

Distances come from one matrix product per block; where its rounding error could decide (two points equally near to 12
digits, duplicates) the few pairs concerned are computed again as sums of squared differences.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from neff.stats._validate import FloatArray

__all__ = ["Neighbours", "nearest", "neighbours"]

BLOCK_BYTES = 1 << 25
NO_CLASS = -1


class Neighbours(NamedTuple):
    """What the support says about each query, arrays of shape (n,).

    Attributes
    ----------
    similarity
        Number of consecutive nearest neighbours that are of the query's class, from the nearest on.
    squared_distance
        Squared Euclidean distance of the nearest support point, whatever its class; infinite where there is none.
    nearest
        Its row in the support; -1 where there is none.
    """

    similarity: NDArray[np.int64]
    squared_distance: FloatArray
    nearest: NDArray[np.int64]


def neighbours(
    queries: FloatArray,
    query_class: NDArray[np.int64],
    support: FloatArray,
    support_class: NDArray[np.int64],
    *,
    most: int = 2048,
    is_support: bool = False,
    block_bytes: int = BLOCK_BYTES,
) -> Neighbours:
    """Return similarity and nearest distance of every query.

    Parameters
    ----------
    queries, support
        Finite vectors, shapes (n, D) and (N, D), float64.
    query_class
        Predicted class of each query, 0 or more, shape (n,).
    support_class
        Class of each support point where its prediction is right, else -1, shape (N,): such a point ends every run.
    most
        The longest run that is counted.
    is_support
        Whether the queries are the support itself, in the same order: no point is then its own neighbour.
    block_bytes
        Memory of one block of distances.

    Returns
    -------
    Neighbours
        See there. Costs n x N x D multiplications; memory: the support, and a few blocks.
    """
    n, size = len(queries), len(support)
    found = Neighbours(np.zeros(n, np.int64), np.full(n, np.inf), np.full(n, -1, np.int64))
    if size - is_support < 1:
        return found
    for rows, rough, error in _blocks(queries, support, is_support=is_support, block_bytes=block_bytes):
        where = slice(rows.start, rows.stop)
        squared, place = _least(queries, support, rows, rough, error)
        found.squared_distance[where], found.nearest[where] = squared, place
        differs = support_class[None, :] != query_class[where, None]
        if is_support:
            differs[np.arange(len(differs)), np.arange(rows.start, rows.stop)] = False  # never its own neighbour
        ends, _ = _least(queries, support, rows, np.where(differs, rough, np.inf), error)
        found.similarity[where] = np.minimum(_closer(queries, support, rows, rough, error, ends), most)
    return found


def nearest(
    queries: FloatArray, support: FloatArray, *, is_support: bool = False, block_bytes: int = BLOCK_BYTES
) -> tuple[FloatArray, NDArray[np.int64]]:
    """Return the squared distance to the nearest support point, and its row: (inf, -1) where there is none."""
    squared, place = np.full(len(queries), np.inf), np.full(len(queries), -1, np.int64)
    if len(support) - is_support >= 1:
        for rows, rough, error in _blocks(queries, support, is_support=is_support, block_bytes=block_bytes):
            where = slice(rows.start, rows.stop)
            squared[where], place[where] = _least(queries, support, rows, rough, error)
    return squared, place


def _blocks(
    queries: FloatArray, support: FloatArray, *, is_support: bool, block_bytes: int
) -> Iterator[tuple[range, FloatArray, FloatArray]]:
    """Yield rows, their squared distances to the support up to an error, and a bound of that error per row."""
    centre = support.mean(axis=0)  # small norms, small rounding errors
    points = support - centre
    norms = np.einsum("ij,ij->i", points, points)
    unit = 8 * (support.shape[1] + 8) * np.finfo(np.float64).eps
    step = max(block_bytes // (8 * len(support)), 1)
    for start in range(0, len(queries), step):
        rows = range(start, min(start + step, len(queries)))
        block = queries[start : rows.stop] - centre
        square = np.einsum("ij,ij->i", block, block)
        rough = square[:, None] + norms - 2 * (block @ points.T)
        if is_support:
            rough[np.arange(len(rows)), np.arange(rows.start, rows.stop)] = np.inf
        yield rows, rough, unit * (square + norms.max())


def _least(
    queries: FloatArray, support: FloatArray, rows: range, rough: FloatArray, error: FloatArray
) -> tuple[FloatArray, NDArray[np.int64]]:
    """Return the smallest distance of each row, exact, and the first place where it is found."""
    low = rough.min(axis=1)
    squared, place = np.full(len(rows), np.inf), np.full(len(rows), -1, np.int64)
    row, column = np.nonzero((rough <= (low + 2 * error)[:, None]) & np.isfinite(rough))
    exact = _exact(queries, support, rows.start + row, column)
    order = np.lexsort((column, exact, row))
    row, column, exact = row[order], column[order], exact[order]
    first = np.flatnonzero(np.r_[True, row[1:] != row[:-1]]) if len(row) else np.zeros(0, np.intp)
    squared[row[first]], place[row[first]] = exact[first], column[first]
    return squared, place


def _closer(
    queries: FloatArray, support: FloatArray, rows: range, rough: FloatArray, error: FloatArray, end: FloatArray
) -> NDArray[np.int64]:
    """Return how many support points are strictly closer than `end`; a point that is itself left out is infinite."""
    sure = (rough < (end - error)[:, None]) & np.isfinite(rough)
    count = sure.sum(axis=1)
    open_ = ~sure & (rough <= (end + error)[:, None]) & np.isfinite(rough)
    row, column = np.nonzero(open_)
    exact = _exact(queries, support, rows.start + row, column)
    return np.asarray(count + np.bincount(row[exact < end[row]], minlength=len(rows)), np.int64)


def _exact(queries: FloatArray, support: FloatArray, row: NDArray[np.int64], column: NDArray[np.int64]) -> FloatArray:
    """Return squared distances of pairs as sums of squared differences: 0 for duplicates."""
    found = np.empty(len(row))
    step = max(BLOCK_BYTES // (8 * max(support.shape[1], 1)), 1)
    for start in range(0, len(row), step):
        part = slice(start, start + step)
        found[part] = np.square(queries[row[part]] - support[column[part]]).sum(axis=1)
    return found
