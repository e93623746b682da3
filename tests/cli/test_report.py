"""`neff report` and `neff demo`: results shown again, and the example that needs no data."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def saved(neff: Callable[..., Any], scores: Path) -> Path:
    path = scores.parent / "result.json"
    assert neff("evaluate", scores, "-q", "-o", path).code == 0
    return path


@pytest.mark.parametrize("form", ["table", "md", "json", "csv", "html", "junit"])
def test_a_saved_result_is_shown_as_it_was(neff: Callable[..., Any], scores: Path, saved: Path, form: str) -> None:
    again = neff("report", saved, "--format", form, "-q")
    assert again.code == 0
    first = neff("evaluate", scores, "--format", form, "-q").out
    time = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\+00:00|Z| UTC)?")
    assert numbers(time.sub("TIME", again.out)) == numbers(time.sub("TIME", first))


def numbers(text: str) -> str:
    """Write 22.0 as 22: JSON does not tell them apart."""
    return re.sub(r"\b(\d+)\.0\b", r"\1", text)


def test_it_writes_files_and_holds_gates(neff: Callable[..., Any], saved: Path) -> None:
    target = saved.parent / "report.md"
    outcome = neff("report", saved, "-o", target, "--fail-if", "value(score[poor]) < 0.5", "-q")
    assert outcome.code == 1
    assert outcome.err == "neff: gate failed: value(score[poor]) < 0.5: value of poor is 0.173913\n"
    assert "poor" in target.read_text()
    assert neff("report", saved, "--strict", "-q").code == neff("report", saved, "-q", "--strict").code


def test_a_result_from_a_pipe(saved: Path) -> None:
    with saved.open("rb") as stdin:
        command = [sys.executable, "-m", "neff", "report", "-", "--json", "-q"]
        done = subprocess.run(command, stdin=stdin, capture_output=True, check=True)
    assert json.loads(done.stdout) == json.loads(saved.read_bytes())


def test_the_result_it_reads_is_not_overwritten(neff: Callable[..., Any], saved: Path) -> None:
    before = saved.read_bytes()
    outcome = neff("report", saved, "-o", saved)
    assert outcome.code == 2
    assert "never replaces" in outcome.err
    assert saved.read_bytes() == before


def test_the_schema_fits_what_is_written(neff: Callable[..., Any], saved: Path) -> None:
    outcome = neff("report", "--schema")
    assert (outcome.code, outcome.err) == (0, "")
    schema = json.loads(outcome.out)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(saved.read_text()), schema)


def test_records_are_not_a_result(neff: Callable[..., Any], scores: Path) -> None:
    outcome = neff("report", scores)
    assert (outcome.code, outcome.out) == (3, "")
    assert str(scores) in outcome.err


def test_demo(neff: Callable[..., Any], tmp_path: Path) -> None:
    outcome = neff("demo")
    assert (outcome.code, outcome.err) == (0, "")
    assert "Truth" in outcome.out
    assert max(map(len, outcome.out.splitlines())) <= 110
    target = tmp_path / "demo.md"
    outcome = neff("demo", "--json", "-o", target, "-q")
    result = json.loads(outcome.out)
    models = {estimate["model"] for estimate in result["estimates"]}
    assert len(models) == 6
    assert all(model in target.read_text() for model in models)


def test_demo_at_another_level(neff: Callable[..., Any]) -> None:
    assert json.loads(neff("demo", "--level", "0.8", "--json", "-q").out)["level"] == 0.8
