"""Newton's method for pairwise models on counts: strengths, a preference for the left place, covariates, ties.

The Hessian of the strengths is a graph Laplacian: battles are added into it, never looped over. Strengths sum to zero.
Directions that the battles leave free are pinned, and known to be free.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from neff.benchmark.pairwise.links import pieces

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from neff.benchmark.pairwise.battles import PairCounts

__all__ = ["Fit", "Layout", "components", "fit_counts", "free_directions"]

STEPS, HALVINGS = 100, 40
FURTHEST = 25.0
"""A parameter beyond this is on its way to infinity: odds of e^25 are seen in no data."""


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Where the parameters are: n strengths, then the place, covariates, and the tie parameter.

    `free` has in its columns the directions along which the likelihood is flat, beside the sums of strengths.
    """

    n: int
    place: bool
    n_covariates: int
    ties: bool
    free: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))

    @property
    def size(self) -> int:
        """Number of parameters."""
        return self.n + self.place + self.n_covariates + self.ties

    @property
    def at_place(self) -> int:
        """Index of the preference for the left place."""
        return self.n

    @property
    def at_tie(self) -> int:
        """Index of the tie parameter."""
        return self.size - 1

    @property
    def is_free(self) -> NDArray[np.bool_]:
        """Which parameters the battles leave free."""
        return np.asarray(np.abs(self.free).max(axis=1) > 1e-6) if self.free.size else np.zeros(self.size, bool)


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """Parameters at the maximum, the information there (negative Hessian), and whether it was reached."""

    parameters: NDArray[np.float64]
    information: NDArray[np.float64]
    value: float
    converged: bool
    n_steps: int


def fit_counts(
    counts: PairCounts,
    layout: Layout,
    link: str,
    *,
    covariates: NDArray[np.float64] | None = None,
    ridge: float = 0.0,
    start: NDArray[np.float64] | None = None,
) -> Fit:
    """Maximise the log-likelihood of the counts, less ridge / 2 times the squared strengths.

    Parameters
    ----------
    counts
        Rows of wins, ties and losses; with covariates one row may be one battle.
    layout, link
        Parameters and model.
    covariates
        Left minus right, shape (n_rows, layout.n_covariates).
    ridge
        Weight of a normal prior on the strengths.
    start
        Where to begin.
    """
    theta = np.zeros(layout.size) if start is None else start.copy()
    if start is None and layout.ties:
        tied = float(counts.ties.sum()) / max(float((counts.left_wins + counts.ties + counts.right_wins).sum()), 1.0)
        theta[layout.at_tie] = 0.5 if link == "rao-kupper" else np.log(max(tied, 1e-3) / max((1 - tied) / 2, 1e-3))
    value, gradient, information = _derivatives(theta, counts, layout, link, covariates, ridge)
    for step in range(STEPS):
        move = _solve(information, gradient, layout)
        scale = min(1.0, 5.0 / max(float(np.abs(move).max(initial=0.0)), 1e-300))
        for _ in range(HALVINGS):
            new = theta + scale * move
            if link == "rao-kupper" and layout.ties and new[layout.at_tie] <= 0:
                scale /= 2  # thresholds must not cross
                continue
            reached, next_gradient, next_information = _derivatives(new, counts, layout, link, covariates, ridge)
            if reached >= value - 1e-10 * abs(value):
                break
            scale /= 2
        else:
            return Fit(theta, information, value, converged=False, n_steps=step)
        moved = float(np.abs(scale * move).max(initial=0.0))
        theta, value, gradient, information = new, reached, next_gradient, next_information
        if moved < 1e-10:
            return Fit(theta, information, value, converged=True, n_steps=step + 1)
        if np.abs(theta).max(initial=0.0) > FURTHEST:
            break
    return Fit(theta, information, value, converged=False, n_steps=STEPS)


def _solve(information: NDArray[np.float64], gradient: NDArray[np.float64], layout: Layout) -> NDArray[np.float64]:
    """Return the Newton step; adding ones to the block of strengths fixes their sum without moving anything else."""
    pinned = information.copy()
    size = max(float(np.trace(information)) / max(layout.n, 1), 1e-12)
    pinned[: layout.n, : layout.n] += size / max(layout.n, 1)
    if layout.free.size:
        pinned += size * (layout.free @ layout.free.T)
    try:
        step = np.linalg.solve(pinned, gradient)
    except np.linalg.LinAlgError:
        step = np.linalg.lstsq(pinned, gradient, rcond=None)[0]
    step[: layout.n] -= step[: layout.n].mean() if layout.n else 0.0
    return np.asarray(step)


