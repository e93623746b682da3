"""What became of one seed: measured, or failed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Failed", "Failure", "Measured", "Outcome"]

Failed = Literal["error", "not finite", "out of range", "crash", "time", "memory"]


@dataclass(frozen=True, slots=True)
class Measured:
    """A seed that gave its numbers.

    Attributes
    ----------
    seed
        The seed.
    values
        (treatment, control), or (value,).
    seconds
        What it took.
    left
        Whether it left processes behind, which were ended.
    files
        The SHA-256 of every source file of the user's that was in use, by path: they must be the same for the seed
        to be used again.
    """

    seed: int
    values: tuple[float, ...]
    seconds: float = field(default=0.0, compare=False)
    left: bool = False
    files: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Failure:
    """A seed that gave none.

    Attributes
    ----------
    seed
        The seed.
    kind
        "error" (it raised), "not finite" (NaN or infinite), "out of range" (outside the declared bounds, or a ratio
        of numbers that are not positive), "crash" (its process ended), "time", "memory".
    message
        What happened, in words.
    output
        The end of what it printed.
    seconds
        What it took.
    """

    seed: int
    kind: Failed
    message: str
    output: str = field(default="", compare=False)
    seconds: float = field(default=0.0, compare=False)

    def __str__(self) -> str:
        return f"seed {self.seed}: {self.kind}: {self.message}"


Outcome: TypeAlias = Measured | Failure
