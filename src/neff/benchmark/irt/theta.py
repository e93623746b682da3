"""Abilities from answers: roots of the score, posterior means, weighted likelihood; all models at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.benchmark.irt.logistic import Items, curves, item_information

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["METHODS", "Scale", "estimate_theta", "own_theta"]

METHODS = ("map", "mle", "eap", "wle")


@dataclass(frozen=True, slots=True)
class Scale:
    """Prior of an ability (mean, sd) and the range that it is kept in."""

    mean: float = 0.0
    sd: float = 1.0
    low: float = -4.0
    high: float = 4.0


def estimate_theta(matrix: Floats, items: Items, method: str, scale: Scale) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Return theta, its standard error, and whether it is at a bound; answers of shape (n_models, n_items)."""
    n = len(matrix)
    theta, se, bound = np.empty(n), np.empty(n), np.zeros(n, bool)
    nodes = 201 if method in ("eap", "wle") else 1
    step = max(2_000_000 // max(matrix.shape[1] * nodes, 1), 1)
    for start in range(0, n, step):
        rows = slice(start, start + step)
        theta[rows], se[rows], bound[rows] = _estimate(matrix[rows], items, method, scale)
    return theta, se, bound


def _estimate(matrix: Floats, items: Items, method: str, scale: Scale) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    used = ~np.isnan(matrix)
    some = used.any(axis=0)
    matrix, used, items = matrix[:, some], used[:, some], items.take(np.flatnonzero(some))
    right = np.where(used, matrix, 0.0)
    none = ~used.any(axis=1)
    precision = 0.0 if method in ("mle", "wle") else 1 / scale.sd**2
    if method == "wle":
        theta = _warm(right, used, items, scale)
    else:
        theta = _root(
            lambda t, rows: _score(t, right[rows], used[rows], items, precision, scale.mean), len(right), scale
        )
    bound = (theta <= scale.low) | (theta >= scale.high)
    with np.errstate(divide="ignore"):
        se = 1 / np.sqrt(precision + (item_information(theta, items) * used).sum(axis=1))
    if method == "eap":
        theta, se = _posterior_mean(right, used, items, scale, theta, se)
        bound = np.zeros(len(theta), bool)
    theta[none], bound[none] = np.nan, False
    se[none | bound] = np.nan
    return theta, se, bound


def own_theta(items: Items, right: Floats, used: NDArray[np.bool_], method: str, scale: Scale) -> tuple[Floats, Floats]:
    """Return theta and its standard error where each model has items of its own: all arrays (n_models, n_asked)."""
    precision = 0.0 if method == "mle" else 1 / scale.sd**2

    def score(t: Floats, rows: NDArray[np.intp]) -> tuple[Floats, Floats]:
        return _score(t, right[rows], used[rows], items.take(rows), precision, scale.mean)

    theta = _root(score, len(right), scale)
    with np.errstate(divide="ignore"):
        se = 1 / np.sqrt(precision + (item_information(theta, items) * used).sum(axis=1))
    se[(theta <= scale.low) | (theta >= scale.high)] = np.nan
    return theta, se


def _score(
    theta: Floats, right: Floats, used: NDArray[np.bool_], items: Items, precision: float, mean: float
) -> tuple[Floats, Floats]:
    """Return the derivative of the log-posterior at theta, and minus the expected second derivative."""
    p, slope = curves(theta, items)
    variance = np.maximum(p * (1 - p), 1e-300)
    pull = np.where(used, slope / variance, 0.0)
    first = ((right - p) * pull).sum(axis=1) - precision * (theta - mean)
    return first, (pull * slope).sum(axis=1) + precision


def _root(score: Any, n: int, scale: Scale) -> Floats:
    """Return the root of each model's score between bounds: Newton steps, bisection where they leave the bracket."""
    low, high = np.full(n, scale.low), np.full(n, scale.high)
    every = np.arange(n)
    at_low, at_high = score(low, every)[0], score(high, every)[0]
    theta = np.clip(np.full(n, scale.mean), scale.low, scale.high)
    theta = np.where(at_low <= 0, low, np.where(at_high >= 0, high, theta))
    active = np.flatnonzero((at_low > 0) & (at_high < 0))
    for step in range(200):
        if not len(active):
            break
        t = theta[active]
        value, curvature = score(t, active)
        low[active] = np.where(value > 0, t, low[active])
        high[active] = np.where(value > 0, high[active], t)
        with np.errstate(divide="ignore", invalid="ignore"):
            new = t + value / curvature
        inside = (new > low[active]) & (new < high[active]) & (step < 60)
        new = np.where(inside, new, 0.5 * (low[active] + high[active]))
        done = np.abs(value) < 1e-11  # then t is the root; a step from it may leave the bracket by rounding
        theta[active] = np.where(done, t, new)
        active = active[~done & (np.abs(new - t) > 1e-12)]
    return theta


def _log_likelihood(nodes: Floats, right: Floats, used: NDArray[np.bool_], items: Items) -> Floats:
    """Return the log-likelihood at each model's own nodes, shape (n_models, n_nodes)."""
    n, q = nodes.shape
    p = curves(nodes.ravel(), items)[0].reshape(n, q, -1)
    p = np.clip(p, 1e-300, 1 - 1e-16)
    chosen = np.where(right[:, None, :] > 0, p, 1 - p)
    return np.asarray((np.log(chosen) * used[:, None, :]).sum(axis=2))


def _posterior_mean(
    right: Floats, used: NDArray[np.bool_], items: Items, scale: Scale, mode: Floats, se: Floats
) -> tuple[Floats, Floats]:
    """Return mean and standard deviation of the posterior, by quadrature around its mode."""
    low = np.maximum(mode - 10 * se, scale.mean - 9 * scale.sd)
    high = np.minimum(mode + 10 * se, scale.mean + 9 * scale.sd)
    nodes = low[:, None] + (high - low)[:, None] * np.linspace(0, 1, 81)
    log = _log_likelihood(nodes, right, used, items) - 0.5 * ((nodes - scale.mean) / scale.sd) ** 2
    weights = np.exp(log - log.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    mean = np.asarray((weights * nodes).sum(axis=1))
    return mean, np.sqrt((weights * (nodes - mean[:, None]) ** 2).sum(axis=1))


def _warm(right: Floats, used: NDArray[np.bool_], items: Items, scale: Scale) -> Floats:
    """Return the maximum of log-likelihood + log(information) / 2: the best node, then bisection of the derivative."""
    n, width = len(right), (scale.high - scale.low) / 200
    grid = np.linspace(scale.low, scale.high, 201)
    information = used @ item_information(grid, items).T
    with np.errstate(divide="ignore"):
        log = _log_likelihood(np.broadcast_to(grid, (n, 201)), right, used, items) + 0.5 * np.log(information)
    best = grid[np.argmax(log, axis=1)]

    def derivative(theta: Floats) -> Floats:
        h = 1e-5
        up = (item_information(theta + h, items) * used).sum(axis=1)
        down = (item_information(theta - h, items) * used).sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            drift = (np.log(up) - np.log(down)) / (4 * h)
        return np.asarray(_score(theta, right, used, items, 0.0, 0.0)[0] + np.nan_to_num(drift))

    low, high = np.maximum(best - width, scale.low), np.minimum(best + width, scale.high)
    for _ in range(40):
        middle = 0.5 * (low + high)
        rising = derivative(middle) > 0
        low, high = np.where(rising, middle, low), np.where(rising, high, middle)
    theta = 0.5 * (low + high)
    theta[scale.high - theta < 1e-6], theta[theta - scale.low < 1e-6] = scale.high, scale.low
    return np.asarray(theta)
