"""Parquet (DuckDB) and Arrow files."""

from __future__ import annotations

import datetime as dt
import math
import os
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from pyarrow import feather, ipc
from pyarrow import parquet as pq

from neff import read
from neff.errors import MissingExtraError, RecordsError
from neff.records import Factor, Records
from neff.records.columns import ColumnMap
from neff.records.frames import from_frame
from neff.records.parquet import _open

if TYPE_CHECKING:
    from pathlib import Path

TABLE: dict[str, list[Any]] = {
    "item": ["q2", "q1", "q2", " q1 ", "q3"],
    "model": ["b", "a", "a", "b", "a"],
    "score": [1.0, 0.25, None, math.nan, 0.5],
    "n": [7, 11, None, 17, 19],
    "text": ["x", "", None, "y", "x"],
    "day": [dt.date(2026, 1, d) for d in range(1, 6)],
    "resps": [["a"], [], None, ["b", "c"], ["d"]],
}


def write_parquet(path: Path, table: pa.Table) -> Path:
    pq.write_table(table, path)
    return path


def write_arrow(path: Path, table: pa.Table) -> Path:
    with ipc.new_file(path, table.schema) as writer:
        writer.write_table(table)
    return path


def write_stream(path: Path, table: pa.Table) -> Path:
    with ipc.new_stream(path, table.schema) as writer:
        writer.write_table(table)
    return path


def write_feather(path: Path, table: pa.Table) -> Path:
    feather.write_feather(table, str(path), compression="lz4")
    return path


WRITERS = {"parquet": write_parquet, "arrow": write_arrow, "stream": write_stream, "feather": write_feather}


def check(records: Records) -> None:
    assert records.item.names() == ["q2", "q1", "q2", "q1", "q3"]
    assert records.item.levels == ("q1", "q2", "q3")
    assert records.model.names() == TABLE["model"]
    assert np.array_equal(records.score, [1.0, 0.25, math.nan, math.nan, 0.5], equal_nan=True)
    assert sorted(records.extra) == ["day", "n", "text"]
    assert np.array_equal(records.extra["n"], [7, 11, math.nan, 17, 19], equal_nan=True)
    assert records.extra["text"].names() == ["x", None, None, "y", "x"]
    assert records.extra["day"].levels[0] == "2026-01-01"
    assert records.sources[0].notes == ("column 'resps' was not kept: it holds lists or objects",)


@pytest.mark.parametrize("kind", WRITERS)
def test_formats(tmp_path: Path, kind: str) -> None:
    records = read(WRITERS[kind](tmp_path / "table", pa.table(TABLE)))
    check(records)
    assert records.sources[0].format == ("parquet" if kind == "parquet" else "arrow")


def test_parquet_and_frame_agree(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "t.parquet", pa.table(TABLE))
    one, two = read(path), from_frame(pa.table(TABLE), ColumnMap())
    assert one.item.names() == two.item.names()
    assert one.extra["day"].names() == two.extra["day"].names()
    assert np.array_equal(one.extra["n"], two.extra["n"], equal_nan=True)


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
@pytest.mark.parametrize(
    ("values", "names"),
    [
        (pa.array([3, 1, 2], pa.int8()), ["3", "1", "2"]),
        (pa.array([2**64 - 1, 2**63, 0], pa.uint64()), ["18446744073709551615", "9223372036854775808", "0"]),
        (pa.array([2**53 + 1, 2**53, -1], pa.int64()), ["9007199254740993", "9007199254740992", "-1"]),
        (pa.array([1.0, 2.5, -3.0], pa.float64()), ["1", "2.5", "-3"]),
        (pa.array([1.0, 2.5, -3.0], pa.float32()), ["1", "2.5", "-3"]),
        (pa.array(["b", "a", "b"]).dictionary_encode(), ["b", "a", "b"]),
        (pa.array(["Ü", "é", "🦉"], pa.large_string()), ["Ü", "é", "🦉"]),
        (pa.array([b"x", b"y", b"z"], pa.binary()), ["x", "y", "z"]),
        (pa.array([True, False, True]), ["true", "false", "true"]),
    ],
)
def test_items_of_every_type(tmp_path: Path, kind: str, values: pa.Array, names: list[str]) -> None:
    table = pa.table({"item": values, "model": ["a", "b", "c"], "score": [1.0, 0.0, 1.0]})
    records = read(WRITERS[kind](tmp_path / "t", table))
    assert records.item.names() == names
    assert list(records.item.levels) == sorted(set(names))


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
@pytest.mark.parametrize(
    "values",
    [
        pa.array([1, None, 0], pa.int16()),
        pa.array([True, None, False]),
        pa.array([1.0, None, 0.0], pa.float32()),
        pa.array([Decimal("1.0"), None, Decimal("0.0")], pa.decimal128(5, 1)),
        pa.array(["1", None, "0"]),
        pa.array(["true", "NA", "False"]),
        pa.array([" 1 ", "", "0.0"]).dictionary_encode(),
    ],
)
def test_scores_of_every_type(tmp_path: Path, kind: str, values: pa.Array) -> None:
    table = pa.table({"item": [1, 2, 3], "score": values})
    records = read(WRITERS[kind](tmp_path / "t", table))
    assert np.array_equal(records.score, [1.0, math.nan, 0.0], equal_nan=True)


