"""One standard error for every design, from influence values: by item, by cluster, by two clusterings, over tasks.

A mean, a weighted mean, a difference of two means and an average over tasks are all the same thing here: a value
and one influence number per item, whose mean is zero. Their sums per cluster give the variance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from neff.reasons import Reason
from neff.stats.cluster import crv1, crv1_two_way, welch_satterthwaite

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["Sample", "Spread", "average_over_tasks", "difference", "dot", "sample", "spread"]


FEW_ITEMS = 10
"""Below this many effective items a weighted mean hangs on a few; the result says so."""


SMALL_CLUSTERS = 10
"""Below this many clusters, counted as if of equal size, CRV1 intervals cover too rarely; the estimate says so."""


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """An estimator over items: its value, and what each item does to it.

    `influence` has shape (n_items,) and mean about zero; the estimator behaves like `value` plus a mean of such
    numbers. `n_eff` is Kish's effective number of items where they have weights, else NaN.
    """

    value: float
    influence: NDArray[np.float64]
    clusters: tuple[NDArray[np.int64], ...]
    n_eff: float = math.nan

    @property
    def df(self) -> float:
        """Degrees of freedom of independent items: effective number less one."""
        return (self.n if math.isnan(self.n_eff) else self.n_eff) - 1.0

    @property
    def n(self) -> int:
        """Number of items."""
        return len(self.influence)


@dataclass(frozen=True, slots=True)
class Spread:
    """Standard error, degrees of freedom and number of clusters; the reason why there is none; what weakens it."""

    standard_error: float
    df: float
    n_clusters: int | None
    reason: Reason | None = None
    warning: str = ""


def dot(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Return the sum of products, in an order that no number of threads can change (BLAS promises none)."""
    return float(np.einsum("i,i->", a, b))


def sample(
    values: NDArray[np.float64],
    weights: NDArray[np.float64] | None,
    clusters: Sequence[NDArray[np.int64]],
) -> Sample:
    """Return the (Hajek) mean of item values with its influence values; all arrays of shape (n_items,), weights > 0.

    With weights the influence values are those of the jackknife, h / (1 - h) (n - 1) (x - mean) with h the item's
    share of all weight: linearised ones would say that a mean which hangs on one heavy item is all but certain.
    """
    if len(values) == 0:
        return Sample(math.nan, values, tuple(clusters))
    if weights is None:
        centre = float(values[0])  # a shift keeps the digits of scores with a large common offset
        value = centre + float(np.mean(values - centre))
        return Sample(value, values - value, tuple(clusters))
    share = weights / float(weights.sum())
    value = dot(share, values)
    rest = np.maximum(1 - share, np.finfo(float).tiny)
    influence = (len(values) - 1) * share / rest * (values - value)
    return Sample(value, influence, tuple(clusters), 1 / dot(share, share))


def difference(a: Sample, b: Sample) -> Sample:
    """Return a minus b over the same items."""
    n_eff = math.nan if math.isnan(a.n_eff) else min(a.n_eff, b.n_eff)
    return Sample(a.value - b.value, a.influence - b.influence, a.clusters, n_eff)


def spread(part: Sample) -> Spread:
    """Return the standard error of one sample of items; NaN with a reason where there is none."""
    if part.n == 0:
        return Spread(math.nan, math.nan, None if not part.clusters else 0, Reason.NO_SCORED)
    if not part.clusters:
        return _by_item(part)
    if len(part.clusters) == 1:
        found = crv1(part.influence, part.clusters[0])
    else:
        found = crv1_two_way(part.influence, *part.clusters)
    if _constant(part) and found.n_clusters > 1:
        return Spread(math.nan, found.df, found.n_clusters, Reason.ALL_EQUAL)
    if math.isnan(found.standard_error):
        return Spread(math.nan, found.df, found.n_clusters, found.reason)
    warnings = ["two-way variance not positive: the larger one-way variance is used"] if found.reason else []
    effective = min(_effective_clusters(codes) for codes in part.clusters)
    if effective < SMALL_CLUSTERS:
        warnings.append(
            f"{found.n_clusters} clusters count as {effective:.1f} of equal size: with few or uneven clusters "
            "the interval covers too rarely"
        )
    return Spread(found.standard_error, found.df, found.n_clusters, None, "; ".join(warnings))


def _effective_clusters(codes: NDArray[np.int64]) -> float:
    """Return how many clusters of equal size are as uneven as these: (sum n_g)^2 / sum n_g^2."""
    sizes = np.bincount(codes).astype(float)
    return float(sizes.sum() ** 2 / np.square(sizes).sum()) if len(codes) else 0.0


def _by_item(part: Sample) -> Spread:
    if part.n == 1:
        return Spread(math.nan, math.nan, None, Reason.ONE_ITEM)
    if _constant(part):
        return Spread(math.nan, part.df, None, Reason.ALL_EQUAL)
    variance = dot(part.influence, part.influence) / (part.n * (part.n - 1))
    warning = ""
    if part.n_eff < FEW_ITEMS:
        warning = f"the weights leave {part.n_eff:.1f} effective items of {part.n:,}: a few heavy ones decide"
    return Spread(math.sqrt(variance), max(part.df, 1.0), None, None, warning)


def _constant(part: Sample) -> bool:
    """Return whether all influence values are zero but for rounding."""
    return bool(np.max(np.abs(part.influence)) <= 8 * np.finfo(float).eps * max(1.0, abs(part.value)))


def average_over_tasks(parts: Sequence[Sample], at_least: Sequence[float]) -> tuple[float, Spread]:
    """Return the unweighted mean over tasks (macro average) and its spread.

    Tasks are fixed, items are sampled within tasks. Where a cluster reaches over several tasks, its items move
    together, and the variance comes from cluster sums over all tasks; else the tasks' variances add, with
    Welch-Satterthwaite degrees of freedom. A task in which all is equal shows no variance; it is given the one of
    `at_least` (squared standard error per task, NaN where there is none to give, which makes the average undefined).
    """
    value = float(np.mean([part.value for part in parts]))
    if _clusters_cross_tasks(parts):
        n = sum(part.n for part in parts)
        joint = Sample(
            value,
            np.concatenate([part.influence * (n / (part.n * len(parts))) for part in parts]),
            tuple(np.concatenate([part.clusters[j] for part in parts]) for j in range(len(parts[0].clusters))),
        )
        return value, spread(joint)
    spreads = [spread(part) for part in parts]
    counts = [s.n_clusters for s in spreads if s.n_clusters is not None]
    n_clusters = sum(counts) if counts else None
    squares, df = [], []
    for s, least in zip(spreads, at_least, strict=True):
        if s.reason not in (None, Reason.ALL_EQUAL) or (s.reason is not None and math.isnan(least)):
            return value, Spread(math.nan, math.nan, n_clusters, s.reason)
        squares.append((least if s.reason else s.standard_error**2) / len(parts) ** 2)
        df.append(s.df)
    warning = next((s.warning for s in spreads if s.warning), "")
    total = math.fsum(squares)
    return value, Spread(math.sqrt(total), welch_satterthwaite(squares, df), n_clusters, None, warning)


def _clusters_cross_tasks(parts: Sequence[Sample]) -> bool:
    for j in range(len(parts[0].clusters)):
        seen = [np.unique(part.clusters[j]) for part in parts]
        if len(np.unique(np.concatenate(seen))) < sum(len(codes) for codes in seen):
            return True
    return False
