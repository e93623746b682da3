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

__all__ = ["Sample", "Spread", "average_over_tasks", "difference", "sample", "spread"]


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """An estimator over items: its value, and what each item does to it.

    `influence` has shape (n_items,) and mean zero; the estimator behaves like `value` plus a mean of such numbers.
    """

    value: float
    influence: NDArray[np.float64]
    clusters: tuple[NDArray[np.int64], ...]

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


def sample(
    values: NDArray[np.float64],
    weights: NDArray[np.float64] | None,
    clusters: Sequence[NDArray[np.int64]],
) -> Sample:
    """Return the (Hajek) mean of item values with its influence values; all arrays of shape (n_items,)."""
    if len(values) == 0:
        return Sample(math.nan, values, tuple(clusters))
    if weights is None:
        centre = float(values[0])  # a shift keeps the digits of scores with a large common offset
        value = centre + float(np.mean(values - centre))
        return Sample(value, values - value, tuple(clusters))
    total = float(weights.sum())
    if total == 0:
        return Sample(math.nan, np.full(len(values), math.nan), tuple(clusters))
    used = np.where(weights > 0, values, 0.0)
    value = float(weights @ used) / total
    return Sample(value, weights * (used - value) * (len(values) / total), tuple(clusters))


def difference(a: Sample, b: Sample) -> Sample:
    """Return a minus b over the same items."""
    return Sample(a.value - b.value, a.influence - b.influence, a.clusters)


def spread(part: Sample) -> Spread:
    """Return the standard error of one sample of items; NaN with a reason where there is none."""
    if part.n == 0:
        return Spread(math.nan, math.nan, None if not part.clusters else 0, Reason.NO_SCORED)
    if math.isnan(part.value):
        return Spread(math.nan, math.nan, None, Reason.ZERO_WEIGHT)
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
    warning = "two-way variance not positive: the larger one-way variance is used" if found.reason else ""
    return Spread(found.standard_error, found.df, found.n_clusters, None, warning)


def _by_item(part: Sample) -> Spread:
    if part.n == 1:
        return Spread(math.nan, math.nan, None, Reason.ONE_ITEM)
    if _constant(part):
        return Spread(math.nan, float(part.n - 1), None, Reason.ALL_EQUAL)
    variance = float(part.influence @ part.influence) / (part.n * (part.n - 1))
    return Spread(math.sqrt(variance), float(part.n - 1), None)


def _constant(part: Sample) -> bool:
    """Return whether all influence values are zero but for rounding."""
    return bool(np.max(np.abs(part.influence)) <= 8 * np.finfo(float).eps * max(1.0, abs(part.value)))


def average_over_tasks(parts: Sequence[Sample]) -> tuple[float, Spread]:
    """Return the unweighted mean over tasks (macro average) and its spread.

    Tasks are fixed, items are sampled within tasks. Where a cluster reaches over several tasks, its items move
    together, and the variance comes from cluster sums over all tasks; else the tasks' variances add, with
    Welch-Satterthwaite degrees of freedom.
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
    # A task in which all scores are equal adds no variance that can be seen; any other gap makes the sum undefined.
    gap: Reason | None = next((s.reason for s in spreads if s.reason not in (None, Reason.ALL_EQUAL)), None)
    seen = [s for s in spreads if s.reason is None]
    if gap is None and not seen:
        gap = Reason.ALL_EQUAL
    counts = [s.n_clusters for s in spreads if s.n_clusters is not None]
    n_clusters = sum(counts) if counts else None
    if gap is not None:
        return value, Spread(math.nan, math.nan, n_clusters, gap)
    variances = [(s.standard_error / len(parts)) ** 2 for s in seen]
    df = welch_satterthwaite(variances, [s.df for s in seen])
    return value, Spread(math.sqrt(math.fsum(variances)), df, n_clusters)


def _clusters_cross_tasks(parts: Sequence[Sample]) -> bool:
    for j in range(len(parts[0].clusters)):
        seen = [np.unique(part.clusters[j]) for part in parts]
        if len(np.unique(np.concatenate(seen))) < sum(len(codes) for codes in seen):
            return True
    return False
