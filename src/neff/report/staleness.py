"""StalenessStudy -> Document: which methods keep what they learn from old data, against lag, and the table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neff.report.document import Bullets, Document, Fact, Section, TableBlock, document, gate_notices
from neff.report.line_chart import LineChart, Series, line_figure
from neff.report.text import Name, join_names, plural
from neff.results import Table
from neff.testing.staleness.result import StalenessStudy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neff.report.document import Block, Figure, Gate, Text

__all__ = ["staleness_document"]

BRIEF = (
    "environment",
    "learning_rate",
    "lag",
    "method",
    "final",
    "final_interval",
    "dip",
    "peak",
    "n_crashed",
    "ess_sequence",
    "ess_token",
    "worst",
)
DRAWN = 6
"""As many curves as a picture tells apart."""
FIRST = ("vcpo", "ess_adaptive_exact", "reinforce", "tis", "sequence_is", "grpo")
"""The methods that are drawn where there are more."""
OPEN_ROWS = 60
CRASHED = "A run has crashed where it ends below 85% of its peak, or falls below 85% of the reward it began with."


@document.register(StalenessStudy)
def staleness_document(result: StalenessStudy, *, gates: Sequence[Gate] = ()) -> Document:
    """Return the document of a study of stale rollouts: final rewards against lag, and the table."""
    table = result.table()
    names = [column.name for column in table.columns]
    one = {name for name in ("environment", "learning_rate", "lag") if len(set(_column(table, name))) < 2}
    lags = list(dict.fromkeys(run.lag for run in result.runs))
    sections = [Section((figure.title,), (figure,)) for figure in _figures(result)] if len(lags) > 1 else []
    block = TableBlock(
        _named(table, names.index("method")),
        "All methods",
        tuple(name for name in BRIEF if name not in one),
        f"{plural(len(table), 'cell')}: one for each environment, learning rate, lag and method."
        if len(table) > OPEN_ROWS
        else "",
        len(table) <= OPEN_ROWS,
    )
    blocks: tuple[Block, ...] = (block,)
    sections.append(Section((block.title,), blocks))
    notes = (CRASHED, _spread(result), *result.notes)
    sections.append(Section(("Notes",), (Bullets(tuple((note,) for note in notes)),), "context"))
    seeds = len(dict.fromkeys(run.seed for run in result.runs))
    return Document(
        title=_title(result),
        kind="staleness testbed",
        kicker=(f"{plural(len(result.runs), 'run')} · {plural(seeds, 'seed')} · data up to {max(lags)} steps old",),
        facts=_facts(result),
        notices=gate_notices(gates),
        sections=tuple(sections),
    )


def _crashes(result: StalenessStudy) -> dict[str, tuple[int, int]]:
    """Return how many runs of each method crashed, and how many there are."""
    found: dict[str, tuple[int, int]] = {}
    for run in result.runs:
        crashed, n = found.get(run.method, (0, 0))
        found[run.method] = crashed + run.crashed, n + 1
    return found


def _title(result: StalenessStudy) -> Text:
    crashes = _crashes(result)
    kept = [method for method, (crashed, _) in crashes.items() if not crashed]
    if len(kept) == len(crashes):
        return ("No run crashed",)
    if not kept:
        return ("Every method crashed in some runs",)
    verb = "is the only method" if len(kept) == 1 else "are the only methods"
    return (*join_names(kept), f" {verb} without a crash")


def _facts(result: StalenessStudy) -> tuple[Fact, ...]:
    crashes = _crashes(result)
    worst = max(crashes, key=lambda method: crashes[method][0] / crashes[method][1])
    crashed, n = crashes[worst]
    total = sum(count for count, _ in crashes.values())
    return (
        Fact("Runs that crashed", f"{total} of {len(result.runs)}", (plural(len(crashes), "method"),)),
        Fact("Most crashes", f"{crashed} of {n}", (Name(worst),)),
        Fact("CPU time", f"{result.cpu_seconds:.0f} s", (f"{result.cpu_seconds / len(result.runs):.2f} s per run",)),
    )


def _spread(result: StalenessStudy) -> str:
    return (
        f"Means over seeds with {100 * result.level:g}% t-intervals; seeds whose rewards are all equal have none. ESS "
        "is the median over steps and seeds, as a share of the batch, current policy over sampler."
    )


def _figures(result: StalenessStudy) -> list[Figure]:
    figures = []
    for (environment, rate), panel in result.chart_data().items():
        order = [method for method in FIRST if method in panel] if len(panel) > DRAWN else list(panel)
        chosen = [*order, *(method for method in panel if method not in order)][:DRAWN]
        series = tuple(Series(method, tuple(panel[method]["lag"]), tuple(panel[method]["final"])) for method in chosen)
        chart = LineChart(series, "lag (optimizer steps)", "final reward", y_range=(0.0, 1.0))
        left_out = len(panel) - len(chosen)
        more = f" {plural(left_out, 'more method is', 'more methods are')} in the table." if left_out else ""
        said = f"Mean reward at the end in {environment} at learning rate {rate:g}, by the age of the data.{more}"
        figures.append(line_figure(chart, f"{environment}, learning rate {rate:g}: reward against lag", said, digits=3))
    return figures


def _column(table: Table, name: str) -> list[object]:
    place = [column.name for column in table.columns].index(name)
    return [row[place] for row in table.rows]


def _named(table: Table, own: int) -> Table:
    rows = tuple(tuple(Name(value) if j == own else value for j, value in enumerate(row)) for row in table.rows)
    return Table(table.columns, rows, table.caption)
