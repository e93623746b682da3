"""The transport audit: golden numbers, the five verdicts, what it refuses, and how often it errs."""

from __future__ import annotations

import csv
import json
import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neff.errors import ArgumentError, RecordsError
from neff.evaluate.auditing.from_records import audit
from neff.evaluate.auditing.size import chance_to_hold, plan_audit
from neff.evaluate.auditing.transport import transport
from neff.evaluate.calibrating.calibration import calibrate
from neff.reasons import Reason
from neff.results import Verdict

# The prompts of the probe of `clone` in cimo-labs/cje, examples/arena_sample/probe_slice.
CLONE_PROBE = (
    22, 105, 112, 121, 123, 474, 494, 504, 547, 604, 805, 881, 901, 1136, 1278, 1301, 1309, 1319, 1353, 1407, 1574,
    1592, 2148, 2154, 2411, 2733, 2736, 2912, 3294, 3681, 3757, 3917, 3935, 3990, 4263, 4338, 4560, 4726, 4742, 4805,
    4947, 4980, 4988, 5107, 5141, 5464, 5484, 5913, 6089, 6531,
)  # fmt: skip


@pytest.fixture(scope="module")
def arena(neff_data):
    with (neff_data / "arena1000_labels.csv").open() as file:
        return list(csv.DictReader(file))


def columns_of(rows):
    return {
        "item": [row["prompt_id"] for row in rows],
        "model": [row["policy"] for row in rows],
        "score": [float(row["judge_score"]) for row in rows],
        "label": [float(row["oracle_label"] or "nan") for row in rows],
    }


def monotone(columns):
    return calibrate(columns["score"], columns["label"], fold=np.arange(len(columns["score"])) % 5, mode="monotone")


def residuals(value, standard_error, n):
    """n numbers with exactly this mean and standard error."""
    z = np.random.default_rng(8).normal(size=n)
    z = (z - z.mean()) / z.std(ddof=1)
    return value + standard_error * math.sqrt(n) * z


def test_probe_of_clone(arena):
    wanted = {f"arena_{k}" for k in CLONE_PROBE}
    base = columns_of([row for row in arena if row["policy"] == "base"])
    probe = columns_of([row for row in arena if row["policy"] == "clone" and row["prompt_id"] in wanted])
    found = audit(probe, calibration=monotone(base), n_policies_in_family=3, margin=0.05, fitted_on=base)
    row = found.row("clone")
    assert row.n == 50
    assert row.residual == pytest.approx(0.0048994, abs=5e-8)  # cje-eval 0.3.0
    assert row.standard_error == pytest.approx(0.0274447, abs=5e-8)
    assert row.verdict is Verdict.UNDECIDED  # there: PASS, because 0 is inside
    assert not found.notes


@pytest.mark.parametrize(
    ("residual", "standard_error", "interval", "verdict"),
    [
        (0.0041578, 0.0271460, (-0.06314, 0.07145), Verdict.UNDECIDED),
        (0.0226819, 0.0210219, None, Verdict.UNDECIDED),
        (-0.3311642, 0.0358773, (-0.42010, -0.24223), Verdict.FAILS),
    ],
)
def test_intervals_and_verdicts_of_the_reference(residual, standard_error, interval, verdict):
    # cje-eval 0.9.3: 50 probe prompts, three policies, margin 0.05
    found = transport(residuals(residual, standard_error, 50), margin=0.05, n_policies_in_family=3)
    assert found.standard_error == pytest.approx(standard_error, rel=1e-12)
    assert found.df == 49
    if interval is not None:
        assert found.interval == pytest.approx(interval, abs=1e-5)
    assert found.verdict is verdict
    assert found.margin_to_hold == max(abs(end) for end in found.interval)


