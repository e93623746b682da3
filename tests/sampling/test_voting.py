"""Majority, best-of and weighted votes against enumeration of all subsets."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neff.sampling.repeats.best_of import best_of, best_of_without_each
from neff.sampling.repeats.voting import exact_vote, sampled_vote, weighted_vote


def enumerated_vote(answers, right, k):
    total, n = 0.0, 0
    for subset in combinations(answers, k):
        counts = np.bincount(subset, minlength=len(right))
        best = counts == counts.max()
        total += right[best].mean()
        n += 1
    return total / n


def enumerated_best(score, outcome, k):
    total, n = 0.0, 0
    for subset in combinations(range(len(score)), k):
        rows = list(subset)
        best = score[rows] == score[rows].max()
        # Ties are averaged over all draws that share the score, those outside the subset too: one rule for all k.
        total += outcome[score == score[rows].max()].mean() if best.any() else 0
        n += 1
    return total / n


def test_majority_golden():
    counts, right = np.array([5, 3, 2]), np.array([1.0, 0.0, 0.0])
    found = [exact_vote(counts, right, k) for k in (1, 2, 3, 5, 7, 9)]
    assert found == pytest.approx([0.5, 0.5, 0.5833333333, 0.6785714286, 0.8333333333, 1.0], abs=1e-10)


def test_best_of_golden():
    score, outcome = np.array([0.9, 0.8, 0.7, 0.6, 0.5]), np.array([0, 1, 1, 0, 1.0])
    assert best_of(score, outcome, [1, 2, 3, 5]).tolist() == pytest.approx([0.6, 0.5, 0.4, 0.0], abs=1e-12)
    assert np.isnan(best_of(score, outcome, [6])).all()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=9), st.data())
def test_exact_vote_equals_enumeration(drawn, data):
    _, answers = np.unique(drawn, return_inverse=True)
    k = data.draw(st.integers(1, len(answers)))
    right = np.array(data.draw(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=int(answers.max()) + 1, max_size=5)))
    right = right[: answers.max() + 1]
    found = exact_vote(np.bincount(answers), right, k)
    assert found == pytest.approx(enumerated_vote(answers, right, k), abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=8), st.data())
def test_best_of_equals_enumeration(rows, data):
    score, outcome = (np.array(column, float) for column in zip(*rows, strict=True))
    k = data.draw(st.integers(1, len(score)))
    assert best_of(score, outcome, [k])[0] == pytest.approx(enumerated_best(score, outcome, k), abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=8))
def test_best_of_without_each_draw_equals_leaving_it_out(rows):
    score, outcome = (np.array(column, float) for column in zip(*rows, strict=True))
    ks = (1, 2, 3, 7)
    naive = [best_of(np.delete(score, j), np.delete(outcome, j), ks) for j in range(len(score))]
    assert best_of_without_each(score, outcome, ks) == pytest.approx(np.array(naive), abs=1e-12, nan_ok=True)


def test_sampled_vote_agrees_with_the_exact_one_within_its_error():
    answers = np.repeat([0, 1, 2, 3], [7, 5, 3, 2])
    right = np.array([0.0, 1.0, 0.0, 0.5])
    rng = np.random.default_rng(0)
    for k in (1, 4, 11):
        vote = sampled_vote(answers, right, k, n_resamples=20_000, rng=rng)
        assert abs(vote.value - exact_vote(np.bincount(answers), right, k)) < 4 * vote.standard_error
        assert 0 < vote.standard_error < 0.005


def test_equal_scores_make_a_weighted_vote_a_majority():
    answers = np.array([0, 0, 1, 2, 1, 1, 2])
    right = np.array([1.0, 0.0, 0.5])
    score = np.full(7, 0.3)
    vote = weighted_vote(answers, score, right, 7, how="sum", n_resamples=1, rng=np.random.default_rng(0))
    assert vote == (exact_vote(np.bincount(answers), right, 7), 0.0)


@pytest.mark.parametrize(
    ("how", "winner"),
    [("sum", 0), ("mean", 1), ("max", 2), ("log-sum", 2)],
)
def test_how_scores_are_joined(how, winner):
    answers = np.array([0, 0, 0, 0, 1, 2, 2])
    score = np.array([0.5, 0.5, 0.5, 0.5, 1.4, 1.5, 0.4])
    if how == "log-sum":
        score = np.log([0.1, 0.1, 0.1, 0.1, 0.3, 0.3, 0.2])
    right = (np.arange(3) == winner).astype(float)
    assert weighted_vote(answers, score, right, 7, how=how, n_resamples=1, rng=np.random.default_rng(0)).value == 1


def test_many_answers_stay_within_floats():
    """With 450 of 900 draws the numbers of subsets reach 1e269."""
    counts = np.array([500, *[1] * 400])
    assert exact_vote(counts, np.r_[1.0, np.zeros(400)], 450) == pytest.approx(1, abs=1e-12)
    assert exact_vote(counts, np.r_[1.0, np.zeros(400)], 1) == pytest.approx(5 / 9, abs=1e-12)
