"""Files that lie, swell, change or never end: each reader says so, in bounded memory, and never gives other rows."""

from __future__ import annotations

import gzip
import io
import json
import math
import os
import subprocess
import sys
import threading
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import ipc
from pyarrow import parquet as pq

from neff import diagnose, read
from neff.errors import NeffError, RecordsError
from neff.records import Records
from neff.records.big import load

if TYPE_CHECKING:
    from collections.abc import Callable

FIXTURES = Path(__file__).parent.parent / "fixtures"
TABLE = [
    {"item": f"q{i}", "model": "ab"[j], "draw": 0, "score": (i + j) % 2, "text": "é"} for i in range(3) for j in (0, 1)
]


def fixture(pattern: str) -> bytes:
    (path,) = FIXTURES.glob(pattern)
    content = path.read_bytes()
    return gzip.decompress(content) if path.suffix == ".gz" else content


def first_lines(pattern: str, n: int = 2) -> bytes:
    return b"".join(fixture(pattern).splitlines(keepends=True)[:n])


def first_of_list(pattern: str, n: int = 2) -> bytes:
    return json.dumps(json.loads(fixture(pattern))[:n]).encode()


def promptfoo() -> bytes:
    whole = json.loads(fixture("promptfoo/sums.json.gz"))
    whole["results"]["results"] = whole["results"]["results"][:2]
    return json.dumps({"evalId": whole["evalId"], "results": whole["results"]}).encode()


def inspect_json() -> bytes:
    log = json.loads(fixture("inspect/arith_alpha.json"))
    kept = ("id", "epoch", "scores", "metadata")
    log["samples"] = [{key: sample[key] for key in kept} for sample in log["samples"][:2]]
    return json.dumps({key: log[key] for key in ("version", "status", "eval", "samples")}).encode()


def inspect_zip() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(FIXTURES / "inspect" / "arith_alpha_deflate.eval") as log:
        header, summaries = json.loads(log.read("header.json")), json.loads(log.read("summaries.json"))
        header = {key: header[key] for key in ("version", "status", "eval")}
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as small:
            small.writestr("header.json", json.dumps(header))
            small.writestr("summaries.json", json.dumps(summaries[:2]))
    return target.getvalue()


def arrow(rows: list[dict[str, Any]]) -> bytes:
    target, table = io.BytesIO(), pa.Table.from_pylist(rows)
    with ipc.new_file(target, table.schema) as writer:
        writer.write_table(table)
    return target.getvalue()


def parquet(table: pa.Table) -> bytes:
    """Return a small file: every byte of it is cut off at once, and an engine is started for each."""
    target = io.BytesIO()
    plain = {"use_dictionary": False, "write_statistics": False, "store_schema": False, "compression": "none"}
    pq.write_table(table.replace_schema_metadata(None), target, **plain)
    return target.getvalue()


def first_rows(pattern: str) -> bytes:
    return parquet(pq.read_table(io.BytesIO(fixture(pattern))).slice(0, 2))


def csv_of(rows: list[dict[str, Any]]) -> bytes:
    return "".join(
        ",".join(map(str, row)) + "\n" for row in [list(rows[0]), *(list(r.values()) for r in rows)]
    ).encode()


