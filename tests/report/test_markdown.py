"""Markdown for a pull request: the finding, one fixed table, nothing that links, notifies or breaks the table."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from neff.report import Gate, render
from neff.report.markdown import code, words
from neff.report.text import Name

KINDS = (
    "five models", "one model", "two models", "judged", "no comparisons", "undefined", "refused", "hostile",
    "tasks and metrics", "nothing",
)  # fmt: skip


def tables(text):
    """Return the rows of each table: cells split at bars that are not escaped."""
    found, rows = [], []
    for line in [*text.splitlines(), ""]:
        if line.startswith("|"):
            rows.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
        elif rows:
            found.append(rows)
            rows = []
    return found


def test_the_first_table_has_the_fixed_columns(make):
    result = make(5, 211)
    head, rule, *rows = tables(render(result, "markdown"))[0]
    assert head == ["Model", "n", "Score", "95% interval", "vs best", "95% interval", "Standing"]
    assert rule == [":--", "--:", "--:", "--:", "--:", "--:", ":--"]
    best, second = result.estimates[:2]
    assert rows[0] == [
        "`model-00`", "211", f"**{best.value:.3f}**", "[{:.3f}, {:.3f}]".format(*best.interval), "–", "–", "best",
    ]  # fmt: skip
    difference = result.comparison(second.model, best.model).difference
    assert rows[1][4] == f"{difference:+.3f}".replace("-", "−")
    assert [row[-1] for row in rows] == ["best", "not told apart", "behind", "behind", "behind"]


def test_it_opens_with_the_finding(make):
    lines = render(make(5, 211), "markdown").splitlines()
    assert lines[0] == "## `model-00` is best, but cannot be told from `model-01`"
    assert lines[2] == "5 models · `accuracy`"


@pytest.mark.parametrize("name", KINDS)
def test_every_table_is_rectangular_and_every_fold_is_closed(samples, name):
    text = render(samples[name], "markdown")
    for rows in tables(text):
        assert len({len(row) for row in rows}) == 1
    assert text.count("<details>") == text.count("</details>") == text.count("<summary>") == text.count("</summary>")
    for before, fold in re.findall(r"(.*)\n(<details>|</details>)", text):
        assert before == "", f"{fold} needs an empty line before it"


def test_pairs_are_folded(make):
    text = render(make(5, 211), "markdown")
    fold = text[text.index("<details><summary>Differences between 5 models</summary>") :]
    assert len(tables(fold)[0]) == 2 + 10


def test_a_single_difference_is_not_folded(make):
    text = render(make(2, 211), "markdown")
    assert text.index("| A | B |") < text.index("<details>")


def test_gates_are_told(make):
    text = render(make(2, 53), "markdown", gates=[Gate("value(score) < 0.9", passed=False, detail="it is 0.6")])
    assert "❌ **Gate failed** fail if value(score) &lt; 0.9: it is 0.6." in text


@pytest.mark.parametrize("name", ["a|b", "a`b", "``", "`", "a``b`", "  x"])
def test_code_spans_hold_any_name(name):
    span = code(name).replace("\\|", "|")
    fence = re.match("`+", span).group()
    assert span.endswith(fence)
    inner = span[len(fence) : -len(fence)]
    assert fence not in re.findall("`+", inner)
    assert inner.strip() == name.strip()
    assert "\n" not in code("a\nb")


def test_text_outside_of_code_has_no_meaning_of_its_own():
    said = words("@team see #12, GH-7, https://example.invalid and www.example.invalid <b> *x* [a](b) $y$ ~z~")
    for live in ("@t", "#1", "://", "www.", "<b>", "[a](", " *x", " $y", " ~z"):
        assert live not in said
    assert words((Name("@team"), " is best")) == "`@team` is best"
    assert words("- not a list").startswith("\\-")


def test_a_hostile_result_links_and_notifies_nothing(make_hostile):
    text = render(make_hostile(), "markdown")
    outside = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", text).replace("&#8203;", "\u200b")
    assert not re.search(r"<(?!/?(details|summary|sub)>)", outside)
    assert not re.search(r"@\w|#\d|://", outside)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e]", text)


def test_it_is_short_enough_for_a_comment(make, make_many):
    assert len(render(make(93, 53), "markdown")) < 65_536
    long = render(make_many(tuple("abcdefghijklmnopqr"), n_models=40), "markdown")
    assert len(long) < 65_536
    assert "left out here, too long for a comment" in long
    assert long.rstrip().endswith("</sub>")


def test_a_long_table_is_cut_with_its_count(make):
    text = render(make(16, 53), "markdown")
    assert "The first 100 of 120 rows are shown." in text


def test_lower_is_better_is_told(make):
    text = render(make(3, 53, metric="loss", lower=True), "markdown")
    assert "Lower is better for: loss." in text


def test_notes_are_there(make):
    text = render(replace(make(2, 53), notes=("column 'task' was not used; add --task task",)), "markdown")
    assert "- column 'task' was not used; add --task task" in text
