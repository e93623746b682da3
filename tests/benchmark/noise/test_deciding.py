"""Decision accuracy: golden values, ties, the normal theory, coverage."""

from __future__ import annotations

import math
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neff.benchmark.noise import decision_accuracy, decision_accuracy_drawn, expected_decision_accuracy
from neff.benchmark.noise.deciding import left_out_one
from neff.errors import ArgumentError
from neff.reasons import Reason


def test_golden():
    assert decision_accuracy([0.1, 0.4, 0.3, 0.2, 0.5], [0.2, 0.5, 0.6, 0.1, 0.9]).value == pytest.approx(0.8)


def test_ties_do_not_depend_on_the_order():
    # the paper's code gives 1 and .6667 for these two, which differ in names only
    one = decision_accuracy([0.1, 0.1, 0.3], [0.2, 0.3, 0.4])
    other = decision_accuracy([0.1, 0.1, 0.3], [0.3, 0.2, 0.4])
    assert one.value == other.value == pytest.approx(2.5 / 3)
    assert decision_accuracy([0.1, 0.1], [0.2, 0.2]).value == 1


def test_recipes_are_matched_by_name():
    found = decision_accuracy({"a": 1.0, "b": 2.0, "x": 9.0}, {"b": 5.0, "a": 4.0})
    assert (found.value, found.n_items) == (1.0, 2)
    assert found.warnings == ("1 recipe not scored at every scale left out",)
    frozen = MappingProxyType({"a": 1.0, "b": 2.0})
    assert decision_accuracy(frozen, frozen).value == 1
    with pytest.raises(ArgumentError, match="a mapping"):
        decision_accuracy({"a": 1.0}, [1.0])
    with pytest.raises(ArgumentError, match="finite"):
        decision_accuracy([1.0, math.nan], [1.0, 2.0])


def test_one_recipe_is_a_reason():
    found = decision_accuracy([0.5], [0.5])
    assert math.isnan(found.value)
    assert found.reason is Reason.TOO_FEW


def test_perfect_agreement_has_a_width():
    found = decision_accuracy(np.arange(7.0), np.arange(7.0))
    assert found.value == 1
    assert found.reason is Reason.NO_STANDARD_ERROR
    assert found.interval[0] < 0.8


@pytest.mark.parametrize(("noise", "expected"), [(0.01, 0.8976), (0.03, 0.750), (0.1, 0.593)])
def test_normal_theory(noise, expected):
    assert expected_decision_accuracy(0.03, noise) == pytest.approx(expected, abs=5e-4)
    rng = np.random.default_rng(2)
    drawn = []
    for _ in range(400):
        truth = 0.03 * rng.normal(size=25)
        drawn.append(decision_accuracy(truth + noise * rng.normal(size=25), truth).value)
    assert np.mean(drawn) == pytest.approx(expected, abs=0.01)


def test_intervals_cover():
    rng = np.random.default_rng(3)
    for recipes, noise in ((10, 0.03), (25, 0.1)):
        truth_of = expected_decision_accuracy(0.03, noise)
        covered = []
        for _ in range(300):
            truth = 0.03 * rng.normal(size=recipes)
            low, high = decision_accuracy(truth + noise * rng.normal(size=recipes), truth).interval
            covered.append(low <= truth_of <= high)
        assert 0.92 <= np.mean(covered) <= 0.999  # the jackknife of a U-statistic is conservative at few recipes


def test_draws_of_checkpoints():
    small = {"a": [0.1, 0.3], "b": [0.2], "c": [0.5]}
    target = {"a": [1.0], "b": [2.0], "c": [3.0]}
    found = decision_accuracy_drawn(small, target, n_draws=4000, rng=0)
    # a and b are in the wrong order half of the time: 1/2 of one of three pairs
    assert found.value == pytest.approx(1 - 0.5 / 3, abs=0.01)
    assert found.components["draws"] == pytest.approx(0.25 / 9, abs=0.002)
    assert decision_accuracy_drawn(small, target, rng=1) == decision_accuracy_drawn(small, target, rng=1)
    assert decision_accuracy_drawn({"a": [1.0]}, {"a": [1.0]}).reason is Reason.TOO_FEW


def test_draws_leave_out_what_was_not_measured():
    """A missing checkpoint is not drawn: it made every figure NaN, and an empty curve raised."""
    target = {name: [float(k)] for k, name in enumerate("abcd")}
    small = {"a": [0.1, math.nan, 0.3], "b": [0.2, 0.2], "c": [0.4, 0.5], "d": []}
    found = decision_accuracy_drawn(small, target, rng=0)
    whole = decision_accuracy_drawn({"a": [0.1, 0.3], "b": [0.2, 0.2], "c": [0.4, 0.5]}, target, rng=0)
    assert found.value == whole.value < 1
    assert found.warnings == ("1 recipe not scored at every scale left out",)
    assert decision_accuracy_drawn({"a": [1.0]}, target).reason is Reason.TOO_FEW
    with pytest.raises(ArgumentError, match=r"Did you mean 0\.95"):
        decision_accuracy_drawn({"a": [1.0]}, target, level=95)
    with pytest.raises(ArgumentError, match=r"small\['b'\] must be finite"):
        decision_accuracy_drawn({"a": [1.0], "b": [math.inf]}, target)


def test_expected_accuracy_refuses_negative_noise():
    with pytest.raises(ArgumentError, match="0 or more"):
        expected_decision_accuracy(0.1, -1)
    assert math.isnan(expected_decision_accuracy(0, 0))


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=3, max_size=9))
def test_against_the_naive_loop(pairs):
    s, t = (np.array(column, float) for column in zip(*pairs, strict=True))
    n, same = len(s), np.zeros((len(s), len(s)))
    for i in range(n):
        for j in range(n):
            if i != j:
                a, b = np.sign(s[i] - s[j]), np.sign(t[i] - t[j])
                same[i, j] = 1.0 if a == b else 0.5 if a * b == 0 else 0.0
    assert decision_accuracy(s, t).value == pytest.approx(same.sum() / (n * (n - 1)), abs=1e-12)
    for k in range(n):
        rest = np.delete(np.arange(n), k)
        expected = same[np.ix_(rest, rest)].sum() / ((n - 1) * (n - 2))
        assert left_out_one(same)[k] == pytest.approx(expected, abs=1e-12)
