"""DuckDB, held in: it reads the files that it is told to, in the memory that it is given, and installs nothing."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from neff.errors import MissingExtraError, RecordsError
from neff.records.reader import printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["MAX_ROWS", "engine", "literal", "quoted", "refuse_too_many", "scan"]

MAX_ROWS = 1 << 22
_MEMORY = "2GB"


@contextmanager
def engine(path: Path, memory: str = _MEMORY) -> Iterator[Any]:
    """Yield a connection of the engine, whose errors are errors of the file.

    Raises
    ------
    MissingExtraError
        If DuckDB is not installed.
    RecordsError
        If the engine cannot read the file.
    """
    try:
        import duckdb
    except ImportError as error:
        raise MissingExtraError("Reading Parquet", "big") from error
    with tempfile.TemporaryDirectory(prefix="neff-") as folder:
        settings = {
            "threads": min(4, os.cpu_count() or 1),
            "memory_limit": memory,
            "temp_directory": folder,
            "enable_external_file_cache": "false",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        }
        try:
            with duckdb.connect(":memory:", config=settings) as connection:
                connection.execute("SET enable_progress_bar = false")  # it would be written into stdout
                yield connection
        except duckdb.Error as error:
            problem = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise RecordsError(
                f"this Parquet file cannot be read ({problem[:200]}).",
                "Write the file again; it may be cut off or damaged.",
                path=path,
            ) from error


def scan(path: Path) -> str:
    """Return the table function that reads the file."""
    return f"read_parquet({literal(path)}, binary_as_string = true, hive_partitioning = false)"


def refuse_too_many(connection: Any, path: Path) -> None:
    """Raise where a log has more rows than any step or benchmark: a small file can say that it has a billion.

    Raises
    ------
    RecordsError
        If it has more than `MAX_ROWS`.
    """
    (n,) = connection.execute(f"SELECT count(*) FROM {scan(path)}").fetchone()  # noqa: S608  (quoted)
    if n > MAX_ROWS:
        raise RecordsError(
            f"the file has {n:,} rows; at most {MAX_ROWS:,} are read as a log.",
            "Split it, or name its columns to read it as a table: --item COLUMN --score COLUMN.",
            path=path,
        )


def literal(path: Path) -> str:
    """Return the name of the file for the engine, taken literally and not as a pattern."""
    name = str(path.resolve())
    if name != printable(name):
        raise RecordsError("the name of the file is not UTF-8, which DuckDB needs.", "Rename the file.", path=path)
    literal = "".join(f"[{mark}]" if mark in "*?[" else mark for mark in name)
    return "'" + literal.replace("'", "''") + "'"


def quoted(name: str) -> str:
    """Return the name of a column for the engine."""
    return '"' + name.replace('"', '""') + '"'
