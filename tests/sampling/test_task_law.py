"""The task scaling law and the test for emergence: golden numbers, recovery, order of the methods by simulation."""

from __future__ import annotations

import numpy as np
import pytest

from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.sampling import emergence_test, fit_task_law
from neff.sampling.forecasts.emergence import curvature

SIZES = np.array([0.03, 0.1, 0.2, 0.5, 0.8, 1.5, 2.4])
RATES = np.exp(-2.6 * SIZES**-0.42)


def test_the_law_golden():
    expected = [1.18972873e-5, 1.07149889e-3, 6.02757581e-3, 0.0308502124, 0.0575295510, 0.111594806, 0.165290584]
    assert pytest.approx(expected, rel=1e-8) == RATES


@pytest.mark.parametrize("curves", ["dataset", "instance"])
@pytest.mark.parametrize("method", ["likelihood", "weighted", "ols"])
def test_rates_without_noise_give_the_law_back(curves, method):
    draws = np.full((1, 6), 1e12)
    law = fit_task_law(SIZES[:6], np.round(draws * RATES[:6]), draws, curves=curves, method=method)
    assert law.c[0] == pytest.approx(2.6, rel=1e-6)
    assert law.alpha[0] == pytest.approx(0.42, rel=1e-6)
    assert law.rate(2.4) == pytest.approx(0.165290584, rel=1e-7)
    assert np.log(law.c[0]) == pytest.approx(0.955511445, rel=1e-6)


def test_curvature_golden():
    x = np.log(SIZES)

    def f(p):
        return np.log(-np.log(p))

    first, second = np.exp(-2 * SIZES**-0.2), np.exp(-1.2 * SIZES**-0.9)
    curves = (first, first * second, np.maximum(first, second), 1 - (1 - first) * (1 - second), (first + second) / 2)
    found = [curvature(x, f(p)) for p in curves]
    assert found == pytest.approx([0, 0.0539198, -0.1214639, -0.1182664, -0.0678843], abs=6e-8)


def drawn(rng, n_items=60, most=100_000):
    """Items that each obey the law, drawn until two pass; see the sheet's simulation."""
    c, alpha = 2.2 * np.exp(0.5 * rng.normal(size=(n_items, 1))), 0.4 + 0.08 * rng.normal(size=(n_items, 1))
    rates = np.exp(-c * SIZES**-alpha)
    first, second = (rng.geometric(np.maximum(rates[:, :6], 1e-9)) for _ in range(2))
    reached = first + second <= most
    successes = np.where(reached, 2, (first <= most).astype(int))
    return successes, np.where(reached, first + second, most), rates


def test_predictions_by_method():
    """Mean absolute error at 2.4: one curve per item by likelihood beats one for the data set."""
    rng = np.random.default_rng(0)
    errors: dict[str, list[float]] = {"instance": [], "dataset": [], "ols": []}
    for _ in range(20):
        successes, draws, rates = drawn(rng)
        truth = rates[:, 6].mean()
        for name, options in (("instance", {}), ("dataset", {"curves": "dataset"}), ("ols", {"method": "ols"})):
            law = fit_task_law(SIZES[:6], successes, draws, passes=2, **options)
            errors[name].append(law.rate(2.4) / truth - 1)
    mean = {name: float(np.mean(np.abs(values))) for name, values in errors.items()}
    assert mean["instance"] < 0.05 < mean["dataset"] < 0.1 < mean["ols"]


COUNTS = np.array([[10, 20, 40, 60], [5, 30, 50, 70], [3, 10, 30, 40]])
HUNDRED = np.full((3, 4), 100)


def test_a_generator_is_used():
    def interval(rng):
        return fit_task_law([1, 2, 3, 4], COUNTS, HUNDRED, rng=rng, n_resamples=20).predict(9).interval

    one, two = (interval(np.random.default_rng(seed)) for seed in (1, 2))
    assert one != two
    assert one == interval(np.random.default_rng(1))
    assert interval(None) != interval(None)


def test_predictions_are_part_of_the_result():
    law = fit_task_law([1, 2, 3, 4], COUNTS, HUNDRED, rng=1, n_resamples=20).with_predictions([9.0], level=0.9)
    (size, estimate), *_ = law.predictions
    assert (size, estimate) == (9.0, law.predict(9.0, level=0.9))
    assert law.table().rows[-1][2:] == (estimate.value, estimate.interval)
    assert law.to_dict()["predictions"][0]["size"] == 9.0
    assert law.to_dict()["predictions"][0]["interval"] == list(estimate.interval)


def test_least_squares_without_usable_rates_are_refused():
    with pytest.raises(ArgumentError, match="method must be 'likelihood' where no item has two rates"):
        fit_task_law([1, 2, 3, 4], [[0, 0, 0, 100], [0, 0, 0, 5]], [[100] * 4] * 2, method="ols")


def test_a_fixed_hundred_draws_would_have_shown_nothing():
    rng = np.random.default_rng(1)
    successes, draws, rates = drawn(rng)
    assert (rng.binomial(100, rates[:, 0]) == 0).mean() > 0.75
    assert (successes[:, 0] == 2).mean() > 0.5
    assert draws[:, 0].mean() > 100


def test_counts_are_enough_whatever_rule_stopped_the_draws():
    successes, draws, _ = drawn(np.random.default_rng(2))
    one = fit_task_law(SIZES[:6], successes, draws)
    two = fit_task_law(SIZES[:6], successes, draws, passes=2)
    assert one.alpha == pytest.approx(two.alpha, abs=1e-9)
    assert (one.observed > two.observed).any()


