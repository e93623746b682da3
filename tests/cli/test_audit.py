"""`neff audit`: the audit of the library, its verdicts, exit codes, files and refusals."""

from __future__ import annotations

import csv
import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import neff as package

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ARENA = ("--item", "prompt_id", "--model", "policy", "--score", "judge_score", "--label", "oracle_label")
HEAD = "item,model,score,label,length,topic\n"


def rows_of(model: str, n: int, *, shift: float = 0.0, seed: int = 0, labelled: int | None = None) -> str:
    rng = np.random.default_rng(seed)
    score = np.round(rng.beta(3, 2, n), 2)
    label = np.round(np.clip(score**2 + shift + rng.normal(0, 0.08, n), 0, 1), 3)
    keep = n if labelled is None else labelled
    return "".join(
        f"{model}-{i},{model},{score[i]},{label[i] if i < keep else ''},{i % 7},{i // 3}\n" for i in range(n)
    )


@pytest.fixture
def probe(tmp_path: Path) -> Path:
    """Right about `near`, wrong about `far`, too few of `thin`, no label of `bare`."""
    path = tmp_path / "probe.csv"
    parts = [rows_of("near", 211, seed=1), rows_of("far", 101, shift=0.3, seed=2), rows_of("thin", 23, seed=3)]
    path.write_text(HEAD + "".join([*parts, rows_of("bare", 31, seed=4, labelled=0)]))
    return path


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "labels.csv"
    path.write_text(HEAD + rows_of("base", 307, seed=5))
    return path


def only(path: Path, *models: str) -> Path:
    """Keep the rows of some models."""
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], *(line for line in lines[1:] if line.split(",")[1] in models)]) + "\n")
    return path


def audit_of(outcome: Any) -> dict[str, Any]:
    assert outcome.code == 0, outcome.err
    return json.loads(outcome.out)


def test_json_is_what_the_library_returns(neff: Callable[..., Any], probe: Path, source: Path) -> None:
    found = audit_of(neff("audit", probe, "--calibrate-on", source, "--margin", "0.03", "--json"))
    expected = package.audit(package.read(probe), calibration=package.read(source), margin=0.03).to_dict()
    assert found == expected
    verdicts = {row["policy"]: row["verdict"] for row in found["rows"]}
    assert verdicts == {"near": "holds", "far": "fails", "thin": "undecided", "bare": "not checked"}
    ungraded = audit_of(neff("audit", probe, "--calibrate-on", source, "--json"))
    assert {row["verdict"] for row in ungraded["rows"]} == {"not graded", "not checked"}


@pytest.mark.parametrize(
    ("words", "options"),
    [
        (("--level", "0.8"), {"level": 0.8}),
        (("--policies", "7"), {"n_policies_in_family": 7}),
        (("--scale", "0", "2"), {"scale": (0.0, 2.0)}),
        (("--calibration", "two-stage"), {"mode": "two-stage"}),
        (("--covariate", "length"), {"covariates": ("length",)}),
        (("--margin", "0.2"), {"margin": 0.2}),
    ],
)
def test_each_option_arrives(
    neff: Callable[..., Any], probe: Path, source: Path, words: tuple[str, ...], options: dict[str, Any]
) -> None:
    base = ("audit", probe, "--calibrate-on", source, "--json", *(() if "margin" in options else ("--margin", "0.03")))
    found = audit_of(neff(*base, *words))
    kept = {"keep": ("length",)} if "covariates" in options else {}
    records = [package.read(path, **kept) for path in (probe, source)]
    assert found == package.audit(records[0], calibration=records[1], **({"margin": 0.03} | options)).to_dict()
    # A scale that is wider than need be clips nothing here.
    assert (found["rows"] == audit_of(neff(*base))["rows"]) is ("scale" in options)


