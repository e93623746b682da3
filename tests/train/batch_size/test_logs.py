"""From a log to an analysis: which one, which columns, and what is refused."""

from __future__ import annotations

import json
import math

import pytest

from neff.errors import ArgumentError, RecordsError
from neff.train.batch_size import (
    CheckpointedBatchSizes,
    CriticalBatchSize,
    Tradeoff,
    critical_batch_size,
    read_batch_runs,
)

LOSSES = {32: (2.00, 2.01), 64: (1.99, 2.00), 128: (1.995, 2.004), 256: (2.05, 2.06)}


def write(path, *lines):
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def branches(tmp_path):
    rows = [f"{b},{s},{losses[s]}" for b, losses in LOSSES.items() for s in (0, 1)]
    return write(tmp_path / "branches.csv", "batch_size,seed,loss", *rows[::-1])


def test_losses_are_a_branched_training(branches):
    found = read_batch_runs(branches, rng=0)
    assert isinstance(found, CriticalBatchSize)
    grid = [[LOSSES[b][s] for b in LOSSES] for s in (1, 0)]
    assert found.to_dict() == critical_batch_size(list(LOSSES), grid, rng=0).to_dict()
    assert found.value == 128.0


def test_other_formats_and_names(tmp_path):
    rows = [{"bs": b, "trial": s, "eval_loss": v[s]} for b, v in LOSSES.items() for s in (0, 1)]
    path = write(tmp_path / "runs.jsonl", *map(json.dumps, rows))
    assert read_batch_runs(path, rng=0).value == 128.0
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "runs.parquet")
    assert read_batch_runs(tmp_path / "runs.parquet", rng=0).value == 128.0
    named = read_batch_runs(path, batch="bs", run="trial", loss="eval_loss", tolerance=0.1)
    assert named.censored


def test_checkpoints_are_in_the_order_of_training(tmp_path):
    rows = [f"{c},{b},{s},{v[s] + c / 1e6}" for c in (16000, 0, 1_000_000) for b, v in LOSSES.items() for s in (0, 1)]
    found = read_batch_runs(write(tmp_path / "x.csv", "checkpoint,batch,seed,loss", *rows), rng=0)
    assert isinstance(found, CheckpointedBatchSizes)
    assert [f.checkpoint for f in found.checkpoints] == ["0", "16000", "1000000"]
    one = read_batch_runs(tmp_path / "x.csv", where=["checkpoint=16000"])
    assert (one.checkpoint, one.value) == ("16000", 128.0)


def test_without_seeds_branches_are_not_paired(tmp_path):
    rows = [f"{b},{x}" for b, v in LOSSES.items() for x in v]
    found = read_batch_runs(write(tmp_path / "x.csv", "batch,loss", *rows), rng=0)
    assert "not paired" in found.method
    assert found.n == 2


def test_a_loss_written_as_nan_diverged_and_an_empty_one_is_missing(tmp_path):
    rows = ["32,0,2.0", "32,1,2.0", "64,0,2.0", "64,1,", "128,0,nan", "128,1,2.0"]
    found = read_batch_runs(write(tmp_path / "x.csv", "batch,seed,loss", *rows), rng=0)
    assert found.value == 64.0
    assert [row.n for row in found.rows] == [2, 1, 2]
    assert math.isinf(found.rows[2].loss)


@pytest.mark.parametrize(
    ("column", "factor", "unit"),
    [("steps", True, "examples"), ("epochs", False, "epochs"), ("tokens", False, "tokens")],
)
def test_costs_are_a_tradeoff(tmp_path, column, factor, unit):
    rows = []
    for b in (16, 64, 256, 1024):
        for s in (0, 1):
            cost = 1000 * (1 + b / 200) * (1 + 0.01 * s)
            rows.append(f"{b},{s},{cost / b if factor else cost}")
    found = read_batch_runs(write(tmp_path / "x.csv", f"batch_size,seed,{column}", *rows), rng=0)
    assert isinstance(found, Tradeoff)
    assert found.value == pytest.approx(200, rel=1e-6)
    assert found.unit == unit
    named = read_batch_runs(tmp_path / "x.csv", cost=column, cost_unit=column, rng=0)
    assert named.value == pytest.approx(found.value, rel=1e-12)


def test_two_rows_of_one_run_are_refused_with_the_column_to_choose_by(tmp_path, neff_data):
    with pytest.raises(ArgumentError, match="choose by --where target_metric=VALUE"):
        read_batch_runs(neff_data / "zeus_summary_train.csv", where=["network=shufflenetv2"])
    found = read_batch_runs(
        neff_data / "zeus_summary_train.csv", where=["network=shufflenetv2", "target_metric=0.6"], rng=0
    )
    assert round(found.value) == 224


