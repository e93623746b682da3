"""Borda votes: golden numbers, limits, ties; and the pattern of the paper by simulation, with its control."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neff.errors import ArgumentError
from neff.sampling import as_draws
from neff.sampling.selection import (
    borda_power,
    borda_vote,
    majority_vote,
    select_best,
    selection_table,
    weighted_vote,
)
from neff.stats import wilson

CONFIDENCE, ANSWERS = [9, 8, 7, 3, 2, 1, 0.5], list("ABBACCC")


@pytest.mark.parametrize(
    ("power", "answer", "score"),
    [
        (0, "C", 3),
        (0.3, "C", 3.621533583660826),
        (0.5, "B", 4.685557720282968),
        (0.7, "B", 6.59031340000724),
        (1.0, "A", 11),
        (1.2, "A", 15.608443774253441),
        (2, "A", 65),
        (5, "A", 17831),
    ],
)
def test_borda_golden(power, answer, score):
    found = borda_vote(CONFIDENCE, ANSWERS, power=power)
    assert (found.answer, found.score) == (answer, pytest.approx(score, rel=1e-13))


def test_none_keeps_its_rank_and_casts_no_vote():
    found = borda_vote([9, 8, 7, 1], [None, "B", "A", "A"], power=1)
    assert (found.answer, found.score, found.scores) == ("B", 3, (("B", 3.0), ("A", 3.0)))
    assert borda_vote([9, 8, 7, 1], [None, "B", "A", "A"], power=3).score == 27
    assert borda_vote([1, 1, 1, 1], list("ABBA"), power=1).scores == (("A", 5.0), ("B", 5.0))
    assert borda_vote([1, 1, 1, 1], list("ABBA"), power=1).answer == "A"


answers = st.lists(st.sampled_from(["a", "b", "c", None]), min_size=1, max_size=12)


@given(answers, st.randoms(use_true_random=False))
def test_limits(told, random):
    sure = [random.random() for _ in told]
    assert borda_vote(sure, told, power=0) == majority_vote(told)
    if any(a is not None for a in told):
        best = max((c, -i) for i, (c, a) in enumerate(zip(sure, told, strict=True)) if a is not None)
        assert borda_vote(sure, told, power=400).answer == told[-best[1]]
        assert select_best(sure, told).index == -best[1]


def test_without_any_answer_nothing_is_chosen():
    for found in (majority_vote([None]), borda_vote([1], [None]), select_best([1], [None]), weighted_vote([1], [None])):
        assert (found.index, found.answer, found.reason) == (None, None, "no draw has an answer")
        assert math.isnan(found.score)


def test_unknown_confidence_ranks_last():
    found = borda_vote([math.nan, 1, 2], list("ABC"), power=1)
    assert found.scores == (("A", 1.0), ("B", 2.0), ("C", 3.0))
    assert select_best([math.nan, 1.0]).index == 1
    assert weighted_vote([math.nan, 0.1], list("AB")).answer == "B"


@pytest.mark.parametrize("nothing", [None, math.nan, ""])
def test_what_is_no_answer_casts_no_vote(nothing):
    answers = [nothing, nothing, "b"]
    for found in (majority_vote(answers), borda_vote([3, 2, 1], answers), weighted_vote([3, 2, 1], answers)):
        assert (found.answer, found.index) == ("b", 2)
    assert select_best([3, 2, 1], answers).index == 2


def test_infinite_scores_outweigh_all_others():
    """A banned token makes self-certainty infinite."""
    found = weighted_vote([math.inf, math.inf, 3.0], list("aab"))
    assert (found.answer, found.score) == ("a", math.inf)


def test_log_probabilities_are_joined_as_probabilities():
    scores = np.log([0.3, 0.2, 0.4])
    found = weighted_vote(scores, list("aab"), how="log-sum")
    assert (found.answer, found.score) == ("a", pytest.approx(math.log(0.5), abs=1e-14))
    assert weighted_vote(scores, list("aab"), how="max").answer == "b"


def test_accuracies_stay_within_0_and_1():
    """Nineteen of twenty questions right: Student's interval would reach beyond 1."""
    right = [[1, 1]] * 19 + [[0, 0]]
    draws = as_draws(right, answers=[list("ab")] * 20, scores=[[2, 1]] * 20)
    rows = {row.name: row for row in selection_table(draws, powers=()).rows}
    assert rows["majority"].interval == tuple(wilson(19, 20)[:2])


