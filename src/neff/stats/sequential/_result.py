"""What a batch of values gives: an interval after each value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.stats.intervals import Interval

if TYPE_CHECKING:
    from neff.reasons import Reason
    from neff.stats._validate import FloatArray

__all__ = ["ConfidenceSequence"]


@dataclass(frozen=True, slots=True, eq=False)
class ConfidenceSequence:
    """An interval after each value; the chance that all of them cover the mean is at least `level`.

    Attributes
    ----------
    low, high
        Ends after 1, 2, ..., n values, shape (n,), in the values' unit. Infinite (or the bounds) where nothing can be
        said yet; NaN where intersected intervals have no point in common.
    value
        Mean of the values so far, shape (n,).
    n
        Number of values.
    level
        Coverage of all intervals together.
    method
        How the intervals were made.
    assumptions
        What the values must be for the coverage to hold.
    running
        Whether each interval is the intersection of all up to it.
    reason
        Why the last interval says nothing, or None.

    Examples
    --------
    >>> from neff.stats import confidence_sequence
    >>> sequence = confidence_sequence([0.9, 1.1, 1.3, 0.8, 1.0, 1.2])
    >>> [round(end, 3) for end in sequence.last[:2]], sequence.first_beyond(0.0)
    ([0.665, 1.435], 5)
    """

    low: FloatArray
    high: FloatArray
    value: FloatArray
    n: int
    level: float
    method: str
    assumptions: str
    running: bool
    reason: Reason | None

    @property
    def last(self) -> Interval:
        """The interval after all values; (NaN, NaN) where there are none."""
        if self.n == 0:
            return Interval(np.nan, np.nan, self.reason)
        return Interval(float(self.low[-1]), float(self.high[-1]), self.reason)

    def first_beyond(self, margin: float) -> int | None:
        """Return after how many values an interval first lay wholly above or below the margin; None where none did."""
        beyond = np.flatnonzero((self.low > margin) | (self.high < margin))
        return int(beyond[0]) + 1 if beyond.size else None

    def to_dict(self) -> dict[str, Any]:
        """Return strict JSON values: infinite and undefined ends are None."""
        columns = {name: _finite(getattr(self, name)) for name in ("low", "high", "value")}
        return {
            "schema": "neff.confidence_sequence/1",
            **columns,
            "n": self.n,
            "level": self.level,
            "method": self.method,
            "assumptions": self.assumptions,
            "running": self.running,
            "reason": None if self.reason is None else str(self.reason),
        }


def _finite(values: FloatArray) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in values]
