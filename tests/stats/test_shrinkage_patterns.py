"""What shrinkage does to real counts and in simulations with known truth (method sheet, sections 5 and 6)."""

from __future__ import annotations

import math

import numpy as np
import pytest

from neff.stats import beta_binomial, cross_fitted_target, shrink_differences, shrink_rates

# Callbacks and applications of 108 firms x 2 groups (second of each pair: white), tallied from the 83,643 rows of the
# correspondence study of Kline, Rose and Walters 2022.
CALLBACKS = np.array([
    88, 111, 165, 176, 164, 184, 57, 60, 90, 107, 17, 10, 228, 225, 75, 94, 75, 80, 139, 143, 15, 21, 136, 151, 140,
    148, 29, 29, 85, 91, 39, 62, 218, 217, 24, 35, 222, 223, 91, 88, 68, 73, 96, 101, 137, 163, 156, 153, 92, 101,
    219, 236, 71, 74, 53, 57, 98, 134, 16, 12, 84, 83, 14, 12, 67, 73, 241, 248, 40, 40, 158, 183, 47, 50, 185, 202,
    12, 18, 7, 6, 164, 191, 200, 220, 113, 106, 160, 187, 130, 123, 67, 82, 26, 35, 99, 100, 160, 180, 46, 49, 35,
    35, 100, 106, 117, 118, 139, 161, 147, 176, 87, 95, 181, 209, 4, 6, 14, 11, 68, 67, 142, 149, 22, 23, 137, 157,
    6, 8, 91, 98, 116, 107, 121, 159, 117, 165, 3, 4, 36, 30, 130, 142, 114, 128, 9, 11, 124, 139, 75, 88, 13, 16,
    124, 147, 130, 140, 341, 364, 55, 61, 94, 97, 20, 24, 12, 10, 58, 62, 178, 194, 54, 53, 20, 23, 71, 68, 56, 56,
    6, 7, 176, 174, 78, 86, 53, 68, 16, 19, 66, 67, 258, 251, 3, 6, 16, 21, 80, 96, 38, 32, 11, 9, 36, 41, 61, 69,
    83, 103, 18, 25, 14, 22, 98, 103, 24, 30,
])  # fmt: skip
APPLICATIONS = np.array([
    480, 482, 500, 500, 465, 466, 457, 460, 486, 488, 88, 88, 478, 482, 471, 472, 426, 425, 345, 359, 394, 393, 497,
    497, 484, 484, 493, 494, 482, 484, 434, 435, 471, 469, 500, 500, 464, 466, 457, 457, 429, 432, 471, 470, 498,
    498, 394, 394, 472, 471, 490, 490, 498, 497, 448, 445, 483, 484, 455, 452, 470, 471, 240, 241, 325, 325, 472,
    472, 90, 90, 487, 488, 470, 472, 500, 500, 227, 228, 95, 95, 500, 500, 382, 385, 438, 439, 456, 454, 399, 398,
    480, 484, 468, 467, 486, 488, 499, 499, 278, 278, 429, 429, 477, 477, 499, 500, 461, 464, 498, 495, 384, 387,
    500, 500, 472, 472, 135, 136, 413, 413, 500, 500, 187, 187, 495, 495, 394, 394, 393, 393, 445, 441, 487, 486,
    482, 484, 148, 148, 490, 491, 480, 481, 200, 200, 299, 298, 499, 499, 460, 460, 193, 194, 463, 464, 398, 399,
    473, 474, 483, 482, 217, 215, 458, 458, 397, 397, 116, 115, 393, 394, 215, 214, 396, 394, 326, 322, 389, 386,
    144, 144, 394, 394, 374, 373, 395, 396, 395, 395, 302, 304, 269, 268, 287, 288, 289, 288, 293, 293, 284, 283,
    116, 115, 290, 289, 293, 294, 295, 295, 146, 149, 291, 290, 260, 260, 273, 273,
])  # fmt: skip
RATES = CALLBACKS / APPLICATIONS


def plugged_in(rate, n, target):
    """Return the estimates that minimise Stein's risk estimate with the variance rate (1 - rate) / n in it."""
    variance, gap = rate * (1 - rate) / n, (rate - target) ** 2
    best, estimates = math.inf, rate
    for prior_variance in np.r_[0, np.geomspace(1e-6, 1e2, 200)]:
        total = variance + prior_variance
        weight = np.divide(variance, total, out=np.zeros_like(rate), where=total > 0)
        risk = np.mean((1 - 2 * weight) * variance + weight**2 * gap)
        if risk < best:
            best, estimates = risk, (1 - weight) * rate + weight * target
    return estimates


