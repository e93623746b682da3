"""Kernels of the forecasters: counts in, coverage at each k and the fitted parameters out."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from neff.sampling.combinatorics import at_least
from neff.stats._beta_binomial import fit_counts

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Fitted: TypeAlias = tuple[NDArray[np.float64], dict[str, float]]

__all__ = ["FORECASTERS", "Counted", "log_spaced"]

N_POINTS = 40


class Counted(NamedTuple):
    """Distinct (right, all) draws of items, and how many items have them."""

    c: NDArray[np.int64]
    n: NDArray[np.int64]
    items: NDArray[np.int64]

    @classmethod
    def of(cls, c: NDArray[np.int64], n: NDArray[np.int64]) -> Counted:
        """Count the items with the same numbers."""
        distinct, items = np.unique(np.stack([c, n], axis=1), axis=0, return_counts=True)
        return cls(distinct[:, 0], distinct[:, 1], items)

    @property
    def n_items(self) -> int:
        """Number of items."""
        return int(self.items.sum())

    @property
    def n_draws(self) -> int:
        """Number of draws of all items."""
        return int(self.items @ self.n)

    def coverage(self, k: int) -> float:
        """Return the unbiased pass@k."""
        return float(self.items @ at_least(self.n, self.c, k, 1)) / self.n_items


def log_spaced(longest: int) -> NDArray[np.int64]:
    """Return up to 40 whole numbers from 1 to `longest`, evenly spaced in the log."""
    return np.unique(np.round(np.geomspace(1, longest, N_POINTS)).astype(np.int64))


def plug_in(data: Counted, k: NDArray[np.float64]) -> Fitted:
    """Return the mean of 1 - (1 - c/n)^k."""
    rate = data.c / data.n
    value = -np.expm1(k[None, :] * np.log1p(-np.minimum(rate, 1 - 1e-16))[:, None])
    return data.items @ value / data.n_items, {}


def beta_binomial(data: Counted, k: NDArray[np.float64]) -> Fitted:
    """Fit a Beta distribution of chances."""
    prior = fit_counts(np.repeat(data.c, data.items), np.repeat(data.n, data.items))
    if not prior.defined:
        return np.full(len(k), np.nan), {}
    if prior.theta == 0:
        return -np.expm1(k * math.log1p(-min(prior.mean, 1 - 1e-16))), {"mean": prior.mean, "theta": 0.0}
    if math.isinf(prior.theta):
        return np.full(len(k), prior.mean), {"mean": prior.mean, "theta": math.inf}
    a, b = prior.mean / prior.theta, (1 - prior.mean) / prior.theta
    return _beta_coverage(a, b, k), {"alpha": a, "beta": b, "log_likelihood": prior.log_likelihood}


def _beta_coverage(a: float, b: float, k: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.special import betaln

    value: NDArray[np.float64] = -np.expm1(betaln(a, b + k) - betaln(a, b))
    return value


def zero_inflated(data: Counted, k: NDArray[np.float64]) -> Fitted:
    """Fit a Beta distribution and a share of items that never pass."""
    from scipy.optimize import minimize
    from scipy.special import betaln, expit

    _, found = beta_binomial(data, k)
    if "alpha" not in found:
        return beta_binomial(data, k)
    c, n, items = data.c.astype(float), data.n, data.items

    def negative(x: NDArray[np.float64]) -> float:
        share, a, b = float(expit(x[0])), math.exp(x[1]), math.exp(x[2])
        log_mass = betaln(a + c, b + n - c) - betaln(a, b) + math.log1p(-share)
        height = np.where(c == 0, np.logaddexp(log_mass, math.log(max(share, 1e-300))), log_mass)
        return -float(items @ height) / data.n_items

    a, b = math.log(found["alpha"]), math.log(found["beta"])
    starts = [np.array([-6.0, a, b]), np.array([-1.0, a + 0.7, b + 0.4])]
    bounds = [(-12.0, 6.0), (-12.0, 12.0), (-12.0, 12.0)]
    best = min((minimize(negative, x, method="L-BFGS-B", bounds=bounds) for x in starts), key=lambda r: float(r.fun))
    share, a, b = float(expit(best.x[0])), math.exp(best.x[1]), math.exp(best.x[2])
    value = (1 - share) * _beta_coverage(a, b, k)
    return value, {"never": share, "alpha": a, "beta": b, "log_likelihood": -float(best.fun) * data.n_items}


def _curve(data: Counted) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return budgets up to the fewest draws of an item, and the coverage at each."""
    ks = log_spaced(int(data.n.min()))
    return ks.astype(np.float64), np.array([data.coverage(int(k)) for k in ks])


def log_log(data: Counted, k: NDArray[np.float64]) -> Fitted:
    """Continue the line of log(-log coverage) over log k."""
    ks, coverage = _curve(data)
    known = (coverage > 0) & (coverage < 1)
    if known.sum() < 2:
        return np.full(len(k), 1.0 if coverage.min() == 1 else np.nan), {}
    x, y = np.log(ks[known]), np.log(-np.log(coverage[known]))
    slope = float(((x - x.mean()) @ (y - y.mean())) / ((x - x.mean()) @ (x - x.mean())))
    intercept = float(y.mean() - slope * x.mean())
    return np.exp(-np.exp(intercept + slope * np.log(k))), {"a": -math.exp(intercept), "b": slope}


def power(data: Counted, k: NDArray[np.float64]) -> Fitted:
    """Fit log coverage = a k^b, a and b negative, by least squares in log coverage."""
    ks, coverage = _curve(data)
    known = coverage > 0
    if known.sum() < 2 or coverage.min() == 1:
        return np.full(len(k), 1.0 if coverage.min() == 1 else np.nan), {}
    return _power(np.log(ks[known]), np.log(coverage[known]), k)


def _power(x: NDArray[np.float64], y: NDArray[np.float64], k: NDArray[np.float64]) -> Fitted:
    from scipy.optimize import minimize_scalar

    def residual(log_b: float) -> tuple[float, float]:
        """Given b the best a has a closed form."""
        shape = np.exp(-math.exp(log_b) * x)
        a = min(float(shape @ y) / float(shape @ shape), -1e-12)
        return float(((y - a * shape) ** 2).sum()), a

    grid = np.linspace(-8.0, 2.0, 41)
    first = int(np.argmin([residual(v)[0] for v in grid]))
    low, high = grid[max(first - 1, 0)], grid[min(first + 1, 40)]
    found = minimize_scalar(lambda v: residual(v)[0], bounds=(low, high), method="bounded", options={"xatol": 1e-12})
    error, a = residual(float(found.x))
    b = -math.exp(float(found.x))
    return np.exp(a * k**b), {"a": a, "b": b, "sse": error}


FORECASTERS: dict[str, Callable[[Counted, NDArray[np.float64]], Fitted]] = {
    "beta-binomial": beta_binomial,
    "zero-inflated": zero_inflated,
    "log-log": log_log,
    "power": power,
    "plug-in": plug_in,
}
"""By name."""
