"""Compound estimation for binomials (arXiv:2512.25042): shrink many small proportions by an unbiased risk estimate.

Published: optimality for the class without a prior or a normal approximation, with small numbers of answers and small
rates; targets from covariates allowed. No figures could be read, so that every margin is "any improvement".

Here: 400 cells with 2 to 39 answers each, small rates that two covariates explain in part; a seed draws new rates,
covariates and answers, so that the truth is known. Controls: the usual recipe that plugs rate x (1 - rate) / n into
Stein's risk estimate, and a beta-binomial prior fitted by maximum likelihood, the peer that the paper does without.
What this cannot show: cells that share their questions, and the paper's own applications.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy import optimize, special  # noqa: F401  (paid once, before seeds are forked)

from neff.claims.spec import Paired, claim
from neff.stats import cross_fitted_target, shrink_rates

if TYPE_CHECKING:
    from neff.stats import ShrinkageFit
    from neff.stats._validate import FloatArray

PAPER = "2512.25042"
N_CELLS = 400


def _cells(seed: int) -> tuple[np.random.Generator, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng([seed, 2512])
    covariates = rng.normal(size=(N_CELLS, 2))
    rate = 1 / (1 + np.exp(2.2 - covariates @ [1.0, 0.5] - 0.4 * rng.normal(size=N_CELLS)))
    n = rng.integers(2, 40, N_CELLS)
    return rng, rate, n, rng.binomial(n, rate), covariates


def _loss(estimate: np.ndarray, truth: np.ndarray) -> float:
    return float(np.mean((estimate - truth) ** 2))


def _prior(fit: ShrinkageFit) -> FloatArray:
    """Return the estimates of the beta-binomial prior, which 400 cells always allow."""
    if fit.beta_binomial is None:
        raise ArithmeticError("no beta-binomial prior could be fitted")
    return fit.beta_binomial.shrunk


def _plugged_in(rate: np.ndarray, n: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the estimates that minimize Stein's risk estimate with the variance rate (1 - rate) / n in it."""
    variance, gap = rate * (1 - rate) / n, (rate - target) ** 2
    best, estimates = math.inf, rate
    for prior_variance in np.r_[0, np.geomspace(1e-6, 1e2, 200)]:
        total = variance + prior_variance
        weight = np.divide(variance, total, out=np.zeros_like(rate), where=total > 0)
        risk = float(np.mean((1 - 2 * weight) * variance + weight**2 * gap))
        if risk < best:
            best, estimates = risk, (1 - weight) * rate + weight * target
    return estimates


@claim(
    says="Shrinkage tuned by the unbiased risk estimate has a smaller loss than with a plugged-in normal variance.",
    paper=PAPER,
    published="without normal approximation",
    kind="ratio",
    lower_is_better=True,
    quick=True,
)
def beside_normal_approximation(seed: int) -> Paired:
    """Both shrink to the mean of the other cells; a cell without a success has a plugged-in variance of 0."""
    _, rate, n, x, _ = _cells(seed)
    fit = shrink_rates(x, n)
    control = _plugged_in(fit.raw, n, fit.target)
    return Paired(treatment=_loss(fit.shrunk, rate), control=_loss(control, rate))


@claim(
    says="With a target predicted from covariates its loss is smaller than that of a beta-binomial prior.",
    paper=PAPER,
    published="asymptotically optimal",
    kind="ratio",
    lower_is_better=True,
    quick=True,
)
def target_from_covariates(seed: int) -> Paired:
    """The control has no use for covariates: what is gained is what they say."""
    rng, rate, n, x, covariates = _cells(seed)
    target = cross_fitted_target(x / n, covariates, weights=n, rng=rng)
    fit = shrink_rates(x, n, target=target)
    return Paired(treatment=_loss(fit.shrunk, rate), control=_loss(_prior(fit), rate))


@claim(
    says="Without covariates, too, its loss is smaller than that of a beta-binomial prior.",
    paper=PAPER,
    published="asymptotically optimal, no prior",
    kind="ratio",
    lower_is_better=True,
    quick=True,
)
def beside_beta_binomial(seed: int) -> Paired:
    """Both know the counts only."""
    _, rate, n, x, _ = _cells(seed)
    fit = shrink_rates(x, n)
    return Paired(treatment=_loss(fit.shrunk, rate), control=_loss(_prior(fit), rate))
