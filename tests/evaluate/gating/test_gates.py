"""Gates: the one table of thresholds, what the Arena sample is refused, and who is crowned."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neff.evaluate.calibrating.calibration import calibrate
from neff.evaluate.gating.coverage import Coverage, coverage
from neff.evaluate.gating.gates import (
    Gate,
    best_unflagged,
    flagged,
    gates_for_direct,
    gates_for_off_policy,
    table,
)
from neff.evaluate.gating.reach import Boundary
from neff.evaluate.gating.selection import SampleTest
from neff.evaluate.gating.thresholds import RULES, rules_table
from neff.evaluate.judge.data import Judged
from neff.evaluate.off_policy.overlap import overlap
from neff.reasons import Reason
from neff.stats import TailIndex
from neff.testing import simulate_off_policy

NO_TEST = SampleTest(math.nan, math.nan, Reason.EMPTY)
SOUND = Coverage(
    "p", 1000, 480, 0, 0, 470.0, Boundary(0.0, 0.0, 0.0, 0.1, 0.0), 0.0, 0.4, 0.4, collapsed=False, selection=NO_TEST
)


@pytest.mark.parametrize(
    ("quantity", "value", "state"),
    [
        ("ess_fraction", 0.30, "good"),
        ("ess_fraction", 0.2999, "warn"),
        ("ess_fraction", 0.10, "warn"),
        ("ess_fraction", 0.0999, "refuse"),
        ("hill", math.inf, "good"),
        ("hill", 2.0, "good"),
        ("hill", 1.0, "warn"),
        ("hill", 0.999, "refuse"),
        ("hellinger", 0.5, "good"),
        ("hellinger", 0.2, "warn"),
        ("hellinger", 0.199, "refuse"),
        ("ttc", 0.70, "good"),
        ("ttc", 0.30, "warn"),
        ("ttc", 0.299, "refuse"),
        ("judge_overlap", 0.85, "good"),
        ("judge_overlap", 0.5, "warn"),
        ("judge_overlap", 0.499, "refuse"),
        ("near_zero", 0.85, "good"),
        ("near_zero", 0.8501, "refuse"),
        ("top_share", 0.30, "good"),
        ("top_share", 0.3001, "refuse"),
        ("label_ess", 50, "good"),
        ("label_ess", 49.9, "warn"),
        ("label_ess", 20, "warn"),
        ("label_ess", 19.9, "refuse"),
        ("outside", 0.0499, "good"),
        ("outside", 0.05, "refuse"),
        ("saturation", 0.1999, "good"),
        ("saturation", 0.20, "warn"),
        ("saturation", 1.0, "warn"),
        ("own_labels", 0, "warn"),
        ("own_labels", 5, "good"),
        ("selection", 0.0099, "warn"),
        ("selection", 0.01, "good"),
        ("collapsed", 1.0, "warn"),
    ],
)
def test_the_table_of_thresholds(quantity, value, state):
    assert RULES[quantity].state(value) == state


@pytest.mark.parametrize("quantity", RULES)
def test_nan_is_unknown_and_order_is_kept(quantity):
    rule = RULES[quantity]
    assert rule.state(math.nan) == "unknown"
    order = ["refuse", "warn", "good"] if rule.higher_is_better else ["good", "warn", "refuse"]
    states = [order.index(rule.state(value)) for value in np.linspace(0, 60, 6001)]
    assert states == sorted(states)
    assert len(rules_table()) == len(RULES)


@pytest.fixture(scope="module")
def arena(neff_data):
    with (neff_data / "arena1000_labels.csv").open() as file:
        rows = list(csv.DictReader(file))
    with (neff_data / "arena1000_logprobs.csv").open() as file:
        logged = list(csv.DictReader(file))
    prompts = {row["prompt_id"]: k for k, row in enumerate(logged)}
    return rows, logged, prompts


def judged_of(arena, policy, *, labels):
    rows, _, prompts = arena
    own = [row for row in rows if row["policy"] == policy]
    label = [float(row["oracle_label"] or "nan") if labels else math.nan for row in own]
    return Judged(
        policy,
        np.array([prompts[row["prompt_id"]] for row in own]),
        np.array([float(row["judge_score"]) for row in own]),
        np.array(label),
    )


def test_labels_on_base_only_refuse_unhelpful(arena):
    base = judged_of(arena, "base", labels=True)
    fit = calibrate(base.score, base.label, fold=base.prompt % 5, mode="monotone")
    found = []
    for policy in ("base", "clone", "parallel_universe_prompt", "unhelpful"):
        judged = judged_of(arena, policy, labels=policy == "base")
        found += gates_for_direct(coverage(judged, fit, labelled_score=base.score[base.labelled]))
    refused = flagged(found)
    assert list(refused) == ["unhelpful"]
    assert refused["unhelpful"][0] == "its 1,000 scores lie where 8.8 of 480 labels count"
    borrowed = {gate.policy for gate in found if gate.quantity == "own_labels" and gate.state == "warn"}
    assert borrowed == {"clone", "parallel_universe_prompt", "unhelpful"}
    ranking = {"base": 0.756, "clone": 0.763, "parallel_universe_prompt": 0.764, "unhelpful": 0.9}
    best = best_unflagged(ranking, found)
    assert (best.policy, best.demoted) == ("parallel_universe_prompt", ("unhelpful",))


def test_own_labels_turn_the_refusal_into_a_warning(arena):
    base, unhelpful = judged_of(arena, "base", labels=True), judged_of(arena, "unhelpful", labels=True)
    fit = calibrate(base.score, base.label, fold=base.prompt % 5, mode="monotone")
    known = coverage(unhelpful, fit, labelled_score=base.score[base.labelled])
    found = gates_for_direct(known)
    assert not flagged(found)
    assert found[0].state == "warn"
    assert "the curve alone would be refused" in found[0].sentence
    assert flagged(gates_for_direct(known, corrected=False))


def test_importance_weighting_is_refused_by_raw_ess(arena):
    _, logged, _ = arena
    base = [float(row["base_logprob"]) for row in logged]
    states = {}
    for policy in ("clone", "parallel_universe_prompt", "unhelpful"):
        found = overlap(
            base,
            [float(row[policy]) for row in logged],
            policy=policy,
            score=[float(row["judge_score"]) for row in logged],
            length=[float(row["n_chars"]) for row in logged],
            length_unit="character",
        )
        states[policy] = {gate.quantity: gate.state for gate in gates_for_off_policy(found)}
        assert any("per character" in gate.sentence for gate in gates_for_off_policy(found))
    assert {policy: state["ess_fraction"] for policy, state in states.items()} == {
        "clone": "warn",
        "parallel_universe_prompt": "refuse",
        "unhelpful": "refuse",
    }
    assert states["unhelpful"]["ttc"] == "good"  # 0.717: typical answers alone would let it pass
    assert states["unhelpful"]["near_zero"] == "refuse"
    assert states["unhelpful"]["hellinger"] == "refuse"
    assert states["clone"]["ttc"] == "good"


def overlap_of(n=200, **changed):
    x = np.linspace(-30, -20, n)
    found = overlap(x, x + 0.1 * np.sin(np.arange(n)), policy="p", score=np.linspace(0, 1, n))
    return replace(found, **changed)


def state_of(found, quantity):
    return next(gate.state for gate in gates_for_off_policy(found) if gate.quantity == quantity)


def test_a_tail_that_cannot_be_told_is_not_fine():
    assert state_of(overlap_of(), "hill") == "good"
    assert state_of(overlap_of(n=49), "hill") == "unknown"
    assert state_of(overlap_of(n=50), "hill") == "good"
    unknown = TailIndex(math.nan, 10, Reason.TOO_FEW)
    assert state_of(overlap_of(hill=unknown), "hill") == "unknown"
    assert state_of(overlap_of(hill=unknown, ess_fraction=0.29), "hill") == "warn"


def test_concentration_needs_both_share_and_spread():
    assert state_of(overlap_of(top_share=0.5, cv=2.1), "top_share") == "refuse"
    assert state_of(overlap_of(top_share=0.5, cv=2.0), "top_share") == "good"
    assert state_of(overlap_of(top_share=0.3, cv=9.0), "top_share") == "good"
    assert state_of(overlap_of(top_share=math.nan, cv=math.nan), "top_share") == "unknown"


def test_fresh_answers_decide_the_overlap_in_scores():
    assert state_of(overlap_of(judge_by_weights=0.9, judge_by_fresh=0.4), "judge_overlap") == "refuse"
    assert state_of(overlap_of(judge_by_weights=0.9), "judge_overlap") == "good"


def test_nothing_is_good_without_rows():
    states = {gate.state for gate in gates_for_off_policy(overlap([], [], policy="p"))}
    assert states == {"unknown"}
    empty = replace(SOUND, n=0, label_ess=math.nan, boundary=Boundary(*[math.nan] * 5))
    assert {gate.state for gate in gates_for_direct(empty)} == {"unknown", "warn"}  # no labels of its own


def test_every_row_labelled_needs_no_calibration():
    (only,) = gates_for_direct(replace(SOUND, n=3, n_own=3, n_own_prompts=3, label_ess=1.0))
    assert only.state == "good"


def test_warnings_about_labels():
    chosen = gates_for_direct(replace(SOUND, n_own=100, n_own_prompts=100, selection=SampleTest(0.4, 1e-9)))
    assert [gate.quantity for gate in chosen if gate.state == "warn"] == ["selection"]
    assert "not drawn at random" in chosen[-1].sentence
    drawn = gates_for_direct(replace(SOUND, n_own=100, n_own_prompts=100, selection=SampleTest(0.1, 0.4)))
    assert "certifies nothing" in drawn[-1].sentence
    upside_down = gates_for_direct(replace(SOUND, collapsed=True))
    assert any(gate.quantity == "collapsed" and gate.state == "warn" for gate in upside_down)
    # 100 labelled rows of one prompt are one label
    assert gates_for_direct(replace(SOUND, n_own=100, n_own_prompts=1, label_ess=7.0))[0].state == "refuse"


def refusal(policy):
    return Gate(policy, "label_ess", 8.8, 50.0, 20.0, "refuse", f"thin labels under {policy}")


def test_best_unflagged():
    values = {"a": 0.9, "b": 0.8, "c": 0.7, "d": math.nan}
    plain = best_unflagged(values, [])
    assert (plain.policy, plain.value, plain.demoted) == ("a", 0.9, ())
    assert str(plain) == "a is best (0.9000)"
    one = best_unflagged(values, [refusal("a"), refusal("c")])
    assert (one.policy, one.demoted) == ("b", ("a",))  # c is refused too, but does not look better
    assert "a looks better (0.9000) but is refused: thin labels under a" in str(one)
    low = best_unflagged(values, [refusal("c")], lower_is_better=True)
    assert (low.policy, low.demoted) == ("b", ("c",))
    none = best_unflagged(values, [refusal("a"), refusal("b"), refusal("c")])
    assert none.policy is None
    assert none.demoted == ("a", "b", "c")
    assert str(none).startswith("no policy can be called best")
    empty = best_unflagged({"d": math.nan}, [])
    assert empty.policy is None
    for best in (plain, one, low, none, empty):
        json.dumps(best.to_dict(), allow_nan=False)


@given(st.dictionaries(st.sampled_from("abcdefg"), st.floats(0, 1)), st.sets(st.sampled_from("abcdefg")))
def test_a_flagged_policy_is_never_crowned(values, refused):
    best = best_unflagged(values, [refusal(policy) for policy in refused])
    assert best.policy not in refused
    free = [value for policy, value in values.items() if policy not in refused]
    assert (best.policy is None) == (not free)
    if free:
        assert best.value == max(free)
    assert set(best.demoted) <= refused
    assert all(values[policy] > best.value for policy in best.demoted if free)


def test_refusals_come_first_in_the_table():
    found = [*gates_for_direct(SOUND), refusal("q")]
    rows = table(found)
    assert [row[1] for row in rows.rows] == ["refuse", "warn", "good", "good", "good"]
    assert rows.rows[0][0] == "q"
    assert "thin labels under q" in str(rows)
    for gate in found:
        json.dumps(gate.to_dict(), allow_nan=False)
    assert str(found[-1]) == "q: refuse: thin labels under q"


@pytest.mark.parametrize("seed", range(7))
def test_no_coverage_is_refused_although_the_weights_look_even(seed):
    """The world of cje-estimators 6.3 in which all intervals are wrong: only the mean probability ratio shows it."""
    logged, _, _ = simulate_off_policy("no-coverage", 997, rng=seed)
    found = overlap(logged.log_prob, logged.target_log_prob, policy="new", score=logged.score)
    states = {gate.quantity: gate.state for gate in gates_for_off_policy(found)}
    assert states["ess_fraction"] == "good"
    assert states["mean_ratio"] == "refuse"
    assert "new" in flagged(gates_for_off_policy(found))


@pytest.mark.parametrize("scenario", ["better", "extremes", "noise"])
@pytest.mark.parametrize("seed", range(5))
def test_the_mean_ratio_refuses_no_target_that_was_covered(scenario, seed):
    logged, _, _ = simulate_off_policy(scenario, 997, rng=seed)
    found = overlap(logged.log_prob, logged.target_log_prob)
    gate = next(gate for gate in gates_for_off_policy(found) if gate.quantity == "mean_ratio")
    assert gate.state == "good"
