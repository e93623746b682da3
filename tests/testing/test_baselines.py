"""Where the greedy baseline lowers the variance and where it raises it, on tables of logits."""

from __future__ import annotations

import math

import pytest

from neff.errors import ArgumentError
from neff.testing import baseline_study

# rl-remax section 5b: variance without baseline and with ReMax, and ratios to none of ReMax and RLOO-2, sharpness 0..4.
# The sheet's prompts (offsets, logits, targets) are not known, so levels may differ by what 32 prompts differ by.
REWARD_MODEL = [
    (24.27, 0.661, 0.369),
    (24.81, 13.67, 0.644),
    (23.50, 7.15, 0.690),
    (17.68, 2.08, 0.385),
    (9.81, 0.454, 0.133),
]
FRACTION = [(0.837, 0.468), (5.478, 0.258), (1.307, 0.126), (0.318, 0.059), (0.101, 0.030)]


def test_small():
    study = baseline_study(sharpness=2, n_prompts=3, n_samples=300, rng=1)
    assert [row.name for row in study.rows] == ["none", "batch_mean", "greedy", "value", "rloo_2", "optimal"]
    assert study["greedy"].ratio < 1
    assert study["rloo_2"].value < study["greedy"].value
    assert study["optimal"].value <= study["value"].value
    again = baseline_study(sharpness=2, n_prompts=3, n_samples=300, rng=1)
    assert again.to_dict() == study.to_dict()


def test_no_success_leaves_ratios_undefined():
    study = baseline_study(rewards="verifiable", n_prompts=2, n_samples=20, rng=0)
    assert study["none"].value == 0
    assert math.isnan(study["greedy"].ratio)


def test_bad_input():
    with pytest.raises(ArgumentError, match="Did you mean 'fraction'"):
        baseline_study(rewards="fractions")
    with pytest.raises(ArgumentError, match="n_samples must be a whole number of at least 2"):
        baseline_study(n_samples=1)


@pytest.mark.slow
@pytest.mark.parametrize("sharpness", range(5))
def test_rewards_with_an_offset(sharpness):
    study = baseline_study(rewards="reward_model", sharpness=sharpness, rng=0)
    none, greedy, rloo = REWARD_MODEL[sharpness]
    assert study["none"].value == pytest.approx(none, rel=0.25)  # estimated: 32 offsets of variance 4
    assert study["greedy"].value == pytest.approx(greedy, rel=0.1)  # estimated
    assert study["rloo_2"].value == pytest.approx(rloo, rel=0.1)  # estimated
    assert study["rloo_2"].value < study["greedy"].value < study["none"].value


@pytest.mark.slow
@pytest.mark.parametrize("sharpness", range(5))
def test_shares_without_an_offset(sharpness):
    study = baseline_study(rewards="fraction", sharpness=sharpness, rng=0)
    greedy, rloo = FRACTION[sharpness]
    assert study["greedy"].ratio == pytest.approx(greedy, rel=0.1)  # estimated
    assert study["rloo_2"].ratio == pytest.approx(rloo, rel=0.1)  # estimated
    assert (study["greedy"].ratio > 1) == (sharpness in {1, 2})


@pytest.mark.slow
@pytest.mark.parametrize(("sharpness", "at_least"), [(1, 300), (2, 20), (3, 4), (4, 1.2)])
def test_verifiable_rewards_and_a_right_greedy_response(sharpness, at_least):
    """The sheet has 1791, 53, 6.1 and 1.36 times none; RLOO-2 1.18, 1.43, 1.31 and 0.64."""
    study = baseline_study(rewards="verifiable", sharpness=sharpness, rng=0)
    assert study["greedy"].ratio > at_least
    assert study["rloo_2"].ratio < 2
    assert study["rloo_2"].value < study["greedy"].value
