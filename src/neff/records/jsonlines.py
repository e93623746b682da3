"""JSON Lines, and a JSON array of flat rows: whole files, or part by part."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from neff.errors import RecordsError
from neff.records.assemble import assemble
from neff.records.feed import Feed
from neff.records.jsonrows import NewKeyError, batches, is_array, line_in, row_type, start_of
from neff.records.reader import HEAD, Chunk, Reader, stem_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from neff.records.columns import ColumnMap
    from neff.records.layout import Layout
    from neff.records.reader import Keep
    from neff.records.table import Records

__all__ = ["READER"]

_SPACE = b" \t\r\n"


def sniff(path: Path, head: bytes) -> bool:  # noqa: ARG001  (the contract of a reader)
    """Return whether the content starts as JSON Lines of objects, or as a JSON array of them."""
    text = start_of(head)
    if text.startswith(b"["):
        return text[1:].lstrip(_SPACE)[:1] == b"{"
    line, newline, _ = text.partition(b"\n")
    if not line.startswith(b"{"):
        return False
    return line.rstrip(_SPACE).endswith(b"}") if newline or len(head) < HEAD else True


def header(path: Path) -> tuple[str, ...]:
    """Return the keys of all rows, in the order in which they first occur."""
    keys: dict[str, None] = {}
    for rows in batches(path, dict[str, msgspec.Raw]):
        for row in rows:
            keys.update(dict.fromkeys(row))
    return tuple(keys)


def read(path: Path, columns: ColumnMap, keep: Keep) -> Records:
    """Read a file of JSON rows: once, where the first rows have all keys."""
    names = tuple(dict.fromkeys(key for row in next(batches(path, dict[str, msgspec.Raw]), ()) for key in row))
    try:
        layout = _layout(names, path, columns, keep)
        (whole,) = _chunks(path, layout, None, names)
    except (NewKeyError, RecordsError):  # there are other keys further down, or something is wrong
        layout = _layout(header(path), path, columns, keep)
        (whole,) = _chunks(path, layout, None)
    return assemble(
        layout,
        whole.columns,
        path=str(path),
        format="json" if is_array(path) else "jsonl",
        model=stem_of(path),
        line_of=whole.line_of,
        notes=whole.notes,
    )


def chunks(path: Path, layout: Layout, size: int | None = None, rows: range | None = None) -> Iterator[Chunk]:  # noqa: ARG001
    """Yield the columns, part by part."""
    return _chunks(path, layout, size)


def _layout(names: tuple[str, ...], path: Path, columns: ColumnMap, keep: Keep) -> Layout:
    if not names:
        raise RecordsError("the file has no rows.", "Give a file with one JSON object per line.", path=path)
    return columns.resolve(names, path=path, keep=keep)


def _chunks(path: Path, layout: Layout, size: int | None, names: tuple[str, ...] | None = None) -> Iterator[Chunk]:
    """Yield the columns, part by part; where `names` are given, refuse rows with other keys."""
    before, n = 0, 0
    feed, line_of = _feed(path, layout, before)
    kind, getters = row_type([*feed.sinks], names)
    for rows in batches(path, kind):
        for name, get in getters.items():
            feed.extend(name, [*map(get, rows)])
        n += len(rows)
        if size is not None and n >= size:
            yield Chunk(feed.finish(), line_of, tuple(feed.notes))
            before, n = before + n, 0
            feed, line_of = _feed(path, layout, before)
    if n or size is None:
        yield Chunk(feed.finish(), line_of, tuple(feed.notes))


def _feed(path: Path, layout: Layout, before: int) -> tuple[Feed, Callable[[int], int]]:
    def line_of(row: int) -> int:
        return line_in(path, before + row)

    return Feed(layout, str(path), line_of), line_of


READER = Reader("jsonl", mapped=True, sniff=sniff, read=read, header=header, chunks=chunks)
