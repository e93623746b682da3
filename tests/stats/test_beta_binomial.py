"""Beta-binomial empirical Bayes against scipy's distribution, naive refits, and at every edge."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import betabinom

from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.stats import beta_binomial
from neff.stats._beta_binomial import fit_counts


def draw(seed, n_cells, mean=0.3, pseudo_count=6.0, most=23):
    rng = np.random.default_rng(seed)
    n = rng.integers(1, most, n_cells)
    return rng.binomial(n, rng.beta(mean * pseudo_count, (1 - mean) * pseudo_count, n_cells)), n


def naive(x, n):
    """Maximise scipy's own log-likelihood without derivatives."""

    def negative(at):
        mean, pseudo_count = 1 / (1 + math.exp(-at[0])), math.exp(at[1])
        return -betabinom.logpmf(x, n, mean * pseudo_count, (1 - mean) * pseudo_count).sum()

    found = minimize(negative, [-1.0, 1.0], method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-12})
    return 1 / (1 + math.exp(-found.x[0])), math.exp(found.x[1])


@pytest.mark.parametrize(("seed", "mean", "pseudo_count"), [(0, 0.3, 6.0), (1, 0.05, 20.0), (2, 0.8, 0.5)])
def test_the_maximum_is_the_one_that_scipy_finds(seed, mean, pseudo_count):
    x, n = draw(seed, 97, mean, pseudo_count)
    fit = beta_binomial(x, n)
    expected = naive(x, n)
    assert fit.mean == pytest.approx(expected[0], rel=1e-6)
    assert fit.pseudo_count == pytest.approx(expected[1], rel=1e-6)
    np.testing.assert_allclose(fit.shrunk, (x + fit.pseudo_count * fit.mean) / (n + fit.pseudo_count), rtol=1e-12)


def test_the_log_likelihood_is_scipys_without_the_binomial_coefficients():
    x, n = draw(3, 31)
    fit = beta_binomial(x, n)
    a, b = fit.mean * fit.pseudo_count, (1 - fit.mean) * fit.pseudo_count
    coefficients = sum(math.log(math.comb(int(m), int(k))) for k, m in zip(x, n, strict=True))
    assert fit.log_likelihood == pytest.approx(betabinom.logpmf(x, n, a, b).sum() - coefficients, rel=1e-10)


def test_leaving_a_cell_out_by_one_newton_step_is_close_to_a_refit():
    x, n = draw(4, 61)
    fit = fit_counts(x, n)
    for i in range(61):
        refit = fit_counts(np.delete(x, i), np.delete(n, i))
        assert fit.mean_left_out[i] == pytest.approx(refit.mean, abs=1e-3)
        moved, wanted = (math.log(theta / fit.theta) for theta in (fit.theta_left_out[i], refit.theta))
        assert moved == pytest.approx(wanted, abs=0.01)
    # the step is far closer than standing still
    refits = np.array([fit_counts(np.delete(x, i), np.delete(n, i)).mean for i in range(61)])
    assert np.abs(fit.mean_left_out - refits).max() < 0.1 * np.abs(fit.mean - refits).max()


@pytest.mark.parametrize(
    ("x", "n", "mean", "pseudo_count", "reason"),
    [
        ([0, 0, 0, 0], [3, 4, 5, 7], 0.0, math.inf, Reason.ALL_EQUAL),  # nothing right anywhere
        ([3, 4, 5, 7], [3, 4, 5, 7], 1.0, math.inf, Reason.ALL_EQUAL),
        ([3, 3, 3, 3], [10, 10, 10, 10], 0.3, math.inf, None),  # alike beyond chance
        ([1, 2, 3, 4], [3, 6, 9, 12], 1 / 3, math.inf, None),
        ([0, 4, 5, 0], [3, 4, 5, 6], 0.5, 0.0, None),  # every cell all or nothing
    ],
)
def test_edges_of_the_model(x, n, mean, pseudo_count, reason):
    fit = beta_binomial(x, n)
    assert fit.mean == pytest.approx(mean, abs=1e-12)
    assert fit.pseudo_count == pytest.approx(pseudo_count, abs=1e-300)
    assert fit.reason is reason
    expected = np.array(x) / np.array(n) if pseudo_count == 0 else np.full(4, mean)
    np.testing.assert_allclose(fit.shrunk, expected, atol=1e-12)


@pytest.mark.parametrize(
    ("x", "n", "reason"),
    [
        ([], [], Reason.EMPTY),
        ([1, 0, 1], [1, 1, 1], Reason.ONE_ANSWER_PER_CELL),
        ([1, 2], [3, 3], Reason.TOO_FEW),
        ([1, 0, 1, 2, 1], [1, 1, 1, 3, 3], Reason.TOO_FEW),
    ],
)
def test_undefined_is_nan_with_the_reason(x, n, reason):
    fit = beta_binomial(x, n)
    assert fit.reason is reason
    assert math.isnan(fit.pseudo_count)
    assert math.isnan(fit.risk)
    assert np.isnan(fit.shrunk).all()


def test_a_hair_of_spread_in_large_cells():
    """Fifty thousand answers each: the pseudo-count is large, and no difference of gamma functions loses it."""
    n = np.full(40, 50_000)
    x = np.round(n * (0.3 + 0.006 * np.linspace(-1, 1, 40))).astype(int)
    fit = beta_binomial(x, n)
    spread = np.var(x / n) - 0.3 * 0.7 / 50_000
    assert fit.pseudo_count == pytest.approx(0.3 * 0.7 / spread, rel=0.05)  # moments against likelihood
    assert fit.mean == pytest.approx(0.3, abs=1e-6)


def test_single_answers_move_the_mean_only():
    x, n = draw(6, 41)
    more = beta_binomial(np.r_[x, np.ones(200, int)], np.r_[n, np.ones(200, int)])
    assert more.mean > beta_binomial(x, n).mean + 0.2
    assert more.pseudo_count > 0


def test_the_risk_is_estimated_without_bias():
    rng = np.random.default_rng(9)
    n = rng.integers(2, 12, 83)
    p = rng.beta(1.5, 4, 83)
    gaps = []
    for _ in range(200):
        x = rng.binomial(n, p)
        fit = beta_binomial(x, n)
        gaps.append(fit.risk - np.mean((fit.shrunk - p) ** 2))
    assert abs(np.mean(gaps)) < 3 * np.std(gaps) / math.sqrt(200)


def test_bad_counts_are_named():
    with pytest.raises(ArgumentError, match=r"beta_binomial: successes must be whole counts, got 0\.5"):
        beta_binomial([0.5], [1])
