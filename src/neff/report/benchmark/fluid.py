"""NextItems and FluidReplay -> Document: what to run next, and how many items would have been enough."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from neff.benchmark.fluid.asking import NextItems
from neff.benchmark.fluid.replay_result import FluidReplay
from neff.report.document import Bullets, Document, Fact, Notice, Section, TableBlock, document, gate_notices
from neff.report.line_chart import LineChart, Series, line_figure
from neff.report.text import Name, count, plural
from neff.results import Column, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neff.report.document import Block, Figure, Gate, Text

__all__ = ["fluid_replay_document", "next_items_document"]

NAMES = {"fluid": "chosen for the model", "random": "random, share right", "random-irt": "random, ability"}


@document.register(NextItems)
def next_items_document(result: NextItems, *, gates: Sequence[Gate] = ()) -> Document:
    """Return the document of the next items: what to run, where the model stands."""
    facts = [Fact("Answers", count(result.ability.n)), Fact("Items left", count(result.n_left))]
    lead: list[Text] = []
    for e, word in ((result.ability, "Ability"), (result.score, "Predicted share right on all items")):
        if math.isnan(e.value):
            continue
        low, high = e.interval
        around = "" if math.isnan(low) else f" [{low:.3f}, {high:.3f}]"
        lead.append((f"{word}: {e.value:.3f}{around}{'' if e.reason is None else f' ({e.reason})'}.",))
    title: Text = ("The test has finished: ", result.stopped)
    sections: list[Section] = []
    if not result.stopped:
        title = (
            "Run next: ",
            Name(result.items[0]),
            *((f" and {len(result.items) - 1} more",) if result.items[1:] else ()),
        )
        sections.append(Section((), (TableBlock(result.table(), "Items to run"),)))
    if result.notes:
        sections.append(Section(("Notes",), (Bullets(tuple((f"{note}.",) for note in result.notes)),), "context"))
    return Document(
        title=title, kind="adaptive test", lead=tuple(lead), facts=tuple(facts), notices=gate_notices(gates),
        sections=tuple(sections),
    )  # fmt: skip


@document.register(FluidReplay)
def fluid_replay_document(result: FluidReplay, *, gates: Sequence[Gate] = ()) -> Document:
    """Return the document of a replay: chosen against random items by number of items, exposure, when it stops."""
    blocks: list[Block] = [*_figures(result), TableBlock(result.table(), "By method and number of items")]
    sections = [Section((), tuple(blocks)), Section(("Exposure",), (_exposure(result),))]
    sections.append(Section(("Notes",), (Bullets(_notes(result)),), "context"))
    return Document(
        title=_title(result),
        kind="replay",
        lead=_lead(result),
        facts=(Fact("Models", count(len(result.models)), ("replayed",)), Fact("Items", count(len(result.items)))),
        notices=(*gate_notices(gates), *(Notice("warning", (f"{said}.",)) for said in result.warnings)),
        sections=tuple(sections),
    )


def _title(result: FluidReplay) -> Text:
    """Say with how few chosen items models come in the order that the most random ones give."""
    last = result.row("random", result.budgets[-1])
    enough = [k for k in result.budgets if result.row("fluid", k).correlation >= last.correlation]
    if not enough:
        return ("Chosen items do no better than random ones here",)
    if enough[0] == result.budgets[-1]:
        return (f"{enough[0]} chosen items rank models better than {enough[0]} random ones",)
    return (f"{enough[0]} chosen items rank models as well as {last.n_items} random ones",)


def _lead(result: FluidReplay) -> tuple[Text, ...]:
    said: list[Text] = []
    for size in result.budgets[:2]:
        fluid, other = result.row("fluid", size).rmse, result.row("random-irt", size).rmse
        said.append(
            (f"With {size} items the ability is {fluid:.3f} (root mean square) off that of all items, ",
             f"with random ones {other:.3f}.")
        )  # fmt: skip
    if result.stopped_at is None or result.delta is None:
        return tuple(said)
    known = result.stopped_at[~np.isnan(result.stopped_at)]
    if not len(known):
        said.append((f"No model reaches a standard error below {result.delta:.3f} in {result.budgets[-1]} items.",))
        return tuple(said)
    span = f"{np.median(known):.0f} items in the median, {known.min():.0f} to {known.max():.0f}"
    reach = f"{len(known)} of {len(result.stopped_at)} models reach it"
    said.append((f"A standard error below {result.delta:.3f} takes {span}; {reach}.",))
    return tuple(said)


def _figures(result: FluidReplay) -> list[Figure]:
    x = tuple(map(float, result.budgets))
    wanted = [("correlation", "rank correlation with all items", "Order of models", tuple(NAMES))]
    if result.checkpoints:
        wanted += [
            ("total_variation", "total variation", "Total variation of the training curve", tuple(NAMES)),
            ("monotonicity", "monotonicity", "Monotonicity of the training curve", tuple(NAMES)),
        ]
    else:
        wanted.append(("rmse", "error of the ability", "Error against all items", ("fluid", "random-irt")))
    if len(x) < 2:
        return []
    figures = []
    for name, axis, title, methods in wanted:
        series = tuple(
            Series(NAMES[m], x, tuple(getattr(result.row(m, k), name) for k in result.budgets)) for m in methods
        )
        chart = LineChart(series, "items", axis, x_scale="log")
        figures.append(line_figure(chart, title, "By number of items."))
    return figures


def _exposure(result: FluidReplay) -> TableBlock:
    order = np.argsort(-result.exposure, kind="stable")[:20]
    rows = tuple((result.items[k], float(result.exposure[k])) for k in order.tolist() if result.exposure[k] > 0)
    columns = (Column("item", "Item"), Column("exposure", "Asked of", "percent"))
    return TableBlock(Table(columns, rows), "Items that most models are asked", summary="The most exposed items.")


def _notes(result: FluidReplay) -> tuple[Text, ...]:
    asked = int(np.count_nonzero(result.exposure))
    return (
        (f"{plural(asked, 'item')} of {len(result.items):,} are ever asked within {result.budgets[-1]} items.",),
        (f"Random items are the same for all models; means over {plural(result.n_repeats, 'subset')}.",),
        (
            "Ranks are held against a sister benchmark."
            if result.sister
            else "Ranks are held against the share right on all items of the same benchmark.",
        ),
    )
