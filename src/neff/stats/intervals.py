"""Confidence intervals: Student's t, binomial proportions, and the difference of paired proportions.

Scalars in, `Interval` out. No proportion interval has width 0; an undefined one is (NaN, NaN) with a reason.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.registry import method
from neff.stats._special import beta_quantile, normal_quantile, t_quantile, two_sided_p
from neff.stats._validate import check_count, check_level, check_number

__all__ = ["Interval", "beta_interval", "clopper_pearson", "paired_proportions", "t_interval", "wilson"]


class Interval(NamedTuple):
    """Lower and upper end of an interval; both are NaN where it is undefined, and `reason` says why."""

    low: float
    high: float
    reason: Reason | None = None


def _undefined(reason: Reason) -> Interval:
    return Interval(math.nan, math.nan, reason)


@method("interval", "shift_equivariant", "scale_equivariant", "level_monotone")
def t_interval(value: float, standard_error: float, *, df: float, level: float = 0.95) -> Interval:
    """Return value ± t · standard error.

    Use it for means and differences of means with about ten or more independent units. For a mean of 0/1
    scores below a few hundred items prefer `wilson`: this interval can leave [0, 1] and covers too rarely.

    Parameters
    ----------
    value
        The estimate, in its own units. NaN gives an undefined interval.
    standard_error
        Its standard error, same units, 0 or more.
    df
        Degrees of freedom: n - 1 for n independent values, G - 1 for G clusters, infinity for the normal.
    level
        Coverage wanted, in (0, 1).

    Returns
    -------
    Interval
        Undefined where the value, the standard error or `df` is (NaN, or df < 1), and where the standard
        error is 0: values that happen to be equal are no proof of certainty.

    Raises
    ------
    ArgumentError
        If `level` is not in (0, 1), or `standard_error` is negative.

    Notes
    -----
    Assumes that the estimate is about normal and its standard error about independent of it. O(1).

    Examples
    --------
    >>> low, high, _ = t_interval(0.75, 0.02, df=19)
    >>> round(low, 4), round(high, 4)
    (0.7081, 0.7919)
    >>> t_interval(0.75, 0.0, df=19).reason
    <Reason.ALL_EQUAL: 'all scores equal'>
    """
    level = check_level(level, call="t_interval")
    value = check_number(value, argument="value", call="t_interval")
    standard_error = check_number(standard_error, argument="standard_error", call="t_interval")
    df = check_number(df, argument="df", call="t_interval")
    if standard_error < 0:
        raise ArgumentError("standard_error", "0 or more", standard_error, call="t_interval")
    if math.isnan(value):
        return _undefined(Reason.EMPTY)
    if standard_error == 0:
        return _undefined(Reason.ALL_EQUAL)
    if math.isnan(standard_error) or math.isnan(df) or df < 1:
        return _undefined(Reason.NO_STANDARD_ERROR)
    half = t_quantile(0.5 + level / 2, df) * standard_error
    return Interval(value - half, value + half)


def _check_binomial(successes: float, n: float, call: str) -> tuple[int, int]:
    count = check_count(n, argument="n", call=call)
    hits = check_count(successes, argument="successes", call=call)
    if hits > count:
        raise ArgumentError("successes", f"at most n ({count})", hits, "Give a count of n trials.", call=call)
    return hits, count


def _wilson_low(successes: int, n: int, z: float) -> float:
    # The product of the two roots gives the smaller one without cancellation: exactly 0 for 0 successes.
    p = successes / n
    root = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return p * p / (p + z * z / (2 * n) + root)


@method("proportion", "bounded_0_1", "level_monotone", "monotone")
def wilson(successes: float, n: float, *, level: float = 0.95) -> Interval:
    """Return Wilson's score interval of a proportion.

    The default for accuracies of independent items: mean coverage is close to the level at every n. Where the
    coverage must never fall below the level, use `clopper_pearson`. Not for clustered items, or for
    scores between 0 and 1.

    Parameters
    ----------
    successes
        Number of successes, a whole number from 0 to n.
    n
        Number of trials.
    level
        Coverage wanted, in (0, 1).

    Returns
    -------
    Interval
        Inside [0, 1], never of width 0; undefined for n = 0.

    Raises
    ------
    ArgumentError
        If a count is not whole, negative or above n, or `level` is not in (0, 1).

    Notes
    -----
    Estimand: the success probability. The set of p that the score test does not reject. O(1).

    References
    ----------
    Wilson 1927, J. Amer. Statist. Assoc. 22:209. Brown, Cai and DasGupta 2001, Statist. Sci. 16:101.

    Examples
    --------
    >>> low, high, _ = wilson(8, 10)
    >>> round(low, 4), round(high, 4)
    (0.4902, 0.9433)
    """
    level = check_level(level, call="wilson")
    hits, count = _check_binomial(successes, n, "wilson")
    if count == 0:
        return _undefined(Reason.EMPTY)
    z = normal_quantile(0.5 + level / 2)
    return Interval(_wilson_low(hits, count, z), 1 - _wilson_low(count - hits, count, z))


@method("proportion", "bounded_0_1", "level_monotone", "monotone")
def clopper_pearson(successes: float, n: float, *, level: float = 0.95) -> Interval:
    """Return Clopper and Pearson's exact interval of a proportion.

    Use it where the coverage must be at least the level at every true proportion (a safety bound); it is
    wider than `wilson` for that.

    Parameters
    ----------
    successes
        Number of successes, a whole number from 0 to n.
    n
        Number of trials.
    level
        Coverage wanted, in (0, 1).

    Returns
    -------
    Interval
        Inside [0, 1], never of width 0; undefined for n = 0.

    Raises
    ------
    ArgumentError
        If a count is not whole, negative or above n, or `level` is not in (0, 1).

    Notes
    -----
    Estimand: the success probability. Two one-sided exact binomial tests at half the error each. O(1).

    References
    ----------
    Clopper and Pearson 1934, Biometrika 26:404.

    Examples
    --------
    >>> low, high, _ = clopper_pearson(8, 10)
    >>> round(low, 4), round(high, 4)
    (0.4439, 0.9748)
    >>> round(clopper_pearson(0, 30).high, 4)
    0.1157
    """
    level = check_level(level, call="clopper_pearson")
    hits, count = _check_binomial(successes, n, "clopper_pearson")
    if count == 0:
        return _undefined(Reason.EMPTY)
    tail = (1 - level) / 2
    low = 0.0 if hits == 0 else beta_quantile(tail, hits, count - hits + 1)
    high = 1.0 if hits == count else 1 - beta_quantile(tail, count - hits, hits + 1)
    return Interval(low, high)


@method("proportion", "bounded_0_1", "level_monotone", "monotone")
def beta_interval(
    successes: float, n: float, *, prior: tuple[float, float] = (1.0, 1.0), level: float = 0.95
) -> Interval:
    """Return the equal-tailed posterior interval of a proportion under a Beta prior.

    Use it for few items, or where there is prior knowledge to state. `prior=(0.5, 0.5)` is the Jeffreys
    interval, whose frequentist coverage is close to the level; the default is the uniform prior.

    Parameters
    ----------
    successes
        Number of successes, a whole number from 0 to n.
    n
        Number of trials.
    prior
        The two parameters of the Beta prior, both above 0: prior successes and prior failures.
    level
        Posterior probability wanted, in (0, 1).

    Returns
    -------
    Interval
        Inside [0, 1]; undefined for n = 0. With 0 successes the lower end is 0, and with n the upper end
        is 1, unless the prior itself (parameter above 1) rules these out.

    Raises
    ------
    ArgumentError
        If a count is not whole, negative or above n, a prior parameter is not positive, or `level` is not in
        (0, 1).

    Notes
    -----
    Estimand: the success probability. O(1).

    References
    ----------
    Brown, Cai and DasGupta 2001, Statist. Sci. 16:101. Bowyer, Aitchison and Ivanova 2025, arXiv:2503.01747.

    Examples
    --------
    >>> low, high, _ = beta_interval(8, 10)
    >>> round(low, 4), round(high, 4)
    (0.4822, 0.9398)
    >>> round(beta_interval(0, 10, prior=(0.5, 0.5)).high, 4)
    0.2172
    """
    level = check_level(level, call="beta_interval")
    hits, count = _check_binomial(successes, n, "beta_interval")
    a, b = (check_number(parameter, argument="prior", call="beta_interval") for parameter in prior)
    if not (0 < a < math.inf and 0 < b < math.inf):
        raise ArgumentError("prior", "two positive numbers", prior, "(1, 1) is flat.", call="beta_interval")
    if count == 0:
        return _undefined(Reason.EMPTY)
    tail = (1 - level) / 2
    low = 0.0 if hits == 0 and a <= 1 else beta_quantile(tail, a + hits, b + count - hits)
    high = 1.0 if hits == count and b <= 1 else 1 - beta_quantile(tail, b + count - hits, a + hits)
    return Interval(low, high)


def tango_p_value(n10: int, n01: int, n: int, difference: float) -> float:
    """Return the two-sided p-value of p10 - p01 = difference by the score test that Tango's interval inverts.

    Examples
    --------
    >>> round(tango_p_value(9, 3, 50, 0.0), 4)  # McNemar's asymptotic test
    0.0833
    >>> low, high, _ = paired_proportions(9, 3, 50)
    >>> round(tango_p_value(9, 3, 50, low), 4), round(tango_p_value(9, 3, 50, high), 4)
    (0.05, 0.05)
    """
    gap = n10 - n01 - n * difference
    variance = n * _tango_variance(n10, n01, n, difference)
    if variance <= 0:  # all that the null allows has happened, or none of it could
        return 1.0 if gap == 0 else 0.0
    return two_sided_p(gap / math.sqrt(variance))


@method("discordant", "symmetric", "level_monotone")
def paired_proportions(n10: float, n01: float, n: float, *, level: float = 0.95) -> Interval:
    """Return Tango's score interval of the difference of two paired proportions.

    Use it to compare the accuracies of two models on the same items. It keeps its coverage with few
    discordant pairs, where the t interval of the paired differences collapses. Not for clustered items.

    Parameters
    ----------
    n10
        Number of pairs that only the first model got right.
    n01
        Number of pairs that only the second model got right.
    n
        Number of pairs in all.
    level
        Coverage wanted, in (0, 1).

    Returns
    -------
    Interval
        Of p(first right) - p(second right); inside [-1, 1], never of width 0, undefined for n = 0.

    Raises
    ------
    ArgumentError
        If a count is not whole or negative, n10 + n01 is above n, or `level` is not in (0, 1).

    Notes
    -----
    Estimand: p10 - p01. The set of differences that the score test does not reject, with the other parameter
    at its constrained maximum-likelihood value. At difference 0 the test is McNemar's asymptotic one, so the
    interval leaves 0 out exactly when that test rejects. Bisection to the last bit, O(1).

    References
    ----------
    Tango 1998, Statist. Med. 17:891.

    Examples
    --------
    >>> low, high, _ = paired_proportions(9, 3, 50)
    >>> round(low, 4), round(high, 4)
    (-0.0178, 0.2627)
    >>> paired_proportions(0, 0, 50)  # doctest: +ELLIPSIS
    Interval(low=-0.0713..., high=0.0713..., reason=None)
    """
    level = check_level(level, call="paired_proportions")
    count = check_count(n, argument="n", call="paired_proportions")
    first = check_count(n10, argument="n10", call="paired_proportions")
    second = check_count(n01, argument="n01", call="paired_proportions")
    if first + second > count:
        must = f"at least n10 + n01 ({first + second})"
        raise ArgumentError("n", must, count, "Count all pairs.", call="paired_proportions")
    if count == 0:
        return _undefined(Reason.EMPTY)
    z = normal_quantile(0.5 + level / 2)
    return Interval(-_tango_high(second, first, count, z), _tango_high(first, second, count, z))


def _tango_high(n10: int, n01: int, n: int, z: float) -> float:
    low, high = (n10 - n01) / n, 1.0  # the estimate is inside; 1 is outside, or the estimate itself
    while low < (middle := low + (high - low) / 2) < high:
        gap = n10 - n01 - n * middle
        if gap * gap <= z * z * n * _tango_variance(n10, n01, n, middle):
            low = middle
        else:
            high = middle
    return high


def _tango_variance(n10: int, n01: int, n: int, difference: float) -> float:
    # Per-pair variance 2 p01 + d (1 - d) at the p01 that maximises the likelihood given p10 - p01 = d:
    # the positive root of a p^2 + b p + c.
    a = 2 * n
    b = (2 * n - n10 + n01) * difference - n10 - n01
    c = -n01 * difference * (1 - difference)
    p01 = (math.sqrt(max(b * b - 4 * a * c, 0.0)) - b) / (2 * a)
    return 2 * p01 + difference * (1 - difference)
