"""`EnergyStudy`: energy by setting, and every pair of settings compared, one run one value."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from neff.results import Column, Table, json_number

if TYPE_CHECKING:
    from neff.reasons import Reason
    from neff.train.energy.omnibus import Anova

__all__ = ["EnergyComparison", "EnergyStudy", "SettingRow"]

SCHEMA = "neff.energy/1"


class SettingRow(NamedTuple):
    """One setting: runs, energy per run (or per sample), time, mean power, and the runs that were left out."""

    setting: str
    n: int
    mean: float
    standard_error: float
    geometric_mean: float
    seconds: float
    watts: float
    n_censored: int
    n_undefined: int


@dataclass(frozen=True, slots=True)
class EnergyComparison:
    """Energy of a against b.

    Attributes
    ----------
    a, b
        The two settings.
    ratio, interval
        Geometric mean of a over that of b, and its interval.
    difference, difference_interval
        Mean of a minus mean of b, in joules (per run or per sample).
    p_value, p_adjusted
        Of no difference in log energy: a paired t test with blocks, Welch's without; adjusted for all pairs.
    p_wilcoxon
        Of Wilcoxon's signed ranks; NaN without blocks or with fewer than 6.
    p_equivalence
        Of "the energies differ by the margin or more" (TOST): small where they are equivalent; adjusted for all pairs.
    hedges_g
        Difference in standard deviations of log energy.
    margin, finding
        The declared share that counts as no difference, and what was found: "less energy", "more energy", "equivalent",
        "not told apart", "not graded".
    n_a, n_b, n_unmatched
        Runs used (blocks, where blocked), and runs without a partner in their block.
    runs_needed
        Runs per setting (or blocks) that show a difference of the margin with power 0.8; NaN where the spread is not
        known, or it takes over ten million.
    df, level, method, reason
        As in `Estimate`.
    """

    a: str
    b: str
    ratio: float
    interval: tuple[float, float]
    difference: float
    difference_interval: tuple[float, float]
    p_value: float
    p_adjusted: float
    p_wilcoxon: float
    p_equivalence: float
    hedges_g: float
    margin: float
    finding: str
    n_a: int
    n_b: int
    n_unmatched: int
    runs_needed: float
    df: float
    level: float
    method: str
    reason: Reason | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, NaN as None beside the reason."""
        numbers = ("ratio", "difference", "p_value", "p_adjusted", "p_wilcoxon", "p_equivalence", "hedges_g", "df")
        return {
            "a": self.a,
            "b": self.b,
            **{name: json_number(getattr(self, name)) for name in numbers},
            "interval": [json_number(end) for end in self.interval],
            "difference_interval": [json_number(end) for end in self.difference_interval],
            "margin": self.margin,
            "finding": self.finding,
            "n_a": self.n_a,
            "n_b": self.n_b,
            "n_unmatched": self.n_unmatched,
            "runs_needed": json_number(self.runs_needed),
            "level": self.level,
            "method": self.method,
            "reason": None if self.reason is None else str(self.reason),
        }


