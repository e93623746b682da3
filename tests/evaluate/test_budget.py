"""Planning of prompts and labels: golden numbers, the cheapest plan by brute force, and the precision it promises."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neff.errors import ArgumentError, RecordsError
from neff.evaluate.budgeting.from_records import pilot_variance
from neff.evaluate.budgeting.pilot import fit_variance_model
from neff.evaluate.budgeting.planning import plan_budget
from neff.evaluate.budgeting.variance import VarianceModel
from neff.evaluate.calibrating.calibration import calibrate
from neff.evaluate.calibrating.folds import balanced_folds
from neff.evaluate.judge.data import Judged
from neff.evaluate.judge.direct import augmented
from neff.reasons import Reason

SHEET = VarianceModel(0.06, 0.03)


@pytest.mark.parametrize(
    ("budget", "n", "m", "cost", "standard_error", "detectable", "power"),
    [
        (1000, 261, 46, 997, 0.0296994776, 0.1176705127, 0.2216053205),
        (10_000, 2612, 461, 9988, 0.0093833270, 0.0371771151, 0.9646909515),
    ],
)
def test_a_budget_is_split_as_in_the_reference(budget, n, m, cost, standard_error, detectable, power):
    plan = plan_budget(SHEET, budget=budget, price_label=16)
    assert (plan.n_prompts, plan.n_labels, plan.cost) == (n, m, cost)
    assert plan.standard_error == pytest.approx(standard_error, abs=1e-9)
    assert plan.detectable == pytest.approx(detectable, abs=1e-9)
    assert plan.power(0.05) == pytest.approx(power, abs=1e-8)  # the second value has one tail only: 5e-9 less
    assert plan.power(-0.05) == plan.power(0.05)


def test_labels_dearer_than_their_worth():
    plan = plan_budget(VarianceModel(0.04, 0.5), budget=2000, price_label=16)
    assert (plan.n_prompts, plan.n_labels) == (132, 116)
    assert plan.standard_error == pytest.approx(0.0679218310, abs=1e-9)


def test_a_difference_is_reached_at_the_lowest_cost():
    """cje-eval 0.9.3 gives 4006 and 708 for 15334, whose detectable difference is 0.030005: just missed."""
    plan = plan_budget(SHEET, detectable=0.03, price_label=16)
    assert plan.detectable <= 0.03
    assert plan.cost == pytest.approx(15334, rel=1e-3)
    assert plan.n_prompts == pytest.approx(4006, rel=1e-2)
    assert plan.n_labels == pytest.approx(708, rel=1e-2)
    nearly = VarianceModel(0.06, 0.03).variance(4006, 708) ** 0.5 * plan.detectable / plan.standard_error
    assert nearly > 0.03


def cheapest(model, wanted, price_score, price_label, fewest, most=400):
    options = [
        (n * price_score + m * price_label, n, m)
        for m in range(fewest, most)
        for n in range(m, most)
        if model.s2_eval / n + model.s2_cal / m <= wanted * (1 + 1e-12)
    ]
    return min(options)[0]


@pytest.mark.parametrize(
    ("model", "price_label", "detectable"),
    [
        (VarianceModel(0.06, 0.03), 16, 0.13),
        (VarianceModel(0.04, 0.5), 3, 0.25),
        (VarianceModel(0.0, 0.1), 16, 0.15),
        (VarianceModel(0.1, 0.0), 16, 0.11),
        (VarianceModel(0.01, 0.2), 1, 0.2),
        (VarianceModel(0.2, 0.01), 0.1, 0.15),
    ],
)
def test_brute_force_finds_nothing_cheaper(model, price_label, detectable):
    plan = plan_budget(model, detectable=detectable, price_label=price_label, fewest_labels=7)
    wanted = (detectable / plan.detectable * plan.standard_error) ** 2
    assert plan.cost == pytest.approx(cheapest(model, wanted, 1, price_label, 7))
    assert plan.detectable <= detectable * (1 + 1e-9)


variances = st.one_of(st.just(0.0), st.floats(1e-6, 1))


@given(
    variances,
    variances,
    st.floats(0.1, 100),
    st.floats(0.1, 100),
    st.floats(100, 1e5),
    st.integers(1, 7),
    st.sampled_from(["own", "shared"]),
)
@settings(max_examples=60, deadline=None)
def test_a_plan_keeps_its_bounds(s2_eval, s2_cal, price_score, price_label, budget, policies, labels):
    model = VarianceModel(s2_eval, s2_cal)
    options = {"price_score": price_score, "price_label": price_label, "n_policies": policies, "labels": labels}
    plan = plan_budget(model, budget=budget, **options)
    if plan.reason is not None:
        per_label = price_label * (policies if labels == "own" else 1)
        affordable = budget >= 30 * (policies * price_score + per_label) * (1 + 1e-9)
        assert s2_eval + s2_cal == 0 or not affordable
        assert math.isnan(plan.n_prompts)
        assert math.isnan(plan.standard_error)
        return
    assert 30 <= plan.n_labels <= plan.n_prompts
    assert plan.cost <= budget * (1 + 1e-6)
    more = plan_budget(model, budget=2 * budget, **options)
    assert more.standard_error <= plan.standard_error
    back = plan_budget(model, detectable=plan.detectable, **options)
    assert back.detectable <= plan.detectable * (1 + 1e-9)
    assert back.cost <= plan.cost * (1 + 1e-9)


def test_cost_of_labelling_everything():
    # five policies, 4,961 prompts, 250 labels at 16 times the price: the published "14 times cheaper"
    s2_cal = (250 / 4961) ** 2 * 16 / 5 * 0.05
    options = {"price_label": 16, "n_policies": 5, "labels": "shared"}
    plan = plan_budget(VarianceModel(0.05, s2_cal), budget=5 * 4961 + 250 * 16 + 0.01, **options)
    assert (plan.n_prompts, plan.n_labels) == (4961, 250)
    assert plan.cost_all_labels / plan.cost == pytest.approx(13.778, abs=5e-4)


def test_own_labels_cost_one_for_every_policy():
    own = plan_budget(SHEET, budget=5000, price_label=16, n_policies=3)
    dear = plan_budget(SHEET, budget=5000, price_label=48, n_policies=3, labels="shared")
    assert (own.n_prompts, own.n_labels, own.cost) == (dear.n_prompts, dear.n_labels, dear.cost)
    assert own.cost == 3 * own.n_prompts + 3 * 16 * own.n_labels
    assert own.cost_all_labels == 3 * 16 * own.n_prompts


def test_pairing_makes_differences_easier():
    apart, paired = (plan_budget(SHEET, budget=1000, price_label=16, correlation=rho) for rho in (0.0, 0.75))
    assert paired.standard_error == apart.standard_error
    assert paired.detectable == pytest.approx(apart.detectable / 2)
    assert paired.power(0.05) > apart.power(0.05)
    costs = [plan_budget(SHEET, detectable=0.05, price_label=16, correlation=rho).cost for rho in (0.0, 0.75)]
    assert costs[1] == pytest.approx(costs[0] / 4, rel=1e-2)


@pytest.mark.parametrize("correlation", [0.0, 0.6])
def test_power_by_simulation(correlation):
    plan = plan_budget(SHEET, budget=1000, price_label=16, correlation=correlation)
    rng = np.random.default_rng(6)
    spread = plan.standard_error * math.sqrt(2 * (1 - correlation))
    found = np.abs(rng.normal(plan.detectable, spread, 40_000)) > 1.959964 * spread
    assert found.mean() == pytest.approx(0.8, abs=8e-3)
    assert plan.power(plan.detectable) == pytest.approx(0.8, abs=1e-6)
    assert plan.power(0.0) == pytest.approx(0.05, abs=1e-9)


def test_a_judge_of_known_quality():
    model = VarianceModel.from_quality(0.36, label_sd=0.4)
    assert model.s2_eval == pytest.approx(0.36 * 0.16)
    assert model.s2_cal == pytest.approx(0.64 * 0.16)
    useless, perfect = VarianceModel.from_quality(0.0), VarianceModel.from_quality(1.0)
    assert plan_budget(useless, budget=1700, price_label=16).n_labels == 100  # as many labels as prompts
    assert plan_budget(perfect, budget=1700, price_label=16).n_labels == 30
    with pytest.raises(ArgumentError, match="s2_cal must be 0 or more"):
        VarianceModel(0.1, -0.1)
    with pytest.raises(ArgumentError, match="label_sd must be positive"):
        VarianceModel.from_quality(0.5, label_sd=0)
    with pytest.raises(ArgumentError, match="r_squared must be in"):
        VarianceModel.from_quality(36)


def world(n, m, rng, *, noise=0.1):
    quality = rng.beta(2, 2, n)
    score = np.clip(np.round(20 * (0.25 + 0.75 * quality**0.7 + rng.normal(0, noise, n))) / 20, 0, 1)
    label = np.clip(quality + rng.normal(0, 0.15, n), 0, 1)
    label[rng.permutation(n)[m:]] = math.nan
    return score, label


def estimate(score, label):
    n = len(score)
    folds = balanced_folds(n, np.flatnonzero(~np.isnan(label)), n_folds=5)
    fit = calibrate(score, label, fold=folds.of(np.arange(n)), mode="monotone", n_folds=folds.n_folds)
    return augmented(Judged("p", np.arange(n), score, label), fit, folds).value


@pytest.mark.parametrize("noise", [0.1, 0.3])
def test_the_planned_precision_is_what_comes_out(noise):
    """The spread of 700 estimates at the planned size is within 10% of the planned standard error."""
    rng = np.random.default_rng(31)
    pilots = [fit_variance_model(*world(600, 200, rng, noise=noise)) for _ in range(5)]
    plans = [plan_budget(pilot, budget=2400, price_label=16) for pilot in pilots]
    for plan in plans:
        assert plan.standard_error == pytest.approx(plans[0].standard_error, rel=0.1)  # one pilot is as good as another
    n, m = plans[0].n_prompts, plans[0].n_labels
    spread = np.std([estimate(*world(n, m, rng, noise=noise)) for _ in range(700)], ddof=1)
    planned = np.mean([math.sqrt(pilot.variance(n, m)) for pilot in pilots])
    assert planned == pytest.approx(spread, rel=0.1)  # estimated; its own error is 3%


def test_subsampling_measures_at_sizes_where_calibrators_are_poor():
    """The published way plans larger standard errors than the moments, which match what comes out."""
    rng = np.random.default_rng(32)
    score, label = world(400, 130, rng)
    moments = fit_variance_model(score, label)
    drawn = fit_variance_model(score, label, method="subsampling", n_repeats=20, rng=3)
    assert drawn == fit_variance_model(score, label, method="subsampling", n_repeats=20, rng=3)
    assert drawn.r_squared > 0.85
    assert drawn.reason is None
    assert (drawn.n, drawn.m) == (400, 130)
    ratio = math.sqrt(drawn.variance(1000, 100) / moments.variance(1000, 100))
    assert 1.0 < ratio < 1.35


def test_moments_split_the_variance_of_the_labels():
    rng = np.random.default_rng(33)
    score, label = world(4000, 4000, rng)
    model = fit_variance_model(score, label)
    assert model.s2_eval + model.s2_cal == pytest.approx(label.var(ddof=1), rel=0.02)  # estimated: cross-fitted
    assert (model.n, model.m, model.source) == (4000, 4000, "moments")
    quality = model.s2_eval / (model.s2_eval + model.s2_cal)
    again = VarianceModel.from_quality(quality, label_sd=label.std(ddof=1))
    assert again.s2_cal == pytest.approx(model.s2_cal, rel=0.02)  # estimated


def test_several_answers_to_a_prompt_count_as_one():
    rng = np.random.default_rng(34)
    score, label = world(300, 150, rng)
    alone = fit_variance_model(score, label)
    copied = fit_variance_model(np.tile(score, 3), np.tile(label, 3), prompt=np.tile(np.arange(300), 3))
    assert (copied.n, copied.m) == (alone.n, alone.m)
    assert copied.s2_eval == pytest.approx(alone.s2_eval, rel=1e-9)
    assert copied.s2_cal == pytest.approx(alone.s2_cal, rel=1e-9)


def test_pilots_that_say_nothing():
    rng = np.random.default_rng(35)
    score, label = world(100, 40, rng)
    with pytest.raises(ArgumentError, match="label must be known for at least 15 prompts, got 14"):
        fit_variance_model(score, np.where(np.cumsum(~np.isnan(label)) <= 14, label, math.nan))
    equal = fit_variance_model(score, np.where(np.isnan(label), math.nan, 0.5))
    assert equal.reason is Reason.ALL_EQUAL
    few = fit_variance_model(score, label, method="subsampling", rng=1)
    assert few.reason is Reason.TOO_FEW
    for model in (equal, few):
        plan = plan_budget(model, budget=1000, price_label=16)
        assert plan.reason is model.reason
        assert math.isnan(plan.n_prompts)
        json.dumps(plan.to_dict(), allow_nan=False)
        assert str(model.reason) in str(plan)
    constant = fit_variance_model(np.full(100, 0.5), label)
    assert constant.s2_eval == 0
    assert constant.s2_cal == pytest.approx(np.nanvar(label, ddof=1), rel=0.2)  # estimated: leave-fold-out means


def test_a_badly_fitting_model_keeps_its_numbers_with_a_flag():
    flagged = VarianceModel(0.06, 0.03, "subsampling", 100, 50, 0.4, ("explains 40%",), Reason.POOR_FIT)
    plan = plan_budget(flagged, budget=1000, price_label=16)
    assert plan.n_prompts == 261
    assert plan.reason is Reason.POOR_FIT
    assert "explains 40%" in str(plan)


def test_results_render_themselves():
    plan = plan_budget(SHEET, budget=1000, price_label=16)
    assert "261" in str(plan)
    assert plan.table().to_dict()["n_labels"] == [46]
    assert json.loads(json.dumps(plan.to_dict(), allow_nan=False))["variance"]["s2_eval"] == 0.06
    assert "<table>" in plan._repr_html_()
    assert SHEET.table().rows[0][:2] == (0.06, 0.03)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "budget must be given, or else detectable, got 'neither'"),
        ({"budget": 1000, "detectable": 0.03}, "got 'both'"),
        ({"budget": -1}, "budget must be positive"),
        ({"detectable": 0}, "detectable must be positive"),
        ({"budget": 1000, "price_score": 0}, "price_score must be positive"),
        ({"budget": 1000, "correlation": 1}, "correlation must be in"),
        ({"budget": 1000, "power": 80}, "power must be in"),
        ({"budget": 1000, "level": 95}, "Did you mean 0.95"),
        ({"budget": 1000, "n_policies": 0}, "n_policies must be"),
        ({"budget": 1000, "fewest_labels": 1}, "fewest_labels must be"),
    ],
)
def test_arguments_are_checked(options, message):
    with pytest.raises(ArgumentError, match=message):
        plan_budget(SHEET, price_label=16, **options)


def test_a_budget_that_is_too_small():
    assert plan_budget(SHEET, budget=509.9, price_label=16).reason is Reason.NOT_REACHABLE
    exact = plan_budget(SHEET, budget=510, price_label=16)
    assert (exact.n_prompts, exact.n_labels) == (30, 30)


def pilot_records(seed=4, sizes=(("a", 230, 60), ("b", 230, 110), ("c", 170, 9))):
    """Binary labels whose chance is the score, on the first prompts of each model."""
    rng = np.random.default_rng(seed)
    parts = {"item": [], "model": [], "score": [], "label": []}
    for name, n, m in sizes:
        score = rng.integers(0, 11, n) / 10
        label = np.where(rng.random(n) < score, 1.0, 0.0)
        label[m:] = math.nan
        parts["item"] += [f"q{i:03d}" for i in range(n)]
        parts["model"] += [name] * n
        parts["score"] += score.tolist()
        parts["label"] += label.tolist()
    return parts


def test_a_pilot_of_records_is_the_mean_over_the_labelled_models():
    records = pilot_records()
    arrays = {name: np.array(column) for name, column in records.items()}
    parts = {
        name: fit_variance_model(arrays["score"][rows], arrays["label"][rows])
        for name in "ab"
        for rows in [arrays["model"] == name]
    }
    found = pilot_variance(records)
    assert found.s2_eval == pytest.approx((parts["a"].s2_eval + parts["b"].s2_eval) / 2)
    assert found.s2_cal == pytest.approx((parts["a"].s2_cal + parts["b"].s2_cal) / 2)
    assert (found.n, found.m, found.source) == (230, 60, "moments, 2 models")
    alone = pilot_variance(records, models="b")
    assert (alone.s2_eval, alone.s2_cal) == (parts["b"].s2_eval, parts["b"].s2_cal)
    assert alone.source == "moments"


def test_a_pilot_of_records_counts_prompts_not_rows():
    records = pilot_records(sizes=(("a", 230, 60),))
    twice = {name: column * 2 for name, column in records.items()}
    one, two = pilot_variance(records), pilot_variance(twice)
    assert (one.n, one.m) == (two.n, two.m)
    assert two.s2_eval == pytest.approx(one.s2_eval, rel=1e-9)
    spread = pilot_variance(records | {"task": ["t"] * 115 + ["u"] * 115, "item": [i % 115 for i in range(230)]})
    assert spread.n == 230  # an item is known by its task too
    grouped = pilot_variance(records | {"topic": [i // 2 for i in range(230)]}, cluster="topic", label="label")
    assert (grouped.n, grouped.m) == (115, 30)


def test_a_pilot_of_records_that_cannot_be_used():
    records = pilot_records()
    with pytest.raises(ArgumentError, match="models must be a model of the records, got 'd'"):
        pilot_variance(records, models="d")
    with pytest.raises(RecordsError, match="c has 9 labelled prompts; a pilot needs 15"):
        pilot_variance(records, models=("a", "c"))
    with pytest.raises(RecordsError, match="no model has the 15 labelled prompts that a pilot needs; most: 9"):
        pilot_variance(pilot_records(sizes=(("c", 170, 9), ("d", 170, 2))))
    with pytest.raises(RecordsError, match="several metrics"):
        pilot_variance(records | {"metric": ["m", "k"] * 315})
    with pytest.raises(ArgumentError, match="label must be between 0 and 1"):
        pilot_variance(records | {"label": [3 * value for value in records["label"]]})
    same = pilot_variance(records | {"label": [value if math.isnan(value) else 1.0 for value in records["label"]]})
    assert same.reason is Reason.ALL_EQUAL
    assert plan_budget(same, budget=1000, price_label=16).reason is Reason.ALL_EQUAL
