"""Doubly robust with respect to a proxy: the published DR estimators of Causal Judge Evaluation share this frame.

Their reward is the calibrated score R = f(S), not the label, so the correction compares two versions of the same
curve. They cannot repair a judge that is wrong about the target; `neff.evaluate.off_policy.dr` can.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from neff.evaluate.judge.estimate import PolicyEstimate
from neff.evaluate.off_policy.simcal import stabilise
from neff.evaluate.off_policy.terms import (
    Fresh,
    check_pair,
    fold_sums,
    join,
    raw_overlap,
    rewards,
    to_unit,
    without_overlap,
)
from neff.evaluate.off_policy.weights import hajek_weights
from neff.stats.isotonic import isotonic_fit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from neff.evaluate.calibrating.calibration import Calibration
    from neff.evaluate.calibrating.folds import FoldMap
    from neff.evaluate.judge.data import Judged
    from neff.evaluate.off_policy.data import Logged

__all__ = ["Proxy", "dr_cpo", "dr_cpo_of"]


@dataclass(frozen=True, slots=True, eq=False)
class Proxy:
    """What the family shares: checked data, rewards, cross-fitted predictions and stabilised weights."""

    logged: Logged
    fresh: Fresh
    calibration: Calibration
    folds: FoldMap
    fold: NDArray[np.int64]
    fresh_fold: NDArray[np.int64]
    reward: NDArray[np.float64]
    learned: bool
    held_out: NDArray[np.float64]
    raw_weights: NDArray[np.float64]
    weights: NDArray[np.float64]
    warnings: tuple[str, ...]

    @classmethod
    def of(cls, logged: Logged, calibration: Calibration, folds: FoldMap, fresh: Judged) -> Proxy | None:
        """Prepare; None where there are no answers, or the target gives none of the logged ones."""
        warnings = check_pair(logged, fresh)
        raw = hajek_weights(logged)
        if raw is None or fresh.n == 0:
            return None
        fold = folds.of(logged.prompt)
        held_out = calibration.predict_out_of_fold(logged.score, fold, logged.covariates)
        reward, learned = rewards(logged, calibration)
        unit = to_unit(held_out, calibration)
        stable = stabilise(raw, unit, reward=unit, fold=fold, outer_fold=fold)
        return cls(
            logged,
            Fresh.of(fresh),
            calibration,
            folds,
            fold,
            folds.of(fresh.prompt),
            reward,
            learned,
            held_out,
            raw,
            stable.weights,
            warnings,
        )

    def fresh_held_out(self) -> NDArray[np.float64]:
        """Return the out-of-fold calibrated scores of the fresh answers."""
        judged = self.fresh.judged
        return self.calibration.predict_out_of_fold(judged.score, self.fresh_fold, judged.covariates)

    def outcome_model(
        self, folds: FoldMap, omega: NDArray[np.float64] | None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return predictions for logged and fresh answers: isotonic of the reward on the score, cross-fitted."""
        judged = self.fresh.judged
        fold, fresh_fold = folds.of(self.logged.prompt), folds.of(judged.prompt)
        logged_g, fresh_g = np.empty(self.logged.n), np.empty(judged.n)
        for k in np.union1d(fold, fresh_fold):
            train, test, fresh_test = fold != k, fold == k, fresh_fold == k
            if not train.any():
                train = test
            curve = isotonic_fit(
                self.logged.score[train], self.reward[train], weights=None if omega is None else omega[train]
            )
            logged_g[test] = curve.predict(self.logged.score[test])
            fresh_g[fresh_test] = curve.predict(judged.score[fresh_test])
        return logged_g, fresh_g

    def jackknife(self, logged_g: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """Return the published delete-one-fold estimates.

        Fresh predictions and rewards move with the calibrator, the logged prediction stays: the change of the
        calibrator is counted twice, which makes these standard errors about 1.8 times too large.
        """
        if not self.learned:
            return None
        w = self.weights / self.logged.n
        moved = fold_sums(self.calibration, self.logged, w)
        return self.fresh_fold_means() + moved - float(w @ logged_g)

    def fresh_fold_means(self) -> NDArray[np.float64]:
        """Return the mean over fresh answers of each curve that lacks a fold, shape (K,)."""
        return fold_sums(self.calibration, self.fresh.judged, self.fresh.share)

    def estimate(
        self,
        method: str,
        logged_g: NDArray[np.float64],
        fresh_g: NDArray[np.float64],
        *,
        jackknife: NDArray[np.float64] | None,
        extra: NDArray[np.float64] | None = None,
        weights: NDArray[np.float64] | None = None,
        cluster: FoldMap | None = None,
        components: Mapping[str, float] | None = None,
        warnings: tuple[str, ...] = (),
    ) -> PolicyEstimate:
        """Return mean(g of fresh answers) + mean(w (R - g)), with fold clusters as published."""
        logged, w = self.logged, self.weights if weights is None else weights
        direct, correction = self.fresh.mean(fresh_g), w * (self.reward - logged_g)
        rows = correction if extra is None else correction + extra
        prompt, influence = join(self.fresh.prompt, direct, logged.prompt, rows)
        return PolicyEstimate(
            logged.policy,
            float(direct.mean() + rows.mean()),
            prompt,
            influence,
            method,
            jackknife=jackknife,
            n=logged.n,
            n_labelled=logged.n_labelled,
            n_dropped=logged.n_dropped,
            cluster=(cluster or self.folds).of(prompt),
            df_rule="smaller",
            components={
                **raw_overlap(logged),
                "direct": float(direct.mean()),
                "correction": float(correction.mean()),
                "n_eff_weights": float(w.sum() ** 2 / (w @ w)),
                "monte_carlo_variance": self.fresh.monte_carlo_variance(fresh_g),
                **(components or {}),
            },
            warnings=self.warnings + warnings,
        )


def dr_cpo(logged: Logged, *, calibration: Calibration, folds: FoldMap, fresh: Judged) -> PolicyEstimate:
    """Estimate the target's value by the published DR-CPO, with SIMCal-W weights.

    Use it to reproduce published numbers. It differs from the plug-in mean of calibrated fresh scores only by
    f minus its out-of-fold version; no label of the oracle enters the correction. `dr` is the mended form.

    Parameters
    ----------
    logged
        Logged answers and their log-probabilities.
    calibration
        From scores to labels, fitted on `folds`.
    folds
        Calibration folds (the published ones: `hash_folds` with 5 folds).
    fresh
        Judged answers of the target.

    Returns
    -------
    PolicyEstimate
        Clusters are the folds, degrees of freedom the smaller of the two, as published.

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
    >>> estimate = dr_cpo(logged, calibration=curve, folds=folds, fresh=fresh)
    >>> round(estimate.value, 3), round(truth.value, 3)
    (0.556, 0.579)
    """
    proxy = Proxy.of(logged, calibration, folds, fresh)
    if proxy is None:
        return without_overlap(logged, "dr-cpo", fresh)
    return dr_cpo_of(proxy)


def dr_cpo_of(proxy: Proxy) -> PolicyEstimate:
    """Return DR-CPO from prepared data."""
    return proxy.estimate("dr-cpo", proxy.held_out, proxy.fresh_held_out(), jackknife=proxy.jackknife(proxy.held_out))
