"""Stopping by vote and by score, the protocol, and what a replay on a log shows."""

from __future__ import annotations

import math

import numpy as np
import pytest

from neff.errors import ArgumentError
from neff.sampling import as_draws
from neff.sampling.stopping import (
    AdaptiveConsistency,
    EarlyStopping,
    FirstAbove,
    FixedDraws,
    OptScale,
    Stopper,
    replay_stoppers,
)
from neff.sampling.stopping.voting import majority_chance


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (1, 0, 0.75), (2, 0, 0.875), (3, 0, 0.9375), (4, 0, 0.96875), (5, 1, 0.9375), (6, 2, 0.91015625),
        (8, 3, 0.92700195), (9, 4, 0.91021729),
    ],
)  # fmt: skip
def test_majority_chance_golden(first, second, expected):
    assert majority_chance(first, second) == pytest.approx(expected, abs=5e-9)


@pytest.mark.parametrize(("confidence", "draws"), [(0.9, 3), (0.95, 4), (0.98, 5)])
def test_unanimous_draws_until_the_stop(confidence, draws):
    rule = AdaptiveConsistency(confidence)
    while not rule.observe("x"):
        pass
    assert (rule.n, rule.choose()) == (draws, 0)


def test_draws_without_an_answer_count_but_do_not_vote():
    rule = AdaptiveConsistency(0.9, max_draws=6)
    assert [rule.observe(a) for a in (None, None, "a", "a", "a")] == [False, False, False, False, True]
    assert rule.choose() == 2
    silent = AdaptiveConsistency(0.9, max_draws=2)
    assert [silent.observe(None) for _ in range(2)] == [False, True]
    assert silent.choose() is None


def test_windows_must_agree_whole():
    rule = EarlyStopping(window=3, max_draws=9)
    assert [rule.observe(a) for a in "abbbbb"] == [False] * 5 + [True]
    nothing = EarlyStopping(window=2, max_draws=4)
    assert [nothing.observe(None) for _ in range(4)] == [False, False, False, True]


MAKERS = {
    "first": lambda: FirstAbove(0.9, max_draws=5),
    "fixed": lambda: FixedDraws(5),
    "opt": lambda: OptScale(0.9, peek=2, max_draws=5),
    "ac": lambda: AdaptiveConsistency(max_draws=5),
    "esc": lambda: EarlyStopping(window=2, max_draws=5),
}


@pytest.mark.parametrize("name", MAKERS)
def test_every_rule_follows_the_protocol(name):
    rule = MAKERS[name]()
    assert isinstance(rule, Stopper)
    values = [0.1, 0.2, 0.3, 0.4, 0.5]
    for value in values:
        if rule.observe(value):
            break
    assert rule.stopped
    assert rule.n <= 5
    assert rule.choose() in range(rule.n)
    with pytest.raises(ArgumentError, match="once the rule has stopped"):
        rule.observe(0.5)


def test_least_and_most_draws():
    rule = FirstAbove(0.5, max_draws=4, min_draws=3)
    assert [rule.observe(0.9) for _ in range(3)] == [False, False, True]
    with pytest.raises(ArgumentError, match="at most max_draws"):
        FirstAbove(0.5, max_draws=2, min_draws=3)
    with pytest.raises(ArgumentError, match="max_draws"):
        AdaptiveConsistency(max_draws=0)


@pytest.mark.parametrize("value", [1.5, -0.1, "high"])
def test_scores_outside_are_refused(value):
    with pytest.raises(ArgumentError, match="a score in"):
        FirstAbove(0.5).observe(value)


def log(rng, n_items=40, n=40):
    chance = rng.dirichlet([2.0, 1.0, 1.0, 0.5], n_items)
    answers = np.array([rng.choice(4, n, p=p) for p in chance])
    scores = np.clip(0.4 + 0.3 * (answers == 0) + 0.15 * rng.normal(size=answers.shape), 0, 1)
    return as_draws(answers == 0, answers=answers.tolist(), scores=scores, call="test")


def test_replay_measures_draws_and_error():
    draws = log(np.random.default_rng(0))
    rules = {f"ac {c}": (lambda c=c: AdaptiveConsistency(c, max_draws=40)) for c in (0.8, 0.95, 0.99)}
    replay = replay_stoppers(draws, rules, n_orders=10, rng=1)
    rows = {row.name: row for row in replay.rows}
    taken = [rows[name].draws for name in (*rules, "all draws")]
    assert taken == sorted(taken)
    assert rows["all draws"].draws == 40
    errors = [rows[name].error for name in (*rules, "all draws")]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.02  # ties of the whole vote are broken by the order of draws
    assert rows["ac 0.8"].error > 0.02 > rows["ac 0.99"].error


def test_replay_by_score():
    draws = log(np.random.default_rng(1))
    replay = replay_stoppers(draws, {"first": lambda: FirstAbove(0.75, max_draws=40)}, value="score", n_orders=5, rng=1)
    first, everything = replay.rows
    assert first.draws < everything.draws
    assert 0 <= first.capped <= 1
    assert str(replay).startswith("Rule")


def test_replay_is_reproducible_and_refuses():
    draws = log(np.random.default_rng(2), n_items=5, n=7)
    rules = {"esc": lambda: EarlyStopping(window=2, max_draws=7)}
    assert replay_stoppers(draws, rules, rng=4) == replay_stoppers(draws, rules, rng=4)
    with pytest.raises(ArgumentError, match="'answer' or 'score'"):
        replay_stoppers(as_draws([[1, 0]], call="test"), rules)


@pytest.mark.slow
@pytest.mark.parametrize(("confidence", "most"), [(0.95, 0.05), (0.99, 0.01)])
def test_error_against_the_true_majority_with_two_answers(confidence, most):
    """A flat prior over p, as the rule supposes: the stated chance holds at the stop, however often one looks."""
    rng = np.random.default_rng(5)
    wrong = []
    for _ in range(4000):
        p = rng.random()
        rule = AdaptiveConsistency(confidence, max_draws=400)
        while not rule.observe(bool(rng.random() < p)):
            pass
        if rule.n < rule.max_draws:  # the cap stops near-ties of p, about which the rule promises nothing
            place = rule.choose()
            wrong.append(rule.answers[place] != (p > 0.5))
    assert len(wrong) > 3400
    # The posterior chance holds at the stop whatever the stopping rule, as p has the prior that the rule assumes.
    assert np.mean(wrong) <= most + 3 * math.sqrt(most / 4000)