def test_the_five_verdicts():
    close, far = residuals(0.01, 0.01, 60), residuals(0.3, 0.01, 60)
    assert transport(close, margin=0.05).verdict is Verdict.HOLDS
    assert transport(far, margin=0.05).verdict is Verdict.FAILS
    assert transport(-far, margin=0.05).verdict is Verdict.FAILS
    assert transport(close, margin=0.02).verdict is Verdict.UNDECIDED
    assert transport(close).verdict is Verdict.NOT_GRADED
    nothing = transport([math.nan, math.nan], margin=0.05)
    assert (nothing.verdict, nothing.reason, nothing.n_unlabelled) == (Verdict.NOT_CHECKED, Reason.NO_LABELS, 2)
    assert transport([0.1], weights=[0.0], margin=0.05).reason is Reason.ZERO_WEIGHT


def test_the_smallest_margin_that_would_hold_is_just_that():
    values = residuals(0.01, 0.01, 60)
    least = transport(values).margin_to_hold
    assert transport(values, margin=least).verdict is Verdict.HOLDS
    assert transport(values, margin=least * (1 - 1e-9)).verdict is Verdict.UNDECIDED


def test_fewer_than_20_effective_clusters_never_hold():
    assert transport(residuals(0.0, 1e-6, 19), margin=0.5).verdict is Verdict.UNDECIDED
    assert transport(residuals(0.0, 1e-6, 20), margin=0.5).verdict is Verdict.HOLDS
    assert transport(residuals(0.9, 1e-6, 3), margin=0.5).verdict is Verdict.FAILS
    weights = np.r_[np.full(30, 1.0), 30.0]  # 31 clusters that are worth 60^2 / 930 = 3.9
    found = transport(residuals(0.0, 1e-6, 31), weights=weights, margin=0.5)
    assert found.n_clusters == 31
    assert found.n_eff == pytest.approx(3600 / 930)
    assert found.df == 2
    assert found.verdict is Verdict.UNDECIDED


rows = st.lists(
    st.tuples(st.integers(-8, 8).map(lambda k: k / 8), st.integers(0, 6), st.integers(0, 3)), min_size=2, max_size=31
)


@given(rows)
@settings(max_examples=80, deadline=None)
def test_clusters_and_weights_by_the_formula(some):
    r, cluster, v = (np.array(column, float) for column in zip(*some, strict=True))
    found = transport(r, cluster=cluster, weights=v, margin=0.3)
    used = v > 0
    if not used.any():
        assert found.reason is Reason.ZERO_WEIGHT
        return
    delta = np.average(r[used], weights=v[used])
    assert found.residual == pytest.approx(delta, abs=1e-12)
    groups = np.unique(cluster[used])
    mass = np.array([v[cluster == g].sum() for g in groups])
    totals = np.array([(v * (r - delta))[cluster == g].sum() for g in groups])
    assert found.n_eff == pytest.approx(mass.sum() ** 2 / np.square(mass).sum())
    twice = transport(np.repeat(r, 2), cluster=np.repeat(cluster, 2), weights=np.repeat(v, 2), margin=0.3)
    assert twice.residual == pytest.approx(found.residual, abs=1e-12)
    if math.isnan(found.standard_error):
        assert found.reason in {Reason.ONE_CLUSTER, Reason.ALL_EQUAL, Reason.EQUAL_CLUSTERS}
        assert found.verdict is Verdict.UNDECIDED
        return
    c = len(groups)
    assert found.standard_error == pytest.approx(math.sqrt(c / (c - 1) * np.square(totals).sum()) / v.sum(), rel=1e-9)
    assert twice.standard_error == pytest.approx(found.standard_error, rel=1e-9)
    order = np.argsort(r, kind="stable")
    again = transport(r[order], cluster=cluster[order], weights=v[order], margin=0.3)
    assert again.standard_error == pytest.approx(found.standard_error, rel=1e-9)
    assert again.verdict is found.verdict


@pytest.mark.parametrize(
    ("values", "cluster", "reason"),
    [
        ([0.2], None, Reason.ONE_CLUSTER),
        ([0.2, 0.4], [1, 1], Reason.ONE_CLUSTER),
        ([0.2] * 30, None, Reason.ALL_EQUAL),
        ([0.1, 0.3] * 30, np.repeat(np.arange(30), 2), Reason.EQUAL_CLUSTERS),
    ],
)
def test_no_interval_no_verdict(values, cluster, reason):
    found = transport(values, cluster=cluster, margin=0.5)
    assert found.reason is reason
    assert math.isnan(found.standard_error)
    assert math.isnan(found.margin_to_hold)
    assert found.verdict is Verdict.UNDECIDED
    assert str(reason) in str(found)
    json.dumps(found.to_dict(), allow_nan=False)


