"""Kernels of the task scaling law, log(-log p) = b - alpha log N, for many items: by likelihood or least squares.

p_im = g + (1 - g) exp(-h), h = exp(b_i - alpha_i x_m), x = log N. The likelihood of s passes in K draws is that of the
binomial and of the negative binomial alike, so it does not matter which rule stopped the draws, and zeros need no care.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Law", "Prior", "chance", "fit_items", "fit_law", "fit_lines", "mean_curve", "rates_of", "redraw"]

SMALLEST, LARGEST = 1e-12, 700.0
STEPS, HALVINGS = 200, 30
ALPHA_SD, INTERCEPT_SD = 0.1, 2.0


class Law(NamedTuple):
    """Intercept b = log c and slope alpha of each item, shape (n_items,)."""

    intercept: NDArray[np.float64]
    alpha: NDArray[np.float64]


class Prior(NamedTuple):
    """Normal prior of intercepts and slopes: means and standard deviations; infinite ones are none."""

    intercept: float
    intercept_sd: float
    alpha: float
    alpha_sd: float


def chance(law: Law, x: NDArray[np.float64], guess: float) -> NDArray[np.float64]:
    """Return the chance to pass of each item (rows) at each log N (columns)."""
    return guess + (1 - guess) * np.exp(-_h(law, x))


def _h(law: Law, x: NDArray[np.float64]) -> NDArray[np.float64]:
    eta = law.intercept[:, None] - law.alpha[:, None] * x[None, :]
    return np.clip(np.exp(np.clip(eta, -40.0, 40.0)), SMALLEST, LARGEST)


def _height(
    law: Law, x: NDArray[np.float64], s: NDArray[np.float64], k: NDArray[np.float64], g: float, prior: Prior
) -> NDArray[np.float64]:
    """Return the penalised log-likelihood of each item."""
    h = _h(law, x)
    with np.errstate(divide="ignore"):
        log_p = -h if not g else np.log(g + (1 - g) * np.exp(-h))
    log_q = np.log(-np.expm1(-h)) + np.log1p(-g)
    value = np.where(s > 0, s * log_p, 0.0) + (k - s) * log_q
    penalty = ((law.intercept - prior.intercept) / prior.intercept_sd) ** 2 + (
        (law.alpha - prior.alpha) / prior.alpha_sd
    ) ** 2
    return np.asarray(value.sum(axis=1) - penalty / 2)


def fit_items(
    x: NDArray[np.float64],
    s: NDArray[np.float64],
    k: NDArray[np.float64],
    *,
    guess: float,
    prior: Prior,
    start: Law | None = None,
) -> Law:
    """Maximise the penalised likelihood of every item by Fisher scoring with halved steps.

    Parameters
    ----------
    x
        log N of each model, shape (n_models,).
    s, k
        Passes and draws, shape (n_items, n_models); k = 0 where an item was not drawn.
    guess, prior
        Chance of a guess; priors of the parameters.
    start
        Where to begin; by default at a line through the middle of the data.
    """
    law = _start(x, s, k, guess) if start is None else start
    height = _height(law, x, s, k, guess, prior)
    active = np.ones(len(s), bool)
    for _ in range(STEPS):
        step = _step(law, x, s, k, guess, prior)
        scale = np.where(active, 1.0, 0.0)
        for _ in range(HALVINGS):
            new = Law(law.intercept + scale * step.intercept, law.alpha + scale * step.alpha)
            reached = _height(new, x, s, k, guess, prior)
            worse = ~(reached >= height - 1e-12 * np.abs(height)) & (scale > 0)
            if not worse.any():
                break
            scale = np.where(worse, scale / 2, scale)
        else:
            scale = np.where(worse, 0.0, scale)
            new = Law(law.intercept + scale * step.intercept, law.alpha + scale * step.alpha)
            reached = _height(new, x, s, k, guess, prior)
        moved = np.maximum(np.abs(scale * step.intercept), np.abs(scale * step.alpha))
        law, height = new, reached
        active &= moved > 1e-10
        if not active.any():
            break
    return law


def _step(
    law: Law, x: NDArray[np.float64], s: NDArray[np.float64], k: NDArray[np.float64], g: float, prior: Prior
) -> Law:
    h = _h(law, x)
    e = np.exp(-h)
    p, q = g + (1 - g) * e, (1 - g) * -np.expm1(-h)
    slope = -(1 - g) * h * e  # dp / d eta
    residual = (s - k * p) * slope / np.maximum(p * q, 1e-300)
    weight = k * slope**2 / np.maximum(p * q, 1e-300)
    # eta = b - alpha x
    g1 = residual.sum(axis=1) - (law.intercept - prior.intercept) / prior.intercept_sd**2
    g2 = -(residual @ x) - (law.alpha - prior.alpha) / prior.alpha_sd**2
    a = weight.sum(axis=1) + 1 / prior.intercept_sd**2 + 1e-12
    b = -(weight @ x)
    c = weight @ x**2 + 1 / prior.alpha_sd**2 + 1e-12
    determinant = np.maximum(a * c - b * b, 1e-300)
    return Law(
        np.clip((c * g1 - b * g2) / determinant, -2.0, 2.0),
        np.clip((a * g2 - b * g1) / determinant, -2.0, 2.0),
    )


def _start(x: NDArray[np.float64], s: NDArray[np.float64], k: NDArray[np.float64], g: float) -> Law:
    """Begin at the least-squares line of log(-log p), half a pass added to every cell so that none is empty."""
    p = (s + 0.5) / (k + 1)
    p = np.clip((p - g) / (1 - g), 1e-9, 1 - 1e-9)
    return fit_lines(x, np.log(-np.log(p)), (k > 0).astype(np.float64))


def fit_lines(x: NDArray[np.float64], f: NDArray[np.float64], weight: NDArray[np.float64]) -> Law:
    """Fit f = b - alpha x by weighted least squares, one line per row; NaN where a row has fewer than two points."""
    weight = np.where(np.isfinite(f) & (weight > 0), weight, 0.0)
    f = np.where(weight > 0, f, 0.0)
    total = weight.sum(axis=1)
    safe = np.where(total > 0, total, 1.0)
    center = (weight @ x) / safe
    mean = (weight * f).sum(axis=1) / safe
    d = x[None, :] - center[:, None]
    spread = (weight * d**2).sum(axis=1)
    enough = ((weight > 0).sum(axis=1) >= 2) & (spread > 0)
    slope = np.where(enough, (weight * d * f).sum(axis=1) / np.where(enough, spread, 1.0), np.nan)
    return Law(mean - slope * center, -slope)


def fit_law(
    x: NDArray[np.float64],
    s: NDArray[np.float64],
    k: NDArray[np.float64],
    curves: str,
    method: str,
    guess: float,
    passes: int | None,
    start: Law | None,
) -> Law:
    """Fit one curve per item ("instance") or one to the mean rate ("dataset"), see `fit_task_law`."""
    if curves == "dataset":
        rate, total = mean_curve(s, k, passes)
        s, k = (rate * total)[None, :], total[None, :]
        passes = None
    if method != "likelihood":
        return _least_squares(x, rates_of(s, k, passes), s, weighted=method == "weighted", guess=guess)
    flat = Prior(0.0, math.inf, 0.0, math.inf)
    if curves == "dataset":
        return fit_items(x, s, k, guess=guess, prior=flat, start=start)
    # The common slope: that of one law for all items, then twice the mean of the items' own.
    common = fit_items(x, s.sum(axis=0)[None, :], k.sum(axis=0)[None, :], guess=guess, prior=flat)
    alpha, middle = float(common.alpha[0]), float(common.intercept[0])
    law = fit_items(x, s, k, guess=guess, prior=Prior(middle, INTERCEPT_SD, alpha, ALPHA_SD), start=start)
    for _ in range(2):
        prior = Prior(float(law.intercept.mean()), INTERCEPT_SD, float(law.alpha.mean()), ALPHA_SD)
        law = fit_items(x, s, k, guess=guess, prior=prior, start=law)
    return law


def rates_of(s: NDArray[np.float64], k: NDArray[np.float64], passes: int | None) -> NDArray[np.float64]:
    """Return the rate of each cell, without bias under its stopping rule; NaN where there was no draw."""
    plain = np.where(k > 0, s / np.maximum(k, 1), np.nan)
    return plain if passes is None else np.where(s >= passes, (passes - 1) / np.maximum(k - 1, 1), plain)


def redraw(
    rates: NDArray[np.float64], k: NDArray[np.float64], passes: int | None, most: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draw counts anew under the rule that stopped them: a fixed number, or the r-th pass with a limit."""
    if passes is None:
        return rng.binomial(k.astype(np.int64), rates).astype(np.float64), k
    waits = np.cumsum(rng.geometric(np.clip(rates, 1e-15, 1.0), size=(passes, *rates.shape)), axis=0)
    passed = np.minimum((waits <= most).sum(axis=0), passes)
    drawn = np.where(passed == passes, waits[-1], most)
    asked = k > 0
    return np.where(asked, passed, 0).astype(np.float64), np.where(asked, drawn, 0).astype(np.float64)


