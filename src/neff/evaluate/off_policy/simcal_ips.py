"""Importance sampling with stabilised weights (SIMCal-W): the published "calibrated IPS"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neff.evaluate.judge.estimate import PolicyEstimate, by_prompt
from neff.evaluate.off_policy.simcal import stabilise
from neff.evaluate.off_policy.terms import fold_sums, raw_overlap, rewards, to_unit, without_overlap
from neff.evaluate.off_policy.weights import hajek_weights

if TYPE_CHECKING:
    from neff.evaluate.calibrating.calibration import Calibration
    from neff.evaluate.calibrating.folds import FoldMap
    from neff.evaluate.off_policy.data import Logged

__all__ = ["simcal_ips"]


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

    Examples
    --------
    >>> from neff.evaluate.calibrating.calibration import calibrate
    >>> from neff.evaluate.calibrating.folds import balanced_folds
    >>> from neff.testing import simulate_off_policy
    >>> logged, fresh, truth = simulate_off_policy("noise", 2000, rng=3)
    >>> folds = balanced_folds(2000, logged.prompt[logged.labelled])
    >>> curve = calibrate(logged.score, logged.label, fold=folds.of(logged.prompt), mode="monotone")
    >>> estimate = simcal_ips(logged, calibration=curve, folds=folds)
    >>> [round(estimate.components[name] / 2000, 2) for name in ("n_eff", "n_eff_stabilised")]
    [0.04, 0.97]
    """
    method = "simcal-ips"
    outer = folds if outer is None else outer
    raw = hajek_weights(logged)
    if raw is None:
        return without_overlap(logged, method)
    fold, outer_fold = folds.of(logged.prompt), outer.of(logged.prompt)
    held_out = to_unit(calibration.predict_out_of_fold(logged.score, fold, logged.covariates), calibration)
    stable = stabilise(raw, held_out, reward=held_out, fold=fold, outer_fold=outer_fold)
    reward, learned = rewards(logged, calibration)
    value = float(stable.weights @ reward / stable.weights.sum())
    width = calibration.scale[1] - calibration.scale[0]
    averaged = held_out if learned else to_unit(reward, calibration)
    phi = width * stable.weights * (averaged - stable.train_value) / stable.train_mean
    prompt, influence = by_prompt(logged.prompt, phi - phi.mean())
    return PolicyEstimate(
        logged.policy,
        value,
        prompt,
        influence,
        method,
        jackknife=fold_sums(calibration, logged, stable.weights / logged.n) if learned else None,
        n=logged.n,
        n_labelled=logged.n_labelled,
        n_dropped=logged.n_dropped,
        cluster=outer.of(prompt),
        df_rule="smaller",
        components={
            **raw_overlap(logged),
            "n_eff_stabilised": float(stable.weights.sum() ** 2 / (stable.weights @ stable.weights)),
            "largest_weight": float(stable.weights.max()),
            "rising_share": stable.rising_share,
            "blend": stable.blend,
        },
    )
