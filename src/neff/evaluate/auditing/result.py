"""`Audit`: the verdict on each audited policy, and residuals by tenths of the score."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from neff.results import Column, Table, json_number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from neff.evaluate.auditing.transport import Transport

__all__ = ["Audit", "Decile"]


class Decile(NamedTuple):
    """Residuals of the probe rows in one tenth of the scores; for display, no verdict rests on it."""

    low: float
    high: float
    n: int
    residual: float
    standard_error: float


@dataclass(frozen=True, slots=True)
class Audit:
    """The result of `audit`: one `Transport` per policy, and residuals by tenths of the score.

    `n_policies_in_family` divides the error, so that all intervals hold at `level` together.
    """

    rows: tuple[Transport, ...]
    deciles: Mapping[str, tuple[Decile, ...]] = field(default_factory=dict)
    level: float = 0.95
    margin: float | None = None
    n_policies_in_family: int = 1
    notes: tuple[str, ...] = ()
    backend: str | None = None

    def row(self, policy: str) -> Transport:
        """Return the verdict on one policy; a KeyError lists the policies."""
        for row in self.rows:
            if row.policy == policy:
                return row
        raise KeyError(f"policy {policy!r} was not audited; there are {[row.policy for row in self.rows]}")

    def table(self) -> Table:
        """Return one row per policy."""
        columns = (
            Column("policy", "Policy"),
            Column("verdict", "Transports?"),
            Column("residual", "Mean residual", "signed", help="label minus calibrated score"),
            Column("standard_error", "SE", "number"),
            Column("interval", f"{100 * self.level:g}% interval", "interval", help="for all policies together"),
            Column("margin", "Margin", "number"),
            Column("margin_to_hold", "Would hold at", "number"),
            Column("detectable", "Detectable", "number", help="residual found with a chance of 80%"),
            Column("n", "Labels", "count"),
            Column("n_eff", "Effective clusters", "number", 1),
            Column("reason", "Reason"),
        )
        rows = tuple(
            tuple(
                str(value or "") if column.name in ("verdict", "reason") else value
                for column in columns
                for value in (getattr(row, column.name),)
            )
            for row in self.rows
        )
        return Table(columns, rows, "Does the calibration transport?")

    def deciles_table(self) -> Table:
        """Return residuals by policy and tenth of the score, for display."""
        columns = (
            Column("policy", "Policy"),
            Column("low", "Score from", "number", 3),
            Column("high", "to", "number", 3),
            Column("n", "Labels", "count"),
            Column("residual", "Mean residual", "signed"),
            Column("standard_error", "SE", "number"),
        )
        rows = tuple((policy, *part) for policy, parts in self.deciles.items() for part in parts)
        return Table(columns, rows, "Residuals by tenths of the score")

    def __str__(self) -> str:
        return "\n\n".join([str(self.table()), *(str(row) for row in self.rows), *(f"Note: {n}" for n in self.notes)])

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, NaN as None beside the reason."""
        return {
            "schema": "neff.audit/1",
            "level": self.level,
            "margin": self.margin,
            "n_policies_in_family": self.n_policies_in_family,
            "rows": [row.to_dict() for row in self.rows],
            "deciles": {
                policy: [{**part._asdict(), "standard_error": json_number(part.standard_error)} for part in parts]
                for policy, parts in self.deciles.items()
            },
            "notes": list(self.notes),
        }

    def to_frame(self) -> Any:
        """Return the rows as a dataframe of the caller's kind."""
        return self.table().to_frame(self.backend)
