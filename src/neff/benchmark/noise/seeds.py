"""Runs that differ in the seed only: how much of a score is luck, and is a continuous score steadier?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.benchmark.noise.measures import check_ddof, monotonicity
from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.results import Column, Estimate, Table, json_number
from neff.stats import t_interval
from neff.stats._special import chi2_quantile
from neff.stats._validate import as_numbers, check_level

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from neff.stats._validate import FloatArray

__all__ = ["SeedVariance", "sd_estimate", "seed_variance"]


@dataclass(frozen=True, slots=True)
class SeedVariance:
    """What repeated runs say about a benchmark.

    Attributes
    ----------
    mean
        Mean over seeds of the last checkpoint.
    seed_sd
        Standard deviation over seeds, averaged over checkpoints; the paper calls it the seed variance.
    final_sd
        That of the last checkpoint, with its chi-squared interval. A difference of two runs has sqrt(2) times as much.
    monotonicity
        Mean over seeds of Kendall's tau-b between order of checkpoints and scores; `n_constant` curves have none.
    snr
        Mean over `final_sd`. Grows with any offset of the score.
    snr_gain
        Improvement from the first to the last checkpoint over `final_sd`: free of an offset.
    n_seeds, n_checkpoints, n_constant
        Sizes; curves that never change.
    warnings
        What weakens the figures.
    """

    mean: Estimate
    seed_sd: Estimate
    final_sd: Estimate
    monotonicity: Estimate
    snr: float
    snr_gain: float
    n_seeds: int
    n_checkpoints: int
    n_constant: int = 0
    warnings: tuple[str, ...] = ()

    def table(self) -> Table:
        """Return one row per figure."""
        rows = [(e.metric, e.value, e.interval) for e in (self.mean, self.seed_sd, self.final_sd, self.monotonicity)]
        nothing = (math.nan, math.nan)
        rows += [("mean over SD", self.snr, nothing), ("improvement over SD", self.snr_gain, nothing)]
        columns = (
            Column("figure", "Figure"), Column("value", "Value", "number"), Column("interval", "Interval", "interval"),
        )  # fmt: skip
        return Table(columns, tuple(rows))

    def __str__(self) -> str:
        why = [f"{e.metric}: {e.reason}" for e in (self.seed_sd, self.final_sd, self.monotonicity) if e.reason]
        return "\n".join([str(self.table()), *why, *self.warnings])

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "schema": "neff.seed-variance/1",
            "mean": self.mean.to_dict(),
            "seed_sd": self.seed_sd.to_dict(),
            "final_sd": self.final_sd.to_dict(),
            "monotonicity": self.monotonicity.to_dict(),
            "snr": json_number(self.snr),
            "snr_gain": json_number(self.snr_gain),
            "n_seeds": self.n_seeds,
            "n_checkpoints": self.n_checkpoints,
            "n_constant": self.n_constant,
            "warnings": list(self.warnings),
        }


def seed_variance(scores: ArrayLike, *, ddof: int = 1, level: float = 0.95) -> SeedVariance:
    """Return how much a benchmark's score varies over seeds of one training recipe.

    Use it to learn how large a difference of two runs must be; `difference_or_noise` applies it. For a continuous score
    beside accuracy, call it on both and compare `snr_gain` and `monotonicity`. Seeds that share the order of the data
    understate the variance of training as a whole.

    Parameters
    ----------
    scores
        Shape (n_seeds, n_checkpoints), in the order of training. NaN: that checkpoint is missing.
    ddof
        Of the standard deviations.
    level
        Coverage of the intervals.

    Returns
    -------
    SeedVariance
        One seed gives no deviation, with the reason; two give one with a huge interval.

    Raises
    ------
    ArgumentError
        If the array is not two-dimensional, or empty.

    Notes
    -----
    The standard deviation of R normal values is known to about 1 / sqrt(2 (R - 1)): 71% at 2 seeds, 24% at 10; its
    interval is chi-squared. That of the average over checkpoints is taken as if all checkpoints were one, which is
    safe. A continuous score that rises while accuracy is flat can be mere confidence.

    References
    ----------
    Madaan et al., Quantifying Variance in Evaluation Benchmarks. arXiv:2406.10229

    Examples
    --------
    >>> found = seed_variance([[0.25, 0.30, 0.36, 0.40], [0.26, 0.29, 0.35, 0.42], [0.24, 0.31, 0.33, 0.41]])
    >>> round(found.seed_sd.value, 6), round(found.mean.value, 2), found.monotonicity.value
    (0.011319, 0.41, 1.0)
    """
    call = "seed_variance"
    level, ddof = check_level(level, call=call), check_ddof(ddof, call)
    s = as_numbers(scores, argument="scores", call=call).astype(np.float64)
    if s.ndim != 2 or not s.size or np.isinf(s).any():
        fix = "Give one row per seed, one column per checkpoint."
        raise ArgumentError("scores", "finite, two-dimensional, not empty", f"shape {s.shape}", fix, call=call)
    measured = ~np.isnan(s)
    counts = measured.sum(axis=0)
    final = s[measured[:, -1], -1]
    sds = np.array([s[measured[:, c], c].std(ddof=ddof) for c in np.flatnonzero(counts > 1)])
    final_sd = sd_estimate(
        float(final.std(ddof=ddof)) if final.size > 1 else math.nan, final.size, level, "SD at the last checkpoint",
        ddof=ddof,
    )  # fmt: skip
    seed_sd = sd_estimate(
        float(sds.mean()) if sds.size else math.nan, int(counts.max()), level, "SD over checkpoints", ddof=ddof
    )
    taus = [monotonicity(row) for row in s]
    known = np.array([tau for tau in taus if not math.isnan(tau)])
    mean = _mean(final, level, "mean of the last checkpoint")
    first = s[measured[:, 0], 0]
    constant = sum(row[own].size > 1 and np.ptp(row[own]) == 0 for row, own in zip(s, measured, strict=True))
    gain = mean.value - float(first.mean()) if first.size and s.shape[1] > 1 else math.nan
    return SeedVariance(
        mean=mean, seed_sd=seed_sd, final_sd=final_sd, monotonicity=_mean(known, level, "monotonicity (tau-b)"),
        snr=_over(mean.value, final_sd.value), snr_gain=_over(gain, final_sd.value), n_seeds=s.shape[0],
        n_checkpoints=s.shape[1], n_constant=constant, warnings=_warnings(s.shape[0], s.shape[1], constant),
    )  # fmt: skip


def _over(above: float, sd: float) -> float:
    return above / sd if sd > 0 else math.nan


def sd_estimate(sd: float, n: int, level: float, metric: str, *, ddof: int = 1) -> Estimate:
    """Return a standard deviation of n values with its chi-squared interval, which allows for its `ddof`."""
    if n < 2:
        return Estimate(math.nan, level=level, n=n, metric=metric, reason=Reason.ONE_RUN)
    if sd <= 1e-15:
        return Estimate(sd, level=level, n=n, metric=metric, reason=Reason.ALL_EQUAL)
    df = n - 1
    low, high = (sd * math.sqrt((n - ddof) / chi2_quantile(p, df)) for p in ((1 + level) / 2, (1 - level) / 2))
    return Estimate(
        sd, sd / math.sqrt(2 * df), (low, high), level=level, df=df, n=n, metric=metric,
        method="chi-squared interval", assumptions=("normal over seeds",),
    )  # fmt: skip


def _mean(values: FloatArray, level: float, metric: str) -> Estimate:
    n = values.size
    if n < 2:
        value = float(values[0]) if n else math.nan
        return Estimate(value, level=level, n=n, metric=metric, reason=Reason.ONE_RUN if n else Reason.EMPTY)
    error = float(values.std(ddof=1)) / math.sqrt(n)
    if error < 1e-15:
        return Estimate(float(values.mean()), level=level, n=n, metric=metric, reason=Reason.ALL_EQUAL)
    low, high, _ = t_interval(float(values.mean()), error, df=n - 1, level=level)
    return Estimate(float(values.mean()), error, (low, high), level=level, df=n - 1, n=n, metric=metric, method="t")


def _warnings(seeds: int, checkpoints: int, constant: int) -> tuple[str, ...]:
    said = []
    if 1 < seeds < 5:
        said.append(f"{seeds} seeds know a standard deviation to about {1 / math.sqrt(2 * (seeds - 1)):.0%}")
    if checkpoints < 4:
        said.append("fewer than 4 checkpoints: monotonicity says little")
    if constant:
        said.append(f"{constant} curves never change and have no monotonicity")
    return tuple(said)
