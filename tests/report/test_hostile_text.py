"""What hostile logs hold, wherever it is shown: terminal, HTML, Markdown, CSV, JUnit, notebooks, doctor, convert."""

from __future__ import annotations

import csv
import io
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from neff import convert, diagnose, evaluate, read
from neff.cli.app import main
from neff.report import render
from neff.results import Column, Table

sys.path.insert(0, str(Path(__file__).parent))
from hostile_folder import ATTACKS, make

JOINERS = "\u200c\u200d"
NOTEBOOK = {"table", "caption", "thead", "tbody", "tr", "th", "td", "p", "div"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("hostile") / "runs")


@pytest.fixture(scope="module")
def result(folder: Path) -> Any:
    records = read(folder)
    assert len(records.unread) == 2
    assert len(records.sources) == 2
    assert records.model.n_levels == 2 * len(ATTACKS)
    return evaluate(records)


def check_terminal(text: str) -> None:
    """No character steers a terminal or a reader's eye, and no line is one that a log has made up."""
    odd = {c for c in text if c != "\n" and not c.isprintable() and c not in JOINERS}
    assert odd == set()
    assert not re.search(r"^\s*run: neff evaluate /etc/passwd", text, re.MULTILINE)
    assert not re.search(r"^run: neff evaluate \W*\[2J", text, re.MULTILINE)


class Tags(HTMLParser):
    """The tags and attributes of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def check_html(text: str) -> list[str]:
    """Nothing runs, nothing loads, nothing leads elsewhere."""
    found = Tags(text).tags
    assert not [tag for tag, _ in found if tag in ("img", "iframe", "object", "embed", "link", "base", "form")]
    for tag, attributes in found:
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            assert not (value or "").strip().lower().startswith(("javascript:", "data:text", "http:")), (tag, value)
            assert not (tag == "a" and name == "href" and not (value or "").startswith("#")), (tag, value)
    assert not {c for c in text if c in "\u202e\u2066\x1b\x9b\x07\x00"}
    return [tag for tag, _ in found]


def test_the_terminal(result: Any, folder: Path) -> None:
    for text in (render(result, "text"), render(result, "text", width=53, ascii=True), str(result), str(read(folder))):
        check_terminal(text)
    assert max(map(len, render(result, "text", width=53).splitlines())) <= 53


def test_the_page(result: Any) -> None:
    text = render(result, "html")
    check_html(text)
    assert sum(tag == "script" and "type" not in attributes for tag, attributes in Tags(text).tags) == 1  # its own


def test_notebooks(result: Any, folder: Path) -> None:
    tables = [diagnose(folder).table(), Table((Column(ATTACKS[0], ATTACKS[1]),), ((ATTACKS[2],),), ATTACKS[0])]
    for text in (result._repr_html_(), *(table._repr_html_() for table in tables)):
        assert set(check_html(text)) <= NOTEBOOK
        assert "&lt;" in text
    for table in tables:
        check_terminal(str(table))
        check_markdown(table.to_markdown())


def check_markdown(text: str) -> None:
    outside = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", text)
    outside = re.sub(r"\\.", "", outside)
    assert not re.search(r"<(?!/?(details|summary|sub)>)", outside)
    assert not re.search(r"\[[^\]]*\]\(", outside)
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_markdown(result: Any) -> None:
    check_markdown(render(result, "markdown"))


def test_csv_starts_no_formula(result: Any) -> None:
    rows = list(csv.reader(io.StringIO(render(result, "csv"))))
    assert {len(row) for row in rows} == {len(rows[0])}
    for row in rows:
        for cell in row:
            if cell.startswith(("=", "+", "-", "@", "\t", "\r")):
                float(cell)


def test_junit_is_well_formed(result: Any) -> None:
    text = render(result, "junit")
    root = ET.fromstring(text)
    names = [case.get("name", "") for case in root.iter("testcase")]
    assert names
    assert {element.tag for element in root.iter()} <= {
        *("testsuites", "testsuite", "testcase", "failure", "skipped", "error", "properties", "property"),
        *("system-out", "system-err"),
    }
    for element in root.iter():
        for value in (*element.attrib.values(), element.text or ""):
            check_terminal(value)


def test_doctor(folder: Path) -> None:
    found = diagnose(folder)
    assert sum(bool(file.problem) for file in found.files) == 2
    check_terminal(str(found))
    for file in found.files:
        check_terminal(str(file))
        check_terminal(str(diagnose(file.path)) if not file.problem else "")


def test_convert_says_that_names_may_run_as_formulas(folder: Path, tmp_path: Path) -> None:
    """A table for machines must read back as it was: names are written as they are, and a note says what that means."""
    done = convert(folder, tmp_path / "draws.csv")
    assert any("a spreadsheet may run it as a formula" in note for note in done.notes)
    assert set(read(tmp_path / "draws.csv").model.levels) == set(read(folder).model.levels)
    assert not any("formula" in note for note in convert(folder, tmp_path / "draws.jsonl").notes)


@pytest.mark.parametrize(
    "words",
    [
        ("evaluate", "{folder}"),
        ("doctor", "{folder}"),
        ("doctor", "{folder}/=1+1.csv"),
        ("convert", "{folder}", "-o", "{out}/draws.csv"),
        ("convert", "{folder}/<b>.json", "-o", "{out}/draws.csv"),
        ("evaluate", "{folder}/<b>.json"),
        ("evaluate", "{folder}/\x1b[31m\nnothing"),
        ("evaluate", "{folder}", "--item", "evil\u202e\x1b[2J"),
        ("evaluate", "{folder}/=1+1.csv"),
    ],
)
def test_the_command_line(
    words: tuple[str, ...], folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv("NEFF_DEBUG", raising=False)
    code = main([word.format(folder=folder, out=tmp_path) for word in words])
    captured = capsys.readouterr()
    assert code in (0, 2, 3)
    for text in (captured.out, captured.err):
        check_terminal(text)
        assert "Traceback" not in text
    assert captured.out or captured.err
