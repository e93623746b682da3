"""The forest plot as SVG, once for a page and once for a telephone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from neff.report.charts import tick_digits, ticks
from neff.report.svg import figure, n, safe, tag, text_width
from neff.report.text import display_width, distinct, label, number, signed

if TYPE_CHECKING:
    from neff.report.charts import ForestPlot, ForestRow

__all__ = ["forest_svg"]

WIDE, NARROW = 1000.0, 360.0
_WORDS = {
    "best": "the best",
    "tied": "cannot be told from the best",
    "behind": "behind the best",
    "refused": "level refused",
    "": "",
}


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where things stand: sizes in pixels of the drawing."""

    width: float
    left: float
    right: float
    row: float
    head: float
    line: float  # the interval's height within its row
    text: float  # the label's baseline within its row
    size: float
    narrow: bool


def forest_svg(chart: ForestPlot, title: str, description: str, identity: str) -> str:
    """Return the figure twice; the style sheet shows the one that fits the screen."""
    return "".join(
        _draw(chart, title, description, f"{identity}{suffix}", layout)
        for suffix, layout in (("w", _wide(chart)), ("n", _narrow()))
    )


def _wide(chart: ForestPlot) -> _Layout:
    rows = len(chart.rows)
    row, size = (26.0, 13.5) if rows <= 40 else (20.0, 12.5) if rows <= 70 else (17.0, 11.5)
    longest = max((display_width(label(r.label, 44)) for r in chart.rows), default=8)
    left = min(max(text_width(longest, size) + 14, 90), 290)
    return _Layout(
        WIDE, left, WIDE - (204 if chart.signed else 182), row, 30.0, row / 2, row / 2 + 0.36 * size, size, narrow=False
    )


def _narrow() -> _Layout:
    return _Layout(NARROW, 6.0, NARROW - 6, 38.0, 26.0, 28.0, 16.0, 13.0, narrow=True)


def _draw(chart: ForestPlot, title: str, description: str, identity: str, at: _Layout) -> str:
    domain = chart.domain()
    height = at.head + at.row * len(chart.rows) + 8
    limit = 34 if at.narrow else int((at.left - 14) / text_width(1, at.size) + 0.5)
    names = distinct([row.label if row.label.strip() else "(no name)" for row in chart.rows], max(limit, 8))
    body = []
    for k, (row, name) in enumerate(zip(chart.rows, names, strict=True)):
        body.append(_row(chart, row, name, at.head + k * at.row, domain, at))
    if domain is not None:
        body.insert(0, _axis(chart, domain, height, at))
        body.insert(0, "".join(_band(row, at.head + k * at.row, at) for k, row in enumerate(chart.rows)))
    kind = "forest narrow" if at.narrow else "forest wide"
    return figure(
        body, width=at.width, height=height, identity=identity, title=title, description=description, kind=kind
    )


def _x(value: float, domain: tuple[float, float], at: _Layout) -> float:
    share = (value - domain[0]) / (domain[1] - domain[0])
    return at.left + min(max(share, 0.0), 1.0) * (at.right - at.left)


def _axis(chart: ForestPlot, domain: tuple[float, float], height: float, at: _Layout) -> str:
    marks = ticks(*domain, about=4 if at.narrow else 7)
    digits = tick_digits(marks)
    lines = "".join(f"M{n(_x(mark, domain, at))} {n(at.head - 4)}V{n(height - 6)}" for mark in marks)
    parts = [tag("path", d=lines, class_="grid")]
    for mark in marks:
        x = min(max(_x(mark, domain, at), 12), at.width - 12)
        said = (signed if chart.signed else number)(mark, digits).replace("-", "−")
        parts.append(tag("text", said, x=x, y=at.head - 11, class_="tick"))
    for place in (chart.reference, *chart.limits):
        if place is not None and math.isfinite(place):
            line = f"M{n(_x(place, domain, at))} {n(at.head - 4)}V{n(height - 6)}"
            parts.append(tag("path", d=line, class_="reference"))
    if not at.narrow:
        percent = f"{100 * chart.level:g}% interval"
        parts.append(
            tag(
                "text",
                chart.head or ("A − B" if chart.signed else "Score"),
                x=at.width - (150 if chart.signed else 130),
                y=at.head - 11,
                class_="head end",
            )
        )
        parts.append(tag("text", percent, x=at.width - 6, y=at.head - 11, class_="head end"))
    return "".join(parts)


