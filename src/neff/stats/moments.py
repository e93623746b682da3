"""Mergeable moments: mean and variance of values that are never in one place."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from neff.errors import ArgumentError
from neff.stats._validate import FloatArray, as_numbers, check_number, check_vector, check_weights

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["Moments"]


@dataclass(frozen=True, slots=True)
class Moments:
    """Count, mean, spread and range of a set of values, that add: `Moments.of(a) + Moments.of(b)`.

    Use it for values in a stream of files, on the ranks of a training job or the workers of a cluster. Squares
    are summed about the mean, never about 0, so values near 1e8 keep their digits.

    Attributes
    ----------
    n
        Number of values; those of weight 0 are left out.
    mean
        (Weighted) mean, in the units of the values; NaN for no values.
    m2
        (Weighted) sum of squared deviations from the mean.
    minimum, maximum
        Range of the values; NaN for no values.
    sum_w, sum_w2
        Sum of the weights and of their squares; both are n for unweighted values.

    Notes
    -----
    Merging follows Chan, Golub and LeVeque. Merging in another order changes the last digits only; merge in a
    fixed order where results must be bitwise equal.

    References
    ----------
    Chan, Golub and LeVeque 1983, Amer. Statist. 37:242.

    Examples
    --------
    >>> merged = Moments.of([1.0, 2.0]) + Moments.of([6.0])
    >>> merged.mean, merged.variance(), merged.n
    (3.0, 7.0, 3)
    >>> round(merged.standard_error, 4)
    1.5275
    >>> Moments().mean
    nan
    """

    n: int = 0
    mean: float = math.nan
    m2: float = 0.0
    minimum: float = math.nan
    maximum: float = math.nan
    sum_w: float = 0.0
    sum_w2: float = 0.0

    @classmethod
    def of(cls, values: ArrayLike, weights: ArrayLike | None = None) -> Moments:
        """Summarise values of shape (n,), with weights of shape (n,) where they are given.

        Raises
        ------
        ArgumentError
            If a value is NaN or infinite, a weight is negative, or lengths differ.
        """
        x = check_vector(values, argument="values", call="Moments.of")
        w = np.ones_like(x) if weights is None else check_weights(weights, call="Moments.of", length=x.size)
        if not w.all():
            x, w = x[w > 0], w[w > 0]
        if x.size == 0:
            return cls()
        low, high, total = float(x.min()), float(x.max()), float(w.sum())
        mean = float((w * x).sum()) / total
        mean += float((w * (x - mean)).sum()) / total  # a second pass removes the rounding of the first
        if low == high:
            mean = low
        m2, squares = float((w * np.square(x - mean)).sum()), float((w * w).sum())
        return cls(x.size, mean, m2, low, high, total, squares)

    def __add__(self, other: Moments) -> Moments:
        if not isinstance(other, Moments):
            return NotImplemented
        if self.n == 0 or other.n == 0:
            return other if self.n == 0 else self
        total = self.sum_w + other.sum_w
        step, share = other.mean - self.mean, other.sum_w / total
        return Moments(
            self.n + other.n,
            self.mean + step * share,
            self.m2 + other.m2 + step * step * self.sum_w * share,
            min(self.minimum, other.minimum),
            max(self.maximum, other.maximum),
            total,
            self.sum_w2 + other.sum_w2,
        )

    def variance(self, ddof: float = 1) -> float:
        """Return the variance; NaN for `ddof` values or fewer.

        For weighted values the weights count as frequencies relative to n: m2/sum_w times n/(n - ddof).

        Raises
        ------
        ArgumentError
            If `ddof` is negative.
        """
        ddof = check_number(ddof, argument="ddof", call="Moments.variance")
        if not ddof >= 0:
            raise ArgumentError("ddof", "0 or more", ddof, "1 is the usual.", call="Moments.variance")
        if self.n <= ddof:
            return math.nan
        return self.m2 / self.sum_w * (self.n / (self.n - ddof))

    @property
    def n_eff(self) -> float:
        """Kish's effective number of values, (sum w)^2 / sum w^2; n for unweighted values."""
        return self.sum_w**2 / self.sum_w2 if self.sum_w2 > 0 else math.nan

    @property
    def standard_error(self) -> float:
        """Standard error of the mean of independent values; NaN for one value, or for values all equal.

        For weighted values the weights are taken as unrelated to the values: sqrt(variance / n_eff). Use
        `mean_se` for the linearised one, which needs the rows.
        """
        variance = self.variance()
        return math.sqrt(variance / self.n_eff) if variance > 0 else math.nan

    def to_array(self) -> FloatArray:
        """Return the seven fields as float64, to be gathered from all ranks."""
        fields = [self.n, self.mean, self.m2, self.minimum, self.maximum, self.sum_w, self.sum_w2]
        return np.array(fields, dtype=np.float64)

    @classmethod
    def from_array(cls, array: ArrayLike) -> Moments:
        """Rebuild from `to_array`, shape (7,), or merge the gathered rows, shape (k, 7), in their order."""
        rows = as_numbers(array, argument="array", call="Moments.from_array").astype(np.float64)
        if rows.ndim not in (1, 2) or rows.shape[-1] != 7:
            shape = f"shape {rows.shape}"
            raise ArgumentError("array", "of shape (7,) or (k, 7)", shape, call="Moments.from_array")
        parts = (cls(int(n), *rest) for n, *rest in rows.reshape(-1, 7).tolist())
        return sum(parts, cls())
