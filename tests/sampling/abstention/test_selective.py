"""Risk by coverage, thresholds with a guarantee: golden numbers of the sheet `sampling-peers`, D1, and simulation."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.sampling.abstention.selective import risk_coverage, selective_threshold, upper_risk
from neff.stats import clopper_pearson


def test_golden_numbers_of_the_sheet():
    found = risk_coverage([0.9, 0.8, 0.7, 0.6, 0.5], [0, 0, 1, 0, 1])
    assert found.risk == pytest.approx([0, 0, 1 / 3, 0.25, 0.4])
    assert found.coverage == pytest.approx([0.2, 0.4, 0.6, 0.8, 1])
    assert found.aurc == pytest.approx(0.1966667, abs=5e-8)
    assert found.e_aurc == pytest.approx(0.0666667, abs=5e-8)
    assert upper_risk(4, 200) == pytest.approx(0.0451804, abs=5e-8)


def test_the_upper_bound_is_one_sided():
    """The one-sided bound at 95% is the upper end of the two-sided interval at 90%."""
    assert upper_risk(4, 200) == pytest.approx(clopper_pearson(4, 200, level=0.9).high)
    assert upper_risk(7, 7) == 1
    assert upper_risk(0, 0) == 1


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1)), min_size=1, max_size=6))
@settings(deadline=None, max_examples=40)
def test_equal_confidences_count_with_the_mean_over_their_orders(rows):
    """The naive twin averages the area over all orders of equal items."""
    areas = []
    for order in permutations(rows):
        ordered = sorted(order, key=lambda row: -row[0])  # stable: every order of the ties
        errors = [e for _, e in ordered]
        areas.append(sum(Fraction(sum(errors[: k + 1]), k + 1) for k in range(len(errors))) / len(errors))
    confidence, errors = zip(*rows, strict=True)
    found = risk_coverage(confidence, errors)
    assert found.aurc == pytest.approx(float(sum(areas) / len(areas)))
    assert found.e_aurc >= 0
    assert found.risk[-1] == pytest.approx(np.mean(errors))


def test_a_perfect_order_has_no_excess_and_a_transformed_confidence_the_same_curve():
    rng = np.random.default_rng(1)
    wrong = rng.random(101) < 0.3
    assert risk_coverage(-1.0 * wrong, wrong).e_aurc == pytest.approx(0, abs=1e-12)
    confidence = rng.random(101)
    one, other = risk_coverage(confidence, wrong), risk_coverage(np.exp(5 * confidence), wrong)
    np.testing.assert_allclose(one.risk, other.risk, rtol=1e-12)
    assert one.at(0.1) == one.risk[9]
    assert math.isnan(one.at(0.001))
    with pytest.raises(ArgumentError, match=r"coverage must be a share in \[0, 1\]"):
        one.at(1.5)
    assert "AURC" in str(one)
    data = one.to_dict(most=11)
    assert len(data["coverage"]) == len(data["risk"]) == 11
    assert (data["coverage"][0], data["coverage"][-1]) == (1 / 101, 1)


def test_nothing_to_rank():
    empty = risk_coverage([], [])
    assert math.isnan(empty.aurc)
    assert empty.to_dict()["coverage"] == []


def test_fixed_thresholds_are_tested_in_their_order_until_one_fails():
    confidence = np.repeat([0.9, 0.7, 0.5], 100)
    errors = np.zeros(300)
    errors[100:110] = 1  # 10 of the second hundred are wrong
    found = selective_threshold(confidence, errors, risk=0.05, thresholds=[0.8, 0.6, 0.4])
    assert (found.threshold, found.n_admitted, found.n_errors) == (0.8, 100, 0)
    assert upper_risk(10, 200) > upper_risk(10, 300) > 0.05
    assert found.upper == upper_risk(0, 100)
    every = selective_threshold(confidence, errors, risk=0.07, thresholds=[0.8, 0.6, 0.4], method="bonferroni")
    assert (every.threshold, every.n_admitted, every.n_errors) == (0.4, 300, 10)
    assert every.upper == upper_risk(10, 300, level=1 - 0.05 / 3)
    assert every.coverage == 1


def test_equal_confidences_are_answered_together():
    confidence, errors = [0.99] * 300 + [0.7] * 100, [0] * 296 + [1] * 4 + [1, 0] * 50
    found = selective_threshold(confidence, errors, risk=0.05)
    assert (found.threshold, found.n_admitted, found.n_errors) == (0.7, 300, 4)
    assert found.n_tested == 2
    assert selective_threshold([0.5] * 100, [0] * 100, risk=0.05).threshold == -math.inf


def test_no_threshold_is_said():
    found = selective_threshold(np.arange(101.0), np.ones(101), risk=0.05)
    assert (found.threshold, found.n_admitted, found.reason) == (math.inf, 0, Reason.NOT_REACHABLE)
    assert math.isnan(found.upper)
    assert found.to_dict()["threshold"] is None
    assert "no threshold" in str(found)
    few = selective_threshold(np.arange(11.0), np.zeros(11), risk=0.05)  # 59 right ones are needed at least
    assert few.reason == Reason.NOT_REACHABLE
    assert few.n_tested == 0


def test_without_errors_all_is_answered():
    found = selective_threshold(np.arange(101.0), np.zeros(101), risk=0.05)
    assert (found.threshold, found.n_admitted) == (-math.inf, 101)


@pytest.mark.parametrize(
    ("options", "low"),
    [({}, 0.0), ({"method": "bonferroni"}, 0.0), ({"thresholds": [0.9, 0.8, 0.7, 0.5999]}, 0.02)],
)
def test_the_guarantee_holds_by_simulation(options, low):
    """A uniform confidence c with error rate (1 - c)/2 has a true risk of (1 - t)/4 above t: 0.1 at t = 0.6.

    In 1,000 calibration sets the true risk exceeds the target in at most 5%. Where a threshold just misses the target,
    that happens in about 5%: the test is not wasteful.
    """
    rng = np.random.default_rng(11)
    missed = answered = 0
    for _ in range(1000):
        c = rng.random(1999)
        found = selective_threshold(c, rng.random(1999) < (1 - c) / 2, risk=0.1, **options)
        if found.reason is None:
            answered += 1
            missed += (1 - max(found.threshold, 0.0)) / 4 > 0.1
    assert answered > 950
    assert low <= missed / 1000 < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 1000)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: risk_coverage([1, 2], [0]), "as long as confidence"),
        (lambda: risk_coverage([1, 2], [0, 2]), "0 or 1, or between"),
        (lambda: risk_coverage([1, math.nan], [0, 1]), "free of NaN"),
        (lambda: selective_threshold([1, 2], [0, 0.5]), "0 or 1 for one item or more"),
        (lambda: selective_threshold([], []), "no items"),
        (lambda: selective_threshold([1], [0], risk=5), "Did you mean 0.05"),
        (lambda: selective_threshold([1], [0], method="holm"), "method must be"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ArgumentError, match=message):
        call()
