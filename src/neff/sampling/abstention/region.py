"""The high-reliability region, and how far the calibration set can be trusted at a point: shared by both estimators."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from neff.reasons import Reason

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from neff.stats._validate import FloatArray

__all__ = ["ClassValues", "Region", "dkw_error", "find_region", "quantile_place"]


@dataclass(frozen=True, slots=True)
class ClassValues:
    """One sorted sample per class: empirical distribution functions.

    Attributes
    ----------
    values
        Ascending values of each class.
    """

    values: tuple[FloatArray, ...]

    @classmethod
    def of(cls, values: FloatArray, labels: NDArray[np.int64], n_classes: int) -> ClassValues:
        """Group by label: one value per item, shape (n,), or one per item and class, shape (n, C)."""
        columns = values if values.ndim == 2 else np.broadcast_to(values[:, None], (len(values), n_classes))
        return cls(tuple(np.sort(columns[labels == c, c]) for c in range(n_classes)))

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Values per class."""
        return np.array([len(v) for v in self.values], np.int64)

    def below(self, points: FloatArray) -> NDArray[np.int64]:
        """Return how many values of each class are strictly below each point, shape (n, C)."""
        columns = points if points.ndim == 2 else np.broadcast_to(points[:, None], (len(points), len(self.values)))
        return np.stack([np.searchsorted(v, columns[:, c], "left") for c, v in enumerate(self.values)], axis=1)

    def distance_quantile(self, squared_distance: FloatArray) -> FloatArray:
        """Return d, the smallest upper tail over the classes: 0 everywhere where a class has no value."""
        if not all(self.sizes):
            return np.zeros(len(squared_distance))
        shares = 1 - self.below(squared_distance) / self.sizes
        return np.asarray(shares.min(axis=1), np.float64)


@dataclass(frozen=True, slots=True)
class Region:
    """Where a classifier is accurate enough for every class.

    Attributes
    ----------
    minimum
        Smallest rescaled similarity that is admitted; infinite where no region exists.
    thresholds
        Smallest probability of each class that is admitted, shape (C,); NaN where no region exists.
    reason
        Why there is none.
    """

    minimum: float
    thresholds: FloatArray
    reason: Reason | None = None

    def admits(self, rescaled: FloatArray, probability: FloatArray, predicted: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which items lie in the region, by rescaled similarity and probability of the predicted class."""
        if self.reason is not None:
            return np.zeros(len(rescaled), np.bool_)
        return np.asarray((rescaled >= self.minimum) & (probability >= self.thresholds[predicted]), np.bool_)


def quantile_place(n: int, target: float) -> int:
    """Return the 0-based place of the lower 1 - target quantile among n sorted values.

    Examples
    --------
    >>> quantile_place(10, 0.9), math.floor((1 - 0.9) * 10)
    (1, 0)
    """
    return min(math.floor((1 - target) * n + 1e-9), n - 1)  # 1 - 0.9 is 0.0999...: 10 values must lose one


def find_region(
    rescaled: FloatArray,
    probabilities: FloatArray,
    labels: NDArray[np.int64],
    *,
    target: float,
    whole: bool = False,
) -> Region:
    """Return the largest region in which a share `target` of each class has a probability of at least `target`.

    Parameters
    ----------
    rescaled
        Rescaled similarity of the calibration items, shape (n,).
    probabilities
        Their probabilities, shape (n, C).
    labels
        Their classes, 0 to C - 1.
    target
        The paper's alpha.
    whole
        Whether a candidate must be 1 or more after rounding down (estimator U), or above 0 (estimator A).

    Returns
    -------
    Region
        The first candidate in ascending order that will do; costs candidates x items.
    """
    n_classes = probabilities.shape[1]
    candidates = np.unique(rescaled[rescaled >= 1] if whole else rescaled[rescaled > 0])
    samples = []
    for c in range(n_classes):
        of_class = labels == c
        order = np.argsort(probabilities[of_class, c])
        samples.append((probabilities[of_class, c][order], rescaled[of_class][order]))
    thresholds = np.zeros(n_classes)
    for candidate in candidates:
        for c, (probability, similarity) in enumerate(samples):
            kept = probability[similarity >= candidate]
            thresholds[c] = kept[quantile_place(len(kept), target)] if len(kept) else 0.0
            if thresholds[c] < target:
                break
        else:
            return Region(float(candidate), thresholds)
    return Region(math.inf, np.full(n_classes, np.nan), Reason.NO_REGION)


def effective_sizes(calibration: ClassValues, rescaled: FloatArray) -> NDArray[np.int64]:
    """Return how many calibration items of each class are less similar than each point, at most n_c - 1."""
    return np.clip(calibration.below(rescaled), 0, np.maximum(calibration.sizes - 1, 0))


def dkw_error(n: NDArray[np.int64], target: float) -> FloatArray:
    """Return the Dvoretzky-Kiefer-Wolfowitz error of an empirical distribution of n values; 1 where there is none.

    Examples
    --------
    >>> dkw_error(np.array([0, 60, 200]), 0.95).round(3).tolist()
    [1.0, 0.175, 0.096]
    """
    values = np.sqrt(math.log(2 / (1 - target)) / (2 * np.maximum(n, 1)))
    return np.where(n > 0, values, 1.0)
