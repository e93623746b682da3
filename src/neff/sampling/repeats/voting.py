"""Majority votes among k of the recorded answers: exact where that is cheap, else over random subsets.

The exact chance counts k-subsets by a polynomial in the number of answers taken, one factor per distinct answer;
answers given equally often share a factor, so that a hundred different answers cost no more than a few.
"""

from __future__ import annotations

from math import comb
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Vote", "exact_vote", "sampled_vote", "weighted_vote"]

MOST_DRAWS = 900
"""C(n, n/2) must stay below the largest float."""


class Vote(NamedTuple):
    """The expected correctness of a vote, and the standard error that random subsets leave (0 where exact)."""

    value: float
    standard_error: float


def exact_vote(counts: NDArray[np.int64], right: NDArray[np.float64], k: int) -> float:
    """Return the expected correctness of the plurality answer of a random k-subset, ties broken uniformly.

    Parameters
    ----------
    counts
        How often each distinct answer was drawn, shape (n_answers,).
    right
        How right each is, in [0, 1], same shape.
    k
        Answers that vote, at most the sum of counts.

    Notes
    -----
    Answer w wins with v votes, shared with t others, in C(m_w, v) N(k - v, t) subsets, where N counts the ways to
    take k - v of the other answers so that t of them have v votes and none has more.
    """
    n = int(counts.sum())
    total = 0.0
    groups: dict[int, list[float]] = {}
    for count, value in zip(counts.tolist(), right.tolist(), strict=True):
        groups.setdefault(count, []).append(value)
    sizes = {count: len(values) for count, values in groups.items()}
    for count, values in groups.items():
        if not any(values):
            continue
        others = _Others(sizes | {count: sizes[count] - 1}, k)
        share = sum(
            comb(count, v) * sum(ways / (t + 1) for t, ways in enumerate(others.ties(k - v, v)))
            for v in range(1, min(count, k) + 1)
        )
        total += sum(values) * share
    return float(total / comb(n, k))


class _Others:
    """Ways to take some of the other answers, for one winner after another of more and more votes."""

    def __init__(self, sizes: dict[int, int], k: int) -> None:
        self.sizes = {count: size for count, size in sizes.items() if size}
        # Answers given fewer times than the winner's votes cannot tie: their part does not depend on those votes.
        self.free = {0: np.array([1.0])}
        whole = self.free[0]
        for count in sorted(self.sizes):
            whole = np.convolve(whole, _whole(count, self.sizes[count], k))[: k + 1]
            self.free[count] = whole

    def ties(self, take: int, top: int) -> NDArray[np.float64]:
        """Return the ways to take `take` answers, none more than `top` times, by how many are taken `top` times."""
        below = max(count for count in self.free if count < top)
        ways = np.zeros((take // top + 1, take + 1))
        first = self.free[below][: take + 1]
        ways[0, : len(first)] = first
        for count, size in self.sizes.items():
            if count >= top:
                ways = _product(ways, _capped(count, size, top, take), take)
        return ways[:, take]


def _whole(count: int, size: int, k: int) -> NDArray[np.float64]:
    """Return (1 + x)^(count size) up to x^k: any number of the draws of `size` answers given `count` times."""
    return np.array([float(comb(count * size, a)) for a in range(min(count * size, k) + 1)])


def _capped(count: int, size: int, top: int, take: int) -> NDArray[np.float64]:
    """Return the ways to take answers given `count` times at most `top` times each, as rows by how many are at top."""
    below = np.array([float(comb(count, a)) for a in range(min(top - 1, take) + 1)])
    most = min(take // top, size)
    powers = [np.array([1.0])]  # of the ways below top, for 0, 1, 2, ... answers
    for _ in range(size):
        powers.append(np.convolve(powers[-1], below)[: take + 1])
    rows = np.zeros((most + 1, take + 1))
    for t in range(most + 1):
        part = powers[size - t][: take + 1 - t * top]
        rows[t, t * top : t * top + len(part)] = comb(size, t) * float(comb(count, top)) ** t * part
    return rows


def _product(a: NDArray[np.float64], b: NDArray[np.float64], take: int) -> NDArray[np.float64]:
    out = np.zeros_like(a)
    used = np.flatnonzero(b.any(axis=1))
    for s in np.flatnonzero(a.any(axis=1)):
        for t in used[used < len(a) - s]:
            out[s + t] += np.convolve(a[s], b[t])[: take + 1]
    return out


def sampled_vote(
    answers: NDArray[np.int64], right: NDArray[np.float64], k: int, *, n_resamples: int, rng: np.random.Generator
) -> Vote:
    """Return the same over random k-subsets, ties shared, with the standard error that they leave.

    Parameters
    ----------
    answers
        Code of each draw's answer, 0 to n_answers - 1, shape (n,).
    right
        How right each answer is, shape (n_answers,).
    k, n_resamples, rng
        Answers that vote, subsets drawn, and their generator.
    """
    return weighted_vote(answers, np.ones(len(answers)), right, k, how="sum", n_resamples=n_resamples, rng=rng)


def weighted_vote(
    answers: NDArray[np.int64],
    score: NDArray[np.float64],
    right: NDArray[np.float64],
    k: int,
    *,
    how: str,
    n_resamples: int,
    rng: np.random.Generator,
) -> Vote:
    """Return the expected correctness of the answer whose draws score most in a random k-subset.

    `how` joins the scores of the draws of one answer: "sum" (weighted best-of-k), "mean", "max", or "log-sum" for
    scores that are log-probabilities. All draws make one subset, so k = n is exact.
    """
    n, n_answers = len(answers), len(right)
    subsets = 1 if k == n else n_resamples
    wins = np.empty(subsets)
    step = max(1, 4_000_000 // max(n, n_answers))
    for start in range(0, subsets, step):
        size = min(step, subsets - start)
        chosen = (
            np.tile(np.arange(n), (size, 1)) if k == n else np.argpartition(rng.random((size, n)), k - 1, axis=1)[:, :k]
        )
        totals = _totals(answers[chosen], score[chosen], n_answers, how)
        best = totals == totals.max(axis=1, keepdims=True)
        wins[start : start + size] = (best @ right) / best.sum(axis=1)
    error = 0.0 if subsets == 1 else float(wins.std(ddof=1) / np.sqrt(subsets))
    return Vote(float(wins.mean()), error)


def _totals(answers: NDArray[np.int64], score: NDArray[np.float64], n_answers: int, how: str) -> NDArray[np.float64]:
    """Return each answer's joined score in each subset, -inf where it was not drawn; shape (subsets, n_answers)."""
    size = len(answers)
    place = (answers + n_answers * np.arange(size)[:, None]).ravel()
    flat, shape = score.ravel(), (size, n_answers)
    drawn = np.bincount(place, minlength=size * n_answers).reshape(shape)
    if how in ("sum", "mean"):
        sums = np.asarray(np.bincount(place, weights=flat, minlength=size * n_answers), np.float64).reshape(shape)
        return np.where(drawn > 0, sums / np.maximum(drawn, 1) if how == "mean" else sums, -np.inf)
    joined = np.full(size * n_answers, -np.inf)
    (np.maximum if how == "max" else np.logaddexp).at(joined, place, flat)
    return joined.reshape(shape)
