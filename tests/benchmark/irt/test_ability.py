"""Abilities and predicted scores: golden values of the reference code, exact roots, bounds, missing answers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from neff.benchmark.irt import ItemBank, ability, information, predicted_scores
from neff.errors import ArgumentError
from neff.reasons import Reason

A = np.array([1, 2, 0.5, 1.5, 1.2, 0.8, 3, 0.3])
B = np.array([0, -1, 1, 0.5, -0.3, 2, 1.2, -2])
BANK = ItemBank.of(A, B)
ANSWERS = np.array([[1, 1, 0, 1, 1, 0, 0, 1], [1] * 8, [0] * 8, [0, 0, 1, 0, 0, 1, 1, 0]], float)
NAN = math.nan


def test_information_golden():
    """fluid_benchmarking/irt_utils.py, a real run (sheet, 6)."""
    at_0 = [0.25, 0.4199743416, 0.0587509281, 0.490263736, 0.3485833936, 0.0894488268, 0.2330063416, 0.0205905816]
    at_12 = [0.1778944406, 0.0479253442, 0.06234401, 0.4320617578, 0.17529025, 0.1446728745, 2.25, 0.0180194994]
    found = BANK.information([0.0, 1.2])
    assert found == pytest.approx(np.array([at_0, at_12]), abs=1e-10)
    assert information(BANK, [0.0, 1.2]) == pytest.approx([sum(at_0), sum(at_12)], abs=1e-9)


GOLDEN = {
    "map": [0.6219979399, 1.7169088744, -1.4336509523, 0.0867490288],
    "mle": [0.8465528561, 4.0, -4.0, 0.1312230452],
}


@pytest.mark.parametrize("method", GOLDEN)
def test_abilities_golden(method):
    """fluid_benchmarking/estimators.py stops at |T| < 1e-6, so that its digits end at the sixth or seventh."""
    found = ability(BANK, ANSWERS, method=method)
    assert found.theta == pytest.approx(GOLDEN[method], abs=5e-7)


def test_abilities_are_the_exact_roots():
    def score(theta, u, precision):
        return (A * (u - 1 / (1 + np.exp(-A * (theta - B))))).sum() - precision * theta

    for method, precision in (("map", 1.0), ("mle", 0.0)):
        found = ability(BANK, ANSWERS[[0, 3]], method=method).theta
        exact = [brentq(lambda t, u=u, w=precision: score(t, u, w), -4, 4, xtol=1e-14) for u in ANSWERS[[0, 3]]]
        assert found == pytest.approx(exact, abs=1e-11)


def test_posterior_means_golden():
    """Own quadrature of the sheet: 20,001 nodes on [-6, 6]."""
    found = ability(BANK, ANSWERS, method="eap")
    assert found.theta == pytest.approx([0.574317, 1.846720, -1.519958, 0.057645], abs=1e-6)
    assert found.standard_error == pytest.approx([0.536509, 0.612400, 0.670881, 0.566013], abs=1.1e-6)


def test_standard_errors_of_the_mode():
    """The sheet took its values at the nearest of its nodes, which are 6e-4 apart; these are exact."""
    found = ability(BANK, ANSWERS)
    assert found.standard_error == pytest.approx([0.530893, 0.571951, 0.640167, 0.583164], abs=1e-4)
    nodes = np.linspace(-6, 6, 20_001)
    p = BANK.probability(nodes)
    log = np.log(np.where(ANSWERS[:, None, :] == 1, p, 1 - p)).sum(axis=2) - 0.5 * nodes**2
    at = nodes[np.argmax(log, axis=1)]
    assert 1 / np.sqrt(1 + information(BANK, at)) == pytest.approx([0.530893, 0.571951, 0.640167, 0.583164], abs=1e-6)


def test_weighted_likelihood_golden():
    found = ability(BANK, ANSWERS, method="wle")
    assert found.theta == pytest.approx([0.9300, 3.9006, -2.2620, 0.2244], abs=5e-4)
    grid = np.linspace(-4, 4, 400_001)
    p = BANK.probability(grid)
    log = np.log(np.where(ANSWERS[3] == 1, p, 1 - p)).sum(axis=1) + 0.5 * np.log(information(BANK, grid))
    assert found.theta[3] == pytest.approx(grid[np.argmax(log)], abs=2e-5)


def test_missing_answers_prior_and_scaling_golden():
    assert ability(BANK, [1, NAN, 0, NAN, NAN, NAN, NAN, 1]).theta == pytest.approx([0.3143986390], abs=5e-7)
    assert ability(BANK, ANSWERS[0], prior=(1, 0.5)).theta == pytest.approx([0.9333286833], abs=5e-7)
    scaled = ItemBank.of(A, B, scaling=1.7)
    assert ability(scaled, ANSWERS[0]).theta == pytest.approx([0.7109085922], abs=5e-7)


def test_a_bound_is_flagged_and_has_no_error():
    found = ability(BANK, ANSWERS[[1, 2]], method="mle")
    assert found.at_bound.all()
    assert found.theta.tolist() == [4.0, -4.0]
    assert np.isnan(found.standard_error).all()
    assert np.isnan(found.interval).all()
    assert set(found.reasons) == {Reason.AT_BOUND}
    assert "2 of 2 models are at a bound" in found.warnings[0]
    assert found.estimates()[0].to_dict()["standard_error"] is None


@pytest.mark.parametrize("method", ["map", "mle", "eap", "wle"])
def test_without_answers_there_is_no_ability(method):
    found = ability(BANK, np.full((1, 8), np.nan), method=method)
    assert np.isnan(found.theta).all()
    assert np.isnan(found.standard_error).all()
    assert found.reasons == (Reason.EMPTY,)


def test_guessing_lowers_what_a_right_answer_says():
    guessed = ItemBank.of(A, B, guess=0.25)
    assert ability(guessed, ANSWERS[0]).theta[0] < ability(BANK, ANSWERS[0]).theta[0]
    grid = np.linspace(-4, 4, 80_001)
    p = guessed.probability(grid)
    log = np.log(np.where(ANSWERS[0] == 1, p, 1 - p)).sum(axis=1) - 0.5 * grid**2
    assert ability(guessed, ANSWERS[0]).theta[0] == pytest.approx(grid[np.argmax(log)], abs=1e-4)


def test_items_by_name_in_any_order():
    found = ability(BANK, [[1, 0, 1]], items=["7", "2", "0"])
    assert found.theta == pytest.approx(ability(BANK, [1, NAN, 0, NAN, NAN, NAN, NAN, 1]).theta)
    records = {"item": ["7", "2", "0"], "model": ["m"] * 3, "score": [1, 0, 1]}
    assert ability(BANK, records).theta == pytest.approx(found.theta)


@given(st.lists(st.sampled_from([0.0, 1.0, NAN]), min_size=8, max_size=8), st.permutations(range(8)))
@settings(max_examples=30, deadline=None)
def test_the_order_of_items_does_not_matter_and_one_more_right_answer_raises(answers, order):
    for method in ("map", "mle", "eap", "wle"):
        one = ability(BANK, answers, method=method).theta[0]
        other = ability(ItemBank.of(A[order], B[order]), np.array(answers)[order], method=method).theta[0]
        assert other == pytest.approx(one, abs=1e-6, nan_ok=True)
    wrong = [k for k, u in enumerate(answers) if u == 0]
    if wrong:
        better = list(answers)
        better[wrong[0]] = 1.0
        assert ability(BANK, better).theta[0] > ability(BANK, answers).theta[0]


def test_many_models_in_blocks_are_as_one_by_one():
    rng = np.random.default_rng(1)
    bank = ItemBank.of(np.exp(rng.normal(0, 0.3, 101)), rng.normal(0, 1, 101))
    right = (rng.random((307, 101)) < 0.5).astype(float)
    right[rng.random(right.shape) < 0.4] = np.nan
    for method in ("map", "eap", "wle"):
        whole = ability(bank, right, method=method)
        single = [ability(bank, row, method=method).theta[0] for row in right[::61]]
        assert whole.theta[::61] == pytest.approx(single, abs=1e-9)


@pytest.mark.parametrize("method", ["map", "eap", "wle", "mle"])
def test_intervals_cover(method):
    """At known item parameters, 61 items, abilities as in the prior: 95% to within what 800 models can show."""
    rng = np.random.default_rng(3)
    bank = ItemBank.of(np.exp(rng.normal(0, 0.3, 61)), rng.normal(0, 1, 61))
    theta = rng.normal(size=800)
    found = ability(bank, (rng.random((800, 61)) < bank.probability(theta)).astype(float), method=method)
    covered = (found.interval[:, 0] <= theta) & (theta <= found.interval[:, 1])
    assert 0.925 < covered.mean() < 0.975


def test_predicted_scores_cover_and_keep_what_was_seen():
    rng = np.random.default_rng(5)
    bank = ItemBank.of(np.exp(rng.normal(0, 0.3, 211)), rng.normal(0, 1, 211))
    theta = rng.normal(size=400)
    whole = (rng.random((400, 211)) < bank.probability(theta)).astype(float)
    seen = np.where(rng.random(whole.shape) < 0.2, whole, np.nan)
    found = predicted_scores(bank, seen, method="eap")
    truth = whole.mean(axis=1)
    covered = [e.interval[0] <= t <= e.interval[1] for e, t in zip(found, truth, strict=True)]
    assert 0.92 < np.mean(covered) < 0.98
    everything = predicted_scores(bank, whole[:3])
    assert [e.value for e in everything] == pytest.approx(truth[:3])
    assert [e.standard_error for e in everything] == [0.0, 0.0, 0.0]  # all items were run: nothing is predicted


def test_predicted_score_by_hand():
    (found,) = predicted_scores(BANK, [1, NAN, 0, NAN, NAN, NAN, NAN, 1])
    theta = ability(BANK, [1, NAN, 0, NAN, NAN, NAN, NAN, 1]).theta[0]
    rest = [1, 3, 4, 5, 6]
    assert found.value == pytest.approx((2 + BANK.probability([theta])[0][rest].sum()) / 8)
    assert predicted_scores(BANK, ANSWERS[1:2], method="mle")[0].reason is Reason.AT_BOUND


def test_refusals():
    with pytest.raises(ArgumentError, match="of 8 columns"):
        ability(BANK, [[1, 0]])
    with pytest.raises(ArgumentError, match="in the bank"):
        ability(BANK, [[1]], items=["nine"])
    with pytest.raises(ArgumentError, match=r"threshold=0\.5"):
        ability(BANK, [0.7] * 8)
    with pytest.raises(ArgumentError, match="'map'"):
        ability(BANK, ANSWERS, method="mapp")
    with pytest.raises(ArgumentError, match="low below high"):
        ability(BANK, ANSWERS, bounds=(1, -1))
    with pytest.raises(ArgumentError, match="above 0"):
        ItemBank.of([1, -1], [0, 0])
    assert ability(BANK, [0.7] * 8, threshold=0.5).theta == pytest.approx(ability(BANK, [1] * 8).theta)
