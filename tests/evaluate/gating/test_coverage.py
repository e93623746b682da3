"""How far labels reach: golden numbers of the Arena sample, naive twins, edges."""

from __future__ import annotations

import csv
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neff.errors import ArgumentError
from neff.evaluate.calibrating.calibration import calibrate
from neff.evaluate.gating.coverage import coverage, coverage_table
from neff.evaluate.gating.reach import boundary, label_density, label_ess
from neff.evaluate.gating.selection import ks_test
from neff.evaluate.judge.data import Judged
from neff.reasons import Reason

eighths = st.integers(0, 8).map(lambda i: i / 8)
scores = st.lists(eighths, min_size=1, max_size=31)


@pytest.fixture(scope="module")
def arena(neff_data):
    """Judged answers by policy, with labels on base only."""
    with (neff_data / "arena1000_labels.csv").open() as file:
        rows = list(csv.DictReader(file))
    prompts = {name: i for i, name in enumerate(dict.fromkeys(row["prompt_id"] for row in rows))}
    policies = {}
    for policy in dict.fromkeys(row["policy"] for row in rows):
        own = [row for row in rows if row["policy"] == policy]
        label = [float(row["oracle_label"] or "nan") if policy == "base" else math.nan for row in own]
        policies[policy] = Judged(
            policy,
            np.array([prompts[row["prompt_id"]] for row in own]),
            np.array([float(row["judge_score"]) for row in own]),
            np.array(label),
        )
    return policies


@pytest.fixture(scope="module")
def fitted(arena):
    base = arena["base"]
    return calibrate(base.score, base.label, fold=base.prompt % 5, mode="monotone")


@pytest.mark.parametrize(
    ("policy", "expected"),
    [("base", 474.3), ("clone", 468.6), ("parallel_universe_prompt", 449.9), ("unhelpful", 8.8)],
)
def test_label_ess_of_the_arena_sample(arena, policy, expected):
    labelled = arena["base"].score[arena["base"].labelled]
    assert round(label_ess(arena[policy].score, labelled), 1) == expected


def test_coverage_of_the_arena_sample(arena, fitted):
    labelled = arena["base"].score[arena["base"].labelled]
    unhelpful = coverage(arena["unhelpful"], fitted, labelled_score=labelled)
    assert (unhelpful.n, unhelpful.n_labels, unhelpful.n_own, unhelpful.n_own_prompts) == (1000, 480, 0, 0)
    assert unhelpful.boundary.outside == pytest.approx(0.013)  # the 5% badge does not fire
    assert unhelpful.boundary.above == 0
    assert unhelpful.selection.reason is Reason.EMPTY
    assert unhelpful.bottom_20 < 0.02 < coverage(arena["base"], fitted, labelled_score=labelled).bottom_20
    base = coverage(arena["base"], fitted, labelled_score=labelled)
    assert (base.n_own, base.n_own_prompts) == (480, 480)
    low = arena["base"].score <= np.quantile(arena["base"].score, 0.1, method="inverted_cdf")
    assert base.bottom_10 == arena["base"].labelled[low].mean()
    assert base.selection.p_value > 0.05  # labels of base were drawn at random
    assert not base.collapsed


def test_boundary_card():
    # cje-eval 0.3.0
    card = boundary(
        [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.9, 0.95, 1, 1],
        [0.1, 0.5, 0.9],
        np.linspace(0.2, 0.8, 10),
        value_range=(0.2, 0.8),
    )
    assert card.outside == pytest.approx(0.4)
    assert card.saturation == pytest.approx(0.2)
    assert card.width == pytest.approx(0.08)


def test_width_in_label_units():
    card = boundary([0.0, 1.0], [0.5], [2.0, 4.0], value_range=(2.0, 4.0), scale=(1.0, 7.0))
    assert card.width == pytest.approx(0.5 * 1 + 0.5 * 3)


def naive_label_ess(target, labelled):
    """Weights row by row, then Kish."""
    weights = np.zeros(len(labelled))
    knots = sorted(set(labelled))
    for score in target:
        nearest = min(knots, key=lambda knot: (abs(score - knot), knot))
        rows = np.array(labelled) == nearest
        weights[rows] += 1 / rows.sum()
    return weights.sum() ** 2 / np.square(weights).sum()


@given(scores, scores)
@settings(max_examples=60, deadline=None)
def test_label_ess_is_kish_of_the_labelled_rows(target, labelled):
    found = label_ess(target, labelled)
    assert found == pytest.approx(naive_label_ess(target, labelled), rel=1e-12)
    assert found <= len(labelled) * (1 + 1e-12)
    assert label_ess(target[::-1], labelled[::-1]) == pytest.approx(found, rel=1e-12)
    assert label_ess(target, labelled * 2) == pytest.approx(2 * found, rel=1e-12)
    assert label_ess(labelled, labelled) == pytest.approx(len(labelled), rel=1e-12)


