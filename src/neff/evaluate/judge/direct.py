"""Direct estimators: a policy's own answers, judged, calibrated, and corrected by the policy's own labels.

What they estimate: the mean label of a policy's answers to prompts like these. "augmented" is right whatever the
calibrator, as long as labels were drawn at random; "plug-in" only where the calibrator holds for the policy.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np

from neff.errors import ArgumentError
from neff.evaluate.judge.estimate import PolicyEstimate, Split, by_prompt
from neff.evaluate.judge.own_labels import OwnLabels, tuned_weight
from neff.reasons import Reason
from neff.stats._options import check_choice

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from neff.evaluate.calibrating.calibration import Calibration
    from neff.evaluate.calibrating.folds import FoldMap
    from neff.evaluate.judge.data import Judged

__all__ = ["FEWEST_OWN", "DirectMethod", "augmented", "direct", "judge_mean", "labels_only", "plug_in"]

DirectMethod: TypeAlias = Literal["augmented", "augmented-tuned", "plug-in", "labels", "judge"]

FEWEST_OWN = 5
"""With fewer labelled prompts of its own a policy borrows the calibration of the others, and says so."""

BORROWED = "borrowed calibration: no labels of its own, so the interval does not cover a judge that is wrong about it"


def direct(
    judged: Judged, calibration: Calibration, folds: FoldMap, *, method: DirectMethod = "augmented"
) -> PolicyEstimate:
    """Estimate one policy's mean label by the named method; see the functions of this module.

    Parameters
    ----------
    judged
        The policy's answers.
    calibration, folds
        Learned from the labels of all policies, and the folds it was learned with; "labels" and "judge" do without.
    method
        "augmented" (the default), "augmented-tuned", "plug-in", "labels" or "judge".

    Returns
    -------
    PolicyEstimate
        For `infer` and `infer_difference`.
    """
    check_choice(method, get_args(DirectMethod), argument="method", call="direct")
    if method == "labels":
        return labels_only(judged)
    if method == "judge":
        return judge_mean(judged)
    if method == "plug-in":
        return plug_in(judged, calibration)
    return augmented(judged, calibration, folds, tuned=method == "augmented-tuned")


def judge_mean(judged: Judged) -> PolicyEstimate:
    """Estimate the mean score as it stands: what people report, biased wherever the judge is."""
    return _mean(judged, judged.score, np.ones(judged.n, bool), None, "judge mean", Reason.EMPTY)


def labels_only(judged: Judged) -> PolicyEstimate:
    """Estimate the mean label of the labelled answers: unbiased, and blind to all other answers.

    With known propensities each label counts by 1 / propensity (the Hajek mean).
    """
    inverse = None if judged.propensity is None else 1 / judged.propensity
    return _mean(judged, judged.label, judged.labelled, inverse, "labels only", Reason.NO_LABELS)


def _mean(
    judged: Judged,
    values: NDArray[np.float64],
    rows: NDArray[np.bool_],
    inverse: NDArray[np.float64] | None,
    method: str,
    none: Reason,
) -> PolicyEstimate:
    used = values[rows]
    if len(used) == 0:
        return PolicyEstimate.undefined(judged.policy, method, none)
    weight = np.ones(len(used)) if inverse is None else inverse[rows] / inverse[rows].mean()
    value = float(np.mean(weight * used))
    prompt, influence = by_prompt(judged.prompt[rows], weight * (used - value))
    return PolicyEstimate(
        judged.policy, value, prompt, influence, method, n=len(used), n_labelled=int(judged.labelled.sum())
    )


def plug_in(judged: Judged, calibration: Calibration) -> PolicyEstimate:
    """Estimate the mean calibrated score: f(S) averaged over the policy's answers.

    Use it for a policy without labels of its own, and only where the judge is as right about it as about the
    labelled policies (see the transport audit). Its variance has a part from the prompts, and a part from having
    learned f, by leaving out the labels of one fold at a time.
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
        jackknife=calibration.fold_means(judged.score, judged.covariates),
        n=judged.n,
        n_labelled=int(judged.labelled.sum()),
        levels=calibration.levels.moves(fitted),
        components={"plug_in": value},
    )


