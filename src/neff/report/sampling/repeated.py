"""AtK -> Document: what k answers give, by model, with the curve over k."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from neff.report.document import Bullets, Document, Fact, Section, TableBlock, document, gate_notices
from neff.report.line_chart import LineChart, Series, line_figure
from neff.report.text import Name, number, plural
from neff.results import Column, Table
from neff.sampling.repeats.result import AtK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neff.report.document import Block, Gate, Text
    from neff.results import Estimate

__all__ = ["at_k_document"]

BRIEF = ("model", "metric", "value", "interval", "n_items")


@document.register(AtK)
def at_k_document(result: AtK, *, gates: Sequence[Gate] = ()) -> Document:
    """Return the document of `at_k`: the first and the last budget, the curves, the table, pairs of models."""
    groups = dict.fromkeys((e.task, e.model) for e in result.estimates)
    passes = [e for e in result.estimates if e.metric.startswith("pass@")]
    sections = [Section(("What k answers give",), _figures(result))] if passes else []
    block = TableBlock(result.table(), "Estimates at each budget", BRIEF)
    sections.append(Section(("All estimates",), (block,)))
    if result.comparisons:
        sections.append(Section(("Differences between models",), (_pairs(result),)))
    notes: list[Text] = [(note,) for note in result.notes]
    notes += [
        ("The interval over items is for other items like these; the one over draws, for fresh draws of these items.",),
        ("Budgets are drawn without replacement from the recorded draws: unbiased, and no statement beyond them.",),
    ]  # fmt: skip
    sections.append(Section(("Notes",), (Bullets(tuple(notes)),), "context"))
    return Document(
        title=_title(passes),
        kind="repeated answers",
        kicker=(f"{plural(len(groups), 'set of answers', 'sets of answers')} · budgets {_range(result.ks)}",),
        lead=_lead(passes),
        facts=_facts(passes),
        notices=gate_notices(gates),
        sections=tuple(sections),
    )


def _range(ks: tuple[int, ...]) -> str:
    return f"{min(ks)}" if len(ks) == 1 else f"{min(ks)} to {max(ks)}"


def _title(passes: list[Estimate]) -> Text:
    known = [e for e in passes if not math.isnan(e.value)]
    if not known:
        return ("No budget can be estimated from these draws",)
    last = max(known, key=lambda e: (_budget(e), e.value))
    whose = [Name(last.model), " solves "] if last.model else ["Solved: "]
    k = _budget(last)
    return (*whose, f"{100 * last.value:.1f}% of the items within {plural(k, 'answer')}")


def _budget(estimate: Estimate) -> int:
    return int(estimate.metric.rpartition("@")[2])


def _lead(passes: list[Estimate]) -> tuple[Text, ...]:
    said: list[Text] = []
    for model in list(dict.fromkeys((e.task, e.model) for e in passes))[:4]:
        own = [e for e in passes if (e.task, e.model) == model and not math.isnan(e.value)]
        if len(own) < 2:
            continue
        first, last = own[0], own[-1]
        task = f" on {first.task}" if first.task not in ("", "all") else ""
        said.append((
            *((Name(first.model),) if first.model else ("The model",)), task,
            f": {number(first.value, 3)} at {first.metric}, {number(last.value, 3)} at {last.metric} ",
            f"[{number(last.interval[0], 3)}, {number(last.interval[1], 3)}].",
        ))  # fmt: skip
    return tuple(said)


def _facts(passes: list[Estimate]) -> tuple[Fact, ...]:
    if not passes:
        return ()
    items, draws = max(e.n_items for e in passes), max(e.n for e in passes)
    each = f"{draws / items:.3g}" if items else "–"
    return (Fact("Items", f"{items:,}"), Fact("Draws", f"{draws:,}"), Fact("Draws per item", each, ("on average",)))


def _figures(result: AtK) -> tuple[Block, ...]:
    """One figure per family of metrics, a curve per model."""
    families = dict.fromkeys(_family(e.metric) for e in result.estimates)
    tasks = len({e.task for e in result.estimates}) > 1
    blocks: list[Block] = []
    for family in families:
        series = []
        for task, model in dict.fromkeys((e.task, e.model) for e in result.estimates):
            own = [e for e in result.estimates if (e.task, e.model, _family(e.metric)) == (task, model, family)]
            named = " · ".join(filter(None, (model, task if tasks else ""))) or family
            series.append(
                Series(
                    named,
                    tuple(float(k) for k in result.ks),
                    tuple(e.value for e in own),
                    tuple(e.interval[0] for e in own),
                    tuple(e.interval[1] for e in own),
                )
            )
        chart = LineChart(
            tuple(series), "answers k", family, x_scale="log", band_label="interval over items", y_range=(0.0, 1.0)
        )
        blocks.append(line_figure(chart, family, "Mean over items by the number of answers, with intervals."))
    return tuple(blocks)


def _family(metric: str) -> str:
    """Return the metric without its budget.

    Examples
    --------
    >>> _family("pass@10"), _family("best-of-5"), _family("pass^2"), _family("at-least-2@5")
    ('pass@k', 'best-of-k', 'pass^k', 'at-least-2@k')
    """
    return metric.rstrip("0123456789") + "k"


def _pairs(result: AtK) -> TableBlock:
    columns = (
        Column("task", "Task"), Column("metric", "Metric"), Column("a", "A"), Column("b", "B"),
        Column("difference", "A - B", "signed"), Column("interval", "Interval", "interval"),
        Column("n_items", "Items", "count"), Column("p_adjusted", "p (Holm)", "p"), Column("verdict", "Verdict"),
    )  # fmt: skip
    rows = tuple(
        (c.task, c.metric, c.a, c.b, c.difference, c.interval, c.n_items, c.p_adjusted, str(c.verdict))
        for c in result.comparisons
    )
    return TableBlock(
        Table(columns, rows), "Differences of pass@k, paired by item", ("metric", "a", "b", "difference", "verdict")
    )
