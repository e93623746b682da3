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
        In the decomposition: over cell means with items, over rows without.
    eta2
        Share of the variation.
    interval
        Bootstrap over items, for the share without what the sampling of items adds (that is `omega2`).
    partial_eta2, omega2
        Against the own error alone; less what chance adds (can be below 0). NaN without items or a residual.
    eta2_logit
        Share of the variation of the log odds of cell means.
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
    eta2_logit: float
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
    p_adjusted
        Of the t tests, for all tests over units.
    p_sign
        Two-sided exact sign test.
    p_equivalent
        Of two one-sided t tests: small where the difference is surely below the margin. NaN without a margin.
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
    p_adjusted: float
    p_sign: float
    p_equivalent: float
    n_units: int
    reason: Reason | None = None


@dataclass(frozen=True, slots=True, eq=False)
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
        Whether every cell counts the same, so that shares add up.
    by_item
        Whether items are the units: shares are then of the variation of cell means, else of rows.
    means
        Of each cell, shape (levels of the first factor, ...).
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
    by_item: bool
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
            Column("omega2", "omega2", "number"), Column("eta2_logit", "eta2 of log odds", "number"),
            Column("p_items", "p (items)", "p"),
            Column("p_adjusted", "p adjusted", "p"), Column("p_rows", "p (rows)", "p"),
        )  # fmt: skip
        rows = tuple(
            (
                t.name,
                t.df,
                t.eta2,
                t.interval,
                t.partial_eta2,
                t.omega2,
                t.eta2_logit,
                t.p_items,
                t.p_adjusted,
                t.p_rows,
            )
            for t in self.terms
        )
        return _without_empty(columns, rows, 3)

    def unit_table(self) -> Table:
        """Return one row per paired test over units."""
        columns: tuple[Column, ...] = (
            Column("factor", "Factor"), Column("pair", "Levels"), Column("group", "Units"),
            Column("difference", "Difference", "signed"), Column("interval", "Interval", "interval"),
            Column("p", "p (t)", "p"), Column("p_adjusted", "p adjusted", "p"), Column("p_sign", "p (sign)", "p"),
            Column("p_equivalent", "p (same)", "p"), Column("n", "n", "count"),
        )  # fmt: skip
        rows = tuple(
            (
                u.factor, f"{u.a} - {u.b}", u.group, u.difference, u.interval, u.p_value, u.p_adjusted, u.p_sign,
                u.p_equivalent, u.n_units,
            )
            for u in self.units
        )  # fmt: skip
        return _without_empty(columns, rows, 3)

    def __str__(self) -> str:
        parts = [
            str(self.table()),
            f"main effects {self.main:.3f}, interactions {self.interactions:.3f} of the variation",
        ]
        return "\n".join([*parts, *([str(self.unit_table())] if self.units else [])])

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        numbers: tuple[str, ...] = ("sum_of_squares", "eta2", "partial_eta2", "omega2", "eta2_logit", "f", "p_rows")
        numbers += ("p_items", "p_adjusted")
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
                    "p_value": json_number(u.p_value), "p_adjusted": json_number(u.p_adjusted),
                    "p_sign": json_number(u.p_sign), "p_equivalent": json_number(u.p_equivalent), "n_units": u.n_units,
                    "reason": None if u.reason is None else str(u.reason),
                }
                for u in self.units
            ],
            "factors": list(self.factors),
            "levels": [list(names) for names in self.levels],
            "means": [json_number(float(x)) for x in self.means.ravel()],
            "balanced": self.balanced,
            "by_item": self.by_item,
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


def _without_empty(columns: tuple[Column, ...], rows: tuple[tuple[Any, ...], ...], always: int) -> Table:
    """Return a table without the columns that hold nothing."""
    keep = [i for i in range(len(columns)) if i < always or any(not _missing(row[i]) for row in rows)]
    return Table(tuple(columns[i] for i in keep), tuple(tuple(row[i] for i in keep) for row in rows))


def _missing(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(map(_missing, value))
    return isinstance(value, float) and math.isnan(value)
