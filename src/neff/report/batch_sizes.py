"""Critical batch sizes, trade-offs and noise scales -> Document."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from neff.report.document import Bullets, Document, Fact, Figure, Section, TableBlock, document, gate_notices
from neff.report.line_chart import LineChart, ReferenceLine, Series, line_figure
from neff.report.text import Name, plural
from neff.results import Table
from neff.train.batch_size.curve import CheckpointedBatchSizes
from neff.train.batch_size.definitions import BATCH_SIZE_DEFINITIONS
from neff.train.batch_size.result import CriticalBatchSize, Tradeoff, batch_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neff.report.document import Gate, Text

__all__ = ["checkpointed_document", "critical_document", "tradeoff_document"]

BRIEF = ("batch_size", "loss", "excess", "interval", "verdict", "n")
N_CURVE = 49


@document.register(CriticalBatchSize)
def critical_document(result: CriticalBatchSize, *, gates: Sequence[Gate] = ()) -> Document:
    """Return the document of a critical batch size: the figure, and loss by batch."""
    at: Text = (" at checkpoint ", Name(result.checkpoint)) if result.checkpoint else ()
    return Document(
        title=(f"The batch may be {_may_be(result)}", *at),
        kind="critical batch size",
        kicker=(f"{plural(len(result.rows), 'batch size')} · {plural(result.n, 'seed')} · {result.definition}",),
        lead=((_lead(result),),),
        facts=_facts(result),
        notices=gate_notices(gates),
        sections=(
            Section(("Loss by batch size",), (_loss_figure(result, result.rows[0].batch_size),)),
            _notes(result.notes, result.definition, result.method),
        ),
    )


def _may_be(result: CriticalBatchSize) -> str:
    return f"{batch_number(result.value)} or more" if result.censored else f"up to {batch_number(result.value)}"


def _lead(result: CriticalBatchSize) -> str:
    base = batch_number(result.rows[0].batch_size)
    lost = f"loses no more than {result.tolerance:g} of loss over the window"
    found = f"{result.multiplier:g} times the batch of {base} {lost}"
    if result.censored:
        return (
            f"{found}, and no larger one was tried: the critical batch size is at least {batch_number(result.value)}."
        )
    return f"{found}; {batch_number(result.next_batch_size)} loses more. {_sure(result)}"


def _sure(result: CriticalBatchSize) -> str:
    if result.reason is not None:
        return f"There is no interval ({result.reason})."
    return f"{100 * result.level:g}% interval: {result.describe_interval()}."


def _facts(result: CriticalBatchSize) -> tuple[Fact, ...]:
    return (
        Fact("Critical batch size", result.describe(), (f"{result.multiplier:g} times the smallest",)),
        Fact(f"{100 * result.level:g}% interval", result.describe_interval(), ("on the grid that was tried",)),
        Fact("Tolerance", f"{result.tolerance:g}", ("of loss",)),
    )


def _loss_figure(result: CriticalBatchSize, base: float) -> Figure:
    x = tuple(row.batch_size for row in result.rows)
    y = tuple(row.loss for row in result.rows)
    errors = [row.standard_error for row in result.rows]
    low = tuple(a - e for a, e in zip(y, errors, strict=True))
    high = tuple(a + e for a, e in zip(y, errors, strict=True))
    known = not all(map(math.isnan, errors))
    best = min(v for v in y if math.isfinite(v))
    chart = LineChart(
        (Series("mean loss", x, y, low if known else (), high if known else ()),),
        "batch size",
        "loss",
        x_scale="log",
        references=(
            ReferenceLine(best + result.tolerance, "lowest + tolerance"),
            ReferenceLine(result.value, "critical", "x"),
        ),
        band_label="one standard error",
    )
    said = (
        f"Mean loss at the end of the window by batch size, from {batch_number(base)} on, with one standard error. A "
        "batch passes where its loss, and that of all smaller ones, is within the tolerance of the lowest before it."
    )
    figure = line_figure(chart, "Loss by batch size", said)
    return Figure(figure.chart, figure.title, figure.description, TableBlock(result.table(), "All batch sizes", BRIEF))


def _notes(notes: Sequence[str], definition: str, method: str) -> Section:
    meaning = f"Critical means here: {definition}. It is {BATCH_SIZE_DEFINITIONS[definition]}."
    found = [*notes, meaning, f"Method: {method}."]
    return Section(("Notes",), (Bullets(tuple((note,) for note in found)),), "context")


@document.register(CheckpointedBatchSizes)
def checkpointed_document(result: CheckpointedBatchSizes, *, gates: Sequence[Gate] = ()) -> Document:
    """Return the document of critical batch sizes along a run."""
    every = result.checkpoints
    first, last = every[0], every[-1]
    sections = [Section(("Critical batch size by checkpoint",), (_course(result),))]
    sections += [
        Section(("Checkpoint ", Name(found.checkpoint)), (_loss_figure(found, found.rows[0].batch_size),), "detail")
        for found in every
    ]
    sections.append(_notes(result.notes, first.definition, first.method))
    return Document(
        title=(f"From {first.describe()} to {last.describe()}: the critical batch size over training",),
        kind="critical batch size",
        kicker=(f"{plural(len(every), 'checkpoint')} · {plural(first.n, 'seed')} · {first.definition}",),
        lead=tuple(
            (Name(found.checkpoint), f": {found.describe()}, interval {found.describe_interval()}.") for found in every
        ),
        notices=gate_notices(gates),
        sections=tuple(sections),
    )


def _course(result: CheckpointedBatchSizes) -> Figure:
    every = result.checkpoints
    try:
        x = tuple(float(found.checkpoint) for found in every)
        axis = "checkpoint"
    except ValueError:
        x, axis = tuple(float(i + 1) for i in range(len(every))), "checkpoint, in order"
    top = max(row.batch_size for found in every for row in found.rows)
    known = all(not math.isnan(found.interval[0]) for found in every)
    chart = LineChart(
        (
            Series(
                "critical batch size",
                x,
                tuple(found.value for found in every),
                tuple(found.interval[0] for found in every) if known else (),
                tuple(min(found.interval[1], top) for found in every) if known else (),
            ),
        ),
        axis,
        "batch size",
        y_scale="log",
        band_label=f"{100 * every[0].level:g}% interval",
    )
    said = "Largest batch without loss of token efficiency. A band that ends at the largest batch tried is open."
    figure = line_figure(chart, "Critical batch size by checkpoint", said)
    table = result.table()
    named = Table(table.columns, tuple((Name(row[0]), *row[1:]) for row in table.rows), table.caption)
    return Figure(figure.chart, figure.title, figure.description, TableBlock(named, "All checkpoints"))


@document.register(Tradeoff)
def tradeoff_document(result: Tradeoff, *, gates: Sequence[Gate] = ()) -> Document:
    """Return the document of a steps-examples trade-off."""
    if math.isnan(result.value):
        title = "The critical batch size is not identified by these runs"
        line = f"{result.examples_min:.4g} + {result.slope:.3g} per unit of batch"
        lead = f"{result.unit.capitalize()} to the target: {line}."
    else:
        low, high = result.interval
        title = f"At batch {batch_number(result.value)} the target costs twice the {result.unit} of the best possible"
        ends = (
            "" if math.isnan(low) else f"; {100 * result.level:g}% interval {batch_number(low)} to {batch_number(high)}"
        )
        lead = f"{result.unit.capitalize()} = {result.examples_min:.4g} (1 + B / {batch_number(result.value)}){ends}."
    used = [row for row in result.rows if not math.isnan(row.examples)]
    x = np.geomspace(used[0].batch_size, used[-1].batch_size, N_CURVE)
    chart = LineChart(
        (
            Series("fit", tuple(x.tolist()), tuple(float(result.examples(b)) for b in x)),
            Series(
                "measured",
                tuple(row.batch_size for row in used),
                tuple(row.examples for row in used),
                joined=False,
            ),
        ),
        "batch size",
        f"{result.unit} to the target",
        x_scale="log",
        y_scale="log" if min(row.examples for row in used) > 0 and result.examples(float(x[0])) > 0 else "linear",
        references=() if math.isnan(result.value) else (ReferenceLine(result.value, "critical", "x"),),
    )
    said = f"Mean {result.unit} to the target by batch size, and the fitted trade-off."
    figure = line_figure(chart, "Cost of the target by batch size", said)
    table = TableBlock(result.table(), "All batch sizes")
    return Document(
        title=(title,),
        kind="steps and examples",
        kicker=(f"{plural(result.n, 'run')} · {plural(len(used), 'batch size')} · {result.definition}",),
        lead=((lead,),),
        notices=gate_notices(gates),
        sections=(
            Section((figure.title,), (Figure(figure.chart, figure.title, figure.description, table),)),
            _notes(result.notes, result.definition, result.method),
        ),
    )
