"""Logs of promptfoo, written by it (tests/fixtures/make_promptfoo.sh), against the summary that it wrote into them."""

from __future__ import annotations

import gzip
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neff import evaluate, read
from neff.errors import RecordsError
from neff.records import ColumnMap, Records
from neff.records.detect import detect
from neff.records.promptfoo import READER
from neff.records.reader import head_of

LOGS = Path(__file__).parent.parent / "fixtures" / "promptfoo"
OUTPUT = json.loads(gzip.decompress((LOGS / "sums.json.gz").read_bytes()))
ROWS = OUTPUT["results"]["results"]
N_TESTS, N_PROMPTS, N_PROVIDERS, N_REPEATS = 7, 2, 2, 3
ERROR = 2


def load(path: Path, columns: ColumnMap | None = None) -> Records:
    assert detect(path) is READER
    return READER.read(path, columns or ColumnMap(), "all")


def write(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value))
    return path


def lines(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(params=["output", "summary 3", "summary 2", "jsonl"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The same results in each of the shapes that promptfoo has written."""
    summary = OUTPUT["results"]
    match request.param:
        case "output":
            return LOGS / "sums.json.gz"
        case "summary 3":
            return write(tmp_path / "out.json", summary)
        case "summary 2":
            head = {"prompts": summary["prompts"], "vars": ["left"]}
            old = {"version": 2, "timestamp": summary["timestamp"], "results": ROWS, "stats": summary["stats"]}
            return write(tmp_path / "out.json", old | {"table": {"head": head, "body": []}})
        case _:
            return LOGS / "sums.jsonl.gz"


def mean(table: Records, model: str, metric: str) -> float:
    chosen = (np.array(table.model.names()) == model) & (np.array(table.metric.names()) == metric)
    return float(np.nanmean(table.score[chosen]))


# ------------------------------------------------------------------------------- the producer's numbers


def test_every_column_of_promptfoo_is_a_model_with_its_numbers(log: Path) -> None:
    table = load(log)
    prompts = OUTPUT["results"]["prompts"]
    names = [f"{prompt['provider']} | {prompt['label']}" for prompt in prompts]
    assert sorted(names) == list(table.model.levels)
    for name, prompt in zip(names, prompts, strict=True):
        ours = prompt["metrics"]
        graded = ours["testPassCount"] + ours["testFailCount"]
        assert mean(table, name, "pass") == pytest.approx(ours["testPassCount"] / graded, abs=1e-12)
        assert mean(table, name, "score") == pytest.approx(ours["score"] / graded, abs=1e-12)
        for metric, total in ours["namedScores"].items():
            count = ours["namedScoresCount"][metric]
            assert mean(table, name, metric) == pytest.approx(total / count, abs=1e-12)


def test_passes_failures_and_errors_are_those_of_the_summary(log: Path) -> None:
    table = load(log)
    passed = table.score[np.array(table.metric.names()) == "pass"]
    stats = OUTPUT["results"]["stats"]
    assert len(passed) == N_TESTS * N_PROMPTS * N_PROVIDERS * N_REPEATS == len(ROWS)
    assert (passed == 1).sum() == stats["successes"]
    assert (passed == 0).sum() == stats["failures"]
    assert np.isnan(passed).sum() == stats["errors"] > 0
    (note,) = (note for note in table.sources[0].notes if "pass rate" in note)
    theirs = stats["successes"] / len(ROWS)
    ours = stats["successes"] / (stats["successes"] + stats["failures"])
    assert note.startswith(f"{stats['errors']} results of {len(ROWS)} ended with an error: unscored here")
    assert f"pass rate {theirs:.2%} with them, {ours:.2%} of the graded ones" in note
    assert not any("the summary of the file says" in note for note in table.sources[0].notes)


def test_repeats_are_draws_of_one_item(log: Path) -> None:
    table = load(log)
    assert table.item.n_levels == N_TESTS
    assert set(table.draw.tolist()) == set(range(N_REPEATS))
    per_cell = np.unique(table.cell()[np.array(table.metric.names()) == "pass"], return_counts=True)[1]
    assert set(per_cell.tolist()) == {N_REPEATS}
    assert any("scored draws" in note for note in evaluate(table).notes)


def test_all_shapes_give_the_same_rows(log: Path) -> None:
    def cells(table: Records) -> dict[tuple[Any, ...], float | None]:
        keys = zip(table.item.names(), table.model.names(), table.metric.names(), table.draw.tolist(), strict=True)
        return {key: None if math.isnan(v) else v for key, v in zip(keys, table.score.tolist(), strict=True)}

    assert cells(load(log)) == cells(load(LOGS / "sums.json.gz"))


# -------------------------------------------------------------------------------------------- identity


def test_the_same_variables_with_other_assertions_are_another_test() -> None:
    table = load(LOGS / "sums.json.gz")
    (twin,) = (name for name in table.item.levels if name.endswith("#2"))
    assert twin.removesuffix("#2") in table.item.levels
    assert any("several lists of assertions" in note for note in table.sources[0].notes)


def test_an_item_is_its_variables_not_its_number(tmp_path: Path) -> None:
    """Two files pair although a test was added in front."""
    first = [row for row in ROWS if row["provider"]["label"] == "parrot"]
    second = [
        row | {"testIdx": row["testIdx"] + 30, "promptIdx": row["promptIdx"] - 2}
        for row in ROWS
        if row["provider"]["label"] == "moody"
    ]
    lines(tmp_path / "a.jsonl", first)
    lines(tmp_path / "b.jsonl", second)
    both = read(tmp_path)
    assert both.item.n_levels == N_TESTS
    assert both.model.n_levels == N_PROMPTS * N_PROVIDERS


def test_without_variables_the_number_of_the_test_must_do(tmp_path: Path) -> None:
    table = load(lines(tmp_path / "a.jsonl", [row | {"vars": {}} for row in ROWS]))
    assert table.item.n_levels == N_TESTS * N_REPEATS
    assert set(table.draw.tolist()) == {0}
    assert any("results without variables" in note for note in table.sources[0].notes)


def test_variables_that_promptfoo_sets_itself_do_not_count(tmp_path: Path) -> None:
    rows = [row | {"vars": {**row["vars"], "sessionId": str(i)}} for i, row in enumerate(ROWS)]
    assert load(lines(tmp_path / "a.jsonl", rows)).item.n_levels == N_TESTS


def test_two_providers_with_one_name_are_two_models(tmp_path: Path) -> None:
    rows = [row | {"provider": {"id": "openai:gpt", "label": ""}} for row in ROWS]
    table = load(lines(tmp_path / "a.jsonl", rows))
    assert table.model.levels == (
        "openai:gpt | Answer: {{answer}}",
        "openai:gpt | Answer: {{answer}} #2",
        "openai:gpt | {{left}} + {{right}} is {{answer}}",
        "openai:gpt | {{left}} + {{right}} is {{answer}} #2",
    )
    assert mean(table, "openai:gpt | Answer: {{answer}}", "pass") == 1
    assert mean(table, "openai:gpt | Answer: {{answer}} #2", "pass") < 1


def test_a_long_prompt_is_cut_and_stays_itself(tmp_path: Path) -> None:
    prompts = ["You are kind.\n" * 9 + end for end in ("Yes?", "No?")]
    rows = [row | {"prompt": {"raw": "x", "label": prompts[row["promptIdx"] % 2]}, "provider": "p"} for row in ROWS[:8]]
    models = load(lines(tmp_path / "a.jsonl", rows)).model.levels
    assert len(models) == 4
    assert all(len(model) < 60 and "\n" not in model for model in models)


def test_clusters_name_a_variable() -> None:
    for name in ("passage", "vars.passage"):
        assert load(LOGS / "sums.json.gz", ColumnMap(cluster=name)).clusters[0].levels == ("p1", "p2", "p3")
    with pytest.raises(RecordsError, match=r"no sample has the vars key 'pasage'.*'passage'"):
        load(LOGS / "sums.json.gz", ColumnMap(cluster="pasage"))


def test_the_description_is_the_task_and_lines_have_none(tmp_path: Path) -> None:
    assert load(LOGS / "sums.json.gz").task.levels == ("sums",)
    assert load(LOGS / "sums.jsonl.gz").task.levels == ("promptfoo",)


def test_both_outputs_of_one_run_are_read_once(tmp_path: Path) -> None:
    write(tmp_path / "out.json", OUTPUT)
    lines(tmp_path / "out.jsonl", ROWS)
    table = read(tmp_path, strict=True)
    assert [Path(source.path).name for source in table.sources] == ["out.json"]


# ------------------------------------------------------------------------------------------ the traps


def test_an_error_has_no_score_in_any_metric() -> None:
    table = load(LOGS / "sums.json.gz")
    errors = sum(row["failureReason"] == ERROR for row in ROWS)
    for metric in ("pass", "score", "opening", "modest"):
        assert np.isnan(table.score[np.array(table.metric.names()) == metric]).sum() == errors


def test_files_without_reasons_of_failure(tmp_path: Path) -> None:
    """As before failureReason: an error message without grading is an error, with grading it is a verdict."""
    old = [{key: value for key, value in row.items() if key != "failureReason"} for row in ROWS]
    table = load(lines(tmp_path / "a.jsonl", old))
    stats = OUTPUT["results"]["stats"]
    assert np.isnan(table.score[np.array(table.metric.names()) == "pass"]).sum() == stats["errors"]


def test_a_summary_that_says_something_else_is_noted(tmp_path: Path) -> None:
    summary = OUTPUT["results"] | {"results": ROWS[:-1]}
    notes = load(write(tmp_path / "out.json", summary)).sources[0].notes
    assert any("the summary of the file says" in note for note in notes)


def test_values_that_are_no_scores_are_counted(tmp_path: Path) -> None:
    graded = [i for i, row in enumerate(ROWS) if row["failureReason"] != ERROR]
    rows = [dict(row) for row in ROWS]
    rows[graded[0]]["namedScores"] = {"opening": "high", "modest": None}
    rows[graded[1]]["score"] = None
    notes = load(lines(tmp_path / "a.jsonl", rows)).sources[0].notes
    assert "opening: 1 value that cannot be a score, counted as unscored" in notes


def test_no_results_at_all(tmp_path: Path) -> None:
    with pytest.raises(RecordsError, match="no results"):
        load(write(tmp_path / "out.json", OUTPUT["results"] | {"results": []}))
    with pytest.raises(RecordsError, match="no list of results"):
        load(write(tmp_path / "out.json", OUTPUT["results"] | {"results": None}))


@pytest.mark.parametrize(
    "head", [b"", b'{"results": {"version": 3}}', b'{"version": 3, "item": "q"}', b'{"provider": "x", "score": 1}\n']
)
def test_other_content_is_not_ours(head: bytes) -> None:
    assert not READER.sniff(Path("out.json"), head)


def test_recognised_without_its_name(log: Path, tmp_path: Path) -> None:
    path = tmp_path / "no-suffix"
    path.write_bytes(log.read_bytes())
    assert READER.sniff(path, head_of(path))
