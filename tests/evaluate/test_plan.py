"""plan: the numbers keep their promise in simulation, and edge cases have reasons."""

from __future__ import annotations

import math

import numpy as np
import pytest

from neff.errors import ArgumentError
from neff.evaluate import evaluate, minimum_detectable_effect, plan
from neff.reasons import Reason
from neff.records import Records
from neff.results import Comparison


def two_models(x, y, clusters=()):
    """Rows from (n_items, n_draws) arrays of two models."""
    n, k = x.shape
    return Records.build(
        item=np.tile(np.repeat(np.arange(n), k), 2).tolist(),
        model=["a"] * (n * k) + ["b"] * (n * k),
        score=np.r_[x.ravel(), y.ravel()],
        clusters=[np.tile(np.repeat(c, k), 2).tolist() for c in clusters],
    )


def test_minimum_detectable_effect_by_hand():
    comparison = Comparison("a", "b", 0.0, standard_error=0.05)
    assert minimum_detectable_effect(comparison) == pytest.approx((1.959963985 + 0.841621234) * 0.05, rel=1e-8)
    ten = minimum_detectable_effect(comparison, n_comparisons=10)
    assert ten == pytest.approx((2.807033768 + 0.841621234) * 0.05, rel=1e-8)
    assert math.isnan(minimum_detectable_effect(Comparison("a", "b", 0.0)))


def test_needed_items_scale_with_the_inverse_square():
    rng = np.random.default_rng(1)
    records = two_models(rng.normal(size=(101, 1)), rng.normal(size=(101, 1)))
    wide, narrow = (plan(records, difference=d).rows[0] for d in (0.05, 0.005))
    assert narrow.items_needed / wide.items_needed == pytest.approx(100, rel=1e-3)
    assert wide.items_low < wide.items_needed < wide.items_high
    assert wide.detectable == narrow.detectable


def test_the_planned_number_of_items_has_the_planned_power():
    """Draw that many items 2,000 times: the share of significant t tests is the power, within 4 standard errors."""
    rng = np.random.default_rng(2)
    sd, target = 0.8, 0.25
    pilot = rng.normal(size=(997, 1))
    other = pilot + sd * rng.normal(size=(997, 1))
    measured = float(np.std(other - pilot, ddof=1))
    row = plan(two_models(other, pilot), difference=target * measured / sd).rows[0]
    n = int(row.items_needed)
    assert 50 < n < 150
    d = rng.normal(target, sd, size=(2000, n))
    t = d.mean(axis=1) / (d.std(axis=1, ddof=1) / math.sqrt(n))
    from scipy.special import stdtrit

    power = float(np.mean(np.abs(t) > stdtrit(n - 1, 0.975)))
    assert abs(power - 0.8) < 4 * math.sqrt(0.8 * 0.2 / 2000)


def test_draws_that_would_do_and_draws_that_never_will():
    rng = np.random.default_rng(3)
    n, k, sampling = 211, 3, 1.0
    effect = 0.3 * rng.normal(size=(n, 1))
    x = effect + rng.normal(0, sampling, size=(n, k))
    y = rng.normal(0, sampling, size=(n, k))
    reachable = plan(two_models(x, y), difference=0.1).rows[0]
    assert reachable.draws_now == 3
    factor = (1.9713 + 0.8434) ** 2  # t quantiles with 210 degrees of freedom
    expected = 2 * sampling**2 / (n * 0.1**2 / factor - 0.3**2)
    assert reachable.draws_needed == pytest.approx(expected, rel=0.35)  # the variances are estimated
    never = plan(two_models(x, y), difference=0.001).rows[0]
    assert math.isnan(never.draws_needed)
    assert never.reason is Reason.NOT_REACHABLE


def test_without_repeats_nobody_knows_what_draws_bring():
    rng = np.random.default_rng(4)
    made = plan(two_models(rng.normal(size=(31, 1)), rng.normal(size=(31, 1))), difference=0.1)
    assert made.rows[0].reason is Reason.NO_REPEATS
    assert math.isnan(made.rows[0].draws_needed)
    assert any("unknown" in note for note in made.notes)


def test_clusters_ask_for_more_items():
    rng = np.random.default_rng(5)
    cluster = np.repeat(np.arange(13), 7)
    shared = rng.normal(size=13)[cluster][:, None]
    x, y = shared + 0.2 * rng.normal(size=(91, 1)), 0.2 * rng.normal(size=(91, 1))
    plain = plan(two_models(x, y), difference=0.1).rows[0]
    clustered = plan(two_models(x, y, [cluster]), difference=0.1).rows[0]
    assert clustered.items_needed > 3 * plain.items_needed
    assert clustered.items_high > clustered.items_needed


def test_observed_difference_is_the_target_unless_named():
    rng = np.random.default_rng(6)
    records = two_models(rng.normal(size=(41, 1)), rng.normal(size=(41, 1)))
    made = plan(records)
    assert made.rows[0].target == abs(evaluate(records).comparisons[0].difference)
    assert any("observed" in note for note in made.notes)
    identical = plan(two_models(np.ones((5, 1)), np.ones((5, 1)))).rows[0]
    assert math.isnan(identical.items_needed)
    assert identical.reason is not None


def test_pairs_are_chosen_by_name_and_the_best_first():
    rng = np.random.default_rng(7)
    scores = rng.normal(size=(53, 3)) + np.array([0.0, 2.0, 1.0])
    records = Records.build(
        item=np.repeat(np.arange(53), 3).tolist(), model=["x", "y", "z"] * 53, score=scores.reshape(-1)
    )
    assert [(row.a, row.b) for row in plan(records).rows] == [("y", "z"), ("y", "x")]
    assert [(row.a, row.b) for row in plan(records, a="x", b="z").rows] == [("x", "z")]
    assert {row.b for row in plan(records, b="z").rows} == {"x", "y"}
    assert plan(evaluate(records)).rows == plan(records).rows


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"power": 80}, "power must be in"),
        ({"power": math.nan}, "power must be in"),
        ({"difference": 0}, "difference must be positive"),
        ({"difference": -0.1}, "difference must be positive"),
        ({"difference": math.inf}, "difference must be positive"),
        ({"level": 95}, "0.95"),
        ({"n_comparisons": 0}, "n_comparisons must be at least 1"),
        ({"a": "q"}, "a must be a model"),
    ],
)
def test_bad_options_name_the_argument(options, words):
    rng = np.random.default_rng(8)
    with pytest.raises(ArgumentError, match=words):
        plan(two_models(rng.normal(size=(5, 1)), rng.normal(size=(5, 1))), **options)


def test_one_model_cannot_be_planned_for():
    with pytest.raises(ArgumentError, match="at least two models"):
        plan(Records.build(item=[1, 2, 3], model=["m"] * 3, score=[0.1, 0.2, 0.3]))


def test_plan_renders_itself():
    import json

    rng = np.random.default_rng(9)
    made = plan(two_models(rng.normal(size=(5, 2)), rng.normal(size=(5, 2))), difference=0.5)
    assert "Items needed" in str(made)
    assert json.loads(json.dumps(made.to_dict(), allow_nan=False))["schema"] == "neff.plan/1"
    assert len(made.to_frame()) == 1
