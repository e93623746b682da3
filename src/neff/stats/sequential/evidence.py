"""Evidence against a mean that grows with the data: e-processes and anytime p-values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from neff.errors import ArgumentError
from neff.registry import method as registered
from neff.stats._options import check_choice
from neff.stats._validate import check_number
from neff.stats.sequential._options import check_values, kernel_of, to_unit

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from neff.stats._validate import FloatArray
    from neff.stats.sequential._kernel import Alternative
    from neff.stats.sequential._options import Bounds, SequenceMethod

__all__ = ["EProcess", "e_process"]


@dataclass(frozen=True, slots=True, eq=False)
class EProcess:
    """Evidence against "the mean is m" after each value.

    Attributes
    ----------
    log_e
        Natural logarithm of the e-value after 1, 2, ..., n values, shape (n,).
    p_value
        Anytime p-value after each: 1 / the largest e-value so far, at most 1, shape (n,). Never rises.
    mean
        The mean under test.
    alternative
        "two-sided", "greater" or "less".
    n
        Number of values.
    method
        How the e-values were made.
    assumptions
        What the values must be.

    Examples
    --------
    >>> from neff.stats import e_process
    >>> process = e_process([0.9, 1.1, 1.3, 0.8, 1.0, 1.2])
    >>> round(process.e_value, 1), process.first_below(0.05)
    (147.6, 5)
    """

    log_e: FloatArray
    p_value: FloatArray
    mean: float
    alternative: Alternative
    n: int
    method: str
    assumptions: str

    @property
    def e_value(self) -> float:
        """The e-value after all values; 1 where there are none."""
        if self.n == 0:
            return 1.0
        return math.exp(self.log_e[-1]) if self.log_e[-1] < 709.0 else math.inf

    def first_below(self, error: float) -> int | None:
        """Return after how many values the p-value first was at most `error`; None where it never was."""
        reached = np.flatnonzero(self.p_value <= error)
        return int(reached[0]) + 1 if reached.size else None


@registered("sample", "permutation_invariant", "scale_invariant", "deterministic")
def e_process(
    values: ArrayLike,
    *,
    mean: float = 0.0,
    alternative: Alternative = "two-sided",
    method: SequenceMethod = "student",
    level: float = 0.95,
    bounds: Bounds | None = None,
    standard_deviation: float | None = None,
    target: int | None = None,
) -> EProcess:
    """Return e-values and anytime p-values against a mean, after each value.

    Use it to test while data come in, and to combine evidence: e-values of independent studies multiply, those of any
    studies average. Not for an estimate: `confidence_sequence` says which means are left.

    Parameters
    ----------
    values
        In the order in which they came, shape (n,).
    mean
        The mean m under test.
    alternative
        "greater" tests "the mean is m or less" (evidence grows where it is greater), "less" the reverse, "two-sided"
        "the mean is m".
    method
        As in `confidence_sequence`, but not "asymptotic". With "normal" this is the mixture SPRT.
    level
        For which the bets of the bounded methods are tuned; the p-values hold whatever it is.
    bounds, standard_deviation, target
        As in `confidence_sequence`.

    Returns
    -------
    EProcess
        Logarithms of the e-values, and p-values.

    Raises
    ------
    ArgumentError
        If a value is NaN, infinite or outside the bounds, or `mean` is; if an option is out of range, missing or not
        used.

    Notes
    -----
    An e-value has an expectation of at most 1 if the mean is as tested, at any stopping time, so 1 / e is a p-value
    (Ville 1939). With "student" this holds for stopping rules that see the values in units of each other, as all that
    look at e-values or t statistics do; the p-values hold under any rule. One-sided "normal" and "student" spread the
    effects as a half-normal; "student" is 2 T(t) times the two-sided one, T the distribution function of Student's t
    with n degrees of freedom, and falls value by value where the mean falls. While all values are equal "student"
    gives 1. O(n).

    References
    ----------
    Ramdas, Grünwald, Vovk and Shafer 2023, Statist. Sci. 38:576, arXiv:2210.01948. Grünwald, de Heide and Koolen 2024,
    J. R. Statist. Soc. B 86:1091, arXiv:1906.07801. Johari, Pekelis and Walsh 2015, arXiv:1512.04922. Wang and Ramdas
    2023, arXiv:2310.03722.

    Examples
    --------
    >>> process = e_process([0.9, 1.1, 1.3, 0.8, 1.0, 1.2], mean=0.5, alternative="greater")
    >>> process.p_value.round(3).tolist()
    [1.0, 0.31, 0.146, 0.083, 0.029, 0.01]
    """
    call = "e_process"
    check_choice(alternative, ("two-sided", "greater", "less"), argument="alternative", call=call)
    if method == "asymptotic":
        fix = 'An asymptotic sequence is no e-process at any n; use "student", or a method for bounds.'
        raise ArgumentError("method", "one with e-values", method, fix, call=call)
    kernel, limits = kernel_of(
        method, level=level, bounds=bounds, standard_deviation=standard_deviation, target=target, call=call
    )
    mean = check_number(mean, argument="mean", call=call)
    if not math.isfinite(mean):
        raise ArgumentError("mean", "finite", mean, call=call)
    if limits is not None and not limits[0] <= mean <= limits[1]:
        must = f"within bounds [{limits[0]:g}, {limits[1]:g}]"
        raise ArgumentError("mean", must, mean, "A mean outside them needs no test.", call=call)
    vector = check_values(values, limits, argument="values", call=call)
    track, _ = kernel.follow(kernel.start(), to_unit(vector, limits))
    unit_mean = float(to_unit(np.array([mean]), limits)[0])
    log_e = kernel.log_e(track, unit_mean, alternative)
    return EProcess(
        log_e=log_e,
        p_value=np.exp(-np.maximum.accumulate(np.maximum(log_e, 0.0))),
        mean=mean,
        alternative=alternative,
        n=vector.size,
        method=kernel.method,
        assumptions=kernel.assumptions,
    )
