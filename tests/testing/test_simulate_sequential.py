"""The simulators of looking after every value: against intervals, against exact power, and their edges."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import scipy.stats

from neff.errors import ArgumentError
from neff.stats import confidence_sequence
from neff.testing import coverage_band, simulate_miscoverage, simulate_stopping

UNIT: dict[str, Any] = {"bounds": (0.0, 1.0)}


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("student", {}),
        ("student", {"target": 3}),
        ("normal", {"standard_deviation": 0.2}),
        ("asymptotic", {"target": 5}),
        ("betting", UNIT),
        ("beta-binomial", UNIT),
        ("empirical-bernstein", UNIT),
        ("hoeffding", UNIT),
    ],
)
def test_misses_are_those_of_the_intervals(method: Any, options: dict[str, Any]) -> None:
    """The short way by e-values counts the same simulations as the intervals do; at level 0.3 there are many."""

    def draw(rng: np.random.Generator, n: int) -> np.ndarray:
        return (rng.random(n) < 0.4) * 1.0

    horizons, mean = (7, 61), 0.4
    found = simulate_miscoverage(
        draw, mean, method=method, level=0.3, horizons=horizons, n_simulations=83, rng=3, **options
    )
    rng, missed = np.random.default_rng(3), np.zeros(2)
    for _ in range(83):
        sequence = confidence_sequence(draw(rng, 61), method=method, level=0.3, **options)
        outside = (sequence.low > mean) | (sequence.high < mean)
        missed += [outside[:n].any() for n in horizons]
    assert found.share == tuple(missed / 83)
    assert found.share[1] > 0.05
    assert found.horizons == horizons
    assert found.standard_error[1] == pytest.approx(math.sqrt(found.share[1] * (1 - found.share[1]) / 83), rel=1e-12)


def test_a_true_effect_of_one_sd_is_decided_in_a_median_of_less_than_40_pairs() -> None:
    found = simulate_stopping(1.0, budget=200, rng=5)
    assert found.median < 40
    assert found.most < 40
    assert found.holds == 1.0


def test_null_claims_hold_in_at_most_one_in_twenty_cases() -> None:
    found = simulate_stopping(0.0, budget=200, n_simulations=1000, rng=7)
    assert found.holds <= 0.05
    assert 0.005 < found.holds + found.fails < 0.05
    assert found.holds + found.fails + found.undecided == pytest.approx(1.0, rel=1e-12)
    assert found.t_test_peeking > 0.15
    assert math.isnan(found.median)
    assert math.isnan(found.t_test_half)


def test_effects_are_seen_with_their_sign() -> None:
    up, down = (simulate_stopping(effect, budget=60, n_simulations=300, rng=11) for effect in (0.8, -0.8))
    assert up.holds > 0.9
    assert up.fails < 0.02
    assert down.fails > 0.9
    assert math.isnan(down.t_test_most)


@pytest.mark.parametrize("effect", [0.3, 1.0, 2.5])
def test_pairs_of_a_t_test_are_the_fewest(effect: float) -> None:
    found = simulate_stopping(effect, budget=5, n_simulations=1, rng=1)
    for pairs, power in ((found.t_test_half, 0.5), (found.t_test_most, 0.9)):
        for n, enough in ((pairs, True), (pairs - 1, False)):
            if n >= 2:
                above = scipy.stats.nct.sf(scipy.stats.t.ppf(0.975, n - 1), n - 1, effect * math.sqrt(n))
                assert (above >= power) == enough


def test_peeking_once_is_the_t_test() -> None:
    """With a budget of two pairs there is one look, and its error is that of the test, half of it upwards."""
    found = simulate_stopping(0.0, budget=2, n_simulations=4000, rng=13)
    low, high = coverage_band(4000, 0.975)
    assert low <= 1 - found.t_test_peeking <= high


def test_same_seed_same_result() -> None:
    first, again, other = (simulate_stopping(0.5, n_simulations=50, rng=rng) for rng in (1, 1, 2))
    assert first == again != other


def test_refuses() -> None:
    with pytest.raises(ArgumentError, match="horizons must be one number"):
        simulate_miscoverage(lambda rng, n: rng.random(n), 0.5, horizons=())
    with pytest.raises(ArgumentError, match="n_simulations must be a whole number of at least 1"):
        simulate_stopping(1.0, n_simulations=0)
    with pytest.raises(ArgumentError, match="budget must be a whole number of at least 2"):
        simulate_stopping(1.0, budget=1)
    with pytest.raises(ArgumentError, match="within bounds"):
        simulate_miscoverage(lambda rng, n: 2 * rng.random(n), 0.5, method="betting", **UNIT)
