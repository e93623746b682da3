"""Curves: what is drawn and what is a gap, in SVG, on a terminal and in Markdown, with the table of their numbers."""

from __future__ import annotations

import json
import math
import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from neff.errors import ArgumentError
from neff.report.document import Document, Section
from neff.report.html import asset, render_html
from neff.report.line_chart import LineChart, ReferenceLine, Series, axis_ticks, line_figure
from neff.report.markdown import render_markdown
from neff.report.sketch_lines import SYMBOLS, sketch_lines
from neff.report.svg_lines import DOTTED, lines_svg
from neff.report.terminal import Style, render_text

NAN = math.nan


def chart(*series, **options):
    return LineChart(series or (Series("a", (0, 1, 2, 3), (1.0, 2.0, NAN, 4.0)),), "step", "value", **options)


def drawn(one):
    """Return the root of the wide picture and of the narrow one."""
    text = lines_svg(one, "a <title>", "a & b", "x")
    assert "nan" not in text
    assert "inf" not in text
    return ET.fromstring(f"<both>{text}</both>")


def paths(root, kind):
    """Return the paths of the picture itself, without its key."""
    return [p.get("d") for p in root.findall("path") if kind in (p.get("class") or "").split()]


def page(one):
    figure = line_figure(one, "Curves", "What they are.")
    return Document(title=("Curves",), sections=(Section(("Curves",), (figure,)),))


def test_a_gap_is_a_gap_and_a_lone_point_is_a_dot():
    wide = drawn(chart())[0]
    (curve,) = paths(wide, "curve")
    assert curve.count("M") == 1
    assert curve.count("L") == 1  # 1 to 2; nothing leads to the lone 4
    assert len(list(wide.iter("circle"))) == 3 + 1  # and its mark in the key
    long = np.linspace(0, 1, 100)
    long[[40, 42]] = NAN
    wide = drawn(chart(Series("b", tuple(range(100)), tuple(long))))[0]
    (curve,) = paths(wide, "curve")
    assert curve.count("M") == 2
    assert len(list(wide.iter("circle"))) == 2  # its mark in the key, and the lone point 41


def test_the_picture_is_named_and_described_for_those_who_do_not_see_it():
    one = chart(references=(ReferenceLine(2.5, "floor"),), shades=((1, 2),), shade_label="collapsed")
    for picture in drawn(one):
        assert picture.get("role") == "img"
        assert picture.find("title").text == "a <title>"
        said = picture.find("desc").text
        assert said.startswith("a & b a: 1 at step 0, 4 at step 3, lowest 1 at 0, highest 4 at 3, 1 undefined.")
        assert "Lines: floor at 2.5." in said
        assert "Shaded (collapsed): 1 to 2." in said
    assert [picture.get("class") for picture in drawn(one)] == ["lines wide", "lines narrow"]


def test_positions_are_on_the_axes():
    one = chart(Series("a", (1.0, 10.0, 100.0), (1.0, 10.0, 100.0)), x_scale="log", y_scale="log")
    (curve,) = paths(drawn(one)[0], "curve")
    (x0, y0), (x1, y1), (x2, y2) = [tuple(map(float, p.split())) for p in curve[1:].split("L")]
    assert x1 == pytest.approx((x0 + x2) / 2, abs=0.11)  # a tenth of a pixel
    assert y1 == pytest.approx((y0 + y2) / 2, abs=0.11)  # a tenth of a pixel
    assert x0 < x2
    assert y0 > y2
    assert axis_ticks(*one.y_domain(), "log")[0][1] == "1"


def test_what_is_not_positive_is_a_gap_on_a_log_axis():
    one = chart(Series("a", (1, 2, 3, 4), (1.0, 0.0, -1.0, 2.0)), y_scale="log")
    assert "2 undefined" in one.describe()
    assert len(list(drawn(one)[0].iter("circle"))) == 3  # and the mark in the key


