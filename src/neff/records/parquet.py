"""Parquet through DuckDB: names become integer codes inside the engine, so that memory stays small."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from operator import add
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from neff.errors import RecordsError
from neff.records.assemble import assemble
from neff.records.duck import engine, literal, quoted, scan
from neff.records.factor import Factor
from neff.records.reader import Chunk, Reader, stem_of
from neff.records.values import name_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from neff.records.columns import ColumnMap
    from neff.records.layout import Layout, Use
    from neff.records.reader import Keep
    from neff.records.table import Records
    from neff.records.values import Column

__all__ = ["READER", "engine", "quoted", "scan"]

_CELLS = 1 << 23
"""Cells fetched at once: the engine and NumPy both hold them for a moment."""

_LITTLE = "512MB"
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


def chunks(path: Path, layout: Layout, size: int | None = None, rows: range | None = None) -> Iterator[Chunk]:
    """Yield the columns, part by part, or of some rows only."""
    with _open(path, _LITTLE, rows=rows, numbered=True) as table:
        nested = [name for name in layout.uses() if table.kinds[name] == "nested"]
        if nested:
            raise RecordsError(
                f"column {nested[0]!r} holds lists or objects.", "Give a column of names or numbers.", path=path
            )
        wanted = rows if rows is not None else range(table.n_rows())
        step = size or max(len(wanted), 1)
        for first in range(wanted.start, max(wanted.stop, wanted.start + 1), step):
            part = range(first, min(first + step, wanted.stop))
            yield Chunk(table.fetch(layout.uses(), part), partial(add, first + 1))


def count(path: Path) -> int:
    """Return the number of rows."""
    with _open(path) as table:
        return table.n_rows()


class _Table:
    """One Parquet file as a table of the engine."""

    def __init__(self, connection: Any, path: Path, rows: range | None = None, *, numbered: bool = False) -> None:
        self._connection = connection
        self._words: list[str | None] | None = None
        self._within = _where(rows)
        self._whole = self._source = scan(path)
        if numbered:
            self._source = self._source.removesuffix(")") + ", file_row_number = true)"
        schema = f"SELECT name, coalesce(num_children, 0) FROM parquet_schema({literal(path)})"  # noqa: S608  (quoted)
        names = _top_level(self._query(schema).fetchall())
        if len(set(names)) < len(names):
            raise RecordsError("a column name occurs twice.", "Give each column its own name.", path=path)
        described = self._query(f"DESCRIBE SELECT * FROM {self._whole}").fetchall()  # noqa: S608  (quoted)
        self.kinds: dict[str, Kind] = {name: _kind(str(row[1])) for name, row in zip(names, described, strict=True)}
        # The engine does not tell "Score" from "score", and renames the second.
        self._inner = {name: str(row[0]) for name, row in zip(names, described, strict=True)}

    def n_rows(self) -> int:
        """Return the number of rows."""
        return int(self._query(f"SELECT count(*) FROM {self._whole}").fetchone()[0])  # noqa: S608  (quoted)

    def fetch(self, uses: Mapping[str, Use], rows: range | None = None) -> dict[str, Column]:
        """Return columns as codes or numbers, in the order of the rows of the file, or only some rows of them."""
        as_names = [name for name, use in uses.items() if use == "key" or self.kinds[name] == "text"]
        if self._words is None:
            self._words = [name_of(word) for word in self._vocabulary(as_names)]
        n = self.n_rows() if rows is None else len(rows)
        names = list(uses)
        step = max(1, _CELLS // max(n, 1))
        columns: dict[str, Column] = {}
        for first in range(0, len(names), step):
            group = names[first : first + step]
            parts = [
                f"coalesce(enum_code({self._name(name)}::words)::INTEGER, -1)::INTEGER AS c{i}"
                if name in as_names
                else f"coalesce({quoted(self._inner[name])}::DOUBLE, 'nan'::DOUBLE) AS c{i}"
                for i, name in enumerate(group)
            ]
            found = self._query(f"SELECT {', '.join(parts)} FROM {self._source}{_where(rows)}").fetchnumpy()  # noqa: S608
            for i, name in enumerate(group):
                cells = np.asarray(found.pop(f"c{i}"))
                columns[name] = Factor.from_codes(cells, self._words) if name in as_names else cells
        return columns

    def _vocabulary(self, names: Sequence[str]) -> list[str]:
        """Make an enumeration of all names in these columns, so that codes never leave the engine as text."""
        if not names:
            return []
        distinct = " UNION ".join(
            f"SELECT DISTINCT {self._name(name)} AS name FROM {self._source}{self._within}"  # noqa: S608  (quoted)
            for name in names
        )
        # One empty name more, for an enumeration cannot be empty; as a cell it means missing, as everywhere.
        everything = f"SELECT name FROM ({distinct} UNION SELECT '') WHERE name IS NOT NULL ORDER BY name"  # noqa: S608
        self._query(f"CREATE TYPE words AS ENUM ({everything})")
        return [row[0] for row in self._query("SELECT unnest(enum_range(NULL::words))").fetchall()]

    def _name(self, column: str) -> str:
        """Return the expression of a column as text; whole floats read as integers, in every format."""
        cell = quoted(self._inner[column])
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


def _where(rows: range | None) -> str:
    return "" if rows is None else f" WHERE file_row_number >= {rows.start} AND file_row_number < {rows.stop}"


@contextmanager
def _open(path: Path, memory: str = "2GB", *, rows: range | None = None, numbered: bool = False) -> Iterator[_Table]:
    with engine(path, memory) as connection:
        yield _Table(connection, path, rows, numbered=numbered)


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


def _kind(declared: str) -> Kind:
    if declared.endswith("]") or declared.startswith(_NESTED):
        return "nested"
    if declared in _INTEGERS:
        return "integer"
    return "float" if declared in ("FLOAT", "DOUBLE") or declared.startswith("DECIMAL") else "text"


READER = Reader("parquet", mapped=True, sniff=sniff, read=read, header=header, chunks=chunks, count=count)
