"""Replay and SelectionTable -> Document: when to stop drawing, and which answer to return."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neff.report.charts import ForestPlot, ForestRow
from neff.report.document import Bullets, Document, Fact, Figure, Section, TableBlock, document, gate_notices
from neff.report.text import Name, count, number
from neff.sampling.selection.comparing import SelectionTable
from neff.sampling.stopping.replaying import Replay

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neff.report.document import Gate
    from neff.sampling.stopping.replaying import ReplayRow

__all__ = ["replay_document", "selection_document"]


@document.register(Replay)
def replay_document(result: Replay, *, gates: Sequence[Gate] = ()) -> Document:
    """Return the document of a replay: draws, accuracy and error of each rule."""
    rules, everything = result.rows[:-1], result.rows[-1]
    # A rule that always returns what all draws do has a difference of 0 and no interval of it.
    good = [row for row in rules if not row.difference_interval[1] < 0] or list(rules)
    best = min(good, key=lambda row: row.draws) if good else everything
    saved = 100 * (1 - best.draws / everything.draws) if everything.draws else 0.0
    said = "An accuracy is that of the answer returned; the error is another answer than after all draws."
    notes = (*((note,) for note in result.notes), (said,))
    block = TableBlock(result.table(), "Rules on the same answers", ("name", "draws", "accuracy", "error"))
    return Document(
        title=(f"{best.name} saves {saved:.0f}% of the draws",),
        kind="stopping rules",
        lead=((_cost(best, everything),),),
        facts=(Fact("Items", count(result.n_items)), Fact("Orders", count(result.n_orders), ("of each item",))),
        notices=gate_notices(gates),
        sections=(Section((), (block,)), Section(("Notes",), (Bullets(notes),), "context")),
    )


def _cost(best: ReplayRow, everything: ReplayRow) -> str:
    return (
        f"It takes {best.draws:.1f} of {everything.draws:.1f} answers per item, and is right in "
        f"{100 * best.accuracy:.1f}% against {100 * everything.accuracy:.1f}% of the items."
    )


@document.register(SelectionTable)
def selection_document(result: SelectionTable, *, gates: Sequence[Gate] = ()) -> Document:
    """Return the document of a selection table: which way to choose is best, against the majority."""
    ways = [row for row in result.rows if row.name not in ("perfect choice", "one at random")]
    best = max(ways, key=lambda row: row.accuracy)
    rows = tuple(
        ForestRow(r.name, r.difference, *r.difference_interval, strong=r.difference_interval[0] > 0)
        for r in result.rows
    )
    plot = ForestPlot(
        rows, "accuracy minus that of the majority vote", level=result.level, digits=3, reference=0.0, signed=True,
        head="Against majority",
    )  # fmt: skip
    block = TableBlock(result.table(), "Ways to choose", ("name", "accuracy", "difference", "difference_interval"))
    figure = Figure(plot, "Against the majority vote", "Paired by item, with intervals.", block)
    low, high = best.difference_interval
    lead = (
        f"{number(best.accuracy, 3)}; against the majority vote {best.difference:+.3f} [{low:+.3f}, {high:+.3f}]."
        if best.name != "majority"
        else f"{number(best.accuracy, 3)}; no confidence improves on it here."
    )
    notes = (*((note,) for note in result.notes), ("A power tuned here must be reported on other questions.",))
    return Document(
        title=("Best here: ", Name(best.name)),
        kind="answer selection",
        lead=((lead,),),
        facts=(Fact("Items", count(best.n_items)),),
        notices=gate_notices(gates),
        sections=(Section((), (figure,)), Section(("Notes",), (Bullets(notes),), "context")),
    )
