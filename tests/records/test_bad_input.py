"""Bad input: whatever is wrong, one sentence says what and another how to mend it; nothing else comes out."""

from __future__ import annotations

import gzip
import io
import json
import re
import struct
import zlib
from typing import TYPE_CHECKING, Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import ipc
from pyarrow import parquet as pq

from neff import diagnose, read
from neff.errors import ArgumentError, NeffError, RecordsError
from neff.records import Records, as_records

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

GOOD: list[dict[str, Any]] = [
    {"item": "q1", "model": "a", "score": "1", "draw": "0", "weight": "1", "label": "1", "cluster": "p"},
    {"item": "q1", "model": "b", "score": "0", "draw": "0", "weight": "2", "label": "", "cluster": "p"},
    {"item": "q2", "model": "a", "score": "0.5", "draw": "0", "weight": "1", "label": "0", "cluster": "r"},
]

# --- One bad cell, in every format ---------------------------------------------------------------------

CELLS: dict[str, tuple[str, str, str]] = {
    "word": ("score", "correct", "holds 'correct'"),
    "letter": ("score", "B", "--target"),
    "comma": ("score", "0,5", "decimal point"),
    "thousands": ("score", "1,000", "decimal point"),
    "percent": ("score", "85%", "share of 1"),
    "underscore": ("score", "1_000", "holds '1_000'"),
    "infinite": ("score", "inf", "infinite"),
    "minus-infinite": ("score", "-Infinity", "infinite"),
    "overflowing": ("score", "1e999", "infinite"),
    "huge": ("score", "-1e308", "beyond 1e+60"),
    "two-numbers": ("score", "1 0", "holds '1 0'"),
    "hex": ("score", "0x1", "holds '0x1'"),
    "fraction": ("score", "3/5", "holds '3/5'"),
    "emoji": ("score", "👍", "holds '👍'"),
    "no-item": ("item", "", "column item is empty in 1 of 3 rows"),
    "no-model": ("model", " ", "column model is empty in 1 of 3 rows"),
    "no-draw": ("draw", "", "draw column 'draw' is empty"),
    "no-cluster": ("cluster", "", "cluster column 'cluster' is empty"),
    "split-item": ("cluster", "z", "lies in two clusters"),
    "negative-weight": ("weight", "-1", "weight must be a non-negative number"),
    "no-weight": ("weight", "", "weight must be a non-negative number"),
    "word-weight": ("weight", "heavy", "or name another column: --weight"),
    "word-label": ("label", "good", "or name another column: --label"),
    "infinite-label": ("label", "inf", "column 'label' holds"),
    "huge-label": ("label", "1e308", "column 'label' holds"),
    "huge-weight": ("weight", "1e308", "column 'weight' holds"),
    "twice": ("model", "a", "has draw 0 twice"),
}


