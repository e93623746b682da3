"""The contract of an estimator, as a check that anybody can run on their own."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import ArgumentError, NeffError
from neff.stats._validate import check_count, check_level, check_rng
from neff.testing._behaviour import behaviour

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from neff.testing._behaviour import Estimator

__all__ = ["ContractError", "EstimatorReport", "check_estimator", "coverage_band"]

_CALL = "check_estimator"


class ContractError(NeffError, AssertionError):
    """An estimator or a reader broke its contract; the message lists every broken property."""

    def __init__(self, failures: tuple[str, ...]) -> None:
        self.failures = failures
        super().__init__("\n".join([f"{len(failures)} broken:", *(f"- {failure}" for failure in failures)]))


@dataclass(frozen=True, slots=True)
class EstimatorReport:
    """What `check_estimator` measured.

    Attributes
    ----------
    n_replicates, n_undefined
        Simulated data sets, and those without a value, standard error or interval (counted as not covering).
    coverage, coverage_band
        Share of intervals that hold the truth, and the band that chance allows.
    missed_low, missed_high
        Share of intervals wholly below and wholly above the truth.
    bias, bias_z
        Mean error, and the same in units of its Monte Carlo standard error.
    se_ratio
        Root mean square of the standard errors over the standard deviation of the estimates.
    failures
        One sentence per broken property.
    """

    n_replicates: int
    n_undefined: int
    coverage: float
    coverage_band: tuple[float, float]
    missed_low: float
    missed_high: float
    bias: float
    bias_z: float
    se_ratio: float
    failures: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether nothing failed."""
        return not self.failures

    def __str__(self) -> str:
        low, high = self.coverage_band
        lines = [
            f"coverage {self.coverage:.4f}, allowed {low:.4f} to {high:.4f}",
            f"missed below {self.missed_low:.4f}, above {self.missed_high:.4f}",
            f"bias {self.bias:+.6g} (z = {self.bias_z:+.2f}), SE / SD = {self.se_ratio:.4f}",
            f"{self.n_replicates:,} replicates, {self.n_undefined:,} undefined",
            "passed" if self.passed else "failed:",
        ]
        return "\n".join([*lines, *(f"- {failure}" for failure in self.failures)])


def coverage_band(
    n_replicates: int, level: float | tuple[float, float] = 0.95, *, chance: float = 1e-3
) -> tuple[float, float]:
    """Return the band in which a seen coverage lies by chance, exact binomial and two-sided.

    Parameters
    ----------
    n_replicates
        Number of intervals.
    level
        True coverage, or the (lowest, highest) true coverage that is accepted.
    chance
        Probability, for a method within its level, that the seen coverage is outside; half of it on each
        side.

    Returns
    -------
    tuple of float
        (low, high), both attainable and inside the band.

    Examples
    --------
    >>> coverage_band(400)
    (0.91, 0.9825)
    """
    from scipy.special import bdtr

    n = check_count(n_replicates, argument="n_replicates", call="coverage_band", minimum=1)
    ends = level if isinstance(level, tuple) else (level, level)
    low_level, high_level = (check_level(end, call="coverage_band") for end in ends)
    counts = np.arange(n + 1)
    low = int(np.argmax(bdtr(counts, n, low_level) > chance / 2))
    high = int(np.argmax(bdtr(counts, n, high_level) >= 1 - chance / 2))
    return low / n, high / n


