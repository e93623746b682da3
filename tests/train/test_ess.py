"""The effective sample size and its uncertainty: against a naive jackknife, at the edges, and by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.stats.weights import ess
from neff.train.ess import EssEstimate, ess_estimate


def of(log_w, cluster=None, **options):
    log_w = np.asarray(log_w, dtype=np.float64)
    return ess_estimate(log_w, 2 * log_w, np.ones_like(log_w), cluster, **options)


def log_share(log_w):
    x = np.exp(log_w - log_w.max())
    return 2 * math.log(x.sum()) - math.log((x * x).sum()) - math.log(x.size)


def naive(log_w, cluster):
    """Return the jackknife standard error of the log share and its bias-corrected value, one cluster out at a time."""
    names = np.unique(cluster)
    left = np.array([log_share(log_w[cluster != name]) for name in names])
    k = names.size
    error = math.sqrt((k - 1) / k * ((left - left.mean()) ** 2).sum())
    return error, k * log_share(log_w) - (k - 1) * left.mean()


def test_the_value_is_kish_and_golden():
    assert of(np.log([4.0, 1.0, 1.0, 1.0])).value == pytest.approx(49 / 76, abs=1e-12)
    # VCPO's minibatch: methods sheet rl-vcpo, section 6
    w = [2.01375270, 0.60653061, 4.48168898, 0.40656966]
    assert of(np.log(w)).value == pytest.approx(0.57123286, abs=1e-8)
    # clamping at 20 before would say 1
    assert of([30.0, 45.0, 60.0, 90.0]).value == pytest.approx(0.25, abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(arrays(np.float64, st.integers(2, 29), elements=st.floats(-40, 40)), st.integers(2, 7), st.floats(-1e4, 1e4))
def test_it_agrees_with_the_naive_jackknife_and_sees_no_shift(log_w, k, shift):
    cluster = np.arange(log_w.size) % k
    found = of(log_w, cluster)
    assert found.value == pytest.approx(ess(log_w) / log_w.size, rel=1e-9)
    moved = of(log_w + shift, cluster)
    assert moved.value == pytest.approx(found.value, rel=1e-9)
    if not math.isnan(found.log_standard_error):
        error, _ = naive(log_w, cluster)
        assert found.log_standard_error == pytest.approx(error, rel=1e-7, abs=1e-9)


def test_the_interval_is_the_jackknife_on_the_logarithm():
    from neff.stats._special import t_quantile

    log_w = np.random.default_rng(4).normal(0, 0.3, 211)
    found = of(log_w)
    error, centre = naive(log_w, np.arange(log_w.size))
    half = t_quantile(0.975, log_w.size - 1) * error
    assert found.interval == pytest.approx((math.exp(centre - half), math.exp(centre + half)), rel=1e-9)
    assert found.standard_error == pytest.approx(found.value * error, rel=1e-9)
    assert of(log_w, level=0.5).interval[0] > found.interval[0]


def test_tokens_of_a_sequence_are_a_cluster():
    rng = np.random.default_rng(3)
    log_rho = [rng.normal(0, 0.4, n) for n in (3, 17, 5, 31, 2, 11)]
    top = [x.max() for x in log_rho]
    sums = np.array([t + math.log(np.exp(x - t).sum()) for x, t in zip(log_rho, top, strict=True)])
    squares = np.array([2 * t + math.log(np.exp(2 * (x - t)).sum()) for x, t in zip(log_rho, top, strict=True)])
    counts = np.array([float(x.size) for x in log_rho])
    pooled, cluster = np.concatenate(log_rho), np.repeat(np.arange(6), counts.astype(int))
    found = ess_estimate(sums, squares, counts)
    assert found.value == pytest.approx(math.exp(log_share(pooled)), rel=1e-12)
    assert found.log_standard_error == pytest.approx(naive(pooled, cluster)[0], rel=1e-9)
    assert (found.n, found.n_clusters) == (69, 6)


@pytest.mark.parametrize(
    ("log_w", "reason"),
    [
        ([], Reason.EMPTY),
        ([-math.inf, -math.inf], Reason.ZERO_WEIGHT),
        ([0.3], Reason.TOO_FEW),
        ([0.0, 1.0, 2.0], Reason.TOO_FEW),
        ([0.5] * 31, Reason.EQUAL_WEIGHTS),
        (np.linspace(0, 1, 19), Reason.TOO_FEW),
        ([0.0] * 63 + [900.0], Reason.COLLAPSED),
        (np.linspace(-3, 3, 101), Reason.HEAVY_TAIL),
    ],
)
def test_what_has_no_interval_says_why(log_w, reason):
    found = of(log_w)
    assert found.reason is reason
    assert all(map(math.isnan, found.interval))
    assert EssEstimate.from_dict(found.to_dict()).to_dict() == found.to_dict()


def test_one_cluster_has_no_uncertainty():
    found = of(np.linspace(0, 1, 31), np.zeros(31))
    assert found.reason is Reason.ONE_CLUSTER
    assert math.isnan(found.standard_error)
    assert found.value > 0.5


def test_the_floor_is_named_and_below_three_draws_the_value_means_nothing():
    found = of([0.0] * 63 + [9.0])
    assert found.floor == 1 / 64
    assert found.value == pytest.approx(1 / 64, rel=0.02)  # one weight holds the batch
    assert found.collapsed
    assert "means nothing" in str(found)
    even = of([0.0] * 60 + [5.0] * 4)
    assert even.n_eff > 3
    assert not even.collapsed


def test_overflowing_ratios_have_their_share():
    huge = np.array([1e4, 1e4 - 1, 2e3, -1e5] * 9)
    assert of(huge).value == pytest.approx(ess(huge) / huge.size, rel=1e-12)


def coverage(v, n, batches, seed):
    """Return how often an interval was given, how often it then covered, and the mean standard error over the SD."""
    rng = np.random.default_rng(seed)
    given, covered, errors, values = 0, 0, [], []
    for _ in range(batches):
        found = of(rng.normal(0, math.sqrt(v), n))
        errors.append(found.log_standard_error)
        values.append(math.log(found.value))
        if not math.isnan(found.interval[0]):
            given += 1
            covered += found.interval[0] <= math.exp(-v) <= found.interval[1]
    return given / batches, covered / max(given, 1), float(np.mean(errors) / np.std(values))


@pytest.mark.parametrize(("v", "n", "low"), [(0.01, 256, 0.90), (0.1, 256, 0.88), (0.25, 1024, 0.88)])
def test_where_an_interval_is_given_it_covers(v, n, low):
    given, covered, ratio = coverage(v, n, 500, seed=20)
    assert given > 0.95
    assert low <= covered <= 0.98
    assert 0.85 <= ratio <= 1.1


@pytest.mark.parametrize(("v", "n"), [(1.0, 64), (1.0, 256), (2.0, 1024), (4.0, 256)])
def test_where_no_interval_would_cover_none_is_given(v, n):
    assert coverage(v, n, 200, seed=21)[0] < 0.02


@pytest.mark.slow
@pytest.mark.parametrize(
    ("v", "n", "low"),
    [(0.01, 64, 0.89), (0.1, 64, 0.84), (0.01, 1024, 0.93), (0.1, 1024, 0.92), (0.25, 256, 0.87), (0.5, 1024, 0.85)],
)
def test_the_documented_coverage(v, n, low):
    given, covered, ratio = coverage(v, n, 2000, seed=22)
    assert given > 0.7
    assert low <= covered <= 0.97
    assert 0.82 <= ratio <= 1.05


@pytest.mark.parametrize(("v", "mean"), [(1.0, 0.436), (4.0, 0.139), (9.0, 0.069)])
def test_a_small_batch_overstates_the_share(v, mean):
    # methods sheet rl-ecosystem, section 3: n = 64; the true shares are 0.368, 0.0183 and 0.00012
    rng = np.random.default_rng(5)
    values = [of(rng.normal(0, math.sqrt(v), 64)).value for _ in range(1500)]
    assert np.mean(values) == pytest.approx(mean, abs=0.006)


def test_arguments_are_checked_by_name():
    x = np.zeros(31)
    with pytest.raises(ArgumentError, match=r"level must be a number between 0 and 1, got 95\. Did you mean 0.95"):
        ess_estimate(x, x, x + 1, level=95)
    with pytest.raises(ArgumentError, match=r"log_sum must be .*nan"):
        ess_estimate(x * math.nan, x, x + 1)
    with pytest.raises(ArgumentError, match="count must be as long as"):
        ess_estimate(x, x, x[:3] + 1)
    infinite = ess_estimate([0.0, math.inf, 1.0, 2.0], [0.0, math.inf, 2.0, 4.0], [1, 1, 1, 1])
    assert infinite.reason is Reason.INFINITE_WEIGHT
    assert math.isnan(infinite.value)


def test_clusters_may_have_any_names():
    log_w = np.random.default_rng(0).normal(0, 0.3, 60)
    names = np.arange(60) % 30
    plain = of(log_w, names)
    for other in (names.astype(np.int64) * 10**15 - 7, np.array([f"prompt {k}" for k in names]), names - 5.5):
        named = of(log_w, other)
        assert named.standard_error == pytest.approx(plain.standard_error, rel=1e-9)
        assert named.n_clusters == 30
