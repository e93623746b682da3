"""Files part by part: tables of some rows each, whose draws are neither numbered nor checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from neff.errors import RecordsError
from neff.records.assemble import assemble
from neff.records.factor import Factor
from neff.records.jsonrows import is_array
from neff.records.reader import stem_of
from neff.records.table import Source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from neff.records.files import File
    from neff.records.layout import Layout
    from neff.records.reader import Chunk, Reader
    from neff.records.table import Records

__all__ = ["DroppedError", "Part", "part_of", "parts_of"]

ROWS = 1 << 21
"""Rows per part."""


class DroppedError(Exception):
    """A column that was only found by its name cannot play its role: the file must be read again without it."""

    def __init__(self, role: str, note: str) -> None:
        self.role, self.note = role, note
        super().__init__(note)


class Part(NamedTuple):
    """Some rows of a file, and the names of their draws, None where no column has them."""

    table: Records
    draw: Factor | None


def parts_of(reader: Reader, file: File, layout: Layout, rows: range | None = None) -> Iterator[Part]:
    """Yield a file part by part, or some rows of it.

    Raises
    ------
    DroppedError
        If a guessed column cannot play its role.
    RecordsError
        If a row cannot be used, or there is none.
    """
    if reader.chunks is None:
        return
    name = "json" if reader.name == "jsonl" and is_array(file.path) else reader.name
    source = Source(file.shown, name, 0)
    empty = True
    for chunk in reader.chunks(file.path, layout, ROWS, rows):
        empty = False
        yield part_of(chunk, layout, source, stem_of(file.path))
    if empty:
        raise RecordsError("the table has no rows.", "Give a file with at least one draw.", path=file.path)


def part_of(chunk: Chunk, layout: Layout, source: Source, model: str) -> Part:
    """Return some rows of a source; `model` is its name where no column has it.

    Raises
    ------
    DroppedError, RecordsError
        As `parts_of`.
    """
    table = assemble(
        layout,
        chunk.columns,
        path=source.path,
        format=source.format,
        model=model,
        line_of=chunk.line_of,
        notes=chunk.notes,
        whole=False,
    )
    _refuse_other_roles(layout, table)
    return Part(table, _draws(layout, chunk, table))


def _refuse_other_roles(layout: Layout, table: Records) -> None:
    """Raise where a part shows that a guessed column cannot play its role."""
    for role, missing in (
        ("label", layout.label is not None and table.label is None),
        ("weight", layout.weight is not None and table.weight is None),
        ("cluster", len(table.clusters) < len(layout.clusters)),
    ):
        if missing:
            notes = (note for note in table.sources[0].notes if f"was not used as the {role}" in note)
            raise DroppedError(role, next(notes, f"the column found as the {role} was not used"))


def _draws(layout: Layout, chunk: Chunk, table: Records) -> Factor | None:
    """Return the draw of each row."""
    if layout.draw is None:
        return None
    draw = chunk.columns[layout.draw]
    if not isinstance(draw, Factor):
        draw = Factor.of(draw.tolist())
    empty = np.flatnonzero(draw.codes < 0)
    if len(empty):
        raise RecordsError(
            f"draw column {layout.draw!r} is empty in some rows.",
            "Number every draw, or leave the column out.",
            line=chunk.line_of(int(empty[0])),
        )
    times = len(table) // max(len(draw), 1)  # once for each model of a wide table
    return draw if times == 1 else Factor(np.tile(draw.codes, times), draw.levels)
