"""`convert`: log files of any tool to one long table, or to the store of Every-Eval-Ever."""

from __future__ import annotations

import tempfile
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neff.errors import ArgumentError
from neff.records import ColumnMap, Records, read
from neff.records.big import is_large
from neff.records.files import find_files
from neff.records.parts import DroppedError
from neff.records.streaming import NeedsRowsError, Request
from neff.report.long_records import columns_of, parquet_from_csv, runnable, suffixes, types_of, write_rows
from neff.report.record_stream import stream
from neff.report.writing import replacing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import IO

    from neff.records.combine import ByFile
    from neff.records.reader import Keep
    from neff.report.long_records import Columns
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
    _refuse_input(paths, target)
    if is_large(paths):
        request = Request(ColumnMap(**columns), labels=False)
        while True:
            try:
                return _write(target, lambda asked=request: stream(paths, asked, by_file=by_file, strict=strict))
            except DroppedError as error:
                request = request.without(error)
            except NeedsRowsError:
                break
    records = read(paths, keep="all" if keep is None else keep, by_file=by_file, strict=strict, **columns)
    written = _write(target, lambda: [(records, records.draw)])
    return replace(written, unread=records.unread)
