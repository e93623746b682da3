"""Tests of two settings on one value per run: t, Welch, TOST, signed ranks, and Hedges' g. Arrays in, numbers out."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.stats._options import check_choice
from neff.stats._special import normal_cdf, t_cdf, t_quantile, two_sided_p
from neff.stats._validate import check_level, check_number, check_vector

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from neff.stats._validate import FloatArray

__all__ = [
    "DifferenceTest",
    "difference_test",
    "equivalence_test",
    "hedges_g",
    "wilcoxon",
]

Design = Literal["welch", "student", "paired"]
_DESIGNS = ("welch", "student", "paired")
_EXACT_PAIRS = 20


class DifferenceTest(NamedTuple):
    """Mean of a minus mean of b, with its t test; NaN with a reason where there is no spread to judge by."""

    difference: float
    standard_error: float
    df: float
    statistic: float
    p_value: float
    interval: tuple[float, float]
    reason: Reason | None = None


def _two(a: ArrayLike, b: ArrayLike, design: str, call: str) -> tuple[FloatArray, FloatArray]:
    check_choice(design, _DESIGNS, argument="design", call=call)
    first = check_vector(a, argument="a", call=call)
    second = check_vector(b, argument="b", call=call)
    if design == "paired" and first.size != second.size:
        must = f"as long as a ({first.size})"
        raise ArgumentError("b", must, second.size, "One run of each setting per block.", call=call)
    if not (first.size and second.size):
        raise ArgumentError("a", "of one run or more, as b", (first.size, second.size), call=call)
    return first, second


def _error(a: FloatArray, b: FloatArray, design: str) -> tuple[float, float]:
    """Return the standard error of the difference of means and its degrees of freedom; NaN for single runs."""
    if design == "paired":
        if a.size < 2:
            return math.nan, math.nan
        return float((a - b).std(ddof=1)) / math.sqrt(a.size), float(a.size - 1)
    if min(a.size, b.size) < 2:
        return math.nan, math.nan
    va, vb = float(a.var(ddof=1)), float(b.var(ddof=1))
    if design == "student":
        df = a.size + b.size - 2
        pooled = ((a.size - 1) * va + (b.size - 1) * vb) / df
        return math.sqrt(pooled * (1 / a.size + 1 / b.size)), float(df)
    qa, qb = va / a.size, vb / b.size
    if qa + qb == 0:
        return 0.0, float(a.size + b.size - 2)
    return math.sqrt(qa + qb), (qa + qb) ** 2 / (qa**2 / (a.size - 1) + qb**2 / (b.size - 1))


def difference_test(a: ArrayLike, b: ArrayLike, *, design: Design = "welch", level: float = 0.95) -> DifferenceTest:
    """Test whether two settings differ in their mean, from one value per run.

    Use "paired" where every block (a session of a warm machine) holds one run of each setting, "welch" where runs are
    not blocked. Give logarithms to compare ratios.

    Parameters
    ----------
    a, b
        One value per run, shapes (n,) and (m,); for "paired" in the same order of blocks.
    design
        "welch", "paired", or "student" (equal variances).
    level
        Coverage of the interval, in (0, 1).

    Returns
    -------
    DifferenceTest
        With `Reason.ONE_RUN` for single runs, `Reason.NO_SPREAD` where there is no spread.

    Raises
    ------
    ArgumentError
        If lengths do not fit the design.

    References
    ----------
    Welch 1947, Biometrika 34:28.

    Examples
    --------
    >>> found = difference_test([182, 188, 179, 191, 185], [174, 181, 170, 183, 176])
    >>> round(found.statistic, 6), round(found.df, 3), round(found.p_value, 6)
    (2.587897, 7.915, 0.032503)
    """
    call = "difference_test"
    first, second = _two(a, b, design, call)
    level = check_level(level, call=call)
    difference = float(first.mean() - second.mean())
    error, df = _error(first, second, design)
    nan = math.nan
    if math.isnan(error):
        return DifferenceTest(difference, nan, nan, nan, nan, (nan, nan), Reason.ONE_RUN)
    scale = max(float(np.abs(first).max()), float(np.abs(second).max()))
    if error <= 1e-12 * scale:
        return DifferenceTest(difference, 0.0, df, nan, nan, (nan, nan), Reason.NO_SPREAD)
    statistic = difference / error
    half = t_quantile(0.5 + level / 2, df) * error
    interval = (difference - half, difference + half)
    return DifferenceTest(difference, error, df, statistic, two_sided_p(statistic, df), interval)


def equivalence_test(a: ArrayLike, b: ArrayLike, *, margin: float, design: Design = "welch") -> float:
    """Return the p-value of "the means differ by the margin or more": small where the settings are equivalent.

    Use it beside every difference that is not significant: only this says that there is none worth having.

    Parameters
    ----------
    a, b, design
        As in `difference_test`.
    margin
        The largest difference that counts as none, above 0, in the unit of the values. Declare it before looking.

    Returns
    -------
    float
        The larger of two one-sided p-values (TOST); NaN where there is no spread to judge by.

    Raises
    ------
    ArgumentError
        If the margin is not above 0.

    References
    ----------
    Schuirmann 1987, J. Pharmacokinet. Biopharm. 15:657.

    Examples
    --------
    >>> a, b = [182, 188, 179, 191, 185], [174, 181, 170, 183, 176]
    >>> round(equivalence_test(a, b, margin=5), 5), round(equivalence_test(a, b, margin=20), 7)
    (0.82879, 0.0029747)
    """
    call = "equivalence_test"
    width = check_number(margin, argument="margin", call=call)
    if not 0 < width < math.inf:
        raise ArgumentError("margin", "above 0", width, "The largest difference that counts as none.", call=call)
    found = difference_test(a, b, design=design)
    if found.reason is not None:
        return math.nan
    low = t_cdf(-(found.difference + width) / found.standard_error, found.df)
    high = t_cdf((found.difference - width) / found.standard_error, found.df)
    return max(low, high)


def hedges_g(a: ArrayLike, b: ArrayLike) -> float:
    """Return Hedges' g, the difference of means in pooled standard deviations, corrected for few runs.

    Parameters
    ----------
    a, b
        One value per run.

    Returns
    -------
    float
        (mean a - mean b) / pooled sd times 1 - 3 / (4 (n + m) - 9); NaN where there is no spread.

    References
    ----------
    Hedges 1981, J. Educ. Stat. 6:107.

    Examples
    --------
    >>> round(hedges_g([182, 188, 179, 191, 185], [174, 181, 170, 183, 176]), 6)
    1.478337
    """
    first, second = _two(a, b, "student", "hedges_g")
    error, _ = _error(first, second, "student")
    if not error > 0:
        return math.nan
    pooled = error / math.sqrt(1 / first.size + 1 / second.size)
    return float(first.mean() - second.mean()) / pooled * (1 - 3 / (4 * (first.size + second.size) - 9))


def wilcoxon(differences: ArrayLike) -> float:
    """Return the two-sided p-value of Wilcoxon's signed ranks of paired differences.

    Parameters
    ----------
    differences
        One per block, shape (r,). Zeros are left out.

    Returns
    -------
    float
        Exact for up to 20 differences, ties included; the normal approximation beyond. NaN where all are zero.

    References
    ----------
    Wilcoxon 1945, Biometrics Bull. 1:80.

    Examples
    --------
    >>> wilcoxon([3.0, 1.0, 4.0, 1.5, 9.0, 2.6])
    0.03125
    """
    d = check_vector(differences, argument="differences", call="wilcoxon")
    d = d[d != 0]
    n = d.size
    if not n:
        return math.nan
    ranks = average_ranks(np.abs(d))
    total = float(ranks.sum())
    far = abs(float(ranks[d > 0].sum()) - total / 2)
    if n <= _EXACT_PAIRS:
        sums = np.zeros(1)
        for rank in ranks:
            sums = np.concatenate([sums, sums + rank])
        return float(np.mean(np.abs(sums - total / 2) >= far - 1e-9))
    variance = float((ranks**2).sum()) / 4
    return 2 * (1 - normal_cdf(max(far - 0.5, 0.0) / math.sqrt(variance)))


def average_ranks(values: FloatArray) -> FloatArray:
    _, codes, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: FloatArray = (last - (counts - 1) / 2)[codes]
    return ranks
