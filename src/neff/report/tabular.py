"""CSV and Parquet: the long table, every field, nothing rounded."""

from __future__ import annotations

import csv
import io
import json
import math
from typing import TYPE_CHECKING, Any

from neff.errors import ArgumentTypeError, MissingExtraError
from neff.evaluate.result import Evaluation
from neff.report.long_table import long_table
from neff.report.text import clean
from neff.results import Table

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["guard", "machine_table", "render_csv", "write_parquet"]

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What makes a spreadsheet run a cell as a formula; the last four are the full-width forms."""

_TYPES = {
    "text": "VARCHAR",
    "number": "DOUBLE",
    "signed": "DOUBLE",
    "percent": "DOUBLE",
    "p": "DOUBLE",
    "count": "DOUBLE",
}


def machine_table(result: Any) -> Table:
    """Return the table that machines read: the long table of an evaluation, or the table of another result.

    Raises
    ------
    ArgumentTypeError
        If the object has no table.
    """
    if isinstance(result, Evaluation):
        return long_table(result)
    table = result if isinstance(result, Table) else getattr(result, "table", lambda: None)()
    if not isinstance(table, Table):
        raise ArgumentTypeError(
            "result", "a result of neff", result, "Give what neff.evaluate or neff.compare returned.", call="write"
        )
    return table


def guard(text: str) -> str:
    """Return text that no spreadsheet runs as a formula: an apostrophe goes before what could start one.

    Examples
    --------
    >>> guard("=1+1"), guard("base")
    ("'=1+1", 'base')
    """
    return "'" + text if text.lstrip(" ").startswith(_FORMULA) else text


def _csv_cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return guard(clean(value))
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else ""
    return str(value)


def render_csv(result: Any) -> str:
    """Return the long table as CSV (RFC 4180, UTF-8): an undefined number is an empty cell beside its reason.

    Text from logs that a spreadsheet would run as a formula gets an apostrophe in front, and control characters
    are spelled out, so that every row is one line; JSON and Parquet carry both unchanged.
    """
    data = machine_table(result).to_dict()
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(data)
    writer.writerows([_csv_cell(value) for value in row] for row in zip(*data.values(), strict=True))
    return stream.getvalue()


def write_parquet(result: Any, path: Path) -> None:
    """Write the long table as Parquet (zstd); the file's metadata carries schema, version and provenance.

    Raises
    ------
    MissingExtraError
        If duckdb is not installed.
    """
    try:
        import duckdb
    except ImportError as error:
        raise MissingExtraError("writing Parquet", "big") from error
    import numpy as np

    table = machine_table(result)
    types = _column_types(table)
    arrays = {name: _array(values, types[name], np) for name, values in table.to_dict().items()}
    meta = {name: value for name, value in _metadata(result).items() if value}
    pairs = ", ".join(f"{_quoted(name)}: {_quoted(value)}" for name, value in meta.items())
    # An undefined number is NULL here as in JSON; NaN would join averages unseen.
    columns = ", ".join(
        f'CASE WHEN isnan("{name}") THEN NULL ELSE "{name}" END::{kind} AS "{name}"'
        if kind != "VARCHAR"
        else f'"{name}"::VARCHAR AS "{name}"'
        for name, kind in types.items()
    )
    with duckdb.connect(":memory:") as connection:
        connection.register("long", arrays)
        # into the very file that is given, which is locked, not into one of the engine's own
        options = (
            f"FORMAT parquet, COMPRESSION zstd, USE_TMP_FILE false{', KV_METADATA {' + pairs + '}' if pairs else ''}"
        )
        try:
            connection.execute(f"COPY (SELECT {columns} FROM long) TO {_quoted(str(path))} ({options})")  # noqa: S608
        except duckdb.IOException as error:
            raise OSError(None, str(error).splitlines()[0]) from error


def _column_types(table: Table) -> dict[str, str]:
    types: dict[str, str] = {}
    for j, column in enumerate(table.columns):
        if column.kind == "interval":
            types |= {f"{column.name}_low": "DOUBLE", f"{column.name}_high": "DOUBLE"}
            continue
        whole = column.kind == "count" and all(row[j] is None or isinstance(row[j], int) for row in table.rows)
        types[column.name] = "BIGINT" if whole else _TYPES[column.kind]
    return types


def _array(values: list[Any], kind: str, np: Any) -> Any:
    if kind == "VARCHAR":
        texts = [None if v is None else str(v).encode("utf-8", "backslashreplace").decode() for v in values]
        return np.array(texts, dtype=object)
    return np.array([math.nan if v is None else float(v) for v in values], dtype=np.float64)


def _metadata(result: Any) -> dict[str, str]:
    if not isinstance(result, Evaluation):
        return {}
    data = result.to_dict()
    kept = {
        name: data[name] for name in ("level", "correction", "lower_is_better", "tied_with_best", "notes", "provenance")
    }
    return {
        "neff.schema": str(data["schema"]),
        "neff.version": str(data["neff_version"]),
        "neff.result": json.dumps(kept, allow_nan=False),
    }


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
