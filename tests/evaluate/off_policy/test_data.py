"""Logged answers: what is refused, what is dropped and counted, for one target at a time."""

from __future__ import annotations

import numpy as np
import pytest

from neff.errors import ArgumentError
from neff.evaluate.off_policy.data import Logged
from neff.evaluate.off_policy.weights import hajek_weights

NAN = float("nan")


def logs(**change):
    columns = {
        "prompt": [0, 1, 2, 3, 4],
        "score": [0.1, 0.4, 0.5, 0.9, 0.3],
        "label": [NAN, 0.5, 1.0, NAN, 0.0],
        "log_prob": [-10.0, -20.0, -5.0, -7.0, -1.0],
        "target_log_prob": [-11.0, -19.0, -5.5, -9.0, 0.0],
    } | change
    return Logged.of("new", **columns)


def test_a_missing_log_probability_drops_the_row_for_this_target_only():
    first, second = logs(target_log_prob=[-11.0, NAN, -5.5, -9.0, -2.0]), logs()
    assert (first.n, first.n_dropped, first.n_labelled) == (4, 1, 2)
    assert first.prompt.tolist() == [0, 2, 3, 4]
    assert first.score.tolist() == [0.1, 0.5, 0.9, 0.3]
    assert (second.n, second.n_dropped, second.n_labelled) == (5, 0, 3)


def test_covariates_and_propensities_follow_their_rows():
    kept = logs(
        log_prob=[-10.0, -20.0, NAN, -7.0, -1.0],
        covariates=[10, 11, 12, 13, 14],
        propensity=[0.1, 0.2, 0.3, 0.4, 1.0],
    )
    assert kept.covariates.tolist() == [[10], [11], [13], [14]]
    assert kept.propensity.tolist() == [0.1, 0.2, 0.4, 1.0]


def test_a_probability_of_one_is_legitimate_and_of_zero_only_for_the_target():
    assert logs().log_ratio[4] == 1.0
    assert logs(target_log_prob=[-11.0, -np.inf, -5.5, -9.0, -2.0]).log_ratio[1] == -np.inf
    with pytest.raises(ArgumentError, match=r"log_prob must be finite, got -inf.*row 1"):
        logs(log_prob=[-10.0, -np.inf, -5.0, -7.0, -1.0])


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"log_prob": [-1.0, 0.5, -1.0, 0.25, -1.0]}, r"log_prob must be 0 or less, got 0\.5\. 2 row\(s\).*row 1"),
        ({"target_log_prob": [-1.0, -1.0, 3.0, -1.0, -1.0]}, "target_log_prob must be 0 or less, got 3.0.*row 2"),
        ({"target_log_prob": [-1.0, np.inf, -3.0, -1.0, -1.0]}, "target_log_prob must be 0 or less, got inf.*row 1"),
        ({"score": [0.1, NAN, 0.5, 0.9, 0.3]}, "score must be free of NaN.*position 1"),
        ({"label": [0.1, np.inf, 0.5, 0.9, 0.3]}, "label must be finite"),
        ({"prompt": [0, 1, 2, 3]}, "as long as"),
        ({"prompt": [0, -1, 2, 3, 4]}, "prompt must be 0 or more"),
        ({"propensity": [0.5, 0.5, 0.0, 0.5, 0.5]}, "propensity must be above 0 and at most 1, got 0.0.*row 2"),
        ({"propensity": [0.5, 0.5, 1.5, 0.5, 0.5]}, "propensity must be above 0 and at most 1, got 1.5.*row 2"),
        ({"propensity": [0.5, 0.5]}, "propensity must be as long as"),
        ({"covariates": [[1.0], [2.0]]}, "covariates must be of shape"),
    ],
)
def test_bad_columns_are_named_with_their_row(change, match):
    with pytest.raises(ArgumentError, match=match):
        logs(**change)


def test_weights_are_mean_one_and_live_in_log_space():
    far = logs(log_prob=[-5000.0, -4000.0, -4500.0, -4100.0, -3900.0], target_log_prob=[-3000.0] * 5)
    weights = hajek_weights(far)
    assert weights.tolist() == pytest.approx([5.0, 0.0, 0.0, 0.0, 0.0], abs=1e-12)
    ratio = np.exp(logs().log_ratio)
    assert hajek_weights(logs()) == pytest.approx(ratio / ratio.mean(), abs=1e-14)
    capped = np.minimum(ratio / ratio.mean(), 1.5)
    assert hajek_weights(logs(), cap=1.5) == pytest.approx(capped / capped.mean(), abs=1e-14)
    with pytest.raises(ArgumentError, match="cap must be above 0"):
        hajek_weights(logs(), cap=0.0)
