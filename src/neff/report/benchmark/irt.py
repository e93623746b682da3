"""ItemBank and Abilities -> Document: characteristic curves, test information, suspected items, where models stand."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from neff.benchmark.irt.item_bank import ItemBank, information
from neff.benchmark.irt.scoring import Abilities
from neff.report.charts import ForestPlot, ForestRow
from neff.report.document import Bullets, Document, Fact, Figure, Notice, Section, TableBlock, document, gate_notices
from neff.report.line_chart import LineChart, ReferenceLine, Series, line_figure
from neff.report.text import Name, count, number, plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neff.report.document import Gate, Text

__all__ = ["abilities_document", "item_bank_document"]

CURVES = 6
ABILITIES = np.linspace(-4, 4, 41)


@document.register(ItemBank)
def item_bank_document(result: ItemBank, *, gates: Sequence[Gate] = ()) -> Document:
    """Return the document of a bank: how precise the benchmark is for whom, its items, and which to look at."""
    suspects = int(np.count_nonzero(result.suspect))
    used = int(result.usable.sum())
    notices = [*gate_notices(gates)]
    if result.reason is not None:
        notices.append(Notice("error", (f"{result.reason}.",), "No parameters"))
    notices += [Notice("warning", (f"{warning}.",)) for warning in result.warnings]
    sections = []
    if used:
        sections.append(Section(("Precision",), (_information(result), _curves(result))))
    if suspects:
        block = TableBlock(result.table(suspects=True), "Suspected items", ("item", "rest_correlation", "share"))
        sections.append(Section(("Suspected items",), (block,)))
    said = f"{len(result):,} items with their parameters: in the HTML, CSV and JSON output."
    brief = ("item", "difficulty", "discrimination", "share", "note")
    block = TableBlock(result.table(), "All items", brief, said, open=len(result) <= 30)
    sections += [
        Section(("Items",), (block,), "result" if len(result) <= 30 else "detail"),
        Section(("Notes",), (Bullets(_notes(result)),), "context"),
    ]
    facts = (
        Fact("Models", count(result.n_models), ("calibration",)),
        Fact("Items", count(used), (f"with parameters, of {len(result):,}",)),
        Fact("Suspected", count(suspects), ("better models do worse",)),
        Fact("Gap between models", number(result.ability_gap, 3), ("adjacent in rank, in theta",)),
    )
    return Document(
        title=_title(result),
        kind="item bank",
        kicker=(Name(result.task),) if result.task else (),
        lead=_lead(result),
        facts=facts,
        notices=tuple(notices),
        sections=tuple(sections),
    )


def _title(result: ItemBank) -> Text:
    if not result.usable.any():
        return ("These answers say nothing about the items",)
    top = float(ABILITIES[int(np.argmax(information(result, ABILITIES)))])
    where = "average models" if abs(top) <= 0.5 else "strong models" if top > 0 else "weak models"
    return (f"Most precise for {where}, around an ability of {top:+.1f}".replace("+0.0", "0"),)


def _lead(result: ItemBank) -> tuple[Text, ...]:
    if not result.usable.any():
        return ()
    at = information(result, [-2.0, 0.0, 2.0])
    errors = ", ".join(f"{1 / math.sqrt(1 + float(i)):.3f}" for i in at)
    return (
        (f"With all items the standard error of an ability is {errors} at -2, 0 and +2.",),
        (f"Half of the information at 0 is in {_half(result):,} of {int(result.usable.sum()):,} items.",),
    )


def _half(result: ItemBank) -> int:
    each = np.sort(np.nan_to_num(result.information([0.0])[0]))[::-1]
    return int(np.searchsorted(np.cumsum(each), 0.5 * each.sum()) + 1)


def _information(result: ItemBank) -> Figure:
    total = information(result, ABILITIES)
    error = 1 / np.sqrt(1 + total)
    x = tuple(ABILITIES.tolist())
    references = (ReferenceLine(result.ability_gap, "gap between models"),) if result.ability_gap > 0 else ()
    chart = LineChart(
        (Series("all items", x, tuple(error.tolist())), *_best(result, x)), "ability", "standard error",
        references=references, y_range=(0.0, float(error.max())),
    )  # fmt: skip
    said = "Standard error of an ability by all items, and by the 10 and 100 most informative ones at each ability."
    return line_figure(chart, "Precision by ability", said)


def _best(result: ItemBank, x: tuple[float, ...]) -> tuple[Series, ...]:
    each = -np.sort(-np.nan_to_num(result.information(list(x))), axis=1)
    used = int(result.usable.sum())
    return tuple(
        Series(f"best {size}", x, tuple((1 / np.sqrt(1 + each[:, :size].sum(axis=1))).tolist()))
        for size in (100, 10)
        if size < used
    )


def _curves(result: ItemBank) -> Figure:
    """Return the curves of a few items: the most discriminating ones across the difficulties."""
    places = np.flatnonzero(result.usable)
    places = places[np.argsort(result.difficulty[places], kind="stable")]
    parts = np.array_split(places, min(CURVES, len(places)))
    chosen = [int(part[np.argmax(result.discrimination[part])]) for part in parts]
    p = result.probability(ABILITIES)
    x = tuple(ABILITIES.tolist())
    series = tuple(Series(result.items[k], x, tuple(p[:, k].tolist())) for k in chosen)
    chart = LineChart(series, "ability", "P(right)", y_range=(0.0, 1.0))
    said = "Item characteristic curves: the steepest item in each part of the range of difficulties."
    return line_figure(chart, "Characteristic curves", said)


def _notes(result: ItemBank) -> tuple[Text, ...]:
    guess = "" if result.model != "3pl" else ", with a given chance to guess right"
    return (
        (f"Model: {result.model}{guess}, marginal likelihood, {result.n_iterations} steps.",),
        ("Abilities are in standard deviations of the calibration models, 0 is their mean.",),
        ("Suspected: the correlation with the rest of the items is below 0, Benjamini-Hochberg at 5%.",),
        (f"Scale: D = {result.scaling:g}. {plural(int(np.nansum(result.exposure)), 'answer')}.",),
    )


@document.register(Abilities)
def abilities_document(result: Abilities, *, gates: Sequence[Gate] = ()) -> Document:
    """Return the document of abilities: the best first."""
    order = np.argsort(-np.nan_to_num(result.theta, nan=-np.inf), kind="stable").tolist()
    rows = tuple(
        ForestRow(result.models[k], float(result.theta[k]), float(result.interval[k, 0]), float(result.interval[k, 1]))
        for k in order
    )
    plot = ForestPlot(rows, "ability", level=result.level, digits=3, reference=0.0, signed=True, head="Ability")
    block = TableBlock(result.table(), "Abilities", ("model", "theta", "interval", "n"))
    known = not np.isnan(result.theta).all()
    return Document(
        title=(Name(result.models[order[0]]), " has the highest ability") if known else ("No ability is known",),
        kind="abilities",
        facts=(Fact("Models", count(len(result))), Fact("Method", result.method.upper())),
        notices=(*gate_notices(gates), *(Notice("warning", (f"{said}.",)) for said in result.warnings)),
        sections=(Section((), (Figure(plot, "Abilities", "In units of the calibration models.", block),)),),
    )
