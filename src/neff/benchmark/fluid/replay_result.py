"""`FluidReplay`: what adaptive items would have given on answers that are known, beside random items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from neff.errors import ArgumentError
from neff.results import Column, Table, json_number

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["FluidReplay", "ReplayRow"]


@dataclass(frozen=True, slots=True)
class ReplayRow:
    """One method at one number of items.

    Attributes
    ----------
    method
        "fluid", "random" (accuracy), "random-irt" (ability), or "all" and "all-irt" with every item.
    n_items
        Items asked.
    correlation
        Spearman's, with the accuracy on all items.
    rmse
        Root mean squared distance from the ability on all items, in theta; NaN for accuracies.
    rank_distance
        Mean distance of ranks from those on the sister benchmark, or on all items where none was given.
    total_variation, monotonicity
        Of the training curve, where models are checkpoints; else NaN.
    """

    method: str
    n_items: int
    correlation: float
    rmse: float
    rank_distance: float
    total_variation: float
    monotonicity: float


@dataclass(frozen=True, slots=True, eq=False)
class FluidReplay:
    """Adaptive and random items side by side on the same answers.

    Attributes
    ----------
    rows
        One per method and number of items.
    models
        Names, in the order given.
    budgets
        Numbers of items.
    values
        By method: the measure of each model at each budget, shape (n_models, n_budgets); of random items the first
        draw.
    standard_errors
        Of the adaptive abilities, shape (n_models, n_budgets).
    order
        Place in the bank of each item asked, shape (n_models, largest budget), -1 where none was left.
    exposure
        Share of models that were asked each item within the largest budget, shape (n_items,).
    items
        Names of the items.
    stopped_at
        Items until the standard error was below `delta`, shape (n_models,), NaN where it never was; None without delta.
    delta
        The rule.
    n_repeats
        Random subsets that the rows of random items are means over.
    checkpoints
        Whether models are checkpoints in order.
    sister
        Whether ranks are held against a sister benchmark.
    seed
        Of the random subsets.
    warnings
        What weakens it.
    """

    rows: tuple[ReplayRow, ...]
    models: tuple[str, ...]
    budgets: tuple[int, ...]
    values: Mapping[str, Floats]
    standard_errors: Floats
    order: NDArray[np.intp]
    exposure: Floats
    items: tuple[str, ...]
    stopped_at: Floats | None
    delta: float | None
    n_repeats: int
    checkpoints: bool
    sister: bool
    seed: int | None
    warnings: tuple[str, ...] = ()

    def __str__(self) -> str:
        return str(self.table())

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know."""
        return self.warnings

    def row(self, method: str, n_items: int) -> ReplayRow:
        """Return the row of a method at a number of items.

        Raises
        ------
        ArgumentError
            If there is none.
        """
        for row in self.rows:
            if (row.method, row.n_items) == (method, n_items):
                return row
        there = [(row.method, row.n_items) for row in self.rows]
        raise ArgumentError("method, n_items", f"one of {there}", (method, n_items), call="FluidReplay.row")

    def table(self) -> Table:
        """Return one row per method and number of items."""
        columns = [
            Column("method", "Method"), Column("n_items", "Items", "count"),
            Column("correlation", "With all items", "number", 3), Column("rmse", "Error of ability", "number", 3),
            Column("rank_distance", "Rank distance", "number", 2),
        ]  # fmt: skip
        if self.checkpoints:
            columns += [
                Column("total_variation", "Total variation", "number", 2),
                Column("monotonicity", "Monotonicity", "number", 3),
            ]
        rows = tuple(tuple(getattr(row, column.name) for column in columns) for row in self.rows)
        return Table(tuple(columns), rows)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        numbers = ("correlation", "rmse", "rank_distance", "total_variation", "monotonicity")
        asked = [[self.items[k] for k in row if k >= 0] for row in self.order.tolist()]
        return {
            "schema": "neff.fluid-replay/1",
            "rows": [
                {"method": r.method, "n_items": r.n_items} | {name: json_number(getattr(r, name)) for name in numbers}
                for r in self.rows
            ],
            "models": [
                {
                    "model": name,
                    "ability": [json_number(x) for x in self.values["fluid"][k]],
                    "standard_error": [json_number(x) for x in self.standard_errors[k]],
                    "stopped_at": None if self.stopped_at is None else json_number(float(self.stopped_at[k])),
                    "asked": asked[k],
                }
                for k, name in enumerate(self.models)
            ],
            "budgets": list(self.budgets),
            "exposure": {
                self.items[k]: float(self.exposure[k]) for k in range(len(self.items)) if self.exposure[k] > 0
            },
            "delta": self.delta,
            "n_repeats": self.n_repeats,
            "seed": self.seed,
            "warnings": list(self.warnings),
        }