def mean_curve(
    s: NDArray[np.float64], k: NDArray[np.float64], passes: int | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean rate over items at each size, and the draws of one binomial that would be as precise."""
    seen = k > 0
    count = np.maximum(seen.sum(axis=0), 1)
    rate = np.where(seen, rates_of(s, k, passes), 0.0).sum(axis=0) / count
    smooth = (s + 0.5) / (k + 1)
    variance = np.where(seen, smooth * (1 - smooth) / np.maximum(k, 1), 0.0).sum(axis=0) / count**2
    total = np.maximum(np.where(variance > 0, rate * (1 - rate) / np.where(variance > 0, variance, 1.0), 1.0), 1.0)
    return rate, total


def _least_squares(
    x: NDArray[np.float64],
    p: NDArray[np.float64],
    s: NDArray[np.float64],
    *,
    weighted: bool,
    guess: float,
) -> Law:
    with np.errstate(divide="ignore", invalid="ignore"):
        inner = (p - guess) / (1 - guess)
        f = np.where((inner > 0) & (inner < 1), np.log(-np.log(inner)), np.nan)
        error = np.sqrt((1 - p) * p**2 / np.maximum(s, 0.5)) / ((1 - guess) * inner * np.abs(np.log(inner)))
    weight = np.where(np.isfinite(f), error**-2.0 if weighted else 1.0, 0.0)
    return fit_lines(x, f, weight)
