"""The bootstrap: edge cases, scipy and full enumeration as oracles, row-resampling twins, coverage."""

from __future__ import annotations

import itertools
import math
import tracemalloc
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.stats import _bootstrap as kernel
from neff.stats._special import t_cdf
from neff.stats.resample import BootstrapResult, bootstrap_counts, bootstrap_mean, bootstrap_paired

if TYPE_CHECKING:
    from collections.abc import Callable

METHODS = ["percentile", "bca"]
BLOCKS = [1, 7, 64, 1 << 18]
checked = settings(max_examples=60, deadline=None, derandomize=True)
rows = st.lists(st.tuples(st.integers(-9, 9), st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=31)


def f1(counts: Any) -> Any:
    tp, fp, fn, _ = counts.T
    return 2 * tp / (2 * tp + fp + fn)


def first_share(counts: Any) -> Any:
    return counts[:, 0] / counts.sum(axis=1)


def undefined(result: BootstrapResult, estimate: float, reason: Reason) -> None:
    assert result.estimate == pytest.approx(estimate, nan_ok=True)
    assert math.isnan(result.standard_error)
    assert math.isnan(result.interval.low)
    assert math.isnan(result.interval.high)
    assert result.reason is reason
    assert result.interval.reason is reason
    assert result.interval_at(0.5).reason is reason


# --- Edge cases ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_undefined_means_are_nan_with_the_reason(method: Any) -> None:
    def mean(values: list[float], **more: Any) -> BootstrapResult:
        return bootstrap_mean(values, method=method, n_resamples=101, rng=1, **more)

    undefined(mean([]), math.nan, Reason.EMPTY)
    undefined(mean([3.0]), 3.0, Reason.ONE_ITEM)
    undefined(mean([3.0, 5.0], cluster=["a", "a"]), 4.0, Reason.ONE_CLUSTER)
    undefined(mean([0.1] * 13), 0.1, Reason.ALL_EQUAL)
    undefined(mean([1.0, 2.0], weights=[0, 0]), math.nan, Reason.ZERO_WEIGHT)
    undefined(mean([1.0, 2.0, 7.0], weights=[0, 2, 0]), 2.0, Reason.ONE_ITEM)
    undefined(mean([1.0, 2.0, 7.0], weights=[0, 2, 1], cluster=[0, 1, 1]), 11 / 3, Reason.ONE_CLUSTER)
    # clusters of unequal size with the same mean: every resample has that mean, up to rounding
    values = [0.1, 0.3, 0.2, 0.05, 0.35, 0.2, 0.2]
    undefined(mean(values, cluster=[0, 0, 1, 2, 2, 2, 3]), 0.2, Reason.DEGENERATE_RESAMPLES)


def test_equal_differences_are_no_certainty_even_where_rounding_tells_them_apart() -> None:
    x, y = np.array([0.3, 0.9, 0.7, 1.1, 0.4]), np.array([0.2, 0.8, 0.6, 1.0, 0.3])
    assert np.ptp(x - y) > 0
    undefined(bootstrap_paired(x, y, rng=1), 0.1, Reason.ALL_DIFFERENCES_EQUAL)
    undefined(bootstrap_paired([], [], rng=1), math.nan, Reason.EMPTY)
    undefined(bootstrap_paired([1.0], [0.5], rng=1), 0.5, Reason.ONE_ITEM)


@pytest.mark.parametrize("method", METHODS)
def test_undefined_statistics_of_counts_are_nan_with_the_reason(method: Any) -> None:
    def counts(cells: list[int], statistic: Callable[[Any], Any]) -> BootstrapResult:
        return bootstrap_counts(cells, statistic, method=method, n_resamples=307, rng=2)

    undefined(counts([0, 0, 0, 0], f1), math.nan, Reason.EMPTY)
    undefined(counts([1, 0, 0, 0], f1), 1.0, Reason.ONE_ITEM)
    undefined(counts([11, 0, 0, 0], f1), 1.0, Reason.DEGENERATE_RESAMPLES)
    undefined(counts([0, 0, 0, 5], f1), math.nan, Reason.UNDEFINED_STATISTIC)
    sometimes = counts([1, 1, 0, 3], f1)  # (3/5)^5 of the resamples have no positive
    undefined(sometimes, 2 / 3, Reason.UNDEFINED_STATISTIC)
    assert abs(sometimes.n_undefined / 307 - 0.6**5) < 4 * math.sqrt(0.6**5 * (1 - 0.6**5) / 307)


def test_an_estimate_that_no_resample_reaches_has_no_bca_interval() -> None:
    def kinds(counts: Any) -> Any:
        return (counts > 0).sum(axis=1)

    result = bootstrap_counts([1] * 17, kinds, method="bca", n_resamples=503, rng=3)
    assert result.distribution.max() < result.estimate == 17
    assert result.interval.reason is Reason.OUTSIDE_RESAMPLES
    assert math.isnan(result.interval.low)
    assert result.standard_error > 0
    assert result.reason is None


def test_equal_up_to_rounding() -> None:
    assert kernel.all_equal(np.array([0.3, 0.1 + 0.2, 0.3]))
    assert kernel.all_equal(np.zeros(5))
    assert not kernel.all_equal(np.array([1.0, 1.0 + 1e-12]))
    assert not kernel.all_equal(np.array([0.0, 1e-300]))


def test_a_large_offset_costs_no_digits() -> None:
    rng = np.random.default_rng(4)
    for values in (rng.normal(size=53), (rng.random(53) < 0.3) * 1.0):
        near, far = bootstrap_mean(values, rng=5), bootstrap_mean(values + 1e8, rng=5)
        assert far.standard_error == pytest.approx(near.standard_error, rel=1e-6)
        assert far.estimate - 1e8 == pytest.approx(near.estimate, abs=1e-7)
        assert far.interval.low - 1e8 == pytest.approx(near.interval.low, abs=1e-7)
        skewed = [bootstrap_mean(np.exp(values) + offset, method="bca", rng=5) for offset in (0.0, 1e8)]
        assert skewed[1].acceleration == pytest.approx(skewed[0].acceleration, rel=1e-6)


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ArgumentError, match=r"bootstrap_mean: level must be .* Did you mean 0\.95\?"):
        bootstrap_mean([1, 2], level=95)
    with pytest.raises(ArgumentError, match="bootstrap_paired: n_resamples must be a whole number of at least 2"):
        bootstrap_paired([1, 2], [1, 3], n_resamples=1)
    with pytest.raises(ArgumentError, match="Did you mean 'percentile'"):
        bootstrap_mean([1, 2], method="percentil")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="values must be free of NaN"):
        bootstrap_mean([1, math.nan])
    with pytest.raises(ArgumentError, match=r"y must be as long as x \(2\)"):
        bootstrap_paired([1, 2], [1, 2, 3])
    with pytest.raises(ArgumentError, match="weights must be of length 2"):
        bootstrap_mean([1, 2], weights=[1, 2, 3])
    with pytest.raises(ArgumentError, match="cluster must be of length 2"):
        bootstrap_mean([1, 2], cluster=[1, 2, 3])
    with pytest.raises(ArgumentError, match=r"counts must be whole numbers of 0 or more, got 1\.5\. See position 2"):
        bootstrap_counts([1, 2, 1.5], first_share)
    with pytest.raises(ArgumentError, match="statistic must be a function that returns one number per row"):
        bootstrap_counts([5, 2, 3], lambda counts: counts.sum())


