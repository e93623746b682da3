"""Terminal text: fits the width, colours only when asked, and passes nothing on from a log."""

from __future__ import annotations

import io
import re

import pytest

from neff.report import Gate, render, show
from neff.report.text import display_width

ANSI = re.compile(r"\x1b\[[0-9;]*m")


@pytest.mark.parametrize("width", [48, 60, 80, 100, 131, 240])
@pytest.mark.parametrize("name", ["five models", "one model", "two models", "no comparisons", "undefined"])
def test_no_line_is_wider_than_the_terminal(samples, name, width):
    for line in render(samples[name], "text", width=width).splitlines():
        assert display_width(line) <= width


@pytest.mark.parametrize("width", [60, 100, 180])
def test_hostile_text_keeps_the_width_and_steers_nothing(make_hostile, width):
    text = render(make_hostile(), "text", width=width)
    table = text.split("Warning: 14 files")[1].split("◆ best")[0].splitlines()[2:]
    assert len([line for line in table if line.strip()]) == 15
    assert all(display_width(line) <= width for line in table)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff]", text)
    assert "red\\x1b[31m" in text
    text.encode("utf-8")


def test_columns_line_up(make):
    names = ["plain", "中文模型", "e\u0301mile", "a much longer name of a model", "x"]
    text = render(make(5, 53, names=names), "text", width=110)
    start = text.index("  Model")
    rows = text[start:].splitlines()[:6]
    at = display_width(rows[0][: rows[0].index("Score")]) + len("Score")
    for row in rows[1:]:
        value = re.search(r"0\.\d{3}(?=  \[)", row)
        assert value is not None
        assert display_width(row[: value.end()]) == at


def test_no_escape_unless_colour_is_asked_for(make):
    gates = (Gate("value(score) < 1", passed=False),)
    bare = render(make(5, 53), "text", gates=gates)
    assert "\x1b" not in bare
    painted = render(make(5, 53), "text", gates=gates, color=True)
    assert ANSI.sub("", painted) == bare
    assert "\x1b[31;1mGate failed:\x1b[0m" in painted


def test_standing_is_a_mark_not_only_a_colour(make):
    text = render(make(5, 211), "text")
    assert re.search(r"^◆ model-00 .*├─+◆─*┤", text, re.MULTILINE)
    assert re.search(r"^● model-01 .*├─+●─+┤", text, re.MULTILINE)
    assert re.search(r"^○ model-04 .*├─+○─+┤", text, re.MULTILINE)
    assert "◆ best   ● cannot be told from the best   ○ behind" in text


def test_sketches_share_one_axis(make):
    result = make(5, 211)
    lines = [line for line in render(result, "text", width=140).splitlines() if "├" in line]
    places = [re.search("[◆●○](?=─)", line[3:]).start() for line in lines]
    assert places == sorted(places, reverse=True)
    assert len(set(places)) == 5


def test_an_undefined_score_is_a_dash_without_a_sketch(make_undefined):
    line = next(line for line in render(make_undefined(), "text").splitlines() if line.strip().startswith("model-04"))
    assert "├" not in line
    assert "–" in line
    assert "0.000" not in line


def test_few_pairs_are_listed_and_many_are_summed_up(make):
    assert "A better" in render(make(5, 211), "text")
    result = make(8, 211)
    told = sum(c.verdict in ("holds", "fails") for c in result.comparisons)
    text = re.sub(r"\s+", " ", render(result, "text"))
    assert f"28 pairs of models compared on their common items: {told} told apart, {28 - told} not." in text
    assert "A better" not in text


def test_many_tasks_show_the_overview_only(make_many):
    text = render(make_many(tuple("abcdefg"), n_models=3), "text", width=120)
    assert "The best model, task by task" in text
    assert "7 more tables, one for each: -o FILE.html." in text
    assert text.count("◆") == 0


def test_the_method_and_the_sources_are_left_to_written_reports(make):
    text = render(make(5, 53), "text")
    assert "Assumed:" not in text
    assert "SHA-256" not in text


def test_only_ascii_where_the_terminal_has_no_more(make):
    text = render(make(5, 211), "text", ascii=True)
    assert text.isascii()
    assert re.search(r"^\* model-00 .*\|-+\*-*\|", text, re.MULTILINE)


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


def shown(result, stream, **options):
    show(result, stream, **options)
    return stream.getvalue()


def test_show_colours_a_terminal_and_nothing_else(make, monkeypatch):
    for name in ("NO_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    result = make(3, 53)
    assert "\x1b[1m" in shown(result, Terminal())
    assert "\x1b" not in shown(result, io.StringIO())
    assert "\x1b" not in shown(result, Terminal(), color=False)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in shown(result, Terminal())
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert "\x1b" not in shown(result, Terminal())


def test_show_fits_the_terminal(make, monkeypatch):
    monkeypatch.setenv("COLUMNS", "72")
    text = shown(make(5, 53), Terminal(), color=False)
    assert max(map(display_width, text.splitlines())) <= 72


def test_show_writes_what_the_stream_can_encode(make_hostile):
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    show(make_hostile(), stream)
    stream.flush()
    assert b"\\u4e2d" in raw.getvalue()
    assert b"\x1b" not in raw.getvalue()
    stream.detach()
