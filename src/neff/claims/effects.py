"""The effect of one seed on the scale of the analysis, and the confidence sequence that follows it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from neff.claims.terms import Terms
    from neff.reasons import Reason

__all__ = ["Sequence", "effect", "exp", "mean_and_sd", "method_words", "problem", "sequence"]

LARGEST = 1e60
"""Numbers beyond this are no measurement: their squares and fourth powers overflow."""

TARGET = 10
"""Seeds at which the intervals are narrowest; the same whatever the budget, so that a larger one only goes on."""


class Sequence(Protocol):
    """What a decision needs of a confidence sequence."""

    def update(self, values: float, /) -> object:
        """Take one more value."""

    @property
    def low(self) -> float:
        """The lower end after the values so far; infinite where nothing is known."""

    @property
    def high(self) -> float:
        """The upper end."""

    @property
    def reason(self) -> Reason | None:
        """Why nothing is known."""


def effect(values: tuple[float, ...], terms: Terms) -> float:
    """Return the effect of one seed on the scale of the analysis, larger is better but for a level."""
    if terms.kind == "level":
        return values[0]
    better, worse = reversed(values) if terms.lower_is_better else values
    return math.log(better) - math.log(worse) if terms.kind == "ratio" else better - worse


def problem(values: tuple[float, ...], terms: Terms) -> str | None:
    """Return why a seed's numbers cannot be used, or None."""
    if len(values) != (1 if terms.kind == "level" else 2):
        return f"{len(values)} numbers for a claim of kind {terms.kind!r}"
    if not all(map(math.isfinite, values)):
        return f"a number that is not finite: {values}"
    if max(map(abs, values)) > LARGEST:
        return f"a number beyond {LARGEST:.0e} in size: {', '.join(f'{v:g}' for v in values)}"
    if terms.kind == "ratio" and min(values) <= 0:
        return f"a ratio needs positive numbers, got {values[0]:g} and {values[1]:g}"
    if terms.kind == "ratio" and min(values) < 1 / LARGEST:
        return f"a number too small for a ratio: {min(values):g}"
    if terms.bounds is not None and not all(terms.bounds[0] <= v <= terms.bounds[1] for v in values):
        outside = ", ".join(f"{v:g}" for v in values if not terms.bounds[0] <= v <= terms.bounds[1])
        return f"{outside} outside the declared bounds {terms.bounds[0]:g} to {terms.bounds[1]:g}"
    return None


def exp(value: float) -> float:
    """Return e to a power, infinity where a float cannot hold it: the upper end of a ratio of few seeds."""
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf


def mean_and_sd(values: list[float], *, log: bool = False) -> tuple[float, float]:
    """Return mean and standard deviation (n - 1), or the geometric mean; NaN where undefined."""
    if not values:
        return math.nan, math.nan
    if log:
        return exp(math.fsum(map(math.log, values)) / len(values)), math.nan
    mean = math.fsum(values) / len(values)
    if len(values) < 2:
        return mean, math.nan
    return mean, math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1))


def method_words(terms: Terms) -> str:
    """Return how the estimate and its interval are made, in words."""
    what = {"difference": "mean paired difference", "ratio": "geometric mean of paired ratios", "level": "mean"}
    if terms.deterministic:
        return "one value, the same on every seed, compared with the margin"
    if terms.bounds is not None:
        return f"{what[terms.kind]} over seeds; anytime-valid interval for bounded values"
    how = "log-ratios" if terms.kind == "ratio" else "values" if terms.kind == "level" else "differences"
    return f"{what[terms.kind]} over seeds; anytime-valid t mixture, for {how} that are about normal"


def sequence(terms: Terms) -> Sequence:
    """Return the confidence sequence of the effect: assumption-free where bounds were declared, else a t mixture."""
    from neff.stats.sequential.online import MeanSequence

    if terms.bounds is None:
        return MeanSequence(method="student", level=terms.level, target=TARGET)
    low, high = terms.bounds
    bounds = (low, high) if terms.kind == "level" else (low - high, high - low)
    return MeanSequence(method="betting", level=terms.level, bounds=bounds)