def test_columns_and_clusters_arrive(neff: Callable[..., Any], probe: Path, source: Path) -> None:
    words = ("--label", "label", "--cluster", "topic", "--margin", "0.03", "--json")
    found = audit_of(neff("audit", probe, "--calibrate-on", source, *words))
    near = next(row for row in found["rows"] if row["policy"] == "near")
    assert near["n_clusters"] == 71  # 211 answers, three to a topic


def test_models_of_the_probe_can_fit_the_calibration(neff: Callable[..., Any], probe: Path, source: Path) -> None:
    probe.write_text(probe.read_text() + source.read_text().removeprefix(HEAD))
    words = ("--calibrate-on-model", "base", "--margin", "0.03", "--json")
    found = audit_of(neff("audit", probe, *words))
    assert found == package.audit(package.read(probe), calibrate_on=("base",), margin=0.03).to_dict()
    both = audit_of(neff("audit", probe, *words, "--calibrate-on-model", "near"))
    assert [row["policy"] for row in both["rows"]] == [r["policy"] for r in found["rows"] if r["policy"] != "near"]


def test_the_terminal_shows_the_verdicts_the_worst_first(neff: Callable[..., Any], probe: Path, source: Path) -> None:
    outcome = neff("audit", probe, "--calibrate-on", source, "--margin", "0.03")
    assert outcome.out.startswith(
        "The calibration fails for far, is undecided for thin, holds for near, is not checked for bare\n"
    )
    assert outcome.err == ""
    text = " ".join(outcome.out.split())
    assert "all within the margin of 0.03" in text
    assert "all beyond the margin of 0.03" in text
    assert "if that is the true mean, about " in text
    assert all(len(line) <= 100 for line in outcome.out.splitlines())


def test_exit_codes(neff: Callable[..., Any], probe: Path, source: Path) -> None:
    words = ("--calibrate-on", source, "--margin", "0.03", "-q")
    assert neff("audit", probe, *words).code == 0  # a verdict is a finding, not an error
    failed = neff("audit", probe, *words, "--fail-if", "fails", "--strict")
    assert failed.code == 1
    assert failed.err == "neff: gate failed: fails: bare: not checked; far: fails\n"
    assert "Gate failed: fail if fails: bare: not checked; far: fails." in failed.out
    only(probe, "near", "thin")
    assert neff("audit", probe, *words, "--fail-if", "fails").code == 0
    undecided = neff("audit", probe, *words, "--fail-if", "fails", "--strict")
    assert (undecided.code, undecided.err) == (4, "neff: inconclusive (--strict): thin: undecided.\n")
    assert neff("audit", probe, *words, "--fail-if", "fails", "--fail-if", "undecided").code == 1
    only(probe, "near")
    held = neff("audit", probe, *words, "--fail-if", "fails", "--fail-if", "undecided", "--strict")
    assert (held.code, held.err) == (0, "")
    assert "Gate passed: fail if undecided: 1 checked, none undecided." in held.out
    ungraded = neff("audit", probe, "--calibrate-on", source, "--strict")
    assert (ungraded.code, ungraded.err) == (4, "neff: inconclusive (--strict): near: not graded.\n")


