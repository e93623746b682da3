"""Intervals as a column of characters: `├──●──┤`, all rows on one axis."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from neff.report.charts import tick_digits, ticks

if TYPE_CHECKING:
    from collections.abc import Callable

    from neff.report.charts import ForestPlot, ForestRow

__all__ = ["sketch_column"]

_POINTS = {"best": "◆", "tied": "●", "behind": "○", "refused": "✕", "": "●"}


def sketch_column(chart: ForestPlot) -> Callable[[int], tuple[str, list[str]]]:
    """Return a function from a width in characters to the axis and one line per row of the chart.

    Examples
    --------
    >>> from neff.report.charts import ForestPlot, ForestRow
    >>> chart = ForestPlot((ForestRow("a", 0.5, 0.4, 0.6), ForestRow("b", 0.45, 0.4, 0.5)), "score", 0.95, 3)
    >>> axis, lines = sketch_column(chart)(21)
    >>> lines
    ['├─────────●─────────┤', '├────●────┤          ']
    """

    def draw(width: int) -> tuple[str, list[str]]:
        domain = chart.domain()
        if domain is None:
            return " " * width, [" " * width for _ in chart.rows]
        return _axis(domain, width), [_line(row, domain, width) for row in chart.rows]

    return draw


def _place(value: float, domain: tuple[float, float], width: int) -> int:
    low, high = domain
    if not math.isfinite(value):
        return 0 if value < 0 else width - 1
    return min(max(math.floor((value - low) / (high - low) * width), 0), width - 1)


def _line(row: ForestRow, domain: tuple[float, float], width: int) -> str:
    cells = [" "] * width
    if not (math.isnan(row.low) or math.isnan(row.high)):
        left, right = _place(row.low, domain, width), _place(row.high, domain, width)
        for k in range(left, right + 1):
            cells[k] = "─"
        cells[left], cells[right] = "├", "┤"
    if math.isfinite(row.value):
        cells[_place(row.value, domain, width)] = _POINTS[row.standing]
    return "".join(cells)


def _axis(domain: tuple[float, float], width: int) -> str:
    """Return round numbers, each centred on its place; one that would touch its neighbour is left out."""
    marks = ticks(*domain, about=max(width // 8, 3))
    digits = tick_digits(marks)
    cells = [" "] * width
    free = 0
    for mark in marks:
        label = f"{mark:.{digits}f}"
        start = min(max(_place(mark, domain, width) - len(label) // 2, 0), width - len(label))
        if start >= free and start >= 0:
            cells[start : start + len(label)] = label
            free = start + len(label) + 2
    return "".join(cells)
