"""Tests of several settings at once on one value per run: analyses of variance, and by ranks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.stats._options import check_choice
from neff.stats._special import chi2_sf
from neff.stats._validate import check_vector
from neff.train.energy.kernels import average_ranks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from neff.stats._validate import FloatArray

__all__ = ["Anova", "anova", "friedman", "kruskal_wallis"]


class Anova(NamedTuple):
    """One test of all settings at once."""

    statistic: float
    df: tuple[float, float]
    p_value: float
    method: str
    reason: Reason | None = None


def _groups(groups: Sequence[ArrayLike], call: str) -> list[FloatArray]:
    found = [check_vector(values, argument="groups", call=call) for values in groups]
    if len(found) < 2 or not all(values.size for values in found):
        got = [values.size for values in found]
        raise ArgumentError("groups", "two or more, of one run or more", got, call=call)
    return found


def _f_sf(statistic: float, df1: float, df2: float) -> float:
    from scipy.special import fdtrc

    return float(fdtrc(df1, df2, statistic))


def anova(groups: Sequence[ArrayLike], *, method: Literal["welch", "classic", "blocked"] = "welch") -> Anova:
    """Test whether several settings differ at all, from one value per run.

    Parameters
    ----------
    groups
        One array per setting; for "blocked" of one length, in the same order of blocks.
    method
        "welch" (unequal variances), "classic" (equal ones), or "blocked" (a randomized block design).

    Returns
    -------
    Anova
        F with its degrees of freedom; NaN with a reason where there is no spread.

    Raises
    ------
    ArgumentError
        If there are fewer than two groups, or lengths do not fit.

    References
    ----------
    Welch 1951, Biometrika 38:330.

    Examples
    --------
    >>> a, b, c = [182, 188, 179, 191, 185], [174, 181, 170, 183, 176], [180, 178, 184, 176, 182]
    >>> found = anova([a, b, c], method="classic")
    >>> round(found.statistic, 6), round(found.p_value, 6)
    (4.255814, 0.040095)
    """
    call = "anova"
    check_choice(method, ("welch", "classic", "blocked"), argument="method", call=call)
    found = _groups(groups, call)
    if method == "blocked":
        return _blocked_anova(found, call)
    names = {"welch": "Welch's analysis of variance", "classic": "analysis of variance"}
    nan = (math.nan, (math.nan, math.nan), math.nan, names[method])
    if min(values.size for values in found) < 2:
        return Anova(*nan, Reason.ONE_RUN)
    n = np.array([float(values.size) for values in found])
    means = np.array([values.mean() for values in found])
    variances = np.array([values.var(ddof=1) for values in found])
    k = len(found)
    if method == "classic":
        within = float(((n - 1) * variances).sum() / (n.sum() - k))
        between = float((n * (means - (n * means).sum() / n.sum()) ** 2).sum()) / (k - 1)
        if within <= 0:
            return Anova(*nan, Reason.NO_SPREAD)
        df = (float(k - 1), float(n.sum() - k))
        statistic = between / within
        return Anova(statistic, df, _f_sf(statistic, *df), names[method])
    if variances.min() <= 0:
        return Anova(*nan, Reason.NO_SPREAD)
    w = n / variances
    centre = (w * means).sum() / w.sum()
    lost = float(((1 - w / w.sum()) ** 2 / (n - 1)).sum())
    statistic = float((w * (means - centre) ** 2).sum() / (k - 1)) / (1 + 2 * (k - 2) / (k**2 - 1) * lost)
    df = (float(k - 1), (k**2 - 1) / (3 * lost))
    return Anova(statistic, df, _f_sf(statistic, *df), names[method])


def _table(groups: list[FloatArray], call: str) -> FloatArray:
    if len({values.size for values in groups}) > 1:
        got = [values.size for values in groups]
        raise ArgumentError("groups", "of one length", got, "One run of each setting per block.", call=call)
    return np.column_stack(groups)


def _blocked_anova(groups: list[FloatArray], call: str) -> Anova:
    table = _table(groups, call)
    r, k = table.shape
    name = "randomized block analysis of variance"
    if r < 2:
        return Anova(math.nan, (math.nan, math.nan), math.nan, name, Reason.ONE_BLOCK)
    settings, blocks, grand = table.mean(axis=0), table.mean(axis=1), table.mean()
    left = table - settings - blocks[:, None] + grand
    df = (float(k - 1), float((r - 1) * (k - 1)))
    error = float((left**2).sum()) / df[1]
    if error <= 1e-24 * float(np.abs(table).max()) ** 2:
        return Anova(math.nan, df, math.nan, name, Reason.NO_SPREAD)
    statistic = r * float(((settings - grand) ** 2).sum()) / df[0] / error
    return Anova(statistic, df, _f_sf(statistic, *df), name)


def kruskal_wallis(groups: Sequence[ArrayLike]) -> Anova:
    """Test by ranks whether several settings differ at all.

    Parameters
    ----------
    groups
        One array per setting.

    Returns
    -------
    Anova
        H, corrected for ties, with its chi-squared p-value.

    References
    ----------
    Kruskal and Wallis 1952, J. Amer. Statist. Assoc. 47:583.

    Examples
    --------
    >>> a, b, c = [182, 188, 179, 191, 185], [174, 181, 170, 183, 176], [180, 178, 184, 176, 182]
    >>> found = kruskal_wallis([a, b, c])
    >>> round(found.statistic, 6), round(found.p_value, 6)
    (5.273835, 0.071582)
    """
    found = _groups(groups, "kruskal_wallis")
    values = np.concatenate(found)
    ranks, n = average_ranks(values), values.size
    _, counts = np.unique(values, return_counts=True)
    ties = 1 - float((counts**3 - counts).sum()) / (n**3 - n) if n > 1 else 0.0
    df = (float(len(found) - 1), math.inf)
    if ties <= 0:
        return Anova(math.nan, df, math.nan, "Kruskal and Wallis", Reason.NO_SPREAD)
    parts = np.split(ranks, np.cumsum([group.size for group in found])[:-1])
    statistic = (12 / (n * (n + 1)) * sum(float(p.sum()) ** 2 / p.size for p in parts) - 3 * (n + 1)) / ties
    return Anova(statistic, df, chi2_sf(statistic, df[0]), "Kruskal and Wallis")


def friedman(groups: Sequence[ArrayLike]) -> Anova:
    """Test by ranks within blocks whether several settings differ at all.

    Parameters
    ----------
    groups
        One array per setting, of one length, in the same order of blocks.

    Returns
    -------
    Anova
        The chi-squared statistic, corrected for ties.

    Raises
    ------
    ArgumentError
        If lengths differ.

    References
    ----------
    Friedman 1937, J. Amer. Statist. Assoc. 32:675.

    Examples
    --------
    >>> round(friedman([[1.0, 2.0, 3.0], [2.0, 3.0, 4.0], [3.0, 5.0, 4.5]]).p_value, 4)
    0.0498
    """
    table = _table(_groups(groups, "friedman"), "friedman")
    r, k = table.shape
    ranks = np.array([average_ranks(row) for row in table])
    spread = float((ranks**2).sum()) - r * k * (k + 1) ** 2 / 4
    df = (float(k - 1), math.inf)
    if spread <= 1e-12:
        return Anova(math.nan, df, math.nan, "Friedman", Reason.NO_SPREAD)
    statistic = (k - 1) * float(((ranks.sum(axis=0) - r * (k + 1) / 2) ** 2).sum()) / spread
    return Anova(statistic, df, chi2_sf(statistic, df[0]), "Friedman")
