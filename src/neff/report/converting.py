"""`convert`: log files of any tool to one long table, or to the store of Every-Eval-Ever."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neff.errors import ArgumentError, MissingExtraError, OutputError
from neff.records import ColumnMap, read
from neff.records.big import is_large
from neff.records.files import find_files
from neff.records.parts import DroppedError, Part
from neff.records.streaming import NeedsRowsError, Request
from neff.report.long_records import columns_of, parquet_from_csv, runnable, suffixes, types_of, write_rows
from neff.report.record_stream import RecordStream
from neff.report.writing import replacing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from neff.records.combine import ByFile
    from neff.records.reader import Keep
    from neff.results import Unread

__all__ = ["Converted", "convert"]

_CALL = "convert"


@dataclass(frozen=True, slots=True)
class Converted:
    """What `convert` wrote.

    Attributes
    ----------
    path
        The file, or the folder of an Every-Eval-Ever store.
    n_draws
        Rows that were written.
    columns
        Their columns.
    notes, unread
        What readers had to say; what was not read and why.
    """

    path: Path
    n_draws: int
    columns: tuple[str, ...]
    notes: tuple[str, ...] = ()
    unread: tuple[Unread, ...] = ()


def convert(
    paths: str | Path | Sequence[str | Path],
    output: str | Path,
    *,
    keep: Keep | Sequence[str] | None = None,
    by_file: ByFile = "refuse",
    strict: bool = False,
    **columns: Any,
) -> Converted:
    r"""Write log files of any tool as one long table: one row per draw, canonical names of columns.

    Use it to keep records, to hand them on, or to read slow logs once. Reading the table again gives the same records.

    Parameters
    ----------
    paths
        Files and folders, as in `read`.
    output
        Where to: .parquet, .csv, .jsonl; or a folder (or a name that ends in a slash) for the store of
        Every-Eval-Ever, one log with its uncertainty and one file of samples per model.
    keep
        Other columns to keep: all by default. Of files too large for memory none are kept.
    by_file, strict, **columns
        As in `read`.

    Returns
    -------
    Converted
        What was written.

    Raises
    ------
    ArgumentError
        If the suffix names no format, or the output is one of the inputs.
    RecordsError
        If nothing can be read, or a name would not read back as it is.
    OutputError
        If the file cannot be written; what was there before is untouched.

    Notes
    -----
    Columns: `item`, `model`, `task`, `metric`, `draw`, `score`; where there are some `cluster`, `cluster_2`, `label`,
    `weight`, and `lower_is_better` (true or false by metric); then all others. One whose name would be taken for a
    role gets the prefix "extra.". An unscored draw has an empty score. The file is written whole or not at all.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "scores.csv").write_text("question_id,policy,acc\nq1,a,1\nq1,b,\n")
    >>> convert(folder / "scores.csv", folder / "long.jsonl").columns
    ('item', 'model', 'task', 'metric', 'draw', 'score')
    >>> print((folder / "long.jsonl").read_text().splitlines()[1])
    {"item": "q1", "model": "b", "task": "all", "metric": "acc", "draw": 0, "score": null}
    """
    target = Path(output)
    if target.is_dir() or str(output).endswith("/"):
        return _to_store(paths, target, by_file=by_file, strict=strict, **columns)
    if target.suffix.lower() not in suffixes():
        known = f"a name that ends in {', '.join(suffixes())}, or a folder"
        raise ArgumentError("output", known, str(output), "The suffix is the format.", call=_CALL)
    if not target.parent.is_dir():
        raise OutputError(
            f"cannot write {target}: there is no folder {target.parent}. Make it first: mkdir -p {target.parent}"
        )
    _refuse_input(paths, target)
    if is_large(paths):
        try:
            return _streamed(paths, target, Request(ColumnMap(**columns), labels=False), by_file, strict=strict)
        except NeedsRowsError:
            pass
    records = read(paths, keep="all" if keep is None else keep, by_file=by_file, strict=strict, **columns)
    notes = [note for source in records.sources for note in source.notes]
    written = _write(target, [Part(records, None)], notes, numbered=True)
    return replace(written, unread=records.unread)


def _streamed(paths: Any, target: Path, request: Request, by_file: ByFile, *, strict: bool) -> Converted:
    with tempfile.TemporaryDirectory(prefix="neff-") as spool:
        files = find_files(paths, Path(spool))
        while True:
            try:
                records = RecordStream(files, request, by_file=by_file, strict=strict)
                notes = [*records.notes, "the files are large: only columns with a role were written"]
                return replace(_write(target, records, notes), unread=records.unread)
            except DroppedError as error:
                request = request.without(error)


def _write(target: Path, parts: Iterable[Part], notes: Iterable[str], *, numbered: bool = False) -> Converted:
    """Write parts with the same columns; `numbered` ones have numbers for draws, others names or none."""
    kind = "csv" if target.suffix.lower() in (".csv", ".parquet") else "jsonl"
    n, types, said = 0, dict[str, str](), dict.fromkeys(notes)
    with replacing(target) as temporary, _through(temporary, target) as text:
        with text.open("w", encoding="utf-8", newline="") as stream:
            for table, draw in parts:
                columns = columns_of(table, table.draw if numbered else draw)
                if types and types_of(columns) != types:
                    raise NeedsRowsError("the files do not have the same columns.", "Read them into memory.")
                write_rows(columns, stream, kind, first=not types)
                types = types_of(columns)
                n += len(table)
                formula = runnable(columns)
                if formula and target.suffix.lower() == ".csv":
                    said[f"{formula[:40]!r} is written as it is: a spreadsheet may run it as a formula"] = None
        if target.suffix.lower() == ".parquet":
            parquet_from_csv(text, temporary, types)
    return Converted(target, n, tuple(types), tuple(said))


@contextmanager
def _through(temporary: Path, target: Path) -> Iterator[Path]:
    """Yield where rows are written: the file itself, or for Parquet a text file that is turned into it."""
    if target.suffix.lower() != ".parquet":
        yield temporary
        return
    try:
        import duckdb  # noqa: F401  (before the work, not after it)
    except ImportError as error:
        raise MissingExtraError("Writing Parquet", "big") from error
    folder = Path(f"{temporary}.d")  # beside it, for it may be large; it goes when the file goes
    folder.mkdir()
    try:
        yield folder / "rows.csv"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _refuse_input(paths: Any, target: Path) -> None:
    """Raise where the output is one of the files that are read."""
    names = [paths] if isinstance(paths, (str, Path)) else paths
    for name in map(Path, names):
        if target.exists() and (
            name.resolve() == target.resolve() or (name.is_dir() and name.resolve() in target.resolve().parents)
        ):
            raise ArgumentError("output", "a new file, not one of the inputs", str(target), call=_CALL)


def _to_store(paths: Any, folder: Path, **options: Any) -> Converted:
    from neff.evaluate import evaluate
    from neff.report.every_eval_ever import write_datastore

    records = read(paths, **options)
    evaluation = evaluate(records, pairs=False, aggregate="none", estimator="mean")
    logs = write_datastore(evaluation, folder, records=records)
    notes = tuple(dict.fromkeys(note for source in records.sources for note in source.notes))
    said = f"{len(logs)} logs of Every-Eval-Ever, each with its samples"
    return Converted(folder, len(records), (), (*notes, said), records.unread)
