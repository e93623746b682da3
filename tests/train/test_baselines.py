"""The variance of a gradient from samples: its interval covers, and its error is what it says."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from neff.errors import ArgumentError
from neff.results import Reason
from neff.stats._special import normal_quantile
from neff.testing import coverage_band
from neff.train.baselines import bandit_baselines, bandit_scores, baseline_variance

PI, REWARDS, MU = [0.2, 0.5, 0.3], [1.0, 0.25, 0.0], [0.3, 0.3, 0.4]
KNOWN = bandit_baselines(PI, REWARDS, behavior=MU)
EXACT = baseline_variance(bandit_scores(PI), REWARDS, KNOWN, probabilities=MU, log_weights=np.log(np.divide(PI, MU)))


def sampled(n, rng, **options):
    arm = rng.choice(3, size=n, p=MU)
    log_w = np.log(np.divide(PI, MU))[arm]
    return baseline_variance(bandit_scores(PI)[arm], np.array(REWARDS)[arm], KNOWN, log_weights=log_w, **options)


def test_coverage_and_standard_error_from_samples():
    runs = [sampled(211, rng) for rng in np.random.default_rng(3).spawn(800)]
    low, high = coverage_band(len(runs), 0.95)
    for name in KNOWN:
        truth = EXACT[name].value
        rows = [run[name] for run in runs]
        values = np.array([row.value for row in rows])
        error = values.std() / math.sqrt(len(runs))
        assert abs(values.mean() - truth) < 4 * error  # unbiased
        assert np.mean([row.standard_error for row in rows]) / values.std() == pytest.approx(1, abs=0.1)  # estimated
        covered = np.mean([row.interval[0] <= truth <= row.interval[1] for row in rows])
        assert low - 0.015 <= covered <= high, (name, covered)  # skewed at n = 211


def test_exact_is_the_limit_of_samples():
    run = sampled(300_000, np.random.default_rng(4))
    for row in EXACT.rows:
        assert abs(run[row.name].value - row.value) < 4 * run[row.name].standard_error
        assert math.isnan(row.standard_error)
        assert run[row.name].bias < 0.05


def test_a_biased_baseline_is_shown_as_such():
    own = baseline_variance(bandit_scores(PI), REWARDS, {"none": 0.0, "half": np.array(REWARDS) / 2}, probabilities=PI)
    assert own["half"].bias == pytest.approx(0.5)


def test_json_and_text():
    data = json.loads(json.dumps(EXACT.to_dict(), allow_nan=False))
    assert data["schema"] == "neff.baseline_variance/1"
    assert data["exact"] is True
    first = data["estimates"][0]
    assert first["name"] == "none"
    assert first["interval"] == [None, None]
    assert first["value"] == EXACT["none"].value
    assert str(EXACT).splitlines()[0].split() == ["Baseline", "value", "Variance", "of", "the", "first", "Bias"]
    assert "95% interval" in str(sampled(31, np.random.default_rng(1)))
    assert (
        sampled(31, np.random.default_rng(1), level=0.9).rows[0].interval
        != sampled(31, np.random.default_rng(1)).rows[0].interval
    )
    with pytest.raises(KeyError):
        EXACT["nonsense"]


def test_one_sample_has_no_variance():
    one = baseline_variance([[0.5, -0.5]], [1.0], {"none": 0.0})
    assert math.isnan(one["none"].value)
    assert one["none"].reason is Reason.TOO_FEW
    assert one.to_dict()["estimates"][0]["reason"] == "too few values"


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: baseline_variance([[1.0]], [1.0, 2.0], {"none": 0.0}), "rewards must be of length 1"),
        (lambda: baseline_variance([1.0], [1.0], {"none": 0.0}), r"scores must be finite numbers of shape \(n, d\)"),
        (lambda: baseline_variance([[1.0]], [1.0], {}), "baselines must be at least one"),
        (lambda: baseline_variance([[1.0]], [1.0], {"none": 0.0}, probabilities=[0.9]), "of sum 1"),
        (lambda: bandit_scores([0.5, 0.6]), "pi must be probabilities"),
        (lambda: bandit_baselines([0.5, 0.5], [1.0]), "rewards must be of length 2"),
        (lambda: bandit_baselines([0.5, 0.5], [1.0, 0.0], behavior=[1.0, 0.0]), "above 0 wherever pi is"),
        (lambda: baseline_variance([[1.0]], [1.0], {"none": 0.0}, level=95), "Did you mean 0.95"),
    ],
)
def test_bad_input(call, text):
    with pytest.raises(ArgumentError, match=text):
        call()


def test_the_interval_of_a_variance_is_not_below_zero_and_never_collapses():
    few = baseline_variance([[1.0], [0.0], [0.0], [0.0]], [1.0, 1.0, 1.0, 1.0], {"none": 0.0})["none"]
    assert few.standard_error * normal_quantile(0.975) > few.value
    assert few.interval[0] == 0
    equal = baseline_variance([[1.0], [-1.0]], [1.0, 1.0], {"none": 0.0})["none"]
    assert equal.value == 2
    assert all(map(math.isnan, equal.interval))
    text = str(baseline_variance([[1.0], [-1.0], [0.1]], [1.0, 0.1, 3.0], {"none": 0.0}, level=0.995))
    assert "99.5% interval" in text
