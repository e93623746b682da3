"""Kernels of the bootstrap: draw resamples of cells or of units, and read an interval off their distribution.

Resamples are drawn in one fixed order, so the results do not depend on how many are held at a time.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from neff.reasons import Reason
from neff.stats._special import normal_cdf, normal_quantile
from neff.stats.intervals import Interval

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

    from neff.stats._validate import FloatArray

    Statistic = Callable[[npt.NDArray[np.int64]], FloatArray]

__all__ = ["acceleration", "all_equal", "bca_levels", "blocks", "interval_of", "resample_cells", "resample_units"]

Number = TypeVar("Number", np.float64, np.complex128)

# Numbers held at a time: 2 MB per array stays in the cache of a core, and is measured fastest.
BLOCK = 1 << 18
_EPS = float(np.finfo(np.float64).eps)


def blocks(n_resamples: int, width: int, block: int = BLOCK) -> Iterator[tuple[int, int]]:
    """Yield the (start, stop) of blocks of rows that hold about `block` numbers of `width` a row."""
    rows = max(1, block // width)
    for start in range(0, n_resamples, rows):
        yield start, min(start + rows, n_resamples)


def resample_cells(
    counts: npt.NDArray[np.int64],
    statistic: Statistic,
    n_resamples: int,
    rng: np.random.Generator,
    *,
    block: int = BLOCK,
) -> FloatArray:
    """Resample rows that fall into K cells: their counts are multinomial. Cost O(K) per resample."""
    n = int(counts.sum())
    shares = counts / n
    out = np.empty(n_resamples)
    for start, stop in blocks(n_resamples, counts.size, block):
        out[start:stop] = statistic(rng.multinomial(n, shares, size=stop - start))
    return out


def resample_units(
    units: npt.NDArray[Number], n_resamples: int, rng: np.random.Generator, *, block: int = BLOCK
) -> npt.NDArray[Number]:
    """Return the sums of n units drawn with replacement, per resample. Cost O(n) per resample.

    Buffers are reused: fresh memory for every block costs more than the draws.
    """
    n = units.size
    sums = np.zeros(n_resamples, units.dtype)
    width = min(n, block)
    drawn = np.empty((min(n_resamples, max(1, block // width)), width), units.dtype)
    for start, stop in blocks(n_resamples, width, block):
        for left in range(0, n, width):  # more than once only where one resample exceeds a block
            indices = rng.integers(0, n, size=(stop - start, min(width, n - left)))
            # mode="clip" skips a bounds check that cannot fail, and is what lets `out` be filled in place
            held = units.take(indices, out=drawn[: stop - start, : indices.shape[1]], mode="clip")
            sums[start:stop] += held.sum(axis=1)
    return sums


def acceleration(leave_one_out: FloatArray, counts: npt.NDArray[np.int64] | None = None) -> float:
    """Return the acceleration constant from the leave-one-out estimates, each standing for `counts` units."""
    mass = np.ones_like(leave_one_out) if counts is None else counts.astype(np.float64)
    deviation = np.average(leave_one_out, weights=mass) - leave_one_out
    deviation /= np.max(np.abs(deviation), initial=0.0) or 1.0  # the cubes of tiny numbers would vanish
    squares = float(mass @ deviation**2)
    return float(mass @ deviation**3) / (6.0 * squares**1.5) if squares > 0 else 0.0


def all_equal(distribution: FloatArray) -> bool:
    """Say whether the numbers differ by no more than the rounding of a ratio of sums."""
    low, high = float(distribution.min()), float(distribution.max())
    return high - low <= 1e-13 * max(abs(low), abs(high))


def bca_levels(distribution: FloatArray, estimate: float, accelerate: float, level: float) -> tuple[float, float]:
    """Return the shares of the distribution below the two limits; NaN where all of it is on one side."""
    spread = float(np.max(np.abs(distribution - estimate)))
    tie = max(4 * _EPS * abs(estimate), 1e-12 * spread)
    below = np.count_nonzero(distribution < estimate - tie)
    not_above = np.count_nonzero(distribution <= estimate + tie)
    share = (below + not_above) / (2 * distribution.size)
    if not 0 < share < 1:
        return math.nan, math.nan
    bias = normal_quantile(share)
    z = normal_quantile(0.5 + level / 2)
    low, high = (
        normal_cdf(bias + (bias + side) / (1 - accelerate * (bias + side)))
        if accelerate * (bias + side) < 1
        else float(accelerate > 0)  # past the pole of the transformation: all of that tail
        for side in (-z, z)
    )
    return low, high


def interval_of(distribution: FloatArray, estimate: float, method: str, level: float, accelerate: float) -> Interval:
    """Return the percentile or BCa interval of a finite distribution whose values are not all equal."""
    low, high = (1 - level) / 2, 0.5 + level / 2
    if method == "bca":
        low, high = bca_levels(distribution, estimate, accelerate, level)
        if math.isnan(low) or math.isnan(high):
            return Interval(math.nan, math.nan, Reason.OUTSIDE_RESAMPLES)
    limits = np.quantile(distribution, [low, high])
    return Interval(float(limits[0]), float(limits[1]))
