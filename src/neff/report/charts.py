"""Charts as data: what is drawn, without a pixel. The SVG and the terminal read the same numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Cell", "DifferenceMatrix", "ForestPlot", "ForestRow", "Standing", "difference_step", "ticks"]

Standing = Literal["best", "tied", "behind", "refused", ""]


@dataclass(frozen=True, slots=True)
class ForestRow:
    """One point with its interval: a model and how it stands to the best, or a difference (`strong`: told apart)."""

    label: str
    value: float
    low: float
    high: float
    standing: Standing = ""
    reason: str = ""
    strong: bool = False


@dataclass(frozen=True, slots=True)
class ForestPlot:
    """Points with intervals on one axis, one row per model, the best first.

    Attributes
    ----------
    rows
        The rows, in the order they are drawn.
    axis
        What the axis measures.
    level
        Coverage of the intervals.
    digits
        Decimals at which values are printed.
    reference
        Where the reference line stands (the value of the best, or zero), or None.
    signed
        Whether the values are differences, written with their sign.
    head
        What stands above the values; by default "A − B" for differences and "Score" for the rest.
    limits
        Where further lines stand (a margin on both sides).
    """

    rows: tuple[ForestRow, ...]
    axis: str
    level: float
    digits: int
    reference: float | None = None
    signed: bool = False
    head: str = ""
    limits: tuple[float, ...] = ()

    def domain(self) -> tuple[float, float] | None:
        """Return the range of the axis, a little wider than the data; None where nothing is finite."""
        seen = [v for row in self.rows for v in (row.value, row.low, row.high) if math.isfinite(v)]
        if not seen:
            return None
        if self.reference is not None and math.isfinite(self.reference):
            seen.append(self.reference)
        seen += self.limits
        low, high = min(seen), max(seen)
        pad = 0.04 * (high - low) or 0.05 * max(abs(low), 1e-9)
        return low - pad, high + pad


@dataclass(frozen=True, slots=True)
class Cell:
    """One pair of a `DifferenceMatrix`: row minus column. `decided` is None where nothing could be tested."""

    difference: float
    low: float
    high: float
    p_adjusted: float
    decided: bool | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class DifferenceMatrix:
    """Differences between all pairs of models, ordered by score.

    Attributes
    ----------
    models
        Names, the best first.
    cells
        By (row, column) with row before column; the other half is its negative.
    digits
        Decimals at which differences are printed.
    better_is
        "higher" or "lower": which sign is good for the row.
    step
        Width of one colour class.
    """

    models: tuple[str, ...]
    cells: dict[tuple[int, int], Cell]
    digits: int
    better_is: Literal["higher", "lower"] = "higher"
    step: float = 0.1

    def cell(self, i: int, j: int) -> Cell | None:
        """Return row i minus column j, or None where the pair was not compared."""
        if i < j:
            return self.cells.get((i, j))
        found = self.cells.get((j, i))
        if found is None:
            return None
        # 0 - x, not -x: there is no negative zero to print
        return Cell(0 - found.difference, 0 - found.high, 0 - found.low, found.p_adjusted, found.decided, found.reason)

    def shade(self, cell: Cell) -> int | None:
        """Return the colour class, -4 (row far worse) to 4 (row far better); None where undefined."""
        if not math.isfinite(cell.difference):
            return None
        good = cell.difference if self.better_is == "higher" else -cell.difference
        steps = min(int(abs(good) / self.step + 1e-9), 3) + 1 if abs(good) > 1e-12 else 0
        return steps if good > 0 else -steps


def difference_step(differences: Sequence[float]) -> float:
    """Return a round class width: nineteen of twenty differences lie within three and a half of the four classes."""
    sizes = sorted(abs(d) for d in differences if math.isfinite(d))
    if not sizes or sizes[-1] == 0:
        return 0.1
    wanted = (sizes[int(0.95 * (len(sizes) - 1))] or sizes[-1]) / 3.5
    power = 10.0 ** math.floor(math.log10(wanted))
    return next(step * power for step in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10) if step * power >= wanted * (1 - 1e-9))


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Return round numbers within [low, high], about as many as asked for.

    Examples
    --------
    >>> ticks(0.38, 0.63)
    [0.4, 0.45, 0.5, 0.55, 0.6]
    >>> ticks(0.0, 100.0, 4)
    [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]
    >>> ticks(1e-15, 3e-15, 2)
    [1e-15, 2e-15, 3e-15]
    """
    step = _round_number(high / max(about, 1) - low / max(about, 1))  # high - low may overflow
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    decimals = 1 - math.floor(math.log10(step))  # k * step is off by its last bit
    return [round(k * step, decimals) + 0.0 for k in range(first, last + 1)]


def tick_digits(marks: Sequence[float]) -> int:
    """Return the decimals at which neighbouring ticks differ.

    Examples
    --------
    >>> tick_digits([0.4, 0.45, 0.5]), tick_digits([0.0, 20.0]), tick_digits([1e-15, 2e-15])
    (2, 0, 9)
    """
    near = 1e-9 * max(map(abs, marks), default=0.0)
    for digits in range(9):
        if all(abs(round(mark, digits) - mark) <= near for mark in marks):
            return digits
    return 9


def _round_number(value: float) -> float:
    """Return 1, 2 or 5 times a power of ten, the nearest on a log scale."""
    if value <= 0 or not math.isfinite(value):
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    unit = value / power
    return float(power * min((1, 2, 5, 10), key=lambda u: abs(math.log(u / unit))))