@pytest.mark.parametrize(
    "name",
    ["a[1].parquet", "b*.parquet", "c?.parquet", "d'e.parquet", 'f"g.parquet', "h{1,2}.parquet", "k=v.parquet", "ü 🦉"],
)
def test_names_of_files_are_taken_literally(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "model=x"
    folder.mkdir()
    for other in ("a1.parquet", "bb.parquet", "cc.parquet", "h1.parquet"):
        write_parquet(folder / other, pa.table({"item": ["wrong"], "score": [0.0]}))
    path = write_parquet(folder / name, pa.table({"item": ["right"], "score": [1.0]}))
    records = read(path)
    assert records.item.levels == ("right",)
    assert sorted(records.extra) == []


@pytest.mark.parametrize("name", ['a"b', "a'b", "a;b", "select", "a.b", "ü", "a b", "; DROP TABLE x", "c0"])
def test_names_of_columns_are_taken_literally(tmp_path: Path, name: str) -> None:
    table = pa.table({name: ["q1", "q2"], "score": [1.0, 0.0], "other": ["x", "y"]})
    records = read(write_parquet(tmp_path / "t.parquet", table), item=name)
    assert records.item.levels == ("q1", "q2")


def test_columns_are_fetched_in_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_parquet(tmp_path / "t.parquet", pa.table(TABLE))
    monkeypatch.setattr("neff.records.parquet._CELLS", 11)
    check(read(path))


def test_all_names_missing(tmp_path: Path) -> None:
    table = pa.table({"item": [1, 2], "score": [1.0, 0.0], "text": pa.array([None, None], pa.string())})
    records = read(write_parquet(tmp_path / "t.parquet", table))
    text = records.extra["text"]
    assert np.isnan(text).all() if not isinstance(text, Factor) else text.names() == [None, None]


def test_no_rows(tmp_path: Path) -> None:
    table = pa.table({"item": pa.array([], pa.string()), "score": pa.array([], pa.float64())})
    for kind, write in WRITERS.items():
        with pytest.raises(RecordsError, match="no rows") as caught:
            read(write(tmp_path / kind, table))
        assert caught.value.fix


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_bad_cells_name_the_row(tmp_path: Path, kind: str) -> None:
    table = pa.table({"item": [1, 2, 3], "score": ["1", "0", "B"]})
    with pytest.raises(RecordsError, match="line 3: column 'score' holds 'B'"):
        read(WRITERS[kind](tmp_path / "t", table))
    table = pa.table({"item": [1, 2, 3], "score": [1.0, math.inf, 0.0]})
    with pytest.raises(RecordsError, match="line 2: column 'score' holds inf"):
        read(WRITERS[kind](tmp_path / "t", table))
    table = pa.table({"item": [[1], [2]], "score": [1.0, 0.0]})
    with pytest.raises(RecordsError, match="column 'item' holds"):
        read(WRITERS[kind](tmp_path / "t", table))


def test_reading_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_parquet(tmp_path / "t.parquet", pa.table(TABLE))
    monkeypatch.chdir(tmp_path)
    read(path)
    assert os.listdir(tmp_path) == ["t.parquet"]  # noqa: PTH208  (a plain listing)


def test_the_engine_is_silent_and_stays_offline(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "t.parquet", pa.table(TABLE))
    with _open(path) as table:
        for setting, expected in {
            "enable_progress_bar": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }.items():
            assert table._query(f"SELECT current_setting('{setting}')").fetchone()[0] is expected, setting


def test_the_extra_is_named_where_the_engine_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_parquet(tmp_path / "t.parquet", pa.table(TABLE))
    (tmp_path / "ok.csv").write_text("item,model,score\nq,m,1\n")
    monkeypatch.setitem(__import__("sys").modules, "duckdb", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'neff\[big\]'"):
        read(path)
    records = read(tmp_path)
    assert len(records) == 1
    assert "neff[big]" in records.unread[0].reason


@pytest.mark.parametrize("kind", ["arrow", "stream", "feather"])
def test_arrow_files_without_pyarrow(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = WRITERS[kind](tmp_path / "t", pa.table(TABLE))
    monkeypatch.setattr("neff.records.arrow.find_spec", lambda name: name == "polars" or None)
    check(read(path))
    monkeypatch.setattr("neff.records.arrow.find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match="pyarrow or polars"):
        read(path)


def test_polars_files(tmp_path: Path) -> None:
    frame = pl.DataFrame({"item": ["a", "b"], "score": [1, 0], "kind": pl.Series(["x", "y"], dtype=pl.Categorical)})
    frame.write_ipc(tmp_path / "t.ipc")
    frame.write_parquet(tmp_path / "t.parquet")
    for name in ("t.ipc", "t.parquet"):
        records = read(tmp_path / name)
        assert records.score.tolist() == [1.0, 0.0]
        assert records.extra["kind"].names() == ["x", "y"]


def test_real_scores(neff_data: Path) -> None:
    records = read(neff_data / "livebench.parquet")
    frame = pl.read_parquet(neff_data / "livebench.parquet")
    assert len(records) == frame.height == 93_624
    assert (records.model.n_levels, records.item.n_levels, records.task.n_levels) == (93, 1136, 18)
    assert records.draw.max() == 1  # some models answered an item twice
    assert records.score.tolist() == frame["score"].to_list()
    assert records.item.names() == frame["question_id"].to_list()
    assert records.model.names() == frame["model"].to_list()


def test_real_predictions(neff_data: Path) -> None:
    path = neff_data / "mmlu_pro_predictions.parquet"
    records = read(path, wide=True, target="gold")
    frame = pl.read_parquet(path)
    models = frame.columns[4:]
    assert len(records) == 29 * 12_032
    assert records.model.levels == tuple(sorted(models))
    for model in models:
        mine = records.score[records.model.codes == records.model.levels.index(model)]
        right = int((frame[model] == frame["gold"]).sum())
        empty = int((frame[model].fill_null("") == "").sum())
        assert (np.nansum(mine), int(np.isnan(mine).sum())) == (right, empty)
    assert [note[:12] for note in records.sources[0].notes] == ["column 'cat'", "column 'nopt"]
    named = read(path, model=["gemma-7b", "Yi-*"], target="gold", task="cat")
    assert named.model.levels == ("Yi-34B", "Yi-6B", "Yi-6b-Chat", "gemma-7b")
    assert named.task.n_levels == frame["cat"].n_unique()


def test_two_columns_of_one_name(tmp_path: Path) -> None:
    table = pa.Table.from_arrays([pa.array(["q"]), pa.array([1.0]), pa.array([0.0])], names=["item", "score", "score"])
    for kind in ("arrow", "parquet"):
        with pytest.raises(RecordsError, match="a column name occurs twice"):
            read(WRITERS[kind](tmp_path / kind, table))


def test_columns_that_differ_in_case_only(tmp_path: Path) -> None:
    deep = pa.array([{"score": 3, "x": [{"y": 1}]}])
    table = pa.table({"deep": deep, "ITEM": ["no"], "item": ["q"], "Score": [0.25], "score": [1.0]})
    path = write_parquet(tmp_path / "t", table)
    records = read(path)
    assert (records.item.levels, records.score.tolist()) == (("q",), [1.0])
    assert records.extra["Score"].tolist() == [0.25]
    assert records.extra["ITEM"].names() == ["no"]
    assert read(path, score="Score").score.tolist() == [0.25]