@pytest.mark.parametrize("bias", [0.05, -0.05])
def test_at_the_margin_each_wrong_verdict_is_as_rare_as_promised(bias):
    """At a true residual equal to the margin, holds and fails have a chance of 2.5% each (exact for normal ones)."""
    rng = np.random.default_rng(17)
    n = 3000
    verdicts = [transport(rng.normal(bias, 0.1, 61), margin=0.05).verdict for _ in range(n)]
    band = 3.3 * math.sqrt(0.025 * 0.975 / n)
    assert abs(verdicts.count(Verdict.HOLDS) / n - 0.025) < band
    assert abs(verdicts.count(Verdict.FAILS) / n - 0.025) < band


def test_a_family_shares_the_error():
    """With three policies at the margin the chance that any holds is about 2.5%, and below it."""
    rng = np.random.default_rng(18)
    n = 1000
    wrong = 0
    for _ in range(n):
        found = [transport(rng.normal(0.05, 0.1, 61), margin=0.05, n_policies_in_family=3).verdict for _ in range(3)]
        wrong += Verdict.HOLDS in found
    assert abs(wrong / n - (1 - (1 - 0.025 / 3) ** 3)) < 3.3 * math.sqrt(0.025 * 0.975 / n)


def test_coverage_with_clusters_and_skewed_residuals():
    rng = np.random.default_rng(19)
    n, covered = 4000, 0
    cluster = np.repeat(np.arange(97), 3)
    for _ in range(n):
        values = rng.exponential(0.1, 97)[cluster] + rng.normal(0, 0.1, 291) - 0.1
        low, high = transport(values, cluster=cluster).interval
        covered += low <= 0 <= high
    assert 0.93 < covered / n < 0.96


@pytest.mark.parametrize(
    ("options", "n_prompts", "power"),
    [
        ({}, 171, 0.8032),
        ({"bias": 0.02}, 351, None),
        ({"margin": 0.03}, 469, None),
        ({"n_policies": 3}, 289, 0.9333),
    ],
)
def test_size_of_an_audit(options, n_prompts, power):
    # cje-eval 0.9.3
    plan = plan_audit(**{"margin": 0.05, "sd": 0.2} | options)
    assert plan.n_prompts == n_prompts
    if power is not None:
        assert plan.power_each == pytest.approx(power, abs=2e-4 if "n_policies" in options else 5e-5)
    assert plan.power >= 0.8
    assert chance_to_hold(200, margin=0.05, sd=0.2) == pytest.approx(0.8809, abs=5e-5)


@pytest.mark.parametrize("bias", [0.0, 0.02])
def test_the_planned_audit_holds_as_often_as_planned(bias):
    plan = plan_audit(margin=0.05, sd=0.2, bias=bias)
    rng = np.random.default_rng(20)
    n = 1500
    holds = sum(
        transport(rng.normal(bias, 0.2, plan.n_prompts), margin=0.05).verdict is Verdict.HOLDS for _ in range(n)
    )
    assert abs(holds / n - plan.power_each) < 3.3 * math.sqrt(0.8 * 0.2 / n)