def difference(
    theta: NDArray[np.float64], counts: PairCounts, layout: Layout, covariates: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    """Return d of each row."""
    d = theta[counts.left] - theta[counts.right]
    if layout.place:
        d = d + theta[layout.at_place]
    if covariates is not None:
        first = layout.n + layout.place
        d = d + covariates @ theta[first : first + layout.n_covariates]
    return np.asarray(d)


def _derivatives(
    theta: NDArray[np.float64],
    counts: PairCounts,
    layout: Layout,
    link: str,
    covariates: NDArray[np.float64] | None,
    ridge: float,
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    d = difference(theta, counts, layout, covariates)
    tau = float(theta[layout.at_tie]) if layout.ties else 0.0
    p = pieces(link, d, tau, counts.left_wins, counts.ties, counts.right_wins)
    n, size = layout.n, layout.size
    gradient, information = np.zeros(size), np.zeros((size, size))
    gradient[:n] = np.bincount(counts.left, p.g_d, n) - np.bincount(counts.right, p.g_d, n)
    weight = -p.h_dd
    cross = np.bincount(counts.left * n + counts.right, weight, n * n).reshape(n, n) if n else np.zeros((0, 0))
    information[:n, :n] = -(cross + cross.T)
    information[np.arange(n), np.arange(n)] += np.bincount(counts.left, weight, n) + np.bincount(
        counts.right, weight, n
    )
    others = _others(counts, layout, covariates)
    for j, column in others:
        gradient[j] = column @ p.g_d
        row = np.bincount(counts.left, weight * column, n) - np.bincount(counts.right, weight * column, n)
        information[j, :n] = information[:n, j] = row
        for k, other in others:
            information[j, k] = float((weight * column) @ other)
    if layout.ties:
        t = layout.at_tie
        gradient[t] = p.g_t.sum()
        information[t, t] = -p.h_tt.sum()
        row = -(np.bincount(counts.left, p.h_dt, n) - np.bincount(counts.right, p.h_dt, n))
        information[t, :n] = information[:n, t] = row
        for j, column in others:
            information[t, j] = information[j, t] = -float(column @ p.h_dt)
    gradient[:n] -= ridge * theta[:n]
    information[np.arange(n), np.arange(n)] += ridge
    return float(p.value.sum()) - ridge / 2 * float(theta[:n] @ theta[:n]), gradient, information


def _others(
    counts: PairCounts, layout: Layout, covariates: NDArray[np.float64] | None
) -> list[tuple[int, NDArray[np.float64]]]:
    """Return the index and the column of the parameters that are no strengths."""
    found = [(layout.at_place, np.ones(len(counts.left)))] if layout.place else []
    if covariates is not None:
        first = layout.n + layout.place
        found += [(first + j, covariates[:, j]) for j in range(layout.n_covariates)]
    return found


def free_directions(
    counts: PairCounts,
    layout: Layout,
    parts: NDArray[np.int64],
    covariates: NDArray[np.float64] | None,
    *,
    ridge: float,
) -> NDArray[np.float64]:
    """Return the directions in which these battles do not bound the parameters, shape (layout.size, n_free).

    Where each player is always on the same side, its strength cannot be told from the preference for a place. It is a
    property of who met whom, not of what came out.
    """
    others = _others(counts, layout, covariates)
    if not others:
        return np.zeros((layout.size, 0))
    n, size = layout.n, layout.size
    used = (counts.left_wins + counts.ties + counts.right_wins > 0).astype(np.float64)
    gram = np.zeros((size, size))
    cross = np.bincount(counts.left * n + counts.right, used, n * n).reshape(n, n)
    gram[:n, :n] = np.diag((cross + cross.T).sum(axis=1)) - cross - cross.T
    for j, column in others:
        row = used * column
        gram[j, :n] = gram[:n, j] = np.bincount(counts.left, row, n) - np.bincount(counts.right, row, n)
        for k, other in others:
            gram[j, k] = float(row @ other)
    if ridge:
        gram[np.arange(n), np.arange(n)] += 1.0
    if layout.ties:
        gram[layout.at_tie, layout.at_tie] = 1.0
    for part in np.unique(parts):
        rows = np.flatnonzero(parts == part)
        gram[np.ix_(rows, rows)] += max(float(np.diag(gram)[rows].mean()), 1.0) / len(rows)
    scale = np.sqrt(np.where(np.diag(gram) > 0, np.diag(gram), 1.0))
    values, vectors = np.linalg.eigh(gram / np.outer(scale, scale))
    free = vectors[:, values < 1e-9] / scale[:, None]
    return np.asarray(np.linalg.qr(free)[0])


def components(counts: PairCounts, n: int) -> NDArray[np.int64]:
    """Return the component of each player in the graph of who took something from whom, both ways.

    Strengths have a maximum of the likelihood only within a component: of a player that never lost, or of two groups
    that never met, the data do not bound the difference. A tie takes from both.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    won = counts.left_wins + counts.ties > 0
    lost = counts.right_wins + counts.ties > 0
    start = np.r_[counts.left[won], counts.right[lost]]
    end = np.r_[counts.right[won], counts.left[lost]]
    graph = coo_matrix((np.ones(len(start)), (start, end)), shape=(n, n))
    return np.asarray(connected_components(graph, directed=True, connection="strong")[1], np.int64)
