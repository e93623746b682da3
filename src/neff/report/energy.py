"""EnergyStudy -> Document: which setting needs less energy, every pair, and what the runs can show."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from neff.report.charts import ForestPlot, ForestRow
from neff.report.document import Bullets, Document, Fact, Figure, Section, TableBlock, document, gate_notices
from neff.report.text import Name, count, join_names, plural
from neff.results import Table
from neff.train.energy.result import EnergyStudy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neff.report.document import Gate, Text
    from neff.train.energy.result import EnergyComparison

__all__ = ["energy_document"]

BRIEF_SETTINGS = ("setting", "n", "mean", "seconds", "watts")
BRIEF_PAIRS = ("a", "b", "ratio", "interval", "finding", "p_adjusted", "p_equivalence")
MOST_SENTENCES = 4


@document.register(EnergyStudy)
def energy_document(result: EnergyStudy, *, gates: Sequence[Gate] = ()) -> Document:
    """Return the document of a comparison of energy."""
    settings = _named(result.table(), ("setting",))
    sections = [Section(("Energy by setting",), (TableBlock(settings, "Energy by setting", BRIEF_SETTINGS),))]
    if result.comparisons:
        sections.append(Section(("Settings compared",), (_figure(result),)))
    notes: list[Text] = [(note,) for note in result.notes]
    if result.overall is not None:
        notes.insert(0, (result.describe_overall(),))
    how = "a paired t test within blocks" if result.n_blocks is not None else "Welch's t test"
    notes.append((f"Method: {how}, on the logarithm of the energy of whole runs; equivalence by two one-sided tests.",))
    sections.append(Section(("Notes",), (Bullets(tuple(notes)),), "context"))
    return Document(
        title=_title(result),
        kind="energy of training runs",
        kicker=(_kicker(result),),
        lead=tuple(_sentence(c, result) for c in result.comparisons[:MOST_SENTENCES]),
        facts=_facts(result),
        notices=gate_notices(gates),
        sections=tuple(sections),
    )


def _title(result: EnergyStudy) -> Text:
    least = result.settings[0]
    if not result.comparisons:
        return ("The settings are described, not compared",)
    parts: list[str] = [Name(least.setting), " needs the least energy"]
    others = [(c.b if c.a == least.setting else c.a, c) for c in result.comparisons if least.setting in (c.a, c.b)]
    said = (
        ("equivalent", ", equivalent to "),
        ("not told apart", ", not told apart from "),
        ("not graded", ", not graded against "),
    )
    for finding, words in said:
        names = [name for name, c in others if c.finding == finding]
        parts += [words, *join_names(names, 3)] if names else []
    return tuple(parts)


def _kicker(result: EnergyStudy) -> str:
    runs = sum(row.n for row in result.settings)
    blocks = "not blocked" if result.n_blocks is None else plural(result.n_blocks, "block")
    return (
        f"{plural(len(result.settings), 'setting')} · {plural(runs, 'run')} · {blocks} · {result.meter}, {result.kind}"
    )


def _facts(result: EnergyStudy) -> tuple[Fact, ...]:
    least = result.settings[0]
    kwh = least.watts * least.seconds / 3.6e6
    return (
        Fact(f"Least, {result.unit}", _joules(least.mean), (Name(least.setting),)),
        Fact("kWh per run", "–" if math.isnan(kwh) else f"{kwh:.4g}", (Name(least.setting),)),
        Fact("Margin", f"{100 * result.margin:g}%", ("counts as no difference",)),
    )


def _joules(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def _sentence(c: EnergyComparison, result: EnergyStudy) -> Text:
    if c.reason is not None:
        return (Name(c.a), " against ", Name(c.b), f": not compared ({c.reason}).")
    share = 100 * abs(c.ratio - 1)
    way = "less" if c.ratio < 1 else "more"
    low, high = (100 * (end - 1) for end in c.interval)
    found = f" needs {share:.1f}% {way} energy than "
    sure = f" ({100 * c.level:g}% interval {low:+.1f}% to {high:+.1f}%): {c.finding}"
    more = ""
    if c.finding == "not told apart" and not math.isnan(c.runs_needed):
        unit = "blocks" if result.n_blocks is not None else "runs per setting"
        more = f"; {count(c.runs_needed)} {unit} would show {100 * c.margin:g}%"
    return (Name(c.a), found, Name(c.b), f"{sure}{more}.")


def _figure(result: EnergyStudy) -> Figure:
    rows = tuple(
        ForestRow(
            f"{c.a} / {c.b}", c.ratio, *c.interval, "", str(c.reason or c.finding),
            strong=c.finding.startswith(("less", "more")),
        )
        for c in result.comparisons
    )  # fmt: skip
    limits = (1 / (1 + result.margin), 1 + result.margin)
    chart = ForestPlot(rows, "ratio of energy", result.level, 3, 1.0, head="Ratio", limits=limits)
    said = (
        f"Energy of A over that of B for each pair, with its {100 * result.level:g}% interval. The lines are 1 and the "
        f"margin of {100 * result.margin:g}% on both sides. Filled points: a difference after correction for all pairs."
    )
    table = _named(result.comparison_table(), ("a", "b"))
    return Figure(chart, "Settings compared", said, TableBlock(table, "All pairs", BRIEF_PAIRS))


def _named(table: Table, names: tuple[str, ...]) -> Table:
    places = [i for i, column in enumerate(table.columns) if column.name in names]
    rows = tuple(tuple(Name(v) if i in places else v for i, v in enumerate(row)) for row in table.rows)
    return Table(table.columns, rows, table.caption)
