"""What the example shows: few labels are right but wide, a cheap judge is narrow but wrong, calibration is both."""

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
    """Three evaluations of the bundled example, held against the truth.

    Attributes
    ----------
    labels
        Evaluation from the labelled answers: few, but right.
    judge
        Evaluation from the judge's scores: many, but not accuracies.
    calibrated
        Evaluation from both: every score, calibrated and corrected by the labels.
    truth
        Exact expected accuracy by model.
    """

    labels: Evaluation
    judge: Evaluation
    calibrated: Evaluation
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
        """The models that cannot be told from the best after calibration, the best first."""
        first = self.calibrated.estimates[0]
        return self.calibrated.tied(first.task, first.metric)

    @property
    def pair(self) -> Comparison:
        """The surest difference that the judge's means turn round; else the best and the worst model."""
        turned = [c for c in self.calibrated.comparisons if c.verdict is Verdict.HOLDS and self.judged(c.a, c.b) < 0]
        if turned:
            return min(turned, key=lambda c: c.p_value)
        return self.calibrated.comparison(self.calibrated.estimates[0].model, self.calibrated.estimates[-1].model)

    @property
    def narrower(self) -> float:
        """How much narrower the calibrated intervals are than those from labels alone: a share, median over models."""
        ratios = []
        for estimate in self.calibrated.estimates:
            alone = self.labels.estimate(estimate.model).interval
            ratios.append((estimate.interval[1] - estimate.interval[0]) / (alone[1] - alone[0]))
        return 1 - float(np.median(ratios))

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
            Column("truth", "Truth", "number", 3, help="exact expected accuracy"),
            *(
                column
                for name, title, told in (
                    ("labels", "Labels", "mean over the labelled images"),
                    ("judge", "Judge", "mean of the judge's scores over all images"),
                    ("calibrated", "Calibrated", "mean of the calibrated scores, corrected by the labels"),
                )
                for column in (
                    Column(name, title, "number", 3, help=told),
                    Column(f"{name}_interval", f"{percent} interval", "interval", 3),
                    Column(f"{name}_inside", "", help="whether the truth lies inside"),
                )
            ),
        )
        rows = []
        for best in self.calibrated.estimates:
            row: list[object] = [best.model, self.truth[best.model]]
            for estimate in (self.labels.estimate(best.model), self.judge.estimate(best.model), best):
                row += [estimate.value, estimate.interval, "" if self._inside(estimate) else "MISSES"]
            rows.append(tuple(row))
        return Table(columns, tuple(rows), "The bundled example against its known truth")

    def __str__(self) -> str:
        pair, misled = self.pair, ", ".join(self.misled)
        warning = (
            f"The judge's mean misses the truth of {misled}: its scores are cheap, but their mean is not an "
            "accuracy, and its narrow interval does not know that. Calibrated and corrected by the same labels, "
            f"the scores make intervals {100 * self.narrower:.0f}% narrower than the labels alone."
        )
        answer = (
            f"{pair}. The truth is {self.truth[pair.a] - self.truth[pair.b]:+.4f}; the judge's means say "
            f"{self.judged(pair.a, pair.b):+.4f}."
        )
        tied = f"Not told from the best ({self.tied[0]}): {', '.join(self.tied[1:]) or 'none'}."
        parts = [self.about, str(self.table()), tied, answer]
        return "\n\n".join(_wrapped(part) for part in ([*parts[:2], warning, *parts[2:]] if misled else parts))


def _wrapped(text: str) -> str:
    return text if "\n" in text else fill(text, 110)


def demonstrate(*, level: float = 0.95) -> Demonstration:
    """Evaluate the bundled example by labels, by judge and by both, and keep the truth beside them.

    Use it to see what an evaluation looks like and whether its intervals hold what they promise; `neff demo`
    prints it.

    Parameters
    ----------
    level
        Confidence level of the intervals.

    Returns
    -------
    Demonstration
        The three evaluations and the truth.

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
    both = read(path("fresh"), item="item", model="model", draw="draw", score="score", label="label")
    return Demonstration(
        labels=evaluate(labelled, level=level),
        judge=evaluate(judged, level=level),
        calibrated=evaluate(both, level=level),
        truth=truth(),
    )
