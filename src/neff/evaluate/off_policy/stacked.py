"""Stacked-DR: the mixture of the published doubly robust estimators with the least variance."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from neff.evaluate.off_policy.mrdr import mrdr_of
from neff.evaluate.off_policy.proxy import Proxy, dr_cpo_of
from neff.evaluate.off_policy.terms import without_overlap
from neff.evaluate.off_policy.tmle import tmle_of
from neff.evaluate.off_policy.weights import least_variance_mixture

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from neff.evaluate.calibrating.calibration import Calibration
    from neff.evaluate.calibrating.folds import FoldMap
    from neff.evaluate.judge.data import Judged
    from neff.evaluate.judge.estimate import PolicyEstimate
    from neff.evaluate.off_policy.data import Logged

__all__ = ["stacked_dr"]

RIDGE = 1e-4
LARGEST_CONDITION = 1e8

CAVEAT = "the components are almost identical, so their shares are set by the ridge and are no evidence for any of them"


def stacked_dr(logged: Logged, *, calibration: Calibration, folds: FoldMap, fresh: Judged) -> PolicyEstimate:
    """Estimate the target's value by the published stacked-DR: a mixture of DR-CPO, TMLE and MRDR.

    Use it to reproduce published numbers. The components use the same rewards, weights and folds and hardly differ,
    so there is little to gain from mixing them. `dr` is the mended form.

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

    Returns
    -------
    PolicyEstimate
        Clusters are the folds, degrees of freedom the smaller of the two, as published. `components` has the share
        and the value of each part.

    Notes
    -----
    The shares minimise the variance of the mixed influence values on the simplex, with 1e-4 added to each variance
    (of labels mapped to [0, 1]); above a condition number of 1e8 they are equal.

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
    >>> estimate = stacked_dr(logged, calibration=curve, folds=folds, fresh=fresh)
    >>> round(estimate.value, 3), round(truth.value, 3)
    (0.557, 0.579)
    """
    proxy = Proxy.of(logged, calibration, folds, fresh)
    if proxy is None:
        return without_overlap(logged, "stacked-dr", fresh)
    parts = [dr_cpo_of(proxy), tmle_of(proxy, "logit"), mrdr_of(proxy, "w")]
    influence = np.stack([part.influence for part in parts])
    width = calibration.scale[1] - calibration.scale[0]
    share = _shares(influence * (influence.shape[1] / width))
    jackknives = [part.jackknife for part in parts if part.jackknife is not None]
    components = dict(parts[0].components)
    for part, alpha in zip(parts, share, strict=True):
        components[f"share {part.method}"] = float(alpha)
        components[f"value {part.method}"] = part.value
    return replace(
        parts[0],
        method="stacked-dr",
        value=float(share @ [part.value for part in parts]),
        influence=share @ influence,
        jackknife=share @ np.stack(jackknives) if jackknives else None,
        components=components,
        warnings=(*proxy.warnings, CAVEAT),
    )


def _shares(phi: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the shares of the candidates whose influence values are the rows."""
    k = len(phi)
    covariance = np.cov(phi) + RIDGE * np.eye(k)
    if np.linalg.cond(covariance) > LARGEST_CONDITION:
        return np.full(k, 1.0 / k)
    return least_variance_mixture(covariance, slack=1e-12)
