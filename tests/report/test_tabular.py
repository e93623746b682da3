"""CSV and Parquet: every field, nothing rounded, nothing that a spreadsheet would run."""

from __future__ import annotations

import csv
import io
import json
import math
import sys

import pytest

from neff.errors import ArgumentTypeError, MissingExtraError
from neff.report import render, write
from neff.report.tabular import guard
from neff.results import Column, Table


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


def number(text):
    return math.nan if text == "" else float(text)


def test_csv_has_every_score_and_difference_unrounded(make):
    result = make(5, 211)
    rows = rows_of(render(result, "csv"))
    scores = [row for row in rows if row["kind"] == "score"]
    differences = [row for row in rows if row["kind"] == "difference"]
    assert [float(row["value"]) for row in scores] == [e.value for e in result.estimates]
    assert [float(row["interval_high"]) for row in scores] == [e.interval[1] for e in result.estimates]
    assert [(row["model"], row["versus"]) for row in differences] == [(c.a, c.b) for c in result.comparisons]
    assert [float(row["p_adjusted"]) for row in differences] == [c.p_adjusted for c in result.comparisons]
    assert [row["verdict"] for row in differences] == [str(c.verdict) for c in result.comparisons]
    assert [row["verdict"] for row in scores][:2] == ["best", "tied"]
    assert {row["versus"] for row in scores} == {""}


def test_undefined_numbers_are_empty_beside_their_reason(make_undefined):
    rows = rows_of(render(make_undefined(), "csv"))
    lost = next(row for row in rows if row["model"] == "model-04" and row["kind"] == "score")
    assert (lost["value"], lost["interval_low"], lost["reason"]) == ("", "", "no scored draws")
    assert lost["n_unscored"] == "61"
    assert "nan" not in render(make_undefined(), "csv").lower()


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", " =", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
def test_guard_stops_formulas(start):
    assert guard(start + "1+1") == "'" + start + "1+1"


def test_guard_leaves_the_rest():
    for text in ("", "gpt-4o", "a=b", "1", "'=x"):
        assert guard(text) == text


def test_no_cell_of_a_hostile_result_starts_a_formula(make_hostile):
    text = render(make_hostile(), "csv")
    for row in csv.reader(io.StringIO(text)):
        for cell in row:
            if cell.startswith(("=", "+", "-", "@", "\t", "\r")):
                float(cell)  # a negative number is none
    assert "\"'=HYPERLINK(" in text
    assert "\x1b" not in text
    assert len(text.splitlines()) == 1 + 14 + 91


def test_parquet_holds_the_same_rows_and_says_where_they_come_from(make_undefined, tmp_path):
    duckdb = pytest.importorskip("duckdb")
    result = make_undefined()
    path = write(result, tmp_path / "result.parquet")
    names = list(rows_of(render(result, "csv"))[0])
    relation = duckdb.sql(f"SELECT * FROM read_parquet('{path}')")
    assert relation.columns == names
    assert dict(zip(relation.columns, map(str, relation.types), strict=True)) | {
        "model": "VARCHAR", "value": "DOUBLE", "n_items": "BIGINT", "reason": "VARCHAR",
    } == dict(zip(relation.columns, map(str, relation.types), strict=True))  # fmt: skip
    for stored, row in zip(relation.fetchall(), rows_of(render(result, "csv")), strict=True):
        for name, value in zip(names, stored, strict=True):
            if isinstance(value, str):
                assert value == row[name]
            else:
                assert (value is None) == (row[name] == "")
                assert value is None or value == number(row[name])
    meta = {
        bytes(key).decode(): bytes(value).decode()
        for key, value in duckdb.sql(f"SELECT key, value FROM parquet_kv_metadata('{path}')").fetchall()
    }
    assert meta["neff.schema"] == "neff.evaluation/1"
    assert json.loads(meta["neff.result"])["provenance"] == result.provenance.to_dict()


def test_parquet_carries_hostile_text_unchanged(make_hostile, hostile_names, tmp_path):
    duckdb = pytest.importorskip("duckdb")
    path = write(make_hostile(), tmp_path / "it's.parquet")
    quoted = str(path).replace("'", "''")
    stored = {row[0] for row in duckdb.sql(f"SELECT DISTINCT model FROM read_parquet('{quoted}')").fetchall()}
    whole = {name for name in hostile_names if "\ud83d" not in name}
    assert whole <= stored
    assert len(stored) == len(hostile_names)


def test_parquet_needs_no_dataframe_library(make, tmp_path, monkeypatch):
    pytest.importorskip("duckdb")
    for name in ("pandas", "polars", "pyarrow"):
        monkeypatch.setitem(sys.modules, name, None)
    assert write(make(2, 53), tmp_path / "result.parquet").stat().st_size > 500


def test_parquet_without_duckdb_names_the_extra(make, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'neff\[big\]'"):
        write(make(2, 53), tmp_path / "result.parquet")
    assert list(tmp_path.iterdir()) == []


def test_any_table_can_be_written():
    table = Table((Column("name", "Name"), Column("low_high", "Interval", "interval")), (("=a", (0.5, math.nan)),))
    assert render(table, "csv") == "name,low_high_low,low_high_high\n'=a,0.5,\n"
    with pytest.raises(ArgumentTypeError, match="result must be a result of neff"):
        render(3, "csv")
