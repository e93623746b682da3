"""Isotonic regression of many short sequences at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["batched_isotonic"]

ROWS = 256
"""Rows strung together at a time: few enough that their offsets cost no digits that matter."""


def batched_isotonic(
    values: NDArray[np.float64], weights: NDArray[np.float64], *, points: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Return the isotonic fit of every row.

    Parameters
    ----------
    values, weights
        Shape (B, U). A value of weight 0 takes no part; its fit lies on the line between its neighbours.
    points
        Where the columns stand, ascending, shape (U,), for those lines; None spaces them evenly.

    Returns
    -------
    ndarray
        Shape (B, U); NaN in a row without weight.

    Notes
    -----
    Rows are shifted so that each lies above the one before and strung into one sequence, in which no pooling crosses
    a border: the pools of the long sequence are those of the rows. Their means are taken from the values as they
    were. O(B U).

    Examples
    --------
    >>> batched_isotonic(np.array([[1.0, 3.0, 2.0], [2.0, 1.0, 0.0]]), np.ones((2, 3))).tolist()
    [[1.0, 2.5, 2.5], [1.0, 1.0, 1.0]]
    """
    fitted = np.empty(values.shape)
    points = np.arange(values.shape[1], dtype=np.float64) if points is None else points
    for start in range(0, len(values), ROWS):
        rows = slice(start, start + ROWS)
        fitted[rows] = _strung(values[rows], weights[rows], points)
    return fitted


def _strung(
    values: NDArray[np.float64], weights: NDArray[np.float64], points: NDArray[np.float64]
) -> NDArray[np.float64]:
    from scipy.optimize import isotonic_regression

    fitted = np.full(values.shape, np.nan)
    used = weights > 0
    if not used.any():
        return fitted
    v, w = values[used], weights[used]
    low, high = float(v.min()), float(v.max())
    gap = 2 * (high - low) or 1.0
    row = np.broadcast_to(np.arange(len(values))[:, None], values.shape)[used]
    starts = isotonic_regression((v - low) + gap * row, weights=w).blocks[:-1]
    means = np.add.reduceat(w * v, starts) / np.add.reduceat(w, starts)
    fitted[used] = np.repeat(means, np.diff(np.append(starts, len(v))))
    for i in np.flatnonzero(~used.all(axis=1) & used.any(axis=1)):
        there = np.flatnonzero(used[i])
        fitted[i] = np.interp(points, points[there], fitted[i, there])
    return fitted
