"""Streaming: the same bits as from memory, in any format, order and chunk size; and when rows are needed after all."""

from __future__ import annotations

import gzip
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neff import read
from neff.errors import ArgumentError, RecordsError
from neff.evaluate import Evaluation, evaluate
from neff.records import ItemSums, big, parts, summarise
from neff.records.streaming import NeedsRowsError

if TYPE_CHECKING:
    from collections.abc import Sequence

ROWS = [
    {"item": f"q{j % 53}", "model": f"m{j % 3}", "score": ("", 0, 1, 0.1, 1e3)[j * 7 % 5], "epoch": j // 159}
    for j in range(631)
]


def bits(result: Evaluation, *, notes: bool = True) -> str:
    left_out = ("provenance",) if notes else ("provenance", "notes")
    return json.dumps({name: value for name, value in result.to_dict().items() if name not in left_out})


def write(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    if ".csv" in path.name:
        text = "\n".join([",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]) + "\n"
    elif ".jsonl" in path.name:
        text = "".join(json.dumps({k: v for k, v in row.items() if v != ""}) + "\n" for row in rows)
    elif path.suffix == ".json":
        text = json.dumps([{k: None if v == "" else v for k, v in row.items()} for row in rows])
    else:
        import pyarrow as pa
        from pyarrow import parquet as pq

        columns = {k: [None if row[k] == "" else row[k] for row in rows] for k in rows[0]}
        columns["score"] = [None if v is None else float(v) for v in columns["score"]]
        pq.write_table(pa.table(columns), path, row_group_size=97)
        return path
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of 53 rows or little more, whatever the format."""
    monkeypatch.setattr(parts, "ROWS", 53)
    monkeypatch.setattr("neff.records.delimited._CHUNK", 41)
    monkeypatch.setattr("neff.records.reader.BLOCK", 1 << 11)


# ------------------------------------------------------------------------------------------ the same as memory


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.jsonl", "a.json", "a.parquet"])
@pytest.mark.parametrize("options", [{}, {"unscored": "wrong"}, {"item": "item"}, {"draw": "epoch"}])
def test_streaming_gives_the_bits_of_memory(tmp_path: Path, name: str, options: dict[str, Any]) -> None:
    path = write(tmp_path / name, ROWS)
    expected, found = (evaluate(path, engine=engine, **options) for engine in ("memory", "stream"))
    assert bits(found) == bits(expected)
    (theirs,), (ours,) = expected.provenance.sources, found.provenance.sources
    assert ours == theirs


@pytest.mark.usefixtures("small_parts")
def test_weights_and_clusters(tmp_path: Path) -> None:
    rows = [{**row, "weight": 1 + j % 7 / 7, "passage": int(row["item"][1:]) % 11} for j, row in enumerate(ROWS)]
    for name in ("w.csv", "w.parquet"):
        path = write(tmp_path / name, rows)
        assert bits(evaluate(path, engine="stream")) == bits(evaluate(path, engine="memory"))


@pytest.mark.usefixtures("small_parts")
def test_a_wide_table(tmp_path: Path) -> None:
    rows = [{"id": j, "a": j % 2, "b": j * 5 % 3 % 2, "words": "many words"} for j in range(211)]
    path = write(tmp_path / "wide.csv", rows)
    for model in (["a", "b"], ["?"]):  # named one by one, in parts; by a pattern, read whole
        assert bits(evaluate(path, engine="stream", item="id", model=model)) == bits(
            evaluate(path, engine="memory", item="id", model=model)
        )


def test_logs_are_summed_one_file_at_a_time(tmp_path: Path) -> None:
    fixtures = Path(__file__).parents[1] / "fixtures"
    for folder in ("lm_eval/org__alpha", "inspect/arith_alpha.eval"):
        path = fixtures / folder
        assert bits(evaluate(path, engine="stream")) == bits(evaluate(path, engine="memory"))


def test_real_data(neff_data: Path) -> None:
    path = neff_data / "livebench.parquet"
    options: dict[str, Any] = {"item": "question_id", "task": "task", "pairs": False}
    assert bits(evaluate(path, engine="stream", **options)) == bits(evaluate(path, engine="memory", **options))


@given(order=st.permutations(range(101)), rows=st.integers(1, 120), seed=st.integers(0, 9))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_order_and_no_chunk_size_changes_a_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: list[int], rows: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    table = [{"item": f"q{j % 13}", "model": f"m{j % 3}", "score": repr(float(rng.normal(1e4, 1)))} for j in range(101)]
    expected = evaluate(write(tmp_path / "a.csv", table), engine="memory")
    monkeypatch.setattr(parts, "ROWS", rows)
    monkeypatch.setattr("neff.records.delimited._CHUNK", rows)
    shuffled = write(tmp_path / "b.csv", [table[j] for j in order])
    assert bits(evaluate(shuffled, engine="stream"), notes=False) == bits(expected, notes=False)
    assert bits(evaluate(shuffled, engine="memory"), notes=False) == bits(expected, notes=False)


# ---------------------------------------------------------------------------------------------- several files


def test_several_files(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    for k, name in enumerate(("a.csv", "b.jsonl", "c.parquet")):
        write(tmp_path / "runs" / name, [{**row, "model": f"m{k}"} for row in ROWS[k::3]])
    (tmp_path / "runs" / "broken.csv").write_text("item,score\nq1\n")
    expected, found = (evaluate(tmp_path / "runs", engine=engine) for engine in ("memory", "stream"))
    assert bits(found) == bits(expected)
    assert [Path(unread.path).name for unread in found.unread] == ["broken.csv"]
    with pytest.raises(RecordsError, match="1 fields, the header has 2"):
        summarise(tmp_path / "runs", strict=True)
    with pytest.raises(RecordsError, match="1 fields, the header has 2"):
        summarise(tmp_path / "runs" / "broken.csv")


def test_the_same_draw_in_two_files(tmp_path: Path) -> None:
    rows = [{"item": f"q{j % 7}", "model": "m", "score": j % 3 / 2} for j in range(17)]
    paths = [write(tmp_path / f"{name}.csv", rows[k:]) for k, name in enumerate("ab")]
    with pytest.raises(RecordsError, match=r"item 'q0' of model 'm' is in two files, .*a\.csv and .*b\.csv"):
        summarise(paths)
    for by_file in ("models", "draws"):
        ours, theirs = (evaluate(paths, engine=engine, by_file=by_file) for engine in ("stream", "memory"))
        assert bits(ours) == bits(theirs)


def test_draws_with_names_may_lie_in_two_files(tmp_path: Path) -> None:
    rows = [{"item": f"q{j % 7}", "model": "m", "score": j % 3 / 2, "draw": f"seed-{j // 7}"} for j in range(21)]
    paths = [write(tmp_path / "a.csv", rows[:10]), write(tmp_path / "b.csv", rows[10:])]
    assert bits(evaluate(paths, engine="stream"), notes=False) == bits(
        evaluate(write(tmp_path / "whole.csv", rows), engine="memory"), notes=False
    )
    with pytest.raises(RecordsError, match="is in two files"):
        summarise([paths[0], write(tmp_path / "c.csv", rows[9:])])


@pytest.mark.usefixtures("small_parts")
def test_a_draw_that_comes_twice_in_one_file(tmp_path: Path) -> None:
    path = write(tmp_path / "twice.csv", [*ROWS, ROWS[5]])
    with pytest.raises(RecordsError, match="item 'q5' of model 'm2' has a draw twice"):
        summarise(path, draw="epoch")
    assert summarise(path, item="item").n_draws == 632


# ------------------------------------------------------------------------------------------ roles and errors


@pytest.mark.usefixtures("small_parts")
def test_a_column_that_turns_out_not_to_play_its_role(tmp_path: Path) -> None:
    rows = [{**row, "group": row["item"], "weight": 1} for row in ROWS]
    rows[600] |= {"group": "another"}
    rows[500] |= {"weight": "heavy"}
    path = write(tmp_path / "late.csv", rows)
    ours, theirs = (evaluate(path, engine=engine) for engine in ("stream", "memory"))
    assert bits(ours, notes=False) == bits(theirs, notes=False)
    assert any("weight: it holds text" in note for note in ours.notes)
    assert any("cluster was not used: item 'q17' lies in two clusters" in note for note in ours.notes)
    with pytest.raises(RecordsError, match="lies in two clusters"):
        summarise(path, cluster="group")


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("name", ["bad.csv", "bad.jsonl"])
def test_errors_name_the_line(tmp_path: Path, name: str) -> None:
    rows = [dict(row) for row in ROWS]
    rows[400]["score"] = "high"
    path = write(tmp_path / name, rows)
    line = 402 if name.endswith(".csv") else 401
    with pytest.raises(RecordsError, match=rf"line {line}: column 'score' holds 'high'"):
        summarise(path)
    rows[400] = {**ROWS[400], "epoch": ""}
    with pytest.raises(RecordsError, match=rf"line {line}: draw column 'epoch' is empty"):
        summarise(write(path, rows))


def test_no_rows(tmp_path: Path) -> None:
    for name, text in (("a.csv", "item,score\n"), ("b.jsonl", "\n\n")):
        (tmp_path / name).write_text(text)
        with pytest.raises(RecordsError):
            summarise(tmp_path / name)
    write(tmp_path / "c.parquet", ROWS[:1])
    import pyarrow as pa
    from pyarrow import parquet as pq

    pq.write_table(
        pa.table({"item": pa.array([], pa.string()), "score": pa.array([], pa.float64())}), tmp_path / "d.pq"
    )
    with pytest.raises(RecordsError, match="no rows"):
        summarise(tmp_path / "d.pq")


def test_labels_need_rows(tmp_path: Path) -> None:
    rows = [{**row, "label": j % 2} for j, row in enumerate(ROWS)]
    path = write(tmp_path / "labels.csv", rows)
    with pytest.raises(NeedsRowsError, match="column 'label' holds labels"):
        evaluate(path, engine="stream", unscored="exclude")
    assert bits(evaluate(path, engine="stream", estimator="mean"), notes=False) == bits(
        evaluate(path, engine="memory", estimator="mean"), notes=False
    )
    with pytest.raises(ArgumentError, match="engine must be auto or memory"):
        evaluate(path, engine="stream", estimator="augmented")


# ---------------------------------------------------------------------------------------------- which engine


def test_auto_streams_what_does_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [write(tmp_path / name, ROWS) for name in ("a.csv", "a.parquet")]
    for path in paths:
        assert not isinstance(big.load(path), ItemSums)
        monkeypatch.setattr(big, "_memory", lambda: 1000)
        assert isinstance(big.load(path), ItemSums)
        assert not isinstance(big.load(path, rows=True), ItemSums)
        monkeypatch.undo()
    monkeypatch.setattr(big, "_memory", lambda: 1000)
    labels = write(tmp_path / "labels.csv", [{**row, "label": 1} for row in ROWS])
    assert not isinstance(big.load(labels), ItemSums)
    assert isinstance(big.load(tmp_path, labels=False, by_file="draws"), ItemSums)
    with pytest.raises(RecordsError, match="no such file"):
        big.load(tmp_path / "nothing.csv")


def test_too_many_names_of_draws_are_read_into_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.csv", [{**row, "epoch": j} for j, row in enumerate(ROWS)])
    monkeypatch.setattr("neff.records.drawsets._MOST", 1000)
    monkeypatch.setattr(big, "_memory", lambda: 1000)
    with pytest.raises(NeedsRowsError, match="without --draw"):
        big.load(path, engine="stream")
    assert not isinstance(big.load(path), ItemSums)


def test_the_memory_of_this_machine() -> None:
    assert 1 << 26 < big._memory() < 1 << 50


def test_sums_are_records_too() -> None:
    table = {"item": [1, 2, 2], "model": ["a"] * 3, "score": [0.1, 0.2, math.nan]}
    sums = ItemSums.of(big.load(table))
    assert bits(evaluate(sums)) == bits(evaluate(table))
    assert bits(evaluate(table, engine="stream")) == bits(evaluate(table))
    with pytest.raises(ArgumentError, match="estimator must be auto or mean for sums"):
        evaluate(sums, estimator="labels")
    with pytest.raises(ArgumentError, match="engine must be one of auto, memory, stream, ray, got 'spark'"):
        evaluate(table, engine="spark")  # type: ignore[arg-type]
    assert str(sums) == "sums over 3 draws: 1 models × 2 items, 1 task(s), metric(s) score"


def test_read_is_not_changed_by_sums(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [{"item": "a", "score": 1}, {"item": "b", "score": 0, "late": "x"}])
    assert read(path).extra["late"].names() == [None, "x"]  # a key that the first rows do not have
