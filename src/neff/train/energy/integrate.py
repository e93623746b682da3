"""Joules from power samples and from energy counters; what is missing is counted, never filled in."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.stats._validate import check_number, check_same_length, check_vector

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["SHORTEST", "SampledEnergy", "energy_from_counter", "energy_from_samples", "undefined"]

SHORTEST = 1.0
"""Seconds below which a window is refused: a meter that is read every second may not have moved in it."""
GAP = 5.0


@dataclass(frozen=True, slots=True)
class SampledEnergy:
    """Energy of one device over one window.

    Attributes
    ----------
    joules
        Energy over the time that was covered; NaN with a `reason` where it cannot be told.
    seconds
        Time covered by samples, without gaps.
    mean_watts
        joules / seconds, the mean of power over time.
    n, n_missing
        Samples used, and samples without a value.
    n_gaps, gap_seconds
        Gaps longer than five times the median interval, and their length: counted as missing.
    resolution
        Energy of one sampling interval: by so much the ends of the window are uncertain.
    reason
        Why joules are undefined.
    """

    joules: float
    seconds: float
    mean_watts: float
    n: int
    n_missing: int
    n_gaps: int
    gap_seconds: float
    resolution: float
    reason: Reason | None = None


def energy_from_samples(seconds: ArrayLike, watts: ArrayLike) -> SampledEnergy:
    """Return the energy of a device from samples of its power.

    Use it on what nvidia-smi, dcgm or a wall meter logged for one device. Where the device has an energy counter,
    `energy_from_counter` is better: it misses nothing between samples.

    Parameters
    ----------
    seconds
        Time of each sample in seconds, shape (n,), rising.
    watts
        Power at these times, shape (n,), 0 or more; NaN for a sample without a value, which is dropped and counted.

    Returns
    -------
    SampledEnergy
        NaN with `Reason.TOO_FEW` for fewer than two samples, and with `Reason.SHORT_WINDOW` for less than 1 second.

    Raises
    ------
    ArgumentError
        If lengths differ, times do not rise, or power is negative.

    Notes
    -----
    Trapezoids between neighbours. A step longer than five times the median is a gap: the window is split there, and the
    energy of the gap is unknown, not interpolated. O(n).

    References
    ----------
    Antonopoulos 2024, arXiv:2409.07853, compares mean power; a setting may raise that and lower the energy.

    Examples
    --------
    >>> found = energy_from_samples([0, 1, 2, 4, 5], [100, 200, 200, 300, 100])
    >>> found.joules, found.mean_watts, found.n_gaps
    (1050.0, 210.0, 0)
    """
    call = "energy_from_samples"
    t = check_vector(seconds, argument="seconds", call=call)
    p = check_vector(watts, argument="watts", call=call, allow_nan=True)
    check_same_length(call=call, seconds=t, watts=p)
    if (np.diff(t) <= 0).any():
        at = int(np.argmax(np.diff(t) <= 0)) + 1
        raise ArgumentError("seconds", "rising", float(t[at]), f"See position {at}; one device at a time.", call=call)
    if (p < 0).any():
        raise ArgumentError("watts", "0 or more", float(np.nanmin(p)), call=call)
    known = ~np.isnan(p)
    t, p, lost = t[known], p[known], int(np.count_nonzero(~known))
    if t.size < 2:
        return undefined(Reason.TOO_FEW, t.size, lost)
    steps = np.diff(t)
    usual = float(np.median(steps))
    whole = steps <= GAP * usual
    covered = float(steps[whole].sum())
    if covered < SHORTEST:
        return undefined(Reason.SHORT_WINDOW, t.size, lost)
    joules = float((((p[:-1] + p[1:]) / 2) * steps)[whole].sum())
    return SampledEnergy(
        joules=joules,
        seconds=covered,
        mean_watts=joules / covered,
        n=t.size,
        n_missing=lost,
        n_gaps=int(np.count_nonzero(~whole)),
        gap_seconds=float(steps[~whole].sum()),
        resolution=usual * joules / covered,
    )


def undefined(reason: Reason, n: int = 0, n_missing: int = 0) -> SampledEnergy:
    """Return no energy, and why."""
    return SampledEnergy(math.nan, math.nan, math.nan, n, n_missing, 0, 0.0, math.nan, reason)


def energy_from_counter(start: float, end: float, *, maximum: float = math.inf) -> float:
    """Return what a counter of energy gained between two readings, in its own unit, over one wrap at most.

    Use it on RAPL (microjoules, wraps after `max_energy_range_uj`) and NVML (millijoules, does not wrap). Read a RAPL
    counter at least once a minute and add up the gains: a second wrap cannot be seen.

    Parameters
    ----------
    start, end
        The two readings, 0 or more.
    maximum
        The largest value that the counter takes before it starts again at 0; infinity for a counter that does not wrap.

    Returns
    -------
    float
        The gain; NaN where it cannot be one: the counter went back without a wrap (the driver was loaded anew), or a
        reading is above the maximum.

    Raises
    ------
    ArgumentError
        If a reading is negative or not finite, or the maximum is not above 0.

    Notes
    -----
    (end - start) modulo (maximum + 1).

    Examples
    --------
    >>> energy_from_counter(262_143_327_850, 5_000, maximum=262_143_328_850)
    6001.0
    >>> energy_from_counter(5_000, 4_000)
    nan
    """
    call = "energy_from_counter"
    first = check_number(start, argument="start", call=call)
    last = check_number(end, argument="end", call=call)
    top = check_number(maximum, argument="maximum", call=call)
    if not (0 <= first < math.inf and 0 <= last < math.inf):
        raise ArgumentError("start", "0 or more, as end", (first, last), "Give two readings.", call=call)
    if not top > 0:
        raise ArgumentError("maximum", "above 0", top, call=call)
    if max(first, last) > top:
        return math.nan
    gain = last - first
    return gain if gain >= 0 else gain + top + 1 if math.isfinite(top) else math.nan
