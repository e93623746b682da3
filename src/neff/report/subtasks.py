"""SubtaskScores -> Document: raw scores with intervals, shrunk ones beside them, and which rule to believe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neff.evaluate.shrinking.result import SubtaskScores
from neff.report.document import Bullets, Document, Paragraph, Section, TableBlock, document, gate_notices
from neff.report.text import Name, plural
from neff.results import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neff.evaluate.result import Evaluation
    from neff.report.document import Gate

__all__ = ["subtask_sections", "subtasks_document"]

BRIEF_CELLS = ("model", "task", "metric", "raw", "interval", "shrunk", "beta_binomial", "n_items", "weight", "reason")
BRIEF_RULES = ("metric", "rule", "risk", "ratio", "standing", "difference", "interval")
OPEN_ROWS = 60


@document.register(SubtaskScores)
def subtasks_document(result: SubtaskScores, *, gates: Sequence[Gate] = ()) -> Document:
    """Return the document of subtask scores: which rule to use, the scores, the rules' risks, notes."""
    use = [fit for fit in result.fits if fit.reason is None]
    title = f"Use {use[0].best} scores" if len(use) == 1 else f"Scores of {plural(len(result.cells), 'subtask cell')}"
    models, tasks = {cell.model for cell in result.cells}, {cell.task for cell in result.cells}
    notes = tuple((note,) for note in result.notes)
    return Document(
        title=(title,),
        kind="subtask scores",
        kicker=(f"{plural(len(models), 'model')} · {plural(len(tasks), 'task')}",),
        lead=tuple((str(fit),) for fit in result.fits),
        notices=gate_notices(gates),
        sections=(
            *subtask_sections(result),
            *([Section(("Notes",), (Bullets(notes),), "context")] if notes else []),
        ),
    )


def subtask_sections(result: SubtaskScores, *, within: Evaluation | None = None) -> tuple[Section, ...]:
    """Return the scores and the rules as two sections; within an evaluation's report, with what else they say."""
    cells, rules = _named(result.table()), _named(result.rules_table())
    one = {"metric"} if len({cell.metric for cell in result.cells}) < 2 else set()
    scores = TableBlock(
        cells,
        "Scores by subtask, raw and shrunk",
        tuple(name for name in BRIEF_CELLS if name not in one),
        f"{plural(len(cells), 'cell')}: each model on each task, raw and shrunk." if len(cells) > OPEN_ROWS else "",
        len(cells) <= OPEN_ROWS,
    )
    risks = TableBlock(rules, "Estimated risk of each rule", tuple(name for name in BRIEF_RULES if name not in one))
    if within is None:
        return Section((scores.title,), (scores,)), Section((risks.title,), (risks,))
    said = Paragraph((" ".join(map(str, result.fits)),))
    notes = Bullets(tuple((note,) for note in result.notes if note not in within.notes))
    return Section((scores.title,), (said, scores, notes)), Section((risks.title,), (risks,))


def _named(table: Table) -> Table:
    """Return the table with names from the records marked as such."""
    own = {j for j, column in enumerate(table.columns) if column.name in ("task", "metric", "model")}
    rows = tuple(tuple(Name(value) if j in own else value for j, value in enumerate(row)) for row in table.rows)
    return Table(table.columns, rows, table.caption)
