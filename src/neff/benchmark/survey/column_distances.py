"""How far each column by itself is from real to made rows, and how often swapped labels give a distance as large."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from neff.benchmark.survey.discriminator import ColumnDistance
from neff.stats import adjust

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from neff.benchmark.survey.rows import PooledColumn

__all__ = ["column_distances"]

MOST_POINTS = 64
"""Points at which the distribution functions of a numeric column are held against each other."""


def column_distances(columns: tuple[PooledColumn, ...], swaps: NDArray[np.int8]) -> tuple[ColumnDistance, ...]:
    """Return the distance of each column, the furthest first, with its p-value Holm-adjusted over the columns.

    Parameters
    ----------
    columns
        Of n real rows, then their n partners.
    swaps
        +1 or -1 per pair, shape (n, n_swaps), the labels as they are first.
    """
    n = len(swaps)
    found: list[tuple[PooledColumn, float]] = []
    p_values: list[float] = []
    for column in columns:
        levels = column.codes + 1  # missing first
        present, levels = np.unique(levels, return_inverse=True)
        gap = np.zeros((n, len(present)))
        gap[np.arange(n), levels[:n]] += 1
        gap[np.arange(n), levels[n:]] -= 1
        if column.numeric:
            points = np.unique(np.linspace(0, len(present) - 1, min(len(present), MOST_POINTS)).round().astype(int))
            gap = gap.cumsum(axis=1)[:, points]
        apart = np.abs(swaps.T.astype(np.float64) @ gap) / n
        distance = apart.max(axis=1) if column.numeric else apart.sum(axis=1) / 2
        found.append((column, float(distance[0])))
        p_values.append((1 + int((distance[1:] >= distance[0] - 1e-9).sum())) / len(distance))
    rows = [
        ColumnDistance(column.name, column.numeric, distance, float(p))
        for (column, distance), p in zip(found, adjust(p_values), strict=True)
    ]
    return tuple(sorted(rows, key=lambda row: (-row.distance, row.name)))
