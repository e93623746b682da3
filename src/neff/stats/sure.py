"""The risk of any rule for binomials, estimated without knowing p: approximate SURE."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from neff.errors import ArgumentError
from neff.registry import method
from neff.stats._validate import as_numbers
from neff.stats.beta_binomial import counts_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike

    from neff.stats._validate import FloatArray

__all__ = ["approximate_sure"]


@method("binomials", "permutation_equivariant", "deterministic", arxiv="2512.25042")
def approximate_sure(
    rule: Callable[[FloatArray, FloatArray], ArrayLike], successes: ArrayLike, n: ArrayLike
) -> FloatArray:
    """Return an estimate of the squared error of any rule, cell by cell; its mean is what to read.

    Use it to compare rules that are not linear (thresholds, posterior means under a prior fixed beforehand) on the
    data at hand, without the truth. For linear rules it is exactly unbiased. Not for rules that were tuned on the
    same data.

    Parameters
    ----------
    rule
        Function of (successes, n), float arrays of shape (n_cells,), that returns the estimates. It is also called
        with one and two successes fewer.
    successes
        Number of successes of each cell, shape (n_cells,), whole.
    n
        Number of answers of each cell, shape (n_cells,), 1 or more.

    Returns
    -------
    ndarray
        Shape (n_cells,). Single values may be negative; NaN for n = 1, where p^2 cannot be estimated.

    Raises
    ------
    ArgumentError
        If counts are not whole or out of range, or the rule does not return one finite number per cell.

    Notes
    -----
    d(X)^2 - 2 [P1 d(X - 1) + P2 (d(X - 1) - d(X - 2))] + P2, P1 = X / n and P2 = X (X - 1) / (n (n - 1)) unbiased for p
    and p^2. The bias is 2 p^3 E[d(Y + 2) - 2 d(Y + 1) + d(Y)], Y binomial of n - 2: 0 for linear rules, small for
    smooth ones, and it does not shrink with more cells. RECONSTRUCTED; see `shrink_rates`.

    References
    ----------
    Chen and Lei 2025, Compound Estimation for Binomials, arXiv:2512.25042.

    Examples
    --------
    >>> def jeffreys(successes, n):
    ...     return (successes + 0.5) / (n + 1)
    >>> approximate_sure(jeffreys, [0, 1, 3], [6, 6, 6]).round(10).tolist()
    [0.0051020408, 0.0221088435, 0.0357142857]
    """
    call = "approximate_sure"
    hits, trials = counts_of(successes, n, call=call, names=("successes", "n"))
    x, m = hits.astype(np.float64), trials.astype(np.float64)

    def at(fewer: int) -> FloatArray:
        # Below 0 successes the coefficient is 0: any value that the rule accepts will do.
        values = as_numbers(rule(np.maximum(x - fewer, 0), m.copy()), argument="rule", call=call).astype(np.float64)
        if values.shape != x.shape or not np.isfinite(values).all():
            got = f"shape {values.shape}" if values.shape != x.shape else "NaN or infinity"
            must = f"a function that returns {x.size} finite numbers"
            raise ArgumentError("rule", must, got, "It is called with arrays of all cells.", call=call)
        return values

    here, one, two = at(0), at(1), at(2)
    first = x / m
    second = np.divide(x * (x - 1), m * (m - 1), out=np.full_like(x, np.nan), where=m > 1)
    return here**2 - 2 * (first * one + second * (one - two)) + second
