"""Dumps of TRL, verl and verifiers (built from their source): groups are items, rollouts are draws."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from neff import evaluate, read
from neff.errors import RecordsError
from neff.records import ColumnMap, Records
from neff.records.detect import detect

FIXTURES = Path(__file__).parent.parent / "fixtures"
TRL = FIXTURES / "trl" / "run-7" / "completions"
VERL = FIXTURES / "verl"
VERIFIERS = FIXTURES / "verifiers"


def load(path: Path, columns: ColumnMap | None = None) -> Records:
    return detect(path).read(path, columns or ColumnMap(), "all")


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def written(path: Path, lines: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def of(table: Records, metric: str) -> np.ndarray[Any, Any]:
    return table.score[np.array(table.metric.names()) == metric]


# --------------------------------------------------------------------------------------------------- TRL


def test_trl_rewards_are_metrics_and_groups_are_items() -> None:
    path = TRL / "completions_00005.parquet"
    frame = pd.read_parquet(path)
    table = load(path)
    assert table.sources[0].format == "trl"
    assert table.metric.levels == ("accuracy_reward", "format_reward")
    for metric in table.metric.levels:
        assert of(table, metric) == pytest.approx(frame[metric].to_numpy(), nan_ok=True)
    assert table.item.n_levels == frame["prompt"].nunique() == 3
    assert sorted(set(table.draw.tolist())) == [0, 1, 2, 3]
    assert table.model.levels == ("run-7",)


def test_trl_a_prompt_that_comes_back_is_another_item_and_runs_pair_by_step() -> None:
    table = read(TRL)
    assert table.item.n_levels == 6
    prompts = {name.partition(" @ ")[0] for name in table.item.levels}
    assert len(prompts) == 3
    assert {name.partition(" @ ")[2] for name in table.item.levels} == {"5", "10"}


def test_trl_a_reward_that_does_not_apply_is_unscored() -> None:
    table = load(TRL / "completions_00005.parquet")
    assert np.isnan(of(table, "format_reward")).sum() == 4
    assert not np.isnan(of(table, "accuracy_reward")).any()
    notes = " ".join(table.sources[0].notes)
    assert "no log-probs" in notes
    assert "(accuracy_reward, format_reward)" in notes


def test_trl_other_columns_are_kept_and_can_have_a_role() -> None:
    table = load(TRL / "completions_00005.parquet")
    assert sorted(table.extra) == ["column.advantage", "column.answer", "column.step"]
    named = load(TRL / "completions_00005.parquet", ColumnMap(label="accuracy_reward", cluster="answer"))
    assert named.metric.levels == ("format_reward",)
    assert named.label is not None
    assert named.clusters[0].levels == ("1", "2", "3")
    with pytest.raises(RecordsError, match="no sample has the column key 'answr'"):
        load(TRL / "completions_00005.parquet", ColumnMap(cluster="answr"))


def test_trl_whoever_names_columns_gets_a_plain_table() -> None:
    table = load(TRL / "completions_00005.parquet", ColumnMap(item="prompt", score="advantage"))
    assert table.sources[0].format == "parquet"
    assert table.item.levels[0].startswith("<|user|>")


def test_trl_without_advantage_as_older_versions_wrote(tmp_path: Path) -> None:
    path = tmp_path / "completions_00005.parquet"
    pd.read_parquet(TRL / path.name).drop(columns=["advantage", "parsed"]).to_parquet(path)
    assert load(path).metric.levels == ("accuracy_reward", "format_reward")


def test_trl_no_reward(tmp_path: Path) -> None:
    path = tmp_path / "completions_00005.parquet"
    pd.read_parquet(TRL / path.name)[["step", "prompt", "completion", "answer"]].to_parquet(path)
    with pytest.raises(RecordsError, match="no column holds numbers"):
        load(path)
    pd.read_parquet(TRL / path.name)[:0].to_parquet(path)
    with pytest.raises(RecordsError, match="no rows"):
        load(path)


@pytest.mark.parametrize(
    "columns", [["prompt", "step", "completion"], ["item", "score", "step", "prompt", "completion"], ["step", "prompt"]]
)
def test_trl_other_tables_are_not_ours(columns: list[str], tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    pd.DataFrame({name: [1] for name in columns}).to_parquet(path)
    assert detect(path).name == "parquet"


# -------------------------------------------------------------------------------------------------- verl


def test_verl_rollouts_of_one_prompt_are_draws() -> None:
    lines = lines_of(VERL / "rollouts" / "3.jsonl")
    table = load(VERL / "rollouts" / "3.jsonl")
    assert table.sources[0].format == "verl"
    assert of(table, "score").tolist() == pytest.approx([line["score"] for line in lines], nan_ok=True)
    assert of(table, "acc").tolist() == [float(line["acc"]) for line in lines]
    assert np.isnan(of(table, "score")).sum() == 1  # bare NaN
    assert table.item.n_levels == 4  # one input has two right answers: two prompts
    assert len({line["input"] for line in lines}) == 3
    assert sorted(set(table.draw.tolist())) == [0, 1, 2]
    assert table.model.levels == ("rollouts",)
    assert "line.request_id" in table.extra


def test_verl_a_uid_names_the_prompt() -> None:
    table = load(VERL / "named" / "3.jsonl")
    assert table.item.levels == ("s0 @ 3", "s1 @ 3", "s2 @ 3", "s3 @ 3")
    assert table.metric.levels == ("acc", "score")


def test_verl_old_dumps_have_no_answers() -> None:
    table = load(VERL / "old" / "3.jsonl")
    assert table.metric.levels == ("score",)
    assert table.item.n_levels == 3


def test_verl_steps_of_validation_are_models_on_the_same_items() -> None:
    table = read(VERL / "validation")
    assert table.model.levels == ("validation @ step 0", "validation @ step 20")
    assert table.metric.levels == ("acc", "score")
    assert table.item.n_levels == 11
    result = evaluate(table)
    for step in (0, 20):
        lines = lines_of(VERL / "validation" / f"{step}.jsonl")
        mean = sum(line["score"] for line in lines) / len(lines)
        assert result.estimate(f"validation @ step {step}", metric="score").value == pytest.approx(mean, abs=1e-12)
    assert {comparison.n_items for comparison in result.comparisons} == {11}


def test_verl_one_reward_that_differs_is_no_validation(tmp_path: Path) -> None:
    lines = lines_of(VERL / "validation" / "0.jsonl")
    lines[3]["reward"] = 0.5
    table = load(written(tmp_path / "0.jsonl", lines))
    assert table.task.levels == ("rollouts",)
    assert table.metric.levels == ("acc", "reward", "score")


def test_verl_whoever_names_columns_gets_a_plain_table() -> None:
    table = load(VERL / "rollouts" / "3.jsonl", ColumnMap(item="request_id", score="acc"))
    assert table.sources[0].format == "jsonl"
    assert table.item.n_levels == 12


def test_verl_a_prompt_longer_than_the_head_is_known_by_its_file(tmp_path: Path) -> None:
    lines = [line | {"input": "x" * (1 << 17)} for line in lines_of(VERL / "rollouts" / "3.jsonl")]
    assert detect(written(tmp_path / "a" / "3.jsonl", lines)).name == "jsonl"
    lines = [{"input": line["input"][:9], "output": "x" * (1 << 17), **line} for line in lines]
    lines = [line | {"input": "y", "output": "x" * (1 << 17)} for line in lines]
    assert detect(written(tmp_path / "b" / "3.jsonl", lines)).name == "verl"
    assert detect(written(tmp_path / "b" / "answers.jsonl", lines)).name == "jsonl"


@pytest.mark.parametrize("line", [{"input": "a", "output": "b", "score": 1}, {"output": "b", "score": 1, "step": 3}])
def test_verl_other_lines_are_not_ours(line: dict[str, Any], tmp_path: Path) -> None:
    assert detect(written(tmp_path / "3.jsonl", [line])).name == "jsonl"


def test_verl_a_line_without_step(tmp_path: Path) -> None:
    lines = lines_of(VERL / "rollouts" / "3.jsonl")
    del lines[4]["step"]
    with pytest.raises(RecordsError, match=r"no input or no step"):
        load(written(tmp_path / "3.jsonl", lines))


# --------------------------------------------------------------------------------------------- verifiers


def traces() -> list[dict[str, Any]]:
    return [trace for episode in lines_of(VERIFIERS / "sums" / "traces.jsonl") for trace in episode["traces"]]


def test_verifiers_the_reward_is_the_weighted_sum() -> None:
    table = load(VERIFIERS / "sums" / "traces.jsonl")
    assert table.sources[0].format == "verifiers"
    assert table.metric.levels == ("correct", "num_turns", "reward", "style")
    expected = [
        sum(reward["score"] * reward["weight"] for reward in trace["rewards"].values()) if trace["ok"] else math.nan
        for trace in traces()
    ]
    assert of(table, "reward").tolist()[:-1] == pytest.approx(expected, nan_ok=True)
    scores = [trace["rewards"]["style"]["score"] if trace["ok"] else math.nan for trace in traces()]
    assert of(table, "style").tolist()[:-1] == pytest.approx(scores, nan_ok=True)


def test_verifiers_failures_are_unscored_and_counted() -> None:
    table = load(VERIFIERS / "sums" / "traces.jsonl")
    assert len(of(table, "reward")) == 7 * 2 + 1
    for metric in table.metric.levels:
        assert np.isnan(of(table, metric)).sum() == 2
    assert table.sources[0].notes == (
        "1 trace ended with an error: unscored",
        "1 episode failed before any trace: unscored",
    )


def test_verifiers_tasks_are_items_and_rollouts_are_draws() -> None:
    table = load(VERIFIERS / "sums" / "traces.jsonl", ColumnMap(cluster="level"))
    assert table.item.n_levels == 7
    assert table.task.levels == ("sums",)
    assert table.model.levels == ("org/alpha",)
    assert sorted(set(table.draw.tolist())) == [0, 1, 2]  # the lost episode was a third of the first task
    assert table.clusters[0].levels == ("easy", "hard")


def test_verifiers_one_trace_per_line() -> None:
    table = load(VERIFIERS / "flat" / "traces.jsonl")
    assert table.task.levels == ("SumTask",)
    assert of(table, "reward").tolist() == pytest.approx(
        of(load(VERIFIERS / "sums" / "traces.jsonl"), "reward").tolist()[:-1], nan_ok=True
    )


def test_verifiers_agents_are_models() -> None:
    table = load(VERIFIERS / "pair" / "traces.jsonl")
    assert table.model.levels == ("org/critic (critic)", "org/solver (solver)")
    assert table.item.n_levels == 2
    assert sorted(set(table.draw.tolist())) == [0, 1]


def test_verifiers_a_single_reward_is_not_told_twice(tmp_path: Path) -> None:
    lines = lines_of(VERIFIERS / "flat" / "traces.jsonl")
    for line in lines:
        del line["rewards"]["style"]
    table = load(written(tmp_path / "traces.jsonl", lines))
    assert table.metric.levels == ("num_turns", "reward")


def test_verifiers_rewards_that_are_no_numbers(tmp_path: Path) -> None:
    lines = lines_of(VERIFIERS / "flat" / "traces.jsonl")
    lines[0]["rewards"]["correct"] = {"score": "high", "weight": 1.0}
    lines[1]["rewards"] = {}
    lines[2]["rewards"]["correct"] = None
    table = load(written(tmp_path / "traces.jsonl", lines))
    assert np.isnan(of(table, "reward"))[:3].all()
    assert "correct: 1 value that cannot be a score, counted as unscored" in table.sources[0].notes


def test_verifiers_a_line_without_task(tmp_path: Path) -> None:
    lines = lines_of(VERIFIERS / "flat" / "traces.jsonl")
    del lines[3]["task"]
    with pytest.raises(RecordsError, match="line has no task"):
        load(written(tmp_path / "traces.jsonl", lines))
