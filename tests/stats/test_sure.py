"""Approximate SURE: golden numbers and exact enumeration over all counts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import comb

from neff.errors import ArgumentError
from neff.stats import approximate_sure, shrink_rates


def expectation(n, p, values):
    x = np.arange(n + 1)
    return float(comb(n, x) * p**x * (1 - p) ** (n - x) @ values)


def jeffreys(x, n):
    return (x + 0.5) / (n + 1)


def linear(x, n):
    return 0.6 * x / n + 0.4 * 0.2


def threshold(x, n):
    return np.where(x / n >= 0.2, x / n, 0.0)


def both(rule, n, p):
    """The risk, and the expected estimate of it."""
    x, m = np.arange(n + 1), np.full(n + 1, n)
    loss = (rule(x, m) - p) ** 2
    return expectation(n, p, loss), expectation(n, p, approximate_sure(rule, x, m))


def test_jeffreys_golden_numbers():
    values = approximate_sure(jeffreys, [0, 1, 3], [6, 6, 6])
    np.testing.assert_allclose(values, [0.0051020408, 0.0221088435, 0.0357142857], atol=5e-11)


@pytest.mark.parametrize("rule", [jeffreys, linear])
@pytest.mark.parametrize("n", [2, 3, 7, 13])
@pytest.mark.parametrize("p", [0.0, 0.01, 0.3, 0.85, 1.0])
def test_exactly_unbiased_for_rules_linear_in_the_successes(rule, n, p):
    risk, expected = both(rule, n, p)
    assert expected == pytest.approx(risk, abs=5e-16)


def test_hard_threshold_golden_numbers():
    risk, expected = both(threshold, 10, 0.7)
    assert risk == pytest.approx(0.02101791, abs=5e-9)
    assert expected == pytest.approx(0.02094290, abs=5e-9)


@pytest.mark.parametrize("n", [5, 11])
@pytest.mark.parametrize("p", [0.1, 0.6])
def test_the_bias_is_the_third_order_term(n, p):
    second = np.array([threshold(x + 2, n) - 2 * threshold(x + 1, n) + threshold(x, n) for x in range(n - 1)])
    risk, expected = both(threshold, n, p)
    assert expected - risk == pytest.approx(2 * p**3 * expectation(n - 2, p, second), abs=1e-15)


def test_a_linear_rule_gives_the_risk_estimate_of_linear_shrinkage():
    x, n = np.array([0, 1, 3, 7, 2]), np.array([4, 5, 6, 20, 3])
    fit = shrink_rates(x, n, target=0.25, lam=5)
    values = approximate_sure(lambda x, n: (x + 5 * 0.25) / (n + 5), x, n)
    np.testing.assert_allclose(values, fit.cell_risks["linear"][0], atol=1e-15)


def test_single_answers_have_no_estimate():
    assert np.isnan(approximate_sure(jeffreys, [1, 1], [1, 2])).tolist() == [True, False]


@pytest.mark.parametrize("rule", [lambda x, n: 0.5, lambda x, n: np.log(x), lambda x, n: x[:1]])
def test_a_rule_must_return_one_finite_number_per_cell(rule):
    must = "rule must be a function that returns 3 finite numbers"
    with np.errstate(divide="ignore"), pytest.raises(ArgumentError, match=must):
        approximate_sure(rule, [0, 1, 3], [6, 6, 6])
