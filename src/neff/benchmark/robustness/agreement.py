"""How alike are the answers of one model to the wordings of an item? Four measures that differ."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from neff.errors import ArgumentError
from neff.stats._validate import as_numbers

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["Consistency", "consistency"]


@dataclass(frozen=True, slots=True)
class Consistency:
    """Four measures of consistency of one model, each a mean over items.

    Attributes
    ----------
    identical
        Share of items with the same answer in all wordings.
    modal
        Mean share of the most frequent answer.
    pairwise
        Mean share of pairs of wordings with the same answer.
    correctness
        Share of items that are right in all wordings, or wrong in all.
    flipped
        Share of items of which at least one paraphrase is right and the original wrong, or the other way round.
    chance
        What `pairwise` is for answers at random with the model's own frequencies.
    constant
        Whether the model always gives one answer: it then is consistent and says nothing.
    """

    identical: float
    modal: float
    pairwise: float
    correctness: float
    flipped: float
    chance: float
    constant: bool


def consistency(answer: ArrayLike | None, correct: ArrayLike) -> Consistency:
    """Return how consistently one model answers items in several wordings.

    Parameters
    ----------
    answer
        Codes of the answers, shape (n_items, n_wordings), -1 for no answer (no two of which are alike); None where only
        the scores are known: three measures are NaN.
    correct
        Scores, same shape, 1 where right; the original wording first.

    Returns
    -------
    Consistency
        Judging by correctness hides flips between wrong answers.

    Raises
    ------
    ArgumentError
        If shapes differ, there are fewer than two wordings, no item, or a score is missing.

    References
    ----------
    Lunardi et al., On Robustness and Reliability of Benchmark-Based Evaluation of LLMs. arXiv:2509.04013

    Examples
    --------
    >>> found = consistency([[0, 0, 0, 1], [1, 1, 2, 1]], [[1, 1, 1, 0], [1, 1, 0, 1]])
    >>> found.identical, found.modal, found.pairwise
    (0.0, 0.75, 0.5)
    """
    score = as_numbers(correct, argument="correct", call="consistency").astype(np.float64)
    if score.ndim != 2 or score.shape[1] < 2 or not len(score) or np.isnan(score).any():
        fix = "Leave items without a score out, or score them 0."
        must = "scores of one item or more in two wordings or more, without NaN"
        raise ArgumentError("correct", must, f"shape {score.shape}", fix, call="consistency")
    right = score >= 1
    same_side = right.all(axis=1) | (~right).all(axis=1)
    flipped = (right[:, 1:] != right[:, :1]).any(axis=1)
    if answer is None:
        nan = math.nan
        right_in_all, flips = float(same_side.mean()), float(flipped.mean())
        return Consistency(nan, nan, nan, right_in_all, flips, chance=nan, constant=False)
    a = np.asarray(answer, np.int64)
    if a.shape != right.shape:
        raise ArgumentError("answer", f"of shape {right.shape}", f"shape {a.shape}", call="consistency")
    k = a.shape[1]
    a = _distinct(a)
    pairs = [(a[:, i] == a[:, j]) for i in range(k) for j in range(i)]
    count = np.stack([(a == a[:, [j]]).sum(axis=1) for j in range(k)], axis=1)
    frequency = np.bincount(np.unique(a, return_inverse=True)[1].ravel()) / a.size
    return Consistency(
        identical=float((count.max(axis=1) == k).mean()), modal=float(count.max(axis=1).mean()) / k,
        pairwise=float(np.mean(pairs)), correctness=float(same_side.mean()), flipped=float(flipped.mean()),
        chance=float((frequency**2).sum()), constant=bool(np.ptp(a) == 0),
    )  # fmt: skip


def _distinct(a: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give every missing answer a code of its own: two silences are not the same answer."""
    out, missing = a.copy(), a < 0
    out[missing] = int(a.max(initial=0)) + 1 + np.arange(int(missing.sum()))
    return out