# --- The full counts ----------------------------------------------------------------------------------------


def test_golden_numbers_of_the_full_counts():
    assert CALLBACKS[:4].tolist() == [88, 111, 165, 176]
    assert APPLICATIONS[:4].tolist() == [480, 482, 500, 500]
    assert APPLICATIONS.sum() == 83_643
    fit = shrink_rates(CALLBACKS, APPLICATIONS)
    assert fit.lam == pytest.approx(4.3053, rel=2.5e-3)  # the sheet's is a grid point
    assert fit.rule("linear").risk_in_sample == pytest.approx(0.00044397, abs=5e-9)
    assert fit.rule("raw").risk == pytest.approx(0.00045175, abs=5e-9)
    at = shrink_rates(CALLBACKS, APPLICATIONS, lam=4.305266)
    np.testing.assert_allclose(at.shrunk[:4], [0.18384294, 0.23037986, 0.32922989, 0.35104095], atol=5e-9)
    assert at.gain == pytest.approx(7.78e-6, abs=5e-9)  # the sheet counts a gain as negative
    half = (at.gain_interval.high - at.gain_interval.low) / 2
    assert half / 1.971059 == pytest.approx(1.70e-6, abs=5e-9)  # t quantile with 215 degrees of freedom


def test_golden_beta_binomial():
    fit = beta_binomial(CALLBACKS, APPLICATIONS)
    assert fit.mean == pytest.approx(0.240239, abs=5e-7)
    assert fit.pseudo_count == pytest.approx(5.6320, abs=5e-5)


# --- Few answers per cell, the full rates as truth ------------------------------------------------------------


@pytest.mark.parametrize(
    ("most", "raw", "pooled", "linear", "beta", "gaussian"),
    [(15, 0.02516, 1.097, 0.482, 0.477, 0.795), (60, 0.00936, 2.94, 0.614, 0.602, 0.789)],
)
def test_few_answers_per_cell(most, raw, pooled, linear, beta, gaussian):
    rng = np.random.default_rng(17)
    losses = []
    for _ in range(30):
        n = rng.integers(2, most + 1, 216)
        fit = shrink_rates(rng.binomial(n, RATES), n)
        rules = (fit.raw, fit.target, fit.shrunk, fit.beta_binomial.shrunk, plugged_in(fit.raw, n, fit.target))
        losses.append([np.mean((rule - RATES) ** 2) for rule in rules])
        losses[-1].append(fit.rule("linear").risk - losses[-1][2])
        assert fit.best == "beta-binomial"  # which linear shrinkage does not beat here
    mean = np.mean(losses, axis=0)
    assert mean[0] == pytest.approx(raw, rel=0.05)  # Monte Carlo, 30 draws
    found = mean[1:5] / mean[0]
    np.testing.assert_allclose(found, [pooled, linear, beta, gaussian], rtol=0.06)  # Monte Carlo, 30 draws
    assert abs(mean[5]) < 3 * np.std(losses, axis=0)[5] / math.sqrt(30)


def test_differences_with_few_answers():
    """White minus black callback rate per firm, 20 to 120 applications each; mean squared errors x 1e4."""
    rng = np.random.default_rng(19)
    white, black = RATES[1::2], RATES[::2]
    losses = []
    for _ in range(30):
        n, m = rng.integers(20, 121, 108), rng.integers(20, 121, 108)
        fit = shrink_differences(rng.binomial(n, white), n, rng.binomial(m, black), m)
        losses.append([1e4 * np.mean((rule - white + black) ** 2) for rule in (fit.raw, fit.target, fit.shrunk)])
    np.testing.assert_allclose(np.mean(losses, axis=0), [54.3, 7.34, 7.01], rtol=0.07)  # Monte Carlo, 30 draws


# --- Simulations --------------------------------------------------------------------------------------------


def population(rng, n_cells, *, informative=False):
    """Small rates that two covariates explain in part; n is random, or larger where the rate is."""
    covariates = rng.normal(size=(n_cells, 2))
    p = 1 / (1 + np.exp(2.2 - covariates @ [1.0, 0.5] - 0.4 * rng.normal(size=n_cells)))
    n = np.floor(60 * p + 2).astype(int) if informative else rng.integers(2, 40, n_cells)
    return p, n, covariates


