"""How many runs it takes to see a difference: power of the two-sample t test from the noncentral t distribution."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

from neff.errors import ArgumentError
from neff.stats._options import check_choice
from neff.stats._special import t_quantile
from neff.stats._validate import check_count, check_level, check_number

__all__ = ["power_of_test", "runs_needed"]

_MOST = 10**7
_DESIGNS = ("independent", "paired")

Design: TypeAlias = Literal["independent", "paired"]


def _power(difference: float, sd: float, n: int, level: float, design: str) -> float:
    from scipy.special import nctdtr

    df, per_run = (n - 1, 1.0) if design == "paired" else (2 * n - 2, 2.0)
    shift = difference / sd * math.sqrt(n / per_run)
    critical = t_quantile(0.5 + level / 2, df)
    upper, lower = float(nctdtr(df, shift, critical)), float(nctdtr(df, shift, -critical))
    lower = 0.0 if math.isnan(lower) else lower  # far in the tail
    return 1 - upper + lower


def power_of_test(
    difference: float, *, sd: float, n: int, level: float = 0.95, design: Design = "independent"
) -> float:
    """Return the chance that n runs per group show a difference, by a two-sided t test.

    Use it before measuring, and beside every "no significant difference".

    Parameters
    ----------
    difference
        The true difference of the means, in any unit.
    sd
        Standard deviation between runs of one setting, same unit, above 0.
    n
        Runs per group, 2 or more.
    level
        1 minus the two-sided error of the test.
    design
        "independent": two groups of runs. "paired": blocks with one run of each setting; `sd` is then that of the
        differences within blocks, and the count is of blocks.

    Returns
    -------
    float
        In (0, 1); the error of the test for a difference of 0.

    Raises
    ------
    ArgumentError
        If an argument is out of range.

    Notes
    -----
    1 - T(c) + T(-c), T the noncentral t with 2 n - 2 degrees of freedom and shift difference / sd sqrt(n / 2); for
    pairs with n - 1 and difference / sd sqrt(n).

    References
    ----------
    The differences and spreads are those of Antonopoulos 2024, arXiv:2409.07853.

    Examples
    --------
    >>> round(power_of_test(9, sd=10, n=5), 3)
    0.241
    """
    call = "power_of_test"
    d, s = _checked(difference, sd, call)
    count = check_count(n, argument="n", call=call, minimum=2)
    check_choice(design, _DESIGNS, argument="design", call=call)
    return _power(d, s, count, check_level(level, call=call), design)


def _checked(difference: float, sd: float, call: str) -> tuple[float, float]:
    d = check_number(difference, argument="difference", call=call)
    s = check_number(sd, argument="sd", call=call)
    if not math.isfinite(d):
        raise ArgumentError("difference", "finite", d, call=call)
    if not 0 < s < math.inf:
        raise ArgumentError("sd", "above 0", s, "It is the spread between runs of one setting.", call=call)
    return abs(d), s


def runs_needed(
    difference: float, *, sd: float, power: float = 0.8, level: float = 0.95, design: Design = "independent"
) -> int:
    """Return the smallest number of runs per group that shows a difference with a given chance.

    Use it to plan a comparison. A handful of runs says nothing about a few watts where runs vary by more.

    Parameters
    ----------
    difference
        The difference worth seeing, in any unit, not 0.
    sd
        Standard deviation between runs of one setting, same unit, above 0.
    power
        Chance to see it, in (0, 1).
    level
        1 minus the two-sided error of the test.
    design
        "independent": two groups of runs. "paired": blocks with one run of each setting; `sd` is then that of the
        differences within blocks, and the count is of blocks.

    Returns
    -------
    int
        Runs per group, 2 or more.

    Raises
    ------
    ArgumentError
        If an argument is out of range, or more than ten million runs are needed.

    References
    ----------
    The differences and spreads are those of Antonopoulos 2024, arXiv:2409.07853.

    Examples
    --------
    >>> [runs_needed(9, sd=sd) for sd in (5, 10, 15, 25, 40)]
    [6, 21, 45, 123, 312]
    """
    call = "runs_needed"
    d, s = _checked(difference, sd, call)
    chance = check_level(power, call=call)
    confidence = check_level(level, call=call)
    check_choice(design, _DESIGNS, argument="design", call=call)
    if d == 0:
        raise ArgumentError("difference", "other than 0", difference, "No number of runs shows none.", call=call)
    high = 2
    while _power(d, s, high, confidence, design) < chance:
        high *= 2
        if high > _MOST:
            raise ArgumentError("difference", "large enough to be seen", difference, "Measure less noisily.", call=call)
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _power(d, s, middle, confidence, design) >= chance else (middle, high)
    return high
