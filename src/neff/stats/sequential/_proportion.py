"""The beta-binomial mixture for values in [0, 1], meant for right or wrong."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from neff.reasons import Reason
from neff.stats.sequential._kernel import last_row, running_sum

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from neff.stats._validate import FloatArray
    from neff.stats.sequential._kernel import Alternative, State, Track

__all__ = ["BetaBinomial", "bisect"]

BoolArray: TypeAlias = "npt.NDArray[np.bool_]"
Pair: TypeAlias = "tuple[FloatArray, FloatArray]"

HALVINGS = 60
"""Halvings of an interval of length at most 1: the ends are then exact to 1e-18, or to the last bit."""


def bisect(low: FloatArray, high: FloatArray, is_low: Callable[[FloatArray], BoolArray]) -> Pair:
    """Return brackets around the points where `is_low` turns from true to false, one per element."""
    for _ in range(HALVINGS):
        middle = (low + high) / 2.0
        below = is_low(middle)
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return low, high


@dataclass(frozen=True, slots=True)
class BetaBinomial:
    """Rates spread as a Beta(a, b) against one rate; a = b = 1/2 spreads them as wide as the data can tell."""

    method = "beta-binomial"
    level: float
    prior: tuple[float, float] = (0.5, 0.5)

    @property
    def assumptions(self) -> str:
        return "values in [0, 1], each with the same mean given the values before"

    def start(self) -> State:
        return {"n": 0.0, "sum": 0.0}

    def follow(self, state: State, values: FloatArray) -> tuple[Track, State]:
        track: Track = {
            "n": state["n"] + np.arange(1.0, values.size + 1.0),
            "sum": running_sum(state["sum"], values),
        }
        return track, last_row(track, state, ("n", "sum"))

    def _log_mixture(self, track: Track) -> FloatArray:
        from scipy.special import betaln

        a, b = self.prior
        mixed: FloatArray = betaln(a + track["sum"], b + track["n"] - track["sum"]) - betaln(a, b)
        return mixed

    def limits(self, track: Track) -> tuple[FloatArray, FloatArray]:
        from scipy.special import xlog1py, xlogy

        hits, misses = track["sum"], track["n"] - track["sum"]
        floor = self._log_mixture(track) + math.log1p(-self.level)  # rates less likely than this are left out

        def unlikely(rate: FloatArray) -> BoolArray:
            left_out: BoolArray = xlogy(hits, rate) + xlog1py(misses, -rate) <= floor
            return left_out

        mean = hits / track["n"]
        zero, one = np.zeros_like(mean), np.ones_like(mean)
        low, _ = bisect(zero, mean, unlikely)
        high, _ = bisect(mean, one, lambda rate: ~unlikely(rate))
        low = np.where(hits > 0, low, 0.0)
        return low, np.where(misses > 0, high, 1.0)

    def log_e(self, track: Track, mean: float, alternative: Alternative) -> FloatArray:
        from scipy.special import betainc, betaincc, xlog1py, xlogy

        hits, misses = track["sum"], track["n"] - track["sum"]
        with np.errstate(divide="ignore"):
            log_e: FloatArray = self._log_mixture(track) - xlogy(hits, mean) - xlog1py(misses, -mean)
            if alternative == "two-sided":
                return log_e
            share = betaincc if alternative == "greater" else betainc
            a, b = self.prior
            posterior = np.log(share(a + hits, b + misses, mean))
            result: FloatArray = log_e + posterior - np.log(share(a, b, mean))
        return result

    def reason(self, state: State) -> Reason | None:
        return Reason.EMPTY if state["n"] == 0 else None
