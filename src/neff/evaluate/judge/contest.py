"""One (task, metric) of judged records: from rows to estimates and comparisons, a `Contest` of policies.

The policies share one calibrator, learned from all labels; each is corrected by its own labels where it has them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np

from neff.errors import ArgumentError, RecordsError
from neff.evaluate.judge.calibration import Calibration, Mode, calibrate
from neff.evaluate.judge.columns import Answers, judged_policies
from neff.evaluate.judge.direct import DirectMethod, direct, judge_mean, labels_only
from neff.evaluate.judge.folds import FoldMap, balanced_folds
from neff.evaluate.judge.inference import Inference, infer, infer_difference
from neff.evaluate.judge.ppi import ppi, ppi_plus_plus
from neff.evaluate.judge.refit import RefitBootstrap, bootstrap_refit
from neff.results import Comparison, Estimate
from neff.stats._options import check_choice
from neff.stats._special import two_sided_p

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from neff.evaluate.judge.data import Judged
    from neff.evaluate.judge.estimate import PolicyEstimate
    from neff.evaluate.options import Options
    from neff.records import Records

__all__ = ["Estimator", "JudgeOptions", "JudgedContest"]

Estimator: TypeAlias = Literal["augmented", "augmented-tuned", "plug-in", "labels", "judge", "ppi", "ppi++"]

MOST_FOLDS = 20
"""Folds of the jackknife: 20 give the coverage of 5 with intervals 12 to 18 per cent narrower."""

N_EFF_OF = "labelled answers alone"

_PLAIN: dict[str, Callable[[Judged], PolicyEstimate]] = {
    "labels": labels_only,
    "judge": judge_mean,
    "ppi": ppi,
    "ppi++": ppi_plus_plus,
}


@dataclass(frozen=True, slots=True)
class JudgeOptions:
    """How to use the labels; see `evaluate` for the meaning of each."""

    estimator: Estimator = "augmented"
    scale: tuple[float, float] = (0.0, 1.0)
    mode: Mode = "auto"
    covariates: tuple[str, ...] = ()
    propensity: str | None = None
    n_folds: int | None = None
    inference: Literal["analytic", "bootstrap"] = "analytic"

    def __post_init__(self) -> None:
        check_choice(self.estimator, get_args(Estimator), argument="estimator", call="evaluate")
        check_choice(self.mode, get_args(Mode), argument="mode", call="evaluate")
        check_choice(self.inference, ("analytic", "bootstrap"), argument="inference", call="evaluate")
        if self.n_folds is not None and self.n_folds < 2:
            raise ArgumentError("n_folds", "at least 2", self.n_folds, "Use 20.", call="evaluate")
        if self.inference == "bootstrap" and (self.estimator != "augmented" or self.covariates):
            raise ArgumentError(
                "inference",
                "'analytic' for this estimator",
                self.inference,
                "The bootstrap refits the monotone calibrator of estimator='augmented' without covariates.",
                call="evaluate",
            )


@dataclass(frozen=True, slots=True, eq=False)
class JudgedContest:
    """The policies of one (task, metric), estimated."""

    task: str
    metric: str
    answers: Mapping[str, Answers]
    clustered: bool
    estimates: Mapping[str, PolicyEstimate]
    calibration: Calibration | None
    resampled: RefitBootstrap | None

    @classmethod
    def of(
        cls, task: str, metric: str, records: Records, options: JudgeOptions, n_resamples: int, rng: np.random.Generator
    ) -> JudgedContest:
        """Calibrate once, estimate every policy."""
        answers = {found.judged.policy: found for found in judged_policies(records, options)}
        policies = [found.judged for found in answers.values()]
        calibration = folds = resampled = None
        if options.estimator in _PLAIN:
            found = {p.policy: _PLAIN[options.estimator](p) for p in policies}
        else:
            calibration, folds = _calibrated(policies, options)
            found = {p.policy: direct(p, calibration, folds, method=_direct(options.estimator)) for p in policies}
            if options.inference == "bootstrap":
                resampled = bootstrap_refit(policies, folds, scale=options.scale, n_resamples=n_resamples, rng=rng)
        return cls(task, metric, answers, bool(records.clusters), found, calibration, resampled)

    def models(self) -> list[str]:
        """Return the policies, sorted by name."""
        return sorted(self.estimates)

    def estimate(self, model: str, options: Options) -> Estimate:
        """Return one policy's estimate in the shape of every other room."""
        part = self.estimates[model]
        found = self._inferred(model, options.level)
        answers = self.answers[model]
        labels = answers.judged.label[answers.judged.labelled]
        variance = float(labels.var(ddof=1)) if len(labels) > 1 else math.nan
        return Estimate(
            value=found.value,
            standard_error=found.standard_error,
            interval=found.interval,
            level=options.level,
            df=found.df,
            n=part.n,
            n_items=len(answers.items),
            n_clusters=found.n_clusters if self.clustered else None,
            n_unscored=answers.n_unscored,
            n_eff=variance / found.standard_error**2 if found.reason is None and variance > 0 else math.nan,
            n_eff_of=N_EFF_OF,
            method=self._method(part),
            assumptions=("labels were drawn at random", "prompts are a random sample and independent of each other"),
            warnings=part.warnings,
            reason=found.reason,
            components={
                **part.components,
                "oracle_share": found.oracle_share,
                "n_labelled": float(part.n_labelled),
            },
            task=self.task,
            model=model,
            metric=self.metric,
        )

    def _method(self, part: PolicyEstimate) -> str:
        if self.calibration is None:
            return part.method
        how = "refit bootstrap" if self.resampled is not None else "prompts plus jackknife over the calibrator's folds"
        labels = self.calibration.quality.n_labelled
        return f"{part.method} mean, {self.calibration.mode} calibration of {labels:,} labels, {how}"

    def _inferred(self, policy: str, level: float) -> Inference:
        found = infer(self.estimates[policy], level=level)
        if self.resampled is None or found.reason is not None:
            return found
        error = float(self.resampled.standard_errors()[self.resampled.policies.index(policy)])
        low, high = self.resampled.interval(policy, level=level)
        return Inference(found.value, error, math.inf, (low, high), found.n_clusters, found.oracle_share)

    def compare(self, a: str, b: str, options: Options, margin: float, rng: np.random.Generator | None) -> Comparison:
        """Return the difference a minus b, paired by prompt, unadjusted; the p-value is of difference = margin."""
        del rng
        level = options.level
        found = infer_difference(self.estimates[a], self.estimates[b], level=level)
        mine, other = self.answers[a].items, self.answers[b].items
        common = len(np.intersect1d(mine, other))
        error, interval, p_value, df = found.standard_error, found.interval, math.nan, found.df
        if self.resampled is not None and found.reason is None:
            columns = [self.resampled.means[:, self.resampled.policies.index(m)] for m in (a, b)]
            error, df = float((columns[0] - columns[1]).std(ddof=1)), math.inf
            interval = self.resampled.interval(a, b, level=level)
        if found.reason is None:
            p_value = two_sided_p((found.value - margin) / error, df)
        return Comparison(
            a=a,
            b=b,
            difference=found.value,
            standard_error=error,
            interval=interval,
            level=level,
            df=df,
            n_items=common,
            n_clusters=found.n_clusters if self.clustered else None,
            n_unmatched=len(mine) + len(other) - 2 * common,
            correlation=found.correlation,
            p_value=p_value,
            margin=margin,
            method="difference paired by prompt, one calibrator for both"
            if self.calibration is not None
            else "difference paired by prompt",
            reason=found.reason,
            task=self.task,
            metric=self.metric,
        )


