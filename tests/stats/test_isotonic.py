"""Isotonic regression: edge cases, scikit-learn as an oracle, the min-max formula as a naive twin, properties."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from neff.errors import ArgumentError
from neff.stats.isotonic import IsotonicFit, isotonic, isotonic_fit

finite = st.floats(-1e3, 1e3).map(lambda v: round(v, 6))
weight = st.integers(0, 5).map(float)
rows = st.lists(st.tuples(st.integers(0, 12).map(float), finite, weight), min_size=1, max_size=29)
checked = settings(max_examples=100, deadline=None, derandomize=True)


def min_max(y: np.ndarray, w: np.ndarray) -> np.ndarray:
    """The definition: smallest over right ends of the largest over left ends of the mean between."""
    n = y.size
    mean = np.array(
        [[y[i : j + 1] @ w[i : j + 1] / w[i : j + 1].sum() if i <= j else 0 for j in range(n)] for i in range(n)]
    )
    return np.array([min(max(mean[i, j] for i in range(k + 1)) for j in range(k, n)) for k in range(n)])


# --- Edge cases ---------------------------------------------------------------------------------------------


def test_small_and_level_inputs() -> None:
    assert isotonic([]).shape == (0,)
    assert isotonic([3.0]).tolist() == [3.0]
    assert isotonic([2.0, 2.0, 2.0]).tolist() == [2.0, 2.0, 2.0]
    assert isotonic([3.0, 2.0, 1.0]).tolist() == [2.0, 2.0, 2.0]
    assert isotonic([3.0, 1.0, 2.0], increasing=False).tolist() == [3.0, 1.5, 1.5]
    assert isotonic([1, 0], weights=[3, 1]).tolist() == [0.75, 0.75]


def test_the_input_is_left_alone() -> None:
    for y in (np.array([2.0]), np.array([3.0, 1.0, 2.0]), np.array([1.0, 2.0, 3.0])):
        kept = y.copy()
        isotonic(y)[0] = 9.0
        np.testing.assert_array_equal(y, kept)


def test_values_without_weight_are_interpolated_and_do_not_pull() -> None:
    fitted = isotonic([5.0, 1.0, -70.0, 99.0, 4.0, 0.0], weights=[0, 1, 0, 0, 2, 0])
    np.testing.assert_allclose(fitted, [1.0, 1.0, 2.0, 3.0, 4.0, 4.0], rtol=1e-14)
    assert np.isnan(isotonic([1.0, 2.0], weights=[0, 0])).all()


def test_a_large_offset_costs_no_digits() -> None:
    y = np.array([0.25, 0.75, 0.5, 1.0, 0.0, 2.0, 1.5])
    np.testing.assert_allclose(isotonic(y + 1e8) - 1e8, isotonic(y), atol=5e-8)


def test_a_fit_without_rows_predicts_nan() -> None:
    for fit in (isotonic_fit([], []), isotonic_fit([1, 2], [3, 4], weights=[0, 0])):
        assert fit.x.shape == (0,)
        assert np.isnan(fit.predict([1.0, 2.0])).all()
        assert np.isnan(fit.predict([1.0], method="step")).all()


def test_one_point_and_one_level() -> None:
    assert isotonic_fit([2.0], [5.0]).predict([-math.inf, 2.0, math.inf]).tolist() == [5.0, 5.0, 5.0]
    level = isotonic_fit([1, 2, 3, 4, 5], [5, 4, 3, 2, 1])
    assert (level.x.tolist(), level.y.tolist()) == ([1.0, 5.0], [3.0, 3.0])


def test_a_fit_does_not_change_under_the_hand() -> None:
    fit = isotonic_fit([1, 2, 3], [1, 2, 3])
    with pytest.raises(ValueError, match="read-only"):
        fit.y[0] = 7.0
    with pytest.raises(AttributeError):
        fit.y = np.zeros(3)  # type: ignore[misc]


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ArgumentError, match="y must be free of NaN"):
        isotonic([1.0, math.nan])
    with pytest.raises(ArgumentError, match="weights must be 0 or more"):
        isotonic([1.0, 2.0], weights=[1, -1])
    with pytest.raises(ArgumentError, match="weights must be of length 2"):
        isotonic_fit([1.0, 2.0], [1.0, 2.0], weights=[1])
    with pytest.raises(ArgumentError, match=r"y must be as long as x \(3\)"):
        isotonic_fit([1.0, 2.0, 3.0], [1.0, 2.0])
    with pytest.raises(ArgumentError, match="x must be finite"):
        isotonic_fit([1.0, math.inf], [1.0, 2.0])
    with pytest.raises(ArgumentError, match="Did you mean 'linear'"):
        isotonic_fit([1.0], [1.0]).predict([1.0], method="linaer")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="x must be strictly ascending"):
        IsotonicFit.from_dict({"x": [1.0, 1.0], "y": [0.0, 1.0]})


# --- Reference values ---------------------------------------------------------------------------------------


@given(rows, st.booleans())
@checked
def test_scikit_learn_agrees(data: list[tuple[float, float, float]], increasing: bool) -> None:
    x, y, w = np.array(data).T
    if w.sum() == 0:
        return
    oracle = IsotonicRegression(increasing=increasing, out_of_bounds="clip").fit(x, y, sample_weight=w)
    points = np.linspace(-1, 13, 57)
    fit = isotonic_fit(x, y, weights=w, increasing=increasing)
    np.testing.assert_allclose(fit.predict(points), oracle.predict(points), rtol=1e-9, atol=1e-9)


def test_a_calibration_curve_by_hand() -> None:
    # scores .2 .4 .6 .8, labels: mean 1/2, 0, 1, 1; the first two pool to 1/3
    fit = isotonic_fit([0.2, 0.2, 0.4, 0.6, 0.8], [0, 1, 0, 1, 1])
    np.testing.assert_allclose(fit.x, [0.2, 0.4, 0.6, 0.8])
    np.testing.assert_allclose(fit.y, [1 / 3, 1 / 3, 1, 1])
    np.testing.assert_allclose(fit.predict([0.0, 0.3, 0.5, 0.9]), [1 / 3, 1 / 3, 2 / 3, 1])
    np.testing.assert_allclose(fit.predict([0.0, 0.3, 0.5, 0.6], method="step"), [1 / 3, 1 / 3, 1 / 3, 1])
    assert np.isnan(fit.predict([math.nan])).all()
    assert np.isnan(fit.predict([math.nan], method="step")).all()


# --- Naive twin and properties ------------------------------------------------------------------------------


@given(st.lists(st.tuples(finite, st.integers(1, 5).map(float)), min_size=1, max_size=17))
@checked
def test_the_min_max_formula_agrees(data: list[tuple[float, float]]) -> None:
    y, w = np.array(data).T
    np.testing.assert_allclose(isotonic(y, weights=w), min_max(y, w), rtol=1e-10, atol=1e-9)


@given(rows)
@checked
def test_monotone_mean_preserving_and_idempotent(data: list[tuple[float, float, float]]) -> None:
    _, y, w = np.array(data).T
    fitted = isotonic(y, weights=w + 1)
    assert np.all(np.diff(fitted) >= 0)
    assert fitted @ (w + 1) == pytest.approx(y @ (w + 1), rel=1e-9, abs=1e-6)
    np.testing.assert_allclose(isotonic(fitted, weights=w + 1), fitted, rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(-isotonic(-y, weights=w + 1, increasing=False), fitted, rtol=1e-12, atol=1e-12)


@given(rows)
@checked
def test_a_weight_of_two_is_the_row_twice(data: list[tuple[float, float, float]]) -> None:
    x, y, w = np.array(data).T
    times = w.astype(int)
    weighted = isotonic_fit(x, y, weights=w)
    repeated = isotonic_fit(np.repeat(x, times), np.repeat(y, times))
    points = np.linspace(-1, 13, 43)
    np.testing.assert_allclose(weighted.predict(points), repeated.predict(points), rtol=1e-9, atol=1e-9)


@given(rows, st.randoms(use_true_random=False))
@checked
def test_only_the_order_of_x_matters_to_the_fitted_values(
    data: list[tuple[float, float, float]], random: object
) -> None:
    x, y, _ = np.array(data).T
    order = np.random.default_rng(random.getrandbits(32)).permutation(x.size)  # type: ignore[attr-defined]
    fitted = isotonic_fit(x, y).predict(x)
    np.testing.assert_allclose(isotonic_fit(x[order], y[order]).predict(x), fitted, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(isotonic_fit(np.exp(x), y).predict(np.exp(x)), fitted, rtol=1e-9, atol=1e-9)
    assert fitted.mean() == pytest.approx(y.mean(), rel=1e-9, abs=1e-7)


@given(rows)
@checked
def test_the_knots_carry_the_whole_curve(data: list[tuple[float, float, float]]) -> None:
    x, y, _ = np.array(data).T
    fit = isotonic_fit(x, y)
    restored = IsotonicFit.from_dict(json.loads(json.dumps(fit.to_dict())))
    points = np.linspace(-1, 13, 43)
    for method in ("linear", "step"):
        np.testing.assert_array_equal(restored.predict(points, method=method), fit.predict(points, method=method))
        np.testing.assert_allclose(fit.predict(x, method=method), fit.predict(x), rtol=1e-12, atol=1e-12)


# --- Simulation ---------------------------------------------------------------------------------------------


def test_the_fit_recovers_a_curve() -> None:
    rng = np.random.default_rng(4)
    x = rng.random(5_003)
    truth = x**2
    fit = isotonic_fit(x, (rng.random(x.size) < truth).astype(float))
    inner = np.linspace(0.05, 0.95, 19)
    assert np.max(np.abs(fit.predict(inner) - inner**2)) < 0.09  # n^(-1/3) is .06
    assert abs(np.mean(fit.predict(inner) - inner**2)) < 0.02
