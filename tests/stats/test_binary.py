"""McNemar's test: edge cases, statsmodels and whole-number arithmetic as oracles, exact error rates."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar

from neff.errors import ArgumentError
from neff.stats.binary import mcnemar

METHODS = ["mid-p", "exact", "asymptotic"]
counts = st.tuples(st.integers(0, 400), st.integers(0, 400))
checked = settings(max_examples=100, deadline=None, derandomize=True)


def exact_fraction(n10: int, n01: int, *, mid: bool) -> Fraction:
    n, k = n10 + n01, min(n10, n01)
    below = sum(math.comb(n, i) for i in range(k))
    at = math.comb(n, k)
    two_sided = Fraction(2 * below + (at if mid else 2 * at), 2**n)
    return min(Fraction(1), two_sided)


# --- Edge cases ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_no_evidence_is_a_p_value_of_one(method: str) -> None:
    assert mcnemar(0, 0, method=method) == 1.0
    assert mcnemar(7, 7, method=method) == 1.0


def test_one_discordant_pair() -> None:
    assert mcnemar(1, 0, method="exact") == 1.0
    assert mcnemar(1, 0, method="mid-p") == 0.5
    assert mcnemar(0, 1, method="mid-p") == 0.5


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ArgumentError, match="n10 must be a whole number of at least 0, got -1"):
        mcnemar(-1, 3)
    with pytest.raises(ArgumentError, match=r"n01 must be a whole number.*0\.2.*Give a count"):
        mcnemar(1, 0.2)
    with pytest.raises(ArgumentError, match="Did you mean 'mid-p'"):
        mcnemar(1, 3, method="midp")  # type: ignore[arg-type]


# --- Reference values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n10", "n01"), [(15, 5), (1, 11), (130, 171), (0, 23)])
def test_statsmodels_agrees(n10: int, n01: int) -> None:
    table = [[101, n10], [n01, 53]]
    exact = statsmodels_mcnemar(table, exact=True).pvalue
    asymptotic = statsmodels_mcnemar(table, exact=False, correction=False).pvalue
    assert mcnemar(n10, n01, method="exact") == pytest.approx(exact, rel=1e-10)
    assert mcnemar(n10, n01, method="asymptotic") == pytest.approx(asymptotic, rel=1e-10)


@pytest.mark.parametrize(
    ("n10", "n01", "one_sided"),
    [  # P(X <= n01), from the tail series in 40 digits (mpmath 1.3): scipy's bdtr is off by 6e-8 in the third
        (501_500, 498_500, 0.0013543276530298784),
        (505_000, 495_000, 7.690777521953676e-24),
        (50_015_000, 49_985_000, 0.0013503411943009659),
        (50_050_000, 49_950_000, 7.62748792956432e-24),
    ],
)
def test_huge_counts_keep_their_digits(n10: int, n01: int, one_sided: float) -> None:
    assert mcnemar(n10, n01, method="exact") == pytest.approx(2 * one_sided, rel=1e-10)


def test_counts_beyond_all_benchmarks_meet_the_normal_limit() -> None:
    n, half_gap = 10**12, 10**6
    p = mcnemar(n // 2 + half_gap, n // 2 - half_gap)
    assert p == pytest.approx(mcnemar(n // 2 + half_gap, n // 2 - half_gap, method="asymptotic"), rel=1e-5)


@given(counts)
@checked
def test_whole_number_arithmetic_agrees(pair: tuple[int, int]) -> None:
    n10, n01 = pair
    assert mcnemar(n10, n01) == pytest.approx(float(exact_fraction(n10, n01, mid=True)), rel=1e-11)
    exact = float(exact_fraction(n10, n01, mid=False))
    assert mcnemar(n10, n01, method="exact") == pytest.approx(exact, rel=1e-11)


# --- Properties ---------------------------------------------------------------------------------------------


@given(counts, st.sampled_from(METHODS))
@checked
def test_symmetric_bounded_and_ordered(pair: tuple[int, int], method: str) -> None:
    n10, n01 = pair
    p = mcnemar(n10, n01, method=method)
    assert p == mcnemar(n01, n10, method=method)
    assert 0 <= p <= 1
    assert mcnemar(n10, n01, method="mid-p") <= mcnemar(n10, n01, method="exact")
    smaller, larger = sorted(pair)
    assert mcnemar(larger + 1, smaller, method=method) <= p + 1e-15


# --- Error rates --------------------------------------------------------------------------------------------


def error_rate(n_items: int, discordant: float, method: str, alpha: float = 0.05) -> float:
    """Probability of rejecting a true null hypothesis, by counting all tables."""
    rate = 0.0
    for n in range(n_items + 1):
        chance_n = math.comb(n_items, n) * discordant**n * (1 - discordant) ** (n_items - n)
        rejected = [k for k in range(n + 1) if mcnemar(k, n - k, method=method) <= alpha]
        rate += chance_n * sum(math.comb(n, k) for k in rejected) / 2**n
    return rate


@pytest.mark.parametrize(("n_items", "discordant"), [(53, 0.3), (101, 0.2)])
def test_error_rates(n_items: int, discordant: float) -> None:
    mid_p = error_rate(n_items, discordant, "mid-p")
    exact = error_rate(n_items, discordant, "exact")
    assert 0.5 * 0.05 < mid_p < 1.2 * 0.05
    assert 0.2 * 0.05 < exact <= 0.05
    assert exact < mid_p


def test_p_values_of_mid_p_average_one_half() -> None:
    # Under the null hypothesis the mean of a two-sided mid-p-value is 1/2 for every n, but for the centre where
    # both tails meet and p is cut at 1.
    n = 31
    mean = sum(math.comb(n, k) / 2**n * mcnemar(k, n - k) for k in range(n + 1))
    assert mean == pytest.approx(0.5, abs=1e-12)