def check_estimator(
    estimate: Estimator,
    simulate: Callable[[np.random.Generator], tuple[Any, float]],
    *,
    n_replicates: int = 400,
    level: float | tuple[float, float] = 0.95,
    chance: float = 1e-3,
    bias_z: float = 4.0,
    se_ratio: tuple[float, float] = (0.9, 1.1),
    rng: int | np.random.Generator | None = 0,
    raise_on_failure: bool = False,
) -> EstimatorReport:
    """Check that an estimator keeps what an interval promises.

    It must cover the truth as often as it says, be unbiased, know its own error, and be loud where it knows
    nothing.

    Use it on any function from data to a value with an interval, neff's or your own. It tells wrong from
    right, not good from better: a method with intervals twice as wide as needed fails, one with half the
    data passes.

    Parameters
    ----------
    estimate
        ``estimate(data)``: an object with `value`, `standard_error`, `interval` and `reason`. If it draws
        random numbers, give it a fixed seed.
    simulate
        ``simulate(rng)``: fresh data and the true value. Data are `Records`, an array, or a tuple or dict
        of arrays with one row per first index.
    n_replicates
        Number of simulated data sets; 400 see a coverage off by 0.03, 4000 one off by 0.01.
    level
        Coverage that the intervals promise, or a (lowest, highest) pair where a method promises only about
        that.
    chance
        Probability that a right method fails the check of coverage.
    bias_z
        Largest mean error that is accepted, in Monte Carlo standard errors of it.
    se_ratio
        Accepted (low, high) of mean standard error over standard deviation of the estimates.
    rng
        Generator, seed or None; a fixed seed by default, so that a check does not flicker.
    raise_on_failure
        Raise instead of returning a report with failures.

    Returns
    -------
    EstimatorReport
        The figures and one sentence per broken property.

    Raises
    ------
    ContractError
        If something is broken and `raise_on_failure` is true.
    ArgumentError
        If `n_replicates` is below 20.

    Notes
    -----
    Besides the simulation it checks, on one data set: the same data twice give the same result; the order
    of rows does not matter; no data, and one item, give NaN with a reason or a `NeffError`, never a
    standard error of 0 or an interval without width. The SE / SD ratio itself is known to about 1 / sqrt(2
    n_replicates).

    Examples
    --------
    >>> from neff.results import Estimate
    >>> from neff.stats import mean_se, t_interval
    >>> def mean(values):
    ...     result = mean_se(values)
    ...     interval = t_interval(result.value, result.standard_error, df=result.df)
    ...     return Estimate(result.value, result.standard_error, interval[:2], reason=result.reason)
    >>> print(check_estimator(mean, lambda rng: (rng.normal(size=23), 0.0)))
    coverage 0.9325, allowed 0.9100 to 0.9825
    missed below 0.0300, above 0.0375
    bias +0.00605036 (z = +0.56), SE / SD = 0.9598
    400 replicates, 0 undefined
    passed
    """
    rng = check_rng(rng, call=_CALL)
    n = check_count(n_replicates, argument="n_replicates", call=_CALL)
    if n < 20:
        raise ArgumentError("n_replicates", "at least 20", n, "400 is a quick check.", call=_CALL)
    band = coverage_band(n, level, chance=chance)
    failures = behaviour(estimate, simulate(rng)[0], rng)

    rows = np.empty((n, 5))
    for i in range(n):
        data, truth = simulate(rng)
        result = estimate(data)
        rows[i] = (result.value, result.standard_error, *result.interval, truth)
    report = _measure(rows, band)

    if report.n_undefined:
        failures.append(f"{report.n_undefined:,} of {n:,} replicates have no value, standard error or interval.")
    if not band[0] <= report.coverage <= band[1]:
        failures.append(f"coverage is {report.coverage:.4f}, outside [{band[0]:.4f}, {band[1]:.4f}].")
    if not abs(report.bias_z) <= bias_z:
        failures.append(f"the mean error is {report.bias:+.6g}, {report.bias_z:+.1f} times its own standard error.")
    if not se_ratio[0] <= report.se_ratio <= se_ratio[1]:
        failures.append(f"standard errors are {report.se_ratio:.3f} of the true spread, outside {list(se_ratio)}.")
    report = replace(report, failures=tuple(failures))
    if failures and raise_on_failure:
        raise ContractError(report.failures)
    return report


def _measure(rows: NDArray[np.float64], band: tuple[float, float]) -> EstimatorReport:
    """Return the figures of replicates (value, standard error, low, high, truth), shape (n, 5)."""
    value, error, low, high, truth = rows.T
    defined = ~np.isnan(rows).any(axis=1)
    miss = (value - truth)[defined]
    bias = spread = z = ratio = math.nan
    if len(miss) > 1:
        bias, spread = float(miss.mean()), float(miss.std(ddof=1))
    if spread > 0:
        z = bias / (spread / math.sqrt(len(miss)))
        ratio = math.sqrt(float(np.mean(error[defined] ** 2))) / spread
    return EstimatorReport(
        n_replicates=len(rows),
        n_undefined=int((~defined).sum()),
        coverage=float(np.mean((low <= truth) & (truth <= high))),
        coverage_band=band,
        missed_low=float(np.mean(high < truth)),
        missed_high=float(np.mean(low > truth)),
        bias=bias,
        bias_z=z,
        se_ratio=ratio,
    )
