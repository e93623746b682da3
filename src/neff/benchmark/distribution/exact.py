"""The two-sample Kolmogorov-Smirnov test with exact p-values, also with ties.

All of it is counting: under the null every order of the pooled values is equally likely, and the p-value is the share
of orders whose largest gap is at least the observed one, seen only where a group of tied values ends.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import ArgumentError
from neff.stats._options import check_choice, seeded
from neff.stats._validate import check_count, check_vector

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["KSTest", "ks_two_sample"]

MOST_STEPS = 2_000_000_000
_LEAP = 64


@dataclass(frozen=True, slots=True)
class KSTest:
    """A two-sample test.

    Attributes
    ----------
    statistic
        Largest gap between the two empirical distribution functions.
    p_value
        Two-sided.
    method
        "exact with ties", "exact without ties" or "permutation".
    n, m
        Sizes of the two samples.
    monte_carlo_error
        Standard error of a permutation p-value; 0 for an exact one.
    """

    statistic: float
    p_value: float
    method: str
    n: int
    m: int
    monte_carlo_error: float = 0.0


def ks_two_sample(
    x: ArrayLike,
    y: ArrayLike,
    *,
    ties: str = "auto",
    method: str = "auto",
    n_resamples: int = 100_000,
    rng: Any = None,
) -> KSTest:
    """Test whether two samples come from one distribution, by the largest gap of their distribution functions.

    Use it where one side is known only through samples. Not to show that two distributions are equal, and not at few
    draws to see more than their place: twenty equal answers at the median are hardly told from the whole distribution.

    Parameters
    ----------
    x
        The reference sample, shape (n,).
    y
        The sample that is tested, shape (m,).
    ties
        "exact": the null distribution given the ties. "none": as if there were none, right for values of a continuous
        distribution (and safe for others). "auto": "exact" where the reference sample has ties.
    method
        "exact", "permutation", or "auto": exact up to 2e9 steps (n + m) m.
    n_resamples, rng
        Of the permutation test (SPEC 7); at a threshold of 1e-4 take at least 1e5.

    Returns
    -------
    KSTest
        With the p-value; its smallest value is 2 / C(n + m, m).

    Raises
    ------
    ArgumentError
        If a sample is empty or not finite.

    Notes
    -----
    Cost: without ties m cumulative sums of n numbers; with ties (n + m) steps of m, or m^2 for a large group of ties.
    The permutation p-value is (1 + number at least as large) / (1 + resamples), and its counts are drawn from the
    multivariate hypergeometric distribution.

    References
    ----------
    Abaskohi et al., UnpredictaBench. arXiv:2606.06622

    Examples
    --------
    >>> found = ks_two_sample([0, 0, 1, 1, 2, 2, 3, 3], [0, 0, 0, 1])
    >>> found.statistic, round(found.p_value, 10), found.method
    (0.5, 0.3838383838, 'exact with ties')
    """
    call = "ks_two_sample"
    a, b = (check_vector(v, argument=name, call=call) for name, v in (("x", x), ("y", y)))
    check_choice(ties, ("auto", "exact", "none"), argument="ties", call=call)
    check_choice(method, ("auto", "exact", "permutation"), argument="method", call=call)
    if not a.size or not b.size:
        raise ArgumentError("x" if not a.size else "y", "at least one value", "none", call=call)
    gap, counts_a, counts_b = gaps(a, b)
    if ties == "auto":
        ties = "exact" if np.unique(a).size < a.size else "none"
    statistic = gap / (a.size * b.size)
    if method == "permutation" or (method == "auto" and (a.size + b.size) * min(a.size, b.size) > MOST_STEPS):
        n_resamples = check_count(n_resamples, argument="n_resamples", call=call, minimum=1)
        p, error = _permutation(counts_a, counts_b, gap, n_resamples, seeded(rng, call=call)[0])
        return KSTest(statistic, p, "permutation", a.size, b.size, error)
    if ties == "none":
        return KSTest(statistic, p_untied(a.size, b.size, gap), "exact without ties", a.size, b.size)
    return KSTest(statistic, p_tied(counts_a + counts_b, a.size, b.size, gap), "exact with ties", a.size, b.size)


def gaps(a: NDArray[np.float64], b: NDArray[np.float64]) -> tuple[int, NDArray[np.int64], NDArray[np.int64]]:
    """Return the largest gap times n m, a whole number, and how often each pooled value is in either sample."""
    support, place = np.unique(np.concatenate([a, b]), return_inverse=True)
    counts_a = np.bincount(place[: a.size], minlength=support.size).astype(np.int64)
    counts_b = np.bincount(place[a.size :], minlength=support.size).astype(np.int64)
    gap = np.abs(np.cumsum(counts_a) * b.size - np.cumsum(counts_b) * a.size).max()
    return int(gap), counts_a, counts_b


@lru_cache(maxsize=4096)
def p_untied(n: int, m: int, gap: int) -> float:
    """Return P(largest gap times n m >= gap) without ties: the share of lattice paths from (0, 0) to (n, m) that leave.

    A path leaves where |i m - j n| >= gap for the first time. Those that leave are added up, row by row along the
    longer sample, so that a tiny p-value keeps its digits: number of ways there that stay inside, times ways from
    there.
    """
    from scipy.special import gammaln

    if gap <= 0:
        return 1.0
    n, m = max(n, m), min(n, m)
    log_factorial = gammaln(np.arange(n + m + 1) + 1.0)
    log_all = log_factorial[n + m] - log_factorial[n] - log_factorial[m]
    i = np.arange(n + 1, dtype=np.int64)
    paths, log_scale, gone = np.where(i * m < gap, 1.0, 0.0), 0.0, 0.0
    for j in range(m + 1):
        if j:
            inside = np.abs(i * m - j * n) < gap
            # steps up from the row below that end outside
            out = np.flatnonzero((paths > 0) & ~inside)
            rest = n - out + m - j
            ways = log_factorial[rest] - log_factorial[n - out] - log_factorial[m - j]
            gone += float(paths[out] @ np.exp(ways + log_scale - log_all))
            # within a row the inside is one stretch, so that a cumulative sum over it counts the ways
            paths = np.where(inside, np.cumsum(np.where(inside, paths, 0.0)), 0.0)
        end = int(np.max(np.flatnonzero(paths), initial=-1))
        if end < 0:
            break
        if end < n:  # the step to the right out of the last place inside
            left = n - end - 1 + m - j
            way = log_factorial[left] - log_factorial[n - end - 1] - log_factorial[m - j]
            gone += float(paths[end]) * math.exp(way + log_scale - log_all)
        largest = float(paths.max())
        paths /= largest
        log_scale += math.log(largest)
    return min(1.0, gone)


def p_tied(ties: NDArray[np.int64], n: int, m: int, gap: int) -> float:
    """Return P(largest gap times n m >= gap) given the sizes of the groups of tied values.

    The state is how many of the values so far are of the smaller sample; the mass that leaves at the end of a group is
    added up, so that tiny p-values keep all their digits.
    """
    if gap <= 0:
        return 1.0
    n, m = max(n, m), min(n, m)
    mass = np.zeros(m + 1)
    mass[0] = 1.0
    j = np.arange(m + 1)
    gone, left = 0.0, n + m
    for size in ties.tolist():
        mass = _leap(mass, size, left, m) if size > _LEAP else _steps(mass, size, left, j, m)
        left -= size
        done = n + m - left
        out = np.abs((done - j) * m - j * n) >= gap
        gone += float(mass[out].sum())
        mass[out] = 0.0
    return min(1.0, gone)


def _steps(mass: NDArray[np.float64], size: int, left: int, j: NDArray[np.int64], m: int) -> NDArray[np.float64]:
    """Draw `size` values one by one from `left`, of which m - j are of the smaller sample."""
    for _ in range(size):
        drawn = mass * ((m - j) / left)
        mass = mass - drawn
        mass[1:] += drawn[:-1]
        np.maximum(mass, 0.0, out=mass)
        left -= 1
    return mass


def _leap(mass: NDArray[np.float64], size: int, left: int, m: int) -> NDArray[np.float64]:
    """Do the same at once: how many of `size` are of the smaller sample is hypergeometric."""
    from scipy.special import gammaln

    states = np.flatnonzero(mass)
    k = np.arange(m + 1)
    remaining = (m - states)[:, None]
    with np.errstate(invalid="ignore"):
        possible = (k <= size) & (k <= remaining) & (size - k <= left - remaining)
    safe = np.where(possible, k, np.maximum(remaining - (left - size), 0))

    def log_choose(a: Any, b: Any) -> Any:
        return gammaln(a + 1.0) - gammaln(b + 1.0) - gammaln(a - b + 1.0)

    log_p = log_choose(size, safe) + log_choose(left - size, remaining - safe) - log_choose(left, remaining)
    p = np.where(possible, np.exp(log_p), 0.0) * mass[states][:, None]
    out = np.zeros(m + 1)
    where = np.minimum(states[:, None] + k, m)
    np.add.at(out, where[possible], p[possible])
    return out


def _permutation(
    counts_a: NDArray[np.int64], counts_b: NDArray[np.int64], gap: int, n_resamples: int, rng: np.random.Generator
) -> tuple[float, float]:
    pooled = counts_a + counts_b
    n, m = int(counts_a.sum()), int(counts_b.sum())
    whole = np.cumsum(pooled)
    as_large = 0
    batch = max(1, 4_000_000 // pooled.size)
    for start in range(0, n_resamples, batch):
        size = min(batch, n_resamples - start)
        drawn = np.cumsum(rng.multivariate_hypergeometric(pooled, m, size=size, method="marginals"), axis=1)
        as_large += int((np.abs((whole - drawn) * m - drawn * n).max(axis=1) >= gap).sum())
    p = (1 + as_large) / (1 + n_resamples)
    return p, math.sqrt(p * (1 - p) / n_resamples)
