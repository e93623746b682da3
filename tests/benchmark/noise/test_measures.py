"""Signal, noise and shape: golden values of real runs of the paper's code, and what must not be a number."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neff.benchmark.noise import (
    flattened_snr,
    monotonicity,
    relative_noise,
    signal,
    signal_to_noise,
    total_variation,
)
from neff.benchmark.noise.measures import SIGNALS, improvement
from neff.errors import ArgumentError

SCORES, NOISE = [0.30, 0.35, 0.42, 0.50], [0.48, 0.50, 0.49, 0.52, 0.51]
CURVE = [0.25, 0.30, 0.28, 0.35, 0.40, 0.38, 0.45]


def test_golden_signal_and_noise():
    assert signal(SCORES) == pytest.approx(0.5095541401, abs=1e-10)
    assert relative_noise(NOISE, ddof=0) == pytest.approx(0.0282842712, abs=1e-10)
    assert relative_noise(NOISE) == pytest.approx(0.0316227766, abs=1e-10)
    assert signal_to_noise(SCORES, NOISE, ddof=0) == pytest.approx(18.0154593933, abs=1e-10)
    assert signal_to_noise(SCORES, NOISE) == pytest.approx(16.1135167397, abs=1e-10)
    assert flattened_snr(SCORES, NOISE) == pytest.approx(18.0154593933, abs=1e-10)


def test_golden_variants():
    v = [0.30, 0.35, 0.42, 0.50, 0.38]
    assert signal(v, relative=False) == pytest.approx(0.2)
    assert signal(v, kind="mean_difference", relative=False) == pytest.approx(0.094)
    assert signal(v, kind="iqr", relative=False) / 0.5 == pytest.approx(0.14)  # over the mean of the last checkpoints


def test_golden_shape():
    assert total_variation(CURVE, normalise="none") == pytest.approx(0.0466666667, abs=1e-10)
    assert total_variation(CURVE, normalise="range") == pytest.approx(0.2333333333, abs=1e-10)
    assert total_variation(CURVE, normalise="improvement") == pytest.approx(0.2047619048, abs=1e-10)
    assert monotonicity(CURVE, kind="steps") == pytest.approx(0.3333333333, abs=1e-10)
    assert improvement(CURVE) == pytest.approx(0.0285714286, abs=1e-10)
    assert monotonicity([0.25, 0.25, 0.3, 0.28, 0.4]) == pytest.approx(0.7378647874, abs=1e-10)


def test_a_range_grows_with_the_number_of_models():
    rng = np.random.default_rng(0)
    for n, expected in ((25, 3.93), (10, 3.08)):  # of the normal distribution
        drawn = [signal(rng.normal(size=n), relative=False) for _ in range(4000)]
        assert np.mean(drawn) == pytest.approx(expected, abs=0.05)  # a mean of 4,000 ranges


def test_the_flattened_form_does_not_see_the_noise():
    rng = np.random.default_rng(1)
    ours, theirs = [], []
    for sd in (0.0005, 0.03):
        pairs = []
        for _ in range(40):
            curves = (0.5 + 0.03 * rng.normal(size=25))[:, None] + sd * rng.normal(size=(25, 5))
            last = curves[:, -1]
            pairs.append((signal_to_noise(last, curves, ddof=0), flattened_snr(last, curves)))
        ours.append(np.mean(pairs, axis=0)[0])
        theirs.append(np.mean(pairs, axis=0)[1])
    # 60 times the noise: the definition falls to a fiftieth, the flattened form hardly moves
    assert ours[0] / ours[1] > 30
    assert 2.5 < theirs[1] < theirs[0] < 4.5


@pytest.mark.parametrize("kind", SIGNALS)
def test_nothing_is_not_a_number(kind):
    assert math.isnan(signal([0.5], kind=kind))
    assert math.isnan(signal([-0.1, 0.1], kind=kind))  # a mean of 0
    assert signal([0.4, 0.4, 0.4], kind=kind) == pytest.approx(0, abs=1e-12)


def test_edges_of_noise():
    assert math.isnan(relative_noise([0.5]))
    assert math.isnan(relative_noise([-0.1, 0.1]))
    assert relative_noise([0.3, 0.3, 0.3]) == 0
    assert signal_to_noise([0.3, 0.4], [0.5, 0.5]) == math.inf
    assert signal_to_noise([0.4, 0.4], [0.5, 0.6]) == 0
    assert math.isnan(signal_to_noise([0.3, 0.4], [0.5]))
    assert math.isnan(monotonicity([0.3, 0.3, 0.3]))
    assert math.isnan(total_variation([0.3, 0.3, 0.3], normalise="range"))
    assert math.isnan(total_variation([0.3], normalise="none"))
    assert relative_noise([0.1, math.nan, 0.3]) == relative_noise([0.1, 0.3])
    with pytest.raises(ArgumentError, match="Did you mean 'range'"):
        signal([0.1, 0.2], kind="rang")
    for call in (lambda: relative_noise([0.1, 0.1], ddof=2), lambda: signal([0.1, 0.2], kind="sd", ddof=-1)):
        with pytest.raises(ArgumentError, match="ddof must be 0 or 1"):
            call()


@given(
    st.lists(st.floats(0.1, 1.0), min_size=3, max_size=11),
    st.floats(0.1, 10),
    st.sampled_from(SIGNALS),
    st.randoms(use_true_random=False),
)
def test_relative_signal_has_no_unit_and_no_order(values, factor, kind, random):
    base = signal(values, kind=kind)
    assert signal([factor * v for v in values], kind=kind) == pytest.approx(base, abs=1e-9)
    shuffled = list(values)
    random.shuffle(shuffled)
    assert signal(shuffled, kind=kind) == pytest.approx(base, abs=1e-9)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=13))
def test_mean_difference_is_that_of_all_pairs(values):
    v = np.array(values)
    naive = np.abs(v[:, None] - v).sum() / (v.size * (v.size - 1))
    assert signal(v, kind="mean_difference", relative=False) == pytest.approx(naive, abs=1e-12)