def augmented(judged: Judged, calibration: Calibration, folds: FoldMap, *, tuned: bool = False) -> PolicyEstimate:
    """Estimate the mean calibrated score, corrected by the policy's own labels (AIPW, cross-fitted PPI).

    Use it wherever a policy has labels of its own: it is right even where the judge is wrong about the policy. Not
    where labels were chosen for cause.

    Parameters
    ----------
    judged
        The policy's answers.
    calibration, folds
        Learned from the labels of all policies, and the folds it was learned with.
    tuned
        Trust the calibrated score only as far as the labels bear it out (PPI++): lam is the slope of the label on
        the out-of-fold prediction, in [0, 1]. False takes lam = 1.

    Returns
    -------
    PolicyEstimate
        A policy with fewer than 5 labelled prompts falls back to "plug-in", with a warning. Where every answer is
        labelled the estimate is the mean label.

    Raises
    ------
    ArgumentError
        If `folds` has another number of folds than `calibration`.

    Notes
    -----
    value = lam mean f(S) + mean over labelled (Y - lam f_oof(S)). With known labelling propensities pi: mean of
    f(S) + L / pi (Y - f_oof(S)), lam = 1. Influence of row i: lam f(S_i) + L_i / p (Y_i - lam f_oof(S_i)), centred,
    with p the labelled share. The jackknife puts the curve without fold k in the mean and in the correction alike:
    what it gets wrong on average, the labels take back. O(n), and O(K) predictions of the labelled rows.

    References
    ----------
    Angelopoulos et al., "Prediction-powered inference", arXiv:2301.09633; "PPI++", arXiv:2311.01453. Landesberg and
    Narayan, "Causal Judge Evaluation", arXiv:2512.11150.

    Examples
    --------
    >>> from neff.evaluate.calibrating.calibration import calibrate
    >>> from neff.evaluate.judge.data import Judged
    >>> from neff.evaluate.calibrating.folds import balanced_folds
    >>> rng = np.random.default_rng(1)
    >>> score = rng.uniform(size=500)
    >>> truth = np.where(rng.uniform(size=500) < score, 1.0, 0.0)
    >>> label = np.where(np.arange(500) < 100, truth, np.nan)
    >>> prompt = np.arange(500)
    >>> folds = balanced_folds(500, prompt[:100], n_folds=20)
    >>> curve = calibrate(score, label, fold=folds.of(prompt), mode="monotone")
    >>> found = augmented(Judged("a", prompt, score, label), curve, folds)
    >>> round(found.value, 3), round(float(truth.mean()), 3), round(float(label[:100].mean()), 3)
    (0.456, 0.456, 0.48)
    """
    if calibration.n_folds != folds.n_folds:
        fix = "Give the folds that the calibration was learned with."
        raise ArgumentError("folds", f"of {calibration.n_folds} folds", folds.n_folds, fix, call="augmented")
    known = judged.labelled
    own_prompts = len(np.unique(judged.prompt[known]))
    if judged.n and bool(known.all()):
        return _all_labelled(judged, calibration, folds)
    if own_prompts < FEWEST_OWN:
        few = BORROWED if own_prompts == 0 else f"only {own_prompts} labelled prompt(s) of its own; {BORROWED}"
        found = plug_in(judged, calibration)
        return replace(found, warnings=(*found.warnings, few))
    fitted = calibration.predict(judged.score, judged.covariates)
    own = OwnLabels.of(judged, calibration, folds)
    tuned = tuned and judged.propensity is None
    weight = tuned_weight(own.held_out, own.label, own.prompt) if tuned else 1.0
    residual = own.inverse * (own.label - weight * own.held_out)
    plug, correction = float(fitted.mean()), float(residual.sum()) / judged.n
    scores_alone = weight * (fitted - plug)
    pseudo = scores_alone.copy()
    if judged.propensity is None:
        pseudo[known] += residual - own.inverse * correction
    else:  # no mean is taken of the labelled rows: how many there are is chance too
        pseudo[known] += residual
        pseudo -= correction
    prompt, influence = by_prompt(judged.prompt, pseudo)
    jackknife, without = own.left_out(calibration, calibration.fold_means(judged.score, judged.covariates), tuned=tuned)
    return PolicyEstimate(
        judged.policy,
        weight * plug + correction,
        prompt,
        influence,
        "augmented, known propensities" if judged.propensity is not None else f"augmented{', tuned' if tuned else ''}",
        jackknife=jackknife,
        n=judged.n,
        n_labelled=len(own.label),
        labelled=np.isin(prompt, own.prompt),
        n_parameters=2 if tuned else 1,
        split=_split(judged, scores_alone, without, weight * calibration.levels.moves(fitted)),
        components={"plug_in": plug, "correction": correction, "weight": weight},
    )


def _all_labelled(judged: Judged, calibration: Calibration, folds: FoldMap) -> PolicyEstimate:
    found = _mean(judged, judged.label, judged.labelled, None, "all labelled", Reason.EMPTY)
    fitted = calibration.predict(judged.score, judged.covariates)
    # The mean label is the mean calibrated score plus the mean residual: so it can be left out fold by fold as well.
    fold, n_folds = folds.of(judged.prompt), folds.n_folds
    means = calibration.fold_means(judged.score, judged.covariates)
    held_out = calibration.predict_out_of_fold(judged.score, fold, judged.covariates)
    rest = judged.n - np.bincount(fold, minlength=n_folds)
    labels = judged.label.sum() - np.bincount(fold, judged.label, minlength=n_folds)
    predicted = judged.n * means - np.bincount(fold, held_out, minlength=n_folds)
    with np.errstate(invalid="ignore", divide="ignore"):
        without = means + (labels - predicted) / rest
    return replace(found, split=_split(judged, fitted - fitted.mean(), without, calibration.levels.moves(fitted)))


def _split(
    judged: Judged, scores_alone: NDArray[np.float64], without: NDArray[np.float64], levels: NDArray[np.float64]
) -> Split | None:
    if not np.isfinite(without).all():  # all of the policy's labels lie in one fold
        return None
    return Split(by_prompt(judged.prompt, scores_alone)[1], without, levels)
