"""Runs of HELM (built from its source, see tests/fixtures/make_built_fixtures.py) against their stats.json."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neff import read
from neff.errors import RecordsError
from neff.records import ColumnMap, Records
from neff.records.detect import detect
from neff.records.helm import READER

RUNS = Path(__file__).parent.parent / "fixtures" / "helm"
MAIN = "per_instance_stats.json"
N_INSTANCES, N_TRIALS, N_METRICS = 7, 2, 3
TASK = "mmlu:subject=law,method=multiple_choice_joint,data_augmentation=canonical"


def load(path: Path, columns: ColumnMap | None = None) -> Records:
    assert detect(path) is READER
    return READER.read(path, columns or ColumnMap(), "all")


def stats(model: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Return (name, perturbation) -> statistic of the run, on the perturbed instances."""
    found = {}
    for stat in json.loads((RUNS / model / "stats.json").read_text()):
        perturbation = stat["name"].get("perturbation", {"name": "", "computed_on": "perturbed"})
        if perturbation["computed_on"] == "perturbed":
            found[stat["name"]["name"], perturbation["name"]] = stat
    return found


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A copy of a run under the name that HELM gives it."""
    folder = tmp_path / "mmlu:subject=law,method=multiple_choice_joint,model=org_alpha,data_augmentation=canonical"
    shutil.copytree(RUNS / "org_alpha", folder)
    return folder


def by_trial(table: Records, metric: str) -> list[float]:
    chosen = np.array(table.metric.names()) == metric
    return [float(np.nanmean(table.score[chosen & (table.draw == trial)])) for trial in range(N_TRIALS)]


# ------------------------------------------------------------------------------- the producer's numbers


@pytest.mark.parametrize("model", ["org_alpha", "org_beta"])
def test_means_of_trials_are_those_of_stats_json(model: str) -> None:
    table = load(RUNS / model / MAIN)
    checked = 0
    for metric in table.metric.levels:
        name, _, perturbation = metric.removesuffix(")").partition(" (")
        theirs = stats(model)[name, perturbation]
        ours = by_trial(table, metric)
        assert math.fsum(ours) / len(ours) == pytest.approx(theirs["mean"], abs=1e-12)
        assert theirs["count"] == len(ours)
        assert np.var(ours) == pytest.approx(theirs["variance"], abs=1e-12)  # of the population, of trials
        checked += 1
    assert checked == 2 * N_METRICS
    assert not any("stats.json says" in note for note in table.sources[0].notes)


def test_the_missing_score_makes_the_mean_of_trials_differ_from_that_of_rows() -> None:
    """Or the test above could not tell them apart."""
    table = load(RUNS / "org_alpha" / MAIN)
    chosen = np.array(table.metric.names()) == "quasi_exact_match"
    assert np.isnan(table.score[chosen]).sum() == 1
    assert np.nanmean(table.score[chosen]) != pytest.approx(np.mean(by_trial(table, "quasi_exact_match")), abs=1e-6)


def test_a_mean_that_is_not_the_one_of_stats_json_is_noted(run: Path) -> None:
    entries = json.loads((run / MAIN).read_text())
    (run / MAIN).write_text(json.dumps([entry for entry in entries if entry["instance_id"] != "id11"]))
    notes = load(run / MAIN).sources[0].notes
    assert any(note.startswith("exact_match: the instances have the mean 0.") for note in notes)
    (run / "stats.json").write_text("[{")
    assert not any("stats.json says" in note for note in load(run / MAIN).sources[0].notes)


# -------------------------------------------------------------------------------------------- identity


def test_items_are_instances_and_perturbations_and_trials_are_draws() -> None:
    table = load(RUNS / "org_alpha" / MAIN)
    plain = [name for name in table.item.levels if "+" not in name]
    assert plain == [f"id{i + 11}" for i in range(N_INSTANCES)]
    assert sorted(set(table.item.levels) - {*plain}) == [f"{name}+dialect" for name in plain]
    assert set(table.draw.tolist()) == set(range(N_TRIALS))
    assert len(table) == 2 * N_INSTANCES * N_TRIALS * N_METRICS


def test_two_models_pair_on_one_task() -> None:
    both = Records.concat([load(RUNS / model / MAIN) for model in ("org_alpha", "org_beta")])
    assert both.model.levels == ("org/alpha", "org/beta")
    assert both.task.levels == (TASK,)
    assert both.item.n_levels == 2 * N_INSTANCES


def test_without_the_specification_the_folder_says_who_and_what(run: Path) -> None:
    (run / "run_spec.json").unlink()
    table = load(run / MAIN)
    assert table.model.levels == ("org_alpha",)
    assert table.task.levels == (TASK,)
    (run / "run_spec.json").write_text("{")
    assert load(run / MAIN).task.levels == (TASK,)


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("mmlu:subject=law,model=openai_gpt-4", "mmlu:subject=law"),
        ("mmlu:model=openai_gpt-4,subject=law", "mmlu:subject=law"),
        ("mmlu:subject=law,model=a_b,model_deployment=x_b,groups=g", "mmlu:subject=law,groups=g"),
        ("narrative_qa:model=openai_gpt2", "narrative_qa"),
        ("bold:subject=supermodel=3,model=x", "bold:subject=supermodel=3"),
    ],
)
def test_the_task_is_the_run_without_its_model(name: str, task: str, run: Path) -> None:
    spec = json.loads((run / "run_spec.json").read_text())
    (run / "run_spec.json").write_text(json.dumps(spec | {"name": name}))
    assert load(run / MAIN).task.levels == (task,)


def test_a_folder_is_one_source(run: Path) -> None:
    table = read(run.parent, strict=True)
    assert [Path(source.path).name for source in table.sources] == [MAIN]
    assert table.unread == ()


# ------------------------------------------------------------------------------------------ the traps


def test_a_statistic_that_is_missing_is_unscored_not_zero() -> None:
    table = load(RUNS / "org_alpha" / MAIN)
    unscored = np.flatnonzero(np.isnan(table.score))
    assert {table.item.levels[table.item.codes[i]] for i in unscored} == {"id15", "id15+dialect"}
    assert {table.metric.levels[table.metric.codes[i]] for i in unscored} == {
        "quasi_exact_match",
        "quasi_exact_match (dialect)",
    }
    assert any(note.startswith("2 statistics missing for an instance") for note in table.sources[0].notes)


def test_what_was_run_is_kept_but_is_no_metric() -> None:
    table = load(RUNS / "org_alpha" / MAIN)
    assert table.metric.levels[0] == "exact_match"
    assert not any("num_" in metric or "runtime" in metric for metric in table.metric.levels)
    assert table.extra["stats.num_prompt_tokens"].min() == 31
    assert any("num_prompt_tokens, inference_runtime" in note for note in table.sources[0].notes)
    named = load(RUNS / "org_alpha" / MAIN, ColumnMap(label="num_prompt_tokens"))
    assert named.label is not None
    assert named.label.max() == 31 + N_INSTANCES - 1


def test_only_bookkeeping_is_read_as_it_is(run: Path) -> None:
    entries = json.loads((run / MAIN).read_text())
    for entry in entries:
        entry["stats"] = [stat for stat in entry["stats"] if stat["name"]["name"] == "num_prompt_tokens"]
    (run / MAIN).write_text(json.dumps(entries))
    assert load(run / MAIN).metric.levels == ("num_prompt_tokens", "num_prompt_tokens (dialect)")


def test_splits_are_metrics_of_their_own(run: Path) -> None:
    entries = json.loads((run / MAIN).read_text())
    for entry in entries:
        if entry["instance_id"] == "id12":
            for stat in entry["stats"]:
                stat["name"]["split"] = "valid"
    (run / MAIN).write_text(json.dumps(entries))
    metrics = load(run / MAIN).metric.levels
    assert "exact_match (test)" in metrics
    assert "exact_match (valid, dialect)" in metrics
    assert len(metrics) == 4 * N_METRICS


def test_the_same_statistic_twice_counts_once(run: Path) -> None:
    entries = json.loads((run / MAIN).read_text())
    again = {**entries[0], "stats": [{**entries[0]["stats"][0], "mean": 0.25}]}
    (run / MAIN).write_text(json.dumps([*entries, again]))
    table = load(run / MAIN)
    assert len(table) == 2 * N_INSTANCES * N_TRIALS * N_METRICS
    assert 0.25 not in table.score
    assert any(note.startswith("1 statistic came twice") for note in table.sources[0].notes)


def test_sums_stand_in_for_a_mean(run: Path) -> None:
    entries = json.loads((run / MAIN).read_text())
    for entry in entries:
        for stat in entry["stats"]:
            del stat["mean"]
            stat |= {"sum": stat["sum"] * 3, "count": 3}
    whole = load(run / MAIN)
    (run / MAIN).write_text(json.dumps(entries))
    assert load(run / MAIN).score.tolist() == pytest.approx(whole.score.tolist(), nan_ok=True)


def test_predictions_for_display_alone(run: Path) -> None:
    whole = load(run / MAIN)
    (run / MAIN).unlink()
    table = read(run)
    assert table.metric.levels == tuple(m for m in whole.metric.levels if not m.startswith("toxic"))
    assert len(table) == 2 * N_INSTANCES * N_TRIALS * (N_METRICS - 1)
    assert table.model.levels == ("org/alpha",)
    assert np.nansum(table.score) == np.nansum(
        whole.score[[not name.startswith("toxic") for name in whole.metric.names() if name is not None]]
    )
    assert sorted(Path(unread.path).name for unread in table.unread) == [
        "display_requests.json",
        "instances.json",
        "run_spec.json",
        "scenario_state.json",
        "stats.json",
    ]


@pytest.mark.parametrize("name", ["stats.json", "run_spec.json", "scenario_state.json", "display_requests.json"])
def test_other_files_of_a_run_say_where_the_scores_are(name: str) -> None:
    with pytest.raises(RecordsError, match=f"no scores of single instances; they are in {MAIN} of the run"):
        load(RUNS / "org_alpha" / name)


def test_no_statistics(run: Path) -> None:
    entries = [{**entry, "stats": []} for entry in json.loads((run / MAIN).read_text())]
    (run / MAIN).write_text(json.dumps(entries))
    with pytest.raises(RecordsError, match="no instance has a statistic"):
        load(run / MAIN)


@pytest.mark.parametrize(
    "head", [b"", b"[", b'[{"instance_id": "id1", "score": 1}]', b'{"instance_id": 1, "stats": []}']
)
def test_other_content_is_not_ours(head: bytes) -> None:
    assert not READER.sniff(Path(MAIN), head)
