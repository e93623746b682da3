"""Forecast, TaskLaw and Emergence -> Document: coverage beyond the recorded draws, rates of larger models."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from neff.report.document import Bullets, Document, Fact, Section, TableBlock, document, gate_notices
from neff.report.line_chart import LineChart, Series, line_figure
from neff.report.text import count, number, plural
from neff.sampling.forecasts.coverage import Forecast
from neff.sampling.forecasts.emergence import Emergence
from neff.sampling.forecasts.task_law import TaskLaw

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neff.report.document import Block, Gate, Text

__all__ = ["emergence_document", "forecast_document", "task_law_document"]


@document.register(Forecast)
def forecast_document(result: Forecast, *, gates: Sequence[Gate] = ()) -> Document:
    """Return the document of a forecast: what the forecasters say, and how far they disagree."""
    defined = [e for e in result.estimates if not math.isnan(e.value)]
    known = [e for e in defined if e.model != "plug-in"] or defined
    title: Text = ("No forecast can be made from these draws",)
    lead: tuple[Text, ...] = ()
    if known:
        last = max(known, key=lambda e: _budget(e.metric))
        same = [e.value for e in known if e.metric == last.metric]
        span = f"{100 * min(same):.0f}" if len(same) == 1 else f"{100 * min(same):.0f} to {100 * max(same):.0f}"
        title = (f"{last.metric} is forecast at {span}%",)
        lead = ((f"From {plural(result.n_draws, 'draw')} per item, by {plural(len(same), 'forecaster')}.",),)
    blocks: list[Block] = [*_curve(result), TableBlock(result.table(), "Forecasts")]
    parameters = "; ".join(
        f"{name}: " + ", ".join(f"{key} {value:.4g}" for key, value in found.items())
        for name, found in result.parameters.items() if found
    )  # fmt: skip
    notes: list[Text] = [(note,) for note in result.notes]
    notes.append(("A forecaster's assumption about items that rarely pass cannot be checked on these draws.",))
    notes += [(f"Fitted: {parameters}.",)] if parameters else []
    return Document(
        title=title,
        kind="coverage forecast",
        lead=lead,
        facts=(Fact("Items", count(result.n_items)), Fact("Draws per item", count(result.n_draws))),
        notices=gate_notices(gates),
        sections=(Section((), tuple(blocks)), Section(("Notes",), (Bullets(tuple(notes)),), "context")),
    )


def _budget(metric: str) -> int:
    return int(metric.rpartition("@")[2])


def _curve(result: Forecast) -> tuple[Block, ...]:
    series = []
    for name in result.parameters:
        own = [e for e in result.estimates if e.model == name]
        x = tuple(float(_budget(e.metric)) for e in own)
        low, high = (tuple(e.interval[end] for e in own) for end in (0, 1))
        series.append(Series(name, x, tuple(e.value for e in own), low, high))
    if not series or len(series[0].x) < 2:
        return ()
    chart = LineChart(
        tuple(series), "answers k", "pass@k", x_scale="log", band_label="interval over items", y_range=(0.0, 1.0)
    )
    return (line_figure(chart, "Forecasts of pass@k", "Share of items with a right answer within k answers."),)


@document.register(TaskLaw)
def task_law_document(result: TaskLaw, *, gates: Sequence[Gate] = ()) -> Document:
    """Return the document of a task scaling law: rates as seen and as fitted."""
    x = tuple(map(float, result.sizes))
    chart = LineChart(
        (
            Series("observed", x, tuple(map(float, result.observed)), joined=False),
            Series("fitted", x, tuple(map(float, result.fitted))),
        ),
        "size N", "pass rate", x_scale="log", y_scale="log",
    )  # fmt: skip
    curves = plural(len(result.c), "curve")
    notes: list[Text] = [(f"{warning}.",) for warning in result.warnings]
    notes.append(("A prediction holds as long as log(-log rate) stays linear in log N.",))
    return Document(
        title=(f"Pass rates rise as exp(-c N^-alpha), alpha about {float(np.nanmedian(result.alpha)):.3f}",),
        kind="task scaling law",
        lead=((f"{curves}, {result.curves} level, fitted by {result.method}.",),),
        notices=gate_notices(gates),
        sections=(
            Section(
                (), (line_figure(chart, "Pass rate by size", "Mean over items."), TableBlock(result.table(), "Rates"))
            ),
            Section(("Notes",), (Bullets(tuple(notes)),), "context"),
        ),
    )


@document.register(Emergence)
def emergence_document(result: Emergence, *, gates: Sequence[Gate] = ()) -> Document:
    """Return the document of a test for emergence: the verdict and what it rests on."""
    title = "Growth is faster than the items' own laws explain" if result.emergent else "No emergence is shown"
    facts = (
        Fact("Curvature", number(result.curvature, 4), (f"± {result.standard_error:.4f}, {result.shape}",)),
        Fact("Of the mixture", number(result.of_mixture, 4), (f"p = {result.p_mixture:.3f}",)),
        Fact("Models", count(result.n_models), (f"{result.n_items} items",)),
    )
    said = "A mean over items that each obey the law is concave already: only more than that is emergence."
    return Document(
        title=(title,), kind="emergence test", lead=((str(result),),), facts=facts, notices=gate_notices(gates),
        sections=(Section(("Notes",), (Bullets(((said,),)),), "context"),),
    )  # fmt: skip
