"""Covariance of the strengths: from the likelihood, robust by cluster, or over resamples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from neff.benchmark.pairwise.battles import PairCounts
from neff.benchmark.pairwise.links import pieces
from neff.benchmark.pairwise.newton import Fit, Layout, difference, fit_counts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from neff.benchmark.pairwise.battles import Battles

__all__ = ["battle_rows", "bootstrap", "centering", "model_covariance", "sandwich"]


def battle_rows(battles: Battles) -> PairCounts:
    """Return one row per battle."""
    w = np.ones(len(battles)) if battles.weight is None else battles.weight
    tie = np.zeros(len(battles), bool) if battles.soft else battles.outcome == 0.5
    return PairCounts(
        battles.left,
        battles.right,
        np.where(tie, 0.0, battles.outcome) * w,
        tie * w,
        np.where(tie, 0.0, 1 - battles.outcome) * w,
    )


def model_covariance(fit: Fit, layout: Layout, parts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the inverse of the information, strengths relative to the mean of their component."""
    pinned = fit.information.copy()
    for part in np.unique(parts):
        rows = np.flatnonzero(parts == part)
        pinned[np.ix_(rows, rows)] += 1.0
    if layout.free.size:
        pinned += layout.free @ layout.free.T
    inverse = np.linalg.pinv(pinned, hermitian=True)
    center = centering(layout, parts)
    return np.asarray(center @ inverse @ center.T)


def centering(layout: Layout, parts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the matrix that takes from each strength the mean of its component."""
    center = np.eye(layout.size)
    same = parts[:, None] == parts[None, :]
    center[: layout.n, : layout.n] -= same / same.sum(axis=1, keepdims=True)
    return center


def sandwich(
    bread: NDArray[np.float64],
    battles: Battles,
    layout: Layout,
    model: str,
    fit: Fit,
    parts: NDArray[np.int64],
    columns: NDArray[np.float64] | None,
) -> NDArray[np.float64]:
    """Return bread x meat x bread, the meat from the scores of battles summed within clusters."""
    rows = battle_rows(battles)
    d = difference(fit.parameters, rows, layout, columns)
    tau = float(fit.parameters[layout.at_tie]) if layout.ties else 0.0
    p = pieces(model, d, tau, rows.left_wins, rows.ties, rows.right_wins)
    used = parts[rows.left] == parts[rows.right]
    g_d, g_t = np.where(used, p.g_d, 0.0), np.where(used, p.g_t, 0.0)
    if battles.cluster is None:
        meat, n_clusters = _meat(rows, g_d, g_t, layout, columns), int(used.sum())
    else:
        n_clusters = battles.n_clusters
        scores = np.zeros((n_clusters, layout.size))
        for side, sign in ((rows.left, 1.0), (rows.right, -1.0)):
            place = battles.cluster * layout.n + side
            scores[:, : layout.n] += sign * np.bincount(place, g_d, n_clusters * layout.n).reshape(n_clusters, layout.n)
        for j, column in _extra_columns(layout, columns, g_d, g_t):
            scores[:, j] = np.bincount(battles.cluster, column, n_clusters)
        meat = scores.T @ scores
    if n_clusters < 2:  # the scores add up to 0 over all battles: of one cluster that is no error of 0
        return np.full_like(bread, np.nan)
    return np.asarray(n_clusters / (n_clusters - 1) * bread @ meat @ bread)


def _extra_columns(
    layout: Layout, columns: NDArray[np.float64] | None, g_d: NDArray[np.float64], g_t: NDArray[np.float64]
) -> list[tuple[int, NDArray[np.float64]]]:
    found = [(layout.at_place, g_d)] if layout.place else []
    if columns is not None:
        first = layout.n + layout.place
        found += [(first + j, g_d * columns[:, j]) for j in range(columns.shape[1])]
    return [*found, (layout.at_tie, g_t)] if layout.ties else found


def _meat(
    rows: PairCounts,
    g_d: NDArray[np.float64],
    g_t: NDArray[np.float64],
    layout: Layout,
    columns: NDArray[np.float64] | None,
) -> NDArray[np.float64]:
    """Return the sum of squared scores of single battles: two entries each, so that no battle is a row of its own."""
    n, square = layout.n, g_d**2
    meat = np.zeros((layout.size, layout.size))
    cross = np.bincount(rows.left * n + rows.right, square, n * n).reshape(n, n)
    meat[:n, :n] = -(cross + cross.T)
    meat[np.arange(n), np.arange(n)] += np.bincount(rows.left, square, n) + np.bincount(rows.right, square, n)
    extra = _extra_columns(layout, columns, g_d, g_t)
    for j, column in extra:
        own = g_d * column
        meat[j, :n] = meat[:n, j] = np.bincount(rows.left, own, n) - np.bincount(rows.right, own, n)
        for k, other in extra:
            meat[j, k] = float(column @ other)
    return meat


def bootstrap(
    battles: Battles,
    layout: Layout,
    model: str,
    fit: Fit,
    parts: NDArray[np.int64],
    columns: NDArray[np.float64] | None,
    prior: float,
    n_resamples: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Return the covariance over resamples with Exp(1) weights of clusters: no resample loses a player."""
    cluster = np.arange(len(battles)) if battles.cluster is None else battles.cluster
    n_clusters = int(cluster.max()) + 1
    if n_clusters < 2:
        return np.full((layout.size, layout.size), np.nan)
    center = centering(layout, parts)
    own = np.ones(len(battles)) if battles.weight is None else battles.weight
    rows = None if columns is None else battle_rows(battles)
    drawn = np.empty((n_resamples, layout.size))
    for b in range(n_resamples):
        weight = rng.exponential(size=n_clusters)
        weight = (weight * (n_clusters / weight.sum()))[cluster] * own
        if rows is None:
            counts = battles.counts(weight)
        else:
            counts = rows._replace(
                left_wins=rows.left_wins * weight, ties=rows.ties * weight, right_wins=rows.right_wins * weight
            )
        inside = parts[counts.left] == parts[counts.right]
        kept = None if columns is None else columns[inside]
        again = fit_counts(
            type(counts)(*(x[inside] for x in counts)),
            layout,
            model,
            covariates=kept,
            ridge=prior,
            start=fit.parameters,
        )
        drawn[b] = center @ again.parameters
    return np.atleast_2d(np.cov(drawn.T))
