"""The one table of thresholds: which diagnostic is good, which calls for care, which refuses a level."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

from neff.results import Column, Table

__all__ = ["RULES", "State", "Threshold", "rules_table"]

State: TypeAlias = Literal["good", "warn", "refuse", "unknown"]


@dataclass(frozen=True, slots=True)
class Threshold:
    """What a diagnostic must be.

    Attributes
    ----------
    quantity
        Machine name.
    title
        What people read.
    warn, refuse
        Where care and refusal begin; NaN where there is no such step.
    higher_is_better
        Whether a value at a step or above it is on its good side. Where lower is better a value at the step is on
        its bad side.
    strict
        Lower is better, and a value at the step is still on its good side.
    source
        Where the numbers come from.
    """

    quantity: str
    title: str
    warn: float
    refuse: float
    higher_is_better: bool
    strict: bool = False
    source: str = "arXiv:2512.11150, code"

    def state(self, value: float) -> State:
        """Return the state of a value; NaN is unknown.

        Examples
        --------
        >>> RULES["ess_fraction"].state(0.3), RULES["ess_fraction"].state(0.0999), RULES["outside"].state(0.05)
        ('good', 'refuse', 'refuse')
        """
        if math.isnan(value):
            return "unknown"
        if self._crossed(value, self.refuse):
            return "refuse"
        return "warn" if self._crossed(value, self.warn) else "good"

    def _crossed(self, value: float, step: float) -> bool:
        # A comparison with NaN is false: a step that does not exist is never crossed.
        if self.higher_is_better:
            return value < step
        return value > step if self.strict else value >= step


_NONE = math.nan
_SIMULATED = "simulated, see the docs"
_MEASURED = "measured on the Arena data, see the docs"

RULES: dict[str, Threshold] = {
    rule.quantity: rule
    for rule in (
        Threshold("ess_fraction", "raw n_eff / n", 0.30, 0.10, higher_is_better=True),
        Threshold("hill", "Hill tail index", 2.0, 1.0, higher_is_better=True),
        Threshold("hellinger", "Hellinger affinity", 0.5, 0.2, higher_is_better=True),
        Threshold("ttc", "typical answers logged (TTC)", 0.70, 0.30, higher_is_better=True),
        Threshold("judge_overlap", "overlap in judge scores", 0.85, 0.50, higher_is_better=True),
        Threshold("near_zero", "weights near zero", _NONE, 0.85, higher_is_better=False, strict=True),
        Threshold(
            "mean_ratio", "mean probability ratio, or its inverse", 0.5, 0.1, higher_is_better=True, source=_SIMULATED
        ),
        Threshold("top_share", "weight of the top 5%", _NONE, 0.30, higher_is_better=False, strict=True),
        Threshold("label_ess", "label n_eff", 50.0, 20.0, higher_is_better=True, source=_MEASURED),
        Threshold("outside", "scores outside the labelled range", _NONE, 0.05, higher_is_better=False),
        Threshold("saturation", "calibrated values at the ends", 0.20, _NONE, higher_is_better=False),
        Threshold("own_labels", "labelled prompts of its own", 5.0, _NONE, higher_is_better=True, source="ours"),
        Threshold("collapsed", "constant calibration curve", 1.0, _NONE, higher_is_better=False),
        Threshold("selection", "labels drawn at random (p)", 0.01, _NONE, higher_is_better=True, source="ours"),
    )
}
"""By quantity. "top_share" refuses only where the coefficient of variation of the weights is above `HIGH_CV` too."""

HIGH_CV = 2.0

FEWEST_FOR_TAIL = 50
"""Below this many weights a tail index says nothing."""


def rules_table() -> Table:
    """Return the thresholds as a table, for the documentation and for reports."""
    columns = (
        Column("quantity", "Quantity"),
        Column("better", "Better"),
        Column("warn", "Care", "number", 2),
        Column("refuse", "Refuse", "number", 2),
        Column("source", "Source"),
    )
    return Table(
        columns,
        tuple(
            (rule.title, "higher" if rule.higher_is_better else "lower", rule.warn, rule.refuse, rule.source)
            for rule in RULES.values()
        ),
        "Thresholds of the gates",
    )
