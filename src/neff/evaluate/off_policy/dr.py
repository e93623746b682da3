"""Doubly robust with the oracle's own residuals: the off-policy estimate that can repair a judge.

What it estimates: the target's mean label over prompts, from fresh answers that the judge scored and logged answers
that the oracle labelled. It is right where the judge is right about the target, and also where it is not, as long as
the log-probabilities are right and the logged answers cover what the target says. What it costs is set by the raw
weights: below a raw effective sample size of 0.1 n it is unbiased and useless.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from neff.evaluate.judge.estimate import PolicyEstimate
from neff.evaluate.off_policy.terms import (
    Fresh,
    check_pair,
    fold_sums,
    join,
    ratio_warnings,
    raw_overlap,
    without_overlap,
)
from neff.evaluate.off_policy.weights import hajek_weights
from neff.reasons import Reason

if TYPE_CHECKING:
    from neff.evaluate.calibrating.calibration import Calibration
    from neff.evaluate.calibrating.folds import FoldMap
    from neff.evaluate.judge.data import Judged
    from neff.evaluate.off_policy.data import Logged

__all__ = ["dr"]


def dr(
    logged: Logged, *, calibration: Calibration, folds: FoldMap, fresh: Judged, cap: float | None = None
) -> PolicyEstimate:
    """Estimate the target's value from calibrated fresh answers, corrected by weighted label residuals.

    Use it where the raw effective sample size is a good share of n (above 0.3) and the judge may be wrong about the
    target; beside the direct estimate, which is more precise where the judge is right. Not where overlap is thin
    (`components["n_eff_fraction"]` below 0.1): then its standard error is large, or worse, too small.

    Parameters
    ----------
    logged
        Logged answers with labels on some, and their log-probabilities.
    calibration
        From scores to labels, fitted on `folds`.
    folds
        Folds of the prompts; `balanced_folds(..., n_folds=20)` gives the K = min(20, labelled prompts) that serves
        best here (measured: 12 to 18% narrower intervals than with 5 at the same coverage).
    fresh
        Judged answers of the target, on the same prompts.
    cap
        Largest weight in units of the mean weight, to reproduce published numbers; None for none.

    Returns
    -------
    PolicyEstimate
        Clusters are prompts, degrees of freedom are Welch's. Undefined with a reason where the target gives none of
        the labelled answers, no logged answer is labelled, or there is no fresh answer.

    Notes
    -----
    phi_i = g(fresh_i) + (L_i / p) W_i (Y_i - g(S_i)), with g the calibrator that did not see the prompt, W the
    self-normalised raw weights and p the share of labelled rows, or the known propensity of each. Fresh answers to
    one prompt are averaged first; logged rows count alike. Assumes labels drawn at random (or with the known
    propensity) and prompts drawn independently. The jackknife leaves the labels of a fold out of the calibrator in
    both terms at once, so that its error cancels where the two cancel. O(n K).

    Differs from the published estimators ("dr-cpo", "mrdr", "tmle", "stacked-dr"), whose correction compares two
    versions of the calibrated score and never sees a label.

    References
    ----------
    Robins, Rotnitzky and Zhao 1994. Landesberg and Narayan, "Causal Judge Evaluation", arXiv:2512.11150.

    Examples
    --------
    >>> from neff.evaluate.calibrating.calibration import calibrate
    >>> from neff.evaluate.calibrating.folds import balanced_folds
    >>> from neff.testing import simulate_off_policy
    >>> logged, fresh, truth = simulate_off_policy("better", 2000, rng=3)
    >>> folds = balanced_folds(2000, logged.prompt[logged.labelled], n_folds=20)
    >>> curve = calibrate(logged.score, logged.label, fold=folds.of(logged.prompt), mode="monotone")
    >>> estimate = dr(logged, calibration=curve, folds=folds, fresh=fresh)
    >>> abs(estimate.value - truth.value) < 0.04
    True
    """
    method = "dr" if cap is None else f"dr, weights capped at {cap:g}"
    warnings = (*check_pair(logged, fresh), *ratio_warnings(logged))
    weights = hajek_weights(logged, cap=cap)
    if weights is None or fresh.n == 0:
        return without_overlap(logged, method, fresh)
    if logged.n_labelled == 0:
        return PolicyEstimate.undefined(logged.policy, method, Reason.NO_LABELS, n=logged.n, n_dropped=logged.n_dropped)
    answers = Fresh.of(fresh)
    known, label = logged.labelled, np.where(logged.labelled, logged.label, 0.0)
    ratio = np.where(known, weights / (known.mean() if logged.propensity is None else logged.propensity), 0.0)
    if not ratio.any():  # an uncorrected estimate would pass for a corrected one
        return without_overlap(logged, method)
    fresh_g = calibration.predict_out_of_fold(fresh.score, folds.of(fresh.prompt), fresh.covariates)
    logged_g = calibration.predict_out_of_fold(logged.score, folds.of(logged.prompt), logged.covariates)
    direct, correction = answers.mean(fresh_g), ratio * (label - logged_g)
    without = fold_sums(calibration, fresh, answers.share) - fold_sums(calibration, logged, ratio / logged.n)
    prompt, influence = join(answers.prompt, direct, logged.prompt, correction)
    return PolicyEstimate(
        logged.policy,
        float(direct.mean() + correction.mean()),
        prompt,
        influence,
        method,
        jackknife=without + float(np.mean(ratio * label)),
        n=logged.n,
        n_labelled=logged.n_labelled,
        n_dropped=logged.n_dropped,
        labelled=np.isin(prompt, logged.prompt[known]),
        n_parameters=1,
        components={
            **raw_overlap(logged),
            "direct": float(direct.mean()),
            "correction": float(correction.mean()),
            "n_eff_labelled": float(ratio.sum() ** 2 / (ratio @ ratio)),
            "largest_weight": float(weights.max()),
            "monte_carlo_variance": answers.monte_carlo_variance(fresh_g),
        },
        warnings=warnings,
    )
