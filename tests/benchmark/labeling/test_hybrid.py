"""Hybrid labels: rules by hand, the residual error where it is known, edges."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from neff.benchmark.labeling import hybrid_labels
from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.results import Verdict
from neff.stats import clopper_pearson

PROPOSALS = {
    "a": ["x", "x", "x", None, "y"],
    "b": ["x", "y", "z", None, "y"],
    "c": ["y", "y", None, None, None],
}


def test_union_and_majority_by_hand():
    union = hybrid_labels(PROPOSALS, rng=0)
    assert union.exclusive
    assert union.states == ("several left", "several left", "several left", "nothing proposed", "accepted")
    assert union.labels == ((), (), (), (), ("y",))
    majority = hybrid_labels(PROPOSALS, rule="majority", rng=0)
    assert majority.labels == (("x",), ("y",), (), (), ("y",))
    assert majority.states[2:4] == ("no majority", "nothing proposed")
    assert majority.agreement[[0, 1, 4]] == pytest.approx([2 / 3, 2 / 3, 2 / 3])
    assert np.isnan(majority.agreement[[2, 3]]).all()
    assert majority.n_decisions == 0
    several = hybrid_labels(PROPOSALS, exclusive=False, rng=0)
    assert several.labels == (("x", "y"), ("x", "y"), ("x", "z"), (), ("y",))


def test_rejections():
    found = hybrid_labels(PROPOSALS, rejected=["y", "", ["x", "z"], None, None], rng=0)
    assert found.labels == (("x",), (), (), (), ("y",))
    assert found.states[:3] == ("accepted", "several left", "all rejected")
    assert (found.n_decisions, found.n_rejected, found.n_accepted) == (7, 3, 2)
    a, b, c = found.models
    assert [(m.n_items, m.n_labels, m.n_rejected) for m in (a, b, c)] == [(4, 4, 1), (4, 4, 1), (2, 2, 1)]
    assert [m.agreement for m in (a, b, c)] == [1.0, 1.0, 0.0]
    with pytest.raises(ArgumentError, match="Nobody proposed 'w' for item 2"):
        hybrid_labels(PROPOSALS, rejected=[None, "w", None, None, None])


def test_the_audit_counts_items_with_accepted_labels_only():
    audit = ["x", None, "x", None, "x"]
    found = hybrid_labels(PROPOSALS, rule="majority", audit=audit, target=0.5, rng=0)
    assert (found.residual.value, found.residual.n) == (0.5, 2)
    assert found.residual.interval == clopper_pearson(1, 2)[:2]
    assert found.verdict is Verdict.UNDECIDED
    assert found.metrics["accuracy"].value == 0.5
    assert any("1 audited item has no accepted labels" in note for note in found.notes)
    assert found.deferral.n == 5
    json.dumps(found.to_dict(), allow_nan=False)


def test_several_labels_per_item():
    proposals = {"a": [["x", "y"], ["x"], []], "b": ["x", ["x", "z"], None]}
    audit = [["x", "y"], ["x"], []]
    found = hybrid_labels(proposals, rejected=[None, "z", None], audit=audit, rng=0)
    assert not found.exclusive
    assert found.labels == (("x", "y"), ("x",), ())
    assert found.agreement[:2] == pytest.approx([0.5, 0.5])
    assert (found.residual.value, found.residual.n) == (0.0, 2)
    assert found.table().rows[0] == ("1", "x; y", "accepted", 0.5)


def simulated(seed, n=500):
    """Three models that err more, and more alike, on hard items; a person rejects 9 of 10 wrong and 2% of right."""
    rng = np.random.default_rng(seed)
    truth, trap, hard = rng.integers(7, size=n), rng.integers(7, size=n), rng.random(n)
    proposals = {}
    for model, skill in (("a", 0.6), ("b", 0.7), ("c", 0.75)):
        slip = rng.random(n) < (1 - skill) * 2 * hard
        proposals[model] = np.where(slip, np.where(rng.random(n) < 0.6, trap, rng.integers(7, size=n)), truth)
    rejected = [
        [label for label in {told[i] for told in proposals.values()} if rng.random() < (0.02 if label == t else 0.9)]
        for i, t in enumerate(truth)
    ]
    return rng, truth, proposals, rejected


def test_the_interval_of_the_residual_error_holds_the_truth():
    hits, n_sets = 0, 200
    for seed in range(n_sets):
        rng, truth, proposals, _ = simulated(seed, n=300)
        audited = rng.random(300) < 0.3
        audit = [t if look else None for t, look in zip(truth, audited, strict=True)]
        found = hybrid_labels(proposals, rule="majority", audit=audit, rng=rng, n_resamples=2)
        kept = np.array([state == "accepted" for state in found.states])
        wrong = np.array([own != (str(t),) for own, t in zip(found.labels, truth, strict=True)])
        low, high = found.residual.interval
        hits += low <= wrong[kept].mean() <= high
    assert hits / n_sets > 0.95 - 3 * math.sqrt(0.95 * 0.05 / n_sets)


def test_people_who_reject_leave_less_error_than_the_majority():
    _, truth, proposals, rejected = simulated(1)
    people = hybrid_labels(proposals, rejected=rejected, audit=truth, target=0.05, rng=0)
    majority = hybrid_labels(proposals, rule="majority", audit=truth, target=0.05, rng=0)
    assert people.residual.interval[1] < majority.residual.interval[0]
    assert (people.verdict, majority.verdict) == (Verdict.HOLDS, Verdict.FAILS)
    assert people.n_decisions < 3 * 500


def test_items_with_less_agreement_are_more_often_wrong():
    _, truth, proposals, _ = simulated(2, n=2000)
    found = hybrid_labels(proposals, rule="majority", audit=truth, human_error=0.0, target=0.07, rng=0)
    errors = [p.error for p in found.deferral.points]
    assert errors == sorted(errors)
    assert found.deferral.chosen is not None
    assert "to people" in str(found)


def test_a_confidence_of_your_own():
    _, truth, proposals, _ = simulated(3, n=200)
    sure = np.random.default_rng(0).random(200)
    found = hybrid_labels(proposals, rule="majority", audit=truth, confidence=sure, rng=0)
    kept = np.array([state == "accepted" for state in found.states])
    assert len(found.deferral.points) == 20
    assert found.deferral.points[-1].threshold == pytest.approx(sure[kept].min())


def test_no_audit_and_no_items():
    found = hybrid_labels(PROPOSALS, target=0.1, rng=0)
    assert (found.residual.reason, found.verdict) == (Reason.NO_LABELS, Verdict.NOT_CHECKED)
    assert (found.metrics, found.deferral) == (None, None)
    assert "how many are wrong is unknown: no labels" in found.sentence()
    empty = hybrid_labels({"a": []}, audit=[], rng=0)
    assert (empty.n_accepted, empty.residual.reason) == (0, Reason.NO_LABELS)
    assert math.isnan(empty.models[0].agreement)
    for result in (found, empty):
        json.dumps(result.to_dict(), allow_nan=False)
        assert str(result)


@pytest.mark.parametrize(
    ("proposals", "options", "named"),
    [
        ({}, {}, "proposals"),
        ({"a": ["x"], "b": ["x", "y"]}, {}, "b"),
        ({"a": ["x"]}, {"rejected": []}, "rejected"),
        ({"a": ["x"]}, {"audit": ["x", "y"]}, "audit"),
        ({"a": ["x"]}, {"items": [1, 2]}, "items"),
        ({"a": ["x"]}, {"confidence": [0.5, 0.6]}, "confidence"),
        ({"a": ["x"]}, {"rule": "vote"}, "rule"),
        ({"a": ["x"]}, {"target": 0}, "target"),
        ({"a": [object()]}, {}, "proposals"),
    ],
)
def test_bad_input_is_named(proposals, options, named):
    with pytest.raises(ArgumentError, match=f"{named} must"):
        hybrid_labels(proposals, **options)


def test_notes_on_one_item_are_in_the_singular():
    found = hybrid_labels({"a": ["x", None]}, audit=["x", "y"], n_resamples=2, rng=0)
    assert "1 item without accepted labels: nothing proposed" in found.notes
    assert "1 audited item has no accepted labels and says nothing about the accepted ones" in found.notes
