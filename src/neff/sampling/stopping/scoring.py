"""Rules by a verifier's score: stop at the first one that is high enough."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from neff.errors import ArgumentError
from neff.sampling.stopping.protocol import Rule
from neff.stats._validate import check_number

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["FirstAbove", "best_place", "check_score", "check_wanted"]


def check_wanted(target: Any, call: str) -> float:
    """Return the score that is enough, in [0, 1].

    Raises
    ------
    ArgumentError
        If it is not.
    """
    value = check_number(target, argument="target", call=call)
    if not 0 <= value <= 1:
        fix = f"Did you mean {value / 100:g}?" if 1 < value <= 100 else "Rescale it as the verifier's scores."
        raise ArgumentError("target", "a score in [0, 1]", target, fix, call=call)
    return value


def check_score(value: Any, call: str) -> float:
    """Return a score in [0, 1], NaN where the verifier failed.

    Raises
    ------
    ArgumentError
        If it is neither.
    """
    try:
        score = math.nan if value is None else float(value)
    except (TypeError, ValueError):
        raise ArgumentError("value", "a score in [0, 1], or NaN", value, call=call) from None
    if not math.isnan(score) and not 0 <= score <= 1:
        raise ArgumentError("value", "a score in [0, 1], or NaN", score, "Rescale the verifier's score.", call=call)
    return score


def best_place(scores: Sequence[float]) -> int | None:
    """Return the place of the highest score, the first of equals; None where there is none.

    Examples
    --------
    >>> best_place([0.2, float("nan"), 0.9, 0.9]), best_place([float("nan")])
    (2, None)
    """
    known = [(score, -place) for place, score in enumerate(scores) if not math.isnan(score)]
    return -max(known)[1] if known else None


class FirstAbove(Rule):
    """Stop at the first score of at least `target`.

    Where scores come one at a time no rule reaches P(best score >= target) with fewer draws: anything else only
    serves those who must commit to a number before they see the scores.

    Parameters
    ----------
    target
        The score that is enough, in [0, 1].
    max_draws, min_draws
        Draws at most, and at least.

    Examples
    --------
    >>> rule = FirstAbove(0.9, max_draws=8)
    >>> [rule.observe(score) for score in (0.5, 0.8, 0.92)]
    [False, False, True]
    """

    def __init__(self, target: float, *, max_draws: int = 64, min_draws: int = 1) -> None:
        super().__init__(max_draws=max_draws, min_draws=min_draws)
        self.target = check_wanted(target, "FirstAbove")
        self.scores: list[float] = []

    def _take(self, value: Any) -> None:
        self.scores.append(check_score(value, "FirstAbove"))

    def _enough(self) -> bool:
        return any(score >= self.target for score in self.scores)

    def choose(self) -> int | None:
        """Return the place of the highest score."""
        return best_place(self.scores)
