"""OptScale: how many answers to commit to, so that the best score reaches a target with a wanted chance.

P(max of N >= s) = 1 - F(s)^N, so that N* = ceil(log(1 - confidence) / log F(s)). F comes from the first few scores: a
truncated normal fitted with a prior (the default) or without (the paper's training-free form), or no shape at all.
"""

from __future__ import annotations

import heapq
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import ArgumentError
from neff.sampling.stopping.protocol import Rule
from neff.sampling.stopping.scoring import best_place, check_score, check_wanted
from neff.sampling.stopping.truncated_normal import PRIOR, fit_scores
from neff.stats._options import check_choice
from neff.stats._special import beta_quantile
from neff.stats._validate import check_count, check_level

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["OptScale", "allocate_answers", "answers_needed"]

MODELS = ("map", "mle", "binomial")


def answers_needed(
    scores: ArrayLike,
    target: float,
    *,
    confidence: float = 0.95,
    model: str = "map",
    prior: tuple[float, float] = PRIOR,
    max_draws: int = 64,
) -> int:
    """Return how many answers in total make the best score reach the target with the wanted chance.

    Use it where a batch must be asked for at once. Where answers come one at a time, `FirstAbove` needs fewer.

    Parameters
    ----------
    scores
        The first scores, in [0, 1], shape (n,); NaN is a verifier that failed.
    target
        The score that is enough, in [0, 1].
    confidence
        Wanted chance that the best of N reaches it.
    model
        "map": truncated normal with a prior; "mle": without, as the training-free paper form; "binomial": no shape,
        from the lower end of the credible interval of the share of scores that reach the target.
    prior
        Means of the priors of location and scale, of "map".
    max_draws
        The number returned is at most this.

    Returns
    -------
    int
        Between 1 and `max_draws`.

    Raises
    ------
    ArgumentError
        If a score or the target is not in [0, 1], there is no score, or an option is unknown.

    Notes
    -----
    Assumes independent scores: answers with a shared prefix at low temperature are not, and F^N is then optimistic.
    A score is not correctness: report the accuracy of what is returned.

    References
    ----------
    Wang et al., OptScale: Probabilistic Optimality for Inference-time Scaling. arXiv:2506.22376

    Examples
    --------
    >>> first = [0.91, 0.95, 0.88, 0.97, 0.93]
    >>> [answers_needed(first, 0.95, model=model) for model in ("mle", "map", "binomial")]
    [11, 12, 22]
    """
    check_choice(model, MODELS, argument="model", call="answers_needed")
    confidence = check_level(confidence, call="answers_needed")
    most = check_count(max_draws, argument="max_draws", call="answers_needed", minimum=1)
    target = check_wanted(target, "answers_needed")
    if model == "binomial":
        return _without_shape(scores, target, confidence, most)
    fit = fit_scores(scores, prior=prior if model == "map" else None)
    return draws_for(fit.log_cdf(target), confidence, most)


def draws_for(log_miss: float, confidence: float, most: int) -> int:
    """Return the draws of which one is no miss with the wanted chance, given the log chance of a miss; at most `most`.

    Examples
    --------
    >>> draws_for(math.log(0.9192071293), 0.95, 200), draws_for(0.0, 0.95, 200), draws_for(-math.inf, 0.95, 200)
    (36, 200, 1)
    """
    if log_miss == -math.inf:
        return 1
    if log_miss >= 0:
        return most
    needed = math.log1p(-confidence) / log_miss
    return most if needed > most else max(math.ceil(needed - 1e-9), 1)


def _without_shape(scores: ArrayLike, target: float, confidence: float, most: int) -> int:
    values = np.asarray(scores, np.float64)
    values = values[~np.isnan(values)]
    hits = int((values >= target).sum())
    if not len(values) or not hits:
        return most
    # Jeffreys' prior; the lower end at the wanted confidence.
    share = beta_quantile(1 - confidence, hits + 0.5, len(values) - hits + 0.5)
    return draws_for(math.log1p(-share), confidence, most)


