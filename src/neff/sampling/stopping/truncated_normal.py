"""Scores in [0, 1] as a truncated normal: log-likelihood, log distribution function, and a fit that does not get stuck.

The published fit runs one local search over the raw standard deviation and stops at wrong places where scores are
concentrated; here the search is over its log, from several starts, and the best is kept.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import ArgumentError
from neff.stats._validate import check_vector

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

__all__ = ["PRIOR", "ScoreModel", "fit_scores"]

PRIOR = (0.8, 0.2)
"""Mean of the priors of location and scale; their standard deviation is `PRIOR_SD`."""

PRIOR_SD = 0.1
SMALLEST, LARGEST = math.log(1e-3), math.log(1e3)
FURTHEST = 1e3
BUT_ONE = 0.01
"""Smallest scale of a fit without a prior to one score, or to scores that are all equal: they have no spread."""


@dataclass(frozen=True, slots=True)
class ScoreModel:
    """Scores as a normal distribution truncated to [0, 1].

    Attributes
    ----------
    location, scale
        Of the normal before truncation; the location may lie far outside [0, 1].
    height
        Log-likelihood of the scores that were fitted, with the log prior where there is one.
    """

    location: float
    scale: float
    height: float = math.nan

    def log_cdf(self, x: float) -> float:
        """Return log P(score <= x), right also where P is next to 0 or 1."""
        if x <= 0:
            return -math.inf
        if x >= 1:
            return 0.0
        low, high, at = ((end - self.location) / self.scale for end in (0.0, 1.0, x))
        return float(_log_between(low, at) - _log_between(low, high))

    def log_survival(self, x: float) -> float:
        """Return log P(score > x)."""
        if x <= 0:
            return 0.0
        if x >= 1:
            return -math.inf
        low, high, at = ((end - self.location) / self.scale for end in (0.0, 1.0, x))
        return float(_log_between(at, high) - _log_between(low, high))


def _log_between(a: Any, b: Any) -> Any:
    """Return log(Phi(b) - Phi(a)) for a < b, from the tail in which both lie."""
    from scipy.special import log_ndtr

    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    flip = a + b > 0  # in the upper tail the survival function has the digits
    low, high = np.where(flip, -b, a), np.where(flip, -a, b)
    top, bottom = log_ndtr(high), log_ndtr(low)
    with np.errstate(divide="ignore"):
        return top + np.log(-np.expm1(np.minimum(bottom - top, -1e-300)))


def log_height(location: Any, log_scale: Any, scores: NDArray[np.float64], prior: tuple[float, float] | None) -> Any:
    """Return the log-likelihood (plus log prior) at one or many parameters."""
    location, scale = np.asarray(location, np.float64), np.exp(np.asarray(log_scale, np.float64))
    n = len(scores)
    z = (scores - location[..., None]) / scale[..., None]
    value = -0.5 * (z**2).sum(axis=-1) - n * np.log(scale) - 0.5 * n * math.log(2 * math.pi)
    value = value - n * _log_between(-location / scale, (1 - location) / scale)
    if prior is not None:
        for parameter, mean in ((location, prior[0]), (scale, prior[1])):
            value = value - 0.5 * ((parameter - mean) / PRIOR_SD) ** 2 - math.log(PRIOR_SD * math.sqrt(2 * math.pi))
    return value


def fit_scores(scores: ArrayLike, *, prior: tuple[float, float] | None = PRIOR) -> ScoreModel:
    """Fit a truncated normal to scores in [0, 1]: maximum a posteriori, or maximum likelihood without a prior.

    Use it where the number of draws must be fixed before their scores are seen. Not on one score without a prior.

    Parameters
    ----------
    scores
        In [0, 1], shape (n,); NaN (a verifier that failed) is left out.
    prior
        Means of the normal priors of location and scale, both with standard deviation 0.1; None for none.

    Returns
    -------
    ScoreModel
        The highest of several local maxima.

    Raises
    ------
    ArgumentError
        If there is no score, one lies outside [0, 1], or the prior is none.

    Notes
    -----
    Without a prior the likelihood may rise for ever (scores piled up at 1: the location goes to infinity): the search
    ends at a location of 1,000 and a scale of 0.001 to 1,000 (0.01 where all scores are equal). Cost: a grid of 2,000
    heights and a few local searches.

    References
    ----------
    Wang et al., OptScale: Probabilistic Optimality for Inference-time Scaling. arXiv:2506.22376

    Examples
    --------
    >>> fit = fit_scores([0.91, 0.95, 0.88, 0.97, 0.93])
    >>> round(fit.location, 4), round(fit.scale, 4)
    (0.9265, 0.0352)
    """
    call = "fit_scores"
    values = check_vector(scores, argument="scores", call=call, allow_nan=True)
    values = values[~np.isnan(values)]
    if not len(values) or ((values < 0) | (values > 1)).any():
        got = "none" if not len(values) else float(values[(values < 0) | (values > 1)][0])
        raise ArgumentError("scores", "numbers in [0, 1], at least one", got, call=call)
    if prior is not None and not (all(map(math.isfinite, prior)) and prior[1] > 0):
        raise ArgumentError(
            "prior", "a finite location and a scale above 0", prior, "For example (0.8, 0.2).", call=call
        )
    lowest = math.log(BUT_ONE) if prior is None and values.min() == values.max() else SMALLEST
    mean, spread = float(values.mean()), max(float(values.std()), 2 * math.exp(lowest))
    starts = [(mean, math.log(spread)), (mean, math.log(0.1)), (mean, math.log(spread / 2))]
    starts += [] if prior is None else [(prior[0], math.log(prior[1]))]
    locations = np.concatenate([np.linspace(-1.5, 2.5, 41), mean + spread * np.linspace(-3, 3, 13)])
    scales = np.linspace(lowest, 1.5, 40)
    grid = log_height(locations[:, None], scales[None, :], values, prior)
    for place in np.argsort(grid.ravel())[::-1][:2]:
        i, j = np.unravel_index(place, grid.shape)
        starts.append((float(locations[i]), float(scales[j])))
    heights = [float(log_height(np.float64(a), np.float64(b), values, prior)) for a, b in starts]
    best = np.argsort(heights)[::-1][:3]
    found = max((_climb(starts[i], values, prior, lowest) for i in best), key=lambda end: end[2])
    location, log_scale, height = _polish(found, values, prior, lowest)
    return ScoreModel(location, math.exp(log_scale), height)


_End = tuple[float, float, float]


def _negative(values: NDArray[np.float64], prior: tuple[float, float] | None) -> Callable[[NDArray[np.float64]], float]:
    return lambda x: -float(log_height(x[0], x[1], values, prior))


def _climb(
    start: tuple[float, float], values: NDArray[np.float64], prior: tuple[float, float] | None, lowest: float
) -> _End:
    from scipy.optimize import minimize

    begin = np.array([start[0], float(np.clip(start[1], lowest, LARGEST))])
    bounds = [(-FURTHEST, FURTHEST), (lowest, LARGEST)]
    found = minimize(_negative(values, prior), begin, method="L-BFGS-B", bounds=bounds)
    return float(found.x[0]), float(found.x[1]), -float(found.fun)


def _polish(end: _End, values: NDArray[np.float64], prior: tuple[float, float] | None, lowest: float) -> _End:
    """Go on without derivatives, whose differences have lost their digits near the top."""
    from scipy.optimize import minimize

    x = np.array(end[:2])
    found = minimize(
        _negative(values, prior), x, method="Nelder-Mead", bounds=[(-FURTHEST, FURTHEST), (lowest, LARGEST)],
        options={"xatol": 1e-9, "fatol": 1e-11, "maxiter": 1000, "initial_simplex": _simplex(x, lowest)},
    )  # fmt: skip
    return end if -found.fun <= end[2] else (float(found.x[0]), float(found.x[1]), -float(found.fun))


def _simplex(x: NDArray[np.float64], lowest: float) -> NDArray[np.float64]:
    """Return three points around x within the bounds: small against the parameters, not against nothing."""
    step = np.array([0.002 * max(abs(x[0]), 0.05), 0.005])
    other = x + np.diag(step)
    other[1, 1] = min(other[1, 1], LARGEST - 1e-6)
    return np.vstack([np.maximum(x, [-FURTHEST, lowest]), np.clip(other, [-FURTHEST, lowest], [FURTHEST, LARGEST])])
