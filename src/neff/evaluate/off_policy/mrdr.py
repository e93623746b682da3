"""MRDR: the outcome model is fitted with the importance weights, so that the correction varies less."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from neff.evaluate.off_policy.proxy import Proxy
from neff.evaluate.off_policy.terms import without_overlap
from neff.stats._options import check_choice

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from neff.evaluate.calibrating.calibration import Calibration
    from neff.evaluate.calibrating.folds import FoldMap
    from neff.evaluate.judge.data import Judged
    from neff.evaluate.judge.estimate import PolicyEstimate
    from neff.evaluate.off_policy.data import Logged

__all__ = ["Omega", "mrdr", "mrdr_of"]

Omega: TypeAlias = Literal["snips", "w", "w2"]

FLOOR = 1e-8


def mrdr(
    logged: Logged,
    *,
    calibration: Calibration,
    folds: FoldMap,
    fresh: Judged,
    omega: Omega = "snips",
    outcome_folds: FoldMap | None = None,
) -> PolicyEstimate:
    """Estimate the target's value by the published MRDR (more robust doubly robust).

    Use it to reproduce published numbers. Where the reward is a rising function of the score, the isotonic outcome
    model reproduces it, and the estimate is that of the plug-in mean exactly. `dr` is the mended form.

    Parameters
    ----------
    logged
        Logged answers and their log-probabilities.
    calibration
        From scores to labels, fitted on `folds`.
    folds
        Calibration folds.
    fresh
        Judged answers of the target.
    omega
        How much a row counts in the outcome model, from its stabilised weight w: "snips" (w - 1)^2, "w", or "w2".
    outcome_folds
        Folds on which the outcome model is cross-fitted, and which are the clusters; by default the calibration
        folds. (The reference implementation deals them anew where none are stored.)

    Returns
    -------
    PolicyEstimate
        Clusters are the outcome folds, degrees of freedom the smaller of the two, as published.

    References
    ----------
    Farajtabar, Chow and Ghavamzadeh 2018, arXiv:1802.03493. Landesberg and Narayan, arXiv:2512.11150.

    Examples
    --------
    >>> from neff.evaluate.calibrating.calibration import calibrate
    >>> from neff.evaluate.calibrating.folds import balanced_folds
    >>> from neff.testing import simulate_off_policy
    >>> logged, fresh, truth = simulate_off_policy("better", 2000, rng=3)
    >>> folds = balanced_folds(2000, logged.prompt[logged.labelled])
    >>> curve = calibrate(logged.score, logged.label, fold=folds.of(logged.prompt), mode="monotone")
    >>> estimate = mrdr(logged, calibration=curve, folds=folds, fresh=fresh)
    >>> bool(abs(estimate.value - curve.predict(fresh.score).mean()) < 1e-12)
    True
    """
    check_choice(omega, ("snips", "w", "w2"), argument="omega", call="mrdr")
    proxy = Proxy.of(logged, calibration, folds, fresh)
    return without_overlap(logged, "mrdr", fresh) if proxy is None else mrdr_of(proxy, omega, outcome_folds)


def mrdr_of(proxy: Proxy, omega: Omega, outcome_folds: FoldMap | None = None) -> PolicyEstimate:
    """Return MRDR from prepared data."""
    folds = outcome_folds or proxy.folds
    logged_g, fresh_g = proxy.outcome_model(folds, np.maximum(_counts(proxy.weights, omega), FLOOR))
    return proxy.estimate("mrdr", logged_g, fresh_g, jackknife=proxy.jackknife(logged_g), cluster=folds)


def _counts(weights: NDArray[np.float64], omega: Omega) -> NDArray[np.float64]:
    if omega == "snips":
        return (weights - 1.0) ** 2
    return np.abs(weights) if omega == "w" else weights**2
