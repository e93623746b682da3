"""Per-item estimates at k and their variance over the item's draws: pass@k, pass^k, at least j, majority, best of k.

Each kernel takes `Draws` and the budgets and returns two arrays of shape (n_items, len(ks)): the estimates, and their
variances over fresh draws of the same item. Both are NaN where an item has fewer than k usable draws.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from neff.sampling.combinatorics import at_least, draw_variance
from neff.sampling.repeats.best_of import best_of, best_of_without_each
from neff.sampling.repeats.voting import MOST_DRAWS, Vote, exact_vote, sampled_vote, weighted_vote

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from neff.sampling.draws import Draws

    Found: TypeAlias = tuple[list[float], list[float], list[float] | None]

__all__ = ["PerItem", "best_of_k", "majority_at_k", "passes", "weighted_at_k"]


class PerItem(NamedTuple):
    """Estimates of each item at each k, their variances over draws, and the draws used; see the module.

    `simulated` is the variance that random subsets leave in each estimate, where any were used.
    """

    value: NDArray[np.float64]
    variance: NDArray[np.float64]
    used: NDArray[np.int64]
    simulated: NDArray[np.float64] | None = None


def passes(draws: Draws, ks: Sequence[int], need: Sequence[int]) -> PerItem:
    """Estimate the chance of at least `need[i]` right answers among `ks[i]`.

    Items with the same counts share one computation, so the cost is in distinct (n, c), not in items.
    """
    pairs = np.stack([draws.scored, draws.right.astype(np.int64)], axis=1)
    distinct, back = np.unique(pairs, axis=0, return_inverse=True)
    n, c = distinct.T
    value = np.stack([at_least(n, c, k, j) for k, j in zip(ks, need, strict=True)], axis=1)
    variance = np.stack([draw_variance(n, c, k, j) for k, j in zip(ks, need, strict=True)], axis=1)
    back = back.ravel()
    return PerItem(value[back], variance[back], draws.scored)


def majority_at_k(draws: Draws, ks: Sequence[int], *, n_resamples: int, rng: np.random.Generator) -> PerItem:
    """Estimate how often the plurality answer of k draws is right; draws without an answer do not vote."""
    usable = _usable(draws, draws.answer is not None and draws.answer >= 0)

    def of_item(rows: NDArray[np.int64]) -> Found:
        answer, right, counts = _answers(draws, rows)
        n = len(rows)
        if n > MOST_DRAWS:
            return _of_votes(
                [sampled_vote(answer, right, k, n_resamples=n_resamples, rng=rng) if k <= n else None for k in ks]
            )
        values = [exact_vote(counts, right, k) if k <= n else np.nan for k in ks]
        return values, [_vote_variance(counts, right, k) if k < n else np.nan for k in ks], None

    return _per_item(draws, usable, ks, of_item)


def _of_votes(votes: list[Vote | None]) -> Found:
    """Return votes over random subsets: their variance over draws is not known, that over subsets is."""
    known = [vote or Vote(np.nan, np.nan) for vote in votes]
    return [vote.value for vote in known], [np.nan] * len(known), [vote.standard_error**2 for vote in known]


def _vote_variance(counts: NDArray[np.int64], right: NDArray[np.float64], k: int) -> float:
    """Return the jackknife variance of a vote: the draws of one answer are alike, so one deletion stands for all."""
    known: dict[tuple[int, float], float] = {}
    without = np.empty(len(counts))
    for j, key in enumerate(zip(counts.tolist(), right.tolist(), strict=True)):
        if key not in known:
            fewer = counts.copy()
            fewer[j] -= 1
            known[key] = exact_vote(fewer[fewer > 0], right[fewer > 0], k)
        without[j] = known[key]
    return _jackknife(without, counts)


def _jackknife(without: NDArray[np.float64], counts: NDArray[Any]) -> float:
    n = counts.sum()
    center = (counts @ without) / n
    return float((n - 1) / n * (counts @ (without - center) ** 2))


def best_of_k(draws: Draws, ks: Sequence[int]) -> PerItem:
    """Estimate how often the draw with the highest score of k is right; draws without a score are left out."""
    usable = _usable(draws, draws.score is not None and ~np.isnan(draws.score))

    def of_item(rows: NDArray[np.int64]) -> Found:
        score, outcome = draws.score[rows], draws.outcome[rows]  # type: ignore[index]
        without, ones = best_of_without_each(score, outcome, ks), np.ones(len(rows))
        return best_of(score, outcome, ks).tolist(), [_jackknife(column, ones) for column in without.T], None

    return _per_item(draws, usable, ks, of_item)


def weighted_at_k(draws: Draws, ks: Sequence[int], *, how: str, n_resamples: int, rng: np.random.Generator) -> PerItem:
    """Estimate how often the answer with the highest joined score of k draws is right, over random subsets."""
    known = draws.answer is not None and draws.score is not None and (draws.answer >= 0) & ~np.isnan(draws.score)

    def of_item(rows: NDArray[np.int64]) -> Found:
        answer, right, _ = _answers(draws, rows)
        score = draws.score[rows]  # type: ignore[index]
        options: dict[str, Any] = {"how": how, "n_resamples": n_resamples, "rng": rng}
        return _of_votes([weighted_vote(answer, score, right, k, **options) if k <= len(rows) else None for k in ks])

    return _per_item(draws, _usable(draws, known), ks, of_item)


def _usable(draws: Draws, known: Any) -> NDArray[np.bool_]:
    return np.asarray(~np.isnan(draws.outcome) & known)


def _answers(draws: Draws, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Return the answer code of each row, and how right and how frequent each answer is."""
    _, answer = np.unique(draws.answer[rows], return_inverse=True)  # type: ignore[index]
    counts = np.bincount(answer)
    return answer, np.bincount(answer, weights=draws.outcome[rows]) / counts, counts


def _per_item(
    draws: Draws,
    usable: NDArray[np.bool_],
    ks: Sequence[int],
    of_item: Callable[[NDArray[np.int64]], Found],
) -> PerItem:
    value = np.full((draws.n_items, len(ks)), np.nan)
    variance, simulated = value.copy(), np.zeros_like(value)
    for i, span in enumerate(draws.spans()):
        rows = span.start + np.flatnonzero(usable[span])
        if len(rows):
            value[i], variance[i], left = of_item(rows)
            simulated[i] = 0.0 if left is None else left
    used = np.bincount(draws.item[usable], minlength=draws.n_items)
    return PerItem(value, variance, used, simulated if simulated.any() else None)
