"""Standard errors of means: independent, weighted, clustered (CRV1) and clustered two ways.

The kernel is `crv1`: an estimator is described by its influence values, one per row, and the rows of a
cluster are summed before they are squared. One row per cluster gives the textbook standard error.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.registry import method
from neff.stats._validate import (
    FloatArray,
    IntArray,
    check_codes,
    check_same_length,
    check_vector,
    check_weights,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["ClusterError", "MeanSE", "crv1", "crv1_two_way", "mean_se", "welch_satterthwaite"]

# Below this share of its largest possible value a variance is rounding error, not a small variance.
_ROUNDING = 1e-24


class ClusterError(NamedTuple):
    """A cluster-robust standard error: NaN with a `reason` where it is undefined.

    `reason` is also set, beside a finite number, where a two-way variance had to be mended.
    """

    standard_error: float
    df: float
    n_clusters: int
    reason: Reason | None = None


class MeanSE(NamedTuple):
    """A mean and its standard error. `n_clusters` is None where no cluster was given.

    `n` counts the values with a positive weight. Where the mean is defined but its standard error is not,
    the standard error is NaN and `reason` says why.
    """

    value: float
    standard_error: float
    df: float
    n: int
    n_clusters: int | None = None
    reason: Reason | None = None


def _cluster_variance(phi: FloatArray, codes: IntArray, n_clusters: int) -> float:
    """Return G/(G-1) sum (T_g - mean T)^2 / n^2, and exactly 0 where it is rounding error."""
    totals = np.bincount(codes, weights=phi, minlength=n_clusters)
    largest = np.bincount(codes, weights=np.abs(phi), minlength=n_clusters)
    squares = float(np.square(totals - totals.mean()).sum())
    if squares <= _ROUNDING * float(np.square(largest).sum()):
        return 0.0
    return n_clusters / (n_clusters - 1) * squares / phi.size**2


def _cluster_error(phi: FloatArray, codes: IntArray, n_clusters: int) -> ClusterError:
    df = float(max(n_clusters - 1, 0))
    if n_clusters == 0:
        return ClusterError(math.nan, df, 0, Reason.EMPTY)
    if n_clusters == 1:
        return ClusterError(math.nan, df, 1, Reason.ONE_CLUSTER)
    variance = _cluster_variance(phi, codes, n_clusters)
    if variance == 0:
        reason = Reason.ALL_EQUAL if phi.min() == phi.max() else Reason.EQUAL_CLUSTERS
        return ClusterError(math.nan, df, n_clusters, reason)
    return ClusterError(math.sqrt(variance), df, n_clusters)


def _two_way_error(phi: FloatArray, a: tuple[IntArray, int], b: tuple[IntArray, int]) -> ClusterError:
    first, second = _cluster_error(phi, *a), _cluster_error(phi, *b)
    fewer = min(first, second, key=lambda error: error.n_clusters)
    if fewer.n_clusters < 2:
        return fewer
    codes, n_cells = check_codes(a[0] * b[1] + b[0], argument="cluster", call="crv1_two_way")
    var_a, var_b = (_cluster_variance(phi, *codes_and_count) for codes_and_count in (a, b))
    largest = max(var_a, var_b)
    if largest == 0:
        return fewer
    variance = var_a + (var_b - _cluster_variance(phi, codes, n_cells))
    if variance <= 1e-12 * largest:  # a difference of matrices need not be positive: keep the larger part
        return fewer._replace(standard_error=math.sqrt(largest), reason=Reason.NEGATIVE_VARIANCE)
    return fewer._replace(standard_error=math.sqrt(variance), reason=None)


@method("influence", "permutation_invariant", "scale_equivariant")
def crv1(influence: ArrayLike, cluster: ArrayLike) -> ClusterError:
    """Return the cluster-robust standard error of an estimator with the given influence values.

    Use it whenever rows are not independent: several questions on one passage, several draws of one item,
    items of one task. With equal clusters the t interval at df = G - 1 is right for any G; with unequal ones
    it covers too rarely (simulated: 5 clusters of 3 to 11 rows 93%, 20 such clusters 94%), and where one
    cluster holds most of the rows it must not be used (5 clusters, one with 91% of the rows: 23%).

    Parameters
    ----------
    influence
        Influence values, shape (n,), centred: the estimator is about truth + mean(influence). For a mean,
        `values - mean`; for a weighted mean, `weights * (values - mean) / weights.mean()`; for a difference
        of two estimators on the same rows, the difference of their influence values.
    cluster
        Cluster of each row, shape (n,): codes, names, anything that sorts.

    Returns
    -------
    ClusterError
        `standard_error`, `df` = G - 1, `n_clusters` = G, and the `reason` where the standard error is NaN: no
        rows, one cluster, or cluster totals that are all equal.

    Raises
    ------
    ArgumentError
        If the lengths differ, an influence value is not finite, or a cluster is missing.

    Notes
    -----
    Var = G/(G-1) sum_g (T_g - mean T)^2 / n^2 with T_g the sum of the influence values of cluster g. Assumes
    independent clusters. One row per cluster gives s/sqrt(n). O(n).

    References
    ----------
    Liang and Zeger 1986, Biometrika 73:13. Miller 2024, arXiv:2411.00640.

    Examples
    --------
    >>> error = crv1([-2.0, -1.0, 1.0, 2.0], ["a", "a", "b", "b"])
    >>> error.standard_error, error.df, error.n_clusters
    (1.5, 1.0, 2)
    """
    phi = check_vector(influence, argument="influence", call="crv1")
    codes, n_clusters = check_codes(cluster, argument="cluster", call="crv1", length=phi.size)
    return _cluster_error(phi, codes, n_clusters)


@method("influence", "permutation_invariant", "scale_equivariant")
def crv1_two_way(influence: ArrayLike, a: ArrayLike, b: ArrayLike) -> ClusterError:
    """Return the standard error of an estimator whose rows are clustered in two crossed ways.

    Use it when rows share a passage and, independently of that, a template or a grader. When one clustering
    is nested in the other, use `crv1` with the coarser one: the answer is the same.

    Parameters
    ----------
    influence
        Centred influence values, shape (n,); see `crv1`.
    a, b
        The two clusterings, shape (n,) each.

    Returns
    -------
    ClusterError
        `df` and `n_clusters` are those of the clustering with fewer clusters. Where the two-way variance is 0
        or negative, the standard error is that of the larger one-way variance and `reason` is
        `Reason.NEGATIVE_VARIANCE`.

    Raises
    ------
    ArgumentError
        If the lengths differ, an influence value is not finite, or a cluster is missing.

    Notes
    -----
    Var_a + Var_b - Var_ab, each as in `crv1`. O(n log n).

    References
    ----------
    Cameron, Gelbach and Miller 2011, J. Bus. Econ. Statist. 29:238.

    Examples
    --------
    >>> error = crv1_two_way([-3.0, 1.0, -1.0, 3.0], ["a", "a", "b", "b"], ["x", "y", "x", "y"])
    >>> round(error.standard_error, 4), error.df
    (1.8257, 1.0)
    """
    phi = check_vector(influence, argument="influence", call="crv1_two_way")
    first = check_codes(a, argument="a", call="crv1_two_way", length=phi.size)
    second = check_codes(b, argument="b", call="crv1_two_way", length=phi.size)
    return _two_way_error(phi, first, second)


def _centre(values: FloatArray, weights: FloatArray | None) -> tuple[float, FloatArray]:
    """Return the (weighted) mean and the influence values, which sum to 0."""
    if values.min() == values.max():  # exact, where a computed mean may be off by a rounding
        return float(values[0]), np.zeros_like(values)
    share = np.ones_like(values) if weights is None else weights / weights.max()
    total = float(share.sum())
    mean = float((share * values).sum()) / total
    mean += float((share * (values - mean)).sum()) / total  # a second pass removes the rounding of the first
    return mean, share * (values - mean) * (values.size / total)


@method("sample", "permutation_invariant", "shift_equivariant", "scale_equivariant")
def mean_se(
    values: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    cluster: ArrayLike | None = None,
    cluster2: ArrayLike | None = None,
) -> MeanSE:
    """Return the mean of the values and its standard error.

    Use it for scores of any kind, with `cluster` whenever rows are not independent. For a share of 0/1 scores
    on few items, `wilson` gives a better interval.

    Parameters
    ----------
    values
        Scores, shape (n,), finite. Leave unscored rows out before the call, and count them.
    weights
        Non-negative weights, shape (n,); only their ratios matter. Rows of weight 0 are left out.
    cluster
        Cluster of each row, shape (n,).
    cluster2
        A second, crossed clustering, shape (n,).

    Returns
    -------
    MeanSE
        The standard error is NaN, with the reason, for one value, for values that are all equal, and for one
        cluster; the mean is NaN for no values or weights that are all 0. `df` is n - 1, or the number of
        clusters minus 1 (of the clustering with fewer clusters).

    Raises
    ------
    ArgumentError
        If a value is NaN or infinite, lengths differ, a weight is negative, a cluster is missing, or
        `cluster2` is given without `cluster`.

    Notes
    -----
    Estimand: the mean of the population that the rows (or clusters) are drawn from. Unweighted and
    independent: s/sqrt(n) with ddof=1. Weighted: the Hajek mean sum(w x)/sum(w), linearised, with the factor
    n/(n-1); where one row holds nearly all the weight this is far too small, so look at `ess` first.
    Computed in two passes, so that values near 1e8 keep their digits. O(n).

    References
    ----------
    Miller 2024, arXiv:2411.00640. Liang and Zeger 1986, Biometrika 73:13.

    Examples
    --------
    >>> result = mean_se([0.0, 1.0, 1.0, 0.0, 1.0])
    >>> round(result.value, 4), round(result.standard_error, 4), result.df
    (0.6, 0.2449, 4.0)
    >>> mean_se([1.0, 1.0, 1.0]).reason
    <Reason.ALL_EQUAL: 'all scores equal'>
    """
    call = "mean_se"
    x = check_vector(values, argument="values", call=call)
    w = None if weights is None else check_weights(weights, call=call, length=x.size)
    if cluster2 is not None and cluster is None:
        raise ArgumentError("cluster2", "given together with cluster", "cluster2 alone", call=call)
    groups = [
        check_codes(given, argument=name, call=call, length=x.size)
        for name, given in (("cluster", cluster), ("cluster2", cluster2))
        if given is not None
    ]
    if x.size == 0:
        return MeanSE(math.nan, math.nan, 0.0, 0, 0 if groups else None, Reason.EMPTY)
    if w is not None and not w.all():
        kept = w > 0
        x, w = x[kept], w[kept]
        groups = [check_codes(codes[kept], argument="cluster", call=call) for codes, _ in groups]
        if x.size == 0:
            return MeanSE(math.nan, math.nan, 0.0, 0, 0 if groups else None, Reason.ZERO_WEIGHT)
    value, phi = _centre(x, w)
    if len(groups) == 2:
        error = _two_way_error(phi, *groups)
    else:
        codes, n_clusters = groups[0] if groups else (np.arange(x.size), x.size)
        error = _cluster_error(phi, codes, n_clusters)
    reason = Reason.ONE_ITEM if x.size == 1 and not groups else error.reason
    return MeanSE(value, error.standard_error, error.df, x.size, error.n_clusters if groups else None, reason)


@method("variances", "permutation_invariant", "scale_invariant")
def welch_satterthwaite(variances: ArrayLike, dfs: ArrayLike) -> float:
    """Return the degrees of freedom of a sum of independent variance estimates.

    Use it for the standard error of a difference of two independent means, or of an estimate plus the
    uncertainty of its calibration.

    Parameters
    ----------
    variances
        The variances that are added, shape (k,), 0 or more. NaN gives NaN.
    dfs
        Degrees of freedom of each, shape (k,), above 0; infinity where a variance is known.

    Returns
    -------
    float
        (sum v)^2 / sum(v^2 / df), at least 1; a variance of 0 does not count. NaN where all are 0.

    Raises
    ------
    ArgumentError
        If lengths differ, a variance is negative or infinite, or the degrees of freedom of a positive
        variance are not above 0.

    References
    ----------
    Satterthwaite 1946, Biometrics Bull. 2:110. Welch 1947, Biometrika 34:28.

    Examples
    --------
    >>> round(welch_satterthwaite([0.0004, 0.0003], [99, 4]), 4)
    20.3183
    """
    call = "welch_satterthwaite"
    v = check_vector(variances, argument="variances", call=call, allow_nan=True)
    f = check_vector(dfs, argument="dfs", call=call, allow_nan=True, allow_inf=True)
    check_same_length(call=call, variances=v, dfs=f)
    if (v < 0).any():
        raise ArgumentError("variances", "0 or more", float(v.min()), call=call)
    if np.isnan(v).any() or not v.any():
        return math.nan
    v, f = v[v > 0] / v.max(), f[v > 0]
    if not (f > 0).all():
        bad = float(f[~(f > 0)][0])
        raise ArgumentError("dfs", "above 0", bad, "Leave out a part without any.", call=call)
    rate = float(np.sum(v * v / f))
    return math.inf if rate == 0 else max(1.0, float(v.sum()) ** 2 / rate)
