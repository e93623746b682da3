"""The SDM activation and both estimators: the golden numbers of the method sheet `sdm`, section 6.

They come from the reference code (reexpress_mcp_server, class SimilarityDistanceMagnitudeCalibrator: estimator A at
HEAD, U at tag v1.0.0), run on twelve training and twelve calibration points.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.sampling.abstention.activation import rescaled_similarity, sdm_activation, sdm_loss, softmax
from neff.sampling.abstention.estimator import Calibration, Support, fit_sdm
from neff.sampling.abstention.region import ClassValues, find_region, quantile_place
from neff.sampling.abstention.universal import cauchy_offset, fit_universal, rank, train_rescaler, with_restarts

SUPPORT_X = np.array([0, 0.5, 1, 1.5, 2, 2.4, 3, 3.6, 4, 4.5, 5, 5.5])
SUPPORT_Y = np.array([0, 0, 0, 0, 0, 1, 0, 1, 1, 1, 1, 1])
SUPPORT_PREDICTED = np.repeat([0, 1], 6)
POINTS = np.array([
    (0.13, 0), (0.71, 0.11), (1.22, 0.3), (1.83, 0.02), (2.19, 0.2), (2.93, 0), (3.41, 0.4), (4.12, 0.1), (4.36, 0),
    (4.91, 0.52), (5.29, 0.03), (3.9, 1.0),
])  # fmt: skip
Y = np.array([0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 0])
A = np.array([2.5, 2, 1.5, 0.8, 0.3, -0.2, -0.9, -1.6, -1.9, -2.2, -2.6, -1.2])
Q = [5, 5, 4, 2, 1, 0, 1, 4, 5, 5, 5, 3]


def both(values):
    values = np.asarray(values, float)
    return np.stack([values, -values], axis=1)


@pytest.fixture(scope="module")
def tiny():
    support = np.stack([SUPPORT_X, np.zeros(12)], axis=1)
    signs = both(np.where(SUPPORT_PREDICTED == 0, 1.0, -1.0))
    return fit_sdm(support, signs, SUPPORT_Y, POINTS, both(A), Y, target=0.8)


@pytest.mark.parametrize(
    ("z", "q", "d", "output", "loss", "rescaled"),
    [
        ([2, -1], 0, 1, [0.8888889, 0.1111111], [0.16992499, 3.16992497], 0),
        ([2, -1], 10, 1, [0.9994216, 0.00057837], [0.00023284, 3.0002327], 10),
        ([2, -1], 10, 0.5, [0.9765088, 0.02349115], [0.00956636, 1.50956631], 10),
        ([2, -1], 10, 0, [0.5, 0.5], [0.27894294, 0.27894294], 3.4641016),
        (
            [0.5, 0.2, -0.3], 100, 0.7, [0.68793166, 0.26045898, 0.05160944], [0.08087957, 0.29087955, 0.64087963],
            24.08683,
        ),
        ([30, -30], 1000, 1, [1, 0], [0, 60], 1000),
    ],
)  # fmt: skip
def test_activation(z, q, d, output, loss, rescaled):
    found = sdm_activation([z], [q], [d])
    assert found[0] == pytest.approx(output, abs=1e-7)
    assert sdm_loss([z], [q], [d])[0] == pytest.approx(loss, abs=1e-6)
    assert rescaled_similarity([q], [found[0].max()])[0] == pytest.approx(rescaled, abs=1e-5)


def test_activation_is_the_softmax_at_e_minus_2():
    z = np.random.default_rng(1).normal(size=(7, 5))
    np.testing.assert_allclose(sdm_activation(z, np.full(7, math.e - 2), np.ones(7)), softmax(z), rtol=1e-12)


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.floats(-5, 5), min_size=3, max_size=3),
    st.integers(0, 2000),
    st.floats(0.001, 1),
    st.integers(0, 50),
    st.floats(0, 1),
)
def test_activation_keeps_the_prediction_and_grows_sharper_with_q_and_d(z, q, d, more, share):
    z = np.array([z])
    found = sdm_activation(z, [q], [d])[0]
    assert found[z[0].argmax()] == found.max()
    assert found.sum() == pytest.approx(1)
    assert sdm_activation(z, [q + more], [d])[0].max() >= found.max() - 1e-12
    assert sdm_activation(z, [q], [d * share])[0].max() <= found.max() + 1e-12


def test_tiny_estimator_on_its_calibration_points(tiny):
    placed = Calibration.of(tiny.support, POINTS, both(A), Y)
    assert placed.similarity.tolist() == Q
    squared = [0.0169, 0.0562, 0.1384, 0.0293, 0.0761, 0.0049, 0.1961, 0.0244, 0.0196, 0.2785, 0.045, 1.01]
    assert placed.squared_distance == pytest.approx(squared, abs=1e-12)
    d = [1, 0.4, 1 / 3, 0.6, 0.4, 1, 1 / 6, 0.8, 5 / 6, 1 / 6, 0.6, 0]
    assert placed.distance_quantile == pytest.approx(d, abs=1e-12)
    found = tiny.decide(POINTS, both(A))
    outputs = [
        0.999941, 0.957444, 0.857143, 0.79098, 0.565538, 0.568874, 0.581658, 0.989918, 0.997896, 0.806434, 0.997697,
        0.5,
    ]  # fmt: skip
    assert found.probability == pytest.approx(outputs, abs=1e-6)
    assert found.rescaled == pytest.approx([5, 5, 4, 2, 1, 0, 1, 4, 5, 4.803032, 5, 2.236068], abs=1e-6)
    assert tiny.region.minimum == 4
    assert tiny.region.thresholds == pytest.approx([0.85714281, 0.80643362], abs=2e-7)
    assert tiny.reason is None


TESTS = {
    # point, a: q, squared distance, d, SDM of the prediction, q', n, SDM_low, q'_low, admitted, admitted at the low end
    (0.31, 0, 2.2): (5, 0.0361, 0.6, 0.99416, 5, (4, 4), 0.632687, 3.425171, True, False),
    (1, 0.05, 1.7): (5, 0.0025, 1, 0.998663, 5, None, 0.955494, 5, True, True),
    (2.69, 0, 0.05): (0, None, 1 / 3, 0.505776, 0, (0, 0), None, None, False, False),
    (4.72, 0.1, -2): (5, None, 0.4, 0.957444, None, (4, 4), 0.5, 2.645751, True, False),
    (9, 0, -4): (5, None, 0, 0.5, 2.645751, None, None, None, False, False),
}


@pytest.mark.parametrize(("point", "expected"), TESTS.items())
def test_tiny_estimator_on_new_points(tiny, point, expected):
    found = tiny.decide([point[:2]], both([point[2]]))
    q, squared, d, probability, rescaled, n, low, rescaled_low, admitted, admitted_low = expected
    assert found.similarity[0] == q
    assert found.distance_quantile[0] == pytest.approx(d)
    assert found.probability[0] == pytest.approx(probability, abs=1e-6)
    for value, wanted in (
        (found.nearest_distance[0] ** 2, squared),
        (found.rescaled[0], rescaled),
        (found.probability_low[0], low),
        (found.rescaled_low[0], rescaled_low),
    ):
        assert wanted is None or value == pytest.approx(wanted, abs=1e-6)
    assert n is None or tuple(found.n_eff[0]) == n
    assert (found.admitted[0], found.admitted_low[0]) == (admitted, admitted_low)
    assert found.out_of_distribution[0] == (q == 0)


def test_tiny_estimator_bands(tiny):
    found = tiny.decide([(0.31, 0), (2.69, 0), (4.72, 0.1)], both([2.2, 0.05, -2]))
    assert found.error[0] == pytest.approx(0.6 - 0.063509, abs=1e-6)
    assert found.error[1] == 1
    assert found.probability_high[0] == pytest.approx(sdm_activation(both([2.2]), [5], [1])[0].max())  # d_high is 1
    assert found.probability_high[2] == pytest.approx(sdm_activation(both([-2]), [5], [0.936491])[0].max(), abs=1e-6)


# --- Estimator U.

OUTPUTS_0 = np.array([
    0.999941, 0.957444, 0.857143, 0.79098, 0.565538, 0.568874, 0.418342, 0.010082, 0.000614, 0.193566, 0.002303, 0.5,
])  # fmt: skip
WEIGHTS = np.array([[2.0, -1.0], [-1.0, 2.0]])


@pytest.fixture(scope="module")
def universal():
    outputs = np.stack([OUTPUTS_0, 1 - OUTPUTS_0], axis=1)
    unknown = np.zeros(12)
    placed = Calibration(
        ClassValues((np.zeros(1), np.zeros(1))), Y, np.array([0] * 6 + [1] * 6), np.array(Q), unknown, unknown, outputs
    )
    support = Support(np.zeros((2, 2)), np.array([0, 1]))
    return fit_universal(support, placed, target=0.8, rng=np.random.default_rng(0), weights=WEIGHTS), placed


def test_tiny_universal_estimator(universal):
    fit, placed = universal
    found = rank(fit.outputs, WEIGHTS, placed.outputs, placed.similarity, placed.predicted)
    rescaled = [
        1.94591, 1.297274, 0.89588, 0.462098, 0.183102, 0.231049, 0.183102, 0.89588, 1.94591, 0.648637, 1.297274,
        0.26824,
    ]  # fmt: skip
    assert found.rescaled == pytest.approx(rescaled, abs=5e-6)
    first = [
        0.983984, 0.915768, 0.831309, 0.711158, 0.5, 0.690503, 0.403627, 0.168691, 0.016016, 0.274075, 0.084232,
        0.399032,
    ]  # fmt: skip
    assert found.probabilities[:, 0] == pytest.approx(first, abs=1e-6)
    assert (np.floor(found.rescaled) <= 0).sum() == 8
    assert fit.region.minimum == pytest.approx(1.2972735, abs=2e-7)
    assert fit.region.thresholds == pytest.approx([0.9157683, 0.9157683], abs=2e-7)
    medians = {(0, 0): 0.7008304, (0, 1): 0.9498763, (1, 0): 0.6634468, (1, 1): 0.9498763}
    assert fit.medians == pytest.approx(medians, abs=2e-7)


@pytest.mark.parametrize(
    ("output", "predicted", "ranks", "rescaled", "probability", "n", "error", "low", "probability_low", "high"),
    [
        ((0.99416, 0.00584), 0, (5 / 6, 0), 1.6215918, 0.9614796, 5, 0.4798526, 0.6878417, 0.4073705, 0.9839843),
        ((0.042556, 0.957444), 1, (0, 0.5), 0.9729551, 0.8367626, 4, 0.5364915, 0, 0.2468278, 0.9839843),
    ],
)
def test_tiny_universal_estimator_on_new_points(
    universal, output, predicted, ranks, rescaled, probability, n, error, low, probability_low, high
):
    fit, _ = universal
    found = fit.decide_outputs(np.array([output]), np.array([5]), np.array([predicted]))
    seen = rank(fit.outputs, WEIGHTS, np.array([output]), np.array([5]), np.array([predicted]))
    assert seen.ranks[0] == pytest.approx(ranks)
    assert found.rescaled[0] == pytest.approx(rescaled, abs=1e-6)
    assert found.probability[0] == pytest.approx(probability, abs=1e-6)
    assert found.n_eff[0].tolist() == [n, n]
    assert found.error[0] == pytest.approx(error, abs=2e-7)
    assert found.rescaled_low[0] == pytest.approx(low, abs=2e-7)
    assert found.probability_low[0] == pytest.approx(probability_low, abs=1e-6)
    assert found.probability_high[0] == pytest.approx(high, abs=1e-6)


def test_restarts_move_the_region(universal):
    """q~_min over restarts 2.0 2.1 2.3 2.05 2.2, best 2.1, at 0.95: MAD 0.1, moved to 2.7313752."""
    fit, _ = universal
    every = [replace(fit, target=0.95, region=replace(fit.region, minimum=m)) for m in (2.0, 2.1, 2.3, 2.05, 2.2)]
    moved, known = with_restarts(every[1], every)
    assert known
    assert moved.region.minimum == pytest.approx(2.7313752, abs=2e-7)
    assert all(offset == 0 for offset in moved.offsets.values())
    lost = [*every[:2], replace(every[2], region=replace(every[2].region, minimum=math.inf))]
    still, known = with_restarts(every[1], lost)
    assert not known
    assert still.region.minimum == 2.1
    assert with_restarts(every[1], every[1:2])[0].region.minimum == 2.1
    assert math.tan(math.pi * 0.45) == pytest.approx(6.313751514675041, rel=1e-14)
    assert cauchy_offset([1.0], 0.95) == 0


def test_an_offset_of_a_bin_is_taken_off(universal):
    fit, _ = universal
    other = replace(fit, medians={(0, 0): 0.8, (0, 1): 0.9})
    moved, _ = with_restarts(fit, [fit, other])
    half = (0.8 - fit.medians[0, 0]) / 2
    assert moved.offsets[0, 0] == pytest.approx(half * math.tan(math.pi * 0.3))
    point = np.array([[0.99416, 0.00584]]), np.array([5]), np.array([0])
    assert moved.decide_outputs(*point).probability_low[0] == pytest.approx(0.4073705 - moved.offsets[0, 0], abs=1e-6)


def test_a_flipped_prediction_has_no_similarity(universal):
    fit, _ = universal
    found = fit.decide_outputs(np.array([[0.6, 0.4]]), np.array([5]), np.array([1]))
    assert found.predicted.tolist() == [1]
    assert found.probabilities.argmax() == 0
    assert found.rescaled[0] == 0
    assert found.out_of_distribution[0]


def test_the_rescaler_lowers_its_loss_and_is_the_same_for_a_seed(universal):
    fit, placed = universal
    ranks = rank(fit.outputs, WEIGHTS, placed.outputs, placed.similarity, placed.predicted).ranks
    start = ranks[np.arange(12), placed.predicted] * np.log(2.0 + placed.similarity)

    def loss(weights):
        log_p = np.log(softmax(np.log(2 + start)[:, None] * (ranks @ weights.T)))
        return -(log_p[np.arange(12), Y] / np.log(2 + start)).mean()

    first = train_rescaler(ranks, start, Y, np.random.default_rng(5), epochs=1)
    later = train_rescaler(ranks, start, Y, np.random.default_rng(5), epochs=60)
    assert loss(later) < loss(first)
    np.testing.assert_array_equal(later, train_rescaler(ranks, start, Y, np.random.default_rng(5), epochs=60))


def test_one_step_of_the_rescaler_is_that_of_adam():
    """Adam's first step moves every weight with a gradient by the learning rate, against its sign."""
    rng = np.random.default_rng(2)
    start = np.random.default_rng(2).uniform(-1, 1, (3, 3)) / math.sqrt(3)
    found = train_rescaler(np.array([[0.9, 0.2, 0.1]]), np.array([1.5]), np.array([0]), rng, epochs=1)
    signs = np.sign(found - start)
    assert np.abs(found - start) == pytest.approx(np.full((3, 3), 1e-4), rel=1e-6)
    assert signs.tolist() == [[1, 1, 1], [-1, -1, -1], [-1, -1, -1]]


