"""Decode JSON that producers write: strict and fast first, then with the bare NaN and Infinity that some of them write."""

from __future__ import annotations

import json
from typing import TypeVar

import msgspec

from neff.errors import RecordsError

__all__ = ["decode", "raw_fields"]

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
    standard library, which takes about five times as long and builds the unknown fields too.

    Examples
    --------
    >>> decode(b'{"value": NaN}', dict[str, float], "the text")
    {'value': nan}
    """
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        raise _unexpected(what, error) from error
    except (msgspec.DecodeError, UnicodeDecodeError):
        value = _tolerant(data, what)
    except RecursionError as error:
        raise _too_deep(what) from error
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise _unexpected(what, error) from error


def raw_fields(line: bytes, what: str) -> dict[str, msgspec.Raw]:
    """Return the fields of a JSON object, their values not decoded yet.

    Examples
    --------
    >>> fields = raw_fields(b'{"doc": {"long": "text"}, "acc": 1.0}', "line 1")
    >>> msgspec.json.decode(fields["acc"])
    1.0
    """
    try:
        return msgspec.json.decode(line, type=dict[str, msgspec.Raw])
    except msgspec.ValidationError as error:
        raise _unexpected(what, error) from error
    except (msgspec.DecodeError, UnicodeDecodeError):
        value = _tolerant(line, what)
    except RecursionError as error:
        raise _too_deep(what) from error
    if not isinstance(value, dict):
        raise RecordsError(f"{what} is not a JSON object.", "Remove it, or write the file again.")
    # NaN has no place in strict JSON: null says the same to whoever decodes the fields
    return {name: msgspec.Raw(msgspec.json.encode(field)) for name, field in value.items()}


def _tolerant(data: bytes, what: str) -> object:
    try:
        return json.loads(data)
    except RecursionError as error:
        raise _too_deep(what) from error
    except ValueError as error:
        raise RecordsError(
            f"{what} is not valid JSON ({error}).", "It may be cut off: copy it again, or write it again."
        ) from error


def _unexpected(what: str, error: Exception) -> RecordsError:
    return RecordsError(f"{what} has an unexpected shape ({error}).", "Check that its producer wrote it unchanged.")


def _too_deep(what: str) -> RecordsError:
    return RecordsError(f"{what} is nested too deeply.", "Check that its producer wrote it unchanged.")
