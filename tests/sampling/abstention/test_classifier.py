"""`SDMClassifier`: scikit-learn's interface, the training loop against a naive twin, states that are loud."""

from __future__ import annotations

import math
import pickle
import warnings

import numpy as np
import pytest

pytest.importorskip("torch")

from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.sampling import NoRegionWarning, RestartWarning, SDMClassifier, UnderfitWarning, abstention_table
from neff.sampling.abstention.activation import sdm_activation
from neff.sampling.sdm.adaptor import Settings, train_adaptor


def blobs(n=404, seed=1, apart=2.5, columns=5):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    return rng.normal(size=(n, columns)) + apart * y[:, None], np.array(["no", "yes"])[y]


def fit(*data, **options):
    """Fit with a few epochs, whatever state it ends in."""
    settings = {"n_restarts": 1, "n_epochs": 30, "rng": 3} | options
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return SDMClassifier(**settings).fit(*data)


def states(model, *data):
    """Fit, and return the warnings that it gives."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(*data)
    return model, {w.category: str(w.message) for w in caught}


@pytest.fixture(scope="module")
def model():
    return fit(*blobs())


def test_predictions_and_decisions(model):
    x, y = blobs(203, seed=2)
    assert model.classes_.tolist() == ["no", "yes"]
    assert model.score(x, y) > 0.98
    p = model.predict_proba(x)
    assert p.shape == (203, 2)
    assert p.sum(axis=1) == pytest.approx(1)
    found = model.decide(x)
    np.testing.assert_array_equal(model.classes_[found.predicted], model.predict(x))
    np.testing.assert_array_equal(model.admit(x), found.admitted)
    np.testing.assert_array_equal(model.admit(x, rule="lower"), found.admitted_low)
    assert (model.admit(x, rule="lower") <= model.admit(x)).all()
    assert found.admitted.mean() > 0.5
    assert not model.admit(x + 40).any()
    assert model.reason_ in (None, Reason.UNDERFIT)


def test_admitted_items_are_right_by_class_and_the_table_counts_them(model):
    x, y = blobs(1009, seed=5, apart=1.0)
    row = model.calibration_table(x, y)
    admitted, right = model.admit(x), model.predict(x) == y
    assert (row.n, row.n_admitted, row.accuracy.n_right) == (1009, admitted.sum(), (admitted & right).sum())
    assert [part.name for part in row.by_class] == ["no", "yes"]
    assert [part.n_admitted for part in row.by_class] == [(admitted & (y == c)).sum() for c in ("no", "yes")]
    low, high = row.accuracy.interval
    assert 0 <= low < row.accuracy.value < high <= 1
    assert model.calibration_.n == 202


def test_results_do_not_depend_on_batches_and_seeds_repeat(model):
    x, _ = blobs(101, seed=6)
    whole = model.decide(x)
    parts = [model.decide(x[:50]), model.decide(x[50:])]
    np.testing.assert_array_equal(whole.admitted, np.concatenate([p.admitted for p in parts]))
    np.testing.assert_allclose(whole.probabilities, np.concatenate([p.probabilities for p in parts]), rtol=1e-9)
    again = fit(*blobs())
    np.testing.assert_array_equal(again.decide(x).probabilities, whole.probabilities)
    other = fit(*blobs(), rng=4)
    assert (other.decide(x).probabilities != whole.probabilities).any()


def test_scikit_learn_takes_it_for_its_own(model):
    sklearn = pytest.importorskip("sklearn")
    from sklearn.base import clone, is_classifier
    from sklearn.model_selection import cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    assert sklearn
    copy = clone(model.set_params(max_similarity=77))
    assert copy.get_params() == model.get_params()
    assert not hasattr(copy, "classes_")
    assert is_classifier(copy)
    x, y = blobs(404)
    small = SDMClassifier(n_restarts=1, n_epochs=11, rng=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scores = cross_val_score(make_pipeline(StandardScaler(), small), x, y, cv=2)
    assert scores.min() > 0.9
    assert repr(small) == "SDMClassifier(n_restarts=1, n_epochs=11, rng=1)"
    model.set_params(max_similarity=2048)


def test_it_can_be_stored(model):
    x, _ = blobs(11, seed=9)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).decide(x).admitted, model.decide(x).admitted)


def test_calibration_items_can_be_given():
    x, y = blobs()
    one = fit(x[:211], y[:211], x[211:], y[211:])
    assert len(one._fits[0].support.features) == 211
    assert one.calibration_.n == 193
    two = fit(x[:211], y[:211], x[211:], y[211:], n_restarts=2)
    assert abs(len(two._fits[1].support.features) - 211) <= 1
    assert two.runs_[0].best == one.runs_[0].best  # the first restart is the same
    assert two.best_ == int(np.argmin([run.best for run in two.runs_]))
    assert len(two.regions_) == 2


def test_an_ensemble_answers_only_what_all_restarts_answer():
    x, y = blobs()
    found = fit(x, y, n_restarts=3)
    new, _ = blobs(211, seed=8, apart=1.2)
    every = [found._one(own, adaptor, new) for own, adaptor in zip(found._fits, found._adaptors, strict=True)]
    expected = np.all([d.admitted_low & (d.predicted == every[0].predicted) for d in every], axis=0)
    np.testing.assert_array_equal(found.admit(new, rule="ensemble"), expected)


def test_too_short_a_training_is_said():
    x, y = blobs()
    found, said = states(SDMClassifier(n_restarts=1, n_epochs=12, target=0.6, learning_rate=2e-3, rng=3), x, y)
    assert found.runs_[0].underfit
    assert said == {UnderfitWarning: "The last of 12 epochs was the best one: raise n_epochs or learning_rate."}
    assert found.reason_ == Reason.UNDERFIT
    assert found.warnings_ == tuple(said.values())


def test_data_without_a_signal_have_no_region():
    rng = np.random.default_rng(7)
    x, y = rng.normal(size=(202, 3)), rng.integers(2, size=202)
    found, said = states(SDMClassifier(n_restarts=1, n_epochs=20, learning_rate=1e-2, rng=3), x, y)
    assert "No region reaches 95%" in said[NoRegionWarning]
    assert found.reason_ == Reason.NO_REGION
    assert not found.admit(x).any()
    assert found.region_.minimum == math.inf
    assert "nothing is answered" in found.warnings_[0]
    assert found.calibration_.accuracy.reason == Reason.NOTHING_ADMITTED


def test_support_can_grow_without_training(model):
    x, _ = blobs(101, seed=10)
    before = model.decide(x)
    grown = pickle.loads(pickle.dumps(model)).add_support(x[:40] + 0.01, np.full(40, "unknown"))
    after = grown.decide(x)
    np.testing.assert_array_equal(before.predicted, after.predicted)
    assert (after.similarity <= before.similarity).all()
    assert (after.similarity < before.similarity).any()
    more = pickle.loads(pickle.dumps(model)).add_support(x, model.predict(x))
    assert (more.decide(x).nearest_distance == 0).all()


def test_universal_estimator():
    x, y = blobs(122)
    found = fit(x, y, estimator="U", n_restarts=2, n_epochs=10)
    assert all(run.n_epochs == 10 for run in found.runs_)
    assert all(
        value == -round(-value * 4) / 4 for run in found.runs_ for value in run.criterion
    )  # means of two medians
    new, truth = blobs(211, seed=8)
    decided = found.decide(new)
    np.testing.assert_array_equal(found.admit(new), decided.admitted_low)
    assert (decided.admitted_low <= decided.admitted).all()
    assert (found.predict(new) == truth).mean() > 0.95
    assert found.region_.minimum >= found.regions_[found.best_].minimum
    assert not found.admit(new + 40).any()


def test_universal_estimator_says_that_an_offset_is_missing():
    rng = np.random.default_rng(7)
    x, y = rng.normal(size=(62, 3)), np.arange(62) % 2
    _, said = states(SDMClassifier(estimator="U", n_restarts=2, n_epochs=2, rng=3), x, y)
    assert "has no offset" in said[RestartWarning]
    assert NoRegionWarning in said


def test_a_row_that_is_not_finite_is_refused(model):
    x, _ = blobs(7)
    x[2, 1] = math.nan
    assert not model.decide(x).admitted[2]
    assert not model.admit(x, rule="ensemble")[2]
    with pytest.raises(ArgumentError, match="must be finite"):
        model.predict(x)


def test_in_a_table_it_is_fitted_on_the_same_items():
    x, y = blobs(503)
    split = np.repeat(["train", "calibration", "test"], [202, 201, 100])
    logits = np.stack([-(x**2).sum(axis=1), -((x - 2.5) ** 2).sum(axis=1)], axis=1) / 2
    model = SDMClassifier(n_restarts=1, n_epochs=30, rng=3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = abstention_table(logits, y, split, features=x, sdm=model, rng=1)
    assert not hasattr(model, "classes_")  # a copy was fitted
    codes = (y == "yes").astype(int)
    own = fit(x[:202], codes[:202], x[202:403], codes[202:403])
    assert found.row("test", "SDM region").n_admitted == own.admit(x[403:]).sum()
    fitted = abstention_table(logits, y, split, features=x, sdm=own, methods=["sdm"], rng=1)
    assert fitted.row("test", "SDM region") == found.row("test", "SDM region")
    with pytest.raises(ArgumentError, match="fitted to the codes"):
        abstention_table(logits, y, split, features=x, sdm=fit(x, y, n_epochs=2), methods=["sdm"])


# --- Training.


def naive_training(x, y, settings, rng):
    """Three layers of loops in float64: Adam by hand, neighbours by sorting. Returns weights after the last epoch."""
    mean, scale = x.mean(), x.std(ddof=1)
    v = (x - mean) / scale
    w = {}
    for name, (rows, columns) in {"weight": (settings.width, x.shape[1]), "head": (2, settings.width)}.items():
        w[name] = rng.uniform(-1 / math.sqrt(columns), 1 / math.sqrt(columns), (rows, columns))
        w[f"{name}_bias"] = rng.uniform(-1 / math.sqrt(columns), 1 / math.sqrt(columns), rows)
    first, second = ({k: np.zeros_like(a) for k, a in w.items()} for _ in range(2))
    q, d, step = np.full(len(x), math.e - 2), np.ones(len(x)), 0
    for _ in range(settings.n_epochs):
        order = rng.permutation(len(x))
        for begin in range(0, len(x), settings.batch_size):
            rows = order[begin : begin + settings.batch_size]
            h = v[rows] @ w["weight"].T + w["weight_bias"]
            z = h @ w["head"].T + w["head_bias"]
            p = sdm_activation(z, q[rows], d[rows])
            error = (p - np.eye(2)[y[rows]]) * d[rows, None] / len(rows)  # the logarithms of the base cancel
            g = {"head": error.T @ h, "head_bias": error.sum(0)}
            back = error @ w["head"]
            g |= {"weight": back.T @ v[rows], "weight_bias": back.sum(0)}
            step += 1
            for k in w:
                first[k] = 0.9 * first[k] + 0.1 * g[k]
                second[k] = 0.999 * second[k] + 0.001 * g[k] ** 2
                a, b = first[k] / (1 - 0.9**step), second[k] / (1 - 0.999**step)
                w[k] = w[k] - settings.learning_rate * a / (np.sqrt(b) + 1e-8)
        h = v @ w["weight"].T + w["weight_bias"]
        predicted = (h @ w["head"].T + w["head_bias"]).argmax(1)
        near = np.zeros(len(x))
        q = np.zeros(len(x))
        for i in range(len(x)):
            others = sorted((float(((h[i] - h[j]) ** 2).sum()), j) for j in range(len(x)) if j != i)
            near[i] = others[0][0]
            for _, j in others:
                if not (predicted[j] == y[j] == predicted[i]):
                    break
                q[i] += 1
        samples = [[near[i] for i in range(len(x)) if y[i] == c and q[i] > 0] for c in (0, 1)]
        d = np.array([min(1 - np.mean(np.array(s) < r) if s else 0.0 for s in samples) for r in near])
    return w


@pytest.mark.parametrize("epochs", [1, 2, 5])
def test_training_equals_the_naive_one(epochs):
    x, y = blobs(43, seed=12, apart=0.8)
    codes = (y == "yes").astype(int)
    settings = Settings.of(43, 5, width=3, learning_rate=0.01, n_epochs=epochs, batch_size=17)
    one_class = np.zeros(3, int)  # calibration items of one class cannot rank epochs: the last one is kept
    run = train_adaptor(x, codes, x[:3], one_class, 2, settings, rng=np.random.default_rng(2))
    assert (run.best_epoch, run.best) == (epochs, math.inf)
    expected = naive_training(x, codes, settings, np.random.default_rng(2))
    for name, key in (("weight", "weight"), ("bias", "weight_bias"), ("head", "head"), ("head_bias", "head_bias")):
        np.testing.assert_allclose(getattr(run.adaptor, name), expected[key], rtol=0, atol=2e-5)


def test_the_control_is_the_same_network_under_the_softmax_loss():
    x, y = blobs(43, seed=12, apart=0.8)
    codes = (y == "yes").astype(int)
    one, other = (
        train_adaptor(x, codes, x, codes, 2, Settings.of(43, 5, n_epochs=1, plain=plain), rng=np.random.default_rng(2))
        for plain in (False, True)
    )
    np.testing.assert_array_equal(one.adaptor.weight, other.adaptor.weight)  # the first epoch is the softmax
    assert one.criterion != other.criterion


def test_defaults_grow_with_the_data():
    assert Settings.of(600, 64).width == 64
    assert Settings.of(5000, 4096).width == 1000
    assert Settings.of(5000, 4096).learning_rate == pytest.approx(20 / (64 * 200 * 100))
    assert Settings.of(10, 4).learning_rate == 0.01
    assert Settings.of(10, 4, learning_rate=1e-5, n_epochs=7, width=2) == Settings(2, 1e-5, 7, 50, 2048)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": 0.4}, "above 0.5"),
        ({"estimator": "B"}, "estimator must be"),
        ({"n_restarts": 0}, "at least 1"),
        ({"n_epochs": 0}, "at least 1"),
        ({"batch_size": 1.5}, "whole number"),
        ({"learning_rate": 0.0}, "above 0"),
        ({"rng": -1}, "0 or more"),
    ],
)
def test_refused_options(options, message):
    with pytest.raises(ArgumentError, match=message):
        SDMClassifier(**options).fit(*blobs(20))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ((np.zeros((4, 2)), [0, 0, 0, 0]), "two classes"),
        ((np.zeros((4, 2)), [0, 0, 0, 1]), "two items or more"),
        ((np.zeros((4, 2)), [0, 1, 0]), "one label per row"),
        ((np.zeros((4, 2)), [0.5, 1, 0, 1]), "fractions"),
        ((np.zeros((4, 2)), [0, 1, 0, 1], np.zeros((2, 2))), "given with X_calibration"),
        ((np.full((4, 2), np.nan), [0, 1, 0, 1]), "finite"),
        ((np.zeros(4), [0, 1, 0, 1]), "a matrix"),
    ],
)
def test_refused_data(data, message):
    with pytest.raises(ArgumentError, match=message):
        SDMClassifier().fit(*data)


def test_nothing_works_before_fitting(model):
    fresh = SDMClassifier()
    for call in (fresh.decide, fresh.predict, fresh.predict_proba, fresh.admit):
        with pytest.raises(ArgumentError, match="Call fit first"):
            call(np.zeros((1, 2)))
    with pytest.raises(ArgumentError, match="of 5 columns"):
        model.predict(np.zeros((1, 2)))
    with pytest.raises(ArgumentError, match="rule must be"):
        model.admit(np.zeros((1, 5)), rule="middle")
