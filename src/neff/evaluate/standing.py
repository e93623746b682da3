"""Who is best, and who cannot be told from the best: multiplicity, verdicts and the tied set of one contest."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np

from neff.results import Comparison, Estimate, Verdict
from neff.stats.multiplicity import adjust

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from neff.evaluate.calibrating.curve import CalibrationCurve
    from neff.evaluate.gating.gate import Gate
    from neff.evaluate.options import Options
    from neff.stats.multiplicity import Correction

__all__ = ["Contest", "Outcome", "Pairs", "best_first", "conclude", "decide", "tied_set"]

Pairs: TypeAlias = "bool | Sequence[tuple[str, str]]"


class Contest(Protocol):
    """Models scored under one (task, metric), by whatever estimator."""

    @property
    def task(self) -> str:
        """Name of the task, or of the average over tasks."""

    @property
    def metric(self) -> str:
        """Name of the metric."""

    @property
    def gates(self) -> tuple[Gate, ...]:
        """Diagnostics of the models, and what they mean for their levels."""

    @property
    def calibrations(self) -> tuple[CalibrationCurve, ...]:
        """The curve of the judge's calibration, where there is one."""

    def models(self) -> list[str]:
        """Return the models, sorted by name."""

    def graded(self, model: str) -> bool:
        """Return whether intervals of this model cover all that can be wrong with them."""

    def estimate(self, model: str, options: Options) -> Estimate:
        """Return one model's estimate."""

    def compare(self, a: str, b: str, options: Options, margin: float, rng: np.random.Generator | None) -> Comparison:
        """Return a minus b, with the p-value of difference = margin, unadjusted."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a contest has to say."""

    task: str
    metric: str
    estimates: tuple[Estimate, ...]
    comparisons: tuple[Comparison, ...]
    gates: tuple[Gate, ...]
    calibrations: tuple[CalibrationCurve, ...]
    tied: tuple[str, ...]
    warning: str | None


def conclude(
    contest: Contest, options: Options, pairs: Pairs, rng: np.random.Generator, *, lower_is_better: bool
) -> Outcome:
    """Estimate every model, compare the pairs, correct for their number, and name the best and its equals."""
    models = contest.models()
    estimates = best_first([contest.estimate(model, options) for model in models], lower_is_better=lower_is_better)
    ranked = [estimate.model for estimate in estimates]
    wanted: list[tuple[str, str]]
    if pairs is True:
        wanted = [(a, b) for i, a in enumerate(ranked) for b in ranked[i + 1 :]]
    else:
        wanted = [(a, b) for a, b in pairs or () if a in models and b in models]
    # One stream of random numbers per pair: no result depends on how many were drawn for another pair.
    streams = rng.spawn(len(wanted)) if options.tests else [None] * len(wanted)
    # The better model wins by more than the margin: downwards, where lower is better.
    margin = -options.margin if lower_is_better else options.margin
    compared = [
        replace(contest.compare(a, b, options, margin, stream), margin=options.margin)
        for (a, b), stream in zip(wanted, streams, strict=True)
    ]
    ungraded = {e.model for e in estimates if e.refused or not contest.graded(e.model)}
    decided = decide(
        compared,
        level=options.level,
        correction=options.correction,
        lower_is_better=lower_is_better,
        ungraded=ungraded,
    )
    tied, warning = tied_set(estimates, decided) if pairs is True else ((), None)
    return Outcome(
        task=contest.task,
        metric=contest.metric,
        estimates=tuple(estimates),
        comparisons=tuple(decided),
        gates=contest.gates,
        calibrations=contest.calibrations,
        tied=tied,
        warning=warning,
    )


def best_first(estimates: Sequence[Estimate], *, lower_is_better: bool) -> list[Estimate]:
    """Sort by value, best first; undefined values last; equal values by name."""
    sign = 1.0 if lower_is_better else -1.0
    return sorted(
        estimates, key=lambda e: (math.isnan(e.value), 0.0 if math.isnan(e.value) else sign * e.value, e.model)
    )


def decide(
    comparisons: Sequence[Comparison],
    *,
    level: float,
    correction: Correction,
    lower_is_better: bool,
    ungraded: Collection[str] = (),
) -> list[Comparison]:
    """Adjust the p-values of a family and turn each into a verdict.

    holds: a is better than b by more than the margin; fails: it is not; undecided: the data cannot tell; not graded:
    the interval of one of the two does not cover all that can be wrong with it (refused, or borrowed calibration).
    """
    adjusted = adjust(np.array([c.p_value for c in comparisons]), method=correction)
    decided = []
    for comparison, p_adjusted in zip(comparisons, adjusted.tolist(), strict=True):
        advantage = -comparison.difference if lower_is_better else comparison.difference
        if math.isnan(comparison.difference):
            verdict = Verdict.NOT_CHECKED
        elif comparison.a in ungraded or comparison.b in ungraded:
            verdict = Verdict.NOT_GRADED
        elif p_adjusted <= 1 - level:  # NaN is not
            verdict = Verdict.HOLDS if advantage > comparison.margin else Verdict.FAILS
        else:
            verdict = Verdict.UNDECIDED
        decided.append(replace(comparison, p_adjusted=p_adjusted, verdict=verdict))
    return decided


def tied_set(estimates: Sequence[Estimate], comparisons: Sequence[Comparison]) -> tuple[tuple[str, ...], str | None]:
    """Return the best model and all that cannot be told from it, and a warning where the winner is not clean.

    The best is the first by value whose level stands and that no other beats on common items. A refused level, or a
    highest mean that belongs to a model scored on other items which loses every direct comparison, is named, not
    crowned.

    Parameters
    ----------
    estimates
        Of one (task, metric), best first.
    comparisons
        Decided, of the same group. Under a margin, told apart means better by more than the margin.
    """
    standing = {e.model: e for e in estimates if not math.isnan(e.value)}
    if not standing:
        return (), None
    beaten: dict[str, str] = {}
    told_apart: set[frozenset[str]] = set()
    for c in comparisons:
        if c.verdict is Verdict.HOLDS:
            beaten.setdefault(c.b, c.a)
            told_apart.add(frozenset((c.a, c.b)))
        elif c.verdict is Verdict.FAILS and c.margin == 0:  # with a margin it says "not better by it", no more
            beaten.setdefault(c.a, c.b)
            told_apart.add(frozenset((c.a, c.b)))
    first = next(iter(standing))
    sound = [model for model, e in standing.items() if not e.refused]
    if not sound:
        return (), f"no model is named best: the level of each is refused ({standing[first].refused})"
    best = next((model for model in sound if model not in beaten), sound[0])
    warning = None
    if standing[first].refused:
        warning = f"{first} has the best value, but it is refused ({standing[first].refused}); {best} is named best."
    elif best != first:
        warning = (
            f"{first} has the best mean, but {beaten[first]} beats it on the items that both have; "
            f"{best} is named best instead."
        )
    tied = [model for model in sound if model != best and frozenset((best, model)) not in told_apart]
    return (best, *tied), warning
