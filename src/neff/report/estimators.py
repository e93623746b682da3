"""The section that puts several estimators of the same records side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neff.evaluate.estimator_rows import rows_table
from neff.report.charts import ForestPlot, ForestRow
from neff.report.document import Figure, Paragraph, Section, TableBlock
from neff.report.text import digits_for, label

if TYPE_CHECKING:
    from neff.evaluate.result import Evaluation
    from neff.report.document import Block

__all__ = ["estimator_sections"]

MOST_ROWS = 60  # with more the table says it better
ABOUT = (
    "What each estimator says of the same records. Where judge and labels disagree, the judge is wrong about the "
    "model; the calibrated, corrected value uses both."
)
BRIEF = ("model", "estimator", "value", "interval", "refused")


def estimator_sections(result: Evaluation) -> tuple[Section, ...]:
    """Return what each estimator says of each model: a forest plot with its table, or the table alone."""
    rows = result.by_estimator
    if not rows:
        return ()
    title = "What each estimator says"
    table = TableBlock(rows_table(rows, result.level), "The same numbers as a table", BRIEF, open=len(rows) <= 30)
    block: Block = table
    if len(rows) <= MOST_ROWS and len({(row.task, row.metric) for row in rows}) == 1:
        points = tuple(
            ForestRow(
                f"{label(row.model, 40)} · {row.estimator}",
                row.value,
                *row.interval,
                "refused" if row.refused else "",
                row.reason,
            )
            for row in rows
        )
        digits = digits_for([row.standard_error for row in rows], [row.value for row in rows])
        chart = ForestPlot(points, "score", result.level, digits)
        block = Figure(chart, "Models by estimator", f"Each with its {100 * result.level:g}% interval.", table)
    return (Section((title,), (Paragraph((ABOUT,)), block), "result"),)
