"""`Comparison` of two models, and the `Verdict` on it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.results._common import (
    df_from_json,
    from_json,
    json_number,
    known_fields,
    pair_from_json,
    percent,
    plain,
    signed,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Comparison", "Verdict"]


class Verdict(StrEnum):
    """What the data say about a claim whose margin was declared before looking."""

    HOLDS = "holds"
    FAILS = "fails"
    UNDECIDED = "undecided"
    NOT_GRADED = "not graded"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, slots=True)
class Comparison:
    """The difference a minus b, on the items that both have.

    Attributes
    ----------
    a, b
        Names of the two models.
    difference
        Mean of score(a) - score(b) over the common items. NaN with a `reason` where there are none.
    standard_error, interval, level, df
        As in `Estimate`; the interval is for this pair alone, not adjusted for the number of pairs.
    n_items, n_clusters
        Common items, and clusters they form.
    n_unmatched
        Items that only one of the two has; reported, never paired.
    correlation
        Pearson correlation of the two models' item scores over the common items.
    n_eff
        Number of unpaired items per model that would give the same standard error.
    p_value
        Two-sided, of difference = margin.
    p_adjusted
        Adjusted for all comparisons of the family.
    tests
        p-values of further tests asked for, by name (McNemar, permutation, bootstrap).
    margin
        Declared before looking: a must beat b by more than this.
    verdict
        holds: a beats b by more than the margin; fails: it does not; undecided: the data do not tell.
    """

    a: str
    b: str
    difference: float
    standard_error: float = math.nan
    interval: tuple[float, float] = (math.nan, math.nan)
    level: float = 0.95
    df: float = math.inf
    n_items: int = 0
    n_clusters: int | None = None
    n_unmatched: int = 0
    correlation: float = math.nan
    n_eff: float = math.nan
    n_eff_of: str = ""
    p_value: float = math.nan
    p_adjusted: float = math.nan
    tests: Mapping[str, float] = field(default_factory=dict)
    margin: float = 0.0
    verdict: Verdict = Verdict.NOT_CHECKED
    method: str = ""
    reason: Reason | None = None
    warnings: tuple[str, ...] = ()
    task: str = ""
    metric: str = ""
    seed: int | None = None

    def __str__(self) -> str:
        if math.isnan(self.difference):
            return f"{self.a} - {self.b}: undefined ({self.reason})"
        return (
            f"{self.a} - {self.b}: {self.difference:+.4f} ± {plain(self.standard_error)}, "
            f"{percent(self.level)} interval [{signed(self.interval[0])}, {signed(self.interval[1])}], "
            f"{self.n_items:,} common items, {self.describe_verdict()}"
        )

    def describe_verdict(self) -> str:
        """Return the verdict as a person would say it.

        Examples
        --------
        >>> Comparison("A", "B", 0.03, verdict=Verdict.HOLDS).describe_verdict()
        'A better'
        """
        if self.verdict is Verdict.UNDECIDED:
            return "not told apart"
        if self.verdict is Verdict.HOLDS:
            return f"{self.a} better" + (f" by more than {self.margin:g}" if self.margin else "")
        if self.verdict is Verdict.FAILS:
            return f"{self.b} better" if not self.margin else f"{self.a} not better by {self.margin:g}"
        return str(self.verdict)

    def swapped(self) -> Comparison:
        """Return the same comparison as b minus a. A declared margin has a direction, so it must be 0."""
        if self.margin:
            raise ArgumentError(
                "margin", "0 to swap the models", self.margin, "Compare them again the other way round."
            )
        turned = {Verdict.HOLDS: Verdict.FAILS, Verdict.FAILS: Verdict.HOLDS}
        return replace(
            self,
            a=self.b,
            b=self.a,
            difference=-self.difference,
            interval=(-self.interval[1], -self.interval[0]),
            verdict=turned.get(self.verdict, self.verdict),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, NaN as None beside the reason."""
        return {
            "task": self.task,
            "metric": self.metric,
            "a": self.a,
            "b": self.b,
            "difference": json_number(self.difference),
            "standard_error": json_number(self.standard_error),
            "interval": [json_number(self.interval[0]), json_number(self.interval[1])],
            "level": self.level,
            "df": json_number(self.df),
            "n_items": self.n_items,
            "n_clusters": self.n_clusters,
            "n_unmatched": self.n_unmatched,
            "correlation": json_number(self.correlation),
            "n_eff": json_number(self.n_eff),
            "n_eff_of": self.n_eff_of,
            "p_value": json_number(self.p_value),
            "p_adjusted": json_number(self.p_adjusted),
            "tests": {name: json_number(value) for name, value in self.tests.items()},
            "margin": self.margin,
            "verdict": str(self.verdict),
            "method": self.method,
            "reason": None if self.reason is None else str(self.reason),
            "warnings": list(self.warnings),
            "seed": self.seed,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Comparison:
        """Rebuild from `to_dict`."""
        known = known_fields(cls, data)
        for name in ("difference", "standard_error", "correlation", "n_eff", "p_value", "p_adjusted"):
            known[name] = from_json(known.get(name))
        known["df"] = df_from_json(data)
        known["interval"] = pair_from_json(known.get("interval", (None, None)))
        known["tests"] = {k: from_json(v) for k, v in known.get("tests", {}).items()}
        known["reason"] = None if known.get("reason") is None else Reason(known["reason"])
        known["verdict"] = Verdict(known.get("verdict", "not checked"))
        known["warnings"] = tuple(known.get("warnings", ()))
        return cls(**known)
