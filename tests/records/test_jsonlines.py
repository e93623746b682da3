"""JSON Lines and JSON arrays."""

from __future__ import annotations

import gzip
import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neff import read
from neff.errors import RecordsError
from neff.records.jsonlines import READER

ROWS: list[dict[str, Any]] = [
    {"item": "q1", "model": "a", "score": 1, "n": 3},
    {"item": "q1", "model": "b", "score": 0.5, "n": None},
    {"item": "q2", "model": "a", "score": None, "note": "late key"},
    {"item": 7, "model": "b", "score": True},
    {"item": 7.0, "model": "a", "score": "0.25"},
]
EXPECTED = [("q1", "a", 1.0), ("q1", "b", 0.5), ("q2", "a", None), ("7", "b", 1.0), ("7", "a", 0.25)]


def lines(rows: list[dict[str, Any]], end: str = "\n") -> str:
    return "".join(json.dumps(row) + end for row in rows)


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def rows_of(path: Path) -> list[tuple[Any, ...]]:
    records = read(path)
    scores = [None if math.isnan(score) else score for score in records.score]
    return list(zip(records.item.names(), records.model.names(), scores, strict=True))


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (lines(ROWS), "jsonl"),
        (lines(ROWS, "\r\n"), "jsonl"),
        (lines(ROWS, "\n\n  \n"), "jsonl"),
        (lines(ROWS).rstrip(), "jsonl"),
        ("\ufeff" + lines(ROWS), "jsonl"),
        ("\n \n" + lines(ROWS), "jsonl"),
        (json.dumps(ROWS), "json"),
        (json.dumps(ROWS, indent=2), "json"),
        ("\ufeff " + json.dumps(ROWS), "json"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_shapes(tmp_path: Path, content: str, kind: str, packed: bool) -> None:
    raw = content.encode()
    path = write(tmp_path / "rows", gzip.compress(raw) if packed else raw)
    assert rows_of(path) == EXPECTED
    records = read(path)
    assert records.sources[0].format == kind
    assert records.extra["note"].names() == [None, None, "late key", None, None]
    assert records.extra["n"].tolist() == [3.0, *[pytest.approx(math.nan, nan_ok=True)] * 4]


@pytest.mark.parametrize("array", [False, True])
def test_bare_nan_is_unscored(tmp_path: Path, array: bool) -> None:
    rows = [{"item": f"q{i}", "model": "a", "score": math.nan if i % 3 == 1 else i / 7} for i in range(7)]
    path = write(tmp_path / "rows.jsonl", json.dumps(rows) if array else lines(rows))
    assert "NaN" in path.read_text()
    assert [row[2] for row in rows_of(path)] == [None if i % 3 == 1 else i / 7 for i in range(7)]
    rows[3]["score"] = math.inf
    with pytest.raises(RecordsError, match="holds inf"):
        read(write(path, json.dumps(rows) if array else lines(rows)))


def test_nan_elsewhere_in_the_row_does_no_harm(tmp_path: Path) -> None:
    rows = [{"item": "q", "model": "a", "score": 1.0, "loss": math.inf, "deep": {"x": [math.nan]}}]
    records = read(write(tmp_path / "rows.jsonl", lines(rows)))
    assert records.score.tolist() == [1.0]
    assert "loss" in records.extra
    assert "'deep' was not kept: it holds lists or objects" in records.sources[0].notes[0]


@pytest.mark.parametrize("keep", ["all", "mapped", ["n"]])
def test_nested_columns_and_keep(tmp_path: Path, keep: Any) -> None:
    rows = [{**row, "resps": [["x"]], "doc": {"q": 1}} for row in ROWS]
    records = read(write(tmp_path / "rows.jsonl", lines(rows)), keep=keep)
    assert sorted(records.extra) == {"all": ["n", "note"], "mapped": []}.get(str(keep), ["n"])
    with pytest.raises(RecordsError, match="line 1: column 'doc' holds"):
        read(tmp_path / "rows.jsonl", item="doc")


def test_many_rows_over_several_chunks(tmp_path: Path) -> None:
    n = 10007
    rows = [{"item": i, "model": "m", "score": i % 2, "text": "x" * 301} for i in range(n)]
    path = write(tmp_path / "rows.jsonl", lines(rows))
    assert path.stat().st_size > 3 << 20
    records = read(path, keep="mapped")
    assert (len(records), records.score.sum()) == (n, n // 2)
    assert records.item.n_levels == n


@pytest.mark.parametrize("array", [False, True])
@pytest.mark.parametrize("at", [0, 5, 11])
def test_the_line_of_a_bad_cell(tmp_path: Path, array: bool, at: int) -> None:
    rows: list[dict[str, Any]] = [{"item": i, "text": "a\nb", "score": 1} for i in range(13)]
    rows[at]["score"] = "wrong"
    content = json.dumps(rows, indent=1) if array else "\n" + lines(rows)
    path = write(tmp_path / "rows.json", content)
    expected = 2 + 5 * at if array else at + 2
    with pytest.raises(RecordsError, match=f"line {expected}: column 'score' holds 'wrong'"):
        read(path)


@pytest.mark.parametrize(
    ("line", "fragment"),
    [
        ('{"item": 3, "score": 1', "line 3: this is not JSON"),
        ('{"item": 3, "score": 1}}', "line 3: this is not JSON"),
        ('{"item": 3, "score": 1} {"item": 4, "score": 1}', "line 3: this is not JSON"),
        ("[1, 2]", "line 3: a row must be a JSON object, not list"),
        ("7", "line 3: a row must be a JSON object, not int"),
        ('"text"', "line 3: a row must be a JSON object, not str"),
        ("null", "line 3: a row must be a JSON object, not NoneType"),
        ('{"item": 3, "score": ' + "9" * 5000 + "}", "line 3"),
        ('{"item": 3, "score": 1e999}', "line 3: column 'score' holds inf"),
        ('{"item": 3, "score": ' + "[" * 100_000 + "}", "line 3"),
        ('{"item": "\\ud800", "score": 1}', "lone surrogate"),
        ('{"item": "a\\u0000b", "score": 1}', "NUL byte"),
        ('{"item": null, "score": 1}', "line 3: column item is empty"),
        ('{"score": 1}', "line 3: column item is empty"),
        ('{"item": 3, "score": {}}', "line 3: column 'score' holds {}"),
    ],
)
def test_broken_lines(tmp_path: Path, line: str, fragment: str) -> None:
    path = write(tmp_path / "rows.jsonl", f'{{"item": 1, "score": 1}}\n{{"item": 2, "score": 0}}\n{line}\n')
    with pytest.raises(RecordsError, match=fragment) as caught:
        read(path)
    assert caught.value.fix
    assert len(str(caught.value)) < 500


def test_text_that_is_not_utf8(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", b'{"item": "q\xe9", "score": 1}\n')
    with pytest.raises(RecordsError, match=r"not UTF-8 \(byte 0xe9\).*iconv"):
        read(path)


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b'{"a": 1}\n', True),
        (b'  \n{"a": 1}\n', True),
        (b'{"a": 1}', True),
        (b'[{"a": 1}]', True),
        (b'[\n  {\n "a": 1', True),
        (b'{\n  "a": 1\n}\n', False),
        (b"[1, 2]\n", False),
        (b"[]", False),
        (b"a,b\n1,2\n", False),
        (b"", False),
        (b'{"a": "' + b"x" * (1 << 16), True),
    ],
)
def test_sniff(head: bytes, expected: bool) -> None:
    assert READER.sniff(Path("file"), head) is expected


