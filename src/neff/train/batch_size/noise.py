"""The gradient noise scale from squared norms of gradients at two batch sizes.

Estimand: tr(Sigma) / |G|^2, with G the expected gradient and Sigma the covariance of the gradient of one example.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.results import Column, Table, json_number
from neff.stats._special import t_quantile
from neff.stats._validate import as_numbers, check_count, check_level, check_number, check_same_length, check_vector

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from neff.stats._validate import FloatArray

__all__ = ["NoiseScale", "check_batches", "noise_scale", "ratio_interval", "scale_from_moments", "unbiased_parts"]

SCHEMA = "neff.noise_scale/1"
LABEL = (
    "A noise scale is no critical batch size: it takes the Hessian for the identity and the optimizer for SGD. The "
    "paper finds it orders of magnitude below what branched training measures, with another course over training."
)


class Moments2(NamedTuple):
    """Mean and covariance of pairs (trace of the noise, squared gradient), and how many pairs they count as."""

    trace: float
    signal: float
    var_trace: float
    var_signal: float
    covariance: float
    n: float


@dataclass(frozen=True, slots=True)
class NoiseScale:
    """The simple gradient noise scale.

    Attributes
    ----------
    value
        B_simple = trace / signal, in examples. NaN where the squared gradient is not above zero.
    interval
        Fieller's interval. Its upper end is infinite where the squared gradient is not told from zero.
    signal, trace
        Means of the unbiased estimates of |G|^2 and of tr(Sigma).
    signal_error, trace_error
        Their standard errors.
    b_small, b_big
        The two batch sizes.
    level, n, reason, method, warnings
        As in `Estimate`; `n` counts steps. The first warning is always there.
    """

    value: float
    interval: tuple[float, float]
    level: float
    signal: float
    trace: float
    signal_error: float
    trace_error: float
    b_small: float
    b_big: float
    n: int
    method: str
    reason: Reason | None = None
    warnings: tuple[str, ...] = (LABEL,)

    @property
    def notes(self) -> tuple[str, ...]:
        """What weakens the result."""
        return self.warnings

    def table(self) -> Table:
        """Return the scale and its parts."""
        columns = (
            Column("quantity", "Quantity"),
            Column("value", "Value", "number"),
            Column("standard_error", "SE", "number"),
            Column("interval", f"{100 * self.level:g}% interval", "interval"),
            Column("reason", "Reason"),
        )
        nothing = (math.nan, math.nan)
        rows = (
            ("noise scale (examples)", self.value, math.nan, self.interval, self.reason),
            ("squared gradient", self.signal, self.signal_error, nothing, None),
            ("trace of the noise", self.trace, self.trace_error, nothing, None),
        )
        return Table(columns, rows, f"Gradient noise scale from {self.n:,} steps")

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, NaN and infinity as None."""
        return {
            "schema": SCHEMA,
            "value": json_number(self.value),
            "interval": [json_number(end) for end in self.interval],
            "interval_open": math.isinf(self.interval[1]),
            "level": self.level,
            "signal": json_number(self.signal),
            "signal_standard_error": json_number(self.signal_error),
            "trace": json_number(self.trace),
            "trace_standard_error": json_number(self.trace_error),
            "b_small": self.b_small,
            "b_big": self.b_big,
            "n": self.n,
            "method": self.method,
            "reason": None if self.reason is None else str(self.reason),
            "warnings": list(self.warnings),
        }

    def __str__(self) -> str:
        return "\n".join([str(self.table()), *(f"note: {note}" for note in self.warnings)])


def unbiased_parts(small: FloatArray, big: FloatArray, b_small: float, b_big: float) -> tuple[FloatArray, FloatArray]:
    """Return unbiased estimates of |G|^2 and of tr(Sigma), step by step; either may be negative.

    Examples
    --------
    >>> unbiased_parts(np.array([52.0]), np.array([2.78125]), 1, 64)
    (array([2.]), array([50.]))
    """
    signal = (b_big * big - b_small * small) / (b_big - b_small)
    trace = (small - big) / (1 / b_small - 1 / b_big)
    return signal, trace


