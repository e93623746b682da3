"""Many claims at once: spending the error rate over them, and adjusting e-values for their number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from neff.errors import ArgumentError
from neff.registry import method as registered
from neff.stats._validate import FloatArray, check_level, check_vector

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["alpha_spending", "e_benjamini_hochberg", "e_holm"]


@registered("shares", "permutation_equivariant", "bounded_0_1", "deterministic")
def alpha_spending(shares: ArrayLike, *, level: float = 0.95) -> FloatArray:
    """Return the level of each claim such that all intervals together cover at `level`.

    Use it where claims are declared one after the other, or some matter more: the error rate 1 - level is spent in the
    shares given. Not where all e-values are at hand and a share of false finds is accepted: `e_benjamini_hochberg`
    finds more.

    Parameters
    ----------
    shares
        Share of the error rate of each claim, shape (m,), positive, with a sum of at most 1; what is left can be spent
        on later claims. `numpy.full(m, 1 / m)` treats m claims alike; 6 / (pi k)² for k = 1, 2, ... never runs out.
    level
        Coverage wanted for all claims together, in (0, 1).

    Returns
    -------
    ndarray
        1 - share · (1 - level), shape (m,).

    Raises
    ------
    ArgumentError
        If a share is not positive, or their sum is above 1.

    Notes
    -----
    The weighted Bonferroni bound: it holds under any dependence, for fixed samples and for confidence sequences. The
    shares must be fixed before the claims are looked at. O(m).

    References
    ----------
    Bonferroni 1936; Genovese, Roeder and Wasserman 2006, Biometrika 93:509.

    Examples
    --------
    >>> alpha_spending([0.5, 0.25, 0.25], level=0.95).round(6).tolist()
    [0.975, 0.9875, 0.9875]
    """
    level = check_level(level, call="alpha_spending")
    vector = check_vector(shares, argument="shares", call="alpha_spending")
    wrong = np.flatnonzero(vector <= 0)
    if wrong.size:
        fix = f"See position {wrong[0]}; leave out claims that are not made."
        raise ArgumentError("shares", "positive", float(vector[wrong[0]]), fix, call="alpha_spending")
    if vector.sum() > 1.0 + 1e-9:
        fix = "Divide by the sum: an error rate can be spent only once."
        raise ArgumentError("shares", "of a sum of at most 1", float(vector.sum()), fix, call="alpha_spending")
    levels: FloatArray = 1.0 - vector * (1.0 - level)
    return levels


def _check_e(e_values: ArrayLike, call: str) -> FloatArray:
    e = check_vector(e_values, argument="e_values", call=call, allow_nan=True, allow_inf=True)
    negative = np.flatnonzero(e < 0)
    if negative.size:
        fix = f"See position {negative[0]}; give e-values, not their logarithms."
        raise ArgumentError("e_values", "0 or more", float(e[negative[0]]), fix, call=call)
    return e


@registered("e_values", "permutation_equivariant", "bounded_0_1", "deterministic")
def e_benjamini_hochberg(e_values: ArrayLike) -> FloatArray:
    """Return e-values adjusted to bound the share of false finds, as p-values in the order given.

    Reject the hypotheses whose adjusted value is at most the share of false finds that you accept. Use it to screen
    many claims, each stopped when its own runner liked. Where every single rejection matters use `e_holm`.

    Parameters
    ----------
    e_values
        One per hypothesis, shape (m,), 0 or more; infinity passes. NaN marks a test that could not be done: it stays
        NaN and does not count.

    Returns
    -------
    ndarray
        Adjusted values in [0, 1], shape (m,).

    Raises
    ------
    ArgumentError
        If an e-value is negative.

    Notes
    -----
    With the e-values in falling order, min over j >= k of m / (j e_j): the Benjamini-Hochberg rule on 1 / e. Unlike
    with p-values it holds under any dependence. O(m log m).

    References
    ----------
    Wang and Ramdas 2022, J. R. Statist. Soc. B 84:822, arXiv:2009.02824.

    Examples
    --------
    >>> e_benjamini_hochberg([100.0, 1.0, 40.0, 0.2]).round(4).tolist()
    [0.04, 1.0, 0.05, 1.0]
    """
    e = _check_e(e_values, "e_benjamini_hochberg")
    adjusted = np.full(e.size, np.nan)
    tested = np.flatnonzero(~np.isnan(e))
    order = tested[np.argsort(-e[tested], kind="stable")]
    with np.errstate(divide="ignore", over="ignore"):
        share = tested.size / (np.arange(1, tested.size + 1) * e[order])
    adjusted[order] = np.minimum(np.minimum.accumulate(share[::-1])[::-1], 1.0)
    return adjusted


@registered("e_values", "permutation_equivariant", "bounded_0_1", "deterministic")
def e_holm(e_values: ArrayLike) -> FloatArray:
    """Return e-values adjusted to bound the chance of any false rejection, as p-values in the order given.

    Reject the hypotheses whose adjusted value is at most the error rate that you accept. Use it for a few claims that
    each lead to a decision.

    Parameters
    ----------
    e_values
        One per hypothesis, shape (m,), 0 or more; infinity passes. NaN marks a test that could not be done: it stays
        NaN and does not count.

    Returns
    -------
    ndarray
        Adjusted values in [0, 1], shape (m,).

    Raises
    ------
    ArgumentError
        If an e-value is negative.

    Notes
    -----
    Closed testing with the average, which is the best way to merge e-values of any dependence: the adjusted e-value of
    a hypothesis is the least mean of it and any number of the others, the smallest of them first. It is never below
    Holm's rule on 1 / e. O(m²).

    References
    ----------
    Vovk and Wang 2021, Ann. Statist. 49:1736, arXiv:1912.06116.

    Examples
    --------
    >>> e_holm([100.0, 1.0, 40.0]).round(4).tolist()
    [0.0213, 1.0, 0.0488]
    """
    e = _check_e(e_values, "e_holm")
    adjusted = np.full(e.size, np.nan)
    tested = np.flatnonzero(~np.isnan(e))
    ascending = np.sort(e[tested])
    for index in tested:
        below = ascending[: np.searchsorted(ascending, e[index])]  # only smaller ones lower the mean
        sums = e[index] + np.concatenate(([0.0], np.cumsum(below)))
        least = float(np.min(sums / np.arange(1, below.size + 2)))
        adjusted[index] = 1.0 if least <= 1.0 else 1.0 / least
    return adjusted
