"""Which draws each cell has, as bits: the same draw twice is found without keeping the draws, chunk by chunk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from neff.errors import RecordsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from neff.records.factor import Factor

__all__ = ["DrawSets", "TooManyDrawsError"]

_BITS = 64
_MOST = 1 << 29
"""Bytes that the bits may take."""


class TooManyDrawsError(RecordsError):
    """The draws of a file have too many names to remember which of them each item has."""

    def __init__(self, n_draws: int, n_cells: int) -> None:
        super().__init__(
            f"the draw column has {n_draws:,} values and there are {n_cells:,} answered items: too many to see in "
            "little memory whether a draw comes twice.",
            "Name the columns to use, without --draw: then rows count as repeats.",
        )


@dataclass(frozen=True, slots=True, eq=False)
class DrawSets:
    """The names of the draws that each cell has.

    Attributes
    ----------
    levels
        Names of the draws.
    words
        Bit j % 64 of word j // 64 says whether the cell has draw j; uint64, shape (n_words, n_cells).
    """

    levels: tuple[str, ...]
    words: NDArray[np.uint64]

    @classmethod
    def of(cls, draw: Factor, cell: NDArray[np.int64], n_cells: int) -> tuple[DrawSets, int | None]:
        """Return the draws of each cell, and a cell that has one twice, or None.

        Parameters
        ----------
        draw, cell
            Of each row.
        n_cells
            Number of cells.
        """
        sets = cls._empty(draw.levels, n_cells)
        key = cell * max(len(draw.levels), 1) + draw.codes
        key.sort()
        twice = np.flatnonzero(key[1:] == key[:-1])
        if len(twice):
            return sets, int(key[twice[0]] // len(draw.levels))
        _mark(sets.words, cell, draw.codes)
        return sets, None

    @classmethod
    def counted(cls, n: NDArray[np.int64]) -> DrawSets:
        """Return the draws 0, 1, ... n - 1 of each cell: how repeats are numbered where no column does it."""
        sets = cls._empty(tuple(map(str, range(int(n.max(initial=0))))), len(n))
        for j in range(len(sets.levels)):
            cells = np.flatnonzero(n > j)
            _mark(sets.words, cells, np.full(len(cells), j, np.int32))
        return sets

    @classmethod
    def union(
        cls, parts: Sequence[DrawSets], places: Sequence[NDArray[np.int64]], n_cells: int
    ) -> tuple[DrawSets, int | None]:
        """Return the draws of cells whose places are new, and a cell in which two parts have the same, or None."""
        levels = parts[0].levels
        if any(part.levels != levels for part in parts):
            levels = tuple(sorted({level for part in parts for level in part.levels}))
        sets = cls._empty(levels, n_cells)
        for part, place in zip(parts, places, strict=True):
            words = _relabelled(part, levels)
            shared = np.flatnonzero((sets.words[:, place] & words).any(axis=0))
            if len(shared):
                return sets, int(place[shared[0]])
            sets.words[:, place] |= words
        return sets, None

    @classmethod
    def _empty(cls, levels: tuple[str, ...], n_cells: int) -> DrawSets:
        n_words = -(-len(levels) // _BITS)
        if n_words * n_cells * 8 > _MOST:
            raise TooManyDrawsError(len(levels), n_cells)
        return cls(levels, np.zeros((n_words, n_cells), np.uint64))


def _mark(words: NDArray[np.uint64], cell: NDArray[np.int64], code: NDArray[np.int32]) -> None:
    """Set the bits of (cell, draw) pairs, each of which occurs once: then adding sets them."""
    word, bit = np.divmod(code.astype(np.int64), _BITS)
    np.add.at(words.reshape(-1), word * words.shape[1] + cell, np.uint64(1) << bit.astype(np.uint64))


def _relabelled(sets: DrawSets, levels: tuple[str, ...]) -> NDArray[np.uint64]:
    """Return the words for other levels, which include all of these."""
    if levels == sets.levels:
        return sets.words
    place = {level: j for j, level in enumerate(levels)}
    words = np.zeros((-(-len(levels) // _BITS), sets.words.shape[1]), np.uint64)
    for j, level in enumerate(sets.levels):
        has = (sets.words[j // _BITS] >> np.uint64(j % _BITS)) & np.uint64(1)
        words[place[level] // _BITS] |= has << np.uint64(place[level] % _BITS)
    return words
