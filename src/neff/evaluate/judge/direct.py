"""Direct estimators: a policy's own answers, judged, calibrated, and corrected by the policy's own labels.

What they estimate: the mean label of a policy's answers to prompts like these. "augmented" is right whatever the
calibrator, as long as labels were drawn at random; "plug-in" only where the calibrator holds for the policy.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from neff.evaluate.judge.estimate import PolicyEstimate, by_prompt
from neff.reasons import Reason

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from neff.evaluate.judge.calibration import Calibration
    from neff.evaluate.judge.data import Judged
    from neff.evaluate.judge.folds import FoldMap

__all__ = ["DirectMethod", "augmented", "direct", "judge_mean", "labels_only", "plug_in", "tuned_weight"]

DirectMethod: TypeAlias = Literal["augmented", "augmented-tuned", "plug-in", "labels", "judge"]

FEWEST_OWN = 5
"""With fewer labelled prompts of its own a policy borrows the calibration of the others, and says so."""

BORROWED = "borrowed calibration: no labels of its own, so the interval does not cover a judge that is wrong about it"


def direct(
    judged: Judged, calibration: Calibration, folds: FoldMap, *, method: DirectMethod = "augmented"
) -> PolicyEstimate:
    """Estimate one policy's mean label by the named method; see the functions of this module."""
    if method == "labels":
        return labels_only(judged)
    if method == "judge":
        return judge_mean(judged)
    if method == "plug-in":
        return plug_in(judged, calibration)
    return augmented(judged, calibration, folds, tuned=method == "augmented-tuned")


def judge_mean(judged: Judged) -> PolicyEstimate:
    """Estimate the mean score as it stands: what people report, biased wherever the judge is."""
    return _mean(judged, judged.score, np.ones(judged.n, bool), "judge mean")


def labels_only(judged: Judged) -> PolicyEstimate:
    """Estimate the mean label of the labelled answers: unbiased, and blind to all other answers."""
    return _mean(judged, judged.label, judged.labelled, "labels only")


def _mean(judged: Judged, values: NDArray[np.float64], rows: NDArray[np.bool_], method: str) -> PolicyEstimate:
    used = values[rows]
    if len(used) == 0:
        return PolicyEstimate.undefined(
            judged.policy, method, Reason.NO_LABELS if method != "judge mean" else Reason.EMPTY
        )
    value = float(used.mean())
    prompt, influence = by_prompt(judged.prompt[rows], used - value)
    return PolicyEstimate(
        judged.policy,
        value,
        prompt,
        influence,
        method,
        n=len(used),
        n_labelled=int(judged.labelled.sum()),
    )


def plug_in(judged: Judged, calibration: Calibration) -> PolicyEstimate:
    """Estimate the mean calibrated score: f(S) averaged over the policy's answers.

    Use it for a policy without labels of its own, and only where the judge is as right about it as about the
    labelled policies (see the transport audit).
    """
    if judged.n == 0:
        return PolicyEstimate.undefined(judged.policy, "plug-in", Reason.EMPTY)
    fitted = calibration.predict(judged.score, judged.covariates)
    value = float(fitted.mean())
    prompt, influence = by_prompt(judged.prompt, fitted - value)
    return PolicyEstimate(
        judged.policy,
        value,
        prompt,
        influence,
        "plug-in",
        jackknife=_fold_means(judged, calibration),
        n=judged.n,
        n_labelled=int(judged.labelled.sum()),
        components={"plug_in": value},
    )


