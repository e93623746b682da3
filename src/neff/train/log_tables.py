"""Any log of runs as a table of named columns: CSV, JSON Lines or Parquet, several files under one another."""

from __future__ import annotations

import csv
import io
import json
import math
import re
import tempfile
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import ArgumentError, RecordsError
from neff.records.duck import engine, scan
from neff.records.files import find_files
from neff.records.reader import open_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from neff.stats._validate import FloatArray

    _File = tuple[Path, str, list[tuple[int, dict[str, Any]]]]

__all__ = ["LogTable", "each_log_table", "read_log_tables"]

_DELIMITERS = ",\t;|"
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)
_EXACT = 2**53
"""From here on not every whole number is a float: names made of many digits would become one."""


@dataclass(frozen=True, slots=True)
class LogTable:
    """Rows of one or more files under named columns.

    Attributes
    ----------
    columns
        Cells by the name of the column, as long as there are rows; None where a row has no value.
    where
        File and line of each row, for messages.
    """

    columns: Mapping[str, tuple[Any, ...]]
    where: tuple[tuple[str, int], ...]

    def __len__(self) -> int:
        return len(self.where)

    def find(self, wanted: str | None, names: Iterable[str], *, argument: str, call: str) -> str | None:
        """Return the column asked for, or else the first of the usual names that there is, or None."""
        if wanted is not None:
            if wanted not in self.columns:
                close = get_close_matches(wanted, list(self.columns), n=1)
                fix = f"Did you mean {close[0]!r}?" if close else f"There are: {', '.join(self.columns)}."
                raise ArgumentError(argument, "a column of the log", wanted, fix, call=call)
            return wanted
        lower = {name.lower(): name for name in reversed(list(self.columns))}
        return next((lower[name] for name in names if name in lower), None)

    def numbers(self, name: str) -> FloatArray:
        """Return a column as numbers; an empty cell is NaN.

        Raises
        ------
        RecordsError
            If a cell is no number: the file and line are named.
        """
        found = np.empty(len(self))
        for i, cell in enumerate(self.columns[name]):
            try:
                found[i] = math.nan if cell is None or cell == "" else float(cell)
            except (TypeError, ValueError):
                path, line = self.where[i]
                raise RecordsError(
                    f"column {name!r} holds {cell!r}.", "Give a column of numbers.", path=path, line=line
                ) from None
        return found

    def words(self, name: str) -> list[str]:
        """Return a column as text; whole numbers without decimals, so that 1 and 1.0 are the same name."""
        return [_word(cell) for cell in self.columns[name]]

    def rows(self, keep: Sequence[int] | FloatArray | np.ndarray[Any, Any]) -> LogTable:
        """Return some of the rows."""
        places = [int(i) for i in keep]
        columns = {name: tuple(cells[i] for i in places) for name, cells in self.columns.items()}
        return LogTable(columns, tuple(self.where[i] for i in places))

    def filtered(self, conditions: Iterable[str], *, call: str) -> LogTable:
        """Return the rows for which every condition "COLUMN=VALUE" is true; numbers are compared as numbers.

        Raises
        ------
        ArgumentError
            If a condition is not of that form, names no column, or leaves no row.
        """
        table = self
        for condition in conditions:
            name, sign, value = condition.partition("=")
            if not sign:
                fix = "For example: --where optimizer=adam."
                raise ArgumentError("where", "COLUMN=VALUE", condition, fix, call=call)
            column = table.find(name.strip(), (), argument="where", call=call) or name
            wanted = _word(value.strip())
            table = table.rows([i for i, cell in enumerate(table.words(column)) if cell == wanted])
            if not len(table):
                there = ", ".join(sorted(set(self.words(column)))[:10])
                raise ArgumentError("where", f"a value of {column!r}", value, f"There are: {there}.", call=call)
        return table


def _word(cell: Any) -> str:
    """Return a cell as text, in one form for each number that a float holds exactly enough to be told from others."""
    if cell is None:
        return ""
    text = str(cell).strip()
    if not _NUMBER.fullmatch(text):  # also 1_11, which float() takes for 111
        return text
    number = float(text)
    if not abs(number) < _EXACT:
        return text
    return f"{int(number)}" if number == int(number) else repr(number)


def read_log_tables(paths: Any) -> LogTable:
    r"""Read files or folders into one table; columns `file` and `folder` say where a row came from.

    Parameters
    ----------
    paths
        A path or several; "-" is standard input.

    Returns
    -------
    LogTable
        All rows; a column that a file does not have is None there.

    Raises
    ------
    RecordsError
        If a file is no table, or there are no rows.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "runs.csv")
    ...     _ = path.write_text("batch_size,loss\n32,2.5\n64,2.4\n")
    ...     table = read_log_tables(path)
    >>> table.numbers("loss").tolist(), table.words("file")
    ([2.5, 2.4], ['runs', 'runs'])
    """
    return _joined(list(_files(paths)))


