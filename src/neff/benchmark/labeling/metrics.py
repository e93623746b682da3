"""How right labels are, one or several per item: accuracy, Jaccard, Hamming loss, F1, balanced accuracy.

What it estimates: each measure over the items that these are a sample of, with the item as the unit of the bootstrap.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.benchmark.labeling.label_sets import as_text, indicators, label_sets
from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.results import Column, Estimate, Table
from neff.stats import wilson
from neff.stats._options import seeded
from neff.stats._validate import check_count, check_level

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

__all__ = ["LabelMetrics", "label_metrics"]

CALL = "label_metrics"
MOST_WEIGHTS = 1 << 22
METRICS = ("accuracy", "balanced accuracy", "macro F1", "micro F1", "Jaccard", "Hamming loss")


@dataclass(frozen=True, slots=True)
class LabelMetrics:
    """Measures of given labels against right ones.

    Attributes
    ----------
    estimates
        One per measure, see `label_metrics`.
    labels
        The labels that there are.
    n, n_unlabeled
        Items with both, and items left out because one of the two was unknown.
    """

    estimates: tuple[Estimate, ...]
    labels: tuple[str, ...]
    n: int
    n_unlabeled: int

    def __iter__(self) -> Iterator[Estimate]:
        return iter(self.estimates)

    def __getitem__(self, metric: str) -> Estimate:
        for estimate in self.estimates:
            if estimate.metric == metric:
                return estimate
        raise KeyError(metric)

    def table(self) -> Table:
        """Return one row per measure."""
        columns = (
            Column("metric", "Measure"), Column("value", "Value", "number"), Column("interval", "Interval", "interval"),
        )  # fmt: skip
        return Table(columns, tuple((e.metric, e.value, e.interval) for e in self.estimates))

    def __str__(self) -> str:
        return str(self.table())

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "schema": "neff.label-metrics/1",
            "metrics": [estimate.to_dict() for estimate in self.estimates],
            "labels": list(self.labels),
            "n": self.n,
            "n_unlabeled": self.n_unlabeled,
        }


def label_metrics(
    right: Sequence[Any],
    given: Sequence[Any],
    *,
    labels: Sequence[Any] | None = None,
    level: float = 0.95,
    n_resamples: int = 1000,
    rng: Any = None,
) -> LabelMetrics:
    """Measure labels against right ones, one or several per item.

    Use it on a sample of items that somebody labeled with care. Not to compare two models: pair them by item,
    `neff.compare` on whether each item is right.

    Parameters
    ----------
    right, given
        Of each item a label, or a list of labels (also an empty one); None, NaN or "" where unknown: the item is left
        out. Shape (n_items,).
    labels
        All labels that there are; by default those that occur.
    level
        Coverage of the intervals.
    n_resamples, rng
        Bootstrap of items (SPEC 7).

    Returns
    -------
    LabelMetrics
        "accuracy" (all labels of an item right), "balanced accuracy" (mean over labels of the mean of sensitivity and
        specificity), "macro F1" (mean over labels), "micro F1" (over all decisions), "Jaccard" (mean over items of
        common labels over all), "Hamming loss" (share of wrong decisions, one per item and label).

    Raises
    ------
    ArgumentError
        If lengths differ, or a label is none of `labels`.

    Notes
    -----
    Balanced accuracy leaves out labels that no item, or every item, has: one half of it is undefined there. Two empty
    sets have Jaccard 1. Intervals are percentiles over resampled items, that of accuracy is Wilson's. O(B n L) for
    L labels and B resamples.

    References
    ----------
    Carammia, Iacus and Porro, Rethinking Scale: The Efficacy of Fine-Tuned Open-Source LLMs. arXiv:2411.00890

    Examples
    --------
    >>> right = [["war"], ["trade", "war"], ["trade"], ["health"]]
    >>> given = [["war"], ["war"], ["trade"], ["trade", "health"]]
    >>> found = label_metrics(right, given, rng=0)
    >>> [(estimate.metric, round(estimate.value, 3)) for estimate in found][:3]
    [('accuracy', 0.5), ('balanced accuracy', 0.833), ('macro F1', 0.833)]
    """
    level = check_level(level, call=CALL)
    n_resamples = check_count(n_resamples, argument="n_resamples", call=CALL, minimum=2)
    truth, told = (label_sets(v, argument=a, call=CALL) for v, a in ((right, "right"), (given, "given")))
    if len(truth) != len(told):
        raise ArgumentError("given", f"as long as right ({len(truth)})", len(told), call=CALL)
    pairs = [(t, g) for t, g in zip(truth, told, strict=True) if t is not None and g is not None]
    seen = sorted(frozenset().union(*(t | g for t, g in pairs)))
    if labels is not None:
        known = sorted(set(map(as_text, labels)))
        for label in seen:
            if label not in known:
                raise ArgumentError("labels", "all labels that occur", known, f"There is {label!r} too.", call=CALL)
        seen = known
    generator, seed = seeded(rng, call=CALL)
    n = len(pairs)
    if not n:
        nothing = tuple(Estimate(math.nan, level=level, metric=m, reason=Reason.NO_LABELS, seed=seed) for m in METRICS)
        return LabelMetrics(nothing, tuple(seen), 0, len(truth))
    has, gets = (indicators([pair[k] for pair in pairs], seen) for k in (0, 1))
    values = _measures(np.ones((1, n)), has, gets)[:, 0]
    drawn = np.concatenate(
        [
            _measures(generator.multinomial(n, np.full(n, 1 / n), size=size).astype(float), has, gets)
            for size in _blocks(n_resamples, n)
        ],
        axis=1,
    )
    n_right = int((has == gets).all(axis=1).sum())
    found = [
        _estimate(metric, float(value), again, (n_right, n), level, seed)
        for metric, value, again in zip(METRICS, values, drawn, strict=True)
    ]
    return LabelMetrics(tuple(found), tuple(seen), n, len(truth) - n)


def _blocks(n_resamples: int, n: int) -> list[int]:
    """Return how many resamples of n items to draw at a time; the draws are the same however they are divided."""
    most = max(1, MOST_WEIGHTS // n)
    return [min(most, n_resamples - start) for start in range(0, n_resamples, most)]


def _measures(weight: NDArray[np.float64], has: NDArray[np.bool_], gets: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the measures in the order of `METRICS` for each row of item weights, shape (6, n_weights)."""
    both, either = (has & gets).sum(axis=1), (has | gets).sum(axis=1)
    n, n_labels = weight.sum(axis=1), max(has.shape[1], 1)
    tp, fn, fp, tn = (weight @ (a & b) for a, b in ((has, gets), (has, ~gets), (~has, gets), (~has, ~gets)))
    with np.errstate(divide="ignore", invalid="ignore"):
        jaccard = weight @ np.where(either > 0, both / np.maximum(either, 1), 1.0) / n
        balanced = _mean((tp / (tp + fn) + tn / (tn + fp)) / 2)
        macro = _mean(2 * tp / (2 * tp + fp + fn))
        micro = 2 * tp.sum(axis=1) / (2 * tp + fp + fn).sum(axis=1)
        exact = weight @ (has == gets).all(axis=1) / n
        hamming = weight @ (has != gets).sum(axis=1) / (n * n_labels)
    return np.stack([exact, balanced, macro, micro, jaccard, hamming])


