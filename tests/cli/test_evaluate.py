"""`neff evaluate`: the numbers are those of the library, each option arrives, stdout is the result and nothing else."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

import neff as package

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def result_of(outcome: Any) -> dict[str, Any]:
    assert outcome.code == 0, outcome.err
    return json.loads(outcome.out)


def strip(result: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in result.items() if key != "provenance"}


def test_json_is_what_the_library_returns(neff: Callable[..., Any], scores: Path) -> None:
    found = result_of(neff("evaluate", scores, "--json"))
    expected = package.evaluate(package.read(scores)).to_dict()
    assert strip(found) == strip(expected)
    assert found["schema"] == "neff.evaluation/1"


@pytest.mark.parametrize(
    ("words", "options"),
    [
        (("--level", "0.9"), {"level": 0.9}),
        (("--correction", "bonferroni"), {"correction": "bonferroni"}),
        (("--margin", "0.05"), {"margin": 0.05}),
        (("--unscored", "wrong"), {"unscored": "wrong"}),
        (("--lower-is-better",), {"lower_is_better": True}),
        (("--no-compare",), {"pairs": False}),
        (
            ("--test", "mcnemar", "--test", "permutation", "--seed", "7"),
            {"tests": ("mcnemar", "permutation"), "rng": 7},
        ),
        (
            ("--test", "bootstrap", "--seed", "3", "--n-resamples", "211"),
            {"tests": ("bootstrap",), "rng": 3, "n_resamples": 211},
        ),
        (("--n-resamples", "1e3"), {"n_resamples": 1000}),
    ],
)
def test_each_statistics_option_arrives(
    neff: Callable[..., Any], scores: Path, words: tuple[str, ...], options: dict[str, Any]
) -> None:
    found = result_of(neff("evaluate", scores, "--json", *words))
    assert strip(found) == strip(package.evaluate(package.read(scores), **options).to_dict())
    changes_nothing = options == {"n_resamples": 1000} or "unscored" in options
    plain = result_of(neff("evaluate", scores, "--json"))
    assert (strip(found) == strip(plain)) is changes_nothing


@pytest.mark.parametrize("aggregate", ["macro", "micro", "none"])
def test_aggregate_arrives(neff: Callable[..., Any], tmp_path: Path, aggregate: str) -> None:
    path = tmp_path / "tasks.csv"
    rows = [
        f"q{j},{m},{task},{(j * 3 + k) % 2}"
        for task, n in (("t", 7), ("u", 11))
        for j in range(n)
        for k, m in enumerate("ab")
    ]
    path.write_text("item,model,task,score\n" + "\n".join(rows) + "\n")
    found = result_of(neff("evaluate", path, "--aggregate", aggregate, "--json"))
    averages = {e["task"] for e in found["estimates"]} - {"t", "u"}
    assert averages == ({f"{aggregate} average"} if aggregate != "none" else set())


COLUMNS = "question,who,run,set,measure,passage,author,mark,gold,importance\n"


def test_each_column_option_arrives(neff: Callable[..., Any], tmp_path: Path) -> None:
    rows = [
        f"q{j},{who},{draw},{'s' if j < 6 else 'z'},acc,p{j % 5},w{j % 3},{(j + k + draw) % 3 / 2},{j % 2},{1 + j % 2}"
        for j in range(13)
        for k, who in enumerate(("a", "b"))
        for draw in range(2)
    ]
    path = tmp_path / "all.csv"
    path.write_text(COLUMNS + "\n".join(rows) + "\n")
    names = {
        "item": "question", "model": "who", "draw": "run", "task": "set", "metric": "measure",
        "score": "mark", "label": "gold", "weight": "importance", "cluster": ("passage", "author"),
    }  # fmt: skip
    words = [
        w
        for role, name in names.items()
        for n in (name if isinstance(name, tuple) else (name,))
        for w in (f"--{role}", n)
    ]
    words = ["--estimator", "mean", *words]  # two clusterings and weights: what only plain means take
    found = result_of(neff("evaluate", path, "--json", *words))
    assert strip(found) == strip(package.evaluate(package.read(path, **names), estimator="mean").to_dict())
    assert {(e["task"], e["metric"], e["model"]) for e in found["estimates"]} >= {("s", "acc", "a"), ("z", "acc", "b")}
    assert found["estimates"][0]["n_clusters"] is not None
    without = result_of(neff("evaluate", path, "--json", *words[:-6]))
    assert strip(without) != strip(found)


def test_wide_files_and_targets(neff: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "wide.csv"
    rows = [f"q{j},{'ABC'[j % 3]},{'ABC'[j % 2]},{'ABC'[j % 3]},{j}" for j in range(11)]
    path.write_text("id,gold,gpt-1,gpt-2,length\n" + "\n".join(rows) + "\n")
    for words in (("--model", "gpt-1", "--model", "gpt-2"), ("--model", "gpt-*"), ("--wide",)):
        found = result_of(neff("evaluate", path, "--item", "id", "--target", "gold", *words, "--json"))
        assert {e["model"]: e["value"] for e in found["estimates"]} == {"gpt-2": 1.0, "gpt-1": pytest.approx(4 / 11)}
    assert "'length'" in neff("evaluate", path, "--item", "id", "--target", "gold", "--wide", "--json").err


def test_by_file(neff: Callable[..., Any], runs: tuple[Path, Path]) -> None:
    folder = runs[0].parent
    for path in runs:
        path.write_text(re.sub(r"\n(q\d+),", r"\n\1,m,", path.read_text()).replace("item,", "item,model,"))
    assert neff("evaluate", folder, "--json").code == 3
    found = result_of(neff("evaluate", folder, "--by-file", "models", "--json"))
    assert len({e["model"] for e in found["estimates"]}) == 2
    found = result_of(neff("evaluate", folder, "--by-file", "draws", "--json"))
    assert [(e["model"], e["n"], e["n_items"]) for e in found["estimates"]] == [("m", 36, 19)]


@pytest.mark.parametrize("form", ["table", "md", "json", "csv", "html", "junit"])
def test_stdout_is_the_result_and_notes_go_to_stderr(neff: Callable[..., Any], scores: Path, form: str) -> None:
    scores.write_text(scores.read_text() + "q99,good,,t1\n")
    outcome = neff("evaluate", scores, "--format", form)
    assert outcome.code == 0
    note = "1 of 70 draws have no score: counted, not used."
    assert (note in outcome.err) is (form != "table")
    assert all(line.startswith("neff: note: ") for line in outcome.err.splitlines())
    assert neff("evaluate", scores, "--format", form, "--quiet").err == ""
    if form == "table":
        assert note in " ".join(outcome.out.split())
    start = {"md": "#", "json": "{", "html": "<!doctype html>", "junit": "<?xml"}.get(form)
    if start is not None:
        assert outcome.out.lower().startswith(start)
    if form == "csv":
        assert {"good", "fair", "poor"} <= {row["model"] for row in csv.DictReader(io.StringIO(outcome.out))}


def test_files_are_written_by_suffix_and_said(neff: Callable[..., Any], scores: Path, tmp_path: Path) -> None:
    names = ["r.html", "r.md", "r.json", "r.csv", "r.xml", "r.txt"]
    words = [word for name in names for word in ("-o", tmp_path / name)]
    outcome = neff("evaluate", scores, *words)
    assert outcome.code == 0
    assert outcome.err == "".join(f"neff: wrote {tmp_path / name}\n" for name in names)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*names, scores.name])
    saved = json.loads((tmp_path / "r.json").read_text())
    assert strip(saved) == strip(result_of(neff("evaluate", scores, "--json")))


def test_the_terminal_says_who_is_best(neff: Callable[..., Any], scores: Path) -> None:
    outcome = neff("evaluate", scores)
    assert outcome.out.startswith("good")
    assert outcome.out.index("good") < outcome.out.index("fair") < outcome.out.index("poor")
    assert "\x1b[" not in outcome.out


def test_colour_only_where_it_is_wanted(
    neff: Callable[..., Any], scores: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert "\x1b[" not in neff("evaluate", scores).out  # NO_COLOR is set
    monkeypatch.delenv("NO_COLOR")
    assert "\x1b[" in neff("evaluate", scores).out
    assert "\x1b[" not in neff("evaluate", scores, "--no-color").out
    assert "\x1b[" not in neff("evaluate", scores, "--format", "md").out


def test_gates(neff: Callable[..., Any], scores: Path, tmp_path: Path) -> None:
    passed = neff("evaluate", scores, "--fail-if", "value(score[good]) < 0.5", "--fail-if", "n(diff) != 23", "-q")
    assert (passed.code, passed.err) == (0, "")
    failed = neff(
        "evaluate", scores, "-q", "--fail-if", "value(score[good]) < 0.5", "--fail-if", "value(score) < 0.5",
        "-o", tmp_path / "junit.xml",
    )  # fmt: skip
    assert failed.code == 1
    assert failed.err == "neff: gate failed: value(score) < 0.5: value of poor is 0.173913\n"
    assert "poor" in failed.out
    assert (tmp_path / "junit.xml").read_text().count("<failure") == 1


def test_strict(neff: Callable[..., Any], scores: Path) -> None:
    decided = neff("evaluate", scores, "--model", "model", "--correction", "none", "--strict")
    assert (decided.code, decided.err) == (0, "")
    tied = neff("evaluate", scores, "--strict", "--margin", "0.5", "-q")
    assert tied.code == 4
    assert tied.err == "neff: inconclusive (--strict): good and fair are not told apart on all. (and 1 more)\n"
    # A gate that failed counts before a tie.
    assert neff("evaluate", scores, "--strict", "--margin", "0.5", "--fail-if", "value(score) > 0").code == 1


def test_strict_is_not_satisfied_by_an_undefined_number(neff: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "unscored.csv"
    path.write_text("item,model,score\n" + "".join(f"q{j},a,{j % 2}\nq{j},b,\n" for j in range(7)))
    outcome = neff("evaluate", path, "--strict", "-q")
    assert outcome.code == 4
    assert "b on all is undefined: no scored draws." in outcome.err


def test_stdin(scores: Path) -> None:
    with scores.open("rb") as stdin:
        done = subprocess.run(
            [sys.executable, "-m", "neff", "evaluate", "-", "--json", "-q"],
            stdin=stdin,
            capture_output=True,
            check=True,
        )
    found = json.loads(done.stdout)
    assert strip(found) == strip(package.evaluate(package.read(scores)).to_dict())
    assert [source["path"] for source in found["provenance"]["sources"]] == ["stdin"]
    assert done.stderr == b""


def test_files_that_are_not_read_are_said(neff: Callable[..., Any], scores: Path) -> None:
    (scores.parent / "broken.csv").write_bytes(b"item,model,score\n\xff\xfe\n")
    outcome = neff("evaluate", scores.parent, "--json")
    assert outcome.code == 0
    assert len(json.loads(outcome.out)["unread"]) == 1
    assert f"neff: not read: {scores.parent / 'broken.csv'}: " in outcome.err


def test_names_from_a_log_cannot_steer_the_terminal(neff: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    evil = "\x1b]0;owned\x07\x1b[31mred"
    path.write_text("item,model,score\n" + "".join(f"q{j},{evil},{j % 2}\nq{j},b,{j % 3 % 2}\n" for j in range(7)))
    for form in ("table", "md", "html", "csv"):
        outcome = neff("evaluate", path, "--format", form, "--fail-if", "value(score) < 2")
        assert outcome.code == 1
        assert "\x1b" not in outcome.err
        assert form == "csv" or "\x1b" not in outcome.out


@pytest.mark.parametrize(
    ("cluster", "standard_error", "of_difference"), [((), 0.01346, 0.01360), (("task",), 0.02704, 0.01925)]
)
def test_livebench(
    neff: Callable[..., Any], neff_data: Path, cluster: tuple[str, ...], standard_error: float, of_difference: float
) -> None:
    """Golden numbers of the method sheet on error bars: 1,136 items, the item mean of each model."""
    words = [word for name in cluster for word in ("--cluster", name)]
    outcome = neff(
        "evaluate", neff_data / "livebench.parquet", "--item", "question_id", "--model", "model", "--score", "score",
        *words, "--correction", "none", "--json", "-q",
    )  # fmt: skip
    result = package.Evaluation.from_dict(result_of(outcome))
    estimate = result.estimate("claude-3-5-sonnet-20240620")
    assert estimate.value == pytest.approx(0.58979, abs=5e-6)
    assert estimate.standard_error == pytest.approx(standard_error, abs=5e-6)
    pair = result.comparison("claude-3-5-sonnet-20240620", "gpt-4o-2024-08-06")
    assert pair.difference == pytest.approx(0.03056, abs=5e-6)
    assert pair.standard_error == pytest.approx(of_difference, abs=5e-6)
    assert pair.correlation == pytest.approx(0.494, abs=5e-4)
    assert outcome.err == ""


def test_mmlu_pro_takes_only_the_models_for_models(neff: Callable[..., Any], neff_data: Path) -> None:
    outcome = neff(
        "evaluate", neff_data / "mmlu_pro_predictions.parquet", "--item", "question_id", "--target", "gold", "--wide",
        "--no-compare", "--json",
    )  # fmt: skip
    models = {e["model"] for e in result_of(outcome)["estimates"]}
    assert len(models) == 29
    assert models.isdisjoint({"question_id", "gold", "cat", "nopt"})
    for left_out in ("cat", "nopt"):
        assert f"'{left_out}'" in outcome.err


@pytest.fixture
def tasks(tmp_path: Path) -> Path:
    """Three models, seven tasks, five items each."""
    path = tmp_path / "tasks.csv"
    rows = [
        f"q{i},{m},t{t},{int((i * 7 + 3 * t + 5 * k) % 11 < 5 + k)}"
        for k, m in enumerate("abc")
        for t in range(7)
        for i in range(5)
    ]
    path.write_text("item,model,task,score\n" + "\n".join(rows) + "\n")
    return path


def test_shrunk_scores_stand_beside_the_raw_ones(neff: Callable[..., Any], tasks: Path, tmp_path: Path) -> None:
    found = result_of(neff("evaluate", tasks, "--shrink", "--json"))
    expected = package.subtask_scores(package.read(tasks))
    assert found["subtasks"]["cells"] == expected.to_dict()["cells"]
    assert found["subtasks"]["fits"] == expected.to_dict()["fits"]
    raw = {(e["task"], e["model"]): e["value"] for e in found["estimates"]}
    assert all(raw[cell["task"], cell["model"]] == cell["raw"] for cell in found["subtasks"]["cells"])
    without = result_of(neff("evaluate", tasks, "--json"))
    assert without["subtasks"] is None
    assert without["estimates"] == found["estimates"]
    shown = neff("evaluate", tasks, "--shrink", "-o", tmp_path / "r.json")
    assert shown.out.index("Scores by subtask, raw and shrunk") < shown.out.index("Estimated risk of each rule")
    assert neff("report", tmp_path / "r.json").out == shown.out


def test_the_seed_deals_the_folds_of_the_shrinking(neff: Callable[..., Any], tasks: Path) -> None:
    first, again, other = (result_of(neff("evaluate", tasks, "--shrink", "--json", "--seed", s)) for s in (0, 0, 5))
    assert first["subtasks"] == again["subtasks"]
    expected = package.subtask_scores(package.read(tasks), rng=5)
    assert other["subtasks"]["cells"] == expected.to_dict()["cells"]


def test_refused_levels_are_not_shrunk(neff: Callable[..., Any], tmp_path: Path) -> None:
    """Labels on two models only, and the third where no label is: its level is refused in every task."""
    lines = ["item,model,task,score,label"]
    for t in range(3):
        for i in range(67):
            score = (i * 13 % 67) / 80
            lines += [f"q{i},{m},t{t},{score:.3f},{min(score + 0.1 * (i % 3 == k), 1):.3f}" for k, m in enumerate("ab")]
            lines.append(f"q{i},c,t{t},{0.95 + i % 5 / 100:.2f},")
    path = tmp_path / "refused.csv"
    path.write_text("\n".join(lines) + "\n")
    found = result_of(neff("evaluate", path, "--shrink", "--json"))
    cells = {(cell["task"], cell["model"]): cell for cell in found["subtasks"]["cells"]}
    assert {e["model"] for e in found["estimates"] if e["refused"]} == {"c"}
    assert cells["t0", "c"]["raw"] is not None
    assert cells["t0", "c"]["shrunk"] is None
    assert cells["t0", "a"]["shrunk"] is not None
    assert any(note.startswith("3 scores whose level is refused are shown raw") for note in found["subtasks"]["notes"])


@pytest.mark.parametrize("engine", ["auto", "memory", "stream"])
def test_every_engine_gives_the_same_bits(neff: Callable[..., Any], scores: Path, engine: str) -> None:
    found = result_of(neff("evaluate", scores, "--engine", engine, "--json"))
    assert strip(found) == strip(result_of(neff("evaluate", scores, "--json")))


def test_engines_that_cannot_do_it(neff: Callable[..., Any], scores: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    outcome = neff("evaluate", scores, "--engine", "stream", "--estimator", "labels")
    assert outcome.code == 2
    assert "--engine must be auto or memory" in outcome.err
    assert neff("evaluate", scores, "--engine", "ray").code == 2
    assert neff("evaluate", scores, "--engine", "spark").code == 2
