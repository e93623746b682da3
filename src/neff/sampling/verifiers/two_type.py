"""`TwoTypeModel`: why there is a best number of attempts, with items of a few types and a verifier that errs.

A draw for an item of type t is right with chance r_t; the verifier accepts a right one with chance `completeness` and
rejects a wrong one with chance `soundness`. Every rejection makes the hard type more likely, and with it a false
acceptance: with one type the sign of the next attempt's value never changes, and the best budget is 0 or unlimited.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import ArgumentError
from neff.stats._validate import check_number

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from neff.sampling.verifiers.accept_first import Counts

__all__ = ["TwoTypeModel"]

LONGEST = 1_000_000
CERTAIN = 1 - 2**-53  # the largest number below 1
ALWAYS = -1000.0  # log of the chance of a rejection that never happens, finite so that no attempt at all counts 0


@dataclass(frozen=True, slots=True)
class TwoTypeModel:
    """Items of a few types, answered by resampling until an imperfect verifier accepts.

    Parameters
    ----------
    correctness
        Chance that a draw is right, of each type, in [0, 1].
    share
        Share of the items of each type; they sum to 1.
    completeness
        Chance that the verifier accepts a right draw.
    soundness
        Chance that it rejects a wrong one.

    Notes
    -----
    The paper's notebook weighs both the values and the chances to get there by the posterior of the types, so that
    beliefs count twice; here values are weighed by the prior and the chance to be rejected k - 1 times.

    References
    ----------
    Stroebl, Kapoor and Narayanan, Inference Scaling fLaws. arXiv:2411.17501

    Examples
    --------
    >>> model = TwoTypeModel((0.87, 0.13), (0.58, 0.42), soundness=0.75)
    >>> round(model.ceiling, 4)
    0.7162
    >>> budget, reward = model.best_budget(wrong=-0.7)
    >>> budget, round(reward, 4)
    (3.0, 0.5246)
    """

    correctness: tuple[float, ...]
    share: tuple[float, ...]
    completeness: float = 1.0
    soundness: float = 1.0

    def __post_init__(self) -> None:
        for name in ("correctness", "share"):
            object.__setattr__(self, name, _chances_of(getattr(self, name), name))
        if len(self.correctness) != len(self.share) or not self.share:
            raise ArgumentError("share", "one per type", self.share, "Give both for each type.", call="TwoTypeModel")
        if not math.isclose(sum(self.share), 1, abs_tol=1e-9):
            raise ArgumentError("share", "numbers that sum to 1", self.share, call="TwoTypeModel")
        for name, value in (("completeness", self.completeness), ("soundness", self.soundness)):
            if not 0 <= check_number(value, argument=name, call="TwoTypeModel") <= 1:
                raise ArgumentError(name, "a number in [0, 1]", value, call="TwoTypeModel")

    @property
    def _chances(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Chances that one draw is accepted and right, and accepted and wrong, of each type."""
        r = np.array(self.correctness)
        return self.completeness * r, (1 - self.soundness) * (1 - r)

    def _total(self, value: NDArray[np.float64], budget: float) -> float:
        """Return sum_t p_t value_t (1 - rejected_t^K) / (1 - rejected_t); a type that is never accepted adds 0."""
        if not check_number(budget, argument="budget", call="TwoTypeModel") >= 0:
            fix = "math.inf is without a limit."
            raise ArgumentError("budget", "0 or more attempts", budget, fix, call="TwoTypeModel")
        accepted = np.minimum(sum(self._chances), 1.0)
        stay = np.where(accepted < 1, np.log1p(-np.minimum(accepted, CERTAIN)), ALWAYS)
        reach = -np.expm1(budget * stay) if math.isfinite(budget) else 1.0
        parts = np.array(self.share) * value * reach / np.where(accepted > 0, accepted, 1.0)
        return float(parts[accepted > 0].sum())

    @property
    def ceiling(self) -> float:
        """Accuracy with an unlimited budget."""
        return self._total(self._chances[0], math.inf)

    def accuracy(self, budget: float) -> float:
        """Return the chance to return a right answer within `budget` attempts."""
        return self._total(self._chances[0], budget)

    def false_positives(self, budget: float) -> float:
        """Return the chance to return a wrong answer within `budget` attempts."""
        return self._total(self._chances[1], budget)

    def reward(self, budget: float, *, right: float = 1.0, wrong: float = 0.0) -> float:
        """Return the expected reward within `budget` attempts: `right` and `wrong` answers' values, 0 for none."""
        return self._total(self._worth(right, wrong, "reward"), budget)

    def _worth(self, right: float, wrong: float, method: str) -> NDArray[np.float64]:
        """Return the expected value of one attempt, of each type."""
        for name, amount in (("right", right), ("wrong", wrong)):
            if not math.isfinite(check_number(amount, argument=name, call=f"TwoTypeModel.{method}")):
                raise ArgumentError(name, "a finite number", amount, call=f"TwoTypeModel.{method}")
        good, bad = self._chances
        return right * good + wrong * bad

    def best_budget(self, *, right: float = 1.0, wrong: float = 0.0) -> tuple[float, float]:
        """Return the budget with the highest expected reward, and that reward; 0 where no attempt pays.

        Infinity where every further attempt does. Looks at the value of attempt k, sum_t p_t rejected_t^(k-1) v_t,
        until it can no longer change its sign.

        Raises
        ------
        ArgumentError
            If a value is not a finite number.
        """
        worth = self._worth(right, wrong, "best_budget")
        value = np.array(self.share) * worth
        rejected = np.maximum(1 - sum(self._chances), 0.0)
        unit = max(abs(right), abs(wrong))  # the scale on which differences are rounding
        step = 4096
        best, best_reward, reward = 0.0, 0.0, 0.0
        for start in range(0, LONGEST, step):
            k = np.arange(start, start + step)
            gain = np.power(rejected[:, None], k[None, :]).T @ value
            running = reward + np.cumsum(gain)
            place = int(np.argmax(running))
            if running[place] > best_reward + 1e-15 * unit:
                best, best_reward = float(start + place + 1), float(running[place])
            reward = float(running[-1])
            slowest = rejected[value != 0].max(initial=0.0)
            if slowest ** (start + step) < 1e-16:
                break
        unlimited = self._total(worth, math.inf)
        tail = value[rejected == rejected[value != 0].max(initial=0.0)].sum() if (value != 0).any() else 0.0
        if tail > 0 and unlimited >= best_reward - 1e-12 * unit:
            return math.inf, unlimited
        return best, best_reward

    @classmethod
    def fit(cls, counts: Counts, *, split: float = 0.5) -> TwoTypeModel:
        """Fit the two types of the paper: items whose share of right draws is above `split`, and the others.

        From pooled counts, completeness is the share of right draws that are accepted (1 where none is right; 1 with
        tests, which the paper takes it to be), soundness the share of wrong ones that are not.

        Raises
        ------
        ArgumentError
            If there is no draw, or no wrong one.
        """
        n, accepted, both, right = counts
        wrong = int((n - right).sum())
        if not wrong:
            raise ArgumentError(
                "counts", "with wrong draws", "none", "Soundness is about wrong draws.", call="TwoTypeModel.fit"
            )
        rate = right / np.maximum(n, 1)
        easy = rate > split
        groups = [group for group in (easy, ~easy) if group.any()]
        return cls(
            correctness=tuple(float(rate[group].mean()) for group in groups),
            share=tuple(float(group.mean()) for group in groups),
            completeness=float(both.sum()) / int(right.sum()) if right.any() else 1.0,
            soundness=1 - float((accepted - both).sum()) / wrong,
        )


def _chances_of(values: Any, name: str) -> tuple[float, ...]:
    """Return one number in [0, 1] for each type."""
    if isinstance(values, str) or not hasattr(values, "__iter__"):
        raise ArgumentError(name, "one number per type", values, "One type: (0.5,).", call="TwoTypeModel")
    chances = tuple(check_number(x, argument=name, call="TwoTypeModel") for x in values)
    if not all(0 <= x <= 1 for x in chances):
        raise ArgumentError(name, "numbers in [0, 1]", values, call="TwoTypeModel")
    return chances
