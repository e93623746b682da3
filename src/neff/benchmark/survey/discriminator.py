"""`DiscriminatorTest`: how well a classifier tells made rows from real ones, and which columns give them away."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from neff.results import Column, Table, Verdict, json_number

if TYPE_CHECKING:
    from neff.reasons import Reason
    from neff.results import Estimate

__all__ = ["CHANCE", "ColumnDistance", "DiscriminatorTest"]

CHANCE = 0.5
"""Accuracy of whoever cannot tell: as many real rows as made ones, also among those held out."""


@dataclass(frozen=True, slots=True)
class ColumnDistance:
    """How far one column by itself is from real to made rows.

    Attributes
    ----------
    name, numeric
        The column, and whether its numbers were taken in their order.
    distance
        Total variation of its levels, or the largest gap of the distribution functions of a numeric one: 0 to 1.
    p_adjusted
        Under swapped labels, Holm-adjusted over the columns.
    """

    name: str
    numeric: bool
    distance: float
    p_adjusted: float


@dataclass(frozen=True, slots=True)
class DiscriminatorTest:
    """Whether made rows can be told from real ones.

    Attributes
    ----------
    accuracy
        Share of held-out rows that the classifier puts on the right side, with an interval; 0.5 is chance.
    p_value
        Of no difference between made and real rows: labels swapped within random pairs, everything else done again.
        NaN where nothing was swapped.
    by_chance
        Range that holds `accuracy.level` of the accuracies under swapped labels.
    verdict, margin
        Whether the rows cannot be told apart by more than `margin` beyond chance: holds, fails, undecided; not graded
        without a margin.
    columns
        Each column by itself, the furthest first. Close columns and a high accuracy: the answers hang together in
        another way.
    classifier
        "kernel" or "trees".
    n_rows
        Rows of each kind that were used.
    n_left_out
        Real and made rows that were not, for there must be as many of each.
    n_missing, n_constant
        Missing cells in both tables, and columns that say nothing.
    n_splits, n_test, n_resamples
        Splits, held-out rows of each kind in a split, and swaps.
    notes
        What a reader should know.
    reason
        Why the accuracy is undefined; or NO_DISCORDANT where it is 0.5 because all rows are the same.
    """

    accuracy: Estimate
    p_value: float
    by_chance: tuple[float, float]
    verdict: Verdict
    margin: float | None
    columns: tuple[ColumnDistance, ...]
    classifier: str
    n_rows: int
    n_left_out: tuple[int, int]
    n_missing: int
    n_constant: int
    n_splits: int
    n_test: int
    n_resamples: int
    seed: int | None
    notes: tuple[str, ...] = ()
    reason: Reason | None = None

    @property
    def told_apart(self) -> bool:
        """Whether the p-value is at most one minus the level."""
        return self.p_value <= 1 - self.accuracy.level

    def sentence(self) -> str:
        """Return the finding in one sentence."""
        if math.isnan(self.accuracy.value):
            return f"The discriminator test is undefined: {self.reason}."
        low, high = self.accuracy.interval
        found = f"accuracy {self.accuracy.value:.4f} [{low:.4f}, {high:.4f}], chance 0.5"
        if math.isnan(self.p_value):
            said = f"Made rows against real ones: {found}"
        else:
            p = "p < 0.0001" if self.p_value < 1e-4 else f"p = {self.p_value:.4f}"
            said = f"Made rows are {'' if self.told_apart else 'not '}told from real ones: {found}, {p}"
        graded = {
            Verdict.HOLDS: f"; alike within a margin of {self.margin:g}" if self.margin is not None else "",
            Verdict.FAILS: f"; further apart than a margin of {self.margin:g}" if self.margin is not None else "",
            Verdict.UNDECIDED: f"; undecided for a margin of {self.margin:g}" if self.margin is not None else "",
        }
        return f"{said}{graded.get(self.verdict, '')}."

    def table(self) -> Table:
        """Return one row per column, the furthest first."""
        columns = (
            Column("name", "Column"), Column("kind", "Kind"), Column("distance", "Distance", "number"),
            Column("p_adjusted", "p adjusted", "p"),
        )  # fmt: skip
        rows = ((c.name, "ordered" if c.numeric else "categories", c.distance, c.p_adjusted) for c in self.columns)
        return Table(columns, tuple(rows))

    def __str__(self) -> str:
        return f"{self.table()}\n{self.sentence()}" if self.columns else self.sentence()

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "schema": "neff.discriminator-test/1",
            "accuracy": self.accuracy.to_dict(),
            "chance": CHANCE,
            "p_value": json_number(self.p_value),
            "by_chance": [json_number(x) for x in self.by_chance],
            "verdict": str(self.verdict),
            "margin": self.margin,
            "columns": [
                {
                    "name": c.name,
                    "numeric": c.numeric,
                    "distance": json_number(c.distance),
                    "p_adjusted": json_number(c.p_adjusted),
                }
                for c in self.columns
            ],
            "classifier": self.classifier,
            "n_rows": self.n_rows,
            "n_left_out": {"real": self.n_left_out[0], "made": self.n_left_out[1]},
            "n_missing": self.n_missing,
            "n_constant": self.n_constant,
            "n_splits": self.n_splits,
            "n_test": self.n_test,
            "n_resamples": self.n_resamples,
            "seed": self.seed,
            "notes": list(self.notes),
            "reason": None if self.reason is None else str(self.reason),
        }
