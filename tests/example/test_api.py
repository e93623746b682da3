"""`neff.example`: paths, records, truth, and the demonstration against them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from neff import example
from neff.errors import ArgumentError, RecordsError
from neff.evaluate import evaluate
from neff.records import Records
from neff.results import Verdict

MODELS = ("bayes", "forest", "logistic", "lowres", "neighbours", "network")


@pytest.fixture(scope="module")
def demonstration():
    return example.demonstrate()


@pytest.mark.parametrize("name", ["fresh", "logged.csv", "truth", "truth_values"])
def test_paths_exist(name):
    assert example.path(name).is_file()


@pytest.mark.parametrize("call", [example.path, example.load])
def test_unknown_names_are_refused(call):
    with pytest.raises(ArgumentError, match="name must be one of fresh, logged, truth"):
        call("fresch")


def test_truth_values_are_not_records():
    with pytest.raises(ArgumentError, match="name must be one of fresh, logged, truth, got 'truth_values'"):
        example.load("truth_values")


def test_fresh_records():
    records = example.load()
    assert len(records) == 6000
    assert (records.item.n_levels, records.model.levels) == (500, MODELS)
    assert set(records.draw.tolist()) == {0, 1}
    assert np.isnan(records.label).sum() == 4500
    assert ((records.score >= 0) & (records.score <= 1)).all()
    assert set(records.extra) == {"answer"}


def test_logged_records_have_log_probabilities():
    records = example.load("logged")
    assert records.model.levels == ("logistic",)
    assert set(records.draw.tolist()) == {2, 3}
    assert set(records.extra) == {"answer", *(f"log_prob_{model}" for model in MODELS)}
    assert all((records.extra[f"log_prob_{model}"] < 0).all() for model in MODELS)


def test_fresh_and_logged_can_be_read_together():
    together = Records.concat([example.load("fresh"), example.load("logged")])
    assert len(together) == 7000
    np.testing.assert_array_equal(together.number_draws()[together.draw == 3], 3)


def test_truth_records_give_the_truth_without_sampling_error():
    records = example.load("truth")
    chance = replace(records, score=records.extra["p_correct"])
    values = {e.model: e.value for e in evaluate(chance, pairs=False).estimates}
    assert values == pytest.approx(example.truth(), abs=1e-6)


@pytest.mark.parametrize("name", ["fresh", "logged"])
def test_oracle_agrees_with_the_labels_that_are_shown(name):
    records = example.load(name)
    label = example.oracle(records)
    shown = ~np.isnan(records.label)
    np.testing.assert_array_equal(label[shown], records.label[shown])
    assert set(label.tolist()) == {0.0, 1.0}
    rows = np.random.default_rng(1).permutation(len(records))[:101]
    np.testing.assert_array_equal(example.oracle(records.take(rows)), label[rows])


def test_oracle_of_foreign_records():
    with pytest.raises(RecordsError, match="the example has no row"):
        example.oracle(Records.build(item=["q1"], model=["a"], score=[1.0]))


def test_demonstration_uses_all_that_there_is(demonstration):
    assert {e.n_items for e in demonstration.labels.estimates} == {125}
    assert {e.n for e in demonstration.labels.estimates} == {250}
    assert {e.n for e in demonstration.judge.estimates} == {1000}
    assert demonstration.truth == example.truth()


def test_labels_and_calibration_hold_the_truth_and_the_judge_does_not(demonstration):
    inside = {row[0]: (row[4], row[7], row[10]) for row in demonstration.table().rows}
    assert {labels for labels, _, _ in inside.values()} == {""}
    assert {calibrated for _, _, calibrated in inside.values()} == {""}
    assert demonstration.misled == ("logistic", "bayes", "lowres", "forest")
    assert {model for model, (_, judge, _) in inside.items() if judge == "MISSES"} == set(demonstration.misled)


def test_calibration_makes_the_intervals_of_the_labels_narrower(demonstration):
    assert 0.05 < demonstration.narrower < 0.5
    assert {e.n for e in demonstration.calibrated.estimates} == {1000}


def test_the_best_by_truth_is_among_the_tied(demonstration):
    truth = example.truth()
    assert max(truth, key=truth.get) in demonstration.tied
    assert set(demonstration.tied) == {"neighbours", "logistic", "bayes"}


def test_the_pair_is_one_that_the_judge_turns_round(demonstration):
    pair = demonstration.pair
    assert (pair.a, pair.b, pair.verdict) == ("network", "lowres", Verdict.HOLDS)
    assert demonstration.judged("network", "lowres") < 0 < pair.difference
    truth = example.truth()
    assert pair.interval[0] < truth["network"] - truth["lowres"] < pair.interval[1]


def test_without_a_turned_pair_it_is_the_best_and_the_worst(demonstration):
    agreeing = replace(demonstration, judge=demonstration.calibrated)
    assert (agreeing.pair.a, agreeing.pair.b) == ("neighbours", "lowres")
    assert agreeing.misled == ()
    assert "misses the truth" not in str(agreeing)


def test_text(demonstration):
    lines = str(demonstration).splitlines()
    assert max(map(len, lines)) <= 110
    assert lines[0].startswith("Six classifiers read 500 handwritten digits")
    assert "Not told from the best (neighbours): logistic, bayes." in lines
    assert demonstration.about.count(". ") == 1  # two sentences


def test_the_level_is_passed_on():
    wide, narrow = example.demonstrate(level=0.99), example.demonstrate(level=0.5)
    assert (wide.labels.level, wide.judge.level) == (0.99, 0.99)
    assert wide.table().columns[3].title == "99% interval"
    for a, b in zip(wide.table().rows, narrow.table().rows, strict=True):
        assert a[3][0] < b[3][0] < b[3][1] < a[3][1]
    with pytest.raises(ArgumentError, match=r"Did you mean 0\.95"):
        example.demonstrate(level=95)
