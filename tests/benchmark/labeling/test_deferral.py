"""Deferral: counts by hand, exact bounds, and the promise of the chosen threshold by simulation."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neff.benchmark.labeling import deferral_curve
from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.stats import clopper_pearson


def test_counts_by_hand():
    confidence = [0.9, 0.9, 0.7, 0.7, 0.5]
    wrong = [0, math.nan, 1, 0, 1]
    found = deferral_curve(confidence, wrong, human_error=0.1, n_sent=5)
    assert [(p.threshold, p.n_kept, p.n_audited, p.n_errors) for p in found.points] == [
        (0.9, 2, 1, 0), (0.7, 4, 3, 1), (0.5, 5, 4, 2),
    ]  # fmt: skip
    assert (found.n, found.n_audited) == (10, 4)
    point = found.points[1]
    assert point.interval == clopper_pearson(1, 3)[:2]
    assert point.kept == 0.4
    assert point.total == pytest.approx(0.4 / 3 + 0.6 * 0.1)
    assert (found.chosen, found.sentence()) == (None, "")


def test_the_least_to_send():
    agreement = np.repeat([1.0, 0.5], [200, 100])
    wrong = np.zeros(300)
    wrong[200:230] = 1
    found = deferral_curve(agreement, wrong, target=0.05)
    assert found.chosen is found.points[0]  # 30 of 300 are wrong if all are kept
    assert deferral_curve(agreement, wrong, target=0.2).chosen.n_kept == 300
    lost = deferral_curve(agreement, wrong, target=0.05, human_error=0.5)
    assert (lost.chosen, lost.reason) == (None, Reason.NOT_REACHABLE)
    assert "No threshold keeps the total error" in str(lost)
    json.dumps(lost.to_dict(), allow_nan=False)


def test_thresholds_with_too_few_audited_are_passed_over():
    """One audited item at the top could not show anything, but must not end the series."""
    confidence = np.concatenate([[1.0], np.full(200, 0.8)])
    found = deferral_curve(confidence, np.zeros(201), target=0.05)
    assert found.chosen.threshold == 0.8


@given(st.integers(0, 1000))
def test_order_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    confidence, wrong = rng.random(53), rng.integers(0, 2, 53).astype(float)
    wrong[rng.random(53) < 0.5] = np.nan
    order = rng.permutation(53)
    first, again = deferral_curve(confidence, wrong), deferral_curve(confidence[order], wrong[order])
    assert first.to_dict() == again.to_dict()
    kept = [p.n_kept for p in first.points]
    assert kept == sorted(kept)
    assert kept[-1] == 53 or not first.points
    assert len(kept) <= 20


@pytest.mark.parametrize("human_error", [0.0, 0.02])
def test_the_promise_is_kept(human_error):
    """Confidence that says what it should or little: the true total error exceeds the target in at most 5%."""
    broken, n_sets, n_chosen = 0, 300, 0
    for seed in range(n_sets):
        rng = np.random.default_rng(seed)
        rate = rng.beta(0.6, 4, 800)
        sure = np.round(1 - rate + (0.3 if seed % 2 else 0.02) * rng.normal(size=800), 2)
        wrong = (rng.random(800) < rate).astype(float)
        audited = rng.random(800) < 0.4
        found = deferral_curve(sure, np.where(audited, wrong, np.nan), target=0.08, human_error=human_error).chosen
        if found is not None:
            n_chosen += 1
            keep = sure >= found.threshold
            broken += keep.mean() * rate[keep].mean() + (1 - keep.mean()) * human_error > 0.08
    assert n_chosen > 100
    assert broken / n_sets <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / n_sets)


def test_nothing_was_audited():
    found = deferral_curve([0.5, 0.6], [math.nan, math.nan], target=0.1)
    assert (found.points, found.reason) == ((), Reason.NO_LABELS)
    assert "no labels" in found.sentence()
    assert deferral_curve([], []).points == ()


@pytest.mark.parametrize(
    ("confidence", "wrong", "options", "named"),
    [
        ([0.5], [0.5], {}, "wrong"),
        ([0.5], [0, 1], {}, "wrong"),
        ([math.nan], [0], {}, "confidence"),
        ([0.5], [0], {"target": 2}, "target"),
        ([0.5], [0], {"human_error": -0.1}, "human_error"),
        ([0.5], [0], {"n_points": 0}, "n_points"),
    ],
)
def test_bad_input_is_named(confidence, wrong, options, named):
    with pytest.raises(ArgumentError, match=f"{named} must"):
        deferral_curve(confidence, wrong, **options)
