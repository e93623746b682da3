"""Intervals: edge cases, published values, statsmodels and brute force as oracles, exact coverage."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
import scipy.optimize
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from neff.errors import ArgumentError, ArgumentTypeError
from neff.reasons import Reason
from neff.stats.intervals import (
    Interval,
    beta_interval,
    clopper_pearson,
    paired_proportions,
    t_interval,
    wilson,
)

if TYPE_CHECKING:
    from collections.abc import Callable

PROPORTION = [wilson, clopper_pearson, beta_interval]
levels = st.floats(0.05, 0.999)
counts = st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def jeffreys(successes: int, n: int, *, level: float = 0.95) -> Interval:
    return beta_interval(successes, n, prior=(0.5, 0.5), level=level)


# --- Edge cases ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("interval", PROPORTION)
def test_no_trials_is_undefined(interval: Callable[..., Interval]) -> None:
    low, high, reason = interval(0, 0)
    assert math.isnan(low)
    assert math.isnan(high)
    assert reason is Reason.EMPTY


@pytest.mark.parametrize("interval", [*PROPORTION, jeffreys])
@pytest.mark.parametrize("n", [1, 2, 17, 100_003])
def test_all_or_nothing_keeps_a_width(interval: Callable[..., Interval], n: int) -> None:
    none, all_ = interval(0, n), interval(n, n)
    assert none.low == 0.0
    assert 0.0 < none.high < 1.0
    assert all_.high == 1.0
    assert all_.low == pytest.approx(1 - none.high, rel=1e-12)
    assert none.reason is None


@pytest.mark.parametrize("interval", PROPORTION)
@pytest.mark.parametrize(
    ("successes", "n", "message"),
    [(0.8, 100, "not a share"), (-1, 10, "at least 0"), (11, 10, r"at most n \(10\)"), (1, math.nan, "whole")],
)
def test_wrong_counts_are_refused(interval: Callable[..., Interval], successes: float, n: float, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        interval(successes, n)


@pytest.mark.parametrize("interval", PROPORTION)
def test_percent_level_is_refused(interval: Callable[..., Interval]) -> None:
    with pytest.raises(ArgumentError, match=f"{interval.__name__}: level must be .* Did you mean 0.95"):
        interval(3, 10, level=95)


def test_a_prior_that_rules_out_zero_is_believed() -> None:
    assert beta_interval(0, 10, prior=(20, 20)).low > 0.1
    assert beta_interval(10, 10, prior=(20, 20)).high < 0.9
    for prior in [(0, 1), (1, -1), (math.inf, 1), (math.nan, 1)]:
        with pytest.raises(ArgumentError, match="two positive numbers"):
            beta_interval(3, 10, prior=prior)
    with pytest.raises(ArgumentTypeError, match="prior must be one number"):
        beta_interval(3, 10, prior=("1", 1))


@pytest.mark.parametrize(
    ("value", "standard_error", "df", "reason"),
    [
        (0.5, 0.0, 9, Reason.ALL_EQUAL),
        (0.5, math.nan, 9, Reason.NO_STANDARD_ERROR),
        (0.5, 0.1, 0, Reason.NO_STANDARD_ERROR),
        (0.5, 0.1, math.nan, Reason.NO_STANDARD_ERROR),
        (math.nan, 0.1, 9, Reason.EMPTY),
    ],
)
def test_t_interval_undefined(value: float, standard_error: float, df: float, reason: Reason) -> None:
    low, high, why = t_interval(value, standard_error, df=df)
    assert math.isnan(low)
    assert math.isnan(high)
    assert why is reason


def test_t_interval_refuses() -> None:
    with pytest.raises(ArgumentError, match="0 or more"):
        t_interval(0.5, -0.1, df=3)
    with pytest.raises(ArgumentTypeError, match="one number"):
        t_interval([0.5], 0.1, df=3)


@pytest.mark.parametrize("n", [1, 2, 5, 44, 10_007])
def test_tango_at_the_corners(n: int) -> None:
    k = scipy.stats.norm.ppf(0.975) ** 2
    # closed forms: no discordant pair, all pairs discordant one way, and half of them each way
    agree = paired_proportions(0, 0, n)
    assert agree.high == pytest.approx(k / (n + k), rel=1e-12)
    assert agree.low == -agree.high
    one_way = paired_proportions(n, 0, n)
    assert one_way.high == 1.0
    assert one_way.low == pytest.approx((n - k) / (n + k), rel=1e-9, abs=1e-12)
    assert paired_proportions(0, n, n) == (-1.0, -one_way.low, None)


def test_tango_refuses() -> None:
    assert paired_proportions(0, 0, 0).reason is Reason.EMPTY
    with pytest.raises(ArgumentError, match=r"at least n10 \+ n01 \(12\)"):
        paired_proportions(9, 3, 11)
    with pytest.raises(ArgumentError, match="n01 must be a whole number"):
        paired_proportions(9, 0.3, 11)
    with pytest.raises(ArgumentError, match="Did you mean"):
        paired_proportions(9, 3, 20, level=90)


# --- Published values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("successes", "n", "score", "exact"),
    [
        (81, 263, (0.2553, 0.3662), (0.2527, 0.3676)),
        (15, 148, (0.0624, 0.1605), (0.0578, 0.1617)),
        (0, 20, (0.0, 0.1611), (0.0, 0.1684)),
        (1, 29, (0.0061, 0.1718), (0.0009, 0.1776)),
    ],
)
def test_newcombe_1998_table_1(successes: int, n: int, score: tuple[float, float], exact: tuple[float, float]) -> None:
    """Newcombe 1998, Statist. Med. 17:857, methods 3 (score) and 5 (exact)."""
    assert wilson(successes, n)[:2] == pytest.approx(score, abs=5.1e-5)
    assert clopper_pearson(successes, n)[:2] == pytest.approx(exact, abs=5.1e-5)


@pytest.mark.parametrize(
    ("n10", "n01", "n", "level", "expected"),
    [
        (0, 1, 44, 0.90, (-0.096, 0.037)),  # Tango 1998, contact-lens disinfection
        (1, 7, 21, 0.95, (-0.517, -0.026)),  # Fagerland, Lydersen and Laake 2014, Statist. Med. 33:2850
    ],
)
def test_tango_published(n10: int, n01: int, n: int, level: float, expected: tuple[float, float]) -> None:
    assert paired_proportions(n10, n01, n, level=level)[:2] == pytest.approx(expected, abs=5.1e-4)


# --- Oracles and properties ---------------------------------------------------------------------------------


@given(counts, levels)
def test_proportions_match_statsmodels(count: tuple[int, int], level: float) -> None:
    successes, n = count
    for ours, name in ((wilson, "wilson"), (clopper_pearson, "beta")):
        theirs = proportion_confint(successes, n, alpha=1 - level, method=name)
        assert ours(successes, n, level=level)[:2] == pytest.approx(theirs, rel=1e-8, abs=1e-12)
    if 0 < successes < n:
        theirs = proportion_confint(successes, n, alpha=1 - level, method="jeffreys")
        assert jeffreys(successes, n, level=level)[:2] == pytest.approx(theirs, rel=1e-8)


@given(counts, levels)
def test_proportion_properties(count: tuple[int, int], level: float) -> None:
    successes, n = count
    for interval in (wilson, clopper_pearson, jeffreys):
        low, high, _ = interval(successes, n, level=level)
        assert 0.0 <= low <= successes / n <= high <= 1.0 or interval is jeffreys
        assert low < high
        mirrored = interval(n - successes, n, level=level)
        assert (1 - mirrored.high, 1 - mirrored.low) == pytest.approx((low, high), abs=1e-12)
    assert clopper_pearson(successes, n, level=level).low <= jeffreys(successes, n, level=level).low
    assert clopper_pearson(successes, n, level=level).high >= jeffreys(successes, n, level=level).high


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6), st.integers(1, 500) | st.just(math.inf), levels)
def test_t_interval_matches_scipy(value: float, standard_error: float, df: float, level: float) -> None:
    reference = scipy.stats.norm if math.isinf(df) else scipy.stats.t(df)
    half = reference.ppf(0.5 + level / 2) * standard_error
    expected = (value - half, value + half)
    assert t_interval(value, standard_error, df=df, level=level)[:2] == pytest.approx(expected, rel=1e-9)


def score_statistic(n10: int, n01: int, n: int, difference: float) -> float:
    """Naive twin of Tango's statistic: the nuisance parameter by numerical maximum likelihood."""

    def minus_log_likelihood(p01: float) -> float:
        cells = ((n10, p01 + difference), (n01, p01), (n - n10 - n01, 1 - 2 * p01 - difference))
        return -sum(count * math.log(max(p, 1e-300)) for count, p in cells if count)

    low, high = max(0.0, -difference), (1 - difference) / 2
    best = scipy.optimize.minimize_scalar(
        minus_log_likelihood, bounds=(low, high), method="bounded", options={"xatol": 1e-13}
    )
    p01 = min((low, best.x, high), key=minus_log_likelihood)
    variance = n * (2 * p01 + difference * (1 - difference))
    gap = n10 - n01 - n * difference
    return gap / math.sqrt(variance) if gap else 0.0