def test_bands_follow_their_own_curve_and_single_ones_are_bars():
    low, high = (0.0, 1.0, NAN, 3.0), (2.0, 3.0, 9.0, 5.0)
    one = chart(
        Series("plain", (0, 1, 2, 3), (9.0, 9.0, 9.0, 9.0)),
        Series("banded", (0, 1, 2, 3), (1.0, 2.0, 3.0, 4.0), low, high),
        band_label="95% interval",
    )
    wide = drawn(one)[0]
    (area,) = paths(wide, "area")
    (bar,) = paths(wide, "bar")
    assert area.count("L") == 3
    assert bar.count("M") == 1
    assert {p.get("class") for p in wide.iter("path") if "area" in p.get("class")} == {"area s1"}
    assert [r.get("class") for r in wide.iter("rect")] == ["area s1"]  # in the key, in the colour of its curve
    scattered = chart(Series("m", (0, 1), (1.0, 2.0), (0.0, 1.0), (2.0, 3.0), joined=False), band_label="range")
    wide = drawn(scattered)[0]
    assert not paths(wide, "curve")
    assert len(paths(wide, "bar")) == 1


def test_curves_differ_by_shape_and_the_key_names_all():
    many = tuple(Series(f"curve {k}", (0, 1), (float(k), float(k))) for k in range(13))
    wide = drawn(chart(*many))[0]
    names = [t.text for t in wide.iter("text") if t.get("class") == "name"]
    assert names == [s.label for s in many]
    key = [g for g in wide.iter("g") if g.get("transform")]
    marks = []
    for group in key:
        mark = next(e for e in group if "dot" in (e.get("class") or ""))
        shape = re.sub(r"[\d.-]+ [\d.-]+", "", mark.get("d") or "", count=1)
        marks.append((mark.tag, shape, mark.get("class")))
    assert len(set(marks)) == len(marks)
    assert len({(tag, shape) for tag, shape, _ in marks[:6]}) == 6
    widths = [float(v) for v in wide.get("viewBox").split()]
    assert all(0 < float(g.get("transform")[10:].split()[0]) < widths[2] for g in key)


def test_long_curves_are_thinned_and_keep_their_peaks():
    rng = np.random.default_rng(2)
    y = rng.normal(size=50_003)
    y[31_337] = 40.0
    one = chart(Series("a", tuple(range(y.size)), tuple(y)))
    wide = drawn(one)[0]
    (curve,) = paths(wide, "curve")
    assert curve.count("L") < 4 * 1000
    top = min(float(p.split()[1]) for p in re.split("[ML]", curve)[1:])
    high, low = one.y_domain()[1], one.y_domain()[0]
    bottom = max(float(p.split()[1]) for p in re.split("[ML]", curve)[1:])
    scale = (bottom - top) / (40.0 - y.min())
    assert high - 40.0 == pytest.approx(0.04 / 1.08 * (high - low), rel=1e-3)
    assert scale == pytest.approx(230 / (high - low), rel=1e-2)
    assert len(render_html(page(one))) < 2_000_000


def test_every_point_of_a_short_curve_can_be_read_by_pointing():
    x = tuple(range(DOTTED))
    wide, narrow = drawn(chart(Series("<b>", x, tuple(float(v) for v in x))))
    assert sum(c.find("title") is not None for c in wide.iter("circle")) == DOTTED
    assert list(wide.iter("circle"))[-1].find("title").text == f"<b>: {DOTTED - 1} at {DOTTED - 1}"
    assert not any(c.find("title") is not None for c in narrow.iter("circle"))


def test_the_table_has_one_row_per_place_also_where_curves_have_different_ones():
    one = chart(
        Series("a", (0, 2), (1.0, 3.0), (0.5, 2.5), (1.5, 3.5)), Series("b", (1, 2, 2), (5.0, 6.0, 7.0)),
        band_label="95% interval",
    )  # fmt: skip
    figure = line_figure(one, "Curves", "About.")
    table = figure.table.table
    assert [c.title for c in table.columns] == ["step", "a", "a, 95% interval", "b"]
    assert [c.kind for c in table.columns] == ["count", "number", "interval", "number"]
    assert table.rows[0][:3] == (0, 1.0, (0.5, 1.5))
    assert table.rows[2] == (2, 3.0, (2.5, 3.5), 7.0)  # of two values at one place, the later one
    assert math.isnan(table.rows[0][3])
    fractions = line_figure(chart(Series("a", (0.5, 1.5), (1.0, 2.0))), "t", "d").table.table
    assert fractions.columns[0].kind == "number"


def test_a_series_with_ends_that_do_not_match_is_refused():
    with pytest.raises(ArgumentError, match="as long as x"):
        Series("a", (1, 2), (1.0,))
    with pytest.raises(ArgumentError, match="low 1, high 0"):
        Series("a", (1,), (1.0,), (0.0,))


