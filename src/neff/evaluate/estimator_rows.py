"""One row per model and estimator: what a comparison of estimators is made of, in tables, files and reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from neff.results import Column, Table, json_number
from neff.results._common import from_json, pair_from_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["EstimatorRow", "rows_table"]


@dataclass(frozen=True, slots=True)
class EstimatorRow:
    """What one estimator says of one model. `refused` and `reason` are as in `Estimate`, empty where all is well."""

    task: str
    metric: str
    model: str
    estimator: str
    value: float
    standard_error: float
    interval: tuple[float, float]
    refused: str = ""
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "task": self.task,
            "metric": self.metric,
            "model": self.model,
            "estimator": self.estimator,
            "value": json_number(self.value),
            "standard_error": json_number(self.standard_error),
            "interval": [json_number(bound) for bound in self.interval],
            "refused": self.refused or None,
            "reason": self.reason or None,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> EstimatorRow:
        """Rebuild from `to_dict`."""
        return cls(
            task=str(data["task"]),
            metric=str(data["metric"]),
            model=str(data["model"]),
            estimator=str(data["estimator"]),
            value=from_json(data["value"]),
            standard_error=from_json(data["standard_error"]),
            interval=pair_from_json(data["interval"]),
            refused=data["refused"] or "",
            reason=data["reason"] or "",
        )


def rows_table(rows: Iterable[EstimatorRow], level: float) -> Table:
    """Return the rows as a table."""
    titles = (
        Column("task", "Task"),
        Column("metric", "Metric"),
        Column("model", "Model"),
        Column("estimator", "Estimator"),
        Column("value", "Estimate", "number"),
        Column("standard_error", "SE", "number"),
        Column("interval", f"{100 * level:g}% interval", "interval"),
        Column("refused", "Refused", help="why the value must not be read as a level"),
        Column("reason", "Reason", help="why a number is undefined"),
    )
    body = tuple(tuple(getattr(row, column.name) for column in titles) for row in rows)
    return Table(titles, body, "The same records by several estimators")
