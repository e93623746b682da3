"""Overlap diagnostics: golden numbers of cje-eval 0.3.0, Gaussian closed forms, edges."""

from __future__ import annotations

import csv
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neff.errors import ArgumentError
from neff.evaluate.off_policy.judge_space import bhattacharyya
from neff.evaluate.off_policy.overlap import overlap, overlap_table
from neff.evaluate.off_policy.typical import typicality
from neff.reasons import Reason
from neff.stats import hill
from neff.stats._special import normal_cdf

TARGETS = ("clone", "parallel_universe_prompt", "unhelpful")

i = np.arange(20)
SCORE = ((7 * i) % 20) / 20 + 0.025
LOG_BASE = -20 - 5 * np.cos(i)
LOG_TARGET = LOG_BASE + 1.2 * np.sin(2 * i) - 0.015 * i
TOKENS = 10 + i % 7


@pytest.fixture(scope="module")
def arena(neff_data):
    with (neff_data / "arena1000_logprobs.csv").open() as file:
        logged = list(csv.DictReader(file))
    with (neff_data / "arena1000_labels.csv").open() as file:
        fresh = list(csv.DictReader(file))
    found = {}
    for policy in TARGETS:
        found[policy] = overlap(
            [float(row["base_logprob"]) for row in logged],
            [float(row[policy]) for row in logged],
            policy=policy,
            score=[float(row["judge_score"]) for row in logged],
            fresh_score=[float(row["judge_score"]) for row in fresh if row["policy"] == policy],
            length=[float(row["n_chars"]) for row in logged],
            length_unit="character",
        )
    return found


def test_small_arrays():
    found = overlap(np.full(20, -50.0), -50 + 1.5 * np.sin(i), score=SCORE)
    assert found.ess == pytest.approx(11.1843308003, abs=1e-9)
    assert found.top_share == pytest.approx(0.1365315943, abs=1e-9)
    assert found.hill.value == pytest.approx(8.2625466161, abs=1e-9)
    assert found.hellinger == pytest.approx(0.8969548914, abs=1e-9)
    assert found.judge_by_weights == pytest.approx(0.8969548914, abs=1e-9)
    assert bhattacharyya(SCORE, SCORE**2) == pytest.approx(0.8414213562, abs=1e-9)


def test_typicality_of_small_arrays():
    found = typicality(LOG_BASE, LOG_TARGET)
    assert found.ttc == 0.85
    assert found.mass == pytest.approx(0.9278078484, abs=1e-9)
    assert found.mass / math.sqrt(found.ttc) == pytest.approx(1.0063489066, abs=1e-9)
    assert found.chi2 == pytest.approx(0.5512531884, abs=1e-9)
    assert math.sqrt(1 + found.chi2) == pytest.approx(1.2454931507, abs=1e-9)
    assert found.cle == pytest.approx(1.2534006704, abs=1e-9)
    per_token = typicality(LOG_BASE, LOG_TARGET, length=TOKENS)
    assert per_token.ttc == 0.95
    assert per_token.mass == pytest.approx(0.9590236579, abs=1e-9)
    assert per_token.cle == pytest.approx(1.2575442793, abs=1e-9)
    whole = overlap(LOG_BASE, LOG_TARGET, score=SCORE)
    assert whole.ess_fraction == pytest.approx(0.6191954963, abs=1e-9)
    assert whole.judge_by_weights == pytest.approx(0.9241363665, abs=1e-9)


@pytest.mark.parametrize(
    ("policy", "ttc", "hellinger", "by_weights", "by_fresh", "near_zero", "ess_fraction"),
    [
        ("clone", 0.879, 0.9276647573, 0.9973, 0.9975, 0.0, 0.214608),
        # Hellinger: the reference puts a floor of 1e-10 under weights, which adds up to 1e-5
        ("parallel_universe_prompt", 0.424, 0.1987121092, 0.9323, 0.9888, 0.17, 0.003417),
        ("unhelpful", 0.717, 0.1161727934, 0.8472, 0.4736, 0.902, 0.007761),
    ],
)
def test_arena_sample(arena, policy, ttc, hellinger, by_weights, by_fresh, near_zero, ess_fraction):
    found = arena[policy]
    assert found.typicality.ttc == pytest.approx(ttc, abs=1e-9)
    assert found.hellinger == pytest.approx(hellinger, abs=1e-5)
    assert found.hellinger <= hellinger + 1e-10
    assert found.judge_by_weights == pytest.approx(by_weights, abs=5e-5)
    assert found.judge_by_fresh == pytest.approx(by_fresh, abs=5e-5)
    assert found.near_zero == pytest.approx(near_zero, abs=1e-9)
    assert found.ess_fraction == pytest.approx(ess_fraction, abs=5e-7)
    assert (found.n, found.n_missing, found.n_positive) == (1000, 0, 0)
    assert found.length_unit == "character"


