"""Tests of energy on one value per run: the sheet's numbers, scipy.stats as the reference, and false positives."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.train.energy import (
    anova,
    difference_test,
    equivalence_test,
    friedman,
    hedges_g,
    kruskal_wallis,
    power_of_test,
    runs_needed,
    wilcoxon,
)

# sheet energy, G2: watts of three settings
A, B, C = [182, 188, 179, 191, 185], [174, 181, 170, 183, 176], [180, 178, 184, 176, 182]


def test_two_settings_of_the_sheet():
    welch = difference_test(A, B)
    assert (welch.statistic, welch.df, welch.p_value) == pytest.approx((2.587897, 7.915, 0.032503), rel=5e-5)
    assert welch.interval == pytest.approx((0.8795, 15.5205), abs=5e-5)
    assert difference_test(A, B, design="student").p_value == pytest.approx(0.032218, abs=5e-7)
    paired = difference_test(A, B, design="paired")
    assert (paired.statistic, paired.p_value) == pytest.approx((21.9154, 2.5654e-5), rel=2e-5)
    assert hedges_g(A, B) == pytest.approx(1.478337, abs=5e-7)
    assert hedges_g(A, B) / (1 - 3 / 31) == pytest.approx(1.636730, abs=5e-7)  # d before the correction
    assert equivalence_test(A, B, margin=5) == pytest.approx(0.82879, abs=5e-6)
    assert equivalence_test(A, B, margin=20) == pytest.approx(0.0029747, abs=5e-8)


def test_three_settings_of_the_sheet():
    classic = anova([A, B, C], method="classic")
    assert (classic.statistic, classic.p_value) == pytest.approx((4.255814, 0.040095), abs=5e-7)
    ranks = kruskal_wallis([A, B, C])
    assert (ranks.statistic, ranks.p_value) == pytest.approx((5.273835, 0.071582), abs=5e-7)


def test_runs_needed_of_the_sheet():
    """Sheet energy, G3: 9 W at 80% power; and what five runs can show."""
    assert [runs_needed(9, sd=sd) for sd in (5, 10, 15, 25, 40)] == [6, 21, 45, 123, 312]
    powers = [power_of_test(9, sd=sd, n=5) for sd in (5, 10, 15)]
    assert powers == pytest.approx([0.704, 0.241, 0.134], abs=5e-4)


values = st.lists(st.integers(0, 400).map(lambda i: 100 + i / 8), min_size=3, max_size=13)


@settings(deadline=None, max_examples=60)
@given(values, values)
@pytest.mark.filterwarnings("ignore:Precision loss:RuntimeWarning")  # scipy's, where one group has no spread
def test_scipy_agrees_on_two_groups(a, b):
    for design, equal in (("welch", False), ("student", True)):
        found = difference_test(a, b, design=design)
        if found.reason is None:
            wanted = scipy.stats.ttest_ind(a, b, equal_var=equal)
            assert found.p_value == pytest.approx(wanted.pvalue, rel=1e-8)
            assert found.interval == pytest.approx(tuple(wanted.confidence_interval()), rel=1e-8)
        else:
            assert found.reason is Reason.NO_SPREAD
            assert np.std(a) == np.std(b) == 0


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(-60, 60), min_size=2, max_size=17))
def test_scipy_agrees_on_pairs(d):
    found = difference_test(np.array(d) + 200.0, [200.0] * len(d), design="paired")
    if len(set(d)) > 1:
        assert found.p_value == pytest.approx(scipy.stats.ttest_1samp(d, 0).pvalue, rel=1e-7)
    else:
        assert found.reason is Reason.NO_SPREAD
    left = [x for x in d if x]
    if left and len(set(map(abs, left))) == len(left):  # scipy is exact without ties only
        assert wilcoxon(d) == pytest.approx(scipy.stats.wilcoxon(left, method="exact").pvalue, rel=1e-9)
    elif not left:
        assert math.isnan(wilcoxon(d))


def test_wilcoxon_with_ties_counts_all_signs():
    d = np.array([1, 1, -1, 2, 2, 3, -2])
    ranks = scipy.stats.rankdata(np.abs(d))
    signs = np.array(np.meshgrid(*[[0, 1]] * 7)).reshape(7, -1).T
    sums = signs @ ranks
    seen = ranks[d > 0].sum()
    assert wilcoxon(d) == pytest.approx(np.mean(np.abs(sums - 14) >= abs(seen - 14) - 1e-9), rel=1e-12)
    many = np.random.default_rng(0).normal(0.3, 1, 101)
    reference = scipy.stats.wilcoxon(many, correction=True, method="asymptotic").pvalue
    assert wilcoxon(many) == pytest.approx(reference, rel=1e-6)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(*[st.integers(0, 80)] * 3), min_size=3, max_size=11))
def test_scipy_agrees_on_three_groups(rows):
    groups = [list(map(float, column)) for column in zip(*rows, strict=True)]
    if anova(groups, method="classic").reason is None:
        wanted = scipy.stats.f_oneway(*groups)
        assert anova(groups, method="classic").p_value == pytest.approx(wanted.pvalue, rel=1e-7, abs=1e-12)
    if kruskal_wallis(groups).reason is None:
        assert kruskal_wallis(groups).p_value == pytest.approx(scipy.stats.kruskal(*groups).pvalue, rel=1e-9)
    if friedman(groups).reason is None:
        reference = scipy.stats.friedmanchisquare(*groups).pvalue
        assert friedman(groups).p_value == pytest.approx(reference, rel=1e-9)


def test_welch_anova_is_welchs_t_for_two_groups():
    found, t = anova([A, B]), difference_test(A, B)
    assert found.statistic == pytest.approx(t.statistic**2, rel=1e-12)
    assert found.p_value == pytest.approx(t.p_value, rel=1e-10)


def test_blocked_anova_is_the_paired_t_for_two_groups():
    found, t = anova([A, B], method="blocked"), difference_test(A, B, design="paired")
    assert found.statistic == pytest.approx(t.statistic**2, rel=1e-12)
    assert found.p_value == pytest.approx(t.p_value, rel=1e-9)


def test_statsmodels_agrees_on_welchs_anova():
    oneway = pytest.importorskip("statsmodels.stats.oneway")
    found = anova([A, B, C, [150, 190, 170]])
    wanted = oneway.anova_oneway([A, B, C, [150, 190, 170]], use_var="unequal", welch_correction=True)
    assert (found.statistic, found.p_value) == pytest.approx((wanted.statistic, wanted.pvalue), rel=1e-8)


@settings(deadline=None, max_examples=30)
@given(st.floats(0.5, 12), st.floats(4, 40), st.integers(2, 40))
def test_power_is_that_of_the_noncentral_t(difference, sd, n):
    df, shift = 2 * n - 2, difference / sd * math.sqrt(n / 2)
    critical = scipy.stats.t.ppf(0.975, df)
    lower = scipy.stats.nct.cdf(-critical, df, shift)
    wanted = scipy.stats.nct.sf(critical, df, shift) + (0.0 if math.isnan(lower) else lower)  # 1e-12 far in the tail
    assert power_of_test(difference, sd=sd, n=n) == pytest.approx(wanted, abs=1e-7)
    needed = runs_needed(difference, sd=sd)
    assert power_of_test(difference, sd=sd, n=needed) >= 0.8
    assert needed == 2 or power_of_test(difference, sd=sd, n=needed - 1) < 0.8


def test_pairs_need_fewer_blocks_than_groups_need_runs():
    rng = np.random.default_rng(0)
    differences = rng.normal(5, 10, (20_000, 34))
    t = differences.mean(1) / differences.std(1, ddof=1) * math.sqrt(34)
    seen = np.mean(np.abs(t) > scipy.stats.t.ppf(0.975, 33))
    assert power_of_test(5, sd=10, n=34, design="paired") == pytest.approx(seen, abs=0.01)
    assert runs_needed(5, sd=10, design="paired") == 34
    with pytest.raises(ArgumentError, match="other than 0"):
        runs_needed(0, sd=1)
    with pytest.raises(ArgumentError, match="above 0"):
        power_of_test(1, sd=0, n=5)


def test_samples_of_a_run_are_no_replicates():
    """Sheet energy, G5: no difference, 3 runs of 120 samples, run sd 6 W, AR(1) 0.9: 86% against 3.7% false alarms."""
    rng = np.random.default_rng(5)
    n, steps, rho = 2000, 120, 0.9
    noise = rng.normal(size=(n, 2, 3, steps))
    watts = np.empty_like(noise)
    watts[..., 0] = noise[..., 0]
    for k in range(1, steps):
        watts[..., k] = rho * watts[..., k - 1] + math.sqrt(1 - rho**2) * noise[..., k]
    watts = 180 + 5 * watts + rng.normal(0, 6, (n, 2, 3, 1))
    samples = runs = 0
    for a, b in zip(watts[:, 0], watts[:, 1], strict=True):
        samples += difference_test(a.ravel(), b.ravel()).p_value < 0.05
        runs += difference_test(a.mean(1), b.mean(1)).p_value < 0.05
    assert samples / n == pytest.approx(0.86, abs=0.03)  # simulated; the sample noise is not in the sheet
    assert 0.02 <= runs / n <= 0.055


def test_what_cannot_be_tested_says_why():
    assert difference_test([1.0], [2.0, 3.0]).reason is Reason.ONE_RUN
    assert difference_test([5.0, 5.0], [6.0, 6.0]).reason is Reason.NO_SPREAD
    assert math.isnan(difference_test([5.0, 5.0], [6.0, 6.0]).interval[0])
    assert math.isnan(equivalence_test([5.0, 5.0], [6.0, 6.0], margin=1))
    assert math.isnan(hedges_g([5.0, 5.0], [5.0, 5.0]))
    assert anova([[1.0], [2.0, 3.0]]).reason is Reason.ONE_RUN
    assert anova([[1.0, 1.0], [2.0, 3.0]]).reason is Reason.NO_SPREAD
    assert anova([[1.0], [2.0]], method="blocked").reason is Reason.ONE_BLOCK
    assert anova([[1.0, 2.0], [2.0, 3.0]], method="blocked").reason is Reason.NO_SPREAD
    assert kruskal_wallis([[1.0, 1.0], [1.0]]).reason is Reason.NO_SPREAD
    with pytest.raises(ArgumentError, match="as long as a"):
        difference_test([1.0, 2.0], [1.0], design="paired")
    with pytest.raises(ArgumentError, match="margin must be above 0"):
        equivalence_test(A, B, margin=0)
    with pytest.raises(ArgumentError, match="two or more"):
        anova([A])
    with pytest.raises(ArgumentError, match="of one length"):
        friedman([A, B[:3]])
