"""Standard errors of estimates and differences: golden numbers, what must cancel, what must not, and edge cases."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from neff.errors import ArgumentError
from neff.evaluate.judge.estimate import PolicyEstimate, Split, oracle_variance
from neff.evaluate.judge.inference import infer, infer_difference, total_variance
from neff.reasons import Reason
from neff.stats.cluster import crv1, welch_satterthwaite

K = 7


def estimate(
    n: int = 31, *, first: int = 0, seed: int = 1, jackknife: bool = False, labelled: int = 0, **rest: Any
) -> PolicyEstimate:
    """An estimate of n prompts from code `first` on, the first `labelled` of them labelled."""
    rng = np.random.default_rng(seed)
    influence = rng.normal(size=n)
    return PolicyEstimate(
        f"policy {seed}",
        0.5 + seed / 10,
        np.arange(first, first + n),
        (influence - influence.mean()) / n,
        "made up",
        jackknife=0.5 + rng.normal(0, 0.03, K) if jackknife else None,
        labelled=np.arange(n) < labelled if labelled else None,
        n_parameters=1 if labelled else 0,
        **rest,
    )


# --- Golden numbers -----------------------------------------------------------------------------------------


def test_published_variances() -> None:
    # cje-eval 0.9.3: SE .02, df 99, variance of the calibrator .0003, K 5.
    variance, df = total_variance(0.0004, 0.0, 0.0003, 99, 4)
    assert math.sqrt(variance) == pytest.approx(0.0264575131, abs=1e-10)
    assert df == pytest.approx(20.3183246, abs=1e-7)
    # labelled part .0003, the rest .0001, 10 labelled prompts, 1 parameter.
    variance, df = total_variance(0.0001, 0.0003, 0.0, 99, math.inf, n_labelled=10, n_parameters=1)
    assert variance == pytest.approx(0.000433333, abs=1e-9)
    assert df == 9


def test_published_clustered_standard_error() -> None:
    # cje-eval 0.3.0: influence sin i + .3 cos 2i, i = 0..19, clusters i mod 5: SE .0909756563, df 4.
    i = np.arange(20)
    phi = np.sin(i) + 0.3 * np.cos(2 * i)
    phi -= phi.mean()
    found = infer(PolicyEstimate("a", 0.7, np.arange(5), np.bincount(i % 5, phi) / 20, "mean"))
    assert found.standard_error == pytest.approx(0.0909756563, abs=1e-10)
    assert (found.df, found.n_clusters) == (4, 5)
    by_cluster = infer(PolicyEstimate("a", 0.7, i, phi / 20, "mean", cluster=i % 5 * 3 + 1))
    assert by_cluster.standard_error == pytest.approx(0.0909756563, abs=1e-10)
    assert (by_cluster.df, by_cluster.n_clusters) == (4, 5)


# --- One policy ---------------------------------------------------------------------------------------------


def test_without_labels_or_folds_it_is_crv1() -> None:
    part = estimate()
    found, oracle = infer(part), crv1(part.influence * 31, np.arange(31))
    assert (found.standard_error, found.df) == pytest.approx((oracle.standard_error, oracle.df), abs=1e-14)
    assert (found.oracle_share, found.n_clusters) == (0, 31)
    assert math.isnan(found.correlation)


def test_the_parts_add_up() -> None:
    part = estimate(jackknife=True, labelled=11)
    assert part.labelled is not None
    assert part.jackknife is not None
    squares = np.square(part.influence - part.influence.mean()) * 31 / 30
    oracle = oracle_variance(part.jackknife)
    scaled = squares[11:].sum() + squares[:11].sum() * 11 / 10
    found = infer(part)
    assert found.standard_error**2 == pytest.approx(scaled + oracle, rel=1e-12)
    assert found.oracle_share == pytest.approx(oracle / (scaled + oracle), rel=1e-12)
    welch = [welch_satterthwaite([v, oracle], [30, K - 1]) for v in (scaled, squares.sum())]
    assert found.df == pytest.approx(min(10, *welch), rel=1e-12)
    assert infer(replace(part, n_parameters=2)).standard_error ** 2 == pytest.approx(
        squares[11:].sum() + squares[:11].sum() * 11 / 9 + oracle, rel=1e-12
    )
    low, high = infer(part, level=0.5).interval
    assert found.interval[0] < low < part.value < high < found.interval[1]


def test_levels_raise_the_variance_half_way() -> None:
    part = estimate(jackknife=True)
    assert part.jackknife is not None
    oracle, sampling = oracle_variance(part.jackknife), infer(estimate()).standard_error ** 2
    large, small = np.array([0.1, 0.2]), np.array([0.001, 0.002])
    raised = infer(replace(part, levels=large)).standard_error ** 2
    assert raised == pytest.approx(sampling + (oracle + 0.05) / 2, rel=1e-12)
    assert infer(replace(part, levels=small)).standard_error == pytest.approx(infer(part).standard_error, rel=1e-12)
    assert infer(replace(part, levels=large), published=True) == infer(part)


def test_rules_for_degrees_of_freedom() -> None:
    part = estimate(jackknife=True)
    assert infer(replace(part, df_rule="smaller")).df == K - 1
    normal = infer(replace(part, df_rule="normal"))
    assert normal.df == math.inf
    assert part.jackknife is not None
    assert normal.standard_error**2 == pytest.approx(
        np.square(part.influence).sum() + oracle_variance(part.jackknife), rel=1e-12
    )
    assert (normal.interval[1] - part.value) / normal.standard_error == pytest.approx(1.959964, abs=1e-6)


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        (PolicyEstimate.undefined("a", "made up", Reason.NO_OVERLAP), Reason.NO_OVERLAP),
        (PolicyEstimate("a", 0.5, np.array([], int), np.array([]), "made up"), Reason.EMPTY),
        (estimate(1), Reason.ONE_CLUSTER),
        (replace(estimate(), cluster=np.zeros(31, int)), Reason.ONE_CLUSTER),
        (estimate(labelled=1), Reason.TOO_FEW),
        (replace(estimate(labelled=2), n_parameters=2), Reason.TOO_FEW),
        (replace(estimate(), jackknife=np.array([0.5])), Reason.TOO_FEW),
        (replace(estimate(), jackknife=np.array([0.5, math.nan])), Reason.NO_STANDARD_ERROR),
        (replace(estimate(), influence=np.zeros(31)), Reason.ALL_EQUAL),
        (replace(estimate(), influence=np.full(31, 1e-18), jackknife=np.full(K, 0.6)), Reason.ALL_EQUAL),
    ],
)
def test_what_has_no_interval_has_a_reason(part: PolicyEstimate, reason: Reason) -> None:
    found = infer(part)
    assert found.reason is reason
    assert math.isnan(part.value) or found.value == part.value  # the number stays
    assert np.isnan([found.standard_error, found.df, *found.interval, found.oracle_share]).all()


def test_rounding_is_no_variance_and_a_small_variance_is_no_rounding() -> None:
    huge = replace(estimate(), value=1e8)
    assert infer(huge).standard_error == pytest.approx(infer(estimate()).standard_error, rel=1e-12)
    assert infer(huge).reason is None
    tiny = replace(estimate(), value=1e-9, influence=estimate().influence * 1e-12)
    assert infer(tiny).reason is None


def test_level_is_checked() -> None:
    with pytest.raises(ArgumentError, match=r"infer: level must be a number between 0 and 1, got 95\. Did you mean"):
        infer(estimate(), level=95)
    with pytest.raises(ArgumentError, match="infer_difference: level must be"):
        infer_difference(estimate(), estimate(seed=2), level=0)


def test_total_variance_without_room_is_undefined() -> None:
    assert np.isnan(total_variance(0.1, 0.1, 0.0, 9, math.inf, n_labelled=1, n_parameters=1)).all()
    variance, df = total_variance(0.0, 0.0, 0.0, 9, 4)
    assert variance == 0
    assert math.isnan(df)


# --- Differences --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("labelled", [0, 11])
@pytest.mark.parametrize("jackknife", [False, True])
def test_a_difference_turned_round_is_its_negative(labelled: int, jackknife: bool) -> None:
    a = estimate(labelled=labelled, jackknife=jackknife)
    b = estimate(37, first=5, seed=2, labelled=2 * labelled, jackknife=jackknife)
    one, two = infer_difference(a, b), infer_difference(b, a)
    assert one.value == -two.value
    assert one.interval == pytest.approx((-two.interval[1], -two.interval[0]), abs=1e-15)
    assert one.correlation == two.correlation


def test_a_policy_does_not_differ_from_itself() -> None:
    found = infer_difference(estimate(jackknife=True), estimate(jackknife=True))
    assert found.value == 0
    assert found.reason is Reason.ALL_EQUAL


def test_pairs_are_formed_by_prompt() -> None:
    a, b = estimate(31), estimate(37, first=5, seed=2)
    whole = np.zeros(42)
    whole[:31] += a.influence
    whole[5:] -= b.influence
    found, oracle = infer_difference(a, b), crv1(whole * 42, np.arange(42))
    assert found.standard_error == pytest.approx(oracle.standard_error, rel=1e-12)
    assert (found.df, found.n_clusters) == (41, 42)
    apart = infer_difference(a, estimate(37, first=100, seed=2))
    assert apart.correlation == 0
    assert apart.n_clusters == 68
    expected = math.hypot(infer(a).standard_error, infer(b).standard_error)
    assert apart.standard_error == pytest.approx(expected, rel=0.01)  # G / (G - 1) is that of all prompts


def test_the_error_of_a_shared_calibrator_cancels() -> None:
    a, b = estimate(jackknife=True), estimate(seed=2)
    assert a.jackknife is not None
    along = infer_difference(a, replace(b, jackknife=a.jackknife + 0.3))
    assert along.oracle_share == pytest.approx(0, abs=1e-20)
    against = infer_difference(a, replace(b, jackknife=1 - a.jackknife))
    assert against.oracle_share > infer(a).oracle_share > 0
    alone = infer_difference(a, b)  # b has no calibrator: its value stands in every fold
    assert alone.standard_error**2 * alone.oracle_share == pytest.approx(oracle_variance(a.jackknife), rel=1e-12)


def test_levels_of_a_shared_curve_cancel_too() -> None:
    shared = np.array([0.1, 0.2])
    a, b = (replace(estimate(seed=s, jackknife=True), levels=shared) for s in (1, 2))
    plain = infer_difference(replace(a, levels=None), replace(b, levels=None))
    assert infer_difference(a, b) == plain
    moved = infer_difference(a, replace(b, levels=shared + np.array([0.5, 0.0])))
    oracle = plain.standard_error**2 * plain.oracle_share
    assert moved.standard_error**2 == pytest.approx(plain.standard_error**2 + (0.25 - oracle) / 2, rel=1e-12)


def test_folds_must_match() -> None:
    a, b = estimate(jackknife=True), replace(estimate(seed=2), jackknife=np.arange(5.0))
    with pytest.raises(ArgumentError, match="b must be estimated with the same folds and the same calibration as a"):
        infer_difference(a, b)


def test_few_labels_on_one_side_count_as_few() -> None:
    many, few = estimate(301, labelled=251), estimate(301, seed=2, labelled=5)
    noisy = replace(few, influence=np.where(np.arange(301) < 5, np.linspace(-1, 1, 301)[::60].sum() + 0.3, 0.0))
    assert infer_difference(many, noisy).df == pytest.approx(4, abs=0.2)  # what five labels say
    assert 4 < infer_difference(many, few).df < 250
    same = infer_difference(estimate(301, labelled=11), estimate(301, seed=2, labelled=11))
    assert same.df == 10  # the same eleven prompts on both sides: not twenty degrees of freedom
    one_sided = infer_difference(estimate(301, labelled=11), estimate(301, seed=2))
    assert one_sided.df == 10


def test_factors_belong_to_the_labelled_prompts_of_each_side() -> None:
    a, b = estimate(31, labelled=5), estimate(31, first=31, seed=2, labelled=11)
    whole = np.concatenate([a.influence, -b.influence])
    squares = np.square(whole - whole.mean()) * 62 / 61
    factor = np.ones(62)
    factor[:5], factor[31:42] = 5 / 4, 11 / 10
    assert infer_difference(a, b).standard_error ** 2 == pytest.approx(factor @ squares, rel=1e-12)


def test_undefined_sides_make_an_undefined_difference() -> None:
    found = infer_difference(estimate(), PolicyEstimate.undefined("b", "made up", Reason.NO_LABELS))
    assert found.reason is Reason.NO_LABELS
    assert math.isnan(found.value)
    assert infer_difference(estimate(labelled=1), estimate(seed=2)).reason is Reason.TOO_FEW


def test_clusters_of_one_side_hold_for_both() -> None:
    a, b = replace(estimate(30), cluster=np.arange(30) // 6), estimate(33, seed=2)
    found = infer_difference(a, b)
    assert found.n_clusters == 5 + 3  # prompts that only b has stand for themselves
    whole = np.concatenate([a.influence, np.zeros(3)]) - b.influence
    oracle = crv1(whole * 33, np.concatenate([np.arange(30) // 6, [5, 6, 7]]))
    assert found.standard_error == pytest.approx(oracle.standard_error, rel=1e-12)
    assert infer_difference(b, a).standard_error == pytest.approx(found.standard_error, rel=1e-12)


def test_the_noise_of_borrowed_labels_cancels_against_those_who_own_them() -> None:
    # The labels move both alike: the owner's influence values hold their noise, the borrower's jackknife repeats it.
    rng = np.random.default_rng(3)
    noise = rng.normal(0, 0.05, K)
    fitted = estimate(seed=4).influence / 10
    owner = replace(
        estimate(labelled=11),
        jackknife=np.full(K, 0.6),
        split=Split(fitted, 0.6 + noise, np.array([0.04, 0.03])),
    )
    borrower = replace(
        estimate(seed=2),
        influence=estimate(seed=5).influence / 10,
        jackknife=0.7 + noise,
        levels=np.array([0.04, 0.03]),
    )
    for found in (infer_difference(borrower, owner), infer_difference(owner, borrower)):
        assert found.oracle_share == pytest.approx(0, abs=1e-20)
        expected = crv1((borrower.influence - fitted) * 31, np.arange(31))
        assert found.standard_error == pytest.approx(expected.standard_error, rel=1e-12)
    published = infer_difference(borrower, owner, published=True)
    assert published.standard_error > 3 * found.standard_error
    assert published.oracle_share > 0
    # Two owners, or two borrowers, are compared as they are.
    assert infer_difference(owner, replace(owner, value=0.1)).reason is Reason.ALL_EQUAL
    assert infer_difference(borrower, replace(borrower, influence=-borrower.influence)).oracle_share == 0
