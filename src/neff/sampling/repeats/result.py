"""`AtK`: the result of `at_k`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from neff.results import Column, Table

if TYPE_CHECKING:
    from neff.results import Comparison, Estimate

__all__ = ["AtK"]


@dataclass(frozen=True, slots=True)
class AtK:
    """What k answers give, by model, metric and k.

    Attributes
    ----------
    estimates
        One per task, model, metric ("pass@5", "pass^5", "majority@5", ...); the interval is over items and draws.
    fixed
        The same values, with the interval over fresh draws of the same items.
    comparisons
        Paired differences of pass@k between models, Holm-adjusted within a task and k.
    ks
        The budgets.
    notes
        What a reader must know.
    seed
        Of the random subsets, where any were used.
    """

    estimates: tuple[Estimate, ...]
    fixed: tuple[Estimate, ...]
    comparisons: tuple[Comparison, ...]
    ks: tuple[int, ...]
    notes: tuple[str, ...] = ()
    seed: int | None = None

    def table(self) -> Table:
        """Return one row per task, model and metric."""
        columns = (
            Column("task", "Task"), Column("model", "Model"), Column("metric", "Metric"),
            Column("value", "Value", "number"), Column("interval", "Interval (items)", "interval"),
            Column("interval_draws", "Interval (draws)", "interval"), Column("n_items", "Items", "count"),
            Column("n", "Draws", "count"), Column("reason", "Why undefined"),
        )  # fmt: skip
        rows = tuple(
            (e.task, e.model, e.metric, e.value, e.interval, f.interval, e.n_items, e.n, str(e.reason or ""))
            for e, f in zip(self.estimates, self.fixed, strict=True)
        )
        drop = {0} if len({e.task for e in self.estimates}) <= 1 else set()
        drop |= {1} if len({e.model for e in self.estimates}) <= 1 else set()
        drop |= set() if any(row[8] for row in rows) else {8}
        keep = [i for i in range(len(columns)) if i not in drop]
        return Table(tuple(columns[i] for i in keep), tuple(tuple(row[i] for i in keep) for row in rows))

    def __str__(self) -> str:
        return str(self.table())

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "schema": "neff.at-k/1",
            "k": list(self.ks),
            "estimates": [
                e.to_dict()
                | {"interval_draws": f.to_dict()["interval"], "standard_error_draws": f.to_dict()["standard_error"]}
                for e, f in zip(self.estimates, self.fixed, strict=True)
            ],
            "comparisons": [c.to_dict() for c in self.comparisons],
            "notes": list(self.notes),
            "seed": self.seed,
        }
