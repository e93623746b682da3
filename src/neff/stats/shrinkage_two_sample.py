"""Many small differences of two proportions, and cell means of rows for everything that is not a count."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from neff.registry import method
from neff.stats._shrinkage_fit import Setup, ShrinkageFit, fit_cells
from neff.stats._validate import check_codes, check_same_length, check_vector
from neff.stats.beta_binomial import counts_of, variance_of
from neff.stats.intervals import wilson

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from neff.stats._shrinkage import Shape
    from neff.stats._validate import FloatArray, IntArray

__all__ = ["CellMeans", "cell_means", "shrink_differences"]


@method("two_binomials", "permutation_equivariant", "deterministic", arxiv="2512.25042")
def shrink_differences(
    successes_a: ArrayLike,
    n_a: ArrayLike,
    successes_b: ArrayLike,
    n_b: ArrayLike,
    *,
    target: ArrayLike | Literal["mean"] = "mean",
    lam: float | None = None,
    shape: Shape = "pseudo-count",
    cluster: ArrayLike | None = None,
    level: float = 0.95,
) -> ShrinkageFit:
    """Shrink many differences of two proportions, each pair from two independent samples.

    Use it for "which skill improved": two models, or two versions, on different questions of many cells. Where
    both answered the same questions, take `cell_means` of the per-question differences and `shrink_means`: that
    variance is smaller, and this one is wrong.

    Parameters
    ----------
    successes_a, n_a
        Successes and answers of the first sample, shape (n_cells,) each, whole.
    successes_b, n_b
        Those of the second.
    target
        "mean": the mean difference of all other cells, weighted by size. Or fixed numbers in [-1, 1] (0 for "no
        difference"), one for all or shape (n_cells,), that do not depend on the cell's own answers.
    lam, shape, cluster, level
        As in `shrink_rates`; the size of a cell is 1 / (1 / n_a + 1 / n_b).

    Returns
    -------
    ShrinkageFit
        Of the differences a - b. `interval` is Newcombe's, from the two Wilson intervals.

    Raises
    ------
    ArgumentError
        If counts are not whole or out of range, the target or `lam` is, or lengths differ.

    Notes
    -----
    Estimand: the mean over cells of (estimate - (p_a - p_b))^2. U is unbiased where both samples have two answers
    or more; other cells are shrunk but not used to tune. RECONSTRUCTED; see `shrink_rates`.

    References
    ----------
    Chen and Lei 2025, Compound Estimation for Binomials, arXiv:2512.25042. Newcombe 1998, Statist. Med. 17:873
    (method 10).

    Examples
    --------
    >>> fit = shrink_differences([9, 4, 7, 8], [10, 10, 10, 10], [6, 5, 4, 7], [10, 10, 10, 10])
    >>> fit.raw.round(2).tolist(), fit.shrunk.round(3).tolist()
    ([0.3, -0.1, 0.3, 0.1], [0.114, 0.211, 0.114, 0.162])
    """
    call = "shrink_differences"
    a = counts_of(successes_a, n_a, call=call, names=("successes_a", "n_a"))
    b = counts_of(successes_b, n_b, call=call, names=("successes_b", "n_b"))
    check_same_length(call=call, n_a=a[1], n_b=b[1])
    raw = a[0] / a[1] - b[0] / b[1]
    size = 1 / (1 / a[1] + 1 / b[1])
    setup = Setup.of(
        raw, size, target=target, lam=lam, shape=shape, cluster=cluster, level=level, bounds=(-1.0, 1.0), call=call
    )
    return fit_cells(raw, variance_of(*a) + variance_of(*b), size, _newcombe(a, b, setup.level), setup)


def _newcombe(a: tuple[IntArray, IntArray], b: tuple[IntArray, IntArray], level: float) -> FloatArray:
    """Return the interval of each difference: the two Wilson half-widths added as squares, shape (n_cells, 2)."""
    ends = []
    for x, n, y, m in zip(*(counts.tolist() for counts in (*a, *b)), strict=True):
        p, q = x / n, y / m
        (low_a, high_a, _), (low_b, high_b, _) = wilson(x, n, level=level), wilson(y, m, level=level)
        ends.append((p - q - math.hypot(p - low_a, high_b - q), p - q + math.hypot(high_a - p, q - low_b)))
    return np.array(ends, np.float64).reshape(-1, 2)


@dataclass(frozen=True, slots=True, eq=False)
class CellMeans:
    """What `shrink_means` needs of rows, by cell, in the sorted order of the cells' names.

    Attributes
    ----------
    cell
        Name of each cell, shape (n_cells,).
    value
        Mean of its rows.
    variance
        Sample variance / n: unbiased for the variance of the mean. NaN for one row.
    n
        Number of rows.

    Examples
    --------
    >>> cell_means([0.5, 1.0, 0.0], ["b", "b", "a"]).cell.tolist()
    ['a', 'b']
    """

    cell: Any
    value: FloatArray
    variance: FloatArray
    n: FloatArray


@method("influence", "permutation_invariant", "scale_equivariant", "deterministic")
def cell_means(values: ArrayLike, cell: ArrayLike) -> CellMeans:
    """Return mean, variance of the mean, and size of each cell.

    Use it before `shrink_means`: on scores, or on per-item differences of two models (paired items).

    Parameters
    ----------
    values
        One number per row, shape (n,), finite.
    cell
        The cell of each row, shape (n,): codes or names.

    Returns
    -------
    CellMeans
        One entry per cell.

    Raises
    ------
    ArgumentError
        If a value is not finite, a cell is missing, or lengths differ.

    Notes
    -----
    Assumes that the rows of a cell are independent. Two passes, O(n log n).

    Examples
    --------
    >>> score_a, score_b = [1.0, 0.5, 1.0, 0.0], [0.5, 0.5, 1.0, 1.0]
    >>> difference = [x - y for x, y in zip(score_a, score_b)]
    >>> means = cell_means(difference, ["math", "math", "code", "code"])
    >>> means.cell.tolist(), means.value.tolist(), means.variance.tolist()
    (['code', 'math'], [-0.5, 0.25], [0.25, 0.0625])
    """
    x = check_vector(values, argument="values", call="cell_means")
    codes, n_cells = check_codes(cell, argument="cell", call="cell_means", length=x.size)
    order = np.lexsort((x, codes))  # so that no sum depends on the order of rows
    x, codes = x[order], codes[order]
    n = np.bincount(codes, minlength=n_cells).astype(np.float64)
    mean = np.bincount(codes, x, minlength=n_cells) / n
    deviation = x - mean[codes]
    mean += np.bincount(codes, deviation, minlength=n_cells) / n
    squares = np.bincount(codes, (x - mean[codes]) ** 2, minlength=n_cells)
    variance = np.divide(squares, n * (n - 1), out=np.full(n_cells, np.nan), where=n > 1)
    first = np.concatenate([[0], np.cumsum(n)[:-1]]).astype(np.intp) if n_cells else np.zeros(0, np.intp)
    return CellMeans(np.asarray(cell)[order][first], mean, variance, n)