# --- Reference values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("level", [0.5, 0.95])
@pytest.mark.parametrize("kind", ["few", "real"])
def test_scipy_reads_the_same_interval_off_our_distribution(method: Any, level: float, kind: str) -> None:
    rng = np.random.default_rng(6)
    values = np.repeat([0.0, 1.0], [32, 11]) if kind == "few" else rng.gamma(0.7, size=43)
    ours = bootstrap_mean(values, n_resamples=2_003, method=method, level=level, rng=7)
    theirs = scipy.stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=0,
        bootstrap_result=SimpleNamespace(bootstrap_distribution=ours.distribution),
        method={"percentile": "percentile", "bca": "BCa"}[method],
        confidence_level=level,
    )
    np.testing.assert_allclose(ours.interval[:2], theirs.confidence_interval, rtol=1e-12)
    assert ours.standard_error == pytest.approx(theirs.standard_error, rel=1e-12)


def test_acceleration_of_counts_is_that_of_the_rows() -> None:
    zeros, ones = 31, 6
    of_counts = bootstrap_counts([ones, zeros], first_share, method="bca", rng=8)
    of_rows = bootstrap_mean([1.0] * ones + [0.0] * zeros, method="bca", rng=8)
    p = ones / (zeros + ones)
    skewness = (1 - 2 * p) / math.sqrt(p * (1 - p))
    assert of_counts.acceleration == pytest.approx(skewness / (6 * math.sqrt(zeros + ones)), rel=1e-12)
    assert of_rows.acceleration == pytest.approx(of_counts.acceleration, rel=1e-12)
    assert math.isnan(bootstrap_mean([1.0, 0.0], rng=8).acceleration)


