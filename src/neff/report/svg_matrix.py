"""The matrix of differences as SVG: colour by size, a mark where two models are told apart.

Up to `TITLED` models every cell is an element with its own tooltip, and a dot says "told apart". Beyond that equal
neighbours are drawn as one path, pairs that are not told apart are faded and fenced by a line, and the page's script
reads out the cell under the pointer: 93 models (8,556 cells) take 70 kB.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from neff.report.charts import tick_digits
from neff.report.svg import figure, n, safe, tag, text_width
from neff.report.text import display_width, label, number, shorten, signed

if TYPE_CHECKING:
    from neff.report.charts import Cell, DifferenceMatrix

__all__ = ["TITLED", "matrix_svg"]

TITLED = 17
WIDE, NARROW = 1000.0, 360.0
SWATCH = 26.0


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where things stand: sizes in pixels of the drawing."""

    width: float
    left: float
    top: float
    cell: float
    size: float
    narrow: bool


def matrix_svg(chart: DifferenceMatrix, title: str, description: str, identity: str) -> str:
    """Return the figure twice; the style sheet shows the one that fits the screen."""
    return "".join(
        _draw(chart, title, description, f"{identity}{suffix}", layout)
        for suffix, layout in (("w", _layout(chart, narrow=False)), ("n", _layout(chart, narrow=True)))
    )


def _layout(chart: DifferenceMatrix, *, narrow: bool) -> _Layout:
    k = max(len(chart.models), 1)
    longest = max((display_width(label(name, 40)) for name in chart.models), default=8) + 3 + len(str(k))
    if narrow:
        left = min(text_width(longest, 11.5), 150.0) if k <= 40 else 26.0
        cell = min((NARROW - left - 2) / k, 44.0)
        return _Layout(NARROW, left, 20.0, cell, min(11.5, max(cell * 0.95, 5.0)), narrow=True)
    size = 13.0
    left = min(text_width(longest, size), 280.0)
    cell = min((WIDE - left - 2) / k, 52.0)
    size = min(size, max(cell * 0.92, 7.5))
    return _Layout(WIDE, left, 24.0, cell, size, narrow=False)


def _draw(chart: DifferenceMatrix, title: str, description: str, identity: str, at: _Layout) -> str:
    k = len(chart.models)
    height = at.top + k * at.cell + 64
    cells = _titled(chart, at, identity) if k <= TITLED else _merged(chart, at, identity)
    hit = tag(
        "rect", x=at.left, y=at.top, width=k * at.cell, height=k * at.cell, class_="hit", data_k=k, data_cell=at.cell
    )
    cursor = tag("rect", width=at.cell, height=at.cell, x=at.left, y=at.top, class_="cursor", visibility="hidden")
    body = [
        _patterns(identity, merged=k > TITLED),
        *_labels(chart, at),
        cells,
        cursor if k > TITLED else "",
        hit if k > TITLED else "",
    ]
    body.append(_legend(chart, at.top + k * at.cell + 22, at))
    kind = "matrix narrow" if at.narrow else "matrix wide"
    return figure(
        body, width=at.width, height=height, identity=identity, title=title, description=description, kind=kind
    )


def _patterns(identity: str, *, merged: bool) -> str:
    """Return the filling of cells that were not compared."""
    size = 1 if merged else 7  # one cell of the scaled grid, or pixels
    hatch = tag("path", d=f"M0 {size}L{size} 0", class_="hatch")
    unit = {"width": size, "height": size, "patternUnits": "userSpaceOnUse"}
    return f"<defs>{tag('pattern', hatch, id=identity + 'h', **unit)}</defs>"


