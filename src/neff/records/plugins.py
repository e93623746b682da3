"""Readers from outside: packages that offer one under the entry point group `neff.readers`.

They are looked for only where no reader of neff's own can read a file, so that an installation without plug-ins, and
one with a broken plug-in, reads what neff reads.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from functools import cache, partial
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from neff.errors import NeffError, RecordsError
from neff.records.reader import Reader, head_of

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint
    from pathlib import Path

    from neff.records.columns import ColumnMap
    from neff.records.reader import Keep
    from neff.records.table import Records

__all__ = ["GROUP", "Found", "plugin_for", "read_with"]

GROUP = "neff.readers"
"""Entry point group: name of the format -> a `Reader`."""


@dataclass(frozen=True, slots=True)
class Found:
    """The plug-in that knows a file, None where there is none; and one sentence on each plug-in that is broken."""

    reader: Reader | None
    broken: tuple[str, ...] = ()


def plugin_for(path: Path) -> Found:
    """Return the first plug-in, by name, that recognises a file.

    What a plug-in raises never escapes as such: it becomes a sentence that names its distribution.
    """
    broken: list[str] = []
    head = head_of(path)
    for point in _points(tuple(sys.path)):
        reader, problem = _load(point)
        if reader is not None:
            try:
                if reader.sniff(path, head):
                    return Found(_guarded(reader, point, tuple(broken)), tuple(broken))
            except Exception as error:  # noqa: BLE001  (code of others)
                problem = f"it raised {type(error).__name__} at the sight of a file"
        if problem:
            broken.append(f"{_said(point)} is broken: {problem}.")
    return Found(None, tuple(broken))


def read_with(reader: Reader, path: Path, columns: ColumnMap, keep: Keep) -> Records:
    """Read a file; where it looks like a table, but cannot be read as one, a plug-in may know better."""
    try:
        return reader.read(path, columns, keep)
    except RecordsError as error:
        found = plugin_for(path) if reader.mapped else Found(None)
        if found.reader is not None:
            return found.reader.read(path, columns, keep)
        if found.broken:
            fix = " ".join((error.fix, *found.broken))
            raise RecordsError(error.problem, fix, path=error.path, line=error.line) from error
        raise


@cache
def _points(path: tuple[str, ...]) -> tuple[EntryPoint, ...]:  # noqa: ARG001  (the key of the cache)
    return tuple(sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value)))


def _load(point: EntryPoint) -> tuple[Reader | None, str]:
    try:
        reader = point.load()
    except Exception as error:  # noqa: BLE001  (code of others)
        return None, f"it cannot be loaded ({type(error).__name__}: {error})"
    if not isinstance(reader, Reader):
        return None, f"{point.value} is no neff.records.Reader but of type {type(reader).__name__}"
    return reader, ""


def _said(point: EntryPoint) -> str:
    distribution = f" of {point.dist.name} {point.dist.version}" if point.dist is not None else ""
    return f"The reader plug-in {point.name!r}{distribution}"


def _guarded(reader: Reader, point: EntryPoint, broken: tuple[str, ...]) -> Reader:
    return replace(reader, read=partial(_read, reader, point, broken))


def _read(
    reader: Reader, point: EntryPoint, broken: tuple[str, ...], path: Path, columns: ColumnMap, keep: Keep
) -> Records:
    """Read with a plug-in; say in the notes of the file which other plug-ins are broken."""
    try:
        table = reader.read(path, columns, keep)
    except (NeffError, OSError, EOFError, UnicodeDecodeError, MemoryError, RecursionError):
        raise  # what every reader may raise
    except Exception as error:
        problem = f"{_said(point)} failed ({type(error).__name__}: {error})."
        raise RecordsError(problem, "Tell its authors; neff.testing.check_reader shows what it must do.") from error
    return replace(table, sources=tuple(replace(s, notes=(*s.notes, *broken)) for s in table.sources))