def each_log_table(paths: Any) -> Iterator[LogTable]:
    """Yield one table per file, for logs whose formats differ from file to file."""
    for file in _files(paths):
        yield _joined([file])


def _files(paths: Any) -> Iterator[_File]:
    with tempfile.TemporaryDirectory(prefix="neff-") as spool:
        for file in find_files(paths, Path(spool)):
            yield file.path, file.shown, list(_rows_of(file.path, file.shown))


def _joined(files: list[_File]) -> LogTable:
    columns: dict[str, list[Any]] = {}
    where: list[tuple[str, int]] = []
    for path, shown, rows in files:
        for line, row in rows:
            for name in row:
                if name not in columns:
                    columns[name] = [None] * len(where)
            for name, cells in columns.items():
                cells.append(row.get(name))
            where.append((shown, line))
        _place(columns, path, len(rows), len(where))
    if not where:
        only = files[0][1] if len(files) == 1 else None
        raise RecordsError("there are no rows.", "Give a table with a header and at least one row.", path=only)
    return LogTable({name: tuple(cells) for name, cells in columns.items()}, tuple(where))


def _place(columns: dict[str, list[Any]], path: Path, added: int, total: int) -> None:
    """Write the file and the folder of the rows just added, unless the log has columns of these names."""
    for name, value in (("file", path.stem), ("folder", path.parent.name)):
        cells = columns.setdefault(name, [None] * total)
        for i in range(total - added, total):
            if cells[i] is None:
                cells[i] = value


def _rows_of(path: Path, shown: str) -> Iterator[tuple[int, dict[str, Any]]]:
    with open_bytes(path) as file:
        head = file.read(4096)
    if head.startswith(b"PAR1"):
        yield from _parquet(path)
    elif head.lstrip(b" \t\r\n\xef\xbb\xbf")[:1] in (b"{", b"["):
        yield from _json(path, shown)
    else:
        yield from _delimited(path, shown)


def _parquet(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with engine(path) as connection:
        found = connection.execute(f"SELECT * FROM {scan(path)}")  # noqa: S608  (the path is quoted)
        names = [column[0] for column in found.description]
        rows = found.fetchall()
    for i, row in enumerate(rows):
        yield i + 1, dict(zip(names, row, strict=True))


def _json(path: Path, shown: str) -> Iterator[tuple[int, dict[str, Any]]]:
    import msgspec

    with open_bytes(path) as file:
        data = file.read().decode("utf-8-sig", "replace").strip()
    whole = data.startswith("[")
    lines = [(1, data)] if whole else [(i + 1, line) for i, line in enumerate(data.split("\n")) if line.strip()]
    for number, line in lines:
        try:
            found = msgspec.json.decode(line)
        except msgspec.DecodeError as error:
            try:
                found = json.loads(line)  # as Python writes it: NaN and Infinity, the loss of a run that diverged
            except (ValueError, RecursionError):
                raise RecordsError(
                    f"is not JSON: {error}.", "Give one JSON object per line.", path=shown, line=number
                ) from None
        for k, row in enumerate(found if whole else [found]):
            if not isinstance(row, dict):
                raise RecordsError("a row is no JSON object.", "Give one object per row.", path=shown, line=number)
            yield number + k, row


def _delimited(path: Path, shown: str) -> Iterator[tuple[int, dict[str, Any]]]:
    with open_bytes(path) as file:
        text = file.read().decode("utf-8-sig", "replace")
    if "\0" in text:
        raise RecordsError("is no text.", "Give CSV, JSON Lines or Parquet.", path=shown)
    first = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(_DELIMITERS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True, skipinitialspace=True)
    header: list[str] = []
    try:
        for row in reader:
            if not any(cell.strip() for cell in row):
                continue
            if not header:
                header = [name.strip() for name in row]
                if not header[0] and len(header) > 1:
                    header[0] = "index"  # that of a pandas frame has no name
                if len(set(header)) < len(header) or not all(header):
                    said = "two columns have the same name, or none."
                    raise RecordsError(said, "Name each one.", path=shown, line=reader.line_num)
                continue
            if len(row) != len(header):
                raise RecordsError(
                    f"the row has {len(row)} fields, the header has {len(header)}.",
                    "End every row with the same number of fields.",
                    path=shown,
                    line=reader.line_num,
                )
            yield reader.line_num, {name: cell.strip() or None for name, cell in zip(header, row, strict=True)}
    except csv.Error as error:
        raise RecordsError(
            f"the row cannot be split into fields ({error}).", "Close every quote.", path=shown, line=reader.line_num
        ) from error
