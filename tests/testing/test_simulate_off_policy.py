"""The simulator of logs: its exact truth, its overlap, its scenarios."""

from __future__ import annotations

import numpy as np
import pytest

from neff.errors import ArgumentError
from neff.testing import simulate_off_policy
from neff.testing.off_policy import LABEL_SD, _clipped_mean, _draw, _world

SCENARIOS = ["better", "extremes", "noise", "no-coverage"]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_truth_is_the_mean_label_of_each_policy(scenario):
    rng = np.random.default_rng(1)
    world = _world(scenario)
    for policy, value in ((world.target, world.truth.value), (world.base, world.truth.base_value)):
        row = rng.integers(len(policy), size=200_003)
        quality = world.quality[row, _draw(policy[row], rng)]
        label = np.clip(quality + LABEL_SD * rng.standard_normal(len(row)), 0, 1)
        assert abs(label.mean() - value) < 4 * label.std() / np.sqrt(len(row))


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_logs_are_the_base_policy_judged_and_labelled(scenario):
    logged, fresh, truth = simulate_off_policy(scenario, 20_011, label_share=0.3, n_fresh=2, rng=3)
    known = logged.labelled
    assert logged.n == 20_011
    assert fresh.n == 40_022
    assert abs(known.mean() - 0.3) < 0.02  # 6 standard errors
    assert abs(logged.label[known].mean() - truth.base_value) < 0.02  # 5 standard errors
    assert ((logged.score * 20) % 1 < 1e-9).all() or np.allclose(logged.score * 20, np.round(logged.score * 20))
    assert logged.log_prob.max() <= 0
    assert logged.target_log_prob.max() <= 0
    assert np.bincount(fresh.prompt).tolist() == [2] * 20_011


def test_ratios_average_to_one_only_where_everything_was_logged():
    mean = {s: np.exp(simulate_off_policy(s, 20_011, rng=2)[0].log_ratio).mean() for s in SCENARIOS}
    assert abs(mean["better"] - 1) < 0.02  # 7 standard errors
    assert abs(mean["extremes"] - 1) < 0.02
    assert mean["no-coverage"] < 0.02


def test_the_noise_has_a_mean_ratio_of_one_and_ruins_the_effective_sample_size():
    ratio = simulate_off_policy("noise", 20_011, rng=2)[0].log_ratio
    assert abs(ratio.mean() + 2) < 0.06  # 4 standard errors
    assert abs(ratio.std() - 2) < 0.04


def test_mean_of_a_clipped_normal_against_numbers():
    rng = np.random.default_rng(0)
    for quality in (0.02, 0.5, 0.9):
        draws = np.clip(quality + LABEL_SD * rng.standard_normal(400_003), 0, 1)
        assert abs(draws.mean() - _clipped_mean(np.array(quality))) < 5 * draws.std() / np.sqrt(len(draws))


def test_a_seed_repeats_and_bad_names_are_refused():
    first, again = (simulate_off_policy("better", 31, rng=5)[0] for _ in range(2))
    assert first.score.tolist() == again.score.tolist()
    with pytest.raises(ArgumentError, match="scenario"):
        simulate_off_policy("best", 31)
    with pytest.raises(ArgumentError, match="n_fresh"):
        simulate_off_policy("better", 31, n_fresh=0)