def test_hill_of_capped_weights_of_the_arena_sample(neff_data):
    with (neff_data / "arena1000_logprobs.csv").open() as file:
        rows = list(csv.DictReader(file))
    for policy, expected in zip(TARGETS, (0.762, 0.619, 0.139), strict=True):
        log_ratio = np.array([float(row[policy]) - float(row["base_logprob"]) for row in rows])
        mean = np.log(np.mean(np.exp(log_ratio - log_ratio.max()))) + log_ratio.max()
        assert hill(np.minimum(log_ratio - mean, math.log(100))).value == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize("shift", [0.0, 0.5, 1.0])
def test_gaussian_closed_forms(shift):
    """Base N(0, 1), target N(d, 1): T is |a - d| <= 1.645; CLE is the root of E[w^2 on T]."""
    a = np.random.default_rng(3).normal(size=400_000)
    found = typicality(-(a**2) / 2 - 1, -((a - shift) ** 2) / 2 - 1)
    c = 1.6448536269514722
    ttc = normal_cdf(shift + c) - normal_cdf(shift - c)
    squares = math.exp(shift**2) * (normal_cdf(c - shift) - normal_cdf(-c - shift))
    assert found.ttc == pytest.approx(ttc, abs=5e-3)
    assert found.mass == pytest.approx(0.9, abs=1e-3)
    assert found.cle == pytest.approx(math.sqrt(squares), rel=0.03)  # estimated; its square has a heavy tail


def test_the_same_policy():
    x = np.random.default_rng(1).normal(size=1000) - 10
    found = overlap(x, x, score=x)
    assert found.ess == pytest.approx(1000)
    assert found.hellinger == pytest.approx(1)
    assert found.judge_by_weights == pytest.approx(1)
    assert found.typicality.ttc == pytest.approx(0.9)
    assert found.typicality.cle == pytest.approx(math.sqrt(0.9))
    assert found.cv == pytest.approx(0, abs=1e-12)
    assert found.hill.reason is Reason.EQUAL_TAIL
    assert found.hill.value == math.inf
    assert math.isnan(found.pareto_k.value)
    assert found.near_zero == 0
    json.dumps(found.to_dict(), allow_nan=False)


@pytest.mark.parametrize("n", [10, 30, 70, 110])
def test_nine_equal_tenths_are_nine_tenths(n):
    x = -1.0 - np.arange(n)
    assert typicality(x, x).ttc == 0.9


def test_ties_in_surprisal_are_taken_in():
    found = typicality(np.full(7, -3.0), np.full(7, -3.0))
    assert found.ttc == 1
    assert found.mass == pytest.approx(1)


def test_missing_and_impossible_log_probabilities_are_counted():
    base = np.array([-5.0, math.nan, -3.0, -4.0, 0.5, -math.inf, -6.0])
    target = np.array([-4.0, -2.0, math.nan, -4.0, -1.0, -1.0, 2.0])
    score = np.linspace(0, 1, 7)
    found = overlap(base, target, score=score, length=np.full(7, 3), length_unit="token")
    assert (found.n, found.n_missing, found.n_positive) == (2, 3, 2)
    alone = overlap(base[[0, 3]], target[[0, 3]], score=score[[0, 3]], length=[3, 3], length_unit="token")
    assert found.ess == alone.ess
    assert found.judge_by_weights == alone.judge_by_weights
    assert found.typicality == alone.typicality


@pytest.mark.parametrize(
    ("base", "target", "reason"),
    [
        ([], [], Reason.EMPTY),
        ([math.nan, -1.0], [-1.0, math.nan], Reason.EMPTY),
        ([-1.0, -2.0], [-math.inf, -math.inf], Reason.ZERO_WEIGHT),
    ],
)
def test_no_usable_row(base, target, reason):
    found = overlap(base, target, score=np.zeros(len(base)), fresh_score=[])
    assert found.reason is reason
    assert found.typicality.reason is reason
    for value in (found.ess, found.ess_fraction, found.hellinger, found.cv, found.typicality.ttc, found.top_share):
        assert math.isnan(value)
    assert math.isnan(found.judge_by_fresh)
    json.dumps(found.to_dict(), allow_nan=False)
    assert str(found)


