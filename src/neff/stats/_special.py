"""Distribution and quantile functions through `scipy.special`: `scipy.stats` would cost seconds to import.

All take and return plain floats. An infinite number of degrees of freedom means the normal distribution.
"""

from __future__ import annotations

import math

__all__ = [
    "beta_cdf",
    "beta_quantile",
    "binomial_cdf",
    "binomial_pmf",
    "chi2_quantile",
    "chi2_sf",
    "normal_cdf",
    "normal_quantile",
    "t_cdf",
    "t_quantile",
    "two_sided_p",
]


def normal_cdf(x: float) -> float:
    """Return P(Z <= x) of a standard normal Z."""
    from scipy.special import ndtr

    return float(ndtr(x))


def normal_quantile(p: float) -> float:
    """Return the x with P(Z <= x) = p.

    Examples
    --------
    >>> round(normal_quantile(0.975), 6)
    1.959964
    """
    from scipy.special import ndtri

    return float(ndtri(p))


def t_cdf(x: float, df: float) -> float:
    """Return P(T <= x) of Student's t with `df` (not necessarily whole) degrees of freedom."""
    if math.isinf(df):
        return normal_cdf(x)
    from scipy.special import stdtr

    return float(stdtr(df, x))


def t_quantile(p: float, df: float) -> float:
    """Return the x with P(T <= x) = p.

    Examples
    --------
    >>> round(t_quantile(0.975, 4), 6)
    2.776445
    """
    if math.isinf(df):
        return normal_quantile(p)
    from scipy.special import stdtrit

    return float(stdtrit(df, p))


def two_sided_p(t: float, df: float = math.inf) -> float:
    """Return P(|T| >= |t|), accurate far in the tail; NaN for a NaN statistic.

    Examples
    --------
    >>> round(two_sided_p(1.959963984540054), 6)
    0.05
    """
    return 2.0 * t_cdf(-abs(t), df)


def chi2_sf(x: float, df: float) -> float:
    """Return P(X >= x) of a chi-squared X."""
    from scipy.special import chdtrc

    return float(chdtrc(df, x))


def chi2_quantile(p: float, df: float) -> float:
    """Return the x with P(X <= x) = p of a chi-squared X.

    Examples
    --------
    >>> round(chi2_quantile(0.95, 1), 4)
    3.8415
    """
    from scipy.special import chdtri

    return float(chdtri(df, 1.0 - p))


def beta_cdf(x: float, a: float, b: float) -> float:
    """Return P(X <= x) of a Beta(a, b) X."""
    from scipy.special import betainc

    return float(betainc(a, b, x))


def beta_quantile(p: float, a: float, b: float) -> float:
    """Return the x with P(X <= x) = p of a Beta(a, b) X."""
    from scipy.special import betaincinv

    return float(betaincinv(a, b, p))


def binomial_cdf(k: int, n: int, p: float) -> float:
    """Return P(X <= k) of a Binomial(n, p) X.

    Examples
    --------
    >>> binomial_cdf(1, 2, 0.5)
    0.75
    """
    if k < 0:
        return 0.0
    if k >= n:
        return 1.0
    from scipy.special import bdtr

    return float(bdtr(float(k), n, p))


def binomial_pmf(k: int, n: int, p: float) -> float:
    """Return P(X = k) of a Binomial(n, p) X."""
    if not 0 <= k <= n:
        return 0.0
    from scipy.special import gammaln, xlog1py, xlogy

    log_choose = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    return math.exp(log_choose + float(xlogy(k, p)) + float(xlog1py(n - k, -p)))
