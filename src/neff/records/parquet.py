"""Parquet through DuckDB: names become integer codes inside the engine, so that memory stays small."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from neff.errors import MissingExtraError, RecordsError
from neff.records.assemble import assemble
from neff.records.reader import Reader, printable, stem_of
from neff.records.values import Column, coded

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from neff.records.columns import ColumnMap
    from neff.records.layout import Use
    from neff.records.reader import Keep
    from neff.records.table import Records

__all__ = ["READER"]

_CELLS = 1 << 23
"""Cells fetched at once: the engine and NumPy both hold them for a moment."""

_MEMORY = "2GB"
_INTEGERS = frozenset(
    {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "BOOLEAN"}
    | {"UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"}
)
_NESTED = ("STRUCT", "MAP", "UNION", "VARIANT", "GEOMETRY", "JSON")

Kind: TypeAlias = Literal["integer", "float", "text", "nested"]


def sniff(path: Path, head: bytes) -> bool:  # noqa: ARG001  (the contract of a reader)
    """Return whether the content is Parquet."""
    return head.startswith(b"PAR1")


def header(path: Path) -> tuple[str, ...]:
    """Return the column names."""
    with _open(path) as table:
        return tuple(table.kinds)


def read(path: Path, columns: ColumnMap, keep: Keep) -> Records:
    """Read a Parquet file."""
    with _open(path) as table:
        layout = columns.resolve(tuple(table.kinds), path=path, keep=keep)
        nested = [name for name in layout.uses() if table.kinds[name] == "nested"]
        for name in nested:
            if name in layout.roles():
                raise RecordsError(
                    f"column {name!r} holds lists or objects.",
                    "Give a column of names or numbers: one plain value per row.",
                    path=path,
                )
        found = table.fetch({name: use for name, use in layout.uses().items() if name not in nested})
    notes = tuple(f"column {name!r} was not kept: it holds lists or objects" for name in nested)
    return assemble(
        layout,
        found,
        path=str(path),
        format="parquet",
        model=stem_of(path),
        notes=notes,
    )


class _Table:
    """One Parquet file as a table of the engine."""

    def __init__(self, connection: Any, path: Path) -> None:
        self._connection = connection
        self._source = f"read_parquet({_literal(path)}, binary_as_string = true, hive_partitioning = false)"
        schema = f"SELECT name, coalesce(num_children, 0) FROM parquet_schema({_literal(path)})"  # noqa: S608  (quoted)
        names = _top_level(self._query(schema).fetchall())
        if len(set(names)) < len(names):
            raise RecordsError("a column name occurs twice.", "Give each column its own name.", path=path)
        described = self._query(f"DESCRIBE SELECT * FROM {self._source}").fetchall()  # noqa: S608  (quoted)
        self.kinds: dict[str, Kind] = {name: _kind(str(row[1])) for name, row in zip(names, described, strict=True)}
        # The engine does not tell "Score" from "score", and renames the second.
        self._inner = {name: str(row[0]) for name, row in zip(names, described, strict=True)}

    def fetch(self, uses: Mapping[str, Use]) -> dict[str, Column]:
        """Return columns as codes or numbers, in the order of the rows of the file."""
        as_names = [name for name, use in uses.items() if use == "key" or self.kinds[name] == "text"]
        words = self._vocabulary(as_names)
        n = self._query(f"SELECT count(*) FROM {self._source}").fetchone()[0]  # noqa: S608  (quoted)
        names = list(uses)
        step = max(1, _CELLS // max(n, 1))
        columns: dict[str, Column] = {}
        for first in range(0, len(names), step):
            group = names[first : first + step]
            parts = [
                f"coalesce(enum_code({self._name(name)}::words)::INTEGER, -1)::INTEGER AS c{i}"
                if name in as_names
                else f"coalesce({_quoted(self._inner[name])}::DOUBLE, 'nan'::DOUBLE) AS c{i}"
                for i, name in enumerate(group)
            ]
            found = self._query(f"SELECT {', '.join(parts)} FROM {self._source}").fetchnumpy()  # noqa: S608
            for i, name in enumerate(group):
                cells = np.asarray(found.pop(f"c{i}"))
                columns[name] = coded(cells, words) if name in as_names else cells
        return columns

    def _vocabulary(self, names: Sequence[str]) -> list[str]:
        """Make an enumeration of all names in these columns, so that codes never leave the engine as text."""
        if not names:
            return []
        distinct = " UNION ".join(
            f"SELECT DISTINCT {self._name(name)} AS name FROM {self._source}"  # noqa: S608  (quoted)
            for name in names
        )
        # One empty name more, for an enumeration cannot be empty; as a cell it means missing, as everywhere.
        everything = f"SELECT name FROM ({distinct} UNION SELECT '') WHERE name IS NOT NULL ORDER BY name"  # noqa: S608
        self._query(f"CREATE TYPE words AS ENUM ({everything})")
        return [row[0] for row in self._query("SELECT unnest(enum_range(NULL::words))").fetchall()]

    def _name(self, column: str) -> str:
        """Return the expression of a column as text; whole floats read as integers, in every format."""
        cell = _quoted(self._inner[column])
        if self.kinds[column] != "float":
            return f"{cell}::VARCHAR"
        number = f"{cell}::DOUBLE"
        return (
            f"CASE WHEN isnan({number}) THEN NULL "
            f"WHEN abs({number}) < 9e15 AND {number} = trunc({number}) THEN {cell}::BIGINT::VARCHAR "
            f"ELSE {number}::VARCHAR END"
        )

    def _query(self, statement: str) -> Any:
        return self._connection.execute(statement)


@contextmanager
def _open(path: Path) -> Iterator[_Table]:
    try:
        import duckdb
    except ImportError as error:
        raise MissingExtraError("Reading Parquet", "big") from error
    with tempfile.TemporaryDirectory(prefix="neff-") as folder:
        settings = {
            "threads": min(4, os.cpu_count() or 1),
            "memory_limit": _MEMORY,
            "temp_directory": folder,
            "enable_external_file_cache": "false",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        }
        try:
            with duckdb.connect(":memory:", config=settings) as connection:
                connection.execute("SET enable_progress_bar = false")  # it would be written into stdout
                yield _Table(connection, path)
        except duckdb.Error as error:
            problem = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise RecordsError(
                f"this Parquet file cannot be read ({problem[:200]}).",
                "Write the file again; it may be cut off or damaged.",
                path=path,
            ) from error


def _literal(path: Path) -> str:
    """Return the name of the file for the engine, taken literally and not as a pattern."""
    name = str(path.resolve())
    if name != printable(name):
        raise RecordsError("the name of the file is not UTF-8, which DuckDB needs.", "Rename the file.", path=path)
    literal = "".join(f"[{mark}]" if mark in "*?[" else mark for mark in name)
    return "'" + literal.replace("'", "''") + "'"


def _top_level(schema: Sequence[tuple[str, int]]) -> list[str]:
    """Return the names of the columns from the depth-first schema, whose first entry is the root."""
    names, at = [], 1
    while at < len(schema):
        names.append(schema[at][0])
        below = 1
        while below and at < len(schema):  # step over the column and all that lies in it
            below += schema[at][1] - 1
            at += 1
    return names


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _kind(declared: str) -> Kind:
    if declared.endswith("]") or declared.startswith(_NESTED):
        return "nested"
    if declared in _INTEGERS:
        return "integer"
    return "float" if declared in ("FLOAT", "DOUBLE") or declared.startswith("DECIMAL") else "text"


READER = Reader("parquet", mapped=True, sniff=sniff, read=read, header=header)
