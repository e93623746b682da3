"""From rows to blocks: per (metric, task), items by models, repeats already reduced to sums.

Everything after this module works on item means, so that one draw or ten per item cost the same, and no result
depends on the order of rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from neff.records.summary import ItemSums

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from neff.records.factor import Factor
    from neff.records.table import Records

__all__ = ["Block", "Unscored", "blocks", "merge"]

Unscored = Literal["exclude", "wrong"]


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """The scores of one (metric, task) as items x models.

    Attributes
    ----------
    mean
        Mean score over the scored draws of each item, shape (n_items, n_models), NaN where there is none.
    draws
        Number of scored draws, same shape.
    within
        Sum of squared deviations of the draws from their item mean, same shape.
    unscored
        Draws without a score, shape (n_models,).
    binary
        Whether all scores of a model are 0 or 1, shape (n_models,).
    weight
        Mean weight of each item's draws, shape (n_items, n_models), or None for equal weights.
    clusters
        Zero, one or two arrays of cluster codes, shape (n_items,) each, comparable between tasks.
    """

    task: str
    metric: str
    models: tuple[str, ...]
    mean: NDArray[np.float64]
    draws: NDArray[np.int64]
    within: NDArray[np.float64]
    unscored: NDArray[np.int64]
    binary: NDArray[np.bool_]
    weight: NDArray[np.float64] | None
    clusters: tuple[NDArray[np.int64], ...]

    def scored(self, j: int) -> NDArray[np.bool_]:
        """Return which items model j has a score for that counts, shape (n_items,)."""
        has: NDArray[np.bool_] = self.draws[:, j] > 0
        return has if self.weight is None else has & (self.weight[:, j] > 0)


def blocks(records: Records | ItemSums, *, unscored: Unscored = "exclude") -> Iterator[Block]:
    """Yield one block per (metric, task) that has rows, sorted by metric and task.

    All draws go through exact sums, so that no result depends on the order of rows, on chunks or on workers.
    Cost is O(n) in rows where items by models is a dense table, else O(n log n).
    """
    sums = records if isinstance(records, ItemSums) else ItemSums.of(records)
    wrong = unscored == "wrong"
    means, within = sums.means(unscored_as_zero=wrong), sums.within(unscored_as_zero=wrong)
    weights = None if sums.weights is None else sums.weight_totals(unscored_as_zero=wrong)
    group = sums.metric.codes.astype(np.int64) * sums.task.n_levels + sums.task.codes
    edges = np.flatnonzero(np.r_[True, group[1:] != group[:-1], True])
    for start, stop in pairwise(edges.tolist() if len(group) else []):
        yield _block(sums, slice(start, stop), means, within, weights, wrong=wrong)


def _block(
    sums: ItemSums,
    cells: slice,
    means: NDArray[np.float64],
    within: NDArray[np.float64],
    weights: NDArray[np.float64] | None,
    *,
    wrong: bool,
) -> Block:
    """Spread the cells of one (metric, task) over a table of items by models."""
    models, column = _compact(sums.model[cells])
    item = sums.item.codes[cells]  # sorted, as all cells are
    new = np.r_[True, item[1:] != item[:-1]]
    row = np.cumsum(new) - 1
    shape = (int(row[-1]) + 1, len(models))
    scored, n_unscored = sums.n[cells], sums.n_unscored[cells]

    def table(values: NDArray[Any], missing: float) -> NDArray[Any]:
        filled = np.full(shape, missing, values.dtype)
        filled[row, column] = values
        return filled

    draws = table(scored + n_unscored if wrong else scored, 0)
    fractional = sums.fractional[cells]
    with np.errstate(invalid="ignore", divide="ignore"):
        weight = None if weights is None else table(weights[cells], 0) / draws
    return Block(
        task=sums.task.levels[sums.task.codes[cells.start]],
        metric=sums.metric.levels[sums.metric.codes[cells.start]],
        models=models,
        mean=table(means[cells], np.nan),
        draws=draws,
        within=table(within[cells], 0.0),
        unscored=_per_model(n_unscored, column, len(models)),
        binary=_per_model(fractional, column, len(models)) == 0,
        weight=weight,
        clusters=tuple(cluster.codes[cells][new].astype(np.int64) for cluster in sums.clusters),
    )


def _per_model(values: NDArray[Any], column: NDArray[np.int32], n_models: int) -> NDArray[np.int64]:
    counts = np.zeros(n_models, np.int64)
    np.add.at(counts, column, values.astype(np.int64))
    return counts


def merge(parts: Sequence[Block], task: str) -> Block:
    """Stack the blocks of several tasks as if they were one: each item counts once, whatever its task."""
    models = tuple(sorted(set().union(*(part.models for part in parts))))
    columns = [[models.index(model) for model in part.models] for part in parts]
    n_items = sum(len(part.mean) for part in parts)

    def stack(name: str, missing: float, dtype: type) -> NDArray[Any]:
        whole: NDArray[Any] = np.full((n_items, len(models)), missing, dtype)
        start = 0
        for part, places in zip(parts, columns, strict=True):
            whole[start : start + len(part.mean), places] = getattr(part, name)
            start += len(part.mean)
        return whole

    unscored = np.zeros(len(models), np.int64)
    binary = np.ones(len(models), bool)
    for part, places in zip(parts, columns, strict=True):
        unscored[places] += part.unscored
        binary[places] &= part.binary
    return Block(
        task=task,
        metric=parts[0].metric,
        models=models,
        mean=stack("mean", np.nan, np.float64),
        draws=stack("draws", 0, np.int64),
        within=stack("within", 0.0, np.float64),
        unscored=unscored,
        binary=binary,
        weight=None if parts[0].weight is None else stack("weight", np.nan, np.float64),
        clusters=tuple(np.concatenate([part.clusters[k] for part in parts]) for k in range(len(parts[0].clusters))),
    )


def _compact(factor: Factor) -> tuple[tuple[str, ...], NDArray[np.int32]]:
    """Return the levels in use and each row's place among them, in O(n)."""
    used = np.bincount(factor.codes, minlength=factor.n_levels) > 0
    place = (np.cumsum(used) - 1).astype(np.int32)
    return tuple(name for name, seen in zip(factor.levels, used, strict=True) if seen), place[factor.codes]
