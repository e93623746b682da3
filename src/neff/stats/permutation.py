"""The sign-flip permutation test of a mean difference between paired scores."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from neff.reasons import Reason
from neff.registry import method as registered
from neff.stats._options import seeded
from neff.stats._validate import FloatArray, check_codes, check_count, check_same_length, check_vector

if TYPE_CHECKING:
    import numpy.typing as npt
    from numpy.typing import ArrayLike

__all__ = ["PermutationResult", "permutation_paired"]

_EPS = float(np.finfo(np.float64).eps)
_EXACT_STATES = 1 << 20  # all sign patterns of 20 units, or any number of units of one size
_UNITS_PER_KIND = 16  # a binomial draw costs about as much as the signs of this many units
_BLOCK = 1 << 18
_TABLE_UNITS = 1 << 13  # tables of 2 MB stay in the cache of a core


@dataclass(frozen=True, slots=True)
class PermutationResult:
    """A permutation test.

    Attributes
    ----------
    p_value
        Two-sided p-value. NaN where undefined.
    statistic
        Mean of x - y.
    n_units
        Number of rows, or of clusters, whose signs are flipped.
    n_resamples
        Number of sign patterns drawn; 0 where the test is exact.
    exact
        True where all sign patterns were counted.
    seed
        The seed that reproduces the p-value; None where it is exact or a Generator was given.
    reason
        Why the p-value is NaN, or NO_DISCORDANT where it is 1 because no pair differs.
    """

    p_value: float
    statistic: float
    n_units: int
    n_resamples: int
    exact: bool
    seed: int | None = None
    reason: Reason | None = None

    @property
    def value(self) -> float:
        """The mean difference, under the name that every result has for it."""
        return self.statistic


def _kinds(sizes: FloatArray, rounding: float) -> tuple[FloatArray, npt.NDArray[np.int64]]:
    """Return the distinct sizes and how often each occurs; sizes that differ by rounding only are one."""
    ordered = np.sort(sizes)
    starts = np.flatnonzero(np.diff(ordered, prepend=-math.inf) > rounding)
    return ordered[starts], np.diff(starts, append=ordered.size)


def _exact_p(kinds: FloatArray, counts: npt.NDArray[np.int64], limit: float) -> float:
    """Sum the probability of |sum of signed sizes| >= limit, over how many of each kind are positive."""
    from scipy.special import gammaln

    sums, chances = np.zeros(1), np.ones(1)
    for size, count in zip(kinds, counts, strict=True):
        positive = np.arange(count + 1)
        log_choose = gammaln(count + 1) - gammaln(positive + 1) - gammaln(count - positive + 1)
        sums = np.add.outer(sums, size * (2 * positive - count)).ravel()
        chances = np.multiply.outer(chances, np.exp(log_choose - count * math.log(2))).ravel()
    return min(1.0, float(chances[np.abs(sums) >= limit].sum()))


def _sums_by_kind(
    kinds: FloatArray, counts: npt.NDArray[np.int64], n_resamples: int, rng: np.random.Generator
) -> FloatArray:
    """Draw how many of each kind are positive: O(number of kinds) per sign pattern."""
    sums = np.zeros(n_resamples)
    for size, count in zip(kinds, counts, strict=True):
        sums += size * (2 * rng.binomial(count, 0.5, size=n_resamples) - count)
    return sums


def _sums_by_bits(sizes: FloatArray, n_resamples: int, rng: np.random.Generator, *, block: int = _BLOCK) -> FloatArray:
    """Draw a sign for every unit, eight at a time: a random byte picks one of the 256 sums of eight units."""
    signs = 2.0 * np.unpackbits(np.arange(256, dtype=np.uint8)[:, np.newaxis], axis=1) - 1.0
    sums = np.zeros(n_resamples)
    for left in range(0, sizes.size, _TABLE_UNITS):
        part = sizes[left : left + _TABLE_UNITS]
        words = -(-part.size // 64)  # whole 64-bit words, so that the draws do not depend on the block
        padded = np.zeros(64 * words)
        padded[: part.size] = part
        table = (padded.reshape(-1, 8) @ signs.T).ravel()
        offsets = 256 * np.arange(8 * words)
        rows = max(1, block // (8 * words))
        for start in range(0, n_resamples, rows):
            stop = min(start + rows, n_resamples)
            drawn = rng.integers(0, 2**64, size=(stop - start, words), dtype=np.uint64)
            sums[start:stop] += table.take(drawn.view(np.uint8) + offsets, mode="clip").sum(axis=1)
    return sums


@registered("paired", "permutation_invariant", "symmetric", "shift_invariant", "scale_invariant", "deterministic")
def permutation_paired(
    x: ArrayLike,
    y: ArrayLike,
    *,
    cluster: ArrayLike | None = None,
    n_resamples: int = 10_000,
    rng: np.random.Generator | int | None = None,
) -> PermutationResult:
    """Test whether the mean of x - y is zero by flipping the signs of the differences.

    Use it to compare two models on the same items without assuming a distribution; the test is valid at any number
    of items. Not as a test of medians, nor where one model's errors are skewed and n is small: it
    tests that the differences are symmetric about 0.

    Parameters
    ----------
    x, y
        Scores of the same items, shape (n,), in the same units.
    cluster
        Cluster of each row, shape (n,), any kind of label: the signs of a cluster flip together.
    n_resamples
        Number of sign patterns drawn where there are too many to count them all.
    rng
        Generator, seed or None; not used where the test is exact.

    Returns
    -------
    PermutationResult
        p-value NaN for no rows. It is 1 where no pair (or cluster total) differs. With m units that differ it is at
        least 2 / 2^m: five or fewer can never reach 0.05.

    Raises
    ------
    ArgumentError
        If a value is not finite, lengths differ, or an option is out of range.

    Notes
    -----
    Two-sided: the share of sign patterns whose sum is at least as far from 0 as the observed one. All are
    counted up to about 20 units, and at any n for scores of 0 and 1, where this is McNemar's exact test. Else
    patterns are drawn, and the p-value (1 + hits) / (1 + n_resamples) is itself valid. Equal sums count as hits also
    where rounding makes them differ. O(n · n_resamples / 8), less for differences of few kinds.

    References
    ----------
    Fisher 1935, The Design of Experiments, section 21. Phipson and Smyth 2010, Stat. Appl. Genet. Mol. Biol.
    9:39.

    Examples
    --------
    >>> result = permutation_paired([1, 1, 1, 0, 1, 1, 1, 1], [0, 1, 0, 1, 0, 0, 0, 0])
    >>> round(result.p_value, 6), result.statistic, result.exact
    (0.125, 0.625, True)
    """
    call = "permutation_paired"
    first = check_vector(x, argument="x", call=call)
    second = check_vector(y, argument="y", call=call)
    n = check_same_length(call=call, x=first, y=second)
    n_resamples = check_count(n_resamples, argument="n_resamples", call=call, minimum=1)
    generator, seed = seeded(rng, call=call)
    difference, scale = first - second, np.abs(first) + np.abs(second)
    if cluster is not None:
        codes, _ = check_codes(cluster, argument="cluster", call=call, length=n)
        difference = np.bincount(codes, difference).astype(np.float64, copy=False)
        scale = np.bincount(codes, scale).astype(np.float64, copy=False)
    if n == 0:
        return PermutationResult(math.nan, math.nan, 0, 0, exact=True, reason=Reason.EMPTY)
    rounding = 4 * _EPS * float(scale.max())
    sizes = np.abs(difference)
    sizes = sizes[sizes > rounding]  # a unit without a difference has no sign
    statistic = math.fsum(difference) / n
    if sizes.size == 0:
        return PermutationResult(1.0, statistic, difference.size, 0, exact=True, reason=Reason.NO_DISCORDANT)
    kinds, counts = _kinds(sizes, rounding)
    limit = abs(math.fsum(difference)) - 1e-12 * float(sizes.sum()) - 4 * _EPS * float(scale.sum())
    if math.fsum(np.log2(counts + 1)) <= math.log2(_EXACT_STATES):
        p_value = _exact_p(kinds, counts, limit)
        return PermutationResult(p_value, statistic, difference.size, 0, exact=True)
    if kinds.size * _UNITS_PER_KIND <= sizes.size:
        sums = _sums_by_kind(kinds, counts, n_resamples, generator)
    else:
        sums = _sums_by_bits(np.repeat(kinds, counts), n_resamples, generator)
    hits = int(np.count_nonzero(np.abs(sums) >= limit))
    p_value = (1 + hits) / (1 + n_resamples)
    return PermutationResult(p_value, statistic, difference.size, n_resamples, exact=False, seed=seed)