def _direct(estimator: str) -> DirectMethod:
    return "plug-in" if estimator == "plug-in" else "augmented-tuned" if estimator == "augmented-tuned" else "augmented"


def _calibrated(policies: Sequence[Judged], options: JudgeOptions) -> tuple[Calibration, FoldMap]:
    score = np.concatenate([p.score for p in policies])
    label = np.concatenate([p.label for p in policies])
    prompt = np.concatenate([p.prompt for p in policies])
    covariates = [p.covariates for p in policies if p.covariates is not None]
    known = ~np.isnan(label)
    n_prompts = len(np.unique(prompt[known]))
    if n_prompts < 2:
        raise RecordsError(
            f"{n_prompts} prompt(s) have a label: a calibrator cannot be learned, nor its error measured.",
            "Label more prompts, drawn at random, or use estimator='judge' for the plain mean of the scores.",
        )
    folds = balanced_folds(int(prompt.max()) + 1, prompt[known], n_folds=options.n_folds or min(MOST_FOLDS, n_prompts))
    fit = calibrate(
        score,
        label,
        fold=folds.of(prompt),
        covariates=np.concatenate(covariates) if covariates else None,
        mode="monotone" if options.inference == "bootstrap" else options.mode,
        scale=options.scale,
        n_folds=folds.n_folds,
        prompt=prompt,
    )
    return fit, folds
