"""Importance-weighted means of calibrated scores, without fresh answers of the target.

What they estimate: the target's mean label, as far as the logged answers cover what it would say. `ips` and `snips`
are textbook; `raw_ips` and `simcal_ips` are the published estimators of Causal Judge Evaluation, kept to reproduce
its numbers.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from neff.evaluate.judge.estimate import PolicyEstimate, by_prompt
from neff.evaluate.off_policy.simcal import stabilise
from neff.evaluate.off_policy.terms import overlap, rewards
from neff.evaluate.off_policy.weights import hajek_weights
from neff.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from numpy.typing import NDArray

    from neff.evaluate.judge.calibration import Calibration
    from neff.evaluate.judge.folds import FoldMap
    from neff.evaluate.off_policy.data import Logged

__all__ = ["ips", "jackknife_of", "raw_ips", "simcal_ips", "snips", "without_overlap"]


def jackknife_of(calibration: Calibration, estimate: Callable[[int], float]) -> NDArray[np.float64]:
    """Return the estimate with the calibrator of each fold left out, shape (K,)."""
    return np.array([estimate(k) for k in range(calibration.n_folds)])


def without_overlap(logged: Logged, method: str) -> PolicyEstimate:
    """Return the estimate that does not exist because the target gives none of the logged answers."""
    reason = Reason.NO_OVERLAP if logged.n else Reason.EMPTY
    return PolicyEstimate.undefined(
        logged.policy, method, reason, n=logged.n, n_labelled=logged.n_labelled, n_dropped=logged.n_dropped
    )


def ips(logged: Logged, *, calibration: Calibration) -> PolicyEstimate:
    """Estimate the target's value by importance sampling: the mean of ratio times calibrated score.

    Use it where log-probabilities are exact and unbiasedness matters more than variance; `snips` is better in
    nearly all other cases, and is bounded by the scale of the labels.

    Parameters
    ----------
    logged
        Logged answers and their log-probabilities.
    calibration
        From scores to labels.

    Returns
    -------
    PolicyEstimate
        Undefined with a reason where the target gives no logged answer, or a ratio overflows.

    References
    ----------
    Horvitz and Thompson 1952. Landesberg and Narayan, arXiv:2512.11150.
    """
    method = "ips"
    if logged.n == 0 or logged.log_ratio.max() == -np.inf:
        return without_overlap(logged, method)
    if logged.log_ratio.max() > math.log(np.finfo(float).max) / 2:  # its square would overflow
        return PolicyEstimate.undefined(logged.policy, method, Reason.INFINITE_WEIGHT, n=logged.n)
    weights = np.exp(logged.log_ratio)
    reward, learned = rewards(logged, calibration)
    value = float(np.mean(weights * reward))
    return _of_rows(logged, method, value, weights * reward - value, weights, calibration if learned else None)


def snips(logged: Logged, *, calibration: Calibration, cap: float | None = None) -> PolicyEstimate:
    """Estimate the target's value by self-normalised importance sampling of calibrated scores.

    Use it where there are no fresh answers of the target and the raw effective sample size is a good share of n
    (above 0.3). Not below 0.1: the mean then hangs on a handful of answers, and its standard error does not know.

    Parameters
    ----------
    logged
        Logged answers and their log-probabilities.
    calibration
        From scores to labels.
    cap
        Largest weight in units of the mean weight; None for none.

    Returns
    -------
    PolicyEstimate
        Clusters are prompts, degrees of freedom are Welch's.

    Notes
    -----
    Assumes that answers with the same score have the same mean label under both policies. Influence values are
    W (R - estimate). The bias of self-normalisation is of order 1/n. O(n K).

    References
    ----------
    Swaminathan and Joachims 2015. Landesberg and Narayan, arXiv:2512.11150.
    """
    return _self_normalised(logged, "snips" if cap is None else f"snips, weights capped at {cap:g}", calibration, cap)


def raw_ips(logged: Logged, *, calibration: Calibration) -> PolicyEstimate:
    """Estimate the target's value as the published baseline "raw-ips" does.

    Use it to reproduce published numbers: weights are capped at 100 times their mean, the interval is normal and
    leaves out that the calibrator was learned. `snips` is the mended form.

    Notes
    -----
    The published standard error divides by n - 1, the rule "normal" by n: influence values carry the difference.

    References
    ----------
    Landesberg and Narayan, "Causal Judge Evaluation", arXiv:2512.11150 (code, release 0.3.0).
    """
    estimate = _self_normalised(logged, "raw-ips", calibration, 100.0, jackknife=False, df_rule="normal")
    n = len(estimate.influence)
    return estimate if n < 2 else replace(estimate, influence=estimate.influence * math.sqrt(n / (n - 1)))


def simcal_ips(
    logged: Logged, *, calibration: Calibration, folds: FoldMap, outer: FoldMap | None = None
) -> PolicyEstimate:
    """Estimate the target's value with stabilised weights (SIMCal-W): the published "calibrated-ips".

    Use it to reproduce published numbers, not to evaluate: where overlap is thin it returns about the value of the
    policy that was logged, with a small standard error and an effective sample size near n.

    Parameters
    ----------
    logged
        Logged answers and their log-probabilities.
    calibration
        From scores to labels, fitted on `folds`.
    folds
        Calibration folds.
    outer
        Folds between which weights are learned and used; by default the calibration folds. (The reference
        implementation hashes them with another seed, 1042.)

    Returns
    -------
    PolicyEstimate
        Clusters are the outer folds, degrees of freedom the smaller of the two, as published.

    Notes
    -----
    Influence values divide by the mean of the RAW weights of the other folds, as published; where one weight
    dominates, that mean is near 0 and the standard error explodes.

    References
    ----------
    Landesberg and Narayan, "Causal Judge Evaluation", arXiv:2512.11150 (code, release 0.3.0).
    """
    method = "simcal-ips"
    outer = folds if outer is None else outer
    raw = hajek_weights(logged)
    if raw is None:
        return without_overlap(logged, method)
    fold, outer_fold = folds.of(logged.prompt), outer.of(logged.prompt)
    held_out = calibration.predict_out_of_fold(logged.score, fold, logged.covariates)
    stable = stabilise(raw, held_out, reward=held_out, fold=fold, outer_fold=outer_fold)
    reward, learned = rewards(logged, calibration)
    value = float(stable.weights @ reward / stable.weights.sum())
    phi = stable.weights * (held_out - stable.train_value) / stable.train_mean
    prompt, influence = by_prompt(logged.prompt, phi - phi.mean())
    return PolicyEstimate(
        logged.policy,
        value,
        prompt,
        influence,
        method,
        jackknife=_weighted_jackknife(logged, calibration, stable.weights) if learned else None,
        n=logged.n,
        n_labelled=logged.n_labelled,
        n_dropped=logged.n_dropped,
        cluster=outer.of(prompt),
        df_rule="smaller",
        components={
            **overlap(logged),
            "n_eff_stabilised": float(stable.weights.sum() ** 2 / (stable.weights @ stable.weights)),
            "largest_weight": float(stable.weights.max()),
            "rising_share": stable.rising_share,
            "blend": stable.blend,
        },
    )


def _self_normalised(
    logged: Logged, method: str, calibration: Calibration, cap: float | None, *, jackknife: bool = True, **rest: Any
) -> PolicyEstimate:
    weights = hajek_weights(logged, cap=cap)
    if weights is None:
        return without_overlap(logged, method)
    reward, learned = rewards(logged, calibration)
    value = float(weights @ reward / weights.sum())
    used = calibration if learned and jackknife else None
    return _of_rows(logged, method, value, weights * (reward - value), weights, used, **rest)


def _of_rows(
    logged: Logged,
    method: str,
    value: float,
    phi: NDArray[np.float64],
    weights: NDArray[np.float64],
    calibration: Calibration | None,
    **rest: Any,
) -> PolicyEstimate:
    prompt, influence = by_prompt(logged.prompt, phi - phi.mean())
    return PolicyEstimate(
        logged.policy,
        value,
        prompt,
        influence,
        method,
        jackknife=None if calibration is None else _weighted_jackknife(logged, calibration, weights),
        n=logged.n,
        n_labelled=logged.n_labelled,
        n_dropped=logged.n_dropped,
        components={**overlap(logged), "largest_weight": float(weights.max())},
        **rest,
    )


def _weighted_jackknife(logged: Logged, calibration: Calibration, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    return jackknife_of(
        calibration,
        lambda k: float(np.mean(weights * calibration.predict_fold(k, logged.score, logged.covariates))),
    )
