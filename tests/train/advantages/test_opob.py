"""OPOB against the released functions' numbers, exact enumeration of a bandit, and a loop."""

from __future__ import annotations

import itertools
import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neff.errors import ArgumentError
from neff.train.advantages import (
    leave_one_out_advantage,
    opob_advantage,
    opob_baseline,
)
from neff.train.advantages.warnings import DroppedWeightWarning, LoneResponseWarning, UnscoredRewardWarning
from neff.train.baselines import bandit_baselines, bandit_scores, baseline_variance

# rl-vcpo section 6, from staleness_utils.py of the released code
BLP = torch.tensor([[-1, -2, -0.5], [-0.7, -1.2, -2.5], [-1.5, -0.3, -0.9], [-2, -1, -0.4]], dtype=torch.float64)
LP = torch.tensor([[-0.8, -1.5, -0.5], [-0.9, -1.6, -2.4], [-0.2, -0.1, -0.5], [-2.5, -1.4, -9]], dtype=torch.float64)
MASK = torch.tensor([[1, 1, 1], [1, 1, 1], [1, 1, 0], [1, 1, 0]])
LOG_W = ((LP - BLP) * MASK).sum(1)
REWARDS = torch.tensor([1.0, 0, 1, 0], dtype=torch.float64)
SQUARES = torch.tensor([2.0, 1, 3, 0.5], dtype=torch.float64) ** 2
ONE = [0, 0, 0, 0]


def test_the_weights_of_the_golden_set():
    np.testing.assert_allclose(LOG_W.exp(), [2.01375270, 0.60653061, 4.48168898, 0.40656966], atol=1e-8)


@pytest.mark.parametrize(
    ("log_w", "square", "options", "expected"),
    [
        (LOG_W, SQUARES, {}, 0.99792703),
        (None, SQUARES, {}, 0.91228070),
        (LOG_W.clamp(max=math.log(2)), SQUARES, {}, 0.99219213),
        (LOG_W, SQUARES / torch.tensor([3, 3, 2, 2]) ** 2, {}, 0.99891156),
        (LOG_W, SQUARES, {"aggregate": "median"}, 1.0),
        (LOG_W, SQUARES, {"aggregate": "winsorized"}, 1.0),
    ],
)
def test_golden(log_w, square, options, expected):
    b = opob_baseline(log_w, square, REWARDS, ONE, **options)
    np.testing.assert_allclose(b, expected, atol=1e-8)


def test_minibatch_scope_is_of_the_differences_from_the_group_mean():
    """The reference's number is of the values R - 0.5; ours is to be subtracted from R itself."""
    b = opob_baseline(LOG_W, SQUARES, REWARDS, ONE, scope="minibatch")
    np.testing.assert_allclose(b - 0.5, 0.49792703, atol=1e-8)
    np.testing.assert_allclose(b, opob_baseline(LOG_W, SQUARES, REWARDS, ONE), atol=1e-12)


@pytest.mark.parametrize(
    ("aggregate", "expected"), [("mean", -0.17419355), ("median", -1), ("winsorized", -0.20967742)]
)
def test_golden_aggregates(aggregate, expected):
    values = torch.tensor([0.1, 0.9, 0.5, -1, 2], dtype=torch.float64)
    weights = torch.tensor([1, 2, 0.5, 4, 0.25], dtype=torch.float64)
    b = opob_baseline(None, weights, values, [0] * 5, aggregate=aggregate)
    np.testing.assert_allclose(b, expected, atol=1e-8)


def test_golden_edges():
    assert opob_baseline(torch.zeros(0), torch.zeros(0), torch.zeros(0), torch.zeros(0)).shape == (0,)
    zero = opob_baseline(None, torch.zeros(3), torch.tensor([1.0, 0, 2]), [0, 0, 0])
    assert zero.tolist() == [0, 0, 0]
    assert opob_baseline(torch.tensor([-40.0]), torch.ones(1), torch.tensor([0.7]), [0]).tolist() == pytest.approx(
        [0.7]
    )


