"""From judged and logged answers to one estimate per policy, with the gates that say whether its level may be read.

The policies share one calibrator, learned from all labels; each is corrected by its own labels where it has them. A
target that gave no answers of its own is estimated from logged answers, where their overlap allows it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

import numpy as np

from neff.errors import RecordsError
from neff.evaluate.answers import Answers, judged_policies, logged_answers
from neff.evaluate.calibrating.calibration import Calibration, calibrate
from neff.evaluate.calibrating.folds import FoldMap, balanced_folds, hash_folds
from neff.evaluate.gating.coverage import coverage
from neff.evaluate.gating.gates import gates_for_direct, gates_for_off_policy
from neff.evaluate.judge.direct import DirectMethod, direct, judge_mean, labels_only
from neff.evaluate.judge.ppi import ppi, ppi_plus_plus
from neff.evaluate.off_policy.estimators import OffPolicyMethod, off_policy
from neff.evaluate.off_policy.overlap import Overlap, overlap
from neff.evaluate.refitting.refit import RefitBootstrap, bootstrap_refit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from neff.evaluate.gating.gate import Gate
    from neff.evaluate.judge.data import Judged
    from neff.evaluate.judge.estimate import PolicyEstimate
    from neff.evaluate.judge_options import JudgeOptions
    from neff.evaluate.off_policy.data import Logged
    from neff.records import Records

__all__ = ["Policies", "estimate_policies"]

MOST_FOLDS = 20
"""Folds of the jackknife: 20 give the coverage of 5 with intervals 12 to 18 per cent narrower."""

PUBLISHED_FOLDS = 5
"""Folds, by a hash of the prompt's name, of the off-policy methods that exist to reproduce published numbers."""

_DEFAULTS = ("dr", "augmented-snips", "snips", "ips")
_PLAIN: dict[str, Callable[[Judged], PolicyEstimate]] = {
    "labels": labels_only,
    "judge": judge_mean,
    "ppi": ppi,
    "ppi++": ppi_plus_plus,
}


@dataclass(frozen=True, slots=True, eq=False)
class Policies:
    """Every policy of one (task, metric), estimated.

    Attributes
    ----------
    estimates, answers
        By policy; a target without answers of its own is not in `answers`.
    logged_items
        By target: item codes of the logged answers that stand for it.
    gates
        Diagnostics of all policies.
    calibration, resampled
        None where the estimator needs none.
    """

    estimates: Mapping[str, PolicyEstimate]
    answers: Mapping[str, Answers]
    logged_items: Mapping[str, NDArray[np.int32]]
    gates: tuple[Gate, ...]
    calibration: Calibration | None
    resampled: RefitBootstrap | None


def estimate_policies(
    records: Records, options: JudgeOptions, *, n_resamples: int, rng: np.random.Generator
) -> Policies:
    """Calibrate once, estimate every policy, and judge every level."""
    answers = {found.judged.policy: found for found in judged_policies(records, options)}
    judged = {policy: found.judged for policy, found in answers.items()}
    logged, items = logged_answers(records, options)
    if options.estimator in _PLAIN:
        plain = {policy: _PLAIN[options.estimator](part) for policy, part in judged.items()}
        return Policies(plain, answers, items, (), None, None)
    names = records.clusters[0].levels if records.clusters else records.item.levels
    method = next((name for name in get_args(OffPolicyMethod) if name == options.estimator), None)
    published = method is not None and method not in _DEFAULTS
    calibration, folds = _calibrated(list(judged.values()), options, names if published else None)
    resampled = None
    if options.inference == "bootstrap":
        resampled = bootstrap_refit(list(judged.values()), folds, scale=options.scale, n_resamples=n_resamples, rng=rng)
    labelled = np.concatenate([part.score[part.labelled] for part in judged.values()])
    estimates: dict[str, PolicyEstimate] = {}
    gates: list[Gate] = []
    for policy, part in judged.items():
        if method is not None and policy in logged:
            continue
        found = direct(part, calibration, folds, method=_direct(options.estimator))
        estimates[policy] = found
        reach = coverage(part, calibration, labelled_score=labelled)
        gates += gates_for_direct(reach, corrected=found.method.startswith("augmented"))
    for policy, seen in logged.items():
        if policy in estimates:  # its own answers say more than weighted answers of another
            continue
        fresh = judged.get(policy)
        estimates[policy] = off_policy(seen, calibration=calibration, folds=folds, fresh=fresh, method=method)
        gates += gates_for_off_policy(_overlap(seen, fresh))
    return Policies(estimates, answers, items, tuple(gates), calibration, resampled)


def _overlap(seen: Logged, fresh: Judged | None) -> Overlap:
    return overlap(
        seen.log_prob,
        seen.target_log_prob,
        policy=seen.policy,
        score=seen.score,
        fresh_score=None if fresh is None else fresh.score,
    )


def _direct(estimator: str) -> DirectMethod:
    if estimator == "plug-in":
        return "plug-in"
    return "augmented-tuned" if estimator == "augmented-tuned" else "augmented"


def _calibrated(
    policies: Sequence[Judged], options: JudgeOptions, names: Sequence[str] | None
) -> tuple[Calibration, FoldMap]:
    """Fit the calibrator; with the names of the prompts on the published folds."""
    score = np.concatenate([p.score for p in policies])
    label = np.concatenate([p.label for p in policies])
    prompt = np.concatenate([p.prompt for p in policies])
    covariates = [p.covariates for p in policies if p.covariates is not None]
    propensity = [p.propensity for p in policies if p.propensity is not None]
    known = ~np.isnan(label)
    n_prompts = len(np.unique(prompt[known]))
    if n_prompts < 2:
        raise RecordsError(
            f"{n_prompts} prompt(s) have a label: a calibrator cannot be learned, nor its error measured.",
            "Label more prompts, drawn at random, or use estimator='judge' for the plain mean of the scores.",
        )
    n_folds = options.n_folds or (PUBLISHED_FOLDS if names is not None else min(MOST_FOLDS, n_prompts))
    if names is None:
        folds = balanced_folds(int(prompt.max()) + 1, prompt[known], n_folds=n_folds)
    else:
        folds = FoldMap(hash_folds(names, n_folds=n_folds), n_folds)
    fit = calibrate(
        score,
        label,
        fold=folds.of(prompt),
        covariates=np.concatenate(covariates) if covariates else None,
        mode="monotone" if options.inference == "bootstrap" or names is not None else options.mode,
        scale=options.scale,
        weights=None if not propensity else 1.0 / np.concatenate(propensity),
        n_folds=folds.n_folds,
        prompt=prompt,
    )
    return fit, folds
