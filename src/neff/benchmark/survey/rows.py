"""Two tables of answers as one pool of rows: columns of categories and of numbers, encoded without looking at labels.

Whatever is learned from the pool (levels, ranks, which columns are constant) is the same however rows are divided into
real and made ones, so that a permutation of that division is fair.
"""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["Pool", "PooledColumn", "pool_rows"]

CALL = "discriminator_test"


@dataclass(frozen=True, slots=True)
class PooledColumn:
    """One column of all rows, real ones first.

    Attributes
    ----------
    name, numeric
        Its name, and whether it holds numbers in their order.
    codes
        Level of each row from 0, -1 where the cell is missing; of a numeric column the rank of its value among the
        distinct ones.
    n_levels
        Levels, without missing.
    """

    name: str
    numeric: bool
    codes: NDArray[np.int64]
    n_levels: int

    @property
    def constant(self) -> bool:
        """Whether all rows agree, missing cells included."""
        return bool((self.codes == self.codes[0]).all())

    def ranks(self) -> NDArray[np.float64]:
        """Return mean ranks in [0, 1] over the known cells, 0.5 where missing."""
        known = self.codes >= 0
        counts = np.bincount(self.codes[known], minlength=self.n_levels)
        middle = (np.cumsum(counts) - counts / 2) / max(int(known.sum()), 1)
        return np.where(known, middle[np.maximum(self.codes, 0)], 0.5) if self.n_levels else np.full(known.size, 0.5)


@dataclass(frozen=True, slots=True)
class Pool:
    """Real rows, then made rows, each in the order of their content, so that the order they came in says nothing."""

    columns: tuple[PooledColumn, ...]
    n_real: int
    n_made: int
    n_missing: int

    def take(self, rows: NDArray[np.intp]) -> tuple[PooledColumn, ...]:
        """Return the columns of some rows that are not constant there."""
        taken = (PooledColumn(c.name, c.numeric, c.codes[rows], c.n_levels) for c in self.columns)
        return tuple(column for column in taken if not column.constant)


def pool_rows(
    real: Mapping[str, Sequence[Any]], made: Mapping[str, Sequence[Any]], categorical: Collection[str]
) -> Pool:
    """Encode two tables with the same columns.

    Raises
    ------
    ArgumentError
        If columns differ or have different lengths, or a number is infinite.
    """
    names = tuple(real)
    if not names or set(names) != set(made):
        apart = sorted(map(str, set(real) ^ set(made))) or "no column"
        fix = "Both tables need the same columns, at least one."
        raise ArgumentError("made", "a table with the columns of real", apart, fix, call=CALL)
    for name in categorical:
        if name not in real:
            raise ArgumentError("categorical", "names of columns", name, f"There are {sorted(names)}.", call=CALL)
    sizes = []
    for which, table in (("real", real), ("made", made)):
        lengths = {name: len(table[name]) for name in names}
        if len(set(lengths.values())) > 1:
            raise ArgumentError(which, "a table with columns of one length", lengths, call=CALL)
        sizes.append(lengths[names[0]])
    # Columns in the order of their names: which one comes first must not change a seeded result.
    columns = [_column(name, [*real[name], *made[name]], name in categorical) for name in sorted(names, key=str)]
    keys = [column.codes for column in reversed(columns)]
    n_real = sizes[0]
    parts = [np.lexsort([key[:n_real] for key in keys]), n_real + np.lexsort([key[n_real:] for key in keys])]
    order = np.concatenate(parts) if sum(sizes) else np.zeros(0, np.intp)
    return Pool(
        columns=tuple(PooledColumn(c.name, c.numeric, c.codes[order], c.n_levels) for c in columns),
        n_real=sizes[0],
        n_made=sizes[1],
        n_missing=sum(int((c.codes < 0).sum()) for c in columns),
    )


def _column(name: str, values: list[Any], categorical: bool) -> PooledColumn:  # noqa: FBT001
    cells = [_cell(name, value) for value in values]
    known = [cell for cell in cells if cell is not None]
    numeric = not categorical and bool(known) and all(isinstance(cell, float) for cell in known)
    if not numeric:
        cells = [f"{cell:.17g}" if isinstance(cell, float) else cell for cell in cells]
        known = [cell for cell in cells if cell is not None]
    place = {level: code for code, level in enumerate(sorted(set(known)))}
    codes = np.fromiter((-1 if cell is None else place[cell] for cell in cells), np.int64, len(cells))
    return PooledColumn(name, numeric, codes, len(place))


def _cell(name: str, value: Any) -> float | str | None:
    """Return a number, a text, or None for a missing cell."""
    if value is None:
        return None
    if isinstance(value, bool | np.bool_):
        return str(value)
    if isinstance(value, numbers.Real):
        number = float(value)
        if math.isinf(number):
            raise ArgumentError(name, "finite", value, "Leave the cell empty where it is unknown.", call=CALL)
        return None if math.isnan(number) else number
    text = str(value).strip()
    return text or None