def test_exact_bandit():
    """rl-vcpo section 5: three arms, sampled from mu, trained pi."""
    pi, mu, rewards = [0.2, 0.3, 0.5], [0.5, 0.3, 0.2], [1.0, 0.0, 0.4]
    known = bandit_baselines(pi, rewards, behavior=mu)
    found = baseline_variance(
        bandit_scores(pi), rewards, known, probabilities=mu, log_weights=np.log(np.divide(pi, mu))
    )
    expected = {
        "none": (0, 0.1256),
        "behavior_value": (0.58, 0.0791374),
        "value": (0.4, 0.0368640),
        "on_policy_optimal": (0.4387097, 0.0416485),
        "optimal": (0.3408686817, 0.0341108),
    }
    for name, (baseline, variance) in expected.items():
        assert found[name].baseline == pytest.approx(baseline, abs=1e-7)
        assert found[name].value == pytest.approx(variance, abs=1e-7)
        assert found[name].bias == pytest.approx(0, abs=1e-12)
    truth = np.array(mu) @ (np.divide(pi, mu)[:, None] * np.array(rewards)[:, None] * bandit_scores(pi))
    np.testing.assert_allclose(truth, [0.12, -0.12, 0], atol=1e-12)


def bandit_gradients(arms, *, how):
    """Gradients of groups of N draws, (groups, N) arms: the mean over the group of w (R - b) s."""
    pi, mu, rewards = np.array([0.2, 0.3, 0.5]), np.array([0.5, 0.3, 0.2]), np.array([1.0, 0, 0.4])
    groups, n = arms.shape
    flat = arms.reshape(-1)
    log_w, reward, score = np.log(pi / mu)[flat], rewards[flat], bandit_scores(pi)[flat]
    group = np.repeat(np.arange(groups), n)
    if how in {"plug-in", "leave-one-out"}:
        square = torch.tensor((score**2).sum(1))
        b = opob_baseline(
            torch.tensor(log_w), square, torch.tensor(reward), torch.tensor(group), leave_one_out=how != "plug-in"
        ).numpy()
    else:
        b = reward.reshape(groups, n).mean(1)[group] if how == "mean" else np.zeros(len(flat))
    return ((np.exp(log_w) * (reward - b))[:, None] * score).reshape(groups, n, 3).mean(1)


TRUTH = np.array([0.12, -0.12, 0])
# rl-vcpo section 5: shrinkage of the gradient (plug-in, group mean), and N times the variance (three ways)
PLUG_IN = {2: 0.496, 4: 0.800, 8: 0.919, 16: 0.965, 64: 0.991}
GROUP_MEAN = {2: 0.500, 4: 0.750, 8: 0.875, 16: 0.939, 64: 0.984}
VARIANCE = {2: (0.262, 0.023), 4: (0.106, 0.033), 8: (0.0492, 0.032), 16: (0.0385, 0.033), 64: (0.0345, 0.033)}


def moments(n, how):
    """Expected gradient and N times its variance, by enumeration of all outcomes of N draws."""
    arms = np.array(list(itertools.product(range(3), repeat=n)))
    share = np.array([0.5, 0.3, 0.2])[arms].prod(1)
    g = bandit_gradients(arms, how=how)
    mean = share @ g
    return mean @ TRUTH / (TRUTH @ TRUTH), n * (share @ (g**2).sum(1) - mean @ mean), mean


