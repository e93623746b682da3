"""Stabilised weights: published small arrays, bounds, what they learn from, and the mixture behind them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from neff.errors import ArgumentError
from neff.evaluate.off_policy.simcal import Simcal, fit_simcal, stabilise
from neff.evaluate.off_policy.weights import least_variance_mixture
from neff.stats import ess

STEP = np.arange(20)
SCORE = ((7 * STEP % 20) / 20) + 0.025
WEIGHT = np.exp(1.5 * np.sin(STEP))
REWARD = np.clip(SCORE**1.3 + 0.1 * np.cos(3 * STEP), 0, 1)
FOLD = STEP % 5


def test_published_weights_on_twenty_points():
    assert ess(weights=WEIGHT) == pytest.approx(11.184330800, abs=1e-9)
    assert WEIGHT @ REWARD / WEIGHT.sum() == pytest.approx(0.4949430411, abs=1e-10)
    fitted = fit_simcal(WEIGHT, SCORE, fold=FOLD, reward=REWARD)
    new = fitted.predict(SCORE)
    assert fitted.mixture == pytest.approx((1.0, 0.0), abs=1e-12)
    assert fitted.blend == 0.0
    assert np.var(WEIGHT / WEIGHT.mean()) == pytest.approx(0.788216064, abs=1e-9)
    assert np.var(new) == pytest.approx(0.080150874, abs=1e-9)
    assert ess(weights=new) == pytest.approx(18.515931873, abs=1e-9)
    steps = [
        *[0.5959691032] * 3,
        *[0.7114534904] * 2,
        *[0.9196313715] * 2,
        *[0.949435762] * 7,
        *[1.2818703601] * 2,
        *[1.4317007632] * 2,
        *[1.438365193] * 2,
    ]
    assert new[np.argsort(SCORE)] == pytest.approx(steps, abs=1e-9)
    assert new @ REWARD / new.sum() == pytest.approx(0.5194982689, abs=1e-10)


def test_published_blend_with_one_on_twenty_points():
    fitted = fit_simcal(WEIGHT, SCORE, fold=FOLD, reward=REWARD, ess_floor=0.9, variance_cap=0.05)
    new = fitted.predict(SCORE)
    assert fitted.blend == pytest.approx(0.2101750104, abs=1e-10)
    assert np.var(new) == pytest.approx(0.05, abs=1e-12)
    assert ess(weights=new) == pytest.approx(19.047619048, abs=1e-9)
    assert new[np.argsort(SCORE)][[0, -1]] == pytest.approx([0.6808863011, 1.346231784], abs=1e-9)


def test_the_ess_floor_binds_where_it_is_the_stricter_bound():
    fitted = fit_simcal(WEIGHT, SCORE, fold=FOLD, reward=REWARD, ess_floor=0.97, variance_cap=None)
    assert ess(weights=fitted.predict(SCORE)) == pytest.approx(0.97 * 20, abs=1e-9)
    free = fit_simcal(WEIGHT, SCORE, fold=FOLD, reward=REWARD, ess_floor=None, variance_cap=None)
    assert free.blend == 0.0


def test_weights_have_mean_one_on_any_rows_and_survive_json():
    rng = np.random.default_rng(5)
    fitted = fit_simcal(rng.exponential(size=31), rng.random(31), fold=np.arange(31) % 3, reward=rng.random(31))
    again = Simcal.from_dict(json.loads(json.dumps(fitted.to_dict())))
    for points in (np.array([0.4]), rng.random(7), np.array([-5.0, 9.0])):
        new = fitted.predict(points)
        assert new.mean() == pytest.approx(1.0, abs=1e-12)
        assert (new > 0).all()
        assert again.predict(points).tolist() == new.tolist()


@pytest.mark.parametrize("kind", ["reward", "residual", "neither"])
def test_the_mixture_minimises_the_variance_of_influence_values(kind):
    rng = np.random.default_rng(7)
    weights, index, target, fold = rng.exponential(size=53), rng.random(53), rng.random(53), np.arange(53) % 3
    given = {} if kind == "neither" else {kind: target}
    fitted = fit_simcal(weights, index, fold=fold, **given)
    curves = [np.maximum(curve.predict(index), 1e-9) for curve in (fitted.rising, fitted.falling)]
    columns = []
    for curve in curves:
        c, phi = curve / curve.mean(), np.zeros(53)
        for k in range(3):  # the definition, row by row
            rest = fold != k
            mean = c[rest].mean()
            for i in np.flatnonzero(fold == k):
                if kind == "residual":
                    phi[i] = c[i] * target[i] / mean
                else:
                    r = target if kind == "reward" else np.ones(53)
                    psi = (c[rest] * r[rest]).sum() / c[rest].sum()
                    phi[i] = (c[i] * (r[i] - psi) - psi * (c[i] - mean)) / mean
        columns.append(phi)
    shares = np.linspace(0, 1, 10_001)
    variance = [np.var(p * columns[0] + (1 - p) * columns[1]) for p in shares]
    assert fitted.mixture[0] == pytest.approx(shares[int(np.argmin(variance))], abs=1e-3)


def test_a_fold_has_no_part_in_its_own_weights():
    rng = np.random.default_rng(11)
    n = 101
    weights, index, reward = rng.exponential(size=n), rng.random(n), rng.random(n)
    outer, inner = np.arange(n) % 3, np.arange(n) % 5
    before = stabilise(weights, index, reward=reward, fold=inner, outer_fold=outer)
    changed = np.where(outer == 1, rng.exponential(size=n), weights)
    after = stabilise(changed, index, reward=reward, fold=inner, outer_fold=outer)
    own, others = outer == 1, outer != 1
    assert (after.weights / before.weights)[own] == pytest.approx(after.weights[own][0] / before.weights[own][0])
    assert np.ptp((after.weights / before.weights)[others]) > 1e-3
    assert after.train_value[own].tolist() == before.train_value[own].tolist()
    rest = outer != 2
    assert before.train_value[2] == pytest.approx(weights[rest] @ reward[rest] / weights[rest].sum(), abs=1e-14)
    assert before.train_mean[2] == pytest.approx(weights[rest].mean(), abs=1e-14)


def test_small_folds_keep_raw_weights():
    rng = np.random.default_rng(2)
    weights = rng.exponential(size=17)
    few = stabilise(weights, rng.random(17), reward=rng.random(17), fold=np.arange(17) % 2, outer_fold=np.arange(17))
    assert few.weights == pytest.approx(weights / weights.mean(), abs=1e-14)
    assert np.isnan(few.rising_share)


def test_weights_that_only_one_fold_has_are_kept_raw_elsewhere():
    weights = np.zeros(23)
    weights[:5] = 1.0
    outer = (np.arange(23) >= 5).astype(int)
    kept = stabilise(weights, np.linspace(0, 1, 23), reward=np.ones(23), fold=np.arange(23) % 3, outer_fold=outer)
    assert np.isfinite(kept.weights).all()
    assert kept.weights[:5] == pytest.approx([23 / 5] * 5, abs=1e-12)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"weights": np.zeros(20)}, "weights must be positive in at least one row"),
        ({"ess_floor": 20.0}, r"ess_floor must be in \(0, 1\]"),
        ({"variance_cap": 0.0}, "variance_cap must be above 0"),
        ({"reward": np.ones(19)}, "reward must be as long as weights"),
    ],
)
def test_bad_arguments(change, match):
    given = {"weights": WEIGHT, "reward": REWARD} | change
    with pytest.raises(ArgumentError, match=match):
        fit_simcal(given.pop("weights"), SCORE, fold=FOLD, **given)


def test_mixture_of_three_against_a_grid():
    rng = np.random.default_rng(3)
    for _ in range(20):
        a = rng.standard_normal((3, 5))
        covariance = a @ a.T + 0.1 * np.eye(3)
        found = least_variance_mixture(covariance)
        assert found.sum() == pytest.approx(1.0, abs=1e-12)
        assert (found >= 0).all()
        grid = np.array([(p, q, 1 - p - q) for p in np.linspace(0, 1, 101) for q in np.linspace(0, 1 - p, 101)])
        assert found @ covariance @ found <= ((grid @ covariance) * grid).sum(axis=1).min() + 1e-12


def test_mixture_of_singular_candidates_is_even():
    assert least_variance_mixture(np.ones((2, 2))).tolist() == [0.5, 0.5]
    assert least_variance_mixture(np.array([[4.0]])).tolist() == [1.0]
