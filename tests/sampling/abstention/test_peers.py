"""Temperature, distance gate and conformal sets: golden numbers of `sampling-peers` D2, D3, D5, and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.sampling.abstention.activation import log_softmax, softmax
from neff.sampling.abstention.conformal import SplitConformal, conformal_quantile, coverage_spread
from neff.sampling.abstention.distance_gate import DistanceGate
from neff.sampling.abstention.temperature import TemperatureScaling
from neff.stats import ess

SCORES = [0.02, 0.05, 0.07, 0.1, 0.11, 0.2, 0.25, 0.31, 0.4, 0.6]


def drawn(rng, n, classes=3, sharp=2.0):
    """Logits whose softmax is the chance of each class, and labels from it."""
    z = sharp * rng.normal(size=(n, classes))
    y = (softmax(z).cumsum(axis=1) < rng.random((n, 1))).sum(axis=1)
    return z, np.minimum(y, classes - 1)


# --- Temperature.


def test_temperature_undoes_a_factor():
    z, y = drawn(np.random.default_rng(1), 4001)
    one = TemperatureScaling().fit(z, y).temperature_
    assert one == pytest.approx(1, rel=0.05)  # an estimate of 1 from 4,001 labels, standard error about 0.02
    assert TemperatureScaling().fit(7 * z, y).temperature_ == pytest.approx(7 * one, rel=1e-5)
    np.testing.assert_allclose(
        TemperatureScaling().fit(7 * z, y).predict_proba(7 * z), softmax(z / one), rtol=0, atol=1e-5
    )


def test_temperature_has_the_lowest_loss_of_a_grid():
    z, y = drawn(np.random.default_rng(2), 211)
    found = TemperatureScaling().fit(3 * z, y).temperature_
    grid = np.geomspace(0.01, 100, 2001)
    losses = [-log_softmax(3 * z / t)[np.arange(211), y].mean() for t in grid]
    assert found == pytest.approx(grid[int(np.argmin(losses))], rel=0.006)


def test_temperature_of_logits_that_say_nothing_is_not_identified():
    found = TemperatureScaling().fit([[3.0, 0.0], [0.0, 3.0]] * 4, [1, 0, 1, 0, 0, 1, 0, 1])
    assert found.reason_ == Reason.NOT_IDENTIFIED
    assert found.temperature_ == pytest.approx(1e3, rel=1e-2)


def test_temperature_of_perfect_predictions_is_not_identified():
    found = TemperatureScaling().fit([[3.0, 1.0], [0.0, 2.0]], [0, 1])
    assert found.reason_ == Reason.NOT_IDENTIFIED
    assert found.temperature_ == pytest.approx(1e-3)


# --- Distance gate.


def test_gate_passes_the_stated_share_of_exchangeable_items():
    rng = np.random.default_rng(3)
    passed = []
    for _ in range(200):
        train, own, new = (rng.normal(size=(n, 2)) for n in (53, 59, 61))
        passed.append(DistanceGate(0.9).fit(train, own).predict(new).mean())
    assert 0.9 - 0.01 < np.mean(passed) < 0.9 + 2 / 60
    far = DistanceGate().fit(train, own)
    assert not far.predict(new + 50).any()
    assert far.predict(train).all()


def test_gate_threshold_is_the_right_order_statistic():
    train, own = np.zeros((2, 1)), np.arange(1.0, 20)[:, None]  # distances 1 to 19
    assert DistanceGate(0.9).fit(train, own).threshold_ == 18  # ceil(0.9 x 20)
    assert DistanceGate(0.99).fit(train, own).threshold_ == 19  # the largest, too few for more
    assert math.isnan(DistanceGate().fit(train, own).distance([[math.nan]])[0])
    assert not DistanceGate().fit(train, own).predict([[math.nan]])[0]


# --- Conformal.


def test_golden_quantiles():
    assert conformal_quantile(SCORES, coverage=0.9) == 0.6
    assert conformal_quantile(SCORES, coverage=0.8) == 0.4
    assert conformal_quantile(SCORES, coverage=0.91) == math.inf
    assert conformal_quantile([], coverage=0.5) == math.inf


@pytest.mark.parametrize(
    ("n", "coverage", "low", "high"), [(100, 0.9, 0.848, 0.945), (1000, 0.9, 0.884, 0.915), (60, 0.95, 0.899, 0.986)]
)
def test_golden_spreads(n, coverage, low, high):
    assert coverage_spread(n, coverage=coverage) == pytest.approx((low, high), abs=5e-4)


def test_spread_is_that_of_simulated_calibration_sets():
    """Coverage of uniform scores under the threshold t is t itself."""
    rng = np.random.default_rng(4)
    found = [conformal_quantile(rng.random(59), coverage=0.9) for _ in range(4000)]
    low, high = coverage_spread(59, coverage=0.9)
    assert np.quantile(found, [0.05, 0.95]) == pytest.approx([low, high], abs=0.01)
    assert coverage_spread(5, coverage=0.9) == (1, 1)


def test_equal_weights_change_nothing_and_weights_equal_repetition():
    for coverage in (0.5, 0.8, 0.9, 0.95):
        plain = conformal_quantile(SCORES, coverage=coverage)
        same = conformal_quantile(SCORES, coverage=coverage, log_weights=np.full(10, 3.7), log_weight=[3.7])
        assert same.tolist() == [plain]
    log_weights = np.log([1, 2, 1, 1, 3, 1, 1, 2, 1, 1])
    repeated = np.repeat(SCORES, [1, 2, 1, 1, 3, 1, 1, 2, 1, 1])
    for coverage in (0.3, 0.55, 0.8, 0.9):
        found = conformal_quantile(SCORES, coverage=coverage, log_weights=log_weights, log_weight=[0.0])
        assert found.tolist() == [conformal_quantile(repeated, coverage=coverage)]


def test_a_heavy_new_item_has_an_infinite_threshold():
    found = conformal_quantile(SCORES, coverage=0.8, log_weights=np.zeros(10), log_weight=[0.0, 5.0, -np.inf, 800.0])
    assert found.tolist() == [0.4, math.inf, 0.31, math.inf]
    none = conformal_quantile(SCORES, coverage=0.8, log_weights=np.full(10, -np.inf), log_weight=[-np.inf])
    assert none.tolist() == [math.inf]


@pytest.mark.parametrize(
    "kind", [{}, {"score": "aps"}, {"score": "raps", "penalty": 0.1, "free": 1}, {"by_class": True}]
)
def test_sets_cover_as_often_as_stated(kind):
    """Two-sided: over 200 pairs of calibration and test sets the mean coverage is 0.8 (to 0.8 + 1/(n + 1))."""
    rng = np.random.default_rng(5)
    covered, of_class = [], []
    for _ in range(200):
        z, y = drawn(rng, 302)
        p = softmax(z)
        sets = SplitConformal(0.8, rng=rng, **kind).fit(p[:151], y[:151])
        inside = sets.predict_set(p[151:])[np.arange(151), y[151:]]
        covered.append(inside.mean())
        of_class.append([inside[y[151:] == c].mean() for c in range(3)])
    error = 4 * np.std(covered) / math.sqrt(200)
    top = 1 / 152 if "by_class" not in kind else 1 / 45
    assert 0.8 - error < np.mean(covered) < 0.8 + top + error
    if "by_class" in kind:
        assert (np.abs(np.mean(of_class, axis=0) - 0.8) < 0.8 / 45 + 0.02).all()


def test_weights_mend_a_shift_of_the_inputs():
    """Calibration inputs are uniform, new ones have density 2x; scores depend on x: sets without weights fail."""
    rng = np.random.default_rng(6)
    with_weights, without = [], []
    for _ in range(300):
        x, new = rng.random(199), np.sqrt(rng.random(83))

        def p(x):
            right = 1 - 0.6 * x * rng.random(len(x))
            return np.stack([right, 1 - right], axis=1)

        own, other = p(x), p(new)
        sets = SplitConformal(0.9).fit(own, np.zeros(199, int), log_weights=np.log(2 * x))
        with_weights.append(sets.predict_set(other, log_weight=np.log(2 * new))[:, 0].mean())
        without.append(SplitConformal(0.9).fit(own, np.zeros(199, int)).predict_set(other)[:, 0].mean())
        assert sets.n_eff_ == pytest.approx(ess(np.log(2 * x)))
    assert np.mean(with_weights) == pytest.approx(0.9, abs=0.012)  # 300 sets of 83: standard error 0.002, plus 1/n
    assert np.mean(without) < 0.88


def test_aps_is_the_cumulative_mass_above_a_class():
    """With the random part fixed at u, the score of a class is the mass above it plus u times its own."""
    p = np.array([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7]])

    class Half(np.random.Generator):
        def random(self, size=None):
            return np.full(size, 0.5)

    found = SplitConformal(0.9, score="aps")._scores(p, Half(np.random.PCG64(1)))
    assert found == pytest.approx(np.array([[0.25, 0.65, 0.9], [0.95, 0.8, 0.35]]))
    penal = SplitConformal(0.9, score="raps", penalty=0.1, free=1)._scores(p, Half(np.random.PCG64(1)))
    assert penal == pytest.approx(np.array([[0.25, 0.75, 1.1], [1.15, 0.9, 0.35]]))


def test_a_coverage_next_to_0_takes_the_smallest_score():
    assert conformal_quantile([3.0, 1.0, 2.0], coverage=1e-12) == 1.0


def test_a_seed_gives_the_same_sets():
    z, y = drawn(np.random.default_rng(7), 101)
    p = softmax(z)
    one, two = (SplitConformal(0.8, score="aps", rng=3).fit(p, y) for _ in range(2))
    np.testing.assert_array_equal(one.predict_set(p), two.predict_set(p))
    np.testing.assert_array_equal(one.predict_set(p), one.predict_set(p))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: SplitConformal(1.5).fit([[0.5, 0.5]], [0]), "number between 0 and 1"),
        (lambda: SplitConformal(score="top").fit([[0.5, 0.5]], [0]), "score must be"),
        (lambda: SplitConformal().fit([[0.5, 0.6]], [0]), "each row of sum 1"),
        (lambda: SplitConformal().fit([[0.5, 0.5]], [2]), "codes 0 to 1"),
        (lambda: SplitConformal(by_class=True).fit([[0.5, 0.5]], [0], log_weights=[0.0]), "left out with by_class"),
        (lambda: SplitConformal().fit([[0.5, 0.5]], [0]).predict_set([[1.0]]), "two classes"),
        (lambda: SplitConformal().fit([[0.5, 0.5]], [0]).predict_set([[0.5, 0.5]], log_weight=[0.0]), "had no weights"),
        (lambda: SplitConformal().fit([[0.5, 0.5]], [0], log_weights=[0.0]).predict_set([[0.5, 0.5]]), "log_weight"),
        (lambda: SplitConformal().predict_set([[0.5, 0.5]]), "Call fit first"),
        (lambda: conformal_quantile(SCORES, log_weights=np.zeros(10)), "given with log_weights"),
        (lambda: conformal_quantile(SCORES, log_weights=np.zeros(9), log_weight=[0.0]), "10 numbers"),
        (lambda: TemperatureScaling().fit(np.zeros((0, 2)), []), "one item"),
        (lambda: TemperatureScaling().predict_proba([[0.0, 1.0]]), "Call fit first"),
        (lambda: DistanceGate().fit(np.zeros((0, 2)), np.zeros((1, 2))), "one item or more"),
        (lambda: DistanceGate(95).fit(np.zeros((2, 2)), np.zeros((1, 2))), "Did you mean 0.95"),
        (lambda: DistanceGate().set_params(quantil=0.9), "among quantile"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ArgumentError, match=message):
        call()
