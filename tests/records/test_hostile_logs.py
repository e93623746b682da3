"""Logs that are cut off, edited or damaged: each reader gives true rows or an error of ours, never anything else."""

from __future__ import annotations

import gzip
import json
import tempfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neff.errors import NeffError
from neff.records import ColumnMap, Records
from neff.records.detect import detect
from neff.records.reader import reading

FIXTURES = Path(__file__).parent.parent / "fixtures"
N_CUTS = 61


@dataclass(frozen=True)
class Log:
    """A fixture, and columns that make the reader look at attributes too."""

    name: str
    columns: ColumnMap = field(default_factory=ColumnMap)

    @property
    def path(self) -> Path:
        (path,) = FIXTURES.glob(self.name)
        return path

    def content(self) -> bytes:
        data = self.path.read_bytes()
        return gzip.decompress(data) if self.path.suffix == ".gz" else data

    def file_name(self) -> str:
        return self.path.name.removesuffix(".gz")


JSON_LOGS = [
    Log("helm/org_alpha/per_instance_stats.json", ColumnMap(label="num_prompt_tokens")),
    Log("helm/org_alpha/display_predictions.json"),
    Log("opencompass/results/alpha/gpqa.json"),
    Log("opencompass/results/alpha/aime.json", ColumnMap(weight="mG-Pass@4")),
    Log("opencompass/results/alpha/piqa.json"),
    Log("opencompass/results/alpha/judged.json"),
    Log("opencompass/results/alpha/equal.json"),
    Log("promptfoo/sums.json.gz", ColumnMap(cluster="passage")),
    Log("alpaca_eval/alpha/annotations.json", ColumnMap(cluster="dataset")),
]
LINE_LOGS = [
    Log("promptfoo/sums.jsonl.gz", ColumnMap(cluster="passage")),
    Log("every_eval_ever/*01_samples.jsonl", ColumnMap(cluster="passage")),
    Log("verl/rollouts/3.jsonl", ColumnMap(label="acc")),
    Log("verl/named/3.jsonl"),
    Log("verl/validation/20.jsonl"),
    Log("verifiers/sums/traces.jsonl", ColumnMap(cluster="level")),
    Log("verifiers/flat/traces.jsonl"),
    Log("verifiers/pair/traces.jsonl"),
]
PARQUET_LOGS = [
    Log("trl/run-7/completions/completions_00005.parquet", ColumnMap(label="advantage")),
    Log("lighteval/details/org/alpha/*/details_*.parquet"),
]
EVERY = JSON_LOGS + LINE_LOGS + PARQUET_LOGS
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=7),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=5,
)


def name_of(log: Log) -> str:
    return log.name.replace("/", "-")


def load(log: Log, path: Path) -> Records | None:
    """Read a file with the reader of the fixture; None where it is refused with an error of ours."""
    try:
        with reading(path):
            return reader_of(log).read(path, log.columns, "all")
    except NeffError:
        return None


@cache
def reader_of(log: Log) -> Any:
    return detect(log.path)


