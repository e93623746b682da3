"""Rules by vote: stop when more draws would hardly change the most frequent answer."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from neff.errors import ArgumentError
from neff.sampling.answers import no_answer
from neff.sampling.stopping.protocol import Rule
from neff.stats._validate import check_count, check_level

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

__all__ = ["AdaptiveConsistency", "EarlyStopping", "check_answer", "majority_chance", "vote_place"]


def check_answer(value: Any, call: str) -> Hashable:
    """Return an answer that can be counted, None where there is none (None, NaN, an empty text).

    Raises
    ------
    ArgumentError
        If it cannot be counted.
    """
    if no_answer(value):
        return None
    if getattr(type(value), "__hash__", None) is None:
        raise ArgumentError("value", "an answer that is hashable", value, "Give text or a number.", call=call)
    answer: Hashable = value
    return answer


def vote_place(answers: Sequence[Hashable]) -> int | None:
    """Return the place of the first draw with the most frequent answer; ties go to the answer that came first.

    Examples
    --------
    >>> vote_place(["a", "b", None, "b"]), vote_place([None])
    (1, None)
    """
    counts = Counter(answer for answer in answers if answer is not None)
    return answers.index(max(counts, key=lambda a: counts[a])) if counts else None


def majority_chance(first: int, second: int) -> float:
    """Return the chance that the leading answer beats the runner-up: P(p > 1/2), p ~ Beta(first + 1, second + 1).

    Examples
    --------
    >>> majority_chance(4, 0), majority_chance(6, 2)
    (0.96875, 0.91015625)
    """
    from scipy.special import betainc

    # P(p > 1/2) of Beta(a, b) is I_{1/2}(b, a).
    return float(betainc(second + 1, first + 1, 0.5))


class AdaptiveConsistency(Rule):
    """Stop when the leading answer beats the runner-up with the wanted chance.

    The chance is about two answers only, and supposes items of which nothing is known before: `replay_stoppers` reports
    the error that a log shows.

    Parameters
    ----------
    confidence
        Wanted chance, in (0, 1).
    max_draws, min_draws
        Draws at most, and at least.

    Notes
    -----
    The published rule integrates numerically; the incomplete beta function is the closed form. A draw without an
    answer (None, NaN, an empty text) counts as a draw and casts no vote.

    References
    ----------
    Aggarwal et al., Let's Sample Step by Step: Adaptive-Consistency. arXiv:2305.11860

    Examples
    --------
    >>> rule = AdaptiveConsistency(0.95, max_draws=40)
    >>> [rule.observe(answer) for answer in "aaaa"]
    [False, False, False, True]
    """

    def __init__(self, confidence: float = 0.95, *, max_draws: int = 40, min_draws: int = 1) -> None:
        super().__init__(max_draws=max_draws, min_draws=min_draws)
        self.confidence = check_level(confidence, call="AdaptiveConsistency")
        self.answers: list[Hashable] = []
        self._counts: Counter[Hashable] = Counter()

    def _take(self, value: Any) -> None:
        self.answers.append(check_answer(value, "AdaptiveConsistency"))
        if self.answers[-1] is not None:
            self._counts[self.answers[-1]] += 1

    def _enough(self) -> bool:
        top = [count for _, count in self._counts.most_common(2)]
        if not top:
            return False
        return majority_chance(top[0], top[1] if len(top) > 1 else 0) >= self.confidence

    def choose(self) -> int | None:
        """Return the place of the first draw with the most frequent answer."""
        return vote_place(self.answers)


class EarlyStopping(Rule):
    """Stop when one whole window of draws agrees (ESC); the vote is over all draws.

    Parameters
    ----------
    window
        Draws per window; windows follow each other, they do not overlap.
    max_draws
        Draws at most.

    References
    ----------
    Li et al., Escape Sky-high Cost: Early-stopping Self-Consistency. arXiv:2401.10480

    Examples
    --------
    >>> rule = EarlyStopping(window=2, max_draws=6)
    >>> [rule.observe(answer) for answer in "abbb"]
    [False, False, False, True]
    """

    def __init__(self, *, window: int = 5, max_draws: int = 40) -> None:
        super().__init__(max_draws=max_draws)
        self.window = check_count(window, argument="window", call="EarlyStopping", minimum=1)
        self.answers: list[Hashable] = []

    def _take(self, value: Any) -> None:
        self.answers.append(check_answer(value, "EarlyStopping"))

    def _enough(self) -> bool:
        if self.n % self.window:
            return False
        last = self.answers[-self.window :]
        return last[0] is not None and len(set(last)) == 1

    def choose(self) -> int | None:
        """Return the place of the first draw with the most frequent answer."""
        return vote_place(self.answers)