def test_what_is_equal_can_be_said():
    told = ["1.0", "2", "1"]
    assert majority_vote(told).answer == "1.0"
    assert majority_vote(["2", "1.0", "1"], equal=lambda a, b: float(a) == float(b)).answer == "1.0"


def test_default_power():
    assert [borda_power(n) for n in (1, 16, 32, 1000)] == [0.3, 0.3, 1.2, 1.2]
    assert 0.3 < borda_power(20) < borda_power(28) < 1.2


def test_weighted_votes():
    assert weighted_vote([0.9, 0.5, 0.6], list("ABB")).answer == "B"
    assert weighted_vote([0.9, 0.5, 0.6], list("ABB"), how="mean").answer == "A"
    assert weighted_vote([0.9, 0.5, 0.95], list("ABB"), how="max").answer == "B"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: borda_vote([1, 2], ["A"]), "as long as"),
        (lambda: borda_vote([1], ["A"], power=-1), "power must be 0 or more"),
        (lambda: weighted_vote([1], ["A"], how="median"), "how must be"),
        (lambda: selection_table(as_draws([[1]], answers=[["a"]], call="test")), "draws must be with scores"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ArgumentError, match=message):
        call()


def questions(rng, n_questions, n, informative=True):
    """The sheet's simulation: six wrong answers by Zipf's law, and a confidence that knows a little."""
    chance = rng.beta(1.2, 1.2, n_questions)
    wrong = np.arange(1, 7) ** -1.3
    right = rng.random((n_questions, n)) < chance[:, None]
    told = np.where(right, 0, 1 + rng.choice(6, (n_questions, n), p=wrong / wrong.sum()))
    score = rng.normal(size=(n_questions, 1)) + 0.6 * right * informative + rng.normal(size=(n_questions, n))
    return as_draws(right, answers=told.tolist(), scores=score, call="test")


def accuracies(rng, n_questions, n, **options):
    table = selection_table(questions(rng, n_questions, n, **options), powers=(0.3, 0.7, 1.2, 2.0))
    return {row.name: row for row in table.rows}


def test_the_pattern_of_the_paper():
    rng = np.random.default_rng(0)
    eight, many = accuracies(rng, 2000, 8), accuracies(rng, 1200, 64)
    # The sheet's 12,000 questions: .645 .690 .647 .585 .529 at 8, .683 .756 .730 .626 .479 at 64.
    expected = {
        "majority": (0.645, 0.683), "Borda 1.2": (0.690, 0.756), "most confident": (0.647, 0.730),
        "mean of confidences": (0.529, 0.479), "perfect choice": (0.906, 0.990),
    }  # fmt: skip
    for name, (at_8, at_64) in expected.items():
        assert eight[name].accuracy == pytest.approx(at_8, abs=0.035)  # 2,000 questions
        assert many[name].accuracy == pytest.approx(at_64, abs=0.045)  # 1,200 questions
    for table in (eight, many):
        assert table["majority"].accuracy < table["Borda 1.2"].accuracy > table["most confident"].accuracy
        assert table["Borda 1.2"].difference_interval[0] > 0
    assert many["mean of confidences"].accuracy < eight["mean of confidences"].accuracy


def test_a_confidence_that_says_nothing_does_not_help():
    found = accuracies(np.random.default_rng(1), 2000, 8, informative=False)
    assert found["Borda 0.3"].difference_interval[0] < 0
    assert found["Borda 2"].difference_interval[1] < 0
    most_confident, at_random = found["most confident"].accuracy, found["one at random"].accuracy
    assert most_confident == pytest.approx(at_random, abs=0.03)  # 2,000 questions
