"""Cross-fitted targets: no cell sees itself, the ridge is scikit-learn's, and row means do not leak."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.linear_model import Ridge as SklearnRidge

from neff.errors import ArgumentError, ArgumentTypeError
from neff.stats import cross_fitted_target, shrink_rates
from neff.stats.shrinkage_target import PENALTIES, Ridge, cross_fit, margin_means


def table(seed, n_cells=61, d=3):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_cells, d))
    n = rng.integers(2, 14, n_cells)
    p = 1 / (1 + np.exp(1 - X[:, 0]))
    return rng.binomial(n, p) / n, X, n.astype(float), p


def test_a_cell_does_not_move_its_own_target():
    y, X, n, _ = table(0)
    before = cross_fitted_target(y, X, weights=n)
    for i in (0, 17, 60):
        changed = y.copy()
        changed[i] = 1 - changed[i]
        after = cross_fitted_target(changed, X, weights=n)
        assert after[i] == before[i]
        assert np.any(after != before)


def test_ridge_is_scikit_learns_on_standardised_covariates():
    y, X, n, _ = table(1)
    X = X * [1.0, 100.0, 0.01] + [5.0, 0.0, 3.0]
    fit = Ridge().fit(X, y, n)
    Z = (X - fit.centre) / fit.spread
    np.testing.assert_allclose(np.average(Z**2, axis=0, weights=n), 1.0)
    candidates = [SklearnRidge(alpha=penalty).fit(Z, y, sample_weight=n).predict(Z) for penalty in PENALTIES]
    distances = [np.abs(candidate - fit.predict(X)).max() for candidate in candidates]
    assert min(distances) < 1e-12


def test_a_covariate_that_does_not_vary_does_no_harm():
    y, X, n, _ = table(2)
    with_constant = np.column_stack([X, np.full(61, 7.0)])
    np.testing.assert_allclose(Ridge().fit(with_constant, y, n).predict(with_constant), Ridge().fit(X, y, n).predict(X))


def test_slopes_that_must_not_be_negative_are_not():
    y, X, n, _ = table(3)
    free, bound = Ridge().fit(-X, y, n), Ridge(non_negative=1).fit(-X, y, n)
    assert free.slope[0] < 0
    assert bound.slope[0] == 0
    np.testing.assert_allclose(bound.predict(-X), Ridge().fit(X[:, 1:], y, n).predict(X[:, 1:]))


def test_a_predictor_of_ones_own_is_given_the_weights():
    y, X, n, p = table(4, 199)
    target = cross_fitted_target(y, X, weights=n, predictor=GradientBoostingRegressor(n_estimators=40, random_state=0))
    assert np.mean((target - p) ** 2) < 0.6 * np.mean((y.mean() - p) ** 2)

    class Mean:
        def fit(self, X, y):
            self.value = y.mean()

        def predict(self, X):
            return np.full(len(X), self.value)

    predictor = Mean()
    means = cross_fitted_target(y, X, predictor=predictor, n_folds=7)
    assert len(np.unique(means)) == 7
    assert not hasattr(predictor, "value")  # each fold fits a copy


def test_predictions_are_clipped_and_one_cell_has_none():
    x = np.linspace(0, 1, 23)
    assert cross_fitted_target(3 * x - 1, x).min() == 0
    assert cross_fitted_target(3 * x - 1, x, bounds=(-9, 9)).min() < -0.9
    assert np.isnan(cross_fitted_target([0.5], [1.0])).all()
    assert np.all(np.isfinite(cross_fitted_target([0.5, 0.2], [1.0, 2.0])))


def test_margin_means_use_other_cells_in_training_only():
    values, weights = np.array([0.1, 0.5, 0.9, 0.3]), np.array([1.0, 2.0, 3.0, 4.0])
    rows, columns = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    training = np.array([True, True, True, False])
    found = margin_means(values, weights, (rows, columns), training)
    expected = [
        [0.5, 0.9],  # row: cell 1; column: cell 2
        [0.1, (0.1 + 2.7) / 4],  # column: only cell 3, which is held out: the mean of cells 0 and 2
        [(0.1 + 1.0) / 3, 0.1],  # row: only cell 3: the mean of cells 0 and 1
        [0.9, 0.5],
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-14)


def test_leaving_only_the_cell_out_of_its_row_mean_leaks():
    """One row of cells: the mean of the others is (sum - x) / (n - 1), and a regression on it finds x itself."""
    rng = np.random.default_rng(6)
    n = np.full(43, 6)
    p = rng.beta(2, 2, 43)
    x = rng.binomial(n, p)
    rate, w, row = x / n, n.astype(float), np.zeros(43, np.intp)
    everything = np.ones(43, bool)

    def target(features, model):
        options = {"n_folds": 5, "bounds": (0.0, 1.0), "rng": np.random.default_rng(0)}
        return cross_fit(rate, w, features, model, **options)

    leaky = target(lambda _: margin_means(rate, w, (row,), everything), Ridge())
    assert np.abs(leaky - rate).max() < 0.05  # the prediction has become the raw rate
    fit = shrink_rates(x, n, target=leaky)
    assert fit.rule("linear").risk < 0 < np.mean((fit.shrunk - p) ** 2)  # and the estimated risk nonsense
    ours = target(lambda training: margin_means(rate, w, (row,), training), Ridge(non_negative=1))
    fit = shrink_rates(x, n, target=ours)
    assert fit.rule("linear").risk == pytest.approx(np.mean((fit.shrunk - p) ** 2), abs=0.01)  # noise of 43 cells


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (([0.1, 0.2], [[1.0], [np.nan]]), {}, "covariates must be finite"),
        (([0.1, 0.2], [[1.0]]), {}, "covariates must be as long as values"),
        (([0.1, 0.2], [1.0, 2.0]), {"n_folds": 1}, "n_folds must be a whole number of at least 2"),
        (([0.1, 0.2], [1.0, 2.0]), {"weights": [1.0, -1.0]}, "weights must be 0 or more"),
    ],
)
def test_bad_arguments_are_named(arguments, options, message):
    with pytest.raises(ArgumentError, match=message):
        cross_fitted_target(*arguments, **options)


def test_a_predictor_without_predict_is_refused():
    with pytest.raises(ArgumentTypeError, match="predictor must be an object with fit and predict"):
        cross_fitted_target([0.1, 0.2], [1.0, 2.0], predictor=object())
