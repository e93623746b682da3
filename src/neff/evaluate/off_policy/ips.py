"""Importance-weighted means of calibrated scores, without fresh answers of the target.

What they estimate: the target's mean label, as far as the logged answers cover what it would say. `ips` and `snips`
are textbook; `raw_ips` is the published baseline of Causal Judge Evaluation, kept to reproduce its numbers.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from neff.evaluate.judge.estimate import PolicyEstimate, by_prompt
from neff.evaluate.off_policy.terms import fold_sums, ratio_warnings, raw_overlap, rewards, without_overlap
from neff.evaluate.off_policy.weights import hajek_weights
from neff.reasons import Reason

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from neff.evaluate.calibrating.calibration import Calibration
    from neff.evaluate.off_policy.data import Logged

__all__ = ["ips", "raw_ips", "snips"]


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

    Examples
    --------
    >>> from neff.evaluate.calibrating.calibration import calibrate
    >>> from neff.evaluate.calibrating.folds import balanced_folds
    >>> from neff.testing import simulate_off_policy
    >>> logged, fresh, truth = simulate_off_policy("better", 2000, rng=3)
    >>> folds = balanced_folds(2000, logged.prompt[logged.labelled])
    >>> curve = calibrate(logged.score, logged.label, fold=folds.of(logged.prompt), mode="monotone")
    >>> estimate = ips(logged, calibration=curve)
    >>> round(estimate.value, 3), round(truth.value, 3)
    (0.546, 0.579)
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

    Examples
    --------
    >>> from neff.evaluate.calibrating.calibration import calibrate
    >>> from neff.evaluate.calibrating.folds import balanced_folds
    >>> from neff.testing import simulate_off_policy
    >>> logged, fresh, truth = simulate_off_policy("better", 2000, rng=3)
    >>> folds = balanced_folds(2000, logged.prompt[logged.labelled])
    >>> curve = calibrate(logged.score, logged.label, fold=folds.of(logged.prompt), mode="monotone")
    >>> estimate = snips(logged, calibration=curve)
    >>> round(estimate.value, 3), round(truth.value, 3)
    (0.552, 0.579)
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

    Examples
    --------
    >>> from neff.evaluate.calibrating.calibration import calibrate
    >>> from neff.evaluate.calibrating.folds import balanced_folds
    >>> from neff.testing import simulate_off_policy
    >>> logged, fresh, truth = simulate_off_policy("better", 2000, rng=3)
    >>> folds = balanced_folds(2000, logged.prompt[logged.labelled])
    >>> curve = calibrate(logged.score, logged.label, fold=folds.of(logged.prompt), mode="monotone")
    >>> estimate = raw_ips(logged, calibration=curve)
    >>> estimate.jackknife is None, estimate.df_rule
    (True, 'normal')
    """
    estimate = _self_normalised(logged, "raw-ips", calibration, 100.0, jackknife=False, df_rule="normal")
    n = len(estimate.influence)
    return estimate if n < 2 else replace(estimate, influence=estimate.influence * math.sqrt(n / (n - 1)))


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
        jackknife=None if calibration is None else fold_sums(calibration, logged, weights / logged.n),
        n=logged.n,
        n_labelled=logged.n_labelled,
        n_dropped=logged.n_dropped,
        components={**raw_overlap(logged), "largest_weight": float(weights.max())},
        warnings=ratio_warnings(logged),
        **rest,
    )