def test_acceleration_of_unequal_clusters_leaves_each_out() -> None:
    rng = np.random.default_rng(44)
    cluster, values, weights = np.repeat(np.arange(7), [1, 2, 3, 5, 7, 11, 13]), rng.gamma(0.5, size=42), rng.random(42)
    result = bootstrap_mean(values, cluster=cluster, weights=weights, method="bca", rng=45)
    loo = np.array([np.average(values[cluster != g], weights=weights[cluster != g]) for g in range(7)])
    d = loo.mean() - loo
    assert result.acceleration == pytest.approx((d**3).sum() / (6 * (d**2).sum() ** 1.5), rel=1e-10)


def test_acceleration_of_more_cells_than_one_block_holds() -> None:
    rng = np.random.default_rng(46)
    values, counts = rng.gamma(0.5, size=601), rng.integers(0, 4, 601)

    def mean(tables: Any) -> Any:
        return tables @ values / tables.sum(axis=1)

    of_counts = bootstrap_counts(counts, mean, method="bca", n_resamples=101, rng=47)
    of_rows = bootstrap_mean(np.repeat(values, counts), method="bca", n_resamples=101, rng=47)
    assert of_counts.acceleration == pytest.approx(of_rows.acceleration, rel=1e-6)


def test_bca_counts_ties_as_half_also_under_rounding() -> None:
    exact, rounded = np.repeat([0.1, 0.3, 0.5], [23, 53, 31]), np.repeat([0.1, 0.1 + 0.2, 0.5], [23, 53, 31])
    levels = kernel.bca_levels(exact, 0.3, 0.02, 0.9)
    assert kernel.bca_levels(rounded, 0.3, 0.02, 0.9) == levels
    # share below: (23 + 76) / 214
    z0, z = scipy.stats.norm.ppf(99 / 214), scipy.stats.norm.ppf(0.95)
    expected = [scipy.stats.norm.cdf(z0 + (z0 + s) / (1 - 0.02 * (z0 + s))) for s in (-z, z)]
    np.testing.assert_allclose(levels, expected, rtol=1e-12)


def test_bca_beyond_its_pole_takes_the_whole_tail() -> None:
    distribution = np.linspace(-1, 1, 101)
    assert kernel.bca_levels(distribution, 0.0, 0.6, 0.95)[1] == 1.0
    assert kernel.bca_levels(distribution, 0.0, -0.6, 0.95)[0] == 0.0
    low, high = kernel.bca_levels(distribution, 0.0, 0.6, 0.5)
    assert 0 < low < high < 1


