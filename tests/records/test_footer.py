"""Names of columns from the footer of Parquet, against those that an engine reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from neff.records.footer import column_names

FIXTURES = Path(__file__).parent.parent / "fixtures"
ROWS = [{"step": i, "prompt": "a", "nested": {"inner": 1.5, "list": ["x"]}, "long name": True} for i in range(7)]


def by_duckdb(path: Path) -> None:
    table = pa.Table.from_pylist(ROWS)
    with duckdb.connect() as connection:
        connection.register("made", table)
        connection.execute(f"COPY made TO '{path}' (FORMAT parquet)")


WRITERS: dict[str, Any] = {
    "pyarrow": lambda path: pq.write_table(pa.Table.from_pylist(ROWS), path),
    "pandas": lambda path: pd.DataFrame(ROWS).to_parquet(path),
    "polars": lambda path: pl.DataFrame(ROWS).write_parquet(path),
    "duckdb": by_duckdb,
}


def schema(path: Path) -> list[str]:
    with duckdb.connect() as connection:
        return [row[0] for row in connection.execute(f"SELECT name FROM parquet_schema('{path}')").fetchall()]


@pytest.mark.parametrize("writer", WRITERS)
def test_names_come_in_the_order_of_the_schema(writer: str, tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    WRITERS[writer](path)
    names = schema(path)
    assert {"step", "prompt", "nested", "inner", "long name"} <= set(names)
    assert list(column_names(path))[: len(names)] == names


@pytest.mark.parametrize("path", sorted(FIXTURES.rglob("*.parquet")), ids=lambda path: path.stem[:20])
def test_fixtures(path: Path) -> None:
    names = schema(path)
    assert list(column_names(path))[: len(names)] == names


@pytest.mark.parametrize(
    "content",
    [b"", b"PAR1", b"PAR1" + b"\0" * 8, b"\xff\xff\xff\x7fPAR1", b"x" * 99, b"\x18\x05\0\0\0\0\0\x02\0\0\0PAR1"],
)
def test_what_has_no_footer_has_no_names(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(content)
    assert column_names(path) == ()
    assert column_names(tmp_path / "missing") == ()
    assert column_names(tmp_path) == ()