def test_audit_size_is_the_smallest_and_grows_with_what_is_asked():
    plan = plan_audit(margin=0.07, sd=0.3, bias=-0.01, power=0.9)
    assert plan.power >= 0.9 > chance_to_hold(plan.n_prompts - 1, margin=0.07, sd=0.3, bias=-0.01)
    assert plan.n_prompts == plan_audit(margin=0.07, sd=0.3, bias=0.01, power=0.9).n_prompts
    assert plan.n_prompts == plan_audit(margin=7, sd=30, bias=1, power=0.9).n_prompts
    sizes = [plan_audit(margin=0.05, sd=0.2, bias=b).n_prompts for b in (0, 0.01, 0.02, 0.03, 0.04)]
    assert sizes == sorted(sizes)
    assert plan_audit(margin=1, sd=0.01).n_prompts == 20
    assert chance_to_hold(19, margin=1, sd=0.01) == 0
    never = plan_audit(margin=0.05, sd=0.2, bias=0.05)
    assert never.reason is Reason.NOT_REACHABLE
    for each in (plan, never):
        json.dumps(each.to_dict(), allow_nan=False)
    assert "not reachable" in str(never)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"margin": 0}, "margin must be positive"),
        ({"margin": None}, "margin must be given"),
        ({"sd": 0}, "sd must be positive"),
        ({"power": 80}, "power must be in"),
        ({"level": 95}, "Did you mean 0.95"),
        ({"n_policies": 0}, "n_policies must be"),
        ({"bias": math.inf}, "bias must be finite"),
    ],
)
def test_arguments_of_the_size_are_checked(options, message):
    with pytest.raises(ArgumentError, match=message):
        plan_audit(**{"margin": 0.05, "sd": 0.2} | options)


def test_labels_of_one_file(arena):
    """Calibrated on base: unhelpful fails, whatever the margin of 0.05 says about the other two."""
    found = audit(columns_of(arena), calibrate_on="base", margin=0.05)
    assert [row.policy for row in found.rows] == ["clone", "parallel_universe_prompt", "unhelpful"]
    assert found.n_policies_in_family == 3
    assert found.row("unhelpful").verdict is Verdict.FAILS
    assert found.row("unhelpful").residual == pytest.approx(-0.272, abs=5e-3)
    assert found.row("clone").verdict is Verdict.HOLDS
    assert found.row("clone").n == 500
    assert found.row("clone").n_unlabelled == 500
    for policy, parts in found.deciles.items():
        assert sum(part.n for part in parts) == found.row(policy).n
        assert sum(part.n * part.residual for part in parts) / 500 == pytest.approx(found.row(policy).residual)
        assert all(a.high < b.low for a, b in pairwise(parts))
    assert "unhelpful" in str(found)
    assert len(found.deciles_table()) == sum(map(len, found.deciles.values()))
    json.dumps(found.to_dict(), allow_nan=False)


def small(n=60, model="new", shift=0.0, first=0, seed=0):
    rng = np.random.default_rng(seed)
    score = rng.integers(0, 11, n) / 10
    label = np.clip(0.1 + 0.8 * score + shift + rng.normal(0, 0.05, n), 0, 1)
    return {"item": np.arange(first, first + n), "model": [model] * n, "score": score, "label": label}


def test_a_calibration_by_records_or_fitted_gives_the_same():
    source = small(model="old", seed=1)
    fitted = audit(small(), calibration=source, mode="monotone", margin=0.1)
    assert not fitted.notes
    by_object = audit(small(), calibration=monotone(source), fitted_on=source, margin=0.1)
    assert by_object.row("new").interval == pytest.approx(fitted.row("new").interval, abs=1e-12)
    assert by_object.row("new").verdict is fitted.row("new").verdict
    unknown = audit(small(), calibration=monotone(source), margin=0.1)
    assert "not checked whether probe rows" in unknown.notes[0]
    assert unknown.row("new") == by_object.row("new")


def test_rows_that_the_calibration_has_seen_are_refused():
    source = small(model="new", seed=1)
    for options in ({"calibration": source}, {"calibration": monotone(source), "fitted_on": source}):
        with pytest.raises(
            ArgumentError, match=r"probe must be rows that the calibration has not seen, got '1 labelled"
        ):
            audit(small(model="new", first=59), margin=0.1, **options)
    unlabelled = {**source, "label": np.r_[source["label"][:59], math.nan]}
    assert audit(small(model="new", first=59), calibration=unlabelled, margin=0.1).row("new").n == 60


