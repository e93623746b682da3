"""The index of papers is generated, complete, and true to the code."""

from __future__ import annotations

import csv
import importlib.util
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"


def load():
    spec = importlib.util.spec_from_file_location("make_papers", DOCS / "make_papers.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


make_papers = load()


def test_the_page_is_what_the_script_writes():
    assert (DOCS / "papers.md").read_text(encoding="utf-8") == make_papers.page(), "run python docs/make_papers.py"


def test_every_paper_has_one_row():
    with (DOCS / "papers.csv").open(encoding="utf-8", newline="") as file:
        papers = list(csv.DictReader(file))
    assert [int(paper["number"]) for paper in papers] == list(range(1, 45))
    assert len({paper["arxiv"] for paper in papers}) == 44
    rows = re.findall(r"^\| (\d+) \|.*arXiv:(\S+)\].* \| (done|in part|planned) \|$", make_papers.page(), re.MULTILINE)
    assert [(int(number), arxiv) for number, arxiv, _ in rows] == [(int(p["number"]), p["arxiv"]) for p in papers]


def test_where_a_paper_is_comes_from_the_code(tmp_path):
    source = tmp_path / "neff"
    source.mkdir()
    (source / "__init__.py").write_text('__all__ = ["hill", "mean"]')
    (source / "room.py").write_text(
        '@method("weights", "symmetric", arxiv="2512.11150")\n'
        'def hill():\n    """Return."""\n\n'
        'def mean():\n    """Return.\n\n    Miller, arXiv:2411.00640.\n    """\n\n'
        'def hidden():\n    """arXiv:1111.11111."""\n'
    )
    found = make_papers.citations(source)
    assert found == {"2512.11150": [("neff.hill", True)], "2411.00640": [("neff.mean", False)]}


def test_a_name_is_given_as_short_as_it_can_be_imported():
    assert make_papers.public_name("neff.stats.weights", "ess") == "neff.ess"
    assert make_papers.public_name("neff.stats.tail", "hill") == "neff.stats.hill"
    assert make_papers.public_name("neff.stats.tail", "unheard_of") is None


def test_a_paper_is_not_done_without_a_function(monkeypatch):
    monkeypatch.setattr(make_papers, "DONE", frozenset({"2605.12380"}))
    with pytest.raises(SystemExit, match="no public name"):
        make_papers.page()


def test_a_citation_of_an_unlisted_paper_is_refused(monkeypatch):
    monkeypatch.setattr(make_papers, "ALSO", {})
    with pytest.raises(SystemExit, match="add it to ALSO"):
        make_papers.page()
