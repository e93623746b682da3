"""The rows of JSON Lines and JSON arrays: fast decoder first; a tolerant one where logs hold bare NaN."""

from __future__ import annotations

import codecs
import json
import re
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from neff.errors import RecordsError
from neff.records.reader import line_blocks, not_utf8, one_each, open_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

__all__ = ["NewKeyError", "batches", "is_array", "line_in", "row_type", "start_of"]

_FIX = "Write one JSON object per line; an interrupted run may have cut the last line off: remove it."
_FIX_ARRAY = "Write the file again: it may be cut off, or edited by hand."
_BETWEEN = re.compile(r"[\s,]*")
_SPACE = b" \t\r\n"
_ODD = re.compile(r'["\\\x00-\x1f\ud800-\udfff]')
"""What the name of a field of a typed row cannot hold."""
_NOTHING = msgspec.Raw(b"null")


class NewKeyError(Exception):
    """A row has a key that the first rows did not have."""


class _Line(NamedTuple):
    """Where a line is: lines are counted only where there is something to say about one."""

    at: int
    within: int

    def number(self, path: Path) -> int:
        """Return its number, from 1."""
        with open_bytes(path) as file:
            return file.read(self.at).count(b"\n") + self.within


def row_type(wanted: Sequence[str], names: Sequence[str] | None) -> tuple[Any, dict[str, Callable[[Any], Any]]]:
    """Return the type of a row, and what gets each wanted cell out of one.

    Parameters
    ----------
    wanted
        Keys to get.
    names
        All keys that a row may have; None: any.

    Raises
    ------
    NewKeyError
        If `names` has a key that a typed row cannot hold.
    """
    fields: list[Any] = [(f"f{i}", Any, msgspec.field(default=None, name=name)) for i, name in enumerate(wanted)]
    getters: dict[str, Callable[[Any], Any]] = {name: attrgetter(f"f{i}") for i, name in enumerate(wanted)}
    if any(_ODD.search(name) for name in (names or wanted)):
        if names is not None:
            raise NewKeyError
        return dict[str, Any], {name: partial(_get, name) for name in wanted}
    if names is None:
        return msgspec.defstruct("Row", fields, gc=False), getters
    others = [name for name in names if name not in wanted]
    fields += [(f"g{i}", msgspec.Raw, msgspec.field(default=_NOTHING, name=name)) for i, name in enumerate(others)]
    return msgspec.defstruct("Row", fields, gc=False, forbid_unknown_fields=True), getters


def _get(name: str, row: dict[str, Any]) -> Any:
    return row.get(name)


def is_array(path: Path) -> bool:
    """Return whether the file is one JSON array."""
    with open_bytes(path) as file:
        return start_of(file.read(1 << 12)).startswith(b"[")


def start_of(content: bytes) -> bytes:
    """Return content without byte order mark and white space in front."""
    return content.removeprefix(codecs.BOM_UTF8).lstrip(_SPACE)


def batches(path: Path, kind: Any) -> Iterator[Sequence[Any]]:
    """Yield rows as `kind`: a Struct of the wanted fields, or a dict whose values are left alone."""
    decoder = msgspec.json.Decoder(kind)
    if is_array(path):
        yield _array(path, kind)
        return
    with open_bytes(path) as file:
        at = 0
        for block in line_blocks(file):
            mark = len(codecs.BOM_UTF8) if not at and bytes(block[:3]) == codecs.BOM_UTF8 else 0
            fast = [] if mark else _rows(block, decoder)
            yield fast or list(_one_by_one(block[mark:], decoder, kind, path, at))
            at += len(block)


def _rows(block: memoryview, decoder: Any) -> list[Any]:
    """Return the rows of a block where each line holds one, else nothing."""
    try:
        rows: list[Any] = decoder.decode_lines(block)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []
    return rows if one_each(block, len(rows)) else []


def _one_by_one(block: memoryview, decoder: Any, kind: Any, path: Path, at: int) -> Iterator[Any]:
    for number, line in enumerate(bytes(block).split(b"\n"), 1):
        try:
            yield decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            place = _Line(at, number)
            if line.strip():
                yield _as_kind(_tolerant(line, path, place), kind, path, place)


def _array(path: Path, kind: Any) -> list[Any]:
    with open_bytes(path) as file:
        content = file.read().removeprefix(codecs.BOM_UTF8)
    try:
        return msgspec.json.decode(content, type=list[kind])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        rows = _tolerant(content, path, None)
        return [_as_kind(row, kind, path, None) for row in rows]


def _tolerant(content: bytes, path: Path, line: _Line | None) -> Any:
    """Decode JSON that may hold NaN and Infinity."""
    try:
        return json.loads(content.decode())
    except UnicodeDecodeError as error:
        raise not_utf8(error, path) from error
    except json.JSONDecodeError as error:
        at, fix = (error.lineno, _FIX_ARRAY) if line is None else (line.number(path), _FIX)
        raise RecordsError(f"this is not JSON ({error.msg}).", fix, path=path, line=at) from error
    except (ValueError, RecursionError) as error:
        raise RecordsError(
            f"this JSON cannot be read ({error}).", _FIX, path=path, line=line and line.number(path)
        ) from error


def _as_kind(row: Any, kind: Any, path: Path, line: _Line | None) -> Any:
    if not isinstance(row, dict):
        what = type(row).__name__
        raise RecordsError(
            f"a row must be a JSON object, not {what}.", _FIX, path=path, line=line and line.number(path)
        )
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        if kind.__struct_config__.forbid_unknown_fields and not {*row} <= {*kind.__struct_encode_fields__}:
            raise NewKeyError
        return kind(*(row.get(name) for name in kind.__struct_encode_fields__))
    return row


def line_in(path: Path, row: int) -> int:
    """Return the line of a row, by reading the file again: only errors need it."""
    if is_array(path):
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
