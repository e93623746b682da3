"""Who is best, and who cannot be told from the best: multiplicity, verdicts and the tied set of one (task, metric)."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from neff.results import Comparison, Estimate, Verdict
from neff.stats.multiplicity import adjust

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neff.stats.multiplicity import Correction

__all__ = ["best_first", "decide", "tied_set"]


def best_first(estimates: Sequence[Estimate], *, lower_is_better: bool) -> list[Estimate]:
    """Sort by value, best first; undefined values last; equal values by name."""
    sign = 1.0 if lower_is_better else -1.0
    return sorted(
        estimates, key=lambda e: (math.isnan(e.value), 0.0 if math.isnan(e.value) else sign * e.value, e.model)
    )


def decide(
    comparisons: Sequence[Comparison], *, level: float, correction: Correction, lower_is_better: bool
) -> list[Comparison]:
    """Adjust the p-values of a family and turn each into a verdict.

    holds: a is better than b by more than the margin; fails: it is not; undecided: the data cannot tell.
    """
    adjusted = adjust(np.array([c.p_value for c in comparisons]), method=correction)
    decided = []
    for comparison, p_adjusted in zip(comparisons, adjusted.tolist(), strict=True):
        advantage = -comparison.difference if lower_is_better else comparison.difference
        if math.isnan(comparison.difference):
            verdict = Verdict.NOT_CHECKED
        elif p_adjusted <= 1 - level:  # NaN is not
            verdict = Verdict.HOLDS if advantage > comparison.margin else Verdict.FAILS
        else:
            verdict = Verdict.UNDECIDED
        decided.append(replace(comparison, p_adjusted=p_adjusted, verdict=verdict))
    return decided


def tied_set(estimates: Sequence[Estimate], comparisons: Sequence[Comparison]) -> tuple[tuple[str, ...], str | None]:
    """Return the best model and all that cannot be told from it, and a warning where the winner is not clean.

    The best is the first by value that no other beats on common items. Where models were scored on different
    items, the highest mean can belong to a model that loses every direct comparison; it is named, not crowned.

    Parameters
    ----------
    estimates
        Of one (task, metric), best first.
    comparisons
        Decided, of the same group; a margin of 0.
    """
    ranked = [e.model for e in estimates if not math.isnan(e.value)]
    if not ranked:
        return (), None
    beaten: dict[str, str] = {}
    told_apart: set[frozenset[str]] = set()
    for c in comparisons:
        if c.verdict is Verdict.HOLDS:
            beaten.setdefault(c.b, c.a)
        elif c.verdict is Verdict.FAILS:
            beaten.setdefault(c.a, c.b)
        if c.verdict in (Verdict.HOLDS, Verdict.FAILS):
            told_apart.add(frozenset((c.a, c.b)))
    best = next((model for model in ranked if model not in beaten), ranked[0])
    warning = None
    if best != ranked[0]:
        warning = (
            f"{ranked[0]} has the best mean, but {beaten[ranked[0]]} beats it on the items that both have; "
            f"{best} is named best instead."
        )
    tied = [model for model in ranked if model != best and frozenset((best, model)) not in told_apart]
    return (best, *tied), warning
