"""The jackknife: edge cases, golden numbers, leaving out by hand as a naive twin, properties, coverage."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.stats._special import t_quantile
from neff.stats.jackknife import JackknifeResult, jackknife, jackknife_variance

checked = settings(max_examples=60, deadline=None, derandomize=True)
rows = st.lists(st.tuples(st.integers(-20, 20), st.integers(1, 9), st.integers(0, 5)), min_size=2, max_size=23)


def ratio(sums: Any) -> Any:
    return sums[:, 0] / sums[:, 1]


def undefined(result: JackknifeResult, value: float, reason: Reason) -> None:
    assert result.value == pytest.approx(value, nan_ok=True)
    assert math.isnan(result.standard_error)
    assert math.isnan(result.bias)
    assert result.reason is reason


# --- Edge cases ---------------------------------------------------------------------------------------------


def test_undefined_standard_errors_are_nan_with_the_reason() -> None:
    undefined(jackknife([]), math.nan, Reason.EMPTY)
    undefined(jackknife([3.0]), 3.0, Reason.ONE_ITEM)
    undefined(jackknife([3.0, 5.0], cluster=["a", "a"]), 4.0, Reason.ONE_CLUSTER)
    undefined(jackknife([0.1] * 7), 0.1, Reason.ALL_EQUAL)
    undefined(jackknife([[1, 2], [2, 4], [3, 6]], ratio), 0.5, Reason.DEGENERATE_RESAMPLES)
    undefined(jackknife([[1, 0], [2, 5], [3, 0]], ratio), 6 / 5, Reason.UNDEFINED_STATISTIC)
    assert math.isnan(jackknife_variance([]))
    assert math.isnan(jackknife_variance([0.7]))


def test_a_large_offset_costs_no_digits() -> None:
    values = np.random.default_rng(1).normal(size=10_007)
    near, far = jackknife(values), jackknife(values + 1e8)
    assert far.standard_error == pytest.approx(near.standard_error, rel=1e-9)
    assert far.value - 1e8 == pytest.approx(near.value, abs=1e-7)
    np.testing.assert_allclose(far.leave_one_out - 1e8, near.leave_one_out, atol=1e-7)


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ArgumentError, match="values must be one-dimensional without a statistic"):
        jackknife([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    with pytest.raises(ArgumentError, match="statistic must be a function that returns one number per row"):
        jackknife([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], lambda sums: sums)
    with pytest.raises(ArgumentError, match="values must be free of NaN"):
        jackknife([[1.0, 2.0], [math.nan, 4.0]], ratio)
    with pytest.raises(ArgumentError, match="cluster must be of length 2"):
        jackknife([1.0, 2.0], cluster=[1, 2, 3])
    with pytest.raises(ArgumentError, match="leave_one_out must be finite"):
        jackknife_variance([1.0, math.inf])


# --- Reference values ---------------------------------------------------------------------------------------


def test_golden_number() -> None:
    # shared/methods/cje-inference-diagnostics.md, 6.1: leave-one-fold-out estimates of cje-eval 0.3.0
    assert jackknife_variance([0.70, 0.72, 0.69, 0.71, 0.74]) == pytest.approx(0.001184, rel=1e-12)


def test_a_textbook_ratio_by_hand() -> None:
    # (1,1), (2,1), (6,2): total 9/4; without each 8/3, 7/3, 3/2
    result = jackknife([[1, 1], [2, 1], [6, 2]], ratio)
    np.testing.assert_allclose(result.leave_one_out, [8 / 3, 7 / 3, 3 / 2])
    mean = 13 / 6
    assert result.value == 9 / 4
    assert result.bias == pytest.approx(2 * (mean - 9 / 4), rel=1e-12)
    variance = 2 / 3 * ((8 / 3 - mean) ** 2 + (7 / 3 - mean) ** 2 + (3 / 2 - mean) ** 2)
    assert result.standard_error == pytest.approx(math.sqrt(variance), rel=1e-12)
    assert (result.df, result.n_units) == (2.0, 3)


@given(rows)
@checked
def test_of_a_mean_it_is_the_textbook_standard_error(data: list[tuple[int, int, int]]) -> None:
    values = np.array(data)[:, 0] / 4
    result = jackknife(values)
    closed = values.std(ddof=1) / math.sqrt(values.size)
    if closed == 0:
        assert result.reason is Reason.ALL_EQUAL
    else:
        assert result.standard_error == pytest.approx(closed, rel=1e-9)
        assert result.bias == pytest.approx(0, abs=1e-10)
        assert result.value == pytest.approx(values.mean(), abs=1e-12)


# --- Naive twin and properties ------------------------------------------------------------------------------


@given(rows)
@checked
def test_leaving_out_by_hand_agrees(data: list[tuple[int, int, int]]) -> None:
    *_, cluster = columns = np.array(data, dtype=float).T
    sums = np.column_stack(columns[:2])
    result = jackknife(sums, ratio, cluster=cluster)
    groups = np.unique(cluster)
    assert result.n_units == groups.size
    if groups.size == 1:
        assert result.reason is Reason.ONE_CLUSTER
        return
    naive = np.array([ratio(sums[cluster != g].sum(axis=0)[np.newaxis])[0] for g in groups])
    np.testing.assert_allclose(result.leave_one_out, naive, rtol=1e-12)
    if result.reason is None:
        assert result.standard_error == pytest.approx(math.sqrt(jackknife_variance(naive)), rel=1e-9)


def test_the_result_cannot_be_changed() -> None:
    result = jackknife([1.0, 2.0, 4.0])
    with pytest.raises(ValueError, match="read-only"):
        result.leave_one_out[0] = 0.0


# --- Coverage and bias --------------------------------------------------------------------------------------


def test_coverage_and_bias_of_a_ratio() -> None:
    rng = np.random.default_rng(2)
    repeats, n, truth = 1_500, 41, 0.5
    covered, raw, mended, errors = 0, [], [], []
    for _ in range(repeats):
        size = rng.gamma(4.0, size=n)
        result = jackknife(np.column_stack([truth * size + 0.5 * size * rng.normal(size=n), size]), ratio)
        covered += abs(result.value - truth) <= t_quantile(0.975, result.df) * result.standard_error
        raw.append(result.value)
        mended.append(result.value - result.bias)
        errors.append(result.standard_error)
    assert abs(covered / repeats - 0.945) < 4 * math.sqrt(0.945 * 0.055 / repeats)
    assert np.mean(errors) / np.std(raw) == pytest.approx(1.0, rel=4 / math.sqrt(2 * repeats))
    assert abs(np.mean(mended) - truth) < 4 * np.std(mended) / math.sqrt(repeats)


def test_the_bias_of_a_square_is_removed() -> None:
    # the square of a mean is biased by var / n, which the jackknife estimates without bias
    rng = np.random.default_rng(3)
    repeats, n = 4_000, 7
    squares, biases = [], []
    for _ in range(repeats):
        values = rng.normal(2.0, 1.0, n)
        result = jackknife(np.column_stack([values, np.ones(n)]), lambda sums: (sums[:, 0] / sums[:, 1]) ** 2)
        squares.append(result.value)
        biases.append(result.bias)
    assert abs(np.mean(squares) - np.mean(biases) - 4.0) < 4 * np.std(squares) / math.sqrt(repeats)
    assert np.mean(biases) == pytest.approx(1 / n, rel=4 * np.std(biases) / np.mean(biases) / math.sqrt(repeats))
