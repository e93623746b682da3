"""Resample until a verifier accepts: exact curves over the budget, from the counts of each item.

With a of n recorded draws accepted and t of them accepted and right, a random k-subset holds an accepted draw with
chance 1 - C(n-a, k) / C(n, k), and the first accepted one is any of the a: right with chance t / a.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from neff.sampling.combinatorics import log_ratio

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Counts", "Curves", "curves", "simulated"]


class Counts(NamedTuple):
    """Draws of each item: all, accepted, accepted and right, right; shape (n_items,) each."""

    n: NDArray[np.int64]
    accepted: NDArray[np.int64]
    both: NDArray[np.int64]
    right: NDArray[np.int64]


class Curves(NamedTuple):
    """Chances of each item (rows) at each budget 1, 2, ... (columns), and the expected number of attempts."""

    right: NDArray[np.float64]
    wrong: NDArray[np.float64]
    abstain: NDArray[np.float64]
    attempts: NDArray[np.float64]


def curves(counts: Counts, longest: int) -> Curves:
    """Return each item's chances to return a right, a wrong, or no answer within k attempts, k = 1 to `longest`.

    An item with fewer than k draws stands still at its last one.
    """
    keys = np.stack([counts.n, counts.accepted], axis=1)
    distinct, back = np.unique(keys, axis=0, return_inverse=True)
    n, a = distinct[:, :1], distinct[:, 1:]
    none = np.exp(log_ratio(n - a, n, np.minimum(np.arange(longest + 1), n)))[back.ravel()]
    share = counts.both / np.maximum(counts.accepted, 1)
    hit = 1 - none[:, 1:]
    # No more attempts are made than there are draws.
    made = np.arange(longest) < counts.n[:, None]
    return Curves(
        right=hit * share[:, None],
        wrong=hit * (1 - share)[:, None],
        abstain=none[:, 1:],
        attempts=np.cumsum(none[:, :-1] * made, axis=1),
    )


def simulated(
    accept: NDArray[np.bool_], right: NDArray[np.bool_], n_permutations: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return the share of right answers at each budget by permuting the draws: what `curves` replaces.

    The naive twin, for tests and benchmarks. `accept` and `right` have shape (n_items, n_draws).
    """
    n_items, n = accept.shape
    total = np.zeros(n)
    rows = np.arange(n_items)
    for _ in range(n_permutations):
        order = np.argsort(rng.random((n_items, n)), axis=1)
        a, r = np.take_along_axis(accept, order, 1), np.take_along_axis(right, order, 1)
        first = np.argmax(a, axis=1)
        good = a.any(axis=1) & r[rows, first]
        total += np.cumsum(np.bincount(first[good], minlength=n))
    share: NDArray[np.float64] = total / (n_items * n_permutations)
    return share
