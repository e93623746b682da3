"""The index of papers: complete, filtered by room, verdict and text, and plain JSON."""

from __future__ import annotations

import json

import pytest

from neff.claims import PaperIndex, paper_index
from neff.cli.verbs import VERBS
from neff.errors import ArgumentError


@pytest.fixture(scope="module")
def index():
    return paper_index()


def test_every_paper_of_the_list_is_there(index):
    assert [paper.number for paper in index] == list(range(1, 45))
    assert len({paper.arxiv for paper in index}) == len(index) == index.of == 44
    for paper in index:
        assert paper.title
        assert paper.url.endswith(paper.arxiv)
        assert paper.room in ("evaluate", "benchmark", "sampling", "train", "scale", "select", "compress")


def test_summaries_are_one_line_of_our_own(index):
    for paper in index:
        assert paper.summary.endswith("."), paper.title
        assert 40 < len(paper.summary) < 200, paper.title
        assert "\n" not in paper.summary
        assert paper.title.lower() not in paper.summary.lower()
    assert len({paper.summary for paper in index}) == 44


def test_commands_are_verbs(index):
    verbs = {verb.name for verb in VERBS}
    assert {paper.command for paper in index if paper.command} <= verbs


def test_state_and_verdict(index):
    for paper in index:
        assert (paper.state == "not yet") == (not paper.functions)
        assert (paper.verdict == "not yet") == (paper.headline is None)
        assert not (paper.measured and not paper.functions)  # what is measured is there
    assert {paper.state for paper in index} == {"whole", "in part", "not yet"}


def test_filters(index):
    train = paper_index(room="train")
    assert {paper.room for paper in train} == {"train"}
    assert train.of == 44
    assert 0 < len(train) < 44
    undone = paper_index(verdict="not yet")
    assert all(not paper.measured for paper in undone)
    held = paper_index(verdict="holds")
    assert len(held) + len(undone) + sum(p.verdict not in ("holds", "not yet") for p in index) == 44
    assert [p.arxiv for p in paper_index(find="REMAX")] == ["2310.10505"]
    assert [p.arxiv for p in paper_index(find="2310.10505")] == ["2310.10505"]
    assert len(paper_index(find="no paper says this")) == 0


def test_what_there_is_not_is_refused():
    with pytest.raises(ArgumentError, match="room must be"):
        paper_index(room="kitchen")
    with pytest.raises(ArgumentError, match="verdict must be"):
        paper_index(verdict="perhaps")
    with pytest.raises(KeyError):
        paper_index(room="train").paper("2512.11150")


def test_plain_values(index):
    data = json.loads(json.dumps(index.to_dict(), allow_nan=False))
    assert data["schema"] == "neff.papers/1"
    assert [paper["arxiv"] for paper in data["papers"]] == [paper.arxiv for paper in index]
    (remax,) = [paper for paper in data["papers"] if paper["arxiv"] == "2310.10505"]
    assert remax["claims"][0]["verdict"] == remax["verdict"]
    assert remax["claims"][0]["interval"][0] < remax["claims"][0]["value"] < remax["claims"][0]["interval"][1]
    (unknown,) = [paper for paper in data["papers"] if paper["arxiv"] == "2606.06622"]
    assert unknown["date"] is None
    assert len(index.table()) == 44
    assert str(PaperIndex((), 44)) == "no papers"
    assert "2310.10505 ReMax" in str(index)