@pytest.mark.parametrize("cells", [False, True])
def test_every_resample_of_a_tiny_sample_is_as_likely_as_it_should_be(cells: bool) -> None:
    values, n_resamples = np.array([0.0, 1.0, 5.0]), 27_000
    rng = np.random.default_rng(9)
    if cells:
        drawn = kernel.resample_cells(np.ones(3, np.int64), lambda c: c @ values, n_resamples, rng)
    else:
        drawn = kernel.resample_units(values, n_resamples, rng)
    sums = [sum(triple) for triple in itertools.product(values, repeat=3)]
    support, ways = np.unique(sums, return_counts=True)
    seen, times = np.unique(drawn, return_counts=True)
    np.testing.assert_array_equal(seen, support)
    expected = ways / 27 * n_resamples
    chi_squared = np.sum((times - expected) ** 2 / expected)
    assert 0.001 < scipy.stats.chi2.sf(chi_squared, support.size - 1) < 0.999


@pytest.mark.parametrize("kind", ["few", "real"])
def test_the_standard_error_is_the_closed_form(kind: str) -> None:
    rng = np.random.default_rng(10)
    values = rng.integers(0, 3, 307) / 2 if kind == "few" else rng.normal(size=307)
    n_resamples = 20_011
    result = bootstrap_mean(values, n_resamples=n_resamples, rng=11)
    closed = values.std() / math.sqrt(values.size)
    assert result.standard_error == pytest.approx(closed, rel=4 / math.sqrt(2 * n_resamples))
    assert abs(result.distribution.mean() - values.mean()) < 4 * closed / math.sqrt(n_resamples)


# --- Naive twins --------------------------------------------------------------------------------------------


def same_distribution(ours: np.ndarray, naive: np.ndarray) -> None:
    """Compare two samples by mean, spread and the whole distribution; each check passes 999 times in 1000."""
    m, n = ours.size, naive.size
    error = math.sqrt(ours.var() / m + naive.var() / n)
    assert abs(ours.mean() - naive.mean()) < 3.3 * error
    assert ours.std() == pytest.approx(naive.std(), rel=3.3 * math.sqrt(1 / (2 * m) + 1 / (2 * n)))
    # rounded, so that equal results of different arithmetic tie
    assert scipy.stats.ks_2samp(np.round(ours, 9), np.round(naive, 9)).pvalue > 0.001