@pytest.mark.parametrize("table", [(9, 3, 50), (0, 4, 31), (5, 0, 7), (3, 3, 6), (1, 0, 1000), (40, 20, 160)])
@pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
def test_tango_inverts_the_score_test(table: tuple[int, int, int], level: float) -> None:
    low, high, _ = paired_proportions(*table, level=level)
    z = scipy.stats.norm.ppf(0.5 + level / 2)
    if low > -1:
        assert score_statistic(*table, low) == pytest.approx(z, rel=1e-5)
    if high < 1:
        assert score_statistic(*table, high) == pytest.approx(-z, rel=1e-5)


def test_tango_has_no_holes() -> None:
    """For every table of 7 pairs, exactly the differences inside are accepted by the naive score test."""
    n, z = 7, scipy.stats.norm.ppf(0.975)
    grid = np.linspace(-0.99, 0.99, 67)
    for n10 in range(n + 1):
        for n01 in range(n + 1 - n10):
            low, high, _ = paired_proportions(n10, n01, n)
            for difference in grid:
                accepted = abs(score_statistic(n10, n01, n, difference)) <= z
                assert accepted == (low <= difference <= high), (n10, n01, difference)


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 200), levels)
def test_tango_properties(n10: int, n01: int, agree: int, level: float) -> None:
    n = n10 + n01 + agree
    if n == 0:
        return
    low, high, reason = paired_proportions(n10, n01, n, level=level)
    assert reason is None
    assert -1.0 <= low <= (n10 - n01) / n <= high <= 1.0
    assert low < high
    swapped = paired_proportions(n01, n10, n, level=level)
    assert (swapped.low, swapped.high) == (-high, -low)
    # at difference 0 the score test is McNemar's
    if n10 + n01:
        statistic = abs(n10 - n01) / math.sqrt(n10 + n01)
        z = scipy.stats.norm.ppf(0.5 + level / 2)
        if abs(statistic - z) > 1e-9:
            assert (statistic > z) == (not low <= 0 <= high)


