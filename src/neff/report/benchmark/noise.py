"""BenchmarkNoise -> Document: the ladder of signal to noise, and which early decisions hold."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from neff.benchmark.noise.result import BenchmarkNoise
from neff.report.charts import ForestPlot, ForestRow
from neff.report.document import Bullets, Document, Fact, Figure, Notice, Section, TableBlock, document, gate_notices
from neff.report.text import Name, count, plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neff.benchmark.noise.result import TaskNoise
    from neff.report.document import Gate, Text

__all__ = ["benchmark_noise_document"]

MOST_ROWS = 40


@document.register(BenchmarkNoise)
def benchmark_noise_document(result: BenchmarkNoise, *, gates: Sequence[Gate] = ()) -> Document:
    """Return the document: tasks by signal to noise, with decision accuracy where two sizes were named."""
    decided = any(t.decision is not None for t in result.tasks)
    brief = ("task", "snr", "snr_interval", *(("decision", "decision_interval") if decided else ("signal", "noise")))
    block = TableBlock(result.table(), "Tasks by signal to noise", brief)
    parts: list[Figure | TableBlock] = [block]
    drawn = [t for t in result.tasks if math.isfinite(t.snr.value)]
    if drawn:
        rows = tuple(ForestRow(t.task, t.snr.value, *t.snr.interval) for t in drawn[:MOST_ROWS])
        plot = ForestPlot(rows, "signal over noise", level=result.level, digits=1, head="SNR")
        parts = [Figure(plot, "Signal to noise", "Spread of the models over the noise of one checkpoint.", block)]
    why: list[Text] = [(Name(t.task), f": {t.snr.reason}.") for t in result.tasks if t.snr.reason is not None]
    notices = [Notice("warning", (f"{warning}.",)) for warning in result.warnings]
    sections = [Section(("Ladder",), tuple(parts))]
    if decisions := _decisions(result, drawn):
        sections.append(decisions)
    if why:
        sections.append(Section(("Undefined",), (Bullets(tuple(why[:MOST_ROWS])),), "context"))
    sections.append(Section(("Notes",), (Bullets(_notes(result)),), "context"))
    return Document(
        title=_title(drawn),
        kind="benchmark noise",
        kicker=(f"{plural(len(result.tasks), 'task')} · {result.population} · last {result.last} checkpoints",),
        facts=_facts(result, drawn),
        notices=(*gate_notices(gates), *notices),
        sections=tuple(sections),
    )


def _title(drawn: list[TaskNoise]) -> Text:
    if not drawn:
        return ("No task has both signal and noise",)
    if len(drawn) == 1:
        return (Name(drawn[0].task), f" spreads the models {drawn[0].snr.value:.1f} times its noise")
    return (Name(drawn[0].task), " tells models apart best, ", Name(drawn[-1].task), " worst")


def _facts(result: BenchmarkNoise, drawn: list[TaskNoise]) -> tuple[Fact, ...]:
    facts = [Fact("Tasks", count(len(result.tasks)))]
    if drawn:
        facts.append(Fact("Runs", count(max(t.n_runs for t in drawn))))
        facts.append(Fact("SNR", f"{drawn[-1].snr.value:.1f} to {drawn[0].snr.value:.1f}"))
    known = [t.decision.value for t in result.tasks if t.decision is not None and not math.isnan(t.decision.value)]
    if known:
        facts.append(Fact("Decisions that hold", f"{min(known):.0%} to {max(known):.0%}", ("over tasks",)))
    return tuple(facts)


def _decisions(result: BenchmarkNoise, drawn: list[TaskNoise]) -> Section | None:
    known = [t for t in drawn if t.decision is not None and not math.isnan(t.decision.value)]
    if not known:
        return None
    known.sort(key=lambda t: -t.decision.value if t.decision else 0.0)
    rows = tuple(
        ForestRow(t.task, t.decision.value, *t.decision.interval) for t in known[:MOST_ROWS] if t.decision is not None
    )
    plot = ForestPlot(rows, "decision accuracy", level=result.level, digits=2, reference=0.5, head="Accuracy")
    block = TableBlock(
        result.table(), "Decisions by task", ("task", "decision", "decision_interval", "drawn"), open=False
    )
    text = f"Share of pairs of recipes that {result.small} orders as {result.target} does; 0.5 is chance."
    return Section((f"Decisions from {result.small} to {result.target}",), (Figure(plot, "Decisions", text, block),))


def _notes(result: BenchmarkNoise) -> tuple[Text, ...]:
    notes: list[Text] = [
        (f"Signal: relative {result.signal_kind.replace('_', ' ')} over models of the mean of last checkpoints.",),
        (f"Noise: mean over models of the relative standard deviation of one checkpoint (ddof = {result.ddof}).",),
        ("Intervals take the models as given, and allow for neighbouring checkpoints that are alike.",),
        ("Walked: how many times a curve walks its own net change.",),
    ]
    if result.small:
        notes.append(("One checkpoint: the same decisions without averaging checkpoints.",))
    return tuple(notes)
