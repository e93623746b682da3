"""Verdicts from seeds: each kind of claim against its margin, odd seeds, and error rates by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neff.claims import Failure, Measured, Terms, decide
from neff.claims.decision import Course
from neff.reasons import Reason
from neff.results import Verdict

GAINS = (0.31, 0.42, 0.27, 0.39, 0.35, 0.44, 0.29, 0.36, 0.33, 0.41, 0.30)


def pairs(differences, control=1.0):
    return [Measured(k, (control + d, control)) for k, d in enumerate(differences)]


def levels(values):
    return [Measured(k, (v,)) for k, v in enumerate(values)]


def terms(**options):
    return Terms(says="It is better.", **options)


# Verdicts.


def test_a_difference_holds_fails_or_stays_open_against_the_margin():
    verdicts = [decide(pairs(GAINS), terms(margin=margin, budget=11)).verdict for margin in (0.2, 0.35, 0.5)]
    assert verdicts == ["holds", "undecided", "fails"]
    worse = decide(pairs(-np.array(GAINS)), terms(budget=11))
    assert worse.verdict == "fails"
    assert worse.interval[1] < 0


def test_the_numbers_are_those_of_the_differences():
    found = decide(pairs(GAINS, control=2.0), terms(margin=0.35, budget=11))
    assert found.n == 11
    assert found.value == pytest.approx(np.mean(GAINS))
    assert found.standard_error == pytest.approx(np.std(GAINS, ddof=1) / math.sqrt(11))
    assert (found.treatment, found.control) == (pytest.approx(2 + np.mean(GAINS)), 2.0)
    sd = np.std(GAINS, ddof=1)
    assert found.distance == pytest.approx((np.mean(GAINS) - 0.35) / sd)
    assert found.distance_interval == pytest.approx([(end - 0.35) / sd for end in found.interval])
    assert found.reason is None


def test_lower_is_better_turns_differences_and_ratios_round():
    lower = decide(pairs(-np.array(GAINS)), terms(margin=0.2, lower_is_better=True))
    assert (lower.verdict, lower.value > 0) == ("holds", True)
    halves = [Measured(k, (1.0 + 0.01 * k, 2.0)) for k in range(11)]
    faster = decide(halves, terms(kind="ratio", margin=1.5, lower_is_better=True))
    assert faster.verdict == "holds"
    assert 1.5 < faster.value < 2.0
    assert decide(halves, terms(kind="ratio", margin=1.0)).verdict == "fails"


def test_a_ratio_is_a_geometric_mean_on_a_log_scale():
    seeds = [Measured(k, (math.exp(g), 1.0)) for k, g in enumerate(GAINS)]
    found = decide(seeds, terms(kind="ratio", margin=1.4, budget=11))
    assert found.value == pytest.approx(math.exp(np.mean(GAINS)))
    plain = decide(pairs(GAINS), terms(margin=math.log(1.4), budget=11))
    assert found.interval == pytest.approx([math.exp(end) for end in plain.interval])
    assert found.standard_error == pytest.approx(found.value * plain.standard_error)
    assert (found.n, found.verdict) == (plain.n, plain.verdict)
    assert found.distance == pytest.approx(plain.distance)


def test_a_level_is_held_against_the_margin_and_keeps_its_sign():
    values = [0.81, 0.83, 0.80, 0.82, 0.84, 0.80, 0.81]
    assert decide(levels(values), terms(kind="level", margin=0.7)).verdict == "holds"
    below = decide(levels(values), terms(kind="level", margin=0.9, lower_is_better=True))
    assert (below.verdict, below.value > 0, below.distance > 0) == ("holds", True, True)
    assert below.distance_interval[0] > 0
    assert decide(levels(values), terms(kind="level", margin=0.7, lower_is_better=True)).verdict == "fails"
    assert math.isnan(below.treatment)


def test_bounds_ask_for_nothing_else_and_give_an_interval_where_all_are_equal():
    ones = [Measured(k, (1.0, 0.0)) for k in range(40)]
    found = decide(ones, terms(bounds=(0, 1), budget=40))
    assert found.verdict == "holds"
    assert -1 <= found.interval[0] < found.interval[1] <= 1
    assert math.isnan(found.standard_error)
    outside = decide([Measured(0, (1.2, 0.3))], terms(bounds=(0, 1)))
    assert outside.failures[0].kind == "out of range"
    assert "1.2 outside the declared bounds 0 to 1" in outside.failures[0].message
    proportion = decide(levels([1.0, 0.0, 1.0, 1.0] * 25), terms(kind="level", bounds=(0, 1), margin=0.5, budget=100))
    assert proportion.verdict == "holds"


@pytest.mark.parametrize(
    ("values", "kind", "said"),
    [
        ((1e308, -1e308), "difference", "beyond 1e+60"),
        ((-1e200,), "level", "beyond 1e+60"),
        ((1.0, 1e-200), "ratio", "too small for a ratio"),
    ],
)
def test_numbers_that_cannot_be_squared_fail_their_seed(values, kind, said):
    found = decide([Measured(0, values)], terms(kind=kind, margin=2))
    assert (found.verdict, found.reason) == ("not checked", Reason.FAILED_SEED)
    assert said in found.failures[0].message


def test_a_ratio_may_have_an_end_that_no_float_holds():
    wild = [Measured(k, (1e59, 1e-59) if k % 2 else (1e-59, 1e59)) for k in range(5)]
    found = decide(wild, terms(kind="ratio", margin=2, budget=5))
    assert found.verdict == "undecided"
    assert found.value < 1  # three of the five are tiny
    assert found.interval == (pytest.approx(0), math.inf)


# Stopping.


def test_it_stops_at_the_first_seed_that_decides_and_looks_at_nothing_after():
    found = decide(pairs(GAINS), terms(margin=0.2))
    assert 5 <= found.n < len(GAINS)
    odd = [*pairs(GAINS[: found.n]), Failure(found.n, "crash", "boom"), Measured(found.n + 1, (math.nan, 0.0))]
    assert decide(odd, terms(margin=0.2)) == found
    before = decide(pairs(GAINS[: found.n - 1]), terms(margin=0.2))
    assert before.verdict == "undecided"


def test_no_verdict_before_min_seeds_and_none_after_the_budget():
    assert decide(pairs(GAINS), terms(margin=0.2, min_seeds=9)).n == 9
    few = decide(pairs(GAINS), terms(margin=0.2, min_seeds=9), budget=3)
    assert (few.verdict, few.n) == ("undecided", 3)
    assert "the budget of 3 seeds is spent" in few.why
    two = decide(pairs(GAINS), terms(), budget=2)
    assert (two.reason, two.why) == (Reason.TOO_FEW, "the budget of 2 seeds is spent")
    assert all(map(math.isnan, two.interval))


def test_a_larger_budget_goes_on_where_a_smaller_one_stopped():
    rng = np.random.default_rng(3)
    seeds = pairs(rng.normal(0.1, 1, 60))
    short, long = (decide(seeds, terms(), budget=budget) for budget in (17, 60))
    course = Course(terms(), 60)
    for outcome in seeds[:17]:
        course.add(outcome)
    assert course.decision().interval == short.interval
    assert long.n > 17


def test_out_of_time():
    course = Course(terms())
    none = course.decision(out_of_time=True)
    assert (none.verdict, none.reason) == ("not checked", Reason.OUT_OF_TIME)
    for outcome in pairs([0.1, -0.2, 0.3]):
        course.add(outcome)
    some = course.decision(out_of_time=True)
    assert (some.verdict, some.n) == ("undecided", 3)
    assert some.why.startswith("no time was left")


# Odd seeds.


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_never_dropped(value):
    found = decide([*pairs(GAINS[:3]), Measured(3, (value, 1.0)), *pairs(GAINS)], terms(margin=0.2))
    assert (found.verdict, found.reason, found.n) == ("not checked", Reason.FAILED_SEED, 3)
    assert [f.seed for f in found.failures] == [3]


def test_failures_are_left_out_only_where_that_was_declared():
    seeds = [pairs(GAINS)[0], Failure(1, "crash", "boom"), *pairs(GAINS)[2:]]
    strict, lenient = (decide(seeds, terms(margin=0.2, tolerate=k)) for k in (0, 1))
    assert (strict.verdict, strict.n, strict.why) == ("not checked", 1, "a seed failed (crash)")
    assert (lenient.verdict, len(lenient.failures)) == ("holds", 1)
    assert "1 of 7 seeds failed and are left out" in lenient.warnings[0]
    kept = [gain for k, gain in enumerate(GAINS) if k != 1]
    assert lenient.value == decide(pairs(kept), terms(margin=0.2)).value
    two = decide([Failure(0, "time", "x"), Failure(1, "crash", "y"), *pairs(GAINS)], terms(tolerate=1))
    assert two.why == "2 seeds failed (time, crash), and 1 may"
    every = decide([Failure(k, "time", "x") for k in range(3)], terms(tolerate=5, budget=3, min_seeds=2))
    assert (every.verdict, every.why) == ("not checked", "every seed failed")


def test_a_ratio_of_numbers_that_are_not_positive_fails():
    found = decide([Measured(0, (0.0, 1.0))], terms(kind="ratio", margin=1.0))
    assert found.failures[0].message == "a ratio needs positive numbers, got 0 and 1"


def test_equal_differences_are_undecided_with_a_reason_and_no_interval():
    same = decide(pairs([0.25] * 50), terms())
    assert (same.verdict, same.reason, same.n) == ("undecided", Reason.ALL_DIFFERENCES_EQUAL, 50)
    assert all(map(math.isnan, (*same.interval, same.standard_error, same.distance)))
    assert same.value == 0.25
    assert "deterministic=True" in same.why
    arms = decide([Measured(k, (0.1 * k, 0.1 * k)) for k in range(50)], terms())
    assert (arms.verdict, arms.reason) == ("undecided", Reason.EQUAL_ARMS)
    assert "is the treatment switched on?" in arms.why
    rounded = decide([Measured(k, (0.1 * k + 0.3, 0.1 * k)) for k in range(50)], terms())
    assert len({t - c for t, c in ((0.1 * k + 0.3, 0.1 * k) for k in range(50))}) > 1
    assert (rounded.reason, rounded.verdict) == (Reason.ALL_DIFFERENCES_EQUAL, "undecided")
    assert math.isnan(rounded.standard_error)
    level = decide(levels([0.5] * 50), terms(kind="level"))
    assert (level.verdict, level.reason) == ("undecided", Reason.ALL_EQUAL)


def test_equal_at_first_and_different_later_is_decided_by_what_differs():
    found = decide(pairs([0.0] * 5 + [0.9, 1.1, 1.0, 0.8, 1.2] * 9), terms(budget=50))
    assert found.verdict == "holds"
    assert found.n > 10


def test_deterministic_claims_are_compared_and_must_agree():
    same = [Measured(k, (2.0, 1.0)) for k in range(2)]
    held, failed = (decide(same, terms(margin=margin, deterministic=True)) for margin in (0.5, 1.0))
    assert (held.verdict, held.n, held.reason) == ("holds", 2, Reason.DETERMINISTIC)
    assert failed.verdict == "fails"  # equal to the margin is not more than it
    assert all(map(math.isnan, held.interval))
    odd = decide([same[0], Measured(1, (2.0, 1.0 + 1e-12))], terms(deterministic=True))
    assert (odd.verdict, odd.reason) == ("not checked", Reason.NOT_DETERMINISTIC)
    low = decide(levels([0.5, 0.5]), terms(kind="level", margin=0.6, lower_is_better=True, deterministic=True))
    assert low.verdict == "holds"
    assert decide(same[:1], terms(deterministic=True)).reason is Reason.TOO_FEW
    ratio = decide(same, terms(kind="ratio", margin=1.9, deterministic=True))
    assert (ratio.verdict, ratio.value) == ("holds", pytest.approx(2.0))


def test_a_huge_offset_changes_nothing():
    here, there = (decide(pairs(GAINS, control=c), terms(margin=0.2)) for c in (0.0, 2.0**27))
    assert (here.verdict, here.n) == (there.verdict, there.n)
    assert there.interval == pytest.approx(here.interval, abs=1e-6)


# Properties.

FLOATS = st.lists(st.floats(-10, 10).map(lambda x: round(x, 2)), min_size=2, max_size=23)


@given(FLOATS, st.sampled_from([0.25, 4.0, 64.0]), st.floats(-2, 2).map(lambda x: round(x, 1)))
@settings(max_examples=40, deadline=None)
def test_the_unit_does_not_matter(differences, factor, margin):
    one = decide(pairs(differences, 0.0), terms(margin=margin))
    other = decide(pairs([factor * d for d in differences], 0.0), terms(margin=factor * margin))
    assert (one.verdict, one.n, one.reason) == (other.verdict, other.n, other.reason)


@given(FLOATS, st.floats(-2, 2).map(lambda x: round(x, 1)))
@settings(max_examples=40, deadline=None)
def test_the_verdict_agrees_with_the_interval(differences, margin):
    found = decide(pairs(differences, 0.0), terms(margin=margin, min_seeds=2))
    low, high = found.interval
    if found.verdict is Verdict.HOLDS:
        assert low > margin
    elif found.verdict is Verdict.FAILS:
        assert high < margin
    else:
        assert not low > margin
        assert not high < margin


# Simulation: the promise of the issue.


def checks(effect, n_checks, rng, *, budget=50, noise=None, **options):
    """Decide many simulated claims, looking after every seed."""
    draw = noise or (lambda size: rng.normal(0, 1, size))
    declared = terms(min_seeds=2, budget=budget, **options)
    return [decide(pairs(effect + draw(budget), 0.0), declared) for _ in range(n_checks)]


def test_at_most_one_in_twenty_null_claims_is_called_holds():
    """0.025 is the most that is expected, 0.05 what was promised; and some are decided, or the test could not fail."""
    found = checks(0.0, 1000, np.random.default_rng(20260701))
    held = np.mean([d.verdict is Verdict.HOLDS for d in found])
    decided = np.mean([d.verdict in (Verdict.HOLDS, Verdict.FAILS) for d in found])
    assert held <= 0.025 + 3 * math.sqrt(0.025 * 0.975 / 1000)
    assert 0.002 <= decided <= 0.05


def test_an_effect_of_one_standard_deviation_takes_few_seeds():
    found = checks(1.0, 500, np.random.default_rng(7))
    assert np.median([d.n for d in found]) < 20
    assert np.mean([d.verdict is Verdict.HOLDS for d in found]) > 0.98
    beside = checks(1.0, 200, np.random.default_rng(8), margin=2.0)
    assert np.mean([d.verdict is Verdict.FAILS for d in beside]) > 0.97


@pytest.mark.slow
@pytest.mark.parametrize("budget", [20, 200])
def test_null_claims_at_other_horizons(budget):
    found = checks(0.0, 1000, np.random.default_rng(budget), budget=budget)
    assert np.mean([d.verdict is Verdict.HOLDS for d in found]) <= 0.025 + 3 * math.sqrt(0.025 * 0.975 / 1000)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["student t, 3 df", "differences of 0/1 scores", "bounded, declared"])
def test_null_claims_that_are_not_normal(name):
    """Paired differences of two arms that are alike are symmetric; there the t mixture errs on the safe side."""
    rng = np.random.default_rng(5)
    draws = {
        "student t, 3 df": lambda n: rng.standard_t(3, n),
        "differences of 0/1 scores": lambda n: rng.choice([-1.0, 0.0, 1.0], n, p=[0.2, 0.6, 0.2]),
        "bounded, declared": lambda n: rng.choice([-1.0, 0.0, 1.0], n, p=[0.02, 0.96, 0.02]),
    }
    options = {"bounds": (-1, 1)} if "declared" in name else {}
    found = checks(0.0, 1000, rng, noise=draws[name], **options)
    assert np.mean([d.verdict is Verdict.HOLDS for d in found]) <= 0.05
