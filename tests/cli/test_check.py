"""`neff check`: what it prints and writes, and the exit code of each outcome."""

from __future__ import annotations

import io
import json
import sys
import xml.etree.ElementTree as ET
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest

from neff.claims import CheckReport
from neff.cli import progress as module
from neff.cli.app import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HEAD = "import os, random\nfrom neff.claims import Level, Paired, claim\n\n"
HOLDS = """
@claim(says="Two is more than one.", deterministic=True, quick=True)
def holds(seed):
    return Paired(2, 1)
"""
FAILS = """
@claim(says="One is more than two.", deterministic=True)
def fails(seed):
    return Paired(1, 2)
"""
OPEN = """
@claim(says="Nothing.", budget=5)
def open_(seed):
    return Paired(random.random(), random.random())
"""
CRASHES = """
@claim(says="It crashes.")
def crashes(seed):
    os.kill(os.getpid(), 11)
"""
SKIPPED = """
@claim(says="It lacks something.", needs="no_such_package")
def skipped(seed):
    return Paired(2, 1)
"""


@pytest.fixture
def claims(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    monkeypatch.chdir(tmp_path)

    def write(*parts: str, name: str = "claims.py") -> Path:
        path = tmp_path / name
        path.write_text(HEAD + dedent("\n".join(parts)))
        return path

    return write


@pytest.mark.parametrize(
    ("parts", "words", "code", "said"),
    [
        ((HOLDS,), (), 0, ""),
        ((HOLDS, OPEN, SKIPPED), (), 0, ""),
        ((HOLDS, FAILS), (), 1, "neff: failed: fails: fails\n"),
        ((HOLDS, CRASHES), (), 1, "neff: failed: crashes: not checked\n"),
        ((HOLDS, OPEN), ("--strict",), 4, "neff: inconclusive (--strict): open_: undecided, the budget of 5 seeds"),
        ((HOLDS, SKIPPED), ("--strict",), 4, "neff: inconclusive (--strict): skipped: not checked, needs no_such_"),
        ((FAILS, OPEN), ("--strict",), 1, "neff: failed: fails: fails\n"),
        ((HOLDS,), ("--strict",), 0, ""),
        ((HOLDS, FAILS), ("--quick",), 0, ""),
        ((HOLDS, FAILS), ("--only", "hol"), 0, ""),
        (
            (HOLDS, FAILS),
            ("--only", "nothing"),
            2,
            "neff: --only must be a part of the name of a claim, got 'nothing'.",
        ),
        ((FAILS,), ("--quick",), 3, "neff: no claim was checked.\n"),
        ((), (), 3, "neff: no claim was checked.\n"),
        ((HOLDS,), ("--workers", "0"), 2, "neff: --workers must be a whole number of at least 1, got 0."),
        ((HOLDS,), ("--seeds", "1"), 2, "neff: --seeds must be a whole number of at least 2, got 1."),
        ((HOLDS,), ("--budget", "-1"), 2, "neff: --budget must be a positive number of seconds, got -1"),
        ((HOLDS,), ("--no-journal", "--baseline"), 2, "neff: --no-journal must be left out beside --baseline"),
        ((HOLDS,), ("--journal", "claims.py"), 3, "neff: claims.py: is no journal of neff."),
        ((HOLDS,), ("-o", "claims.py"), 2, "neff: --output must be a file that ends in"),
    ],
)
def test_exit_codes(
    neff: Callable[..., Any],
    claims: Callable[..., Path],
    parts: tuple[str, ...],
    words: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    path = claims(*parts)
    before = path.read_text()
    outcome = neff("check", "claims.py", *words)
    assert outcome.code == code
    assert outcome.err.startswith(said)
    assert bool(outcome.err) == bool(said)
    assert path.read_text() == before


def test_a_file_that_cannot_be_imported_does_not_stop_the_others(
    neff: Callable[..., Any], claims: Callable[..., Path]
) -> None:
    claims(HOLDS)
    claims("import no_such_package", name="claim_bad.py")
    outcome = neff("check", ".")
    assert outcome.code == 3
    assert "The claim holds holds" in outcome.out
    assert "- claim_bad.py: ModuleNotFoundError: No module named 'no_such_package'" in outcome.out
    claims(FAILS)
    assert neff("check", ".").code == 1
    assert neff("check", "nowhere.py").code == 3


def test_the_table_says_what_was_found(neff: Callable[..., Any], claims: Callable[..., Path]) -> None:
    claims(HOLDS, FAILS, OPEN, CRASHES)
    out = neff("check", "claims.py").out
    assert out.startswith("1 of 4 claims holds, 1 was not checked, 1 is undecided, 1 fails\nclaims.py · ")
    assert "- crashes, seed 0: crash: ended by SIGSEGV." in out
    assert all(len(line) <= 100 for line in out.splitlines())


def test_every_format(neff: Callable[..., Any], claims: Callable[..., Path], tmp_path: Path) -> None:
    claims(HOLDS, FAILS, OPEN, CRASHES, SKIPPED)
    files = [word for name in ("r.html", "r.md", "r.json", "r.xml", "r.csv") for word in ("-o", name)]
    outcome = neff("check", "claims.py", "--json", "-q", *files)
    data = json.loads(outcome.out)
    assert data["schema"] == "neff.check/1"
    assert outcome.out == (tmp_path / "r.json").read_text()
    assert [c["verdict"] for c in data["claims"]] == ["holds", "fails", "undecided", "not checked", "not checked"]
    assert repr(CheckReport.from_dict(data).to_dict()) == repr(data)
    suites = ET.parse(tmp_path / "r.xml").getroot()  # our own file
    assert {k: suites.get(k) for k in ("tests", "failures", "errors", "skipped")} == {
        "tests": "5", "failures": "1", "errors": "1", "skipped": "2",
    }  # fmt: skip
    assert (tmp_path / "r.csv").read_text().count("\n") == 6
    assert "<h1>1 of 5 claims holds" in (tmp_path / "r.html").read_text()


def test_the_journal_is_made_where_it_is_wanted(
    neff: Callable[..., Any], claims: Callable[..., Path], tmp_path: Path
) -> None:
    claims(HOLDS)
    neff("check", "claims.py", "--no-journal")
    assert [p.name for p in tmp_path.iterdir() if p.name != "__pycache__"] == ["claims.py"]
    neff("check", "claims.py", "--journal", "deep/er/j.sqlite")
    assert (tmp_path / "deep/er/j.sqlite").is_file()
    neff("check", "claims.py")
    assert (tmp_path / ".neff/claims.sqlite").is_file()


def test_a_baseline_is_the_gate(neff: Callable[..., Any], claims: Callable[..., Path]) -> None:
    claims(HOLDS, FAILS)
    first = neff("check", "claims.py", "--baseline")
    assert (first.code, first.err) == (1, "neff: failed: fails: fails\n")
    known = neff("check", "claims.py", "--baseline")
    assert known.code == 0  # what failed before and still fails does not stop the build
    assert "Baseline: no claim got worse since the last run." in known.out
    claims(HOLDS.replace("Paired(2, 1)", "Paired(0, 1)"), FAILS)
    worse = neff("check", "claims.py", "--baseline")
    assert (worse.code, worse.err) == (1, "neff: failed: holds: worse, fails\n")
    assert "Worse: holds since the last run." in worse.out
    assert "worse, was holds" in " ".join(worse.out.split())


def test_no_path_means_the_claims_that_come_with_it(
    neff: Callable[..., Any], claims: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from neff.claims import checking

    claims(HOLDS)
    monkeypatch.setattr(checking, "BUNDLED", "claims")
    assert neff("check").out.startswith("The claim holds holds\nclaims · ")
    claims(name="empty.py")
    monkeypatch.setattr(checking, "BUNDLED", "empty")
    outcome = neff("check", "--json")
    assert outcome.code == 3
    assert "note: empty holds no claims yet. Give a file of your own: neff check claims.py." in outcome.err


def test_the_progress_line_shows_claims_and_seeds(
    claims: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    claims(OPEN.replace("return", "__import__('time').sleep(0.3); return"))
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(module, "PATIENCE", 0.0)
    assert main(["check", "claims.py"]) == 0
    capsys.readouterr()
    assert "\rneff: checking [................] 0/1, open_: seed " in stream.getvalue()
    assert stream.getvalue().endswith("\r\x1b[K")
