"""Best of k by a score: the exact expected correctness over all k-subsets, ties averaged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from neff.sampling.combinatorics import log_choose

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["best_of", "best_of_without_each"]


def best_of(score: NDArray[np.float64], outcome: NDArray[np.float64], ks: Sequence[int]) -> NDArray[np.float64]:
    """Return the expected outcome of the highest-scoring of k draws, for each k; NaN where k > n.

    The draw of rank i (1 = highest score) is the best of C(n-i, k-1) of the C(n, k) subsets. Within a tie the outcome
    is the mean of those that tie: one of them is returned at random.

    Parameters
    ----------
    score, outcome
        Of one item's draws, shape (n,).
    ks
        Budgets.
    """
    n = len(score)
    block, _, mean = _ties(score, outcome)
    ranked = mean[np.sort(block)]
    return np.array([float(_chances(n, k) @ ranked) if 1 <= k <= n else np.nan for k in ks])


def _ties(
    score: NDArray[np.float64], outcome: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return each draw's tie, 0 for the highest score, and the size and mean outcome of each tie."""
    _, block = np.unique(-score, return_inverse=True)
    size = np.bincount(block)
    return block, size, np.bincount(block, weights=outcome) / size


def _chances(n: int, k: int) -> NDArray[np.float64]:
    """Return the chance of each rank to be the highest of a k-subset of n draws, shape (n,)."""
    return np.exp(log_choose(n - np.arange(1, n + 1), k - 1) - log_choose(n, k))


def best_of_without_each(
    score: NDArray[np.float64], outcome: NDArray[np.float64], ks: Sequence[int]
) -> NDArray[np.float64]:
    """Return `best_of` without each draw in turn, shape (n, len(ks)); NaN where k > n - 1.

    Without a draw the ties above it keep their ranks and those below move up by one: sums of chances by tie give all n
    values at once.
    """
    n = len(score)
    block, size, mean = _ties(score, outcome)
    end = np.cumsum(size) - 1
    start = end - size + 1
    own = (mean[block] * size[block] - outcome) / np.maximum(size[block] - 1, 1)
    found = np.full((n, len(ks)), np.nan)
    for column, k in enumerate(ks):
        if not 1 <= k <= n - 1:
            continue
        total = np.r_[0.0, np.cumsum(_chances(n - 1, k)), 1.0]
        above = mean * (total[start + size] - total[start])
        below = mean * (total[end] - total[np.maximum(start - 1, 0)])
        higher, lower = np.cumsum(above) - above, below.sum() - np.cumsum(below)
        found[:, column] = higher[block] + (total[end] - total[start])[block] * own + lower[block]
    return found
