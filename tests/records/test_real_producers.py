"""One folder of real files of eleven tools, each made by the tool itself: one table, and the tool's own numbers."""

from __future__ import annotations

import csv
import gzip
import json
import math
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from neff import diagnose, evaluate, read
from neff.records.zipmember import open_zip

if TYPE_CHECKING:
    from collections.abc import Iterator

    from neff.evaluate.result import Evaluation
    from neff.records import Records

FIXTURES = Path(__file__).parent.parent / "fixtures"
PRODUCED = FIXTURES / "produced"
CLOSE = 1e-9
TOOLS = {
    "inspect": ("inspect/arith_alpha.eval", "inspect/arith_beta.eval", "inspect/rubric_alpha.eval"),
    "lm-eval": ("lm_eval/org__alpha", "lm_eval/org__beta"),
    "promptfoo": ("promptfoo/sums.json.gz",),
    "helm": ("produced/helm",),
    "opencompass": ("produced/opencompass",),
    "alpaca_eval": ("produced/alpaca_eval",),
    "lighteval": ("produced/lighteval",),
    "every_eval_ever": ("produced/every_eval_ever",),
    "trl": ("produced/trl",),
    "verl": ("produced/verl",),
    "verifiers": ("produced/verifiers",),
}
NAMES_OF_VERSIONS = {"inspect": "inspect_ai", "lm-eval": "lm_eval"}


