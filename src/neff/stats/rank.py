"""Do two sets of scores rank the same things the same way? Correlations of ranks, shared pairs, shared top."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from neff.errors import ArgumentError
from neff.registry import method as registered
from neff.stats._validate import FloatArray, IntArray, check_count, check_same_length, check_vector

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["kendall_tau", "pairwise_agreement", "spearman", "top_k_overlap"]


class _Pairs(NamedTuple):
    """Numbers of pairs of rows: all, by how they are ordered in x and in y."""

    total: int
    concordant: int
    discordant: int
    tied_x: int  # in x, whether or not in y
    tied_y: int
    tied_both: int


def _check_pair(x: ArrayLike, y: ArrayLike, call: str) -> tuple[FloatArray, FloatArray]:
    first = check_vector(x, argument="x", call=call, allow_inf=True)
    second = check_vector(y, argument="y", call=call, allow_inf=True)
    check_same_length(call=call, x=first, y=second)
    return first, second


def _dense(values: FloatArray) -> IntArray:
    return np.unique(values, return_inverse=True)[1]


def _tied(codes: IntArray) -> int:
    counts = np.bincount(codes)
    return int(np.sum(counts * (counts - 1) // 2))


def _inversions(codes: IntArray) -> int:
    """Count the pairs i < j with codes[i] > codes[j], one binary digit at a time: O(n log n), no Python loop.

    Two codes are told apart by the highest digit in which they differ. So sort by digits, highest first:
    among rows that share all higher digits, count for every 0 the 1s that stand before it.
    """
    inversions = 0
    for digit in reversed(range(int(codes.max(initial=0)).bit_length())):
        ones = codes >> digit & 1
        before = np.cumsum(ones) - ones
        starts = np.flatnonzero(np.diff(codes >> (digit + 1), prepend=-1))
        sizes = np.diff(starts, append=codes.size)
        before -= np.repeat(before[starts], sizes)
        inversions += int(np.sum(before[ones == 0]))
        codes = codes[np.argsort(codes >> digit, kind="stable")]
    return inversions


def _count_pairs(x: FloatArray, y: FloatArray) -> _Pairs:
    n = x.size
    x_codes, y_codes = _dense(x), _dense(y)
    # Rows tied in x are put in the order of y, so that they do not count as inversions.
    order = np.lexsort((y_codes, x_codes))
    discordant = _inversions(y_codes[order])
    total, tied_x, tied_y = n * (n - 1) // 2, _tied(x_codes), _tied(y_codes)
    tied_both = _tied(np.unique(x_codes * n + y_codes, return_inverse=True)[1])
    concordant = total - discordant - tied_x - tied_y + tied_both
    return _Pairs(total, concordant, discordant, tied_x, tied_y, tied_both)


@registered("paired", "permutation_invariant", "symmetric", "shift_invariant", "scale_invariant")
def kendall_tau(x: ArrayLike, y: ArrayLike) -> float:
    """Return Kendall's tau-b, the excess of pairs ordered alike over pairs ordered unlike.

    Use it to say how alike two rankings of models or items are, also with ties. Where ties should count as half an
    agreement, or a share between 0 and 1 reads better, use `pairwise_agreement`.

    Parameters
    ----------
    x, y
        Two scores of the same rows, shape (n,), in any units.

    Returns
    -------
    float
        In [-1, 1]. NaN for fewer than two rows, and where one of the scores is constant: it ranks nothing.

    Raises
    ------
    ArgumentError
        If the lengths differ or a value is NaN.

    Notes
    -----
    (C - D) / sqrt((N - T_x)(N - T_y)) with C concordant, D discordant, N all pairs and T pairs tied in x or
    in y. O(n log n) time, O(n) memory.

    References
    ----------
    Kendall 1945, Biometrika 33:239. Knight 1966, J. Amer. Statist. Assoc. 61:436.

    Examples
    --------
    >>> kendall_tau([1, 2, 3, 4], [1, 3, 2, 4])
    0.6666666666666666
    """
    first, second = _check_pair(x, y, "kendall_tau")
    pairs = _count_pairs(first, second)
    untied = (pairs.total - pairs.tied_x) * (pairs.total - pairs.tied_y)
    if untied == 0:
        return math.nan
    tau = (pairs.concordant - pairs.discordant) / math.sqrt(untied)
    return max(-1.0, min(1.0, tau))


def _average_ranks(values: FloatArray) -> FloatArray:
    _, codes, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: FloatArray = (last - (counts - 1) / 2)[codes]
    return ranks


@registered("paired", "permutation_invariant", "symmetric", "shift_invariant", "scale_invariant")
def spearman(x: ArrayLike, y: ArrayLike) -> float:
    """Return Spearman's rank correlation, the Pearson correlation of the (average) ranks.

    Use it where a monotone relation between two scores is asked about, and rows far apart in rank should weigh
    more than neighbours; `kendall_tau` weighs all pairs alike.

    Parameters
    ----------
    x, y
        Two scores of the same rows, shape (n,), in any units.

    Returns
    -------
    float
        In [-1, 1]. NaN for fewer than two rows, and where one of the scores is constant.

    Raises
    ------
    ArgumentError
        If the lengths differ or a value is NaN.

    Notes
    -----
    Tied rows share the mean of their ranks. O(n log n).

    References
    ----------
    Spearman 1904, Amer. J. Psychol. 15:72.

    Examples
    --------
    >>> spearman([1, 2, 3, 4], [1, 3, 2, 4])
    0.8
    """
    first, second = _check_pair(x, y, "spearman")
    if first.size < 2:
        return math.nan
    # Ranks are multiples of 1/2, so twice the centred ranks are whole: the sums below are exact.
    a = 2 * _average_ranks(first) - (first.size + 1)
    b = 2 * _average_ranks(second) - (second.size + 1)
    spread = math.sqrt(float(a @ a) * float(b @ b))
    if spread == 0:
        return math.nan
    return max(-1.0, min(1.0, float(a @ b) / spread))


@registered("paired", "permutation_invariant", "symmetric", "shift_invariant", "scale_invariant", "bounded_0_1")
def pairwise_agreement(x: ArrayLike, y: ArrayLike) -> float:
    """Return the share of pairs of rows that both scores put in the same order.

    Use it to ask how often a cheap score (a judge, a small benchmark, an early checkpoint) picks the same winner
    of two models as the score that counts.

    Parameters
    ----------
    x, y
        Two scores of the same rows, shape (n,), in any units.

    Returns
    -------
    float
        In [0, 1]; about 1/2 for unrelated scores. NaN for fewer than two rows.

    Raises
    ------
    ArgumentError
        If the lengths differ or a value is NaN.

    Notes
    -----
    A pair tied in both scores is an agreement. A pair tied in one only counts 1/2, what breaking the
    tie by a coin would give on average; so a constant score agrees with distinct ones in 1/2 of the pairs.
    Without ties this is (1 + tau) / 2. O(n log n).

    Examples
    --------
    >>> round(pairwise_agreement([1, 2, 3, 4], [1, 3, 2, 4]), 4)
    0.8333
    """
    first, second = _check_pair(x, y, "pairwise_agreement")
    pairs = _count_pairs(first, second)
    if pairs.total == 0:
        return math.nan
    tied_once = pairs.tied_x + pairs.tied_y - 2 * pairs.tied_both
    return (pairs.concordant + pairs.tied_both + tied_once / 2) / pairs.total


def _membership(values: FloatArray, k: int) -> FloatArray:
    """Return how much of each row is in the top k: rows tied for the last places share them equally."""
    threshold = np.partition(values, values.size - k)[values.size - k]
    above, tied = values > threshold, values == threshold
    share = (k - np.count_nonzero(above)) / np.count_nonzero(tied)
    membership: FloatArray = above + share * tied
    return membership


@registered("paired", "permutation_invariant", "symmetric", "shift_invariant", "scale_invariant", "bounded_0_1")
def top_k_overlap(x: ArrayLike, y: ArrayLike, *, k: int = 1) -> float:
    """Return the share of the k best rows by one score that are among the k best by the other.

    Use it where only the winners matter: which models to keep, which items to run. k = 1 asks whether both
    scores name the same best row.

    Parameters
    ----------
    x, y
        Two scores of the same rows, shape (n,), higher is better.
    k
        Size of the top, from 1 to n.

    Returns
    -------
    float
        In [0, 1]; k / n on average for unrelated scores. NaN for no rows.

    Raises
    ------
    ArgumentError
        If the lengths differ, a value is NaN, or `k` is not a whole number from 1 to n.

    Notes
    -----
    Rows tied for the last places of the top share them: each belongs to it by an equal fraction, and the overlap is
    the sum of the smaller of the two fractions, over k. So a score overlaps itself fully, and a
    constant score overlaps any other by k / n. O(n).

    Examples
    --------
    >>> top_k_overlap([0.9, 0.8, 0.3, 0.1], [0.7, 0.2, 0.6, 0.1], k=2)
    0.5
    """
    first, second = _check_pair(x, y, "top_k_overlap")
    k = check_count(k, argument="k", call="top_k_overlap", minimum=1)
    if first.size == 0:
        return math.nan
    if k > first.size:
        raise ArgumentError("k", f"at most the number of rows ({first.size})", k, call="top_k_overlap")
    return float(np.minimum(_membership(first, k), _membership(second, k)).sum() / k)
