"""Joules from samples, counters and models: the sheet's numbers, gaps, wraps, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.train.energy import (
    energy_from_counter,
    energy_from_samples,
    estimated_watts,
    footprint,
    net_of_idle,
)


def test_the_samples_of_the_sheet():
    """Sheet energy, G1: 1050 J, 210 W over time (180 W is the plain mean), .000291667 kWh, .16625 g."""
    watts = [100, 200, 200, 300, 100]
    found = energy_from_samples([0, 1, 2, 4, 5], watts)
    assert (found.joules, found.mean_watts, found.seconds) == (1050.0, 210.0, 5.0)
    assert np.mean(watts) == 180
    assert footprint(found.joules).kwh == pytest.approx(0.000291667, abs=5e-10)
    assert footprint(found.joules, pue=1.2, intensity=475).grams_co2e == pytest.approx(0.16625, abs=1e-12)
    assert math.isnan(footprint(found.joules).grams_co2e)


def test_the_wrap_of_the_sheet():
    """Sheet energy, G4."""
    assert energy_from_counter(262_143_327_850, 5_000, maximum=262_143_328_850) == 6001


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 999), st.integers(0, 999))
def test_a_counter_that_counts_up_to_its_maximum(start, gain):
    assert energy_from_counter(start, (start + gain) % 1000, maximum=999) == gain


def test_counters_that_cannot_be_read():
    assert math.isnan(energy_from_counter(10, 5))
    assert math.isnan(energy_from_counter(10, 2000, maximum=999))
    with pytest.raises(ArgumentError, match="0 or more"):
        energy_from_counter(-1, 5)
    with pytest.raises(ArgumentError, match="maximum must be above 0"):
        energy_from_counter(1, 5, maximum=0)


def test_gaps_are_counted_and_not_filled_in():
    t = [*range(7), *range(17, 24)]
    found = energy_from_samples(t, [100.0] * 14)
    assert (found.joules, found.seconds, found.n_gaps, found.gap_seconds) == (1200.0, 12.0, 1, 11.0)
    assert found.mean_watts == 100.0
    edge = energy_from_samples([0, 1, 2, 7], [100.0] * 4)  # five times the median is no gap yet
    assert (edge.n_gaps, edge.joules) == (0, 700.0)


def test_missing_samples_are_dropped_and_counted():
    found = energy_from_samples([0, 1, 2, 3], [100.0, math.nan, 300.0, 300.0])
    assert (found.joules, found.n, found.n_missing) == (700.0, 3, 1)
    assert found.resolution == pytest.approx(1.5 * 700 / 3, rel=1e-12)


def test_short_windows_and_single_samples_are_refused():
    short = energy_from_samples([0, 0.2, 0.4], [100.0] * 3)
    assert short.reason is Reason.SHORT_WINDOW
    assert math.isnan(short.joules)
    assert energy_from_samples([0], [1.0]).reason is Reason.TOO_FEW
    with pytest.raises(ArgumentError, match="seconds must be rising"):
        energy_from_samples([0, 2, 1], [1.0] * 3)
    with pytest.raises(ArgumentError, match="watts must be 0 or more"):
        energy_from_samples([0, 2], [1.0, -1.0])


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.integers(3, 40), st.floats(0.1, 10))
def test_naive_twin_and_scaling(seed, n, scale):
    rng = np.random.default_rng(seed)
    t = np.cumsum(rng.uniform(1, 1.4, n))
    p = rng.uniform(0, 300, n)
    naive = sum((p[k] + p[k + 1]) / 2 * (t[k + 1] - t[k]) for k in range(n - 1))
    assert energy_from_samples(t, p).joules == pytest.approx(naive, rel=1e-9)
    assert energy_from_samples(t, scale * p).joules == pytest.approx(scale * naive, rel=1e-9)
    cut = n // 2  # energy of the parts adds up
    if cut >= 2 and n - cut >= 2:
        parts = energy_from_samples(t[: cut + 1], p[: cut + 1]).joules + energy_from_samples(t[cut:], p[cut:]).joules
        assert parts == pytest.approx(naive, rel=1e-9)


def test_idle_and_models():
    assert net_of_idle(1050, 5, idle_watts=60) == (1050.0, 300.0, 750.0)
    assert net_of_idle(100, 5, idle_watts=60).net == -200.0  # not clamped
    assert estimated_watts(0, tdp=100) == pytest.approx(10, rel=1e-12)
    assert estimated_watts(1, tdp=100, n_dimms=2) == pytest.approx(110, rel=1e-12)
    with pytest.raises(ArgumentError, match=r"Did you mean 0\.5"):
        estimated_watts(50, tdp=100)
    with pytest.raises(ArgumentError, match="pue must be 1 or more"):
        footprint(1, pue=0.5)
    with pytest.raises(ArgumentError, match="joules must be 0 or more"):
        footprint(-1)
    with pytest.raises(ArgumentError, match="idle_watts"):
        net_of_idle(1, 1, idle_watts=-1)