def test_the_sketch_fits_its_width_and_shows_each_curve():
    one = chart(
        Series("up", (0, 1, 2), (0.0, 1.0, 2.0)), Series("down", (0, 1, 2), (2.0, 1.0, 0.0)),
        references=(ReferenceLine(0.5, "floor"),), shades=((1, 2),), shade_label="collapsed",
    )  # fmt: skip
    lines = sketch_lines(one, 50, 7)
    assert all(len(line) <= 50 for line in lines)
    assert sum(line.count(SYMBOLS[0]) for line in lines) == 3 + 1  # and in the key
    assert sum(line.count(SYMBOLS[1]) for line in lines) == 2 + 1  # the middle is hidden behind the first
    assert "┄ floor" in "\n".join(lines)
    assert "░ collapsed" in "\n".join(lines)
    assert sketch_lines(chart(Series("a", (1,), (NAN,)))) == ["There is no value to draw."]


@pytest.mark.parametrize("width", [40, 100])
def test_a_terminal_shows_the_sketch_in_ascii_too(width):
    text = render_text(page(chart()), Style(width, ascii=True))
    assert text.isascii()
    assert all(len(line) <= width for line in text.splitlines())
    assert "Curves" in text
    assert "step" in text


def test_markdown_has_the_sketch_and_the_numbers_folded_where_they_are_few():
    said = render_markdown(page(chart()))
    assert "```text\nvalue\n" in said
    assert "<details><summary>The same numbers as a table</summary>" in said
    many = render_markdown(page(chart(Series("a", tuple(range(400)), (1.0,) * 400))))
    assert "<details>" not in many
    fenced = render_markdown(page(chart(Series("```\n@team", (1, 2), (1.0, 2.0)))))
    assert "````text" in fenced


HOSTILE = ("<script>alert(1)</script>", '"><img src=x>', "red\x1b[31m", "\u202eevil", "", "x" * 999, "a\nb")


@pytest.mark.parametrize("name", HOSTILE)
def test_names_cannot_break_out(name):
    one = LineChart(
        (Series(name, (1, 2), (1.0, 2.0)), Series("other", (1, 2), (2.0, 1.0))), name, name,
        references=(ReferenceLine(1.5, name),), shades=((1, 2),), shade_label=name,
    )  # fmt: skip
    drawn(one)
    for text in (render_html(page(one)), render_markdown(page(one)), render_text(page(one))):
        assert "\x1b" not in text
        assert "\u202e" not in text
        if text.startswith("<!doctype"):
            assert "<script>alert" not in text
            assert "<img" not in text


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(width=64), min_size=1, max_size=23),
    st.sampled_from(["linear", "log"]),
    st.sampled_from(["linear", "log"]),
)
@example([8.977e307], "linear", "linear")  # this range can be told in doubles; a little wider it cannot
def test_any_numbers_can_be_drawn(values, x_scale, y_scale):
    x = tuple(float(v) for v in range(len(values)))
    one = chart(
        Series("a", x, tuple(values), tuple(-v for v in values), tuple(values)), Series("b", tuple(values), x),
        x_scale=x_scale, y_scale=y_scale, references=tuple(ReferenceLine(v) for v in values[:2]),
    )  # fmt: skip
    for picture in drawn(one):
        width, height = (float(v) for v in picture.get("viewBox").split()[2:])
        for path in picture.iter("path"):
            for x_text, y_text in re.findall(r"[ML]([\d.e+-]+) ([\d.e+-]+)", path.get("d")):
                assert -15 <= float(x_text) <= width
                assert -15 <= float(y_text) <= height
    assert all(len(line) <= 80 + 30 for line in sketch_lines(one))
    one.describe()


def test_ticks_of_tiny_numbers_are_told_apart():
    assert [said for _, said in axis_ticks(1e-15, 3e-15, "linear", 2)] == ["1e-15", "2e-15", "3e-15"]


def test_colours_of_the_curves_are_in_all_three_themes():
    style = asset("report.css")
    for k in range(6):
        assert style.count(f"--s{k}:#") == 3
        assert f".lines .curve.s{k}" in style


def test_a_page_of_curves_is_one_file_with_its_data():
    text = render_html(page(chart(Series("a", tuple(range(400)), tuple(np.linspace(0, 1, 400))))))
    found = re.search(r'<script type="application/json" id="\w+">(.*?)</script>', text)
    assert json.loads(found.group(1))["n"] == 400
    assert text.count('<svg class="lines wide"') == text.count('<svg class="lines narrow"') == 1
