"""A plan: bytes from a fuzzing engine, read as choices. Both engines can shrink or evolve it."""

from __future__ import annotations

from typing import TypeVar

__all__ = ["Plan"]

T = TypeVar("T")


class Plan:
    """Choices out of bytes; where the bytes end, every choice is the first.

    Parameters
    ----------
    data
        What the engine gave.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def number(self, below: int) -> int:
        """Return a whole number from 0 up to, not including, `below`."""
        n = max(1, (max(below - 1, 1).bit_length() + 7) // 8)
        taken = self._data[self._at : self._at + n]
        self._at += n
        return int.from_bytes(taken, "little") % max(below, 1)

    def choice(self, options: list[T] | tuple[T, ...]) -> T:
        """Return one of the options."""
        return options[self.number(len(options))]

    def chance(self, percent: int) -> bool:
        """Return whether something happens."""
        return self.number(100) >= 100 - percent

    def text(self, most: int) -> bytes:
        """Return up to so many bytes."""
        n = self.number(most + 1)
        taken = self._data[self._at : self._at + n]
        self._at += n
        return taken
