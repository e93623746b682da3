"""The unweighted average over tasks of judged policies: a `Contest` made of one contest per task."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from neff.errors import ArgumentError
from neff.evaluate.means.score import MACRO
from neff.evaluate.policy_contest import PolicyContest
from neff.evaluate.split import by_task
from neff.reasons import Reason
from neff.results import Comparison, Estimate
from neff.stats._special import two_sided_p
from neff.stats.cluster import welch_satterthwaite
from neff.stats.intervals import t_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neff.evaluate.calibrating.curve import CalibrationCurve
    from neff.evaluate.gating.gate import Gate
    from neff.evaluate.judge_options import JudgeOptions
    from neff.evaluate.options import Options
    from neff.evaluate.standing import Contest
    from neff.records import Records

__all__ = ["AverageContest", "policy_contests"]


@dataclass(frozen=True, slots=True)
class AverageContest:
    """Tasks with prompts of their own, each calibrated by itself: their variances add.

    Where tasks share clusters (`shared`) they do not, and the average has no standard error.
    """

    metric: str
    parts: tuple[Contest, ...]
    shared: bool = False
    task: str = MACRO

    @property
    def gates(self) -> tuple[Gate, ...]:
        """None of its own: those of the tasks stand with the tasks."""
        return ()

    @property
    def calibrations(self) -> tuple[CalibrationCurve, ...]:
        """None of its own: each task has its curve."""
        return ()

    def models(self) -> list[str]:
        """Return the policies, sorted by name."""
        return sorted(set().union(*(part.models() for part in self.parts)))

    def graded(self, model: str) -> bool:
        """Return whether the model is graded in every task."""
        return all(part.graded(model) for part in self.parts if model in part.models())

    def estimate(self, model: str, options: Options) -> Estimate:
        """Return the mean of one policy's task values; undefined where a task lacks it."""
        found = [part.estimate(model, options) for part in self.parts if model in part.models()]
        value, error, df, reason = self._average(found, [e.value for e in found])
        return Estimate(
            value=value,
            standard_error=error,
            interval=_interval(value, error, df, options.level),
            level=options.level,
            df=df,
            n=sum(e.n for e in found),
            n_items=sum(e.n_items for e in found),
            n_unscored=sum(e.n_unscored for e in found),
            method=f"mean of {len(self.parts)} task values",
            assumptions=("tasks have prompts and labels of their own", *found[0].assumptions),
            warnings=tuple(dict.fromkeys(w for e in found for w in e.warnings)),
            reason=reason,
            refused=next((f"{e.task}: {e.refused}" for e in found if e.refused), ""),
            task=self.task,
            model=model,
            metric=self.metric,
        )

    def compare(self, a: str, b: str, options: Options, margin: float, rng: np.random.Generator | None) -> Comparison:
        """Return the mean of the task differences a minus b."""
        both = [part for part in self.parts if {a, b} <= set(part.models())]
        found = [part.compare(a, b, options, 0.0, rng) for part in both]
        value, error, df, reason = self._average(found, [c.difference for c in found])
        return Comparison(
            a=a,
            b=b,
            difference=value,
            standard_error=error,
            interval=_interval(value, error, df, options.level),
            level=options.level,
            df=df,
            n_items=sum(c.n_items for c in found),
            n_unmatched=sum(c.n_unmatched for c in found),
            p_value=two_sided_p((value - margin) / error, df) if reason is None else math.nan,
            margin=margin,
            method=f"mean of {len(self.parts)} task differences, paired by prompt",
            reason=reason,
            task=self.task,
            metric=self.metric,
        )

    def _average(
        self, found: Sequence[Estimate] | Sequence[Comparison], values: Sequence[float]
    ) -> tuple[float, float, float, Reason | None]:
        if len(found) < len(self.parts) or not found:
            return math.nan, math.nan, math.nan, Reason.MISSING_TASK
        value = math.fsum(values) / len(values)
        if self.shared:
            return value, math.nan, math.nan, Reason.SHARED_CLUSTERS
        reason = next((part.reason for part in found if part.reason is not None), None)
        if reason is not None:
            return value, math.nan, math.nan, reason
        variances = [(part.standard_error / len(found)) ** 2 for part in found]
        df = welch_satterthwaite(variances, [part.df for part in found])
        return value, math.sqrt(math.fsum(variances)), df, None


def _interval(value: float, error: float, df: float, level: float) -> tuple[float, float]:
    if math.isnan(error):
        return math.nan, math.nan
    low, high, _ = t_interval(value, error, df=df, level=level)
    return low, high


def policy_contests(records: Records, judge: JudgeOptions, options: Options, rng: np.random.Generator) -> list[Contest]:
    """Return one contest per (task, metric), after one average per metric that has several tasks."""
    by_metric: dict[str, list[Contest]] = {}
    for task, metric, rows in by_task(records):
        contest = PolicyContest.of(task, metric, rows, judge, options.n_resamples, rng)
        by_metric.setdefault(metric, []).append(contest)
    if options.aggregate == "micro" and any(len(parts) > 1 for parts in by_metric.values()):
        raise ArgumentError(
            "aggregate",
            "'macro' or 'none' for calibrated means",
            "micro",
            "Leave out task= to count every item once.",
            call="evaluate",
        )
    contests: list[Contest] = []
    for metric, parts in by_metric.items():
        if len(parts) > 1 and options.aggregate == "macro":
            contests.append(AverageContest(metric, tuple(parts), _share_clusters(records)))
        contests += parts
    return contests


def _share_clusters(records: Records) -> bool:
    """Return whether a named cluster has items of several tasks."""
    if not records.clusters:
        return False
    cluster = records.clusters[0].codes.astype(np.int64)
    pairs = np.unique(cluster * records.task.n_levels + records.task.codes)
    return len(pairs) > len(np.unique(cluster))