def test_one_row_and_a_target_that_never_says_it():
    one = overlap([-3.0], [-2.0], score=[0.5], fresh_score=[0.5])
    assert one.ess == 1
    assert one.typicality.ttc == 1
    assert one.judge_by_fresh == 1  # all scores equal: nothing to tell apart
    some = overlap([-3.0, -3.0], [-2.0, -math.inf])
    assert some.ess == 1
    assert some.ess_fraction == 0.5
    assert some.near_zero == 0.5
    assert some.typicality.ttc == 0.5


def test_huge_log_probabilities():
    base = np.linspace(-1e5, -2e5, 13)
    found = overlap(base, base + np.linspace(-3000, 0, 13), score=np.linspace(0, 1, 13))
    assert found.ess == pytest.approx(1)
    assert 0 < found.judge_by_weights <= 1


weights = st.lists(st.integers(-40, 40).map(lambda k: k / 8), min_size=2, max_size=31)


@given(weights, st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_order_and_common_constants_change_nothing(log_ratio, random):
    n = len(log_ratio)
    base = np.array([random.randint(-80, -48) / 8 for _ in range(n)])
    target = base + np.minimum(np.array(log_ratio), -base)
    score = np.array([random.randint(0, 8) / 8 for _ in range(n)])
    order = np.array(random.sample(range(n), n))
    first = overlap(base, target, score=score).to_dict()
    for other in (
        overlap(base[order], target[order], score=score[order]).to_dict(),
        overlap(base - 64, target - 64, score=score).to_dict(),
    ):
        for name in ("ess", "hellinger", "top_share", "cv", "near_zero", "judge_by_weights"):
            assert other[name] == pytest.approx(first[name], rel=1e-9, abs=1e-12)
        for name in ("ttc", "mass", "chi2", "cle"):
            assert other["typicality"][name] == pytest.approx(first["typicality"][name], rel=1e-9, abs=1e-12)
    assert 0 < first["typicality"]["ttc"] <= 1
    assert first["typicality"]["mass"] >= 0.9 - 1e-12


def test_cle_is_the_root_of_the_second_moment_on_the_typical_set():
    """alpha / sqrt(beta) sqrt(1 + chi2) = sqrt(mean of w^2 1[T]) for weights of mean 1."""
    rng = np.random.default_rng(2)
    base = rng.normal(-30, 3, 211)
    target = np.minimum(base + rng.normal(0, 1, 211), 0)
    found = typicality(base, target)
    w = np.exp(target - base)
    typical = -target <= np.sort(-target)[round(found.ttc * 211) - 1]
    assert found.cle == pytest.approx(math.sqrt(np.mean((w / w.mean()) ** 2 * typical)), rel=1e-12)


def test_bhattacharyya_edges():
    assert bhattacharyya([0.5] * 3, [0.5] * 4) == 1
    assert bhattacharyya([0.0, 0.1], [0.9, 1.0]) == 0
    assert math.isnan(bhattacharyya([0.1], []))
    assert math.isnan(bhattacharyya([0.1, 0.2], weights=[0.0, 0.0]))
    with pytest.raises(ArgumentError, match="Give exactly one"):
        bhattacharyya([0.1])


def test_arguments_are_checked():
    with pytest.raises(ArgumentError, match="length_unit"):
        overlap([-1.0], [-1.0], length=[3])
    with pytest.raises(ArgumentError, match="length_unit"):
        overlap([-1.0], [-1.0], length_unit="token")
    with pytest.raises(ArgumentError, match="as long as log_base"):
        overlap([-1.0], [-1.0, -2.0])
    with pytest.raises(ArgumentError, match="length must be positive"):
        typicality([-1.0], [-1.0], length=[0])
    with pytest.raises(ArgumentError, match="mass must be in"):
        typicality([-1.0], [-1.0], mass=90)
    with pytest.raises(ArgumentError, match="log_target must be below infinity"):
        typicality([-1.0], [math.inf])
    with pytest.raises(ArgumentError, match="score must be free of NaN"):
        overlap([-1.0], [-1.0], score=[math.nan])


def test_the_table_prints_the_unit():
    rows = [
        overlap([-1.0, -2.0], [-1.0, -2.5], policy="a", length=[2, 3], length_unit="token"),
        overlap([-1.0], [-1.0]),
    ]
    text = str(overlap_table(rows))
    assert "token" in text
    assert "answer" in text
