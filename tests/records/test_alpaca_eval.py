"""Annotations of alpaca_eval (built from its source) against the row of the leaderboard made from them."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neff import evaluate
from neff.errors import RecordsError
from neff.records import ColumnMap, Records
from neff.records.alpaca_eval import READER
from neff.records.detect import detect

LOGS = Path(__file__).parent.parent / "fixtures" / "alpaca_eval"
N = 17
METRIC = "win_rate vs gpt4_turbo"


def load(path: Path, columns: ColumnMap | None = None) -> Records:
    assert detect(path) is READER
    return READER.read(path, columns or ColumnMap(), "all")


def annotations(model: str = "alpha") -> list[dict[str, Any]]:
    return json.loads((LOGS / model / "annotations.json").read_text())


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text(json.dumps(rows))
    return path


@pytest.mark.parametrize("model", ["alpha", "beta"])
def test_the_win_rate_and_its_error_are_those_of_the_leaderboard(model: str) -> None:
    with (LOGS / model / "leaderboard.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    (estimate,) = evaluate(load(LOGS / model / "annotations.json")).estimates
    assert estimate.metric == METRIC
    assert estimate.model == model
    assert estimate.n == int(row["n_total"])
    assert 100 * estimate.value == pytest.approx(float(row["win_rate"]), abs=1e-9)
    assert 100 * estimate.standard_error == pytest.approx(float(row["standard_error"]), abs=1e-9)


def test_preferences_are_win_probabilities_of_the_second_output(tmp_path: Path) -> None:
    preferences = [1, 2, 1.5, 0, 1.25, None, 0.5, 2.5, math.nan, "1.75", "m", True]
    rows = [row | {"preference": value} for row, value in zip(annotations(), preferences, strict=False)]
    table = load(written(tmp_path / "annotations.json", rows))
    expected = [0, 1, 0.5, 0.5, 0.25, None, None, None, None, 0.75, None, 0]
    assert [None if math.isnan(score) else score for score in table.score] == expected
    assert table.sources[0].notes == (
        f"{METRIC}: 1 value that cannot be a score, counted as unscored",
        "1 item occurs more than once (equal instruction): told apart by order",
        "1 annotation without a preference (the judge failed): unscored",
        "2 preferences outside 1 to 2: unscored, as in alpaca_eval",
    )


def test_two_models_pair_by_instruction() -> None:
    both = Records.concat([load(LOGS / model / "annotations.json") for model in ("alpha", "beta")])
    assert both.item.n_levels == N  # one instruction occurs twice: it counts twice, as in alpaca_eval
    assert sum("#2" in name for name in both.item.levels) == 1
    assert both.model.levels == ("alpha", "beta")
    assert both.task.levels == ("weighted_alpaca_eval_gpt4_turbo",)
    (comparison,) = evaluate(both).comparisons
    assert comparison.n_items == N - 2  # the same two are unscored in both


def test_another_judge_or_another_reference_is_another_result(tmp_path: Path) -> None:
    rows = annotations()
    other = [row | {"annotator": "claude"} for row in rows] + [
        row | {"generator_1": "text_davinci_003"} for row in rows
    ]
    table = load(written(tmp_path / "annotations.json", rows + other))
    groups = set(zip(table.task.names(), table.metric.names(), strict=True))
    assert len(groups) == 3
    assert table.item.n_levels == N
    assert set(table.draw.tolist()) == {0}


def test_the_data_set_can_be_the_cluster() -> None:
    assert load(LOGS / "alpha" / "annotations.json", ColumnMap(cluster="dataset")).clusters[0].levels == (
        "helpful_base",
        "koala",
    )


def test_outputs_and_completions_are_not_kept() -> None:
    table = load(LOGS / "alpha" / "annotations.json")
    assert sorted(table.extra) == ["annotation.annotator", "annotation.dataset", "annotation.price_per_example"]
    assert np.nanmax(table.extra["annotation.price_per_example"]) == 0.0025


@pytest.mark.parametrize("lost", ["generator_2", "instruction"])
def test_an_annotation_without_its_key_is_named(lost: str, tmp_path: Path) -> None:
    rows = annotations()
    del rows[4][lost]
    with pytest.raises(RecordsError, match=f"annotation 5 has no {lost}"):
        load(written(tmp_path / "annotations.json", rows))


@pytest.mark.parametrize(
    "head", [b"", b"[]", b'[{"instruction": "x", "output": "y", "generator": "z"}]', b'{"instruction": 1}']
)
def test_other_content_is_not_ours(head: bytes) -> None:
    assert not READER.sniff(Path("annotations.json"), head)
