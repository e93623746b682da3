"""Tables in memory: any dataframe, Arrow streams, dicts of arrays, lists of dicts; no library is imported for it."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from neff.errors import ArgumentTypeError, RecordsError
from neff.records.assemble import assemble
from neff.records.factor import Factor
from neff.records.feed import Sink
from neff.records.values import BadCellError, Column, bad_cell, coded

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from neff.records.columns import ColumnMap
    from neff.records.layout import Use
    from neff.records.reader import Keep
    from neff.records.table import Records

    Fetch: TypeAlias = Callable[[str, Use], Column]

__all__ = ["from_frame", "is_frame"]

_COLLECTORS = ("pyarrow", "polars", "pandas")
_FLAT = "Give a column of plain values, not of lists or objects."
_ONE_NAME = "Give each column its own name."
_TABLES = (
    "a path, a dataframe (pandas, polars, pyarrow, DuckDB or what narwhals and __arrow_c_stream__ cover), "
    "a dict of columns, a list of dicts, or Records"
)


def is_frame(data: object) -> bool:
    """Return whether the object is a table in memory rather than a path or a list of paths."""
    if isinstance(data, dict) or _is_rows(data):
        return True
    return hasattr(data, "__arrow_c_stream__") or as_narwhals(data) is not None


def from_frame(data: Any, columns: ColumnMap, keep: Keep = "all") -> Records:
    """Read a table in memory.

    Parameters
    ----------
    data
        A dataframe, an object with `__arrow_c_stream__`, a dict of columns, or a list of dicts.
    columns, keep
        Which column is what; which other columns to keep.

    Raises
    ------
    RecordsError
        If a column cannot be found or used.
    ArgumentTypeError
        If the object is not a table.

    Examples
    --------
    >>> from neff.records.columns import ColumnMap
    >>> data = {"question_id": [1, 1], "policy": ["a", "b"], "correct": [True, False]}
    >>> from_frame(data, ColumnMap()).score.tolist()
    [1.0, 0.0]
    """
    names, select, library = _open(data)
    return table_of(names, select, columns, keep, path=f"{library} frame", format=library, model="model")


def table_of(
    names: Sequence[str],
    select: Callable[[Sequence[str]], Fetch],
    columns: ColumnMap,
    keep: Keep,
    *,
    path: str,
    format: str,  # noqa: A002  (the word of `Source`)
    model: str,
) -> Records:
    """Build records from named columns that are fetched one by one."""
    layout = columns.resolve(names, path=path, keep=keep)
    uses = layout.uses()
    fetch = select(tuple(uses))
    found: dict[str, Column] = {}
    notes = []
    for name, use in uses.items():
        try:
            found[name] = fetch(name, use)
        except BadCellError as cell:
            role = layout.roles().get(name)
            if role is not None:
                raise bad_cell(cell, name, path=path, line=cell.row + 1, role=role) from cell
            notes.append(f"column {name!r} was not kept: it holds lists or objects")
    backend = format if format in _COLLECTORS else None
    return assemble(layout, found, path=path, format=format, model=model, backend=backend, notes=tuple(notes))


def _is_rows(data: object) -> bool:
    return isinstance(data, (list, tuple)) and bool(data) and all(isinstance(row, dict) for row in data)


def _open(data: Any) -> tuple[Sequence[str], Callable[[Sequence[str]], Fetch], str]:
    """Return the column names, a function that selects columns for fetching, and the name of the library."""
    if _is_rows(data):
        names = list(dict.fromkeys(chain.from_iterable(data)))
        data = {name: [row.get(name) for row in data] for name in names}
    if isinstance(data, dict):
        table = {str(name): column for name, column in data.items()}
        if len(table) < len(data):
            raise RecordsError("two column names are the same as text.", _ONE_NAME)
        return list(table), lambda _: lambda name, use: from_object(name, table[name], use), "dict"
    frame = as_narwhals(data)
    if frame is None and hasattr(data, "__arrow_c_stream__"):
        frame = from_arrow(data)
    if frame is None:
        raise ArgumentTypeError("data", _TABLES, data, call="records")
    return *selectable(frame), frame.implementation.value


def selectable(frame: Any) -> tuple[Sequence[str], Callable[[Sequence[str]], Fetch]]:
    """Return the column names of a narwhals frame and a function that selects columns for fetching."""
    columns = frame.collect_schema().names()
    labels = {str(label): label for label in columns}
    if len(labels) < len(columns):
        raise RecordsError("two column names are the same as text.", _ONE_NAME)

    def select(names: Sequence[str]) -> Fetch:
        lazy = hasattr(frame, "collect")  # then names are text, and only what is wanted is computed
        eager = _collected(frame.select([labels[name] for name in names])) if lazy else frame
        return lambda name, use: from_series(eager.get_column(labels[name]), use)

    return list(labels), select


def as_narwhals(data: Any) -> Any:
    """Return a narwhals frame, or None where the object is no dataframe."""
    import narwhals as nw
    from narwhals.exceptions import DuplicateError, NarwhalsError

    try:
        return nw.from_native(data)
    except DuplicateError as error:
        raise RecordsError("a column name occurs twice.", _ONE_NAME) from error
    except (TypeError, NarwhalsError):
        return None


def from_arrow(data: Any) -> Any:
    """Return a narwhals frame of an object with `__arrow_c_stream__`, by the first library that is installed."""
    import narwhals as nw

    for backend in ("pyarrow", "polars", "pandas"):
        try:
            return nw.from_arrow(data, backend=backend)
        except ImportError:
            continue
        except (TypeError, ValueError) as error:  # a stream of bare values, such as a Series
            raise ArgumentTypeError("data", _TABLES, data, call="records") from error
    raise RecordsError("this Arrow stream needs a library to read it.", "Install pyarrow or polars.")


def _collected(frame: Any) -> Any:
    for backend in ("polars",) if frame.implementation.value == "polars" else _COLLECTORS:
        try:
            return frame.collect(backend)
        except ImportError:
            continue
    return frame.collect()


def from_series(series: Any, use: Use) -> Column:
    """Return a narwhals series as a column.

    Raises
    ------
    BadCellError
        If it holds lists or objects, or a number is wanted and a cell is none.
    """
    import narwhals as nw

    dtype = series.dtype
    if dtype.is_nested():
        raise BadCellError(str(dtype), _FLAT)
    if (dtype.is_float() or dtype == nw.Boolean) and use != "key":
        return np.asarray(series.cast(nw.Float64).to_numpy(), np.float64)
    empty = np.asarray(series.is_null().to_numpy(), bool)
    if dtype.is_integer() and not empty.any():
        whole = np.asarray(series.to_numpy())
        return _coded_integers(whole) if use == "key" else whole.astype(np.float64)
    cells = series.to_list()
    if empty.any():  # pandas has several kinds of nothing; some cannot be compared
        cells = [None if nothing else cell for cell, nothing in zip(cells, empty, strict=True)]
    return _sunk(cells, use)


def from_object(name: str, column: Any, use: Use) -> Column:
    """Return one column of a dict: a `Factor`, a series, an array, or any sequence.

    Raises
    ------
    RecordsError
        If it is not one-dimensional.
    BadCellError
        If a cell cannot be used.
    """
    import narwhals as nw

    if isinstance(column, Factor):
        return column
    series = nw.from_native(column, series_only=True, pass_through=True)
    if isinstance(series, nw.Series):
        return from_series(series, use)
    if isinstance(column, (list, tuple, range)):
        return _sunk(list(column), use)
    try:
        array = np.asarray(column)
    except (TypeError, ValueError, RuntimeError) as error:
        raise RecordsError(f"column {name!r} is not an array ({error}).", "Give a list or an array.") from error
    if array.ndim != 1:
        what = f"an array of shape {array.shape}" if array.ndim else f"a single {type(column).__name__}"
        raise RecordsError(f"column {name!r} is {what}.", "Give one value per row.", path="dict frame")
    if array.dtype.kind in "fiub":
        if use != "key":
            return array.astype(np.float64)
        if array.dtype.kind in "iu":
            return _coded_integers(array)
    return _sunk((array.astype(str) if array.dtype.kind in "mM" else array).tolist(), use)


def _coded_integers(array: Any) -> Factor:
    levels, codes = np.unique(array, return_inverse=True)
    return coded(codes.astype(np.int32), levels.tolist())


def _sunk(cells: Sequence[Any], use: Use) -> Column:
    sink = Sink(use)
    if len(cells):
        sink.extend(cells)
    return sink.finish()
