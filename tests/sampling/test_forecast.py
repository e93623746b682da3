"""Forecasts of coverage: golden fits, forecasts of real draws, allocation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import minimize

from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.sampling import allocate_draws, draws_of, forecast
from neff.sampling.forecasts._coverage_fit import FORECASTERS, Counted, _beta_coverage


@pytest.fixture(scope="module")
def humaneval(request):
    path = request.getfixturevalue("neff_data") / "humaneval_codegen16b_samples.csv.gz"
    (draws,) = draws_of(path, call="test", item="task", score="accept_base", draw="draw")
    return draws.outcome.reshape(150, 100)


def test_coverage_of_a_beta_golden():
    found = _beta_coverage(0.27, 0.91, np.array([1.0, 10, 100, 1000]))
    assert found == pytest.approx([0.22881356, 0.53901051, 0.74920637, 0.86513776], abs=1e-8)


def test_fits_of_real_counts_golden(humaneval):
    data = Counted.of(humaneval.sum(axis=1).astype(int), np.full(150, 100))
    k = np.array([1.0, 10, 100, 1000, 10_000])
    values, found = FORECASTERS["beta-binomial"](data, k)
    assert (found["alpha"], found["beta"]) == pytest.approx((0.2701881, 0.9077493), abs=1e-6)
    assert found["log_likelihood"] == pytest.approx(-4560.88998, abs=1e-5)
    assert values == pytest.approx([0.22937, 0.53965, 0.74968, 0.86545, 0.92776], abs=6e-6)
    _, found = FORECASTERS["power"](data, k)
    assert (found["a"], found["b"], found["sse"]) == pytest.approx((-1.480991, -0.363182, 0.0021064), abs=1e-6)


def test_the_power_law_is_the_least_squares_of_two_parameters(humaneval):
    data = Counted.of(humaneval.sum(axis=1).astype(int), np.full(150, 100))
    ks = np.unique(np.round(np.geomspace(1, 100, 40)))
    y = np.log([data.coverage(int(k)) for k in ks])
    naive = minimize(lambda v: ((y + np.exp(v[0]) * ks ** -np.exp(v[1])) ** 2).sum(), [0.0, -1.0], tol=1e-14)
    _, found = FORECASTERS["power"](data, ks)
    assert found["sse"] == pytest.approx(naive.fun, abs=1e-9)


@pytest.mark.parametrize(("repeats", "room"), [(40, 0.06), pytest.param(400, 0.05, marks=pytest.mark.slow)])
def test_a_hundred_answers_from_ten(humaneval, repeats, room):
    """Root mean squared error of pass@100 = .76: the sheet's .241 plug-in, .047 beta-binomial, .031 log-log line."""
    rng = np.random.default_rng(0)
    errors: dict[str, list[float]] = {name: [] for name in FORECASTERS}
    for _ in range(repeats):
        right = rng.permuted(humaneval, axis=1)[:, :10].sum(axis=1).astype(int)
        data = Counted.of(right, np.full(150, 10))
        for name, fit in FORECASTERS.items():
            errors[name].append(float(fit(data, np.array([100.0]))[0][0]) - 0.76)
    rmse = {name: float(np.sqrt(np.mean(np.square(values)))) for name, values in errors.items()}
    assert rmse["plug-in"] == pytest.approx(0.241, abs=0.01)
    assert max(rmse["log-log"], rmse["power"]) <= 0.04
    assert rmse["beta-binomial"] <= room
    assert rmse["zero-inflated"] < rmse["plug-in"] / 2


def test_a_share_that_never_passes_is_found():
    rng = np.random.default_rng(1)
    chance = np.where(rng.random(2000) < 0.3, 0.0, rng.beta(2, 3, 2000))
    data = Counted.of(rng.binomial(40, chance), np.full(2000, 40))
    value, found = FORECASTERS["zero-inflated"](data, np.array([1e6]))
    assert found["never"] == pytest.approx(0.3, abs=0.04)  # an estimate from 2,000 items
    assert value[0] == pytest.approx(0.7, abs=0.04)  # the same
    assert FORECASTERS["beta-binomial"](data, np.array([1e6]))[0][0] > 0.9