def _mean(by_label: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean over the labels for which a measure is defined, NaN where there is none."""
    known = ~np.isnan(by_label)
    total = np.where(known, by_label, 0).sum(axis=1)
    return np.asarray(np.where(known.any(axis=1), total / np.maximum(known.sum(axis=1), 1), np.nan))


def _estimate(
    metric: str, value: float, drawn: NDArray[np.float64], right: tuple[int, int], level: float, seed: int | None
) -> Estimate:
    n = right[1]
    about: dict[str, Any] = {"level": level, "n": n, "n_items": n, "metric": metric, "seed": seed}
    if math.isnan(value):
        return Estimate(value, reason=Reason.NOT_IDENTIFIED, **about)
    known = drawn[~np.isnan(drawn)]
    spread = float(known.std(ddof=1)) if len(known) > 1 else 0.0
    if metric == "accuracy":
        low, high, _ = wilson(*right, level=level)
        return Estimate(value, spread or math.nan, (low, high), method="Wilson", **about)
    if spread < 1e-12:
        return Estimate(value, method="bootstrap of items", reason=Reason.DEGENERATE_RESAMPLES, **about)
    low, high = (float(q) for q in np.quantile(known, [(1 - level) / 2, (1 + level) / 2]))
    return Estimate(value, spread, (low, high), method="bootstrap of items", **about)
