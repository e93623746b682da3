"""Seeds, and the rule for a difference: golden values, one and two seeds, the simulation of the sheet."""

from __future__ import annotations

import math

import numpy as np
import pytest

from neff.benchmark.noise import difference_or_noise, seed_variance
from neff.errors import ArgumentError
from neff.reasons import Reason

S = [[0.25, 0.30, 0.36, 0.40], [0.26, 0.29, 0.35, 0.42], [0.24, 0.31, 0.33, 0.41]]


def test_golden():
    found = seed_variance(S)
    assert found.seed_sd.value == pytest.approx(0.0113188131, abs=1e-10)
    assert seed_variance(S, ddof=0).seed_sd.value == pytest.approx(0.0092417722, abs=1e-10)
    assert found.mean.value == pytest.approx(0.41)
    assert found.final_sd.value == pytest.approx(0.01)
    assert found.monotonicity.value == 1
    assert found.snr == pytest.approx(41)
    assert found.snr_gain == pytest.approx(16)


def test_one_seed_has_no_deviation():
    found = seed_variance(S[:1])
    for estimate in (found.seed_sd, found.final_sd):
        assert math.isnan(estimate.value)
        assert estimate.reason is Reason.ONE_RUN
    assert math.isnan(found.snr)
    assert found.mean.value == 0.40
    assert math.isnan(found.mean.interval[0])


def test_two_seeds_have_a_huge_interval():
    found = seed_variance(S[:2])
    low, high = found.final_sd.interval
    assert high / low > 60
    assert found.final_sd.standard_error / found.final_sd.value == pytest.approx(0.7071, abs=1e-4)
    assert "71%" in found.warnings[0]


def test_the_interval_does_not_depend_on_ddof():
    """It is for the deviation over all seeds there could be; that over those at hand, ddof=0, is smaller."""
    zero, one = (seed_variance(S[:2], ddof=ddof).final_sd for ddof in (0, 1))
    assert zero.value == pytest.approx(one.value / math.sqrt(2))
    assert zero.interval == pytest.approx(one.interval)


def test_constant_curves_and_missing_checkpoints():
    found = seed_variance([[0.3, 0.3, 0.3, 0.3], [0.3, 0.3, 0.3, 0.3]])
    assert found.n_constant == 2
    assert math.isnan(found.monotonicity.value)
    assert found.final_sd.reason is Reason.ALL_EQUAL
    assert math.isnan(found.snr)
    partly = seed_variance([[0.25, math.nan, 0.36, 0.40], *S[1:]])
    by_hand = [
        np.std(column, ddof=1) for column in ([0.25, 0.26, 0.24], [0.29, 0.31], [0.36, 0.35, 0.33], [0.40, 0.42, 0.41])
    ]
    assert partly.seed_sd.value == pytest.approx(np.mean(by_hand), abs=1e-12)
    short = seed_variance([[1.0, 2.0], [3.0, math.nan]], ddof=0)  # the last checkpoint has one seed: no deviation of 0
    assert short.seed_sd.value == 1
    assert (short.n_constant, seed_variance([[math.nan, 0.3], [0.3, 0.3]]).n_constant) == (0, 1)
    with pytest.raises(ArgumentError, match="two-dimensional"):
        seed_variance([0.1, 0.2])


def test_a_continuous_score_is_steadier():
    """Sheet section 5: 10 seeds, 20 checkpoints, 1000 items, default_rng(0); the order of draws is not documented."""
    rng = np.random.default_rng(0)
    difficulty = rng.normal(size=1000)
    theta = np.linspace(-1.5, 0.2, 20)
    own = 0.5 * rng.normal(size=(10, 1, 1000))
    margin = theta[:, None] - difficulty + own + 0.7 * rng.normal(size=(10, 20, 1000))
    discrete, continuous = (margin > 0).mean(axis=2), (1 / (1 + np.exp(-margin))).mean(axis=2)
    d, c = seed_variance(discrete), seed_variance(continuous)
    assert d.seed_sd.value == pytest.approx(0.0107, abs=2e-3)
    assert c.seed_sd.value == pytest.approx(0.0050, abs=2e-3)
    assert c.snr > 1.3 * d.snr  # 108.7 and 51.9 there
    assert c.snr_gain > d.snr_gain  # 71.5 and 51.9 there
    assert d.monotonicity.value > 0.98
    assert c.monotonicity.value > 0.99


def test_the_interval_of_a_deviation_covers():
    rng = np.random.default_rng(4)
    covered = []
    for _ in range(1000):
        low, high = seed_variance(0.4 + 0.01 * rng.normal(size=(5, 3))).final_sd.interval
        covered.append(low <= 0.01 <= high)
    assert np.mean(covered) == pytest.approx(0.95, abs=0.02)  # 1,000 draws


def test_difference_or_noise():
    found = difference_or_noise(0.02, seed_sd=0.008, paired_se=0.004)
    z = 1.959964
    assert found.seed_limit == pytest.approx(z * math.sqrt(2) * 0.008, abs=1e-6)
    assert found.sampling_limit == pytest.approx(z * 0.004, abs=1e-6)
    assert found.total_limit == pytest.approx(z * math.sqrt(2 * 0.008**2 + 0.004**2), abs=1e-6)
    assert (found.within_seed_noise, found.within_sampling_noise, found.within_noise) == (True, False, True)
    few = difference_or_noise(0.02, seed_sd=0.008, n_seeds=3)
    assert few.seed_limit == pytest.approx(4.302653 * math.sqrt(2) * 0.008, abs=1e-6)
    assert few.within_noise is None
    assert "sampling noise unknown" in str(few)
    assert "seed noise unknown" in difference_or_noise(0.1, paired_se=0.01).warnings[0]
    for bad in ({"seed_sd": -1}, {"seed_sd": 0.1, "n_seeds": 1}):
        with pytest.raises(ArgumentError):
            difference_or_noise(0.1, **bad)


def test_the_rule_keeps_its_level():
    rng = np.random.default_rng(5)
    within = [
        difference_or_noise(float(d), seed_sd=0.01, paired_se=0.005).within_noise
        for d in rng.normal(0, math.sqrt(2 * 0.01**2 + 0.005**2), 2000)
    ]
    assert np.mean(within) == pytest.approx(0.95, abs=0.015)  # 2,000 draws
