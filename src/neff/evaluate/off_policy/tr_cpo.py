"""TR-CPO: the published doubly robust estimate plus a correction by the labels themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from neff.evaluate.off_policy.proxy import Proxy
from neff.evaluate.off_policy.terms import fold_sums, without_overlap
from neff.stats.isotonic import isotonic_fit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from neff.evaluate.calibrating.calibration import Calibration
    from neff.evaluate.calibrating.folds import FoldMap
    from neff.evaluate.judge.data import Judged
    from neff.evaluate.judge.estimate import PolicyEstimate
    from neff.evaluate.off_policy.data import Logged

__all__ = ["tr_cpo"]

PROPENSITY = (1e-3, 1.0 - 1e-3)
FEWEST_ROWS, FEWEST_SCORES = 100, 8


def tr_cpo(
    logged: Logged, *, calibration: Calibration, folds: FoldMap, fresh: Judged, efficient: bool = False
) -> PolicyEstimate:
    """Estimate the target's value by the published TR-CPO ("triply robust"), with raw weights.

    Use it to reproduce published numbers (releases up to 0.2). The plain form does use the oracle's residuals, as
    `dr` does, but counts the calibrator's uncertainty twice; the efficient form replaces weights by what the score
    sees of them, and with that loses the repair of a judge that is wrong about the target.

    Parameters
    ----------
    logged
        Logged answers and their log-probabilities. Its `propensity` is the probability of a label, constant where
        it is None.
    calibration
        From scores to labels, fitted on `folds`.
    folds
        Calibration folds.
    fresh
        Judged answers of the target.
    efficient
        Weight the label residuals by E[W | S] instead of W ("tr-cpo-e").

    Returns
    -------
    PolicyEstimate
        Clusters are the folds, degrees of freedom the smaller of the two, as published.

    References
    ----------
    Landesberg and Narayan, "Causal Judge Evaluation", arXiv:2512.11150 (code, release 0.2.10).

    Examples
    --------
    >>> from neff.evaluate.calibrating.calibration import calibrate
    >>> from neff.evaluate.calibrating.folds import balanced_folds
    >>> from neff.testing import simulate_off_policy
    >>> logged, fresh, truth = simulate_off_policy("better", 2000, rng=3)
    >>> folds = balanced_folds(2000, logged.prompt[logged.labelled])
    >>> curve = calibrate(logged.score, logged.label, fold=folds.of(logged.prompt), mode="monotone")
    >>> estimate = tr_cpo(logged, calibration=curve, folds=folds, fresh=fresh)
    >>> round(estimate.value, 3), round(truth.value, 3)
    (0.583, 0.579)
    """
    method = "tr-cpo-e" if efficient else "tr-cpo"
    proxy = Proxy.of(logged, calibration, folds, fresh)
    if proxy is None:
        return without_overlap(logged, method, fresh)
    w = proxy.raw_weights
    omega = _seen_by_score(proxy, w) if efficient else w
    known = logged.labelled
    chance = np.full(logged.n, known.mean()) if logged.propensity is None else logged.propensity
    ratio = np.where(known, omega / np.clip(chance, *PROPENSITY), 0.0)
    label = np.where(known, logged.label, 0.0)
    correction = ratio * (label - proxy.reward)
    moved = fold_sums(calibration, logged, (w - ratio) / logged.n)
    jackknife = proxy.fresh_fold_means() + moved + float(np.mean(ratio * label - w * proxy.held_out))
    return proxy.estimate(
        method,
        proxy.held_out,
        proxy.fresh_held_out(),
        jackknife=jackknife if proxy.learned else None,
        extra=correction,
        weights=w,
        components={"label_correction": float(correction.mean())},
    )


def _seen_by_score(proxy: Proxy, w: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return E[W | S]: isotonic, out of fold, with the mean of W; constant where there is too little to learn from."""
    score, seen = proxy.logged.score, np.empty_like(w)
    for k in np.unique(proxy.fold):
        train, test = proxy.fold != k, proxy.fold == k
        if np.count_nonzero(train) < FEWEST_ROWS or len(np.unique(score[train])) < FEWEST_SCORES:
            seen[test] = w[train].mean() if train.any() else 1.0
        else:
            seen[test] = isotonic_fit(score[train], w[train]).predict(score[test])
    mean = seen.mean()
    return seen * (w.mean() / mean) if mean > 0 else np.full_like(w, w.mean())
