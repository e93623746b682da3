"""What the methods share: running sums that do not depend on how the values came in, and the shape of a method.

A kernel keeps a small state. `follow` takes the state and new values, of any number, and returns one row per new value
of everything that limits and e-values need; the last row is the next state. As sums are carried on in the order of the
values, one value at a time gives the same numbers as all at once, to the last bit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from neff.reasons import Reason
    from neff.stats._validate import FloatArray

__all__ = ["Alternative", "Kernel", "State", "Track", "half_of_both", "last_row", "running_sum"]

Alternative = Literal["two-sided", "greater", "less"]
State: TypeAlias = dict[str, Any]
Track: TypeAlias = "dict[str, FloatArray]"


class Kernel(Protocol):
    """One method: how it follows the values, and what it says after each of them."""

    @property
    def method(self) -> str:
        """Its public name."""

    @property
    def level(self) -> float:
        """Coverage of all intervals together."""

    @property
    def assumptions(self) -> str:
        """What the values must be for the coverage to hold."""

    def start(self) -> State:
        """Return the state before the first value."""

    def follow(self, state: State, values: FloatArray) -> tuple[Track, State]:
        """Return one row per new value, and the state after the last."""

    def limits(self, track: Track) -> tuple[FloatArray, FloatArray]:
        """Return the lower and upper ends after each new value; infinite, or the bounds, where nothing is known."""

    def log_e(self, track: Track, mean: float, alternative: Alternative) -> FloatArray:
        """Return the logarithm of the e-value against a mean after each new value."""

    def reason(self, state: State) -> Reason | None:
        """Return why the interval says nothing yet."""


def running_sum(start: float, increments: FloatArray) -> FloatArray:
    """Return start + increments[0], start + increments[0] + increments[1], ... added in that order."""
    total: FloatArray = np.cumsum(np.concatenate(([start], increments)))[1:]
    return total


def last_row(track: Track, state: State, names: tuple[str, ...]) -> State:
    """Return the state after the rows of a track; unchanged where there are none."""
    if not track["n"].size:
        return state
    return {**state, **{name: float(track[name][-1]) for name in names}}


def half_of_both(first: FloatArray, second: FloatArray) -> FloatArray:
    """Return log((e^first + e^second) / 2): the mean of two e-values is an e-value."""
    mean: FloatArray = np.logaddexp(first, second) - np.log(2.0)
    return mean
