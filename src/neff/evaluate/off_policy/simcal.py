"""SIMCal-W: importance weights replaced by monotone functions of the judge's score, mixed to the least variance.

What it does to an estimate: of all that weights carry, only what the score can see survives, E[W | S]. A target that
the logged answers do not cover comes out looking like the policy that was logged, with an effective sample size near
n. So the stabilised weights say nothing about overlap: gate on the raw ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import ArgumentError
from neff.evaluate.off_policy.weights import least_variance_mixture
from neff.stats._validate import check_same_length, check_vector, check_weights
from neff.stats.isotonic import IsotonicFit, isotonic_fit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

__all__ = ["Simcal", "Stabilised", "fit_simcal", "stabilise"]

FLOOR = 1e-9
RIDGE = 1e-8
FEWEST_TRAIN, FEWEST_TEST = 10, 2


@dataclass(frozen=True, slots=True, eq=False)
class Simcal:
    """A fitted weight function of the score.

    Attributes
    ----------
    rising, falling
        Weighted means of the raw weights, forced to rise, and to fall, with the index.
    mixture
        Shares of the two, summing to 1.
    blend
        How far the weights are drawn to 1 to keep within the caps on variance and effective sample size; 0: not.
    """

    rising: IsotonicFit
    falling: IsotonicFit
    mixture: tuple[float, float]
    blend: float

    def predict(self, index: ArrayLike) -> NDArray[np.float64]:
        """Return weights with mean 1 over the given rows, shape (n,)."""
        points = check_vector(index, argument="index", call="Simcal.predict")
        weights = np.zeros(len(points))
        for share, curve in zip(self.mixture, (self.rising, self.falling), strict=True):
            weights += share * _mean_one(curve.predict(points))
        if self.blend > 0:
            weights = _mean_one(1.0 + (1.0 - self.blend) * (weights - 1.0))
        return weights

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "schema": "neff.simcal/1",
            "rising": self.rising.to_dict(),
            "falling": self.falling.to_dict(),
            "mixture": list(self.mixture),
            "blend": self.blend,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Simcal:
        """Rebuild from `to_dict`."""
        return cls(
            IsotonicFit.from_dict(data["rising"]),
            IsotonicFit.from_dict(data["falling"]),
            (float(data["mixture"][0]), float(data["mixture"][1])),
            float(data["blend"]),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Stabilised:
    """Stabilised weights of all rows, each fold's from the others.

    Attributes
    ----------
    weights
        Mean 1, shape (n,).
    train_value, train_mean
        Per row, from the other folds and the RAW weights: their self-normalised mean reward, and their mean.
        Shape (n,) each; the published influence values of calibrated IPS divide by the second.
    rising_share, blend
        Mean over folds of the share of the rising curve, and of the blend with 1.
    """

    weights: NDArray[np.float64]
    train_value: NDArray[np.float64]
    train_mean: NDArray[np.float64]
    rising_share: float
    blend: float


def fit_simcal(
    weights: ArrayLike,
    index: ArrayLike,
    *,
    fold: ArrayLike,
    reward: ArrayLike | None = None,
    residual: ArrayLike | None = None,
    ess_floor: float | None = 0.2,
    variance_cap: float | None = 1.0,
) -> Simcal:
    """Learn monotone weights with the least variance of the estimate that they will be used in.

    Use it to reproduce SIMCal-W. Not as a cure for missing overlap: see the head of this module.

    Parameters
    ----------
    weights
        Raw importance weights, shape (n,), 0 or more, not all 0; only their ratios matter.
    index
        What the new weights are a function of, shape (n,): the out-of-fold calibrated score, or the score.
    fold
        Inner fold of each row, shape (n,); it decides which rows the centre of an influence value comes from.
    reward
        What is averaged, shape (n,): the mixture minimises the variance of the weighted mean of it.
    residual
        Instead of `reward`: what a doubly robust estimator weights, reward minus prediction, shape (n,). With
        neither, the variance of the weights alone is minimised.
    ess_floor, variance_cap
        Smallest effective sample size as a share of n, largest variance of the weights; None for no bound.

    Returns
    -------
    Simcal
        Fitted curves, mixture and blend.

    Raises
    ------
    ArgumentError
        If all weights are 0, bounds are not positive, or lengths differ.

    Notes
    -----
    The candidates are fitted once to all rows; only the centres of the influence values are out of fold.

    References
    ----------
    Landesberg and Narayan, "Causal Judge Evaluation", arXiv:2512.11150 (SIMCal-W).

    Examples
    --------
    >>> index = np.arange(8) / 8
    >>> fitted = fit_simcal(1 + index, index, fold=np.arange(8) % 2, reward=index)
    >>> fitted.mixture, fitted.predict([0.0, 1.0]).round(4).tolist()
    ((1.0, 0.0), [0.6957, 1.3043])
    """
    call = "fit_simcal"
    raw = check_weights(weights, call=call)
    points = check_vector(index, argument="index", call=call)
    folds = np.asarray(fold, np.int64)
    check_same_length(call=call, weights=raw, index=points, fold=folds)
    if not raw.any():
        raise ArgumentError("weights", "positive in at least one row", 0.0, "The target gives no answer.", call=call)
    largest = _largest_variance(ess_floor, variance_cap)
    raw = raw / raw.mean()
    rising, falling = (isotonic_fit(points, raw, increasing=up) for up in (True, False))
    candidates = np.stack([_mean_one(curve.predict(points)) for curve in (rising, falling)])
    centre = reward is not None or residual is None
    target = reward if reward is not None else residual
    values = np.ones(len(raw)) if target is None else check_vector(target, argument="reward", call=call)
    check_same_length(call=call, weights=raw, reward=values)
    covariance = np.cov(_influence(candidates, values, folds, centre=centre))
    covariance += RIDGE * np.trace(covariance) / 2 * np.eye(2)
    mixture = least_variance_mixture(covariance)
    variance = float(np.var(mixture @ candidates))
    blend = 1.0 - math.sqrt(largest / variance) if variance > largest else 0.0
    return Simcal(rising, falling, (float(mixture[0]), float(mixture[1])), blend)


def stabilise(
    weights: NDArray[np.float64],
    index: NDArray[np.float64],
    *,
    reward: NDArray[np.float64],
    fold: NDArray[np.int64],
    outer_fold: NDArray[np.int64],
) -> Stabilised:
    """Return weights that no row had a part in learning: each outer fold's come from the other folds.

    A fold with fewer than 2 rows, or fewer than 10 outside it, or only zero weights outside it, keeps raw weights.
    """
    n = len(weights)
    new, value, mean = weights.copy(), np.zeros(n), np.ones(n)
    shares, blends = [], []
    for k in np.unique(outer_fold):
        test, train = outer_fold == k, outer_fold != k
        total = float(weights[train].sum())
        if train.any():
            mean[test] = weights[train].mean()
            value[test] = weights[train] @ reward[train] / total if total > 0 else reward[train].mean()
        if np.count_nonzero(train) < FEWEST_TRAIN or np.count_nonzero(test) < FEWEST_TEST or total <= 0:
            continue
        fitted = fit_simcal(weights[train], index[train], fold=fold[train], reward=reward[train])
        new[test] = fitted.predict(index[test])
        shares.append(fitted.mixture[0])
        blends.append(fitted.blend)
    rising_share, blend = (float(np.mean(part)) if part else math.nan for part in (shares, blends))
    return Stabilised(new / new.mean(), value, mean, rising_share, blend)


def _mean_one(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    floored: NDArray[np.float64] = np.maximum(weights, FLOOR)
    return floored / float(floored.mean())


def _largest_variance(ess_floor: float | None, variance_cap: float | None) -> float:
    if ess_floor is not None and not 0 < ess_floor <= 1:
        raise ArgumentError("ess_floor", "in (0, 1]", ess_floor, "It is a share of n.", call="fit_simcal")
    if variance_cap is not None and not variance_cap > 0:
        raise ArgumentError("variance_cap", "above 0", variance_cap, call="fit_simcal")
    # n / (1 + variance) is the effective sample size of weights with mean 1
    from_ess = math.inf if ess_floor is None else 1.0 / ess_floor - 1.0
    return min(from_ess, math.inf if variance_cap is None else variance_cap)


def _influence(
    candidates: NDArray[np.float64], values: NDArray[np.float64], fold: NDArray[np.int64], *, centre: bool
) -> NDArray[np.float64]:
    """Return what each row moves the weighted mean by, shape (2, n), with mean and scale from the other folds."""
    _, code, size = np.unique(fold, return_inverse=True, return_counts=True)
    left = len(fold) - size
    influence = np.zeros_like(candidates)
    for row, c in zip(influence, candidates, strict=True):
        mass = _outside(code, c)
        mean = np.maximum(mass / np.maximum(left, 1), 1e-12)[code]
        if centre:
            value = (_outside(code, c * values) / np.maximum(mass, 1e-12))[code]
            row[:] = (c * (values - value) - value * (c - mean)) / mean
        else:
            row[:] = c * values / mean
        row[left[code] < 2] = 0.0  # too few to centre by
    return influence


def _outside(code: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sum of the values outside each fold, shape (K,)."""
    inside = np.bincount(code, values)
    total: NDArray[np.float64] = inside.sum() - inside
    return total