@pytest.mark.slow
def test_prediction_interval_covers_other_items():
    rng = np.random.default_rng(3)
    population = drawn(rng, n_items=20_000)[2][:, 6].mean()
    covered = 0
    for _ in range(30):
        successes, draws, _ = drawn(rng)
        low, high = fit_task_law(SIZES[:6], successes, draws, passes=2, rng=0, n_resamples=40).predict(2.4).interval
        covered += low <= population <= high
    assert covered >= 24  # 40 resamples and 30 replicates leave room for four or five misses more than nominal


def test_few_items_take_their_counts_anew():
    draws = np.full((2, 6), 20_000.0)
    successes = np.round(draws * RATES[:6])
    estimate = fit_task_law(SIZES[:6], successes, draws, rng=1, n_resamples=60).predict(2.4)
    assert estimate.interval[0] < 0.1653 < estimate.interval[1]
    assert 0.001 < estimate.standard_error < 0.05


def test_curves_that_fall_and_guesses_are_said():
    draws = np.full((2, 3), 1000.0)
    law = fit_task_law([1, 2, 3], [[900, 500, 100], [800, 400, 200]], draws, guess=0.05)
    assert law.warnings == ("2 of 2 curves do not rise with N", "with guesses the law's premise does not hold")


def test_guesses_are_recovered():
    sizes = SIZES[:6]
    draws = np.full((1, 6), 1e10)
    rates = 0.25 + 0.75 * np.exp(-2.0 * sizes**-0.5)
    law = fit_task_law(sizes, np.round(draws * rates), draws, guess=0.25, curves="dataset")
    assert (law.c[0], law.alpha[0]) == pytest.approx((2.0, 0.5), rel=1e-4)


@pytest.mark.parametrize(
    ("sizes", "successes", "draws", "message"),
    [
        ([1, 1], [[1, 1]], [[2, 2]], "sizes must be 2 or more different positive numbers"),
        ([1, -2], [[1, 1]], [[2, 2]], "sizes must be 2 or more"),
        ([1, 2], [[1, 3]], [[2, 2]], "successes must be counts of at most draws"),
        ([1, 2], [[0, 0]], [[2, 2]], "successes must be with at least one pass"),
        ([1, 2], [1, 1], [2, 2], "successes must be and draws of shape"),
        ([1, 2], [[1, 0]], [[2, 0]], "draws must be some of every model, got 'none of size 2'"),
    ],
)
def test_bad_input(sizes, successes, draws, message):
    with pytest.raises(ArgumentError, match=message):
        fit_task_law(sizes, successes, draws)


def test_counts_that_no_rule_of_two_passes_gives_are_refused():
    for call in (fit_task_law, emergence_test):
        with pytest.raises(
            ArgumentError, match=r"at most passes=2.*Leave passes out where the number of draws was fixed"
        ):
            call([1, 2, 3, 4], COUNTS, HUNDRED, passes=2)


def test_a_null_without_curves_is_undefined():
    """One pass of a hundred at each size: most null data sets have fewer than four sizes with a pass."""
    found = emergence_test([1, 2, 3, 4], [[1, 1, 1, 1]], [[100] * 4], rng=0, n_resamples=40)
    assert (found.shape, found.emergent, found.reason) == ("undetermined", False, Reason.UNDEFINED_STATISTIC)
    assert np.isnan(found.standard_error)
    assert np.isfinite(found.curvature)


def test_emergence_needs_four_sizes():
    with pytest.raises(ArgumentError, match="4 or more"):
        emergence_test([1, 2, 3], [[1, 1, 1]], [[9, 9, 9]])


def test_three_sizes_with_passes_are_too_few():
    found = emergence_test([1, 2, 3, 4], [[0, 10, 20, 30]], [[100] * 4], rng=0, n_resamples=20)
    assert (found.shape, found.emergent, found.reason) == ("undetermined", False, Reason.TOO_FEW)
    assert found.to_dict()["curvature"] is None
    assert str(found) == "undetermined: too few values"


def items_of(rng, kind, n_items=50):
    spread = rng.lognormal(0, 0.6, (n_items, 1))
    first = np.exp(-2.2 * spread * SIZES**-0.25)
    if kind == "law":
        return first
    second = np.exp(-0.9 * spread * SIZES**-1.4)
    return np.maximum(first, second) if kind == "circuits" else first * second


def test_a_mixture_is_concave_but_not_emergent():
    rng = np.random.default_rng(4)
    draws = np.full((50, 7), 100_000)
    found = emergence_test(SIZES, rng.binomial(draws, items_of(rng, "law")), draws, rng=0, n_resamples=100)
    assert found.of_mixture < 0
    assert not found.emergent


def test_two_circuits_are_emergent_and_two_steps_are_not():
    rng = np.random.default_rng(5)
    draws = np.full((50, 7), 100_000)
    circuits = emergence_test(SIZES, rng.binomial(draws, items_of(rng, "circuits")), draws, rng=0, n_resamples=100)
    assert (circuits.shape, circuits.emergent) == ("concave", True)
    steps = emergence_test(SIZES, rng.binomial(draws, items_of(rng, "steps")), draws, rng=0, n_resamples=100)
    assert not steps.emergent


@pytest.mark.slow
def test_emergence_is_rarely_called_without_cause():
    rng = np.random.default_rng(6)
    draws = np.full((50, 7), 3000)
    called = [
        emergence_test(SIZES, rng.binomial(draws, items_of(rng, "law")), draws, rng=0, n_resamples=60).emergent
        for _ in range(200)
    ]
    assert np.mean(called) <= 0.06
