"""`FactorialResult`: effects of factors and interactions, what they are worth, and for what unit they hold."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from neff.results import Column, Table, json_number

if TYPE_CHECKING:
    from neff.reasons import Reason

__all__ = ["FactorialResult", "Term", "UnitTest"]


@dataclass(frozen=True, slots=True)
class Term:
    """One main effect or interaction.

    Attributes
    ----------
    name
        "model", or "model:prompt".
    order
        1 for a main effect.
    sum_of_squares, df
        In the decomposition; equal weight for each cell where it is balanced, else type II.
    eta2, interval
        Share of the variation; its bootstrap interval over items.
    partial_eta2, omega2
        Against the residual alone; less what chance adds. NaN without a residual.
    f, p_rows
        F test with rows as units: right only where rows are independent. NaN without a residual.
    p_items, p_adjusted
        Permutation within items, and Holm- or Benjamini-Hochberg-adjusted over the terms. NaN without items.
    """

    name: str
    order: int
    sum_of_squares: float
    df: int
    eta2: float
    interval: tuple[float, float]
    partial_eta2: float
    omega2: float
    f: float
    p_rows: float
    p_items: float
    p_adjusted: float


@dataclass(frozen=True, slots=True)
class UnitTest:
    """The difference of two levels of a factor with the levels of another (the models) as units.

    Attributes
    ----------
    factor, a, b, unit
        What is compared, and over what.
    difference, interval, standard_error, df, p_value
        Mean of a - b over units, paired t.
    p_sign
        Two-sided exact sign test.
    n_units
        Units that have both.
    group
        Units that this is about: "all", or a level of the grouping.
    """

    factor: str
    a: str
    b: str
    unit: str
    group: str
    difference: float
    standard_error: float
    interval: tuple[float, float]
    df: float
    p_value: float
    p_sign: float
    n_units: int
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class FactorialResult:
    """Effects in a grid of evaluations.

    Attributes
    ----------
    terms
        Main effects first.
    residual, residual_df
        Sum of squares within cells, or of the terms that were left out; NaN where there is none.
    main, interactions
        Sums of eta2 over main effects and over interactions.
    reversals
        By pair of factors (F, G): share of pairs of levels of F that change their order between two levels of G.
    units
        Paired tests with models as units, where a unit was named.
    factors, levels
        Names.
    balanced
        Whether every cell has the same number of scores.
    n, n_items, n_cells, n_empty
        Scores, items, cells, and cells without any.
    """

    terms: tuple[Term, ...]
    residual: float
    residual_df: int
    main: float
    interactions: float
    reversals: dict[str, float]
    units: tuple[UnitTest, ...]
    factors: tuple[str, ...]
    levels: tuple[tuple[str, ...], ...]
    means: Any
    balanced: bool
    n: int
    n_items: int
    n_cells: int
    n_empty: int
    level: float
    correction: str
    seed: int | None
    reason: Reason | None = None
    notes: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Term:
        for term in self.terms:
            if term.name == name:
                return term
        raise KeyError(name)

    def table(self) -> Table:
        """Return one row per term."""
        columns = (
            Column("name", "Term"), Column("df", "df", "count"), Column("eta2", "eta2", "number"),
            Column("interval", "Interval", "interval"), Column("partial_eta2", "partial eta2", "number"),
            Column("omega2", "omega2", "number"), Column("p_items", "p (items)", "p"),
            Column("p_adjusted", "p adjusted", "p"), Column("p_rows", "p (rows)", "p"),
        )  # fmt: skip
        rows = tuple(
            (t.name, t.df, t.eta2, t.interval, t.partial_eta2, t.omega2, t.p_items, t.p_adjusted, t.p_rows)
            for t in self.terms
        )
        keep = [i for i in range(len(columns)) if i < 3 or any(not _missing(row[i]) for row in rows)]
        return Table(tuple(columns[i] for i in keep), tuple(tuple(row[i] for i in keep) for row in rows))

    def unit_table(self) -> Table:
        """Return one row per paired test over units."""
        columns = (
            Column("factor", "Factor"), Column("pair", "Levels"), Column("group", "Units"),
            Column("difference", "Difference", "signed"), Column("interval", "Interval", "interval"),
            Column("p", "p (t)", "p"), Column("p_sign", "p (sign)", "p"), Column("n", "Units", "count"),
        )  # fmt: skip
        rows = tuple(
            (u.factor, f"{u.a} - {u.b}", u.group, u.difference, u.interval, u.p_value, u.p_sign, u.n_units)
            for u in self.units
        )
        return Table(columns, rows)

    def __str__(self) -> str:
        parts = [
            str(self.table()),
            f"main effects {self.main:.3f}, interactions {self.interactions:.3f} of the variation",
        ]
        return "\n".join([*parts, *([str(self.unit_table())] if self.units else [])])

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        numbers = ("sum_of_squares", "eta2", "partial_eta2", "omega2", "f", "p_rows", "p_items", "p_adjusted")
        return {
            "schema": "neff.factorial/1",
            "terms": [
                {"name": t.name, "order": t.order, "df": t.df, "interval": [json_number(x) for x in t.interval]}
                | {name: json_number(getattr(t, name)) for name in numbers}
                for t in self.terms
            ],
            "residual": json_number(self.residual),
            "residual_df": self.residual_df,
            "main": json_number(self.main),
            "interactions": json_number(self.interactions),
            "reversals": {name: json_number(value) for name, value in self.reversals.items()},
            "units": [
                {
                    "factor": u.factor, "a": u.a, "b": u.b, "unit": u.unit, "group": u.group,
                    "difference": json_number(u.difference), "standard_error": json_number(u.standard_error),
                    "interval": [json_number(x) for x in u.interval], "df": json_number(u.df),
                    "p_value": json_number(u.p_value), "p_sign": json_number(u.p_sign), "n_units": u.n_units,
                    "reason": None if u.reason is None else str(u.reason),
                }
                for u in self.units
            ],
            "factors": list(self.factors),
            "levels": [list(names) for names in self.levels],
            "balanced": self.balanced,
            "n": self.n,
            "n_items": self.n_items,
            "n_cells": self.n_cells,
            "n_empty": self.n_empty,
            "level": self.level,
            "correction": self.correction,
            "seed": self.seed,
            "reason": None if self.reason is None else str(self.reason),
            "notes": list(self.notes),
        }  # fmt: skip


def _missing(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(map(_missing, value))
    return isinstance(value, float) and math.isnan(value)
