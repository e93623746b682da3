"""Advantages within groups, against published numbers, plain loops and the functions of verl."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neff.errors import ArgumentError, ArgumentTypeError
from neff.train.advantages import (
    group_advantage,
    group_centered_advantage,
    leave_one_out_advantage,
    opo_advantage,
    optimal_token_advantage,
    reinforce_advantage,
    reinforce_plus_plus_advantage,
    whiten,
)
from neff.train.advantages.reinforce import RunningBaseline
from neff.train.advantages.warnings import (
    DroppedWeightWarning,
    LoneResponseWarning,
    NoRewardsWarning,
    UnscoredRewardWarning,
)

R = torch.tensor([1.0, 0.0, 0.5, 2.0, -1.0])
GROUP = ["a", "a", "a", "b", "b"]
LENGTHS = [3, 2, 1, 3, 2]

# rl-ecosystem section 4, from the functions of verl 0.9.1 in single precision
GOLDEN = {
    "grpo": (lambda: group_advantage(R, GROUP, eps=1e-6), [0.999998, -0.999998, 0, 0.707106, -0.707106]),
    "dr_grpo": (lambda: group_centered_advantage(R, GROUP), [0.5, -0.5, 0, 1.5, -1.5]),
    "rloo": (lambda: leave_one_out_advantage(R, GROUP), [0.75, -0.75, 0, 3, -3]),
    "opo": (lambda: opo_advantage(R, LENGTHS, GROUP), [0.416667, -0.583333, -0.083333, 1.2, -1.8]),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden(name):
    make, expected = GOLDEN[name]
    output = make()
    assert output.advantages.dtype == torch.float32
    np.testing.assert_allclose(output.advantages.numpy(), expected, atol=1e-6)
    assert output.valid.all()
    assert output.metrics["informative_share"] == 1
    assert output.warnings == ()
    if name not in {"grpo", "rloo"}:
        np.testing.assert_allclose((R - output.baseline).numpy(), expected, atol=1e-6)


def loop(rewards, group, kind, *, eps=1e-4, lengths=None):
    """The naive twin: one response at a time."""
    found = []
    for i, r in enumerate(rewards):
        kin = [j for j, g in enumerate(group) if g == group[i] and math.isfinite(rewards[j])]
        if not math.isfinite(r) or len(kin) == 1 or len({rewards[j] for j in kin}) == 1:
            found.append(0.0)
            continue
        others = [rewards[j] for j in kin if j != i]
        mean = math.fsum(rewards[j] for j in kin) / len(kin)
        squares = math.fsum((rewards[j] - mean) ** 2 for j in kin)
        if kind == "rloo":
            found.append(r - math.fsum(others) / len(others))
        elif kind == "centered":
            found.append(r - mean)
        elif kind == "opo":
            whole = sum(lengths[j] for j in kin)
            found.append(r - sum(lengths[j] * rewards[j] for j in kin) / whole)
        else:
            found.append((r - mean) / (math.sqrt(squares / (len(kin) - (kind == "unbiased"))) + eps))
    return found


batches = st.lists(
    st.tuples(st.sampled_from([0.0, 0.1, 0.25, 1.0, -3.0, math.nan, math.inf]), st.integers(0, 3), st.integers(1, 9)),
    min_size=1,
    max_size=13,
)


@settings(deadline=None, max_examples=60)
@given(batches)
def test_against_a_loop(batch):
    rewards, group, lengths = (list(x) for x in zip(*batch, strict=True))
    x = torch.tensor(rewards, dtype=torch.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = {
            "rloo": leave_one_out_advantage(x, group),
            "centered": group_centered_advantage(x, torch.tensor(group)),
            "unbiased": group_advantage(x, [f"g{i}" for i in group]),
            "population": group_advantage(x, np.array(group), scale="population"),
            "opo": opo_advantage(x, lengths, group),
        }
    for kind, output in found.items():
        expected = loop(rewards, group, kind, lengths=lengths)
        np.testing.assert_allclose(output.advantages.numpy(), expected, rtol=1e-9, atol=1e-12, err_msg=kind)
        assert output.valid.tolist() == [math.isfinite(r) for r in rewards]
        assert output.metrics["n_dropped"] == sum(not math.isfinite(r) for r in rewards)


@settings(deadline=None, max_examples=30)
@given(batches, st.randoms())
def test_order_of_responses_does_not_matter(batch, random):
    order = list(range(len(batch)))
    random.shuffle(order)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        one = group_advantage([b[0] for b in batch], [b[1] for b in batch])
        two = group_advantage([batch[i][0] for i in order], [batch[i][1] for i in order])
    np.testing.assert_allclose(one.advantages.numpy()[order], two.advantages.numpy(), rtol=1e-6, atol=1e-7)
    assert one.warnings == two.warnings


def test_equal_rewards_give_exactly_nothing_and_are_named():
    output = group_advantage(torch.full((7,), 0.1), [1] * 4 + [2] * 3, eps=0.0)  # 0.1 * 4 / 4 is not 0.1 in every type
    assert output.advantages.tolist() == [0.0] * 7
    assert output.warnings == ("equal_rewards",)
    assert output.metrics["n_equal_groups"] == 2
    assert output.metrics["informative_share"] == output.metrics["nonzero_share"] == 0


def test_unscored_is_not_zero():
    with pytest.warns(UnscoredRewardWarning):
        output = leave_one_out_advantage([1.0, math.nan, 0.0], [1, 1, 1])
    assert output.advantages.tolist() == [1.0, 0.0, -1.0]
    assert output.valid.tolist() == [True, False, True]
    assert math.isnan(output.baseline[1])
    assert output.metrics["n_dropped"] == 1
    mask = torch.tensor([[1, 1], [1, 1], [1, 0]])
    assert output.per_token(mask).tolist() == [[1.0, 1.0], [0.0, 0.0], [-1.0, 0.0]]


@pytest.mark.parametrize("function", [group_advantage, group_centered_advantage, leave_one_out_advantage])
def test_a_lone_response(function):
    with pytest.warns(LoneResponseWarning):
        output = function([3.0, 1.0, 2.0], [1, 2, 2])
    assert output.advantages[0] == 0
    assert output.baseline[0] == 3
    assert output.metrics["n_lone"] == 1
    with pytest.warns(LoneResponseWarning):
        output = function([3.0, 1.0, 2.0], [1, 2, 2], singleton="reward")
    assert output.advantages[0] == 3
    assert output.baseline[0] == 0


def test_no_rewards_at_all():
    with pytest.warns(NoRewardsWarning), pytest.warns(UnscoredRewardWarning):
        output = group_advantage([math.nan, math.nan], [1, 1])
    assert output.advantages.tolist() == [0.0, 0.0]
    assert math.isnan(output.metrics["informative_share"])
    assert set(output.warnings) == {"unscored_rewards", "no_rewards"}
    empty = group_advantage(torch.zeros(0), torch.zeros(0, dtype=torch.long))
    assert empty.advantages.shape == (0,)
    assert empty.warnings == ()


def test_opo_without_tokens_and_bad_lengths():
    output = opo_advantage([1.0, 0.5], [0, 0], [1, 1])
    assert output.advantages.tolist() == [1.0, 0.5]
    assert output.warnings == ("zero_weights",)
    with pytest.raises(ArgumentError, match="lengths must be finite and 0 or more"):
        opo_advantage([1.0, 0.5], [-1, 2], [1, 1])


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (([1.0, 2.0], [1]), "group must be a vector of length 2"),
        (([1.0, 2.0], torch.zeros(2, 1)), r"group must be of shape \(2,\)"),
        (([1.0, 2.0], [1, None]), "known for every response"),
        (([1.0, 2.0], torch.tensor([1.0, math.nan])), "known for every response"),
        ((torch.zeros(2, 3), [1, 2]), r"rewards must be a vector, \[B\]"),
        ((["a", "b"], [1, 2]), "rewards must be a tensor of numbers"),
    ],
)
def test_bad_input(arguments, text):
    with pytest.raises(ArgumentError, match=text):
        group_advantage(*arguments)


def test_bad_options():
    with pytest.raises(ArgumentError, match="Did you mean 'population'"):
        group_advantage(R, GROUP, scale="populaton")
    with pytest.raises(ArgumentError, match="eps must be 0 or more"):
        group_advantage(R, GROUP, eps=-1)
    with pytest.raises(ArgumentError, match="singleton"):
        group_advantage(R, GROUP, singleton="one")


def test_half_precision_and_integers():
    assert group_centered_advantage(torch.tensor([1, 0]), [1, 1]).advantages.dtype == torch.float32
    half = group_centered_advantage(torch.tensor([1.0, 0.0], dtype=torch.bfloat16), [1, 1]).advantages
    assert half.dtype == torch.bfloat16


def test_reinforce_and_its_running_baseline():
    running = RunningBaseline(decay=0.9)
    assert running.update([math.nan]) == 0
    assert running.update([2.0, 4.0, math.nan]) == 0
    assert running.value == pytest.approx(3)
    assert running.update([0.0]) == pytest.approx(3)
    assert running.value == pytest.approx((0.9 * 0.1 * 3) / (0.9 * 0.1 + 0.1))
    other = RunningBaseline(decay=0.9)
    other.load_state_dict(running.state_dict())
    assert other.value == running.value
    output = reinforce_advantage(R, baseline=torch.arange(5.0))
    assert output.advantages.tolist() == (R - torch.arange(5.0)).tolist()
    with pytest.raises(ArgumentError, match="baseline must be finite"):
        reinforce_advantage(R, baseline=math.nan)
    with pytest.raises(ArgumentError, match="decay"):
        RunningBaseline(decay=1.0)


def test_whitening():
    mask = torch.tensor([[1, 1, 0], [1, 0, 0], [1, 1, 1]])
    x = torch.arange(9.0).reshape(3, 3)
    white = whiten(x, mask)
    inside = white[mask != 0].double()
    assert inside.mean() == pytest.approx(0, abs=1e-7)
    assert inside.var() == pytest.approx(1, rel=1e-6)
    assert (white[mask == 0] == 0).all()
    assert whiten(torch.full((3,), 0.1)).tolist() == [0.0] * 3
    assert whiten(torch.tensor([5.0])).tolist() == [0.0]
    with pytest.raises(ArgumentError, match="of the shape of advantages"):
        whiten(x, mask[:, :2])


@pytest.fixture(scope="module")
def verl():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("verl.trainer.ppo.core_algos")


def random_batch(seed):
    g = torch.Generator().manual_seed(seed)
    group = np.array(["p", "q", "p", "r", "q", "p", "q", "p", "s", "s", "s"])
    lengths = torch.randint(1, 8, (11,), generator=g)
    mask = (torch.arange(7) < lengths[:, None]).float()
    rewards = torch.randn(11, generator=g)
    token = torch.zeros(11, 7)
    token[torch.arange(11), lengths - 1] = rewards
    return rewards, token, mask, group, g


def test_parity_with_verl(verl):
    """Groups of 4, 3, 1 and 3; verl gives a lone response its reward."""
    rewards, token, mask, group, _ = random_batch(3)
    lengths = mask.sum(1)
    with pytest.warns(LoneResponseWarning):
        ours = {
            "grpo": group_advantage(rewards, group, eps=1e-6, singleton="reward"),
            "rloo": leave_one_out_advantage(rewards, group, singleton="reward"),
            "opo": opo_advantage(rewards, lengths, group, singleton="reward"),
            "reinforce_plus_plus_baseline": reinforce_plus_plus_advantage(rewards, group, mask, singleton="reward"),
        }
    config = verl.AlgoConfig() if hasattr(verl, "AlgoConfig") and callable(verl.AlgoConfig) else None
    for name, output in ours.items():
        theirs, _ = verl.get_adv_estimator_fn(name)(
            token_level_rewards=token.clone(), response_mask=mask, index=group, config=config
        )
        np.testing.assert_allclose(output.per_token(mask).numpy(), theirs.numpy(), atol=2e-6, err_msg=name)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("zero_tail", [False, True])
def test_optimal_token_baseline_is_that_of_verl(verl, weighted, zero_tail):
    _, token, mask, group, g = random_batch(5)
    token = token + 0.1 * torch.randn(11, 7, generator=g)
    lp = -torch.rand(11, 7, generator=g) * 3
    pi = lp.exp()
    squares = pi**2 + (1 - pi) ** 2 * torch.rand(11, 7, generator=g)  # of a distribution that gives pi to the token
    weights = torch.rand(11, 7, generator=g) + 0.5 if weighted else None
    with pytest.warns(LoneResponseWarning):
        ours = optimal_token_advantage(
            token, group, mask, lp=lp, sum_pi_squared=squares, weights=weights, zero_tail=zero_tail
        )
    theirs, _ = verl.compute_optimal_token_baseline_advantage(
        token, mask, group, lp, squares, rollout_is_weights=weights, handle_zero_tail=zero_tail
    )
    np.testing.assert_allclose(ours.advantages.numpy(), theirs.numpy(), atol=1e-5)


def test_optimal_token_baseline_drops_what_is_not_scored():
    token, mask = torch.ones(3, 2), torch.ones(3, 2)
    token[2, 0] = math.nan
    with pytest.warns(UnscoredRewardWarning):
        output = optimal_token_advantage(token, [1, 1, 1], mask, lp=-torch.ones(3, 2), sum_pi_squared=mask / 2)
    np.testing.assert_allclose(output.advantages.numpy(), 0, atol=1e-6)
    assert output.valid.tolist() == [True, True, False]
    with pytest.raises(ArgumentError, match="sum_pi_squared must be of the shape"):
        optimal_token_advantage(token, [1, 1, 1], mask, lp=mask, sum_pi_squared=mask[:, :1])


@pytest.mark.parametrize("which", ["lp", "sum_pi_squared", "weights"])
def test_a_response_without_a_score_norm_is_dropped_from_the_token_baseline(which):
    rng = torch.Generator().manual_seed(0)
    rewards, mask = torch.rand(5, 3, generator=rng), torch.ones(5, 3)
    given = {"lp": -torch.rand(5, 3, generator=rng), "sum_pi_squared": torch.full((5, 3), 0.5)}
    given["weights"] = 1 + torch.rand(5, 3, generator=rng)
    left = [0, 1, 3, 4]
    expected = optimal_token_advantage(
        rewards[left], [1, 1, 2, 2], mask[left], **{k: v[left] for k, v in given.items()}
    )
    given[which] = given[which].clone()
    given[which][2, 1] = math.nan
    with pytest.warns(DroppedWeightWarning):
        found = optimal_token_advantage(rewards, [1, 1, 1, 2, 2], mask, **given)
    assert found.valid.tolist() == [True, True, False, True, True]
    torch.testing.assert_close(found.advantages[left], expected.advantages)
    assert not found.advantages[2].any()


def test_rounding_of_a_sharp_policy_does_not_blow_up_the_token_baseline():
    """1 - 2 pi + sum pi^2 is 0 or more, and below it by rounding where pi is 1 in single precision."""
    rewards, mask = torch.tensor([[1.0], [0.0]]), torch.ones(2, 1)
    squares = torch.tensor([[1.0 - 6e-8], [1.0 + 5e-8]], dtype=torch.float64)
    found = optimal_token_advantage(rewards, [1, 1], mask, lp=torch.zeros(2, 1), sum_pi_squared=squares)
    assert 0 <= found.baseline[0] <= 1


def test_whitening_whole_numbers_gives_floats():
    found = whiten(torch.tensor([1, 2, 2, 7]))
    torch.testing.assert_close(found, whiten(torch.tensor([1.0, 2.0, 2.0, 7.0])))
    assert whiten(torch.tensor([3, 3])).tolist() == [0.0, 0.0]
    assert whiten(torch.tensor([3, 3])).is_floating_point()


def test_warnings_are_at_the_line_of_the_caller():
    for advantage in (group_advantage, group_centered_advantage, leave_one_out_advantage):
        with pytest.warns(UnscoredRewardWarning) as caught:
            advantage([1.0, 0.0, math.nan], [0, 0, 0])
        assert caught[0].filename == __file__


def test_none_in_a_list_is_a_reward_that_is_not_known():
    with pytest.warns(UnscoredRewardWarning):
        found = group_centered_advantage([1.0, None, 0.0], ["a", "a", "a"])
    assert found.valid.tolist() == [True, False, True]
    assert found.advantages.tolist() == [0.5, 0.0, -0.5]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: group_advantage([1.0, 0.0], 0), "group must be a tensor, an array or a list of ids, got 0"),
        (lambda: group_advantage([1.0], np.array(3)), "group must be a tensor, an array or a list of ids"),
        (lambda: whiten([1.0, 2.0]), "advantages must be a tensor, got 'list'"),
        (lambda: reinforce_plus_plus_advantage([1.0], [0], [[1, 1]]), "mask must be a tensor, got 'list'"),
    ],
)
def test_bad_types_are_named(call, text):
    with pytest.raises(ArgumentTypeError, match=text):
        call()


def test_whitening_refuses_what_would_make_everything_nan():
    values, mask = torch.tensor([1.0, math.nan, 2.0]), torch.tensor([1, 0, 1])
    with pytest.raises(ArgumentError, match="advantages must be finite where the mask is not 0, got nan"):
        whiten(values)
    assert whiten(values, mask).isfinite().all()