@dataclass(frozen=True, slots=True)
class EnergyStudy:
    """Energy of the settings of an experiment.

    Attributes
    ----------
    settings
        One row per setting, the least energy first.
    comparisons
        Every pair, or every setting against the baseline.
    overall
        One test of all settings at once, where there are three or more.
    unit
        "J per run", "J per sample", or "J to the target".
    meter, kind
        What was measured, and whether by a meter or a model.
    n_blocks
        Blocks; None where runs are not blocked.
    level, margin, notes
        As declared; what weakens the result.
    """

    settings: tuple[SettingRow, ...]
    comparisons: tuple[EnergyComparison, ...]
    overall: Anova | None
    unit: str
    meter: str
    kind: str
    n_blocks: int | None
    level: float
    margin: float
    notes: tuple[str, ...] = ()

    def table(self) -> Table:
        """Return one row per setting."""
        digits = 4 if min((abs(row.mean) for row in self.settings), default=0.0) < 10 else 1
        columns = (
            Column("setting", "Setting"),
            Column("n", "Runs", "count"),
            Column("mean", self.unit, "number", digits),
            Column("standard_error", "SE", "number", digits),
            Column("kwh", "kWh per run", "number", 6),
            Column("seconds", "Seconds", "number", 1),
            Column("watts", "Mean W", "number", 1),
            Column("n_censored", "Did not reach it", "count"),
            Column("n_undefined", "No energy", "count"),
        )
        rows = tuple(
            (r.setting, r.n, r.mean, r.standard_error, r.watts * r.seconds / 3.6e6, r.seconds, r.watts, r.n_censored,
             r.n_undefined)
            for r in self.settings
        )  # fmt: skip
        return Table(columns, rows, f"Energy by setting ({self.meter}, {self.kind})")

    def comparison_table(self) -> Table:
        """Return one row per pair."""
        columns = (
            Column("a", "A"),
            Column("b", "B"),
            Column("ratio", "A / B", "number", 3),
            Column("interval", f"{100 * self.level:g}% interval", "interval", 3),
            Column("finding", "Finding"),
            Column("p_adjusted", "p adjusted", "p"),
            Column("p_equivalence", f"p equivalent ({100 * self.margin:g}%)", "p"),
            Column("difference", "A − B, J", "signed", 1),
            Column("hedges_g", "Hedges g", "signed", 2),
            Column("p_wilcoxon", "p Wilcoxon", "p"),
            Column("n", "Runs"),
            Column("runs_needed", f"Runs to see {100 * self.margin:g}%", "count"),
            Column("reason", "Reason"),
        )
        rows = tuple(
            (
                c.a, c.b, c.ratio, c.interval, c.finding, c.p_adjusted, c.p_equivalence, c.difference, c.hedges_g,
                c.p_wilcoxon, f"{c.n_a} + {c.n_b}" if self.n_blocks is None else f"{c.n_a} pairs", c.runs_needed,
                c.reason,
            )
            for c in self.comparisons
        )  # fmt: skip
        return Table(columns, rows, "Settings compared")

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        overall = self.overall
        return {
            "schema": SCHEMA,
            "unit": self.unit,
            "meter": self.meter,
            "kind": self.kind,
            "n_blocks": self.n_blocks,
            "level": self.level,
            "margin": self.margin,
            "settings": [
                {k: json_number(v) if isinstance(v, float) else v for k, v in row._asdict().items()}
                for row in self.settings
            ],
            "comparisons": [comparison.to_dict() for comparison in self.comparisons],
            "overall": None
            if overall is None
            else {
                "statistic": json_number(overall.statistic),
                "df": [json_number(d) for d in overall.df],
                "p_value": json_number(overall.p_value),
                "method": overall.method,
                "reason": None if overall.reason is None else str(overall.reason),
            },
            "notes": list(self.notes),
        }

    def chart_data(self) -> dict[str, list[Any]]:
        """Return the numbers of the figure: the ratio of each pair with its interval."""
        return {
            "pair": [f"{c.a} / {c.b}" for c in self.comparisons],
            "ratio": [c.ratio for c in self.comparisons],
            "low": [c.interval[0] for c in self.comparisons],
            "high": [c.interval[1] for c in self.comparisons],
        }

    def describe_overall(self) -> str:
        """Return the test of all settings in words; empty where there is none."""
        if self.overall is None:
            return ""
        found = self.overall
        if math.isnan(found.p_value):
            return f"All settings at once ({found.method}): undefined ({found.reason})."
        p = "below 0.0001" if found.p_value < 1e-4 else f"{found.p_value:.4f}"
        df = f"{found.df[0]:g} and {found.df[1]:.1f}" if math.isfinite(found.df[1]) else f"{found.df[0]:g}"
        return f"All settings at once ({found.method}): {found.statistic:.3f} with {df} degrees of freedom, p {p}."

    def __str__(self) -> str:
        parts = [str(self.table())]
        if self.comparisons:
            parts += ["", str(self.comparison_table())]
        if self.overall is not None:
            parts += ["", self.describe_overall()]
        return "\n".join([*parts, *(f"note: {note}" for note in self.notes)])