class OptScale(Rule):
    """Stop when as many answers are scored as the scores so far call for, see `answers_needed`.

    A draw whose score is NaN (a verifier that failed) brings the rule no nearer to its end, but for `max_draws`.

    Parameters
    ----------
    target
        The score that is enough, in [0, 1]. Choose it on questions of a calibration split, not on those you report.
    confidence
        Wanted chance that the best score reaches it.
    peek
        Scored answers before the first look.
    max_draws
        Answers at most.
    model, prior
        As in `answers_needed`.
    stop_if_hit
        Stop as soon as a score reaches the target (default). Without it the number is drawn whatever comes, as in the
        paper's code, for a margin over a verifier that errs.
    every
        Look again after so many further answers; None: only once, and draw the rest as one batch.

    References
    ----------
    Wang et al., OptScale: Probabilistic Optimality for Inference-time Scaling. arXiv:2506.22376

    Examples
    --------
    >>> rule = OptScale(0.95, peek=3, max_draws=16)
    >>> scores = [0.80, 0.85, 0.90, 0.97]
    >>> [rule.observe(score) for score in scores], rule.needed, rule.choose()
    ([False, False, False, True], 16, 3)
    """

    def __init__(
        self,
        target: float = 0.9,
        *,
        confidence: float = 0.95,
        peek: int = 5,
        max_draws: int = 64,
        model: str = "map",
        prior: tuple[float, float] = PRIOR,
        stop_if_hit: bool = True,
        every: int | None = 1,
    ) -> None:
        super().__init__(max_draws=max_draws)
        self.target = check_wanted(target, "OptScale")
        self.confidence = check_level(confidence, call="OptScale")
        self.peek = check_count(peek, argument="peek", call="OptScale", minimum=1)
        self.model = check_choice(model, MODELS, argument="model", call="OptScale")
        self.prior = prior
        self.stop_if_hit = stop_if_hit
        self.every = None if every is None else check_count(every, argument="every", call="OptScale", minimum=1)
        self.scores: list[float] = []
        self.needed: int | None = None

    def _take(self, value: Any) -> None:
        self.scores.append(check_score(value, "OptScale"))

    def _enough(self) -> bool:
        if self.stop_if_hit and any(score >= self.target for score in self.scores):
            return True
        scored = sum(not math.isnan(score) for score in self.scores)
        if scored < self.peek:
            return False
        due = self.needed is None or (self.every is not None and (scored - self.peek) % self.every == 0)
        if due:
            self.needed = answers_needed(
                self.scores, self.target, confidence=self.confidence, model=self.model, prior=self.prior,
                max_draws=self.max_draws,
            )  # fmt: skip
        return self.needed is not None and scored >= self.needed

    def choose(self) -> int | None:
        """Return the place of the highest score."""
        return best_place(self.scores)


def allocate_answers(miss: Sequence[float], budget: int, *, fewest: int = 1) -> NDArray[np.int64]:
    """Divide a budget of answers among questions so that most of them get a score that is enough.

    Parameters
    ----------
    miss
        Chance that one answer to each question does not reach the target, F(s), shape (n_questions,).
    budget
        Answers to give out.
    fewest
        Answers that every question gets.

    Returns
    -------
    ndarray of int
        Answers of each question, shape (n_questions,), which sum to `budget`.

    Raises
    ------
    ArgumentError
        If a chance is not in [0, 1], or the budget does not pay for `fewest`.

    Notes
    -----
    Each further answer goes where it gains most, F^N (1 - F). Gains fall with N, so that this is optimal. Cost:
    budget x log(questions).

    Examples
    --------
    >>> allocate_answers([0.1, 0.8, 0.99], 10).tolist()
    [2, 7, 1]
    """
    f = np.asarray(miss, np.float64)
    if f.ndim != 1 or not ((f >= 0) & (f <= 1)).all():
        raise ArgumentError("miss", "one chance in [0, 1] per question", miss, call="allocate_answers")
    fewest = check_count(fewest, argument="fewest", call="allocate_answers")
    budget = check_count(budget, argument="budget", call="allocate_answers", minimum=fewest * len(f))
    drawn = np.full(len(f), fewest, np.int64)
    gains = [(-(x**fewest) * (1 - x), i) for i, x in enumerate(f.tolist())]
    heapq.heapify(gains)
    for _ in range(budget - fewest * len(f)):
        gain, i = heapq.heappop(gains)
        drawn[i] += 1
        heapq.heappush(gains, (gain * f[i], i))
    return drawn
