"""`neff papers`: table, JSON, page, filters and exit codes."""

from __future__ import annotations

import csv
import json


def test_the_table_names_every_paper_and_claim(neff):
    outcome = neff("papers")
    assert outcome.code == 0
    assert "hold at our scale" in outcome.out.splitlines()[0]
    assert "ReMax" in outcome.out
    assert "remax::rewards_of_0_and_1" in outcome.out
    assert "not yet" in outcome.out
    assert max(map(len, outcome.out.splitlines())) <= 100


def test_filters(neff):
    outcome = neff("papers", "--room", "train", "--verdict", "holds", "--find", "greedy", "--json")
    data = json.loads(outcome.out)
    assert [paper["arxiv"] for paper in data["papers"]] == ["2310.10505"]
    assert data["of"] == 44


def test_no_paper_fits(neff):
    outcome = neff("papers", "--find", "no paper says this")
    assert outcome.code == 0
    assert "No paper fits" in outcome.out
    assert "note: no paper fits" in neff("papers", "--find", "no paper says this", "--json").err


def test_an_unknown_room_or_verdict_is_a_usage_error(neff):
    for words, said in (
        (("--room", "kitchen"), "--room must be"),
        (("--verdict", "perhaps"), "--verdict must be"),
    ):
        outcome = neff("papers", *words)
        assert outcome.code == 2
        assert said in outcome.err
        assert outcome.out == ""


def test_files(neff, tmp_path):
    page, table = tmp_path / "papers.html", tmp_path / "papers.csv"
    outcome = neff("papers", "-o", page, "-o", table, "--quiet", "--json")
    assert outcome.code == 0
    assert page.read_text(encoding="utf-8").count("https://arxiv.org/abs/2310.10505") > 1
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 44
    assert {"title", "summary", "functions", "published", "value", "interval_low", "verdict"} <= set(rows[0])
