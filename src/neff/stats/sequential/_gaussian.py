"""Mixtures over normal alternatives: unknown variance (exact), known variance, and the asymptotic sequence.

All three ask how much better means spread as a normal around m explain the values than m itself does; `scale` is the
standard deviation of that spread in units of the values' standard deviation. Rows of a track: the count n, the sum and
the sum of squares of the values less the first one. The shift makes values near 1e8 as exact as values near 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from neff.reasons import Reason
from neff.stats.sequential._kernel import last_row, running_sum

if TYPE_CHECKING:
    from neff.stats._validate import FloatArray
    from neff.stats.sequential._kernel import Alternative, State, Track

__all__ = ["Asymptotic", "Normal", "Student", "normal_scale", "student_scale"]


def normal_scale(target: int, level: float) -> float:
    """Return the scale that makes the normal mixture narrowest after `target` values.

    With u = 1 + n scale^2 the squared width is proportional to u (log u - 2 log alpha) / (u - 1); its minimum is at
    u = -W(-alpha^2 / e), on the lower branch of Lambert's W (Howard et al. 2021, Proposition 3).

    Examples
    --------
    >>> round(normal_scale(100, 0.95), 4)
    0.2866
    """
    from scipy.special import lambertw

    u = -float(lambertw(-((1.0 - level) ** 2) / math.e, k=-1).real)
    return math.sqrt((u - 1.0) / target)


def student_scale(target: int, level: float) -> float:
    """Return the scale that makes the mixture for unknown variance narrowest after `target` values, 2 or more.

    The squared width is proportional to u (g - 1) / (u - g) with u = 1 + n scale^2 and g = (sqrt(u) / alpha)^(2 / n).
    Its derivative is 0 where g = 1 + scale^2.

    Examples
    --------
    >>> round(student_scale(10, 0.95), 4), round(student_scale(100_000, 0.95) / normal_scale(100_000, 0.95), 3)
    (1.1766, 1.0)
    """
    goal = -2.0 * math.log1p(-level)

    def excess(v: float) -> float:
        return target * math.log1p(v) - math.log1p(target * v) - goal

    high = 1.0 / target
    while excess(high) < 0:
        high *= 2.0
    low = 0.0
    while low < (middle := (low + high) / 2.0) < high:
        low, high = (middle, high) if excess(middle) < 0 else (low, middle)
    return math.sqrt(high)


EQUAL = 64 * np.finfo(np.float64).eps
"""Values whose standard deviation is less than this share of their mean are equal: they differ by rounding."""


@dataclass(frozen=True, slots=True)
class _Sums:
    """Running sums of values less the first one, and what follows from them."""

    method = "sums"
    level: float
    scale: float

    def start(self) -> State:
        return {"n": 0.0, "first": 0.0, "sum": 0.0, "squares": 0.0}

    def follow(self, state: State, values: FloatArray) -> tuple[Track, State]:
        if state["n"] == 0 and values.size:
            state = {**state, "first": float(values[0])}
        shifted = values - state["first"]
        track: Track = {
            "n": state["n"] + np.arange(1.0, values.size + 1.0),
            "sum": running_sum(state["sum"], shifted),
            "squares": running_sum(state["squares"], shifted * shifted),
            "first": np.full(values.size, state["first"]),
        }
        return track, last_row(track, state, ("n", "sum", "squares"))

    def limits(self, track: Track) -> tuple[FloatArray, FloatArray]:
        raise NotImplementedError

    def log_e(self, track: Track, mean: float, alternative: Alternative) -> FloatArray:
        raise NotImplementedError

    def reason(self, state: State) -> Reason | None:
        """Return why the whole line is all that can be said."""
        if state["n"] == 0:
            return Reason.EMPTY
        track = {name: np.array([value]) for name, value in state.items()}
        if np.isfinite(self.limits(track)[0][0]):
            return None
        return Reason.ALL_EQUAL if state["n"] > 1 and _deviations(track)[0] == 0 else Reason.TOO_FEW


def _mean(track: Track) -> FloatArray:
    mean: FloatArray = track["first"] + track["sum"] / track["n"]
    return mean


def _deviations(track: Track) -> FloatArray:
    """Sum of squares around the mean; exactly 0 where all values are equal but for rounding."""
    n = track["n"]
    squares = track["squares"] - track["sum"] ** 2 / n
    rounding = n * (EQUAL * _mean(track)) ** 2
    told: FloatArray = np.where(squares > rounding, squares, 0.0)
    return told


def _around(track: Track, half: FloatArray) -> tuple[FloatArray, FloatArray]:
    mean = _mean(track)
    return mean - half, mean + half


def _log_normal_cdf_twice(x: FloatArray) -> FloatArray:
    from scipy.special import log_ndtr

    result: FloatArray = log_ndtr(x) + math.log(2.0)
    return result


class Student(_Sums):
    """Normal values of unknown variance: the scale-invariant mixture of the sequential t-test."""

    __slots__ = ()
    method = "student"

    @property
    def assumptions(self) -> str:
        return "independent normal values of one variance, which need not be known"

    def limits(self, track: Track) -> tuple[FloatArray, FloatArray]:
        n, deviations = track["n"], _deviations(track)
        log_u = np.log1p(n * self.scale**2)
        log_g = (log_u - 2.0 * math.log1p(-self.level)) / n
        known = (log_g < log_u) & (deviations > 0)
        half = np.full(n.shape, np.inf)
        room = -np.expm1(np.where(known, log_g - log_u, -1.0))
        np.sqrt(np.expm1(np.minimum(log_g, 700.0)) * deviations / (n * room), out=half, where=known)
        return _around(track, half)

    def log_e(self, track: Track, mean: float, alternative: Alternative) -> FloatArray:
        from scipy.special import stdtr

        n, deviations = track["n"], _deviations(track)
        distance = (track["first"] - mean) + track["sum"] / n
        k = n * self.scale**2
        told = deviations > 0  # equal values have probability 0 here: they show that the model is wrong, not the mean
        whole = np.where(told, deviations + n * distance**2, 1.0)
        rest = np.where(told, deviations + n * distance**2 / (1.0 + k), 1.0)
        log_e = n / 2.0 * (np.log(whole) - np.log(rest)) - np.log1p(k) / 2.0
        if alternative != "two-sided":
            t = n * np.sqrt(n) * self.scale * distance / np.sqrt((1.0 + k) * rest)
            share = stdtr(n, t if alternative == "greater" else -t)
            with np.errstate(divide="ignore"):
                log_e = log_e + np.log(share) + math.log(2.0)
        result: FloatArray = np.where(told, log_e, 0.0)
        return result


@dataclass(frozen=True, slots=True)
class Normal(_Sums):
    """Sub-Gaussian values of known standard deviation: Robbins' normal mixture, the mixture SPRT."""

    method = "normal"
    standard_deviation: float

    @property
    def assumptions(self) -> str:
        return "independent sub-Gaussian values with the standard deviation given, or less"

    def limits(self, track: Track) -> tuple[FloatArray, FloatArray]:
        return _around(track, self.standard_deviation * _normal_half(track["n"], self))

    def log_e(self, track: Track, mean: float, alternative: Alternative) -> FloatArray:
        n = track["n"]
        total = n * ((track["first"] - mean) + track["sum"] / n) / self.standard_deviation
        v = self.scale**2
        log_e: FloatArray = total**2 * v / (2.0 * (1.0 + n * v)) - np.log1p(n * v) / 2.0
        if alternative == "two-sided":
            return log_e
        t = total * self.scale / np.sqrt(1.0 + n * v)
        return log_e + _log_normal_cdf_twice(t if alternative == "greater" else -t)


def _normal_half(n: FloatArray, kernel: _Sums) -> FloatArray:
    k = n * kernel.scale**2
    half: FloatArray = np.sqrt((1.0 + k) / (k * n) * (np.log1p(k) - 2.0 * math.log1p(-kernel.level)))
    return half


@dataclass(frozen=True, slots=True)
class Asymptotic(_Sums):
    """Any values with a variance, after many of them: the normal mixture with the standard deviation estimated."""

    method = "asymptotic"
    first: int

    @property
    def assumptions(self) -> str:
        return f"independent values with a finite variance, and {self.first} of them are many: holds in the limit only"

    def limits(self, track: Track) -> tuple[FloatArray, FloatArray]:
        n, deviations = track["n"], _deviations(track)
        half = np.sqrt(deviations / n) * _normal_half(n, self)
        return _around(track, np.where((deviations > 0) & (n >= self.first), half, np.inf))
