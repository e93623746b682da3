"""Columns that fit a width: the least important go first, then names are cut in the middle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from neff.report.text import display_width, distinct

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from neff.report.terminal import Style
    from neff.results import Column

__all__ = ["Cell", "lay_out"]

GAP = 2
NAME_MIN, SKETCH_MIN, SKETCH_MAX = 28, 18, 44


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: its text, whether it may be shortened, a mark in front, colours."""

    text: str
    name: bool = False
    mark: str = ""
    paint: tuple[str, ...] = ()
    empty: bool = False


def lay_out(
    columns: Sequence[Column],
    rows: Sequence[Sequence[Cell]],
    brief: Sequence[str],
    style: Style,
    *,
    sketch: Callable[[int], tuple[str, list[str]]] | None = None,
) -> str:
    """Return the table as text, at most `style.width` columns wide where that is possible.

    Parameters
    ----------
    columns, rows
        The table.
    brief
        Names of columns in order of importance; only these are shown, in this order. Empty: all.
    style
        Width, colours, character set.
    sketch
        Draws one more column, after the third, at a width that is left over.
    """
    place = {column.name: j for j, column in enumerate(columns)}
    shown = [place[name] for name in brief if name in place] or list(range(len(columns)))
    shown = [j for j in shown if not all(row[j].empty for row in rows)] or shown[:1]
    widths = {j: _width(columns[j], rows, j) for j in shown}
    names = [j for j in shown if any(row[j].name for row in rows)]
    extra = SKETCH_MIN + GAP if sketch else 0

    def total(*, cut: bool) -> int:
        cells = (min(widths[j], NAME_MIN) if cut and j in names else widths[j] for j in shown)
        return sum(cells) + GAP * (len(shown) - 1) + extra

    while len(shown) > 3 and total(cut=True) > style.width:
        shown.pop()
    if sketch and total(cut=True) > style.width:
        sketch, extra = None, 0
    while len(shown) > 1 and total(cut=True) > style.width:
        shown.pop()
    names = [j for j in names if j in shown]
    spare = style.width - total(cut=True)
    for k, j in enumerate(names):  # what is left over goes to the names, fairly
        have = min(widths[j], NAME_MIN)
        grant = max(spare // (len(names) - k), 0)
        widths[j] = max(min(widths[j], have + grant), min(widths[j], style.width, 8))
        spare -= widths[j] - have
    grid = [[_head(columns[j]) for j in shown], *([row[j] for j in shown] for row in rows)]
    text = [
        _column([line[k] for line in grid], columns[j], widths[j], style, is_name=j in names)
        for k, j in enumerate(shown)
    ]
    if sketch:
        axis, lines = sketch(min(SKETCH_MIN + max(spare, 0), SKETCH_MAX))
        text.insert(min(3, len(text)), [axis, *lines])
    gap = " " * GAP
    out = [gap.join(cells).rstrip() for cells in zip(*text, strict=True)]
    out[0] = style.paint(out[0], "dim")
    return "\n".join(out)


def _head(column: Column) -> Cell:
    return Cell(column.title)


def _width(column: Column, rows: Sequence[Sequence[Cell]], j: int) -> int:
    longest = max((display_width(row[j].mark + row[j].text) for row in rows), default=0)
    indent = max((len(row[j].mark) for row in rows), default=0)  # the title stands where the names do
    return max(longest, indent + display_width(column.title))


def _column(cells: Sequence[Cell], column: Column, width: int, style: Style, *, is_name: bool) -> list[str]:
    texts = [cell.text for cell in cells]
    if is_name:
        room = width - max((len(cell.mark) for cell in cells), default=0)
        texts = distinct(texts, room)
    out, indent = [], " " * max(len(cell.mark) for cell in cells)
    for cell, text in zip(cells, texts, strict=True):
        mark = cell.mark or indent
        body = mark + text
        pad = " " * max(width - display_width(body), 0)
        painted = style.paint(body, *cell.paint)
        out.append(painted + pad if column.kind == "text" else pad + painted)
    return out
