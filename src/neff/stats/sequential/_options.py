"""From the options of a public call to a method with its constants, and values checked for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from neff.errors import ArgumentError
from neff.stats._options import check_choice
from neff.stats._validate import check_count, check_level, check_number, check_vector
from neff.stats.sequential._betting import Betting
from neff.stats.sequential._bounded import EmpiricalBernstein, Hoeffding
from neff.stats.sequential._gaussian import Asymptotic, Normal, Student, normal_scale, student_scale
from neff.stats.sequential._proportion import BetaBinomial

if TYPE_CHECKING:
    from collections.abc import Callable

    from neff.stats._validate import FloatArray
    from neff.stats.sequential._kernel import Kernel

__all__ = ["Bounds", "SequenceMethod", "check_values", "kernel_of", "to_unit"]

SequenceMethod = Literal[
    "student", "normal", "asymptotic", "betting", "empirical-bernstein", "hoeffding", "beta-binomial"
]
Bounds = tuple[float, float]

_BOUNDED: dict[str, Callable[[float], Kernel]] = {
    "betting": Betting,
    "empirical-bernstein": EmpiricalBernstein,
    "hoeffding": Hoeffding,
    "beta-binomial": BetaBinomial,
}
_METHODS = ("student", "normal", "asymptotic", *_BOUNDED)
_TARGET = {"student": 10, "normal": 100, "asymptotic": 100}


def kernel_of(
    method: str,
    *,
    level: float,
    bounds: Bounds | None,
    standard_deviation: float | None,
    target: int | None,
    call: str,
) -> tuple[Kernel, Bounds | None]:
    """Return the method with its constants, and the checked bounds; options that it does not use are refused."""
    check_choice(method, _METHODS, argument="method", call=call)
    level = check_level(level, call=call)
    if standard_deviation is not None and method != "normal":
        fix = 'Only method="normal" takes it; "student" needs none.'
        raise ArgumentError(
            "standard_deviation", f'left out with method="{method}"', standard_deviation, fix, call=call
        )
    if method in _BOUNDED:
        if target is not None:
            raise ArgumentError("target", f'left out with method="{method}"', target, "It tunes itself.", call=call)
        return _BOUNDED[method](level), _check_bounds(bounds, method, call)
    if bounds is not None:
        fix = 'Values with bounds have method="betting", which makes use of them.'
        raise ArgumentError("bounds", f'left out with method="{method}"', bounds, fix, call=call)
    n = check_count(_TARGET[method] if target is None else target, argument="target", call=call, minimum=2)
    if method == "student":
        return Student(level, student_scale(n, level)), None
    scale = normal_scale(n, level)
    if method == "asymptotic":
        return Asymptotic(level, scale, n), None
    if standard_deviation is None:
        fix = 'Give the standard deviation of one value, or use method="student" where it is not known.'
        raise ArgumentError("standard_deviation", 'given with method="normal"', None, fix, call=call)
    deviation = check_number(standard_deviation, argument="standard_deviation", call=call)
    if not 0 < deviation < np.inf:
        raise ArgumentError("standard_deviation", "positive and finite", deviation, call=call)
    return Normal(level, scale, deviation), None


def _check_bounds(bounds: Any, method: str, call: str) -> Bounds:
    must = "two finite numbers, the lower first"
    if bounds is None:
        fix = "Give the smallest and largest value that can occur: (0, 1) for scores, (-1, 1) for their differences."
        raise ArgumentError("bounds", f'given with method="{method}"', None, fix, call=call)
    if not isinstance(bounds, tuple | list | np.ndarray) or len(bounds) != 2:
        raise ArgumentError("bounds", must, bounds, "Example: (0, 1).", call=call)
    low, high = (check_number(end, argument="bounds", call=call) for end in bounds)
    if not -np.inf < low < high < np.inf:
        raise ArgumentError("bounds", must, bounds, "Example: (0, 1).", call=call)
    return low, high


def check_values(values: Any, bounds: Bounds | None, *, argument: str, call: str) -> FloatArray:
    """Return finite values within the bounds, one or many, as a vector."""
    vector = check_vector(np.atleast_1d(values) if np.ndim(values) == 0 else values, argument=argument, call=call)
    if bounds is not None:
        outside = np.flatnonzero((vector < bounds[0]) | (vector > bounds[1]))
        if outside.size:
            fix = f"Found {outside.size} of {vector.size}, the first at position {outside[0]}."
            must = f"within bounds [{bounds[0]:g}, {bounds[1]:g}]"
            raise ArgumentError(argument, must, float(vector[outside[0]]), fix, call=call)
    return vector


def to_unit(values: FloatArray, bounds: Bounds | None) -> FloatArray:
    """Return the values moved from the bounds to [0, 1]; as they are where there are none."""
    return values if bounds is None else (values - bounds[0]) / (bounds[1] - bounds[0])
