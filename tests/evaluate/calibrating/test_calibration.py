"""Calibration: golden numbers, scikit-learn as an oracle, exact identities, scales, several judges, bad input."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from neff.errors import ArgumentError, ArgumentTypeError
from neff.evaluate.calibrating import calibration
from neff.evaluate.calibrating.calibration import Calibration, calibrate
from neff.evaluate.calibrating.folds import balanced_folds, hash_folds
from neff.evaluate.calibrating.knots import curve_means, locate
from neff.evaluate.judge.data import Judged

NAN, INF = float("nan"), float("inf")

checked = settings(max_examples=60, deadline=None, derandomize=True)
labelled_rows = st.lists(
    st.tuples(st.integers(0, 11), st.integers(0, 100), st.integers(1, 4)), min_size=5, max_size=37
)  # score, label in hundredths, weight


def slice_of(rows: list[tuple[int, int, int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    score, label, weight = (np.array(column, float) for column in zip(*rows, strict=True))
    return score / 7, label / 100, weight, np.arange(len(rows)) % 3


def noisy(m: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    score = rng.random(m)
    return score, np.clip(score**2 + rng.normal(0, 0.2, m), 0, 1)


# --- Golden numbers -----------------------------------------------------------------------------------------

I20 = np.arange(20)
S20 = (7 * I20 % 20) / 20 + 0.025
Y20 = np.clip(0.1 + 0.8 * S20 + 0.15 * np.sin(5 * I20), 0, 1)
F20 = hash_folds([f"p{i}" for i in range(20)])


def test_published_values_of_the_monotone_mode() -> None:
    # cje-eval 0.3.0, 20 points, hash folds with K=5 and seed 42.
    fit = calibrate(S20, Y20, fold=F20, mode="monotone")
    at_rows = [0.12, 0.3751304292, 0.6704430453, 0.1546692162, 0.4911193864, 0.7001472375, 0.1546692162]
    at_rows += [0.4911193864, 0.760901849, 0.2879155634, 0.4911193864, 0.760901849, 0.2879155634, 0.5674705019]
    at_rows += [0.9048361296, 0.2879155634, 0.5674705019, 0.9048361296, 0.3751304292, 0.6704430453]
    assert fit.predict(S20) == pytest.approx(at_rows, abs=1e-9)
    beyond = [0.12, 0.12, 0.3315229963, 0.3489659694, 0.4911193864, 0.6971768183, 0.9048361296]
    assert fit.predict([-0.1, 0, 0.3, 0.31, 0.5, 0.77, 1.2]) == pytest.approx(beyond, abs=1e-9)
    out = [0.1546692162, 0.4836748721, 0.6279897824, 0.0858976282, 0.3478748059]
    out += [0.6636409382, 0.2861386589, 0.5706275971, 0.6636409382, 0.1944738115]
    assert fit.predict_out_of_fold(S20, F20)[:10] == pytest.approx(out, abs=1e-9)
    assert fit.quality.rmse == pytest.approx(0.0836432672, abs=1e-9)
    assert fit.quality.rmse_out_of_fold == pytest.approx(0.1713157443, abs=1e-9)


def test_published_fit_on_the_arena(arena: dict[str, Judged], arena_rows: dict[str, list[dict[str, str]]]) -> None:
    # cje-eval 0.3.0 on the 480 labels of the base policy.
    base = arena["base"]
    fold = hash_folds([row["prompt_id"] for row in arena_rows["base"]])
    fit = calibrate(base.score, base.label, fold=fold, mode="monotone")
    assert fit.quality.n_labelled == 480
    assert base.label[base.labelled].mean() == pytest.approx(0.7540625, abs=1e-12)
    assert fit.quality.rmse == pytest.approx(0.2048127170, abs=1e-9)
    assert fit.quality.rmse_out_of_fold == pytest.approx(0.2083814943, abs=1e-9)
    assert fit.quality.score_range == (0.1, 1.0)


# --- Oracles and identities ---------------------------------------------------------------------------------


@pytest.mark.parametrize("ties", [False, True])
def test_scikit_learn_agrees_with_and_without_each_fold(ties: bool) -> None:
    score, label = noisy(131, 1)
    score = score.round(1) if ties else score
    weight, fold, new = np.random.default_rng(2).random(131) + 0.1, I20[np.arange(131) % 5], np.linspace(-0.2, 1.2, 29)
    fit = calibrate(score, label, fold=fold, mode="monotone", weights=weight)
    for k in range(-1, 5):
        rows = fold != k
        oracle = IsotonicRegression(out_of_bounds="clip").fit(score[rows], label[rows], sample_weight=weight[rows])
        found = fit.predict(new) if k < 0 else fit.predict_fold(k, new)
        assert found == pytest.approx(oracle.predict(new), abs=1e-12)


@checked
@given(labelled_rows)
def test_the_mean_of_the_slice_is_kept(rows: list[tuple[int, int, int]]) -> None:
    score, label, weight, fold = slice_of(rows)
    fit = calibrate(score, label, fold=fold, mode="monotone", weights=weight)
    assert weight @ fit.predict(score) == pytest.approx(weight @ label, abs=1e-10)
    for k in range(3):
        rest = fold != k
        assert weight[rest] @ fit.predict_fold(k, score[rest]) == pytest.approx(weight[rest] @ label[rest], abs=1e-10)


@checked
@given(labelled_rows)
def test_a_weight_is_a_repetition(rows: list[tuple[int, int, int]]) -> None:
    score, label, weight, fold = slice_of(rows)
    times = weight.astype(int)
    weighted = calibrate(score, label, fold=fold, mode="monotone", weights=weight)
    repeated = calibrate(np.repeat(score, times), np.repeat(label, times), fold=np.repeat(fold, times), mode="monotone")
    new = np.linspace(-0.5, 2, 23)
    assert weighted.predict(new) == pytest.approx(repeated.predict(new), abs=1e-10)
    assert weighted.fold_means(new) == pytest.approx(repeated.fold_means(new), abs=1e-10)
    assert weighted.quality.rmse_out_of_fold == pytest.approx(repeated.quality.rmse_out_of_fold, abs=1e-10)


@checked
@given(labelled_rows, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(rows: list[tuple[int, int, int]], random: Any) -> None:
    score, label, weight, fold = slice_of(rows)
    order = np.array(random.sample(range(len(rows)), len(rows)))
    one = calibrate(score, label, fold=fold, mode="monotone", weights=weight)
    two = calibrate(score[order], label[order], fold=fold[order], mode="monotone", weights=weight[order])
    new = np.linspace(-0.5, 2, 23)
    assert one.predict(new) == pytest.approx(two.predict(new), abs=1e-10)
    assert one.levels.error == pytest.approx(two.levels.error, abs=1e-9)


@checked
@given(labelled_rows)
def test_only_the_order_of_scores_matters_at_labelled_rows(rows: list[tuple[int, int, int]]) -> None:
    score, label, _, fold = slice_of(rows)
    plain = calibrate(score, label, fold=fold, mode="monotone")
    bent = calibrate(np.exp(3 * score) - 7, label, fold=fold, mode="monotone")
    assert bent.predict(np.exp(3 * score) - 7) == pytest.approx(plain.predict(score), abs=1e-10)


def test_labels_that_already_rise_are_kept() -> None:
    score = np.arange(11) / 10
    fit = calibrate(score, score**2, fold=np.arange(11) % 2, mode="monotone")
    assert fit.predict(score) == pytest.approx(score**2, abs=1e-15)


# --- Folds, means, aggregation ------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["monotone", "two-stage"])
@pytest.mark.parametrize("ties", [False, True])
def test_fold_means_are_means_of_fold_predictions(mode: Any, ties: bool) -> None:
    score, label = noisy(103, 3)
    new = np.random.default_rng(4).normal(0.5, 0.5, size=211)
    score, new = (score.round(1), new.round(1)) if ties else (score, new)
    fit = calibrate(score, label, fold=np.arange(103) % 7, mode=mode)
    naive = [fit.predict_fold(k, new).mean() for k in range(7)]
    assert fit.fold_means(new) == pytest.approx(naive, abs=1e-13)
    assert np.isnan(fit.fold_means([])).all()


def test_fold_means_of_many_rows_are_taken_over_evenly_spaced_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    score, label = noisy(211, 5)
    covariate = np.random.default_rng(6).random(211)
    new, more = np.random.default_rng(7).random((2, 5003))
    for extra in (None, covariate):
        fit = calibrate(score, label, fold=np.arange(211) % 5, mode="two-stage", covariates=extra)
        table = None if extra is None else more
        whole = fit.fold_means(new, table)
        with monkeypatch.context() as patch:
            patch.setattr(calibration, "THIN", 501)
            thin = fit.fold_means(new, table)
        assert thin.tolist() != whole.tolist()
        assert np.ptp(thin - whole) < 0.15 * np.ptp(whole)  # what differs between folds still differs


def test_out_of_fold_is_each_row_by_the_curve_of_its_fold() -> None:
    score, label = noisy(41, 6)
    fold = np.arange(41) % 5
    fit = calibrate(
        score, label, fold=fold, mode="monotone", n_folds=6
    )  # fold 5 has no rows: its curve is the full one
    found = fit.predict_out_of_fold(score, fold)
    assert found.tolist() == [fit.predict_fold(k, score[i : i + 1])[0] for i, k in enumerate(fold)]
    assert fit.predict_fold(5, score).tolist() == fit.predict(score).tolist()
    with pytest.raises(ArgumentError, match=r"fold must be in 0\.\.5, got 6"):
        fit.predict_out_of_fold(score, fold + 2)
    with pytest.raises(ArgumentError, match=r"k must be in 0\.\.5, got -1"):
        fit.predict_fold(-1, score)


def test_no_label_of_a_fold_reaches_its_curve() -> None:
    score, label = noisy(41, 7)
    fold = np.arange(41) % 5
    changed = np.where(fold == 2, 1 - label, label)
    one, two = (calibrate(score, y, fold=fold, mode="monotone") for y in (label, changed))
    assert one.predict_fold(2, score).tolist() == two.predict_fold(2, score).tolist()
    assert one.predict_fold(1, score).tolist() != two.predict_fold(1, score).tolist()


def test_noise_is_seen_through_out_of_fold() -> None:
    ratios = []
    for seed in range(7):
        score, label = np.random.default_rng(seed).random((2, 61))
        quality = calibrate(score, label, fold=np.arange(61) % 20, mode="two-stage").quality
        ratios.append((quality.rmse / label.std(), quality.rmse_out_of_fold / label.std()))
    inside, outside = np.mean(ratios, axis=0)
    assert inside < 0.95
    assert outside > 1.05


def test_integer_scores_do_not_cut_predictions() -> None:
    score = np.arange(20) % 5 + 1
    fit = calibrate(score, score / 8, fold=np.arange(20) // 5)
    assert fit.predict_out_of_fold(score, np.arange(20) // 5) == pytest.approx(score / 8, abs=1e-15)


def test_places_between_knots() -> None:
    knots = np.array([0.0, 0.5, 2.0])
    left, share = locate(knots, np.array([-1.0, 0.0, 0.25, 0.5, 1.25, 2.0, 3.0]))
    assert left.tolist() == [0, 0, 0, 1, 1, 1, 1]
    assert share.tolist() == [0, 0, 0.5, 0, 0.5, 1, 1]
    assert curve_means(np.array([0.3]), np.array([[0.7], [0.1]]), np.array([0.0, 9.0])).tolist() == [0.7, 0.1]


# --- Scales and kinds of labels -----------------------------------------------------------------------------


def test_likert_labels_on_their_scale() -> None:
    rng = np.random.default_rng(9)
    score = rng.random(71)
    grade = np.clip(np.round(1 + 4 * score + rng.normal(0, 0.7, 71)), 1, 5)
    fold = np.arange(71) % 5
    likert = calibrate(score, grade, fold=fold, mode="monotone", scale=(1, 5))
    share = calibrate(score, (grade - 1) / 4, fold=fold, mode="monotone")
    assert likert.predict(score) == pytest.approx(1 + 4 * share.predict(score), abs=1e-12)
    assert likert.quality.near == share.quality.near
    assert likert.quality.rmse == pytest.approx(4 * share.quality.rmse, abs=1e-12)
    assert likert.quality.label_range == (1.0, 5.0)


def test_binary_labels_and_booleans() -> None:
    rng = np.random.default_rng(10)
    score = rng.random(83)
    label = rng.random(83) < score
    fit = calibrate(score, label, fold=np.arange(83) % 5)
    assert fit.predict(score).mean() == pytest.approx(label.mean(), abs=1e-12)
    assert 0 <= fit.predict([-9, 9]).min() <= fit.predict([-9, 9]).max() <= 1


def test_a_second_judge_is_a_covariate() -> None:
    rng = np.random.default_rng(11)
    quality = rng.random(503)
    first, second = quality + rng.normal(0, 0.3, (2, 503))
    label = np.clip(quality + rng.normal(0, 0.1, 503), 0, 1)
    fold = np.arange(503) % 5
    alone = calibrate(first, label, fold=fold)
    both = calibrate(first, label, fold=fold, covariates=second)
    assert (alone.mode, both.mode) == ("monotone", "two-stage")
    assert both.quality.rmse_out_of_fold < 0.9 * alone.quality.rmse_out_of_fold
    assert both.predict(first, second).mean() == pytest.approx(label.mean(), abs=1e-12)


# --- Choice of mode -----------------------------------------------------------------------------------------


def test_auto_takes_two_stage_where_the_label_bends_and_says_what_it_saw() -> None:
    rng = np.random.default_rng(12)
    score = rng.random(301)
    fold = np.arange(301) % 5
    noise = rng.normal(0, 0.15, 301)
    bent = calibrate(score, np.clip(4 * score * (1 - score) + noise, 0, 1), fold=fold)
    straight = calibrate(score, np.clip(score + noise, 0, 1), fold=fold)
    assert (bent.mode, straight.mode) == ("two-stage", "monotone")
    assert bent.quality.rmse_by_mode is not None
    assert bent.quality.rmse_by_mode[1] < 0.7 * bent.quality.rmse_by_mode[0]
    assert straight.quality.rmse_by_mode is not None
    assert calibrate(score, score, fold=fold, mode="monotone").quality.rmse_by_mode is None


def test_auto_does_not_hang_on_the_deal_of_folds() -> None:
    score, label = noisy(151, 13)
    modes = {calibrate(score, label, fold=np.random.default_rng(s).permutation(151) % 5).mode for s in range(11)}
    assert modes == {"monotone"}


def test_auto_keeps_the_answers_to_a_prompt_together() -> None:
    # Answers to a prompt share their score and their luck: apart, the flexible curve learns the luck of its twins.
    rng = np.random.default_rng(14)
    prompt = np.repeat(np.arange(40), 7)
    score = np.repeat(rng.random(40), 7)
    label = np.clip(0.5 + np.repeat(rng.normal(0, 0.3, 40), 7), 0, 1)
    fold = balanced_folds(40, np.arange(40)).of(prompt)
    assert calibrate(score, label, fold=fold, prompt=prompt).mode == "monotone"
    assert calibrate(score, label, fold=fold).mode == "two-stage"


def test_too_few_labels_are_not_compared() -> None:
    score, label = noisy(39, 15)
    fit = calibrate(score, 4 * label * (1 - label), fold=np.arange(39) % 5)
    assert (fit.mode, fit.quality.rmse_by_mode) == ("monotone", None)


# --- What deserves a warning --------------------------------------------------------------------------------


def test_a_scale_upside_down_is_said() -> None:
    score, _ = noisy(53, 16)
    fit = calibrate(1 - score, score, fold=np.arange(53) % 5, mode="monotone")
    assert fit.quality.collapsed
    assert "upside down" in fit.warnings[0]
    assert fit.predict([0, 1]) == pytest.approx([score.mean()] * 2, abs=1e-12)


def test_one_distinct_score_is_no_collapse() -> None:
    _, label = noisy(53, 17)
    fit = calibrate(np.full(53, 0.7), label, fold=np.arange(53) % 5)
    assert not fit.quality.collapsed
    assert fit.predict([0, 0.7, 1]) == pytest.approx([label.mean()] * 3, abs=1e-12)
    assert fit.fold_means([0.2, 0.3]) == pytest.approx([label[np.arange(53) % 5 != k].mean() for k in range(5)])


def test_equal_labels_are_said() -> None:
    fit = calibrate(np.arange(23) / 23, np.full(23, 0.1), fold=np.arange(23) % 5)
    assert fit.warnings == ("all 23 labels are equal, so the score could not be calibrated",)
    assert fit.predict([0.0, 9.0]) == pytest.approx([0.1, 0.1], abs=1e-15)
    assert not fit.quality.collapsed


def test_unused_covariates_are_said() -> None:
    score, label = noisy(53, 18)
    fit = calibrate(score, label, fold=np.arange(53) % 5, covariates=score**2, mode="monotone")
    assert fit.warnings == ("covariates were not used: mode='monotone' looks at the score alone",)


# --- Bad input ----------------------------------------------------------------------------------------------

GOOD: dict[str, Any] = {
    "score": [0.1, 0.4, 0.5, 0.7, 0.9],
    "label": [0.0, 0.5, 0.5, 1.0, 1.0],
    "fold": [0, 1, 0, 1, 0],
}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"score": [0.1, NAN, 0.5, 0.7, 0.9]}, r"score must be free of NaN.*position 1"),
        ({"score": [0.1, 0.4, INF, 0.7, 0.9]}, r"score must be finite.*position 2"),
        ({"label": [0.0, 0.5, -INF, 1.0, 1.0]}, r"label must be finite.*position 2"),
        ({"label": [0.0, 0.5, 1.5, 1.0, 3.0]}, r"label must be between 0 and 1.*got 1\.5.*2 label\(s\) lie outside"),
        ({"label": [0.0, NAN, NAN, 1.0, 1.0]}, r"label must be known for at least 4 prompts, got 3"),
        ({"prompt": [0, 1, 1, 1, 2], "fold": [0, 1, 1, 1, 0]}, r"label must be known for at least 4 prompts, got 3"),
        ({"fold": [0, 0, 0, 0, 0]}, r"labels lie in at least 2 folds, got 'all labels in fold 0'"),
        ({"fold": [0, 1, 0, 1, -1]}, r"fold must be 0 or more, got -1"),
        ({"fold": [0, 1, 0, 1]}, r"fold must be as long as score \(5\)"),
        ({"fold": [0, 1, 2, 3, 4], "n_folds": 4}, r"fold must be below n_folds = 4, got 4"),
        ({"prompt": [0, 1, 2, 3, 3]}, r"fold must be the same for all answers to a prompt, got 'folds 1 and 0 for"),
        ({"prompt": [0, 1, 2]}, r"prompt must be as long as score \(5\), got 'length 3'"),
        ({"weights": [1, 1, 1, 1, -1]}, r"weights must be 0 or more"),
        ({"weights": [1, 1, 0, 0, 1]}, r"label must be known for at least 4 prompts, got 3"),
        ({"weights": [1, 1]}, r"weights must be of length 5"),
        ({"covariates": [[1.0], [2.0]]}, r"covariates must be of shape \(5, d\), got 'shape \(2, 1\)'"),
        ({"covariates": [1.0, 2.0, NAN, 4.0, 5.0]}, r"covariates must be finite, got nan\. The first is in row 2"),
        ({"scale": (1, 0)}, r"scale must be \(lowest, highest\) label, finite and ascending"),
        ({"scale": (0, 1, 2)}, r"scale must be \(lowest, highest\) label"),
        ({"scale": (0, NAN)}, r"scale must be \(lowest, highest\) label"),
        ({"mode": "two_stage"}, r"mode must be .* got 'two_stage'\. Did you mean 'two-stage'\?"),
    ],
)
def test_bad_input_is_named(change: dict[str, Any], words: str) -> None:
    arguments = GOOD | change
    with pytest.raises(ArgumentError, match=words):
        calibrate(arguments.pop("score"), arguments.pop("label"), **arguments)


def test_unlabelled_rows_and_zero_weights_leave_no_trace() -> None:
    plain = calibrate(GOOD["score"], GOOD["label"], fold=GOOD["fold"])
    more = calibrate(
        [*GOOD["score"], 0.3, 0.2],
        [*GOOD["label"], NAN, 0.9],
        fold=[*GOOD["fold"], 1, 0],
        weights=[1, 1, 1, 1, 1, 1, 0],
    )
    assert more.to_dict() == plain.to_dict()


def test_predictions_check_their_rows() -> None:
    fit = calibrate(GOOD["score"], GOOD["label"], fold=GOOD["fold"])
    assert fit.predict([]).shape == (0,)
    with pytest.raises(ArgumentError, match="score must be free of NaN"):
        fit.predict([0.1, NAN])
    with pytest.raises(ArgumentTypeError, match="score must be an array of numbers"):
        fit.predict(["high", "low"])
    with pytest.raises(ArgumentError, match=r"covariates must be of shape \(2, d\)"):
        fit.predict([0.1, 0.2], [[1.0]])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"score": [0.1, NAN, 0.3]}, "score must be free of NaN.*position 1"),
        ({"label": [0.1, INF, 0.3]}, "label must be finite.*position 1"),
        ({"prompt": [0, 1, -2]}, "prompt must be 0 or more, got -2"),
        ({"prompt": [0.0, 1.0, 2.0]}, "prompt must be a vector of integer codes"),
        ({"prompt": [0, 1]}, "prompt must be as long as score"),
        ({"covariates": [[1.0, NAN]] * 3}, "covariates must be finite, got nan. The first is in row 0, column 1"),
        ({"propensity": [0.5, 0.0, 1.0]}, r"propensity must be in \(0, 1\], got 0\.0"),
        ({"propensity": [0.5, 1.2, 1.0]}, r"propensity must be in \(0, 1\], got 1\.2"),
    ],
)
def test_judged_answers_are_checked_once(change: dict[str, Any], words: str) -> None:
    arguments: dict[str, Any] = {"prompt": [0, 1, 2], "score": [0.1, 0.2, 0.3], "label": [NAN, 0.2, 1.0]}
    with pytest.raises(ArgumentError, match=words):
        Judged("a", **(arguments | change))


# --- JSON ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("covariate", [False, True])
def test_it_comes_back_from_json(covariate: bool) -> None:
    score, label = noisy(47, 19)
    table = np.random.default_rng(20).random((47, 1)) if covariate else None
    fit = calibrate(score, label, fold=np.arange(47) % 3, covariates=table)
    again = Calibration.from_dict(json.loads(json.dumps(fit.to_dict(), allow_nan=False)))
    assert again.to_dict() == fit.to_dict()
    assert again.predict(score, table).tolist() == fit.predict(score, table).tolist()
    assert again.fold_means(score, table).tolist() == fit.fold_means(score, table).tolist()
    assert again.quality == fit.quality
    assert again.levels.moves(label).tolist() == fit.levels.moves(label).tolist()
    with pytest.raises(ArgumentError, match=r"schema must be .*neff\.calibration/1.*, got 'neff\.calibration/2'"):
        Calibration.from_dict(fit.to_dict() | {"schema": "neff.calibration/2"})