def augmented(judged: Judged, calibration: Calibration, folds: FoldMap, *, tuned: bool = False) -> PolicyEstimate:
    """Estimate the mean calibrated score, corrected by the policy's own labels (AIPW, cross-fitted PPI).

    value = lam mean f(S) + mean over labelled (Y - lam f_oof(S)), with lam = 1, or tuned. With known labelling
    propensities pi: mean of f(S) + L / pi (Y - f_oof(S)). A policy with fewer than 5 labelled prompts falls back to
    "plug-in" and says so. Where every answer is labelled the estimate is the mean label.

    References
    ----------
    Angelopoulos et al., "Prediction-powered inference", arXiv:2301.09633; "PPI++", arXiv:2311.01453. Landesberg and
    Narayan, "Causal Judge Evaluation", arXiv:2512.11150.
    """
    known = judged.labelled
    own = len(np.unique(judged.prompt[known]))
    if judged.n and bool(known.all()):
        return _mean(judged, judged.label, known, "all labelled")
    if own < FEWEST_OWN:
        found = plug_in(judged, calibration)
        return _with_warning(found, BORROWED if own == 0 else f"only {own} labelled prompts of its own; {BORROWED}")
    fitted = calibration.predict(judged.score, judged.covariates)
    held_out = calibration.predict_out_of_fold(
        judged.score[known], folds.of(judged.prompt[known]), _rows(judged.covariates, known)
    )
    label = judged.label[known]
    if judged.propensity is not None:
        return _known_propensity(judged, calibration, fitted, held_out)
    weight = tuned_weight(held_out, label, own) if tuned else 1.0
    residual = label - weight * held_out
    correction = float(residual.mean())
    plug = float(fitted.mean())
    value = weight * plug + correction
    pseudo = weight * (fitted - plug)
    pseudo[known] += (residual - correction) / (len(label) / judged.n)
    prompt, influence = by_prompt(judged.prompt, pseudo)
    # Curve k stands in the mean and in the correction alike: what it gets wrong on average, the labels take back.
    jackknife = weight * _fold_means(judged, calibration) + np.array(
        [
            float(
                (
                    label - weight * calibration.predict_fold(k, judged.score[known], _rows(judged.covariates, known))
                ).mean()
            )
            for k in range(calibration.n_folds)
        ]
    )
    return PolicyEstimate(
        judged.policy,
        value,
        prompt,
        influence,
        "augmented, tuned" if tuned else "augmented",
        jackknife=jackknife,
        n=judged.n,
        n_labelled=len(label),
        labelled=np.isin(prompt, judged.prompt[known]),
        n_parameters=2 if tuned else 1,
        components={"plug_in": plug, "correction": correction, "weight": weight},
    )


def _known_propensity(
    judged: Judged, calibration: Calibration, fitted: NDArray[np.float64], held_out: NDArray[np.float64]
) -> PolicyEstimate:
    known = judged.labelled
    propensity = judged.propensity
    inverse = np.ones(judged.n) if propensity is None else 1.0 / propensity
    pseudo = fitted.copy()
    pseudo[known] += inverse[known] * (judged.label[known] - held_out)
    value = float(pseudo.mean())
    prompt, influence = by_prompt(judged.prompt, pseudo - value)
    jackknife = _fold_means(judged, calibration)
    for k in range(calibration.n_folds):
        again = calibration.predict_fold(k, judged.score[known], _rows(judged.covariates, known))
        jackknife[k] += float((inverse[known] * (judged.label[known] - again)).sum()) / judged.n
    return PolicyEstimate(
        judged.policy,
        value,
        prompt,
        influence,
        "augmented, known propensities",
        jackknife=jackknife,
        n=judged.n,
        n_labelled=int(known.sum()),
        labelled=np.isin(prompt, judged.prompt[known]),
        n_parameters=1,
        components={"plug_in": float(fitted.mean()), "correction": value - float(fitted.mean())},
    )


def tuned_weight(held_out: NDArray[np.float64], label: NDArray[np.float64], n_prompts: int) -> float:
    """Return how far to trust the calibrated score: the slope of the label on it in [0, 1]; 1 where little is known."""
    mode = float(np.unique(label, return_counts=True)[1].max())
    spread = float(held_out.var())
    if n_prompts < 20 or len(label) - mode < FEWEST_OWN or spread <= 1e-12:
        return 1.0
    slope = float(np.mean((held_out - held_out.mean()) * (label - label.mean()))) / spread
    return min(1.0, max(0.0, slope))


def _fold_means(judged: Judged, calibration: Calibration) -> NDArray[np.float64]:
    """Return the plug-in mean by each curve that lacks a fold, shape (K,)."""
    score, covariates, weights = judged.score, judged.covariates, None
    if covariates is None:
        score, weights = np.unique(score, return_counts=True)  # judges use few distinct scores
    return np.array(
        [
            float(np.average(calibration.predict_fold(k, score, covariates), weights=weights))
            for k in range(calibration.n_folds)
        ]
    )


def _rows(covariates: NDArray[np.float64] | None, rows: NDArray[np.bool_]) -> NDArray[np.float64] | None:
    return None if covariates is None else covariates[rows]


def _with_warning(found: PolicyEstimate, warning: str) -> PolicyEstimate:
    return replace(found, warnings=(*found.warnings, warning))
