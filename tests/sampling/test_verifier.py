"""Resampling against an imperfect verifier: the expected values of the real data, theory, and the naive simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from neff.errors import ArgumentError
from neff.results import Verdict
from neff.sampling import TwoTypeModel, as_draws, can_match, draws_of, verifier_curves
from neff.sampling.verifiers.accept_first import Counts, curves, simulated
from neff.sampling.verifiers.curves import counts_of
from neff.stats import wilson

COLUMNS = {"item": "task", "score": "correct", "draw": "draw"}


@pytest.fixture(scope="module")
def report(request):
    path = request.getfixturevalue("neff_data") / "humaneval_codegen16b_samples.csv.gz"
    costs = (0, 0.5, 1, 2, 4, 8)
    return verifier_curves(path, ["accept_base", "accept_weak"], costs=costs, rng=1, n_resamples=2000, **COLUMNS)


def test_levels_of_the_real_data(report):
    base, weak = report.curves
    assert base.single.value == pytest.approx(0.218067, abs=1e-6)
    assert (base.conditional.value, base.conditional.n_items) == (pytest.approx(0.914724, abs=1e-6), 114)
    assert base.pooled.value == pytest.approx(0.949216, abs=1e-6)
    assert (weak.conditional.value, weak.conditional.n_items) == (pytest.approx(0.451079, abs=1e-6), 143)
    assert weak.right[0] + weak.wrong[0] == pytest.approx(0.411733, abs=1e-6)


def test_curves_of_the_real_data(report):
    base, weak = report.curves
    at = [0, 9, 99]
    assert base.right[at] == pytest.approx([0.2181, 0.4851, 0.6952], abs=6e-5)
    assert weak.right[at] == pytest.approx([0.2181, 0.3666, 0.4300], abs=6e-5)
    assert base.perfect[99] == pytest.approx(0.7467, abs=6e-5)
    for curve, shares in ((base, [0.0508, 0.0667, 0.0853]), (weak, [0.4704, 0.5407, 0.5489])):
        accepted = curve.right + curve.wrong
        assert (curve.wrong / accepted)[at] == pytest.approx(shares, abs=6e-5)
        assert accepted + curve.abstain == pytest.approx(np.ones(100), abs=1e-12)
    attempts = np.array([1, 2, 4, 8, 16, 32, 64])
    expected = [0.0508, 0.0614, 0.0809, 0.1012, 0.1173, 0.1334, 0.1335]
    assert base.wrong_at[attempts - 1] == pytest.approx(expected, abs=6e-5)


def test_rewards_of_the_real_data(report):
    base, weak = ({r.cost: r for r in c.rewards} for c in report.curves)
    found = {cost: (base[cost].best_k, round(base[cost].reward, 5)) for cost in (0, 1, 4, 8)}
    assert found == {0: (100, 0.69519), 1: (100, 0.63038), 4: (100, 0.43595), 8: (12, 0.20798)}
    assert base[8].reward_at_most == pytest.approx(0.17671, abs=6e-6)
    found = {cost: (weak[cost].best_k, round(weak[cost].reward, 5)) for cost in (0, 0.5, 1, 2)}
    assert found == {0: (100, 0.43003), 0.5: (83, 0.16899), 1: (1, 0.0244), 2: (0, 0.0)}
    assert weak[1].curve[[4, 99]] == pytest.approx([-0.04146, -0.09328], abs=6e-6)
    # 5/50/95% of the best budget over resampled problems: 31/100/100, 4/12/100 and 0/1/1, themselves random.
    assert 25 <= base[4].best_k_range[0] <= 38
    assert base[4].best_k_range[1:] == (100, 100)
    assert 3 <= base[8].best_k_range[0] <= 5
    assert 10 <= base[8].best_k_range[1] <= 15
    assert weak[1].best_k_range == (0, 1, 1)


def test_two_types_of_the_real_data(report):
    base, weak = (c.model_fit for c in report.curves)
    assert base.correctness == pytest.approx((0.7217, 0.0922), abs=6e-5)
    assert base.share == pytest.approx((0.2, 0.8))
    assert (base.soundness, weak.soundness) == pytest.approx((0.98508, 0.75232), abs=6e-6)


def test_intervals_of_equal_items_are_not_of_width_0():
    """Three items alike, in numbers whose mean is off by a rounding error; and one draw per item, all accepted."""
    alike = verifier_curves([[1] + [0] * 9] * 3, [[1] + [0] * 9] * 3, costs=(0,), rng=0).curves[0]
    assert np.isnan(alike.right_interval[:9]).all()
    assert all(math.isnan(x) for x in alike.rewards[0].reward_interval)
    right = [[1]] * 9 + [[0]] * 2
    one = verifier_curves(right, [[1]] * 11, costs=(), rng=0).curves[0]
    assert one.right_interval[0].tolist() == list(wilson(9, 11)[:2]) == list(one.single.interval)
    assert one.wrong_interval[0].tolist() == pytest.approx(wilson(2, 11)[:2])
    perfect = verifier_curves([[1, 0], [0, 1], [0, 0]], [[1, 0], [0, 1], [0, 0]], costs=(), rng=0).curves[0]
    assert perfect.wrong_interval[1].tolist() == list(wilson(0, 3)[:2])
    assert perfect.conditional.interval == tuple(wilson(2, 2)[:2])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"right_value": math.nan}, "right_value must be a finite number"),
        ({"abstain_value": math.inf}, "abstain_value must be a finite number"),
        ({"price": -1}, "price must be 0 or more"),
        ({"costs": ("4",)}, "costs must be one number"),
    ],
)
def test_rewards_need_numbers(options, message):
    with pytest.raises(ArgumentError, match=message):
        verifier_curves([[1, 0]], [[1, 1]], **options)


def test_a_weak_model_without_acceptances_is_refused():
    draws = as_draws([[1, 0], [0, 1]])
    with pytest.raises(ArgumentError, match="weak must be draws with acceptances"):
        can_match(draws, draws)
    weak = as_draws([[1, 0], [0, 1]], accepts=[[1, 0], [0, 1]])
    with pytest.raises(ArgumentError, match="margin must be 0 or more"):
        can_match(weak, draws, margin=math.nan)


def test_a_budget_below_0_is_refused():
    with pytest.raises(ArgumentError, match="budget must be 0 or more"):
        THEORY.accuracy(-1)
    assert THEORY.accuracy(0) == 0


THEORY = TwoTypeModel((0.87, 0.13), (0.58, 0.42), soundness=0.75)


@pytest.mark.parametrize("unit", [1e-13, 1.0, 1e13])
def test_the_best_budget_does_not_depend_on_the_unit(unit):
    right = [[1, 0, 1, 1], [0, 0, 0, 1], [0, 0, 0, 0], [1, 1, 1, 1], [0, 1, 0, 0]]
    accepted = [[1, 0, 1, 1], [0, 1, 0, 1], [0, 0, 1, 0], [1, 1, 1, 1], [1, 1, 0, 0]]
    report = verifier_curves(right, accepted, costs=(0, 2 * unit), right_value=unit, rng=7)
    assert [reward.best_k for reward in report.curves[0].rewards] == [3, 1]


def test_values_of_the_theory_are_numbers():
    with pytest.raises(ArgumentError, match="wrong"):
        TwoTypeModel((0.9, 0.1), (0.5, 0.5), soundness=0.7).best_budget(wrong=math.nan)


def test_theory_golden():
    assert THEORY.ceiling == pytest.approx(0.716235876, abs=1e-9)
    assert THEORY.false_positives(math.inf) == pytest.approx(0.283764124, abs=1e-9)
    assert THEORY.accuracy(1) == pytest.approx(0.5592, abs=1e-12)


@pytest.mark.parametrize(
    ("wrong", "first", "best", "unlimited"),
    [
        (-0.7, (0.48206, 0.52387, 0.52457), (3, 0.524567), 0.51760),
        (-1, (0.44900, 0.47238, 0.46135), (2, 0.472381), 0.43247),
        (-2, (0.33880, 0.30074, 0.25064), (1, 0.33880), 0.14871),
        (-4, (0.11840, -0.04255, -0.17079), (1, 0.11840), -0.41882),
    ],
)
def test_theory_rewards_golden(wrong, first, best, unlimited):
    assert [THEORY.reward(k, wrong=wrong) for k in (1, 2, 3)] == pytest.approx(first, abs=6e-6)
    assert THEORY.best_budget(wrong=wrong) == pytest.approx(best, abs=1e-6)
    assert THEORY.reward(math.inf, wrong=wrong) == pytest.approx(unlimited, abs=6e-6)


@pytest.mark.parametrize(("wrong", "best"), [(-0.1, math.inf), (-1.0, 0.0)])
def test_with_one_type_the_best_budget_is_nothing_or_unlimited(wrong, best):
    assert TwoTypeModel((0.3,), (1.0,), soundness=0.5).best_budget(wrong=wrong)[0] == best


def test_theory_against_monte_carlo():
    rng = np.random.default_rng(3)
    n, budget = 200_000, 4
    chance = np.where(rng.random(n) < 0.58, 0.87, 0.13)
    right = rng.random((n, budget)) < chance[:, None]
    accept = right | (rng.random((n, budget)) > 0.75)
    first = np.argmax(accept, axis=1)
    good = accept.any(axis=1) & right[np.arange(n), first]
    assert good.mean() == pytest.approx(THEORY.accuracy(budget), abs=0.005)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"correctness": (0.5,), "share": (0.5, 0.5)}, "share must be one per type"),
        ({"correctness": (1.5,), "share": (1.0,)}, "correctness must be numbers in"),
        ({"correctness": (0.5, 0.2), "share": (0.5, 0.6)}, "share must be numbers that sum to 1"),
        ({"correctness": (0.5,), "share": (1.0,), "soundness": 2}, "soundness must be a number in"),
    ],
)
def test_theory_refuses(options, message):
    with pytest.raises(ArgumentError, match=message):
        TwoTypeModel(**options)


def test_exact_curves_equal_the_simulation_they_replace():
    rng = np.random.default_rng(0)
    chance = rng.beta(0.5, 1, 31)[:, None]
    right = rng.random((31, 11)) < chance
    accept = np.where(right, rng.random((31, 11)) < 0.9, rng.random((31, 11)) < 0.2)
    counts = Counts(np.full(31, 11), accept.sum(1), (accept & right).sum(1), right.sum(1))
    exact = curves(counts, 11).right.mean(axis=0)
    assert simulated(accept, right, 4000, rng) == pytest.approx(exact, abs=0.006)


def test_attempts_by_enumeration():
    """One accepted of three: the first acceptance is at attempt 1, 2 or 3 with equal chance."""
    found = curves(Counts(*(np.array([x]) for x in (3, 1, 1, 1))), 3)
    assert found.attempts[0] == pytest.approx([1, 5 / 3, 2])
    never = curves(Counts(*(np.array([x]) for x in (2, 0, 0, 0))), 4)
    assert never.attempts[0].tolist() == [1, 2, 2, 2]
    assert never.abstain[0].tolist() == [1, 1, 1, 1]


def test_ragged_draws_stand_still_and_say_so():
    result = verifier_curves([[1, 0, 1], [0, 1]], [[1, 1, 1], [0, 1]], costs=(0,), rng=0)
    assert result.curves[0].right[1] == result.curves[0].right[2]
    assert any("2 to 3 draws" in note for note in result.notes)
    assert result.curves[0].rewards[0].best_k == 2


def test_unknown_outcomes_and_acceptances_are_left_out():
    nan = math.nan
    with_gaps = verifier_curves([[1, nan, 0], [0, 1, 1], [1]], [[1, 1, 0], [1, nan, 1], [nan]], costs=(), rng=0)
    curve = with_gaps.curves[0]
    assert (curve.n_items, curve.n_draws, curve.n_unscored) == (2, 4, 3)
    assert any("1 items have no draw" in note for note in with_gaps.notes)
    assert any("3 draws" in note for note in with_gaps.notes)


def test_no_draw_at_all():
    result = verifier_curves([], [], costs=(1,), rng=0)
    assert result.curves[0].n_items == 0
    assert math.isnan(result.curves[0].single.value)
    assert result.curves[0].rewards[0].best_k == 0


def test_values_and_prices_shift_the_best_budget():
    right, accept = [[1, 0, 0, 1], [0, 0, 1, 0], [0, 1, 1, 0]], [[1, 0, 0, 1], [0, 1, 1, 0], [1, 1, 1, 0]]
    free = verifier_curves(right, accept, costs=(0.5,), rng=0).curves[0].rewards[0]
    dear = verifier_curves(right, accept, costs=(0.5,), price=0.45, rng=0).curves[0].rewards[0]
    safe = verifier_curves(right, accept, costs=(0.5,), abstain_value=0.9, rng=0).curves[0].rewards[0]
    assert (free.best_k, dear.best_k, safe.best_k) == (3, 0, 0)
    assert safe.reward == 0.9


@pytest.mark.parametrize("costs", [(-1,), (math.nan,), (math.inf,)])
def test_costs_are_losses(costs):
    with pytest.raises(ArgumentError, match="costs must be numbers of 0 or more"):
        verifier_curves([[1]], [[1]], costs=costs)


def test_results_do_not_depend_on_the_order_of_items():
    rng = np.random.default_rng(4)
    right, accept = rng.integers(0, 2, (17, 5)), rng.integers(0, 2, (17, 5))
    order = rng.permutation(17)
    one, two = (
        verifier_curves(r, a, costs=(1,), rng=0).curves[0] for r, a in ((right, accept), (right[order], accept[order]))
    )
    assert one.right == pytest.approx(two.right, abs=1e-12)
    assert one.right_interval == pytest.approx(two.right_interval, abs=1e-12)


def weak_and_strong(neff_data):
    path = neff_data / "humaneval_codegen16b_samples.csv.gz"
    (weak,) = draws_of(path, accepts="accept_weak", call="test", **COLUMNS)
    (base,) = draws_of(path, accepts="accept_base", call="test", **COLUMNS)
    return weak, base


def test_a_weak_verifier_cannot_lift_the_model_to_one_that_solves_two_thirds(neff_data):
    weak, base = weak_and_strong(neff_data)
    strong = as_draws([[1, 1, 0]] * 150, call="test")
    strong = type(strong)(item=strong.item, outcome=strong.outcome, items=weak.items, model="strong")
    assert can_match(weak, strong).verdict is Verdict.FAILS
    assert can_match(base, strong).verdict is Verdict.UNDECIDED
    assert can_match(base, strong, counting="abstentions left out").verdict is Verdict.HOLDS
    assert can_match(weak, strong, margin=0.5).verdict is Verdict.HOLDS
    found = can_match(weak, strong)
    assert (found.ceiling, found.target, found.n_items) == (pytest.approx(0.4300, abs=6e-5), pytest.approx(2 / 3), 150)


def test_without_a_common_item_nothing_can_be_matched():
    weak, strong = as_draws([[1]], accepts=[[1]], call="test"), as_draws([[1], [1]], call="test")
    strong = type(strong)(item=strong.item, outcome=strong.outcome, items=("x", "y"))
    with pytest.raises(ArgumentError, match="no item in common"):
        can_match(weak, strong)


def test_counts_need_both():
    draws = as_draws([[1, 0, 1]], call="test")
    assert counts_of(draws).n.tolist() == [0]