plain = (
    st.none()
    | st.booleans()
    | st.integers(-(2**40), 2**40)
    | st.floats(-1e60, 1e60)
    | st.just(math.nan)
    | st.just("0.5")
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), plain, plain), min_size=1, max_size=23), st.booleans())
def test_rows_are_read_back(
    tmp_path_factory: pytest.TempPathFactory, cells: list[tuple[int, Any, Any]], array: bool
) -> None:
    rows = [{"item": i, "score": score, "other": other} for i, score, other in cells]
    path = write(tmp_path_factory.mktemp("json") / "rows", json.dumps(rows) if array else lines(rows))
    records = read(path)
    expected = [math.nan if score is None else float(score) for _, score, _ in cells]
    assert records.score.tolist() == pytest.approx(expected, nan_ok=True, rel=0, abs=0)
    assert records.item.names() == [str(i) for i, _, _ in cells]


def test_keys_with_quotes_and_control_characters(tmp_path: Path) -> None:
    rows = [{"item": f"q{j}", 'sco"re': j, "b\\s": 1, "new\nline": "x"} for j in range(3)]
    path = write(tmp_path / "odd.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    table = read(path, score='sco"re', keep="all")
    assert table.score.tolist() == [0, 1, 2]
    assert table.extra["new\nline"].names() == ["x"] * 3
    assert set(table.extra) == {"b\\s", "new\nline"}


def test_a_key_that_only_later_rows_have(tmp_path: Path) -> None:
    lines = [json.dumps({"item": f"q{j}", "score": j}) for j in range(3000)]
    lines += ['{"item": "late", "score": NaN, "words": 7}', '{"item": "later", "score": 1, "cluster": "c"}']
    path = write(tmp_path / "late.jsonl", "\n".join(lines) + "\n")
    with pytest.raises(RecordsError, match="cluster column 'cluster' is empty"):
        read(path, cluster="cluster")
    table = read(path, keep="all")
    assert [v for v in table.extra["words"].tolist() if not math.isnan(v)] == [7]
    assert "column 'cluster' was not used as the cluster" in " ".join(table.sources[0].notes)
