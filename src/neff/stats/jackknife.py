"""The jackknife: a standard error from the estimates that leave one unit out."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.registry import method as registered
from neff.stats._bootstrap import all_equal
from neff.stats._validate import FloatArray, check_codes, check_vector

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike

__all__ = ["JackknifeResult", "jackknife", "jackknife_variance"]


@dataclass(frozen=True, slots=True, eq=False)
class JackknifeResult:
    """A jackknife estimate.

    Attributes
    ----------
    value
        The statistic on all units, not corrected for bias.
    standard_error
        Jackknife standard error, in the units of the statistic. NaN where undefined.
    bias
        Jackknife estimate of the bias of `value`; subtract it to correct.
    df
        Degrees of freedom, n_units - 1.
    n_units
        Number of rows, or of clusters, left out in turn.
    reason
        Why there is no standard error, or None.
    leave_one_out
        The statistic without each unit, shape (n_units,), read-only.
    """

    value: float
    standard_error: float
    bias: float
    df: float
    n_units: int
    reason: Reason | None = None
    leave_one_out: FloatArray = field(repr=False, default_factory=lambda: np.empty(0))


@registered("sample", "permutation_invariant", "shift_invariant", "deterministic")
def jackknife_variance(leave_one_out: ArrayLike) -> float:
    """Return the jackknife variance from the estimates that leave out one unit, or one of K folds.

    Use it where the estimates are at hand, e.g. one per fold whose labels were left out of a calibration. With K
    folds the degrees of freedom are K - 1.

    Parameters
    ----------
    leave_one_out
        Estimates, shape (K,).

    Returns
    -------
    float
        Variance of the full estimate, in squared units. NaN for fewer than two.

    Raises
    ------
    ArgumentError
        If an estimate is not finite.

    Notes
    -----
    (K - 1) / K times the sum of squared deviations from the mean of the estimates. O(K).

    References
    ----------
    Efron and Stein 1981, Ann. Statist. 9:586.

    Examples
    --------
    >>> round(jackknife_variance([0.70, 0.72, 0.69, 0.71, 0.74]), 9)
    0.001184
    """
    estimates = check_vector(leave_one_out, argument="leave_one_out", call="jackknife_variance")
    return _variance(estimates) if estimates.size > 1 else math.nan


def _variance(estimates: FloatArray) -> float:
    return float((estimates.size - 1) * estimates.var())


def _check_sums(values: ArrayLike, call: str) -> FloatArray:
    array = np.asarray(values)
    if array.ndim != 2:
        return check_vector(values, argument="values", call=call)[:, np.newaxis]
    flat = check_vector(array.ravel(), argument="values", call=call)
    return flat.reshape(array.shape)


def _mean(totals: FloatArray) -> FloatArray:
    means: FloatArray = totals[:, 0] / totals[:, 1]
    return means


@registered("sample", "permutation_invariant", "shift_equivariant", "scale_equivariant", "deterministic")
def jackknife(
    values: ArrayLike,
    statistic: Callable[[FloatArray], ArrayLike] | None = None,
    *,
    cluster: ArrayLike | None = None,
) -> JackknifeResult:
    """Return a statistic of sums with its jackknife standard error, leaving out one row or cluster at a time.

    Use it for a smooth statistic (a ratio, F1, a correlation from its moments) of independent rows or clusters when
    no closed form is at hand. Not for medians and other quantiles, for which it is wrong at any n.

    Parameters
    ----------
    values
        What each row adds to each of p sums, shape (n, p); or scores of shape (n,), without a statistic.
    statistic
        Function of sums of shape (m, p) that returns the statistic of each row of them, shape (m,). None: the mean of
        `values`, shape (n,).
    cluster
        Cluster of each row, shape (n,), any kind of label: whole clusters are left out.

    Returns
    -------
    JackknifeResult
        Standard error NaN, with a reason, for fewer than two units, for leave-one-out values that are all equal,
        and where the statistic is undefined without one of the units.

    Raises
    ------
    ArgumentError
        If a value is not finite, the statistic returns another shape, or lengths differ.

    Notes
    -----
    Each leave-one-out value comes from the total minus the sums of the unit: O(n p), not O(n^2 p). For the mean of
    rows it is the textbook standard error.

    References
    ----------
    Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 11.

    Examples
    --------
    >>> round(jackknife([0.2, 0.4, 0.9, 0.5]).standard_error, 6)
    0.147196
    >>> def f1(sums):  # tp, fp, fn
    ...     tp, fp, fn = sums.T
    ...     return 2 * tp / (2 * tp + fp + fn)
    >>> rows = [[1, 0, 0]] * 30 + [[0, 1, 0]] * 8 + [[0, 0, 1]] * 12 + [[0, 0, 0]] * 50
    >>> round(jackknife(rows, f1).standard_error, 4)
    0.0548
    """
    call = "jackknife"
    rows = _check_sums(values, call)
    shift = 0.0
    if statistic is None:
        if rows.shape[1] != 1:
            raise ArgumentError(
                "values", "one-dimensional without a statistic", f"shape {rows.shape}", "Give one.", call=call
            )
        # Deviations from the value nearest to zero: a large offset costs no digits.
        shift = float(np.clip(0.0, rows.min(), rows.max())) if rows.size else 0.0
        rows = np.column_stack([rows[:, 0] - shift, np.ones(rows.shape[0])])
    compute = _mean if statistic is None else statistic
    if cluster is not None:
        codes, n_clusters = check_codes(cluster, argument="cluster", call=call, length=rows.shape[0])
        rows = np.column_stack([np.bincount(codes, column, minlength=n_clusters) for column in rows.T])
    n = rows.shape[0]
    if n == 0:
        return JackknifeResult(math.nan, math.nan, math.nan, math.nan, 0, Reason.EMPTY)

    def rowwise(sums: FloatArray) -> FloatArray:
        with np.errstate(divide="ignore", invalid="ignore"):  # 0/0 is reported, not warned about
            out: FloatArray = np.asarray(compute(sums), dtype=np.float64)
        if out.shape != sums.shape[:1]:
            must = f"a function that returns one number per row, shape {sums.shape[:1]} for sums of {sums.shape}"
            raise ArgumentError("statistic", must, f"shape {out.shape}", call=call)
        return out

    total = rows.sum(axis=0)
    value = float(rowwise(total[np.newaxis])[0])
    if n == 1:
        only = Reason.ONE_ITEM if cluster is None else Reason.ONE_CLUSTER
        return JackknifeResult(shift + value, math.nan, math.nan, 0.0, 1, only)
    loo = rowwise(total - rows)
    shown = shift + loo
    shown.flags.writeable = False
    reason = None
    if not (np.isfinite(loo).all() and math.isfinite(value)):
        reason = Reason.UNDEFINED_STATISTIC
    elif all_equal(loo):
        reason = Reason.DEGENERATE_RESAMPLES if statistic else Reason.ALL_EQUAL
    if reason is not None:
        return JackknifeResult(shift + value, math.nan, math.nan, n - 1.0, n, reason, shown)
    bias = (n - 1) * (float(loo.mean()) - value)
    return JackknifeResult(shift + value, math.sqrt(_variance(loo)), bias, n - 1.0, n, None, shown)
