"""Stopping by vote and by score, the protocol, and what a replay on a log shows."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from neff.errors import ArgumentError
from neff.report.sampling.choosing import replay_document
from neff.sampling import as_draws
from neff.sampling.stopping import (
    AdaptiveConsistency,
    EarlyStopping,
    FirstAbove,
    FixedDraws,
    OptScale,
    Replay,
    Stopper,
    answers_needed,
    replay_stoppers,
)
from neff.sampling.stopping.replaying import ReplayRow
from neff.sampling.stopping.voting import majority_chance
from neff.stats import wilson


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


NOTHING = [None, float("nan"), np.float64("nan"), ""]


@pytest.mark.parametrize("nothing", NOTHING)
def test_what_is_no_answer_casts_no_vote_in_any_rule(nothing):
    for rule in (AdaptiveConsistency(0.75, max_draws=9), EarlyStopping(window=2, max_draws=9)):
        assert not any(rule.observe(nothing) for _ in range(4))
        assert rule.choose() is None
    fixed = FixedDraws(3, by="vote")
    assert [fixed.observe(a) for a in (nothing, nothing, "b")] == [False, False, True]
    assert fixed.choose() == 2


def test_answers_that_cannot_be_counted_are_refused():
    with pytest.raises(ArgumentError, match="AdaptiveConsistency: value must be an answer that is hashable"):
        AdaptiveConsistency().observe(["a"])


@pytest.mark.parametrize("target", [90, -0.1, math.nan])
def test_a_target_outside_the_scores_is_refused(target):
    for make in (FirstAbove, OptScale, lambda t: answers_needed([0.5], t)):
        with pytest.raises(ArgumentError, match=r"target must be a score in \[0, 1\]"):
            make(target)
    with pytest.raises(ArgumentError, match=r"Did you mean 0\.9\?"):
        FirstAbove(90)


def test_fixed_draws():
    best = FixedDraws(3)
    assert [best.observe(x) for x in (None, 0.5, 7.0)] == [False, False, True]  # a score of any scale
    assert (best.choose(), best.capped) == (2, False)
    with pytest.raises(ArgumentError, match="Did you mean 'vote'"):
        FixedDraws(3, by="votes")
    with pytest.raises(ArgumentError, match="value must be a score"):
        FixedDraws(3).observe("high")


def test_a_rule_knows_whether_the_cap_stopped_it():
    decided, capped = AdaptiveConsistency(0.9, max_draws=3), AdaptiveConsistency(0.9, max_draws=3)
    assert [decided.observe(a) for a in "aaa"] == [capped.observe(a) for a in "aba"] == [False, False, True]
    assert (decided.capped, capped.capped) == (False, True)


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


def test_replay_counts_who_was_cut_off():
    """The cap of the rule and the end of the record alike; not a rule that decides with the last answer."""
    answers = [list("aaaa"), list("abab")]
    log = as_draws([[1] * 4, [1, 0, 1, 0]], answers=answers)
    rules = {f"at most {most}": (lambda most=most: AdaptiveConsistency(0.95, max_draws=most)) for most in (4, 9)}
    replay = replay_stoppers(log, rules, n_orders=6, rng=0)
    assert [row.capped for row in replay.rows] == [0.5, 0.5, 0]  # the first item decides with its fourth answer
    ragged = as_draws([[1] * 4, [1]], answers=[list("aaaa"), ["a"]])
    assert replay_stoppers(ragged, {}, rng=0).rows[-1].capped == 0


def test_replay_leaves_unscored_draws_out_and_says_so():
    nan = math.nan
    answers = [list("aabb"), list("bbb"), list("cc")]
    whole = as_draws([[1, 1, 0], [0, 0, 0]], answers=[list("aab"), list("bbb")])
    gaps = as_draws([[1, 1, 0, nan], [0, 0, 0], [nan, nan]], answers=answers)
    rules = {"fixed": lambda: AdaptiveConsistency(0.99, max_draws=9)}
    one, two = (replay_stoppers(log, rules, rng=1) for log in (whole, gaps))
    assert one.rows == two.rows
    assert two.n_items == 2
    assert two.notes == (
        "3 draws are unscored: they are left out, not counted as wrong.",
        "Items without a scored draw, which are left out: 1.",
    )
    silent = replay_stoppers(as_draws([[nan] * 4], answers=[list("aaab")]), rules, rng=1)
    assert math.isnan(silent.rows[0].accuracy)
    assert silent.rows[0].error == 0
    assert silent.notes == ("No outcome is known: accuracies are undefined.",)
    with pytest.raises(ArgumentError, match="answers to one item or more"):
        replay_stoppers(as_draws([], answers=[]), rules)


def test_the_page_names_the_cheapest_rule_that_returns_what_all_draws_do():
    """Its difference is 0 on every item, and so without an interval."""
    nan = math.nan
    rows = [
        ReplayRow("same", 3.0, 0.5, (0.4, 0.6), 0.0, (nan, nan), 0.0, (0.0, 0.1), 0.0),
        ReplayRow("other", 5.0, 0.49, (0.4, 0.6), -0.01, (-0.03, 0.01), 0.02, (0.0, 0.1), 0.0),
        ReplayRow("all draws", 9.0, 0.5, (0.4, 0.6), 0.0, (nan, nan), 0.0, (nan, nan), 0.0),
    ]
    page = replay_document(Replay(tuple(rows), 20, 2, 0.95, 1, ("3 draws are unscored.",)))
    assert page.title == ("same saves 67% of the draws",)
    assert "3 draws are unscored." in str(page.sections)


def test_replay_widens_intervals_by_cluster():
    rng = np.random.default_rng(3)
    topic = np.repeat(np.arange(6), 5)
    right = rng.random((30, 7)) < np.linspace(0.1, 0.9, 6)[topic][:, None]
    plain = as_draws(right, answers=np.where(right, "a", "b").tolist())
    clustered = replace(plain, cluster=topic)
    one, two = (replay_stoppers(log, {}, n_orders=2, rng=0).rows[0].interval for log in (plain, clustered))
    assert two[1] - two[0] > 1.5 * (one[1] - one[0])
    certain = replay_stoppers(as_draws([[1], [1], [1]], answers=[["a"]] * 3), {}, rng=0).rows[0]
    assert certain.interval == tuple(wilson(3, 3)[:2])


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
