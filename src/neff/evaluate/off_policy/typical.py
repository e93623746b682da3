"""Has the logging policy been where the target policy goes? Coverage of the target's typical answers, and its price.

What it estimates: the share of logged answers that are typical of the target (TTC), and the factor below which no
weighting can bring the standard error, even with perfect weights there (CLE). A large effective sample size is no
substitute: it only sees the answers that were drawn.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.stats._validate import check_number, check_same_length, check_vector

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["Typicality", "typicality"]


class Typicality(NamedTuple):
    """Coverage of a target's typical answers by logged ones.

    `ttc` is the share of logged answers that are typical of the target. `mass` is the target's probability there,
    `chi2` the squared coefficient of variation of the weights there. `cle` = mass / sqrt(ttc) sqrt(1 + chi2): the
    standard error of any weighted mean is at least about cle times the standard deviation of the outcome over sqrt(n).
    """

    ttc: float
    mass: float
    chi2: float
    cle: float
    reason: Reason | None = None


def typicality(
    log_base: ArrayLike, log_target: ArrayLike, *, length: ArrayLike | None = None, mass: float = 0.9
) -> Typicality:
    """Return how well logged answers cover what is typical of a target policy.

    Use it before importance weighting, beside the effective sample size: weights can look even because the answers
    that the target would give were never drawn. It is not enough alone: a target that is far from every logged
    answer can pass it, so look at the effective sample size and the Hellinger affinity too.

    Parameters
    ----------
    log_base, log_target
        Natural logarithm of the probability of each whole logged answer under the logging and the target policy,
        shape (n,) each, finite; minus infinity is allowed for the target.
    length
        Length of each answer, shape (n,), positive; then answers are ranked by surprisal per unit of length. Which
        unit matters: characters and tokens rank answers differently.
    mass
        Probability of the target that counts as typical, in (0, 1).

    Returns
    -------
    Typicality
        NaN with a reason where there are no rows, or the target gives none of them a positive probability.

    Raises
    ------
    ArgumentError
        If lengths differ, a value is NaN, a length is not positive, or `mass` is not in (0, 1).

    Notes
    -----
    The typical set T holds the logged answers that surprise the target least, up to the surprisal at which their
    self-normalised weights add up to `mass`; ties are taken in. With the target equal to the logging policy, TTC is
    about `mass`, and CLE its square root. O(n log n).

    References
    ----------
    Landesberg and Narayan, "Causal Judge Evaluation", arXiv:2512.11150 (target-typicality coverage, coverage-limited
    efficiency; after the code of release 0.3.0).

    Examples
    --------
    >>> same = typicality(np.linspace(-9, -1, 100), np.linspace(-9, -1, 100))
    >>> round(same.ttc, 3), round(same.cle, 3)
    (0.9, 0.949)
    """
    call = "typicality"
    base = check_vector(log_base, argument="log_base", call=call)
    target = check_vector(log_target, argument="log_target", call=call, allow_inf=True)
    check_same_length(call=call, log_base=base, log_target=target)
    if np.isposinf(target).any():
        raise ArgumentError("log_target", "below infinity", math.inf, "Give natural logarithms.", call=call)
    mass = check_number(mass, argument="mass", call=call)
    if not 0 < mass < 1:
        raise ArgumentError("mass", "in (0, 1)", mass, "0.9 is usual.", call=call)
    surprisal = -target
    if length is not None:
        size = check_vector(length, argument="length", call=call)
        check_same_length(call=call, log_base=base, length=size)
        if not (size > 0).all():
            raise ArgumentError("length", "positive", float(size.min()), "Drop answers without text.", call=call)
        surprisal = surprisal / size
    if target.size == 0:
        return Typicality(math.nan, math.nan, math.nan, math.nan, Reason.EMPTY)
    log_weight = target - base
    if log_weight.max() == -math.inf:
        return Typicality(math.nan, math.nan, math.nan, math.nan, Reason.ZERO_WEIGHT)
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    order = np.argsort(surprisal, kind="stable")
    # Sums of weights are not exact: 0.9 must be reached by nine equal tenths.
    last = int(np.searchsorted(np.cumsum(weight[order]), mass - 1e-12))
    typical = surprisal <= surprisal[order[min(last, len(order) - 1)]]
    inside = weight[typical]
    covered, total = float(typical.mean()), min(float(inside.sum()), 1.0)
    chi2 = float(np.var(inside / inside.mean()))
    return Typicality(covered, total, chi2, total / math.sqrt(covered) * math.sqrt(1 + chi2))