def rows_one_resample_at_a_time(columns: np.ndarray, statistic: Any, n_resamples: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    n = columns.shape[0]
    return np.array([statistic(columns[rng.integers(0, n, n)]) for _ in range(n_resamples)])


def test_counts_are_rows_resampled() -> None:
    cells = np.array([37, 11, 19, 44])
    labels = np.repeat(np.eye(4, dtype=np.int64), cells, axis=0)
    ours = bootstrap_counts(cells, f1, n_resamples=20_000, rng=12)
    naive = rows_one_resample_at_a_time(labels, lambda drawn: f1(drawn.sum(axis=0)[np.newaxis])[0], 5_000, 13)
    same_distribution(ours.distribution, naive)
    np.testing.assert_allclose(ours.interval[:2], np.quantile(naive, [0.025, 0.975]), rtol=1e-2)


def test_a_wrong_twin_is_told_apart() -> None:
    rng = np.random.default_rng(14)
    with pytest.raises(AssertionError):
        same_distribution(rng.normal(size=20_000), 1.06 * rng.normal(size=5_000))


@pytest.mark.parametrize("kind", ["few", "real"])
@pytest.mark.parametrize("weighted", [False, True])
def test_means_are_rows_resampled(kind: str, weighted: bool) -> None:
    rng = np.random.default_rng(15)
    values = (rng.random(97) < 0.2) * 1.0 if kind == "few" else rng.gamma(0.5, size=97)
    weights = rng.integers(1, 4, 97) * 1.0 if weighted else np.ones(97)
    ours = bootstrap_mean(values, weights=weights if weighted else None, n_resamples=20_000, rng=16)

    def ratio(drawn: np.ndarray) -> float:
        return float(drawn[:, 0] @ drawn[:, 1] / drawn[:, 1].sum())

    naive = rows_one_resample_at_a_time(np.column_stack([values, weights]), ratio, 5_000, 17)
    same_distribution(ours.distribution, naive)
    assert ours.estimate == pytest.approx(np.average(values, weights=weights), rel=1e-12)


@pytest.mark.parametrize("kind", ["few", "real"])
def test_clusters_are_resampled_whole(kind: str) -> None:
    rng = np.random.default_rng(18)
    cluster = rng.integers(0, 41, 211)
    effect = rng.normal(size=41)[cluster]
    values = (effect + rng.normal(size=211) > 0) * 1.0 if kind == "few" else effect + rng.normal(size=211)
    ours = bootstrap_mean(values, cluster=cluster, n_resamples=20_000, rng=19)
    members = [values[cluster == g] for g in np.unique(cluster)]
    draw = np.random.default_rng(20)
    naive = np.array(
        [
            np.concatenate([members[g] for g in draw.integers(0, len(members), len(members))]).mean()
            for _ in range(5_000)
        ]
    )
    same_distribution(ours.distribution, naive)
    assert ours.n_units == len(members)


def test_paired_scores_are_rows_resampled() -> None:
    rng = np.random.default_rng(21)
    ability = rng.normal(size=103)
    x, y = ((ability + rng.normal(size=103) > cut) * 1.0 for cut in (0.0, 0.4))
    ours = bootstrap_paired(x, y, n_resamples=20_000, rng=22)
    naive = rows_one_resample_at_a_time(np.column_stack([x, y]), lambda d: (d[:, 0] - d[:, 1]).mean(), 5_000, 23)
    same_distribution(ours.distribution, naive)


# --- Properties ---------------------------------------------------------------------------------------------


def test_results_do_not_depend_on_how_many_resamples_are_held_at_a_time() -> None:
    counts = np.array([5, 0, 13, 29])
    real = np.random.default_rng(24).normal(size=37)
    pairs = real + 1j * np.arange(1, 38)
    for draw in (
        lambda block: kernel.resample_cells(counts, f1, 101, np.random.default_rng(25), block=block),
        lambda block: kernel.resample_units(real, 101, np.random.default_rng(26), block=max(37, block)),
        lambda block: kernel.resample_units(pairs, 101, np.random.default_rng(27), block=max(37, block)),
    ):
        first, *others = [draw(block) for block in BLOCKS]
        for other in others:
            np.testing.assert_array_equal(first, other)
    # a resample that exceeds a block is summed in parts: the same draws, another order of addition
    whole = kernel.resample_units(pairs, 101, np.random.default_rng(27))
    for block in (1, 5, 36):
        parts = kernel.resample_units(pairs, 101, np.random.default_rng(27), block=block)
        np.testing.assert_allclose(parts, whole, rtol=1e-12)


def test_more_resamples_begin_with_the_same_ones() -> None:
    values = np.random.default_rng(28).normal(size=31)
    for data in (values, np.repeat([0.0, 1.0], [61, 17])):
        few, many = (bootstrap_mean(data, n_resamples=b, rng=29).distribution for b in (101, 1_009))
        np.testing.assert_array_equal(few, many[:101])


@given(rows, st.randoms(use_true_random=False), st.sampled_from(METHODS))
@checked
def test_order_labels_and_seed(data: list[tuple[int, int, int]], random: Any, method: Any) -> None:
    values, cluster, weights = np.array(data).T / np.array([[2], [1], [1]])
    order = np.random.default_rng(random.getrandbits(32)).permutation(values.size)

    def run(at: Any, labels: Any) -> BootstrapResult:
        return bootstrap_mean(
            values[at], cluster=labels[at], weights=weights[at], n_resamples=53, method=method, rng=30
        )

    first = run(slice(None), cluster)
    again = run(order, np.array(["e", "a", "d", "b", "c"])[cluster.astype(int)])  # sums of halves are exact
    np.testing.assert_array_equal(first.distribution, again.distribution)
    np.testing.assert_array_equal(first.interval[:2], again.interval[:2])
    assert first.reason is again.reason


@given(rows)
@checked
def test_one_row_per_cluster_is_no_cluster_and_equal_weights_are_no_weights(data: list[tuple[int, int, int]]) -> None:
    values = np.array(data)[:, 0] / 2
    plain = bootstrap_mean(values, n_resamples=53, rng=31)
    each = bootstrap_mean(values, cluster=np.arange(values.size)[::-1], n_resamples=53, rng=31)
    weighted = bootstrap_mean(values, weights=np.full(values.size, 2.0), n_resamples=53, rng=31)
    np.testing.assert_array_equal(plain.distribution, each.distribution)
    np.testing.assert_allclose(plain.distribution, weighted.distribution, rtol=1e-12)


@given(rows, st.integers(-3, 3), st.integers(1, 5))
@checked
def test_shift_scale_and_swap(data: list[tuple[int, int, int]], shift: int, scale: int) -> None:
    x, y, _ = np.array(data).T / 2
    base = bootstrap_paired(x, y, n_resamples=53, rng=32)
    moved = bootstrap_paired(scale * x + shift, scale * y + shift, n_resamples=53, rng=32)
    np.testing.assert_allclose(moved.distribution, scale * base.distribution, atol=1e-12)
    assert bootstrap_paired(y, x, n_resamples=53, rng=32).estimate == -base.estimate
    assert bootstrap_mean(x - y, n_resamples=53, rng=32).estimate == base.estimate
    if base.reason is None:
        assert x.size > 1
        np.testing.assert_allclose(moved.interval[:2], scale * np.array(base.interval[:2]), atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_another_level_needs_no_new_resamples(method: Any) -> None:
    values = np.random.default_rng(33).gamma(1.0, size=59)
    result = bootstrap_mean(values, method=method, rng=34)
    ends = [result.interval_at(level) for level in (0.5, 0.8, 0.95, 0.99)]
    assert ends[2] == result.interval
    assert ends[1] == bootstrap_mean(values, method=method, level=0.8, rng=34).interval
    for narrow, wide in itertools.pairwise(ends):
        assert wide.low < narrow.low < narrow.high < wide.high
    with pytest.raises(ArgumentError, match=r"interval_at: level must be .* Did you mean 0\.9\?"):
        result.interval_at(90)


def test_the_seed_reproduces_the_result() -> None:
    values = np.random.default_rng(35).normal(size=31)
    drawn = bootstrap_mean(values, n_resamples=101)
    assert drawn.seed is not None
    np.testing.assert_array_equal(
        bootstrap_mean(values, n_resamples=101, rng=drawn.seed).distribution, drawn.distribution
    )
    mine = np.random.default_rng(36)
    first, second = (bootstrap_mean(values, n_resamples=101, rng=mine) for _ in range(2))
    assert first.seed is None
    assert np.any(first.distribution != second.distribution)


def test_a_result_is_frozen_and_names_its_value() -> None:
    result = bootstrap_counts([5, 9], first_share, n_resamples=101, rng=37)
    assert result.value == result.estimate
    with pytest.raises(ValueError, match="read-only"):
        result.distribution[0] = 1.0
    with pytest.raises(AttributeError):
        result.level = 0.5  # type: ignore[misc]
    assert "distribution" not in repr(result)


def test_memory_is_bounded() -> None:
    rng = np.random.default_rng(38)
    x, y = rng.normal(size=(2, 10_007))
    tracemalloc.start()
    bootstrap_paired(x, y, cluster=np.arange(10_007) // 2, n_resamples=997, rng=39)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64e6


# --- Coverage -----------------------------------------------------------------------------------------------


def percentile_coverage(n: int, level: float = 0.95) -> float:
    """Coverage for normal data: the bootstrap uses the n-divisor and the normal quantile, not t."""
    z = scipy.stats.norm.ppf(0.5 + level / 2)
    return 2 * t_cdf(z * math.sqrt((n - 1) / n), n - 1) - 1


def simulate(
    draw: Callable[[np.random.Generator], BootstrapResult], truth: float, repeats: int, seed: int
) -> tuple[float, float]:
    """Return the coverage, and the mean standard error over the standard deviation of the estimates."""
    rng = np.random.default_rng(seed)
    results = [draw(rng) for _ in range(repeats)]
    covered = np.mean([r.interval.low <= truth <= r.interval.high for r in results])
    ratio = np.mean([r.standard_error for r in results]) / np.std([r.estimate for r in results])
    return float(covered), float(ratio)


def within(observed: float, expected: float, repeats: int) -> bool:
    return abs(observed - expected) < 4 * math.sqrt(expected * (1 - expected) / repeats)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("repeats", [600, pytest.param(10_000, marks=pytest.mark.slow)])
def test_coverage_of_a_mean(method: Any, repeats: int) -> None:
    n = 53
    covered, ratio = simulate(
        lambda rng: bootstrap_mean(rng.normal(size=n), n_resamples=499, method=method, rng=rng), 0.0, repeats, 40
    )
    assert within(covered, percentile_coverage(n) - 0.003, repeats)  # 499 resamples cost .003
    assert ratio == pytest.approx(math.sqrt((n - 1) / n), rel=4 / math.sqrt(2 * repeats))


@pytest.mark.parametrize("repeats", [600, pytest.param(10_000, marks=pytest.mark.slow)])
def test_coverage_of_a_paired_difference_of_right_and_wrong(repeats: int) -> None:
    n = 53

    def draw(rng: np.random.Generator) -> BootstrapResult:
        ability = rng.normal(size=n)
        x, y = ((ability + rng.normal(size=n) > cut) * 1.0 for cut in (-0.3, 0.3))
        return bootstrap_paired(x, y, n_resamples=999, rng=rng)

    p = scipy.stats.norm.cdf(0.3 / math.sqrt(2))
    covered, ratio = simulate(draw, 2 * p - 1, repeats, 41)
    assert abs(covered - 0.94) < 0.01 + 4 * math.sqrt(0.94 * 0.06 / repeats)
    assert ratio == pytest.approx(math.sqrt((n - 1) / n), rel=4 / math.sqrt(2 * repeats))


@pytest.mark.parametrize("repeats", [600, pytest.param(5_000, marks=pytest.mark.slow)])
def test_coverage_with_clusters_and_without_them(repeats: int) -> None:
    n_clusters, size = 47, 5
    cluster = np.repeat(np.arange(n_clusters), size)

    def values(rng: np.random.Generator) -> np.ndarray:
        return rng.normal(size=n_clusters)[cluster] + rng.normal(size=cluster.size)

    clustered, ratio = simulate(
        lambda rng: bootstrap_mean(values(rng), cluster=cluster, n_resamples=499, rng=rng), 0.0, repeats, 42
    )
    assert within(clustered, percentile_coverage(n_clusters) - 0.003, repeats)
    assert ratio == pytest.approx(math.sqrt((n_clusters - 1) / n_clusters), rel=4 / math.sqrt(2 * repeats))
    naive, _ = simulate(lambda rng: bootstrap_mean(values(rng), n_resamples=199, rng=rng), 0.0, repeats // 2, 43)
    assert naive < 0.85  # the variance is 3 times what independent rows would have: about .73
