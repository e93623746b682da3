"""Decode the JSON of other producers: strict and fast first, then with the bare NaN that some of them write."""

from __future__ import annotations

import codecs
import json
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from neff.errors import RecordsError
from neff.records.reader import open_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["decode", "each_line", "field_of", "fields_of"]

T = TypeVar("T")


def decode(data: bytes, kind: type[T], what: str) -> T:
    """Decode one JSON text into a type; unknown fields are skipped without building them.

    Parameters
    ----------
    data
        The text, UTF-8.
    kind
        What it must be: a `msgspec.Struct` or any type that msgspec knows.
    what
        Its name in messages ("header.json").

    Raises
    ------
    RecordsError
        If it is not JSON, or not of that type.

    Notes
    -----
    A text with bare NaN or Infinity (Inspect writes them on purpose) is decoded a second time by the
    standard library, which is several times slower and builds the unknown fields too.

    Examples
    --------
    >>> decode(b'{"value": NaN}', dict[str, float], "the text")
    {'value': nan}
    """
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        value = _tolerant(data, what)
    except RecursionError as error:
        raise _too_deep(what) from error
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise RecordsError(
            f"{what} has an unexpected shape ({error}).", "Check that its producer wrote it unchanged."
        ) from error
    except UnicodeEncodeError as error:
        raise RecordsError(
            f"{what} has a key that is not text (half a surrogate pair).", "Check that its producer wrote it unchanged."
        ) from error


def each_line(path: Path, kind: type[T]) -> Iterator[tuple[int, T]]:
    """Yield the number and the value of each line of JSON Lines, one line in memory at a time.

    Raises
    ------
    RecordsError
        If a line is not JSON, or not of that type; it names the line.
    """
    with open_bytes(path) as file:
        for number, line in enumerate(file, 1):
            if line.isspace():
                continue
            try:
                value = decode(line.removeprefix(codecs.BOM_UTF8), kind, "the line")
            except RecordsError as error:
                raise RecordsError(error.problem, error.fix, path=path, line=number) from error
            yield number, value


def fields_of(line: bytes, what: str) -> dict[str, Any]:
    """Return the fields of a JSON object without decoding their values; read them with `field_of`.

    Examples
    --------
    >>> fields = fields_of(b'{"doc": {"long": "text"}, "acc": 1.0}', "line 1")
    >>> field_of(fields, "acc"), field_of(fields, "f1")
    (1.0, None)
    """
    try:
        return msgspec.json.decode(line, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError):
        value = _tolerant(line, what)
    except RecursionError as error:
        raise _too_deep(what) from error
    if not isinstance(value, dict):
        raise RecordsError(f"{what} is not a JSON object.", "Remove it, or write the file again.")
    return value


def field_of(fields: Mapping[str, Any], name: str) -> Any:
    """Return the value of a field from `fields_of`, None where it is absent."""
    value = fields.get(name)
    return decode(bytes(value), object, name) if isinstance(value, msgspec.Raw) else value


def _tolerant(data: bytes, what: str) -> Any:
    try:
        return json.loads(data)
    except RecursionError as error:
        raise _too_deep(what) from error
    except ValueError as error:
        raise RecordsError(
            f"{what} is not valid JSON ({error}).", "It may be cut off: copy it again, or write it again."
        ) from error


def _too_deep(what: str) -> RecordsError:
    return RecordsError(f"{what} is nested too deeply.", "Check that its producer wrote it unchanged.")
