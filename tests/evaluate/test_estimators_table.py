"""The table of estimators: the numbers of `evaluate`, in order, and logs only where they are wanted."""

from __future__ import annotations

import math

import numpy as np
import pytest

import neff
from neff import example
from neff.errors import ArgumentError, ArgumentTypeError, RecordsError
from neff.evaluate import compare_estimators

TARGETS = ["log_prob_network", "log_prob_lowres"]


def by_name(table):
    return {(row[2], row[3]): row for row in table.rows}


@pytest.fixture(scope="module")
def fresh():
    return example.load("fresh")


def test_every_row_is_what_evaluate_says(fresh):
    table = compare_estimators(fresh, level=0.9, calibration="monotone")
    assert [column.name for column in table.columns] == [
        "task", "metric", "model", "estimator", "value", "standard_error", "interval", "refused", "reason",
    ]  # fmt: skip
    found = by_name(table)
    assert len(table) == len(found) == 30
    for name in ("judge", "labels", "plug-in", "augmented", "ppi++"):
        result = neff.evaluate(fresh, estimator=name, pairs=False, level=0.9, calibration="monotone")
        for e in result.estimates:
            assert found[e.model, name][4:7] == (e.value, e.standard_error, e.interval)


def test_order_is_models_of_the_first_estimator_then_estimators_as_named(fresh):
    table = compare_estimators(fresh, estimators=("labels", "judge"))
    best_first = [e.model for e in neff.evaluate(fresh, estimator="labels", pairs=False).estimates]
    assert [row[2:4] for row in table.rows] == [(m, name) for m in best_first for name in ("labels", "judge")]


def test_only_corrected_estimates_are_near_the_truth_of_a_flattered_model(fresh):
    found, truth = by_name(compare_estimators(fresh)), example.truth()["lowres"]
    for name, covers in (("judge", False), ("plug-in", False), ("labels", True), ("augmented", True), ("ppi++", True)):
        low, high = found["lowres", name][6]
        assert (low <= truth <= high) is covers


def test_logs_are_for_estimators_that_weight_them():
    options = {"log_prob": "log_prob_logistic", "target_log_prob": TARGETS}
    table = compare_estimators(example.path("logged"), estimators=("judge", "snips", "augmented-snips"), **options)
    found = by_name(table)
    assert sorted(found) == sorted(
        [("logistic", "judge")]
        + [(m, name) for m in ("logistic", "network", "lowres") for name in ("snips", "augmented-snips")]
    )
    result = neff.evaluate(example.path("logged"), estimator="snips", pairs=False, **options)
    assert found["lowres", "snips"][4] == result.estimate("lowres").value


def test_a_level_that_must_not_be_read_says_so():
    rng = np.random.default_rng(11)
    score = np.concatenate([rng.uniform(0.6, 1.0, 211), rng.uniform(0.0, 0.2, 211)])
    label = np.where(np.arange(422) < 101, score, math.nan)
    rows = {"item": np.tile(np.arange(211), 2), "model": np.repeat(["known", "far"], 211), "score": score}
    found = by_name(compare_estimators(rows | {"label": label}, estimators=("judge", "labels", "augmented")))
    assert found["far", "augmented"][7]
    assert not found["known", "augmented"][7]
    assert not found["far", "judge"][7]
    assert math.isnan(found["far", "labels"][4])
    assert found["far", "labels"][8] == "no labels"


def test_columns_are_named_as_in_evaluate(fresh):
    rows = {"q": fresh.item.names(), "who": fresh.model.names(), "s": fresh.score, "y": fresh.label}
    length = np.arange(len(fresh)) % 7.0
    named = {"item": "q", "model": "who", "score": "s", "label": "y", "covariates": ["length"]}
    table = compare_estimators(rows | {"length": length}, estimators=("augmented",), **named)
    result = neff.evaluate(rows | {"length": length}, pairs=False, **named)
    assert {row[2]: row[4] for row in table.rows} == {e.model: e.value for e in result.estimates}


def test_what_cannot_be_used_is_named(fresh):
    with pytest.raises(ArgumentError, match="Did you mean 'augmented'"):
        compare_estimators(fresh, estimators=("augmentd",))
    with pytest.raises(ArgumentError, match="Name each once"):
        compare_estimators(fresh, estimators=("judge", "judge"))
    with pytest.raises(ArgumentError, match="one or more"):
        compare_estimators(fresh, estimators=())
    with pytest.raises(ArgumentTypeError, match="a list of names"):
        compare_estimators(fresh, estimators="judge")
    with pytest.raises(ArgumentError, match="target_log_prob must be given"):
        compare_estimators(fresh, estimators=("judge", "dr"))
    with pytest.raises(RecordsError, match="have a label"):
        compare_estimators({"item": [1, 2], "model": ["a", "a"], "score": [0.1, 0.2]})