def test_what_is_not_there_is_named(tmp_path, branches):
    with pytest.raises(ArgumentError, match="batch must be the column of the batch size"):
        read_batch_runs(write(tmp_path / "a.csv", "x,loss", "1,2"))
    with pytest.raises(ArgumentError, match="a column of losses, or of examples"):
        read_batch_runs(write(tmp_path / "b.csv", "batch,x", "1,2"))
    with pytest.raises(ArgumentError, match="Did you mean 'loss'"):
        read_batch_runs(branches, loss="los")
    with pytest.raises(ArgumentError, match="Say what it counts"):
        read_batch_runs(write(tmp_path / "c.csv", "batch,price", "1,2"), cost="price")
    with pytest.raises(RecordsError, match="no such file"):
        read_batch_runs(tmp_path / "nowhere.csv")
    with pytest.raises(RecordsError, match="is not JSON"):
        read_batch_runs(write(tmp_path / "d.jsonl", '{"batch": 1', "x"))
    with pytest.raises(RecordsError, match="same name"):
        read_batch_runs(write(tmp_path / "e.csv", "a,a", "1,2"))


@pytest.mark.parametrize(
    "names", [("1_11", "11_1"), ("1700000000.123", "1700000000.456"), ("20240101120000123", "20240101120000124")]
)
def test_names_of_runs_that_are_alike_as_numbers_stay_apart(tmp_path, names):
    rows = [f"{b},{name},{v[s]}" for b, v in LOSSES.items() for s, name in enumerate(names)]
    assert read_batch_runs(write(tmp_path / "x.csv", "batch,run,loss", *rows), rng=0).n == 2
    (chosen,) = {
        read_batch_runs(tmp_path / "x.csv", where=[f"run={name}"]).rows[0].loss == LOSSES[32][s]
        for s, name in enumerate(names)
    }
    assert chosen


def test_one_number_is_one_name_however_it_is_written(tmp_path):
    rows = ["32,1,2.0", "64,1.0,2.0", "32,1e-3,2.1", "64,0.001,2.1"]
    found = read_batch_runs(write(tmp_path / "x.csv", "batch,seed,loss", *rows), rng=0)
    assert (found.n, "not paired" in found.method) == (2, False)


def test_logs_as_python_and_pandas_write_them(tmp_path):
    rows = [{"batch": b, "seed": s, "loss": 2.0 if b < 128 else math.nan, "note": "a\u2028b"} for b in LOSSES
            for s in (0, 1)]  # fmt: skip
    path = write(tmp_path / "x.jsonl", *(json.dumps(row, ensure_ascii=False) for row in rows))
    assert read_batch_runs(path, rng=0).value == 64.0
    lines = [f"{i},{row['batch']},{row['seed']},{row['loss']}" for i, row in enumerate(rows)]
    assert read_batch_runs(write(tmp_path / "x.csv", ",batch,seed,loss", *lines), rng=0).value == 64.0


@pytest.mark.parametrize(
    ("rows", "error", "text"),
    [
        (["32,0,2.0", ",0,2.0"], RecordsError, r"line 3: column 'batch' holds no batch size"),
        (["32,0,2.0", "-4,0,2.0"], RecordsError, r"line 3: column 'batch' holds a batch size of -4"),
        (["32,0,2.0", "32,1,2.0"], ArgumentError, "batch must be a column of two batch sizes or more, got '32 only'"),
        (["32,0,2.0", "64,0,"], ArgumentError, "loss must be known for every batch size, got 'none for batch 64'"),
        (["32,0,nan", "64,0,nan"], ArgumentError, "losses must be finite for one batch size at least"),
        (["32,0,2.0", "32,0,2.0", "64,0,2.0"], ArgumentError, "Leave one of them out"),
    ],
)
def test_rows_that_say_nothing_are_named(tmp_path, rows, error, text):
    with pytest.raises(error, match=text):
        read_batch_runs(write(tmp_path / "x.csv", "batch,seed,loss", *rows))


def test_a_checkpoint_of_one_batch_size_is_named(tmp_path):
    rows = ["0,32,0,2.0", "0,64,0,2.0", "100,32,0,2.0"]
    with pytest.raises(ArgumentError, match="got '32 only of checkpoint 100'"):
        read_batch_runs(write(tmp_path / "x.csv", "checkpoint,batch,seed,loss", *rows))


def test_costs_are_checked_by_the_name_of_their_column(tmp_path):
    with pytest.raises(ArgumentError, match="cost must be above 0 in every row, or empty, got 0"):
        read_batch_runs(write(tmp_path / "a.csv", "batch,epochs", "32,0", "64,1"))
    with pytest.raises(ArgumentError, match="cost must be known for two batch sizes or more"):
        read_batch_runs(write(tmp_path / "b.csv", "batch,epochs", "32,", "64,1"))
    rows = [f"{b},{10 * (1 + b / 200)}" for b in (16, 64, 256)]
    assert read_batch_runs(write(tmp_path / "c.csv", "batch,my_samples", *rows), cost="my_samples").unit == "examples"
