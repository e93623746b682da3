"""`summarise`: files of any size to per-item sums."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import ArgumentError, NeffError, RecordsError
from neff.records.cells import refuse_split_items
from neff.records.columns import ColumnMap
from neff.records.combine import file_labels
from neff.records.drawsets import DrawSets, TooManyDrawsError
from neff.records.factor import Factor
from neff.records.files import find_files
from neff.records.merging import SharedDrawError, cells_of, merge
from neff.records.read import nothing_read, unread_of
from neff.records.streaming import NeedsRowsError, Request, file_sums

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from neff.records.combine import ByFile
    from neff.records.files import File
    from neff.records.summary import ItemSums

__all__ = ["combine_sums", "sum_files", "summarise"]


def summarise(
    paths: str | Path | Sequence[str | Path],
    *,
    by_file: ByFile = "refuse",
    strict: bool = False,
    labels: bool = True,
    keep: Any = None,  # noqa: ARG001  (an option of `read`; sums keep nothing else)
    **columns: Any,
) -> ItemSums:
    r"""Read log files of any size into per-item sums, in memory that grows with items and models only.

    Parameters
    ----------
    paths, by_file, strict
        As in `read`.
    labels
        Whether labels matter: then a file with labels is refused, for sums do not carry them.
    **columns
        `item`, `model`, `score`, `draw`, `task`, `metric`, `cluster`, `weight`, `wide`, `target`, as in `read`.

    Returns
    -------
    ItemSums
        What `neff.evaluate` takes; `a + b` merges two of them.

    Raises
    ------
    RecordsError
        If nothing can be read, or rows contradict each other.

    Notes
    -----
    Sums are exact: the result is the same to the last bit as from `read`, in any order of rows and files. CSV, JSON
    Lines and Parquet are read in parts; other logs, and tables whose columns can only be told from all rows
    (`target`, patterns of model columns), one file at a time.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "scores.csv"
    >>> _ = path.write_text("question_id,model,acc\nq1,a,1\nq1,b,0\nq2,a,0.5\n")
    >>> print(summarise(path))
    sums over 3 draws: 2 models × 2 items, 1 task(s), metric(s) acc
    """
    request = Request(ColumnMap(**columns), labels=labels, distinct=by_file != "draws")
    with tempfile.TemporaryDirectory(prefix="neff-") as spool:
        files = find_files(paths, Path(spool))
        return sum_files(files, lambda file: file_sums(file, request), by_file=by_file, strict=strict)


def sum_files(files: Sequence[File], sums_of: Callable[[File], ItemSums], *, by_file: ByFile, strict: bool) -> ItemSums:
    """Sum files one by one, and put together those that can be read."""
    sums: list[ItemSums] = []
    failed: list[tuple[File, NeffError]] = []
    for file in files:
        try:
            sums.append(sums_of(file))
        except (ArgumentError, NeedsRowsError, TooManyDrawsError):
            raise
        except NeffError as error:
            failed.append((file, error))
    if failed and (strict or len(files) == 1):
        raise failed[0][1]
    if not sums:
        raise nothing_read(failed)
    whole = combine_sums(sums, by_file=by_file)
    return replace(whole, unread=(*whole.unread, *(unread_of(file, error) for file, error in failed)))


def combine_sums(parts: Sequence[ItemSums], *, by_file: ByFile = "refuse") -> ItemSums:
    """Put together the sums of several files, as `combine` does with tables.

    Raises
    ------
    RecordsError
        If two files hold the same draw and `by_file` is "refuse", or an item lies in two clusters.
    """
    if by_file == "models" and len(parts) > 1:
        labels = file_labels([Path(part.sources[0].path) for part in parts])
        parts = [_relabelled(part, label) for part, label in zip(parts, labels, strict=True)]
    if by_file == "draws" or not _overlap(parts):
        parts = [replace(part, seen=None) for part in parts]
    else:
        parts = [part if part.seen is not None else _numbered(part) for part in parts]
    try:
        whole = merge(parts)
    except SharedDrawError as error:
        first, second = [part.sources[0].path for part in parts if _has(part, error.item, error.model)][:2]
        raise RecordsError(
            f"item {error.item!r} of model {error.model!r} is in two files, {first} and {second}.",
            "To compare the files as runs: --by-file models; to count them as repeats: --by-file draws.",
        ) from error
    refuse_split_items(whole.task, whole.item, whole.clusters)
    return replace(whole, seen=None)


def _relabelled(part: ItemSums, label: str) -> ItemSums:
    return replace(part, model=Factor.from_codes(part.model.codes, [f"{name} @ {label}" for name in part.model.levels]))


def _overlap(parts: Sequence[ItemSums]) -> bool:
    """Return whether two parts have draws of the same model on the same item."""
    if len(parts) == 1:
        return False
    cells, _ = cells_of(parts)
    return len(cells.row) < sum(part.n_cells for part in parts)


def _numbered(part: ItemSums) -> ItemSums:
    return replace(part, seen=DrawSets.counted(part.n + part.n_unscored))


def _has(part: ItemSums, item: str, model: str) -> bool:
    if item not in part.item.levels or model not in part.model.levels:
        return False
    both = (part.item.codes == part.item.levels.index(item)) & (part.model.codes == part.model.levels.index(model))
    return bool(np.any(both))