def _band(row: ForestRow, top: float, at: _Layout) -> str:
    if row.standing not in ("best", "tied"):
        return ""
    return tag("rect", x=0, y=top, width=at.width, height=at.row, class_="band")


def _row(
    chart: ForestPlot, row: ForestRow, name: str, top: float, domain: tuple[float, float] | None, at: _Layout
) -> str:
    y, baseline = top + at.line, top + at.text
    hover = [  # a telephone has no pointer that could rest
        f"<title>{safe(_tooltip(chart, row))}</title>",
        tag("rect", x=0, y=top, width=at.width, height=at.row, class_="hit"),
    ]
    parts = [
        *([] if at.narrow else hover),
        tag("text", safe(name), x=6.0, y=baseline, class_="name"),
        *_numbers(chart, row, baseline, at),
    ]
    if domain is not None and not (math.isnan(row.low) or math.isnan(row.high)):
        low, high = _x(row.low, domain, at), _x(row.high, domain, at)
        parts.append(tag("path", d=f"M{n(low)} {n(y)}H{n(high)}", class_="line"))
    if domain is not None and math.isfinite(row.value):
        parts.append(_point(row, _x(row.value, domain, at), y))
    return f'<g class="row {row.standing or ("strong" if row.strong else "unknown")}">' + "".join(parts) + "</g>"


def _point(row: ForestRow, x: float, y: float) -> str:
    """Best, tied, behind and refused differ in shape and filling, not only in colour."""
    if row.standing == "best":
        return tag("path", d=f"M{n(x)} {n(y - 6)}l6 6l-6 6l-6-6z", class_="point")
    if row.standing == "refused":
        return tag("path", d=f"M{n(x - 4)} {n(y - 4)}l8 8m0-8l-8 8", class_="point")
    return f'<circle cx="{n(x)}" cy="{n(y)}" r="4.3" class="point"/>'


def _numbers(chart: ForestPlot, row: ForestRow, baseline: float, at: _Layout) -> list[str]:
    value, interval = _value(chart, row.value), _interval(chart, row)
    if at.narrow:
        return [tag("text", safe(value), x=at.width - 6, y=baseline, class_="value end")]
    shown = row.reason if interval == "–" and row.reason else interval
    return [
        tag("text", safe(value), x=at.width - (150 if chart.signed else 130), y=baseline, class_="value end"),
        tag("text", safe(label(shown, 22)), x=at.width - 6, y=baseline, class_="interval end"),
    ]


def _interval(chart: ForestPlot, row: ForestRow) -> str:
    if math.isnan(row.low) or math.isnan(row.high):
        return "–"
    return f"{_value(chart, row.low)} to {_value(chart, row.high)}"


def _value(chart: ForestPlot, value: float) -> str:
    return (signed if chart.signed else number)(value, chart.digits).replace("-", "−")


def _tooltip(chart: ForestPlot, row: ForestRow) -> str:
    name = label(row.label, 200)
    if math.isnan(row.value):
        return f"{name}: undefined ({row.reason or 'no reason recorded'})"
    interval = _interval(chart, row)
    parts = [f"{name}: {_value(chart, row.value)}"]
    parts.append(f"{100 * chart.level:g}% interval {interval}" if interval != "–" else f"no interval ({row.reason})")
    return ", ".join(filter(None, (*parts, _WORDS[row.standing])))
