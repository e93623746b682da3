"""Two-stage calibration: an additive spline index of score and covariates, its rank, and a monotone curve on top.

What it estimates: E[label | score, covariates], without assuming that the label rises with the score, but keeping
the mean of the labelled slice, because the last step is isotonic. Without covariates the index may bend with the
score; with them it is a sum of one curve per column, so that it sees no interactions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import ArgumentError
from neff.stats.isotonic import IsotonicFit, isotonic_fit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["SplineIndex", "TwoStageCurve", "fit_two_stage", "knots_for"]

SMALLEST = 20
"""Below this many rows an index cannot be learned: the score itself is the index, covariates are left out."""

MOST_KNOTS = 8

ALPHAS = np.logspace(-3, 3, 13)
"""Ridge penalties to choose from."""


@dataclass(frozen=True, slots=True, eq=False)
class SplineIndex:
    """A ridge regression on uniform cubic B-splines of each column.

    Attributes
    ----------
    low, high
        Range of each column in training, shape (d,); outside of it the index is level.
    coef
        Shape (d, n_knots + 1): one coefficient per spline, the last one left out for the intercept.
    intercept
        Index of a row whose splines are all 0.
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    coef: NDArray[np.float64]
    intercept: float

    def predict(self, columns: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the index of rows of shape (n, d).

        Each value comes from its own row by the same sequence of operations, wherever the row stands (a matrix
        product would not promise that): equal rows have equal values to the last bit, so that ties stay ties and a
        row of the slice is found at its own rank.
        """
        d, n_basis = self.coef.shape
        if columns.shape[1] != d:
            raise ArgumentError(
                "covariates",
                f"{d - 1} column(s), as in the fit",
                columns.shape[1] - 1,
                "Give the covariates that the calibration was fitted with.",
                call="Calibration.predict",
            )
        value = np.full(len(columns), self.intercept)
        for j in range(d):
            coef = np.append(self.coef[j], 0.0)
            left, pieces = _splines(columns[:, j], self.low[j], self.high[j], n_basis - 1)
            for offset, piece in enumerate(pieces):
                value += coef[left + offset] * piece
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


def knots_for(n_rows: int) -> int:
    """Return how many knots the index has when it is learned from so many rows; 0: no index, the score is ranked."""
    return 0 if n_rows < SMALLEST else min(MOST_KNOTS, n_rows // 4)


def fit_two_stage(
    score: NDArray[np.float64],
    label: NDArray[np.float64],
    *,
    covariates: NDArray[np.float64] | None = None,
    weights: NDArray[np.float64] | None = None,
    n_knots: int | None = None,
) -> TwoStageCurve:
    """Fit the curve to labelled rows.

    Parameters
    ----------
    score, label
        Shape (m,), finite.
    covariates
        Shape (m, d), or None.
    weights
        How much each row counts, shape (m,), 0 or more; rows of weight 0 leave no trace.
    n_knots
        Knots per column; 0 ranks the score alone. None takes as many as the rows allow (none below 20 rows).

    Notes
    -----
    O(m d) splines, one singular value decomposition of an (m, 9 d) matrix and a sort.

    References
    ----------
    Landesberg and Narayan, "Causal Judge Evaluation", arXiv:2512.11150 (AutoCal-R, two-stage; release 0.3.0).
    """
    used = slice(None) if weights is None else weights > 0
    score, label = score[used], label[used]
    weights = np.ones(len(score)) if weights is None else weights[used]
    n_knots = knots_for(len(score)) if n_knots is None else n_knots
    index = None
    raw = score
    if n_knots:
        columns = _columns(score, None if covariates is None else covariates[used])
        index = _fit_index(columns, label, weights, n_knots)
        raw = index.predict(columns)
    ranks, code = np.unique(raw, return_inverse=True)
    cumulative = np.cumsum(np.bincount(code, weights=weights))
    half = 0.5 * float(weights.sum()) / len(weights)  # half a row, where rows count once
    cumulative = np.r_[-half, cumulative - half] / float(weights.sum())
    return TwoStageCurve(index, ranks, cumulative, isotonic_fit(_ecdf(raw, ranks, cumulative), label, weights=weights))


def _columns(score: NDArray[np.float64], covariates: NDArray[np.float64] | None) -> NDArray[np.float64]:
    return score[:, None] if covariates is None else np.column_stack([score, covariates])


def _ecdf(
    values: NDArray[np.float64], ranks: NDArray[np.float64], cumulative: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return (number of training values at or below - 1/2) / m; below all of them -1 / (2 m)."""
    return cumulative[np.searchsorted(ranks, values, side="right")]


def _fit_index(
    columns: NDArray[np.float64], label: NDArray[np.float64], weights: NDArray[np.float64], n_knots: int
) -> SplineIndex:
    m, d = columns.shape
    low, high = columns.min(axis=0), columns.max(axis=0)
    n_basis = n_knots + 1  # n_knots + 2 cubic splines, less one, which the intercept replaces
    design = np.zeros((m, d, n_basis + 1))
    rows = np.arange(m)
    for j in range(d):
        left, pieces = _splines(columns[:, j], low[j], high[j], n_knots)
        for offset, piece in enumerate(pieces):
            design[rows, j, left + offset] = piece
    coef, intercept = _ridge(design[:, :, :n_basis].reshape(m, -1), label, weights)
    return SplineIndex(low, high, coef.reshape(d, n_basis), intercept)


def _splines(
    values: NDArray[np.float64], low: float, high: float, n_knots: int
) -> tuple[NDArray[np.int64], tuple[NDArray[np.float64], ...]]:
    """Return which spline is the first of the four that are not 0 at each value, and the four.

    On uniform knots they are fixed cubics of the place between two knots. Level outside [low, high].
    """
    if not high > low:  # a constant column says nothing
        return np.zeros(len(values), np.int64), (np.zeros(len(values)),) * 4
    place = (np.clip(values, low, high) - low) / (high - low) * (n_knots - 1)
    left = np.minimum(place.astype(np.int64), n_knots - 2)
    u = place - left
    v = 1 - u
    square, cube = u * u, u * u * u
    return left, (v * v * v / 6, (3 * cube - 6 * square + 4) / 6, (-3 * cube + 3 * square + 3 * u + 1) / 6, cube / 6)


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
