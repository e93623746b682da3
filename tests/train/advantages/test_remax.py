"""ReMax against the reference's numbers, verl's function, and the exact gradient of a bandit."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import torch

from neff.errors import ArgumentError
from neff.train.advantages import (
    remax_advantage,
    remax_kl_returns,
    remax_token_advantage,
)
from neff.train.advantages.warnings import DroppedWeightWarning, UnscoredRewardWarning
from neff.train.baselines import bandit_baselines, bandit_scores, baseline_variance

# rl-remax section 6: functions compute_returns and actor_loss_fn of liziniu/ReMax, prompt of length 2
LP = torch.tensor([[-1.0, -0.5, -1.5, -0.7], [-0.9, -2.0, -0.3, -0.1]])[:, 1:]
RLP = torch.tensor([[-1.1, -0.7, -1.0, -0.7], [-0.9, -1.5, -0.9, -0.1]])[:, 1:]
MASK = torch.tensor([[1, 1, 1], [1, 1, 0]])
REFERENCE = [
    ((1.0, 0.0), (1.0, 0.2), (0.4, 0.5), [[0.6, 0.6, 0.6], [-0.3, -0.3, 0]], 0.186),
    (
        (0.99, 0.05),
        (1.0, 0.2),
        (0.4, 0.5),
        [[0.57217944, 0.61306, 0.59400004], [-0.26903, -0.32700002, 0]],
        0.19706395,
    ),
    (
        (0.99, 0.1),
        (9.0, -7.0),
        (0.5, 0.5),
        [[4.83149481, 4.9505, 4.94999981], [-4.85049963, -5.00999975, 0]],
        0.42049962,
    ),
]
GRADIENT = {
    0: [[-0.12] * 3, [0.06, 0.06, 0]],
    1: [[-0.11443589, -0.122612, -0.11880001], [0.053806, 0.0654, 0]],
}


@pytest.mark.parametrize("case", range(3))
def test_the_reference(case):
    (gamma, beta), rewards, greedy, expected, loss = REFERENCE[case]
    output = remax_kl_returns(list(rewards), list(greedy), LP, RLP, MASK, beta=beta, gamma=gamma)
    np.testing.assert_allclose(output.advantages.numpy(), expected, atol=1e-6)
    lp = LP.clone().requires_grad_()
    value = -(MASK * output.advantages * lp).sum() / MASK.sum()
    assert value.item() == pytest.approx(loss, abs=1e-6)
    (found,) = torch.autograd.grad(value, lp)
    if case in GRADIENT:
        np.testing.assert_allclose(found.numpy(), GRADIENT[case], atol=1e-6)
    if case == 1:
        assert output.metrics["kl_ratio"] == pytest.approx(0.04555417, abs=1e-6)


def test_without_the_penalty_and_discount_it_is_the_plain_advantage():
    rewards, greedy = torch.tensor([1.0, 0.2]), torch.tensor([0.4, 0.5])
    plain = remax_advantage(rewards, greedy, MASK)
    same = remax_kl_returns(rewards, greedy, LP, RLP, MASK, beta=0.0, gamma=1.0)
    np.testing.assert_allclose(plain.advantages.numpy(), same.advantages.numpy(), atol=1e-7)


def test_no_token_has_no_share_of_penalty():
    output = remax_kl_returns([1.0, 0.2], [0.4, 0.5], LP, RLP, torch.zeros(2, 3))
    assert math.isnan(output.metrics["kl_ratio"])
    assert (output.advantages == 0).all()


def test_golden_and_share_of_nonzero():
    """rl-ecosystem section 4."""
    output = remax_advantage(torch.tensor([1, 0, 0.5, 2, -1]), [0.25, 0.25, 0.25, 1, 1])
    assert output.advantages.tolist() == [0.75, -0.25, 0.25, 1, -2]
    assert "n_groups" not in output.metrics
    same = remax_advantage([1.0, 0.5, 0.5], [1.0, 0.5, 1.0])
    assert same.metrics["nonzero_share"] == pytest.approx(1 / 3)


def test_a_missing_reward_on_either_side_drops_the_response():
    with pytest.warns(UnscoredRewardWarning):
        output = remax_advantage([1.0, math.nan, 0.5], [math.nan, 0.0, 0.25])
    assert output.advantages.tolist() == [0, 0, 0.25]
    assert output.valid.tolist() == [False, False, True]
    with pytest.warns(UnscoredRewardWarning):
        output = remax_token_advantage(torch.ones(2, 3), [math.inf, 1.0], MASK)
    assert output.advantages.tolist() == [[0, 0, 0], [1, 0, 0]]
    assert output.valid.tolist() == [False, True]
    with pytest.warns(UnscoredRewardWarning):
        output = remax_kl_returns([1.0, 0.2], [math.nan, 0.5], LP, RLP, MASK)
    assert output.valid.tolist() == [False, True]
    assert torch.isfinite(output.advantages).all()


def test_the_form_of_verl():
    token = torch.zeros(5, 3)
    lengths = torch.tensor([3, 2, 1, 3, 2])
    token[torch.arange(5), lengths - 1] = torch.tensor([1, 0, 0.5, 2, -1])
    mask = (torch.arange(3) < lengths[:, None]).long()
    greedy = torch.tensor([0.25, 0.25, 0.25, 1, 1])
    output = remax_token_advantage(token, greedy, mask)
    expected = torch.tensor([0.75, -0.25, 0.25, 1, -2])[:, None] * mask
    np.testing.assert_allclose(output.advantages.numpy(), expected.numpy(), atol=1e-7)
    token[0, :2] = torch.tensor([-0.1, -0.2])
    output = remax_token_advantage(token, greedy, mask)
    np.testing.assert_allclose(output.advantages[0].numpy(), [0.45, 0.55, 0.75], atol=1e-7)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        verl = pytest.importorskip("verl.trainer.ppo.core_algos")
    theirs, _ = verl.compute_remax_outcome_advantage(token, greedy, mask)
    np.testing.assert_allclose(output.advantages.numpy(), theirs.numpy(), atol=1e-7)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: remax_advantage([1.0, 2.0], [1.0]), "greedy_rewards must be of length 2"),
        (lambda: remax_advantage([1.0, 2.0], [1.0, 0.0], torch.ones(3, 2)), r"mask must be of shape \(2, T\)"),
        (lambda: remax_token_advantage(torch.ones(2), [1.0, 0.0], MASK), r"token_rewards must be of shape \[B, T\]"),
        (lambda: remax_kl_returns([1.0, 2.0], [1.0, 0.0], LP, RLP, MASK, gamma=1.5), "gamma must be between 0 and 1"),
        (lambda: remax_kl_returns([1.0, 2.0], [1.0, 0.0], LP, RLP, MASK, beta=-1), "beta must be 0 or more"),
        (lambda: remax_kl_returns([1.0, 2.0], [1.0, 0.0], LP, RLP, MASK, reward_clip=0), "reward_clip must be above 0"),
        (lambda: remax_kl_returns([1.0, 2.0], [1.0, 0.0], LP, RLP[:, :2], MASK), "rlp must be of the shape of lp"),
    ],
)
def test_bad_input(call, text):
    with pytest.raises(ArgumentError, match=text):
        call()


# rl-remax section 5a: exact variance with no, the greedy and the value baseline
BANDIT = {
    ((1.0, 0.0), 0.1): (0.1458, 0.1458, 0.1152),
    ((1.0, 0.0), 0.6): (0.0768, 0.1728, 0.0192),
    ((1.0, 0.0), 0.9): (0.0018, 0.1458, 0.1152),
    ((1.0, 0.5), 0.1): (0.16245, 0.03645, 0.0288),
    ((1.0, 0.5), 0.6): (0.2352, 0.0432, 0.0048),
    ((1.0, 0.5), 0.9): (0.05445, 0.03645, 0.0288),
    ((1.0, 0.5), 0.99): (0.0050495, 0.0048515, 0.00475398),
    ((2.0, 1.0), 0.1): (0.6498, 0.1458, 0.1152),
    ((2.0, 1.0), 0.6): (0.9408, 0.1728, 0.0192),
    ((2.0, 1.0), 0.9): (0.2178, 0.1458, 0.1152),
}


@pytest.mark.parametrize(("rewards", "p"), BANDIT)
def test_bandit_table(rewards, p):
    pi = [p, 1 - p]
    found = baseline_variance(bandit_scores(pi), rewards, bandit_baselines(pi, rewards), probabilities=pi)
    expected = BANDIT[rewards, p]
    for name, value in zip(("none", "greedy", "value"), expected, strict=True):
        assert found[name].value == pytest.approx(value, rel=2e-6)
        assert found[name].bias == pytest.approx(0, abs=1e-12)
    assert found["optimal"].value == pytest.approx(0, abs=1e-12)
    assert found["optimal"].baseline == pytest.approx(rewards[0] * (1 - p) + rewards[1] * p)


@pytest.mark.parametrize("r2", [0.0, 0.3, 0.5, 0.9])
def test_when_the_greedy_baseline_helps(r2):
    """rl-remax section 3: iff p < r1 / (2 (r1 - r2)) above 1/2; always below."""
    for p in np.linspace(0.03, 0.97, 47):
        pi, rewards = [p, 1 - p], [1.0, r2]
        found = baseline_variance(bandit_scores(pi), rewards, bandit_baselines(pi, rewards), probabilities=pi)
        gain = found["none"].value - found["greedy"].value
        bound = 1 / (2 * (1 - r2))
        if p > 0.5 and abs(p - bound) > 1e-3:
            assert (gain > 0) == (p < bound), p
        elif p < 0.5:
            assert gain > 0 or r2 == 0


def gradients(n, groups, seed=0):
    """Sampled responses of a softmax bandit with three arms: arm, reward, score and group of each."""
    pi, rewards = np.array([0.2, 0.5, 0.3]), np.array([1.0, 0.0, 0.4])
    rng = np.random.default_rng(seed)
    arm = rng.choice(3, size=n, p=pi)
    group = np.arange(n) // groups
    return pi, rewards, arm, rewards[arm], bandit_scores(pi)[arm], group


def test_unbiased_with_the_greedy_response_but_not_with_a_mean_of_the_samples():
    """rl-remax section 5d, with 1e6 draws."""
    n = 1_000_000
    pi, rewards, _, reward, score, group = gradients(n, 2)
    exact = pi @ (rewards[:, None] * bandit_scores(pi))

    def z(advantage):
        sampled = advantage[:, None] * score
        pairs = sampled.reshape(n // 2, 2, 3).mean(1)  # independent from pair to pair
        return (pairs.mean(0) - exact) / (pairs.std(0) / math.sqrt(len(pairs))), pairs.mean(0) / exact

    greedy = remax_advantage(torch.tensor(reward), torch.full((n,), rewards[pi.argmax()])).advantages.numpy()
    assert np.abs(z(greedy)[0]).max() < 4
    mean = reward - reward.reshape(-1, 2).mean(1)[group]
    biased, shrunk = z(mean)
    assert np.abs(biased).max() > 20
    large = np.abs(exact) > 0.02
    np.testing.assert_allclose(shrunk[large], 0.5, atol=0.02)  # estimated: 1 - 1/N at equal norms


def test_whole_number_rewards_may_lack_a_greedy_one():
    with pytest.warns(UnscoredRewardWarning):
        found = remax_advantage([1, 0, 1], [0.5, math.nan, 1.0])
    assert found.advantages.tolist() == [0.5, 0.0, 0.0]
    assert found.valid.tolist() == [True, False, True]


def test_returns_come_in_the_type_of_the_rewards():
    lp, mask = torch.full((2, 3), -1.0), torch.ones(2, 3)
    for kind in (torch.float32, torch.float64):
        found = remax_kl_returns(torch.tensor([1.0, 0.5], dtype=kind), [0.4, 0.5], lp, lp, mask)
        assert found.advantages.dtype == kind


@pytest.mark.parametrize("which", [0, 1])
def test_a_log_probability_that_is_not_finite_drops_its_response(which):
    mask = torch.ones(3, 2)
    mask[2, 1] = 0
    given = [torch.full((3, 2), -1.0), torch.full((3, 2), -1.5)]
    expected = remax_kl_returns([1.0, 0.5, 0.0], [0.0, 0.0, 0.2], *given, mask)
    given[which][1, 0] = given[which][2, 1] = math.nan  # the latter is masked
    with pytest.warns(DroppedWeightWarning):
        found = remax_kl_returns([1.0, 0.5, 0.0], [0.0, 0.0, 0.2], *given, mask)
    assert found.valid.tolist() == [True, False, True]
    torch.testing.assert_close(found.advantages[[0, 2]], expected.advantages[[0, 2]])
    assert not found.advantages[1].any()
    assert math.isfinite(found.metrics["kl_ratio"])
