"""Columns under construction: a reader feeds cells in chunks, whole columns come out."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.records.factor import Numbering
from neff.records.values import BadCellError, Column, bad_cell, coded, number_of, numbers, numbers_or_names

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from neff.records.layout import Layout, Use

__all__ = ["Feed", "Sink"]


class Sink:
    """A column under construction, fed in chunks.

    Parameters
    ----------
    use
        "key" collects names, "number" numbers, "any" numbers if all cells are numbers and names otherwise.
    """

    def __init__(self, use: Use) -> None:
        self._use = use
        self._floats = array("d")
        self._codes = array("i")
        self._index = Numbering()

    def extend(self, cells: Sequence[Any]) -> None:
        """Append cells.

        Raises
        ------
        BadCellError
            If a number is wanted and a cell is none, or a cell is not a plain value.
        """
        if self._use == "number":
            self._extend_numbers(cells)
            return
        try:
            self._codes.extend(array("i", map(self._index.__getitem__, cells)))
        except TypeError as error:  # a list or an object cannot be looked up
            row, value = next((i, c) for i, c in enumerate(cells) if isinstance(c, (list, dict, set)))
            raise BadCellError(
                value, "Give a column of plain values, not of lists or objects.", len(self._codes) + row
            ) from error

    def _extend_numbers(self, cells: Sequence[Any]) -> None:
        try:
            self._floats.extend(_fast_numbers(cells))
        except (TypeError, ValueError, OverflowError):
            for cell in cells:
                try:
                    self._floats.append(number_of(cell))
                except BadCellError as bad:
                    raise BadCellError(bad.value, bad.fix, len(self._floats)) from bad

    def finish(self) -> Column:
        """Return the column.

        Raises
        ------
        BadCellError
            If a number is infinite or a name is not a plain value.
        """
        if self._use == "number":
            return numbers(np.array(self._floats, np.float64))
        factor = coded(np.array(self._codes, np.int32), list(self._index))
        return factor if self._use == "key" else numbers_or_names(factor)


def _fast_numbers(cells: Sequence[Any]) -> array[float]:
    """Return the cells as floats, all at once; raise where some cell needs a closer look."""
    if not isinstance(cells[0], str):
        return array("d", cells)
    if "_" in "".join(cells):
        raise ValueError("Python reads 1_000 as a number, we do not")
    return array("d", map(float, cells))


class Feed:
    """All columns of one file under construction.

    Parameters
    ----------
    layout
        Role of each column.
    path
        Name of the file, for messages.
    line_of
        Turns a 0-based row into the line number that a person finds it on.
    """

    def __init__(self, layout: Layout, path: str, line_of: Callable[[int], int]) -> None:
        self.sinks = {name: Sink(use) for name, use in layout.uses().items()}
        self.notes: list[str] = []
        self._roles = layout.roles()
        self._path = path
        self._line_of = line_of

    def extend(self, name: str, cells: Sequence[Any]) -> None:
        """Append cells to one column.

        Raises
        ------
        RecordsError
            If a cell cannot be used. A column without a role that holds lists or objects is left out, with a note.
        """
        try:
            if cells and name in self.sinks:
                self.sinks[name].extend(cells)
        except BadCellError as cell:
            self._fail(name, cell)

    def finish(self) -> dict[str, Column]:
        """Return the columns."""
        columns = {}
        for name in list(self.sinks):
            try:
                columns[name] = self.sinks.pop(name).finish()
            except BadCellError as cell:
                self._fail(name, cell)
        return columns

    def _fail(self, name: str, cell: BadCellError) -> None:
        role = self._roles.get(name)
        if role is not None:
            line = self._line_of(cell.row)
            raise bad_cell(cell, name, path=self._path, line=line, role=role) from cell
        self.sinks.pop(name, None)
        self.notes.append(f"column {name!r} was not kept: it holds lists or objects")
