"""Policies with a judge, labels and logs as a `Contest`: their estimates in the shape of every other room."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from neff.evaluate.calibrating.curve import CalibrationCurve, calibration_curve
from neff.evaluate.gating.gate import flagged
from neff.evaluate.judge.inference import Inference, infer, infer_difference
from neff.evaluate.policies import Policies, estimate_policies
from neff.results import Comparison, Estimate
from neff.stats._special import two_sided_p

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from neff.evaluate.gating.gate import Gate
    from neff.evaluate.judge.estimate import PolicyEstimate
    from neff.evaluate.judge_options import JudgeOptions
    from neff.evaluate.options import Options
    from neff.records import Records

__all__ = ["PolicyContest"]

N_EFF_OF = "labelled answers alone"

UNGRADED = (
    "not graded: no label corrects the judge for one of the two, and no interval covers a judge that is wrong about it"
)

UNCORRECTED = frozenset(
    {"judge mean", "plug-in", "snips", "ips", "raw-ips", "simcal-ips", "dr-cpo", "mrdr", "tmle", "stacked-dr"}
)
"""Estimators in whose values no label stands beside its own calibrated score."""


@dataclass(frozen=True, slots=True, eq=False)
class PolicyContest:
    """The policies of one (task, metric)."""

    task: str
    metric: str
    policies: Policies
    clustered: bool

    @classmethod
    def of(
        cls, task: str, metric: str, records: Records, options: JudgeOptions, n_resamples: int, rng: np.random.Generator
    ) -> PolicyContest:
        """Calibrate once, estimate every policy."""
        policies = estimate_policies(records, options, n_resamples=n_resamples, rng=rng)
        return cls(task, metric, policies, bool(records.clusters))

    @property
    def gates(self) -> tuple[Gate, ...]:
        """Diagnostics of all policies, and what they mean for their levels."""
        return tuple(replace(gate, task=self.task, metric=self.metric) for gate in self.policies.gates)

    @property
    def calibrations(self) -> tuple[CalibrationCurve, ...]:
        """The curve that all policies share, and the labels behind it."""
        if self.policies.calibration is None:
            return ()
        judged = [found.judged for found in self.policies.answers.values()]
        return (calibration_curve(self.policies.calibration, judged, task=self.task, metric=self.metric),)

    def models(self) -> list[str]:
        """Return the policies, sorted by name."""
        return sorted(self.policies.estimates)

    def graded(self, model: str) -> bool:
        """Return False where the judge alone speaks: nothing measures how wrong it is about this policy."""
        return self.policies.estimates[model].method.partition(",")[0] not in UNCORRECTED

    def estimate(self, model: str, options: Options) -> Estimate:
        """Return one policy's estimate in the shape of every other room."""
        part = self.policies.estimates[model]
        found = self._inferred(model, options.level)
        answers = self.policies.answers.get(model)
        # Precision beside labels alone is a question only where labels of its own correct the value.
        variance = answers.label_variance if answers is not None and self.graded(model) else math.nan
        gates = [gate for gate in self.policies.gates if gate.policy == model]
        return Estimate(
            value=found.value,
            standard_error=found.standard_error,
            interval=found.interval,
            level=options.level,
            df=found.df,
            n=part.n,
            n_items=len(self._items(model)),
            n_clusters=found.n_clusters if self.clustered else None,
            n_unscored=0 if answers is None else answers.n_unscored,
            n_eff=variance / found.standard_error**2 if found.reason is None and variance > 0 else math.nan,
            n_eff_of=N_EFF_OF,
            method=self._method(part),
            assumptions=self._assumptions(part),
            warnings=(
                *part.warnings,
                *(() if self.policies.calibration is None else self.policies.calibration.warnings),
                *self._left_out(part),
                *(gate.sentence for gate in gates if gate.state == "warn" and gate.quantity != "own_labels"),
            ),
            reason=found.reason,
            refused="; ".join(flagged(gates).get(model, ())),
            components={
                **part.components,
                "oracle_share": found.oracle_share,
                "n_labelled": float(part.n_labelled),
            },
            task=self.task,
            model=model,
            metric=self.metric,
        )

    def _assumptions(self, part: PolicyEstimate) -> tuple[str, ...]:
        unit = "clusters of prompts are" if self.clustered else "prompts are"
        sampled = f"{unit} a random sample and independent of each other"
        return (sampled,) if part.method == "judge mean" else ("labels were drawn at random", sampled)

    def _left_out(self, part: PolicyEstimate) -> tuple[str, ...]:
        """Say how many logged answers a target could not use."""
        if not part.n_dropped:
            return ()
        logged = part.n + part.n_dropped
        return (f"{part.n_dropped:,} of {logged:,} logged answers have no log-probability for it: left out.",)

    def _items(self, model: str) -> NDArray[np.int32]:
        answers = self.policies.answers.get(model)
        return self.policies.logged_items[model] if answers is None else answers.items

    def _method(self, part: PolicyEstimate) -> str:
        if self.policies.calibration is None:
            return part.method
        how = (
            "refit bootstrap"
            if self.policies.resampled is not None
            else "prompts plus jackknife over the calibrator's folds"
        )
        labels = self.policies.calibration.quality.n_labelled
        return f"{part.method} mean, {self.policies.calibration.mode} calibration of {labels:,} labels, {how}"

    def _inferred(self, policy: str, level: float) -> Inference:
        found = infer(self.policies.estimates[policy], level=level)
        if self.policies.resampled is None or found.reason is not None:
            return found
        error = float(self.policies.resampled.standard_errors()[self.policies.resampled.policies.index(policy)])
        low, high = self.policies.resampled.interval(policy, level=level)
        return Inference(found.value, error, math.inf, (low, high), found.n_clusters, found.oracle_share)

    def compare(self, a: str, b: str, options: Options, margin: float, rng: np.random.Generator | None) -> Comparison:
        """Return the difference a minus b, paired by prompt, unadjusted; the p-value is of difference = margin."""
        del rng
        level = options.level
        found = infer_difference(self.policies.estimates[a], self.policies.estimates[b], level=level)
        mine, other = self._items(a), self._items(b)
        common = len(np.intersect1d(mine, other))
        error, interval, p_value, df = found.standard_error, found.interval, math.nan, found.df
        if self.policies.resampled is not None and found.reason is None:
            columns = [self.policies.resampled.means[:, self.policies.resampled.policies.index(m)] for m in (a, b)]
            error, df = float((columns[0] - columns[1]).std(ddof=1)), math.inf
            interval = self.policies.resampled.interval(a, b, level=level)
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
            warnings=() if self.graded(a) and self.graded(b) else (UNGRADED,),
            method="difference paired by prompt, one calibrator for both"
            if self.policies.calibration is not None
            else "difference paired by prompt",
            reason=found.reason,
            task=self.task,
            metric=self.metric,
        )
