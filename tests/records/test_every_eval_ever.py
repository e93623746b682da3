"""Every-Eval-Ever (built from its schema): samples, and the aggregates that name their metrics."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neff import evaluate, read
from neff.errors import RecordsError
from neff.records import ColumnMap, Records
from neff.records.detect import detect
from neff.records.every_eval_ever import READER

LOGS = Path(__file__).parent.parent / "fixtures" / "every_eval_ever"
N = 13


def load(path: Path, columns: ColumnMap | None = None) -> Records:
    assert detect(path) is READER
    return READER.read(path, columns or ColumnMap(), "all")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A copy of one aggregate with its samples; returns the samples."""
    for path in LOGS.glob("*01*"):
        shutil.copy(path, tmp_path)
    (samples,) = tmp_path.glob("*_samples.jsonl")
    return samples


def aggregate_of(samples: Path) -> Path:
    return samples.with_name(samples.name.replace("_samples.jsonl", ".json"))


def changed(samples: Path, change: Any) -> Path:
    lines = [change(json.loads(line)) for line in samples.read_text().splitlines()]
    samples.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return samples


@pytest.mark.parametrize("path", sorted(LOGS.glob("*_samples.jsonl")), ids=lambda path: path.name[-18:-14])
def test_means_are_those_of_the_aggregate(path: Path) -> None:
    aggregate = json.loads(aggregate_of(path).read_text())
    result = evaluate(load(path))
    assert len(result.estimates) == 2
    for stated in aggregate["evaluation_results"]:
        metric = stated["metric_config"]["metric_id"]
        estimate = result.estimate(aggregate["model_info"]["id"], "sums", metric)
        assert estimate.value == pytest.approx(stated["score_details"]["score"], abs=1e-12)
        assert estimate.n_unscored == 1
    assert result.lower_is_better == {"length"}


def test_models_pair_by_hash_and_equal_hashes_by_id() -> None:
    table = read(LOGS, strict=True)
    assert table.model.levels == ("org/alpha", "org/beta")
    assert table.item.n_levels == N
    assert [name.partition("#")[2] for name in table.item.levels if "#" in name] == ["sums-2", "sums-8"]
    assert set(table.draw.tolist()) == {0}  # two metrics of one sample are no repeats
    assert len(table.sources) == 2


def test_an_error_with_score_0_is_unscored_and_another_is_kept(run: Path) -> None:
    table = load(run)
    assert np.isnan(table.score).sum() == 2
    assert "2 samples ended with an error and score 0: unscored" in table.sources[0].notes

    def score(line: dict[str, Any]) -> dict[str, Any]:
        return line | {"evaluation": {"score": 0.5, "is_correct": False}} if line["error"] else line

    assert not np.isnan(load(changed(run, score)).score).any()


def test_without_the_aggregate_metrics_have_the_names_of_their_ids(run: Path) -> None:
    aggregate_of(run).unlink()
    table = load(run)
    assert table.metric.levels == ("sums/accuracy", "sums/length")
    assert table.lower_is_better == frozenset()
    assert any("no aggregate file" in note for note in table.sources[0].notes)
    plain = load(changed(run, lambda line: line | {"evaluation_result_id": None, "evaluation_name": line["sample_id"]}))
    assert plain.metric.levels == ("score",)


def test_a_name_that_two_metrics_share_names_neither(run: Path) -> None:
    def drop(line: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in line.items() if key != "evaluation_result_id"}

    table = load(changed(run, drop))
    assert table.metric.levels == ("score",)
    assert set(table.draw.tolist()) == {0, 1}


def test_without_hashes_items_are_ids(run: Path) -> None:
    table = load(changed(run, lambda line: line | {"sample_hash": None}))
    assert table.item.levels[:2] == ("sums-0", "sums-1")
    assert any("26 samples of 26 without sample_hash" in note for note in table.sources[0].notes)


def test_several_lines_of_one_sample_are_draws(run: Path) -> None:
    run.write_text(run.read_text() * 3)
    table = load(run)
    assert sorted(set(table.draw.tolist())) == [0, 1, 2]
    assert table.item.n_levels == N


def test_a_mean_that_is_not_the_stated_one_is_noted(run: Path) -> None:
    aggregate = json.loads(aggregate_of(run).read_text())
    aggregate["evaluation_results"][0]["score_details"]["score"] = 0.125
    aggregate_of(run).write_text(json.dumps(aggregate))
    assert any("the aggregate says 0.125" in note for note in load(run).sources[0].notes)


def test_the_aggregate_leads_to_its_samples_and_alone_says_what_it_holds(run: Path) -> None:
    assert len(load(aggregate_of(run))) == 2 * N
    run.unlink()
    with pytest.raises(RecordsError, match=r"only averages \(sums accuracy 0\.\d+, sums length \d.*_samples\.jsonl"):
        load(aggregate_of(run))
    aggregate_of(run).write_text(json.dumps([json.loads(aggregate_of(run).read_text())] * 2))
    with pytest.raises(RecordsError, match="only averages"):
        load(aggregate_of(run))


def test_metadata_can_be_clusters() -> None:
    path = next(LOGS.glob("*_samples.jsonl"))
    assert load(path, ColumnMap(cluster="passage")).clusters[0].levels == ("p0", "p1", "p2")


@pytest.mark.parametrize("head", [b"", b'{"schema_version": "0.3.0"}', b'{"schema_version": "0.3.0", "model_id": "m"}'])
def test_other_content_is_not_ours(head: bytes) -> None:
    assert not READER.sniff(Path("x.jsonl"), head)
