"""Curves as SVG, once for a page and once for a telephone: told apart by shape as well as by colour."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from neff.report.line_chart import axis_ticks, short_number
from neff.report.svg import figure, n, safe, tag, text_width
from neff.report.text import display_width, distinct, label

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from neff.report.line_chart import LineChart, Scale, Series

__all__ = ["lines_svg"]

COLOURS = 6
DOTTED = 40  # a curve of at most so many points shows each of them
KEY_LINE, KEY_GAP, SWATCH = 20.0, 20.0, 22.0
SIZE = 12.5
_SHAPES = ("circle", "square", "diamond", "triangle", "cross", "plus")


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where the picture stands, in pixels, and what its axes cover."""

    width: float
    left: float
    right: float
    top: float
    bottom: float
    x: tuple[float, float]
    y: tuple[float, float]
    x_scale: Scale
    y_scale: Scale
    narrow: bool

    def px(self, x: float) -> float:
        return self.left + _share(x, self.x, self.x_scale) * (self.right - self.left)

    def py(self, y: float) -> float:
        return self.bottom - _share(y, self.y, self.y_scale) * (self.bottom - self.top)


def _share(value: float, domain: tuple[float, float], scale: Scale) -> float:
    low, high = domain
    if scale == "log":
        value, low, high = (math.log10(max(v, 1e-300)) for v in (value, low, high))
    share = (value / 2 - low / 2) / (high / 2 - low / 2) if high > low else 0.5
    return min(max(share, 0.0), 1.0)


def lines_svg(chart: LineChart, title: str, description: str, identity: str) -> str:
    """Return the figure twice; the style sheet shows the one that fits the screen."""
    about = f"{description} {chart.describe()}".strip()
    return "".join(
        _draw(chart, title, about, identity + suffix, narrow=narrow) for suffix, narrow in (("w", False), ("n", True))
    )


def _draw(chart: LineChart, title: str, about: str, identity: str, *, narrow: bool) -> str:
    width, tall = (360.0, 200.0) if narrow else (1000.0, 230.0)
    kind = "lines narrow" if narrow else "lines wide"
    key, used = _key(chart, width, narrow=narrow)
    x, y = chart.x_domain(), chart.y_domain()
    if x is None or y is None:
        said = tag("text", "There is no value to draw.", x=6.0, y=used + 22, class_="head")
        body, height = [key, said], used + 34
    else:
        marks = axis_ticks(*y, chart.y_scale, about=5)
        left = 12 + max((text_width(display_width(said), 12) for _, said in marks), default=20)
        top = used + 28
        at = _Frame(width, left, width - 12, top, top + tall, x, y, chart.x_scale, chart.y_scale, narrow)
        body = [key, _shades(chart, at), _axes(chart, marks, at)]
        body += [_band(series, k, at) for k, series in enumerate(chart.series)]
        order = sorted(range(len(chart.series)), key=lambda k: not chart.series[k].joined)  # points over curves
        body += [_curve(chart, chart.series[k], k, at) for k in order]
        body.append(_references(chart, at))
        height = at.bottom + 42
    return figure(body, width=width, height=height, identity=identity, title=title, description=about, kind=kind)


# The key.


def _key(chart: LineChart, width: float, *, narrow: bool) -> tuple[str, float]:
    """Return the key and its height; one curve that the axis already names needs none."""
    limit = 34 if narrow else 60
    names = distinct([s.label if s.label.strip() else "(no name)" for s in chart.series], limit)
    items = [(_swatch(k, series), said) for k, (series, said) in enumerate(zip(chart.series, names, strict=True))]
    if len(items) == 1 and not chart.shades and chart.series[0].label == chart.y_axis:
        items = []
    banded = next((k for k, series in enumerate(chart.series) if series.low), None)
    if chart.band_label and banded is not None:
        patch = tag("rect", x=0.0, y=-9.0, width=SWATCH, height=10.0, class_=f"area {_colour(banded)}")
        if not chart.series[banded].joined:
            patch = tag("path", d=f"M{n(SWATCH / 2)} -10v12", class_=f"bar {_colour(banded)}")
        items.append((patch, chart.band_label))
    if chart.shades:
        patch = tag("rect", x=0.0, y=-9.0, width=SWATCH, height=10.0, class_="shade")
        items.append((patch, label(chart.shade_label or "marked", limit)))
    parts, x, line = [], 6.0, 1
    for drawn, said in items:
        room = SWATCH + 6 + text_width(display_width(said), SIZE) * 0.94
        if x > 6.0 and x + room > width - 6:
            x, line = 6.0, line + 1
        word = tag("text", safe(said), x=SWATCH + 6, y=0.0, class_="name")
        parts.append(f'<g transform="translate({n(x)} {n(line * KEY_LINE - 6)})">{drawn}{word}</g>')
        x += room + KEY_GAP
    return "".join(parts), line * KEY_LINE if items else 0.0


