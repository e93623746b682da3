"""Items as units: each item meets every condition, or every condition of a kind (its category). Tests and intervals.

A factor is nested in items where each item has one level of it (category, language), else crossed (model, prompt).
Items are drawn and shuffled within the levels of the nested factors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from neff.benchmark.factorial.decompose import balanced_squares, cell_means

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from neff.benchmark.factorial.decompose import Terms

__all__ = ["ItemDesign", "item_design", "item_intervals", "item_noise", "item_p_value"]

CHUNK = 4_000_000


@dataclass(frozen=True, slots=True)
class ItemDesign:
    """Complete items: their score in each condition that they meet, and their place among the nested levels.

    Attributes
    ----------
    table
        Mean score of each item in each crossed cell, shape (n_items, n_crossed_cells), sorted by stratum.
    stratum
        Which combination of nested levels each item belongs to, shape (n_items,).
    crossed, nested
        Which factors are of which kind.
    shape
        Levels of each factor, in the order of the factors.
    n_left_out
        Items that lack a condition.
    """

    table: NDArray[np.float64]
    stratum: NDArray[np.int64]
    crossed: tuple[int, ...]
    nested: tuple[int, ...]
    shape: tuple[int, ...]
    n_left_out: int

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Items in each stratum."""
        return np.bincount(self.stratum)

    @property
    def crossed_shape(self) -> tuple[int, ...]:
        """Levels of the crossed factors."""
        return tuple(self.shape[i] for i in self.crossed)

    def assembled(self, cells: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (..., n_strata, n_crossed_cells) as (..., *shape), the factors in their order."""
        lead = cells.shape[:-2]
        order = (*self.nested, *self.crossed)
        apart = cells.reshape(*lead, *(self.shape[i] for i in order))
        return np.moveaxis(apart, range(len(lead), apart.ndim), [len(lead) + i for i in order])

    def mean(self) -> NDArray[np.float64]:
        """Return the mean over items of each cell."""
        return self.assembled(self.by_stratum(self.table))

    def by_stratum(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return means of values of items, shape (n_items, ...), in each stratum."""
        starts = np.concatenate([[0], np.cumsum(self.sizes)[:-1]])
        return np.asarray(np.add.reduceat(values, starts, axis=0) / self.sizes.reshape(-1, *[1] * (values.ndim - 1)))


def item_design(
    score: NDArray[np.float64], codes: NDArray[np.int64], shape: tuple[int, ...], item: NDArray[np.int64]
) -> ItemDesign | None:
    """Return the complete items; None where a combination of nested levels has fewer than two."""
    _, item = np.unique(item, return_inverse=True)
    n = int(item.max()) + 1
    lowest, highest = np.full((len(codes), n), np.iinfo(np.int64).max), np.full((len(codes), n), -1)
    for low, high, code in zip(lowest, highest, codes, strict=True):
        np.minimum.at(low, item, code)
        np.maximum.at(high, item, code)
    single = (lowest == highest).all(axis=1)
    nested = tuple(int(i) for i in np.flatnonzero(single))
    crossed = tuple(int(i) for i in np.flatnonzero(~single))
    cube, count = cell_means(score, np.vstack([item, codes[list(crossed)]]), (n, *(shape[i] for i in crossed)))
    complete = (count.reshape(n, -1) > 0).all(axis=1)
    table = cube.reshape(n, -1)[complete]
    strata = int(np.prod([shape[i] for i in nested])) if nested else 1
    place = (
        np.ravel_multi_index(tuple(lowest[list(nested)][:, complete]), tuple(shape[i] for i in nested))
        if nested
        else np.zeros(len(table), np.int64)
    )
    if not len(place) or np.bincount(place, minlength=strata).min() < 2:
        return None
    order = np.argsort(place, kind="stable")
    return ItemDesign(table[order], place[order], crossed, nested, shape, int(n - complete.sum()))


def item_noise(design: ItemDesign, terms: Terms) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what the sampling of items adds to each sum of squares of cell means, and to the total (last).

    The first row is for the items at hand, the second for a bootstrap resample of them.
    """
    real, again = np.zeros(len(terms) + 1), np.zeros(len(terms) + 1)
    sizes = design.sizes
    step = max(CHUNK // (len(sizes) * design.table.shape[1] * (len(terms) + 2)), 1)
    for g, size in enumerate(sizes):
        rows = design.table[design.stratum == g]
        off = rows - rows.mean(axis=0)
        for start in range(0, size, step):
            part = off[start : start + step]
            cells = np.zeros((len(part), len(sizes), part.shape[1]))
            cells[:, g] = part
            squares = balanced_squares(design.assembled(cells), terms).sum(axis=0)
            total = ((cells - cells.mean(axis=(1, 2), keepdims=True)) ** 2).sum()
            both = np.append(squares, total)
            real += both / (size * (size - 1))
            again += both / size**2
    return real, again


def item_intervals(
    design: ItemDesign, terms: Terms, level: float, n_resamples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return bootstrap intervals of eta2, shape (2, n_terms): of items, without what their sampling adds.

    A resample of items adds noise to each sum of squares once more, so that it is taken off twice; without that the
    interval of a term that is 0 would lie wholly above 0.
    """
    real, again = item_noise(design, terms)
    sizes = design.sizes
    means = np.empty((n_resamples, len(sizes), design.table.shape[1]))
    for g, size in enumerate(sizes):
        rows = design.table[design.stratum == g]
        step = max(CHUNK // size, 1)
        for start in range(0, n_resamples, step):
            many = min(step, n_resamples - start)
            drawn = rng.multinomial(size, np.full(size, 1 / size), size=many)
            means[start : start + many, g] = drawn @ rows / size
    shares = np.empty((n_resamples, len(terms)))
    step = max(CHUNK // (means[0].size * (len(terms) + 2)), 1)
    for start in range(0, n_resamples, step):
        part = means[start : start + step]
        total = ((part - part.mean(axis=(1, 2), keepdims=True)) ** 2).sum(axis=(1, 2)) - real[-1] - again[-1]
        left = np.maximum(balanced_squares(design.assembled(part), terms) - real[:-1] - again[:-1], 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            shares[start : start + step] = np.where(total[:, None] > 0, np.minimum(left / total[:, None], 1), np.nan)
    if np.isnan(shares[:, 0]).mean() > 1 - level:  # the conditions do not differ beyond noise: shares of nothing
        return np.full((2, len(terms)), math.nan)
    return np.asarray(np.nanquantile(shares, [(1 - level) / 2, (1 + level) / 2], axis=0))


def item_p_value(design: ItemDesign, term: tuple[int, ...], n_resamples: int, rng: np.random.Generator) -> float:
    """Return the permutation p-value of a term; NaN where two or more of its factors are nested in items."""
    inside = [design.crossed.index(i) for i in term if i in design.crossed]
    nested = [i for i in term if i in design.nested]
    if len(nested) > 1:
        return math.nan
    effect = design.table.reshape(len(design.table), *design.crossed_shape)
    others = tuple(1 + i for i in range(len(design.crossed)) if i not in inside)
    effect = effect.mean(axis=others) if others else effect
    for axis in range(1, effect.ndim):
        effect = effect - effect.mean(axis=axis, keepdims=True)
    return (
        _across_items(design, effect, nested[0], n_resamples, rng)
        if nested
        else _within_items(design, effect, n_resamples, rng)
    )


def _within_items(design: ItemDesign, effect: NDArray[np.float64], n_resamples: int, rng: np.random.Generator) -> float:
    """Shuffle the levels of each factor of the term within each item; lower effects are already out."""
    weight = (1 / design.sizes / len(design.sizes))[design.stratum]

    def statistic(values: NDArray[np.float64]) -> float:
        return float((np.tensordot(weight, values, 1) ** 2).sum())

    observed, above = statistic(effect), 0
    for _ in range(n_resamples):
        values = effect
        if effect.ndim == 2:
            values = rng.permuted(effect, axis=1)
        else:
            for axis in range(1, effect.ndim):
                order = np.argsort(rng.random((len(effect), effect.shape[axis])), axis=1)
                spread = order.reshape([len(effect), *(-1 if k == axis else 1 for k in range(1, effect.ndim))])
                values = np.take_along_axis(values, spread, axis=axis)
        above += statistic(values) >= observed * (1 - 1e-9)
    return (1 + above) / (n_resamples + 1)


def _across_items(
    design: ItemDesign, effect: NDArray[np.float64], factor: int, n_resamples: int, rng: np.random.Generator
) -> float:
    """Shuffle items, whole, between the levels of the nested factor, within the levels of the other nested factors."""
    levels = tuple(design.shape[i] for i in design.nested)
    where = design.nested.index(factor)
    place = np.stack(np.unravel_index(design.stratum, levels))
    others = np.delete(place, where, axis=0)
    block = (
        np.ravel_multi_index(tuple(others), tuple(np.delete(levels, where))) if len(others) else np.zeros_like(place[0])
    )
    rows = [np.flatnonzero(block == b) for b in range(int(block.max()) + 1)]

    def statistic(values: NDArray[np.float64]) -> float:
        means = design.by_stratum(values.reshape(len(values), -1)).reshape(*levels, -1)
        table = np.moveaxis(means, where, 0).reshape(levels[where], -1, means.shape[-1]).mean(axis=1)
        return float(((table - table.mean(axis=0)) ** 2).sum())

    observed, above = statistic(effect), 0
    for _ in range(n_resamples):
        values = np.empty_like(effect)
        for own in rows:
            values[own] = effect[rng.permutation(own)]
        above += statistic(values) >= observed * (1 - 1e-9)
    return (1 + above) / (n_resamples + 1)
