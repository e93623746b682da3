"""Confidence sequences for ratios of paired positive quantities: those of the mean log ratio, exponentiated."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from neff.errors import ArgumentError
from neff.registry import method as registered
from neff.stats._validate import check_number, check_same_length
from neff.stats.sequential._options import check_values
from neff.stats.sequential.online import MeanSequence

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from neff.reasons import Reason
    from neff.stats._validate import FloatArray
    from neff.stats.sequential.online import Side

__all__ = ["RatioSequence", "ratio_sequence"]


class RatioSequence:
    """A confidence sequence for a ratio of two positive quantities measured in pairs, such as seconds or errors.

    It is that of the mean of log(treatment / control), exponentiated: the quantity is the geometric mean of the ratios.

    Parameters
    ----------
    level, target, running
        As in `confidence_sequence`; the method is "student", on logarithms.

    Attributes
    ----------
    n, value, low, high, reason
        As in `MeanSequence`, as ratios. The interval is (0, infinity) where nothing is known.

    Examples
    --------
    >>> sequence = RatioSequence().update([2.0, 2.2, 1.9, 2.1, 2.0], [4.1, 4.0, 3.9, 4.2, 4.1])
    >>> round(sequence.value, 3), round(sequence.low, 3), round(sequence.high, 3), sequence.against(1.0)
    (0.502, 0.43, 0.586, 'below')
    """

    def __init__(self, *, level: float = 0.95, target: int | None = None, running: bool = False) -> None:
        self.logs = MeanSequence(level=level, target=target, running=running)

    def update(self, treatment: ArrayLike, control: ArrayLike) -> Self:
        """Take one pair or several and return the sequence.

        Raises
        ------
        ArgumentError
            If a value is not positive and finite, or the two differ in number; the sequence is then as it was before.
        """
        self.logs.update(_log_ratios(treatment, control, call="update"))
        return self

    @property
    def n(self) -> int:
        """Number of pairs so far."""
        return self.logs.n

    @property
    def value(self) -> float:
        """Geometric mean of the ratios so far; NaN before the first."""
        return math.exp(self.logs.value)

    @property
    def low(self) -> float:
        """Lower end of the interval now."""
        return math.exp(self.logs.low)

    @property
    def high(self) -> float:
        """Upper end of the interval now."""
        return _exp(self.logs.high)

    @property
    def interval(self) -> tuple[float, float]:
        """The interval now, (low, high)."""
        return self.low, self.high

    @property
    def level(self) -> float:
        """Coverage of all intervals together."""
        return self.logs.level

    @property
    def reason(self) -> Reason | None:
        """Why the interval says nothing yet, or None."""
        return self.logs.reason

    @property
    def assumptions(self) -> str:
        """What the values must be for the coverage to hold."""
        return f"log ratios: {self.logs.assumptions}"

    def against(self, margin: float) -> Side:
        """Return on which side of the margin, a positive ratio, the whole interval lies."""
        margin = check_number(margin, argument="margin", call="against")
        if not margin > 0:
            raise ArgumentError("margin", "a positive ratio", margin, "1 stands for no difference.", call="against")
        return self.logs.against(math.log(margin))

    def to_state(self) -> dict[str, Any]:
        """Return options and state as a JSON value."""
        return self.logs.to_state()

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """Return the sequence that `to_state` wrote down."""
        sequence = cls()
        sequence.logs = MeanSequence.from_state(state)
        return sequence

    def __repr__(self) -> str:
        return f"{type(self).__name__}(n={self.n}, value={self.value:.6g}, low={self.low:.6g}, high={self.high:.6g})"


def _exp(x: float) -> float:
    return math.exp(x) if x < 709.0 else math.inf


def _log_ratios(treatment: ArrayLike, control: ArrayLike, *, call: str) -> FloatArray:
    logs = {}
    for name, values in (("treatment", treatment), ("control", control)):
        vector = check_values(values, None, argument=name, call=call)
        bad = np.flatnonzero(vector <= 0)
        if bad.size:
            fix = f"Position {bad[0]}: a ratio needs positive quantities; compare differences instead."
            raise ArgumentError(name, "positive", float(vector[bad[0]]), fix, call=call)
        logs[name] = np.log(vector)
    check_same_length(call=call, **logs)
    ratios: FloatArray = logs["treatment"] - logs["control"]
    return ratios


@registered("paired", "symmetric", "level_monotone")
def ratio_sequence(
    treatment: ArrayLike = (),
    control: ArrayLike = (),
    *,
    level: float = 0.95,
    target: int | None = None,
    running: bool = False,
) -> RatioSequence:
    """Return a confidence sequence for a ratio of paired positive quantities, which goes on with `update`.

    Use it for speed, memory and error: "takes half the time" is a ratio of 0.5, whatever the machine's speed. Not for
    quantities that can be 0 or negative.

    Parameters
    ----------
    treatment, control
        Positive values of each pair so far, in their order, shape (n,); none by default.
    level
        Coverage of all intervals together, in (0, 1).
    target
        Number of pairs after which the interval should be narrowest, 2 or more; fixed before looking. 10 by default.
    running
        Whether each interval is the intersection of all up to it.

    Returns
    -------
    RatioSequence
        Its `low` and `high` are the interval now, as ratios.

    Raises
    ------
    ArgumentError
        If a value is not positive and finite, or the two differ in number.

    Notes
    -----
    Estimand: exp of the mean of log(treatment / control), the geometric mean ratio. Assumes independent normal log
    ratios of one variance; coverage and cost are those of `paired_sequence`.

    References
    ----------
    Wang and Ramdas 2023, arXiv:2310.03722.

    Examples
    --------
    >>> sequence = ratio_sequence([2.0, 2.2, 1.9, 2.1], [4.1, 4.0, 3.9, 4.2])
    >>> sequence.against(1.0), sequence.update(2.0, 4.1).against(1.0)
    ('undecided', 'below')
    """
    sequence = RatioSequence(level=level, target=target, running=running)
    return sequence.update(treatment, control)
