"""Curves over a common axis as data: several series, bands, gaps, log axes, reference lines. Drawn elsewhere."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from neff.errors import ArgumentError
from neff.report.charts import tick_digits, ticks
from neff.report.document import Figure, TableBlock
from neff.report.text import label, number
from neff.results import Column, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["LineChart", "ReferenceLine", "Scale", "Series", "axis_ticks", "line_figure", "short_number"]

Scale = Literal["linear", "log"]
MOST_REFERENCES = 6


@dataclass(frozen=True, slots=True)
class Series:
    """One curve: points in the order in which they are joined.

    Attributes
    ----------
    label
        Its name in the key. Text from a log may stand here; it is made safe where it is shown.
    x, y
        The points. Where y is NaN or infinite (or not positive on a log axis) the curve has a gap.
    low, high
        The band around it, as long as y, or empty. Its ends may be NaN where the curve has a value.
    joined
        Whether the points are joined by a line; not for measurements beside a fitted curve.
    """

    label: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    joined: bool = True

    def __post_init__(self) -> None:
        sizes = {len(self.x), len(self.y)} | ({len(self.low), len(self.high)} if self.low or self.high else set())
        if len(sizes) > 1:
            got = f"x {len(self.x)}, y {len(self.y)}, low {len(self.low)}, high {len(self.high)}"
            raise ArgumentError("y", "as long as x, and low and high as long as both", got, call="Series")


@dataclass(frozen=True, slots=True)
class ReferenceLine:
    """A line across the picture: at a height (`axis` "y") or at a place (`axis` "x"), with a word beside it."""

    at: float
    label: str = ""
    axis: Literal["x", "y"] = "y"


@dataclass(frozen=True, slots=True)
class LineChart:
    """Several curves over one axis.

    Attributes
    ----------
    series
        The curves, the most important first: it has the strongest colour.
    x_axis, y_axis
        What the axes measure.
    x_scale, y_scale
        "linear" or "log".
    references
        Lines that the curves are held against.
    shades, shade_label
        Stretches of the x axis that are shaded, such as the steps at which something was wrong, and what they mean.
    band_label
        What the bands are, such as "95% interval".
    y_range
        A range that the y axis covers at least, such as (0, 1) for shares.
    """

    series: tuple[Series, ...]
    x_axis: str
    y_axis: str
    x_scale: Scale = "linear"
    y_scale: Scale = "linear"
    references: tuple[ReferenceLine, ...] = ()
    shades: tuple[tuple[float, float], ...] = ()
    shade_label: str = ""
    band_label: str = ""
    y_range: tuple[float, float] | None = None

    def x_domain(self) -> tuple[float, float] | None:
        """Return the range of the x axis; None where no point can be drawn."""
        seen = [x for s in self.series for x, y in zip(s.x, s.y, strict=True) if self.drawable(x, y)]
        lines = [line.at for line in self.references if line.axis == "x"]
        return _domain(seen, lines, self.x_scale, pad=0.0)

    def y_domain(self) -> tuple[float, float] | None:
        """Return the range of the y axis, a little wider than the data; None where no point can be drawn."""
        seen = [y for s in self.series for x, y in zip(s.x, s.y, strict=True) if self.drawable(x, y)]
        ends = [end for s in self.series for end in (*s.low, *s.high)]
        lines = [line.at for line in self.references if line.axis == "y"]
        return _domain(seen, [*ends, *lines, *(self.y_range or ())], self.y_scale, pad=0.04)

    def drawable(self, x: float, y: float) -> bool:
        """Return whether a point has a place in the picture."""
        return _fits(x, self.x_scale) and _fits(y, self.y_scale)

    def describe(self) -> str:
        """Return in words what the curves do, for those who cannot see them.

        Examples
        --------
        >>> LineChart((Series("loss", (1.0, 2.0, 3.0), (4.0, 1.0, 2.0)),), "step", "nats").describe()
        'loss: 4 at step 1, 2 at step 3, lowest 1 at 2, highest 4 at 1.'
        """
        said = [self._describe(series) for series in self.series]
        finite = [line for line in self.references if math.isfinite(line.at)][:MOST_REFERENCES]
        lines = [f"{label(line.label, 60) if line.label else 'line'} at {short_number(line.at)}" for line in finite]
        if lines:
            said.append(f"Lines: {', '.join(lines)}.")
        if self.shades:
            said.append(f"Shaded ({label(self.shade_label or 'marked', 60)}): {_stretches(self.shades)}.")
        return " ".join(said)

    def _describe(self, series: Series) -> str:
        name = label(series.label, 60)
        points = [(x, y) for x, y in zip(series.x, series.y, strict=True) if self.drawable(x, y)]
        if not points:
            return f"{name}: no value that can be drawn."
        (first_x, first), (last_x, last) = points[0], points[-1]
        low_x, low = min(points, key=lambda point: point[1])
        high_x, high = max(points, key=lambda point: point[1])
        say = short_number
        missing = len(series.x) - len(points)
        gaps = f", {missing:,} undefined" if missing else ""
        if len(points) == 1:
            return f"{name}: {say(first)} at {self.x_axis} {say(first_x)}{gaps}."
        return (
            f"{name}: {say(first)} at {self.x_axis} {say(first_x)}, {say(last)} at {self.x_axis} {say(last_x)}, "
            f"lowest {say(low)} at {say(low_x)}, highest {say(high)} at {say(high_x)}{gaps}."
        )


def _fits(value: float, scale: Scale) -> bool:
    return math.isfinite(value) and (scale == "linear" or value > 0)


def _domain(seen: Sequence[float], more: Iterable[float], scale: Scale, *, pad: float) -> tuple[float, float] | None:
    if not seen:
        return None
    every = [*seen, *(value for value in more if _fits(value, scale))]
    if scale == "log":
        low, high = math.log10(min(every)), math.log10(max(every))
        room = pad * (high - low) or (0.0 if high > low else 0.15)
        return 10.0 ** max(low - room, -300.0), 10.0 ** min(high + room, 300.0)
    low, high = min(every), max(every)
    room = pad * (high - low) if high > low else 0.05 * max(abs(low), 1e-9)
    wide = low - room, high + room
    if math.isfinite(wide[1] - wide[0]):
        return wide
    return max(low, -8e307), min(high, 8e307)  # so that the difference of two huge numbers does not overflow


def _stretches(shades: Sequence[tuple[float, float]]) -> str:
    shown = ", ".join(f"{short_number(low)} to {short_number(high)}" for low, high in shades[:5])
    return shown if len(shades) <= 5 else f"{shown} and {len(shades) - 5} more"


def short_number(value: float) -> str:
    """Return a number with four digits, without zeros that say nothing.

    Examples
    --------
    >>> short_number(0.25), short_number(1234567.0), short_number(2e-7), short_number(250.0)
    ('0.25', '1.235e+06', '2e-07', '250')
    """
    return "–" if math.isnan(value) else f"{value:.0f}" if abs(value) < 1e6 and value == int(value) else f"{value:.4g}"


def axis_ticks(low: float, high: float, scale: Scale, about: int = 6) -> list[tuple[float, str]]:
    """Return round numbers of an axis and how they are written.

    Examples
    --------
    >>> axis_ticks(0.0, 1.0, "linear", 4)
    [(0.0, '0.0'), (0.2, '0.2'), (0.4, '0.4'), (0.6, '0.6'), (0.8, '0.8'), (1.0, '1.0')]
    >>> [said for _, said in axis_ticks(0.003, 40.0, "log")]
    ['0.01', '0.1', '1', '10']
    >>> [said for _, said in axis_ticks(2.0, 30.0, "log")]
    ['2', '5', '10', '20']
    """
    if scale == "linear":
        marks = ticks(low, high, about)
        digits = tick_digits(marks)
        if (marks and max(map(abs, marks)) >= 1e6) or digits >= 6:
            return [(mark, f"{mark:.3g}") for mark in marks]
        return [(mark, number(mark, digits)) for mark in marks]
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    decades = last - first + 1
    if decades >= 3:
        every = max(math.ceil(decades / max(about, 2)), 1)
        marks = [10.0**k for k in range(first, last + 1) if k % every == 0]
    else:
        marks = [unit * 10.0**k for k in range(first - 1, last + 1) for unit in (1, 2, 5)]
        marks = [mark for mark in marks if low * (1 - 1e-9) <= mark <= high * (1 + 1e-9)]
        if len(marks) < 2:  # less than an octave: as on a linear axis
            return axis_ticks(low, high, "linear", about)
    return [(mark, f"{mark:g}") for mark in marks]


def line_figure(
    chart: LineChart,
    title: str,
    description: str,
    *,
    digits: int = 4,
    table_title: str = "The same numbers as a table",
) -> Figure:
    """Return the figure of a chart with the table of its numbers: one row per x, one column per series.

    Parameters
    ----------
    chart
        What is drawn.
    title, description
        Above the picture. The description says what is drawn; `chart.describe()` is added for those who cannot see.
    digits
        Decimals of the values in the table.
    table_title
        The heading of the table.
    """
    places = list(dict.fromkeys(x for series in chart.series for x in series.x))
    if any(list(series.x) != places for series in chart.series):
        places.sort()
    row_of = {x: k for k, x in enumerate(places)}
    whole = all(math.isfinite(x) and x == int(x) for x in places)
    x_column = Column("x", chart.x_axis, "count") if whole else Column("x", chart.x_axis, "number", digits)
    columns, values = [x_column], [list(places)]
    for k, series in enumerate(chart.series):
        name = label(series.label, 40)
        columns.append(Column(f"y{k}", name, "number", digits))
        values.append(_in_rows(row_of, series.x, series.y))
        if series.low:
            columns.append(Column(f"band{k}", f"{name}, {chart.band_label or 'band'}", "interval", digits))
            ends = zip(_in_rows(row_of, series.x, series.low), _in_rows(row_of, series.x, series.high), strict=True)
            values.append(list(ends))  # type: ignore[arg-type]
    rows = tuple(zip(*values, strict=True))
    said = f"{len(rows):,} rows: {chart.y_axis} by {chart.x_axis}."
    block = TableBlock(Table(tuple(columns), rows, title), table_title, (), said, open=False)
    return Figure(chart, title, description, block)


def _in_rows(row_of: dict[float, int], x: Sequence[float], y: Sequence[float]) -> list[float]:
    """Return y by row; of several values at one x, such as a run that was resumed, the last."""
    column = [math.nan] * len(row_of)
    for place, value in zip(x, y, strict=True):
        column[row_of[place]] = value
    return column
