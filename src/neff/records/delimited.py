"""CSV, TSV and their kin, in one pass and constant memory per column that is kept."""

from __future__ import annotations

import codecs
import csv
import io
import threading
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias

from neff.errors import RecordsError
from neff.records.assemble import assemble
from neff.records.feed import Feed
from neff.records.reader import HEAD, Chunk, Reader, open_bytes, stem_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from neff.records.columns import ColumnMap
    from neff.records.layout import Layout
    from neff.records.reader import Keep
    from neff.records.table import Records

__all__ = ["READER"]

_DELIMITERS = (",", "\t", ";", "|")
_CHUNK = 8192
_LONGEST = 1 << 24
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LIMIT_LOCK = threading.RLock()

Rows: TypeAlias = "Iterator[list[str]]"


def sniff(path: Path, head: bytes) -> bool:
    """Return whether the content is a table with one delimiter; a suffix decides for a single column."""
    text, cut = _head_text(head)
    if not text.strip() or "\0" in text or text.lstrip()[0] in "{[<":
        return False
    _, width, share = _best_delimiter(text, cut=cut)
    last = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"][-1:]
    named = last in ([".csv"], [".tsv"], [".tab"])
    return named or (width > 1 and share == 1.0 and len(text.splitlines()) > 1)


def header(path: Path) -> tuple[str, ...]:
    """Return the column names."""
    with _rows(path) as rows:
        return _header(rows, path)


def read(path: Path, columns: ColumnMap, keep: Keep) -> Records:
    """Read a delimited file."""
    layout = columns.resolve(header(path), path=path, keep=keep)
    (whole,) = chunks(path, layout)
    return assemble(
        layout,
        whole.columns,
        path=str(path),
        format="csv",
        model=stem_of(path),
        line_of=whole.line_of,
        notes=whole.notes,
    )


def chunks(path: Path, layout: Layout, size: int | None = None, rows: range | None = None) -> Iterator[Chunk]:  # noqa: ARG001
    """Yield the columns, part by part."""
    with _rows(path) as lines:
        names = _header(lines, path)
        before = 0
        while True:
            line_of = partial(_line_after, path, before)
            feed = Feed(layout, str(path), line_of)
            places = {name: names.index(name) for name in feed.sinks}
            n = 0
            while (size is None or n < size) and (chunk := list(islice(lines, _CHUNK))):
                whole = [row for row in chunk if row]  # the csv module reads a blank line as an empty row
                _refuse_ragged(whole, len(names), path, before + n)
                for name, place in places.items():
                    feed.extend(name, [row[place] for row in whole])
                n += len(whole)
            if n or size is None:
                yield Chunk(feed.finish(), line_of, tuple(feed.notes))
            if not n or size is None:
                return
            before += n


def _line_after(path: Path, before: int, row: int) -> int:
    return _line_of(path, before + row)


def _header(rows: Rows, path: Path) -> tuple[str, ...]:
    first = next((row for row in rows if row), None)
    if first is None:
        raise RecordsError("the file is empty.", "Give a file with a header and at least one row.", path=path)
    names = tuple(name.strip() for name in first)
    if not all(names):
        raise RecordsError(
            f"column {names.index('') + 1} of the header has no name.",
            "Name every column in the first line.",
            path=path,
            line=1,
        )
    return names


def _refuse_ragged(rows: Sequence[Sequence[str]], width: int, path: Path, before: int) -> None:
    if {*map(len, rows)} <= {width}:
        return
    at = next(i for i, row in enumerate(rows) if len(row) != width)
    raise RecordsError(
        f"the row has {len(rows[at])} fields, the header has {width}.",
        "Quote fields that hold the delimiter; end every row with the same number of fields.",
        path=path,
        line=_line_of(path, before + at),
    )


def _line_of(path: Path, row: int) -> int:
    """Return the line on which a row ends, by reading the file again: only errors need it."""
    with _reader(path) as reader:
        seen = -2  # the header is row -1
        for fields in reader:
            seen += bool(fields)
            if seen == row:
                break
        return int(reader.line_num)


@contextmanager
def _rows(path: Path) -> Iterator[Rows]:
    """Open the rows; what the csv module refuses is said in our words."""
    with _reader(path) as reader:
        try:
            yield reader
        except csv.Error as error:
            hint = "Close every quote, and write a quote inside a quoted field twice."
            if "field larger" in str(error):
                hint = "No field may be longer than 16 MiB; look for a quote that is not closed."
            raise RecordsError(
                f"the row cannot be split into fields ({error}).", hint, path=path, line=reader.line_num
            ) from error


@contextmanager
def _reader(path: Path) -> Iterator[Any]:
    with open_bytes(path) as file:
        head = file.read(HEAD)
    text, cut = _head_text(head)
    delimiter, _, _ = _best_delimiter(text, cut=cut)
    with open_bytes(path) as file, _long_fields():
        lines = io.TextIOWrapper(file, encoding=_encoding(head), newline="")
        yield csv.reader(lines, delimiter=delimiter, strict=True)


@contextmanager
def _long_fields() -> Iterator[None]:
    """Let fields be long while a file is read: the limit of the csv module is global, so it is put back."""
    with _LIMIT_LOCK:
        before = csv.field_size_limit(_LONGEST)
        try:
            yield
        finally:
            csv.field_size_limit(before)


def _encoding(head: bytes) -> str:
    return next((name for mark, name in _BOMS if head.startswith(mark)), "utf-8")


def _head_text(head: bytes) -> tuple[str, bool]:
    """Return the head as text, and whether it is cut off before the end of the file."""
    return codecs.getincrementaldecoder(_encoding(head))("replace").decode(head), len(head) >= HEAD


def _best_delimiter(text: str, *, cut: bool) -> tuple[str, int, float]:
    """Return the delimiter, the number of columns it makes, and the share of rows that agree with the header."""
    best = (",", 1, 0.0)
    for delimiter in _DELIMITERS:
        try:
            rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if row]
        except csv.Error:
            continue
        if cut and len(rows) > 1:
            rows.pop()
        if not rows:
            continue
        width = len(rows[0])
        share = sum(len(row) == width for row in rows) / len(rows)
        if width > 1 and (share == 1.0, width, share) > (best[2] == 1.0, best[1], best[2]):
            best = (delimiter, width, share)
    return best


READER = Reader("csv", mapped=True, sniff=sniff, read=read, header=header, chunks=chunks)
