"""Differences of two proportions, and cell means of rows."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.special import comb

from neff.errors import ArgumentError
from neff.stats import cell_means, shrink_differences, shrink_means, shrink_rates, wilson


def binomial(n, p):
    x = np.arange(n + 1)
    return comb(n, x) * p**x * (1 - p) ** (n - x)


@pytest.mark.parametrize("weight", [0.0, 0.4, 1.0])
def test_the_risk_estimate_is_exactly_unbiased(weight):
    n, m, p, q, target = 3, 5, 0.7, 0.2, 0.1
    estimated = 0.0
    for x, y in itertools.product(range(n + 1), range(m + 1)):
        lam = weight / (1 - weight) / (1 / n + 1 / m) if weight < 1 else np.inf
        fit = shrink_differences([x], [n], [y], [m], target=target, lam=lam)
        estimated += binomial(n, p)[x] * binomial(m, q)[y] * fit.cell_risks["linear"][0][0]
    variance = p * (1 - p) / n + q * (1 - q) / m
    assert estimated == pytest.approx((1 - weight) ** 2 * variance + weight**2 * (p - q - target) ** 2, abs=1e-15)


def test_the_size_is_that_of_the_difference_and_the_target_leaves_the_cell_out():
    a, n, b, m = (np.array(v) for v in ([3, 5, 2], [5, 7, 3], [1, 4, 2], [4, 6, 11]))
    fit = shrink_differences(a, n, b, m, lam=2)
    size = n * m / (n + m)
    np.testing.assert_allclose(fit.n, size)
    difference = a / n - b / m
    for i in range(3):
        others = np.arange(3) != i
        assert fit.target[i] == pytest.approx(np.average(difference[others], weights=size[others]), rel=1e-14)
    np.testing.assert_allclose(fit.shrunk, (size * difference + 2 * fit.target) / (size + 2), rtol=1e-14)


def test_newcombe_interval():
    """Newcombe 1998, table II (a): 56/70 against 48/80, method 10: 0.0524 to 0.3339."""
    fit = shrink_differences([56], [70], [48], [80])
    np.testing.assert_allclose(fit.interval[0], [0.0524, 0.3339], atol=5e-5)
    alike = shrink_differences([0], [10], [0], [10]).interval[0]
    np.testing.assert_allclose(alike, [-wilson(0, 10).high, wilson(0, 10).high])


def test_swapping_the_samples_changes_the_sign():
    rng = np.random.default_rng(5)
    n, m = rng.integers(1, 14, 23), rng.integers(1, 14, 23)
    a, b = rng.binomial(n, 0.6), rng.binomial(m, 0.4)
    one, other = shrink_differences(a, n, b, m), shrink_differences(b, m, a, n)
    np.testing.assert_allclose(one.shrunk, -other.shrunk, rtol=1e-12)
    np.testing.assert_allclose(one.interval, -other.interval[:, ::-1], rtol=1e-12)
    assert one.gain == pytest.approx(other.gain, rel=1e-9)


def test_paired_items_have_the_smaller_variance():
    """The same questions for both models: per-question differences know that right answers go together."""
    rng = np.random.default_rng(11)
    cell = np.repeat(np.arange(41), 7)
    ease = rng.random(287)
    a, b = (ease + 0.1 * rng.random(287) > 0.5).astype(float), (ease > 0.5).astype(float)
    means = cell_means(a - b, cell)
    paired = shrink_means(means.value, means.variance, means.n)
    hits = [np.bincount(cell, scores) for scores in (a, b)]
    independent = shrink_differences(hits[0], means.n, hits[1], means.n)
    np.testing.assert_allclose(paired.raw, independent.raw, atol=1e-15)
    assert paired.rule("raw").risk < 0.3 * independent.rule("raw").risk


def test_cell_means_are_those_of_numpy():
    rng = np.random.default_rng(3)
    cell = rng.choice(["x", "y", "z", "alone"], 61, p=[0.4, 0.3, 0.3, 0.0])
    cell[17] = "alone"
    values = 1e8 + rng.random(61)
    found = cell_means(values, cell)
    assert found.cell.tolist() == ["alone", "x", "y", "z"]
    for i, name in enumerate(found.cell):
        rows = values[cell == name] - 1e8
        assert found.n[i] == rows.size
        assert found.value[i] - 1e8 == pytest.approx(rows.mean(), abs=2e-8)
        if rows.size > 1:
            assert found.variance[i] == pytest.approx(rows.var(ddof=1) / rows.size, rel=1e-6)
    assert np.isnan(found.variance[0])


def test_counts_are_means_of_zeros_and_ones():
    x, n = np.array([0, 1, 3, 7, 2]), np.array([4, 5, 6, 20, 3])
    cell = np.repeat(np.arange(5), n)
    score = np.concatenate([np.arange(m) < k for k, m in zip(x, n, strict=True)])
    means = cell_means(score, cell)
    fit, counts = shrink_means(means.value, means.variance, means.n, target=0.25), shrink_rates(x, n, target=0.25)
    np.testing.assert_allclose(fit.shrunk, counts.shrunk, rtol=1e-10)
    np.testing.assert_allclose(means.variance, counts.variance, rtol=1e-12)


def test_no_rows():
    assert cell_means([], []).n.size == 0


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (([1], [2], [3], [2]), {}, r"successes_b must be between 0 and n_b \(2\), got 3\.0"),
        (([1], [0], [1], [2]), {}, "n_a must be 1 or more"),
        (([1, 1], [2, 2], [1], [2]), {}, "n_b must be as long as n_a"),
        (([1], [2], [1], [2]), {"target": -1.5}, r"target must be between -1 and 1, got -1\.5"),
    ],
)
def test_bad_arguments_are_named(arguments, options, message):
    with pytest.raises(ArgumentError, match=message):
        shrink_differences(*arguments, **options)
