"""FactorialResult, LearningCurve, FrozenChoice, ContingencyTest -> Document: what matters, for whom, and how sure."""

from __future__ import annotations

import math
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from neff.benchmark.factorial.contingency import ContingencyTest
from neff.benchmark.factorial.learning import LearningCurve
from neff.benchmark.factorial.result import FactorialResult
from neff.benchmark.factorial.validation import FrozenChoice
from neff.report.document import Bullets, Document, Fact, Notice, Section, TableBlock, document, gate_notices
from neff.report.line_chart import LineChart, ReferenceLine, Series, line_figure
from neff.report.text import Name, count, number, plural
from neff.results import Column, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from neff.report.document import Block, Gate, Text

__all__ = ["contingency_document", "factorial_document", "frozen_choice_document", "learning_curve_document"]

BRIEF = ("name", "df", "eta2", "interval", "p_adjusted")
MOST_PLOTS, MOST_LINES = 3, 12


@document.register(FactorialResult)
def factorial_document(result: FactorialResult, *, gates: Sequence[Gate] = ()) -> Document:
    """Return the document of a grid: the largest term, interactions against main effects, plots, tests over units."""
    what = "variation of cell means" if result.by_item else "variation of scores"
    sections = [Section(("Terms",), (TableBlock(result.table(), f"Shares of the {what}", BRIEF),))]
    plots = _plots(result)
    if plots:
        sections.append(Section(("Interactions",), plots))
    if result.units:
        block = TableBlock(result.unit_table(), "Paired tests over units")
        sections.append(Section((f"{result.units[0].unit} as the unit",), (block,)))
    if result.reversals:
        sections.append(Section(("Order of levels",), (_reversals(result),)))
    sections.append(Section(("Notes",), (Bullets(_notes(result)),), "context"))
    return Document(
        title=_title(result),
        kind="factorial evaluation",
        kicker=(f"{plural(len(result.factors), 'factor')} · {plural(result.n_cells, 'cell')}",),
        lead=_lead(result),
        facts=_facts(result),
        notices=gate_notices(gates),
        sections=tuple(sections),
    )


def _title(result: FactorialResult) -> Text:
    known = [t for t in result.terms if not math.isnan(t.eta2)]
    if not known:
        return ("All scores are the same",)
    best = max(known, key=lambda t: t.eta2)
    kind = "the interaction of " if best.order > 1 else ""
    parts: list[str | Name] = [f"Most of the variation is {kind}" if best.eta2 > 0.5 else f"Largest term: {kind}"]
    for k, name in enumerate(best.name.split(":")):
        parts += [" and " if k else "", Name(name)]
    return (*parts, f", {100 * best.eta2:.0f}%")


def _lead(result: FactorialResult) -> tuple[Text, ...]:
    if math.isnan(result.main):
        return ()
    said: list[Text] = [
        (f"Main effects are {100 * result.main:.1f}% of the variation, interactions {100 * result.interactions:.1f}%.",)
    ]
    if result.by_item:
        sure = [t for t in result.terms if t.p_adjusted <= 1 - result.level]
        said.append((f"With items as units {len(sure)} of {plural(len(result.terms), 'term')} are significant.",))
    said += [
        (
            "Over ", plural(test.n_units, "unit"), f" ({test.group}), ", Name(test.a), " less ", Name(test.b),
            f": {test.difference:+.4f} [{test.interval[0]:+.4f}, {test.interval[1]:+.4f}], p {test.p_value:.3f}.",
        )
        for test in result.units[:3]
        if not math.isnan(test.p_value)
    ]  # fmt: skip
    return tuple(said)


def _facts(result: FactorialResult) -> tuple[Fact, ...]:
    facts = [Fact("Scores", count(result.n)), Fact("Cells", count(result.n_cells))]
    if result.n_items:
        facts.append(Fact("Items", count(result.n_items)))
    return tuple(facts)


def _plots(result: FactorialResult) -> tuple[Block, ...]:
    """One picture for each of the largest two-way interactions: a line per level of the factor with fewer."""
    pairs = {f"{a}:{b}": (i, j) for (i, a), (j, b) in combinations(enumerate(result.factors), 2)}
    terms = sorted(
        (t for t in result.terms if t.order == 2 and not math.isnan(t.eta2)), key=lambda t: t.eta2, reverse=True
    )
    return tuple(_plot(result, *pairs[term.name]) for term in terms[:MOST_PLOTS])


def _plot(result: FactorialResult, first: int, second: int) -> Block:
    x, lines = (first, second) if len(result.levels[first]) > len(result.levels[second]) else (second, first)
    table = _two_way(result.means, lines, x)
    places = tuple(float(k + 1) for k in range(table.shape[1]))
    series = tuple(
        Series(name, places, tuple(map(float, row)))
        for name, row in list(zip(result.levels[lines], table, strict=True))[:MOST_LINES]
    )
    key = ", ".join(f"{k + 1} = {name}" for k, name in enumerate(result.levels[x][:MOST_LINES]))
    chart = LineChart(series, result.factors[x], "mean score")
    said = f"A line per {result.factors[lines]}; parallel lines are no interaction. {result.factors[x]}: {key}."
    return line_figure(chart, f"{result.factors[lines]} by {result.factors[x]}", said)


