"""Kernels of linear shrinkage: the unbiased risk, the weight class, and its tuning with every cell left out once.

A cell has a raw mean x with an unbiased estimate v of its variance (NaN where there is none), a size n, and a
target m that does not depend on x. The shrunk mean is (1 - b) x + b m, and

    U = (1 - 2 b) v + b^2 (x - m)^2

has the expectation E[((1 - b) x + b m - theta)^2] exactly, for any b and m that do not depend on x.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from neff.stats.isotonic import isotonic

if TYPE_CHECKING:
    from neff.stats._validate import FloatArray

__all__ = ["Cells", "Shape", "grand_means", "leave_one_out", "pool", "tune", "unbiased_risk", "weight_at"]

Shape = Literal["pseudo-count", "isotonic"]

STEPS = 600
LAMS = np.concatenate([[0.0], np.geomspace(1e-2, 1e5, STEPS), [math.inf]])
"""Pseudo-counts that are tried, before the best one is refined between its neighbours."""

CHUNK = 2048
"""Cells whose risk curves are in memory at one time: 2048 x 602 numbers are 10 MB."""


def unbiased_risk(weight: FloatArray, variance: FloatArray, gap: FloatArray) -> FloatArray:
    """Return U of each cell; `gap` is (x - m)^2. NaN where the variance is."""
    return (1 - 2 * weight) * variance + weight * weight * gap


def weight_at(lam: FloatArray | float, size: FloatArray) -> FloatArray:
    """Return b = lam / (lam + n); 1 for an infinite pseudo-count. Broadcasts."""
    given = np.asarray(lam, np.float64)
    with np.errstate(invalid="ignore"):
        weight = given / (given + size)
    return np.where(np.isinf(given), 1.0, weight)


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Sums over the cells of one size, sizes ascending: all that the mean risk of a weight function depends on.

    The sums are exact (`math.fsum`), so that no result depends on the order of cells.
    """

    size: FloatArray
    gap: FloatArray
    variance: FloatArray

    def curve(self, lams: FloatArray) -> FloatArray:
        """Return the sum of U over all cells at each pseudo-count."""
        total = np.full(lams.shape, math.fsum(self.variance))
        for start in range(0, self.size.size, CHUNK):
            part = slice(start, start + CHUNK)
            weight = weight_at(lams[:, None], self.size[None, part])
            total += weight * weight @ self.gap[part] - 2 * (weight @ self.variance[part])
        return total

    def slope(self, lam: float) -> float:
        """Return half the derivative of the sum of U by the pseudo-count."""
        weight = weight_at(lam, self.size)
        return float(np.sum((weight * self.gap - self.variance) * self.size / (lam + self.size) ** 2))


def pool(size: FloatArray, gap: FloatArray, variance: FloatArray) -> Cells:
    """Sum the cells that have a variance by size."""
    used = ~np.isnan(variance)
    sizes, code = np.unique(size[used], return_inverse=True)
    order = np.argsort(code, kind="stable")
    cuts = np.flatnonzero(np.diff(code[order])) + 1
    sums = [
        np.array([math.fsum(part) for part in np.split(column[used][order], cuts)] if sizes.size else [])
        for column in (gap, variance)
    ]
    return Cells(sizes, *sums)


def _lowest(curve: FloatArray) -> int:
    """Return the position of the lowest value, the last one among equals: ties go to more shrinkage."""
    return curve.size - 1 - int(np.argmin(curve[::-1]))


def best_lam(cells: Cells) -> float:
    """Return the pseudo-count with the lowest mean risk."""
    curve = cells.curve(LAMS)
    k = _lowest(curve)
    if k in (0, LAMS.size - 1):
        return float(LAMS[k])
    low, high = float(LAMS[k - 1]), min(float(LAMS[k + 1]), 1e7)
    if cells.slope(low) < 0 < cells.slope(high):
        while low < (middle := low + (high - low) / 2) < high:
            low, high = (middle, high) if cells.slope(middle) < 0 else (low, middle)
        if cells.curve(np.array([low]))[0] <= curve[k]:
            return low
    return float(LAMS[k])


def _isotonic_weights(cells: Cells) -> FloatArray:
    """Return b for each size: non-increasing in the size, in [0, 1], with the lowest sum of U."""
    # U is quadratic in b with its minimum at v / (x - m)^2. A size without any gap wants all the weight it can
    # get: a tiny gap keeps its pull on a pooled ratio.
    gap = np.maximum(cells.gap, 1e-12 * cells.gap.max(initial=0.0) + 1e-300)
    silent = (cells.gap == 0) & (cells.variance == 0)
    if silent.all():
        return np.ones_like(gap)
    fitted = isotonic(cells.variance / gap, weights=np.where(silent, 0.0, gap), increasing=False)
    return np.clip(fitted, 0.0, 1.0)


def tune(cells: Cells, size: FloatArray, *, shape: Shape) -> tuple[float, FloatArray]:
    """Return the pseudo-count (NaN for the isotonic class) and the weight of each cell.

    A size that no cell with a variance has, such as 1, takes the isotonic weight of its neighbours.
    """
    if shape == "isotonic":
        return math.nan, np.interp(size, cells.size, _isotonic_weights(cells))
    lam = best_lam(cells)
    return lam, weight_at(lam, size)


def leave_one_out(
    cells: Cells, size: FloatArray, gap: FloatArray, variance: FloatArray, weight: FloatArray, *, shape: Shape
) -> FloatArray:
    """Return the weight that each cell would have had if it had not been used to tune it.

    With these weights U is unbiased even though they were tuned; cells without a variance keep `weight`.
    """
    left_out = weight.copy()
    used = np.flatnonzero(~np.isnan(variance))
    if shape == "isotonic":
        for i in used.tolist():
            k = int(np.searchsorted(cells.size, size[i]))
            gaps, variances = cells.gap.copy(), cells.variance.copy()
            gaps[k] = max(gaps[k] - gap[i], 0.0)
            variances[k] = max(variances[k] - variance[i], 0.0)
            left_out[i] = _isotonic_weights(Cells(cells.size, gaps, variances))[k]
        return left_out
    total = cells.curve(LAMS)
    for start in range(0, used.size, CHUNK):
        some = used[start : start + CHUNK]
        own = weight_at(LAMS, size[some, None])
        curves = total - unbiased_risk(own, variance[some, None], gap[some, None])
        left_out[some] = weight_at(_refined(curves), size[some])
    return left_out


def _refined(curves: FloatArray) -> FloatArray:
    """Return the lowest point of each curve over `LAMS`, by a parabola in log lam through its neighbours."""
    k = curves.shape[1] - 1 - np.argmin(curves[:, ::-1], axis=1)
    lam: FloatArray = LAMS[k]
    inner = np.flatnonzero((k > 1) & (k < STEPS))
    at = k[inner]
    left, middle, right = (curves[inner, at + step] for step in (-1, 0, 1))
    bend = left - 2 * middle + right
    step = np.divide(left - right, 2 * bend, out=np.zeros_like(bend), where=bend > 0)
    lam[inner] *= (LAMS[2] / LAMS[1]) ** np.clip(step, -1, 1)
    return lam


def grand_means(values: FloatArray, size: FloatArray) -> FloatArray:
    """Return for each cell the size-weighted mean of all others; NaN where there is no other."""
    products = values * size
    total, weight = math.fsum(products), math.fsum(size)
    rest = weight - size
    means = np.divide(total - products, rest, out=np.full_like(values, np.nan), where=rest > 0)
    if values.size > 1 and values.min() == values.max():  # exact, where the division may round
        return np.full_like(values, values[0])
    return means
