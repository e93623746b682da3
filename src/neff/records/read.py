"""`read` and `as_records`: any mix of files, folders and tables in memory becomes one table of draws."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neff.errors import ArgumentError, NeffError, RecordsError
from neff.records.columns import ColumnMap
from neff.records.combine import combine
from neff.records.detect import detect
from neff.records.files import File, find_files, is_paths
from neff.records.plugins import read_with
from neff.records.reader import reading, renamed
from neff.records.table import Records
from neff.results import Unread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neff.records.combine import ByFile
    from neff.records.reader import Keep

__all__ = ["as_records", "nothing_read", "read", "read_each", "unread_of"]

_SMALL = 1 << 24
_COLUMNS = {"item", "model", "score", "draw", "task", "metric", "cluster", "label", "weight", "target", "wide"}


def read(
    paths: str | Path | Sequence[str | Path],
    *,
    item: str | None = None,
    model: str | Sequence[str] | None = None,
    score: str | None = None,
    draw: str | None = None,
    task: str | None = None,
    metric: str | None = None,
    cluster: str | Sequence[str] | None = None,
    label: str | None = None,
    weight: str | None = None,
    target: str | None = None,
    wide: bool = False,
    keep: Keep | Sequence[str] | None = None,
    by_file: ByFile = "refuse",
    strict: bool = False,
) -> Records:
    r"""Read log files into one table of draws.

    Use it for files and folders; `as_records` takes dataframes too. Every file is recognised by its content.

    Parameters
    ----------
    paths
        A file, a folder (all files below it), "-" (standard input), or a list of them.
    item, score, draw, task, metric, label, weight
        Columns with these roles. If no column is named, they are found by their usual names; if some are,
        only item, model and score are still found.
    model
        The column of model names; or several columns (globs allowed), one for each model's scores.
    cluster
        One or two columns that group the items.
    target
        The column of right answers: a score is 1 where the prediction equals it, NaN where it is empty.
    wide
        Whether each model has its own column; without `model`, all columns without a role.
    keep
        Other columns to keep as `Records.extra`: "all", "mapped" (none), or their names. By default all of
        a file up to 16 MiB, and none of a larger one.
    by_file
        What to do where two files hold the same draw (task, item, model, metric, draw): "refuse";
        "models" makes each file a run of its own, named "model @ file"; "draws" counts them as repeats.
    strict
        Whether a file that cannot be read is an error. By default it is listed in `Records.unread`, unless
        it is the only one, or none can be read.

    Returns
    -------
    Records
        With one `Source` per file.

    Raises
    ------
    RecordsError
        If nothing can be read, or the rows contradict each other.
    ArgumentError
        If an option makes no sense.

    Notes
    -----
    No result depends on the order of files or rows. Memory is about 30 bytes per draw, and three times that for
    a moment; nothing is sent anywhere, and no pickle is ever opened.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "scores.csv"
    >>> _ = path.write_text("question_id,model,acc\nq1,a,1\nq1,b,0\nq2,a,1\n")
    >>> records = read(path)
    >>> print(records)
    3 draws: 2 models × 2 items, 1 task(s), metric(s) acc
    """
    columns = ColumnMap(
        item=item,
        model=model,  # type: ignore[arg-type]  # a list is turned into a tuple there
        score=score,
        draw=draw,
        task=task,
        metric=metric,
        cluster=cluster,  # type: ignore[arg-type]
        label=label,
        weight=weight,
        target=target,
        wide=wide,
    )
    checked = _checked_keep(keep)
    _check_by_file(by_file)
    with tempfile.TemporaryDirectory(prefix="neff-") as spool:
        files = find_files(paths, Path(spool))
        tables, failed = read_each(files, columns, checked)
    if failed and (strict or len(files) == 1):
        raise failed[0][1]
    if not tables:
        raise nothing_read(failed)
    return combine(tables, by_file=by_file, unread=[unread_of(file, error) for file, error in failed])


def as_records(data: Any, *, keep: Keep | Sequence[str] | None = None, **options: Any) -> Records:
    """Return records, whatever the caller has.

    Parameters
    ----------
    data
        `Records` (returned as they are), a path or a list of paths (`read`), a dataframe of pandas, polars,
        pyarrow, DuckDB or any library that narwhals or `__arrow_c_stream__` covers, a dict of columns, or a
        list of dicts.
    keep
        Other columns to keep; "all" by default for tables in memory.
    **options
        As in `read`.

    Returns
    -------
    Records
        One row per draw.

    Raises
    ------
    RecordsError
        If the table cannot be used.
    ArgumentTypeError
        If the object is none of these.

    Examples
    --------
    >>> table = as_records({"item": [1, 2], "model": ["a", "a"], "score": [1, 0]})
    >>> len(table), table.backend
    (2, None)
    """
    if isinstance(data, Records):
        named = sorted(name for name, value in options.items() if name in _COLUMNS and value not in (None, False))
        if named:
            raise ArgumentError(
                named[0], "left out for Records", options[named[0]], "Their columns are known.", call="records"
            )
        return data
    if is_paths(data):
        return read(data, keep=keep, **options)
    from neff.records.frames import from_frame

    columns = ColumnMap(**{name: value for name, value in options.items() if name not in ("by_file", "strict")})
    return from_frame(data, columns, _checked_keep(keep) or "all")


def read_each(
    files: Sequence[File], columns: ColumnMap, keep: Keep | None
) -> tuple[list[Records], list[tuple[File, NeffError]]]:
    """Read files one by one; return the tables, and what cannot be read with the error.

    Raises
    ------
    ArgumentError
        If the options make no sense for a file: that is no fault of the file.
    """
    tables: list[Records] = []
    failed: list[tuple[File, NeffError]] = []
    for file in files:
        try:
            tables.append(read_file(file, columns, keep))
        except ArgumentError:
            raise
        except NeffError as error:
            failed.append((file, error))
    return tables, failed


def read_file(file: File, columns: ColumnMap, keep: Keep | None) -> Records:
    """Read one file."""
    with reading(file.path, file.shown):
        if not file.regular:
            raise RecordsError("this is not a file that can be read.", "Check its permissions.", path=file.path)
        if keep is None:
            keep = "all" if file.path.stat().st_size <= _SMALL else "mapped"
        return renamed(read_with(detect(file.path), file.path, columns, keep), file.shown)


def unread_of(file: File, error: NeffError) -> Unread:
    """Return the entry of a file that could not be read."""
    if not isinstance(error, RecordsError):
        return Unread(file.shown, str(error))
    line = "" if error.line is None else f"line {error.line}: "
    return Unread(file.shown, f"{line}{error.problem} {error.fix}".rstrip())


def nothing_read(failed: Sequence[tuple[File, NeffError]]) -> RecordsError:
    """Return the error for files of which none can be read."""
    file, error = failed[0]
    why = unread_of(file, error).reason
    return RecordsError(
        f"none of the {len(failed)} files can be read; the first, {file.shown}: {why}",
        "See each with: neff doctor PATH.",
    )


def _checked_keep(keep: Keep | Sequence[str] | None) -> Keep | None:
    if keep is None or keep == "all" or keep == "mapped":
        return keep
    if isinstance(keep, (list, tuple)) and all(isinstance(name, str) for name in keep):
        return tuple(keep)
    must = '"all", "mapped" or a list of column names'
    raise ArgumentError("keep", must, keep, 'For example keep=["prompt_length"].', call="read")


def _check_by_file(by_file: object) -> None:
    if by_file not in ("refuse", "models", "draws"):
        fix = '"models" compares the files as runs, "draws" counts them as repeats.'
        raise ArgumentError("by_file", '"refuse", "models" or "draws"', by_file, fix, call="read")
