"""Two-stage calibration: scikit-learn as an oracle, golden numbers, and what must not depend on where a row stands."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import SplineTransformer

from neff.errors import ArgumentError
from neff.evaluate.calibrating.calibration import calibrate
from neff.evaluate.calibrating.folds import hash_folds
from neff.evaluate.calibrating.two_stage import TwoStageCurve, fit_two_stage, knots_for
from neff.stats.isotonic import isotonic_fit


def draw(m: int, d: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    rng = np.random.default_rng(seed)
    score, covariates = rng.random(m), rng.normal(size=(m, d)) if d else None
    index = np.sin(5 * score) + (covariates @ np.arange(1, d + 1) if covariates is not None else 0)
    return score, 1 / (1 + np.exp(-index + rng.normal(size=m))), covariates


def by_scikit_learn(
    score: np.ndarray, label: np.ndarray, covariates: np.ndarray | None, new: np.ndarray, weights: np.ndarray | None
) -> np.ndarray:
    """The three stages from scikit-learn's parts, as in cje-eval 0.3.0."""
    columns = score[:, None] if covariates is None else np.column_stack([score, covariates])
    splines = SplineTransformer(
        n_knots=min(8, len(score) // 4), degree=3, include_bias=False, extrapolation="constant", knots="uniform"
    )
    ridge = RidgeCV(alphas=np.logspace(-3, 3, 13))
    index = make_pipeline(splines, ridge).fit(columns, label, ridgecv__sample_weight=weights)
    raw = index.predict(columns).round(13)  # equal rows differ in the last bits of a matrix product
    w = np.ones(len(score)) if weights is None else weights

    def rank(values: np.ndarray) -> np.ndarray:
        return np.array([w[raw <= v].sum() / w.sum() - 0.5 / len(w) for v in values])

    curve = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(rank(raw), label, sample_weight=w)
    return curve.predict(rank(index.predict(new).round(13)))


@pytest.mark.parametrize("d", [0, 1, 2])
@pytest.mark.parametrize("m", [23, 61, 211])
@pytest.mark.parametrize("weighted", [False, True])
def test_scikit_learn_agrees(m: int, d: int, weighted: bool) -> None:
    score, label, covariates = draw(m, d, seed=10 * m + d)
    weights = np.random.default_rng(m).integers(1, 5, size=m).astype(float) if weighted else None
    curve = fit_two_stage(score, label, covariates=covariates, weights=weights)
    beyond = np.linspace(-0.3, 1.3, 17)  # outside the training range as well
    new = beyond[:, None] if covariates is None else np.column_stack([beyond, 1.5 * covariates[:17]])
    expected = by_scikit_learn(score, label, covariates, new, weights)
    assert curve.predict(beyond, None if covariates is None else new[:, 1:]) == pytest.approx(expected, abs=1e-10)


# --- Golden numbers -----------------------------------------------------------------------------------------

I60 = np.arange(60)
S60, C60 = (7 * I60 % 60) / 60, (11 * I60 % 60) / 60
Y60 = np.clip(0.2 + 0.5 * S60 - 0.2 * (C60 - 0.5) + 0.1 * np.sin(5 * I60), 0, 1)
F60 = hash_folds([f"p{i}" for i in range(60)])


def test_published_values_without_covariates() -> None:
    # cje-eval 0.3.0 with scikit-learn 1.9.1, 60 points, hash folds.
    fit = calibrate(S60, Y60, fold=F60, mode="two-stage")
    expected = [0.2687577698, 0.2687577698, 0.3169715242, 0.3825445151, 0.4442885154]
    expected += [0.4988668477, 0.5444079135, 0.6138504535, 0.7176437524, 0.2059059004]
    assert fit.predict(S60)[:10] == pytest.approx(expected, abs=1e-9)
    assert fit.quality.rmse == pytest.approx(0.0752221150, abs=1e-9)
    assert fit.quality.rmse_out_of_fold == pytest.approx(0.0955129685, abs=1e-9)


def test_published_values_with_a_covariate() -> None:
    fit = calibrate(S60, Y60, fold=F60, covariates=C60)
    assert fit.mode == "two-stage"  # covariates ask for it
    expected = [0.3221055349, 0.2853468567, 0.3221055349, 0.3841933000, 0.4449266427]
    expected += [0.4449266427, 0.6191568895, 0.6191568895, 0.7389950713, 0.2686861238]
    assert fit.predict(S60, C60)[:10] == pytest.approx(expected, abs=1e-9)
    assert fit.quality.rmse == pytest.approx(0.0567170816, abs=1e-9)
    assert fit.quality.rmse_out_of_fold == pytest.approx(0.0983843993, abs=1e-9)


# --- Edge cases and properties ------------------------------------------------------------------------------


def test_few_rows_are_ranked_by_the_score_alone() -> None:
    score, label, covariates = draw(19, 1, seed=1)
    curve = fit_two_stage(score, label, covariates=covariates)
    assert curve.index is None
    rank = np.argsort(np.argsort(score)).astype(float)
    assert curve.predict(score, covariates) == pytest.approx(isotonic_fit(rank, label).predict(rank), abs=1e-12)
    assert [knots_for(m) for m in (19, 20, 27, 31, 32, 500)] == [0, 5, 6, 7, 8, 8]


def test_leaving_out_a_fold_does_not_change_the_form_of_the_curve() -> None:
    score, label, covariates = draw(21, 1, seed=2)  # 20 rows are enough for an index, 18 are not
    fit = calibrate(score, label, fold=np.arange(21) % 7, covariates=covariates, n_folds=7)
    assert all(isinstance(curve, TwoStageCurve) and curve.index is None for curve in (fit.full, *fit.without))
    assert any("too few" in warning for warning in fit.warnings)
    score, label, covariates = draw(33, 1, seed=2)
    fit = calibrate(score, label, fold=np.arange(33) % 11, covariates=covariates, n_folds=11)
    assert {curve.index.coef.shape for curve in (fit.full, *fit.without)} == {(2, 8)}  # 7 knots: 30 rows in training
    assert fit.warnings == ()


@pytest.mark.parametrize("d", [0, 2])
def test_the_mean_of_the_slice_is_kept(d: int) -> None:
    score, label, covariates = draw(97, d, seed=3)
    weights = np.random.default_rng(4).random(97)
    curve = fit_two_stage(score, label, covariates=covariates, weights=weights)
    fitted = curve.predict(score, covariates)
    assert weights @ fitted == pytest.approx(weights @ label, abs=1e-12)


def test_a_row_has_the_same_value_wherever_it_stands() -> None:
    score, label, covariates = draw(101, 2, seed=5)
    assert covariates is not None
    curve = fit_two_stage(score, label, covariates=covariates)
    together = curve.predict(score, covariates)
    alone = [curve.predict(score[i : i + 1], covariates[i : i + 1])[0] for i in range(101)]
    assert together.tolist() == alone  # to the last bit
    again = np.tile(score, 7), np.tile(covariates, (7, 1))
    assert curve.predict(*again).tolist() == np.tile(together, 7).tolist()


def test_a_curve_that_bends_back_is_learned_and_a_monotone_one_cannot() -> None:
    rng = np.random.default_rng(6)
    score = rng.random(401)
    label = np.clip(4 * score * (1 - score) + rng.normal(0, 0.1, 401), 0, 1)
    fold = np.arange(401) % 5
    two_stage, monotone = (calibrate(score, label, fold=fold, mode=mode) for mode in ("two-stage", "monotone"))
    assert two_stage.quality.rmse_out_of_fold < 0.12
    assert monotone.quality.rmse_out_of_fold > 2 * two_stage.quality.rmse_out_of_fold


def test_a_constant_column_says_nothing() -> None:
    score, label, _ = draw(53, 0, seed=7)
    plain = fit_two_stage(score, label).predict(score)
    assert fit_two_stage(score, label, covariates=np.full((53, 1), 2.5)).predict(
        score, np.full((53, 1), 9.0)
    ) == pytest.approx(plain, abs=1e-10)
    level = fit_two_stage(np.full(53, 0.5), label).predict(np.array([0.0, 0.5, 1.0]))
    assert level == pytest.approx(np.full(3, label.mean()), abs=1e-12)


def test_zero_weights_leave_no_trace() -> None:
    score, label, covariates = draw(59, 1, seed=8)
    assert covariates is not None
    weights = np.where(np.arange(59) % 3 == 0, 0.0, 1.5)
    kept = weights > 0
    with_zeros = fit_two_stage(score, label, covariates=covariates, weights=weights)
    without = fit_two_stage(score[kept], label[kept], covariates=covariates[kept], weights=weights[kept])
    assert with_zeros.predict(score, covariates).tolist() == without.predict(score, covariates).tolist()


def test_it_comes_back_from_json() -> None:
    score, label, covariates = draw(43, 1, seed=9)
    for curve in (fit_two_stage(score, label, covariates=covariates), fit_two_stage(score[:11], label[:11])):
        again = TwoStageCurve.from_dict(json.loads(json.dumps(curve.to_dict())))
        assert again.predict(score, covariates).tolist() == curve.predict(score, covariates).tolist()


def test_missing_covariates_are_named() -> None:
    score, label, covariates = draw(43, 2, seed=9)
    assert covariates is not None
    fit = calibrate(score, label, fold=np.arange(43) % 5, covariates=covariates)
    with pytest.raises(ArgumentError, match=r"covariates must be 2 column\(s\), as in the fit, got 0"):
        fit.predict(score)
    with pytest.raises(ArgumentError, match=r"covariates must be 2 column\(s\), as in the fit, got 1"):
        fit.predict_fold(0, score, covariates[:, 0])
