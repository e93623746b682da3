"""Arrow IPC: files (Feather) and streams, through pyarrow or else polars."""

from __future__ import annotations

import io
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from neff.errors import MissingExtraError, RecordsError
from neff.records.frames import as_narwhals, selectable, table_of
from neff.records.reader import Reader, open_bytes, stem_of

if TYPE_CHECKING:
    from pathlib import Path

    from neff.records.columns import ColumnMap
    from neff.records.reader import Keep
    from neff.records.table import Records

__all__ = ["READER"]

_FILE = b"ARROW1\0\0"
_STREAM = b"\xff\xff\xff\xff"
_FEATHER_1 = b"FEA1"
_FIX = "Write the file again; it may be cut off or damaged."


def sniff(path: Path, head: bytes) -> bool:  # noqa: ARG001  (the contract of a reader)
    """Return whether the content is an Arrow file, an Arrow stream, or Feather version 1."""
    if head.startswith(_STREAM):  # then the length of the schema, then a flatbuffer
        return 0 < int.from_bytes(head[4:8], "little") < 1 << 24
    return head.startswith((_FILE, _FEATHER_1))


def header(path: Path) -> tuple[str, ...]:
    """Return the column names."""
    return tuple(selectable(_load(path))[0])


def read(path: Path, columns: ColumnMap, keep: Keep) -> Records:
    """Read an Arrow file or stream."""
    names, select = selectable(_load(path))
    return table_of(names, select, columns, keep, path=str(path), format="arrow", model=stem_of(path))


def _load(path: Path) -> Any:
    if find_spec("pyarrow") is not None:
        return as_narwhals(_with_pyarrow(path))
    if find_spec("polars") is not None:
        return as_narwhals(_with_polars(path))
    raise MissingExtraError("Reading Arrow files (pip install pyarrow or polars)", "all")


def _with_pyarrow(path: Path) -> Any:
    import pyarrow as pa
    from pyarrow import feather, ipc

    try:
        with open_bytes(path) as file:
            start = file.read(8)
            file.seek(0)
            if start.startswith(_FILE):
                table = ipc.open_file(pa.PythonFile(file, mode="r")).read_all()
            elif start.startswith(_FEATHER_1):
                table = feather.read_table(pa.PythonFile(file, mode="r"))
            else:
                table = ipc.open_stream(pa.PythonFile(file, mode="r")).read_all()
        table.validate(full=True)  # a damaged file may point outside its buffers
    except (pa.ArrowException, OSError, ValueError) as error:
        raise RecordsError(f"this Arrow file cannot be read ({_first_line(error)}).", _FIX, path=path) from error
    return table


def _with_polars(path: Path) -> Any:
    import polars as pl

    try:
        with open_bytes(path) as file:
            stream = file.read(8).startswith(_STREAM)
            file.seek(0)
            content = io.BytesIO(file.read())  # polars would read the open file from the wrong place
        return pl.read_ipc_stream(content) if stream else pl.read_ipc(content)
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        raise RecordsError(f"this Arrow file cannot be read ({_first_line(error)}).", _FIX, path=path) from error


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


READER = Reader("arrow", mapped=True, sniff=sniff, read=read, header=header)
