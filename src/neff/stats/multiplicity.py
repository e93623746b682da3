"""Many tests at once: adjusted p-values, and the quantile of simultaneous intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from neff.errors import ArgumentError
from neff.registry import method as registered
from neff.stats._options import check_choice
from neff.stats._special import normal_quantile
from neff.stats._validate import FloatArray, check_count, check_level, check_vector

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["Correction", "adjust", "simultaneous_z"]

Correction = Literal["holm", "benjamini-hochberg", "benjamini-yekutieli", "bonferroni", "none"]

_CORRECTIONS = ("holm", "benjamini-hochberg", "benjamini-yekutieli", "bonferroni", "none")


def _adjust_sorted(p: FloatArray, method: str) -> FloatArray:
    """Adjust ascending p-values; the result is ascending too."""
    m = p.size
    rank = np.arange(1, m + 1)
    if method == "holm":
        return np.maximum.accumulate(p * (m + 1 - rank))
    if method == "bonferroni":
        return p * m
    share = p * (m / rank)
    if method == "benjamini-yekutieli":
        share *= np.sum(1.0 / rank)
    stepped: FloatArray = np.minimum.accumulate(share[::-1])[::-1]
    return stepped


@registered("p_values", "permutation_equivariant", "monotone", "bounded_0_1", "deterministic")
def adjust(p_values: ArrayLike, *, method: Correction = "holm") -> FloatArray:
    """Return p-values adjusted for the number of tests, in the order given.

    Reject the hypotheses whose adjusted p-value is at most the error rate you accept. Use "holm" for a few
    comparisons that each lead to a decision, "benjamini-hochberg" to screen many and accept a share
    of false finds. Not for tests chosen after seeing their p-values: the family is all tests looked at.

    Parameters
    ----------
    p_values
        p-values of one family, shape (m,), each in [0, 1]. NaN marks a test that could not be done: it
        stays NaN and does not count in the family.
    method
        "holm" or "bonferroni" bound the chance of any false rejection, under any dependence (Holm rejects at
        least as much). "benjamini-hochberg" bounds the expected share of false rejections for
        independent or positively dependent tests, "benjamini-yekutieli" under any dependence. "none"
        returns the p-values as they are.

    Returns
    -------
    ndarray
        Adjusted p-values, shape (m,), each at most 1.

    Raises
    ------
    ArgumentError
        If a p-value is outside [0, 1] or `method` is not known.

    Notes
    -----
    O(m log m).

    References
    ----------
    Holm 1979, Scand. J. Statist. 6:65. Benjamini and Hochberg 1995, J. R. Statist. Soc. B 57:289. Benjamini
    and Yekutieli 2001, Ann. Statist. 29:1165.

    Examples
    --------
    >>> adjust([0.01, 0.04, 0.03, 0.2, 0.005], method="benjamini-hochberg").round(6).tolist()
    [0.025, 0.05, 0.05, 0.2, 0.025]
    >>> adjust([0.01, float("nan"), 0.04]).tolist()
    [0.02, nan, 0.04]
    """
    check_choice(method, _CORRECTIONS, argument="method", call="adjust")
    p = check_vector(p_values, argument="p_values", call="adjust", allow_nan=True, allow_inf=True)
    outside = (p < 0) | (p > 1)
    if outside.any():
        first = int(np.argmax(outside))
        raise ArgumentError("p_values", "in [0, 1]", float(p[first]), f"See position {first}.", call="adjust")
    adjusted = np.array(p)
    if method == "none":
        return adjusted
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    adjusted[order] = np.minimum(_adjust_sorted(p[order], method), 1.0)
    return adjusted


@registered("family", "monotone", "level_monotone", "deterministic")
def simultaneous_z(k: int, *, level: float = 0.95) -> float:
    """Return the normal quantile that makes k two-sided intervals cover all at once (Bonferroni).

    Use value ± z · standard error for every one of k estimates that are shown or compared together. For few
    degrees of freedom the quantile of t is wider: call `t_interval` at level 1 - (1 - level) / k.

    Parameters
    ----------
    k
        Number of intervals, 1 or more.
    level
        Chance wanted that all k cover, in (0, 1).

    Returns
    -------
    float
        z with P(|Z| > z) = (1 - level) / k.

    Raises
    ------
    ArgumentError
        If `k` is not a whole number of at least 1, or `level` is not in (0, 1).

    Notes
    -----
    Holds under any dependence between the estimates, and is then somewhat wide. O(1).

    Examples
    --------
    >>> round(simultaneous_z(2), 10)
    2.2414027276
    """
    k = check_count(k, argument="k", call="simultaneous_z", minimum=1)
    level = check_level(level, call="simultaneous_z")
    return -normal_quantile((1.0 - level) / (2 * k))
