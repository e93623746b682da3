"""Exact Kolmogorov-Smirnov p-values: golden values, a naive enumeration, scipy, uniformity."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp

from neff.benchmark.distribution import exact, ks_two_sample
from neff.benchmark.distribution.exact import p_tied, p_untied
from neff.errors import ArgumentError

GRID = np.arange(10) / 10


def test_golden():
    found = ks_two_sample(GRID, [0.05, 0.15, 0.95, 0.85, 0.5])
    assert found.statistic == pytest.approx(0.3)
    assert found.p_value == pytest.approx(0.919080919081, abs=1e-12)
    same = ks_two_sample(GRID, GRID)
    assert (same.statistic, same.p_value) == (0, 1)
    tied = ks_two_sample([0, 0, 1, 1, 2, 2, 3, 3], [0, 0, 0, 1])
    assert (tied.statistic, tied.method) == (0.5, "exact with ties")
    assert tied.p_value == pytest.approx(0.3838383838, abs=1e-10)
    coins = ks_two_sample([0] * 50 + [1] * 50, [1] * 10)
    assert coins.p_value == pytest.approx(0.0018266657, abs=1e-10)


def test_permutation_agrees_with_its_stated_error():
    for x, y in (([0, 0, 1, 1, 2, 2, 3, 3], [0, 0, 0, 1]), ([0] * 50 + [1] * 50, [1] * 10)):
        true = ks_two_sample(x, y).p_value
        found = ks_two_sample(x, y, method="permutation", n_resamples=100_000, rng=0)
        assert found.method == "permutation"
        assert abs(found.p_value - true) < 4 * found.monte_carlo_error
        assert 0 < found.monte_carlo_error < 0.002


@pytest.mark.parametrize(
    ("n", "expected"),
    [(5, 0.112), (8, 0.0227), (10, 0.00783), (12, 0.00270), (14, 9.3e-4), (16, 3.24e-4), (18, 1.12e-4), (20, 3.88e-5)],
)
def test_a_model_that_answers_the_median(n, expected):
    p = p_untied(10_000, n, 5000 * n)
    assert p == pytest.approx(expected, rel=7e-3)  # printed with three digits (that at 16 with two, 3.2e-4)
    assert (p > 1e-4) == (n <= 18)


def test_the_smallest_p_values():
    assert p_untied(10_000, 1, 10_000) == pytest.approx(2 / 10_001, rel=1e-9)
    assert p_untied(10_000, 2, 20_000) == pytest.approx(2 / math.comb(10_002, 2), rel=1e-9)
    assert p_untied(10_000, 100, 10_000 * 100) == pytest.approx(2 / math.comb(10_100, 100), rel=1e-9)


@settings(max_examples=60)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=6), st.lists(st.integers(0, 3), min_size=1, max_size=5))
def test_against_all_relabelings(x, y):
    pooled, n = np.array([*x, *y]), len(x)
    support = np.unique(pooled)

    def gap(chosen):
        mask = np.zeros(pooled.size, bool)
        mask[list(chosen)] = True
        return max(abs((pooled[mask] <= s).mean() - (pooled[~mask] <= s).mean()) for s in support)

    observed = gap(range(n))
    share = np.mean([gap(c) >= observed - 1e-12 for c in itertools.combinations(range(pooled.size), n)])
    found = ks_two_sample(x, y, ties="exact")
    assert found.statistic == pytest.approx(observed, abs=1e-12)
    assert found.p_value == pytest.approx(share, abs=1e-12)


@pytest.mark.parametrize(("n", "m"), [(7, 5), (50, 11), (11, 50), (300, 41)])
def test_against_scipy_without_ties(n, m):
    rng = np.random.default_rng(n)
    for shift in (0.0, 0.4, 1.5):
        x, y = rng.normal(size=n), rng.normal(size=m) + shift
        found = ks_two_sample(x, y)
        reference = ks_2samp(x, y, method="exact")
        assert found.statistic == pytest.approx(reference.statistic, abs=1e-12)
        assert found.p_value == pytest.approx(reference.pvalue, rel=1e-6)


@given(st.integers(1, 13), st.integers(1, 11), st.data())
def test_both_ways_of_counting_agree(n, m, data):
    gap = data.draw(st.integers(0, n * m + 1))
    assert p_untied(n, m, gap) == pytest.approx(p_tied(np.ones(n + m, np.int64), n, m, gap), abs=1e-12)


def test_large_groups_of_ties_go_at_once(monkeypatch):
    ties = np.array([120, 300, 7, 210, 95], np.int64)
    n, m = int(ties.sum()) - 61, 61
    leaps = [p_tied(ties, n, m, int(gap * n * m)) for gap in (0.05, 0.2, 0.5)]
    monkeypatch.setattr(exact, "_LEAP", 10**9)
    steps = [p_tied(ties, n, m, int(gap * n * m)) for gap in (0.05, 0.2, 0.5)]
    assert leaps == pytest.approx(steps, rel=1e-9)
    assert leaps[2] < 1e-10  # a tiny one keeps its digits


def test_p_values_are_uniform_under_the_null():
    rng = np.random.default_rng(0)
    p = np.array([ks_two_sample(rng.normal(size=307), rng.normal(size=101)).p_value for _ in range(600)])
    for share in (0.05, 0.2, 0.5, 0.8):
        assert (p <= share).mean() == pytest.approx(share, abs=0.06)  # 600 draws


def test_refusals():
    with pytest.raises(ArgumentError, match="at least one value"):
        ks_two_sample([1.0], [])
    with pytest.raises(ArgumentError, match="finite"):
        ks_two_sample([1.0], [math.inf])
    with pytest.raises(ArgumentError, match="Did you mean 'exact'"):
        ks_two_sample([1.0], [1.0], ties="exactly")


def test_ties_in_the_draws_only_do_not_count_as_ties_of_the_target():
    assert ks_two_sample(GRID, [0.5, 0.5, 0.5]).method == "exact without ties"
    assert ks_two_sample([0.0, *GRID], [0.5, 0.5, 0.5]).method == "exact with ties"  # a target with an atom
