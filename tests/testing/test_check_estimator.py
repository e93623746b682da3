"""`check_estimator` passes what is right and names what is wrong: one broken estimator per property."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from neff.errors import ArgumentError, NeffError
from neff.reasons import Reason
from neff.results import Estimate
from neff.testing import ContractError, check_estimator, coverage_band, simulate_scores

N = 7
NAN = (math.nan, math.nan)


def mean(values, *, level=0.95):
    """Return the mean with its t interval, as a right estimator would."""
    n = len(values)
    if n == 0:
        return Estimate(math.nan, reason=Reason.EMPTY)
    value = float(np.mean(np.sort(values)))
    if n == 1:
        return Estimate(value, reason=Reason.ONE_ITEM)
    error = float(np.std(np.sort(values), ddof=1)) / math.sqrt(n)
    half = float(stats.t.ppf(0.5 + level / 2, n - 1)) * error
    return Estimate(value, error, (value - half, value + half))


def normal(rng):
    return rng.normal(2.0, 3.0, N), 2.0


def broken(change):
    """Return the right estimator with its result changed."""
    return lambda values: change(mean(values), values)


def test_a_right_estimator_passes():
    report = check_estimator(mean, normal, n_replicates=1000, rng=1)
    assert report.passed
    assert report.failures == ()
    assert report.n_undefined == 0
    assert report.coverage_band[0] < report.coverage < report.coverage_band[1]
    assert report.coverage + report.missed_low + report.missed_high == pytest.approx(1.0, abs=1e-12)
    assert abs(report.bias_z) < 4
    assert str(report).endswith("passed")


@pytest.mark.parametrize(
    ("estimate", "sentence"),
    [
        (broken(lambda e, v: replace(e, interval=tuple(e.value + 0.6 * (end - e.value) for end in e.interval))),
         r"^coverage is 0\.\d+, outside"),
        (broken(lambda e, v: replace(e, interval=tuple(e.value + 2.5 * (end - e.value) for end in e.interval))),
         r"^coverage is (1\.0000|0\.99\d+), outside"),
        (broken(lambda e, v: replace(e, value=e.value + 1.0)), r"^the mean error is \+"),
        (broken(lambda e, v: replace(e, standard_error=1.3 * e.standard_error)), r"^standard errors are 1\.[23]"),
        (broken(lambda e, v: replace(e, standard_error=0.8 * e.standard_error)), r"^standard errors are 0\.[78]"),
        (broken(lambda e, v: replace(e, value=e.value + 1e-3 * v[0]) if len(v) else e), "depends on the order of rows"),
        (broken(lambda e, v: replace(e, reason=None)), "with no data it gives NaN without a reason"),
        (broken(lambda e, v: replace(e, value=0.0) if len(v) == 0 else e), "with no data the value is 0"),
        (broken(lambda e, v: replace(e, standard_error=0.0) if len(v) == 1 else e), "with one item it claims to know"),
        (broken(lambda e, v: replace(e, interval=(e.value, e.value)) if len(v) == 1 else e),
         "with one item it claims to know"),
        (broken(lambda e, v: replace(e, reason=None) if len(v) == 1 else e), "with one item it gives NaN without"),
        (broken(lambda e, v: e if len(v) else v[0]), "with no data it raises IndexError"),
        (broken(lambda e, v: replace(e, interval=NAN) if len(v) and v[0] > 4 else e),
         r"replicates have no value, standard error or interval"),
    ],
)  # fmt: skip
def test_each_broken_property_is_named(estimate, sentence):
    report = check_estimator(estimate, normal, n_replicates=600, rng=2)
    assert not report.passed
    assert any(re.search(sentence, failure) for failure in report.failures), report


def test_results_that_change_from_call_to_call_are_named():
    noise = np.random.default_rng(3)
    report = check_estimator(broken(lambda e, v: replace(e, value=e.value + 1e-6 * noise.normal())), normal, rng=2)
    assert report.failures == ("the same data give two different results; fix the seed of what is random.",)


def test_a_refusal_with_an_own_error_is_loud_enough():
    def refuse(values):
        if len(values) < 2:
            raise NeffError("too few values")
        return mean(values)

    assert check_estimator(refuse, normal, rng=1).passed


def test_raise_on_failure_lists_every_failure():
    def wrong(values):
        return replace(mean(values), reason=None)

    with pytest.raises(ContractError) as caught:
        check_estimator(wrong, normal, rng=1, raise_on_failure=True)
    assert len(caught.value.failures) == 2
    assert str(caught.value).startswith("2 broken:\n- with no data")
    assert isinstance(caught.value, AssertionError)


@pytest.mark.parametrize("kind", ["array", "tuple", "dict", "records"])
def test_every_kind_of_data(kind):
    def simulate(rng):
        values, truth = normal(rng)
        if kind == "records":
            return simulate_scores(N, means={"A": 2.0}, item_sd=3.0, sampling_sd=0.0, rng=rng)[0], truth
        return {"array": values, "tuple": (values, np.arange(N)), "dict": {"y": values}}[kind], truth

    def estimate(data):
        return mean({"array": lambda: data, "tuple": lambda: data[0], "dict": lambda: data["y"],
                     "records": lambda: data.score}[kind]())  # fmt: skip

    assert check_estimator(estimate, simulate, rng=4).passed
    first_only = check_estimator(
        lambda data: replace(estimate(data), value=float(next(iter(np.ravel(_column(data))), math.nan))),
        simulate, rng=4,
    )  # fmt: skip
    assert any("order of rows" in failure for failure in first_only.failures)


def _column(data):
    if isinstance(data, tuple):
        return data[0]
    if isinstance(data, dict):
        return data["y"]
    return getattr(data, "score", data)


def test_same_seed_same_report():
    assert check_estimator(mean, normal, rng=5) == check_estimator(mean, normal, rng=5)
    assert check_estimator(mean, normal, rng=5) != check_estimator(mean, normal, rng=6)


def test_an_accepted_range_of_levels_widens_the_band():
    narrow, wide = coverage_band(997, 0.95), coverage_band(997, (0.93, 0.96))
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


@pytest.mark.parametrize("n", [101, 997, 4001])
@pytest.mark.parametrize("level", [0.5, 0.9, 0.95])
def test_band_is_the_exact_binomial_one(n, level):
    low, high = coverage_band(n, level, chance=0.01)
    law = stats.binom(n, level)
    low, high = round(low * n), round(high * n)
    assert law.cdf(low - 1) <= 0.005 < law.cdf(low)
    assert law.sf(high) <= 0.005 < law.sf(high - 1)


def test_bad_arguments_are_named():
    with pytest.raises(ArgumentError, match="n_replicates must be at least 20, got 5"):
        check_estimator(mean, normal, n_replicates=5)
    with pytest.raises(ArgumentError, match=r"Did you mean 0\.95"):
        check_estimator(mean, normal, level=95)
