"""Kernel of the beta-binomial model: maximum likelihood from tables of counts, and every cell left out once.

With mean mu and overdispersion theta = 1 / (pseudo-count) the log-likelihood of all cells is

    sum_k s_k log(mu + k theta) + sum_k f_k log(1 - mu + k theta) - sum_k t_k log(1 + k theta),

s_k, f_k and t_k the number of cells with more than k successes, failures and trials. No gamma function, no
cancellation: theta = 0 is the binomial, exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from neff.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from neff.stats._validate import FloatArray, IntArray

__all__ = ["BetaBinomial", "fit_counts"]

LOWEST, HIGHEST = math.log(1e-8), math.log(1e6)
"""Range of log theta that is searched; the ends stand for the binomial and for cells that are all or nothing."""

FURTHEST = 30.0
"""Largest |logit mu|."""

STEP = 1.0
"""Largest step of the logit and the log when one cell is left out."""


@dataclass(frozen=True, slots=True, eq=False)
class BetaBinomial:
    """A fitted prior; `mean_left_out` and `theta_left_out` are those of the other cells, shape (n_cells,)."""

    mean: float
    theta: float
    log_likelihood: float
    mean_left_out: FloatArray
    theta_left_out: FloatArray
    reason: Reason | None = None

    @property
    def defined(self) -> bool:
        """Whether the overdispersion could be estimated."""
        return not math.isnan(self.theta)


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """Number of cells with more than k successes, failures and trials, for k = 0, 1, 2, ..."""

    all: tuple[FloatArray, FloatArray, FloatArray]

    @classmethod
    def of(cls, counts: tuple[IntArray, IntArray, IntArray]) -> Tables:
        """Count the cells, given the successes, failures and trials of each."""
        successes, failures, trials = (_more_than(count) for count in counts)
        return cls((successes, failures, trials))

    def parts(self, mu: float, theta: float) -> list[tuple[FloatArray, FloatArray, float]]:
        """Return for each table: k, the linear term at k, and the sign of the mean in it."""
        return [
            (k := np.arange(table.size, dtype=np.float64), start + k * theta, sign)
            for table, start, sign in zip(self.all, (mu, 1 - mu, 1.0), (1.0, -1.0, 0.0), strict=True)
        ]

    def log_likelihood(self, mu: float, theta: float) -> float:
        """Return the log-likelihood."""
        parts = zip(self.all, self.parts(mu, theta), strict=True)
        a, b, c = (float(table @ np.log(term)) for table, (_, term, _) in parts)
        return a + b - c


def _more_than(counts: IntArray) -> FloatArray:
    table = np.bincount(counts)
    return (counts.size - np.cumsum(table))[:-1].astype(np.float64)


def _point(eta: float, tau: float) -> tuple[float, float]:
    return 1 / (1 + math.exp(-eta)), math.exp(tau)


Reduce: TypeAlias = "Callable[[int, FloatArray], Any]"
"""Turns a number per k of table j into what is wanted: its sum over all cells, or one sum per cell."""


def _derivatives(tables: Tables, eta: float, tau: float, reduce: Reduce) -> tuple[FloatArray, FloatArray]:
    """Return the score, shape (2, ...), and the Hessian, shape (2, 2, ...), by the logit of mu and log theta."""
    mu, theta = _point(eta, tau)
    l_mu = l_theta = l_mm = l_mt = l_tt = 0.0
    for j, (k, term, sign) in enumerate(tables.parts(mu, theta)):
        inverse = 1 / term
        one = 1.0 if sign else -1.0
        l_mu += sign * reduce(j, inverse)
        l_theta += one * reduce(j, k * inverse)
        l_mm -= abs(sign) * reduce(j, inverse**2)
        l_mt -= sign * reduce(j, k * inverse**2)
        l_tt -= one * reduce(j, (k * inverse) ** 2)
    q = mu * (1 - mu)
    score = np.array([l_mu * q, l_theta * theta])
    cross = l_mt * q * theta
    hessian = np.array(
        [
            [l_mm * q**2 + l_mu * q * (1 - 2 * mu), cross],
            [cross, l_tt * theta**2 + l_theta * theta],
        ]
    )
    return score, hessian


def _of_all(tables: Tables) -> Reduce:
    """Sum over all cells, in an order that does not depend on theirs."""
    return lambda j, values: float(tables.all[j] @ values)


def _of_each(counts: tuple[IntArray, IntArray, IntArray]) -> Reduce:
    """Sum up to the count of each cell."""
    return lambda j, values: np.concatenate([[0.0], np.cumsum(values)])[counts[j]]


def _steps(score: FloatArray, hessian: FloatArray) -> FloatArray:
    """Return the Newton steps -H^-1 s, shape (2, ...); 0 where H is not negative definite. No step is longer than 1."""
    (h11, h12), (_, h22) = hessian
    determinant = h11 * h22 - h12 * h12
    good = (h11 < 0) & (determinant > 0)
    safe = np.where(good, determinant, 1.0)
    step = np.stack([h12 * score[1] - h22 * score[0], h12 * score[0] - h11 * score[1]]) / safe
    return np.clip(np.where(good, step, 0.0), -STEP, STEP)


def _maximum(tables: Tables, pooled: float) -> tuple[float, float]:
    """Return the logit of the mean and the log theta of the highest likelihood."""
    from scipy.optimize import minimize

    reduce, scale = _of_all(tables), float(tables.all[2].sum())

    def negative(x: FloatArray) -> tuple[float, FloatArray]:
        eta, tau = float(x[0]), float(x[1])
        return -tables.log_likelihood(*_point(eta, tau)) / scale, -_derivatives(tables, eta, tau, reduce)[0] / scale

    start = math.log(pooled / (1 - pooled))
    grid = np.linspace(LOWEST, HIGHEST, 33).tolist()
    first = max(grid, key=lambda tau: tables.log_likelihood(*_point(start, tau)))
    found = minimize(
        negative,
        np.array([start, first]),
        jac=True,
        method="L-BFGS-B",
        bounds=[(-FURTHEST, FURTHEST), (LOWEST, HIGHEST)],
        options={"ftol": 1e-15, "gtol": 1e-10},
    )
    eta, tau = (float(value) for value in found.x)
    reached = tables.log_likelihood(*_point(eta, tau))
    for _ in range(20):  # Newton: quadratic convergence to the last digits
        step = _steps(*_derivatives(tables, eta, tau, reduce))
        new = (
            float(np.clip(eta + step[0], -FURTHEST, FURTHEST)),
            float(np.clip(tau + step[1], LOWEST, HIGHEST)),
        )
        height = tables.log_likelihood(*_point(*new))
        if height < reached - 1e-13 * abs(reached):
            break
        (eta, tau), reached = new, height
        if np.abs(step).max() < 1e-13:
            break
    return eta, tau


def fit_counts(successes: IntArray, n: IntArray) -> BetaBinomial:
    """Fit the prior of many binomials; all counts whole, n >= 1."""
    everywhere = np.full(n.size, math.nan)
    total, trials = int(successes.sum()), int(n.sum())
    pooled = total / trials if trials else math.nan
    if np.count_nonzero(n > 1) < 3:
        reason = Reason.EMPTY if n.size == 0 else Reason.ONE_ANSWER_PER_CELL if n.max() == 1 else Reason.TOO_FEW
        return BetaBinomial(pooled, math.nan, math.nan, everywhere, everywhere, reason)
    others = (total - successes) / (trials - n)
    if total in (0, trials):
        return BetaBinomial(pooled, 0.0, 0.0, others, np.zeros(n.size), Reason.ALL_EQUAL)
    counts = (successes, n - successes, n)
    tables = Tables.of(counts)
    eta, tau = _maximum(tables, pooled)
    reached = tables.log_likelihood(*_point(eta, tau))
    binomial = tables.log_likelihood(pooled, 0.0)
    if tau <= LOWEST or reached <= binomial + 1e-10 * abs(binomial):
        return BetaBinomial(pooled, 0.0, binomial, others, np.zeros(n.size))
    mean, theta = _point(eta, tau)
    if tau >= HIGHEST:  # every cell is all or nothing: no cell says anything about another
        return BetaBinomial(mean, math.inf, reached, np.full(n.size, mean), np.full(n.size, math.inf))
    # One Newton step from the maximum of all cells towards that of all but one: its error is O(1 / N^2).
    score, hessian = _derivatives(tables, eta, tau, _of_each(counts))
    whole = _derivatives(tables, eta, tau, _of_all(tables))[1]
    steps = _steps(-score, whole[:, :, None] - hessian)
    return BetaBinomial(mean, theta, reached, 1 / (1 + np.exp(-eta - steps[0])), np.exp(tau + steps[1]))
