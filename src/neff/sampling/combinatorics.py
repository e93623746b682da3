"""Chances that a random k-subset of n recorded draws, c of them right, holds so many right ones: exact, vectorised.

The kernel is `log_ratio`, log C(a, k) - log C(n, k). A budget k is drawn without replacement from the recorded draws,
which makes every estimate here unbiased for k fresh draws.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from neff.stats._validate import check_count

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

LARGE, MOST_FACTORS = 1000, 64

__all__ = ["all_right", "at_least", "budgets", "draw_variance", "log_ratio", "none_right", "two_subsets"]


def budgets(k: Any, *, call: str) -> tuple[int, ...]:
    """Return one budget or several as ascending counts of 1 or more.

    Examples
    --------
    >>> budgets(5, call="at_k"), budgets([10, 1], call="at_k")
    ((5,), (1, 10))
    """
    given = np.atleast_1d(np.asarray(k, dtype=object)).ravel().tolist()
    return tuple(sorted(check_count(x, argument="k", call=call, minimum=1) for x in given))


def log_choose(n: ArrayLike, k: ArrayLike) -> NDArray[np.float64]:
    """Return log C(n, k); -inf where k < 0 or k > n."""
    from scipy.special import gammaln

    n, k = np.broadcast_arrays(np.asarray(n, np.float64), np.asarray(k, np.float64))
    inside = (k >= 0) & (k <= n)
    m, j = np.where(inside, n, 0.0), np.where(inside, k, 0.0)
    return np.where(inside, gammaln(m + 1) - gammaln(j + 1) - gammaln(m - j + 1), -np.inf)


def log_ratio(a: ArrayLike, n: ArrayLike, k: ArrayLike) -> NDArray[np.float64]:
    """Return log C(a, k) / C(n, k) for a <= n: the chance that a k-subset of n lies within a given ones.

    The log of k! cancels before it is formed. Log-gammas of large numbers lose the digits of a small result: above
    n = 1,000, and with few factors, it is the sum of log(1 - k / (n - i)) over the n - a ones outside, or the same with
    k and n - a exchanged.
    """
    from scipy.special import gammaln

    a, n, k = np.broadcast_arrays(*(np.asarray(x, np.float64) for x in (a, n, k)))
    inside = k <= a
    b, m, j = np.where(inside, a, 0.0), np.where(inside, n, 0.0), np.where(inside, k, 0.0)
    value = np.asarray((gammaln(b + 1) - gammaln(m + 1)) + (gammaln(m - j + 1) - gammaln(b - j + 1)))
    factors = np.minimum(m - b, j)
    summed = (m > LARGE) & (factors <= MOST_FACTORS)
    if summed.any():
        value[summed] = _log_factors(m[summed], np.maximum(m - b, j)[summed], factors[summed])
    return np.where(inside, np.minimum(value, 0.0), -np.inf)


def _log_factors(n: NDArray[np.float64], other: NDArray[np.float64], factors: NDArray[np.float64]) -> NDArray[Any]:
    total = np.zeros(len(n))
    for i in range(int(factors.max())):
        total += np.where(i < factors, np.log1p(-other / (n - i)), 0.0)
    return total


def none_right(n: ArrayLike, c: ArrayLike, k: ArrayLike) -> NDArray[np.float64]:
    """Return C(n-c, k) / C(n, k); NaN where k > n."""
    n, c, k = np.broadcast_arrays(*(np.asarray(x, np.float64) for x in (n, c, k)))
    return np.where(k > n, np.nan, np.exp(log_ratio(n - c, n, np.minimum(k, n))))


def all_right(n: ArrayLike, c: ArrayLike, k: ArrayLike) -> NDArray[np.float64]:
    """Return C(c, k) / C(n, k); NaN where k > n."""
    n, c, k = np.broadcast_arrays(*(np.asarray(x, np.float64) for x in (n, c, k)))
    return np.where(k > n, np.nan, np.exp(log_ratio(c, n, np.minimum(k, n))))


def at_least(n: ArrayLike, c: ArrayLike, k: int, j: int) -> NDArray[np.float64]:
    """Return the chance of at least j right ones among k; NaN where k > n.

    One of the two tails is summed, the one with fewer terms. j = 1 and j = k have closed forms.
    """
    n, c = np.broadcast_arrays(np.asarray(n, np.float64), np.asarray(c, np.float64))
    if j <= 0:
        return np.where(k > n, np.nan, 1.0)
    if j > k:
        return np.where(k > n, np.nan, 0.0)
    if j == 1:
        return np.where(k > n, np.nan, np.abs(np.expm1(log_ratio(n - c, n, np.minimum(k, n)))))
    if j == k:
        return all_right(n, c, k)
    upper = k - j + 1 <= j
    m = np.maximum(n, k)  # with fewer draws than k there is nothing to count, and the value is NaN
    total = sum(_exactly(m, c, k, i) for i in (range(j, k + 1) if upper else range(j)))
    return np.where(k > n, np.nan, np.clip(total if upper else 1 - total, 0.0, 1.0))


def _exactly(n: NDArray[np.float64], c: NDArray[np.float64], k: int, i: int) -> NDArray[np.float64]:
    return np.exp(log_choose(c, i) + log_choose(n - c, k - i) - log_choose(n, k))


def two_subsets(n: ArrayLike, c: ArrayLike, k: int, j: int) -> NDArray[np.float64]:
    """Return the chance that two disjoint k-subsets both hold at least j right ones; NaN where 2k > n.

    It estimates the square of the chance for one subset without bias, and so the variance of `at_least`.
    """
    n, c = np.broadcast_arrays(np.asarray(n, np.float64), np.asarray(c, np.float64))
    short = 2 * k > n
    if j == k:
        return np.where(short, np.nan, all_right(n, c, np.minimum(2 * k, n)))
    if j == 1:  # 1 - 2 P(first none) + P(both none)
        both = none_right(n, c, np.minimum(2 * k, n))
        return np.where(short, np.nan, 1 - 2 * none_right(n, c, np.minimum(k, n)) + both)
    room = np.maximum(n - k, k)
    total = np.zeros(n.shape)
    for i in range(j, k + 1):
        left = np.clip(c - i, 0, room)
        total += _exactly(np.maximum(n, k), c, k, i) * np.nan_to_num(at_least(room, left, k, j))
    return np.where(short, np.nan, np.clip(total, 0.0, 1.0))


def draw_variance(n: ArrayLike, c: ArrayLike, k: int, j: int) -> NDArray[np.float64]:
    """Return the estimated variance of `at_least(n, c, k, j)` over the draws of a fixed item; NaN where k > n.

    Unbiased, and never negative, where n >= 2k. With fewer draws it is the exact variance under the binomial at the
    Jeffreys estimate (c + .5) / (n + 1): a plug-in, as no unbiased one exists.
    """
    n, c = np.broadcast_arrays(np.asarray(n, np.float64), np.asarray(c, np.float64))
    value = at_least(n, c, k, j)
    variance = np.maximum(value**2 - two_subsets(n, c, k, j), 0.0)
    for place in np.ndindex(n.shape):
        if k <= n[place] < 2 * k:
            variance[place] = _plug_in(int(n[place]), float(c[place]), k, j)
    return variance


def _plug_in(n: int, c: float, k: int, j: int) -> float:
    chance = (c + 0.5) / (n + 1)
    right = np.arange(n + 1)
    mass = np.exp(log_choose(n, right) + right * np.log(chance) + (n - right) * np.log1p(-chance))
    values = at_least(np.full(n + 1, n), right, k, j)
    mean = float(mass @ values)
    return float(mass @ (values - mean) ** 2)
