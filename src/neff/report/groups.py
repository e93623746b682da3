"""One (task, metric) of an evaluation, with what every sentence, table and chart about it needs."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from neff.report.charts import Cell, DifferenceMatrix, ForestPlot, ForestRow, Standing, difference_step
from neff.report.text import Name, digits_for
from neff.results import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neff.evaluate.result import Evaluation
    from neff.results import Comparison, Estimate

__all__ = ["AVERAGES", "Group", "decided", "groups", "main_group", "same_pair"]

AVERAGES = ("macro average", "micro average")  # neff.evaluate.means.MACRO and MICRO, without importing numpy


def decided(comparison: Comparison) -> bool | None:
    """Return whether the two models were told apart; None where nothing could be tested."""
    if comparison.verdict in (Verdict.HOLDS, Verdict.FAILS):
        return True
    return False if comparison.verdict is Verdict.UNDECIDED else None


@dataclass(frozen=True, slots=True)
class Group:
    """The estimates and comparisons of one task and metric.

    Attributes
    ----------
    task, metric
        What was measured; `title` is what to call it among the other groups.
    estimates, comparisons
        As in the evaluation: best model first.
    tied
        As in the evaluation: the best and all that are not told from it, compared or not. Empty where not
        all pairs were compared.
    to_best
        For each other model its comparison with the best, as model minus best.
    digits
        Decimals at which the numbers are printed.
    """

    task: str
    metric: str
    title: tuple[str, ...]
    estimates: tuple[Estimate, ...]
    comparisons: tuple[Comparison, ...]
    tied: tuple[str, ...]
    to_best: dict[str, Comparison]
    level: float
    correction: str
    lower_is_better: bool
    digits: int

    @property
    def best(self) -> Estimate | None:
        """The best model, or None where no score is defined, or the level of each is refused."""
        known = [e for e in self.estimates if math.isfinite(e.value) and not e.refused]
        named = [e for e in known if e.model in self.tied[:1]]
        return next(iter(named or known), None)

    def standing(self, estimate: Estimate) -> Standing:
        """Return how a model stands to the best: best, tied, behind, refused, or "" where that is not known."""
        if estimate.refused:
            return "refused"
        best = self.best
        if best is None or not math.isfinite(estimate.value):
            return ""
        if estimate.model == best.model:
            return "best"
        comparison = self.to_best.get(estimate.model)
        if comparison is None or math.isnan(comparison.difference):
            return ""
        if self.tied:
            return "tied" if estimate.model in self.tied else "behind"
        return "behind" if decided(comparison) else "tied"

    @property
    def not_told_apart(self) -> tuple[str, ...]:
        """The models that were compared with the best and cannot be told from it, in order of their scores."""
        return tuple(e.model for e in self.estimates if self.standing(e) == "tied")

    @property
    def behind(self) -> int:
        """How many models are told apart from the best."""
        return sum(self.standing(e) == "behind" for e in self.estimates)

    @property
    def is_average(self) -> bool:
        """Whether this group averages over the tasks."""
        return self.task in AVERAGES

    def forest(self) -> ForestPlot:
        """Return the forest plot of the scores."""
        rows = tuple(
            ForestRow(e.model, e.value, *e.interval, self.standing(e), str(e.reason or e.refused))
            for e in self.estimates
        )
        best = self.best
        axis = (self.metric or "score") + (" (lower is better)" if self.lower_is_better else "")
        reference = best.value if best is not None and len(rows) > 1 else None
        return ForestPlot(rows, axis, self.level, self.digits, reference)

    def matrix(self) -> DifferenceMatrix:
        """Return the differences between all pairs."""
        models = tuple(e.model for e in self.estimates)
        place = {model: i for i, model in enumerate(models)}
        cells = {}
        for c in self.comparisons:
            if c.a not in place or c.b not in place or c.a == c.b:
                continue
            i, j = place[c.a], place[c.b]
            turned = c if i < j else reverse(c)
            reason = "" if c.reason is None else str(c.reason)
            cells[min(i, j), max(i, j)] = Cell(
                turned.difference, *turned.interval, turned.p_adjusted, decided(c), reason
            )
        better = "lower" if self.lower_is_better else "higher"
        step = difference_step([c.difference for c in self.comparisons])
        return DifferenceMatrix(models, cells, self.digits, better, step)  # type: ignore[arg-type]


def reverse(comparison: Comparison) -> Comparison:
    """Return b minus a. Unlike `Comparison.swapped` it keeps the verdict, which a margin ties to a direction."""
    low, high = comparison.interval
    return replace(
        comparison, a=comparison.b, b=comparison.a, difference=-comparison.difference, interval=(-high, -low)
    )


def same_pair(parts: Sequence[Group]) -> tuple[str, str, list[Comparison]] | None:
    """Return a, b and the comparison a minus b of every group, where all groups compare the same two models.

    The better model comes first in each group, so some comparisons are turned round; with a declared margin, which
    has a direction, that cannot be done, and the answer is None.
    """
    if not all(len(g.comparisons) == 1 and len(g.estimates) == 2 for g in parts):
        return None
    first = parts[0].comparisons[0]
    found = []
    for c in (g.comparisons[0] for g in parts):
        if (c.a, c.b) == (first.a, first.b):
            found.append(c)
        elif (c.a, c.b) == (first.b, first.a) and not c.margin:
            found.append(c.swapped())
        else:
            return None
    return first.a, first.b, found


def groups(evaluation: Evaluation) -> list[Group]:
    """Return the groups of an evaluation, in the order of its estimates."""
    estimates: dict[tuple[str, str], list[Estimate]] = {}
    comparisons: dict[tuple[str, str], list[Comparison]] = {}
    for estimate in evaluation.estimates:
        estimates.setdefault((estimate.task, estimate.metric), []).append(estimate)
    for comparison in evaluation.comparisons:
        comparisons.setdefault((comparison.task, comparison.metric), []).append(comparison)
    many_tasks = len({task for task, _ in estimates}) > 1
    many_metrics = len({metric for _, metric in estimates}) > 1
    result = []
    for (task, metric), members in estimates.items():
        title = [Name(task)] if task and (many_tasks or not many_metrics) else []
        title += [Name(metric)] if metric and many_metrics else []
        group = Group(
            task=task,
            metric=metric,
            title=tuple(part for i, name in enumerate(title) for part in ((" · ", name) if i else (name,))),
            estimates=tuple(members),
            comparisons=tuple(comparisons.get((task, metric), ())),
            tied=evaluation.tied(task, metric),
            to_best={},
            level=evaluation.level,
            correction=evaluation.correction,
            lower_is_better=metric in evaluation.lower_is_better,
            digits=digits_for([e.standard_error for e in members], [e.value for e in members]),
        )
        best = group.best
        if best is not None:
            for c in group.comparisons:
                if best.model in (c.a, c.b):
                    turned = c if c.b == best.model else reverse(c)
                    group.to_best[turned.a] = turned
        result.append(group)
    return result


def main_group(parts: Sequence[Group]) -> Group | None:
    """Return the only group, or the only average over tasks that has a best model; else None."""
    chosen = parts if len(parts) == 1 else [g for g in parts if g.is_average]
    return chosen[0] if len(chosen) == 1 and (len(parts) == 1 or chosen[0].best is not None) else None
