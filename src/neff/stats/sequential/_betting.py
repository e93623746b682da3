"""Hedged capital for values in [0, 1]: a mean is left out once somebody who bet against it would have grown rich.

The capital of one who bets that the mean is above m is the product of 1 + min(bet, c / m) (z - m), which falls as m
grows; that of one who bets that it is below is the same with 1 - z and 1 - m. So each end of the interval is one root
(Waudby-Smith and Ramdas 2024, Theorem 3). A root needs the whole history: no running sum is enough.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from neff.reasons import Reason
from neff.stats.sequential._bounded import TRUNCATION, plug_in_bets
from neff.stats.sequential._kernel import half_of_both
from neff.stats.sequential._roots import lower_roots

if TYPE_CHECKING:
    from neff.stats._validate import FloatArray
    from neff.stats.sequential._kernel import Alternative, State, Track

__all__ = ["Betting"]


@dataclass(frozen=True, slots=True)
class Betting:
    """Both bettors start with half of the capital; the state is the list of values."""

    method = "betting"
    level: float

    @property
    def assumptions(self) -> str:
        return "values within the bounds, each with the same mean given the values before"

    def start(self) -> State:
        return {"n": 0.0, "sum": 0.0, "values": []}

    def follow(self, state: State, values: FloatArray) -> tuple[Track, State]:
        history = np.concatenate((np.asarray(state["values"], np.float64), values))
        sums, bets = plug_in_bets({"n": 0.0, "sum": 0.0, "spread": 0.0}, history, self.level)
        new = slice(history.size - values.size, None)
        track: Track = {"n": sums["n"][new], "sum": sums["sum"][new], "values": history, "bets": bets}
        total = float(sums["sum"][-1]) if history.size else 0.0
        return track, {"n": float(history.size), "sum": total, "values": history.tolist()}

    def limits(self, track: Track) -> tuple[FloatArray, FloatArray]:
        z, bets = track["values"], track["bets"]
        goal, start = math.log(2.0) - math.log1p(-self.level), z.size - track["n"].size
        low = lower_roots(z, bets, cap=TRUNCATION, goal=goal, start=start)
        high = 1.0 - lower_roots(1.0 - z, bets, cap=TRUNCATION, goal=goal, start=start)
        return low, high

    def log_e(self, track: Track, mean: float, alternative: Alternative) -> FloatArray:
        z, bets = track["values"], track["bets"]
        new = slice(z.size - track["n"].size, None)
        greater = _log_capital(z, bets, mean)[new]
        less = _log_capital(1.0 - z, bets, 1.0 - mean)[new]
        if alternative == "two-sided":
            return half_of_both(greater, less)
        return greater if alternative == "greater" else less

    def reason(self, state: State) -> Reason | None:
        return Reason.EMPTY if state["n"] == 0 else None


def _log_capital(z: FloatArray, bets: FloatArray, mean: float) -> FloatArray:
    """Return the logarithm of the capital after each value of one who bets that the mean is larger."""
    limit = TRUNCATION / mean if mean > 0 else np.inf
    growth: FloatArray = np.cumsum(np.log1p(np.minimum(bets, limit) * (z - mean)))
    return growth