# --- Coverage, exact ----------------------------------------------------------------------------------------


def coverage(interval: Callable[..., Interval], n: int, grid: np.ndarray) -> np.ndarray:
    """Coverage of a 95% interval at each success probability, summed over all outcomes."""
    ends = [interval(k, n) for k in range(n + 1)]
    pmf = scipy.stats.binom.pmf(np.arange(n + 1)[:, None], n, grid)
    inside = np.array([[low <= p <= high for p in grid] for low, high, _ in ends])
    return np.sum(pmf * inside, axis=0)


@pytest.mark.parametrize("n", [5, 13, 47])
def test_coverage_of_a_proportion(n: int) -> None:
    grid = np.linspace(0.005, 0.995, 331)
    exact = coverage(clopper_pearson, n, grid)
    assert exact.min() >= 0.95
    for interval in (wilson, jeffreys):
        covered = coverage(interval, n, grid)
        assert 0.94 <= covered.mean() <= 0.97, interval
        assert covered.min() >= 0.82
        assert covered.mean() < exact.mean()


@pytest.mark.parametrize(
    ("n", "p10", "p01", "band"),
    [
        (29, 0.15, 0.05, (0.94, 0.97)),
        (29, 0.3, 0.3, (0.94, 0.97)),
        (29, 0.45, 0.01, (0.93, 0.97)),
        (29, 0.02, 0.02, (0.98, 1.0)),  # 1.2 discordant pairs: the counts are too coarse for 95%
        (61, 0.1, 0.05, (0.94, 0.96)),
    ],
)
def test_coverage_of_tango(n: int, p10: float, p01: float, band: tuple[float, float]) -> None:
    covered, total = 0.0, 0.0
    for n10 in range(n + 1):
        for n01 in range(n + 1 - n10):
            table = [n10, n01, n - n10 - n01]
            chance = scipy.stats.multinomial.pmf(table, n, [p10, p01, 1 - p10 - p01])
            if chance > 1e-9:
                low, high, _ = paired_proportions(n10, n01, n)
                total += chance
                covered += chance * (low <= p10 - p01 <= high)
    assert total == pytest.approx(1.0, abs=1e-5)
    assert band[0] <= covered <= band[1]


@pytest.mark.slow
@pytest.mark.parametrize("n", [7, 19, 101])
def test_coverage_of_t_on_normal_values(n: int) -> None:
    runs, rng = 20_000, np.random.default_rng(n)
    x = rng.normal(3.0, 2.0, (runs, n))
    ends = [
        t_interval(mean, error, df=n - 1)
        for mean, error in zip(x.mean(1), x.std(1, ddof=1) / math.sqrt(n), strict=True)
    ]
    covered = np.mean([low <= 3.0 <= high for low, high, _ in ends])
    assert abs(covered - 0.95) <= 3.9 * math.sqrt(0.95 * 0.05 / runs)
