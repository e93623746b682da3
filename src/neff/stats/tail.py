"""How heavy the tail of a set of weights is: Hill's index and the Pareto k-hat."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.registry import method
from neff.stats._logweights import log_vector
from neff.stats._validate import FloatArray, check_count

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["TailIndex", "hill", "pareto_k"]

_AT_ONCE = 1 << 16


class TailIndex(NamedTuple):
    """A tail index, the number `k` of largest weights that it rests on, and why it is NaN or infinite."""

    value: float
    k: int
    reason: Reason | None = None


@method("weights", "permutation_invariant", "shift_invariant", arxiv="2512.11150")
def hill(log_weights: ArrayLike, *, k: int | None = None) -> TailIndex:
    """Return Hill's index of the tail: below 2 the weights have infinite variance, below 1 no finite mean.

    Use it beside `ess` before trusting a weighted mean. Not for fewer than about 50 weights, and not where
    the weights are bounded by construction: then the index says only how even the largest ones are.

    Parameters
    ----------
    log_weights
        Natural logarithms of the weights, shape (n,).
    k
        How many of the largest weights to use; by default max(10, 5% of n), but at most 10% of n.

    Returns
    -------
    TailIndex
        `value` is NaN where it cannot be told: fewer than 10 weights, or not more than k positive ones; it is
        infinite where the k + 1 largest are equal.

    Raises
    ------
    ArgumentError
        If a log weight is NaN or plus infinity, or `k` is not between 1 and n - 1.

    Notes
    -----
    k / sum_{j<=k} (lw_(j) - lw_(k+1)), log weights in descending order. Standard error about value/sqrt(k).
    O(n).

    References
    ----------
    Hill 1975, Ann. Statist. 3:1163. The rule for k: arXiv:2512.11150.

    Examples
    --------
    >>> index = hill([1.5 * math.sin(i) for i in range(20)])
    >>> round(index.value, 4), index.k
    (8.2625, 2)
    """
    x = log_vector(log_weights, "hill")
    n = x.size
    if k is not None:
        k = check_count(k, argument="k", call="hill", minimum=1)
        if n and k >= n:
            raise ArgumentError("k", f"below the number of weights ({n})", k, call="hill")
    tail = min(max(10, n // 20), n // 10) if k is None else k
    if n == 0:
        return TailIndex(math.nan, 0, Reason.EMPTY)
    if x.max() == -math.inf:
        return TailIndex(math.nan, tail, Reason.ZERO_WEIGHT)
    if tail < 1:
        return TailIndex(math.nan, tail, Reason.TOO_FEW)
    largest = np.sort(np.partition(x, n - tail - 1)[n - tail - 1 :])
    if largest[0] == -math.inf:
        return TailIndex(math.nan, tail, Reason.TOO_FEW)
    gaps = float(np.sum(largest[1:] - largest[0]))
    if gaps == 0:
        return TailIndex(math.inf, tail, Reason.EQUAL_TAIL)
    return TailIndex(tail / gaps, tail)


@method("weights", "permutation_invariant", "shift_invariant", arxiv="1507.02646")
def pareto_k(log_weights: ArrayLike) -> TailIndex:
    """Return the Pareto k-hat of the weights, the diagnostic of Pareto-smoothed importance sampling.

    Use it as the standard check of a weighted mean: below 0.5 the weights have finite variance, above
    0.7 the mean is unreliable at any practical n, above 1 it does not exist. Needs 25 weights or more.

    Parameters
    ----------
    log_weights
        Natural logarithms of the weights, shape (n,).

    Returns
    -------
    TailIndex
        `value` is k-hat, `k` the number of largest weights it is fitted to, min(n/5, 3 sqrt(n)). NaN where
        the tail has fewer than 5 weights, holds zeros, or a quarter of it equals the largest weight below it.

    Raises
    ------
    ArgumentError
        If a log weight is NaN or plus infinity.

    Notes
    -----
    A generalised Pareto distribution is fitted to the excesses over the largest weight below the tail by the
    empirical-Bayes estimator of Zhang and Stephens, then drawn towards 0.5 by a prior worth 10 observations.
    All in logarithms: a tail that spans hundreds of orders of magnitude is fitted, not lost to underflow.
    O(n + m sqrt(m)) for a tail of m.

    References
    ----------
    Vehtari, Simpson, Gelman, Yao and Gabry 2024, arXiv:1507.02646. Zhang and Stephens 2009, Technometrics
    51:316.

    Examples
    --------
    >>> even = pareto_k([0.01 * i for i in range(100)])
    >>> round(even.value, 3), even.k
    (-0.361, 20)
    """
    x = log_vector(log_weights, "pareto_k")
    n = x.size
    tail = int(min(n / 5, 3 * math.sqrt(n)))
    if n == 0:
        return TailIndex(math.nan, 0, Reason.EMPTY)
    if x.max() == -math.inf:
        return TailIndex(math.nan, tail, Reason.ZERO_WEIGHT)
    if tail < 5:
        return TailIndex(math.nan, tail, Reason.TOO_FEW)
    largest = np.sort(np.partition(x, n - tail - 1)[n - tail - 1 :])
    if largest[0] == -math.inf:
        return TailIndex(math.nan, tail, Reason.TOO_FEW)
    gap = largest[1:] - largest[0]
    if gap[_quartile(tail)] == 0:
        return TailIndex(math.nan, tail, Reason.EQUAL_TAIL)
    with np.errstate(divide="ignore"):  # an excess of 0 has the logarithm -inf
        log_excess = gap + np.log(-np.expm1(-gap))
    return TailIndex(_pareto_shape(log_excess), tail)


def _quartile(n: int) -> int:
    return int(n / 4 + 0.5) - 1


def _pareto_shape(log_excess: FloatArray) -> float:
    """Return the shape of a generalised Pareto distribution from the sorted logarithms of a sample.

    The sample is measured in units of its first quartile, so that b, the ratio -shape/scale of Zhang and
    Stephens, lies on a grid of plain numbers whatever the spread of the sample is.
    """
    n = log_excess.size
    log_y = log_excess - log_excess[_quartile(n)]
    m = 30 + int(math.sqrt(n))
    grid = (1 - np.sqrt(m / (np.arange(1, m + 1) - 0.5))) / 3 + math.exp(-log_y[-1])
    grid[grid == 0] = -1e-12  # b = 0, the exponential distribution, is a limit of 0/0: stand beside it
    shapes = _mean_log1p(grid, log_y)
    log_likelihood = n * (np.log(np.abs(grid / shapes)) - shapes - 1)
    posterior = np.exp(log_likelihood - log_likelihood.max())
    posterior /= posterior.sum()
    b = float(np.sum(grid * posterior))
    shape = float(_mean_log1p(np.array([b]), log_y)[0])
    return (n * shape + 10 * 0.5) / (n + 10)


def _mean_log1p(b: FloatArray, log_y: FloatArray) -> FloatArray:
    """Return the mean over y of log(1 - b y) for each b < 1 / max(y)."""
    means = np.empty_like(b)
    if b.size * log_y.size <= _AT_ONCE:  # the same sums, without a loop
        below = b < 0
        means[below] = np.logaddexp(0.0, np.log(-b[below])[:, None] + log_y).mean(axis=1)
        if not below.all():  # the y are then below 1/b, and their exponentials in range
            means[~below] = np.log1p(-b[~below][:, None] * np.exp(log_y)).mean(axis=1)
        return means
    for i, value in enumerate(b.tolist()):  # about 30 + sqrt(n) values
        if value < 0:
            means[i] = np.logaddexp(0.0, math.log(-value) + log_y).mean()
        else:
            means[i] = np.log1p(-value * np.exp(log_y)).mean()
    return means
