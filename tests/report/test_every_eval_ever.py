"""Results in the schema of Every-Eval-Ever: the fields it asks for, the uncertainty, and the way back."""

from __future__ import annotations

import hashlib
import json
import math
import re
from pathlib import Path

import pytest

from neff import evaluate, read
from neff.errors import ArgumentTypeError, OutputError
from neff.evaluate.result import Evaluation
from neff.report import render, write
from neff.report.every_eval_ever import logs, write_datastore

FIXTURES = Path(__file__).parent.parent / "fixtures"
REQUIRED = {
    "schema_version", "evaluation_id", "retrieved_timestamp", "source_metadata", "model_info", "eval_library",
    "evaluation_results",
}  # fmt: skip
OPTIONAL = {"evaluation_timestamp", "detailed_evaluation_results"}
LINE = {
    "schema_version", "evaluation_id", "model_id", "evaluation_name", "evaluation_result_id", "sample_id",
    "interaction_type", "input", "output", "answer_attribution", "evaluation", "error", "metadata",
}  # fmt: skip
"""The schema allows no field that it does not name; these are of eval.schema.json and its instance level, 0.3.0."""


@pytest.fixture(scope="module")
def records():
    return read([FIXTURES / "inspect" / f"arith_{model}.eval" for model in ("alpha", "beta")], cluster="passage")


@pytest.fixture(scope="module")
def result(records):
    return evaluate(records)


def test_logs_have_the_fields_of_the_schema(result):
    made = logs(result)
    assert sorted(made) == ["mockllm/alpha", "mockllm/beta"]
    for model, log in made.items():
        assert set(log) >= REQUIRED
        assert set(log) <= REQUIRED | OPTIONAL
        assert log["schema_version"] == "0.3.0"
        assert log["model_info"]["id"] == model
        assert set(log["model_info"]["additional_details"]) == {"deployment_type", "model_availability"}
        assert log["eval_library"]["name"] == "inspect_ai"
        assert log["source_metadata"]["source_type"] == "evaluation_run"
        assert re.fullmatch(r"arith/mockllm/\w+/\d+", log["evaluation_id"])
        for found in log["evaluation_results"]:
            assert isinstance(found["metric_config"]["lower_is_better"], bool)
            assert all(isinstance(value, str) for value in found["score_details"]["details"].values())


def test_the_uncertainty_is_that_of_the_estimates(result):
    made = logs(result)
    checked = 0
    for estimate in result.estimates:
        (found,) = (
            found
            for found in made[estimate.model]["evaluation_results"]
            if found["evaluation_result_id"] == f"{estimate.task}/{estimate.metric}"
        )
        details = found["score_details"]
        assert details["score"] == estimate.value
        assert details["uncertainty"]["standard_error"]["value"] == estimate.standard_error
        interval = details["uncertainty"]["confidence_interval"]
        assert (interval["lower"], interval["upper"]) == estimate.interval
        assert interval["confidence_level"] == estimate.level
        assert details["uncertainty"]["num_samples"] == estimate.n_items
        assert details["details"]["n_unscored"] == str(estimate.n_unscored)
        assert details["details"]["n_clusters"] == str(estimate.n_clusters)
        checked += 1
    assert checked == 4


def test_one_model_is_one_log_and_several_are_a_list(result, tmp_path):
    path = write(result, tmp_path / "result.eee.json")
    assert json.loads(path.read_text()) == list(logs(result).values())
    one = Evaluation(tuple(e for e in result.estimates if e.model == "mockllm/alpha"), provenance=result.provenance)
    assert json.loads(render(one, "eee"))["model_info"]["name"] == "mockllm/alpha"
    assert json.loads(render(result, "json"))["schema"].startswith("neff.")
    assert write(result, tmp_path / "RESULT.EEE.JSON").read_bytes() == path.read_bytes()


def test_what_is_undefined_is_left_out_with_its_reason():
    one = evaluate({"item": [1], "model": ["a"], "score": [math.nan]})
    (log,) = logs(one).values()
    assert log["evaluation_results"] == []
    assert log["eval_library"]["additional_details"]["undefined all/score"] == "no scored draws"
    single = evaluate({"item": [1], "model": ["a"], "score": [1]})
    (log,) = logs(single).values()
    uncertainty = log["evaluation_results"][0]["score_details"]["uncertainty"]
    assert "standard_error" not in uncertainty  # one item has none, and none is made up
    assert uncertainty["num_samples"] == 1
    assert log["retrieved_timestamp"].isdigit()


def test_other_results_are_refused():
    with pytest.raises(ArgumentTypeError, match="must be an evaluation"):
        render("text", "eee")


def test_the_datastore_and_back(result, records, tmp_path):
    written = write_datastore(result, tmp_path, records=records, collection="my sums")
    assert [path.relative_to(tmp_path).parts[:4] for path in written] == [
        ("data", "my_sums", "mockllm", model.partition("/")[2]) for model in logs(result)
    ]
    for path in written:
        log = json.loads(path.read_text())
        detailed = log["detailed_evaluation_results"]
        samples = path.with_name(f"{path.stem}_samples.jsonl")
        assert detailed["file_path"] == samples.relative_to(tmp_path).as_posix()
        assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", path.stem)
        assert detailed["checksum"] == hashlib.sha256(samples.read_bytes()).hexdigest()
        lines = [json.loads(line) for line in samples.read_text().splitlines()]
        assert detailed["total_rows"] == len(lines) == 46
        for line in lines:
            assert set(line) == LINE
            assert isinstance(line["evaluation"]["score"], float)
            assert all(isinstance(value, str) for value in line["metadata"].values())
    back = read(tmp_path / "data", strict=True, cluster="cluster")
    assert len(back) == len(records)
    again = evaluate(back)
    for estimate in result.estimates:
        same = again.estimate(estimate.model, estimate.task, estimate.metric)
        assert same.value == pytest.approx(estimate.value, abs=1e-12)
        assert same.standard_error == pytest.approx(estimate.standard_error, abs=1e-12)
        assert same.n_unscored == estimate.n_unscored
    assert not any("aggregate says" in note for source in back.sources for note in source.notes)


def test_writing_again_changes_nothing_and_without_records_there_are_no_samples(result, tmp_path):
    first = write_datastore(result, tmp_path)
    contents = [path.read_bytes() for path in first]
    assert write_datastore(result, tmp_path) == first
    assert [path.read_bytes() for path in first] == contents
    assert sorted(tmp_path.rglob("*.json*")) == sorted(first)


def test_repeats_keep_their_order(tmp_path):
    rows = {"item": ["q", "q", "q", "r"], "model": ["a"] * 4, "score": [0.25, 0.5, math.nan, 1], "draw": [2, 0, 1, 0]}
    from neff.records import as_records

    records = as_records(rows)
    write_datastore(evaluate(records), tmp_path, records=records)
    back = read(tmp_path)
    assert [None if math.isnan(score) else score for score in back.score] == [0.5, None, 0.25, 1]
    assert back.draw.tolist() == [0, 1, 2, 0]


def test_a_name_of_a_model_stays_in_the_folder(tmp_path):
    evaluation = evaluate({"item": [1, 2], "model": ["../../x", "a/../b"], "score": [1, 0]})
    for path in write_datastore(evaluation, tmp_path):
        assert tmp_path / "data" in path.parents
        assert ".." not in path.parts


def test_a_folder_that_is_a_file(result, tmp_path):
    (tmp_path / "data").write_text("")
    with pytest.raises(OutputError):
        write_datastore(result, tmp_path)
