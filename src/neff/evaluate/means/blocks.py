"""From rows to blocks: per (metric, task), items by models, repeats already reduced to sums.

Everything after this module works on item means, so that one draw or ten per item cost the same, and no result
depends on the order of rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from neff.evaluate.split import by_task

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


def blocks(records: Records, *, unscored: Unscored = "exclude") -> Iterator[Block]:
    """Yield one block per (metric, task) that has rows, sorted by metric and task.

    Cost is O(n log n) in rows when items have repeats with fractional scores, else O(n).
    """
    for task, metric, rows in by_task(records):
        yield _block(rows, task, metric, unscored)


def _block(records: Records, task: str, metric: str, unscored: Unscored) -> Block:
    models, shape, cell, first = _cells(records)
    score, weight = records.score, records.weight
    missing = np.isnan(score)
    n_unscored = np.bincount(cell[missing] % shape[1], minlength=shape[1])
    if unscored == "wrong":
        score = np.where(missing, 0.0, score)
    elif missing.any():
        cell, score = cell[~missing], score[~missing]
        weight = None if weight is None else weight[~missing]
    size = shape[0] * shape[1]
    fractional = (score != 0) & (score != 1)
    binary = np.bincount(cell[fractional] % shape[1], minlength=shape[1]) == 0
    draws = np.bincount(cell, minlength=size)
    if not binary.all() and draws.max(initial=0) > 1:
        # Sums of fractions depend on their order; sort, so that no result depends on the order of rows.
        order = np.lexsort((score, cell)) if weight is None else np.lexsort((weight, score, cell))
        cell, score = cell[order], score[order]
        weight = None if weight is None else weight[order]
        del order  # rows are many, and memory is counted here
    item_weight = None
    with np.errstate(invalid="ignore", divide="ignore"):
        if weight is None:
            mean = np.bincount(cell, score, minlength=size) / draws
        else:
            total = np.bincount(cell, weight, minlength=size)
            mean = np.bincount(cell, weight * score, minlength=size) / total
            item_weight = (total / draws).reshape(shape)
    deviation = mean[cell]
    np.subtract(score, deviation, out=deviation)
    np.square(deviation, out=deviation)
    within = np.bincount(cell, deviation, minlength=size).astype(np.float64, copy=False)
    return Block(
        task=task,
        metric=metric,
        models=models,
        mean=mean.reshape(shape),
        draws=draws.reshape(shape),
        within=within.reshape(shape),
        unscored=n_unscored,
        binary=binary,
        weight=item_weight,
        clusters=tuple(cluster.codes[first].astype(np.int64) for cluster in records.clusters),
    )


def _cells(
    records: Records,
) -> tuple[tuple[str, ...], tuple[int, int], NDArray[np.int64], NDArray[np.int64]]:
    """Return the models in use, (n_items, n_models), each row's cell in that table, and one row of each item.

    Any row of an item will do: what is asked of it, the cluster, is constant within an item.
    """
    models, column = _compact(records.model)
    _, item = _compact(records.item)
    n_items = int(item.max()) + 1
    some_row = np.empty(n_items, np.int64)
    some_row[item] = np.arange(len(item), dtype=np.int32 if len(item) < 2**31 else np.int64)
    cell = item.astype(np.int64)
    cell *= len(models)
    cell += column
    return models, (n_items, len(models)), cell, some_row


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
