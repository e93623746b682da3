"""Two-stage calibration: an additive spline index of score and covariates, its rank, and a monotone curve on top.

What it estimates: E[label | score, covariates], without assuming that the label rises with the score, but keeping
the mean of the labelled slice, because the last step is isotonic.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.stats.isotonic import IsotonicFit, isotonic_fit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["SplineIndex", "TwoStageCurve", "fit_two_stage"]

SMALLEST = 20
"""Below this many rows an index cannot be learned: the score itself is the index, covariates are left out."""

ALPHAS = np.logspace(-3, 3, 13)


@dataclass(frozen=True, slots=True, eq=False)
class SplineIndex:
    """A ridge regression on uniform cubic B-splines of each column.

    `low`, `high` have shape (d,): the range of each column in training, outside of which the index is level;
    `coef` has shape (d, n_knots + 1), `centre` is the mean label.
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    coef: NDArray[np.float64]
    intercept: float

    def predict(self, columns: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the index of rows of shape (n, d)."""
        d, n_basis = self.coef.shape
        value = np.full(len(columns), self.intercept)
        for j in range(d):
            value += _basis(columns[:, j], self.low[j], self.high[j], n_basis) @ self.coef[j]
        return value


@dataclass(frozen=True, slots=True, eq=False)
class TwoStageCurve:
    """A fitted two-stage curve. Without `index` the score is ranked as it is."""

    index: SplineIndex | None
    ranks: NDArray[np.float64]
    cumulative: NDArray[np.float64]
    curve: IsotonicFit

    def predict(self, score: NDArray[np.float64], covariates: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Return the calibrated value of each row, in label units."""
        return self.curve.predict(_ecdf(self._raw(score, covariates), self.ranks, self.cumulative))

    def _raw(self, score: NDArray[np.float64], covariates: NDArray[np.float64] | None) -> NDArray[np.float64]:
        return score if self.index is None else self.index.predict(_columns(score, covariates))

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        index = None
        if self.index is not None:
            index = {
                "low": self.index.low.tolist(),
                "high": self.index.high.tolist(),
                "coef": self.index.coef.tolist(),
                "intercept": self.index.intercept,
            }
        return {
            "index": index,
            "ranks": self.ranks.tolist(),
            "cumulative": self.cumulative.tolist(),
            "curve": self.curve.to_dict(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> TwoStageCurve:
        """Rebuild from `to_dict`."""
        index = data["index"]
        return cls(
            None
            if index is None
            else SplineIndex(
                np.asarray(index["low"], float),
                np.asarray(index["high"], float),
                np.asarray(index["coef"], float),
                float(index["intercept"]),
            ),
            np.asarray(data["ranks"], float),
            np.asarray(data["cumulative"], float),
            IsotonicFit.from_dict(data["curve"]),
        )


def fit_two_stage(
    score: NDArray[np.float64],
    label: NDArray[np.float64],
    *,
    covariates: NDArray[np.float64] | None = None,
    weights: NDArray[np.float64] | None = None,
) -> TwoStageCurve:
    """Fit the curve to labelled rows: score, label (and weights >= 0) of shape (m,), covariates of shape (m, d).

    Fewer than 20 rows are ranked by the score alone. O(m d) splines plus one small singular value decomposition.
    """
    used = slice(None) if weights is None else weights > 0
    score, label = score[used], label[used]
    weights = np.ones(len(score)) if weights is None else weights[used]
    index = None
    if len(score) >= SMALLEST:
        columns = _columns(score, None if covariates is None else covariates[used])
        index = _fit_index(columns, label, weights)
        raw = index.predict(columns)
    else:
        raw = score
    ranks, code = np.unique(raw, return_inverse=True)
    cumulative = np.cumsum(np.bincount(code, weights=weights))
    half = 0.5 * float(weights.sum()) / len(weights)  # 0.5 rows, where rows count once
    cumulative = np.r_[-half, cumulative - half] / float(weights.sum())
    return TwoStageCurve(index, ranks, cumulative, isotonic_fit(_ecdf(raw, ranks, cumulative), label, weights=weights))


def _columns(score: NDArray[np.float64], covariates: NDArray[np.float64] | None) -> NDArray[np.float64]:
    return score[:, None] if covariates is None else np.column_stack([score, covariates])


def _ecdf(
    values: NDArray[np.float64], ranks: NDArray[np.float64], cumulative: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return (number of training values at or below - 1/2) / m; below all of them -1 / (2 m)."""
    return cumulative[np.searchsorted(ranks, values, side="right")]


def _fit_index(columns: NDArray[np.float64], label: NDArray[np.float64], weights: NDArray[np.float64]) -> SplineIndex:
    m, d = columns.shape
    n_knots = max(2, min(8, m // 4))
    low, high = columns.min(axis=0), columns.max(axis=0)
    n_basis = n_knots + 1  # n_knots + 2 cubic splines, less one, which the intercept replaces
    design = np.column_stack([_basis(columns[:, j], low[j], high[j], n_basis) for j in range(d)])
    coef, intercept = _ridge(design, label, weights)
    return SplineIndex(low, high, coef.reshape(d, n_basis), intercept)


def _basis(values: NDArray[np.float64], low: float, high: float, n_basis: int) -> NDArray[np.float64]:
    """Return uniform cubic B-splines at each value, shape (n, n_basis), level outside [low, high].

    On uniform knots the four splines that are not zero at a point are fixed cubics of its place between two knots.
    """
    basis = np.zeros((len(values), n_basis + 1))
    n_knots = n_basis - 1
    if not high > low:
        return basis[:, :-1]  # a constant column says nothing
    place = (np.clip(values, low, high) - low) / (high - low) * (n_knots - 1)
    left = np.minimum(place.astype(np.int64), n_knots - 2)
    u = place - left
    rows = np.arange(len(values))
    basis[rows, left] = (1 - u) ** 3 / 6
    basis[rows, left + 1] = (3 * u**3 - 6 * u**2 + 4) / 6
    basis[rows, left + 2] = (-3 * u**3 + 3 * u**2 + 3 * u + 1) / 6
    basis[rows, left + 3] = u**3 / 6
    return basis[:, :-1]


def _ridge(
    design: NDArray[np.float64], label: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Return ridge coefficients and intercept; the penalty minimises the exact leave-one-out error."""
    total = float(weights.sum())
    mean_x = weights @ design / total
    mean_y = float(weights @ label) / total
    root = np.sqrt(weights)
    u, s, vt = np.linalg.svd((design - mean_x) * root[:, None], full_matrices=False)
    target = root * (label - mean_y)
    projected = u.T @ target
    shrink = s**2 / (s**2 + ALPHAS[:, None])
    residual = target - (shrink * projected) @ u.T
    leverage = weights / total + shrink @ (u**2).T
    errors = np.mean((residual / np.maximum(1 - leverage, 1e-12)) ** 2, axis=1)
    best = int(np.argmin(errors))
    coef = vt.T @ (s / (s**2 + ALPHAS[best]) * projected)
    return coef, mean_y - float(mean_x @ coef)
