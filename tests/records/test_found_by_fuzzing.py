"""What fuzzing (`tests/fuzz`) has found, one test for each finding."""

from __future__ import annotations

import gzip
import json
import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from neff import read
from neff.errors import RecordsError
from neff.records import ColumnMap
from neff.records.lm_eval import READER as LM_EVAL
from neff.records.reader import one_each

FIXTURES = Path(__file__).parent.parent / "fixtures"
HUGE = 10**400
HALF = "\ud800"


def lines_of(name: str) -> list[Any]:
    return [json.loads(line) for line in (FIXTURES / name).read_text().splitlines()]


def put(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_column_whose_name_is_a_book_does_not_make_the_message_one(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("x" * 70_000 + ",foo\n1,2\n")
    with pytest.raises(RecordsError) as caught:
        read(path)
    assert len(str(caught.value)) < 1600 + len(str(path))
    path.write_text("item,model,score," + "x" * 70_000 + "\nq,m,1,1\n")
    assert len(read(path)) == 1


def test_notes_about_a_metric_whose_name_is_a_book_are_no_book(tmp_path: Path) -> None:
    rows = lines_of("verl/rollouts/3.jsonl")
    for row in rows:
        row["y" * 70_000] = 1
    rows[0]["y" * 70_000] = math.inf
    (source,) = read(put(tmp_path / "3.jsonl", rows)).sources
    assert any("cannot be a score" in note for note in source.notes)
    assert max(map(len, source.notes)) < 800


@pytest.mark.parametrize("name", ["verifiers/sums/traces.jsonl", "promptfoo", "every_eval_ever"])
def test_half_a_character_in_a_key_of_a_log_is_refused(tmp_path: Path, name: str) -> None:
    if name == "promptfoo":
        text = gzip.decompress((FIXTURES / "promptfoo" / "sums.jsonl.gz").read_bytes()).decode()
    elif name == "every_eval_ever":
        text = next((FIXTURES / name).glob("*01_samples.jsonl")).read_text()
    else:
        text = (FIXTURES / name).read_text()
    rows = [json.loads(line) for line in text.splitlines()]
    rows[1] = {**rows[1], HALF: 1}
    with pytest.raises(RecordsError, match=r"line 2: .*half a surrogate pair"):
        read(put(tmp_path / "traces.jsonl", rows))


def test_half_a_character_in_a_column_name(tmp_path: Path) -> None:
    rows = [{"item": f"q{i}", "model": "m", "score": i, HALF: i} for i in (0, 1)]
    table = read(put(tmp_path / "a.jsonl", rows))
    assert table.score.tolist() == [0, 1]
    assert set(table.extra) == {HALF}


def test_an_instance_of_helm_without_any_statistic_is_unscored_not_lost(tmp_path: Path) -> None:
    rows = json.loads((FIXTURES / "helm" / "org_alpha" / "display_predictions.json").read_text())
    whole = read(FIXTURES / "helm" / "org_alpha" / "display_predictions.json")
    rows[3]["stats"] = {}
    path = tmp_path / "display_predictions.json"
    path.write_text(json.dumps(rows))
    table = read(path)
    assert len(table) == len(whole)
    assert math.isnan(table.score.sum())
    assert any("missing for an instance" in note for note in table.sources[0].notes)


def test_the_number_of_a_repeat_that_no_integer_holds(tmp_path: Path) -> None:
    rows = json.loads((FIXTURES / "helm" / "org_alpha" / "per_instance_stats.json").read_text())
    rows[0]["train_trial_index"] = 2**63
    path = tmp_path / "per_instance_stats.json"
    path.write_text(json.dumps(rows))
    with pytest.raises(RecordsError, match="more than 18 digits"):
        read(path)


def test_numbers_of_summaries_that_no_float_holds(tmp_path: Path) -> None:
    """The scores are read; what cannot be compared with them is not."""
    details = json.loads((FIXTURES / "opencompass" / "results" / "alpha" / "gpqa.json").read_text())
    path = tmp_path / "gpqa.json"
    path.write_text(json.dumps({**details, "accuracy": HUGE}))
    assert len(read(path)) == 13
    path = tmp_path / "results" / "alpha" / "gpqa.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"accuracy": 12, "f1": HUGE}))
    with pytest.raises(RecordsError, match=r"only averages \(accuracy 12\)"):
        read(path)
    (source,) = (FIXTURES / "lm_eval" / "org__alpha").glob("samples_words*")
    (results,) = (FIXTURES / "lm_eval" / "org__alpha").glob("results*")
    changed = json.loads(results.read_text())
    changed["results"]["words"]["exact_match,strict-match"] = HUGE
    (tmp_path / results.name).write_text(json.dumps(changed))
    (tmp_path / source.name).write_bytes(source.read_bytes())
    assert len(read(tmp_path / source.name)) == len(read(source))
    aggregate = json.loads(next((FIXTURES / "every_eval_ever").glob("*01.json")).read_text())
    aggregate["evaluation_results"][0]["score_details"]["score"] = HUGE
    (tmp_path / "x.json").write_text(json.dumps(aggregate))
    with pytest.raises(RecordsError, match="holds only averages"):
        read(tmp_path / "x.json")


def test_scores_of_lm_eval_that_no_float_holds_are_unscored(tmp_path: Path) -> None:
    (source,) = (FIXTURES / "lm_eval" / "org__alpha").glob("samples_words*")
    rows = [json.loads(line) for line in source.read_text().splitlines()]
    rows[2]["exact_match"] = HUGE
    table = read(put(tmp_path / "samples_words.jsonl", rows))
    assert len(table) == len(rows)
    assert math.isnan(table.score.sum())
    (of_repeats,) = (FIXTURES / "lm_eval" / "repeats").glob("*/samples*")
    rows = [json.loads(line) for line in of_repeats.read_text().splitlines()]
    for row in rows:
        row["exact_match"] = [0, 1, HUGE]
    with pytest.raises(RecordsError, match="no score per document"):
        read(put(tmp_path / "samples_thrice.jsonl", rows))


# ------------------------------------------------------------------- several objects on a line, far down the file


@pytest.mark.parametrize("long", [False, True])
@pytest.mark.parametrize(
    ("text", "n", "right"),
    [
        ("{}\n{}\n", 2, True),
        ("{}\r\n{}\r\n", 2, True),
        ("{}\n{}", 2, True),
        ("{}", 1, True),
        ("{}{}\n\n", 2, False),
        ("{} {}\n\n", 2, False),
        ('{"a":\n1}{}\n', 2, False),
        ("{}\n\n{}\n", 2, False),
        ("{}\n {}\n", 2, False),
        ("\n{}\n{}\n", 2, False),
        ("[]\n{}\n", 2, False),
        ("{}\n{}\n", 3, False),
        ("{}\n", 0, False),
    ],
)
def test_one_object_on_each_line(text: str, n: int, right: bool, long: bool) -> None:
    if long:
        text = text.replace("{}", '{"a": "' + "x" * 999 + '"}')
    assert one_each(memoryview(text.encode()), n) is right


@pytest.mark.parametrize("length", [1, 999])
def test_lm_eval_lines_are_as_strict_at_the_end_as_at_the_beginning(tmp_path: Path, length: int) -> None:
    rows = [
        {
            "doc_id": i,
            "doc": {"q": "x" * length},
            "filter": "none",
            "metrics": ["acc"],
            "doc_hash": f"{i:064x}",
            "acc": 1.0,
        }
        for i in range(1009)
    ]
    texts = [json.dumps(row) for row in rows]
    path = tmp_path / "samples_a.jsonl"

    def table(texts: list[str]) -> Any:
        path.write_text("\n".join(texts) + "\n")
        return LM_EVAL.read(path, ColumnMap(), "mapped")

    assert len(table(texts)) == 1009
    with pytest.raises(RecordsError, match="line 801"):
        table([*texts[:800], texts[800] + texts[801], "", *texts[802:]])
    with pytest.raises(RecordsError, match="line 801"):
        table([*texts[:800], texts[800].replace('"doc": ', '"doc":\n'), *texts[801:]])
    assert len(table([*texts[:800], "", *texts[800:]])) == 1009


def test_a_reward_of_verifiers_that_is_not_in_the_file_is_unscored(tmp_path: Path) -> None:
    rows = lines_of("verifiers/sums/traces.jsonl")
    whole = read(put(tmp_path / "traces.jsonl", rows))
    del rows[0]["traces"][0]["rewards"]["style"]
    table = read(put(tmp_path / "traces.jsonl", rows))
    assert len(table) == len(whole)
    assert sum(map(math.isnan, table.score)) == sum(map(math.isnan, whole.score)) + 1


@pytest.mark.parametrize("step", [[[1]] * 2, [{"a": 1}] * 2, [b"1"] * 2])
def test_steps_of_trl_that_are_no_numbers(tmp_path: Path, step: list[Any]) -> None:
    table = pa.table({"step": step, "prompt": ["p", "p"], "completion": ["a", "b"], "reward": [0.0, 1.0]})
    path = tmp_path / "completions_00001.parquet"
    pq.write_table(table, path)
    if isinstance(step[0], bytes):
        assert len(read(path)) == 2  # text that a reader of other tools wrote
    else:
        with pytest.raises(RecordsError, match="step"):
            read(path)


@pytest.mark.parametrize("kind", [pa.int8(), pa.int64(), pa.uint16(), pa.uint64(), pa.float32(), pa.bool_()])
def test_rewards_of_trl_of_every_type(tmp_path: Path, kind: Any) -> None:
    path = tmp_path / "completions_00001.parquet"
    reward = pa.array([0, 1], kind) if kind != pa.bool_() else pa.array([False, True])
    pq.write_table(
        pa.table(
            {"step": pa.array([3, 3], pa.uint64()), "prompt": ["p", "p"], "completion": ["a", "b"], "reward": reward}
        ),
        path,
    )
    assert read(path).score.tolist() == [0, 1]
