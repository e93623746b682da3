"""Measures of labels against scikit-learn, intervals by simulation, edges."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neff.benchmark.labeling import label_metrics
from neff.errors import ArgumentError, ArgumentTypeError
from neff.reasons import Reason

LABELS = ("a", "b", "c", "d", "e")


def several(seed, n=37):
    rng = np.random.default_rng(seed)
    right = rng.random((n, 5)) < 0.4
    given_ = right ^ (rng.random((n, 5)) < 0.2)
    return right, given_


def as_lists(table):
    return [[label for label, has in zip(LABELS, row, strict=True) if has] for row in table]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_measures_are_those_of_scikit_learn(seed):
    from sklearn import metrics

    right, told = several(seed)
    found = label_metrics(as_lists(right), as_lists(told), labels=LABELS, rng=0, n_resamples=10)
    wanted = {
        "accuracy": metrics.accuracy_score(right, told),
        "macro F1": metrics.f1_score(right, told, average="macro"),
        "micro F1": metrics.f1_score(right, told, average="micro"),
        "Jaccard": metrics.jaccard_score(right, told, average="samples", zero_division=1.0),
        "Hamming loss": metrics.hamming_loss(right, told),
        "balanced accuracy": np.mean([metrics.balanced_accuracy_score(right[:, j], told[:, j]) for j in range(5)]),
    }
    assert {e.metric: e.value for e in found} == pytest.approx(wanted)


def test_one_label_per_item_is_the_same_as_lists_of_one():
    from sklearn import metrics

    rng = np.random.default_rng(0)
    right = rng.choice(LABELS, 50)
    told = np.where(rng.random(50) < 0.3, rng.choice(LABELS, 50), right)
    one = label_metrics(right, told, rng=1, n_resamples=10)
    listed = label_metrics([[r] for r in right], [[g] for g in told], rng=1, n_resamples=10)
    assert one.to_dict() == listed.to_dict()
    assert one["macro F1"].value == pytest.approx(metrics.f1_score(right, told, average="macro"))
    assert one["micro F1"].value == pytest.approx(one["accuracy"].value)


@given(st.integers(0, 1000))
def test_order_does_not_matter_and_all_lie_in_0_1(seed):
    right, told = several(seed, n=11)
    order = np.random.default_rng(seed).permutation(11)
    first = label_metrics(as_lists(right), as_lists(told), n_resamples=5, rng=0)
    again = label_metrics(as_lists(right[order]), as_lists(told[order]), n_resamples=5, rng=0)
    values = [e.value for e in first]
    assert values == pytest.approx([e.value for e in again], nan_ok=True)
    assert all(0 <= v <= 1 for v in values if not math.isnan(v))


def test_every_item_twice_gives_the_same_values():
    right, told = map(as_lists, several(4))
    once, twice = label_metrics(right, told, rng=0), label_metrics(right * 2, told * 2, rng=0)
    assert [e.value for e in once] == pytest.approx([e.value for e in twice])
    ratio = twice["Jaccard"].standard_error / once["Jaccard"].standard_error
    assert ratio == pytest.approx(math.sqrt(0.5), abs=0.08)  # of a bootstrap


def test_resamples_do_not_depend_on_the_size_of_a_block(monkeypatch):
    from neff.benchmark.labeling import metrics

    right, told = map(as_lists, several(5))
    whole = label_metrics(right, told, n_resamples=23, rng=0)
    monkeypatch.setattr(metrics, "MOST_WEIGHTS", 5 * 37)
    assert metrics._blocks(23, 37) == [5, 5, 5, 5, 3]
    assert label_metrics(right, told, n_resamples=23, rng=0).to_dict() == whole.to_dict()


def test_all_right_is_no_certainty():
    found = label_metrics(["x", "y", "x"], ["x", "y", "x"], rng=0)
    low, high = found["accuracy"].interval
    assert 0.4 < low < high == 1
    assert found["Jaccard"].value == 1
    assert found["Jaccard"].reason == Reason.DEGENERATE_RESAMPLES
    assert math.isnan(found["Jaccard"].interval[0])


def test_one_class_has_no_balanced_accuracy():
    found = label_metrics(["x", "x"], ["x", "x"], rng=0)
    assert math.isnan(found["balanced accuracy"].value)
    assert found["balanced accuracy"].reason == Reason.NOT_IDENTIFIED
    assert found["macro F1"].value == 1


def test_unknown_and_empty_labels():
    found = label_metrics(["x", None, [], math.nan], ["x", "x", [], "y"], rng=0)
    assert (found.n, found.n_unlabeled, found.labels) == (2, 2, ("x",))
    assert found["accuracy"].value == 1
    nothing = label_metrics([None], ["x"], rng=0)
    assert {e.reason for e in nothing} == {Reason.NO_LABELS}
    json.dumps(nothing.to_dict(), allow_nan=False)
    assert label_metrics([3, 4.0], ["3", "4"], rng=0)["accuracy"].value == 1
    with pytest.raises(KeyError):
        found["recall"]


def test_bad_input():
    with pytest.raises(ArgumentError, match="given must be as long as right"):
        label_metrics(["x"], ["x", "y"])
    with pytest.raises(ArgumentError, match="labels must be all labels that occur"):
        label_metrics(["x"], ["y"], labels=["x"])
    with pytest.raises(ArgumentTypeError, match="right must be"):
        label_metrics([object()], ["x"])


@pytest.mark.slow
def test_intervals_hold_the_truth():
    """95% percentile intervals on 150 items: somewhat under their level, as such intervals are."""
    large = label_metrics(*map(as_lists, several(999, n=100_000)), rng=0, n_resamples=2)
    hits = dict.fromkeys(("balanced accuracy", "macro F1", "micro F1", "Jaccard", "Hamming loss", "accuracy"), 0)
    for seed in range(300):
        found = label_metrics(*map(as_lists, several(seed, n=150)), rng=seed, n_resamples=400)
        for metric in hits:
            low, high = found[metric].interval
            hits[metric] += low <= large[metric].value <= high
    assert all(0.9 < count / 300 < 0.99 for count in hits.values()), hits


def test_empty_places_in_a_list_are_no_labels():
    """A list of None was a label "None", which counted as wrong."""
    found = label_metrics([["x"], ["y"]], [["x", None, float("nan"), ""], ["y"]], n_resamples=2, rng=0)
    assert (found.labels, found["accuracy"].value) == (("x", "y"), 1.0)
    with pytest.raises(ArgumentTypeError, match="a label or a list of labels per item"):
        label_metrics([["x"]], [[{"k": 1}]], n_resamples=2, rng=0)