def test_label_ess_is_the_variance_of_a_curve_without_pooling():
    """sigma^2 / label_ess is what labels leave in a mean, when each score has its own mean: measured on noise."""
    rng = np.random.default_rng(5)
    labelled, target = np.repeat([0.1, 0.5, 0.9], [3, 17, 61]), np.repeat([0.1, 0.5, 0.9], [11, 5, 3])
    noise = rng.normal(size=(20_000, len(labelled)))
    share = np.bincount(np.searchsorted([0.1, 0.5, 0.9], target)) / len(target)
    means = np.stack([noise[:, labelled == score].mean(axis=1) for score in (0.1, 0.5, 0.9)])
    # 20,000 variances: standard error 1%
    assert 1 / (share @ means).var() == pytest.approx(label_ess(target, labelled), rel=0.035)  # estimated


def test_label_ess_where_there_is_nothing():
    assert math.isnan(label_ess([], [0.5]))
    assert math.isnan(label_ess([0.5], []))
    assert label_ess([0.3], [0.5]) == 1
    assert label_ess([0.7] * 7, [0.7] * 5) == pytest.approx(5)
    with pytest.raises(ArgumentError, match="label_ess: score must be free of NaN"):
        label_ess([math.nan], [0.5])


def test_label_density_counts_ties_at_the_edge():
    score = np.array([0.1] * 7 + [0.9] * 3)
    assert label_density(score, np.array([0.1, 0.1, 0.9]), lowest=0.1) == pytest.approx(2 / 7)
    assert math.isnan(label_density([], [0.1], lowest=0.1))


@given(scores, scores)
@settings(max_examples=30, deadline=None)
def test_ks_statistic_is_the_largest_gap(a, b):
    places = [*a, *b]
    gaps = [abs(np.mean(np.array(a) <= x) - np.mean(np.array(b) <= x)) for x in places]
    found = ks_test(a, b)
    assert found.statistic == pytest.approx(max(gaps), abs=1e-12)
    assert ks_test(b, a) == found
    assert ks_test(a, a).statistic == 0
    assert ks_test(a, a).p_value == 1


def test_ks_p_value_is_that_of_scipy_in_large_samples():
    from scipy.stats import ks_2samp

    rng = np.random.default_rng(12)
    a, b = rng.normal(size=1009), rng.normal(0.08, size=1511)
    found, other = ks_test(a, b), ks_2samp(a, b, method="asymp")
    assert found.statistic == pytest.approx(other.statistic, abs=1e-12)
    assert found.p_value == pytest.approx(other.pvalue, abs=1e-2)  # scipy corrects for the finite size


def test_ks_rejects_too_rarely_on_ties_and_finds_chosen_labels():
    rng = np.random.default_rng(11)
    rejected = 0
    for _ in range(400):
        score = rng.integers(0, 11, 300) / 10
        drawn = rng.permutation(300) < 60
        rejected += ks_test(score[drawn], score[~drawn]).p_value < 0.05
    assert rejected / 400 <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 400)
    assert rejected > 0
    score = rng.integers(0, 11, 300) / 10
    complaints = score < np.quantile(score, 0.2)
    assert ks_test(score[complaints], score[~complaints]).p_value < 1e-10


def constant(n, label):
    return Judged("p", np.arange(n), np.full(n, 0.4), np.full(n, label))


def test_edges_of_coverage():
    score = np.repeat([0.2, 0.5, 0.8], 7)
    fit = calibrate(score, score, fold=np.arange(21) % 3, mode="monotone")
    empty = coverage(Judged("none", np.empty(0, np.int64), np.empty(0), np.empty(0)), fit, labelled_score=score)
    assert empty.reason is Reason.EMPTY
    assert math.isnan(empty.label_ess)
    assert math.isnan(empty.floor_mass)
    assert math.isnan(empty.boundary.width)
    same = coverage(constant(5, math.nan), fit, labelled_score=score)
    assert same.label_ess == pytest.approx(7)
    assert same.boundary.outside == 0
    unlabelled = coverage(constant(5, math.nan), fit, labelled_score=[])
    assert unlabelled.reason is Reason.NO_LABELS
    for found in (empty, same, unlabelled):
        json.dumps(found.to_dict(), allow_nan=False)
    assert len(coverage_table([empty, same])) == 2
    assert "Label n_eff" in str(same)


def test_an_inverted_judge_collapses_the_curve():
    score = np.linspace(0, 1, 23)
    fit = calibrate(score, 1 - score, fold=np.arange(23) % 3, mode="monotone")
    found = coverage(Judged("p", np.arange(23), score, np.full(23, math.nan)), fit, labelled_score=score)
    assert found.collapsed
    assert found.floor_mass == 1
    assert found.boundary.saturation == 1


def test_floor_mass_and_saturation():
    score = np.repeat([0.0, 0.5, 1.0], 10)
    fit = calibrate(score, score, fold=np.arange(30) % 3, mode="monotone")
    judged = Judged("p", np.arange(4), np.array([0.0, 0.0, 0.5, 0.97]), np.full(4, math.nan))
    found = coverage(judged, fit, labelled_score=score)
    assert found.floor_mass == 0.5
    assert found.boundary.saturation == 0.75