# --- The region.


def naive_region(rescaled, probabilities, labels, target):
    for t in sorted(set(rescaled[rescaled > 0])):
        thresholds = []
        for c in range(probabilities.shape[1]):
            kept = sorted(p[c] for p, y, r in zip(probabilities, labels, rescaled, strict=True) if y == c and r >= t)
            thresholds.append(kept[quantile_place(len(kept), target)] if kept else 0.0)
        if min(thresholds) >= target:
            return t, thresholds
    return math.inf, [math.nan] * probabilities.shape[1]


@pytest.mark.parametrize("seed", range(7))
def test_region_search_equals_the_naive_one(seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(3, size=101)
    rescaled = np.round(rng.exponential(4, 101), 1) * (rng.random(101) < 0.9)
    sharp = rng.random(101) * rescaled
    probabilities = softmax(sharp[:, None] * (3 * np.eye(3)[labels] + rng.normal(0, 0.5, (101, 3))))
    found = find_region(rescaled, probabilities, labels, target=0.7)
    minimum, thresholds = naive_region(rescaled, probabilities, labels, 0.7)
    assert found.minimum == minimum
    np.testing.assert_array_equal(found.thresholds, thresholds)


def test_no_region_where_a_class_is_missing_or_the_data_are_too_weak():
    probabilities = np.tile([0.99, 0.01], (11, 1))
    missing = find_region(np.full(11, 5.0), probabilities, np.zeros(11, int), target=0.9)
    assert (missing.minimum, missing.reason) == (math.inf, Reason.NO_REGION)
    assert np.isnan(missing.thresholds).all()
    weak = find_region(np.full(11, 5.0), np.full((11, 2), 0.5), np.arange(11) % 2, target=0.9)
    assert weak.reason == Reason.NO_REGION
    assert not weak.admits(np.full(3, 9.0), np.ones(3), np.zeros(3, int)).any()
    assert find_region(np.zeros(0), np.zeros((0, 2)), np.zeros(0, int), target=0.9).reason == Reason.NO_REGION


def test_places_of_quantiles_do_not_depend_on_rounding():
    """1 - 0.9 is 0.0999... in floating point: of ten values the lowest one is to be left out all the same."""
    assert [quantile_place(n, 0.9) for n in (1, 9, 10, 11, 20, 30)] == [0, 0, 1, 1, 2, 3]
    assert quantile_place(60, 0.95) == 3


# --- Arguments.


def test_a_row_that_is_not_finite_is_rejected(tiny):
    found = tiny.decide([(0.31, math.nan), (1, 0.05)], both([2.2, 1.7]))
    assert found.predicted.tolist() == [-1, 0]
    assert found.admitted.tolist() == [False, True]
    assert math.isnan(found.probability[0])
    assert "no" in str(found)


def test_a_known_foreign_point_lowers_similarity(tiny):
    before = tiny.decide(POINTS, both(A)).similarity
    grown = replace(tiny, support=tiny.support.plus(np.array([[1.0, 0.01]]), np.array([0]), np.array([-99])))
    after = grown.decide(POINTS, both(A)).similarity
    assert (after <= before).all()
    assert (after < before).any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target": 0.5}, "target must be above 0.5"),
        ({"target": 95}, "Did you mean 0.95"),
        ({"labels": np.full(12, 2)}, "codes 0 to 1"),
        ({"labels": np.zeros(11, int)}, r"of shape \(12,\)"),
        ({"features": np.full((12, 2), np.nan)}, "features must be finite"),
        ({"features": np.zeros((12, 3))}, "of 2 columns"),
        (
            {"support_features": np.zeros((1, 2)), "support_logits": np.zeros((1, 2)), "support_labels": [0]},
            "two items",
        ),
        ({"support_labels": list("aaaaaaaaaaaa")}, "whole numbers"),
        ({"max_similarity": 0}, "at least 1"),
    ],
)
def test_what_cannot_be_fitted_is_refused(change, message):
    given = {
        "support_features": np.stack([SUPPORT_X, np.zeros(12)], axis=1),
        "support_logits": both(np.ones(12)),
        "support_labels": SUPPORT_Y,
        "features": POINTS,
        "logits": both(A),
        "labels": Y,
        **change,
    }
    data = [
        given.pop(n) for n in ("support_features", "support_logits", "support_labels", "features", "logits", "labels")
    ]
    with pytest.raises(ArgumentError, match=message):
        fit_sdm(*data, **given)
