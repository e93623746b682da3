"""Document -> plain text for a terminal: fits the width, colours only when asked, and never trusts a log."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

from neff.report.charts import ForestPlot
from neff.report.document import Bullets, Details, Document, Figure, Notice, Paragraph, TableBlock, plain
from neff.report.line_chart import LineChart
from neff.report.sketch import sketch_column
from neff.report.sketch_lines import sketch_lines
from neff.report.text import Link, Mark, Name, clean, label, plural
from neff.report.text_table import Cell, lay_out

if TYPE_CHECKING:
    from neff.report.document import Block, Section, Text

__all__ = ["Style", "render_text"]

LONGEST_CELL = 120
LONGEST_NAME = 60  # in a sentence
LONGEST_TABLE = 15  # rows; a longer table of pairs is summed up in a sentence
_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
_NOTICE = {"note": "cyan", "warning": "yellow", "error": "red", "good": "green"}
_KEY = {
    "best": "◆ best",
    "tied": "● cannot be told from the best",
    "behind": "○ behind",
    "refused": "✕ level refused",
}
_ASCII = str.maketrans(
    {"–": "-", "—": "-", "−": "-", "…": ".", "·": "|", "◆": "*", "●": "o", "○": ".", "├": "|", "┤": "|", "─": "-",
     "│": "|", "└": "+", "┄": "-", "░": "#", "“": '"', "”": '"', "’": "'", "±": "~", "→": ">", "•": "*", "×": "x",
     "✕": "x"}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Style:
    """How text is written: columns, colours, and whether only ASCII can be shown."""

    width: int = 100
    color: bool = False
    ascii: bool = False

    def paint(self, text: str, *names: str) -> str:
        """Return the text in the given colours, if colours are wanted."""
        if not self.color or not names or not text:
            return text
        return f"\x1b[{';'.join(_CODES[name] for name in names)}m{text}\x1b[0m"


def render_text(document: Document, style: Style | None = None) -> str:
    """Return the document as text.

    Parameters
    ----------
    document
        What to show.
    style
        Width, colours, character set.
    """
    style = style or Style()
    parts = [_head(document, style)]
    more = [section for section in document.sections if section.role == "detail"]
    for section in document.sections:
        if section.role in ("origin", "detail"):
            continue
        body = _section(section, style)
        if body:
            parts.append(body)
    if more:
        each = ", one for each" if len(more) > 1 else ""
        drawn = all(isinstance(block, Figure) for section in more for block in section.blocks)
        said = plural(len(more), "more figure") if drawn else plural(len(more), "more table") + each
        parts.append("\n".join(_wrap(f"{said}: -o FILE.html.", style)))
    text = "\n\n".join(part for part in parts if part) + "\n"
    return text.translate(_ASCII) if style.ascii else text


def _head(document: Document, style: Style) -> str:
    lines = [style.paint(line, "bold") for line in _wrap(_safe(document.title), style)]
    if document.kicker:
        lines += [style.paint(line, "dim") for line in _wrap(_safe(document.kicker), style)]
    blocks = ["\n".join(lines)]
    lead = " ".join(_safe(sentence) for sentence in document.lead)
    if lead:
        blocks.append("\n".join(_wrap(lead, style)))
    if document.notices:
        blocks.append("\n".join(_notice(notice, style) for notice in document.notices))
    return "\n\n".join(blocks)


def _safe(text: Text | str) -> str:
    parts = (text,) if isinstance(text, str) else text
    return "".join(label(part, LONGEST_NAME) if isinstance(part, Name) else clean(part) for part in parts)


def _wrap(text: str, style: Style, first: str = "", rest: str = "") -> list[str]:
    width = max(min(style.width, 110), 20)
    return textwrap.wrap(text, width, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False) or [
        first.rstrip()
    ]


def _notice(notice: Notice, style: Style) -> str:
    word, color = notice.heading(), _NOTICE[notice.level]
    lines = _wrap(_safe(notice.text), style, f"{word}: ", "  ")
    return style.paint(f"{word}:", color, "bold") + "\n".join(lines)[len(word) + 1 :]


def _section(section: Section, style: Style) -> str:
    if section.role == "context" and plain(section.title).startswith("How"):
        return ""  # the method is in every written report; a terminal shows the numbers
    bodies = [body for block in section.blocks if (body := _block(block, style))]
    if not bodies:
        return ""
    title = _safe(section.title)
    head = [style.paint(title, "bold")] if title and not _speaks_for_itself(section) else []
    return "\n".join([*head, "\n\n".join(bodies)])


def _speaks_for_itself(section: Section) -> bool:
    """Return whether the heading would only repeat what the figure below it shows."""
    return section.repeats_title() and isinstance(section.blocks[0], Figure)


def _block(block: Block, style: Style) -> str:
    match block:
        case Paragraph(text):
            return "\n".join(_wrap(_safe(text), style))
        case Bullets(items):
            return "\n".join(line for item in items for line in _wrap(_safe(item), style, "- ", "  "))
        case Notice():
            return _notice(block, style)
        case Figure(chart, _, _, table):
            if isinstance(chart, ForestPlot):
                return _forest(chart, table, style)
            if isinstance(chart, LineChart):
                return _lines(chart, block.title, style)
            return _table(table, style)
        case TableBlock():
            return _table(block, style)
        case Details(summary, blocks):
            inner = [body for b in blocks if (body := _block(b, style))]
            return "\n".join([style.paint(clean(summary), "bold"), *inner])


def _table(block: TableBlock, style: Style) -> str:
    if block.summary and len(block.table) > LONGEST_TABLE:
        return "\n".join(_wrap(f"{block.summary} All of them are in -o FILE.html and -o FILE.json.", style))
    if any(isinstance(value, Mark) for row in block.table.rows for value in row):
        return ""  # marks are a picture for outputs with room; what they call out follows in words
    rows = [_cells(block, row) for row in block.table.rows]
    return lay_out(block.table.columns, rows, block.brief, style)


def _cells(block: TableBlock, row: tuple[object, ...]) -> list[Cell]:
    return [
        Cell(
            label(value, LONGEST_CELL) if isinstance(value, Name) else clean(column.format(value)),
            name=isinstance(value, (Name, Link)),
            empty=value == "",
        )
        for column, value in zip(block.table.columns, row, strict=True)
    ]


def _lines(chart: LineChart, title: str, style: Style) -> str:
    """Return the sketch alone: its table is in every written report."""
    width = max(min(style.width, 110), 20)
    return "\n".join([style.paint(clean(title), "bold"), *sketch_lines(chart, width)])


def _forest(chart: ForestPlot, block: TableBlock, style: Style) -> str:
    rows = [_cells(block, row) for row in block.table.rows]
    marks = {"best": "◆", "tied": "●", "behind": "○", "refused": "✕", "": " "}
    paints = {"best": ("bold",), "tied": ("cyan",), "behind": (), "refused": ("dim",), "": ("dim",)}
    for row, point in zip(rows, chart.rows, strict=True):
        row[0] = Cell(row[0].text, name=True, mark=marks[point.standing] + " ", paint=paints[point.standing])
    several = any(point.standing in ("tied", "behind", "refused") for point in chart.rows)
    if not several:
        rows = [[Cell(row[0].text, name=True), *row[1:]] for row in rows]
    text = lay_out(block.table.columns, rows, block.brief, style, sketch=sketch_column(chart))
    used = {point.standing for point in chart.rows}
    key = "   ".join(words for standing, words in _KEY.items() if standing in used or standing in ("best", "behind"))
    return "\n".join([text, *(style.paint(line, "dim") for line in _wrap(key, style))]) if several else text
