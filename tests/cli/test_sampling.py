"""`neff sampling pass` and `neff sampling verifier`: the numbers of the library, files, refusals."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HUMANEVAL = ("--item", "task", "--draw", "draw")


@pytest.fixture
def draws(tmp_path: Path) -> Path:
    path = tmp_path / "draws.csv"
    rows = [
        f"q{i},{model},{j},{int((i * 3 + j * 5 + shift) % 7 < 3)},{'ABC'[(i + j * shift) % 3]},{i * j % 5 / 4},{j % 2}"
        for i in range(13)
        for shift, model in ((1, "one"), (2, "two"))
        for j in range(5)
    ]
    path.write_text("item,model,draw,score,answer,judge,ok\n" + "\n".join(rows) + "\n")
    return path


def test_pass_at_k_of_real_draws(neff: Callable[..., Any], neff_data: Path) -> None:
    path = neff_data / "humaneval_codegen16b_samples.csv.gz"
    outcome = neff("sampling", "pass", path, *HUMANEVAL, "--score", "accept_base", "--k", "1,10,100", "--json")
    assert outcome.code == 0, outcome.err
    found = json.loads(outcome.out)
    assert found["schema"] == "neff.at-k/1"
    values = [e["value"] for e in found["estimates"] if e["metric"].startswith("pass@")]
    assert values == pytest.approx([0.22973, 0.51980, 0.76000], abs=6e-6)
    assert all(e["interval"][0] < e["interval_draws"][0] for e in found["estimates"] if e["metric"] == "pass@10")


def test_verifiers_of_real_draws(neff: Callable[..., Any], neff_data: Path) -> None:
    path = neff_data / "humaneval_codegen16b_samples.csv.gz"
    words = ("--score", "correct", "--accept", "accept_base", "--accept", "accept_weak", "--cost", "8", "--seed", "1")
    outcome = neff("sampling", "verifier", path, *HUMANEVAL, *words, "--json")
    assert outcome.code == 0, outcome.err
    base, weak = json.loads(outcome.out)["curves"]
    assert [base["right"][k - 1] for k in (1, 10, 100)] == pytest.approx([0.2181, 0.4851, 0.6952], abs=6e-5)
    assert [weak["right"][k - 1] for k in (1, 10, 100)] == pytest.approx([0.2181, 0.3666, 0.4300], abs=6e-5)
    assert (base["rewards"][0]["best_k"], weak["rewards"][0]["best_k"]) == (12, 0)
    assert base["rewards"][0]["reward"] == pytest.approx(0.20798, abs=6e-6)


def test_everything_in_every_format(neff: Callable[..., Any], draws: Path, tmp_path: Path) -> None:
    files = [tmp_path / f"out.{suffix}" for suffix in ("html", "md", "json", "csv", "txt", "parquet")]
    words = [word for path in files for word in ("-o", path)]
    outcome = neff(
        "sampling", "pass", draws, "--k", "1,3", "--answers", "answer", "--verifier", "judge", "--weighted", "sum",
        "--at-least", "2", "--seed", "3", *words,
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    for metric in ("pass@3", "pass^3", "majority@3", "best-of-3", "weighted-sum@3", "at-least-2@3"):
        assert metric in outcome.out
        assert metric in files[0].read_text()
    assert all(path.stat().st_size > 200 for path in files)
    outcome = neff("sampling", "verifier", draws, "--accept", "ok", *words)
    assert outcome.code == 0, outcome.err
    assert "When a wrong answer costs something" in outcome.out
    assert "perfect verifier" in files[0].read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("sampling", "pass"), "at least one file or folder"),
        (("sampling", "pass", "FILE", "--k", "1,x"), "whole numbers separated by commas"),
        (("sampling", "pass", "FILE", "--answers", "nonsense"), "nonsense"),
        (("sampling", "pass", "FILE", "--weighted", "sum"), "weighted"),
        (("sampling", "pass", "FILE", "--score", "judge"), "0, 1 or missing, got 0.25"),
        (("sampling", "verifier", "FILE"), "the column of the verifier's yes or no"),
        (("sampling", "verifier", "FILE", "--accept", "judge"), "0, 1 or missing, got 0.25"),
        (("sampling", "verifier", "FILE", "--accept", "ok", "--cost=-1"), "--cost must be numbers of 0 or more"),
        (("sampling", "verifier", "FILE", "--accept", "answer"), "--accept must be a column of numbers, got 'answer'"),
        (("sampling", "verifier", "FILE", "--accept", "item"), "--accept must be a column that the records keep"),
        (("sampling", "verifier", "FILE", "--accept", "nope"), "there is no column 'nope'. The columns are"),
        (("sampling", "verifier", "FILE", "--zyxwvuts", "1"), "See `neff sampling verifier --help`."),
    ],
)
def test_refusals(neff: Callable[..., Any], draws: Path, words: tuple[str, ...], message: str) -> None:
    outcome = neff(*(draws if word == "FILE" else word for word in words))
    assert outcome.code in (2, 3)
    assert outcome.out == ""
    assert message in outcome.err


def test_notes_go_to_stderr_beside_json(neff: Callable[..., Any], draws: Path) -> None:
    outcome = neff("sampling", "pass", draws, "--k", "1,9", "--json")
    assert outcome.code == 0
    assert "no k above it is known for all items" in outcome.err
    undefined = [e for e in json.loads(outcome.out)["estimates"] if e["metric"] == "pass@9"]
    assert {(e["value"], e["reason"]) for e in undefined} == {(None, "fewer draws than k")}


def test_forecast_of_real_draws(neff: Callable[..., Any], neff_data: Path, tmp_path: Path) -> None:
    path = neff_data / "humaneval_codegen16b_samples.csv.gz"
    page = tmp_path / "forecast.html"
    words = (*HUMANEVAL, "--score", "accept_base", "--k", "10,1000", "--seed", "1", "--n-resamples", "5", "-o", page)
    outcome = neff("sampling", "forecast", path, *words, "--json")
    assert outcome.code == 0, outcome.err
    found = json.loads(outcome.out)
    values = {(e["method"], e["metric"]): e["value"] for e in found["estimates"]}
    assert values["beta-binomial", "pass@1000"] == pytest.approx(0.86545, abs=6e-6)
    assert found["parameters"]["power"]["a"] == pytest.approx(-1.480991, abs=1e-6)
    assert "Forecasts of pass@k" in page.read_text()
    few = neff("sampling", "forecast", path, *words[:-2], "--draws", "10", "--forecaster", "plug-in", "--json")
    assert json.loads(few.out)["n_draws"] == 10


def test_forecast_is_about_one_model(neff: Callable[..., Any], draws: Path) -> None:
    outcome = neff("sampling", "forecast", draws)
    assert outcome.code == 2
    assert "of one model on one task" in outcome.err


@pytest.fixture
def ladder(tmp_path: Path) -> Path:
    """Four sizes, 11 items of one difficulty, 500 draws each with the shares of the law c = 2, alpha = .5."""
    import math

    path = tmp_path / "ladder.csv"
    rows = []
    for size in (0.1, 0.3, 1.0, 3.0):
        right = round(500 * math.exp(-2 * size**-0.5))
        rows += [f"q{i},m{size},{int(j < right + i % 3)},{size}" for i in range(11) for j in range(500)]
    path.write_text("item,model,score,parameters\n" + "\n".join(rows) + "\n")
    return path


def test_law(neff: Callable[..., Any], ladder: Path, tmp_path: Path) -> None:
    words = ("--size", "parameters", "--seed", "1", "--n-resamples", "20")
    outcome = neff("sampling", "law", ladder, *words, "--predict", "10", "--json", "-o", tmp_path / "law.html")
    assert outcome.code == 0, outcome.err
    assert json.loads(outcome.out)["alpha"] == pytest.approx([0.5] * 11, abs=0.05)  # 500 draws round the shares
    (predicted,) = json.loads(outcome.out)["predictions"]
    assert (predicted["size"], predicted["value"]) == (10, pytest.approx(0.53, abs=0.01))  # exp(-2 / sqrt(10)) = .531
    assert predicted["interval"][0] < predicted["value"] < predicted["interval"][1]
    assert "Pass rate by size" in (tmp_path / "law.html").read_text()
    assert "Pass rates rise as exp" in (tmp_path / "law.html").read_text()
    plain = neff("sampling", "law", ladder, *words, "--predict", "10")
    assert "10.0000" in plain.out
    assert f"{predicted['value']:.6f}" in plain.out
    tested = neff("sampling", "law", ladder, *words, "--emergence", "--json")
    assert json.loads(tested.out)["emergent"] is False


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "the column of the model's size"),
        (("--size", "nonsense"), "nonsense"),
        (("--size", "item"), "size"),
        (("--size", "score"), "a column of numbers"),
    ],
)
def test_law_refuses(neff: Callable[..., Any], ladder: Path, words: tuple[str, ...], message: str) -> None:
    outcome = neff("sampling", "law", ladder, *words)
    assert outcome.code in (2, 3)
    assert message in outcome.err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda row: f"{row},acc\n{row},f1", "of one task and one metric"),
        (lambda row: row.replace(",1,", ",0.5,") + ",acc", "0, 1 or missing"),
    ],
)
def test_law_pools_no_metrics_and_no_fractions(
    neff: Callable[..., Any], ladder: Path, change: Callable[[str], str], message: str
) -> None:
    head, *rows = ladder.read_text().splitlines()
    ladder.write_text("\n".join([f"{head},metric", *map(change, rows)]) + "\n")
    outcome = neff("sampling", "law", ladder, "--size", "parameters")
    assert (outcome.code, outcome.out) == (2, "")
    assert message in outcome.err


def test_forecast_says_which_items_it_leaves_out(neff: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "gaps.csv"
    rows = [f"q{i},m,{'' if i == 3 else int(i > j)}" for i in range(5) for j in range(4)]
    path.write_text("item,model,score\n" + "\n".join(rows) + "\n")
    outcome = neff("sampling", "forecast", path, "--forecaster", "plug-in", "--n-resamples", "5", "--seed", "1")
    assert outcome.code == 0, outcome.err
    assert "Items without a scored answer, which are left out: 1." in outcome.out
    assert "Fitted" not in outcome.out  # the plug-in has no parameters
    assert "pass@1000 is forecast at" in outcome.out


def test_selection_and_stopping(neff: Callable[..., Any], draws: Path, tmp_path: Path) -> None:
    only = tmp_path / "one.csv"
    only.write_text("\n".join(line for line in draws.read_text().splitlines() if ",two," not in line) + "\n")
    page = tmp_path / "out.html"
    chosen = neff("sampling", "select", only, "--answers", "answer", "--confidence", "judge", "--json", "-o", page)
    assert chosen.code == 0, chosen.err
    rows = {row["name"]: row for row in json.loads(chosen.out)["rows"]}
    assert {"majority", "Borda 1.2", "most confident", "perfect choice"} <= set(rows)
    assert rows["one at random"]["accuracy"] <= rows["perfect choice"]["accuracy"]
    assert "Against the majority vote" in page.read_text()
    assert "most confident" in neff("sampling", "select", only, "--answers", "answer", "--confidence", "judge").out
    votes = neff(
        "sampling", "stop", only, "--answers", "answer", "--seed", "1", "--max-draws", "5", "--json", "-o", page
    )
    assert votes.code == 0, votes.err
    assert [row["name"] for row in json.loads(votes.out)["rows"]][-2:] == ["windows of 5", "all draws"]
    scores = neff("sampling", "stop", only, "--verifier", "judge", "--target", "0.7", "--peek", "2", "--orders", "2")
    assert scores.code == 0, scores.err
    assert "first above 0.7" in scores.out
    both = neff("sampling", "stop", only, "--verifier", "judge", "--answers", "answer")
    assert (both.code, both.out) == (2, "")
    assert "Rules look at one of the two" in both.err
    assert neff("sampling", "select", only, "--answers", "answer").code == 2
