"""Confidence sequences that take values as they come: means, paired differences, bounded scores."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from neff.reasons import Reason
from neff.registry import method as registered
from neff.stats._validate import check_number
from neff.stats.sequential._options import Bounds, SequenceMethod, check_values, kernel_of, to_unit

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from neff.stats._validate import FloatArray

__all__ = ["MeanSequence", "Side", "bounded_sequence", "paired_sequence"]

Side = Literal["above", "below", "undecided"]


class MeanSequence:
    """A confidence sequence for a mean that takes values as they come.

    Look after every value, stop whenever you like: the intervals cover together. One at a time or many at once give
    the same numbers. For an array that is complete, `confidence_sequence` returns all intervals.

    Parameters
    ----------
    method, level, bounds, standard_deviation, target, running
        As in `confidence_sequence`.

    Attributes
    ----------
    n
        Number of values so far.
    value
        Their mean; NaN before the first.
    low, high
        The interval now.
    reason
        Why it says nothing yet, or None.

    Notes
    -----
    Memory is O(1), but "betting" keeps its values and takes O(n) time per update. `to_state` gives a JSON value from
    which `from_state` goes on, to the last bit; for "betting" to about 1e-14.

    Examples
    --------
    >>> sequence = MeanSequence(level=0.95)
    >>> for difference in [0.9, 1.1, 1.3, 0.8, 1.0, 1.2]:
    ...     if sequence.update(difference).against(0.0) != "undecided":
    ...         break
    >>> sequence.n, round(sequence.low, 3), round(sequence.high, 3), sequence.against(0.0)
    (5, 0.451, 1.589, 'above')
    """

    def __init__(
        self,
        *,
        method: SequenceMethod = "student",
        level: float = 0.95,
        bounds: Bounds | None = None,
        standard_deviation: float | None = None,
        target: int | None = None,
        running: bool = False,
    ) -> None:
        self._options: dict[str, Any] = {
            "method": method, "level": level, "bounds": bounds, "standard_deviation": standard_deviation,
            "target": target,
        }  # fmt: skip
        self._kernel, self._bounds = kernel_of(**self._options, call="MeanSequence")
        self._state = self._kernel.start()
        self.running = bool(running)
        self.low, self.high = self._bounds or (-math.inf, math.inf)
        self.value = math.nan

    def update(self, values: ArrayLike) -> Self:
        """Take one value or several, in the order in which they came, and return the sequence.

        Raises
        ------
        ArgumentError
            If a value is NaN, infinite or outside the bounds; the sequence is then as it was before.
        """
        self.follow(values)
        return self

    def follow(self, values: ArrayLike, *, argument: str = "values", call: str = "update") -> tuple[FloatArray, ...]:
        """Take values and return low, high and mean after each of them, three arrays of shape (number of values,)."""
        vector = check_values(values, self._bounds, argument=argument, call=call)
        track, self._state = self._kernel.follow(self._state, to_unit(vector, self._bounds))
        low, high = self._kernel.limits(track)
        value = track["sum"] / track["n"]
        if self._bounds is None:
            value = track["first"] + value
        else:
            start, width = self._bounds[0], self._bounds[1] - self._bounds[0]
            low, high, value = start + width * low, start + width * high, start + width * value
        if self.running:
            low = np.maximum.accumulate(np.concatenate(([self.low], low)))[1:]
            high = np.minimum.accumulate(np.concatenate(([self.high], high)))[1:]
            empty = ~(low <= high)
            low, high = np.where(empty, np.nan, low), np.where(empty, np.nan, high)
        if vector.size:
            self.low, self.high, self.value = float(low[-1]), float(high[-1]), float(value[-1])
        return low, high, value

    @property
    def n(self) -> int:
        """Number of values so far."""
        return int(self._state["n"])

    @property
    def method(self) -> str:
        """How the intervals are made."""
        return self._kernel.method

    @property
    def level(self) -> float:
        """Coverage of all intervals together."""
        return self._kernel.level

    @property
    def assumptions(self) -> str:
        """What the values must be for the coverage to hold."""
        return self._kernel.assumptions

    @property
    def reason(self) -> Reason | None:
        """Why the interval says nothing yet, or None."""
        if math.isnan(self.low):
            return Reason.NO_COMMON_POINT
        return None if self.running and math.isfinite(self.low) and self.n else self._kernel.reason(self._state)

    @property
    def interval(self) -> tuple[float, float]:
        """The interval now, (low, high)."""
        return self.low, self.high

    def against(self, margin: float) -> Side:
        """Return on which side of the margin the whole interval lies.

        Once decided an answer may be kept, whatever comes later: all intervals cover together.
        """
        margin = check_number(margin, argument="margin", call="against")
        if self.n and self.low > margin:
            return "above"
        return "below" if self.n and self.high < margin else "undecided"

    def to_state(self) -> dict[str, Any]:
        """Return options and state as a JSON value."""
        ends = {name: end if math.isfinite(end) else str(end) for name, end in (("low", self.low), ("high", self.high))}
        options = {**self._options, "bounds": None if self._bounds is None else list(self._bounds)}
        value = None if math.isnan(self.value) else self.value
        return {"options": {**options, "running": self.running}, "state": {**self._state}, **ends, "value": value}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """Return the sequence that `to_state` wrote down.

        Examples
        --------
        >>> import json
        >>> first = MeanSequence().update([1.0, 2.0, 1.5])
        >>> again = MeanSequence.from_state(json.loads(json.dumps(first.to_state())))
        >>> again.update([1.2, 1.8]).interval == first.update([1.2, 1.8]).interval
        True
        """
        options = dict(state["options"])
        if options["bounds"] is not None:
            options["bounds"] = tuple(options["bounds"])
        sequence = cls(**options)
        sequence._state = dict(state["state"])
        sequence.low, sequence.high = float(state["low"]), float(state["high"])
        sequence.value = math.nan if state["value"] is None else float(state["value"])
        return sequence

    def __repr__(self) -> str:
        return f"{type(self).__name__}(n={self.n}, value={self.value:.6g}, low={self.low:.6g}, high={self.high:.6g})"


@registered("sample", "permutation_invariant", "shift_equivariant", "scale_equivariant", "level_monotone")
def paired_sequence(
    differences: ArrayLike = (), *, level: float = 0.95, target: int | None = None, running: bool = False
) -> MeanSequence:
    """Return a confidence sequence for the mean of paired differences, which goes on with `update`.

    The default for treatment against control, seed by seed: from few pairs on, and without knowing their variance. Not
    for differences that are mostly equal or take few values: with bounds `bounded_sequence` covers whatever the shape.

    Parameters
    ----------
    differences
        Treatment minus control of each pair so far, in their order, shape (n,); none by default.
    level
        Coverage of all intervals together, in (0, 1).
    target
        Number of pairs after which the interval should be narrowest, 2 or more; fixed before looking. 10 by default.
    running
        Whether each interval is the intersection of all up to it.

    Returns
    -------
    MeanSequence
        Its `low` and `high` are the interval now.

    Raises
    ------
    ArgumentError
        If a difference is NaN or infinite, or an option is out of range.

    Notes
    -----
    Estimand: the mean difference. Assumes independent normal differences of one variance; the coverage is then exact at
    every n >= 2. See `confidence_sequence`, method "student". O(1) time and memory per difference.

    References
    ----------
    Wang and Ramdas 2023, arXiv:2310.03722. Lai 1976, Ann. Statist. 4:265.

    Examples
    --------
    >>> sequence = paired_sequence([0.9, 1.1, 1.3, 0.8])
    >>> sequence.against(0.0), sequence.update(1.0).against(0.0)
    ('undecided', 'above')
    """
    return MeanSequence(level=level, target=target, running=running).update(
        check_values(differences, None, argument="differences", call="paired_sequence")
    )


@registered("sample", "deterministic")
def bounded_sequence(
    values: ArrayLike = (),
    *,
    bounds: Bounds = (0.0, 1.0),
    method: SequenceMethod = "betting",
    level: float = 0.95,
    running: bool = False,
) -> MeanSequence:
    """Return a confidence sequence for the mean of values with known bounds, which goes on with `update`.

    Use it for scores in [0, 1] and their paired differences in [-1, 1]: it covers whatever the distribution. Not where
    the bounds are wide against the spread, as for losses: then it takes many values to say anything.

    Parameters
    ----------
    values
        Values so far, in their order, shape (n,); none by default.
    bounds
        Smallest and largest value that can occur, known before the data.
    method
        "betting", "empirical-bernstein", "beta-binomial" (right or wrong) or "hoeffding".
    level
        Coverage of all intervals together, in (0, 1).
    running
        Whether each interval is the intersection of all up to it.

    Returns
    -------
    MeanSequence
        Its `low` and `high` are the interval now.

    Raises
    ------
    ArgumentError
        If a value is NaN or outside the bounds, or an option is out of range.

    Notes
    -----
    Assumes that each value has the same mean given those before; they need not be independent or alike. See
    `confidence_sequence`.

    References
    ----------
    Waudby-Smith and Ramdas 2024, J. R. Statist. Soc. B 86:1, arXiv:2010.09686.

    Examples
    --------
    >>> sequence = bounded_sequence([1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1], method="beta-binomial")
    >>> round(sequence.low, 3), round(sequence.high, 3)
    (0.413, 0.993)
    """
    sequence = MeanSequence(method=method, level=level, bounds=bounds, running=running)
    return sequence.update(values)