@pytest.mark.parametrize("informative", [False, True])
def test_a_target_from_covariates_is_what_pays(informative):
    rng = np.random.default_rng(23)
    ratios, gaps = [], []
    for _ in range(20):
        p, n, covariates = population(rng, 400, informative=informative)
        x = rng.binomial(n, p)
        target = cross_fitted_target(x / n, covariates, weights=n, rng=rng)
        plain, informed = shrink_rates(x, n), shrink_rates(x, n, target=target)
        raw = np.mean((plain.raw - p) ** 2)
        rules = (plain.shrunk, plain.beta_binomial.shrunk, target, informed.shrunk)
        ratios.append([np.mean((rule - p) ** 2) / raw for rule in rules])
        ratios[-1].append(np.mean((plugged_in(plain.raw, n, plain.target) - p) ** 2) / raw)
        gaps.append(informed.rule("linear").risk - np.mean((informed.shrunk - p) ** 2))
        assert plain.best == "beta-binomial"
    linear, beta, predicted, both, gaussian = np.mean(ratios, axis=0)
    assert 0.19 <= both <= 0.45
    assert both < predicted < 1
    assert both < beta - 0.15
    assert beta < linear < gaussian < 1
    assert abs(np.mean(gaps)) < 3 * np.std(gaps) / math.sqrt(20)


@pytest.mark.parametrize(("n_cells", "informative"), [(400, False), (400, True), (40, False)])
def test_linear_shrinkage_is_not_called_better_than_beta_binomial_where_it_is_not(n_cells, informative):
    rng = np.random.default_rng(29)
    claims = 0
    for _ in range(15):
        p, n, covariates = population(rng, n_cells, informative=informative)
        x = rng.binomial(n, p)
        # a covariate that says nothing: the target is no better than the mean
        for target in ("mean", cross_fitted_target(x / n, rng.permutation(covariates), weights=n, rng=rng)):
            fit = shrink_rates(x, n, target=target)
            claims += fit.best in ("linear", "target")
            if fit.best == "linear":
                assert np.mean((fit.shrunk - p) ** 2) < np.mean((fit.beta_binomial.shrunk - p) ** 2)
    assert claims <= 1


def gains(p, n, times, seed):
    """Interval of the gain, the expected gain of the weights that were tuned, and both estimates of the risk."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(times):
        fit = shrink_rates(rng.binomial(n, p), n)
        risk = np.mean((1 - fit.weight) ** 2 * p * (1 - p) / n + fit.weight**2 * (p - fit.target) ** 2)
        loss = np.mean((fit.shrunk - p) ** 2)
        linear = fit.rule("linear")
        gain = np.mean(p * (1 - p) / n) - risk
        rows.append((*fit.gain_interval[:2], gain, linear.risk - loss, linear.risk_in_sample - loss))
    return np.array(rows).T


def test_the_interval_of_the_gain_covers():
    p, n, _ = population(np.random.default_rng(31), 300)
    low, high, gain, bias, _ = gains(p, n, 120, 37)
    assert 0.91 <= np.mean((low <= gain) & (gain <= high)) <= 0.99
    assert np.mean(gain < low) <= 0.03  # what is claimed too much
    assert abs(bias.mean()) < 3 * bias.std() / math.sqrt(120)


def test_with_few_cells_the_interval_errs_on_the_safe_side_and_the_risk_stays_unbiased():
    p, n, _ = population(np.random.default_rng(41), 30)
    low, _, gain, bias, in_sample = gains(p, n, 200, 43)
    assert np.mean(gain < low) <= 0.03
    assert abs(bias.mean()) < 3 * bias.std() / math.sqrt(200)
    assert in_sample.mean() < -5 * in_sample.std() / math.sqrt(200)  # tuned on the same cells, it flatters


@pytest.mark.slow
@pytest.mark.parametrize("n_cells", [300, 1000])
def test_the_interval_of_the_gain_covers_in_many_populations(n_cells):
    covered = []
    for seed in range(8):
        p, n, _ = population(np.random.default_rng(seed), n_cells)
        low, high, gain, bias, _ = gains(p, n, 300, 100 + seed)
        covered.append(np.mean((low <= gain) & (gain <= high)))
        assert np.mean(gain < low) <= 0.04
        assert abs(bias.mean()) < 4 * bias.std() / math.sqrt(300)
    assert 0.92 <= np.mean(covered) <= 0.97
    assert min(covered) >= 0.86  # misses are gains above the upper end


@pytest.mark.slow
def test_false_claims_are_rare_in_many_populations():
    rng = np.random.default_rng(47)
    claims = 0
    for _ in range(400):
        p, n, _ = population(rng, 100)
        fit = shrink_rates(rng.binomial(n, p), n)
        worse = np.mean((fit.shrunk - p) ** 2) >= np.mean((fit.beta_binomial.shrunk - p) ** 2)
        claims += fit.best == "linear" and worse
    assert claims <= 8  # 2%
