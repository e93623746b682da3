"""TMLE: the outcome model is shifted along the weights until the weighted residuals of the logged answers vanish."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import numpy as np

from neff.evaluate.off_policy.proxy import Proxy
from neff.evaluate.off_policy.terms import to_unit, without_overlap
from neff.stats._options import check_choice

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from neff.evaluate.calibrating.calibration import Calibration
    from neff.evaluate.calibrating.folds import FoldMap
    from neff.evaluate.judge.data import Judged
    from neff.evaluate.judge.estimate import PolicyEstimate
    from neff.evaluate.off_policy.data import Logged

__all__ = ["Fluctuation", "Link", "fluctuate", "tmle", "tmle_of"]

Link: TypeAlias = Literal["logit", "identity"]

EDGE = 1e-7
LARGEST_STEP = 5.0
MAX_ITERATIONS = 50
TOLERANCE = 1e-8
SINGULAR = 1e-12


class Fluctuation(NamedTuple):
    """How far the outcome model was shifted, in how many steps, and whether the equation was solved."""

    epsilon: float
    n_iterations: int
    link: Link
    converged: bool = True

    def apply(self, g: NDArray[np.float64], h: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the shifted predictions, in [0, 1], shape (n,)."""
        if self.link == "identity":
            return np.clip(g + self.epsilon * h, 0.0, 1.0)
        return _expit(_logit(g) + self.epsilon * h)


def fluctuate(
    g: NDArray[np.float64], reward: NDArray[np.float64], h: NDArray[np.float64], *, link: Link = "logit"
) -> Fluctuation:
    """Find the shift of the predictions for which the weighted residuals sum to 0.

    Parameters
    ----------
    g, reward, h
        Predictions and rewards in [0, 1], and the clever covariate, shape (n,) each.
    link
        "logit" keeps predictions inside (0, 1); "identity" is linear, clipped.

    Returns
    -------
    Fluctuation
        By Newton steps of at most 5 for the logit link, in closed form for the identity.

    References
    ----------
    Van der Laan and Rose 2011, Targeted Learning. Landesberg and Narayan, arXiv:2512.11150.

    Examples
    --------
    >>> shift = fluctuate(np.array([0.2, 0.6]), np.array([0.4, 0.6]), np.array([1.0, 1.0]), link="identity")
    >>> round(shift.epsilon, 6)
    0.1
    """
    check_choice(link, ("logit", "identity"), argument="link", call="fluctuate")
    if link == "identity":
        squares = float(h @ h)
        return Fluctuation(float(h @ (reward - g)) / squares if squares > SINGULAR else 0.0, 1, link)
    if not np.abs(h).sum() > 0:
        return Fluctuation(0.0, 0, link)
    epsilon, eta = 0.0, _logit(g)
    for iteration in range(1, MAX_ITERATIONS + 1):
        fitted = _expit(eta + epsilon * h)
        score = float(h @ (reward - fitted))
        information = float((h * h) @ (fitted * (1.0 - fitted)))
        if information <= SINGULAR:
            return Fluctuation(epsilon, iteration, link, converged=abs(score) <= TOLERANCE)
        if abs(score) / math.sqrt(information) <= TOLERANCE:
            return Fluctuation(epsilon, iteration, link)
        epsilon += max(-LARGEST_STEP, min(LARGEST_STEP, score / information))
    return Fluctuation(epsilon, MAX_ITERATIONS, link, converged=False)


def tmle(
    logged: Logged, *, calibration: Calibration, folds: FoldMap, fresh: Judged, link: Link = "logit"
) -> PolicyEstimate:
    """Estimate the target's value by the published TMLE (targeted maximum likelihood).

    Use it to reproduce published numbers. Where the reward is a rising function of the score there is nothing to
    target: epsilon is 0 and the estimate is that of the plug-in mean exactly. `dr` is the mended form.

    Parameters
    ----------
    logged
        Logged answers and their log-probabilities.
    calibration
        From scores to labels, fitted on `folds`.
    folds
        Calibration folds; the outcome model is cross-fitted on them too.
    fresh
        Judged answers of the target.
    link
        "logit" or "identity"; rewards are mapped to [0, 1] by the declared scale.

    Returns
    -------
    PolicyEstimate
        Clusters are the folds, degrees of freedom the smaller of the two, as published; `components` has epsilon.

    Notes
    -----
    The clever covariate is the mean stabilised weight at each score within a fold, interpolated, so that it can be
    had for fresh answers too.

    References
    ----------
    Landesberg and Narayan, "Causal Judge Evaluation", arXiv:2512.11150 (code, release 0.3.0).

    Examples
    --------
    >>> from neff.evaluate.calibrating.calibration import calibrate
    >>> from neff.evaluate.calibrating.folds import balanced_folds
    >>> from neff.testing import simulate_off_policy
    >>> logged, fresh, truth = simulate_off_policy("better", 2000, rng=3)
    >>> folds = balanced_folds(2000, logged.prompt[logged.labelled])
    >>> curve = calibrate(logged.score, logged.label, fold=folds.of(logged.prompt), mode="monotone")
    >>> estimate = tmle(logged, calibration=curve, folds=folds, fresh=fresh)
    >>> bool(abs(estimate.value - curve.predict(fresh.score).mean()) < 1e-6)
    True
    """
    check_choice(link, ("logit", "identity"), argument="link", call="tmle")
    proxy = Proxy.of(logged, calibration, folds, fresh)
    return without_overlap(logged, "tmle", fresh) if proxy is None else tmle_of(proxy, link)


def tmle_of(proxy: Proxy, link: Link) -> PolicyEstimate:
    """Return TMLE from prepared data."""
    logged_g, fresh_g = proxy.outcome_model(proxy.folds, None)
    logged_h, fresh_h = _clever(proxy)
    low, high = proxy.calibration.scale
    width = high - low
    start, goal = to_unit(logged_g, proxy.calibration), to_unit(proxy.reward, proxy.calibration)
    shift = fluctuate(start, goal, logged_h, link=link)
    warnings = () if shift.converged else ("the targeting step did not converge",)
    return proxy.estimate(
        "tmle",
        low + width * shift.apply(start, logged_h),
        low + width * shift.apply(to_unit(fresh_g, proxy.calibration), fresh_h),
        jackknife=proxy.jackknife(logged_g),
        components={"epsilon": shift.epsilon},
        warnings=warnings,
    )


def _clever(proxy: Proxy) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean weight at the score of each logged and each fresh answer, from the logged rows of its fold."""
    score, fresh_score = proxy.logged.score, proxy.fresh.judged.score
    logged_h, fresh_h = np.ones(len(score)), np.ones(len(fresh_score))
    for k in np.unique(proxy.fold):
        rows, fresh_rows = proxy.fold == k, proxy.fresh_fold == k
        knots, code, count = np.unique(score[rows], return_inverse=True, return_counts=True)
        means = np.bincount(code, proxy.weights[rows]) / count
        logged_h[rows] = means[code]
        fresh_h[fresh_rows] = np.interp(fresh_score[fresh_rows], knots, means)
    return logged_h, fresh_h


def _logit(p: NDArray[np.float64]) -> NDArray[np.float64]:
    inside = np.clip(p, EDGE, 1.0 - EDGE)
    return np.log(inside) - np.log1p(-inside)


def _expit(x: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.special import expit

    values: NDArray[np.float64] = expit(x)
    return values
