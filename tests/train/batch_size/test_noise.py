"""Gradient noise scale: the algebra of the sheet, recovery of a known scale, and what is undefined."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.stats._special import t_quantile
from neff.train.batch_size import (
    NoiseAccumulator,
    expected_phi,
    gradient_phi,
    module_noise_scales,
    noise_from_phi,
    noise_scale,
)


@pytest.mark.parametrize(
    ("b_small", "b_big", "small", "big"),
    [(1, 64, 52.0, 2.78125), (32, 256, 3.5625, 2.1953125)],
)
def test_the_algebra_of_the_sheet(b_small, b_big, small, big):
    """Sheet critical-batch-size, G4: G2 = 2 and Sig = 50 come back exactly, so B_simple is 25."""
    found = noise_scale(small, big, b_small=b_small, b_big=b_big)
    assert (found.signal, found.trace, found.value) == (2.0, 50.0, 25.0)
    assert found.reason is Reason.ONE_RUN
    assert math.isnan(found.interval[0])


def norms(rng, n, *, d=64, signal=1.0, noise=20.0, b_small=4, ranks=8):
    """Squared norms of rank gradients and of their mean; noise scale = noise / signal."""
    g = np.zeros(d)
    g[0] = math.sqrt(signal)
    parts = g + rng.normal(0, math.sqrt(noise / d / b_small), (n, ranks, d))
    return (parts**2).sum(-1), (parts.mean(axis=1) ** 2).sum(-1)


def test_a_known_scale_is_recovered_with_its_coverage():
    rng = np.random.default_rng(3)
    hits, values, errors = 0, [], []
    for _ in range(400):
        small, big = norms(rng, 200)
        found = noise_scale(small, big, b_small=4, b_big=32)
        values.append(found.value)
        errors.append((found.signal - 1) / found.signal_error)
        hits += found.interval[0] <= 20 <= found.interval[1]
    assert 0.92 <= hits / 400 <= 0.98
    assert np.mean(values) == pytest.approx(20, rel=0.01)  # an estimated quantity
    assert np.std(errors) == pytest.approx(1, abs=0.12)  # SE over SD, of 400


def test_the_mean_of_ratios_is_not_what_is_computed():
    rng = np.random.default_rng(4)
    small, big = norms(rng, 4000, noise=200.0)
    signal = (32 * big - 4 * small.mean(1)) / 28
    trace = (small.mean(1) - big) / (1 / 4 - 1 / 32)
    assert noise_scale(small, big, b_small=4, b_big=32).value == pytest.approx(200, rel=0.1)  # an estimate
    assert abs(np.mean(trace / signal) - 200) > 40


def test_no_signal_is_nan_and_not_clamped():
    found = noise_scale([10.0, 12.0], [1.0, 1.2], b_small=1, b_big=10)
    assert found.signal <= 0
    assert math.isnan(found.value)
    assert found.reason is Reason.NO_SIGNAL
    assert found.to_dict()["reason"] == "squared gradient not above zero"
    assert "no critical batch size" in found.warnings[0]
    assert json.dumps(found.to_dict(), allow_nan=False)


def test_a_signal_that_may_be_zero_opens_the_interval():
    rng = np.random.default_rng(8)
    small, big = norms(rng, 13, signal=0.05, noise=20.0)
    found = noise_scale(small, big, b_small=4, b_big=32)
    assert found.signal > 0
    assert math.isinf(found.interval[1])
    assert 0 < found.interval[0] < 400
    assert any("not told from zero" in w for w in found.warnings)


def test_blocks_of_steps():
    rng = np.random.default_rng(1)
    small, big = norms(rng, 401)
    once = noise_scale(small, big, b_small=4, b_big=32)
    blocks = noise_scale(small, big, b_small=4, b_big=32, block=20)
    assert blocks.value == pytest.approx(noise_scale(small[:400], big[:400], b_small=4, b_big=32).value, rel=1e-12)
    assert blocks.signal_error == pytest.approx(once.signal_error, rel=0.5)  # few blocks
    with pytest.raises(ArgumentError, match="block must be at most half"):
        noise_scale(small[:5], big[:5], b_small=4, b_big=32, block=4)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.integers(1, 30), st.integers(0, 17))
def test_sums_are_the_array_and_add(seed, n, cut):
    rng = np.random.default_rng(seed)
    small, big = norms(rng, n, ranks=3)
    cut = min(cut, n)
    whole, first, second = (NoiseAccumulator(b_small=4, b_big=12) for _ in range(3))
    for i in range(n):
        whole.update_ranks(small[i], big[i])
        (first if i < cut else second).update(small[i].mean(), big[i])
    of_array = noise_scale(small, big, b_small=4, b_big=12)
    parts = NoiseAccumulator.from_array(first.to_array() + second.to_array(), b_small=4, b_big=12)
    for found in (whole.result(), (first + second).result(), parts.result()):
        assert found.n == n
        for name in ("signal", "trace", "signal_error", "trace_error"):
            assert getattr(found, name) == pytest.approx(getattr(of_array, name), rel=1e-6, abs=1e-9, nan_ok=True)
        assert found.reason == of_array.reason


def test_decay_forgets():
    seen = NoiseAccumulator(b_small=1, b_big=64, decay=0.9)
    for _ in range(300):
        seen.update(52.0, 2.78125)
    for _ in range(300):
        seen.update(102.0, 102 / 64 + 2 * 63 / 64 - 2 / 64)  # another scale
    weights = 0.9 ** np.arange(300)
    found = seen.result()
    assert found.n == 600
    assert found.trace == pytest.approx(
        noise_scale(102.0, 102 / 64 + 2 * 63 / 64 - 2 / 64, b_small=1, b_big=64).trace, rel=1e-9
    )
    assert seen.to_array()[1] == pytest.approx(2 * weights.sum() / 2, rel=1e-9)
    with pytest.raises(ArgumentError, match="without decay"):
        seen + seen


def test_empty_and_wrong_batches():
    assert NoiseAccumulator(b_small=1, b_big=2).result().reason is Reason.EMPTY
    with pytest.raises(ArgumentError, match="one batch size only"):
        NoiseAccumulator(b_small=8, b_big=8)
    with pytest.raises(ArgumentError, match="one batch size only"):
        noise_scale([1.0], [1.0], b_small=2, b_big=1)
    with pytest.raises(ArgumentError, match="0 or more"):
        noise_scale([-1.0], [1.0], b_small=1, b_big=2)
    with pytest.raises(ArgumentError, match="finite"):
        NoiseAccumulator(b_small=1, b_big=2).update(math.nan, 1.0)
    with pytest.raises(ArgumentError, match="of batch sizes"):
        NoiseAccumulator(b_small=1, b_big=2) + NoiseAccumulator(b_small=1, b_big=4)


@pytest.mark.parametrize(
    ("noise", "batch", "measured", "theory"),
    [
        # sheet agvm, G1: Gaussian gradients of 20,000 dimensions, 20 draws
        (10, 32, 0.38448, 0.38462),
        (10, 256, 0.07238, 0.07246),
        (10, 2048, 0.00966, 0.00967),
        (100, 32, 0.85844, 0.86207),
        (100, 256, 0.43860, 0.43860),
        (1000, 2048, 0.49302, 0.49407),
    ],
)
def test_phi_of_the_sheet(noise, batch, measured, theory):
    assert expected_phi(noise, batch) == pytest.approx(theory, abs=6e-6)
    rng = np.random.default_rng(noise + batch)
    g = np.zeros(5003)
    g[0] = 1
    halves = g + rng.normal(0, math.sqrt(noise / g.size / (batch / 2)), (40, 2, g.size))
    phi = [gradient_phi(a, b) for a, b in halves]
    assert np.mean(phi) == pytest.approx(measured, rel=0.02)  # simulated anew
    found = noise_from_phi(phi, batch_size=batch)
    assert found.value == pytest.approx(noise, rel=0.08)  # simulated
    assert found.interval[0] < found.value < found.interval[1]


def test_phi_that_says_nothing():
    assert noise_from_phi([1.0, 1.1], batch_size=64).reason is Reason.SATURATED
    assert math.isnan(noise_from_phi([1.0, 1.1], batch_size=64).value)
    assert noise_from_phi([math.nan], batch_size=64).reason is Reason.EMPTY
    assert math.isnan(gradient_phi([0.0, 0.0], [1.0, 0.0]))
    assert expected_phi(math.inf, 64) == 1.0
    with pytest.raises(ArgumentError, match="above 1"):
        noise_from_phi([0.5], batch_size=1)
    with pytest.raises(ArgumentError, match="in \\[0, 2\\]"):
        noise_from_phi([-0.5], batch_size=8)
    with pytest.raises(ArgumentError, match="length 2"):
        gradient_phi([1.0, 2.0], [1.0])


def test_modules_are_sorted_by_their_noise():
    rng = np.random.default_rng(0)
    quiet, loud = norms(rng, 211, noise=5.0), norms(rng, 211, noise=80.0)
    found = module_noise_scales(
        {"quiet": quiet[0], "loud": loud[0], "dead": [0.0, 0.0]},
        {"quiet": quiet[1], "loud": loud[1], "dead": [0.0, 0.0]},
        b_small=4,
        b_big=32,
    )
    assert list(found.modules) == ["loud", "quiet", "dead"]
    assert found.modules["loud"].value == pytest.approx(80, rel=0.2)  # an estimate
    assert found.modules["dead"].reason is Reason.NO_SIGNAL
    assert json.dumps(found.to_dict(), allow_nan=False)
    assert "loud" in str(found)
    with pytest.raises(ArgumentError, match="same modules"):
        module_noise_scales({"a": [1.0]}, {"b": [1.0]}, b_small=1, b_big=2)


def test_an_unbounded_interval_never_leaves_its_own_value_out():
    """The squared gradient is not told from 0, and Fieller's set has a hole above the estimate."""
    from neff.train.batch_size.noise import Moments2, ratio_interval, scale_from_moments

    n = 13
    q = t_quantile(0.975, n - 1) ** 2 / n
    moments = Moments2(trace=0.1, signal=1.0, var_trace=0.5 / q, var_signal=4 / q, covariance=1.372 / q, n=n)
    assert ratio_interval(moments, 0.95) == (0.0, math.inf)
    assert scale_from_moments(moments, 1, 64, 0.95, n).value == pytest.approx(0.1)


def test_phi_of_gradients_that_agree_is_one_that_noise_from_phi_takes():
    rng = np.random.default_rng(0)
    for _ in range(200):
        gradient = rng.normal(size=5)
        assert 0 <= gradient_phi(gradient, gradient) < 1e-12
        assert 2 - 1e-12 < gradient_phi(gradient, -gradient) <= 2


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_phi_does_not_depend_on_the_size_of_gradients(size):
    assert gradient_phi([size, 0.0], [size, size]) == pytest.approx(gradient_phi([1.0, 0.0], [1.0, 1.0]), rel=1e-12)
    assert math.isnan(gradient_phi([0.0, 0.0], [size, size]))