@pytest.mark.parametrize("n", [2, 4, 8])
def test_bias_and_variance_of_the_plug_in_and_leave_one_out_forms(n):
    shrinkage, variance, _ = moments(n, "plug-in")
    assert shrinkage == pytest.approx(PLUG_IN[n], abs=2e-3)
    assert variance == pytest.approx(VARIANCE[n][1], abs=1e-3)
    shrinkage, variance, mean = moments(n, "leave-one-out")
    np.testing.assert_allclose(mean, TRUTH, atol=1e-12)  # unbiased, in every direction
    assert variance == pytest.approx(VARIANCE[n][0], rel=1e-2)
    assert moments(n, "mean")[0] == pytest.approx(GROUP_MEAN[n], abs=2e-3)
    assert moments(n, "none")[1] == pytest.approx(0.126, abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("n", [16, 64])
def test_bias_and_variance_in_large_groups(n):
    rng = np.random.default_rng(11)
    arms = rng.choice(3, size=(1_600_000 // n, n), p=[0.5, 0.3, 0.2])
    for how, expected in (("plug-in", PLUG_IN[n]), ("leave-one-out", 1.0), ("mean", GROUP_MEAN[n])):
        g = bandit_gradients(arms, how=how)
        along = g @ TRUTH / (TRUTH @ TRUTH)
        error = along.std() / math.sqrt(len(along))
        assert abs(along.mean() - expected) < 4 * error + 1e-3, how
        if how != "mean":
            target = VARIANCE[n][how == "plug-in"]
            assert n * g.var(0).sum() == pytest.approx(target, rel=0.03)  # estimated, and printed with two digits


def loop(log_w, square, rewards, group, *, leave_one_out):
    """The naive twin, in plain sums: fine where weights are moderate."""
    found = []
    for i in range(len(rewards)):
        kin = [j for j in range(len(rewards)) if group[j] == group[i]]
        if len(kin) == 1 or len({rewards[j] for j in kin}) == 1:
            found.append(rewards[i])
            continue
        use = [j for j in kin if j != i] if leave_one_out else kin
        omega = {j: math.exp(2 * log_w[j]) * square[j] for j in use}
        whole = math.fsum(omega.values())
        found.append(math.fsum(omega[j] * rewards[j] for j in use) / whole if whole else 0.0)
    return found


rows = st.lists(
    st.tuples(
        st.integers(-24, 24).map(lambda i: i / 8),
        st.sampled_from([0.0, 0.25, 1.0, 3.0]),
        st.sampled_from([0.0, 0.5, 1.0, -2.0]),
        st.integers(0, 3),
    ),
    min_size=1,
    max_size=11,
)


@settings(deadline=None, max_examples=60)
@given(rows, st.booleans())
def test_against_a_loop(batch, leave_one_out):
    log_w, square, rewards, group = (list(x) for x in zip(*batch, strict=True))
    expected = loop(log_w, square, rewards, group, leave_one_out=leave_one_out)
    tensors = [torch.tensor(x, dtype=torch.float64) for x in (log_w, square, rewards)]
    found = opob_baseline(*tensors, torch.tensor(group), leave_one_out=leave_one_out)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-9, atol=1e-12)


@settings(deadline=None, max_examples=30)
@given(rows, st.sampled_from([-500.0, 300.0, 700.0]), st.booleans(), st.sampled_from(["group", "minibatch"]))
def test_only_ratios_of_weights_matter_however_large(batch, shift, leave_one_out, scope):
    log_w, square, rewards, group = (list(x) for x in zip(*batch, strict=True))
    tensors = [torch.tensor(x, dtype=torch.float64) for x in (log_w, square, rewards)]
    options = {"leave_one_out": leave_one_out, "scope": scope}
    one = opob_baseline(*tensors, torch.tensor(group), **options)
    two = opob_baseline(tensors[0] + shift, *tensors[1:], torch.tensor(group), **options)
    np.testing.assert_allclose(one.numpy(), two.numpy(), rtol=1e-9, atol=1e-12)


def test_equal_weights_are_a_group_mean_and_leave_one_out():
    rewards, group = torch.randn(13, generator=torch.Generator().manual_seed(2)), [0] * 5 + [1] * 8
    plain = opob_baseline(torch.full((13,), 40.0), None, rewards, group, leave_one_out=True)
    expected = rewards - leave_one_out_advantage(rewards, group).advantages
    np.testing.assert_allclose(plain.numpy(), expected.numpy(), atol=1e-6)


def minibatch_loop(log_w, rewards, group, *, leave_one_out):
    """The naive twin of scope "minibatch": means of groups and the weighted mean of differences, without i or with."""
    found = []
    for i in range(len(rewards)):
        use = [j for j in range(len(rewards)) if j != i or not leave_one_out]

        def mean(g, use=use):
            size = sum(x == g for x in group)
            kin = [rewards[j] for j in use if group[j] == g]
            return math.fsum(kin) / len(kin) if size > 1 else 0.0

        omega = {j: math.exp(2 * log_w[j]) for j in use}
        shift = math.fsum(omega[j] * (rewards[j] - mean(group[j])) for j in use) / math.fsum(omega.values())
        found.append(mean(group[i]) + shift)
    return found


@pytest.mark.parametrize("leave_one_out", [False, True])
def test_minibatch_scope_against_a_loop(leave_one_out):
    rng = np.random.default_rng(5)
    log_w, rewards, group = rng.normal(size=11), rng.normal(size=11), [0, 1, 1, 2, 2, 2, 3, 3, 3, 3, 4]
    found = opob_baseline(
        torch.tensor(log_w), None, torch.tensor(rewards), group, scope="minibatch", leave_one_out=leave_one_out
    )
    expected = minibatch_loop(log_w, rewards, group, leave_one_out=leave_one_out)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-9)


def test_minibatch_scope_gives_lone_responses_a_signal():
    rewards = torch.tensor([1.0, 0.0, 1.0])
    with pytest.warns(LoneResponseWarning):
        output = opob_advantage(None, None, rewards, [0, 1, 2], scope="minibatch", leave_one_out=True)
    np.testing.assert_allclose(output.advantages.numpy(), [0.5, -1, 0.5], atol=1e-7)
    with pytest.warns(LoneResponseWarning):
        output = opob_advantage(None, None, rewards, [0, 1, 2])
    assert output.advantages.tolist() == [0, 0, 0]


def test_advantages_are_divided_by_the_population_deviation():
    output = opob_advantage(LOG_W, SQUARES, REWARDS, ONE)
    np.testing.assert_allclose(output.advantages.numpy(), (REWARDS.numpy() - 0.99792703) / 0.5, atol=1e-7)
    plain = opob_advantage(LOG_W, SQUARES, REWARDS, ONE, scale="none")
    np.testing.assert_allclose(plain.advantages.numpy() * 2, output.advantages.numpy())
    tiny = opob_advantage(None, None, torch.tensor([1.0, 1.0 + 1e-9], dtype=torch.float64), [0, 0])
    np.testing.assert_allclose(tiny.advantages.numpy(), [-5e-10, 5e-10], rtol=1e-6)  # too close to be divided
    assert opob_advantage(None, None, [0.1] * 3, [0] * 3).advantages.tolist() == [0, 0, 0]


def test_the_doubled_weight_of_the_released_code():
    b = opob_baseline(LOG_W, SQUARES, REWARDS, ONE, double_weight=True)
    w = LOG_W.exp()
    omega = w**2 * w.clamp(max=8) ** 2 * SQUARES
    np.testing.assert_allclose(b, (omega * REWARDS).sum() / omega.sum(), rtol=1e-9)
    clipped = opob_baseline(LOG_W, SQUARES, REWARDS, ONE, double_weight=True, clip=2)
    omega = w**2 * w.clamp(max=2) ** 2 * SQUARES
    np.testing.assert_allclose(clipped, (omega * REWARDS).sum() / omega.sum(), rtol=1e-9)


def test_the_leave_one_out_baseline_of_a_dominant_weight_is_exact():
    """A difference of sums would be 0/0 here: the first weight is e^400 times the others."""
    log_w = torch.tensor([200.0, 0.0, 0.0])
    b = opob_baseline(log_w, None, torch.tensor([5.0, 1.0, 0.0]), [0, 0, 0], leave_one_out=True)
    np.testing.assert_allclose(b.numpy(), [0.5, 5, 5], rtol=1e-6)


def test_what_is_not_finite_is_dropped_and_counted():
    log_w = torch.tensor([0.0, math.nan, 0.0, math.inf, -math.inf, 0.0])
    square = torch.tensor([1.0, 1, math.nan, 1, 1, 1])
    with pytest.warns(DroppedWeightWarning), pytest.warns(UnscoredRewardWarning):
        output = opob_advantage(log_w, square, [1.0, 0, 0, 0, 0, math.nan], [0] * 6, scale="none")
    assert output.valid.tolist() == [True, False, False, False, True, False]
    assert output.metrics["n_dropped"] == 4
    np.testing.assert_allclose(output.advantages.numpy(), [0, 0, 0, 0, -1, 0], atol=1e-7)
    assert set(output.warnings) == {"dropped_weights", "unscored_rewards"}
    zero = opob_advantage(torch.full((3,), -math.inf), None, [1.0, 0, 2], [0] * 3, scale="none")
    assert zero.warnings == ("zero_weights",)
    assert zero.advantages.tolist() == [1, 0, 2]


def test_bad_input():
    with pytest.raises(ArgumentError, match="sqnorm must be 0 or more"):
        opob_baseline(None, [1.0, -1.0], [1.0, 0.0], [0, 0])
    with pytest.raises(ArgumentError, match="log_w must be of length 2"):
        opob_baseline([0.0], None, [1.0, 0.0], [0, 0])
    with pytest.raises(ArgumentError, match="Did you mean 'minibatch'"):
        opob_baseline(None, None, [1.0, 0.0], [0, 0], scope="minbatch")
    with pytest.raises(ArgumentError, match="clip must be above 0"):
        opob_baseline(None, None, [1.0, 0.0], [0, 0], double_weight=True, clip=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        opob_baseline(None, None, [1.0, math.nan], [0, 0])  # a bare baseline says it by NaN


@pytest.mark.parametrize("aggregate", ["mean", "median", "winsorized"])
@pytest.mark.parametrize("leave_one_out", [False, True])
@pytest.mark.parametrize("scope", ["group", "minibatch"])
def test_an_empty_batch_has_no_advantages(aggregate, leave_one_out, scope):
    """A rank without a response."""
    found = opob_advantage(None, None, [], [], aggregate=aggregate, leave_one_out=leave_one_out, scope=scope)
    assert found.advantages.shape == found.valid.shape == (0,)
