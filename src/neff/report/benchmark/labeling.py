"""HybridLabels, DeferralCurve and LabelMetrics -> Document: what stands, what is wrong, what people should label."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from neff.benchmark.labeling.deferral import DeferralCurve
from neff.benchmark.labeling.metrics import LabelMetrics
from neff.benchmark.labeling.result import HybridLabels
from neff.report.document import Bullets, Document, Fact, Section, TableBlock, document, gate_notices
from neff.report.line_chart import LineChart, ReferenceLine, Series, line_figure
from neff.report.text import count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neff.report.document import Block, Gate, Text

__all__ = ["deferral_document", "hybrid_labels_document", "label_metrics_document"]


@document.register(HybridLabels)
def hybrid_labels_document(result: HybridLabels, *, gates: Sequence[Gate] = ()) -> Document:
    """Return the document of hybrid labels: accepted ones, residual error, models, deferral."""
    residual = result.residual
    title = f"{result.n_accepted:,} of {len(result.items):,} items have accepted labels"
    if not math.isnan(residual.value):
        title += f"; {round(residual.value * residual.n) or 'none'} of {residual.n:,} audited ones wrong"
    sections = [Section(("Models",), (TableBlock(result.model_table(), "What each model proposed"),))]
    if result.deferral is not None and result.deferral.points:
        sections.append(Section(("To people",), _curve(result.deferral)))
    if result.metrics is not None:
        sections.append(Section(("Measures",), (TableBlock(result.metrics.table(), "On audited items"),)))
    table = result.table()
    said = f"{len(table):,} items with their labels."
    sections.append(Section(("Items",), (TableBlock(table, "Labels of each item", summary=said, open=False),)))
    notes: list[Text] = [(f"{note}.",) for note in result.notes]
    notes.append(
        ("Rejecting takes out what is wrong; what no model proposed stays missing, and only an audit sees it.",)
    )
    sections.append(Section(("Notes",), (Bullets(tuple(notes)),), "context"))
    lead: list[Text] = [(result.sentence(),)]
    if result.deferral is not None and result.deferral.sentence():
        lead.append((result.deferral.sentence(),))
    return Document(
        title=(title,),
        kind="labels of models and people",
        lead=tuple(lead),
        facts=(
            Fact("Items", count(len(result.items))),
            Fact("Labels looked at", count(result.n_decisions)),
            Fact("Rejected", count(result.n_rejected)),
            Fact("Audited", count(residual.n)),
        ),
        notices=gate_notices(gates),
        sections=tuple(sections),
    )


@document.register(DeferralCurve)
def deferral_document(result: DeferralCurve, *, gates: Sequence[Gate] = ()) -> Document:
    """Return the document of a deferral curve."""
    title = result.sentence() or "Error of what is kept, by how much is sent to people"
    return Document(
        title=(f"Undefined: {result.reason}" if not result.points else title.rstrip("."),),
        kind="deferral",
        facts=(Fact("Items", count(result.n)), Fact("Audited", count(result.n_audited))),
        notices=gate_notices(gates),
        sections=(Section((), _curve(result) if result.points else (TableBlock(result.table(), "Thresholds"),)),),
    )


def _curve(result: DeferralCurve) -> tuple[Block, ...]:
    known = [p for p in result.points if not math.isnan(p.error)]
    table = TableBlock(result.table(), "Error by what is sent", ("threshold", "sent", "error", "interval"))
    if not known:
        return (table,)
    sent = tuple(1 - p.kept for p in known)
    low, high = zip(*(p.interval for p in known), strict=True)
    series = (
        Series("error of what is kept", sent, tuple(p.error for p in known), low, high),
        Series("total error", sent, tuple(p.total for p in known)),
    )
    lines = () if result.target is None else (ReferenceLine(result.target, "target"),)
    chart = LineChart(series, "share sent to people", "share wrong", references=lines, band_label="interval")
    return (line_figure(chart, "Error by what is sent", "Share of wrong labels by the share sent to people."), table)


@document.register(LabelMetrics)
def label_metrics_document(result: LabelMetrics, *, gates: Sequence[Gate] = ()) -> Document:
    """Return the document of measures of labels."""
    accuracy = result["accuracy"]
    title = f"{100 * accuracy.value:.1f}% of the items have all labels right" if result.n else "No item has both labels"
    return Document(
        title=(title,),
        kind="measures of labels",
        facts=(
            Fact("Items", count(result.n)), Fact("Left out", count(result.n_unlabeled)),
            Fact("Labels", count(len(result.labels))),
        ),
        notices=gate_notices(gates),
        sections=(Section((), (TableBlock(result.table(), "Measures"),)),),
    )  # fmt: skip
