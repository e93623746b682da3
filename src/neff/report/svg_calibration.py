"""The calibration curve as SVG: curve, labels behind it, and where there are labels at all."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from neff.report.charts import tick_digits, ticks
from neff.report.svg import figure, n, safe, tag
from neff.report.text import number

if TYPE_CHECKING:
    from neff.evaluate.calibrating.curve import CalibrationCurve

__all__ = ["calibration_svg"]

WIDTH, HEIGHT = 420.0, 290.0
LEFT, RIGHT, TOP, BOTTOM = 42.0, 408.0, 14.0, 246.0
RUG = (4.0, 13.0)  # shortest and longest mark
DOT = (2.2, 4.6)  # smallest and largest radius


@dataclass(frozen=True, slots=True)
class _Axes:
    """The data's range on both axes."""

    x: tuple[float, float]
    y: tuple[float, float]

    def at(self, x: float, y: float) -> tuple[float, float]:
        return (
            LEFT + (x - self.x[0]) / (self.x[1] - self.x[0]) * (RIGHT - LEFT),
            BOTTOM - (y - self.y[0]) / (self.y[1] - self.y[0]) * (BOTTOM - TOP),
        )


def calibration_svg(curve: CalibrationCurve, title: str, description: str, identity: str) -> str:
    """Return the figure; it has one size, and shrinks with a narrow screen."""
    axes = _Axes(
        _padded(min(curve.score_range[0], curve.knots[0]), max(curve.score_range[1], curve.knots[-1])),
        _padded(min(*curve.scale, *curve.mean_labels), max(*curve.scale, *curve.mean_labels)),
    )
    body = [_range(curve, axes), _grid(axes), _rug(curve, axes), _line(curve, axes), _dots(curve, axes)]
    return figure(
        body,
        width=WIDTH,
        height=HEIGHT,
        identity=identity,
        title=title,
        description=description,
        kind="calibration",
    )


def _padded(low: float, high: float) -> tuple[float, float]:
    pad = 0.03 * (high - low) or 0.05 * max(abs(low), 1.0)
    return low - pad, high + pad


def _range(curve: CalibrationCurve, axes: _Axes) -> str:
    left, right = (axes.at(x, axes.y[0])[0] for x in curve.labelled_range)
    if right - left < 2:  # one labelled score is still a place
        left, right = left - 1, right + 1
    return tag("rect", x=left, y=TOP, width=right - left, height=BOTTOM - TOP, class_="range")


def _grid(axes: _Axes) -> str:
    across, up = ticks(*axes.x, about=5), ticks(*axes.y, about=5)
    lines = "".join(f"M{LEFT:g} {n(axes.at(axes.x[0], y)[1])}H{RIGHT:g}" for y in up)
    parts = [tag("path", d=lines, class_="grid"), tag("path", d=f"M{LEFT:g} {BOTTOM:g}H{RIGHT:g}", class_="axis")]
    digits = tick_digits(across)
    parts += [_text(number(x, digits), axes.at(x, axes.y[0])[0], BOTTOM + 16, "tick") for x in across]
    digits = tick_digits(up)
    parts += [_text(number(y, digits), LEFT - 7, axes.at(axes.x[0], y)[1] + 4, "head end") for y in up]
    parts.append(_text("judge's score", RIGHT, BOTTOM + 36, "head end"))
    parts.append(_text("label", LEFT - 7, TOP - 4, "head end"))
    return "".join(parts)


def _text(said: str, x: float, y: float, kind: str) -> str:
    return tag("text", safe(said.replace("-", "−")), x=x, y=y, class_=kind)


def _line(curve: CalibrationCurve, axes: _Axes) -> str:
    """Draw the curve over its labels in full, and its level ends beyond them broken."""
    inside = [axes.at(x, y) for x, y in zip(curve.knots, curve.values, strict=True)]
    path = "M" + "L".join(f"{n(x)} {n(y)}" for x, y in inside)
    (first_x, first_y), (last_x, last_y) = inside[0], inside[-1]
    ends = f"M{LEFT:g} {n(first_y)}H{n(first_x)}M{n(last_x)} {n(last_y)}H{RIGHT:g}"
    if len(inside) == 1:
        path = f"M{n(first_x - 4)} {n(first_y)}H{n(first_x + 4)}"
    return tag("path", d=ends, class_="beyond") + tag("path", d=path, class_="curve")


def _rug(curve: CalibrationCurve, axes: _Axes) -> str:
    most = max(curve.counts)
    marks = []
    for score, count in zip(curve.scores, curve.counts, strict=True):
        x, share = axes.at(score, axes.y[0])[0], math.sqrt(count / most)
        height = RUG[0] + share * (RUG[1] - RUG[0])
        marks.append(f"M{n(x)} {BOTTOM:g}v{n(-height)}")
    return tag("path", d="".join(marks), class_="rug")


def _dots(curve: CalibrationCurve, axes: _Axes) -> str:
    most = max(curve.counts)
    parts = []
    for score, count, mean in zip(curve.scores, curve.counts, curve.mean_labels, strict=True):
        x, y = axes.at(score, mean)
        radius = DOT[0] + math.sqrt(count / most) * (DOT[1] - DOT[0])
        about = f"score {score:.4g}: mean of {count:,} {'label' if count == 1 else 'labels'} {mean:.4g}"
        parts.append(
            f'<circle cx="{n(x)}" cy="{n(y)}" r="{n(radius)}" class="label">'
            f"<title>{safe(about.replace('-', '−'))}</title></circle>"
        )
    return "".join(parts)
