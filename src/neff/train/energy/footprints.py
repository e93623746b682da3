"""From joules to kilowatt-hours and grams of CO2; energy above idle; what a model says where there is no meter."""

from __future__ import annotations

import math
from typing import NamedTuple

from neff.errors import ArgumentError
from neff.stats._validate import check_count, check_number

__all__ = ["JOULES_PER_KWH", "Footprint", "NetEnergy", "estimated_watts", "footprint", "net_of_idle"]

JOULES_PER_KWH = 3.6e6
WATTS_PER_DIMM = 5.0


class Footprint(NamedTuple):
    """Energy and emissions; `grams_co2e` is NaN where no carbon intensity was given."""

    joules: float
    kwh: float
    grams_co2e: float
    pue: float
    intensity: float


class NetEnergy(NamedTuple):
    """Energy with and without what the machine would have drawn idle, in joules."""

    gross: float
    idle: float
    net: float


def footprint(joules: float, *, pue: float = 1.0, intensity: float | None = None) -> Footprint:
    """Return energy with the building's overhead, in kWh, and the emissions it stands for.

    Use it last, on an energy that is known: the carbon intensity of a grid changes from hour to hour and country to
    country by far more than most settings do, so compare settings by energy.

    Parameters
    ----------
    joules
        Energy of all devices together, 0 or more.
    pue
        Power usage effectiveness of the building, 1 or more. codecarbon multiplies by its own before it logs.
    intensity
        Grams of CO2e per kWh. There is no default; codecarbon falls back to 475, a world average of 2019.

    Returns
    -------
    Footprint
        Energies times `pue`.

    Raises
    ------
    ArgumentError
        If an argument is out of range.

    References
    ----------
    Antonopoulos 2024, arXiv:2409.07853.

    Examples
    --------
    >>> found = footprint(1050, pue=1.2, intensity=475)
    >>> round(footprint(1050).kwh, 9), round(found.grams_co2e, 5)
    (0.000291667, 0.16625)
    """
    call = "footprint"
    energy = check_number(joules, argument="joules", call=call)
    factor = check_number(pue, argument="pue", call=call)
    if energy < 0:
        raise ArgumentError("joules", "0 or more", energy, call=call)
    if not 1 <= factor < math.inf:
        raise ArgumentError("pue", "1 or more", factor, "1 is a building without overhead.", call=call)
    grams = math.nan if intensity is None else check_number(intensity, argument="intensity", call=call)
    if grams < 0:
        raise ArgumentError("intensity", "0 or more", grams, "Give grams of CO2e per kWh.", call=call)
    total = energy * factor
    kwh = total / JOULES_PER_KWH
    return Footprint(total, kwh, kwh * grams, factor, grams)


def net_of_idle(joules: float, seconds: float, *, idle_watts: float) -> NetEnergy:
    """Return the energy of a run with and without the idle draw of the machine.

    Use the gross energy where the machine runs for this job alone, the net one where it would be on anyway; report
    both.

    Parameters
    ----------
    joules, seconds
        Energy and duration of the run.
    idle_watts
        Power of the idle machine, measured with the same meter.

    Returns
    -------
    NetEnergy
        The net energy is below 0 where the idle power was measured too high: it is not clamped.

    Raises
    ------
    ArgumentError
        If a value is negative.

    Examples
    --------
    >>> net_of_idle(1050, 5, idle_watts=60)
    NetEnergy(gross=1050.0, idle=300.0, net=750.0)
    """
    call = "net_of_idle"
    values = [
        check_number(value, argument=name, call=call)
        for name, value in (("joules", joules), ("seconds", seconds), ("idle_watts", idle_watts))
    ]
    if min(values) < 0:
        raise ArgumentError("joules", "0 or more, as seconds and idle_watts", tuple(values), call=call)
    gross, duration, power = values
    return NetEnergy(gross, power * duration, gross - power * duration)


def estimated_watts(load: float, *, tdp: float, n_dimms: int = 0) -> float:
    """Return what a model says that a processor and its memory draw, where nothing measures it.

    Use it for an order of magnitude only, and mark it as estimated: never compare it with a measurement.

    Parameters
    ----------
    load
        Share of the processor that is busy, in [0, 1].
    tdp
        Thermal design power of the processor, in watts.
    n_dimms
        Memory modules, at 5 W each.

    Returns
    -------
    float
        tdp (0.1 + 0.9 load^3) + 5 n_dimms, the model of codecarbon.

    Raises
    ------
    ArgumentError
        If an argument is out of range.

    Examples
    --------
    >>> round(estimated_watts(0.5, tdp=120, n_dimms=4), 2)
    45.5
    """
    call = "estimated_watts"
    share = check_number(load, argument="load", call=call)
    if not 0 <= share <= 1:
        fix = f"Did you mean {share / 100:g}?" if 1 < share <= 100 else ""
        raise ArgumentError("load", "in [0, 1]", share, fix, call=call)
    top = check_number(tdp, argument="tdp", call=call)
    if not 0 < top < math.inf:
        raise ArgumentError("tdp", "above 0", top, call=call)
    return top * (0.1 + 0.9 * share**3) + WATTS_PER_DIMM * check_count(n_dimms, argument="n_dimms", call=call)
