"""AbstentionTable -> Document: which ways to abstain keep their promise, and on which inputs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from neff.report.document import Bullets, Document, Fact, Notice, Section, TableBlock, document, gate_notices
from neff.report.line_chart import LineChart, ReferenceLine, Series, line_figure
from neff.report.text import Name, count, join_names, plural
from neff.results import Table, Verdict
from neff.sampling.abstention.table_result import AbstentionTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neff.report.document import Block, Gate, Text
    from neff.sampling.abstention.table_result import AbstentionRow

__all__ = ["abstention_document"]

N_POINTS = 120
MOST_SETS = 6
SHOWN = (
    "method", "n_admitted", "coverage", "n_right", "value", "interval", "verdict", "by_class", "by_prediction",
)  # fmt: skip
BRIEF = ("method", "n_admitted", "coverage", "value", "interval", "by_class", "verdict")


@document.register(AbstentionTable)
def abstention_document(result: AbstentionTable, *, gates: Sequence[Gate] = ()) -> Document:
    """Return the document of `abstention_table`: what holds, the table of each set, risk by coverage."""
    sections = [Section((Name(name),), _blocks(result, name), "result" if k < MOST_SETS else "detail")
                for k, name in enumerate(result.sets)]  # fmt: skip
    classes = TableBlock(
        _named(result.conditional(), ("set", "name")), "Accuracy by right class and by predicted class",
        summary=f"{plural(len(result.conditional()), 'row')}: by set, method, and class.", open=False,
    )  # fmt: skip
    fits = TableBlock(result.fits(), "What each method was fitted to", ("method", "numbers", "n_eff", "reason"))
    sections.append(Section(("By class",), (classes,), "detail"))
    sections.append(Section(("Methods",), (fits,), "context"))
    sections.append(Section(("Notes",), (Bullets(tuple((note,) for note in _notes(result))),), "context"))
    return Document(
        title=_title(result),
        kind="abstention",
        kicker=(plural(len(result.sets), "set"), f" · {len(result.methods)} methods · target {_share(result.target)}"),
        lead=tuple(_sentence(result, name) for name in result.sets[:MOST_SETS]),
        facts=_facts(result),
        notices=(*gate_notices(gates), *_states(result)),
        sections=tuple(sections),
    )


def _share(value: float) -> str:
    return f"{100 * value:g}%"


def _abstaining(result: AbstentionTable, name: str) -> list[AbstentionRow]:
    return [row for row in result.rows if row.set == name and row.method != "all"]


def _title(result: AbstentionTable) -> Text:
    broken = [name for name in result.sets if any(r.verdict == Verdict.FAILS for r in _abstaining(result, name))]
    if not broken:
        return (f"No way to abstain is shown to miss {_share(result.target)}",)
    fails = {r.method for name in broken for r in _abstaining(result, name) if r.verdict == Verdict.FAILS}
    methods = [m.name for m in result.methods if m.name != "all"]
    kept = [name for name in methods if name not in fails]
    if not kept:
        return (f"Every way to abstain misses {_share(result.target)} on ", *join_names(broken))
    return (f"{len(fails)} of {len(methods)} ways to abstain miss {_share(result.target)} on ", *join_names(broken))


def _sentence(result: AbstentionTable, name: str) -> Text:
    rows = _abstaining(result, name)
    silent = [r.method for r in rows if not r.n_admitted]
    fails = [r for r in rows if r.verdict == Verdict.FAILS]
    holds = [r for r in rows if r.verdict == Verdict.HOLDS]
    parts: list[str] = [Name(name), ": "]
    if fails:
        worst = max(fails, key=lambda r: r.n_admitted - r.accuracy.n_right)
        wrong = worst.accuracy.n_admitted - worst.accuracy.n_right
        parts += [*join_names(r.method for r in fails), f" {'misses' if len(fails) == 1 else 'miss'} the target (",
                  Name(worst.method), f" gives {wrong:,} wrong answers of {worst.n_admitted:,})"]  # fmt: skip
    if holds:
        most = max(holds, key=lambda r: r.n_admitted)
        joint = "; " if fails else ""
        verb = "keeps" if len(holds) == 1 else "keep"
        parts += [joint, *join_names(r.method for r in holds), f" {verb} the target (", Name(most.method),
                  f" answers {100 * most.coverage:.1f}%)"]  # fmt: skip
    if silent:
        joint = "; " if fails or holds else ""
        parts += [joint, *join_names(silent), f" {'answers' if len(silent) == 1 else 'answer'} nothing"]
    if len(parts) == 2:
        parts.append("no method is decided")
    return (*parts, ".")


def _facts(result: AbstentionTable) -> tuple[Fact, ...]:
    return (
        Fact("Target", _share(result.target), ("right among the answered",)),
        Fact("Calibration items", count(result.n_calibration)),
        Fact("Training items", count(result.n_train)),
        Fact("Classes", count(len(result.classes))),
    )


def _states(result: AbstentionTable) -> tuple[Notice, ...]:
    found = [m for m in result.methods if m.reason is not None]
    return tuple(Notice("warning", (Name(m.name), f": {m.reason}.")) for m in found)


def _named(table: Table, names: tuple[str, ...]) -> Table:
    """Return the table with the columns of names from the user's data marked as such."""
    places = [i for i, column in enumerate(table.columns) if column.name in names]
    rows = tuple(tuple(Name(v) if v and i in places else v for i, v in enumerate(row)) for row in table.rows)
    return Table(table.columns, rows, table.caption)


def _blocks(result: AbstentionTable, name: str) -> tuple[Block, ...]:
    whole = _named(result.table(), ("by_class", "by_prediction"))
    place = {column.name: i for i, column in enumerate(whole.columns)}
    keep = [place[column] for column in SHOWN]
    rows = tuple(tuple(row[i] for i in keep) for row in whole.rows if row[0] == name)
    table = TableBlock(Table(tuple(whole.columns[i] for i in keep), rows), "Answered and right", BRIEF)
    curves = {method: curve for (own, method), curve in result.curves.items() if own == name and curve.n > 1}
    if not curves:
        return (table,)
    series = []
    for method, curve in curves.items():
        places = np.unique(np.linspace(0, curve.n - 1, min(curve.n, N_POINTS)).round().astype(int))
        x, y = curve.coverage[places], curve.risk[places]
        series.append(Series(method, tuple(map(float, x)), tuple(map(float, y))))
    chart = LineChart(
        tuple(series), "share of items answered", "share of answers wrong",
        references=(ReferenceLine(1 - result.target, "target"),), y_range=(0.0, 2 * (1 - result.target)),
    )  # fmt: skip
    said = "How many answers are wrong when the surest items are answered first, by the confidence of each method."
    areas = ", ".join(f"{method} {curve.aurc:.4f}" for method, curve in curves.items())
    return (table, line_figure(chart, "Risk by coverage", f"{said} Area under the curve: {areas}."))


def _notes(result: AbstentionTable) -> list[str]:
    fixed = [
        f"Intervals are Clopper and Pearson's at {_share(result.level)}, each for itself.",
        "A verdict compares the interval of all answers with the target; the worst class may be below it.",
        "A set of one class is no promise about its answers; no method knows a shift that was not shown to it.",
    ]
    unlabelled = {row.set: row.n_unlabelled for row in result.rows if row.n_unlabelled}
    fixed += [
        f"{n:,} items of {name} have no right class: answering one is never counted as right or wrong."
        for name, n in unlabelled.items()
    ]
    if not math.isclose(result.level, 0.95):
        fixed.append(f"The bounded threshold holds with {_share(result.level)} confidence.")
    return [*result.notes, *fixed]
