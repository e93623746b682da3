"""Overlap in judge scores: how much of a target's score distribution the logged answers share."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from neff.errors import ArgumentError
from neff.stats._validate import check_vector, check_weights

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["bhattacharyya"]

N_BINS = 20


def bhattacharyya(score: ArrayLike, other: ArrayLike | None = None, *, weights: ArrayLike | None = None) -> float:
    """Return the overlap of two score distributions: 1 for the same, 0 for none.

    Parameters
    ----------
    score
        Scores of the logged answers, shape (n,).
    other
        Scores of the target's answers, shape (m,); None compares `score` with itself, weighted.
    weights
        Weights of `score` that make it stand for the target, shape (n,), 0 or more.

    Returns
    -------
    float
        Sum over 20 equal bins of the pooled range of sqrt(p q); 1 where all scores are equal; NaN where a side is
        empty or has no weight.

    Raises
    ------
    ArgumentError
        If not exactly one of `other` and `weights` is given.

    References
    ----------
    Bhattacharyya 1943, Bull. Calcutta Math. Soc. 35:99. The bins: arXiv:2512.11150.

    Examples
    --------
    >>> round(bhattacharyya([0.0, 0.0, 1.0, 1.0], [0.0, 1.0, 1.0, 1.0]), 4)
    0.9659
    """
    call = "bhattacharyya"
    first = check_vector(score, argument="score", call=call)
    if (other is None) == (weights is None):
        got = "neither" if other is None else "both"
        raise ArgumentError("other", "given, or else weights", got, "Give exactly one.", call=call)
    second = first if other is None else check_vector(other, argument="other", call=call)
    mass = None if weights is None else check_weights(weights, call=call, length=first.size)
    if first.size == 0 or second.size == 0 or (mass is not None and not mass.any()):
        return math.nan
    low, high = min(first.min(), second.min()), max(first.max(), second.max())
    if low == high:
        return 1.0
    p = np.histogram(first, N_BINS, (low, high))[0] / first.size
    q = np.histogram(second, N_BINS, (low, high), weights=mass)[0]
    return min(float(np.sqrt(p * (q / q.sum())).sum()), 1.0)
