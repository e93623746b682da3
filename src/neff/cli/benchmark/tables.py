"""Tables on disk as columns: CSV and its kin, JSON Lines or Parquet, of any names."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["numbers_of", "read_columns", "stacked", "table_of"]

_PADDED = re.compile(r"[+-]?0\d")


def read_columns(path: Path) -> dict[str, list[Any]]:
    """Return the columns of a table; text columns that hold nothing but numbers as numbers, empty cells as None.

    Raises
    ------
    RecordsError
        If the file is missing or cannot be read.
    """
    from neff.errors import RecordsError
    from neff.train.log_tables import read_log_tables

    if not path.is_file():
        raise RecordsError(f"{path}: there is no such file.", "Check the path.")
    table = read_log_tables(path)
    added = {"file": path.stem, "folder": path.parent.name}  # what the reader adds, for many files
    return {
        name: _typed(cells)
        for name, cells in table.columns.items()
        if name not in added or any(cell != added[name] for cell in cells)
    }


def _typed(cells: Sequence[Any]) -> list[Any]:
    """Return cells as numbers where all that are not empty are; 007 is a name."""
    if any(not isinstance(cell, str | None) or (cell and _PADDED.match(cell)) for cell in cells):
        return list(cells)
    try:
        return [None if cell is None else float(cell) for cell in cells]
    except ValueError:
        return list(cells)


def stacked(tables: Sequence[dict[str, list[Any]]]) -> dict[str, list[Any]]:
    """Return several tables under one another; a column that one does not have is empty there."""
    names = list(dict.fromkeys(name for table in tables for name in table))
    lengths = [len(next(iter(table.values()))) for table in tables]
    return {
        name: [cell for table, n in zip(tables, lengths, strict=True) for cell in table.get(name, [None] * n)]
        for name in names
    }


def table_of(paths: Sequence[Path], names: Sequence[str]) -> dict[str, list[Any]]:
    """Return the named columns of all files.

    Raises
    ------
    ArgumentError
        If a column is missing.
    RecordsError
        If a file cannot be read.
    """
    from neff.errors import ArgumentError

    columns: dict[str, list[Any]] = {name: [] for name in names}
    for path in paths:
        table = read_columns(path)
        for name, values in columns.items():
            if name not in table:
                raise ArgumentError("column", f"in {path.name}", name, f"It has {sorted(table)}.")
            values.extend(table[name])
    return columns


def numbers_of(values: Sequence[Any], name: str) -> list[float]:
    """Return a column as numbers, NaN where it is empty.

    Raises
    ------
    ArgumentError
        If a value is no number.
    """
    from neff.errors import ArgumentError

    found = []
    for row, value in enumerate(values, start=1):
        try:
            found.append(math.nan if value is None or value == "" else float(value))
        except (TypeError, ValueError):
            raise ArgumentError(name, "a number in every row", value, f"See row {row}.") from None
    return found
