"""Files to per-item sums, part by part: memory grows with items and models, not with rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from neff.errors import RecordsError
from neff.records.cells import refuse_split_items
from neff.records.detect import detect
from neff.records.drawsets import TooManyDrawsError
from neff.records.factor import Factor
from neff.records.merging import fold
from neff.records.parts import DroppedError, part_of, parts_of
from neff.records.reader import reading, renamed
from neff.records.summary import ItemSums
from neff.records.table import Source

if TYPE_CHECKING:
    from neff.records.columns import ColumnMap
    from neff.records.files import File
    from neff.records.layout import Layout
    from neff.records.reader import Chunk, Reader

__all__ = [
    "NeedsRowsError",
    "Request",
    "checked",
    "chunk_sums",
    "file_sums",
    "part_sums",
    "settled_sums",
    "sourced",
    "summed_layout",
]


class NeedsRowsError(RecordsError):
    """Sums are not enough for what these records are for."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to sum.

    Attributes
    ----------
    columns
        What the caller says about the columns.
    labels
        Whether labels matter: then a file that has some is refused.
    distinct
        Whether it must be seen that no draw comes twice.
    dropped, notes
        Roles that a first reading has found to be played by no column, and what to say about them.
    """

    columns: ColumnMap
    labels: bool = True
    distinct: bool = True
    dropped: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()

    def without(self, error: DroppedError) -> Request:
        """Return the request without a role."""
        return replace(self, dropped=self.dropped | {error.role}, notes=(*self.notes, error.note))

    def applied(self, layout: Layout) -> Layout:
        """Return a layout without the dropped roles."""
        return replace(
            layout,
            label=None if "label" in self.dropped else layout.label,
            weight=None if "weight" in self.dropped else layout.weight,
            clusters=() if "cluster" in self.dropped else layout.clusters,
            guessed=layout.guessed - self.dropped,
        )


def file_sums(file: File, request: Request) -> ItemSums:
    """Return the sums over one file; see `settled_sums`."""
    return settled_sums(file, request)[0]


def settled_sums(file: File, request: Request) -> tuple[ItemSums, Request]:
    """Return the sums over one file, and the request without the roles that no column of it plays.

    Raises
    ------
    RecordsError
        If it cannot be read, or rows contradict each other.
    NeedsRowsError
        If it has labels, and they matter; or draws with more names than can be remembered.
    """
    while True:
        try:
            return checked(part_sums(file, request), file.shown, request), request
        except DroppedError as error:
            request = request.without(error)


def part_sums(file: File, request: Request, rows: range | None = None) -> ItemSums:
    """Return the sums over one file, or some rows of it.

    Raises
    ------
    DroppedError
        If a guessed role must be dropped; see `Request.without`.
    """
    with reading(file.path, file.shown):
        if not file.regular:
            raise RecordsError("this is not a file that can be read.", "Check its permissions.", path=file.path)
        reader = detect(file.path)
        if reader.chunks is None or reader.header is None:
            return _whole(reader, file, request)
        layout = request.columns.resolve(tuple(reader.header(file.path)), path=file.path, keep="mapped")
        if layout.loose or layout.target is not None:  # what a column is can only be told from all of it
            return _whole(reader, file, request)
        layout = summed_layout(layout, request, file.shown)
        try:
            parts = parts_of(reader, file, layout, rows)
            sums = fold(ItemSums.of(part.table, part.draw if request.distinct else None) for part in parts)
            return sourced(sums, request, file.shown)
        except TooManyDrawsError as error:
            raise NeedsRowsError(error.problem, error.fix, path=file.shown) from error


def checked(sums: ItemSums, shown: str, request: Request) -> ItemSums:
    """Return the sums of a whole file, after what only the whole file can tell.

    Raises
    ------
    DroppedError
        If a cluster column that was only found by its name is none.
    RecordsError
        If an item lies in two clusters.
    """
    try:
        refuse_split_items(sums.task, sums.item, sums.clusters)
    except RecordsError as error:
        if request.columns.named():
            raise RecordsError(error.problem, error.fix, path=shown) from error
        note = f"the column found as the cluster was not used: {error.problem}"
        raise DroppedError("cluster", note) from error
    return sums


def _whole(reader: Reader, file: File, request: Request) -> ItemSums:
    """Read a file of a format that is read whole."""
    table = renamed(reader.read(file.path, request.columns, "mapped"), file.shown)
    if table.label is not None and not np.isnan(table.label).all():
        refuse_labels(request, "the file has labels", file.shown)
    draw = Factor.of(table.draw.tolist()) if request.distinct else None
    return ItemSums.of(table, draw)


def refuse_labels(request: Request, what: str, shown: str) -> None:
    """Raise where labels matter."""
    if request.labels:
        raise NeedsRowsError(
            f"{what}, and judges are calibrated on answers, not on sums.",
            "Read it into memory, or take the mean score as it stands: estimator mean.",
            path=shown,
        )


def chunk_sums(chunk: Chunk, layout: Layout, request: Request, source: Source, model: str) -> ItemSums:
    """Return the sums over some rows of a source; `model` is its name where no column has it.

    Raises
    ------
    DroppedError
        If a guessed role must be dropped; see `Request.without`.
    RecordsError
        If a row cannot be used.
    """
    part = part_of(chunk, layout, source, model)
    return ItemSums.of(part.table, part.draw if request.distinct else None)


def summed_layout(layout: Layout, request: Request, shown: str) -> Layout:
    """Return the layout with the roles that sums carry.

    Raises
    ------
    NeedsRowsError
        If there are labels, and they matter.
    """
    if layout.label is not None:
        refuse_labels(request, f"column {layout.label!r} holds labels", shown)
    return replace(request, dropped=request.dropped | {"label"}).applied(layout)


def sourced(sums: ItemSums, request: Request, shown: str) -> ItemSums:
    """Return the sums with one source in place of one for each part, and what the parts had to say."""
    notes = dict.fromkeys(note for source in sums.sources for note in source.notes) | dict.fromkeys(request.notes)
    return replace(sums, sources=(Source(shown, sums.sources[0].format, sums.n_draws, tuple(notes)),))
