"""Cells to numbers (missing ones as NaN) and to names (as `Factor`), and sentences for what is neither."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from neff.errors import RecordsError
from neff.records.factor import Factor

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = [
    "LARGEST",
    "BadCellError",
    "Column",
    "bad_cell",
    "coded",
    "name_of",
    "number_of",
    "numbers",
    "numbers_or_names",
]

Column: TypeAlias = Factor | NDArray[Any]
"""A column as a reader delivers it."""

_WORDS = {"true": 1.0, "false": 0.0} | dict.fromkeys(
    ("", "nan", "null", "none", "na", "n/a", "<na>", "-nan", "+nan"), math.nan
)
_COMMA = re.compile(r"[-+]?\d[\d.]*,\d+%?")
_NUMBERS = (
    "Write scores as numbers (1 = right, 0 = wrong, empty = unscored); if the column holds answers, "
    "name the column of right answers: --target COLUMN."
)
_FIXES = {
    "label": "Write labels as finite numbers, empty where there is none, or name another column: --label COLUMN.",
    "weight": "Write weights as finite numbers from 0 up, or name another column: --weight COLUMN.",
}
LARGEST = 1e60
"""Scores beyond this are refused: their squares and fourth powers would overflow, and a wrong number come out."""

_INFINITE = "An infinite score has no mean: leave it empty where there is none."
_TOO_LARGE = f"A score beyond {LARGEST:.0e} is no measurement: leave it empty, or give scores in another unit."


class BadCellError(ValueError):
    """A cell cannot be used; the reader adds file, line and column.

    Parameters
    ----------
    value
        The cell.
    fix
        What to do.
    row
        0-based row.
    """

    def __init__(self, value: object, fix: str, row: int = 0) -> None:
        self.value = value
        self.fix = fix
        self.row = row
        super().__init__(fix)


def bad_cell(cell: BadCellError, column: str, *, path: Path | str | None, line: int, role: str = "") -> RecordsError:
    """Return the error that a person sees; `role` is what the column is ("label"), for the fix."""
    shown = repr(cell.value)
    shown = shown if len(shown) <= 60 else shown[:57] + "..."
    fix = _FIXES.get(role, cell.fix) if cell.fix in (_NUMBERS, _INFINITE, _TOO_LARGE) else cell.fix
    return RecordsError(f"column {column!r} holds {shown}.", fix, path=path, line=line)


def number_of(value: Any) -> float:
    """Return a cell as a number: true and false are 1 and 0, an empty one (also "NA", "null") is NaN.

    Examples
    --------
    >>> number_of(" 0.5 "), number_of("True"), number_of("NA"), number_of(None)
    (0.5, 1.0, nan, nan)

    Raises
    ------
    BadCellError
        If it is anything else, infinite, or too large to be squared.
    """
    if isinstance(value, str):
        number = _number_of_text(value.strip())
    elif value is None:
        return math.nan
    else:
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError) as error:
            raise BadCellError(value, "Give a column of numbers: one number per row.") from error
    if abs(number) > LARGEST:
        raise BadCellError(value, _INFINITE if math.isinf(number) else _TOO_LARGE)
    return number


def _number_of_text(text: str) -> float:
    word = _WORDS.get(text.lower())
    if word is not None:
        return word
    try:
        if "_" not in text:
            return float(text)
    except ValueError:
        pass
    if _COMMA.fullmatch(text):
        raise BadCellError(text, "Write numbers with a decimal point and no thousands separators: 0.5, 1000.")
    if text.endswith("%"):
        raise BadCellError(text, "Write a percentage as a share of 1: 0.85 instead of 85%.")
    raise BadCellError(text, _NUMBERS)


def name_of(value: Any) -> str | None:
    """Return a cell as a name, None where it is missing; whole numbers read the same in every format.

    Examples
    --------
    >>> name_of(3.0), name_of(" q1 "), name_of(True), name_of("")
    ('3', 'q1', 'true', None)

    Raises
    ------
    BadCellError
        If it is a list or an object.
    """
    if isinstance(value, str):
        return value.strip() or None
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, (float, np.floating)):
        return str(int(value)) if math.isfinite(value) and float(value).is_integer() else repr(float(value))
    if isinstance(value, bytes):
        try:
            return value.decode().strip() or None
        except UnicodeDecodeError as error:
            raise BadCellError(value, "Write text as UTF-8.") from error
    if isinstance(value, (list, dict, tuple, set, np.ndarray)):
        raise BadCellError(value, "Give a column of names or numbers: one plain value per row.")
    return str(value)


def numbers(column: Column) -> NDArray[np.float64]:
    """Return a column as numbers, whatever the reader delivered.

    Raises
    ------
    BadCellError
        If a cell is not a number, infinite, or too large to be squared; `row` is the first such row.
    """
    if not isinstance(column, Factor):
        floats = np.asarray(column, np.float64)
        large = np.flatnonzero(np.abs(floats) > LARGEST)
        if len(large):
            value = float(floats[large[0]])
            raise BadCellError(value, _INFINITE if math.isinf(value) else _TOO_LARGE, int(large[0]))
        return floats
    table = np.full(column.n_levels + 1, math.nan)  # the last place is that of code -1, missing
    for code, level in enumerate(column.levels):
        try:
            table[code] = number_of(level)
        except BadCellError as cell:
            raise BadCellError(level, cell.fix, int(np.flatnonzero(column.codes == code)[0])) from cell
    return table[column.codes]


def coded(codes: NDArray[np.int32], cells: Sequence[Any]) -> Factor:
    """Return a factor from integer codes (-1 = missing) and the distinct cells they stand for."""
    if {*map(type, cells)} == {str}:
        return Factor.from_codes(codes, [cell.strip() or None for cell in cells])
    names: list[str | None] = []
    for code, cell in enumerate(cells):
        try:
            names.append(name_of(cell))
        except BadCellError as bad:
            raise BadCellError(cell, bad.fix, int(np.flatnonzero(codes == code)[0])) from bad
    return Factor.from_codes(codes, names)


def numbers_or_names(column: Column) -> Column:
    """Return a column as numbers if all its cells are numbers, else as it is."""
    try:
        return numbers(column) if isinstance(column, Factor) else column
    except BadCellError:
        return column
