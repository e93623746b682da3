"""Predictable plug-in sequences for values in [0, 1]: empirical Bernstein and, for comparison, Hoeffding.

Each value is weighed by a bet that depends on earlier values only (Waudby-Smith and Ramdas 2024, section 3). The
e-value against "mean <= m" is exp(sum bet (z - m) - sum penalty); the ends of the interval follow in closed form.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from neff.reasons import Reason
from neff.stats.sequential._kernel import half_of_both, last_row, running_sum

if TYPE_CHECKING:
    from neff.stats._validate import FloatArray
    from neff.stats.sequential._kernel import Alternative, State, Track

__all__ = ["EmpiricalBernstein", "Hoeffding", "plug_in_bets"]

TRUNCATION = 0.5
"""Largest bet of the empirical Bernstein sequence, and largest share of the capital in the betting one."""


def plug_in_bets(state: State, z: FloatArray, level: float) -> tuple[Track, FloatArray]:
    """Return running sums, and the bets sqrt(2 log(2 / alpha) / (variance n log(1 + n))) of the values before.

    Mean and variance are those of the values before, with one more value of mean 1/2 and variance 1/4.
    """
    n = state["n"] + np.arange(1.0, z.size + 1.0)
    total = running_sum(state["sum"], z)
    mean = (0.5 + total) / (n + 1.0)
    spread = running_sum(state["spread"], (z - mean) ** 2)
    variance_before = (0.25 + np.concatenate(([state["spread"]], spread[:-1]))[: z.size]) / n
    bets = np.sqrt(2.0 * (math.log(2.0) - math.log1p(-level)) / (variance_before * n * np.log1p(n)))
    return {"n": n, "sum": total, "spread": spread}, bets


@dataclass(frozen=True, slots=True)
class _PlugIn:
    """Running sums of bets, of bets times values, and of penalties."""

    method = "plug-in"
    level: float

    @property
    def assumptions(self) -> str:
        return "values within the bounds, each with the same mean given the values before"

    def start(self) -> State:
        return {"n": 0.0, "sum": 0.0, "spread": 0.0, "bets": 0.0, "weighted": 0.0, "penalty": 0.0}

    def _bets(self, state: State, z: FloatArray) -> tuple[Track, FloatArray, FloatArray]:
        """Return running sums, bets and penalties."""
        raise NotImplementedError

    def follow(self, state: State, values: FloatArray) -> tuple[Track, State]:
        track, bets, penalty = self._bets(state, values)
        track["bets"] = running_sum(state["bets"], bets)
        track["weighted"] = running_sum(state["weighted"], bets * values)
        track["penalty"] = running_sum(state["penalty"], penalty)
        return track, last_row(track, state, tuple(state))

    def limits(self, track: Track) -> tuple[FloatArray, FloatArray]:
        centre = track["weighted"] / track["bets"]
        half = (math.log(2.0) - math.log1p(-self.level) + track["penalty"]) / track["bets"]
        return np.clip(centre - half, 0.0, 1.0), np.clip(centre + half, 0.0, 1.0)

    def log_e(self, track: Track, mean: float, alternative: Alternative) -> FloatArray:
        evidence = track["weighted"] - track["bets"] * mean
        if alternative == "two-sided":
            return half_of_both(evidence, -evidence) - track["penalty"]
        signed: FloatArray = (evidence if alternative == "greater" else -evidence) - track["penalty"]
        return signed

    def reason(self, state: State) -> Reason | None:
        return Reason.EMPTY if state["n"] == 0 else None


class EmpiricalBernstein(_PlugIn):
    """Bets grow where the values vary little: Theorem 2 of Waudby-Smith and Ramdas."""

    __slots__ = ()
    method = "empirical-bernstein"

    def _bets(self, state: State, z: FloatArray) -> tuple[Track, FloatArray, FloatArray]:
        track, bets = plug_in_bets(state, z, self.level)
        bets = np.minimum(bets, TRUNCATION)
        before = np.concatenate(([state["sum"]], track["sum"][:-1]))[: z.size]
        surprise = (z - (0.5 + before) / track["n"]) ** 2
        return track, bets, surprise * (-np.log1p(-bets) - bets)


class Hoeffding(_PlugIn):
    """The same bets whatever the values are: only the bounds are used."""

    __slots__ = ()
    method = "hoeffding"

    def _bets(self, state: State, z: FloatArray) -> tuple[Track, FloatArray, FloatArray]:
        track, _ = plug_in_bets(state, z, self.level)
        n = track["n"]
        bets = np.minimum(np.sqrt(8.0 * (math.log(2.0) - math.log1p(-self.level)) / (n * np.log1p(n))), 1.0)
        return track, bets, bets**2 / 8.0
