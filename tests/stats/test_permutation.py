"""The sign-flip test: edge cases, scipy and brute force as oracles, ties under rounding, error rates."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.stats import permutation as module
from neff.stats.binary import mcnemar
from neff.stats.permutation import permutation_paired

checked = settings(max_examples=60, deadline=None, derandomize=True)
tenths = st.integers(0, 10)
pairs = st.lists(st.tuples(tenths, tenths, st.integers(0, 5)), min_size=1, max_size=9)


def brute_force(differences: list[Fraction]) -> Fraction:
    observed = abs(sum(differences))
    patterns = list(itertools.product((1, -1), repeat=len(differences)))
    hits = sum(abs(sum(s * d for s, d in zip(signs, differences, strict=True))) >= observed for signs in patterns)
    return Fraction(hits, len(patterns))


# --- Edge cases ---------------------------------------------------------------------------------------------


def test_no_rows_and_no_differences() -> None:
    nothing = permutation_paired([], [])
    assert math.isnan(nothing.p_value)
    assert math.isnan(nothing.statistic)
    assert nothing.reason is Reason.EMPTY

    same = permutation_paired([0.1, 0.7, 0.4], [0.1, 0.7, 0.4])
    assert (same.p_value, same.statistic, same.reason) == (1.0, 0.0, Reason.NO_DISCORDANT)
    assert same.value == same.statistic

    # within the cluster the differences cancel, up to rounding
    x, y = np.array([0.3, 0.0, 0.5, 0.5]), np.array([0.2, 0.1, 0.5, 0.5])
    assert np.sum(x - y) != 0
    assert permutation_paired(x, y, cluster=[1, 1, 2, 3]).reason is Reason.NO_DISCORDANT


def test_few_units_cannot_reach_a_small_p_value() -> None:
    for m in range(1, 7):
        result = permutation_paired(np.arange(1.0, m + 1), np.zeros(m))
        assert result.p_value == pytest.approx(2 / 2**m, rel=1e-12)
        assert (result.exact, result.n_resamples, result.seed) == (True, 0, None)


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ArgumentError, match=r"y must be as long as x \(2\)"):
        permutation_paired([1, 2], [1, 2, 3])
    with pytest.raises(ArgumentError, match="x must be finite"):
        permutation_paired([1, math.inf], [1, 2])
    with pytest.raises(ArgumentError, match="n_resamples must be a whole number of at least 1"):
        permutation_paired([1, 2], [1, 2], n_resamples=0)
    with pytest.raises(ArgumentError, match="cluster must be of length 2"):
        permutation_paired([1, 2], [1, 2], cluster=[1])


def test_a_large_offset_costs_no_digits() -> None:
    x, y = np.random.default_rng(1).normal(size=(2, 13))
    near = permutation_paired(x, y)
    assert permutation_paired(x + 1e8, y + 1e8).p_value == pytest.approx(near.p_value, rel=1e-12)
    assert near.exact


# --- Reference values ---------------------------------------------------------------------------------------


@given(pairs, st.booleans())
@checked
def test_counting_all_patterns_in_fractions_agrees(data: list[tuple[int, int, int]], clustered: bool) -> None:
    x, y, cluster = np.array(data).T
    differences = [Fraction(int(a) - int(b), 10) for a, b in zip(x, y, strict=True)]
    if clustered:
        groups = np.unique(cluster)
        differences = [
            sum((d for d, c in zip(differences, cluster, strict=True) if c == g), Fraction()) for g in groups
        ]
    # tenths are not exact in binary: equal sums tie only with a tolerance
    result = permutation_paired(x / 10, y / 10, cluster=cluster if clustered else None)
    assert result.p_value == pytest.approx(float(brute_force(differences)), rel=1e-12)
    assert result.statistic == pytest.approx((x.mean() - y.mean()) / 10, abs=1e-15)


def test_scipy_agrees() -> None:
    x, y = np.random.default_rng(2).normal(size=(2, 11))
    theirs = scipy.stats.permutation_test(
        (x, y), lambda a, b: np.mean(a - b), permutation_type="samples", n_resamples=np.inf
    )
    ours = permutation_paired(x, y)
    assert ours.p_value == pytest.approx(theirs.pvalue, rel=1e-12)
    assert ours.statistic == pytest.approx(theirs.statistic, rel=1e-12)


@pytest.mark.parametrize(("n10", "n01"), [(0, 1), (5, 3), (31, 12), (523, 601), (40_000, 40_700)])
def test_right_and_wrong_is_mcnemars_exact_test(n10: int, n01: int) -> None:
    x = np.repeat([1.0, 0.0, 1.0, 0.0], [n10, n01, 17, 7])
    y = np.repeat([0.0, 1.0, 1.0, 0.0], [n10, n01, 17, 7])
    result = permutation_paired(x, y)
    assert result.exact
    assert result.p_value == pytest.approx(mcnemar(n10, n01, method="exact"), rel=1e-9)
    # scores of 0.1 and 0.8, whose differences are not exact
    assert permutation_paired(0.1 + 0.7 * x, 0.1 + 0.7 * y).p_value == pytest.approx(result.p_value, rel=1e-9)


def test_differences_that_differ_by_rounding_are_of_one_kind() -> None:
    x = np.repeat([0.1, 0.3, 0.4, 0.9, 0.2], [331, 347, 353, 359, 293])
    y = np.repeat([0.0, 0.2, 0.3, 0.8, 0.3], [331, 347, 353, 359, 293])
    assert np.unique(np.abs(x - y)).size >= 3
    result = permutation_paired(x[::2], y[::2])
    assert result.exact
    gains, losses = np.sum(x[::2] > y[::2]), np.sum(x[::2] < y[::2])
    assert result.p_value == pytest.approx(mcnemar(gains, losses, method="exact"), rel=1e-9)


# --- Naive twins --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("route", ["by kind", "by bits"])
def test_drawn_sums_have_the_distribution_of_flipped_signs(route: str) -> None:
    rng = np.random.default_rng(3)
    kinds, counts = np.array([0.5, 1.0, 3.0]), np.array([71, 29, 11])
    sizes = np.repeat(kinds, counts)
    n_resamples = 20_000
    if route == "by kind":
        drawn = module._sums_by_kind(kinds, counts, n_resamples, rng)
    else:
        drawn = module._sums_by_bits(sizes, n_resamples, rng)
    naive = (np.random.default_rng(4).choice([-1.0, 1.0], size=(n_resamples, sizes.size)) * sizes).sum(axis=1)
    assert scipy.stats.ks_2samp(drawn, naive).pvalue > 0.001
    variance = float(sizes @ sizes)
    assert drawn.var() == pytest.approx(variance, rel=4 * math.sqrt(2 / n_resamples))
    assert abs(drawn.mean()) < 4 * math.sqrt(variance / n_resamples)


def test_every_sign_is_free() -> None:
    # powers of 2: the sum tells the whole sign pattern
    sizes = 2.0 ** np.arange(11)
    n_resamples = 64 * 2**11
    drawn = module._sums_by_bits(sizes, n_resamples, np.random.default_rng(5))
    patterns, times = np.unique(drawn, return_counts=True)
    assert patterns.size == 2**11
    chi_squared = float(np.sum((times - 64) ** 2 / 64))
    assert 0.001 < scipy.stats.chi2.sf(chi_squared, 2**11 - 1) < 0.999


def test_draws_do_not_depend_on_how_many_are_held_at_a_time() -> None:
    sizes = np.random.default_rng(6).random(9_001)  # more than one table
    runs = [module._sums_by_bits(sizes, 53, np.random.default_rng(7), block=block) for block in (1, 4_099, 1 << 18)]
    np.testing.assert_array_equal(runs[0], runs[1])
    np.testing.assert_array_equal(runs[0], runs[2])
    assert np.all(np.abs(runs[0]) < sizes.sum())


@pytest.mark.parametrize("kind", ["few", "real"])
def test_drawn_p_values_estimate_the_exact_one(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(8)
    difference = rng.choice([-1.0, 1.0], 61, p=[0.4, 0.6]) if kind == "few" else rng.normal(0.35, size=19)
    exact = permutation_paired(difference, np.zeros_like(difference))
    assert exact.exact
    monkeypatch.setattr(module, "_EXACT_STATES", 1)
    n_resamples = 40_000
    drawn = permutation_paired(difference, np.zeros_like(difference), n_resamples=n_resamples, rng=9)
    assert (drawn.exact, drawn.n_resamples, drawn.seed) == (False, n_resamples, 9)
    error = math.sqrt(exact.p_value * (1 - exact.p_value) / n_resamples)
    assert abs(drawn.p_value - exact.p_value) < 4 * error + 1 / n_resamples


# --- Properties ---------------------------------------------------------------------------------------------


def test_a_drawn_p_value_is_never_zero() -> None:
    x = np.random.default_rng(10).random(41) + 1
    assert permutation_paired(x, np.zeros(41), n_resamples=199, rng=11).p_value == 1 / 200


@pytest.mark.parametrize("kind", ["few", "real"])
def test_order_swap_labels_and_seed(kind: str) -> None:
    rng = np.random.default_rng(12)
    x, y = rng.integers(0, 3, size=(2, 1_009)) / 2 if kind == "few" else rng.normal(size=(2, 1_009))
    order = rng.permutation(1_009)
    cluster = rng.integers(0, 401, 1_009)
    for labels in (None, cluster):

        def run(a: np.ndarray, b: np.ndarray, c: Any) -> module.PermutationResult:
            return permutation_paired(a, b, cluster=c, n_resamples=499, rng=13)

        base = run(x, y, labels)
        assert run(x, y, labels) == base
        assert run(y, x, labels).p_value == base.p_value
        assert run(y, x, labels).statistic == -base.statistic
        assert run(3 * x + 1, 3 * y + 1, labels).p_value == base.p_value
        permuted = None if labels is None else (1_000 - labels)[order]
        assert run(x[order], y[order], permuted).p_value == base.p_value
    unseeded = permutation_paired(x, y, n_resamples=99)
    assert unseeded.exact or unseeded.seed is not None


def test_one_row_per_cluster_is_no_cluster() -> None:
    x, y = np.random.default_rng(14).normal(size=(2, 53))
    plain = permutation_paired(x, y, rng=15)
    assert permutation_paired(x, y, cluster=np.arange(53), rng=15) == plain


# --- Error rates --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("repeats", [1_000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_error_rate_of_a_true_null_hypothesis(repeats: int) -> None:
    rng = np.random.default_rng(16)
    p = np.array(
        [permutation_paired(*rng.normal(size=(2, 29)), n_resamples=199, rng=rng).p_value for _ in range(repeats)]
    )
    for alpha in (0.05, 0.2):  # 199 resamples make these rates exact
        assert abs(np.mean(p <= alpha) - alpha) < 4 * math.sqrt(alpha * (1 - alpha) / repeats)
    assert abs(p.mean() - 0.5) < 4 * math.sqrt(1 / 12 / repeats) + 1 / 200


def test_error_rate_with_clusters_and_without_them() -> None:
    rng = np.random.default_rng(17)
    repeats, n_clusters, size = 600, 23, 5
    cluster = np.repeat(np.arange(n_clusters), size)
    rejected = np.zeros(2)
    for _ in range(repeats):
        x = rng.normal(size=n_clusters)[cluster] + rng.normal(size=cluster.size)
        for i, labels in enumerate((cluster, None)):
            rejected[i] += (
                permutation_paired(x, np.zeros_like(x), cluster=labels, n_resamples=99, rng=rng).p_value <= 0.05
            )
    assert abs(rejected[0] / repeats - 0.05) < 4 * math.sqrt(0.05 * 0.95 / repeats)
    assert rejected[1] / repeats > 0.15  # three times the variance of independent rows
