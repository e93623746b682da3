"""Chances of k-subsets: golden numbers, exact enumeration, unbiasedness of values and variances."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations
from math import comb, prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neff.errors import ArgumentError
from neff.sampling import pass_at_k, pass_hat_k
from neff.sampling.combinatorics import all_right, at_least, draw_variance, none_right, two_subsets


@pytest.mark.parametrize(
    ("n", "c", "k", "expected"),
    [
        (10, 3, 1, 0.3),
        (10, 3, 5, 0.9166666667),
        (200, 1, 100, 0.5),
        (200, 7, 10, 0.3055988116),
        (5, 0, 3, 0.0),
        (100, 98, 3, 1.0),
        (10000, 2, 5000, 0.7500250025),
    ],
)
def test_pass_at_k_golden(n, c, k, expected):
    assert float(pass_at_k(n, c, k)) == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize(
    ("n", "c", "k", "expected"), [(8, 5, 2, 0.3571428571), (8, 5, 4, 0.0714285714), (4, 3, 4, 0.0)]
)
def test_pass_hat_k_golden(n, c, k, expected):
    assert float(pass_hat_k(n, c, k)) == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize(("n", "c", "k"), [(10**6, 1, 1), (10**6, 3, 2), (10**7, 2, 10**6), (10**5, 40, 10**4)])
def test_small_chances_keep_their_digits(n, c, k):
    exact = (
        1 - Fraction(comb(n - c, k), comb(n, k)) if k < 100 else 1 - prod(Fraction(n - k - i, n - i) for i in range(c))
    )
    assert float(pass_at_k(n, c, k)) == pytest.approx(float(exact), rel=1e-12)


def test_counts_of_other_shapes_are_refused():
    with pytest.raises(ArgumentError, match=r"c must be of the shape of n, \(2,\)"):
        pass_at_k([1, 2], [1, 1, 1], 1)


# Successes in 4 trials of 50 airline tasks of tau-bench, gpt-4o; the published pass^1..4 are .420 .273 .220 .200.
TAU = [
    0, 1, 1, 0, 0, 1, 1, 1, 0, 0, 0, 1, 4, 2, 0, 2, 1, 1, 4, 0, 4, 3, 0, 0, 4, 0, 2, 2, 0, 1, 2, 2, 0, 0, 3, 4, 4, 3,
    4, 1, 3, 2, 4, 1, 2, 2, 2, 1, 4, 4,
]  # fmt: skip


def test_tau_bench():
    hat = [float(pass_hat_k(4, TAU, k).mean()) for k in (1, 2, 3, 4)]
    assert hat == pytest.approx([0.42, 0.2733333333, 0.22, 0.2], abs=1e-10)
    at = [float(pass_at_k(4, TAU, k).mean()) for k in (1, 2, 3, 4)]
    assert at == pytest.approx([0.42, 0.5666666667, 0.66, 0.72], abs=1e-10)


def test_zero_right_ones_never_pass_and_k_above_n_is_undefined():
    assert float(pass_at_k(5, 0, 5)) == 0.0
    assert np.isnan(pass_at_k(5, 0, 6))
    assert np.isnan(pass_at_k(5, 5, 6))
    assert np.isnan(pass_hat_k(0, 0, 1))
    assert np.isnan(draw_variance(np.array([3]), np.array([1]), 4, 1)).all()


@pytest.mark.parametrize(
    ("n", "c", "message"),
    [
        (10, 0.5, "c must be a count, got 0.5"),
        (10, 11, "c must be at most n, got 11"),
        (-1, 0, "n must be a count"),
        (np.nan, 0, "n must be a count"),
    ],
)
def test_counts_that_are_none_are_refused(n, c, message):
    with pytest.raises(ArgumentError, match=message):
        pass_at_k(n, c, 1)


small = st.integers(1, 9).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n)))


@given(small, st.integers(0, 10))
def test_at_least_equals_enumeration(nck, j):
    n, c, k = nck
    draws = [1] * c + [0] * (n - c)
    subsets = list(combinations(draws, k))
    expected = sum(sum(s) >= j for s in subsets) / len(subsets)
    assert float(at_least(n, c, k, j)) == pytest.approx(expected, abs=1e-12)


@given(small, st.data())
def test_two_subsets_equals_enumeration(nck, data):
    n, c, k = nck
    j = data.draw(st.integers(1, k))
    if 2 * k > n:
        assert np.isnan(two_subsets(n, c, k, j))
        return
    right = set(range(c))
    hits, total = 0, 0
    for first in combinations(range(n), k):
        rest = [i for i in range(n) if i not in first]
        for second in combinations(rest, k):
            total += 1
            hits += len(right & set(first)) >= j and len(right & set(second)) >= j
    assert float(two_subsets(n, c, k, j)) == pytest.approx(hits / total, abs=1e-12)


def binomial_mean(n: int, p: Fraction, values: list[float]) -> float:
    return float(sum(comb(n, c) * p**c * (1 - p) ** (n - c) * Fraction(values[c]) for c in range(n + 1)))


@pytest.mark.parametrize(("n", "k", "j"), [(7, 3, 1), (11, 3, 2), (11, 5, 5), (13, 2, 1)])
@pytest.mark.parametrize("p", [Fraction(1, 7), Fraction(3, 5)])
def test_value_and_variance_are_unbiased(n, k, j, p):
    """Summed over all outcomes of n fresh draws, with weights that are exact."""
    right = np.arange(n + 1)
    value, variance = at_least(np.full(n + 1, n), right, k, j), draw_variance(np.full(n + 1, n), right, k, j)
    chance = float(sum(comb(k, i) * p**i * (1 - p) ** (k - i) for i in range(j, k + 1)))
    mean = binomial_mean(n, p, value.tolist())
    assert mean == pytest.approx(chance, abs=1e-12)
    true = binomial_mean(n, p, (value**2).tolist()) - mean**2
    assert binomial_mean(n, p, variance.tolist()) == pytest.approx(true, abs=1e-12)
    assert (variance >= 0).all()


def test_variance_with_few_draws_is_that_of_the_jeffreys_chance():
    n, c, k = 5, 2, 4
    chance = (c + 0.5) / (n + 1)
    values = at_least(np.full(n + 1, n), np.arange(n + 1), k, 1)
    mass = np.array([comb(n, i) * chance**i * (1 - chance) ** (n - i) for i in range(n + 1)])
    expected = mass @ values**2 - (mass @ values) ** 2
    assert float(draw_variance(np.array([n]), np.array([c]), k, 1)[0]) == pytest.approx(expected, abs=1e-12)


@given(small)
def test_the_forms_agree(nck):
    n, c, k = nck
    assert float(none_right(n, c, k) + at_least(n, c, k, 1)) == pytest.approx(1, abs=1e-12)
    assert float(all_right(n, c, k)) == pytest.approx(float(at_least(n, c, k, k)), abs=1e-12)
    assert float(pass_at_k(n, c, k)) <= float(pass_at_k(n, c, min(k + 1, n))) + 1e-12
