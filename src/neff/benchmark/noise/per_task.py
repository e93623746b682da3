"""Signal, noise and their ratio of one task, with intervals that know that checkpoints of a run are alike.

What it estimates: the spread of these models over the deviation of one checkpoint. Models are fixed, checkpoints
random.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from neff.benchmark.noise.measures import relative_noise, signal
from neff.reasons import Reason
from neff.results import Estimate
from neff.stats._special import chi2_quantile, normal_quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neff.stats._validate import FloatArray

__all__ = ["lag_one", "noise_estimate", "signal_estimate", "snr_estimate"]

_MOST = 0.95


def lag_one(tails: Sequence[FloatArray]) -> float:
    """Return the correlation of neighbouring checkpoints, pooled over runs, from 0 to 0.95.

    The plain estimate is too low by about (1 + 4 rho) / n in a window of n; that is added back.
    """
    above = below = 0.0
    sizes = [tail.size for tail in tails if tail.size > 2 and np.ptp(tail) > 0]
    for tail in tails:
        if tail.size > 2 and np.ptp(tail) > 0:
            d = (tail - tail.mean()) / tail.std()
            above += float(d[1:] @ d[:-1])
            below += float(d @ d)
    if not below:
        return 0.0
    n = float(np.mean(sizes))
    rho = above / below
    return min(max((rho * n + 1) / max(n - 4, 1.0), 0.0), _MOST)


def noise_estimate(tails: Sequence[FloatArray], *, ddof: int, level: float, rho: float | None = None) -> Estimate:
    """Return the mean over runs of the relative deviation of the last checkpoints, with a chi-squared interval.

    A run of n checkpoints with neighbours correlated by rho has (n - 1) (1 - rho^2) / (1 + rho^2) degrees of freedom.
    """
    method = f"mean over runs of the relative standard deviation of the last checkpoints (ddof = {ddof})"
    kept = [tail for tail in tails if tail.size > 1]
    n = sum(tail.size for tail in kept)
    each = np.array([relative_noise(tail, ddof=ddof) for tail in kept])
    if not kept:
        return Estimate(math.nan, level=level, method=method, reason=Reason.TOO_FEW, metric="noise")
    if np.isnan(each).any():
        return Estimate(math.nan, level=level, n=n, method=method, reason=Reason.ZERO_MEAN, metric="noise")
    value = float(each.mean())
    if value == 0:
        reason = Reason.ALL_EQUAL
        return Estimate(0.0, level=level, n=n, n_items=len(kept), method=method, reason=reason, metric="noise")
    honest = float(np.mean([relative_noise(tail) for tail in kept]))  # the interval is that of ddof = 1
    rho = lag_one(kept) if rho is None else rho
    df = np.array([max((tail.size - 1) * (1 - rho**2) / (1 + rho**2), 1.0) for tail in kept])
    error = math.sqrt(float((each**2 / (2 * df)).sum())) / len(kept)
    total = value**2 / (2 * error**2)
    low, high = (honest * math.sqrt(total / chi2_quantile(p, total)) for p in ((1 + level) / 2, (1 - level) / 2))
    return Estimate(
        value, error, (low, high), level=level, df=total, n=n, n_items=len(kept), method=method, metric="noise",
        components={"lag_one": rho},
    )  # fmt: skip


def signal_estimate(tails: Sequence[FloatArray], *, kind: str, level: float, rho: float) -> Estimate:
    """Return the signal of the means of the last checkpoints; its error is that of those means, for these models."""
    method = f"relative {kind.replace('_', ' ')} over models of the mean of the last checkpoints"
    means = np.array([tail.mean() for tail in tails])
    n = len(tails)
    if n < 2:
        return Estimate(math.nan, level=level, n_items=n, method=method, reason=Reason.ONE_MODEL, metric="signal")
    value = signal(means, kind=kind)
    if math.isnan(value):
        return Estimate(math.nan, level=level, n_items=n, method=method, reason=Reason.ZERO_MEAN, metric="signal")
    inflate = (1 + rho) / (1 - rho)
    of_mean = np.array(
        [t.std(ddof=1) * math.sqrt(min(inflate / t.size, 1.0)) if t.size > 1 else math.nan for t in tails]
    )
    error = math.sqrt(float(((_gradient(means, kind) * of_mean) ** 2).sum()))
    known = error > 0
    half = normal_quantile((1 + level) / 2) * error if known else math.nan
    return Estimate(
        value, error if known else math.nan, (max(0.0, value - half) if known else math.nan, value + half), level=level,
        n=n, n_items=n, method=method, metric="signal", reason=None if known else Reason.NO_STANDARD_ERROR,
    )  # fmt: skip


def _gradient(means: FloatArray, kind: str) -> FloatArray:
    step = 1e-6 * max(float(np.ptp(means)), 1e-9)
    out = np.empty(means.size)
    for i in range(means.size):
        up, down = means.copy(), means.copy()
        up[i] += step
        down[i] -= step
        out[i] = (signal(up, kind=kind) - signal(down, kind=kind)) / (2 * step)
    return out


def snr_estimate(signal_: Estimate, noise: Estimate, *, level: float) -> Estimate:
    """Return signal over noise; the interval joins those of the two on the log scale (MOVER)."""
    method = "signal over mean noise per model"
    n = signal_.n_items
    if math.isnan(signal_.value) or math.isnan(noise.value):
        why = signal_.reason if math.isnan(signal_.value) else noise.reason
        return Estimate(math.nan, level=level, n_items=n, method=method, reason=why, metric="SNR")
    if noise.value == 0:
        value = math.inf if signal_.value > 0 else 0.0
        return Estimate(value, level=level, n_items=n, method=method, reason=Reason.NO_NOISE, metric="SNR")
    if signal_.value == 0:
        return Estimate(0.0, level=level, n_items=n, method=method, reason=Reason.ALL_EQUAL, metric="SNR")
    value = signal_.value / noise.value
    relative = signal_.standard_error / signal_.value
    of_signal = normal_quantile((1 + level) / 2) * relative
    low = value * math.exp(-math.hypot(of_signal, math.log(noise.interval[1] / noise.value)))
    high = value * math.exp(math.hypot(of_signal, math.log(noise.value / noise.interval[0])))
    error = value * math.hypot(relative, noise.standard_error / noise.value)
    known = not math.isnan(error)
    return Estimate(
        value, error, (low, high), level=level, df=noise.df, n=noise.n, n_items=n, method=method, metric="SNR",
        reason=None if known else Reason.NO_STANDARD_ERROR,
    )  # fmt: skip
