"""`neff doctor`: what a file is, what can be computed from it, what is missing, and the command to run."""

from __future__ import annotations

import re
import shlex
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from neff.errors import NeffError
from neff.records.columns import ColumnMap
from neff.records.combine import combine
from neff.records.detect import detect
from neff.records.diagnosis import Diagnosis, FileDiagnosis
from neff.records.files import find_files
from neff.records.finder import normal
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
    flags = columns.flags()
    if len(files) == 1:
        return Diagnosis(files, None, files[0].command and _command(paths, flags))
    together, by_file = _together(tables)
    command = _command(paths, [*flags, *by_file]) if not together.problem or by_file else ""
    return Diagnosis(files, together, command)


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
    found = table.sources[0].format
    if found not in (name, "json"):  # a plug-in has read what only looked like a table
        name, header = found, ()
    roles = columns.resolve(header).roles() if header and reader.mapped else {}
    roles = {name: role for name, role in roles.items() if not role.startswith("model (") or name in table.model.levels}
    described = tuple((column, roles.get(column, "")) for column in header)
    return replace(_describe(table, file.shown, name, described), command=_command(file.shown, columns.flags()))


def _together(tables: list[Records]) -> tuple[FileDiagnosis, list[str]]:
    """Return what the readable files are together, and the option that makes them one table, where it takes one."""
    where = f"{len(tables)} readable files together"
    if not tables:
        return FileDiagnosis("all files", "none", "none of the files can be read."), []
    try:
        whole = combine(tables)
    except NeffError as error:
        try:
            combine(tables, by_file="models")
        except NeffError:
            return FileDiagnosis(where, "several", str(error)), []
        return FileDiagnosis(where, "several", str(error)), ["--by-file", "models"]
    return _describe(whole, where, "+".join(sorted({source.format for source in whole.sources})), ()), []


def _describe(table: Records, path: str, name: str, columns: tuple[tuple[str, str], ...]) -> FileDiagnosis:
    per_cell = np.unique(table.cell(), return_counts=True)[1]
    low, high = int(per_cell.min()), int(per_cell.max())
    found = _possibilities(table, high, [*(column for column, _ in columns), *table.extra])
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
        can=tuple(p.sentence for p in found if p.possible),
        missing=tuple(p.sentence for p in found if not p.possible),
        has=tuple(p.key for p in found if p.possible),
        lacks=tuple(p.key for p in found if not p.possible),
        notes=tuple(dict.fromkeys(note for source in table.sources for note in source.notes)),
    )


class _Possibility(NamedTuple):
    key: str
    possible: bool
    sentence: str


def _possibilities(table: Records, most_draws: int, names: Sequence[str]) -> list[_Possibility]:
    common, m = _common_items(table), table.model.n_levels
    n_labels = 0 if table.label is None else int((~np.isnan(table.label)).sum())
    groups = ", ".join(f"{group.n_levels:,} clusters" for group in table.clusters)
    log_probs = [repr(name) for name in names if _LOG_PROB.search(normal(name))]
    found = [
        (
            "scores",
            bool((~np.isnan(table.score)).any()),
            "mean score of each model with an interval",
            "scores: every draw is unscored",
        ),
        (
            "pairs",
            common > 1,
            f"paired comparison of {m} models ({common:,} items that all share)",
            "paired comparison: there is one model" if m == 1 else _UNPAIRED,
        ),
        (
            "repeats",
            most_draws > 1,
            "repeats: sampling noise apart from item noise",
            "repeats: one draw of each item",
        ),
        (
            "clusters",
            bool(table.clusters),
            f"clustered errors ({groups})",
            "clusters: items count as independent; name a grouping with --cluster",
        ),
        (
            "labels",
            n_labels > 0,
            f"oracle labels on {n_labels:,} draws",
            "oracle labels: name them with --label",
        ),
        (
            "log-probs",
            bool(log_probs),
            f"models judged by answers of another: --log-prob and --target-log-prob ({', '.join(log_probs[:4])})",
            "log-probabilities: without them no model is judged by the answers of another",
        ),
    ]
    choices = [_Possibility(key, possible, yes if possible else no) for key, possible, yes, no in found]
    weighted = [_Possibility("weights", True, "weighted means")] if table.weight is not None else []  # noqa: FBT003
    return [*choices, *weighted]


_UNPAIRED = "paired comparison: no two items are shared by all models; pairs may still share some"
_LOG_PROB = re.compile(r"log_?p(rob|robs)?(_|$)|logprob|log_likelihood")


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


def _command(paths: Any, flags: Sequence[str]) -> str:
    names = [paths] if isinstance(paths, (str, Path)) else paths
    return shlex.join(["neff", "evaluate", *("-" if str(name) == "stdin" else str(name) for name in names), *flags])