@pytest.mark.slow
def test_coverage_of_the_interval():
    rng = np.random.default_rng(2)
    truth = float(_beta_coverage(0.6, 1.4, np.array([100.0]))[0])
    hits = 0
    for _ in range(60):
        right = rng.binomial(10, rng.beta(0.6, 1.4, 80))
        e = forecast(right, 10, k=100, methods=("beta-binomial",), n_resamples=60, rng=0).estimates[0]
        hits += e.interval[0] <= truth <= e.interval[1]
    assert 50 <= hits <= 60


@pytest.mark.parametrize("right", [[0, 0, 0, 0], [10, 10, 10, 10]])
def test_all_wrong_and_all_right(right):
    found = forecast(right, 10, k=(10, 100), n_resamples=5, rng=0)
    expected = float(right[0] > 0)
    for e in found.estimates:
        assert math.isnan(e.value) or e.value == expected
        assert math.isnan(e.standard_error)
        assert e.reason in (Reason.DEGENERATE_RESAMPLES, Reason.POOR_FIT)


def test_the_order_of_items_does_not_matter():
    right = np.array([0, 3, 7, 1, 0, 10, 2])
    one, two = (forecast(r, 10, k=50, n_resamples=2, rng=0) for r in (right, right[::-1]))
    assert [e.value for e in one.estimates] == pytest.approx([e.value for e in two.estimates], abs=1e-12)


@pytest.mark.parametrize(
    ("right", "n", "options", "message"),
    [
        ([11], [10], {}, "counts of at most draws"),
        ([1], [np.inf], {}, "counts of at most draws"),
        ([1, 2], [10, 10, 10], {}, r"draws must be of shape \(2,\)"),
        ([], [], {}, "one count per item"),
        ([1], [10], {"methods": ("beta",)}, "methods must be"),
        ([0.5], [10], {}, "counts of at most draws"),
    ],
)
def test_bad_input(right, n, options, message):
    with pytest.raises(ArgumentError, match=message):
        forecast(right, n, k=100, **options)


def test_resamples_that_cannot_be_fitted_are_said():
    """One item of three passes: many resamples hold no pass, and no line can be drawn through them."""
    found = forecast([0, 0, 2], 10, k=100, methods=("log-log",), n_resamples=60, rng=0).estimates[0]
    assert found.reason is Reason.UNDEFINED_STATISTIC
    assert math.isnan(found.interval[0])
    assert "of 60 resamples could not be fitted" in found.warnings[0]


def test_items_that_always_or_never_pass_share_alike():
    assert allocate_draws([1.0, 0.0], 5, 10).tolist() == [5, 5]
    with pytest.raises(ArgumentError, match="rates must be one number"):
        allocate_draws([], 5, 10)


def test_draws_go_where_they_tell_most():
    rates, k, budget = np.array([0.95, 0.3, 0.05, 0.01, 0.0]), 10, 500
    draws = allocate_draws(rates, k, budget, fewest=1)
    assert draws.sum() == budget
    assert (draws >= 1).all()

    def variance(n):
        with np.errstate(divide="ignore", invalid="ignore"):
            return float((k**2 * (1 - rates) ** (2 * k - 2) * rates * (1 - rates) / n).sum())

    best = variance(draws)
    rng = np.random.default_rng(0)
    for _ in range(300):
        other = 1 + rng.multinomial(budget - 5, rng.dirichlet(np.ones(5)))
        assert best <= variance(other) * 1.01


def test_a_budget_that_is_too_small_is_refused():
    with pytest.raises(ArgumentError, match="budget must be 6 or more"):
        allocate_draws([0.1, 0.2, 0.3], 5, 5, fewest=2)
