"""Categorical columns as integer codes: small, fast to group by, and in an order that rows cannot change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from neff.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["Factor", "Numbering"]


class Numbering(dict[Any, int]):
    """The number of each distinct value, given out at its first look-up."""

    def __missing__(self, value: Any) -> int:
        self[value] = code = len(self)
        return code


@dataclass(frozen=True, slots=True, eq=False)
class Factor:
    """A column of names: `levels[codes[i]]` is the name in row i.

    Parameters
    ----------
    codes
        Integer codes of shape (n_rows,), dtype int32; -1 where the value is missing.
    levels
        The distinct names, sorted, so that no result depends on the order of rows or files.

    Examples
    --------
    >>> factor = Factor.of(["b", "a", "b"])
    >>> factor.levels, factor.codes.tolist()
    (('a', 'b'), [1, 0, 1])
    """

    codes: NDArray[np.int32]
    levels: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, rows: Any) -> Factor:
        return Factor(self.codes[rows], self.levels)

    @property
    def n_levels(self) -> int:
        """Number of distinct names."""
        return len(self.levels)

    def names(self) -> list[str | None]:
        """Return the name in each row, None where it is missing."""
        table: list[str | None] = [*self.levels, None]
        return [table[code] for code in self.codes]

    @classmethod
    def of(cls, values: Sequence[Any]) -> Factor:
        """Encode any sequence; None and NaN are missing, whole floats are written as integers."""
        if {*map(type, values)} == {str}:
            distinct = {*values}
            if len(distinct) == len(values):
                return cls._of_distinct(np.arange(len(values)), values)
            levels = tuple(sorted(distinct))
            place = dict(zip(levels, range(len(levels)), strict=True))
            return cls(np.fromiter(map(place.__getitem__, values), np.int32, len(values)), levels)
        index = Numbering()
        codes = np.fromiter(map(index.__getitem__, values), np.int64, len(values))
        return cls.from_codes(codes, [_name(value) for value in index])

    @classmethod
    def constant(cls, name: str, n: int) -> Factor:
        """Return n rows of one name."""
        return cls(np.zeros(n, np.int32), (name,))

    @classmethod
    def from_codes(cls, codes: NDArray[Any], names: Sequence[str | None]) -> Factor:
        """Sort the names, drop the unused ones, merge equal ones, and renumber the codes. -1 and None are missing."""
        present = np.zeros(len(names) + 1, bool)
        present[codes] = True  # -1 marks the last place, which is thrown away
        if present[:-1].all() and None not in names and len({*names}) == len(names):
            return cls._of_distinct(codes, cast("Sequence[str]", names))
        seen = np.flatnonzero(present[:-1]).tolist()
        levels = tuple(sorted({name for code in seen if (name := names[code]) is not None}))
        place = {name: i for i, name in enumerate(levels)}
        renumber = np.full(len(names) + 1, -1, np.int32)
        renumber[seen] = [place.get(names[code], -1) for code in seen]  # type: ignore[arg-type]  # None has no place
        return cls(renumber[codes], levels)

    @classmethod
    def _of_distinct(cls, codes: NDArray[Any], names: Sequence[str]) -> Factor:
        """Sort names that are all used and all different."""
        order = sorted(range(len(names)), key=names.__getitem__)
        renumber = np.full(len(names) + 1, -1, np.int32)
        renumber[order] = np.arange(len(names))
        return cls(renumber[codes], tuple(map(names.__getitem__, order)))

    @classmethod
    def concat(cls, factors: Sequence[Factor]) -> Factor:
        """Stack factors whose levels may differ."""
        if not factors:
            raise ArgumentError("factors", "a non-empty sequence", factors, call="Factor.concat")
        if all(f.levels == factors[0].levels for f in factors):
            return cls(np.concatenate([f.codes for f in factors]), factors[0].levels)
        levels = tuple(sorted(set().union(*(f.levels for f in factors))))
        place = {name: i for i, name in enumerate(levels)}
        parts = []
        for f in factors:
            renumber = np.array([place[name] for name in f.levels] + [-1], np.int32)
            parts.append(renumber[f.codes])
        return cls(np.concatenate(parts), levels)


def _name(value: Any) -> str | None:
    if value is None or value != value:  # NaN is the one value that differs from itself
        return None
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
