"""The contract of a reader, as a check that anybody can run on their own format."""

from __future__ import annotations

import csv
import os
import random
import shutil
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import NeffError
from neff.records.columns import ColumnMap
from neff.records.factor import Factor
from neff.records.reader import head_of, reading
from neff.testing._chunks import chunking
from neff.testing.contract import ContractError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from neff.records.reader import Keep, Reader
    from neff.records.table import Records

__all__ = ["ReaderReport", "check_reader"]

_CUTS = 7
_GARBAGE = (b"", b"\0", b"\n\n\n", b"{", b"[", b"PK\3\4", b"\x1f\x8b", b"\xff\xfe\xff", b"a,b\n" * 3, b"\x93NUMPY")


@dataclass(frozen=True, slots=True)
class ReaderReport:
    """What `check_reader` found.

    Attributes
    ----------
    reader, path
        What was checked on what.
    n_rows
        Rows that the whole file gives.
    cuts
        By length in bytes of each cut-off copy, the number of rows it gave, or None where it was refused.
    failures
        One sentence per broken property.
    """

    reader: str
    path: str
    n_rows: int
    cuts: dict[int, int | None]
    failures: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing failed."""
        return not self.failures

    def __str__(self) -> str:
        refused = sum(rows is None for rows in self.cuts.values())
        lines = [
            f"reader {self.reader!r} on {self.path}: {self.n_rows:,} rows",
            f"{len(self.cuts)} cut-off copies: {refused} refused, {len(self.cuts) - refused} read in part",
            "passed" if self.passed else "failed:",
        ]
        return "\n".join([*lines, *(f"- {failure}" for failure in self.failures)])


def check_reader(
    reader: Reader,
    path: Path | str,
    *,
    expected: Records | int | None = None,
    columns: ColumnMap | None = None,
    keep: Keep = "all",
    raise_on_failure: bool = False,
) -> ReaderReport:
    """Check that a reader counts what it reads, drops nothing in silence and leaves no trace.

    Use it on every reader, with a file as its producer writes it and one for each trap of the format. What
    the columns mean it cannot know: give `expected` for that.

    Parameters
    ----------
    reader
        The reader.
    path
        A whole file of its format, small enough to be read a few dozen times.
    expected
        The records that the file holds, or their number.
    columns, keep
        Passed to the reader.
    raise_on_failure
        Raise instead of returning a report with failures.

    Returns
    -------
    ReaderReport
        What was read, and one sentence per broken property.

    Raises
    ------
    ContractError
        If something is broken and `raise_on_failure` is true.
    NeffError
        If the whole file cannot be read.

    Notes
    -----
    It checks: the reader knows its file and does not raise on foreign content; one source is named, with all
    rows counted; two readings are equal; parts add up to the whole where it reads in parts; warning filters, random
    generators, working directory, environment and limits are left as they were; nothing is written beside the
    file; a copy that is cut off is refused with a `NeffError`, or gives the rows before the cut unchanged and says
    so where a row was lost.

    Examples
    --------
    >>> from neff import example
    >>> from neff.records.delimited import READER
    >>> columns = ColumnMap(item="model", score="accuracy")
    >>> print(check_reader(READER, example.path("truth_values"), columns=columns))
    reader 'csv' on truth_values.csv: 6 rows
    8 cut-off copies: 3 refused, 5 read in part
    passed
    """
    path = Path(path)
    columns = columns or ColumnMap()
    failures = list(_sniffing(reader, path))
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        shutil.copyfile(path, copy)
        before, beside = _state(), _listing(copy.parent)
        with reading(copy):
            whole, again = (reader.read(copy, columns, keep) for _ in range(2))
        failures += [f"reading changes {name}." for name, value in _state().items() if value != before[name]]
        if _listing(copy.parent) != beside:
            failures.append("reading writes, renames or removes a file beside the one it reads.")
        failures += _counting(reader, whole)
        failures += chunking(reader, copy, columns, whole)
        rows = _rows(whole)
        if _rows(again) != rows:
            failures.append("two readings of one file differ.")
        if isinstance(expected, int) and len(whole) != expected:
            failures.append(f"{len(whole):,} rows were read, {expected:,} expected.")
        if expected is not None and not isinstance(expected, int) and _rows(expected) != rows:
            failures.append(f"the records are not the expected ones: {_first_difference(rows, _rows(expected))}.")
        cuts: dict[int, int | None] = {}
        content = copy.read_bytes()
        for length in sorted({len(content) * i // _CUTS for i in range(_CUTS)} | {max(len(content) - 2, 0)}):
            cuts[length], failed = _read_cut(reader, copy, content[:length], columns, keep, whole)
            failures += failed
    report = ReaderReport(reader.name, path.name, len(whole), cuts, tuple(failures))
    if failures and raise_on_failure:
        raise ContractError(report.failures)
    return report


def _sniffing(reader: Reader, path: Path) -> Iterator[str]:
    if not reader.sniff(path, head_of(path)):
        yield "it does not recognise the file."
    for head in _GARBAGE:
        try:
            reader.sniff(Path("unknown"), head)
        except Exception as error:  # noqa: BLE001  (whatever it is, it is reported)
            yield f"sniffing {head!r} raises {type(error).__name__} ({error}); it must answer yes or no."


def _state() -> dict[str, Any]:
    """Return the state of the process that a reader must not touch."""
    kind, keys, *rest = np.random.get_state(legacy=True)  # noqa: NPY002  (to see that it was not used)
    return {
        "the warning filters": list(warnings.filters),
        "numpy's global random state": (kind, np.asarray(keys).tobytes(), *rest),
        "the global random state": random.getstate(),
        "the working directory": Path.cwd(),
        "the environment": dict(os.environ),
        "numpy's error handling": np.geterr(),
        "the field limit of csv": csv.field_size_limit(),
    }


def _listing(folder: Path) -> dict[str, tuple[int, int]]:
    return {file.name: (file.stat().st_size, file.stat().st_mtime_ns) for file in folder.iterdir()}


def _counting(reader: Reader, records: Records) -> Iterator[str]:
    if [source.format for source in records.sources] != [reader.name]:
        yield f"the records must name one source of format {reader.name!r}."
    counted = sum(source.n_rows for source in records.sources)
    if counted != len(records):
        yield f"the sources count {counted:,} rows, the records have {len(records):,}."


def _rows(records: Records, *, core: bool = False) -> list[tuple[Any, ...]]:
    """Return all that is known of each row, or only who scored what; NaN as None, so that rows compare."""
    columns: list[Any] = [records.item, records.task, records.metric, records.model, records.score]
    if not core:
        columns += [records.draw, *records.clusters]
        columns += [column for column in (records.label, records.weight) if column is not None]
        columns += [records.extra[name] for name in sorted(records.extra)]
    plain = [column.names() if isinstance(column, Factor) else column.tolist() for column in columns]
    return [tuple(None if value != value else value for value in row) for row in zip(*plain, strict=True)]


def _first_difference(rows: list[tuple[Any, ...]], expected: list[tuple[Any, ...]]) -> str:
    if len(rows) != len(expected):
        return f"{len(rows):,} rows instead of {len(expected):,}"
    i = next(i for i, (row, other) in enumerate(zip(rows, expected, strict=True)) if row != other)
    return f"row {i + 1} is {rows[i]}, expected {expected[i]}"


def _reported(records: Records) -> tuple[Any, ...]:
    return (records.unread, tuple(source.notes for source in records.sources))


def _read_cut(
    reader: Reader, copy: Path, content: bytes, columns: ColumnMap, keep: Keep, whole: Records
) -> tuple[int | None, list[str]]:
    """Read a cut-off copy; return the number of rows (None: refused) and what is wrong about it."""
    name = f"a copy cut off after {len(content):,} bytes"

    def attempt(content: bytes) -> Records | None:
        copy.write_bytes(content)
        try:
            with reading(copy):  # as neff does, so that damaged gzip and bad UTF-8 are said in its words
                return reader.read(copy, columns, keep)
        except NeffError:
            return None

    try:
        part = attempt(content)
    except Exception as error:  # noqa: BLE001  (whatever it is, it is reported)
        return None, [f"{name} raises {type(error).__name__} ({error}), which is not a NeffError."]
    if part is None:
        return None, []
    rows, known = _rows(part, core=True), set(_rows(whole, core=True))
    # The last item may have been cut within its row; those before must be as they were.
    changed = [row for row in rows if row not in known and row[0] != rows[-1][0]]
    if changed or len(rows) > len(whole):
        return len(part), [f"{name} gives rows that the whole file does not have: {changed[:1]}."]
    end = content.rfind(b"\n") + 1
    if b"\0" not in content and content[end:].strip() and _reported(part) == _reported(whole):
        shorter = attempt(content[:end])
        if shorter is not None and _rows(shorter, core=True) == rows:
            return len(part), [f"{name} loses its last, incomplete line without a word."]
    return len(part), []
