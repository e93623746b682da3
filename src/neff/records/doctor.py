"""`neff doctor`: what a file is, what can be computed from it, what is missing, and the command to run."""

from __future__ import annotations

import shlex
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import NeffError
from neff.records.columns import ColumnMap
from neff.records.combine import combine
from neff.records.detect import detect
from neff.records.diagnosis import Diagnosis, FileDiagnosis
from neff.records.files import find_files
from neff.records.read import read_file, unread_of
from neff.records.reader import reading

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neff.records.files import File
    from neff.records.table import Records

__all__ = ["Diagnosis", "FileDiagnosis", "diagnose"]


def diagnose(paths: str | Path | Sequence[str | Path], **options: Any) -> Diagnosis:
    r"""Say what files are, what can be computed from them, what is missing, and what to run.

    Parameters
    ----------
    paths
        A file, a folder, "-", or a list of them.
    **options
        Column options, as in `read`.

    Returns
    -------
    Diagnosis
        Files that cannot be read are part of it, with the reason.

    Raises
    ------
    RecordsError
        If a path does not exist.
    ArgumentError
        If an option makes no sense.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "scores.csv"
    >>> _ = path.write_text("question_id,model,acc\nq1,a,1\nq1,b,0\nq2,a,1\nq2,b,\n")
    >>> found = diagnose(path)
    >>> found.files[0].models, found.files[0].n_unscored
    (('a', 'b'), 1)
    """
    columns = ColumnMap(**options)
    tables: list[Records] = []
    with tempfile.TemporaryDirectory(prefix="neff-") as spool:
        files = tuple(_diagnose(file, columns, tables) for file in find_files(paths, Path(spool)))
    together = _together(tables) if len(files) > 1 else None
    return Diagnosis(files, together, _command(paths, columns, together or files[0]))


def _diagnose(file: File, columns: ColumnMap, tables: list[Records]) -> FileDiagnosis:
    name = "unknown"
    header: tuple[str, ...] = ()
    try:
        with reading(file.path, file.shown):
            reader = detect(file.path)
            name = reader.name
            header = tuple(reader.header(file.path)) if reader.header is not None else ()
        table = read_file(file, columns, "mapped")
    except NeffError as error:
        unmapped = tuple((column, "") for column in header)
        return FileDiagnosis(file.shown, name, unread_of(file, error).reason, unmapped)
    tables.append(table)
    roles = columns.resolve(header).roles() if header and reader.mapped else {}
    roles = {name: role for name, role in roles.items() if not role.startswith("model (") or name in table.model.levels}
    return _describe(table, file.shown, name, tuple((column, roles.get(column, "")) for column in header))


def _together(tables: list[Records]) -> FileDiagnosis:
    where = f"{len(tables)} readable files together"
    if not tables:
        return FileDiagnosis("all files", "none", "none of the files can be read.")
    try:
        whole = combine(tables)
    except NeffError as error:
        return FileDiagnosis(where, "several", str(error))
    return _describe(whole, where, "+".join(sorted({source.format for source in whole.sources})), ())


def _describe(table: Records, path: str, name: str, columns: tuple[tuple[str, str], ...]) -> FileDiagnosis:
    per_cell = np.unique(table.cell(), return_counts=True)[1]
    low, high = int(per_cell.min()), int(per_cell.max())
    can, missing = _possibilities(table, high)
    return FileDiagnosis(
        path=path,
        format=name,
        columns=columns,
        n_rows=len(table),
        n_unscored=int(np.isnan(table.score).sum()),
        tasks=table.task.levels,
        metrics=table.metric.levels,
        models=table.model.levels,
        n_items=_n_items(table),
        draws=(low, high),
        can=tuple(can),
        missing=tuple(missing),
        notes=tuple(dict.fromkeys(note for source in table.sources for note in source.notes)),
    )


def _possibilities(table: Records, most_draws: int) -> tuple[list[str], list[str]]:
    can: list[str] = []
    missing: list[str] = []

    def say(possible: bool, yes: str, no: str) -> None:  # noqa: FBT001
        (can if possible else missing).append(yes if possible else no)

    say(
        bool((~np.isnan(table.score)).any()),
        "mean score of each model with an interval",
        "scores: every draw is unscored",
    )
    common = _common_items(table)
    say(
        common > 1,
        f"paired comparison of {table.model.n_levels} models ({common:,} items that all share)"
        if table.model.n_levels > 1
        else "",
        "paired comparison: there is one model" if table.model.n_levels == 1 else _UNPAIRED,
    )
    say(most_draws > 1, "repeats: sampling noise apart from item noise", "repeats: one draw of each item")
    say(
        bool(table.clusters),
        f"clustered errors ({', '.join(f'{group.n_levels:,} clusters' for group in table.clusters)})",
        "clusters: items count as independent; name a grouping with --cluster",
    )
    n_labels = 0 if table.label is None else int((~np.isnan(table.label)).sum())
    say(n_labels > 0, f"oracle labels on {n_labels:,} draws", "oracle labels: name them with --label")
    if table.weight is not None:
        can.append("weighted means")
    return can, missing


_UNPAIRED = "paired comparison: no two items are shared by all models; pairs may still share some"


def _n_items(table: Records) -> int:
    return len(np.unique(table.task.codes.astype(np.int64) * table.item.n_levels + table.item.codes))


def _common_items(table: Records) -> int:
    """Return the number of items that every model has answered, 0 for one model."""
    m = table.model.n_levels
    if m < 2:
        return 0
    item = table.task.codes.astype(np.int64) * table.item.n_levels + table.item.codes
    pairs = np.unique(item * m + table.model.codes)
    return int((np.unique(pairs // m, return_counts=True)[1] == m).sum())


def _command(paths: Any, columns: ColumnMap, whole: FileDiagnosis) -> str:
    if whole.problem:
        return ""
    names = [paths] if isinstance(paths, (str, Path)) else paths
    words = ["neff", "evaluate", *(str(name) for name in names), *columns.flags()]
    return shlex.join(words)
