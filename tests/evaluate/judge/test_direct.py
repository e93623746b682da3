"""Direct estimators: published numbers to nine digits, naive twins of the jackknife, identities, and edge cases."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from neff.errors import ArgumentError
from neff.evaluate.calibrating.calibration import calibrate
from neff.evaluate.calibrating.folds import FoldMap, balanced_folds, hash_folds
from neff.evaluate.judge.data import Judged
from neff.evaluate.judge.direct import augmented, direct, labels_only, plug_in
from neff.evaluate.judge.estimate import oracle_variance
from neff.evaluate.judge.inference import infer, infer_difference
from neff.evaluate.judge.own_labels import tuned_weight
from neff.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from neff.evaluate.calibrating.calibration import Calibration

NAN = float("nan")


def pooled(policies: list[Judged], folds: FoldMap, **options: Any) -> Calibration:
    score, label, prompt = (
        np.concatenate([getattr(p, name) for p in policies]) for name in ("score", "label", "prompt")
    )
    if policies[0].covariates is not None:
        options["covariates"] = np.concatenate([p.covariates for p in policies if p.covariates is not None])
    options.setdefault("mode", "monotone")
    return calibrate(score, label, fold=folds.of(prompt), n_folds=folds.n_folds, prompt=prompt, **options)


def world(
    n: int = 211, share: float = 0.3, seed: int = 1, *, extra: bool = False
) -> tuple[list[Judged], FoldMap, Calibration]:
    """Two policies on overlapping prompts, several answers to some, labels on both."""
    rng = np.random.default_rng(seed)
    policies = []
    for name, shift in (("a", 0.0), ("b", 0.2)):
        prompt = np.sort(rng.integers(0, 151, size=n))
        score = rng.random(n).round(1)
        label = np.clip(score**2 + shift + rng.normal(0, 0.2, n), 0, 1)
        label[rng.random(n) > share] = NAN
        policies.append(Judged(name, prompt, score, label, rng.normal(size=(n, 1)) if extra else None))
    labelled = np.concatenate([p.prompt[p.labelled] for p in policies])
    folds = balanced_folds(151, labelled, n_folds=7)
    return policies, folds, pooled(policies, folds, mode="two-stage" if extra else "monotone")


# --- Published numbers --------------------------------------------------------------------------------------


def test_quickstart_of_the_published_package(quickstart: tuple[Judged, Judged, FoldMap]) -> None:
    # cje-eval 0.9.3, 20 prompts, 10 labels on production. Its rules: variance of the calibrator by the jackknife alone.
    production, candidate, folds = quickstart
    curve = pooled([production, candidate], folds)
    a, b = augmented(production, curve, folds), augmented(candidate, curve, folds)
    assert a.components["plug_in"] == pytest.approx(0.786875, abs=1e-12)
    assert a.value == pytest.approx(0.7863035714, abs=1e-10)
    assert a.oracle_variance == pytest.approx(1.02865e-6, abs=1e-11)
    crv1 = np.square(a.influence - a.influence.mean()) * 20 / 19
    assert np.sqrt(crv1.sum()) == pytest.approx(0.0382990071, abs=1e-10)
    assert a.labelled is not None
    assert crv1[a.labelled].sum() / crv1.sum() == pytest.approx(0.7180268135, abs=1e-10)
    found = infer(a, published=True)
    assert (found.standard_error, found.df) == pytest.approx((0.0398103771, 9), abs=1e-10)
    assert found.interval == pytest.approx((0.6962462418, 0.8763609011), abs=1e-10)

    assert b.method == "plug-in"
    assert "borrowed calibration" in b.warnings[0]
    assert b.value == pytest.approx(0.8240833333, abs=1e-10)
    assert b.oracle_variance == pytest.approx(2.956499e-4, abs=1e-10)
    found = infer(b, published=True)
    assert (found.standard_error, found.df) == pytest.approx((0.0275491775, 17.376168), abs=2e-6)
    assert found.interval == pytest.approx((0.7660553493, 0.8821113173), abs=1e-9)

    found = infer_difference(b, a, published=True)
    assert found.value == pytest.approx(0.0377797619, abs=1e-10)
    assert (found.standard_error, found.df) == pytest.approx((0.0286015083, 9), abs=1e-10)
    assert found.interval == pytest.approx((-0.0269213450, 0.1024808688), abs=1e-10)


def test_published_estimates_of_the_base_policy(
    arena: dict[str, Judged], published_folds: Callable[[list[str], list[bool], int], FoldMap]
) -> None:
    # cje-eval 0.9.3, array call on the 1000 rows of the base policy, which names its rows row_0 ... row_999.
    base = arena["base"]
    folds = published_folds([f"row_{i}" for i in range(1000)], base.labelled.tolist(), 5)
    answers = replace(base, prompt=np.arange(1000))
    curve = pooled([answers], folds)
    plain = augmented(answers, curve, folds)
    found = infer(plain)
    assert plain.value == pytest.approx(0.7562754712, abs=1e-10)
    assert found.standard_error == pytest.approx(0.0099711783, abs=1e-10)
    assert found.interval == pytest.approx((0.7366828151, 0.7758681271), abs=2e-10)
    tuned = augmented(answers, curve, folds, tuned=True)
    assert tuned.components["weight"] == pytest.approx(0.9364428, abs=1e-7)
    assert tuned.value == pytest.approx(0.7561348209, abs=1e-10)
    assert infer(tuned).standard_error == pytest.approx(0.0099769939, abs=1e-10)


def test_published_estimates_of_all_policies(
    arena: dict[str, Judged], arena_rows: dict[str, list[dict[str, str]]]
) -> None:
    # cje-eval 0.3.0, labels on base only, hash folds (K=5, seed 42), cluster-robust intervals with df = 4.
    folds = FoldMap(hash_folds([row["prompt_id"] for row in arena_rows["base"]]), 5)
    curve = pooled(list(arena.values()), folds)
    expected = {
        "base": (0.756164096, 0.009812100, (0.728921, 0.783407), None),
        "clone": (0.763450348, 0.009533510, (0.736981, 0.789920), 8.19981e-5),
        "parallel_universe_prompt": (0.764030590, 0.010609344, (0.734574, 0.793487), 1.03129e-4),
        "unhelpful": (0.414501038, 0.039558902, (0.304668, 0.524334), 1.544874e-3),
    }
    for policy, (value, error, interval, oracle) in expected.items():
        estimate = replace(plug_in(arena[policy], curve), df_rule="smaller")
        found = infer(estimate, published=True)
        assert estimate.value == pytest.approx(value, abs=1e-9)
        assert found.standard_error == pytest.approx(error, abs=1e-9)
        assert found.interval == pytest.approx(interval, abs=1e-6)
        assert found.df == 4
        if oracle is not None:
            assert estimate.oracle_variance == pytest.approx(oracle, rel=1e-5)
    assert augmented(arena["base"], curve, folds).value == pytest.approx(0.755889230, abs=1e-9)


# --- Definitions written out --------------------------------------------------------------------------------


@pytest.mark.parametrize("extra", [False, True])
@pytest.mark.parametrize("tuned", [False, True])
def test_the_estimate_and_its_parts_by_definition(extra: bool, tuned: bool) -> None:
    policies, folds, curve = world(extra=extra)
    for answers in policies:
        found = augmented(answers, curve, folds, tuned=tuned)
        known, fold = answers.labelled, folds.of(answers.prompt)
        label, m, n = answers.label[known], int(known.sum()), answers.n
        fitted = curve.predict(answers.score, answers.covariates)
        by_fold = np.array([curve.predict_fold(k, answers.score, answers.covariates) for k in range(7)])
        held_out = by_fold[fold, np.arange(n)][known]
        weight = found.components["weight"]
        assert (weight == 1) is not tuned
        value = weight * fitted.mean() + (label - weight * held_out).mean()
        assert found.value == pytest.approx(value, abs=1e-13)

        pseudo = weight * fitted
        pseudo[known] += (label - weight * held_out - (label - weight * held_out).mean()) * n / m
        sums = {p: (pseudo - pseudo.mean())[answers.prompt == p].sum() / n for p in np.unique(answers.prompt)}
        assert found.prompt.tolist() == list(sums)
        assert found.influence == pytest.approx(list(sums.values()), abs=1e-14)
        assert found.labelled is not None
        assert found.labelled.tolist() == [bool(known[answers.prompt == p].any()) for p in sums]

        weights = [tuned_weight(f[known], label, answers.prompt[known]) if tuned else 1.0 for f in by_fold]
        whole = [w * f.mean() + (label - w * f[known]).mean() for w, f in zip(weights, by_fold, strict=True)]
        assert found.jackknife == pytest.approx(whole, abs=1e-13)
        rest = [fold[known] != k for k in range(7)]
        without = [
            w * f.mean() + (label - w * f[known])[r].mean() for w, f, r in zip(weights, by_fold, rest, strict=True)
        ]
        assert found.split is not None
        assert found.split.without == pytest.approx(without, abs=1e-13)
        scores_alone = weight * (fitted - fitted.mean())
        assert found.split.fitted == pytest.approx(
            [scores_alone[answers.prompt == p].sum() / n for p in sums], abs=1e-14
        )


def test_known_propensities_by_definition() -> None:
    policies, folds, curve = world(seed=2)
    rng = np.random.default_rng(3)
    answers = replace(policies[0], propensity=rng.uniform(0.2, 0.9, policies[0].n))
    found = augmented(answers, curve, folds)
    known, fold = answers.labelled, folds.of(answers.prompt)
    fitted = curve.predict(answers.score)
    inverse = np.where(known, 1 / answers.propensity, 0)
    label = np.where(known, answers.label, 0)
    pseudo = fitted + inverse * (label - curve.predict_out_of_fold(answers.score, fold))
    assert found.value == pytest.approx(pseudo.mean(), abs=1e-13)
    expected = [(pseudo - pseudo.mean())[answers.prompt == p].sum() / answers.n for p in found.prompt]
    assert found.influence == pytest.approx(expected, abs=1e-14)
    by_fold = [curve.predict_fold(k, answers.score) for k in range(7)]
    assert found.jackknife == pytest.approx([(f + inverse * (label - f)).mean() for f in by_fold], abs=1e-13)
    without = [f.mean() + (inverse * (label - f))[fold != k].sum() / (fold != k).sum() for k, f in enumerate(by_fold)]
    assert found.split is not None
    assert found.split.without == pytest.approx(without, abs=1e-13)
    assert found.method == "augmented, known propensities"
    assert augmented(answers, curve, folds, tuned=True).value == found.value  # nothing is tuned there

    only = labels_only(answers)
    w = inverse[known] / inverse[known].sum()
    assert only.value == pytest.approx(w @ answers.label[known], abs=1e-13)
    assert np.square(only.influence).sum() == pytest.approx(
        sum((w * (answers.label[known] - only.value))[answers.prompt[known] == p].sum() ** 2 for p in only.prompt)
    )


def test_propensities_take_away_what_labelling_by_score_puts_in() -> None:
    # High scores are labelled nine times as often; the judge is useless, so that nothing but the weights can mend it.
    rng = np.random.default_rng(4)
    n, errors = 401, []
    for seed in range(60):
        label = rng.random(n)
        propensity = np.where(label > 0.5, 0.9, 0.1)
        answers = Judged(
            "a", np.arange(n), rng.random(n), np.where(rng.random(n) < propensity, label, NAN), propensity=propensity
        )
        folds = balanced_folds(n, answers.prompt[answers.labelled], seed=seed)
        curve = pooled([answers], folds)
        naive = replace(answers, propensity=None)
        known = [labels_only(answers), augmented(answers, curve, folds)]
        unknown = [labels_only(naive), augmented(naive, curve, folds)]
        errors.append([found.value - 0.5 for found in known + unknown])
    bias, spread = np.mean(errors, axis=0), np.std(errors, axis=0) / np.sqrt(60)
    assert (np.abs(bias[:2]) < 4 * spread[:2]).all()
    assert (bias[2:] > 0.15).all()


# --- Identities ---------------------------------------------------------------------------------------------


def test_everything_labelled_is_the_mean_label() -> None:
    policies, folds, curve = world(seed=5)
    whole = replace(policies[0], label=np.clip(policies[0].score + 0.1, 0, 1))
    found = augmented(whole, curve, folds)
    assert found.method == "all labelled"
    assert found.value == pytest.approx(whole.label.mean(), abs=1e-14)
    assert found.jackknife is None
    assert infer(found).oracle_share == 0
    assert found.influence.tolist() == labels_only(whole).influence.tolist()
    assert found.split is not None  # its labels can still be left out, for comparisons with those that borrow them
    fold = folds.of(whole.prompt)
    for k in range(7):
        f = curve.predict_fold(k, whole.score)
        expected = f.mean() + (whole.label - f)[fold != k].mean()
        assert found.split.without[k] == pytest.approx(expected, abs=1e-12)


def test_plug_in_is_the_mean_of_calibrated_scores() -> None:
    policies, _, curve = world(seed=6)
    found = plug_in(policies[1], curve)
    assert found.value == pytest.approx(curve.predict(policies[1].score).mean(), abs=1e-14)
    assert found.influence.sum() == pytest.approx(0, abs=1e-14)
    assert found.jackknife is not None
    assert found.jackknife == pytest.approx(
        [curve.predict_fold(k, policies[1].score).mean() for k in range(7)], abs=1e-13
    )
    assert found.levels is not None
    assert 0 < found.levels @ found.levels < 1


def test_levels_are_means_of_labels() -> None:
    # Three scores far apart: each level is the mean of its labels, and its error that of a mean of so many.
    score = np.repeat([0.0, 0.5, 1.0], [10, 20, 40])
    rng = np.random.default_rng(7)
    label = np.clip(score * 0.6 + 0.2 + rng.normal(0, 0.05, 70), 0, 1)
    fold = np.arange(70) % 5
    curve = calibrate(score, label, fold=fold, mode="monotone")
    noise = curve.quality.rmse_out_of_fold
    assert curve.levels.error == pytest.approx(noise / np.sqrt([10, 20, 40]), abs=1e-12)
    answers = Judged("a", np.arange(4), np.array([0.0, 0.0, 0.25, 1.0]), np.full(4, NAN))
    share = np.array([2.5, 0.5, 1.0]) / 4  # the answer at 0.25 belongs half to each neighbour
    assert plug_in(answers, curve).levels == pytest.approx(share * curve.levels.error, abs=1e-12)


def test_answers_that_err_together_count_for_less() -> None:
    rng = np.random.default_rng(8)
    score = rng.random(180).round(1)
    luck = np.repeat(rng.normal(0, 0.2, 36), 5)
    label = np.clip(score * 0.6 + 0.2 + luck, 0, 1)
    prompt = np.repeat(np.arange(36), 5)
    fold = prompt % 6
    together = calibrate(score, label, fold=fold, mode="monotone", prompt=prompt)
    apart = calibrate(score, label, fold=fold, mode="monotone")
    ratio = together.levels.error / apart.levels.error
    assert ratio == pytest.approx(np.full(len(ratio), ratio[0]), rel=1e-12)
    assert 1.8 < ratio[0] < 2.4  # sqrt(5) for five answers with one luck


def test_the_order_of_rows_and_the_names_of_prompts_do_not_matter() -> None:
    policies, folds, curve = world(seed=9)
    answers = policies[0]
    order = np.random.default_rng(10).permutation(answers.n)
    shuffled = Judged("a", answers.prompt[order], answers.score[order], answers.label[order])
    renamed, other = replace(answers, prompt=answers.prompt + 151), FoldMap(np.tile(folds.of_prompt, 2), 7)
    found = infer(augmented(answers, curve, folds))
    for same in (augmented(shuffled, curve, folds), augmented(renamed, curve, other)):
        again = infer(same)
        assert again.value == pytest.approx(found.value, abs=1e-13)
        assert again.standard_error == pytest.approx(found.standard_error, abs=1e-13)
        assert again.df == pytest.approx(found.df, abs=1e-9)


def test_rows_given_twice_do_not_make_the_interval_narrower() -> None:
    policies, folds, _ = world(seed=11)
    twice = [Judged(p.policy, np.tile(p.prompt, 2), np.tile(p.score, 2), np.tile(p.label, 2)) for p in policies]
    for method in ("augmented", "plug-in", "labels", "judge"):
        once, again = (
            [infer(direct(p, pooled(rows, folds), folds, method=method)) for p in rows] for rows in (policies, twice)
        )
        for one, two in zip(once, again, strict=True):
            assert two.value == pytest.approx(one.value, abs=1e-12)
            # The levels of the curve count rows and scale by a design effect, whose n / (n - 1) sees the copies.
            assert two.standard_error == pytest.approx(one.standard_error, rel=0.005 if method == "plug-in" else 1e-9)
            assert two.df == pytest.approx(one.df, rel=0.01 if method == "plug-in" else 1e-6)


def test_labels_on_another_scale_move_everything_along() -> None:
    policies, folds, curve = world(seed=12)
    grades = [replace(p, label=1 + 4 * p.label) for p in policies]
    likert = pooled(grades, folds, scale=(1, 5))
    for plain, graded in zip(policies, grades, strict=True):
        for tuned in (False, True):
            one, two = (augmented(plain, curve, folds, tuned=tuned), augmented(graded, likert, folds, tuned=tuned))
            assert two.value == pytest.approx(1 + 4 * one.value, abs=1e-10)
            assert infer(two).standard_error == pytest.approx(4 * infer(one).standard_error, abs=1e-10)


def test_methods_by_name() -> None:
    policies, folds, curve = world(seed=13)
    answers = policies[0]
    assert direct(answers, curve, folds).value == augmented(answers, curve, folds).value
    assert direct(answers, curve, folds, method="augmented-tuned").method == "augmented, tuned"
    assert direct(answers, curve, folds, method="plug-in").value == plug_in(answers, curve).value
    assert direct(answers, curve, folds, method="labels").value == pytest.approx(np.nanmean(answers.label))
    assert direct(answers, curve, folds, method="judge").value == pytest.approx(answers.score.mean())
    with pytest.raises(ArgumentError, match=r"method must be .*got 'plugin'\. Did you mean 'plug-in'"):
        direct(answers, curve, folds, method="plugin")  # type: ignore[arg-type]


# --- Edge cases ---------------------------------------------------------------------------------------------


def test_few_labels_of_its_own_are_not_enough() -> None:
    policies, folds, curve = world(seed=14)
    label = np.full(policies[0].n, NAN)
    rows = [np.flatnonzero(policies[0].prompt == p)[0] for p in np.unique(policies[0].prompt)[:5]]
    for n_own, method in ((4, "plug-in"), (5, "augmented")):
        few = label.copy()
        few[rows[:n_own]] = 0.5
        found = augmented(replace(policies[0], label=few), curve, folds)
        assert found.method == method
    assert found.warnings == ()
    four = label.copy()
    four[rows[:4]] = 0.5
    (warning,) = augmented(replace(policies[0], label=four), curve, folds).warnings
    assert warning.startswith("only 4 labelled prompt(s) of its own; borrowed calibration")


def test_many_labels_of_one_prompt_are_one_label() -> None:
    _, folds, curve = world(seed=15)
    one = Judged("c", np.zeros(31, int), np.arange(31) / 31, np.where(np.arange(31) < 30, 0.5, NAN))
    assert augmented(one, curve, folds).method == "plug-in"


def test_a_policy_without_answers_has_a_reason() -> None:
    _, folds, curve = world(seed=16)
    nothing = Judged("c", np.array([], int), np.array([]), np.array([]))
    for method in ("augmented", "augmented-tuned", "plug-in", "judge"):
        assert direct(nothing, curve, folds, method=method).reason is Reason.EMPTY
    assert labels_only(nothing).reason is Reason.NO_LABELS
    assert labels_only(Judged("c", np.arange(3), np.arange(3) / 3, np.full(3, NAN))).reason is Reason.NO_LABELS


def test_folds_must_be_those_of_the_calibration() -> None:
    policies, _, curve = world(seed=17)
    other = balanced_folds(151, np.arange(20), n_folds=5)
    with pytest.raises(ArgumentError, match=r"folds must be of 7 folds, got 5\. Give the folds that the calibration"):
        augmented(policies[0], curve, other)


def test_labels_all_in_one_fold_cannot_be_left_out() -> None:
    policies, _, _ = world(seed=18)
    fold = np.array([int(p in np.unique(policies[0].prompt[policies[0].labelled])) for p in range(151)])
    folds = FoldMap(fold, 2)
    curve = pooled(policies, folds)
    found = augmented(policies[0], curve, folds)
    assert found.split is None
    assert infer(found).reason is None


@pytest.mark.parametrize("value", [0.0, 0.1, 1.0])
def test_equal_labels_give_no_interval(value: float) -> None:
    rng = np.random.default_rng(19)
    label = np.where(np.arange(101) < 37, value, NAN)
    answers = [Judged("a", np.arange(101), rng.random(101), label), Judged("b", np.arange(101), rng.random(101), label)]
    folds = balanced_folds(101, np.arange(37))
    curve = pooled(answers, folds)
    for method in ("augmented", "augmented-tuned", "plug-in", "labels"):
        estimates = [direct(p, curve, folds, method=method) for p in answers]
        found = [infer(estimates[0]), infer_difference(*estimates)]
        assert found[0].value == pytest.approx(value, abs=1e-15)
        assert [f.reason for f in found] == [Reason.ALL_EQUAL] * 2
        assert np.isnan([f.standard_error for f in found]).all()
        assert np.isnan([f.interval for f in found]).all()


# --- The tuned weight ---------------------------------------------------------------------------------------


def test_tuned_weight_is_a_slope_between_0_and_1() -> None:
    rng = np.random.default_rng(20)
    predicted = rng.random(101)
    prompt = np.arange(101)
    label = 0.3 + 0.6 * predicted + rng.normal(0, 0.1, 101)
    slope = np.polyfit(predicted, label, 1)[0]
    assert tuned_weight(predicted, label, prompt) == pytest.approx(slope, abs=1e-12)
    assert tuned_weight(predicted, 1 - label, prompt) == 0
    assert tuned_weight(predicted / 3, label, prompt) == 1


def test_tuned_weight_is_1_where_little_is_known() -> None:
    rng = np.random.default_rng(21)
    predicted, label = rng.random((2, 61))
    prompt = np.arange(61)
    assert tuned_weight(predicted[:19], label[:19], prompt[:19]) == 1
    assert tuned_weight(predicted[:20], label[:20], prompt[:20]) < 1
    assert tuned_weight(predicted, label, prompt % 19) == 1  # 61 rows, 19 prompts
    nearly = np.where(prompt < 4, 0.0, 1.0)
    assert tuned_weight(predicted, nearly, prompt) == 1
    assert tuned_weight(predicted, np.where(prompt < 5, 0.0, 1.0), prompt) < 1
    assert tuned_weight(np.full(61, 0.3), label, prompt) == 1


def test_oracle_variance_is_the_published_jackknife() -> None:
    # cje-eval 0.3.0: the five values below give .001184.
    assert oracle_variance(np.array([0.70, 0.72, 0.69, 0.71, 0.74])) == pytest.approx(0.001184, abs=1e-15)
    assert np.isnan(oracle_variance(np.array([0.7])))
