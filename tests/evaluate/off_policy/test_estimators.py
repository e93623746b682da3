"""What the estimators are, by identities: when two agree, what changes nothing, and what is undefined and why."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from neff.errors import ArgumentError
from neff.evaluate.calibrating.calibration import calibrate
from neff.evaluate.calibrating.folds import balanced_folds
from neff.evaluate.judge.data import Judged
from neff.evaluate.judge.inference import infer
from neff.evaluate.off_policy.dr import dr
from neff.evaluate.off_policy.estimators import NEEDS_FRESH, off_policy
from neff.evaluate.off_policy.ips import ips, snips
from neff.evaluate.off_policy.mrdr import mrdr
from neff.evaluate.off_policy.proxy import dr_cpo
from neff.evaluate.off_policy.simcal_ips import simcal_ips
from neff.evaluate.off_policy.tmle import fluctuate, tmle
from neff.evaluate.off_policy.tr_cpo import tr_cpo
from neff.evaluate.off_policy.weights import hajek_weights
from neff.reasons import Reason
from neff.stats import isotonic_fit
from neff.testing import simulate_off_policy

METHODS = [
    "dr",
    "augmented-snips",
    "snips",
    "ips",
    "raw-ips",
    "simcal-ips",
    "dr-cpo",
    "mrdr",
    "tmle",
    "tr-cpo",
    "tr-cpo-e",
    "stacked-dr",
]
N = 499


def setting(scenario="better", n=N, *, n_folds=5, n_fresh=1, rng=1, scale=(0.0, 1.0), mode="monotone"):
    logged, fresh, _ = simulate_off_policy(scenario, n, n_fresh=n_fresh, rng=rng)
    low, high = scale
    logged = replace(logged, label=low + (high - low) * logged.label)
    folds = balanced_folds(n, logged.prompt[logged.labelled], n_folds=n_folds)
    return logged, {"calibration": fitted(logged, folds, scale=scale, mode=mode), "folds": folds, "fresh": fresh}


def fitted(logged, folds, **options):
    fold = folds.of(logged.prompt)
    covariates = logged.covariates
    return calibrate(logged.score, logged.label, fold=fold, n_folds=folds.n_folds, covariates=covariates, **options)


# --- Which agree ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("omega", ["snips", "w", "w2"])
def test_mrdr_is_the_plug_in_mean_where_the_reward_rises_with_the_score(omega):
    logged, given = setting()
    plug_in = given["calibration"].predict(given["fresh"].score).mean()
    assert mrdr(logged, omega=omega, **given).value == pytest.approx(plug_in, abs=1e-12)


@pytest.mark.parametrize("link", ["logit", "identity"])
def test_tmle_is_the_plug_in_mean_where_the_reward_rises_with_the_score(link):
    logged, given = setting()
    plug_in = given["calibration"].predict(given["fresh"].score).mean()
    found = tmle(logged, link=link, **given)
    assert found.value == pytest.approx(plug_in, abs=1e-7)
    assert found.components["epsilon"] == pytest.approx(0.0, abs=1e-7)


def test_with_a_covariate_they_differ_from_it():
    """The reward is then no function of the score alone, so there is something to correct."""
    rng = np.random.default_rng(4)
    logged, given = setting()
    covariate, fresh_covariate = rng.random((N, 1)), rng.random((N, 1))
    label = np.clip(logged.label - 0.4 * (covariate[:, 0] - 0.5), 0, 1)
    logged = replace(logged, label=label, covariates=covariate)
    fresh = replace(given["fresh"], covariates=fresh_covariate)
    given |= {"fresh": fresh, "calibration": fitted(logged, given["folds"], mode="two-stage")}
    plug_in = given["calibration"].predict(fresh.score, fresh_covariate).mean()
    for method in (mrdr, tmle):
        assert abs(method(logged, **given).value - plug_in) > 1e-5
    assert abs(tmle(logged, **given).components["epsilon"]) > 1e-5


def test_targeting_solves_its_equation_where_the_reward_falls_somewhere():
    """A reward that is no rising function of the score: the residuals' weighted sum is 0 only after targeting."""
    logged, given = setting(rng=2)
    humped = replace(logged, label=np.where(logged.score > 0.85, 0.5 * logged.label, logged.label))
    given |= {"calibration": fitted(humped, given["folds"], mode="two-stage")}
    found = tmle(humped, **given)
    assert abs(found.components["epsilon"]) > 1e-6
    assert found.components["correction"] == pytest.approx(0.0, abs=1e-8)
    assert abs(mrdr(humped, omega="w2", **given).components["correction"]) > 1e-6


