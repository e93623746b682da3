"""Votes among answers, weighted by nothing (majority), by the rank of a confidence (Borda), or by scores."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import ArgumentError
from neff.sampling.answers import no_answer
from neff.stats._options import check_choice

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Selected", "borda_power", "borda_vote", "majority_vote", "select_best", "weighted_vote"]


def _sum(values: np.ndarray[Any, np.dtype[np.float64]]) -> float:
    """Return the exact sum, in any order; an infinite score outweighs all others."""
    return math.fsum(values) if np.isfinite(values).all() else float(values.sum())


JOINED: dict[str, Callable[[Any], Any]] = {
    "sum": _sum,
    "mean": np.mean,
    "max": np.max,
    "log-sum": np.logaddexp.reduce,
}
"""How the scores of the draws of one answer are joined."""


@dataclass(frozen=True, slots=True)
class Selected:
    """The answer that was chosen.

    Attributes
    ----------
    index
        Place of the first draw with it; None where no draw has an answer.
    answer
        The answer.
    score
        What it scored: votes, or the confidence.
    scores
        By answer, in the order of first occurrence: pairs of answer and score.
    reason
        Why nothing was chosen.
    """

    index: int | None
    answer: Any
    score: float
    scores: tuple[tuple[Any, float], ...] = ()
    reason: str = ""


def majority_vote(answers: Sequence[Any], *, equal: Callable[[Any, Any], bool] | None = None) -> Selected:
    """Return the most frequent answer; ties go to the one that came first. None, NaN and "" cast no vote.

    Examples
    --------
    >>> majority_vote(["A", "B", None, "B"]).answer
    'B'
    """
    return _vote(answers, [1.0] * len(answers), equal)


def borda_power(n: int) -> float:
    """Return the default power of `borda_vote`: 0.3 up to 16 answers, 1.2 from 32 on, between them straight in log n.

    Examples
    --------
    >>> borda_power(8), round(borda_power(24), 3), borda_power(64)
    (0.3, 0.826, 1.2)
    """
    return float(np.interp(math.log(max(n, 1)), [math.log(16), math.log(32)], [0.3, 1.2]))


def borda_vote(
    confidence: Sequence[float],
    answers: Sequence[Any],
    *,
    power: float | None = None,
    equal: Callable[[Any, Any], bool] | None = None,
) -> Selected:
    """Vote with weights by the rank of a confidence: rank r of N brings (N - r + 1)^power.

    Use it with `self_certainty` where answers can be compared: it gains a little over the majority where confidence
    says something, and loses where it says nothing and the power is high. Tune the power on labelled questions.

    Parameters
    ----------
    confidence
        Of each draw, higher is more confident, shape (n,). A draw whose confidence is NaN ranks last.
    answers
        Of each draw; None, NaN or "" where none could be read: such a draw keeps its rank and casts no vote.
    power
        0: majority vote. Large: the most confident. By default `borda_power(n)`.
    equal
        Whether two answers are the same; by default `==`. Applied to the first answer of each group.

    Returns
    -------
    Selected
        The winner; ties go to the answer that came first.

    Raises
    ------
    ArgumentError
        If lengths differ, or the power is negative.

    References
    ----------
    Kang, Zhao and Song, Scalable Best-of-N Selection via Self-Certainty. arXiv:2502.18581

    Examples
    --------
    >>> confidence, answers = [9, 8, 7, 3, 2, 1, 0.5], list("ABBACCC")
    >>> [borda_vote(confidence, answers, power=p).answer for p in (0, 0.5, 1)]
    ['C', 'B', 'A']
    """
    values = _same_length(confidence, answers, "borda_vote")
    n = len(values)
    power = borda_power(n) if power is None else power
    if not power >= 0:
        raise ArgumentError("power", "0 or more", power, "0 is the majority vote.", call="borda_vote")
    order = np.argsort(-np.where(np.isnan(values), -np.inf, values), kind="stable")
    weights = np.empty(n)
    ranks = np.arange(n, 0, -1, dtype=np.float64)
    # Only ratios decide: where the largest weight would overflow, all are divided by it.
    weights[order] = (ranks if power * math.log(max(n, 1)) < 600 else ranks / n) ** power
    return _vote(answers, weights.tolist(), equal)


def weighted_vote(
    scores: Sequence[float],
    answers: Sequence[Any],
    *,
    how: str = "sum",
    equal: Callable[[Any, Any], bool] | None = None,
) -> Selected:
    """Vote with scores: an answer's draws bring their "sum", "mean", "max", or "log-sum" for log-probabilities.

    "sum" is weighted best-of-N; with equal scores it is the majority vote. "mean" grows worse with more draws: one
    lucky score makes a rare answer win. Draws without a score (NaN) bring nothing.

    Examples
    --------
    >>> weighted_vote([0.9, 0.5, 0.6], ["A", "B", "B"]).answer
    'B'
    """
    check_choice(how, tuple(JOINED), argument="how", call="weighted_vote")
    values = _same_length(scores, answers, "weighted_vote")
    known = [None if math.isnan(v) else a for v, a in zip(values.tolist(), answers, strict=True)]
    groups = _groups(known, equal)
    return _winner({g: (min(r), float(JOINED[how](values[r]))) for g, r in groups.items()}, answers)


def select_best(confidence: Sequence[float], answers: Sequence[Any] | None = None) -> Selected:
    """Return the draw with the highest confidence, the first of equals; a draw without an answer is passed over.

    Examples
    --------
    >>> select_best([0.2, 0.9, 0.5]).index
    1
    """
    values = np.asarray(confidence, np.float64)
    told: Sequence[Any] = list(range(len(values))) if answers is None else answers
    values = _same_length(values, told, "select_best")
    known = [i for i, answer in enumerate(told) if not no_answer(answer) and not math.isnan(values[i])]
    if not known:
        return _nothing()
    best = max(known, key=lambda i: (values[i], -i))
    return Selected(best, told[best], float(values[best]))


def _same_length(values: Any, answers: Sequence[Any], call: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    array = np.asarray(values, np.float64)
    if array.ndim != 1 or len(array) != len(answers):
        raise ArgumentError("answers", f"as long as the confidences ({array.size})", len(answers), call=call)
    return array


def _groups(answers: Sequence[Any], equal: Callable[[Any, Any], bool] | None) -> dict[int, list[int]]:
    """Return the draws of each distinct answer, by the place of its first draw."""
    groups: dict[int, list[int]] = {}
    for place, answer in enumerate(answers):
        if no_answer(answer):
            continue
        same = (g for g in groups if (answers[g] == answer if equal is None else equal(answers[g], answer)))
        groups.setdefault(next(same, place), []).append(place)
    return groups


def _vote(answers: Sequence[Any], weights: Sequence[float], equal: Callable[[Any, Any], bool] | None) -> Selected:
    groups = _groups(answers, equal)
    return _winner({g: (min(rows), math.fsum(weights[i] for i in rows)) for g, rows in groups.items()}, answers)


def _winner(scored: dict[int, tuple[int, float]], answers: Sequence[Any]) -> Selected:
    if not scored:
        return _nothing()
    best = max(scored, key=lambda g: (scored[g][1], -scored[g][0]))
    return Selected(
        scored[best][0], answers[best], scored[best][1], tuple((answers[g], value) for g, (_, value) in scored.items())
    )


def _nothing() -> Selected:
    return Selected(None, None, math.nan, (), "no draw has an answer")
