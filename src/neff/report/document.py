"""The one document model: what a report says, before anybody decides how it looks.

A builder turns a result into a `Document`, a renderer turns it into text: a new room adds one builder and gets every
output, a new output adds one renderer and gets every room.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatch
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from neff.errors import ArgumentTypeError
from neff.results import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neff.evaluate.calibrating.curve import CalibrationCurve
    from neff.report.charts import DifferenceMatrix, ForestPlot
    from neff.report.line_chart import LineChart

__all__ = [
    "Block",
    "Bullets",
    "Details",
    "Document",
    "Fact",
    "Figure",
    "Gate",
    "Notice",
    "Paragraph",
    "Section",
    "TableBlock",
    "Text",
    "document",
    "plain",
]

Text: TypeAlias = tuple[str, ...]  # parts of a sentence; a part of type `Name` came from a log

Level = Literal["note", "warning", "error", "good"]


def plain(text: Text | str) -> str:
    """Return a sentence as one string."""
    return text if isinstance(text, str) else "".join(text)


@dataclass(frozen=True, slots=True)
class Gate:
    """The outcome of one declared condition, such as ``--fail-if "lower(diff) < -0.01"``.

    Attributes
    ----------
    condition
        The condition as the user wrote it.
    passed
        True, False, or None where the data do not decide.
    detail
        The numbers behind the outcome, one sentence.
    """

    condition: str
    passed: bool | None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph of running text."""

    text: Text


@dataclass(frozen=True, slots=True)
class Bullets:
    """A list of sentences."""

    items: tuple[Text, ...]


@dataclass(frozen=True, slots=True)
class Notice:
    """A sentence that must not be missed, after a word or two ("Gate failed") that say what it is."""

    level: Level
    text: Text
    word: str = ""

    def heading(self) -> str:
        """Return the word that goes in front."""
        return self.word or {"note": "Note", "warning": "Warning", "error": "Error", "good": "Passed"}[self.level]


@dataclass(frozen=True, slots=True)
class Fact:
    """One key figure: a short label, the figure, and what it counts."""

    label: str
    value: str
    detail: Text = ()


@dataclass(frozen=True, slots=True)
class TableBlock:
    """A table.

    Attributes
    ----------
    table
        The rows; raw values are kept.
    title
        Its caption.
    brief
        Names of the columns for narrow outputs (terminal, pull request), the most important first.
        Empty: all of them.
    summary
        The sentence that stands for the table where it is too long to print.
    open
        Whether it is shown at once or folded.
    filters
        Columns of few words, for outputs that can filter by them. Rows of such a table are entries of a catalog: on
        narrow screens their cells stand below one another.
    """

    table: Table
    title: str
    brief: tuple[str, ...] = ()
    summary: str = ""
    open: bool = True
    filters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart as data, with the table of the same numbers."""

    chart: ForestPlot | DifferenceMatrix | CalibrationCurve | LineChart
    title: str
    description: str
    table: TableBlock


@dataclass(frozen=True, slots=True)
class Details:
    """Blocks that are folded away under a summary."""

    summary: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the document under a heading. By its `role` a short output can leave it out.

    "result" (numbers), "detail" (one of very many results), "context" (notes, method), "origin" (files, versions).
    """

    title: Text
    blocks: tuple[Block, ...]
    role: Literal["result", "detail", "context", "origin"] = "result"

    def repeats_title(self) -> bool:
        """Return whether the first block has the same title, so that a short output needs only one."""
        first = self.blocks[0] if self.blocks else None
        return isinstance(first, (Figure, TableBlock)) and first.title == plain(self.title)


Block: TypeAlias = Paragraph | Bullets | Notice | TableBlock | Figure | Details


@dataclass(frozen=True, slots=True)
class Document:
    """What a result says, in order of importance.

    Attributes
    ----------
    title
        The finding, in one plain sentence without a full stop.
    kind, kicker
        What it is, and what was looked at, in a few words.
    lead
        The finding with its numbers.
    facts
        Three or four key figures.
    notices
        What must not be missed: refused levels, failed gates, files that were not read.
    sections
        The body.
    footer
        Where the numbers come from, in one line each.
    """

    title: Text
    kind: str = "report"
    kicker: Text = ()
    lead: tuple[Text, ...] = ()
    facts: tuple[Fact, ...] = ()
    notices: tuple[Notice, ...] = ()
    sections: tuple[Section, ...] = ()
    footer: tuple[str, ...] = ()


@singledispatch
def document(result: Any, *, gates: Sequence[Gate] = ()) -> Document:
    """Return the document of a result. A room registers its builder with ``@document.register(Kind)``.

    A result without a builder is shown by its table (`.table()`).

    Parameters
    ----------
    result
        An `Evaluation`, a `Table`, or any result with a `.table()`.
    gates
        Outcomes of declared conditions, shown first.

    Raises
    ------
    ArgumentTypeError
        If the object is no result of neff.

    Examples
    --------
    >>> from neff.results import Column
    >>> plain(document(Table((Column("n", "n", "count"),), ((7,),), "Sizes")).title)
    'Sizes'
    """
    table = result if isinstance(result, Table) else getattr(result, "table", lambda: None)()
    if not isinstance(table, Table):
        raise ArgumentTypeError(
            "result", "a result of neff", result, "Give what neff.evaluate or neff.compare returned.", call="report"
        )
    title = table.caption or type(result).__name__
    sections = [Section((), (TableBlock(table, title),))]
    notes = tuple((str(note),) for note in getattr(result, "notes", ()))
    if notes:
        sections.append(Section(("Notes",), (Bullets(notes),), "context"))
    return Document(title=(title,), notices=gate_notices(gates), sections=tuple(sections))


def gate_notices(gates: Sequence[Gate]) -> tuple[Notice, ...]:
    """Return one notice per gate, the failed ones first."""
    words = {True: "Gate passed", False: "Gate failed", None: "Gate undecided"}
    levels: dict[bool | None, Level] = {True: "good", False: "error", None: "warning"}
    order = {False: 0, None: 1, True: 2}
    return tuple(
        Notice(levels[gate.passed], _gate_text(gate), words[gate.passed])
        for gate in sorted(gates, key=lambda gate: order[gate.passed])
    )


def _gate_text(gate: Gate) -> Text:
    detail = gate.detail.rstrip(".")
    return (f"fail if {gate.condition}{': ' + detail if detail else ''}.",)
