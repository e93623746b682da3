"""What every bootstrap takes and gives: checked options, and `BootstrapResult`."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from neff.reasons import Reason
from neff.stats import _bootstrap as kernel
from neff.stats._options import check_choice, seeded
from neff.stats._validate import FloatArray, check_count, check_level
from neff.stats.intervals import Interval

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["BootstrapMethod", "BootstrapResult", "Options"]

BootstrapMethod = Literal["percentile", "bca"]

_UNDEFINED = Interval(math.nan, math.nan)


@dataclass(frozen=True, slots=True, eq=False)
class BootstrapResult:
    """An estimate with its bootstrap distribution.

    Attributes
    ----------
    estimate
        The statistic on the data themselves; `value` is the same number.
    standard_error
        Standard deviation of the distribution, in the units of the statistic. NaN where undefined.
    interval
        (low, high, reason) at `level`.
    level
        Coverage wanted.
    method
        "percentile" or "bca".
    n_units
        Number of rows, or of clusters, that were resampled.
    n_resamples
        Number of resamples asked for.
    n_undefined
        Number of resamples on which the statistic was NaN or infinite.
    seed
        The seed that reproduces the result; None where a Generator was given.
    reason
        Why there is no standard error and no interval, or None.
    acceleration
        The acceleration constant of "bca", else NaN.
    distribution
        The statistic on every resample, shape (n_resamples,), read-only; empty where nothing was drawn.
    """

    estimate: float
    standard_error: float
    interval: Interval
    level: float
    method: BootstrapMethod
    n_units: int
    n_resamples: int
    n_undefined: int = 0
    seed: int | None = None
    reason: Reason | None = None
    acceleration: float = math.nan
    distribution: FloatArray = field(repr=False, default_factory=lambda: np.empty(0))

    @property
    def value(self) -> float:
        """The estimate, under the name that every result has for it."""
        return self.estimate

    def interval_at(self, level: float) -> Interval:
        """Return the interval at another level, from the same resamples."""
        level = check_level(level, call="BootstrapResult.interval_at")
        if self.reason is not None:
            return _UNDEFINED._replace(reason=self.reason)
        return kernel.interval_of(self.distribution, self.estimate, self.method, level, self.acceleration)


@dataclass(frozen=True, slots=True)
class Options:
    """The checked options that all bootstraps share."""

    n_resamples: int
    level: float
    method: BootstrapMethod
    rng: np.random.Generator
    seed: int | None

    @classmethod
    def check(cls, n_resamples: int, level: float, method: BootstrapMethod, rng: Any, call: str) -> Options:
        check_choice(method, ("percentile", "bca"), argument="method", call=call)
        generator, seed = seeded(rng, call=call)
        return cls(
            check_count(n_resamples, argument="n_resamples", call=call, minimum=2),
            check_level(level, call=call),
            method,
            generator,
            seed,
        )

    def undefined(self, estimate: float, n_units: int, reason: Reason, **known: Any) -> BootstrapResult:
        return BootstrapResult(
            estimate,
            math.nan,
            _UNDEFINED._replace(reason=reason),
            self.level,
            self.method,
            n_units,
            self.n_resamples,
            seed=self.seed,
            reason=reason,
            **known,
        )

    def result(
        self, estimate: float, n_units: int, distribution: FloatArray, accelerate: Callable[[], float]
    ) -> BootstrapResult:
        distribution.flags.writeable = False
        n_undefined = int(np.count_nonzero(~np.isfinite(distribution)))
        if n_undefined or not math.isfinite(estimate):
            # Dropping them would condition on the easy resamples and make the error look smaller than it is.
            reason = Reason.UNDEFINED_STATISTIC
            return self.undefined(estimate, n_units, reason, n_undefined=n_undefined, distribution=distribution)
        if kernel.all_equal(distribution):
            return self.undefined(estimate, n_units, Reason.DEGENERATE_RESAMPLES, distribution=distribution)
        constant = accelerate() if self.method == "bca" else math.nan
        return BootstrapResult(
            estimate,
            float(distribution.std(ddof=1)),
            kernel.interval_of(distribution, estimate, self.method, self.level, constant),
            self.level,
            self.method,
            n_units,
            self.n_resamples,
            seed=self.seed,
            acceleration=constant,
            distribution=distribution,
        )
