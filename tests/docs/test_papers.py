"""The index of papers is generated, complete, and true to the code; its two pages say the same."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

import pytest

import neff
from neff.claims import ClaimResult, Terms, paper_index
from neff.claims.result import CheckReport
from neff.results import Verdict

DOCS = Path(__file__).resolve().parents[2] / "docs"


def load():
    spec = importlib.util.spec_from_file_location("make_papers", DOCS / "make_papers.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


make_papers = load()


@pytest.mark.parametrize(
    ("path", "make"),
    [
        (make_papers.DATA / "functions.json", make_papers.functions_json),
        (DOCS / "papers.md", make_papers.page),
        (DOCS / "paper-index.html", make_papers.html),
    ],
    ids=["functions", "markdown", "html"],
)
def test_what_is_committed_is_what_the_script_writes(path, make):
    assert path.read_text(encoding="utf-8") == make(), "run python docs/make_papers.py"


def test_every_paper_has_one_row_with_its_summary_and_verdict():
    index = paper_index()
    rows = re.findall(r"^\| (\d+) \|.*arXiv:(\S+)\].* \| (whole|in part|not yet) \|$", make_papers.page(), re.MULTILINE)
    assert rows == [(str(paper.number), paper.arxiv, paper.state) for paper in index]
    text = make_papers.page()
    for paper in index:
        (line,) = re.findall(rf"^\| {paper.number} \|.*$", text, re.MULTILINE)
        assert paper.summary.replace("|", r"\|") in line
        assert f"| {paper.verdict} |" in line


def test_where_a_paper_is_comes_from_the_code(tmp_path):
    source = tmp_path / "neff"
    source.mkdir()
    (source / "room.py").write_text(
        '@method("weights", "symmetric", arxiv="2512.11150")\n'
        'def ess():\n    """Return."""\n\n'
        'def plan():\n    """Return.\n\n    Miller, arXiv:2411.00640.\n    """\n\n'
        'def hidden():\n    """arXiv:1111.11111."""\n'
    )
    found = make_papers.citations(source)
    assert found == {"2512.11150": [("neff.ess", True)], "2411.00640": [("neff.plan", False)]}


def test_a_name_is_given_as_short_as_it_can_be_imported():
    assert make_papers.public_name("neff.stats.weights", "ess") == "neff.ess"
    assert make_papers.public_name("neff.stats.tail", "hill") == "neff.stats.hill"
    assert make_papers.public_name("neff.stats.tail", "unheard_of") is None


def test_a_paper_is_not_whole_without_a_function(monkeypatch):
    monkeypatch.setattr(make_papers, "DONE", frozenset({"2601.00822"}))
    with pytest.raises(SystemExit, match="no public name"):
        make_papers.functions()


def test_a_citation_of_an_unlisted_paper_is_refused(monkeypatch):
    monkeypatch.setattr(make_papers, "ALSO", {})
    with pytest.raises(SystemExit, match="add it to ALSO"):
        make_papers.functions()


def test_a_main_function_must_belong_to_the_paper(monkeypatch):
    monkeypatch.setattr(make_papers, "citations", dict)
    monkeypatch.setattr(make_papers, "DONE", frozenset())
    with pytest.raises(SystemExit, match="no public name of that path cites"):
        make_papers.functions()


def test_new_measurements_take_the_place_of_old_ones():
    def result(name, verdict):
        return ClaimResult(f"neff.claims.papers.x::{name}", Terms(says="Better."), verdict, "so")

    before = json.loads(
        make_papers.measured_json([], CheckReport((result("a", Verdict.HOLDS), result("b", Verdict.HOLDS))))
    )
    assert [row["verdict"] for row in before["claims"]] == ["holds", "holds"]
    assert {row["neff_version"] for row in before["claims"]} == {neff.__version__}
    after = json.loads(
        make_papers.measured_json(
            before["claims"], CheckReport((result("a", Verdict.FAILS), result("c", Verdict.HOLDS)))
        )
    )
    assert [(row["claim"][-1], row["verdict"]) for row in after["claims"]] == [
        ("a", "fails"), ("b", "holds"), ("c", "holds"),
    ]  # fmt: skip
