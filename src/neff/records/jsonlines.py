"""JSON Lines, and a JSON array of flat rows. Fast decoder first; a tolerant one where logs hold bare NaN."""

from __future__ import annotations

import codecs
import json
import re
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import msgspec

from neff.errors import RecordsError
from neff.records.assemble import assemble
from neff.records.feed import Feed
from neff.records.reader import HEAD, Reader, not_utf8, open_bytes, stem_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from neff.records.columns import ColumnMap
    from neff.records.reader import Keep
    from neff.records.table import Records

__all__ = ["READER"]

_CHUNK = 1 << 20
_FIX = "Write one JSON object per line; an interrupted run may have cut the last line off: remove it."
_BETWEEN = re.compile(r"[\s,]*")
_FIX_ARRAY = "Write the file again: it may be cut off, or edited by hand."
_SPACE = b" \t\r\n"


def sniff(path: Path, head: bytes) -> bool:  # noqa: ARG001  (the contract of a reader)
    """Return whether the content starts as JSON Lines of objects, or as a JSON array of them."""
    text = _start(head)
    if text.startswith(b"["):
        return text[1:].lstrip(_SPACE)[:1] == b"{"
    line, newline, _ = text.partition(b"\n")
    if not line.startswith(b"{"):
        return False
    return line.rstrip(_SPACE).endswith(b"}") if newline or len(head) < HEAD else True


def header(path: Path) -> tuple[str, ...]:
    """Return the keys of all rows, in the order in which they first occur."""
    keys: dict[str, None] = {}
    for rows in _batches(path, dict[str, msgspec.Raw]):
        for row in rows:
            keys.update(dict.fromkeys(row))
    return tuple(keys)


def read(path: Path, columns: ColumnMap, keep: Keep) -> Records:
    """Read a file of JSON rows."""
    names = header(path)
    if not names:
        raise RecordsError("the file has no rows.", "Give a file with one JSON object per line.", path=path)
    layout = columns.resolve(names, path=path, keep=keep)
    feed = Feed(layout, str(path), lambda row: _line_of(path, row))
    getters = {name: attrgetter(f"f{i}") for i, name in enumerate(feed.sinks)}
    wanted = msgspec.defstruct(
        "Row", [(f"f{i}", Any, msgspec.field(default=None, name=name)) for i, name in enumerate(getters)], gc=False
    )
    for rows in _batches(path, wanted):
        for name, get in getters.items():
            feed.extend(name, [*map(get, rows)])
    return assemble(
        layout,
        feed.finish(),
        path=str(path),
        format="json" if _is_array(path) else "jsonl",
        model=stem_of(path),
        line_of=lambda row: _line_of(path, row),
        notes=tuple(feed.notes),
    )


def _is_array(path: Path) -> bool:
    with open_bytes(path) as file:
        return _start(file.read(1 << 12)).startswith(b"[")


def _start(content: bytes) -> bytes:
    return content.removeprefix(codecs.BOM_UTF8).lstrip(_SPACE)


def _batches(path: Path, kind: Any) -> Iterator[Sequence[Any]]:
    """Yield rows as `kind`: a Struct of the wanted fields, or a dict whose values are left alone."""
    decoder = msgspec.json.Decoder(kind)
    if _is_array(path):
        yield _array(path, kind)
        return
    with open_bytes(path) as file:
        before = 0
        while lines := file.readlines(_CHUNK):
            if not before:
                lines[0] = lines[0].removeprefix(codecs.BOM_UTF8)
            rows: list[Any] = []
            for number, line in enumerate(lines, before + 1):
                try:
                    rows.append(decoder.decode(line))
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                    if not line.isspace():
                        rows.append(_as_kind(_tolerant(line, path, number), kind, path, number))
            yield rows
            before += len(lines)


def _array(path: Path, kind: Any) -> list[Any]:
    with open_bytes(path) as file:
        content = file.read().removeprefix(codecs.BOM_UTF8)
    try:
        return msgspec.json.decode(content, type=list[kind])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        rows = _tolerant(content, path, None)
        return [_as_kind(row, kind, path, None) for row in rows]


def _tolerant(content: bytes, path: Path, line: int | None) -> Any:
    """Decode JSON that may hold NaN and Infinity."""
    try:
        return json.loads(content.decode())
    except UnicodeDecodeError as error:
        raise not_utf8(error, path) from error
    except json.JSONDecodeError as error:
        at, fix = (error.lineno, _FIX_ARRAY) if line is None else (line, _FIX)
        raise RecordsError(f"this is not JSON ({error.msg}).", fix, path=path, line=at) from error
    except (ValueError, RecursionError) as error:
        raise RecordsError(f"this JSON cannot be read ({error}).", _FIX, path=path, line=line) from error


def _as_kind(row: Any, kind: Any, path: Path, line: int | None) -> Any:
    if not isinstance(row, dict):
        what = type(row).__name__
        raise RecordsError(f"a row must be a JSON object, not {what}.", _FIX, path=path, line=line)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return kind(*(row.get(name) for name in kind.__struct_encode_fields__))
    return row


def _line_of(path: Path, row: int) -> int:
    """Return the line of a row, by reading the file again: only errors need it."""
    if _is_array(path):
        return _line_in_array(path, row)
    with open_bytes(path) as file:
        seen = -1
        for number, line in enumerate(file, 1):
            seen += not line.isspace()
            if seen == row:
                return number
    return row + 1


def _line_in_array(path: Path, row: int) -> int:
    with open_bytes(path) as file:
        text = file.read().decode(errors="replace")
    decoder, at = json.JSONDecoder(), text.index("[") + 1
    for step in range(row + 1):
        at = _BETWEEN.match(text, at).end()  # type: ignore[union-attr]  # it matches the empty string too
        if step < row:
            _, at = decoder.raw_decode(text, at)
    return text.count("\n", 0, at) + 1


READER = Reader("jsonl", mapped=True, sniff=sniff, read=read, header=header)
