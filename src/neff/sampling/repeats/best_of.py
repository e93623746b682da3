"""Best of k by a score: the exact expected correctness over all k-subsets, ties averaged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from neff.sampling.combinatorics import log_choose

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["best_of"]


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
    order = np.argsort(-score, kind="stable")
    ranked = outcome[order]
    _, block = np.unique(-score[order], return_inverse=True)
    ranked = (np.bincount(block, weights=ranked) / np.bincount(block))[block]
    rank = np.arange(1, n + 1)
    return np.array(
        [float(np.exp(log_choose(n - rank, k - 1) - log_choose(n, k)) @ ranked) if 1 <= k <= n else np.nan for k in ks]
    )