def _two_way(means: NDArray[np.float64], rows: int, columns: int) -> NDArray[np.float64]:
    others = tuple(k for k in range(means.ndim) if k not in (rows, columns))
    known = ~np.isnan(means)
    n = known.sum(axis=others) if others else known.astype(int)
    total = np.where(known, means, 0).sum(axis=others) if others else np.where(known, means, 0)
    table = np.where(n > 0, total / np.maximum(n, 1), np.nan)
    return np.asarray(table if rows < columns else table.T)


def _reversals(result: FactorialResult) -> TableBlock:
    columns = (Column("pair", "Factor by factor"), Column("share", "Pairs of levels that change order", "percent"))
    return TableBlock(Table(columns, tuple(result.reversals.items())), "Does the order of levels hold?")


def _notes(result: FactorialResult) -> tuple[Text, ...]:
    notes: list[Text] = [(f"{note}.",) for note in result.notes]
    if result.by_item:
        notes.append(("omega2 and the interval are without what the sampling of items adds to eta2.",))
    if not all(math.isnan(t.p_rows) for t in result.terms):
        notes.append(("p (rows) takes rows as independent: not so where conditions share items.",))
    family = sum(not math.isnan(t.p_items) for t in result.terms)
    if family:
        notes.append((f"p adjusted: {result.correction}, {plural(family, 'test')}.",))
    if result.units:
        notes.append((f"Tests over units: {result.correction}, {plural(len(result.units), 'test')}.",))
        notes.append(("No significant difference is not equivalence: give a margin to test that.",))
    return tuple(notes)


@document.register(LearningCurve)
def learning_curve_document(result: LearningCurve, *, gates: Sequence[Gate] = ()) -> Document:
    """Return the document of a learning curve: its limit, the forecasts, measured scores beside the curve."""
    measured = Series("measured", _floats(result.sizes), _floats(result.means), joined=False)
    series = [measured]
    references: tuple[ReferenceLine, ...] = tuple(ReferenceLine(t, f"target {t:g}") for t in result.targets)
    if result.reason is None:
        ends = [float(result.sizes.min()), *(float(result.sizes.max()), *result.ahead)]
        x = tuple(map(float, np.geomspace(min(ends), max(ends), 41)))
        found = [result.at(n) for n in x]
        low, high = zip(*(e.interval for e in found), strict=True)
        series = [Series("curve", x, tuple(e.value for e in found), low, high), measured]
        references += (ReferenceLine(result.limit, "limit"),)
    chart = LineChart(
        tuple(series), "training examples", "score", x_scale="log", references=references, band_label="interval"
    )
    blocks: list[Block] = [line_figure(chart, "Learning curve", "Mean score by training size, and the fitted curve.")]
    asked = result.forecasts()
    if asked is not None:
        blocks.append(TableBlock(asked, "Forecasts"))
    blocks.append(TableBlock(result.table(), "Measured"))
    title = "Too few sizes for a curve" if result.reason else f"The curve levels off at {number(result.limit, 3)}"
    notes: tuple[Text, ...] = (
        ("Beyond the measured sizes the curve holds only if it keeps its form.",),
        ("With the score of an untrained model as target: surely better from the upper end of the interval on.",),
    )
    return Document(
        title=(title,),
        kind="learning curve",
        facts=(Fact("Sizes", count(len(result.sizes))), Fact("Runs", count(int(result.n_runs.sum())))),
        notices=(*gate_notices(gates), *(Notice("warning", (f"{warning}.",)) for warning in result.warnings)),
        sections=(Section((), tuple(blocks)), Section(("Notes",), (Bullets(notes),), "context")),
    )


def _floats(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(map(float, values))


@document.register(FrozenChoice)
def frozen_choice_document(result: FrozenChoice, *, gates: Sequence[Gate] = ()) -> Document:
    """Return the document of a choice that was frozen: its held-out score, and what choosing added."""
    low, high = result.test.interval
    return Document(
        title=(Name(result.chosen), f": {result.test.value:.3f} on items that took no part in choosing it"),
        kind="validation first",
        lead=(
            (f"Held out {result.test.value:.4f} [{low:.4f}, {high:.4f}]; where it was chosen {result.dev.value:.4f}.",),
            (f"Choosing the best of {result.n_tried} adds about {result.expected_optimism:.4f} if all are alike.",),
        ),
        facts=(
            Fact("Tried", count(result.n_tried)),
            Fact("Held-out items", count(result.test.n)),
            Fact("Frozen", result.fingerprint),
        ),
        notices=gate_notices(gates),
        sections=(Section((), (TableBlock(result.table(), "All that was tried"),)),),
    )


@document.register(ContingencyTest)
def contingency_document(result: ContingencyTest, *, gates: Sequence[Gate] = ()) -> Document:
    """Return the document of a chi-squared test."""
    return Document(
        title=(f"Undefined: {result.reason}" if result.reason else f"chi2({result.df}) = {result.statistic:.3f}",),
        kind="contingency table",
        facts=(Fact("Counts", count(result.n)), Fact("p from", result.method)),
        notices=gate_notices(gates),
        sections=(Section((), (TableBlock(result.table(), "Test"),)),),
    )