def test_a_model_without_labels_is_not_checked_and_costs_nothing():
    probe = small()
    probe = {name: np.r_[column, column] for name, column in probe.items()}
    probe["model"] = ["new"] * 60 + ["other"] * 60
    probe["label"] = np.r_[probe["label"][:60], np.full(60, math.nan)]
    found = audit(probe, calibration=small(model="old", seed=1), margin=0.1)
    assert found.n_policies_in_family == 1
    assert found.row("other").verdict is Verdict.NOT_CHECKED
    assert found.row("other").n_unlabelled == 60
    assert "other" not in found.deciles
    without = {name: column for name, column in small().items() if name != "label"}
    assert audit(without, calibration=small(model="old", seed=1)).row("new").verdict is Verdict.NOT_CHECKED


def test_unscored_rows_are_named():
    probe = small()
    probe["score"] = np.r_[math.nan, math.nan, probe["score"][2:]]
    found = audit(probe, calibration=small(model="old", seed=1), margin=0.1)
    assert found.row("new").n == 58
    assert found.notes == ("2 labelled rows of new have no score and are left out.",)


def test_clusters_and_weights_of_records():
    probe = {**small(), "cluster": np.arange(60) // 3, "weight": np.arange(60) % 5 + 1.0}
    fit = monotone(small(model="old", seed=1))
    found = audit(probe, calibration=fit).row("new")
    residual = probe["label"] - fit.predict(probe["score"])
    by_hand = transport(residual, cluster=probe["cluster"], weights=probe["weight"], policy="new")
    assert found.interval == pytest.approx(by_hand.interval, abs=1e-12)
    assert found.n_eff == pytest.approx(by_hand.n_eff)
    assert found.n_clusters == 20


def test_covariates_are_used():
    rng = np.random.default_rng(4)
    length = rng.integers(1, 9, 400).astype(float)
    score = rng.integers(0, 11, 400) / 10
    label = 0.5 + 0.05 * (length - 4.5) + 0.2 * (score - 0.5)
    records = {
        "item": np.arange(400),
        "model": ["old"] * 300 + ["new"] * 100,
        "score": score,
        "label": label,
        "length": np.r_[length[:300], np.sort(length)[-100:]],
    }
    records["label"] = 0.5 + 0.05 * (records["length"] - 4.5) + 0.2 * (score - 0.5)
    blind = audit(records, calibrate_on="old", margin=0.02).row("new")
    seeing = audit(records, calibrate_on="old", margin=0.02, covariates=["length"]).row("new")
    assert blind.verdict is Verdict.FAILS
    assert seeing.verdict is Verdict.HOLDS
    with pytest.raises(ArgumentError, match="covariates must be columns of numbers"):
        audit(records, calibrate_on="old", covariates=["lenght"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "calibration must be given, or else calibrate_on, got 'neither'"),
        ({"calibration": small(model="old"), "calibrate_on": "old"}, "got 'both'"),
        ({"calibrate_on": "nobody"}, "calibrate_on must be a model of the records"),
        ({"calibration": small(model="old"), "margin": -0.1}, "margin must be positive"),
        ({"calibration": small(model="old"), "level": 95}, "Did you mean 0.95"),
        ({"calibration": {**small(model="old"), "label": [math.nan] * 60}}, "calibration must be records with labels"),
    ],
)
def test_arguments_are_checked(options, message):
    with pytest.raises(ArgumentError, match=message):
        audit(small(), **options)


def test_several_metrics_are_refused():
    probe = {**small(), "metric": ["a", "b"] * 30}
    source = {**small(model="old"), "metric": ["a"] * 60}
    with pytest.raises(RecordsError, match="several metrics"):
        audit(probe, calibration=source, metric="metric", label="label")


def test_a_label_column_that_was_not_used_is_named():
    found = audit(small(), calibration=monotone(small(model="old", seed=1)), score="score")
    assert found.row("new").verdict is Verdict.NOT_CHECKED
    assert any("column 'label' was not used" in note for note in found.notes)


def test_an_unknown_policy_names_the_known_ones():
    with pytest.raises(KeyError, match="there are"):
        audit(small(), calibration=small(model="old", seed=1)).row("nobody")
