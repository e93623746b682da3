"""One folder of what eleven tools wrote: one table, each tool's own numbers, and a line for each file not read."""

from __future__ import annotations

import csv
import gzip
import json
import math
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from neff import diagnose, evaluate, read
from neff.records.zipmember import open_zip

if TYPE_CHECKING:
    from collections.abc import Iterator

    from neff.evaluate.result import Evaluation
    from neff.records import Records

FIXTURES = Path(__file__).parent.parent / "fixtures"
CLOSE = 1e-9
LOGS = {
    "inspect": ["inspect/arith_alpha.eval", "inspect/arith_beta.eval", "inspect/rubric_alpha.eval"],
    "lm-eval": ["lm_eval/org__alpha", "lm_eval/org__beta"],
    "promptfoo": ["promptfoo/sums.json.gz"],
    "helm": ["helm"],
    "opencompass": ["opencompass"],
    "alpaca_eval": ["alpaca_eval"],
    "lighteval": ["lighteval"],
    "every_eval_ever": ["every_eval_ever"],
    "verl": ["verl/validation"],
    "trl": ["trl"],
    "verifiers": ["verifiers/sums"],
}
UNREAD = {
    "README.md": "the format is not known",
    "model.pt": "pickle",
    "notes.json": "no column looks like the item",
    "leaderboard.csv": "column 1 of the header has no name",
    "averages.json": "only averages",
    "rouge.json": "do not say which answers are right",
    "pending_0.json": "predictions without scores",
    "ppl.json": "predictions without scores",
    "long.jsonl": "predictions without scores",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("logs")
    for tool, paths in LOGS.items():
        for path in paths:
            source, target = FIXTURES / path, root / tool / Path(path).name
            target.parent.mkdir(exist_ok=True)
            (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
    (root / "README.md").write_text("# Runs\n\nOf May.\n")
    (root / "model.pt").write_bytes(b"\x80\x02}q\x00.")
    (root / "notes.json").write_text('{"by": "us"}')
    return root


@pytest.fixture(scope="module")
def records(folder: Path) -> Records:
    return read(folder)


@pytest.fixture(scope="module")
def result(records: Records) -> Evaluation:
    return evaluate(records, aggregate="none")


def test_one_table_of_every_tool(records: Records) -> None:
    formats = [source.format for source in records.sources]
    assert set(formats) == set(LOGS)
    assert len(formats) >= 12
    assert sum(source.n_rows for source in records.sources) == len(records)


def test_each_file_that_is_not_read_is_named_with_the_reason(records: Records) -> None:
    reasons = {Path(unread.path).name: unread.reason for unread in records.unread}
    assert sorted(reasons) == sorted(UNREAD)
    for name, words in UNREAD.items():
        assert words in reasons[name]
    # the two leaderboards of alpaca_eval have one name
    assert len(records.unread) == len(UNREAD) + 1


def test_the_doctor_says_the_same(folder: Path) -> None:
    found = diagnose(folder)
    assert sorted({Path(file.path).name for file in found.files if file.problem}) == sorted(UNREAD)
    assert {file.format for file in found.files if not file.problem} == set(LOGS)
    assert found.together is not None
    assert not found.together.problem


# ---------------------------------------------------------------------------------- each tool's own numbers


def inspect() -> Iterator[tuple[Any, ...]]:
    for name in ("arith_alpha", "arith_beta", "rubric_alpha"):
        with open_zip(FIXTURES / "inspect" / f"{name}.eval") as members:
            header = json.loads(members.read("header.json"))
        for score in header["results"]["scores"]:
            metric = score["name"] if score["name"] == score["scorer"] else f"{score['scorer']}/{score['name']}"
            values = {found["name"]: found["value"] for found in reversed(score["metrics"].values())}
            value = values.get("accuracy", values.get("mean"))
            yield header["eval"]["model"], header["eval"]["task"], metric, value, values["stderr"]


def lm_eval() -> Iterator[tuple[Any, ...]]:
    for model, folder in (("org/alpha", "org__alpha"), ("org/beta@step7", "org__beta")):
        (path,) = (FIXTURES / "lm_eval" / folder).glob("results_*")
        results = json.loads(path.read_text())["results"]
        for task, metric, chosen in (
            ("pick", "acc", "none"),
            ("pick", "acc_norm", "none"),
            ("cloze", "acc", "none"),
            ("words", "exact_match", "strict-match"),
            ("words", "exact_match", "flexible-extract"),
        ):
            name = metric if chosen == "none" else f"{metric},{chosen}"
            found = results[task]
            yield model, task, name, found[f"{metric},{chosen}"], found[f"{metric}_stderr,{chosen}"]


def promptfoo() -> Iterator[tuple[Any, ...]]:
    """Yield the columns without errors: those with errors count them as not passed, and a note says so."""
    summary = json.loads(gzip.decompress((FIXTURES / "promptfoo" / "sums.json.gz").read_bytes()))["results"]
    for prompt in summary["prompts"]:
        found = prompt["metrics"]
        if not found["testErrorCount"]:
            model = f"{prompt['provider']} | {prompt['label']}"
            total = found["testPassCount"] + found["testFailCount"]
            yield model, "sums", "pass", found["testPassCount"] / total, None
            yield model, "sums", "score", found["score"] / total, None


def helm() -> Iterator[tuple[Any, ...]]:
    """Yield what is scored for every instance; a note says what HELM does with the rest."""
    task = "mmlu:subject=law,method=multiple_choice_joint,data_augmentation=canonical"
    for model in ("org/alpha", "org/beta"):
        for stat in json.loads((FIXTURES / "helm" / model.replace("/", "_") / "stats.json").read_text()):
            name = stat["name"]
            if name["name"] in ("exact_match", "toxic_frac") and "perturbation" not in name:
                yield model, task, name["name"], stat["mean"], None


def opencompass() -> Iterator[tuple[Any, ...]]:
    for model in ("alpha", "beta"):
        for path in (FIXTURES / "opencompass" / "results" / model).glob("*.json"):
            if path.name not in UNREAD:
                stated = json.loads(path.read_text())
                (accuracy,) = (value for name, value in stated.items() if name.startswith("accuracy"))
                yield model, path.stem, "accuracy", accuracy / 100, None


def alpaca_eval() -> Iterator[tuple[Any, ...]]:
    for model in ("alpha", "beta"):
        with (FIXTURES / "alpaca_eval" / model / "leaderboard.csv").open(newline="") as file:
            (row,) = csv.DictReader(file)
        rate, error = (float(row[name]) / 100 for name in ("win_rate", "standard_error"))
        yield model, "weighted_alpaca_eval_gpt4_turbo", "win_rate vs gpt4_turbo", rate, error


def lighteval() -> Iterator[tuple[Any, ...]]:
    for model in ("org/alpha", "org/beta"):
        (path,) = (FIXTURES / "lighteval" / "results" / model).iterdir()
        found = json.loads(path.read_text())["results"]["gsm8k|0"]
        yield model, "gsm8k|0", "extractive_match", found["extractive_match"], found["extractive_match_stderr"]
        yield model, "gsm8k|0", "edit_distance", found["edit_distance"], None


def every_eval_ever() -> Iterator[tuple[Any, ...]]:
    for path in (FIXTURES / "every_eval_ever").glob("*.json"):
        aggregate = json.loads(path.read_text())
        for found in aggregate["evaluation_results"]:
            metric = found["metric_config"]["metric_id"]
            yield aggregate["model_info"]["id"], "sums", metric, found["score_details"]["score"], None


@pytest.mark.parametrize(
    "tool", [inspect, lm_eval, promptfoo, helm, opencompass, alpaca_eval, lighteval, every_eval_ever]
)
def test_numbers_are_those_of_the_tool(tool: Any, result: Evaluation) -> None:
    checked = 0
    for model, task, metric, value, standard_error in tool():
        estimate = result.estimate(model, task, metric)
        assert estimate.value == pytest.approx(value, abs=CLOSE)
        if standard_error is not None:
            assert estimate.standard_error == pytest.approx(standard_error, abs=CLOSE)
        checked += 1
    assert checked >= 2


def test_where_ours_differ_a_note_says_why(result: Evaluation, records: Records) -> None:
    notes = " ".join(note for source in records.sources for note in source.notes)
    assert "promptfoo counts them as not passed" in notes
    assert "HELM averages what is left of each trial, and then the trials" in notes
    moody = "moody | Answer: {{answer}}"
    (theirs,) = (
        prompt["metrics"]
        for prompt in json.loads(gzip.decompress((FIXTURES / "promptfoo" / "sums.json.gz").read_bytes()))["results"][
            "prompts"
        ]
        if f"{prompt['provider']} | {prompt['label']}" == moody
    )
    graded = theirs["testPassCount"] + theirs["testFailCount"]
    estimate = result.estimate(moody, "sums", "pass")
    assert theirs["testErrorCount"] > 0
    assert estimate.n == graded
    assert estimate.n_unscored == theirs["testErrorCount"]
    assert not math.isclose(estimate.value, theirs["testPassCount"] / (graded + theirs["testErrorCount"]))