def test_dr_cpo_sees_nothing_but_the_calibrator():
    logged, given = setting()
    curve, fold = given["calibration"], given["folds"].of(logged.prompt)
    found = dr_cpo(logged, **given)
    direct = curve.predict_out_of_fold(given["fresh"].score, given["folds"].of(given["fresh"].prompt)).mean()
    assert found.components["direct"] == pytest.approx(direct, abs=1e-14)
    gap = curve.predict(logged.score) - curve.predict_out_of_fold(logged.score, fold)
    assert abs(found.components["correction"]) <= np.abs(gap).max() * 1.01
    # all labels moved by the judge's blind spot: the correction does not notice, that of dr does
    wrong = replace(logged, label=np.where(logged.score > 0.7, logged.label - 0.1, logged.label))
    assert dr_cpo(wrong, **given).value == found.value
    assert dr(wrong, **given).value < dr(logged, **given).value - 0.01


def test_dr_under_the_logging_policy_itself_is_the_augmented_mean():
    logged, given = setting()
    same = replace(logged, target_log_prob=logged.log_prob)
    curve, folds, fresh = given["calibration"], given["folds"], given["fresh"]
    known = logged.labelled
    residual = logged.label[known] - curve.predict_out_of_fold(logged.score[known], folds.of(logged.prompt[known]))
    direct = curve.predict_out_of_fold(fresh.score, folds.of(fresh.prompt)).mean()
    found = dr(same, **given)
    assert found.value == pytest.approx(direct + residual.mean(), abs=1e-12)
    assert found.components["n_eff"] == pytest.approx(N, abs=1e-9)
    assert found.components["log_mean_ratio"] == pytest.approx(0.0, abs=1e-12)


def test_plain_tr_cpo_adds_the_label_residuals_to_dr_cpo_with_raw_weights():
    logged, given = setting()
    curve, fold = given["calibration"], given["folds"].of(logged.prompt)
    w, reward = hajek_weights(logged), curve.predict(logged.score)
    held_out = curve.predict_out_of_fold(logged.score, fold)
    direct = curve.predict_out_of_fold(given["fresh"].score, given["folds"].of(given["fresh"].prompt)).mean()
    known = logged.labelled
    label_part = (w[known] * (logged.label - reward)[known]).sum() / known.mean() / N
    expected = direct + (w * (reward - held_out)).mean() + label_part
    found = tr_cpo(logged, **given)
    assert found.value == pytest.approx(expected, abs=1e-12)
    assert found.components["label_correction"] == pytest.approx(label_part, abs=1e-12)


def test_a_constant_propensity_is_the_label_share():
    logged, given = setting()
    known = replace(logged, propensity=np.full(N, logged.labelled.mean()))
    for method in (dr, tr_cpo):
        assert method(known, **given).value == pytest.approx(method(logged, **given).value, abs=1e-14)


def test_dr_weights_labels_by_the_inverse_of_a_known_propensity():
    logged, given = setting()
    chance = np.where(logged.score > 0.7, 0.8, 0.2)
    known = replace(logged, propensity=chance)
    w = hajek_weights(logged)
    held_out = given["calibration"].predict_out_of_fold(logged.score, given["folds"].of(logged.prompt))
    rows = logged.labelled
    expected = (w[rows] / chance[rows] * (logged.label - held_out)[rows]).sum() / N
    assert dr(known, **given).components["correction"] == pytest.approx(expected, abs=1e-14)


def test_stacked_is_a_mixture_of_its_parts():
    logged, given = setting("extremes")
    stack = off_policy(logged, method="stacked-dr", **given)
    parts = {
        "dr-cpo": dr_cpo(logged, **given),
        "tmle": tmle(logged, **given),
        "mrdr": mrdr(logged, omega="w", **given),
    }
    share = {name: stack.components[f"share {name}"] for name in parts}
    assert sum(share.values()) == pytest.approx(1.0, abs=1e-12)
    assert stack.value == pytest.approx(sum(share[name] * part.value for name, part in parts.items()), abs=1e-12)
    mixed = sum(share[name] * part.jackknife for name, part in parts.items())
    assert stack.jackknife == pytest.approx(mixed, abs=1e-12)


