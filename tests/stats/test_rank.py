"""Rank agreement: edge cases, scipy as an oracle, naive twins over all pairs, properties, chance level."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from neff.errors import ArgumentError
from neff.stats.rank import _inversions, kendall_tau, pairwise_agreement, spearman, top_k_overlap

CORRELATIONS = [kendall_tau, spearman]
ALL = [*CORRELATIONS, pairwise_agreement, top_k_overlap]
value = st.one_of(st.integers(-4, 4).map(float), st.floats(-1e6, 1e6))
rows = st.lists(st.tuples(value, value), min_size=2, max_size=37)
checked = settings(max_examples=100, deadline=None, derandomize=True)


def naive_agreement(x: np.ndarray, y: np.ndarray) -> float:
    credit = []
    for i, j in itertools.combinations(range(x.size), 2):
        a, b = np.sign(x[i] - x[j]), np.sign(y[i] - y[j])
        credit.append(1.0 if a == b else 0.5 if a * b == 0 else 0.0)
    return float(np.mean(credit))


def naive_overlap(x: np.ndarray, y: np.ndarray, k: int) -> float:
    def share(scores: np.ndarray, i: int) -> float:
        above, tied = np.sum(scores > scores[i]), np.sum(scores == scores[i])
        return float(np.clip((k - above) / tied, 0, 1))

    return sum(min(share(x, i), share(y, i)) for i in range(x.size)) / k


# --- Edge cases ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("correlation", CORRELATIONS)
def test_constants_and_single_rows_rank_nothing(correlation: object) -> None:
    for x, y in [([], []), ([1.0], [2.0]), ([1, 1, 1], [1, 2, 3]), ([1, 2, 3], [5, 5, 5])]:
        assert math.isnan(correlation(x, y))  # type: ignore[operator]


def test_agreement_and_overlap_of_ties() -> None:
    assert math.isnan(pairwise_agreement([], []))
    assert math.isnan(pairwise_agreement([1.0], [1.0]))
    assert math.isnan(top_k_overlap([], []))
    assert pairwise_agreement([1, 1, 1], [1, 2, 3]) == 0.5
    assert pairwise_agreement([1, 1, 1], [4, 4, 4]) == 1.0
    assert top_k_overlap([3, 3, 3, 3, 3], [1, 2, 3, 4, 5], k=2) == pytest.approx(2 / 5)
    assert top_k_overlap([3, 3, 3], [3, 3, 3], k=2) == pytest.approx(1.0)
    assert top_k_overlap([1, 2], [2, 1], k=2) == 1.0
    assert top_k_overlap([1, 2], [2, 1]) == 0.0


@pytest.mark.parametrize("agreement", ALL)
def test_infinities_rank_and_offsets_do_not_matter(agreement: object) -> None:
    x, y = np.array([-math.inf, 2.0, 3.0, math.inf, 1.0]), np.array([1.0, 2.0, 5.0, 4.0, 0.0])
    finite = np.array([-9.0, 2.0, 3.0, 9.0, 1.0])
    assert agreement(x, y) == agreement(finite, y)  # type: ignore[operator]
    assert agreement(finite + 1e8, y) == agreement(finite, y)  # type: ignore[operator]


@pytest.mark.parametrize("agreement", ALL)
def test_bad_arguments_are_named(agreement: object) -> None:
    with pytest.raises(ArgumentError, match=r"y must be as long as x \(3\)"):
        agreement([1, 2, 3], [1, 2])  # type: ignore[operator]
    with pytest.raises(ArgumentError, match="x must be free of NaN"):
        agreement([1, math.nan], [1, 2])  # type: ignore[operator]


def test_the_top_must_fit() -> None:
    with pytest.raises(ArgumentError, match=r"k must be at most the number of rows \(2\), got 3"):
        top_k_overlap([1, 2], [1, 2], k=3)
    with pytest.raises(ArgumentError, match="k must be a whole number of at least 1"):
        top_k_overlap([1, 2], [1, 2], k=0)


# --- Reference values ---------------------------------------------------------------------------------------


@given(rows)
@checked
def test_scipy_agrees(pairs: list[tuple[float, float]]) -> None:
    x, y = np.array(pairs).T
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        assert math.isnan(kendall_tau(x, y))
        assert math.isnan(spearman(x, y))
        return
    assert kendall_tau(x, y) == pytest.approx(scipy.stats.kendalltau(x, y).statistic, abs=1e-12)
    assert spearman(x, y) == pytest.approx(scipy.stats.spearmanr(x, y).statistic, abs=1e-12)


def test_scipy_agrees_on_many_rows() -> None:
    rng = np.random.default_rng(5)
    x = rng.normal(size=30_011)
    y = np.round(x + rng.normal(size=x.size), 2)
    assert kendall_tau(x, y) == pytest.approx(scipy.stats.kendalltau(x, y).statistic, abs=1e-12)
    assert spearman(x, y) == pytest.approx(scipy.stats.spearmanr(x, y).statistic, abs=1e-12)


# --- Naive twins and properties -----------------------------------------------------------------------------


@given(st.lists(st.integers(0, 40), max_size=47))
@checked
def test_inversions_are_the_pairs_out_of_order(codes: list[int]) -> None:
    naive = sum(a > b for a, b in itertools.combinations(codes, 2))
    assert _inversions(np.array(codes, dtype=np.intp)) == naive


@given(rows, st.integers(1, 37))
@checked
def test_naive_twins_agree(pairs: list[tuple[float, float]], k: int) -> None:
    x, y = np.array(pairs).T
    assert pairwise_agreement(x, y) == pytest.approx(naive_agreement(x, y), abs=1e-12)
    k = min(k, x.size)
    assert top_k_overlap(x, y, k=k) == pytest.approx(naive_overlap(x, y, k), abs=1e-12)


@given(rows, st.randoms(use_true_random=False))
@checked
def test_symmetric_and_blind_to_order_and_scale(pairs: list[tuple[float, float]], random: object) -> None:
    x, y = np.array(pairs).T
    order = np.random.default_rng(random.getrandbits(32)).permutation(x.size)  # type: ignore[attr-defined]
    for agreement in ALL:
        base = agreement(x, y)
        assert agreement(y, x) == pytest.approx(base, nan_ok=True, abs=1e-12)
        assert agreement(x[order], y[order]) == pytest.approx(base, nan_ok=True, abs=1e-12)
        assert agreement(2 * x, 4 * y) == pytest.approx(base, nan_ok=True, abs=1e-12)
    for correlation in CORRELATIONS:
        assert correlation(-x, y) == pytest.approx(-correlation(x, y), nan_ok=True, abs=1e-12)


def test_without_ties_agreement_is_tau_on_another_scale() -> None:
    rng = np.random.default_rng(8)
    x, y = rng.normal(size=(2, 101))
    assert pairwise_agreement(x, y) == pytest.approx((1 + kendall_tau(x, y)) / 2, abs=1e-12)


# --- Chance level -------------------------------------------------------------------------------------------


def test_unrelated_scores_agree_by_chance() -> None:
    rng = np.random.default_rng(9)
    repeats, n, k = 700, 23, 5
    pairs = rng.normal(size=(repeats, 2, n))
    for agreement, expected in [
        (kendall_tau, 0.0),
        (spearman, 0.0),
        (pairwise_agreement, 0.5),
        (lambda x, y: top_k_overlap(x, y, k=k), k / n),
    ]:
        sample = np.array([agreement(x, y) for x, y in pairs])
        assert abs(sample.mean() - expected) < 4 * sample.std() / math.sqrt(repeats)
    tau = np.array([kendall_tau(x, y) for x, y in pairs])
    variance = 2 * (2 * n + 5) / (9 * n * (n - 1))  # Kendall 1938
    assert tau.var() == pytest.approx(variance, rel=4 * math.sqrt(2 / repeats))