def load(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("real")
    for tool, paths in TOOLS.items():
        for path in paths:
            source, target = FIXTURES / path, root / tool / Path(path).name
            target.parent.mkdir(exist_ok=True)
            (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
    return root


@pytest.fixture(scope="module")
def records(folder: Path) -> Records:
    return read(folder)


@pytest.fixture(scope="module")
def result(records: Records) -> Evaluation:
    return evaluate(records, aggregate="none", pairs=False)


def test_one_table_of_real_files(records: Records, folder: Path) -> None:
    formats = [source.format for source in records.sources]
    assert set(formats) == set(TOOLS)
    assert len(formats) >= 12
    assert sum(source.n_rows for source in records.sources) == len(records)
    assert [Path(unread.path).name for unread in records.unread] == ["leaderboard.csv"] * 2
    found = diagnose(folder)
    assert {file.format for file in found.files if not file.problem} == set(TOOLS)
    assert sum(bool(file.problem) for file in found.files) == 2


def test_the_versions_are_noted() -> None:
    lines = (FIXTURES / "VERSIONS.txt").read_text().partition("built from source")[0].splitlines()
    noted = {line.partition(" ")[0] for line in lines}
    assert {NAMES_OF_VERSIONS.get(tool, tool) for tool in TOOLS} <= noted


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
    for model, name in (("org/alpha", "org__alpha"), ("org/beta@step7", "org__beta")):
        (path,) = (FIXTURES / "lm_eval" / name).glob("results_*")
        for task, metric in (("pick", "acc,none"), ("cloze", "acc,none"), ("words", "exact_match,strict-match")):
            found = load(path)["results"][task]
            stderr = found[metric.replace(",", "_stderr,")]
            yield model, task, metric.removesuffix(",none"), found[metric], stderr


def promptfoo() -> Iterator[tuple[Any, ...]]:
    """Yield the prompts without errors; of the other a test below says why it differs."""
    summary = json.loads(gzip.decompress((FIXTURES / "promptfoo" / "sums.json.gz").read_bytes()))["results"]
    for prompt in summary["prompts"]:
        found = prompt["metrics"]
        if not found["testErrorCount"]:
            total = found["testPassCount"] + found["testFailCount"]
            yield f"{prompt['provider']} | {prompt['label']}", "sums", "pass", found["testPassCount"] / total, None


def helm() -> Iterator[tuple[Any, ...]]:
    """Yield the plain and the perturbed statistics; HELM states no standard error over instances."""
    for model in ("org/alpha", "org/beta"):
        for stat in load(PRODUCED / "helm" / model.replace("/", "_") / "stats.json"):
            name = stat["name"]
            perturbation = name.get("perturbation", {"computed_on": "perturbed"})
            if name["name"] in ("exact_match", "f1_score") and perturbation["computed_on"] == "perturbed":
                of = f" ({perturbation['name']})" if "name" in perturbation else ""
                yield model, "sums:data_augmentation=lower", f"{name['name']}{of}", stat["mean"], None


def opencompass() -> Iterator[tuple[Any, ...]]:
    for path in (PRODUCED / "opencompass" / "results").rglob("*.json"):
        stated = load(path)
        (accuracy,) = (v for name, v in stated.items() if name.startswith(("score", "accuracy")))
        yield path.parent.name, path.stem, "accuracy", accuracy / 100, None


def alpaca_eval() -> Iterator[tuple[Any, ...]]:
    for model in ("alpha", "beta"):
        with (PRODUCED / "alpaca_eval" / model / "leaderboard.csv").open(newline="") as file:
            (row,) = csv.DictReader(file)
        rate, error = (float(row[name]) / 100 for name in ("win_rate", "standard_error"))
        yield model, "longest", "win_rate vs base", rate, error


def lighteval() -> Iterator[tuple[Any, ...]]:
    for path in (PRODUCED / "lighteval" / "results").rglob("*.json"):
        stated = load(path)
        for task, metrics in (("sums|0", ("em", "f1")), ("pick|0", ("acc",))):
            for metric in metrics:
                found = stated["results"][task]
                yield stated["config_general"]["model_name"], task, metric, found[metric], found[f"{metric}_stderr"]


def every_eval_ever() -> Iterator[tuple[Any, ...]]:
    for path in (PRODUCED / "every_eval_ever").glob("*.json"):
        stated = load(path)
        for found in stated["evaluation_results"]:
            details = found["score_details"]
            error = details["uncertainty"]["standard_error"]["value"]
            model, metric = stated["model_info"]["id"], found["metric_config"]["metric_id"]
            yield model, found["evaluation_name"], metric, details["score"], error


def trl() -> Iterator[tuple[Any, ...]]:
    """Yield the mean of what the trainer logs at each step, all of which have as many completions."""
    steps = load(PRODUCED / "summaries" / "trl.json")
    for name in ("length_reward", "right_reward"):
        values = [step[f"rewards/{name}/mean"] for step in steps]
        yield "run-3", "rollouts", name, math.fsum(values) / len(values), None


def verl() -> Iterator[tuple[Any, ...]]:
    """Yield what verl makes of a validation."""
    for step, stated in load(PRODUCED / "summaries" / "verl.json").items():
        yield f"validation @ step {step}", "validation", "score", stated["reward"]["mean@1"], None
        yield f"validation @ step {step}", "validation", "acc", stated["acc"]["mean@1"], None


@pytest.mark.parametrize(
    "tool", [inspect, lm_eval, promptfoo, helm, opencompass, alpaca_eval, lighteval, every_eval_ever, trl, verl]
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


def test_promptfoo_counts_errors_as_not_passed_and_a_note_says_so(result: Evaluation, records: Records) -> None:
    summary = json.loads(gzip.decompress((FIXTURES / "promptfoo" / "sums.json.gz").read_bytes()))["results"]
    (theirs,) = (p["metrics"] for p in summary["prompts"] if (p["provider"], p["label"][:6]) == ("moody", "Answer"))
    estimate = result.estimate("moody | Answer: {{answer}}", "sums", "pass")
    assert estimate.n_unscored == theirs["testErrorCount"] > 0
    with_errors = estimate.n + estimate.n_unscored
    assert estimate.value * estimate.n / with_errors == pytest.approx(theirs["testPassCount"] / with_errors, abs=CLOSE)
    assert any("promptfoo counts them as not passed" in note for s in records.sources for note in s.notes)


def test_verifiers_counts_a_null_as_nothing_and_averages_rollouts(result: Evaluation, records: Records) -> None:
    """A reward that was not computed leaves its trace unscored here; and each task counts once, not each rollout."""
    stated = load(PRODUCED / "summaries" / "verifiers.json")
    (code,) = (i for i, name in enumerate(records.metric.levels) if name == "reward")
    scores, items = records.score[records.metric.codes == code], records.item.codes[records.metric.codes == code]
    known = ~np.isnan(scores)
    assert known.sum() == stated["n"] - 1 == 11
    correct_of_the_null = 0.0  # what verifiers counts for that trace
    theirs = (scores[known].sum() + correct_of_the_null) / stated["n"]
    assert theirs == pytest.approx(stated["reward"], abs=CLOSE)
    by_item = [scores[known & (items == item)].mean() for item in np.unique(items[known])]
    estimate = result.estimate("org/alpha", "sums", "reward")
    assert estimate.value == pytest.approx(math.fsum(by_item) / len(by_item), abs=CLOSE)
    assert (estimate.n, estimate.n_unscored) == (11, 3)
    assert "mean over items" in estimate.method
    notes = [note for source in records.sources if source.format == "verifiers" for note in source.notes]
    assert "1 trace with a reward that was not computed: unscored; verifiers adds up the others" in notes
