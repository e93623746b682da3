"""The long table for machines: one row per score and per difference, every field, nothing rounded."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from neff.results import Column, Table

if TYPE_CHECKING:
    from neff.evaluate.result import Evaluation
    from neff.evaluate.shrinking.result import SubtaskScores

__all__ = ["long_table"]

_COLUMNS = (
    Column("kind", "Kind", help="score: one model; difference: model minus versus, on common items"),
    Column("task", "Task"),
    Column("metric", "Metric"),
    Column("model", "Model"),
    Column("versus", "Versus"),
    Column("value", "Value", "number"),
    Column("standard_error", "SE", "number"),
    Column("interval", "Interval", "interval"),
    Column("level", "Level", "number"),
    Column("df", "df", "number", help="empty: infinity, a normal reference"),
    Column("n", "Draws", "count"),
    Column("n_items", "Items", "count"),
    Column("n_clusters", "Clusters", "count"),
    Column("n_unscored", "Unscored", "count"),
    Column("n_unmatched", "Unmatched", "count"),
    Column("n_eff", "n_eff", "number"),
    Column("correlation", "r", "number"),
    Column("p_value", "p", "p"),
    Column("p_adjusted", "p adjusted", "p"),
    Column("margin", "Margin", "number"),
    Column("verdict", "Verdict", help="of a difference: holds, fails, undecided; of a score: best, tied or empty"),
    Column("method", "Method"),
    Column("reason", "Reason"),
    Column("refused", "Refused", help="why a score must not be read as a level"),
    Column("warnings", "Warnings"),
)

_SHRUNK = (
    Column("target", "Target", "number", help="what the score is moved towards"),
    Column("weight", "Weight", "number", help="of the target"),
    Column("shrunk", "Shrunk", "number"),
    Column("beta_binomial", "Beta-binomial", "number"),
)


def long_table(evaluation: Evaluation) -> Table:
    """Return scores and differences under one set of columns.

    Columns that a row does not have are None. The order is that of the evaluation.
    """
    scores = [
        (
            "score",
            e.task,
            e.metric,
            e.model,
            None,
            e.value,
            e.standard_error,
            e.interval,
            e.level,
            e.df if math.isfinite(e.df) else math.nan,
            e.n,
            e.n_items,
            e.n_clusters,
            e.n_unscored,
            None,
            e.n_eff,
            None,
            None,
            None,
            None,
            _standing(evaluation, e.task, e.metric, e.model),
            e.method,
            None if e.reason is None else str(e.reason),
            e.refused or None,
            "; ".join(e.warnings) or None,
        )
        for e in evaluation.estimates
    ]
    differences = [
        (
            "difference",
            c.task,
            c.metric,
            c.a,
            c.b,
            c.difference,
            c.standard_error,
            c.interval,
            c.level,
            c.df if math.isfinite(c.df) else math.nan,
            None,
            c.n_items,
            c.n_clusters,
            None,
            c.n_unmatched,
            c.n_eff,
            c.correlation,
            c.p_value,
            c.p_adjusted,
            c.margin,
            str(c.verdict),
            c.method,
            None if c.reason is None else str(c.reason),
            None,
            "; ".join(c.warnings) or None,
        )
        for c in evaluation.comparisons
    ]
    table = Table(_COLUMNS, (*scores, *differences), "Scores and differences")
    return table if evaluation.subtasks is None else _with_shrunk(table, evaluation.subtasks)


def _with_shrunk(table: Table, subtasks: SubtaskScores) -> Table:
    """Return the table with the shrunk values of each task's scores; differences and averages have none."""
    cells = {(cell.task, cell.metric, cell.model): cell for cell in subtasks.cells}
    found = [cells.get(row[1:4]) if row[0] == "score" else None for row in table.rows]
    rows = tuple(
        (*row, *(None if cell is None else getattr(cell, column.name) for column in _SHRUNK))
        for row, cell in zip(table.rows, found, strict=True)
    )
    return Table((*table.columns, *_SHRUNK), rows, table.caption)


def _standing(evaluation: Evaluation, task: str, metric: str, model: str) -> str | None:
    tied = evaluation.tied(task, metric)
    if model not in tied:
        return None
    return "best" if model == tied[0] else "tied"
