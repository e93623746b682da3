"""The options of `evaluate`, checked once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

from neff.errors import ArgumentError, ArgumentTypeError
from neff.evaluate.means.blocks import Unscored
from neff.evaluate.means.pair import PairedTest
from neff.stats._options import check_choice
from neff.stats._validate import check_count, check_level, check_number
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
        call = "evaluate"
        margin = check_number(self.margin, argument="margin", call=call)
        if not (math.isfinite(margin) and margin >= 0):
            must = "a non-negative number in units of the score"
            raise ArgumentError("margin", must, self.margin, "Use 0 to ask who is better.", call=call)
        n_resamples = check_count(self.n_resamples, argument="n_resamples", call=call)
        if n_resamples < 100:
            raise ArgumentError("n_resamples", "at least 100", self.n_resamples, "Use 10000.", call=call)
        check_choice(self.correction, get_args(Correction), argument="correction", call=call)
        check_choice(self.aggregate, get_args(Aggregate), argument="aggregate", call=call)
        check_choice(self.unscored, get_args(Unscored), argument="unscored", call=call)
        tests: object = self.tests
        if isinstance(tests, str):
            raise ArgumentTypeError("tests", "a list of names", tests, f"Write [{tests!r}].", call=call)
        for test in self.tests:
            check_choice(test, get_args(PairedTest), argument="tests", call=call)
        if self.lower_is_better not in (None, True, False):
            raise ArgumentTypeError("lower_is_better", "True, False or None", self.lower_is_better, call=call)
        # Plain numbers, whatever kind was given: they go into JSON.
        plain = {"level": check_level(self.level, call=call), "margin": margin, "n_resamples": n_resamples}
        for name, value in (plain | {"tests": tuple(self.tests)}).items():
            object.__setattr__(self, name, value)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        values = {name: getattr(self, name) for name in self.__slots__}
        return values | {"tests": list(self.tests)}