def test_files_hold_the_tenths_of_the_score(
    neff: Callable[..., Any], probe: Path, source: Path, tmp_path: Path
) -> None:
    names = ["a.html", "a.md", "a.json", "a.csv", "a.txt", "a.xml"]
    words = [word for name in names for word in ("-o", tmp_path / name)]
    outcome = neff("audit", probe, "--calibrate-on", source, "--margin", "0.03", *words, "--fail-if", "fails")
    assert outcome.code == 1
    assert "Residuals by tenths of the score" in (tmp_path / "a.html").read_text()
    assert "Residuals by tenths of the score" in (tmp_path / "a.md").read_text()
    assert len(json.loads((tmp_path / "a.json").read_text())["deciles"]["near"]) == 10
    rows = list(csv.DictReader((tmp_path / "a.csv").read_text().splitlines()))
    assert {row["policy"]: row["verdict"] for row in rows}["far"] == "fails"
    assert (tmp_path / "a.xml").read_text().count("<failure") == 1
    assert (tmp_path / "a.txt").read_text() == outcome.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "--calibrate-on must be given, or else --calibrate-on-model"),
        (
            ("--calibrate-on", "{source}", "--calibrate-on-model", "near"),
            "--calibrate-on-model must be left out beside",
        ),
        (("--calibrate-on-model", "naer"), "Did you mean 'near'?"),
        (("--calibrate-on", "near"), "It is a model: --calibrate-on-model near."),
        (("--calibrate-on", "nowhere.csv"), "nowhere.csv"),
        (("--calibrate-on", "{probe}"), "PROBE must be rows that the calibration has not seen"),
        (("--calibrate-on-model", "bare"), "--calibrate-on must be records with labels"),
        (("--calibrate-on", "{source}", "--margin", "0"), "--margin must be positive"),
        (("--calibrate-on", "{source}", "--margin", "nan"), "--margin must be"),
        (("--calibrate-on", "{source}", "--level", "95"), "got 95.0. Did you mean 0.95?"),
        (("--calibrate-on", "{source}", "--policies", "0"), "--policies must be"),
        (("--calibrate-on", "{source}", "--scale", "0", "0.5"), "--label must be between 0 and 0.5"),
        (("--calibrate-on", "{source}", "--scale", "1", "0"), "--scale must be"),
        (("--calibrate-on", "{source}", "--covariate", "size"), "size"),
        (("--calibrate-on", "{source}", "--fail-if", "fails"), "--margin must be declared where --fail-if is given"),
        (("--calibrate-on", "{source}", "--margin", "0.1", "--fail-if", "failing"), 'Did you mean "fails"?'),
        (("--calibrate-on", "{source}", "-o", "a.xml"), "There are no gates to report."),
        (("--calibrate-on", "{source}", "-o", "{source}"), "another file than the input"),
    ],
)
def test_bad_command_lines(
    neff: Callable[..., Any], probe: Path, source: Path, words: tuple[str, ...], said: str
) -> None:
    before = source.read_bytes()
    outcome = neff("audit", probe, *(word.format(source=source, probe=probe) for word in words))
    assert outcome.code in (2, 3), outcome.err
    assert outcome.out == ""
    assert outcome.err.count("\n") == 1
    assert said in outcome.err
    assert "bug in neff" not in outcome.err
    assert source.read_bytes() == before


def test_names_from_a_log_cannot_steer_the_terminal(neff: Callable[..., Any], probe: Path, source: Path) -> None:
    probe.write_text(probe.read_text().replace(",near,", ",\x1b[31mred,"))
    for form in ("table", "md", "html"):
        outcome = neff("audit", probe, "--calibrate-on", source, "--margin", "0.03", "--format", form)
        assert outcome.code == 0
        assert "\x1b" not in outcome.out + outcome.err


def test_arena(neff: Callable[..., Any], neff_data: Path) -> None:
    """Calibrated on base, all labels of the others as the probe: only unhelpful fails."""
    words = (*ARENA, "--calibrate-on-model", "base", "--margin", "0.05")
    found = audit_of(neff("audit", neff_data / "arena1000_labels.csv", *words, "--json"))
    verdicts = {row["policy"]: row["verdict"] for row in found["rows"]}
    assert verdicts == {"clone": "holds", "parallel_universe_prompt": "holds", "unhelpful": "fails"}
    unhelpful = next(row for row in found["rows"] if row["policy"] == "unhelpful")
    # 0.3.0 found -0.275 +- 0.023 on 50 of these prompts
    assert unhelpful["residual"] == pytest.approx(-0.2719, abs=5e-4)
    assert math.isfinite(unhelpful["margin_to_hold"])
    assert neff("audit", neff_data / "arena1000_labels.csv", *words, "--fail-if", "fails", "-q").code == 1