def _labels(chart: DifferenceMatrix, at: _Layout) -> list[str]:
    """Name the rows; number rows and columns, every fifth where cells are small."""
    k = len(chart.models)
    every = 1 if at.cell >= 15 else 5 if at.cell >= 5 else 10
    parts = []
    for i in range(k):
        middle = (i + 0.5) * at.cell
        if every == 1 or (i + 1) % every == 0 or i == 0:
            x = at.left + middle
            parts.append(f'<text x="{n(x)}" y="{n(at.top - 7)}" class="tick">{i + 1}</text>')
    if at.narrow and k > 40:
        rows = [str(i + 1) if i == 0 or (i + 1) % 10 == 0 else "" for i in range(k)]
    else:
        room = int((at.left - 6) / text_width(1, at.size) + 0.01) - 2 - len(str(k))
        # The number tells apart what a cut name does not.
        names = [label(name, 400) for name in chart.models]
        short = [safe(shorten(name, max(room, 6), head=0.6)) for name in names]
        rows = [f'{name}<tspan dx="7" class="no">{i + 1}</tspan>' for i, name in enumerate(short)]
    lines = [
        f'<text x="{n(at.left - 6)}" y="{n(at.top + (i + 0.5) * at.cell + 0.36 * at.size)}">{name}</text>'
        for i, name in enumerate(rows)
        if name
    ]
    return [f'<g class="names" font-size="{n(at.size)}">' + "".join(lines) + "</g>", *parts]


def _shade_class(chart: DifferenceMatrix, cell: Cell | None) -> str:
    shade = None if cell is None else chart.shade(cell)
    return "x" if shade is None else f"{'b' if shade > 0 else 'o' if shade < 0 else 'z'}{abs(shade)}"


def _titled(chart: DifferenceMatrix, at: _Layout, identity: str) -> str:
    """Draw every cell with its own tooltip, and its number where there is room."""
    parts = []
    for i in range(len(chart.models)):
        for j in range(len(chart.models)):
            if i == j:
                continue
            cell, x, y = chart.cell(i, j), at.left + j * at.cell, at.top + i * at.cell
            shade = _shade_class(chart, cell)
            inner = [f"<title>{safe(_tooltip(chart, i, j, cell))}</title>"]
            size = at.cell - (1.5 if at.cell > 12 else 0.6)
            filled = (
                f'fill="url(#{identity}h)"'
                if shade == "x"
                else f'class="{shade}{"" if cell and cell.decided else " u"}"'
            )
            inner.append(f'<rect x="{n(x)}" y="{n(y)}" width="{n(size)}" height="{n(size)}" {filled}/>')
            middle = x + size / 2
            if cell is not None and shade != "x":
                inner.append(_cell_marks(chart, cell, shade, middle, y, size))
            parts.append("<g>" + "".join(inner) + "</g>")
    return "".join(parts)


def _cell_marks(chart: DifferenceMatrix, cell: Cell, shade: str, x: float, y: float, size: float) -> str:
    roomy = size >= 7.2 * (chart.digits + 3)
    tone = f"on{shade[1]}" if cell.decided else "on0"
    text = ""
    if roomy:
        said = signed(cell.difference, chart.digits).replace("-", "−")
        text = f'<text x="{n(x)}" y="{n(y + 0.55 * size)}" class="in {tone}">{said}</text>'
    if not cell.decided:
        return text
    at_y, radius = (y + 0.8 * size, 2.2) if roomy else (y + size / 2, min(2.6, 0.16 * size))
    return text + f'<circle cx="{n(x)}" cy="{n(at_y)}" r="{n(radius)}" class="dot {tone}"/>'


def _merged(chart: DifferenceMatrix, at: _Layout, identity: str) -> str:
    """Draw neighbours of one class as one path, on a grid of unit cells that is scaled once."""
    k = len(chart.models)
    cells = [[None if i == j else chart.cell(i, j) for j in range(k)] for i in range(k)]
    shades = [
        ["" if i == j else _shade_class(chart, cell) for j, cell in enumerate(row)] for i, row in enumerate(cells)
    ]
    apart = [["" if cell is None or not cell.decided else "y" for cell in row] for row in cells]
    faded = [
        ["" if mark or not shade else "veil" for mark, shade in zip(*rows, strict=True)]
        for rows in zip(apart, shades, strict=True)
    ]
    paths: dict[str, list[str]] = defaultdict(list)
    for grid in (shades, faded):
        for i, row in enumerate(grid):
            for name, start, end in _runs(row):
                paths[name].append(f"M{start} {i}h{end - start}v1h{start - end}z")
    fills = {"x": f"url(#{identity}h)"}
    drawn = "".join(
        tag("path", d="".join(paths[name]), class_=None if name in fills else name, fill=fills.get(name))
        for name in sorted(paths, key=lambda name: (name == "veil", name))
    )
    gaps = tag("path", d="".join(f"M{i} 0v{k}M0 {i}h{k}" for i in range(k + 1)), class_="gaps") if at.cell >= 6 else ""
    fence = tag("path", d=_fence(apart), class_="fence")
    return f'<g transform="translate({n(at.left)} {n(at.top)}) scale({at.cell:.4f})">{drawn}{gaps}{fence}</g>'


