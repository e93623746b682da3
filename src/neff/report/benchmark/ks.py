"""KSAtN -> Document: curves of KS@N, and what the measure cannot see."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from neff.benchmark.distribution.result import KSAtN
from neff.report.document import Bullets, Document, Fact, Notice, Section, TableBlock, document, gate_notices
from neff.report.line_chart import LineChart, Series, line_figure
from neff.report.text import Name, count, plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neff.report.document import Block, Gate, Text

__all__ = ["ks_document"]

MOST_CURVES = 6


@document.register(KSAtN)
def ks_document(result: KSAtN, *, gates: Sequence[Gate] = ()) -> Document:
    """Return the document: models by KS@N, tasks, and the blind spots."""
    last = result.ns[-1]
    brief = ("model", *(f"ks_{n}" for n in result.ns[-2:]), "interval", "invalid")
    blocks: list[Block] = [TableBlock(result.table(), "Models", brief)]
    if len(result.ns) > 1:
        blocks.insert(0, line_figure(_chart(result), "KS@N", "Share of tasks passed by number of draws.", digits=3))
    notices = [Notice("warning", (f"{warning}.",)) for warning in result.warnings]
    best = result.scores[0][-1]
    title: Text = ("No valid draw to test",)
    if not math.isnan(best.value):
        title = (Name(result.models[0]), f" passes {best.value:.0%} of the tasks at {last} draws")
    tasks = {t.task for t in result.tasks}
    return Document(
        title=title,
        kind="KS@N",
        kicker=(f"{plural(len(result.models), 'model')} · {plural(len(tasks), 'task')}",),
        facts=(Fact("Tasks", count(len(tasks))), Fact("Threshold", f"p > {result.p_threshold:g}")),
        notices=(*gate_notices(gates), *notices),
        sections=(
            Section(("Models",), tuple(blocks)),
            Section(("What KS@N cannot see",), (TableBlock(result.blind, "What KS@N cannot see"),)),
            Section(("Tasks",), (TableBlock(result.task_table(), "Tasks", open=False),), "detail"),
            Section(("Notes",), (Bullets(_notes(result)),), "context"),
        ),
    )


def _chart(result: KSAtN) -> LineChart:
    x = tuple(float(n) for n in result.ns)
    series = tuple(
        Series(
            model,
            x,
            tuple(e.value for e in found),
            tuple(e.interval[0] for e in found),
            tuple(e.interval[1] for e in found),
        )
        for model, found in list(zip(result.models, result.scores, strict=True))[:MOST_CURVES]
    )
    return LineChart(
        series, "draws", "tasks passed", x_scale="log", y_range=(0.0, 1.0), band_label=f"{result.level:.0%} interval"
    )


def _notes(result: KSAtN) -> tuple[Text, ...]:
    how = "left out, and later ones move up" if result.invalid == "drop" else "failures of the task"
    return (
        ("p-values are exact: lattice paths without ties, given the ties where the target has some.",),
        (f"Invalid draws are {how}.",),
        ("The intervals are over tasks (Wilson).",),
        ("The test looks at each task's distribution, not at dependence between draws.",),
    )