@cache
def whole(log: Log) -> Records:
    """Return the whole file, read without the files that lie beside it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "alone", log.file_name())
        path.parent.mkdir()
        path.write_bytes(log.content())
        return reader_of(log).read(path, log.columns, "all")


@pytest.fixture
def alone(tmp_path: Path) -> Path:
    """A folder in which nothing lies beside a file; its name stands for a model or a run in some formats."""
    folder = tmp_path / "alone"
    folder.mkdir()
    return folder


def rows(table: Records) -> set[tuple[Any, ...]]:
    columns = (table.task, table.metric, table.item, table.draw.tolist(), table.score)
    plain = [column.names() if hasattr(column, "names") else list(column) for column in columns]
    return {tuple(None if cell != cell else cell for cell in row) for row in zip(*plain, strict=True)}


def plausible(table: Records | None, log: Log) -> None:
    """What is read is a table that reports can show, with its rows counted."""
    if table is not None:
        assert sum(source.n_rows for source in table.sources) == len(table) > 0
        for factor in (table.item, table.model, table.task, table.metric):
            assert (factor.codes >= 0).all()
            "".join(factor.levels).encode()
            assert "\0" not in "".join(factor.levels)
        assert len(table) <= 2 * len(whole(log)) + 20


@pytest.mark.parametrize("log", EVERY, ids=name_of)
def test_cut_anywhere(log: Log, alone: Path) -> None:
    content = log.content()
    path = alone / log.file_name()
    known = rows(whole(log))
    lengths = {len(content) * i // N_CUTS for i in range(N_CUTS)} | {len(content) - 1, len(content) - 2, 1, 7}
    n_read = 0
    for length in sorted(lengths):
        path.write_bytes(content[:length])
        table = load(log, path)
        if table is None:
            continue
        n_read += 1
        assert content[length - 1 : length + 1].count(b"\n") or length >= len(content) - 2
        assert len(table) <= len(whole(log))
        # what failed before it had a model takes the one of the file; every other row is as it was
        assert {row for row in rows(table) if row[-1] is not None} <= known
    assert n_read <= 9


@pytest.mark.parametrize("log", JSON_LOGS + LINE_LOGS, ids=name_of)
def test_cut_gzip(log: Log, alone: Path) -> None:
    packed = gzip.compress(log.content())
    path = alone / f"{log.file_name()}.gz"
    for i in range(1, 7):
        path.write_bytes(packed[: len(packed) * i // 7])
        assert load(log, path) is None
    path.write_bytes(packed)
    assert rows(load(log, path) or pytest.fail("refused")) == rows(whole(log))


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the place of every value inside a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for key, child in inner for place in places(child, (*at, key)))]


def replaced(value: Any, place: tuple[Any, ...], new: Any) -> Any:
    changed = json.loads(json.dumps(value))
    inner = changed
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = new
    return changed


@settings(max_examples=60, deadline=None)
@given(data=st.data(), value=VALUES)
@pytest.mark.parametrize("log", JSON_LOGS, ids=name_of)
def test_any_value_in_any_place(log: Log, data: st.DataObject, value: Any, tmp_path_factory: Any) -> None:
    content = json.loads(log.content())
    place = data.draw(st.sampled_from(places(content)[1:]))
    path = tmp_path_factory.mktemp("odd") / log.file_name()
    path.write_text(json.dumps(replaced(content, place, value)))
    plausible(load(log, path), log)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), value=VALUES)
@pytest.mark.parametrize("log", LINE_LOGS, ids=name_of)
def test_any_value_in_any_place_of_a_line(log: Log, data: st.DataObject, value: Any, tmp_path_factory: Any) -> None:
    lines = [json.loads(line) for line in log.content().splitlines()]
    which = data.draw(st.integers(0, min(len(lines), 5) - 1))
    lines[which] = replaced(lines[which], data.draw(st.sampled_from(places(lines[which])[1:])), value)
    path = tmp_path_factory.mktemp("odd") / log.file_name()
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    plausible(load(log, path), log)


@settings(max_examples=60, deadline=None)
@given(changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=7))
@pytest.mark.parametrize("log", EVERY, ids=name_of)
def test_changed_bytes(log: Log, changes: list[tuple[float, int]], tmp_path_factory: Any) -> None:
    content = bytearray(log.content())
    for place, value in changes:
        content[int(place * len(content))] = value
    path = tmp_path_factory.mktemp("changed") / log.file_name()
    path.write_bytes(content)
    plausible(load(log, path), log)
    detect_or_refuse(path)


def detect_or_refuse(path: Path) -> None:
    try:
        detect(path)
    except NeffError:
        return


@pytest.mark.parametrize("log", JSON_LOGS + LINE_LOGS, ids=name_of)
@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b"null", b"[[[", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 100_000, b"[null]", b"[1]", b'""'],
    ids=lambda content: repr(content[:9]),
)
def test_other_content(log: Log, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / log.file_name()
    path.write_bytes(content)
    assert load(log, path) is None


@pytest.mark.parametrize("log", EVERY, ids=name_of)
def test_recognised_by_content(log: Log, tmp_path: Path) -> None:
    path = tmp_path / "no-suffix"
    path.write_bytes(log.content())
    assert detect(path) is reader_of(log)


@pytest.mark.parametrize("log", LINE_LOGS, ids=name_of)
def test_a_bad_line_is_named(log: Log, tmp_path: Path) -> None:
    path = tmp_path / log.file_name()
    content = log.content()
    n = len(content.splitlines())
    for line in (b"[]", b"null", b"\xff", b"[" * 100_000, b'{"half":'):
        path.write_bytes(content + line + b"\n")
        with pytest.raises(NeffError, match=f"line {n + 1}"), reading(path):
            reader_of(log).read(path, log.columns, "all")


def test_long_lines_are_read(alone: Path) -> None:
    """A line of 10 MB, of which the reader needs a few bytes."""
    lines = [json.loads(line) for line in Log("verl/rollouts/3.jsonl").content().splitlines()]
    lines[0]["output"] = "x" * 10_000_000
    path = alone / "3.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert rows(detect(path).read(path, ColumnMap(), "mapped")) == rows(whole(Log("verl/rollouts/3.jsonl")))
