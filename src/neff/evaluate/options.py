"""The options of `evaluate`, checked once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from neff.errors import ArgumentError
from neff.evaluate.blocks import Unscored
from neff.evaluate.paired import PairedTest
from neff.stats._validate import check_level
from neff.stats.multiplicity import Correction

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Aggregate", "Options", "one_of"]

Aggregate = Literal["macro", "micro", "none"]


@dataclass(frozen=True, slots=True)
class Options:
    """What `evaluate` was asked for; see there for the meaning of each."""

    level: float = 0.95
    correction: Correction = "holm"
    margin: float = 0.0
    aggregate: Aggregate = "macro"
    unscored: Unscored = "exclude"
    tests: tuple[PairedTest, ...] = ()
    n_resamples: int = 10_000
    lower_is_better: bool | None = None

    def __post_init__(self) -> None:
        check_level(self.level, call="evaluate")
        one_of("correction", self.correction, get_args(Correction))
        one_of("aggregate", self.aggregate, get_args(Aggregate))
        one_of("unscored", self.unscored, get_args(Unscored))
        for test in self.tests:
            one_of("tests", test, get_args(PairedTest))
        if not (math.isfinite(self.margin) and self.margin >= 0):
            raise ArgumentError(
                "margin",
                "a non-negative number in units of the score",
                self.margin,
                "Use 0 to ask who is better.",
                call="evaluate",
            )
        if self.n_resamples < 100:
            raise ArgumentError("n_resamples", "at least 100", self.n_resamples, "Use 10000.", call="evaluate")

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        values = {name: getattr(self, name) for name in self.__slots__}
        return values | {"tests": list(self.tests)}


def one_of(argument: str, value: object, allowed: Iterable[str]) -> None:
    """Raise unless the value is one of the allowed words."""
    words = tuple(allowed)
    if value not in words:
        raise ArgumentError(argument, "one of " + ", ".join(map(repr, words)), value, call="evaluate")