def noise_scale(
    small_sq_norm: ArrayLike,
    big_sq_norm: ArrayLike,
    *,
    b_small: float,
    b_big: float,
    level: float = 0.95,
    block: int = 1,
) -> NoiseScale:
    """Return the gradient noise scale from squared gradient norms at two batch sizes.

    Use it as a cheap online signal beside a measured critical batch size: it costs nothing where gradients are averaged
    over ranks or accumulated. Not to choose a batch size: see the warning that every result carries.

    Parameters
    ----------
    small_sq_norm
        Squared norm of the gradient of b_small examples, shape (n,) by step; or (n, m) where m such gradients
        (ranks, micro-batches) were taken in each step: their norms are averaged.
    big_sq_norm
        Squared norm of the mean gradient of b_big examples, shape (n,).
    b_small, b_big
        Examples in each, b_small < b_big. The small gradients may be parts of the big one.
    level
        Coverage of the interval, in (0, 1).
    block
        Steps averaged before the spread is taken; more than 1 where neighbouring steps are alike.

    Returns
    -------
    NoiseScale
        NaN with `Reason.NO_SIGNAL` where the mean squared gradient is not above zero: it is not clamped.

    Raises
    ------
    ArgumentError
        If b_small is not below b_big (accumulation 1 on one rank), lengths differ, or a norm is negative.

    Notes
    -----
    signal = (b_big |g_big|^2 - b_small |g_small|^2) / (b_big - b_small) and trace = (|g_small|^2 - |g_big|^2) /
    (1 / b_small - 1 / b_big) are both unbiased; they are averaged over steps first and divided then. The mean of ratios
    of single steps has no expectation. The interval is Fieller's, by t with n - 1 degrees of freedom, for independent
    steps at about the same weights. O(n).

    Clipping before averaging lowers the noise that is seen: take norms before it.

    References
    ----------
    McCandlish, Kaplan, Amodei and others 2018, arXiv:1812.06162, appendix A.1.

    Examples
    --------
    >>> found = noise_scale(52.0, 2.78125, b_small=1, b_big=64)
    >>> found.signal, found.trace, found.value, found.reason
    (2.0, 50.0, 25.0, <Reason.ONE_RUN: 'one run'>)
    """
    call = "noise_scale"
    b_small, b_big = check_batches(b_small, b_big, call=call)
    level = check_level(level, call=call)
    block = check_count(block, argument="block", call=call, minimum=1)
    small = np.atleast_1d(as_numbers(small_sq_norm, argument="small_sq_norm", call=call).astype(np.float64))
    if small.ndim == 2:
        small = small.mean(axis=1)
    small = check_vector(small, argument="small_sq_norm", call=call)
    big = check_vector(np.atleast_1d(np.asarray(big_sq_norm)), argument="big_sq_norm", call=call)
    n = check_same_length(call=call, small_sq_norm=small, big_sq_norm=big)
    for name, norms in (("small_sq_norm", small), ("big_sq_norm", big)):
        if (norms < 0).any():
            raise ArgumentError(name, "0 or more", float(norms.min()), "Give squared norms.", call=call)
    if not n:
        raise ArgumentError("small_sq_norm", "of one step or more", "none", call=call)
    signal, trace = unbiased_parts(small, big, b_small, b_big)
    if block > 1:
        whole = n // block * block
        if whole < 2 * block:
            raise ArgumentError("block", f"at most half of the {n} steps", block, call=call)
        signal, trace = (part[:whole].reshape(-1, block).mean(axis=1) for part in (signal, trace))
    m = signal.size
    covariance = np.cov(trace, signal) if m > 1 else np.full((2, 2), np.nan)
    moments = Moments2(
        float(trace.mean()), float(signal.mean()),
        float(covariance[0, 0]), float(covariance[1, 1]), float(covariance[0, 1]), m,
    )  # fmt: skip
    return scale_from_moments(moments, b_small, b_big, level, n)


def check_batches(b_small: float, b_big: float, *, call: str) -> tuple[float, float]:
    """Return the two batch sizes, the small one below the big one."""
    small = check_number(b_small, argument="b_small", call=call)
    big = check_number(b_big, argument="b_big", call=call)
    if not 0 < small < big < math.inf:
        fix = "With one rank and no accumulation there is one batch size only: split the batch into two parts."
        raise ArgumentError("b_big", f"above b_small ({small:g}), and both above 0", big, fix, call=call)
    return small, big


def scale_from_moments(moments: Moments2, b_small: float, b_big: float, level: float, n: int) -> NoiseScale:
    """Return the result from means and covariances of the two parts."""
    defined = moments.signal > 0
    value = moments.trace / moments.signal if defined else math.nan
    interval = ratio_interval(moments, level) if defined else (math.nan, math.nan)
    reason = None if defined else Reason.NO_SIGNAL
    if defined and math.isnan(interval[0]):
        reason = Reason.ONE_RUN
    warnings = [LABEL]
    if defined and math.isinf(interval[1]):
        warnings.append("The squared gradient is not told from zero: average over more steps.")
    if defined and moments.trace < 0:
        warnings.append("The noise is estimated below zero: there is hardly any, or too few steps to see it.")
    return NoiseScale(
        value=value,
        interval=interval,
        level=level,
        signal=moments.signal,
        trace=moments.trace,
        signal_error=math.sqrt(moments.var_signal / moments.n),
        trace_error=math.sqrt(moments.var_trace / moments.n),
        b_small=b_small,
        b_big=b_big,
        n=n,
        method="ratio of means of unbiased parts, Fieller interval",
        reason=reason,
        warnings=tuple(warnings),
    )


def ratio_interval(moments: Moments2, level: float) -> tuple[float, float]:
    """Return Fieller's interval of trace / signal, at least 0; its upper end is infinite where signal may be 0."""
    if moments.n <= 1 or math.isnan(moments.var_signal):
        return math.nan, math.nan
    q = t_quantile(0.5 + level / 2, moments.n - 1) ** 2 / moments.n
    a = moments.signal**2 - q * moments.var_signal
    b = moments.trace * moments.signal - q * moments.covariance
    c = moments.trace**2 - q * moments.var_trace
    root = b * b - a * c
    if a <= 0:  # the squared gradient may be 0: every large ratio fits
        if root <= 0 or a == 0 or b + math.sqrt(root) < 0:  # all fit, or all but some in the middle
            return 0.0, math.inf
        return max((b - math.sqrt(root)) / a, 0.0), math.inf
    half = math.sqrt(max(root, 0.0))
    return max((b - half) / a, 0.0), max((b + half) / a, 0.0)
