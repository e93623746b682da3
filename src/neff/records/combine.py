"""The tables of several files to one: the same draw in two files is refused, or told apart as the caller says."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from neff.errors import RecordsError
from neff.records.factor import Factor
from neff.records.reader import stem_of
from neff.records.table import Records

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neff.results import Unread

__all__ = ["ByFile", "combine", "file_labels"]

ByFile: TypeAlias = Literal["refuse", "models", "draws"]
"""What to do with the same draw in two files: refuse, name the models after the files, or count repeats."""


def combine(tables: Sequence[Records], *, by_file: ByFile = "refuse", unread: Sequence[Unread] = ()) -> Records:
    """Stack the tables of several files.

    Raises
    ------
    RecordsError
        If two files hold the same draw and `by_file` is "refuse", or their clusters disagree.
    """
    if by_file == "models" and len(tables) > 1:
        tables = _named_by_file(tables)
    try:
        whole = Records.concat(tables, renumber=by_file == "draws")
    except RecordsError:
        _refuse_shared(tables)
        raise
    return replace(whole, unread=(*whole.unread, *unread))


def _refuse_shared(tables: Sequence[Records]) -> None:
    """Raise, with both files, where two of them hold the same draw."""
    whole = Records.concat(tables, renumber=True)
    cell, draw = whole.cell(), np.concatenate([table.draw for table in tables])
    which = np.repeat(np.arange(len(tables)), [len(table) for table in tables])
    order = np.lexsort((which, draw, cell))
    cell, draw, which = cell[order], draw[order], which[order]
    shared = np.flatnonzero((cell[1:] == cell[:-1]) & (draw[1:] == draw[:-1]) & (which[1:] != which[:-1]))
    if not len(shared):
        return
    row = int(order[shared[0]])
    first, second = (tables[which[shared[0] + step]].sources[0].path for step in (0, 1))
    raise RecordsError(
        f"item {whole.item.levels[whole.item.codes[row]]!r} of model "
        f"{whole.model.levels[whole.model.codes[row]]!r} is in two files, {first} and {second} "
        f"({len(shared):,} shared draws).",
        "To compare the files as runs: --by-file models; to count them as repeats: --by-file draws.",
    )


def _named_by_file(tables: Sequence[Records]) -> list[Records]:
    labels = file_labels([Path(table.sources[0].path) for table in tables])
    return [
        replace(
            table,
            model=Factor.from_codes(table.model.codes, [f"{name} @ {label}" for name in table.model.levels]),
        )
        for table, label in zip(tables, labels, strict=True)
    ]


def file_labels(paths: Sequence[Path]) -> list[str]:
    """Return short names of the files that tell them apart."""
    short = [stem_of(path) for path in paths]
    if len(set(short)) < len(short):
        common = os.path.commonpath([path.absolute().parent for path in paths])
        inside = [path.absolute().relative_to(common) for path in paths]
        short = [str(path.parent / stem_of(path)) for path in inside]
        if len(set(short)) < len(short):
            return [str(path) for path in inside]
    return short
