"""Targets for shrinkage from covariates, cross-fitted: no cell's target has seen the cell."""

from __future__ import annotations

import copy
import inspect
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from neff.errors import ArgumentError, ArgumentTypeError
from neff.registry import method
from neff.stats._validate import as_numbers, check_count, check_rng, check_same_length, check_vector, check_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from neff.stats._validate import FloatArray, IntArray

__all__ = ["Predictor", "cross_fitted_target"]

PENALTIES = np.geomspace(1e-3, 1e4, 15)
"""Ridge penalties that are tried, in units of one answer."""


class Predictor(Protocol):
    """Anything with `fit` and `predict` in the manner of scikit-learn."""

    def fit(self, X: Any, y: Any) -> Any:
        """Learn from covariates (n, d) and values (n,); may take `sample_weight` too."""

    def predict(self, X: Any) -> Any:
        """Return one prediction per row."""


class Ridge:
    """Weighted ridge regression on standardised covariates, the penalty chosen by generalised cross-validation.

    The slopes of the first `non_negative` covariates must not be negative.
    """

    def __init__(self, *, non_negative: int = 0) -> None:
        self.non_negative = non_negative

    def fit(self, X: FloatArray, y: FloatArray, sample_weight: FloatArray) -> Ridge:
        """Fit; covariates that do not vary, or whose slope is negative where it must not be, get slope 0."""
        share = sample_weight / sample_weight.sum()
        self.centre, self.mean = share @ X, float(share @ y)
        spread = np.sqrt(share @ (X - self.centre) ** 2)
        varies = spread > 1e-12 * np.maximum(np.abs(self.centre), 1.0)
        self.spread = np.where(varies, spread, 1.0)
        self.slope = np.zeros(X.shape[1])
        root = np.sqrt(sample_weight)
        Z, r = root[:, None] * ((X - self.centre) / self.spread), root * (y - self.mean)
        used = np.flatnonzero(varies)
        while used.size:
            slope = _ridge(Z[:, used], r)
            bound = np.where(used < self.non_negative, slope, 0.0)
            worst = int(np.argmin(bound))
            if bound[worst] >= 0:
                self.slope[used] = slope
                break
            used = np.delete(used, worst)
        return self

    def predict(self, X: FloatArray) -> FloatArray:
        """Predict."""
        fitted: FloatArray = self.mean + ((X - self.centre) / self.spread) @ self.slope
        return fitted


def _ridge(Z: FloatArray, r: FloatArray) -> FloatArray:
    u, s, vt = np.linalg.svd(Z, full_matrices=False)
    projected = u.T @ r
    rest = max(float(r @ r - projected @ projected), 0.0)
    kept = s**2 / (s**2 + PENALTIES[:, None])
    left = rest + np.square((1 - kept) * projected).sum(axis=1)
    free = np.maximum(r.size - 1 - kept.sum(axis=1), 0.5)
    best = PENALTIES[int(np.argmin(left / free**2))]
    slope: FloatArray = vt.T @ (s / (s**2 + best) * projected)
    return slope


def margin_means(
    values: FloatArray, weights: FloatArray, groupings: Sequence[IntArray], training: NDArray[np.bool_]
) -> FloatArray:
    """Return the weighted mean of each cell's group (its row, its column) over the other cells in training.

    Shape (n_cells, number of groupings). A cell whose group has no other cell there takes the mean of all others.
    """
    w = np.where(training, weights, 0.0)

    def of_others(codes: IntArray) -> tuple[FloatArray, FloatArray]:
        total, weight = (np.bincount(codes, part)[codes].astype(np.float64) - part for part in (w * values, w))
        return total, weight

    overall = _ratio(*of_others(np.zeros(values.size, np.intp)), np.zeros(values.size))
    return np.stack([_ratio(*of_others(codes), overall) for codes in groupings], axis=1)


def _ratio(total: FloatArray, weight: FloatArray, otherwise: FloatArray) -> FloatArray:
    some = weight > 1e-9 * weight.max(initial=0.0)
    return np.where(some, total / np.where(some, weight, 1.0), otherwise)


