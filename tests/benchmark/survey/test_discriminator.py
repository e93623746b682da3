"""The discriminator test: a plain twin, size and power where the truth is known, the interval over data sets, edges."""

from __future__ import annotations

import json
import math
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neff.benchmark.survey import discriminator_test
from neff.benchmark.survey.classifying import RIDGE, kernel_accuracies, kernel_of, tree_accuracies
from neff.benchmark.survey.rows import pool_rows
from neff.errors import ArgumentError, MissingExtraError
from neff.reasons import Reason
from neff.results import Verdict

PROFILES = np.random.default_rng(5).dirichlet(np.full(4, 0.5), size=(3, 7))
"""Shares of four answers to seven questions in three groups of people."""


def sheets(rng, n, *, apart=False):
    """Answer sheets of people of three groups; `apart` gives the same share of each answer, question by question."""
    group = rng.integers(3, size=n)
    shares = np.broadcast_to(PROFILES.mean(axis=0), (n, 7, 4)) if apart else PROFILES[group]
    answers = (rng.random((n, 7, 1)) > shares.cumsum(axis=2)).sum(axis=2)
    return {f"q{j}": [f"option {a}" for a in answers[:, j]] for j in range(7)}


def drawn(rng, n, n_swaps=0, *, apart=False):
    """Columns of n pairs, ten splits, and swaps."""
    columns = pool_rows(sheets(rng, n), sheets(rng, n, apart=apart), ()).take(
        np.concatenate([rng.permutation(n), n + rng.permutation(n)])
    )
    tests = np.stack([rng.permutation(n)[: max(n // 5, 1)] for _ in range(10)])
    swaps = rng.choice(np.array([-1, 1], np.int8), size=(n, 1 + n_swaps))
    swaps[:, 0] = 1
    return columns, tests, swaps


def test_one_factorization_is_as_good_as_a_fit_per_swap():
    from sklearn.kernel_ridge import KernelRidge

    columns, tests, swaps = drawn(np.random.default_rng(1), 23, 5)
    found, kernel = kernel_accuracies(columns, tests, swaps), kernel_of(columns, 46)
    for k, test in enumerate(tests):
        train = np.setdiff1d(np.arange(23), test)
        rows, held = np.concatenate([train, train + 23]), np.concatenate([test, test + 23])
        for b in range(6):
            label = np.concatenate([swaps[:, b], -swaps[:, b]]).astype(float)
            fit = KernelRidge(kernel="precomputed", alpha=RIDGE).fit(kernel[np.ix_(rows, rows)], label[rows])
            score = np.sign(np.round(fit.predict(kernel[np.ix_(held, rows)]), 12)) * label[held]
            assert found[k, b] == pytest.approx((1 + score.mean()) / 2, abs=1e-12)


def test_the_kernel_counts_answers_that_differ():
    real = {"a": ["x", "y", None], "b": [1.0, 2.0, math.nan]}
    columns = pool_rows(real, real, ()).take(np.arange(6))
    kernel = kernel_of(columns, 6)
    assert np.diag(kernel) == pytest.approx(1)
    # in the order of content: missing first, then x with 1, then y with 2; mean ranks of numbers are 1/4 and 3/4
    distance = np.array([[0, 2.25, 2.25], [2.25, 0, 1.5], [2.25, 1.5, 0]])
    assert -np.log(kernel[:3, :3]) == pytest.approx(distance / np.median(np.tile(distance, (2, 2))))


@settings(max_examples=20)
@given(st.integers(0, 10_000))
def test_names_of_the_two_kinds_do_not_matter(seed):
    columns, tests, swaps = drawn(np.random.default_rng(seed), 11, 3)
    assert kernel_accuracies(columns, tests, -swaps) == pytest.approx(kernel_accuracies(columns, tests, swaps))


def test_order_of_rows_and_columns_does_not_matter():
    rng = np.random.default_rng(2)
    real, made = sheets(rng, 41), sheets(rng, 37, apart=True)
    first = discriminator_test(real, made, rng=3, n_resamples=19)
    a, b = rng.permutation(41), rng.permutation(37)
    mixed = [{k: [t[k][i] for i in o] for k in reversed(t)} for t, o in ((real, a), (made, b))]
    again = discriminator_test(*mixed, rng=3, n_resamples=19)
    assert again.to_dict() == first.to_dict()
    assert (first.n_rows, first.n_left_out) == (37, (4, 0))


def test_right_shares_that_do_not_hang_together():
    rng = np.random.default_rng(0)
    found = discriminator_test(sheets(rng, 400), sheets(rng, 400, apart=True), rng=1, n_resamples=99)
    assert found.told_apart
    assert found.accuracy.interval[0] > 0.55
    assert found.by_chance[1] < found.accuracy.value
    assert min(c.p_adjusted for c in found.columns) > 0.05
    assert "told from real ones" in str(found)


def test_the_column_that_gives_it_away_is_first():
    rng = np.random.default_rng(0)
    real, made = sheets(rng, 101), sheets(rng, 103)
    made["q3"] = ["option 0" if rng.random() < 0.6 else answer for answer in made["q3"]]
    found = discriminator_test(real, made, rng=1, n_resamples=99)
    assert found.columns[0].name == "q3"
    assert found.columns[0].p_adjusted < 0.01 < found.columns[1].p_adjusted
    share = [np.mean([a == f"option {k}" for a in made["q3"]]) for k in range(4)]
    whole = discriminator_test(made, made, rng=1, n_resamples=0)
    assert [c.distance for c in whole.columns] == pytest.approx([0] * 7)
    assert share[0] > 0.5


@pytest.mark.parametrize("classifier", ["kernel", "trees"])
def test_a_number_that_is_always_larger(classifier):
    real, made = {"age": np.arange(30.0)}, {"age": np.arange(100.0, 130)}
    found = discriminator_test(real, made, classifier=classifier, rng=0, n_resamples=19, margin=0.1)
    low, high = found.accuracy.interval
    if classifier == "kernel":
        assert (found.accuracy.value, high) == (1, 1)
    assert found.accuracy.value > 0.95  # a tree cuts midway between ranks that it saw: a held-out row may lie beyond
    assert 0.8 < low < found.accuracy.value <= high
    assert (found.p_value, found.verdict) == (0.05, Verdict.FAILS)
    assert (found.columns[0].distance, found.columns[0].numeric) == (1, True)


def test_trees_and_kernel_find_the_same():
    columns, tests, swaps = drawn(np.random.default_rng(3), 300, apart=True)
    trees, kernel = (f(columns, tests, swaps).mean() for f in (tree_accuracies, kernel_accuracies))
    assert trees == pytest.approx(kernel, abs=0.06)  # two classifiers, not one
    assert min(trees, kernel) > 0.55


def test_trees_without_their_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.ensemble", None)
    with pytest.raises(MissingExtraError, match=r"neff\[trees\]"):
        discriminator_test({"a": range(9)}, {"a": range(9)}, classifier="trees", rng=0)


def p_values(n_sets, n, **options):
    for seed in range(n_sets):
        rng = np.random.default_rng([seed, 7])
        yield discriminator_test(sheets(rng, n), sheets(rng, n), rng=rng, **options)


def test_no_difference_is_not_found_more_often_than_it_may():
    """200 pairs of samples of one population: p at most .05 in about 5%, mean accuracy one half."""
    found = list(p_values(200, 25, n_resamples=39, n_splits=5))
    share = np.mean([f.p_value <= 0.05 for f in found])
    assert share <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 200)
    values = [f.accuracy.value for f in found]
    assert abs(np.mean(values) - 0.5) < 4 * np.std(values) / math.sqrt(200)


@pytest.mark.slow
def test_size_is_exact():
    found = [f.p_value for f in p_values(600, 40, n_resamples=99)]
    for limit in (0.05, 0.2, 0.5):
        assert abs(np.mean(np.array(found) <= limit) - limit) < 4 * math.sqrt(limit * (1 - limit) / 600)


@pytest.mark.slow
def test_more_rows_find_more():
    """Same shares question by question, answers that do not hang together: the power grows with the rows."""
    power = {}
    for n in (20, 60, 150):
        found = []
        for seed in range(200):
            rng = np.random.default_rng([seed, n, 11])
            made = sheets(rng, n, apart=True)
            found.append(discriminator_test(sheets(rng, n), made, rng=rng, n_resamples=99).told_apart)
        power[n] = np.mean(found)
    assert 0.05 < power[20] < power[60] < power[150]
    assert power[150] > 0.95


@pytest.mark.slow
@pytest.mark.parametrize(("n", "apart", "n_splits"), [(60, False, 10), (60, True, 10), (150, True, 10), (60, True, 3)])
def test_the_interval_over_data_sets(n, apart, n_splits):
    """95% intervals of what a classifier trained on four fifths of so many rows comes to, over fresh data sets."""
    values, lows, highs, errors = [], [], [], []
    for seed in range(300):
        rng = np.random.default_rng([seed, n])
        found = discriminator_test(
            sheets(rng, n), sheets(rng, n, apart=apart), rng=rng, n_resamples=0, n_splits=n_splits
        ).accuracy
        values.append(found.value)
        lows.append(found.interval[0])
        highs.append(found.interval[1])
        errors.append(found.standard_error)
    truth = np.mean(values)
    covered = np.mean((np.array(lows) <= truth) & (truth <= np.array(highs)))
    assert covered > 0.95 - 4 * math.sqrt(0.95 * 0.05 / 300)
    assert 0.9 < np.mean(errors) / np.std(values) < 1.3


def test_missing_cells_are_answers():
    rng = np.random.default_rng(4)
    real, made = sheets(rng, 60), sheets(rng, 60)
    made["q1"] = [None if rng.random() < 0.7 else a for a in made["q1"]]
    made["q2"] = ["" if rng.random() < 0.1 else a for a in made["q2"]]
    found = discriminator_test(real, made, rng=0, n_resamples=99)
    n_missing = sum(a in (None, "") for name in ("q1", "q2") for a in made[name])
    assert (found.n_missing, found.columns[0].name) == (n_missing, "q1")
    assert found.told_apart
    assert f"{n_missing} missing cells are answers of their own" in found.notes
    numbers = {"x": [math.nan] * 20 + [1.0] * 20}, {"x": np.ones(40)}
    assert discriminator_test(*numbers, rng=0, n_resamples=99).columns[0].distance == pytest.approx(0.5)


def test_copies_of_real_rows_are_named():
    rng = np.random.default_rng(0)
    real = {"age": rng.integers(16, 80, 150), "wage": rng.random(150)}
    copied = discriminator_test(real, real, rng=1, n_resamples=0)
    assert copied.accuracy.interval[1] < 0.5
    assert "they may be copies" in copied.notes[0]
    fresh = discriminator_test(real, {"age": rng.integers(16, 80, 150), "wage": rng.random(150)}, rng=1, n_resamples=0)
    assert not any("copies" in note for note in fresh.notes)


def test_columns_without_a_difference():
    rng = np.random.default_rng(4)
    real, made = sheets(rng, 30), sheets(rng, 30)
    real["wave"], made["wave"] = [3] * 30, [3.0] * 30
    found = discriminator_test(real, made, rng=0, n_resamples=9)
    assert (found.n_constant, len(found.columns)) == (1, 7)
    assert "1 column is constant and says nothing" in found.notes
    real["place"], made["place"] = ["here"] * 30, ["here"] * 29 + [None]
    made["wave"][0] = None
    notes = discriminator_test(real, made, rng=0, n_resamples=9).notes
    assert "2 missing cells are answers of their own" in notes
    made["wave"][0] = 3.0
    notes = discriminator_test(real, made, rng=0, n_resamples=9).notes
    assert "1 missing cell is an answer of its own" in notes
    same = discriminator_test({"a": ["x"] * 9}, {"a": ["x"] * 8}, rng=0, n_resamples=9, margin=0.2)
    assert (same.accuracy.value, same.p_value, same.reason) == (0.5, 1.0, Reason.NO_DISCORDANT)
    assert same.verdict is Verdict.UNDECIDED  # eight rows cannot show that nothing is there
    json.dumps(same.to_dict(), allow_nan=False)


@pytest.mark.parametrize(
    ("n_real", "n_made", "reason"), [(9, 4, Reason.TOO_FEW), (0, 9, Reason.EMPTY), (0, 0, Reason.EMPTY)]
)
def test_too_few_rows(n_real, n_made, reason):
    found = discriminator_test({"a": range(n_real)}, {"a": range(n_made)}, rng=0, margin=0.1)
    assert (found.reason, found.accuracy.reason, found.verdict) == (reason, reason, Verdict.NOT_CHECKED)
    assert math.isnan(found.accuracy.value)
    assert str(reason) in str(found)
    json.dumps(found.to_dict(), allow_nan=False)


def test_five_rows_of_each_are_enough_to_try():
    found = discriminator_test({"a": range(5)}, {"a": range(100, 105)}, rng=0)
    assert (found.n_test, found.n_rows) == (1, 5)
    assert found.p_value >= 1 / 32


def test_codes_without_an_order():
    rng = np.random.default_rng(6)
    real, made = ({"job": rng.choice(codes, 200)} for codes in ([1, 5, 9], [3, 5, 7]))
    ordered, coded = (
        discriminator_test(real, made, categorical=names, rng=0, n_resamples=19) for names in ((), ("job",))
    )
    assert (ordered.columns[0].numeric, coded.columns[0].numeric) == (True, False)
    assert coded.columns[0].distance > ordered.columns[0].distance
    # a table that was read as text has the same codes as one that was read as numbers
    text = {"job": [str(code) for code in made["job"]]}
    assert discriminator_test(real, text, rng=0, n_resamples=19).to_dict() == coded.to_dict()


def test_rows_are_drawn_where_there_are_many():
    rng = np.random.default_rng(6)
    found = discriminator_test(sheets(rng, 90), sheets(rng, 50), n_rows=40, rng=0, n_resamples=9)
    assert (found.n_rows, found.n_left_out, found.accuracy.n) == (40, (50, 10), 80)
    assert discriminator_test(sheets(rng, 90), sheets(rng, 50), n_rows=None, rng=0, n_resamples=9).n_rows == 50


def test_a_margin_that_holds_and_no_swaps():
    rng = np.random.default_rng(8)
    found = discriminator_test(sheets(rng, 400), sheets(rng, 400), margin=0.1, n_resamples=0, rng=0)
    assert found.verdict is Verdict.HOLDS
    assert math.isnan(found.p_value)
    assert not found.told_apart
    assert "alike within a margin of 0.1" in found.sentence()
    # 0.8 n held out of 0.8 n + 0.2 n in each of ten splits
    assert found.accuracy.n_eff == pytest.approx(160 / (0.1 + 0.25))


@pytest.mark.parametrize(
    ("real", "made", "options", "named"),
    [
        ({"a": [1] * 9}, {"b": [1] * 9}, {}, "made"),
        ({}, {}, {}, "made"),
        ({"a": [1] * 9, "b": [1] * 8}, {"a": [1] * 9, "b": [1] * 9}, {}, "real"),
        ({"a": [math.inf] * 9}, {"a": [1] * 9}, {}, "a"),
        ({"a": [1] * 9}, {"a": [1] * 9}, {"categorical": ["z"]}, "categorical"),
        ({"a": [1] * 9}, {"a": [1] * 9}, {"classifier": "forest"}, "classifier"),
        ({"a": [1] * 9}, {"a": [1] * 9}, {"test_share": 1.0}, "test_share"),
        ({"a": [1] * 9}, {"a": [1] * 9}, {"margin": 0.5}, "margin"),
        ({"a": [1] * 9}, {"a": [1] * 9}, {"n_splits": 0}, "n_splits"),
        ({"a": [1] * 9}, {"a": [1] * 9}, {"n_rows": 4}, "n_rows"),
        ({"a": [1] * 5001}, {"a": [1] * 5001}, {"n_rows": None}, "n_rows"),
        ({"a": [1] * 9}, {"a": [1] * 9}, {"n_resamples": -1}, "n_resamples"),
    ],
)
def test_bad_input_is_named(real, made, options, named):
    with pytest.raises(ArgumentError, match=f"{named} must"):
        discriminator_test(real, made, rng=0, **options)