SMALL: dict[str, tuple[str, bytes]] = {
    "csv": ("t.csv", csv_of(TABLE)),
    "jsonl": ("t.jsonl", "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in TABLE).encode()),
    "json": ("t.json", json.dumps(TABLE, ensure_ascii=False).encode()),
    "parquet": ("t.parquet", parquet(pa.Table.from_pylist(TABLE))),
    "arrow": ("t.arrow", arrow(TABLE)),
    "inspect": ("log.eval", inspect_zip()),
    "inspect-json": ("log.json", inspect_json()),
    "lm-eval": ("samples_words_2026-01-01T00-00-00.jsonl", first_lines("lm_eval/org__alpha/samples_words*")),
    "helm": ("per_instance_stats.json", first_of_list("helm/org_alpha/per_instance_stats.json")),
    "opencompass": ("gpqa.json", fixture("opencompass/results/alpha/gpqa.json")),
    "promptfoo": ("sums.json", promptfoo()),
    "promptfoo-lines": ("sums.jsonl", first_lines("promptfoo/sums.jsonl.gz")),
    "alpaca_eval": ("annotations.json", first_of_list("alpaca_eval/alpha/annotations.json")),
    "every_eval_ever": ("x_samples.jsonl", first_lines("every_eval_ever/*01_samples.jsonl")),
    "lighteval": ("details.parquet", first_rows("lighteval/details/org/alpha/*/*.parquet")),
    "trl": ("completions_00005.parquet", first_rows("trl/run-7/completions/completions_00005.parquet")),
    "verl": ("3.jsonl", first_lines("verl/rollouts/3.jsonl")),
    "verifiers": ("traces.jsonl", first_lines("verifiers/sums/traces.jsonl")),
}
"""A small file of each reader, and the name that it has."""

LINES = ["jsonl", "lm-eval", "promptfoo-lines", "every_eval_ever", "verl", "verifiers"]
WHOLE = ["json", "inspect-json", "helm", "opencompass", "promptfoo", "alpaca_eval"]
TEXT = ["csv", *LINES, *WHOLE]


def put(folder: Path, kind: str, content: bytes | None = None) -> Path:
    """Write a file into a folder of its own: its name stands for the model in some formats."""
    path = folder / "run" / SMALL[kind][0]
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(SMALL[kind][1] if content is None else content)
    return path


def attempt(function: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Return what a function returns, or the error of ours that it raises; anything else fails the test."""
    try:
        return function(*args, **options)
    except NeffError as error:
        return error


def read_or_refuse(path: Path) -> Records | None:
    found = attempt(read, path)
    return None if isinstance(found, NeffError) else found


def rows(table: Records) -> list[tuple[Any, ...]]:
    names = [factor.names() for factor in (table.task, table.model, table.metric, table.item)]
    scores = [None if math.isnan(score) else score for score in table.score]
    return sorted(zip(*names, table.draw.tolist(), scores, strict=True), key=repr)


def test_every_reader_is_here(tmp_path: Path) -> None:
    from neff.records.detect import readers

    found = {read(put(tmp_path, kind)).sources[0].format for kind in SMALL}
    assert {reader.name for reader in readers()} <= found


# --------------------------------------------------------------------------------- cut off at every byte


def check_cuts(tmp_path: Path, kind: str, step: int) -> None:
    content = SMALL[kind][1]
    path = put(tmp_path, kind)
    whole = rows(read(path))
    for end in range(len(content) - 1, -1, -step):
        path.write_bytes(content[:end])
        table = read_or_refuse(path)
        if table is None:
            continue
        assert kind in ("csv", *LINES), end  # only lines can end early and still make sense
        found = rows(table)
        assert len(found) <= len(whole)
        # a cut in the last cell of a CSV file may leave another number; every row before it is as it was
        lost = [row for row in found if row not in whole]
        assert len(lost) <= (kind == "csv"), (end, lost)


@pytest.mark.parametrize("kind", SMALL)
def test_cut_off_at_many_bytes(tmp_path: Path, kind: str) -> None:
    check_cuts(tmp_path, kind, 97 if kind in ("parquet", "lighteval", "trl") else 23)


@pytest.mark.slow
@pytest.mark.parametrize("kind", SMALL)
def test_cut_off_at_every_byte(tmp_path: Path, kind: str) -> None:
    check_cuts(tmp_path, kind, 1)


# ------------------------------------------------------------------------------------------------- bombs


@pytest.mark.parametrize("kind", WHOLE)
def test_a_gzip_file_of_json_that_swells_is_refused(tmp_path: Path, kind: str) -> None:
    """40 kB that unpack to 40 MB of white space."""
    path = put(tmp_path, kind, gzip.compress(SMALL[kind][1] + b"\n " * 20_000_000, 1))
    with pytest.raises(RecordsError, match=r"larger than .* bytes, 100 times the file"):
        read(path)


@pytest.mark.parametrize("kind", ["csv", *LINES])
def test_a_gzip_file_with_a_line_that_swells_is_refused(tmp_path: Path, kind: str) -> None:
    path = put(tmp_path, kind, gzip.compress(SMALL[kind][1] + b'{"item": "' + b"x" * 40_000_000 + b'"}\n', 1))
    with pytest.raises(RecordsError, match=r"a line in this compressed file is larger than"):
        read(path)


@pytest.mark.parametrize("kind", LINES)
def test_a_gzip_file_of_many_lines_is_streamed_however_small(tmp_path: Path, kind: str) -> None:
    """Blank lines hurt nobody: 18 MB of them, in no memory."""
    path = put(tmp_path, kind)
    whole = rows(read(path))
    path.write_bytes(gzip.compress(SMALL[kind][1] + (b" " * 999 + b"\n") * 18_000, 1))
    assert rows(read(path)) == whole


BOMB = """
import resource, sys
from neff import read
from neff.errors import NeffError

read(sys.argv[2])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    read(sys.argv[1])
    print("read")
except NeffError as error:
    print(type(error).__name__, error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def measured(path: Path, small: Path) -> tuple[str, int]:
    """Return what came out of a file, and by how many MB memory grew."""
    done = subprocess.run(
        [sys.executable, "-c", BOMB, str(path), str(small)], capture_output=True, text=True, check=True, timeout=300
    )
    said, megabytes = done.stdout.splitlines()
    return said, int(megabytes)


def many_rows(kind: str) -> bytes:
    """Return a Parquet file of a few kilobytes that says five million rows."""
    table = pq.read_table(io.BytesIO(SMALL[kind][1]))
    block = table.take(pa.array(np.zeros(1 << 18, np.int64)))
    target = io.BytesIO()
    with pq.ParquetWriter(target, table.schema, compression="zstd") as writer:
        for _ in range(20):
            writer.write_table(block)
    return target.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["trl", "lighteval"])
def test_a_parquet_log_with_millions_of_rows_is_refused_unread(tmp_path: Path, kind: str) -> None:
    small = put(tmp_path, kind)
    path = tmp_path / small.name
    path.write_bytes(many_rows(kind))
    said, megabytes = measured(path, small)
    assert "at most 4,194,304 are read as a log" in said
    assert megabytes < 300


def test_memory_of_bombs_is_bounded(tmp_path: Path) -> None:
    small = put(tmp_path, "helm")
    bomb = tmp_path / "bomb.json"
    bomb.write_bytes(gzip.compress(SMALL["helm"][1] + b"\n " * 100_000_000, 1))
    said, megabytes = measured(bomb, small)
    assert said.startswith("RecordsError")
    assert megabytes < 200


def test_a_zip_log_with_members_outside_of_it_writes_nothing(tmp_path: Path) -> None:
    path = put(tmp_path, "inspect")
    whole = rows(read(path))
    with zipfile.ZipFile(path, "a") as log:
        for name in ("../../evil.json", "/etc/evil.json", "samples/../../evil_epoch_1.json", "a\\..\\evil.json"):
            log.writestr(name, "{}")
    before = sorted(tmp_path.parent.rglob("*evil*"))
    assert rows(read(path)) == whole
    assert sorted(tmp_path.parent.rglob("*evil*")) == before == []


# ---------------------------------------------------------------------------------- long lines, deep JSON, NaN


@pytest.mark.parametrize("kind", ["csv", *LINES])
def test_a_line_of_ten_megabytes(tmp_path: Path, kind: str) -> None:
    path = put(tmp_path, kind)
    whole = rows(read(path))
    long = "x" * 10_000_000
    if kind == "csv":
        content = csv_of([{**row, "text": long if i == 1 else "short"} for i, row in enumerate(TABLE)])
    else:
        first, *others = map(json.loads, SMALL[kind][1].splitlines())
        content = "".join(json.dumps(row) + "\n" for row in [{**first, "zz_long": long}, *others]).encode()
    path.write_bytes(content)
    assert rows(read(path, keep="mapped")) == whole


@pytest.mark.parametrize("kind", [*LINES, *WHOLE])
def test_deep_nests(tmp_path: Path, kind: str) -> None:
    """A field that nobody reads may be deep; as deep as a parser cannot go is an error of ours."""
    path = put(tmp_path, kind)
    for depth in (50, 100_000):
        nest = b"[" * depth + b"]" * depth
        content = SMALL[kind][1]
        place = content.index(b"{") + 1
        start = content[:place] + b'"zz_deep": ' + nest + b", " + content[place:]
        end = content.rstrip()[:-1] + b', "zz_deep": ' + nest + content.rstrip()[-1:] + b"\n"
        for changed in (start, end):
            path.write_bytes(changed)
            read_or_refuse(path)


def numbers(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the place of every number inside a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    own = [at] if isinstance(value, (int, float)) else []
    return own + [place for key, child in inner for place in numbers(child, (*at, key))]


@pytest.mark.parametrize("kind", [*LINES, *WHOLE])
@pytest.mark.parametrize("bare", [math.nan, math.inf, -math.inf])
def test_bare_nan_and_infinity_in_any_number(tmp_path: Path, kind: str, bare: float) -> None:
    """None ever becomes a score: it is unscored, and counted, or refused."""
    path = put(tmp_path, kind)
    n = len(read(path))
    content = SMALL[kind][1]
    values = [json.loads(line) for line in content.splitlines()] if kind in LINES else json.loads(content)
    places = numbers(values)
    n_read = 0
    for place in places[:: max(1, len(places) // 40)]:
        changed = json.loads(json.dumps(values))
        inner = changed
        for key in place[:-1]:
            inner = inner[key]
        inner[place[-1]] = bare
        text = "".join(json.dumps(v) + "\n" for v in changed) if kind in LINES else json.dumps(changed)
        path.write_bytes(text.encode())
        table = read_or_refuse(path)
        if table is not None:
            n_read += 1
            assert not np.isinf(table.score).any()
            assert len(table) == n
    assert n_read > 0


# ------------------------------------------------------------------------------------------------ encodings


@pytest.mark.parametrize("kind", TEXT)
def test_a_byte_order_mark_changes_nothing(tmp_path: Path, kind: str) -> None:
    path = put(tmp_path, kind)
    whole, found = rows(read(path)), read(path).sources[0].format
    path.write_bytes(b"\xef\xbb\xbf" + SMALL[kind][1])
    table = read(path)
    assert rows(table) == whole
    assert table.sources[0].format == found


@pytest.mark.parametrize("kind", TEXT)
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
def test_other_encodings_are_read_right_or_refused(tmp_path: Path, kind: str, encoding: str) -> None:
    path = put(tmp_path, kind)
    text = SMALL[kind][1].decode()
    whole = rows(read(path))
    path.write_bytes(text.encode(encoding, "replace"))
    table = read_or_refuse(path)
    if table is not None:
        assert rows(table) == whole
    if encoding == "utf-16" and kind != "csv":
        assert table is None
        with pytest.raises(RecordsError, match="iconv"):
            read(path)


@pytest.mark.parametrize("kind", LINES)
def test_one_line_in_another_encoding(tmp_path: Path, kind: str) -> None:
    """Two logs that were joined: what is not UTF-8 is refused where it is read, and skipped where it is not."""
    path = put(tmp_path, kind)
    whole = rows(read(path))
    first, second = SMALL[kind][1].splitlines()[:2]
    place = second.rindex(b"}")
    path.write_bytes(first + b"\n" + second[:place] + b', "zz": "caf\xe9"' + second[place:] + b"\n")
    table = read_or_refuse(path)
    if table is not None and kind != "jsonl":
        assert rows(table) == whole


# --------------------------------------------------------------------------------- links, pipes, permissions


def test_links_that_go_in_circles_or_nowhere_and_pipes(tmp_path: Path) -> None:
    whole = rows(read(put(tmp_path, "jsonl")))
    folder = tmp_path / "run"
    (folder / "one.jsonl").symlink_to("two.jsonl")
    (folder / "two.jsonl").symlink_to("one.jsonl")
    (folder / "lost.jsonl").symlink_to("nowhere")
    (folder / "self").symlink_to(".")
    (folder / "up").symlink_to("..")
    os.mkfifo(folder / "endless.jsonl")
    os.mkfifo(folder / "t.json")  # where the output of promptfoo would lie
    table = read(folder)
    assert rows(table) == whole
    names = ["endless.jsonl", "lost.jsonl", "one.jsonl", "t.json", "two.jsonl"]
    assert sorted(Path(unread.path).name for unread in table.unread) == names
    assert sorted(Path(file.path).name for file in diagnose(folder).files if file.problem) == names
    for name in ("one.jsonl", "lost.jsonl"):
        with pytest.raises(RecordsError, match="a link that leads nowhere"):
            read(folder / name)


@pytest.mark.parametrize(
    ("kind", "beside"),
    [
        ("lm-eval", "results_2026-01-01T00-00-00.json"),
        ("helm", "run_spec.json"),
        ("helm", "stats.json"),
        ("every_eval_ever", "x.json"),
        ("promptfoo-lines", "sums.json"),
    ],
)
def test_what_lies_beside_a_log_cannot_hold_it_up(tmp_path: Path, kind: str, beside: str) -> None:
    path = put(tmp_path, kind)
    whole = [row[-1] for row in rows(read(path))]
    other = path.with_name(beside)
    os.mkfifo(other)
    assert [row[-1] for row in rows(read(path))] == whole
    other.unlink()
    for content in (b"", b"{", b"\x1f\x8b\x08\x00broken", b"\xff\xfe", b"[" * 100_000, b"null"):
        other.write_bytes(content)
        assert [row[-1] for row in rows(read(path))] == whole


@pytest.mark.parametrize("kind", SMALL)
@pytest.mark.parametrize(
    ("error", "words"), [(PermissionError(13, "no"), "permission denied"), (FileNotFoundError(2, "no"), "no such file")]
)
def test_a_file_that_goes_away_or_may_not_be_read(
    tmp_path: Path, kind: str, error: OSError, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At whichever of the times that it is opened."""
    path = put(tmp_path, kind)
    whole = rows(read(path))
    left = 0
    original = Path.open

    def failing(self: Path, *args: Any, **kwargs: Any) -> Any:
        nonlocal left
        left -= self == path
        if left < 0:
            raise error
        return original(self, *args, **kwargs)

    monkeypatch.setattr(Path, "open", failing)
    for allowed in range(4):
        left = allowed
        found = attempt(read, path)
        assert words in str(found) if isinstance(found, NeffError) else rows(found) == whole


# ------------------------------------------------------------------------------------------- growing files


@pytest.mark.parametrize("engine", ["memory", "stream"])
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_table_that_grows_while_it_is_read(tmp_path: Path, kind: str, engine: str) -> None:
    """What comes out is the table as it was at one moment: its first rows, each as it is."""
    path = tmp_path / f"t.{kind}"
    line = (
        (lambda i: f"q{i},m,{i % 2}\n")
        if kind == "csv"
        else (lambda i: f'{{"item": "q{i}", "model": "m", "score": {i % 2}}}\n')
    )
    head = "item,model,score\n" if kind == "csv" else ""
    path.write_text(head + "".join(map(line, range(5003))))
    stop = threading.Event()

    def grow() -> None:
        with path.open("a") as file:
            for i in range(5003, 60_013):
                file.write(line(i))
                file.flush()
                if stop.is_set():
                    return

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        for _ in range(3):
            table = attempt(load, path, engine=engine)
            if isinstance(table, NeffError):
                assert "line" in str(table)  # the last line was half there
                continue
            if isinstance(table, Records):
                n, known = len(table), dict(zip(table.item.names(), table.score.tolist(), strict=True))
                assert known == {f"q{i}": float(i % 2) for i in range(n)}
            else:
                n = int(table.n.sum())
                assert {*table.item.levels} == {f"q{i}" for i in range(n)}
            assert n >= 5003
    finally:
        stop.set()
        writer.join()


@pytest.mark.parametrize("kind", LINES)
def test_a_log_that_grows_each_time_it_is_opened(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(tmp_path, kind)
    first = rows(read(path))
    more = {"lm-eval": "lm_eval/org__alpha/samples_words*", "promptfoo-lines": "promptfoo/sums.jsonl.gz"}
    more |= {"every_eval_ever": "every_eval_ever/*01_samples.jsonl", "verl": "verl/rollouts/3.jsonl"}
    more |= {"verifiers": "verifiers/sums/traces.jsonl"}
    lines = [*first_lines(more[kind], 9).splitlines(keepends=True)[2:]] if kind in more else [
        f'{{"item": "z{i}", "model": "c", "draw": 0, "score": 1, "text": ""}}\n'.encode() for i in range(7)
    ]  # fmt: skip
    original = Path.open

    def growing(self: Path, *args: Any, **kwargs: Any) -> Any:
        if self == path and lines:
            with original(path, "ab") as file:
                file.write(lines.pop(0))
        return original(self, *args, **kwargs)

    monkeypatch.setattr(Path, "open", growing)
    table = read(path)
    monkeypatch.undo()
    whole = rows(read(path))
    found = rows(table)
    assert len(first) <= len(found) <= len(whole)
    known = [row[-1] for row in whole]
    for row in found:
        known.remove(row[-1])  # every score is one of the file
