"""Exit codes, and what happens where something breaks: a sentence, never a traceback, nothing half-written."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import neff.evaluate  # noqa: F401  (it takes `load` when it is imported: before a test replaces it)
from neff.cli.failure import explain
from neff.cli.streams import visible
from neff.errors import (
    ArgumentError,
    ArgumentTypeError,
    GateError,
    MissingExtraError,
    OutputError,
    RecordsError,
    RecordsWarning,
)
from neff.records import big as room

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (
            ArgumentError("level", "in (0, 1)", 95, "Did you mean 0.95?", call="f"),
            2,
            "--level must be in (0, 1), got 95. ",
        ),
        (ArgumentError("n_resamples", "at least 1", 0, call="f"), 2, "--n-resamples must be at least 1, got 0."),
        (ArgumentError("rng", "an int", "x", call="f"), 2, "--seed must be an int, got 'x'."),
        (ArgumentError("tests", "one of 'a'", "b", call="f"), 2, "--test must be one of 'a', got 'b'."),
        (ArgumentTypeError("records", "a path", 3, call="f"), 2, "RECORDS must be a path, got 3."),
        (GateError("--fail-if 'x': no."), 2, "--fail-if 'x': no."),
        (MissingExtraError("Parquet", "big"), 2, "Parquet needs an optional package. Install it with: pip install"),
        (OutputError("cannot write x."), 2, "cannot write x."),
        (RecordsError("no rows.", "Add some.", path="f.csv", line=3), 3, "f.csv, line 3: no rows. Add some."),
        (PermissionError(13, "Permission denied", "f.csv"), 3, "f.csv: Permission denied."),
        (MemoryError(), 3, "not enough memory"),
        (ZeroDivisionError("division by zero"), 70, "this is a bug in neff, please report it: ZeroDivisionError: "),
        (KeyError("x"), 70, "this is a bug in neff, please report it: KeyError: 'x'"),
    ],
)
def test_each_kind_of_error_has_its_code_and_names_the_option(error: Exception, code: int, sentence: str) -> None:
    found, text = explain(error, "evaluate")
    assert found == code
    assert text.startswith(sentence)


FULL = Path("/dev/full")


def broken(error: BaseException) -> Callable[..., Any]:
    def raise_it(*_: object, **__: object) -> None:
        raise error

    return raise_it


def test_interrupted(neff: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, scores: Path) -> None:
    monkeypatch.setattr(room, "load", broken(KeyboardInterrupt()))
    outcome = neff("evaluate", scores, "-o", tmp_path / "out.html")
    assert (outcome.code, outcome.out, outcome.err) == (130, "", "neff: interrupted.\n")
    assert not (tmp_path / "out.html").exists()


def test_a_bug_is_one_sentence_and_a_traceback_only_where_asked(
    neff: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, scores: Path
) -> None:
    monkeypatch.setattr(room, "load", broken(ZeroDivisionError("oops\nsecond line")))
    outcome = neff("evaluate", scores)
    assert (outcome.code, outcome.out) == (70, "")
    assert outcome.err.startswith("neff: this is a bug in neff, please report it: ZeroDivisionError: oops second line")
    assert outcome.err.count("\n") == 1
    monkeypatch.setenv("NEFF_DEBUG", "1")
    assert "Traceback" in neff("evaluate", scores).err


def test_warnings_of_neff_are_lines_on_stderr(
    neff: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, scores: Path
) -> None:
    def warn(*_: object, **__: object) -> None:
        warnings.warn("odd scores", RecordsWarning, stacklevel=1)
        raise RecordsError("no rows.")

    monkeypatch.setattr(room, "load", warn)
    assert neff("evaluate", scores).err == "neff: warning: odd scores\nneff: no rows.\n"


def test_a_name_cannot_steer_the_terminal() -> None:
    assert visible("a\x1b]0;title\x07b\r\nc\u202ed") == "a\\x1b]0;title\\x07b c\\u202ed"


def piped(words: list[str], reader: str) -> tuple[int, str]:
    """Run `neff` into a shell reader, and return its own exit code and stderr."""
    command = [sys.executable, "-m", "neff", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        if reader == "closed":
            process.stdout.close()
        err = process.stderr.read().decode()
        return process.wait(), err


def test_a_reader_that_went_away_is_no_error_and_gates_still_count(scores: Path) -> None:
    assert piped(["--help"], "closed") == (0, "")
    assert piped(["evaluate", str(scores), "-q"], "closed") == (0, "")
    code, err = piped(["evaluate", str(scores), "--fail-if", "value(score) < 2"], "closed")
    assert code == 1
    assert err.startswith("neff: gate failed: value(score) < 2: ")


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full on this system")
def test_a_full_disk_under_stdout_is_a_sentence(scores: Path) -> None:
    with FULL.open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "neff", "evaluate", str(scores)], stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert done.returncode == 2
    assert done.stderr.decode() == (
        "neff: cannot write to stdout: No space left on device. Give a file instead: -o FILE.\n"
    )