def as_csv(path: Path, rows: list[dict[str, Any]]) -> Path:
    lines = [";".join(rows[0]), *(";".join(row.values()) for row in rows)]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def as_jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def as_json(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text(json.dumps(rows, indent=1))
    return path


def table(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.table({name: [row[name] for row in rows] for name in rows[0]})


def as_parquet(path: Path, rows: list[dict[str, Any]]) -> Path:
    pq.write_table(table(rows), path)
    return path


def as_arrow(path: Path, rows: list[dict[str, Any]]) -> Path:
    with ipc.new_file(path, table(rows).schema) as writer:
        writer.write_table(table(rows))
    return path


FORMATS: dict[str, Callable[[Path, list[dict[str, Any]]], Any]] = {
    "csv": as_csv,
    "jsonl": as_jsonl,
    "json": as_json,
    "parquet": as_parquet,
    "arrow": as_arrow,
    "pandas": lambda _, rows: pd.DataFrame(rows),
    "polars": lambda _, rows: pl.DataFrame(rows),
    "dict": lambda _, rows: {name: [row[name] for row in rows] for name in rows[0]},
}
NAMED = {name: name for name in GOOD[0]}


def check_message(error: NeffError, folder: Path) -> None:
    """One or two sentences with a fix, on one line, without the insides of the program."""
    text = str(error)
    assert isinstance(error, (RecordsError, ArgumentError))
    assert error.fix, text
    assert "\n" not in text
    assert len(text) - len(str(folder)) < 700
    assert re.search(r"[.?]$", text), text
    assert text.count(str(folder)) <= 2
    for leak in ("Traceback", "Error(", "<class", " object at 0x", "None:", "numpy", "narwhals", "pyarrow.lib"):
        assert leak not in text.replace(str(folder), ""), text


def refused(data: Any, folder: Path, **options: Any) -> NeffError:
    """Return the error; check its message, and that nothing was left behind."""
    before = sorted(folder.rglob("*"))
    with pytest.raises(NeffError) as caught:
        as_records(data, **options)
    assert sorted(folder.rglob("*")) == before
    check_message(caught.value, folder)
    return caught.value


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("case", CELLS)
def test_one_bad_cell(tmp_path: Path, kind: str, case: str) -> None:
    column, cell, fragment = CELLS[case]
    rows = [dict(row) for row in GOOD]
    assert len(as_records(FORMATS[kind](tmp_path / "good", rows), **NAMED)) == 3
    rows[1][column] = cell
    error = refused(FORMATS[kind](tmp_path / "bad", rows), tmp_path, **NAMED)
    assert fragment in str(error)
    assert isinstance(error, RecordsError)
    expected = {"csv": 3, "json": 2 + 9, "jsonl": 2}.get(kind, 2)
    assert error.line == expected


# --- Files that are broken as a whole --------------------------------------------------------------------

ROW = "q1,a,1\n"
HEADER = "item,model,score\n"


def zipped(name: str) -> bytes:
    """Return the start of a zip archive with one stored member."""
    return struct.pack("<4s5H3I2H", b"PK\x03\x04", 20, 0, 0, 0, 0, 0, 0, 0, len(name), 0) + name.encode()


FILES: dict[str, tuple[str, bytes, str]] = {
    "empty": ("a.csv", b"", "the file is empty"),
    "blank": ("a.csv", b" \n\n", "the file is empty"),
    "header-only": ("a.csv", HEADER.encode(), "no rows"),
    "header-only-tsv": ("a.tsv", b"item\tscore", "no rows"),
    "short-row": ("a.csv", (HEADER + ROW + "q1,b\n").encode(), "line 3: the row has 2 fields, the header has 3"),
    "long-row": ("a.csv", (HEADER + ROW + "q1,b,1,2\n").encode(), "line 3: the row has 4 fields"),
    "open-quote": ("a.csv", (HEADER + ROW + '"q1,b,1\n').encode(), "cannot be split into fields"),
    "text-after-quote": ("a.csv", (HEADER + ROW + '"q1"x,b,1\n').encode(), "cannot be split into fields"),
    "repeated-name": ("a.csv", b"item,score,score\nq,1,1\n", "'score' occurs 2 times"),
    "unnamed": ("a.csv", b"item,,score\nq,1,1\n", "column 2 of the header has no name"),
    "no-score": ("a.csv", b"item,model,foo\nq,m,1\n", "no column looks like the score"),
    "no-item": ("a.csv", b"foo,model,score\nq,m,1\n", "no column looks like the item"),
    "two-scores": ("a.csv", b"item,acc,reward\nq,1,1\n", "more than one column could be the score"),
    "cp1252": ("a.csv", HEADER.encode() + b"caf\xe9,a,1\n", "iconv -f WINDOWS-1252"),
    "utf16-no-bom": ("a.csv", (HEADER + ROW).encode("utf-16-le"), "UTF-16 without a byte order mark"),
    "utf16-no-bom-be": ("a.csv", (HEADER + ROW).encode("utf-16-be"), "UTF-16 without a byte order mark"),
    "utf16-cut": ("a.csv", (HEADER + ROW).encode("utf-16")[:-1], "not UTF-16"),
    "nul-in-name": ("a.csv", b"item,model,score\n" + b"q" * 70_000 + b"\0,a,1\n", "NUL byte"),
    "binary": ("a.csv", bytes(range(256)) * 3, "not known"),
    "gzip-cut": ("a.csv.gz", gzip.compress((HEADER + ROW * 7001).encode())[:-9], "damaged or cut off"),
    "gzip-bad": ("a.csv.gz", b"\x1f\x8b\x08\x00" + b"\xff" * 61, "damaged or cut off"),
    "gzip-crc": ("a.csv.gz", gzip.compress((HEADER + ROW).encode())[:-5] + b"\0" * 5, "damaged or cut off"),
    "gzip-empty": ("a.csv.gz", gzip.compress(b""), "the file is empty"),
    "jsonl-cut": ("a.jsonl", b'{"item": 1, "score": 1}\n{"item": 2, "sc', "line 2: this is not JSON"),
    "json-cut": ("a.json", b'[{"item": 1, "score": 1}, {"item"', "line 1: this is not JSON"),
    "json-of-lists": ("a.json", b'[{"item": 1, "score": 1}, [2, 1]]', "a row must be a JSON object"),
    "json-object": ("a.json", b'{\n "item": [1, 2]\n}\n', "this JSON object is no log"),
    "json-empty-rows": ("a.json", b"[{}, {}]", "the file has no rows"),
    "json-empty": ("a.json", b"[]", "not known"),
    "result": ("a.json", b'{"schema": "neff.evaluation/1", "estimates": []}', "neff report"),
    "parquet-cut": ("a.parquet", b"PAR1" + b"\x15\x04" * 31, "this Parquet file cannot be read"),
    "parquet-short": ("a.parquet", b"PAR1", "this Parquet file cannot be read"),
    "arrow-cut": ("a.arrow", b"ARROW1\0\0" + b"\xff" * 31, "this Arrow file cannot be read"),
    "arrow-stream-cut": ("a", b"\xff\xff\xff\xff\x78\0\0\0" + b"\0" * 11, "this Arrow file cannot be read"),
    "pickle": ("a", b"\x80\x04\x95\x10\0\0\0\0\0\0\0", "pickle"),
    "pickle-suffix": ("a.pkl", HEADER.encode() + ROW.encode(), "pickle"),
    "torch": ("a.pt", zipped("archive/data.pkl"), "pickle"),
    "torch-no-suffix": ("model", zipped("archive/data.pkl"), "pickle"),
    "numpy": ("a.npy", b"\x93NUMPY\x01\x00", "pickle or an array dump"),
    "numpy-no-suffix": ("a", b"\x93NUMPY\x01\x00", "pickle or an array dump"),
    "spreadsheet": ("a.xlsx", zipped("[Content_Types].xml"), "spreadsheet"),
    "sqlite": ("a.db", b"SQLite format 3\0" + b"\0" * 31, "SQLite"),
    "pdf": ("a.pdf", b"%PDF-1.7\n", "PDF"),
    "hdf5": ("a.h5", b"\x89HDF\r\n\x1a\n", "HDF5"),
    "zstd": ("a.csv.zst", b"\x28\xb5\x2f\xfd" + b"\0" * 7, "zstd"),
    "bzip2": ("a.csv.bz2", b"BZh91AY&SY", "compressed"),
    "xz": ("a.csv.xz", b"\xfd7zXZ\0", "compressed"),
    "zip": ("a.zip", zipped("notes.txt"), "zip|Inspect|archive"),
    "html": ("a.html", b"<!doctype html>\n<p>1,2</p>\n", "HTML"),
    "prose": ("a.txt", b"Nothing to see.\nReally.\n", "not known"),
    "script": ("a.py", b"import os\nprint(os)\n", "not known"),
    "deflate": ("a.bin", zlib.compress(HEADER.encode()), "not known"),
}


@pytest.mark.parametrize("case", FILES)
def test_broken_files(tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, content, fragment = FILES[case]
    path = tmp_path / name
    path.write_bytes(content)
    monkeypatch.chdir(tmp_path)
    error = refused(path, tmp_path)
    assert re.search(fragment, str(error)), str(error)
    assert str(error).startswith(str(path))
    found = diagnose(path)
    assert found.files[0].problem
    assert not found.readable()


OPTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "unknown": ({"score": "scor"}, "Did you mean 'score'"),
    "unknown-case": ({"item": "ITEM"}, "Did you mean 'item'"),
    "unknown-nothing-near": ({"item": "zzz"}, "The columns are 'item', 'model', 'score'"),
    "unknown-model": ({"model": ["model", "modle"]}, "no column 'modle' (--model)"),
    "no-pattern": ({"model": "gpt-*"}, "no column fits the pattern"),
    "text-as-scores": ({"model": ["item", "model"], "item": "score"}, "column 'item' holds"),
    "pattern-of-text": ({"model": "mode*", "item": "item"}, "no model column holds scores"),
    "same-twice": ({"item": "item", "score": "item"}, "score must be another column than item"),
    "wrong-type": ({"item": 7}, "item must be the name of a column"),
    "bad-keep": ({"keep": "everything"}, "keep must be"),
    "missing-keep": ({"keep": ["nope"]}, "no column 'nope'. The columns are"),
    "bad-target": ({"target": "nope"}, "no column 'nope' (--target)"),
    "foreign-target": ({"target": "model", "score": "item", "item": "score"}, "no prediction ever equals"),
    "three-clusters": ({"cluster": ["a", "b", "c"]}, "one or two columns"),
    "wide-and-score": ({"wide": True, "score": "score"}, "score must be left out"),
}


@pytest.mark.parametrize("kind", ["csv", "parquet", "pandas"])
@pytest.mark.parametrize("case", OPTIONS)
def test_options_that_do_not_fit(tmp_path: Path, kind: str, case: str) -> None:
    options, fragment = OPTIONS[case]
    rows = [{name: row[name] for name in ("item", "model", "score")} for row in GOOD]
    error = refused(FORMATS[kind](tmp_path / "good", rows), tmp_path, **options)
    assert fragment in str(error)


def test_there_are_enough_cases() -> None:
    assert len(CELLS) * len(FORMATS) + len(FILES) + len(OPTIONS) * 3 >= 100


# --- Fuzz: random bytes, cut files, mutated files --------------------------------------------------------

SMALL = [{"item": f"q{i}", "model": "ab"[i % 2], "score": str(i % 2)} for i in range(5)]


def read_or_refuse(path: Path) -> Records | None:
    """Return the records, or None where the file is refused by an error of ours; anything else fails the test."""
    try:
        return read(path)
    except NeffError as error:
        check_message(error, path.parent)
        return None


def written(kind: str, folder: Path) -> bytes:
    path = folder / "whole"
    FORMATS[kind](path, SMALL)
    content = path.read_bytes()
    path.unlink()
    return content


@pytest.mark.parametrize("kind", ["csv", "jsonl", "json", "parquet", "arrow", "gzip"])
def test_files_cut_at_every_byte(tmp_path: Path, kind: str) -> None:
    content = gzip.compress(written("csv", tmp_path), mtime=0) if kind == "gzip" else written(kind, tmp_path)
    path = tmp_path / "cut"
    step = 1 if len(content) < 500 else 7
    for end in range(0, len(content), step):
        path.write_bytes(content[:end])
        records = read_or_refuse(path)
        if records is not None:
            assert len(records) <= len(SMALL)
            assert kind in ("csv", "jsonl"), end  # only lines can end early and still make sense
    path.write_bytes(content)
    assert len(read(path)) == len(SMALL)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(
        [b"", b"PAR1", b"ARROW1\0\0", b"\xff\xff\xff\xff\x40\0\0\0", b"\x1f\x8b\x08", b"{", b"[{", b"PK\x03\x04"]
    )
    | st.sampled_from([b"item,score\n", b"item;score\n1;", b'{"item": 1, "score": ', b'[{"item": 1, "score": 1}']),
    st.binary(max_size=211),
    st.sampled_from(["x", "x.csv", "x.jsonl", "x.parquet", "x.eval", "x.gz"]),
)
def test_random_bytes(tmp_path: Path, start: bytes, rest: bytes, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(start + rest)
    records = read_or_refuse(path)
    assert records is None or len(records) > 0


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["csv", "jsonl", "json", "parquet", "arrow"]),
    st.lists(st.tuples(st.integers(0, 1 << 16), st.binary(min_size=1, max_size=3)), min_size=1, max_size=3),
)
def test_mutated_files(tmp_path: Path, kind: str, changes: list[tuple[int, bytes]]) -> None:
    content = bytearray(written(kind, tmp_path))
    for at, change in changes:
        at %= len(content)
        content[at : at + len(change)] = change
    path = tmp_path / "changed"
    path.write_bytes(bytes(content))
    records = read_or_refuse(path)
    assert records is None or 0 < len(records) <= len(SMALL)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=31), st.sampled_from([",", ";", "\t", "|"]))
