"""augmented-snips: limits, invariances, what it repairs, and its coverage where there is overlap."""

from __future__ import annotations

import math

import numpy as np
import pytest

from neff.evaluate.calibrating.calibration import calibrate
from neff.evaluate.calibrating.folds import balanced_folds
from neff.evaluate.judge.inference import infer
from neff.evaluate.off_policy.augmented_snips import augmented_snips
from neff.evaluate.off_policy.data import Logged
from neff.evaluate.off_policy.ips import snips
from neff.reasons import Reason
from neff.testing import coverage_band, simulate_off_policy


def logged_rows(n=101, seed=0, labelled=0.5, log_ratio=None):
    rng = np.random.default_rng(seed)
    score = np.round(rng.random(n), 2)
    label = np.clip(score + 0.1 * rng.normal(size=n), 0, 1)
    label[rng.random(n) > labelled] = math.nan
    base = -3 - rng.random(n)
    ratio = 0.3 * rng.normal(size=n) if log_ratio is None else log_ratio
    return {
        "prompt": np.arange(n),
        "score": score,
        "label": label,
        "log_prob": base,
        "target_log_prob": np.minimum(base + ratio, 0),
    }


def fitted(logged, n_folds=7):
    folds = balanced_folds(int(logged.prompt.max()) + 1, logged.prompt[logged.labelled], n_folds=n_folds)
    curve = calibrate(logged.score, logged.label, fold=folds.of(logged.prompt), mode="monotone", n_folds=n_folds)
    return {"calibration": curve, "folds": folds}


def test_equal_policies_and_all_labels_give_the_mean_label():
    logged = Logged.of("same", **logged_rows(labelled=1.1, log_ratio=0.0))
    estimate = augmented_snips(logged, **fitted(logged))
    assert estimate.value == pytest.approx(float(logged.label.mean()), rel=1e-12)
    error = float(logged.label.std(ddof=1)) / math.sqrt(logged.n)
    # all labels: the calibrator cancels, one parameter was fitted to the labelled prompts
    assert infer(estimate).standard_error == pytest.approx(error * math.sqrt(101 / 100), rel=1e-9)


def test_weights_count_only_in_ratio():
    rows = logged_rows(seed=1)
    first = Logged.of("x", **rows)
    again = Logged.of("x", **(rows | {"log_prob": rows["log_prob"] - 3.7}))
    a, b = (augmented_snips(part, **fitted(part)) for part in (first, again))
    assert b.value == pytest.approx(a.value, rel=1e-12)
    np.testing.assert_allclose(b.influence, a.influence, rtol=1e-9, atol=1e-15)


def test_order_of_rows_does_not_matter():
    rows = logged_rows(seed=2)
    order = np.random.default_rng(3).permutation(101)
    a = Logged.of("x", **rows)
    b = Logged.of("x", **{name: column[order] for name, column in rows.items()})
    made = fitted(a)
    left, right = infer(augmented_snips(a, **made)), infer(augmented_snips(b, **made))
    assert right.value == pytest.approx(left.value, rel=1e-12)
    assert right.standard_error == pytest.approx(left.standard_error, rel=1e-9)


def test_undefined_without_labels_or_overlap():
    logged = Logged.of("x", **logged_rows(seed=4))
    made = fitted(logged)
    bare = Logged.of("x", **(logged_rows(seed=4) | {"label": np.full(101, math.nan)}))
    assert augmented_snips(bare, **made).reason is Reason.NO_LABELS
    never = Logged.of("x", **(logged_rows(seed=4) | {"target_log_prob": np.full(101, -math.inf)}))
    assert augmented_snips(never, **made).reason is Reason.NO_OVERLAP
    unlabelled_only = np.where(np.isnan(logged.label), -3.0, -math.inf)
    apart = Logged.of("x", **(logged_rows(seed=4) | {"target_log_prob": unlabelled_only}))
    assert augmented_snips(apart, **made).reason is Reason.NO_OVERLAP


@pytest.mark.parametrize("scenario", ["better", "extremes"])
def test_covers_where_the_judge_does_not_transport(scenario):
    """Known truth by enumeration: the residuals of real labels repair what plain snips gets wrong."""
    n_replicates = 120
    found, plain = [], []
    for seed in range(n_replicates):
        logged, _, truth = simulate_off_policy(scenario, 503, rng=seed)
        made = fitted(logged, 20)
        result = infer(augmented_snips(logged, **made))
        low, high = result.interval
        found.append((result.value - truth.value, result.standard_error, low <= truth.value <= high))
        plain.append(snips(logged, calibration=made["calibration"]).value - truth.value)
    error, standard_error, inside = np.array(found, float).T
    low, high = coverage_band(n_replicates, 0.95)
    assert low - 0.02 <= inside.mean() <= high  # self-normalisation costs up to two points at this n
    assert 0.85 < np.sqrt(np.mean(standard_error**2)) / error.std(ddof=1) < 1.2
    if scenario == "better":
        assert abs(np.mean(plain)) > 4 * abs(error.mean())
