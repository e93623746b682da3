"""Curves as a few lines of characters, for a terminal and a comment."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from neff.report.line_chart import axis_ticks
from neff.report.text import display_width, label

if TYPE_CHECKING:
    from neff.report.line_chart import LineChart, Scale

__all__ = ["SYMBOLS", "sketch_lines"]

SYMBOLS = "●○◆✕+~"
HEIGHT, WIDEST = 9, 78


def sketch_lines(chart: LineChart, width: int = 80, height: int = HEIGHT) -> list[str]:
    r"""Return the picture: the axis on the left, a symbol for each curve, and the key below.

    Where two curves meet, the first of the chart is seen. Bands are not drawn.

    Examples
    --------
    >>> from neff.report.line_chart import LineChart, Series
    >>> chart = LineChart((Series("loss", (0, 10, 20, 30), (1.0, 0.5, 0.2, 0.0)),), "step", "nats")
    >>> print(*sketch_lines(chart, 30, 5), sep="\n")
    nats
    1.0 ┤●
        │
    0.5 ┤        ●
        │                ●
    0.0 ┤                        ●
        └─────────────────────────
         0              20
                              step
    ● loss
    """
    x, y = chart.x_domain(), chart.y_domain()
    if x is None or y is None:
        return ["There is no value to draw."]
    rows = [(mark, said) for mark, said in axis_ticks(*y, chart.y_scale, about=max(height // 3, 2))]
    margin = max((len(said) for _, said in rows), default=1) + 2
    columns = max(min(width, WIDEST) - margin, 12)
    cells = [[" "] * columns for _ in range(height)]
    for shade in chart.shades:
        for column in range(_cell(shade[0], x, chart.x_scale, columns), _cell(shade[1], x, chart.x_scale, columns) + 1):
            cells[-1][column] = "░"
    for line in chart.references:
        if math.isfinite(line.at) and line.axis == "y":
            row = height - 1 - _cell(line.at, y, chart.y_scale, height)
            cells[row] = ["┄" if cell == " " else cell for cell in cells[row]]
    for k in reversed(range(len(chart.series))):
        series = chart.series[k]
        for place, value in zip(series.x, series.y, strict=True):
            if chart.drawable(place, value):
                row = height - 1 - _cell(value, y, chart.y_scale, height)
                cells[row][_cell(place, x, chart.x_scale, columns)] = SYMBOLS[k % len(SYMBOLS)]
    words = {height - 1 - _cell(mark, y, chart.y_scale, height): said for mark, said in rows}
    lines = [label(chart.y_axis, columns)]
    for k, drawn in enumerate(cells):
        said = words.get(k, "")
        lines.append(f"{said:>{margin - 2}} {'┤' if said else '│'}{''.join(drawn)}".rstrip())
    lines.append(" " * (margin - 1) + "└" + "─" * columns)
    lines.append(" " * margin + _axis(x, chart.x_scale, columns))
    lines.append(label(chart.x_axis, columns).rjust(margin + columns))
    lines += _key(chart, width)
    return lines


def _cell(value: float, domain: tuple[float, float], scale: Scale, cells: int) -> int:
    low, high = domain
    if scale == "log":
        value, low, high = (math.log10(max(v, 1e-300)) for v in (value, low, high))
    share = (value / 2 - low / 2) / (high / 2 - low / 2) if high > low else 0.5
    return min(max(round(share * (cells - 1)), 0), cells - 1)


def _axis(domain: tuple[float, float], scale: Scale, columns: int) -> str:
    cells, free = [" "] * columns, 0
    for mark, said in axis_ticks(*domain, scale, about=max(columns // 14, 2)):
        start = min(max(_cell(mark, domain, scale, columns) - len(said) // 2, 0), columns - len(said))
        if start >= free:
            cells[start : start + len(said)] = said
            free = start + len(said) + 2
    return "".join(cells).rstrip()


def _key(chart: LineChart, width: int) -> list[str]:
    items = [f"{SYMBOLS[k % len(SYMBOLS)]} {label(s.label, 40)}" for k, s in enumerate(chart.series)]
    if any(line.axis == "y" and math.isfinite(line.at) for line in chart.references):
        named = [label(line.label, 40) for line in chart.references if line.axis == "y" and line.label]
        items.append(f"┄ {', '.join(named[:3]) or 'reference'}")
    if chart.shades:
        items.append(f"░ {label(chart.shade_label or 'marked', 40)}")
    lines = [""]
    for item in items:
        joined = f"{lines[-1]}   {item}" if lines[-1] else item
        if display_width(joined) > width and lines[-1]:
            lines.append(item)
        else:
            lines[-1] = joined
    return lines