def cross_fit(
    values: FloatArray,
    weights: FloatArray,
    features: Callable[[NDArray[np.bool_]], FloatArray],
    predictor: Any,
    *,
    n_folds: int,
    bounds: tuple[float, float],
    rng: np.random.Generator,
) -> FloatArray:
    """Predict every cell by a fit on the other folds of cells.

    `features(training)` returns the covariates of all cells, computed from the cells in the mask alone: covariates that
    are means of other cells would else carry a cell's own value into its prediction through the training rows.
    """
    n = values.size
    target = np.full(n, np.nan)
    folds = rng.permutation(n) % min(n_folds, max(n, 1))
    for k in range(folds.max(initial=0) + 1 if n > 1 else 0):
        training, held_out = folds != k, folds == k
        X = features(training)
        model = copy.deepcopy(predictor)
        if "sample_weight" in inspect.signature(model.fit).parameters:
            model.fit(X[training], values[training], sample_weight=weights[training])
        else:
            model.fit(X[training], values[training])
        predicted = as_numbers(model.predict(X[held_out]), argument="predictor", call="cross_fitted_target")
        target[held_out] = np.clip(predicted.reshape(-1).astype(np.float64), *bounds)
    return target


def check_predictor(predictor: Any, *, call: str) -> None:
    """Refuse what has no fit and predict."""
    if not all(callable(getattr(predictor, name, None)) for name in ("fit", "predict")):
        raise ArgumentTypeError(
            "predictor", "an object with fit and predict", predictor, "Any scikit-learn regressor will do.", call=call
        )


@method("curve", "shift_equivariant", "scale_equivariant", "deterministic", arxiv="2512.25042")
def cross_fitted_target(
    values: ArrayLike,
    covariates: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    predictor: Predictor | None = None,
    n_folds: int = 5,
    bounds: tuple[float, float] = (0.0, 1.0),
    rng: int | np.random.Generator = 0,
) -> FloatArray:
    """Predict each cell's mean from covariates, by a regression fitted on other cells.

    Use it to make the `target` of `shrink_rates` or `shrink_means` where something is known about the cells: size and
    family of the model, length and topic of the task. Not with fewer than about twenty cells.

    Parameters
    ----------
    values
        Raw mean of each cell, shape (n_cells,).
    covariates
        What is known of each cell, shape (n_cells, d) or (n_cells,). They must not depend on the answers of any cell
        here, not even of other cells: see the notes.
    weights
        Weight of each cell in the fit, shape (n_cells,), usually n. None weighs all alike.
    predictor
        Any object with `fit(X, y)` and `predict(X)`, copied for each fold; None is a ridge regression. `fit` is given
        `sample_weight` where it takes that.
    n_folds
        Number of folds of cells, 2 or more.
    bounds
        Predictions are clipped to these.
    rng
        Generator or seed of the folds (SPEC 7, but for the default: the same folds each time).

    Returns
    -------
    ndarray
        Shape (n_cells,); NaN where there is only one cell.

    Raises
    ------
    ArgumentError
        If a number is not finite, lengths differ, or the predictor has no `fit` or `predict`.

    Notes
    -----
    Row and column means of a table are tempting covariates. Leaving the cell itself out of its own means is not
    enough: in rows that hardly differ, the mean of the others falls exactly where the cell is high, a regression learns
    that, and the prediction becomes the cell's own value; the estimated risk is then far too low. The means must
    be computed without the fold that is predicted, as `neff.evaluate.subtask_scores` does.

    References
    ----------
    Chen and Lei 2025, Compound Estimation for Binomials, arXiv:2512.25042 (RECONSTRUCTED; see `shrink_rates`).

    Examples
    --------
    >>> size = np.linspace(0.0, 1.0, 20)
    >>> target = cross_fitted_target(0.2 + 0.5 * size, size)
    >>> target[[0, 19]].round(3).tolist()
    [0.2, 0.7]
    """
    call = "cross_fitted_target"
    y = check_vector(values, argument="values", call=call)
    X = as_numbers(covariates, argument="covariates", call=call).astype(np.float64)
    X = X[:, None] if X.ndim == 1 else X
    if X.ndim != 2 or not np.isfinite(X).all():
        got = f"shape {X.shape}" if X.ndim != 2 else "NaN or infinity"
        raise ArgumentError("covariates", "finite, one row per cell", got, "Fill missing values.", call=call)
    check_same_length(call=call, values=y, covariates=X)
    w = np.ones_like(y) if weights is None else check_weights(weights, call=call, length=y.size)
    check_count(n_folds, argument="n_folds", call=call, minimum=2)
    model = Ridge() if predictor is None else predictor
    check_predictor(model, call=call)
    generator = check_rng(rng, call=call)
    return cross_fit(y, w, lambda _: X, model, n_folds=n_folds, bounds=bounds, rng=generator)
