"""Forecasts of coverage: what pass@k will be at a k far beyond the recorded draws.

What it estimates: the mean over items of 1 - (1 - p_i)^k. For large k only the items that pass rarely matter, of which
few draws say little; the forecasts differ in what they assume of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.results import Column, Estimate, Table
from neff.sampling.combinatorics import budgets
from neff.sampling.forecasts._coverage_fit import FORECASTERS, Counted
from neff.stats._options import check_choice, seeded
from neff.stats._validate import check_count, check_level

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["Forecast", "allocate_draws", "forecast"]


@dataclass(frozen=True, slots=True)
class Forecast:
    """Coverage at budgets beyond the recorded draws, by each forecaster.

    Attributes
    ----------
    estimates
        One per forecaster and k; `model` is the forecaster, `metric` "pass@k".
    parameters
        What each forecaster fitted.
    n_items, n_draws
        Items, and the fewest draws of an item.
    notes
        What a reader must know.
    """

    estimates: tuple[Estimate, ...]
    parameters: dict[str, dict[str, float]]
    n_items: int
    n_draws: int
    seed: int | None
    notes: tuple[str, ...] = ()

    def value(self, method: str, k: int) -> float:
        """Return one forecast."""
        return next(e.value for e in self.estimates if (e.model, e.metric) == (method, f"pass@{k}"))

    def table(self) -> Table:
        """Return one row per forecaster and budget."""
        columns = (
            Column("method", "Forecaster"), Column("metric", "Metric"), Column("value", "Forecast", "number"),
            Column("interval", "Interval", "interval"), Column("reason", "Why undefined"),
        )  # fmt: skip
        rows = tuple((e.model, e.metric, e.value, e.interval, str(e.reason or "")) for e in self.estimates)
        keep = 5 if any(row[4] for row in rows) else 4
        return Table(columns[:keep], tuple(row[:keep] for row in rows))

    def __str__(self) -> str:
        return str(self.table())

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "schema": "neff.forecast/1",
            "estimates": [e.to_dict() | {"method": e.model} for e in self.estimates],
            "parameters": self.parameters,
            "n_items": self.n_items,
            "n_draws": self.n_draws,
            "seed": self.seed,
            "notes": list(self.notes),
        }


def forecast(
    successes: ArrayLike,
    draws: ArrayLike,
    *,
    k: Sequence[int] | int,
    methods: Sequence[str] = tuple(FORECASTERS),
    level: float = 0.95,
    n_resamples: int = 200,
    rng: Any = None,
) -> Forecast:
    """Forecast pass@k at large k from a few draws per item.

    Use it to decide whether more draws are worth their price. Up to the recorded number of draws use `at_k`, which
    assumes nothing.

    Parameters
    ----------
    successes, draws
        Right draws and all draws of each item, shape (n_items,).
    k
        Budgets; results come in ascending order of them.
    methods
        "beta-binomial": chances are a Beta distribution over items, fitted by maximum likelihood. "zero-inflated": the
        same with a share of items that never pass. "log-log": the line of log(-log pass@k) over log k, continued.
        "power": log pass@k = a k^b, least squares. "plug-in": 1 - (1 - c/n)^k, for comparison; far too low.
    level
        Coverage of the intervals.
    n_resamples, rng
        Bootstrap of items (SPEC 7).

    Returns
    -------
    Forecast
        With percentile intervals, undefined where more than a tenth of the resamples cannot be fitted. They know
        sampling, not that a forecaster's assumption is wrong: read the forecasters' disagreement beside them.

    Raises
    ------
    ArgumentError
        If counts do not fit, or a method is unknown.

    Notes
    -----
    With few draws no method can tell an item that passes rarely from one that never does: "beta-binomial" takes all of
    them as rare, "zero-inflated" some as never. Cost: one fit per resample and method.

    References
    ----------
    Kazdan et al., Efficient Prediction of Pass@k Scaling in Large Language Models. arXiv:2510.05197
    Brown et al., Large Language Monkeys. arXiv:2407.21787
    Schaeffer et al., How Do Large Language Monkeys Get Their Power (Laws)? arXiv:2502.17578

    Examples
    --------
    >>> right = [0, 1, 4, 0, 9, 2, 0, 1, 10, 3]
    >>> found = forecast(right, [10] * 10, k=100, methods=("beta-binomial", "plug-in"), rng=0, n_resamples=20)
    >>> round(found.value("beta-binomial", 100), 3), round(found.value("plug-in", 100), 3)
    (0.838, 0.7)
    """
    level = check_level(level, call="forecast")
    for name in methods:
        check_choice(name, FORECASTERS, argument="methods", call="forecast")
    ks = tuple(dict.fromkeys(budgets(k, call="forecast")))
    n_resamples = check_count(n_resamples, argument="n_resamples", call="forecast", minimum=2)
    c, total = _counts(successes, draws)
    generator, seed = seeded(rng, call="forecast")
    rows = generator.integers(len(c), size=(n_resamples, len(c)))
    data = Counted.of(c, total)
    estimates, parameters = [], {}
    for name in methods:
        fit = FORECASTERS[name]
        values, found = fit(data, np.array(ks, np.float64))
        parameters[name] = found
        drawn = np.array([fit(Counted.of(c[r], total[r]), np.array(ks, np.float64))[0] for r in rows])
        estimates += [
            _estimate(name, kk, float(v), column, data, level)
            for kk, v, column in zip(ks, values, drawn.T, strict=True)
        ]
    notes = [
        f"Forecast from {int(total.min())} to {int(total.max())} draws per item." if total.min() < total.max() else ""
    ]
    notes += ["The intervals know the sampling of items, not whether a forecaster's assumption holds."]
    return Forecast(tuple(estimates), parameters, len(c), int(total.min()), seed, tuple(note for note in notes if note))


def _counts(successes: ArrayLike, draws: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    c, total = np.asarray(successes, np.float64), np.asarray(draws, np.float64)
    if c.ndim != 1 or not len(c):
        raise ArgumentError("successes", "one count per item", f"shape {c.shape}", call="forecast")
    if total.shape not in ((), c.shape):
        fix = "One number for all items, or one per item."
        raise ArgumentError("draws", f"of shape {c.shape}", f"shape {total.shape}", fix, call="forecast")
    total = np.broadcast_to(total, c.shape)
    whole = np.isfinite(total) & (c == np.floor(c)) & (total == np.floor(total))
    bad = ~((c >= 0) & (c <= total) & whole & (total >= 1))
    if bad.any():
        i = int(np.flatnonzero(bad)[0])
        raise ArgumentError(
            "successes", "counts of at most draws, 1 or more", f"{c[i]:g} of {total[i]:g} (item {i})", call="forecast"
        )
    return c.astype(np.int64), total.astype(np.int64)


def _estimate(name: str, k: int, value: float, drawn: NDArray[np.float64], data: Counted, level: float) -> Estimate:
    failed = int((~np.isfinite(drawn)).sum())
    common: dict[str, Any] = {
        "level": level, "n": data.n_draws, "n_items": data.n_items, "model": name, "metric": f"pass@{k}",
        "method": f"{name}, percentile interval over resampled items",
        "warnings": (f"{failed} of {len(drawn)} resamples could not be fitted",) if failed else (),
    }  # fmt: skip
    drawn = drawn[np.isfinite(drawn)]
    if math.isnan(value):
        return Estimate(value, reason=Reason.POOR_FIT if data.n_items > 2 else Reason.TOO_FEW, **common)
    if failed > 0.1 * (failed + len(drawn)):
        return Estimate(value, reason=Reason.UNDEFINED_STATISTIC, **common)
    if drawn.min() == drawn.max():
        return Estimate(value, reason=Reason.DEGENERATE_RESAMPLES, **common)
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(value, float(drawn.std(ddof=1)), (float(low), float(high)), **common)


def allocate_draws(rates: ArrayLike, k: int, budget: int, *, fewest: int = 1) -> NDArray[np.int64]:
    """Divide a budget of draws among items so that pass@k is estimated with the smallest variance.

    Use it after a pilot. An item's share is proportional to sqrt(p (1 - p)^(2k - 1)): draws go to items that pass about
    once in 2k, none to those that are surely easy.

    Parameters
    ----------
    rates
        Chance of each item to pass, from a pilot, shape (n_items,).
    k
        Budget of answers that pass@k is about.
    budget
        Draws to give out.
    fewest
        Draws that every item gets.

    Returns
    -------
    ndarray of int
        Draws of each item, shape (n_items,), which sum to `budget`.

    Raises
    ------
    ArgumentError
        If there is no rate, one is not in [0, 1], or the budget does not pay for `fewest` draws per item.

    Notes
    -----
    Optimal for known rates (Neyman allocation by the delta method); a pilot's 0 is taken as it is: give smoothed rates,
    such as (c + .5) / (n + 1).

    References
    ----------
    Kazdan et al., Efficient Prediction of Pass@k Scaling in Large Language Models. arXiv:2510.05197

    Examples
    --------
    >>> allocate_draws([0.9, 0.05, 0.01], k=10, budget=100).tolist()
    [1, 60, 39]
    """
    p = np.asarray(rates, np.float64)
    if p.ndim != 1 or not len(p) or not ((p >= 0) & (p <= 1)).all():
        raise ArgumentError("rates", "one number in [0, 1] per item", rates, call="allocate_draws")
    k = check_count(k, argument="k", call="allocate_draws", minimum=1)
    fewest = check_count(fewest, argument="fewest", call="allocate_draws")
    budget = check_count(budget, argument="budget", call="allocate_draws")
    if budget < fewest * len(p):
        fix = f"{fewest} draws for each of {len(p)} items."
        raise ArgumentError("budget", f"{fewest * len(p)} or more", budget, fix, call="allocate_draws")
    with np.errstate(divide="ignore"):
        log_share = (np.log(p) + (2 * k - 1) * np.log1p(-p)) / 2
    share = np.exp(log_share - log_share.max()) if np.isfinite(log_share.max()) else np.ones(len(p))
    draws = np.full(len(p), fewest, np.int64)
    free = np.ones(len(p), bool)
    wanted = np.zeros(len(p))
    while free.any():  # items whose share is below the fewest keep the fewest; the rest is divided anew
        left = budget - fewest * int((~free).sum())
        wanted = np.where(free, left * share / max(float(share[free].sum()), 1e-300), fewest)
        low = free & (wanted < fewest)
        if not low.any():
            break
        free &= ~low
    draws = np.floor(wanted).astype(np.int64)
    order = np.argsort(-(wanted - draws), kind="stable")
    draws[order[: budget - int(draws.sum())]] += 1
    return draws
