"""`neff train bench` runs the testbed and shows what it returned."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

import neff.testing
from neff.cli.train.bench import QUICK
from neff.report import load
from neff.testing import StalenessStudy, staleness_study
from neff.testing.staleness.settings import COMPARED, LAGS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SHORT = ("--env", "E2", "--methods", "reinforce,ess-adaptive-exact", "--lags", "0,5", "--seeds", "2", "--steps", "17")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Record what the library is asked for, and run something short instead."""
    calls: list[dict[str, Any]] = []

    def study(**options: Any) -> StalenessStudy:
        calls.append({name: value for name, value in options.items() if name != "tell"})
        return staleness_study(environments=["E2"], methods=["grpo"], lags=[0], seeds=1, steps=11)

    monkeypatch.setattr(neff.testing, "staleness_study", study, raising=False)
    return calls


def test_the_table_has_what_the_library_measured(neff: Callable[..., Any]) -> None:
    outcome = neff("train", "bench", *SHORT)
    assert (outcome.code, outcome.err) == (0, "")
    study = staleness_study(
        environments=["E2"], methods=["reinforce", "ess_adaptive_exact"], lags=[0, 5], seeds=2, steps=17
    )
    for cell in study.cells():
        row = next(
            line.split() for line in outcome.out.splitlines() if line.split()[:2] == [str(cell.lag), cell.method]
        )
        assert f"{cell.final.value:.3f}" in row
        assert f"{cell.dip.value:.3f}" in row
        assert f"{cell.ess_sequence:.3f}" in row
    assert "E2, learning rate 0.1: reward against lag" in outcome.out


def test_files_and_back(neff: Callable[..., Any], tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("out.json", "out.html", "out.md", "out.csv")]
    words = [word for file in files for word in ("-o", file)]
    outcome = neff("train", "bench", *SHORT, *words, "--json")
    assert outcome.code == 0
    assert outcome.err.count("neff: wrote") == 4
    assert "neff: note: Small policies" in outcome.err
    study = load(files[0])
    assert json.loads(outcome.out)["cells"] == study.to_dict()["cells"]
    assert len(study.runs) == 8
    assert "<svg" in files[1].read_text()
    assert "`ess_adaptive_exact`" in files[2].read_text()
    assert (
        files[3].read_text().splitlines()[0].startswith("environment,learning_rate,lag,method,final,final_interval_low")
    )
    shown = neff("report", files[0])
    assert shown.code == 0
    assert "ess_adaptive_exact" in shown.out


@pytest.mark.parametrize(
    ("words", "options"),
    [
        ((), {}),
        (("--env", "TF, E1"), {"environments": ["TF", "E1"]}),
        (("--methods", "grpo,vcpo"), {"methods": ["grpo", "vcpo"]}),
        (("--methods", "all"), {"methods": COMPARED}),
        (("--full",), {"methods": COMPARED, "lags": LAGS}),
        (("--full", "--methods", "tis", "--lags", "3"), {"methods": ["tis"], "lags": [3]}),
        (("--lags", "4,16"), {"lags": [4, 16]}),
        (("--seeds", "5"), {"seeds": 5}),
        (("--lr", "0.01,3e-3"), {"learning_rates": [0.01, 0.003]}),
        (("--steps", "1e3"), {"steps": 1000}),
        (("--level", "0.9"), {"level": 0.9}),
    ],
)
def test_each_option_arrives(
    neff: Callable[..., Any], asked: list[dict[str, Any]], words: tuple[str, ...], options: dict[str, Any]
) -> None:
    assert neff("train", "bench", *words).code == 0
    default = {"environments": ["E1", "E2", "TF"], "seeds": 3, "learning_rates": None, "steps": None, "level": 0.95}
    assert asked == [default | QUICK | {"cache": None} | options]


def test_a_cache_is_used(neff: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    first = neff("train", "bench", *SHORT, "--cache", path)
    kept = path.read_text()
    assert len(kept.splitlines()) == 8
    assert neff("train", "bench", *SHORT, "--cache", path).out == first.out
    assert path.read_text() == kept


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--env", "E4"), 2, "--env must be 'E1', 'E2' or 'TF', got 'E4'."),
        (("--env", ","), 2, "--env must be at least one"),
        (("--methods", "vcp"), 2, "Did you mean 'vcpo'?"),
        (("--lags", "1.5"), 2, "--lags must be whole numbers separated by commas, got '1.5'."),
        (("--lags=-4",), 2, "--lags must be a whole number of at least 0"),
        (("--lr", "fast"), 2, "--lr must be numbers separated by commas, got 'fast'."),
        (("--lr", "0"), 2, "--lr must be above 0 and finite"),
        (("--seeds", "0"), 2, "--seeds must be a whole number of at least 1"),
        (("--steps", "2"), 2, "--steps must be a whole number of at least 10"),
        (("--level", "95"), 2, "Did you mean 0.95?"),
        (("--cache", "nowhere/runs.jsonl"), 2, "cannot write nowhere/runs.jsonl"),
        (("-o", "out.docx"), 2, "--output must be a file that ends in"),
    ],
)
def test_what_is_wrong_is_said(neff: Callable[..., Any], words: tuple[str, ...], code: int, said: str) -> None:
    outcome = neff("train", "bench", *words)
    assert (outcome.code, outcome.out) == (code, "")
    assert said in outcome.err


def test_a_file_that_is_no_cache_is_left_alone(neff: Callable[..., Any], scores: Path) -> None:
    before = scores.read_bytes()
    outcome = neff("train", "bench", *SHORT, "--cache", scores)
    assert (outcome.code, outcome.out) == (3, "")
    assert "is no cache of the testbed" in outcome.err
    assert scores.read_bytes() == before