def _runs(row: list[str]) -> list[tuple[str, int, int]]:
    """Return (name, start, end) of each run of one non-empty name."""
    runs, start = [], 0
    for j in range(1, len(row) + 1):
        if j == len(row) or row[j] != row[start]:
            if row[start]:
                runs.append((row[start], start, j))
            start = j
    return runs


def _fence(apart: list[list[str]]) -> str:
    """Return the lines between pairs that are told apart and pairs that are not."""
    k = len(apart)
    parts = []
    for line in range(1, k):
        across = ["e" if apart[line - 1][j] != apart[line][j] else "" for j in range(k)]
        down = ["e" if apart[i][line - 1] != apart[i][line] else "" for i in range(k)]
        parts += [f"M{start} {line}h{end - start}" for _, start, end in _runs(across)]
        parts += [f"M{line} {start}v{end - start}" for _, start, end in _runs(down)]
    return "".join(parts)


def _legend(chart: DifferenceMatrix, top: float, at: _Layout) -> str:
    left = 2.0 if at.narrow else at.left
    order = ["o4", "o3", "o2", "o1", "z0", "b1", "b2", "b3", "b4"]
    parts = [
        tag("rect", x=left + k * SWATCH, y=top, width=SWATCH - 1, height=11.0, class_=shade)
        for k, shade in enumerate(order)
    ]
    digits = tick_digits([3 * chart.step])
    sign = 1 if chart.better_is == "higher" else -1
    for k, size in ((1, -3), (4.5, 0), (8, 3)):
        said = signed(sign * size * chart.step, digits).replace("-", "−") if size else "0"
        parts.append(tag("text", said, x=left + k * SWATCH, y=top + 24, class_="tick"))
    x, y = (left, top + 36) if at.narrow else (left + 9 * SWATCH + 16, top)  # below on a telephone, else beside
    if len(chart.models) <= TITLED:
        parts.append(tag("circle", cx=x + 3, cy=y + 5.5, r=2.4, class_="dot on0"))
        return "".join([*parts, tag("text", "told apart; faded: not", x=x + 12, y=y + 9.5, class_="key")])
    swatch: dict[str, Any] = {"x": x, "y": y, "width": SWATCH - 1, "height": 11.0}
    parts += [tag("rect", class_=name, **swatch) for name in ("b2", "veil", "outline")]
    key = "faded, within the line: not told apart"
    return "".join([*parts, tag("text", key, x=x + SWATCH + 6, y=y + 9.5, class_="key")])


def _tooltip(chart: DifferenceMatrix, i: int, j: int, cell: Cell | None) -> str:
    pair = f"{label(chart.models[i], 120)} − {label(chart.models[j], 120)}"
    if cell is None:
        return f"{pair}: not compared"
    if chart.shade(cell) is None:
        return f"{pair}: undefined ({cell.reason or 'no reason recorded'})"
    d = chart.digits
    interval = f"{signed(cell.low, d)} to {signed(cell.high, d)}" if cell.low == cell.low else "no interval"
    told = {True: "told apart", False: "not told apart", None: "not checked"}[cell.decided]
    p = "" if cell.p_adjusted != cell.p_adjusted else f", p adjusted {number(cell.p_adjusted, 4)}"
    return f"{pair}: {signed(cell.difference, d)}, interval {interval}, {told}{p}"
