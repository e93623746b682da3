"""Marginal maximum likelihood of item parameters: the E step, one Newton step, and the acceleration of the two.

The ability is integrated out over a lattice with a standard normal weight, which fixes the scale. For a logistic model
without guessing the answers enter only through their column sums and their products with the posterior means, so that
complete data cost one pass over nodes x items per iteration, however many models there are.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from neff.benchmark.irt.logistic import Items, exp_1p, item_information

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["Answers", "Fit", "Posterior", "Prior", "blocks", "fit_items", "marginal_log_likelihood"]

N_NODES, WIDEST = 61, 6.0
MOST_NODES = 2001
CELLS = 200_000
"""Nodes x items of a block: what stays in cache."""
MEMORY = 8
"""Steps that the acceleration looks back on."""


class Prior(NamedTuple):
    """Normal priors of log a (mean, sd) and of b (sd); they keep items that all or no models solve finite."""

    log_a_mean: float = 0.0
    log_a_sd: float = 0.5
    b_sd: float = 2.0


WEAK = Prior()


class Answers(NamedTuple):
    """Answers as numbers: `right` (models x items, 0 where missing) and `seen`, None where every cell is known."""

    right: Floats
    seen: Floats | None

    @classmethod
    def of(cls, matrix: Floats) -> Answers:
        """Return the answers of a matrix with NaN for missing cells."""
        missing = np.isnan(matrix)
        if not missing.any():
            return cls(np.ascontiguousarray(matrix), None)
        return cls(np.where(missing, 0.0, matrix), (~missing).astype(np.float64))

    @property
    def known(self) -> Floats:
        """1 where a cell is known, models x items."""
        return np.ones_like(self.right) if self.seen is None else self.seen


class Posterior(NamedTuple):
    """Where each model is: lattice weights, shape (models, nodes), and the mean."""

    nodes: Floats
    weights: Floats
    mean: Floats
    log_likelihood: float


class Fit(NamedTuple):
    """Item parameters at the maximum of the penalised marginal likelihood."""

    items: Items
    posterior: Posterior
    log_likelihood: float
    n_iterations: int
    converged: bool


def fit_items(
    matrix: Floats,
    guess: Floats,
    *,
    shared_slope: bool = False,
    prior: Prior = WEAK,
    tolerance: float = 1e-5,
    max_iterations: int = 500,
) -> Fit:
    """Fit log a and b of every item, shape (models, items) of 0, 1 and NaN.

    Iterates posterior weights and one damped Newton step of all items at once, extrapolated from the last steps
    (Anderson); an extrapolation that lowers the penalised likelihood is taken back. Stops where no step is longer than
    `tolerance`. The lattice has 61 nodes; where posteriors are narrower than its spacing it is refined, since a coarse
    one would put each model on one node and stop there.
    """
    answers = Answers.of(matrix)
    known = answers.right.shape[0] if answers.seen is None else answers.seen.sum(axis=0)
    right = answers.right.sum(axis=0)
    share = (right + 0.5) / (known + 1.0)
    share = np.clip((share - guess) / (1 - guess), 0.02, 0.98)
    j = len(share)
    start = np.zeros(1 if shared_slope else j)
    p = np.concatenate([start, -np.log(share / (1 - share))])
    nodes = np.linspace(-WIDEST, WIDEST, N_NODES)
    n_iterations, converged = 0, False
    while True:
        finer = lattice(answers, _items(p, guess, shared_slope=shared_slope), nodes)
        coarse = len(finer) != len(nodes) or not np.allclose(finer, nodes)
        if (converged and not coarse) or n_iterations >= max_iterations:
            break
        nodes = finer
        problem = _Problem(answers, guess, shared_slope, prior, nodes)
        # The first lattices only need to be near: the scale of the abilities, and with it the lattice, still moves.
        limit = 10 if coarse and not converged and n_iterations < 30 else max_iterations
        p, used, converged = _accelerate(problem, p, tolerance, min(limit, max_iterations - n_iterations))
        n_iterations += used
    items = _items(p, guess, shared_slope=shared_slope)
    posterior = posterior_of(answers, items, nodes)
    return Fit(items, posterior, posterior.log_likelihood, n_iterations, converged and not coarse)


def _items(p: Floats, guess: Floats, *, shared_slope: bool) -> Items:
    j = len(guess)
    slope = np.exp(p[: 1 if shared_slope else j])
    return Items(np.broadcast_to(slope, (j,)), p[-j:], guess)


def lattice(answers: Answers, items: Items, nodes: Floats) -> Floats:
    """Return equally spaced abilities, as fine as the sharpest posterior, over the range where there are any."""
    posterior = posterior_of(answers, items, nodes)
    spread = np.empty(len(posterior.mean))
    for rows in blocks(len(spread), len(items.a)):
        information = item_information(posterior.mean[rows], items)
        known = information if answers.seen is None else information * answers.seen[rows]
        spread[rows] = 1 / np.sqrt(1.0 + known.sum(axis=1))
    spacing = 2 * WIDEST / (N_NODES - 1)
    need = float(spread.min())
    if need >= spacing:
        return np.linspace(-WIDEST, WIDEST, N_NODES)
    now = float(nodes[1] - nodes[0])
    margin = 8 * spread + 0.1
    low, high = float((posterior.mean - margin).min()), float((posterior.mean + margin).max())
    inside = nodes[0] <= low + margin.min() / 2 and high - margin.min() / 2 <= nodes[-1]
    if need * 0.5 <= now <= need and inside:
        return nodes
    size = min(math.ceil((high - low) / (0.8 * need)) + 1, MOST_NODES)
    return np.linspace(low, high, size)


def blocks(n: int, width: int) -> Iterator[slice]:
    """Yield parts of n columns whose product with `width` rows stays in cache."""
    step = max(CELLS // max(width, 1), 1)
    return (slice(k, min(k + step, n)) for k in range(0, n, step))


def _log_weights(nodes: Floats) -> Floats:
    """Return the log of spacing x standard normal density: a part of the lattice is not made to sum to one."""
    return np.asarray(-0.5 * nodes**2 - 0.5 * math.log(2 * math.pi) + math.log(float(nodes[1] - nodes[0])))


def posterior_of(answers: Answers, items: Items, nodes: Floats) -> Posterior:
    """Return where each model is on the lattice, and the marginal log-likelihood."""
    log = np.tile(_log_weights(nodes), (answers.right.shape[0], 1))
    shared = np.zeros(len(nodes))
    plain = not items.c.any()
    for block in blocks(len(items.a), len(nodes)):
        part = items.take(block)
        one = exp_1p(part.a * (nodes[:, None] - part.b))
        if plain:
            soft = np.log(one)
            if answers.seen is None:
                shared -= soft.sum(axis=1)
            else:
                log -= answers.seen[:, block] @ soft.T
            continue
        p = part.c + (1 - part.c) * (1 - 1 / one)
        wrong = np.log1p(-part.c) - np.log(one)
        log += answers.right[:, block] @ (np.log(p) - wrong).T
        if answers.seen is None:
            shared += wrong.sum(axis=1)
        else:
            log += answers.seen[:, block] @ wrong.T
    if plain:  # sum_j u_j a_j (x - b_j)
        log += np.outer(answers.right @ items.a, nodes) - (answers.right @ (items.a * items.b))[:, None]
    log += shared
    top = log.max(axis=1, keepdims=True)
    weights = np.exp(log - top)
    total = weights.sum(axis=1, keepdims=True)
    weights /= total
    return Posterior(nodes, weights, weights @ nodes, float((top + np.log(total)).sum()))


def marginal_log_likelihood(matrix: Floats, items: Items, nodes: Floats | None = None) -> float:
    """Return the log-likelihood of all answers with abilities from N(0, 1) integrated out."""
    grid = np.linspace(-WIDEST, WIDEST, N_NODES) if nodes is None else nodes
    return posterior_of(Answers.of(matrix), items, grid).log_likelihood


class _Problem(NamedTuple):
    answers: Answers
    guess: Floats
    shared_slope: bool
    prior: Prior
    nodes: Floats

    def step(self, p: Floats) -> tuple[float, Floats]:
        """Return the penalised log-likelihood at p, and the Newton step of the M step from there."""
        j, prior = len(self.guess), self.prior
        items = _items(p, self.guess, shared_slope=self.shared_slope)
        found = posterior_of(self.answers, items, self.nodes)
        a, b = items.a, items.b
        e0, e1, v0, v1, v2 = _moments(self.answers, items, found)
        log_a = p[: 1 if self.shared_slope else j]
        pull = (log_a - prior.log_a_mean) / prior.log_a_sd**2
        g_a, g_b = a * (e1 - b * e0), -a * e0 - b / prior.b_sd**2
        h_aa = a**2 * (v2 - 2 * b * v1 + b**2 * v0)
        h_bb = a**2 * v0 + 1 / prior.b_sd**2
        h_ab = -(a**2) * (v1 - b * v0)
        if self.shared_slope:  # one slope, many b: eliminate the b
            top = g_a.sum() - pull[0] - (h_ab * g_b / h_bb).sum()
            below = h_aa.sum() + 1 / prior.log_a_sd**2 - (h_ab**2 / h_bb).sum()
            d_a = np.array([top / below])
            d_b = (g_b - h_ab * d_a[0]) / h_bb
        else:
            g_a = g_a - pull
            h_aa = h_aa + 1 / prior.log_a_sd**2
            det = h_aa * h_bb - h_ab**2
            d_a = (h_bb * g_a - h_ab * g_b) / det
            d_b = (h_aa * g_b - h_ab * g_a) / det
        step = np.concatenate([np.clip(d_a, -0.5, 0.5), np.clip(d_b, -1.0, 1.0)])
        penalty = 0.5 * (pull * (log_a - prior.log_a_mean)).sum() + 0.5 * (b**2).sum() / prior.b_sd**2
        return found.log_likelihood - float(penalty), step


def _moments(answers: Answers, items: Items, found: Posterior) -> tuple[Floats, ...]:
    """Return sums over models and nodes of residual x (1, x) and of information x (1, x, x^2), one per item."""
    x, w = found.nodes, found.weights
    powers = np.stack([np.ones_like(x), x, x**2])
    j = len(items.a)
    e, v = np.empty((2, j)), np.empty((3, j))
    plain = not items.c.any()
    mass = w.sum(axis=0)
    if plain:
        right = np.stack([answers.right.sum(axis=0), found.mean @ answers.right])
    for block in blocks(j, len(x)):
        part = items.take(block)
        p = 1 - 1 / exp_1p(part.a * (x[:, None] - part.b))
        count = mass[:, None] if answers.seen is None else w.T @ answers.seen[:, block]
        if plain:
            if answers.seen is None:
                e[:, block] = right[:, block] - (powers[:2] * mass) @ p
                p *= 1 - p
                v[:, block] = (powers * mass) @ p
            else:
                count *= p
                e[:, block] = right[:, block] - powers[:2] @ count
                count *= 1 - p
                v[:, block] = powers @ count
            continue
        c = part.c
        p = c + (1 - c) * p
        k = (p - c) / ((1 - c) * p)
        e[:, block] = powers[:2] @ ((w.T @ answers.right[:, block] - count * p) * k)
        v[:, block] = powers @ (count * p * (1 - p) * k**2)
    return e[0], e[1], v[0], v[1], v[2]


def _accelerate(problem: _Problem, p: Floats, tolerance: float, most: int) -> tuple[Floats, int, bool]:
    """Return the fixed point of p -> p + step(p), by Anderson's extrapolation; and the number of steps it took."""
    best = -math.inf
    steps: list[Floats] = []
    places: list[Floats] = []
    plain = True
    fallback = p
    for n in range(1, most + 1):
        value, step = problem.step(p)
        if not value >= best - 1e-9 * abs(best) and not plain:  # the extrapolation went too far
            p, plain = fallback, True
            steps, places = steps[-1:], places[-1:]
            continue
        best = value
        if float(np.abs(step).max()) < tolerance:
            return p + step, n, True
        steps, places = [*steps, step][-MEMORY:], [*places, p][-MEMORY:]
        fallback = p + step
        if len(steps) == 1:
            p, plain = fallback, True
            continue
        d_step = np.stack([steps[k + 1] - steps[k] for k in range(len(steps) - 1)])
        d_place = np.stack([places[k + 1] - places[k] for k in range(len(places) - 1)])
        gram = d_step @ d_step.T
        gram[np.diag_indices_from(gram)] *= 1 + 1e-10
        gamma = np.linalg.lstsq(gram, d_step @ step, rcond=1e-12)[0]
        move = step - gamma @ (d_place + d_step)
        size = float(np.abs(move).max())
        p, plain = p + move * min(1.0, 1.0 / size), False
    return p, most, False
