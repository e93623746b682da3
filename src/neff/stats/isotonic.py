"""Isotonic regression: the monotone curve closest to the data, by pooling adjacent violators."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from neff.errors import ArgumentError
from neff.registry import method as registered
from neff.stats._options import check_choice
from neff.stats._validate import FloatArray, check_same_length, check_vector, check_weights

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike

__all__ = ["IsotonicFit", "isotonic", "isotonic_fit"]


def _pool(y: FloatArray, weights: FloatArray, *, increasing: bool) -> FloatArray:
    """Pool adjacent violators; weights > 0."""
    if y.size < 2:
        return y.copy()
    from scipy.optimize import isotonic_regression

    pooled: FloatArray = isotonic_regression(y, weights=weights, increasing=increasing).x
    return pooled


@registered("sequence", "shift_equivariant", "scale_equivariant", "deterministic")
def isotonic(y: ArrayLike, *, weights: ArrayLike | None = None, increasing: bool = True) -> FloatArray:
    """Return the monotone sequence closest to `y` in weighted least squares.

    Use it on values that are already in the order of their predictor, at distinct points of it; `isotonic_fit`
    sorts, averages ties and can predict between the points.

    Parameters
    ----------
    y
        Values in order, shape (n,).
    weights
        How much each value counts, shape (n,), 0 or more; 2 is the same as the value twice in a row.
        None counts all alike.
    increasing
        True for a non-decreasing sequence, False for a non-increasing one.

    Returns
    -------
    ndarray
        Shape (n,), with the weighted mean of `y`. A value with weight 0 does not take part and is interpolated
        between its neighbours; where all weights are 0, all are NaN.

    Raises
    ------
    ArgumentError
        If a value is not finite, or a weight is negative or not finite, or the lengths differ.

    Notes
    -----
    O(n). The fitted value is the minimum over right ends of the maximum over left ends of the weighted mean
    between them.

    References
    ----------
    Ayer, Brunk, Ewing, Reid and Silverman 1955, Ann. Math. Statist. 26:641. Busing 2022, J. Statist. Softw. 102.

    Examples
    --------
    >>> isotonic([1.0, 3.0, 2.0, 4.0]).tolist()
    [1.0, 2.5, 2.5, 4.0]
    """
    values = check_vector(y, argument="y", call="isotonic")
    if weights is None:
        return _pool(values, np.ones_like(values), increasing=increasing)
    w = check_weights(weights, call="isotonic", length=values.size)
    used = np.flatnonzero(w > 0)
    if used.size == 0:
        return np.full_like(values, np.nan)
    pooled = _pool(values[used], w[used], increasing=increasing)
    return np.interp(np.arange(values.size), used, pooled)


@dataclass(frozen=True, slots=True, eq=False)
class IsotonicFit:
    """A fitted monotone curve, by its knots.

    Attributes
    ----------
    x
        Knots, ascending: the first and the last point of every level stretch, shape (k,).
    y
        Fitted value at each knot, shape (k,), monotone.

    Examples
    --------
    >>> fit = isotonic_fit([0.1, 0.5, 0.5, 0.9], [0, 0, 1, 1])
    >>> fit.predict([0.0, 0.3, 0.5, 1.0]).round(4).tolist()
    [0.0, 0.25, 0.5, 1.0]
    >>> IsotonicFit.from_dict(fit.to_dict()).y.tolist()
    [0.0, 0.5, 1.0]
    """

    x: FloatArray
    y: FloatArray

    def predict(self, x: ArrayLike, *, method: Literal["linear", "step"] = "linear") -> FloatArray:
        """Return the value of the curve at each point of `x`, shape (n,).

        Between knots "linear" interpolates and "step" keeps the value of the knot to the left. Outside the knots
        the curve is level. A NaN point has the value NaN, and so has every point where the fit is empty.
        """
        points = check_vector(x, argument="x", call="IsotonicFit.predict", allow_nan=True, allow_inf=True)
        check_choice(method, ("linear", "step"), argument="method", call="IsotonicFit.predict")
        if self.x.size == 0:
            return np.full_like(points, np.nan)
        if method == "linear":
            return np.interp(points, self.x, self.y)
        left = np.searchsorted(self.x, points, side="right") - 1
        return np.where(np.isnan(points), np.nan, self.y[np.maximum(left, 0)])

    def to_dict(self) -> dict[str, list[float]]:
        """Return plain JSON values."""
        return {"x": self.x.tolist(), "y": self.y.tolist()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> IsotonicFit:
        """Rebuild from `to_dict`."""
        x = check_vector(data["x"], argument="x", call="IsotonicFit.from_dict")
        y = check_vector(data["y"], argument="y", call="IsotonicFit.from_dict")
        check_same_length(call="IsotonicFit.from_dict", x=x, y=y)
        if np.any(np.diff(x) <= 0):
            raise ArgumentError("x", "strictly ascending", data["x"], call="IsotonicFit.from_dict")
        return cls(_read_only(x), _read_only(y))


def _read_only(values: FloatArray) -> FloatArray:
    copy = values.copy()
    copy.flags.writeable = False
    return copy


@registered("curve", "permutation_invariant", "shift_equivariant", "scale_equivariant", "deterministic")
def isotonic_fit(
    x: ArrayLike, y: ArrayLike, *, weights: ArrayLike | None = None, increasing: bool = True
) -> IsotonicFit:
    """Fit the monotone curve of `y` on `x` closest in weighted least squares.

    Use it to calibrate a judge's score to a label: it assumes no more than that a higher score means a better
    answer. Not below a few dozen points (the curve chases noise at both ends), and its fit on
    the rows it was fitted to is too good: predict other rows, by cross-fitting.

    Parameters
    ----------
    x
        Predictor, shape (n,), in any units; only its order matters to the fit. Ties are averaged first.
    y
        Response, shape (n,).
    weights
        How much each row counts, shape (n,), 0 or more; 2 is the same as the row twice. None counts all alike.
        Rows of weight 0 leave no trace.
    increasing
        True where `y` rises with `x`, False where it falls.

    Returns
    -------
    IsotonicFit
        The curve; without rows of positive weight it has no knots and predicts NaN.

    Raises
    ------
    ArgumentError
        If a value is not finite, a weight is negative or not finite, or the lengths differ.

    Notes
    -----
    The weighted mean of the fitted values at the rows is that of `y`. O(n log n) for the sort, then O(n).

    References
    ----------
    Barlow, Bartholomew, Bremner and Brunk 1972, Statistical Inference under Order Restrictions.

    Examples
    --------
    >>> fit = isotonic_fit([3, 1, 2, 4], [0.9, 0.1, 0.9, 0.5])
    >>> fit.predict([1, 2, 3, 4]).round(4).tolist()
    [0.1, 0.7667, 0.7667, 0.7667]
    >>> fit.predict([1.5], method="step").tolist()
    [0.1]
    """
    points = check_vector(x, argument="x", call="isotonic_fit")
    values = check_vector(y, argument="y", call="isotonic_fit")
    check_same_length(call="isotonic_fit", x=points, y=values)
    w = np.ones_like(values) if weights is None else check_weights(weights, call="isotonic_fit", length=values.size)
    used = w > 0
    knots, code = np.unique(points[used], return_inverse=True)
    if knots.size == 0:
        return IsotonicFit(_read_only(knots), _read_only(knots))
    mass = np.bincount(code, weights=w[used]).astype(np.float64, copy=False)
    means: FloatArray = np.bincount(code, weights=w[used] * values[used]) / mass
    pooled = _pool(means, mass, increasing=increasing)
    # The inner points of a level stretch change no prediction.
    level = np.diff(pooled) == 0
    inner = np.append(False, level) & np.append(level, False)
    return IsotonicFit(_read_only(knots[~inner]), _read_only(pooled[~inner]))
