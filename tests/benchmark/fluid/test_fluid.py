"""Adaptive tests and replays: the reference code's orders and abilities, stopping, balance, state, simulation B."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from neff.benchmark.fluid import AdaptiveTest, replay_fluid
from neff.benchmark.fluid.replaying import adaptive_paths
from neff.benchmark.irt import ItemBank, fit_irt, predicted_scores
from neff.errors import ArgumentError, RecordsError
from neff.reasons import Reason

A = [1, 2, 0.5, 1.5, 1.2, 0.8, 3, 0.3]
B = [0, -1, 1, 0.5, -0.3, 2, 1.2, -2]
BANK = ItemBank.of(A, B)
ROWS = {"first": [1, 1, 0, 1, 1, 0, 0, 1], "right": [1] * 8, "wrong": [0] * 8, "mixed": [0, 0, 1, 0, 0, 1, 1, 0]}


def run(answers, bank=BANK, **options):
    test = AdaptiveTest(bank, **options)
    while not test.finished:
        names = test.next_items()
        test.tell(names, [answers[int(name)] for name in names])
    return test


GOLDEN = {
    "first": ("36401527", [0.660276, 0.467859, 0.590577, 0.700191, 0.718566, 0.659850, 0.595203, 0.621998]),
    "right": ("36054217", [0.660276, 1.391802, 1.448064, 1.589903, 1.624012, 1.689900, 1.692841, 1.716909]),
    "wrong": ("31402576", None),
    "mixed": (None, 0.086749),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_orders_and_abilities_golden(name):
    """fluid_benchmarking/engine.py, a real run (sheet, 6); the ask/tell loop and the replay of all models agree."""
    order, abilities = GOLDEN[name]
    test = run(ROWS[name], start=0.0)
    found = [theta for theta, _ in test.trace]
    if order:
        assert "".join(test.asked) == order
    if isinstance(abilities, list):
        assert found == pytest.approx(abilities, abs=1e-6)
    elif abilities:
        assert found[-1] == pytest.approx(abilities, abs=1e-6)
    path = adaptive_paths(np.array([ROWS[name]], float), BANK.parameters, 8, start=0.0)
    assert tuple(map(str, path.order[0])) == test.asked
    assert path.theta[0] == pytest.approx(found, abs=1e-10)
    assert path.standard_error[0] == pytest.approx([error for _, error in test.trace], abs=1e-10)


def test_maximum_likelihood_from_another_start_golden():
    test = run(ROWS["first"], method="mle", start=2.0, max_items=5)
    assert "".join(test.asked) == "67340"
    found = [theta for theta, _ in test.trace]
    assert found == pytest.approx([-4, 0.092451416, 0.790706154, 0.893381345, 0.994012304], abs=2e-6)
    assert math.isnan(test.trace[0][1])
    assert test.stopped == "5 items asked"


def test_stops_when_precise_enough():
    full = run(ROWS["first"], start=0.0)
    limit = full.trace[4][1] + 1e-9
    test = run(ROWS["first"], start=0.0, delta=limit)
    assert len(test.asked) == 5
    assert "below" in test.stopped
    assert len(run(ROWS["first"], start=0.0, delta=limit, min_items=7).asked) >= 7
    assert run(ROWS["first"], start=0.0).stopped == "no item left"
    assert run(ROWS["first"], max_items=0).asked == ()


def test_a_gap_of_the_calibration_models_is_a_rule():
    rng = np.random.default_rng(1)
    truth = ItemBank.of(np.exp(rng.normal(0.3, 0.4, 211)), rng.normal(0, 1, 211))
    right = (rng.random((31, 211)) < truth.probability(rng.normal(size=31))).astype(float)
    bank = fit_irt(right)
    test = run(right[4], bank, delta="gap", max_items=211)
    if not test.stopped.startswith("no item"):
        assert test.standard_error < bank.ability_gap
    with pytest.raises(ArgumentError, match="made by hand"):
        AdaptiveTest(BANK, delta="gap")


def test_batches_are_the_most_informative():
    test = AdaptiveTest(BANK, batch=3, start=0.0)
    assert test.next_items() == ("3", "1", "4")
    assert test.next_items(2) == ("3", "1")
    test.tell(["3", "1", "4"], [1, 1, 0])
    assert len(test.next_items()) == 3
    short = AdaptiveTest(BANK, batch=5, max_items=3)
    assert len(short.next_items()) == 3


def test_an_item_that_cannot_be_run_is_passed_over():
    test = AdaptiveTest(BANK, start=0.0)
    test.tell("3", None)
    assert test.next_items() == ("1",)
    assert test.asked == ()
    assert math.isnan(test.theta)
    test.tell("1", 1)
    assert test.asked == ("1",)


def test_state_survives_json():
    rng = np.random.default_rng(2)
    bank = ItemBank.of(np.exp(rng.normal(0, 0.4, 61)), rng.normal(0, 1, 61), content=["xyz"[k % 3] for k in range(61)])
    answers = rng.integers(0, 2, 61).tolist()
    options = {"randomesque": 4, "balance": True, "max_items": 23, "rng": 5, "batch": 2}
    whole = run(answers, bank, **options)
    test = AdaptiveTest(bank, **options)
    while not test.finished:
        state = json.loads(json.dumps(test.to_dict(), allow_nan=False))
        test = AdaptiveTest.from_dict(bank, state)
        names = test.next_items()
        test.tell(names, [answers[int(name)] for name in names])
    assert test.asked == whole.asked
    assert test.theta == whole.theta
    with pytest.raises(RecordsError, match="no state"):
        AdaptiveTest.from_dict(bank, {"schema": "x"})
    for change in (
        {"options": {"speed": 1}},
        {"options": None},
        {"answers": [["1", 2]]},
        {"answers": 5},
        {"trace": [1]},
    ):
        with pytest.raises(RecordsError, match="damaged state"):
            AdaptiveTest.from_dict(bank, state | change)
    with pytest.raises(RecordsError, match="damaged state"):
        AdaptiveTest.from_dict(bank, {"schema": state["schema"]})


def test_content_is_in_balance():
    rng = np.random.default_rng(3)
    kinds = ["common"] * 80 + ["rare"] * 21
    a = np.r_[np.full(80, 2.0), np.full(21, 0.5)]  # without balance the rare ones would never come
    bank = ItemBank.of(a, rng.normal(0, 1, 101), content=kinds)
    answers = rng.integers(0, 2, 101).tolist()
    plain = run(answers, bank, max_items=20)
    assert not any(int(name) >= 80 for name in plain.asked)
    balanced = run(answers, bank, max_items=20, balance={"common": 0.6, "rare": 0.4})
    assert sum(int(name) >= 80 for name in balanced.asked) == 8
    as_in_bank = run(answers, bank, max_items=20, balance=True)
    assert sum(int(name) >= 80 for name in as_in_bank.asked) == 4


def test_randomesque_spreads_the_first_item():
    first = {AdaptiveTest(BANK, randomesque=3, start=0.0, rng=seed).next_items() for seed in range(40)}
    assert first == {("3",), ("1",), ("4",)}
    again = AdaptiveTest(BANK, randomesque=3, rng=7)
    assert again.next_items() == again.next_items()


def test_refusals_of_answers():
    test = AdaptiveTest(BANK)
    test.tell(["0", "1"], [1, 0])
    for items, responses, what in (
        (["0"], [1], "without an answer yet"),
        (["2", "2"], [1, 1], "without an answer yet"),
        (["2"], [0.5], "0, 1 or NaN"),
        (["2"], ["yes"], "0, 1 or NaN"),
        (["nine"], [1], "in the bank"),
        (["2", "3"], [1], "of length 2"),
    ):
        with pytest.raises(ArgumentError, match=what):
            test.tell(items, responses)
    assert test.asked == ("0", "1")  # a refused call changes nothing
    with pytest.raises(ArgumentError, match="one with parameters"):
        AdaptiveTest(fit_irt([[1, 0, 1]]))
    with pytest.raises(ArgumentError, match="content"):
        AdaptiveTest(BANK, balance=True)
    kinds = BANK.with_content(["x", "y"] * 4)
    for plan in ({"x": 0.5}, {"x": math.nan, "y": 0.5}, {"x": 0.5, "z": 0.5}, {"x": -1, "y": 2}):
        with pytest.raises(ArgumentError, match="shares that sum to 1"):
            AdaptiveTest(kinds, balance=plan)


def test_estimate_and_score_of_a_test():
    test = run(ROWS["first"], max_items=3)
    assert test.estimate().value == test.theta
    assert test.estimate().standard_error == pytest.approx(test.standard_error)
    assert test.score().n == 3
    assert math.isnan(AdaptiveTest(BANK).estimate().value)


def test_the_score_of_a_test_is_by_its_own_prior_and_bounds():
    strong = AdaptiveTest(BANK, prior=(2.0, 0.3))
    strong.tell("0", 1)
    (expected,) = predicted_scores(BANK, strong._row(), prior=(2.0, 0.3))
    assert strong.score().value == expected.value
    assert strong.score().value > predicted_scores(BANK, strong._row())[0].value + 0.1
    narrow = AdaptiveTest(BANK, method="mle", bounds=(-1.0, 1.0))
    narrow.tell("0", 1)
    assert narrow.score().reason is Reason.AT_BOUND
    (wide,) = predicted_scores(BANK, [[1, 0, *[np.nan] * 6]], method="mle", bounds=(-9.0, 9.0))
    assert wide.reason is None


def simulation_b(seed, n_items=1000):
    """A bank of 1,000 items, 60 checkpoints from -2 to 2 in theta, true item parameters (sheet, 5)."""
    rng = np.random.default_rng(seed)
    bank = ItemBank.of(np.exp(rng.normal(0.3, 0.5, n_items)), rng.normal(0, 1.3, n_items))
    theta = np.linspace(-2, 2, 60)
    right = (rng.random((60, n_items)) < bank.probability(theta)).astype(float)
    return replay_fluid(
        bank, right, budgets=(10, 50, 100), checkpoints=True, delta=None, start=0.0, n_repeats=1, rng=seed
    )


PUBLISHED = {  # total variation / monotonicity of the sheet, 5 repeats
    ("random", 10): (12.7, 0.878), ("random-irt", 10): (13.5, 0.876), ("fluid", 10): (3.8, 0.986),
    ("random", 50): (4.8, 0.973), ("random-irt", 50): (4.4, 0.977), ("fluid", 50): (2.3, 0.995),
    ("random", 100): (3.7, 0.984), ("random-irt", 100): (3.6, 0.988), ("fluid", 100): (1.8, 0.997),
}  # fmt: skip


@pytest.mark.parametrize("repeats", [3, pytest.param(5, marks=pytest.mark.slow)])
def test_fluid_beats_random_items_in_simulation_b(repeats):
    replays = [simulation_b(seed) for seed in range(repeats)]

    def mean(method, size, name):
        return float(np.mean([getattr(found.row(method, size), name) for found in replays]))

    for size in (10, 50, 100):
        for other in ("random", "random-irt"):
            assert mean("fluid", size, "total_variation") < mean(other, size, "total_variation")
            assert mean("fluid", size, "monotonicity") > mean(other, size, "monotonicity")
        assert mean("fluid", size, "rmse") < 0.6 * mean("random-irt", size, "rmse")
    for (method, size), (variation, monotone) in PUBLISHED.items():
        assert mean(method, size, "total_variation") == pytest.approx(variation, rel=0.35)  # of random draws
        assert mean(method, size, "monotonicity") == pytest.approx(monotone, abs=0.04)  # likewise


def test_replay_by_hand():
    rng = np.random.default_rng(4)
    bank = ItemBank.of(np.exp(rng.normal(0.2, 0.4, 83)), rng.normal(0, 1, 83))
    right = (rng.random((13, 83)) < bank.probability(rng.normal(size=13))).astype(float)
    right[2, 40:] = np.nan
    found = replay_fluid(bank, right, budgets=[5, 70, 900], delta=0.35, rng=1)
    assert found.budgets == (5, 70)
    assert any("budgets above 83" in note for note in found.notes)
    assert any("1 of 13 models have fewer than 70" in note for note in found.notes)
    assert (found.order[2] >= 0).sum() == 40
    assert found.exposure.sum() * 13 == (found.order >= 0).sum()
    test = run(right[5].tolist(), bank, max_items=5, start=0.0)
    assert found.values["fluid"][5, 0] == pytest.approx(test.theta, abs=1e-9)
    k = int(found.stopped_at[5])
    errors = [error for _, error in run(right[5].tolist(), bank, max_items=70, start=0.0).trace]
    assert errors[k - 1] < 0.35 <= errors[k - 2]
    assert found.row("all-irt", 83).rmse == 0
    assert found.row("all", 83).correlation == pytest.approx(1)
    again = replay_fluid(bank, right, budgets=[5, 70], delta=0.35, rng=1)
    assert again.to_dict()["rows"] == found.to_dict()["rows"]
    json.dumps(found.to_dict(), allow_nan=False)


def test_sister_ranks_and_refusals():
    rng = np.random.default_rng(6)
    bank = ItemBank.of(np.ones(31), rng.normal(0, 1, 31))
    right = (rng.random((7, 31)) < 0.5).astype(float)
    same = replay_fluid(bank, right, budgets=[31], delta=None, n_repeats=1, rng=0)
    assert same.row("all", 31).rank_distance == 0
    other = replay_fluid(bank, right, budgets=[31], delta=None, n_repeats=1, rng=0, sister=-right.mean(axis=1))
    assert other.row("all", 31).rank_distance > 1
    assert other.sister
    with pytest.raises(ArgumentError, match="one of"):
        same.row("fluid", 7)
    gap = replay_fluid(bank, right, budgets=[3], n_repeats=1, rng=0)  # a bank made by hand has none
    assert (gap.delta, gap.stopped_at) == (None, None)
    assert "no gap at which to stop" in " ".join(gap.notes)
    for delta in (-1, 0, math.nan, "close"):
        with pytest.raises(ArgumentError, match="delta must be above 0, 'gap' or None"):
            replay_fluid(bank, right, budgets=[3], delta=delta)
    with pytest.raises(ArgumentError, match="at most"):
        replay_fluid(bank, right, budgets=[32])
    with pytest.raises(ArgumentError, match="of length 7"):
        replay_fluid(bank, right, budgets=[3], sister=[1.0])
    right[3] = np.nan
    with pytest.raises(ArgumentError, match="every model"):
        replay_fluid(bank, right, budgets=[3])