def test_ips_and_snips_by_their_definition():
    logged, given = setting()
    ratio, reward = np.exp(logged.log_ratio), given["calibration"].predict(logged.score)
    plain = ips(logged, calibration=given["calibration"])
    assert plain.value == pytest.approx((ratio * reward).mean(), abs=1e-14)
    hajek = snips(logged, calibration=given["calibration"])
    value = ratio @ reward / ratio.sum()
    assert hajek.value == pytest.approx(value, abs=1e-14)
    phi = ratio / ratio.mean() * (reward - value)
    alone = replace(hajek, jackknife=None)
    assert infer(alone).standard_error == pytest.approx(phi.std(ddof=1) / np.sqrt(N), rel=1e-12)


def test_published_fluctuations_on_twenty_points():
    i = np.arange(20)
    s = ((7 * i % 20) / 20) + 0.025
    w, r = np.exp(1.5 * np.sin(i)), np.clip(s**1.3 + 0.1 * np.cos(3 * i), 0, 1)
    logit = fluctuate(np.clip(s, 0.05, 0.95), r, w)
    assert (logit.n_iterations, logit.converged) == (4, True)
    assert logit.epsilon == pytest.approx(-0.1186426198, abs=1e-10)
    assert fluctuate(s, r, w, link="identity").epsilon == pytest.approx(-0.0203891435, abs=1e-10)
    shifted = logit.apply(np.clip(s, 0.05, 0.95), w)
    assert w @ (r - shifted) == pytest.approx(0.0, abs=1e-7)


def test_a_fluctuation_without_weights_or_information_moves_nothing():
    zero, half = np.zeros(7), np.full(7, 0.5)
    assert fluctuate(half, half, zero).epsilon == 0.0
    assert fluctuate(half, half, zero, link="identity").epsilon == 0.0
    assert not fluctuate(np.full(7, 1e-20), np.ones(7), np.full(7, 1e-6)).converged


# --- The mended jackknife ---------------------------------------------------------------------------------------


def test_the_jackknife_of_dr_moves_both_terms_with_the_calibrator():
    """Naive twin: fit the curve to the labels outside the fold from scratch, and estimate all over again."""
    logged, given = setting(n=211, n_folds=7)
    folds, fresh = given["folds"], given["fresh"]
    fold, known = folds.of(logged.prompt), logged.labelled
    w = hajek_weights(logged)
    naive = []
    for k in range(7):
        rest = known & (fold != k)
        curve = isotonic_fit(logged.score[rest], logged.label[rest])
        residual = np.where(known, logged.label - curve.predict(logged.score), 0.0)
        naive.append(curve.predict(fresh.score).mean() + (w * residual).mean() / known.mean())
    found = dr(logged, **given)
    assert found.jackknife == pytest.approx(naive, abs=1e-12)
    assert found.oracle_variance < 0.3 * dr_cpo(logged, **given).oracle_variance


def test_influence_values_are_centred_one_per_prompt():
    logged, given = setting(n=211)
    for method in METHODS:
        found = off_policy(logged, method=method, **given)
        assert found.prompt.tolist() == list(range(211))
        assert abs(found.influence.sum()) < 1e-12


def test_dr_standard_error_is_that_of_prompts():
    logged, given = setting(n=211)
    found = dr(logged, **given)
    curve, fold, known = given["calibration"], given["folds"].of(logged.prompt), logged.labelled
    residual = np.where(known, logged.label - curve.predict_out_of_fold(logged.score, fold), 0.0)
    phi = curve.predict_out_of_fold(given["fresh"].score, fold) + hajek_weights(logged) * residual / known.mean()
    assert found.value == pytest.approx(phi.mean(), abs=1e-13)
    plain = replace(found, jackknife=None, labelled=None)
    assert infer(plain).standard_error == pytest.approx(phi.std(ddof=1) / np.sqrt(211), rel=1e-12)
    assert infer(found).df <= known.sum() - 1


