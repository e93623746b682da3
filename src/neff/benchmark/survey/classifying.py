"""Two classifiers that tell made rows from real ones, and their accuracy on held-out pairs when labels are swapped.

Rows stand in pairs, a real one and a made one. A swap is +1 (as it is) or -1 (the two change their labels): training
and held-out rows then hold as many of each under any swaps, and if real and made rows come from one distribution all
swaps are equally likely.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import MissingExtraError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from neff.benchmark.survey.rows import PooledColumn

__all__ = ["kernel_accuracies", "kernel_of", "tree_accuracies"]

RIDGE = 0.3
"""Penalty of the kernel classifier, where a row's kernel with itself is 1."""
MOST_LEVELS = 255
"""Levels that scikit-learn's boosted trees take for a category; beyond, a column is taken as ordered."""


def kernel_of(columns: tuple[PooledColumn, ...], n: int) -> NDArray[np.float64]:
    """Return exp(-distance / median distance) between n rows: how many answers differ, and by how many ranks."""
    distance = np.zeros((n, n))
    for column in columns:
        if column.numeric:
            ranks, missing = column.ranks(), column.codes < 0
            distance += np.abs(ranks[:, None] - ranks) + (missing[:, None] != missing)
        else:
            distance += column.codes[:, None] != column.codes
    # The median ties the reach of the kernel to the data; where most rows are the same it is 0, and the mean is not.
    scale = float(np.median(distance)) or float(distance.mean())
    return np.asarray(np.exp(-distance / scale))


def kernel_accuracies(
    columns: tuple[PooledColumn, ...], tests: NDArray[np.intp], swaps: NDArray[np.int8]
) -> NDArray[np.float64]:
    """Return the held-out accuracy of kernel ridge classification, shape (n_splits, n_swaps).

    Labels enter a ridge regression linearly: one factorization per split serves every swap.

    Parameters
    ----------
    columns
        Of n real rows, then their n partners.
    tests
        Pairs that are held out, shape (n_splits, n_test).
    swaps
        +1 or -1 per pair, shape (n, n_swaps).
    """
    from scipy.linalg import cho_factor, cho_solve

    n = len(swaps)
    kernel = kernel_of(columns, 2 * n)
    signs = swaps.astype(np.float64)
    found = np.empty((len(tests), signs.shape[1]))
    for k, test in enumerate(tests):
        train = np.setdiff1d(np.arange(n), test)
        rows, held = np.concatenate([train, n + train]), np.concatenate([test, n + test])
        inner = kernel[np.ix_(rows, rows)]
        inner[np.diag_indices_from(inner)] += RIDGE
        factor = cho_factor(inner, lower=True, overwrite_a=True, check_finite=False)
        weight = cho_solve(factor, kernel[np.ix_(rows, held)], check_finite=False).T
        score = (weight[:, : len(train)] - weight[:, len(train) :]) @ signs[train]
        found[k] = _share_right(score, signs[test])
    return found


def tree_accuracies(
    columns: tuple[PooledColumn, ...], tests: NDArray[np.intp], swaps: NDArray[np.int8]
) -> NDArray[np.float64]:
    """Return the same of gradient-boosted trees, fitted anew for each split and each swap.

    Raises
    ------
    MissingExtraError
        If scikit-learn is not installed.
    """
    try:
        from sklearn.ensemble import HistGradientBoostingClassifier
    except ImportError as error:
        raise MissingExtraError("classifier='trees'", "trees") from error
    n = len(swaps)
    known = [np.where(c.codes >= 0, c.codes, np.nan) for c in columns]
    table = np.column_stack(known)
    kinds = [not c.numeric and c.n_levels <= MOST_LEVELS for c in columns]
    found = np.empty((len(tests), swaps.shape[1]))
    for k, test in enumerate(tests):
        train = np.setdiff1d(np.arange(n), test)
        rows, held = np.concatenate([train, n + train]), np.concatenate([test, n + test])
        for b, signs in enumerate(swaps.T):
            trees: Any = HistGradientBoostingClassifier(categorical_features=kinds, early_stopping=False)
            trees.fit(table[rows], np.concatenate([signs[train], -signs[train]]))
            score = trees.decision_function(table[held])
            found[k, b] = _share_right(score[:, None], signs[test].astype(float)[:, None])[0]
    return found


def _share_right(score: NDArray[np.float64], signs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of held-out rows on the right side; a score of exactly 0 is half right."""
    m = len(signs)
    agree = np.sign(np.round(score[:m], 12)) * signs - np.sign(np.round(score[m:], 12)) * signs
    return np.asarray(0.5 + agree.sum(axis=0) / (4 * m))