def _swatch(k: int, series: Series) -> str:
    line = tag("path", d=f"M0 -4h{n(SWATCH)}", class_=f"curve {_colour(k)}") if series.joined else ""
    return line + _point(k, SWATCH / 2, -4.0)


def _colour(k: int) -> str:
    return f"s{k % COLOURS}"


def _point(k: int, x: float, y: float, about: str = "") -> str:
    """Return the mark of a curve: its shape, not only its colour, says which one it is."""
    size, shape = 3.4, _SHAPES[(k + k // COLOURS) % len(_SHAPES)]
    inner = f"<title>{safe(about)}</title>" if about else ""
    if shape == "circle":
        return tag("circle", inner, cx=x, cy=y, r=size, class_=f"dot {_colour(k)}")
    start = {
        "square": f"M{n(x - 3)} {n(y - 3)}h6v6h-6z",
        "diamond": f"M{n(x)} {n(y - 4.4)}l4.4 4.4l-4.4 4.4l-4.4 -4.4z",
        "triangle": f"M{n(x)} {n(y - 4.2)}l4.2 7h-8.4z",
        "cross": f"M{n(x - 3.4)} {n(y - 3.4)}l6.8 6.8m0 -6.8l-6.8 6.8",
        "plus": f"M{n(x - 4)} {n(y)}h8m-4 -4v8",
    }[shape]
    kind = "dot open" if shape in ("cross", "plus") else "dot"
    return tag("path", inner, d=start, class_=f"{kind} {_colour(k)}")


# Axes, shades and lines.


def _axes(chart: LineChart, marks: Sequence[tuple[float, str]], at: _Frame) -> str:
    lines = "".join(f"M{n(at.left)} {n(at.py(mark))}H{n(at.right)}" for mark, _ in marks)
    parts = [
        tag("path", d=lines, class_="grid"),
        tag("path", d=f"M{n(at.left)} {n(at.bottom)}H{n(at.right)}", class_="axis"),
    ]
    parts += [_text(said, at.left - 7, at.py(mark) + 4, "head end") for mark, said in marks]
    free = -math.inf
    for mark, said in axis_ticks(*at.x, at.x_scale, about=4 if at.narrow else 8):
        half = text_width(len(said), 12) / 2
        x = at.px(mark)
        parts.append(tag("path", d=f"M{n(x)} {n(at.bottom)}v4", class_="axis"))
        if x - half < free:
            continue
        parts.append(_text(said, min(x, at.width - half - 2), at.bottom + 17, "tick"))
        free = x + half + 8
    limit = 40 if at.narrow else 90
    parts.append(_text(label(chart.x_axis, limit), at.right, at.bottom + 35, "head end"))
    parts.append(_text(label(chart.y_axis, limit), 6.0, at.top - 11, "head"))
    return "".join(parts)


def _text(said: str, x: float, y: float, kind: str) -> str:
    return tag("text", safe(said.replace("-", "−") if _is_number(said) else said), x=x, y=y, class_=kind)


def _is_number(said: str) -> bool:
    return said.strip("0123456789.e+-") == ""


def _shades(chart: LineChart, at: _Frame) -> str:
    parts = []
    for low, high in chart.shades:
        left, right = at.px(low), at.px(high)
        left, right = (left - 1, right + 1) if right - left < 2 else (left, right)
        parts.append(tag("rect", x=left, y=at.top, width=right - left, height=at.bottom - at.top, class_="shade"))
    return "".join(parts)


def _references(chart: LineChart, at: _Frame) -> str:
    """Return the lines; a word that would stand on another one is left out, it is in the description."""
    parts: list[str] = []
    taken: list[tuple[float, float]] = []
    for line in chart.references:
        if not math.isfinite(line.at):
            continue
        said, half = label(line.label, 40) if line.label else "", 0.0
        half = text_width(len(said), 12)
        if line.axis == "y":
            y = at.py(line.at)
            parts.append(tag("path", d=f"M{n(at.left)} {n(y)}H{n(at.right)}", class_="reference"))
            place = (at.right - 4, y - 5 if y > at.top + 16 else y + 14)
        else:
            x = at.px(line.at)
            parts.append(tag("path", d=f"M{n(x)} {n(at.top)}V{n(at.bottom)}", class_="reference"))
            place = (x + 5 + half if x + half + 8 < at.right else x - 5, at.top + 12)
        if said and all(abs(place[1] - y) > 12 or abs(place[0] - x) > half for x, y in taken):
            parts.append(tag("text", safe(said), x=place[0], y=place[1], class_="head end halo"))
            taken.append(place)
    return "".join(parts)


# Curves.


def _runs(chart: LineChart, series: Series) -> Iterator[list[tuple[float, float]]]:
    """Yield the stretches without a gap."""
    points = zip(series.x, series.y, strict=True)
    for drawn, run in itertools.groupby(points, key=lambda point: chart.drawable(*point)):
        if drawn:
            yield list(run)


def _curve(chart: LineChart, series: Series, k: int, at: _Frame) -> str:
    runs = list(_runs(chart, series))
    total = sum(map(len, runs))
    path = ""
    for run in runs if series.joined else ():
        thin = _thinned([(at.px(x), at.py(y)) for x, y in run])
        if len(thin) > 1:
            path += "M" + "L".join(f"{n(x)} {n(y)}" for x, y in thin)
    parts = [tag("path", d=path, class_=f"curve {_colour(k)}")] if path else []
    if total <= DOTTED or not series.joined:
        shown = [point for run in runs for point in run]
        parts += [_point(k, at.px(x), at.py(y), "" if at.narrow else _about(series, x, y)) for x, y in shown]
        return "".join(parts)
    alone = [run[0] for run in runs if len(run) == 1]  # between two gaps: without a mark nobody would see it
    parts += [
        _point(k, at.px(x), at.py(y)) for x, y in (*alone, *(_spaced(runs, k, at) if len(chart.series) > 1 else ()))
    ]
    return "".join(parts)


def _about(series: Series, x: float, y: float) -> str:
    return f"{label(series.label, 100)}: {short_number(y)} at {short_number(x)}"


def _spaced(runs: Sequence[Sequence[tuple[float, float]]], k: int, at: _Frame) -> Iterator[tuple[float, float]]:
    """Yield points of a long curve about a hundred pixels apart, where the next curve has none."""
    apart = 80.0 if at.narrow else 120.0
    wanted = at.left + apart * (0.25 + 0.31 * (k % 3))
    for run in runs:
        for x, y in run:
            place = at.px(x)
            if place >= wanted:
                yield x, y
                wanted = max(place, wanted) + apart


def _thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return at most four points per pixel of width: the first, lowest, highest and last, so that no peak is lost."""
    if len(points) <= 1000:
        return points
    kept: list[tuple[float, float]] = []
    for _, group in itertools.groupby(points, key=lambda point: round(point[0])):
        column = list(group)
        places = {0, len(column) - 1}
        places.add(min(range(len(column)), key=lambda j: column[j][1]))
        places.add(max(range(len(column)), key=lambda j: column[j][1]))
        kept += [column[j] for j in sorted(places)]
    return kept


def _band(series: Series, k: int, at: _Frame) -> str:
    if not series.low:
        return ""
    path = bars = ""
    rows = zip(series.x, series.low, series.high, strict=True)
    for drawn, group in itertools.groupby(
        rows, key=lambda row: not any(map(math.isnan, row)) and math.isfinite(row[0])
    ):
        if not drawn:
            continue
        run = list(group)
        if len(run) == 1 or not series.joined:
            bars += "".join(f"M{n(at.px(x))} {n(at.py(bottom))}V{n(at.py(top))}" for x, bottom, top in run)
            continue
        high = _thinned([(at.px(x), at.py(end)) for x, _, end in run])
        low = _thinned([(at.px(x), at.py(end)) for x, end, _ in run])
        path += "M" + "L".join(f"{n(x)} {n(y)}" for x, y in (*high, *reversed(low))) + "z"
    area = tag("path", d=path, class_=f"area {_colour(k)}") if path else ""
    return area + (tag("path", d=bars, class_=f"bar {_colour(k)}") if bars else "")
