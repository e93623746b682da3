"""Records as one long table: a row per draw, canonical names of columns, so that reading it again gives the same."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import MissingExtraError, RecordsError
from neff.records.factor import Factor
from neff.records.finder import SYNONYMS, normal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import IO

    from neff.records.table import Records

__all__ = ["Columns", "columns_of", "parquet_from_csv", "runnable", "suffixes", "types_of", "write_rows"]

_RESERVED = frozenset({"item", "model", "task", "metric", "draw", "score", "label", "weight", "lower_is_better"})
_ROWS = 1 << 15
_PARQUET = "FORMAT parquet, COMPRESSION zstd, USE_TMP_FILE false"
"""The engine must write to the file that it is given, which is locked, and not to one of its own."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

Columns = dict[str, Any]
"""Name -> `Factor` (text) or array (numbers, NaN = missing), of one length."""


def suffixes() -> tuple[str, ...]:
    """Return the endings of names of files that records can be written to."""
    return (".parquet", ".csv", ".jsonl", ".ndjson")


def columns_of(records: Records, draw: Any) -> Columns:
    """Return the long table.

    Parameters
    ----------
    records
        The draws.
    draw
        The draw of each row: numbers, names, or None to leave the column out.

    Raises
    ------
    RecordsError
        If a name would read back as another one.
    """
    columns: Columns = {"item": records.item, "model": records.model, "task": records.task, "metric": records.metric}
    if draw is not None:
        columns["draw"] = draw
    columns["score"] = records.score
    columns |= {("cluster", "cluster_2")[j]: cluster for j, cluster in enumerate(records.clusters)}
    columns |= {
        name: values for name, values in (("label", records.label), ("weight", records.weight)) if values is not None
    }
    if records.lower_is_better:
        says = np.array([name in records.lower_is_better for name in records.metric.levels], np.int32)
        columns["lower_is_better"] = Factor(says[records.metric.codes], ("false", "true"))
    for name, column in columns.items():
        _refuse_other_names(name, column)
    for name, column in records.extra.items():
        columns[_free(name, columns)] = column
    for name, column in columns.items():
        _refuse_unwritable(name, column)
    return columns


def _free(name: str, columns: Mapping[str, Any]) -> str:
    """Return the name of an extra column; one that would be taken for a role when it is read gets a prefix."""
    roles = {*_RESERVED, *(f"cluster{suffix}" for suffix in ("", "_2"))}
    taken = {word for role, words in SYNONYMS.items() if role not in columns for word in (role, *words)}
    name = f"extra.{name}" if normal(name) in roles | taken else name
    while name in columns:
        name = f"extra.{name}"
    return name


def _refuse_other_names(column: str, names: Any) -> None:
    if not isinstance(names, Factor):
        return
    for level in names.levels:
        if not level or level != level.strip():
            raise RecordsError(
                f"{column} {level!r} is empty or has white space around it, and would read back as another name.",
                "Strip the names first.",
            )


def _refuse_unwritable(column: str, values: Any) -> None:
    problem = ""
    if isinstance(values, Factor) or not column.isprintable():
        text = "".join([column, *(values.levels if isinstance(values, Factor) else ())])
        try:
            text.encode()
        except UnicodeEncodeError:
            problem = "half a character (a lone surrogate)"
        problem = "a NUL byte" if "\0" in text else problem
    if not isinstance(values, Factor) and np.isinf(values).any():
        problem = "an infinite number"
    if problem:
        raise RecordsError(f"column {column!r} holds {problem}, which cannot be written.", "Clean it, or leave it out.")


def runnable(columns: Columns) -> str:
    """Return a name that a spreadsheet would run as a formula, or nothing."""
    levels = (level for column in columns.values() if isinstance(column, Factor) for level in column.levels)
    return next((level for level in levels if level.startswith(_FORMULA) and not _is_number(level)), "")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def write_rows(columns: Columns, stream: IO[str], kind: str, *, first: bool) -> None:
    """Append rows to a CSV or JSON Lines file; where they are the first, the header of CSV too."""
    if kind == "csv":
        if first:
            stream.write(",".join(map(_csv_text, columns)) + "\n")
        for rows in _rows(columns, _csv_text, ""):
            stream.writelines(f"{','.join(row)}\n" for row in rows)
        return
    names = [json.dumps(name, ensure_ascii=False) for name in columns]
    for rows in _rows(columns, _json_text, "null"):
        stream.writelines(_json_line(names, row) for row in rows)


def _csv_text(text: str) -> str:
    """Return a cell; the csv module forgets to quote a lone carriage return."""
    if any(mark in text for mark in ',"\n\r'):
        return '"' + text.replace('"', '""') + '"'
    return text


def _json_text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _json_line(names: Sequence[str], row: Sequence[str]) -> str:
    return "{" + ", ".join([f"{name}: {cell}" for name, cell in zip(names, row, strict=True)]) + "}\n"


def _rows(columns: Columns, text: Callable[[str], str], missing: str) -> Iterator[Iterable[tuple[str, ...]]]:
    """Yield rows of written cells, some thousands at a time; each name is written once and looked up."""
    n = len(next(iter(columns.values())))
    names = {name: [*map(text, c.levels), missing] for name, c in columns.items() if isinstance(c, Factor)}
    for start in range(0, n, _ROWS):
        part = slice(start, start + _ROWS)
        cells = [
            [names[name][code] for code in column.codes[part].tolist()]
            if isinstance(column, Factor)
            else [missing if value != value else repr(value) for value in column[part].tolist()]
            for name, column in columns.items()
        ]
        yield zip(*cells, strict=True)


def parquet_from_csv(source: Path, target: Path, types: Mapping[str, str]) -> None:
    """Turn a CSV file of ours into Parquet, in little memory.

    Raises
    ------
    MissingExtraError
        If duckdb is not installed.
    """
    try:
        import duckdb
    except ImportError as error:
        raise MissingExtraError("Writing Parquet", "big") from error
    columns = ", ".join(f"{_quoted(name)}: {_quoted(kind)}" for name, kind in types.items())
    read = (
        f"read_csv({_quoted(str(source))}, auto_detect = false, header = true, delim = ',', quote = '\"', "
        f"escape = '\"', nullstr = '', new_line = '\\n', max_line_size = {1 << 26}, columns = {{{columns}}})"
    )
    settings = {"memory_limit": "1GB", "temp_directory": str(source.parent)}
    with duckdb.connect(":memory:", config=settings) as connection:
        connection.execute("SET enable_progress_bar = false")
        copy = f"COPY (SELECT * FROM {read}) TO {_quoted(str(target))} ({_PARQUET})"  # noqa: S608
        try:
            connection.execute(copy)
        except duckdb.IOException as error:
            raise OSError(None, str(error).splitlines()[0]) from error


def types_of(columns: Columns) -> dict[str, str]:
    """Return the type of each column for the engine."""
    kinds = {"i": "BIGINT", "u": "BIGINT", "f": "DOUBLE"}
    return {
        name: "VARCHAR" if isinstance(column, Factor) else kinds[np.asarray(column).dtype.kind]
        for name, column in columns.items()
    }


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