# --- What changes nothing -------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [m for m in METHODS if m != "ips"])
def test_a_constant_added_to_the_log_probabilities_changes_nothing(method):
    logged, given = setting(n=211)
    moved = replace(logged, target_log_prob=logged.target_log_prob - 3000.0)
    before, after = (off_policy(x, method=method, **given) for x in (logged, moved))
    assert after.value == pytest.approx(before.value, abs=1e-9)
    assert infer(after).standard_error == pytest.approx(infer(before).standard_error, rel=1e-8)


@pytest.mark.parametrize("method", METHODS)
def test_the_order_of_rows_does_not_matter(method):
    logged, given = setting(n=211, n_fresh=2)
    order, fresh_order = np.random.default_rng(1).permutation(211), np.random.default_rng(2).permutation(422)
    columns = {
        name: getattr(logged, name)[order] for name in ("prompt", "score", "label", "log_prob", "target_log_prob")
    }
    fresh = given["fresh"]
    mixed = Judged("target", fresh.prompt[fresh_order], fresh.score[fresh_order], fresh.label[fresh_order])
    before = off_policy(logged, method=method, **given)
    after = off_policy(replace(logged, **columns), method=method, **(given | {"fresh": mixed}))
    assert after.value == pytest.approx(before.value, abs=1e-12)
    assert after.influence == pytest.approx(before.influence, abs=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_labels_on_another_scale_move_value_and_error_with_it(method):
    logged, given = setting(n=211)
    likert, on_likert = setting(n=211, scale=(1.0, 5.0))
    unit, five = off_policy(logged, method=method, **given), off_policy(likert, method=method, **on_likert)
    shift = np.exp(logged.log_ratio).mean() if method == "ips" else 1.0  # ips does not normalise its weights
    assert five.value == pytest.approx(shift + 4 * unit.value, abs=1e-7)
    if method != "ips":
        assert infer(five).standard_error == pytest.approx(4 * infer(unit).standard_error, rel=1e-6)


def test_answers_to_one_prompt_are_averaged_first():
    logged, given = setting(n=211, n_fresh=3)
    fresh = given["fresh"]
    found = dr(logged, **given)
    values = given["calibration"].predict_out_of_fold(fresh.score, given["folds"].of(fresh.prompt)).reshape(211, 3)
    assert found.components["direct"] == pytest.approx(values.mean(), abs=1e-14)
    assert found.components["monte_carlo_variance"] == pytest.approx((values.var(axis=1, ddof=1) / 3).sum() / 211**2)
    fewer = np.ones(len(fresh.prompt), bool)
    fewer[[0, 1, 5]] = False  # one answer to prompt 0, two to prompt 1
    some = replace(fresh, prompt=fresh.prompt[fewer], score=fresh.score[fewer], label=fresh.label[fewer])
    means = [values[0, 2], values[1, :2].mean(), *values[2:].mean(axis=1)]
    assert dr(logged, **(given | {"fresh": some})).components["direct"] == pytest.approx(np.mean(means), abs=1e-14)


# --- Undefined, and why -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_no_overlap_is_nan_with_a_reason(method):
    logged, given = setting(n=53)
    never = replace(logged, target_log_prob=np.full(53, -np.inf))
    found = off_policy(never, method=method, **given)
    assert np.isnan(found.value)
    assert found.reason is Reason.NO_OVERLAP
    assert (found.n, found.n_labelled) == (53, logged.n_labelled)
    inferred = infer(found)
    assert np.isnan(inferred.standard_error)
    assert inferred.reason is Reason.NO_OVERLAP


@pytest.mark.parametrize("method", METHODS)
def test_no_rows_are_nan_with_a_reason(method):
    logged, given = setting(n=53)
    none = replace(logged, **{k: getattr(logged, k)[:0] for k in ("prompt", "score", "label", "log_prob")})
    none = replace(none, target_log_prob=none.log_prob)
    assert off_policy(none, method=method, **given).reason is Reason.EMPTY


@pytest.mark.parametrize("method", sorted(NEEDS_FRESH))
def test_no_fresh_answers_are_nan_with_a_reason(method):
    logged, given = setting(n=53)
    empty = Judged("target", np.empty(0, np.int64), np.empty(0), np.empty(0))
    assert off_policy(logged, method=method, **(given | {"fresh": empty})).reason is Reason.EMPTY


def test_dr_where_the_target_gives_no_labelled_answer_is_nan_with_a_reason():
    logged, given = setting(n=53)
    never = np.where(logged.labelled, -np.inf, logged.target_log_prob)
    assert dr(replace(logged, target_log_prob=never), **given).reason is Reason.NO_OVERLAP


def test_dr_without_labels_is_nan_with_a_reason():
    logged, given = setting(n=53)
    blind = replace(logged, label=np.full(53, np.nan))
    assert dr(blind, **given).reason is Reason.NO_LABELS


def test_a_ratio_that_overflows_is_refused_by_ips_alone():
    logged, given = setting(n=53)
    huge = replace(logged, log_prob=logged.log_prob - 5000.0)
    assert ips(huge, calibration=given["calibration"]).reason is Reason.INFINITE_WEIGHT
    assert snips(huge, calibration=given["calibration"]).reason is None


def test_all_rows_labelled_need_no_calibrator():
    logged, fresh, _ = simulate_off_policy("better", 211, label_share=1.0, rng=3)
    folds = balanced_folds(211, logged.prompt)
    given = {"calibration": fitted(logged, folds, mode="monotone"), "folds": folds, "fresh": fresh}
    found = snips(logged, calibration=given["calibration"])
    w = hajek_weights(logged)
    assert found.value == pytest.approx((w * logged.label).mean(), abs=1e-13)
    for method in ("snips", "simcal-ips", "dr-cpo", "mrdr", "tmle", "tr-cpo", "stacked-dr"):
        assert off_policy(logged, method=method, **given).jackknife is None
    # labels vary more than calibrated scores do, and the standard error knows it
    some = replace(logged, label=np.where(np.arange(211) < 200, logged.label, np.nan))
    errors = [
        infer(replace(simcal_ips(x, calibration=given["calibration"], folds=folds), jackknife=None, cluster=None))
        for x in (logged, some)
    ]
    assert errors[0].standard_error > 1.2 * errors[1].standard_error


def test_prompts_of_one_side_are_used_and_said():
    logged, given = setting(n=211)
    fresh = given["fresh"]
    some = replace(fresh, prompt=fresh.prompt[7:], score=fresh.score[7:], label=fresh.label[7:])
    found = dr(logged, **(given | {"fresh": some}))
    assert found.warnings == ("7 prompt(s) have logged answers but no fresh ones",)
    assert len(found.prompt) == 211
    fewer = {k: getattr(logged, k)[:200] for k in ("prompt", "score", "label", "log_prob", "target_log_prob")}
    found = dr(replace(logged, **fewer), **given)
    assert found.warnings == ("11 prompt(s) have fresh answers but no logged ones",)
    assert infer(found).n_clusters == 211


@pytest.mark.parametrize("method", ["dr", "snips", "ips"])
def test_a_mean_ratio_far_from_one_is_said(method):
    logged, given = setting(n=211)
    assert off_policy(logged, method=method, **given).warnings == ()
    far = replace(logged, target_log_prob=logged.target_log_prob - 2.0)
    (warning,) = off_policy(far, method=method, **given).warnings
    assert "mean probability ratio is 0.1" in warning
    assert "never logged" in warning
    high = replace(logged, log_prob=logged.log_prob - 2.0)
    (warning,) = off_policy(high, method=method, **given).warnings
    assert "log-probabilities are off" in warning


def test_bad_arguments():
    logged, given = setting(n=53)
    other = replace(given["fresh"], policy="another")
    with pytest.raises(ArgumentError, match="fresh must be answers of the target policy 'target', got 'another'"):
        dr(logged, **(given | {"fresh": other}))
    with pytest.raises(ArgumentError, match=r"fresh must be given.*'dr-cpo' needs judged answers"):
        off_policy(logged, method="dr-cpo", **(given | {"fresh": None}))
    with pytest.raises(ArgumentError, match="method"):
        off_policy(logged, method="magic", **given)
    with pytest.raises(ArgumentError, match="omega"):
        mrdr(logged, omega="w3", **given)
    with pytest.raises(ArgumentError, match="link"):
        tmle(logged, link="probit", **given)


def test_the_default_method_follows_from_the_data():
    logged, given = setting(n=211)
    assert off_policy(logged, **given).method == "dr"
    assert off_policy(logged, **(given | {"fresh": None})).method == "augmented-snips"
