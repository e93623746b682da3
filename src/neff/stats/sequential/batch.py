"""All intervals of an array of values at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neff.registry import method as registered
from neff.stats.sequential._result import ConfidenceSequence
from neff.stats.sequential.online import MeanSequence

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from neff.stats.sequential._options import Bounds, SequenceMethod

__all__ = ["ConfidenceSequence", "confidence_sequence"]


@registered("sample", "permutation_invariant", "shift_equivariant", "scale_equivariant", "level_monotone")
def confidence_sequence(
    values: ArrayLike,
    *,
    method: SequenceMethod = "student",
    level: float = 0.95,
    bounds: Bounds | None = None,
    standard_deviation: float | None = None,
    target: int | None = None,
    running: bool = False,
) -> ConfidenceSequence:
    """Return an interval for the mean after each value, which all cover together.

    Use it wherever somebody looks before the end: after every seed, every batch of labels, every day. The chance that
    any of the intervals misses the mean, at any n, is at most 1 - level, so one may stop whenever one likes. Not for a
    sample whose size was fixed and that is looked at once: `t_interval` and `wilson` are narrower there.

    Parameters
    ----------
    values
        In the order in which they came, shape (n,).
    method
        "student" for normal values of unknown variance, the default; exact from the second value on. "betting" for
        values with bounds, whatever their distribution, and "beta-binomial" for right or wrong. "normal" for
        sub-Gaussian values whose standard deviation is known. "asymptotic" for many values of any distribution. For
        comparison: "empirical-bernstein" and "hoeffding", for bounds, wider than "betting".
    level
        Coverage of all intervals together, in (0, 1).
    bounds
        Smallest and largest value that can occur, for the methods that need them.
    standard_deviation
        Of one value, for "normal".
    target
        Number of values after which the interval should be narrowest, 2 or more, for "student" (10 by default),
        "normal" and "asymptotic" (100); fixed before looking. "asymptotic" says nothing before.
    running
        Whether each interval is the intersection of all up to it. It is valid, and narrower; but it may end up away
        from the present mean, or empty, which is a sign that the assumptions are wrong.

    Returns
    -------
    ConfidenceSequence
        Ends and means after each value. An end is infinite, or a bound, while nothing is known: with "student" for
        the first values (four by default), and while all values are equal.

    Raises
    ------
    ArgumentError
        If a value is NaN, infinite or outside the bounds; if an option is out of range, missing or not used.

    Notes
    -----
    Estimand: the mean that all values have, given those before. Each method's `assumptions` are in the result.

    With mean x̄, sum of squares Q = Σ (x - x̄)², u = 1 + n scale² and alpha = 1 - level, "student" is x̄ ± sqrt(Q (A - 1)
    / (n (1 - A / u))) with A = (u / alpha²)^(1/n): the set of m whose scale-invariant likelihood ratio, with effects
    spread as N(0, scale²) standard deviations around m, is below 1 / alpha. "normal" is Robbins' mixture,
    "asymptotic" the same with the estimated standard deviation: its coverage holds in the limit of a late `target`
    only, and for skewed values it fails at small n (the guide has figures). "betting" is the hedged capital process of
    Theorem 3 of the paper with c = 1/2; its ends are found as roots, not on a grid.

    O(n) time, but O(n^1.5) for "betting".

    References
    ----------
    Howard, Ramdas, McAuliffe and Sekhon 2021, Ann. Statist. 49:1055, arXiv:1810.08240. Waudby-Smith and Ramdas 2024,
    J. R. Statist. Soc. B 86:1, arXiv:2010.09686. Waudby-Smith et al. 2024, Ann. Statist. 52:2613, arXiv:2103.06476.
    Wang and Ramdas 2023, arXiv:2310.03722. Robbins 1970, Ann. Math. Statist. 41:1397. Lai 1976, Ann. Statist. 4:265.

    Examples
    --------
    >>> sequence = confidence_sequence([0.9, 1.1, 1.3, 0.8, 1.0, 1.2])
    >>> sequence.low.round(2).tolist(), sequence.high.round(2).tolist()
    ([-inf, -inf, -inf, -inf, 0.45, 0.66], [inf, inf, inf, inf, 1.59, 1.44])
    >>> scores = confidence_sequence([0.7, 0.9, 0.8, 0.6, 0.9, 0.8], method="betting", bounds=(0, 1))
    >>> [round(end, 2) for end in scores.last[:2]]
    [0.29, 0.99]
    """
    sequence = MeanSequence(
        method=method, level=level, bounds=bounds, standard_deviation=standard_deviation, target=target, running=running
    )
    low, high, value = sequence.follow(values, call="confidence_sequence")
    return ConfidenceSequence(
        low=low,
        high=high,
        value=value,
        n=sequence.n,
        level=sequence.level,
        method=sequence.method,
        assumptions=sequence.assumptions,
        running=sequence.running,
        reason=sequence.reason,
    )
