"""Paired 0/1 outcomes: McNemar's test on the discordant pairs."""

from __future__ import annotations

import math
from typing import Literal

from neff.registry import method as registered
from neff.stats._options import check_choice
from neff.stats._special import beta_cdf, two_sided_p
from neff.stats._validate import check_count

__all__ = ["mcnemar"]


def _half_binomial_cdf(k: int, n: int) -> float:
    # P(X <= k) for X ~ Binomial(n, 1/2). The beta function keeps its relative accuracy (about 1e-11 at
    # n = 1e8, far in the tail); the binomial function of scipy loses digits there and is NaN from 1e10.
    if k < 0:
        return 0.0
    return 1.0 if k >= n else beta_cdf(0.5, n - k, k + 1)


@registered("discordant", "symmetric", "bounded_0_1", "deterministic")
def mcnemar(n10: float, n01: float, *, method: Literal["mid-p", "exact", "asymptotic"] = "mid-p") -> float:
    """Return the two-sided p-value of McNemar's test that both models are right equally often.

    Use it to compare two models on the same items scored 0 or 1. Not for clustered items or for scores
    between 0 and 1 (`permutation_paired` takes both), and not for two models run on different items.

    Parameters
    ----------
    n10
        Number of items that the first model got right and the second wrong.
    n01
        Number of items that the first model got wrong and the second right.
    method
        "exact" never rejects too often and is conservative; "mid-p" (default) counts the observed table
        half, has about the stated error rate, and is more powerful; "asymptotic" is the chi-squared test
        without continuity correction, for comparison with other software.

    Returns
    -------
    float
        p-value in [0, 1]. Without discordant pairs it is 1: the data give no reason to prefer either model.

    Raises
    ------
    ArgumentError
        If a count is negative or not whole, or `method` is not known.

    Notes
    -----
    Under the null hypothesis the first count is X ~ Binomial(n, 1/2) with n = n10 + n01. With k the smaller
    count, exact: min(1, 2 P(X <= k)); mid-p: P(X <= k) + P(X <= k - 1). Items with the same outcome for both
    say nothing about which model is better, but they do about how much better: for the size of the
    difference see `paired_proportions`. O(1).

    References
    ----------
    McNemar 1947, Psychometrika 12:153. Fagerland, Lydersen and Laake 2013, BMC Med. Res. Methodol. 13:91.

    Examples
    --------
    >>> round(mcnemar(15, 5), 6), round(mcnemar(15, 5, method="exact"), 6)
    (0.026604, 0.041389)
    >>> mcnemar(0, 0)
    1.0
    """
    check_choice(method, ("mid-p", "exact", "asymptotic"), argument="method", call="mcnemar")
    first = check_count(n10, argument="n10", call="mcnemar")
    second = check_count(n01, argument="n01", call="mcnemar")
    n, k = first + second, min(first, second)
    if n == 0:
        return 1.0
    if method == "asymptotic":
        return two_sided_p((first - second) / math.sqrt(n))
    if method == "exact":
        return min(1.0, 2.0 * _half_binomial_cdf(k, n))
    return min(1.0, _half_binomial_cdf(k, n) + _half_binomial_cdf(k - 1, n))
