"""`abstention_table`: every count against a naive one, states that are loud, and what it refuses."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.results import Verdict
from neff.sampling import SplitConformal, TemperatureScaling, abstention_table, selective_threshold
from neff.sampling.abstention.activation import softmax
from neff.sampling.abstention.items import as_items
from neff.stats import clopper_pearson


def blobs(seed=1, n=(307, 311, 113, 101, 53), shift=(0.0, 0.0, 0.0, 1.5, 0.0)):
    """Three classes around three centres; "far" lies elsewhere, "moved" is shifted; logits are those of the centres."""
    rng = np.random.default_rng(seed)
    centres = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 3.0]])
    names = ("train", "calibration", "test", "moved", "far")
    x, y, split = [], [], []
    for name, size, move in zip(names, n, shift, strict=True):
        label = rng.integers(3, size=size)
        x.append(centres[label] + rng.normal(0, 0.8, (size, 2)) + move)
        y.append(label)
        split += [name] * size
    x[-1] = np.array([[60.0, -40.0]]) + rng.normal(size=(n[-1], 2))
    features = np.concatenate(x)
    logits = -((features[:, None] - centres) ** 2).sum(axis=2) / (2 * 0.8**2)
    return {"logits": logits, "labels": np.concatenate(y), "split": np.array(split), "features": features}


@pytest.fixture(scope="module")
def table():
    data = blobs()
    return abstention_table(
        data["logits"], data["labels"], data["split"], features=data["features"], sdm="given", rng=3
    )


def test_one_row_per_set_and_method(table):
    assert table.sets == ("test", "moved", "far")
    assert [m.name for m in table.methods] == [
        "all", "softmax", "temperature", "bounded threshold", "LAC", "LAC by class", "APS", "temperature and distance",
        "SDM", "SDM region", "SDM region, lower",
    ]  # fmt: skip
    assert len(table.rows) == 33
    assert (table.n_train, table.n_calibration, table.classes) == (307, 311, ("0", "1", "2"))
    with pytest.raises(KeyError):
        table.row("test", "magic")


def naive(data, name, admitted, predicted):
    """Count the answers of a set by hand."""
    rows = [i for i, s in enumerate(data["split"]) if s == name]
    given = [i for i in rows if admitted[i]]
    right = [i for i in given if predicted[i] == data["labels"][i]]
    by = [[sum(data["labels"][i] == c for i in part) for c in range(3)] for part in (given, right)]
    named = [[sum(predicted[i] == c for i in part) for c in range(3)] for part in (given, right)]
    return len(rows), len(given), len(right), by, named


@pytest.mark.parametrize("name", ["test", "moved", "far"])
@pytest.mark.parametrize("method", ["softmax", "temperature", "bounded threshold", "LAC"])
def test_counts_are_those_of_the_methods(table, name, method):
    data = blobs()
    p, own = softmax(data["logits"]), data["split"] == "calibration"
    predicted = p.argmax(axis=1)
    if method == "temperature":
        p = TemperatureScaling().fit(data["logits"][own], data["labels"][own]).predict_proba(data["logits"])
    admitted = p.max(axis=1) >= 0.95
    if method == "bounded threshold":
        limit = selective_threshold(p.max(axis=1)[own], predicted[own] != data["labels"][own], risk=0.05).threshold
        admitted = p.max(axis=1) > limit
    if method == "LAC":
        sets = SplitConformal(0.95).fit(p[own], data["labels"][own]).predict_set(p)
        admitted = sets.sum(axis=1) == 1
        predicted = np.where(admitted, sets.argmax(axis=1), predicted)
    n, given, right, by, named = naive(data, name, admitted, predicted)
    row = table.row(name, method)
    assert (row.n, row.n_admitted, row.accuracy.n_right) == (n, given, right)
    assert [[p.n_admitted for p in row.by_class], [p.n_right for p in row.by_class]] == by
    assert [[p.n_admitted for p in row.by_prediction], [p.n_right for p in row.by_prediction]] == named
    if given:
        low, high, _ = clopper_pearson(right, given)
        assert row.accuracy.interval == (low, high)
        expected = Verdict.HOLDS if low >= 0.95 else Verdict.FAILS if high < 0.95 else Verdict.UNDECIDED
        assert row.verdict == expected
    assert sum(p.n for p in row.by_class) == n


def test_only_those_that_look_at_features_refuse_what_is_far(table):
    assert table.row("far", "softmax").n_admitted == 53
    assert table.row("far", "softmax").verdict == Verdict.FAILS
    for method in ("temperature and distance", "SDM", "SDM region", "SDM region, lower"):
        row = table.row("far", method)
        assert row.n_admitted == 0
        assert row.verdict == Verdict.NOT_CHECKED
        assert row.accuracy.reason == Reason.NOTHING_ADMITTED
        assert math.isnan(row.accuracy.value)
    assert table.row("test", "SDM region").n_admitted > 20
    assert table.row("test", "SDM region, lower").n_admitted <= table.row("test", "SDM region").n_admitted


def test_the_table_in_words_numbers_and_json(table):
    assert "Worst class" in str(table)
    assert len(table.conditional()) == 33 * 6
    data = json.loads(json.dumps(table.to_dict(), allow_nan=False))
    assert data["schema"] == "neff.abstention/1"
    row = next(r for r in data["rows"] if (r["set"], r["method"]) == ("far", "SDM"))
    assert (row["value"], row["reason"], row["n"], row["n_items"]) == (None, "nothing admitted", 0, 53)
    assert row["interval"] == [None, None]
    assert set(table.chart_data()) == {"test", "moved", "far"}
    assert set(table.chart_data()["test"]) == {"softmax", "temperature", "temperature and distance", "SDM"}
    assert len(table.areas()) == 12


def test_the_worst_class_is_found(table):
    row = table.row("moved", "softmax")
    worst = row.worst("class")
    assert worst.value == min(p.value for p in row.by_class if p.n_admitted)
    assert table.row("far", "SDM").worst("prediction") is None


def test_names_of_classes_and_missing_labels():
    data = blobs()
    words = np.array(["ant", "bee", "cow"], object)[data["labels"]]
    words[data["split"] == "far"] = None
    found = abstention_table(data["logits"], words, data["split"], rng=1)
    assert found.classes == ("ant", "bee", "cow")
    row = found.row("far", "softmax")
    assert (row.n, row.n_unlabelled, row.n_admitted) == (53, 53, 53)
    assert row.accuracy.reason == Reason.NO_LABELS
    assert row.verdict == Verdict.NOT_CHECKED
    assert row.coverage == 1
    same = abstention_table(data["logits"], data["labels"], data["split"], rng=1)
    assert found.row("test", "APS").accuracy == same.row("test", "APS").accuracy


def test_probabilities_give_what_logits_give():
    data = blobs()
    one = abstention_table(data["logits"], data["labels"], data["split"], rng=1)
    two = abstention_table(softmax(data["logits"]), data["labels"], data["split"], probabilities=True, rng=1)
    for a, b in zip(one.rows, two.rows, strict=True):
        assert (a.method, a.n_admitted, a.accuracy) == (b.method, b.n_admitted, b.accuracy)


def test_the_order_of_items_does_not_matter():
    data = blobs()
    order = np.random.default_rng(9).permutation(len(data["labels"]))
    options = {"methods": ["softmax", "threshold", "lac", "distance", "sdm"], "sdm": "given", "rng": 1}
    one = abstention_table(data["logits"], data["labels"], data["split"], features=data["features"], **options)
    other = abstention_table(*(data[k][order] for k in ("logits", "labels", "split")),
                             features=data["features"][order], **options)  # fmt: skip
    for row in one.rows:
        assert other.row(row.set, row.method).accuracy == row.accuracy


def test_weights_and_confidences_of_the_user():
    data = blobs()
    sure = np.where(data["labels"] == 0, 0.99, math.nan)
    found = abstention_table(
        data["logits"],
        data["labels"],
        data["split"],
        log_weights=np.zeros(len(sure)),
        confidences={"told": sure},
        rng=1,
    )
    row = found.row("test", "told")
    assert row.n_admitted == ((data["labels"] == 0) & (data["split"] == "test")).sum()
    weighted = next(m for m in found.methods if m.name == "weighted LAC")
    assert weighted.n_eff == pytest.approx(311)
    assert found.row("test", "weighted LAC").n_admitted == found.row("test", "LAC").n_admitted


def test_states_are_loud():
    data = blobs(n=(31, 23, 13, 11, 7))
    found = abstention_table(data["logits"], data["labels"], data["split"], features=data["features"], sdm="given",
                             target=0.99, rng=1)  # fmt: skip
    states = {m.name: m for m in found.methods}
    assert states["SDM region"].reason == Reason.NO_REGION
    assert states["bounded threshold"].reason == Reason.NO_REGION
    assert all(found.row(name, "SDM region").n_admitted == 0 for name in found.sets)
    assert any("no region reaches the target" in note for note in found.notes)
    assert any("Too few calibration items" in note for note in found.notes)
    one = abstention_table(*(data[k][data["split"] != "moved"][:67] for k in ("logits", "labels", "split")), rng=1)
    assert any("There is one set" in note for note in one.notes)
    assert any("no distance gate" in note for note in one.notes)


def test_items_without_features_are_refused_by_those_that_need_them():
    data = blobs()
    features = data["features"].copy()
    features[data["split"] == "test"] = math.nan
    found = abstention_table(data["logits"], data["labels"], data["split"], features=features, sdm="given", rng=1)
    for method in ("temperature and distance", "SDM", "SDM region"):
        assert found.row("test", method).n_admitted == 0
    assert found.row("test", "softmax").n_admitted > 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"split": np.full(885, "test")}, "with labelled items of 'calibration'"),
        ({"split": np.full(885, "calibration")}, "a set beside"),
        ({"labels": np.full(885, 7)}, "of 3 classes"),
        ({"labels": ["ant"] * 884 + ["bee"]}, "Name the columns of the logits"),
        ({"classes": ["a", "b"]}, "3 different names"),
        ({"classes": ["a", "b", "c"]}, "among the classes a, b, c"),
        ({"logits": np.zeros((885, 1))}, "two classes or more"),
        ({"logits": np.full((885, 3), np.nan)}, "finite"),
        ({"probabilities": True}, "each row of sum 1"),
        ({"features": np.full((885, 2), np.nan)}, "finite in train and calibration"),
        ({"features": np.zeros((5, 2))}, "of 885 rows"),
        ({"log_weights": np.full(885, np.nan)}, "known and below infinity"),
        ({"log_weights": np.zeros(3)}, r"of shape \(885,\)"),
        ({"methods": ["soft"]}, "methods must be"),
        ({"methods": ["sdm"]}, "where methods has 'sdm'"),
        ({"methods": ["distance"]}, "features must be given for"),
        ({"methods": ["weighted-lac"]}, "log_weights must be given for"),
        ({"sdm": "given"}, "features must be given for"),
        ({"sdm": 3}, "an SDMClassifier"),
        ({"target": 0.4}, "above 0.5"),
        ({"target": 95}, "Did you mean 0.95"),
        ({"level": 0}, "between 0 and 1"),
        ({"confidences": {"mine": [1.0]}}, "of shape"),
    ],
)
def test_refusals(change, message):
    data = blobs()
    data.pop("features")
    given = data | change
    positional = [given.pop(name) for name in ("logits", "labels", "split")]
    with pytest.raises(ArgumentError, match=message):
        abstention_table(*positional, **given)


@pytest.mark.parametrize("nothing", [None, math.nan, " "])
def test_an_item_without_a_split_is_refused(nothing):
    """It would be a set of its own, named None."""
    split = ["calibration"] * 4 + [nothing, "test"]
    with pytest.raises(ArgumentError, match="split must be known for every item, got 'none in row 4'"):
        abstention_table(np.eye(2)[[0, 1] * 3], [0, 1] * 3, split)


def test_a_new_item_may_have_no_weight():
    data = blobs()
    weights = np.zeros(len(data["labels"]))
    weights[-53:] = -np.inf
    found = abstention_table(data["logits"], data["labels"], data["split"], log_weights=weights, rng=1)
    assert found.row("far", "weighted LAC").n == 53


def test_labels_are_read_as_words():
    items = as_items(np.zeros((4, 2)), [1.0, True, np.nan, " 0 "], ["Training", "cal", "new", "new"], call="test")
    assert items.labels.tolist() == [1, 1, -1, 0]
    assert items.split.tolist() == ["train", "calibration", "new", "new"]