def test_random_text_in_cells(tmp_path: Path, cell: str, delimiter: str) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(
        f"item{delimiter}score\nq1{delimiter}1\n{cell}{delimiter}0\nq3{delimiter}{cell}\n".encode(errors="replace")
    )
    records = read_or_refuse(path)
    assert records is None or len(records) == 3


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["item", "model", "score", "label", "draw", "x"]),
        st.lists(
            st.none()
            | st.booleans()
            | st.integers()
            | st.floats()
            | st.text(max_size=3)
            | st.binary(max_size=2)
            | st.lists(st.integers(), max_size=2),
            max_size=3,
        ),
        max_size=5,
    )
)
def test_random_dicts(data: dict[str, list[Any]]) -> None:
    try:
        records = as_records(data)
    except NeffError as error:
        problem = str(error)
    else:
        problem = ""
        assert len(records) == len(data["item"])
    assert "\n" not in problem


def test_a_deep_nest_does_not_overflow(tmp_path: Path) -> None:
    for content in (b"[" * 200_003, b'{"a":' * 100_003, b'[{"item":' + b"[" * 100_003):
        path = tmp_path / "deep.json"
        path.write_bytes(content)
        refused(path, tmp_path)


def test_a_gzip_bomb_is_streamed(tmp_path: Path) -> None:
    file = io.BytesIO()
    with gzip.open(file, "wb", 9) as packed:
        packed.write(b"item,model,score,text\n")
        for i in range(3001):
            packed.write(b"q%d,m,1,%s\n" % (i, b"x" * 10_007))
    path = tmp_path / "bomb.csv.gz"
    path.write_bytes(file.getvalue())
    assert path.stat().st_size < 1 << 18
    assert len(read(path, keep="mapped")) == 3001
