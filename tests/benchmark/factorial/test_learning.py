"""Learning curves: golden numbers, an independent fit, intervals by simulation, few sizes, refusals."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neff.benchmark.factorial import fit_learning_curve
from neff.errors import ArgumentError
from neff.reasons import Reason

SIZES = np.array([50, 100, 200, 500, 1000, 2000, 5000.0])
EXACT = [0.671123, 0.720426, 0.759109, 0.797764, 0.819787, 0.837066, 0.854333]
NOISY = [0.6724, 0.7191, 0.7655, 0.7988, 0.8144, 0.8407, 0.8674]


def test_golden_exact_curve():
    """factorial-evaluation, section 6."""
    assert pytest.approx(0.9 - 0.9 * SIZES**-0.35, abs=5e-7) == EXACT
    found = fit_learning_curve(SIZES, EXACT, rng=0, n_resamples=20)
    assert (found.limit, found.scale, found.rate) == pytest.approx((0.9, 0.9, 0.35), abs=1e-4)


def test_golden_noisy_curve():
    found = fit_learning_curve(SIZES, NOISY, rng=0)
    # The sheet fitted scores before they were rounded to four digits, which alone moves the parameters by 1e-3.
    assert (found.limit, found.scale, found.rate) == pytest.approx((0.9336, 0.7859, 0.2830), abs=1e-3)
    assert found.needed(0.85).value == pytest.approx(2739, rel=1e-3)
    spread = found.resamples.std(axis=0)
    assert spread == pytest.approx([0.030, 0.102, 0.058], rel=0.25)  # the sheet's are from the curvature
    assert found.warnings == ("one run per size: the interval rests on the curve's residuals",)


def test_unweighted_fit_is_scipy():
    from scipy.optimize import curve_fit

    bounds = ([0, 0, 0.01], [1, np.inf, 3])
    start = (max(NOISY), 0.5, 0.5)
    best, _ = curve_fit(
        lambda n, a, b, c: a - b * n**-c, SIZES, NOISY, start, bounds=bounds, xtol=1e-13, ftol=1e-13, gtol=1e-13
    )
    found = fit_learning_curve(SIZES, NOISY, rng=0, n_resamples=2)
    assert (found.limit, found.scale, found.rate) == pytest.approx(tuple(best), abs=1e-6)


def test_weighted_fit_is_scipy():
    from scipy.optimize import curve_fit

    rng = np.random.default_rng(0)
    size = np.repeat(SIZES, 5)
    score = 0.9 - 0.9 * size**-0.35 + rng.normal(size=35) * np.repeat(np.geomspace(0.03, 0.003, 7), 5)
    found = fit_learning_curve(size, score, rng=0, n_resamples=20)
    by_size = score.reshape(7, 5)
    own = by_size.var(axis=1, ddof=1)
    error = np.sqrt((own + own.mean()) / 2 / 5)
    bounds = ([0, 0, 0.01], [1, np.inf, 3])
    start = (by_size.mean(axis=1).max(), 0.5, 0.5)
    best, _ = curve_fit(
        lambda n, a, b, c: a - b * n**-c,
        SIZES,
        by_size.mean(axis=1),
        start,
        error,
        bounds=bounds,
        xtol=1e-12,
        ftol=1e-12,
    )
    assert (found.limit, found.scale, found.rate) == pytest.approx(tuple(best), abs=1e-4)


@given(st.floats(0.3, 1.0), st.floats(0.1, 0.9), st.floats(0.05, 2.0))
def test_exact_curves_are_recovered(limit, scale, rate):
    score = limit - scale * limit * (SIZES / 50) ** -rate
    found = fit_learning_curve(SIZES, np.clip(score, 0, 1), n_resamples=2, rng=0)
    assert found.fitted == pytest.approx(score, abs=1e-6)
    target = float(score[4])
    assert found.needed(target).value == pytest.approx(1000, rel=1e-3)


@pytest.mark.slow
def test_coverage_of_the_forecast():
    """Five runs at each of seven sizes, the score at twice the largest: 90% intervals."""
    truth, hits = 0.9 - 0.9 * 10000**-0.35, 0
    for seed in range(150):
        rng = np.random.default_rng(seed)
        score = 0.9 - 0.9 * np.repeat(SIZES, 5) ** -0.35 + rng.normal(0, 0.01, 35)
        found = fit_learning_curve(np.repeat(SIZES, 5), score, level=0.9, n_resamples=150, rng=rng).at(10000)
        hits += found.interval[0] <= truth <= found.interval[1]
    # Measured .80, and .82 with the true weights: percentile intervals of this curve are too narrow (see the Notes).
    assert 0.7 < hits / 150 < 0.9 + 4 * math.sqrt(0.09 / 150)


def test_targets_and_references():
    rng = np.random.default_rng(1)
    score = 0.9 - 0.9 * np.repeat(SIZES, 3) ** -0.35 + rng.normal(0, 0.004, 21)
    found = fit_learning_curve(np.repeat(SIZES, 3), score, rng=0)
    assert found.needed(0.99).value == math.inf
    assert found.needed(0.99).interval[1] == math.inf
    reference = found.needed(0.75)
    low, high = reference.interval
    assert low <= reference.value <= high
    # the upper end is where the curve's lower limit passes the reference
    assert found.at(high * 1.02).interval[0] > 0.75 > found.at(high * 0.9).interval[0]


def test_three_sizes_are_interpolated_and_not_extrapolated():
    found = fit_learning_curve([100, 200, 400], [0.5, 0.6, 0.7], rng=0)
    assert (found.reason, math.isnan(found.limit)) == (Reason.TOO_FEW, True)
    assert found.at(200).value == pytest.approx(0.6)
    assert math.isnan(found.at(800).value)
    assert math.isnan(found.needed(0.65).value)
    assert "no curve" in str(found)
    json.dumps(found.to_dict(), allow_nan=False)


def test_a_straight_or_falling_curve_says_so():
    found = fit_learning_curve(SIZES, 0.9 - 0.05 * np.log(SIZES), rng=0, n_resamples=20)
    assert found.scale == 0
    assert found.needed(0.95).value == math.inf
    growing = fit_learning_curve(SIZES, 0.05 * np.log(SIZES), rng=0, n_resamples=20)
    assert "a parameter is at the end of its range" in growing.warnings


def test_one_run_among_repeats_is_not_without_error():
    size, score = np.repeat(SIZES, 3)[:-2], np.repeat(NOISY, 3)[:-2] + np.tile([-0.01, 0, 0.01], 7)[:-2]
    found = fit_learning_curve(size, score, rng=0, n_resamples=100)
    assert found.n_runs.tolist() == [3] * 6 + [1]
    assert found.at(5000).standard_error > 0.003


@pytest.mark.parametrize(
    ("size", "score", "named"),
    [([0, 1], [0.1, 0.2], "size"), ([1, 2], [0.1, 1.2], "score"), ([1], [0.1, 0.2], "score"), ([], [], "score")],
)
def test_bad_input_is_named(size, score, named):
    with pytest.raises(ArgumentError, match=f"{named} must"):
        fit_learning_curve(size, score)
    with pytest.raises(ArgumentError, match="n must"):
        fit_learning_curve(SIZES, EXACT, n_resamples=2, rng=0).at(0)
