"""Self-normalised importance sampling with the oracle's own residuals: no fresh answers, and no faith in the judge.

What it estimates: the target's mean label, from logged answers alone, as far as they cover what the target says. It
is right where the judge is wrong about the target, because every weighted score is corrected by weighted labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from neff.evaluate.judge.estimate import PolicyEstimate, by_prompt
from neff.evaluate.off_policy.terms import fold_sums, ratio_warnings, raw_overlap, without_overlap
from neff.evaluate.off_policy.weights import hajek_weights
from neff.reasons import Reason

if TYPE_CHECKING:
    from neff.evaluate.calibrating.calibration import Calibration
    from neff.evaluate.calibrating.folds import FoldMap
    from neff.evaluate.off_policy.data import Logged

__all__ = ["augmented_snips"]


def augmented_snips(logged: Logged, *, calibration: Calibration, folds: FoldMap) -> PolicyEstimate:
    """Estimate the target's value from logged answers: weighted calibrated scores, corrected by weighted labels.

    Use it for a target that gave no answers of its own, where the raw effective sample size is a good share of n
    (above 0.3). `snips` is more precise where the judge is as right about the target as about the logged policy, and
    wrong where it is not; this is not.

    Parameters
    ----------
    logged
        Logged answers with labels on some, and their log-probabilities.
    calibration
        From scores to labels, fitted on `folds`.
    folds
        Folds of the prompts.

    Returns
    -------
    PolicyEstimate
        Clusters are prompts, degrees of freedom are Welch's. Undefined with a reason where the target gives no
        labelled answer, or there is none.

    Notes
    -----
    sum W (g + L / p (Y - g)) / sum W, with g the calibrated score that did not see the row's prompt, W the raw
    weights, p the share of labelled rows or the known propensity of each. Assumes labels drawn at random (or with
    the known propensity), right log-probabilities and overlap. The jackknife moves the calibrator in both terms at
    once. The bias of self-normalisation is of order 1/n. O(n K).

    References
    ----------
    Robins, Rotnitzky and Zhao 1994. Swaminathan and Joachims 2015. This combination is ours.

    Examples
    --------
    >>> from neff.evaluate.calibrating.calibration import calibrate
    >>> from neff.evaluate.calibrating.folds import balanced_folds
    >>> from neff.testing import simulate_off_policy
    >>> logged, fresh, truth = simulate_off_policy("better", 2000, rng=3)
    >>> folds = balanced_folds(2000, logged.prompt[logged.labelled], n_folds=20)
    >>> curve = calibrate(logged.score, logged.label, fold=folds.of(logged.prompt), mode="monotone")
    >>> estimate = augmented_snips(logged, calibration=curve, folds=folds)
    >>> abs(estimate.value - truth.value) < 0.04
    True
    """
    method = "augmented-snips"
    weights = hajek_weights(logged)
    if weights is None:
        return without_overlap(logged, method)
    known = logged.labelled
    if not known.any():
        return PolicyEstimate.undefined(logged.policy, method, Reason.NO_LABELS, n=logged.n, n_dropped=logged.n_dropped)
    label = np.where(known, logged.label, 0.0)
    ratio = np.where(known, 1.0 / (known.mean() if logged.propensity is None else logged.propensity), 0.0)
    if not (weights * ratio).any():  # an uncorrected estimate would pass for a corrected one
        return without_overlap(logged, method)
    held_out = calibration.predict_out_of_fold(logged.score, folds.of(logged.prompt), logged.covariates)
    pseudo = held_out + ratio * (label - held_out)
    share = weights / weights.sum()
    value = float(share @ pseudo)
    prompt, influence = by_prompt(logged.prompt, logged.n * share * (pseudo - value))
    return PolicyEstimate(
        logged.policy,
        value,
        prompt,
        influence,
        method,
        jackknife=fold_sums(calibration, logged, share * (1 - ratio)) + float((share * ratio) @ label),
        n=logged.n,
        n_labelled=logged.n_labelled,
        n_dropped=logged.n_dropped,
        labelled=np.isin(prompt, logged.prompt[known]),
        n_parameters=1,
        components={
            **raw_overlap(logged),
            "plug_in": float(share @ held_out),
            "correction": value - float(share @ held_out),
            "largest_weight": float(weights.max()),
        },
        warnings=ratio_warnings(logged),
    )
