"""Piecewise linear curves by their values at knots: a mean over a million scores is one pass and a short product.

A score between two knots gives the share of its way to the left one and the rest to the right one. Summed over
scores, these shares are all that the mean of any curve with these knots needs, however many curves there are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["curve_means", "locate"]


def locate(knots: NDArray[np.float64], points: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the knot to the left of each point, and the share of the way to the next, both of shape (n,).

    Knots are ascending, at least one. Points outside count as the first or the last knot: curves are level there.

    Examples
    --------
    >>> left, share = locate(np.array([0.0, 1.0, 3.0]), np.array([-1.0, 0.25, 1.0, 2.0, 9.0]))
    >>> left.tolist(), share.tolist()
    ([0, 0, 1, 1, 1], [0.0, 0.25, 0.0, 0.5, 1.0])
    """
    if len(knots) == 1:
        return np.zeros(len(points), np.int64), np.zeros(len(points))
    left = np.clip(np.searchsorted(knots, points, side="right") - 1, 0, len(knots) - 2)
    start = knots[left]
    return left, np.clip((points - start) / (knots[left + 1] - start), 0.0, 1.0)


def curve_means(
    knots: NDArray[np.float64], values: NDArray[np.float64], points: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the mean over points (n,) of each curve, given by its values at the knots, (K, U) to (K,). O(n + K U).

    Examples
    --------
    >>> curve_means(np.array([0.0, 1.0]), np.array([[0.0, 1.0], [0.5, 0.5]]), np.array([0.2, 0.6])).tolist()
    [0.4, 0.5]
    """
    left, share = locate(knots, points)
    mass = np.bincount(left, 1 - share, minlength=len(knots))
    if len(knots) > 1:
        mass += np.bincount(left + 1, share, minlength=len(knots))
    means: NDArray[np.float64] = values @ mass / len(points)
    return means
