"""`neff benchmark factors` and `curve`: the values of the library, pages, refusals without a traceback."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from neff.benchmark.factorial import factorial, fit_learning_curve

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def grid(tmp_path: Path) -> Path:
    """Three models, two prompts, 13 questions; the second half of the table in JSON Lines is in no order."""
    rng = np.random.default_rng(4)
    lines = ["model,prompt,question,score,tier,size"]
    for m in range(3):
        for p in ("x", "y"):
            lines += [
                f"m{m},{p},q{q},{int(rng.random() < 0.3 + 0.2 * m)},{'open' if m else 'closed'},{7 * m + 1}"
                for q in range(13)
            ]
    path = tmp_path / "grid.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def columns(path: Path) -> dict[str, list[str]]:
    head, *rows = [line.split(",") for line in path.read_text().splitlines()]
    return {name: [row[i] for row in rows] for i, name in enumerate(head)}


def test_factors(neff: Callable[..., Any], grid: Path, tmp_path: Path) -> None:
    page = tmp_path / "factors.html"
    outcome = neff(
        "benchmark", "factors", grid, "--factor", "model", "--factor", "prompt", "--item", "question", "--unit",
        "model", "--group", "tier", "--margin", "0.1", "--n-resamples", "50", "--seed", "3", "--json", "-o", page,
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    told = columns(grid)
    wanted = factorial(
        [float(s) for s in told["score"]], {name: told[name] for name in ("model", "prompt", "tier")},
        item=told["question"], unit="model", group="tier", margin=0.1, n_resamples=50, rng=3,
    )  # fmt: skip
    assert json.loads(outcome.out) == wanted.to_dict()
    assert wanted.by_item
    text = page.read_text()
    assert "parallel lines are no interaction" in text
    assert "model as the unit" in text


@pytest.mark.parametrize("kind", ["text", "md", "csv"])
def test_factors_in_every_output(neff: Callable[..., Any], grid: Path, kind: str) -> None:
    words = ["benchmark", "factors", grid, "--factor", "size", "--factor", "prompt", "--order", "1"]
    outcome = neff(*words, *([] if kind == "text" else ["--format", kind]))
    assert outcome.code == 0, outcome.err
    assert "prompt" in outcome.out


def test_several_files_are_one_table(neff: Callable[..., Any], grid: Path, tmp_path: Path) -> None:
    head, *rows = grid.read_text().splitlines()
    for name, part in (("a.csv", rows[::2]), ("b.csv", rows[1::2])):
        (tmp_path / name).write_text("\n".join([head, *part]) + "\n")
    words = ["--factor", "model", "--factor", "prompt", "--json"]
    whole = neff("benchmark", "factors", grid, *words)
    parts = neff("benchmark", "factors", tmp_path / "a.csv", tmp_path / "b.csv", *words)
    first, second = json.loads(whole.out), json.loads(parts.out)
    assert [t["eta2"] for t in first["terms"]] == pytest.approx([t["eta2"] for t in second["terms"]])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--factor", "model"], "twice or more"),
        ([], "twice or more"),
        (["--factor", "model", "--factor", "seed"], "seed"),
        (["--factor", "model", "--factor", "prompt", "--score", "tier"], "number"),
        (["--factor", "model", "--factor", "prompt", "--group", "tier"], "unit"),
        (["--factor", "model", "--factor", "prompt", "--unit", "tier"], "unit"),
    ],
)
def test_refusals(neff: Callable[..., Any], grid: Path, words: list[str], said: str) -> None:
    outcome = neff("benchmark", "factors", grid, *words)
    assert outcome.code == 2
    assert said in outcome.err
    assert "Traceback" not in outcome.err


def test_missing_and_empty_files(neff: Callable[..., Any], tmp_path: Path) -> None:
    words = ["--factor", "a", "--factor", "b"]
    assert neff("benchmark", "factors", tmp_path / "no.csv", *words).code == 3
    (tmp_path / "empty.csv").write_text("a,b,score\n")
    assert neff("benchmark", "factors", tmp_path / "empty.csv", *words).code == 3
    assert neff("benchmark", "curve", tmp_path / "empty.csv").code == 3


def test_curve(neff: Callable[..., Any], tmp_path: Path) -> None:
    size = np.repeat([50, 100, 200, 500, 1000], 3)
    score = np.round(0.9 - 0.9 * size**-0.35 + np.random.default_rng(0).normal(0, 0.01, 15), 4)
    path, page = tmp_path / "runs.csv", tmp_path / "curve.html"
    path.write_text("n,accuracy\n" + "".join(f"{x},{y}\n" for x, y in zip(size, score, strict=True)) + "9000,\n")
    outcome = neff(
        "benchmark", "curve", path, "--score", "accuracy", "--target", "0.8", "--target", "0.99", "--at", "5000",
        "--n-resamples", "40", "--seed", "1", "--json", "-o", page,
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    wanted = fit_learning_curve(size, score, targets=[0.8, 0.99], at=[5000], n_resamples=40, rng=1)
    assert json.loads(outcome.out) == json.loads(json.dumps(wanted.to_dict()))
    assert "1 runs without a score left out" in outcome.err
    assert "levels off at" in page.read_text()
    shown = neff("benchmark", "curve", path, "--score", "accuracy", "--target", "0.8")
    assert "examples for 0.8" in shown.out
    refused = neff("benchmark", "curve", path, "--score", "accuracy", "--at", "-3")
    assert (refused.code, "Traceback" in refused.err) == (2, False)


def test_a_curve_of_three_sizes(neff: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text("n,score\n10,0.5\n20,0.6\n40,0.7\n")
    outcome = neff("benchmark", "curve", path, "--target", "0.9", "--json")
    assert outcome.code == 0
    assert json.loads(outcome.out)["needed"][0]["value"] is None
    assert "Too few sizes for a curve" in neff("benchmark", "curve", path).out
