"""What the example shows: intervals from few labels hold the truth; the mean of a cheap judge may not."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np

from neff.example.files import path, truth
from neff.results import Column, Table, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from neff.evaluate.result import Evaluation
    from neff.results import Comparison, Estimate

__all__ = ["Demonstration", "demonstrate"]


@dataclass(frozen=True, slots=True)
class Demonstration:
    """Two evaluations of the bundled example, held against the truth.

    Attributes
    ----------
    labels
        Evaluation from the labelled answers: few, but right.
    judge
        Evaluation from the judge's scores: many, but not accuracies.
    truth
        Exact expected accuracy by model.
    """

    labels: Evaluation
    judge: Evaluation
    truth: Mapping[str, float]

    @property
    def about(self) -> str:
        """What the data are, in two sentences."""
        few, many = self.labels.estimates[0].n_items, self.judge.estimates[0].n_items
        return (
            f"Six classifiers read {many} handwritten digits, drawing two answers each; a cheap judge scored "
            f"every answer, and labels say which are right on {few} of the digits. The models are softmax "
            "policies, so their true accuracy is known exactly and every interval below can be checked."
        )

    @property
    def tied(self) -> tuple[str, ...]:
        """The models that cannot be told from the best on the labelled answers, the best first."""
        first = self.labels.estimates[0]
        return self.labels.tied(first.task, first.metric)

    @property
    def pair(self) -> Comparison:
        """The surest difference by labels that the judge's means turn round; else the best and the worst model."""
        turned = [c for c in self.labels.comparisons if c.verdict is Verdict.HOLDS and self.judged(c.a, c.b) < 0]
        if turned:
            return min(turned, key=lambda c: c.p_value)
        return self.labels.comparison(self.labels.estimates[0].model, self.labels.estimates[-1].model)

    @property
    def misled(self) -> tuple[str, ...]:
        """The models whose truth lies outside the interval of the judge's mean."""
        return tuple(e.model for e in self.judge.estimates if not self._inside(e))

    def _inside(self, estimate: Estimate) -> bool:
        low, high = estimate.interval
        return low <= self.truth[estimate.model] <= high

    def judged(self, a: str, b: str) -> float:
        """Return the judge's mean of a minus that of b."""
        return self.judge.estimate(a).value - self.judge.estimate(b).value

    def table(self) -> Table:
        """Return one row per model: truth, estimate from labels, and the judge's mean beside it."""
        percent = f"{100 * self.labels.level:g}%"
        columns = (
            Column("model", "Model"),
            Column("truth", "Truth", "number", help="exact expected accuracy"),
            Column("value", "Labels", "number", help="mean over the labelled images"),
            Column("interval", f"{percent} interval", "interval"),
            Column("n_eff", "n_eff", "count", help="independent items with one draw, as precise"),
            Column("inside", "Truth inside"),
            Column("judge", "Judge", "number", help="mean of the judge's scores over all images"),
            Column("judge_interval", f"{percent} interval", "interval"),
            Column("judge_inside", "Truth inside"),
        )
        rows = []
        for estimate in self.labels.estimates:
            judged = self.judge.estimate(estimate.model)
            rows.append(
                (
                    estimate.model,
                    self.truth[estimate.model],
                    estimate.value,
                    estimate.interval,
                    estimate.n_eff,
                    "yes" if self._inside(estimate) else "NO",
                    judged.value,
                    judged.interval,
                    "yes" if self._inside(judged) else "NO",
                )
            )
        return Table(columns, tuple(rows), "The bundled example against its known truth")

    def __str__(self) -> str:
        pair, misled = self.pair, ", ".join(self.misled)
        warning = (
            f"The judge's mean misses the truth of {misled}: its scores are cheap, but their mean is not an "
            "accuracy, and its narrow interval does not know that."
        )
        answer = (
            f"{pair}. The truth is {self.truth[pair.a] - self.truth[pair.b]:+.4f}; the judge's means say "
            f"{self.judged(pair.a, pair.b):+.4f}."
        )
        tied = f"Not told from the best ({self.tied[0]}): {', '.join(self.tied[1:]) or 'none'}."
        parts = [self.about, str(self.table()), tied, answer]
        return "\n\n".join(_wrapped(part) for part in ([*parts, warning] if misled else parts))


def _wrapped(text: str) -> str:
    return text if "\n" in text else fill(text, 110)


def demonstrate(*, level: float = 0.95) -> Demonstration:
    """Evaluate the bundled example twice, from its labels and from its judge, and keep the truth beside both.

    Use it to see what an evaluation looks like and whether its intervals hold what they promise; `neff demo`
    prints it.

    Parameters
    ----------
    level
        Confidence level of the intervals.

    Returns
    -------
    Demonstration
        Both evaluations and the truth.

    Raises
    ------
    ArgumentError
        If `level` is not between 0 and 1.

    Notes
    -----
    The labelled images are a random quarter of the 500 that the truth is about, so the standard errors of the
    labelled means are a little too large for it, never too small.

    Examples
    --------
    >>> demonstrate().misled
    ('logistic', 'bayes', 'lowres', 'forest')
    """
    from neff.evaluate import evaluate
    from neff.records import read

    labelled = read(path("fresh"), item="item", model="model", draw="draw", score="label")
    labelled = labelled.take(~np.isnan(labelled.score))
    judged = read(path("fresh"), item="item", model="model", draw="draw", score="score")
    return Demonstration(evaluate(labelled, level=level), evaluate(judged, level=level), truth())
