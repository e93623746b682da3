"""Sums of squares of main effects and interactions: by inclusion and exclusion on cell means, or by least squares.

On cell means with equal weights the effect of a set S of factors is the mean over the others, less the effects of all
subsets of S; the sums of squares then add up. Unequal cells take the type II sums: what a term adds to all terms that
do not contain it.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Terms", "balanced_squares", "cell_means", "contrasts", "terms_of", "type_two_squares"]

Terms = tuple[tuple[int, ...], ...]


def terms_of(n_factors: int, order: int | None = None) -> Terms:
    """Return all sets of factors up to an order, main effects first.

    Examples
    --------
    >>> terms_of(3, 2)
    ((0,), (1,), (2,), (0, 1), (0, 2), (1, 2))
    """
    most = n_factors if order is None else min(order, n_factors)
    return tuple(term for size in range(1, most + 1) for term in combinations(range(n_factors), size))


def cell_means(
    score: NDArray[np.float64], codes: NDArray[np.int64], shape: tuple[int, ...]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the mean score and the number of scores of each cell, in the given shape; NaN where it is empty."""
    place = np.ravel_multi_index(tuple(codes), shape)
    size = int(np.prod(shape))
    count = np.bincount(place, minlength=size)
    total = np.bincount(place, weights=score, minlength=size)
    mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return mean.reshape(shape), count.reshape(shape)


def balanced_squares(mean: NDArray[np.float64], terms: Terms) -> NDArray[np.float64]:
    """Return the sum of squares of each term over the cells, each cell counting once.

    Works on a stack too: `mean` of shape (..., *shape) gives (..., n_terms).
    """
    n_factors = max(max(term) for term in terms) + 1
    lead = mean.ndim - n_factors
    axes = tuple(range(lead, mean.ndim))
    effects: dict[tuple[int, ...], NDArray[np.float64]] = {(): mean.mean(axis=axes, keepdims=True)}
    squares = []
    every = terms_of(n_factors, max(map(len, terms)))
    for term in every:
        others = tuple(axis for i, axis in enumerate(axes) if i not in term)
        effect = mean.mean(axis=others, keepdims=True) if others else mean
        for size in range(len(term)):
            for subset in combinations(term, size):
                effect = effect - effects[subset]
        effects[term] = effect
    cells = float(np.prod([mean.shape[axis] for axis in axes]))
    for term in terms:
        own = float(np.prod([mean.shape[axes[i]] for i in term]))
        squares.append((effects[term] ** 2).sum(axis=axes) * cells / own)
    return np.stack(squares, axis=-1)


def contrasts(codes: NDArray[np.int64], levels: tuple[int, ...], terms: Terms) -> list[NDArray[np.float64]]:
    """Return the columns of each term with contrasts that sum to zero, shape (n_rows, df of the term)."""
    mains = []
    for code, n in zip(codes, levels, strict=True):
        basis = np.vstack([np.eye(n - 1), -np.ones(n - 1)])
        mains.append(basis[code])
    found = []
    for term in terms:
        columns = np.ones((codes.shape[1], 1))
        for i in term:
            columns = (columns[:, :, None] * mains[i][:, None, :]).reshape(codes.shape[1], -1)
        found.append(columns)
    return found


def type_two_squares(
    mean: NDArray[np.float64], count: NDArray[np.int64], terms: Terms
) -> tuple[NDArray[np.float64], NDArray[np.int64], float, int]:
    """Return type II sums of squares and degrees of freedom of the terms, and those left over between the cells.

    Least squares on cell means, weighted by their counts, is least squares on the rows, without the variation within
    cells.
    """
    filled = count.ravel() > 0
    codes = np.stack([axis.ravel()[filled] for axis in np.indices(mean.shape)])
    root = np.sqrt(count.ravel()[filled])
    columns = [root[:, None] * block for block in contrasts(codes, mean.shape, terms)]
    score = root * mean.ravel()[filled]

    def residual(kept: list[int]) -> tuple[float, int]:
        design = np.hstack([root[:, None], *(columns[i] for i in kept)])
        best, _, rank, _ = np.linalg.lstsq(design, score, rcond=None)
        return float(((score - design @ best) ** 2).sum()), int(rank)

    squares, dfs = np.zeros(len(terms)), np.zeros(len(terms), np.int64)
    for i, term in enumerate(terms):
        others = [j for j, other in enumerate(terms) if j != i and not set(term) < set(other)]
        without, rank = residual(others)
        with_it, more = residual([*others, i])
        squares[i], dfs[i] = max(without - with_it, 0.0), more - rank
    rest, rank = residual(list(range(len(terms))))
    return squares, dfs, rest, len(score) - rank
