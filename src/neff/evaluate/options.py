"""The options of `evaluate`, checked once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

from neff.errors import ArgumentError
from neff.evaluate.means.blocks import Unscored
from neff.evaluate.means.pair import PairedTest
from neff.stats._options import check_choice
from neff.stats._validate import check_level
from neff.stats.multiplicity import Correction

__all__ = ["Aggregate", "Options"]

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
        check_choice(self.correction, get_args(Correction), argument="correction", call="evaluate")
        check_choice(self.aggregate, get_args(Aggregate), argument="aggregate", call="evaluate")
        check_choice(self.unscored, get_args(Unscored), argument="unscored", call="evaluate")
        for test in self.tests:
            check_choice(test, get_args(PairedTest), argument="tests", call="evaluate")
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
