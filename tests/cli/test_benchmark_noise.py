"""`neff benchmark noise`, `paraphrase` and `ks`: real curves, every form of output, refusals in one line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PATTERN = r"(?P<size>\d+[MB])-(?P<recipe>[\d.]+xC)(?P<seed>-rerun)?"


def test_real_curves(neff: Callable[..., Any], neff_data: Path, tmp_path: Path) -> None:
    page = tmp_path / "noise.html"
    outcome = neff(
        "benchmark", "noise", neff_data / "olmo_ladder_runs.parquet", "--score", "eval/downstream/*_rc_5shot_*",
        "--score", "eval/downstream_bpb/hellaswag*",
        "--lower-is-better", "*_bpb", "--pattern", PATTERN, "--small", "190M",
        "--target", "3B", "--last", "5", "--seed", "1", "--json", "-o", page,
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    found = json.loads(outcome.out)
    assert len(found["tasks"]) == 21
    first = found["tasks"][0]
    assert first["task"] == "eval/downstream_bpb/hellaswag_val_rc_5shot_bpb"
    assert first["snr"]["interval"][0] < first["snr"]["value"] < first["snr"]["interval"][1]
    assert first["decision"]["value"] == 1
    assert first["mean"] < 0  # bits per byte have changed their sign
    assert "hellaswag" in page.read_text()


CURVES = "model,step,task,seed,accuracy\n" + "".join(
    f"{m},{step},{task},{seed},{round(0.3 + 0.05 * m + 0.01 * ((7 * step + 3 * seed + m) % 5), 4)}\n"
    for m in range(3) for step in range(1, 8) for task in ("x", "y") for seed in (0, 1)
)  # fmt: skip


def test_long_and_wide_tables(neff: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "curves.csv"
    path.write_text(CURVES)
    words = ("benchmark", "noise", path, "--score", "accuracy", "--task", "task", "--repeat", "seed", "--last", "5")
    long = json.loads(neff(*words, "--json").out)
    assert [t["task"] for t in long["tasks"]] == ["x", "y"]
    assert long["tasks"][0]["seed_sd"]["df"] == 3
    shown = neff(*words)
    assert shown.code == 0
    assert "SNR" in shown.out
    wide = tmp_path / "wide.csv"
    wide.write_text(
        "run,_step,eval/x,eval/y\n"
        + "".join(f"{r},{s},{0.2 + 0.1 * r + 0.01 * (s % 3)},{0.5 + s / 100}\n" for r in (0, 1) for s in range(6))
    )
    found = json.loads(neff("benchmark", "noise", wide, "--score", "eval/*", "--json").out)
    assert {t["task"]: t["n_runs"] for t in found["tasks"]} == {"eval/x": 2, "eval/y": 2}
    for suffix in ("md", "json", "csv", "html"):
        target = tmp_path / f"out.{suffix}"
        assert neff("benchmark", "noise", wide, "--score", "eval/*", "-q", "-o", target).code == 0
        assert "eval/x" in target.read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--score", "nothing*"), "score must be in the file"),
        (("--score", "accuracy", "--run", "who"), "run must be a column"),
        ((), "Name it: --score NAME"),
        (("--score", "accuracy", "--task", "task"), "once in run"),
        (
            ("--score", "accuracy", "--task", "task", "--repeat", "seed", "--small", "1B", "--target", "7B"),
            "small must be",
        ),
        (("--score", "task", "--repeat", "seed", "--task", "task"), "a number in every row"),
        (("--score", "task"), "task must be an array of numbers"),
        (("--score", "accuracy", "--lower-is-better", "los*"), "lower-is-better must be in the file, got 'los*'"),
        (("--score", "accuracy", "--task", "task", "--lower-is-better", "z"), "got 'z'"),
    ],
)
def test_refusals(neff: Callable[..., Any], tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    path = tmp_path / "curves.csv"
    path.write_text(CURVES)
    outcome = neff("benchmark", "noise", path, *words)
    assert outcome.code == 2
    assert message in outcome.err
    assert "Traceback" not in outcome.err


def test_paraphrase(neff: Callable[..., Any], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    path, page = tmp_path / "answers.csv", tmp_path / "wording.html"
    lines = ["item,model,style,score,choice"]
    for model, skill in (("a", 0.8), ("b", 0.5)):
        for i in range(60):
            for style, worse in (("plain", 0.0), ("formal", 0.2), ("short", 0.2)):
                right = rng.uniform() < skill - worse
                lines.append(f"q{i},{model},{style},{int(right)},{'A' if right else rng.choice(list('BCD'))}")
    path.write_text("\n".join(lines) + "\n")
    words = (
        "benchmark",
        "paraphrase",
        path,
        "--wording",
        "style",
        "--original",
        "plain",
        "--answer",
        "choice",
        "--seed",
        1,
    )
    outcome = neff(*words, "--json", "-o", page)
    assert outcome.code == 0, outcome.err
    found = json.loads(outcome.out)
    assert found["wordings"][0] == "plain"
    assert found["models"][0]["model"] == "a"
    assert found["mean_drop"]["interval"][0] > 0
    assert 0 < found["models"][0]["consistency"]["pairwise"] < 1
    assert "Scores drop when the items are reworded" in page.read_text()
    shown = neff(*words)
    assert "Scores drop" in shown.out
    wrong = neff("benchmark", "paraphrase", path, "--wording", "style", "--original", "none")
    assert (wrong.code, "original must be one of" in wrong.err) == (2, True)


def test_ks(neff: Callable[..., Any], tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    path, truth, page = tmp_path / "draws.csv", tmp_path / "truth.csv", tmp_path / "ks.html"
    lines = ["model,task,value"]
    lines += [
        f"{m},t{t},{0.0 if m == 'stuck' else rng.normal()}"
        for m in ("fair", "stuck")
        for t in range(3)
        for _ in range(50)
    ]
    lines[5] = "fair,t0,no idea"
    path.write_text("\n".join(lines) + "\n")
    truth.write_text("task,value\n" + "".join(f"t{t},{rng.normal()}\n" for t in range(3) for _ in range(500)))
    outcome = neff("benchmark", "ks", path, "--target", truth, "--n", 1, "--n", 10, "--n", 50, "--json", "-o", page)
    assert outcome.code == 0, outcome.err
    found = json.loads(outcome.out)
    assert found["models"] == ["fair", "stuck"]
    assert [s["value"] for s in found["scores"][0]] == [1, 1, 1]
    assert [s["value"] for s in found["scores"][1]] == [1, 1, 0]
    assert next(t for t in found["tasks"] if t["task"] == "t0")["n_used"] == [1, 10, 49]
    assert "KS@1 cannot fail" in " ".join(found["warnings"])
    assert "What KS@N cannot see" in page.read_text()
    assert "cannot see" in neff("benchmark", "ks", path, "--target", truth, "--no-distances").out
    by_name = neff("benchmark", "ks", path, "--reference", "fair", "--n", 10, "--no-distances", "--json")
    assert json.loads(by_name.out)["models"] == ["stuck"]
    for words in (("--target", truth, "--reference", "fair"), (), ("--reference", "nobody")):
        refused = neff("benchmark", "ks", path, *words)
        assert refused.code == 2
        assert "Traceback" not in refused.err
