"""ReMax: the reward of the model's own greedy response as baseline."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch

from neff.errors import ArgumentError
from neff.stats._validate import check_number
from neff.train.advantages._groups import AdvantageOutput, as_vector, check_mask, finish, float_type, sample_of

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["remax_advantage", "remax_kl_returns", "remax_token_advantage"]


def remax_advantage(rewards: Any, greedy_rewards: Any, mask: Tensor | None = None) -> AdvantageOutput:
    """Return the advantages of ReMax: reward minus the reward of the greedy response to the same prompt.

    Use it where one sampled response per prompt is all that can be had, and rewards are on a scale of their own for
    each prompt (a reward model). Not with 0/1 rewards and a policy whose greedy response is right: there it raises the
    variance, up to a thousandfold (`neff.testing.baseline_study`); two sampled responses and `leave_one_out_advantage`
    cost as many generations, and had lower variance in every case that was measured.

    Parameters
    ----------
    rewards
        Reward of each sampled response, shape [B].
    greedy_rewards
        Reward of the greedy response to the prompt of each, shape [B]: repeat it over the responses to one prompt. From
        the same weights that sampled, through the same pipeline of rewards.
    mask
        Shape [B, T], non-zero at the tokens of the response: with it the advantages come per token.

    Returns
    -------
    AdvantageOutput
        `advantages` [B], or [B, T] with a mask, not divided by a standard deviation; 0 where either reward is NaN or
        infinite (`valid` is False). `metrics["nonzero_share"]` is the share that teaches anything: a sharp policy often
        samples its greedy response.

    Raises
    ------
    ArgumentError
        If the shapes differ.

    Warns
    -----
    UnscoredRewardWarning
        If a reward is not finite.

    Notes
    -----
    The gradient is unbiased, as the baseline depends on the prompt and the weights alone; give the greedy response no
    gradient, and keep it out of training data and metrics. With stale rollouts multiply by the importance weight.

    References
    ----------
    Li et al., arXiv:2310.10505.

    Examples
    --------
    >>> output = remax_advantage([1.0, 0.0, 0.5, 2.0, -1.0], [0.25, 0.25, 0.25, 1.0, 1.0])
    >>> output.advantages.tolist(), output.metrics["nonzero_share"]
    ([0.75, -0.25, 0.25, 1.0, -2.0], 1.0)
    """
    call = "remax_advantage"
    reward = as_vector(rewards, "rewards", call)
    length = reward.shape[0]
    greedy = as_vector(greedy_rewards, "greedy_rewards", call, length=length, device=reward.device).double()
    if mask is not None:
        check_mask(mask, length, call)
    usable = greedy.isfinite()
    reward = reward.to(float_type(reward)).masked_fill(~usable, math.nan)
    sample = sample_of(reward, call=call)
    greedy = greedy.masked_fill(~usable, 0.0)
    advantages = sample.rewards - greedy
    if mask is not None:
        inside = mask != 0
        advantages = advantages[:, None].expand(mask.shape).masked_fill(~inside, 0.0)
        greedy = greedy[:, None].expand(mask.shape).masked_fill(~inside, 0.0)
    return finish(sample, advantages, greedy)


def remax_token_advantage(token_rewards: Tensor, greedy_rewards: Any, mask: Tensor) -> AdvantageOutput:
    """Return ReMax advantages from rewards per token, as verl's `remax`: return-to-go minus the greedy reward.

    Use it where a penalty (a KL term, a length cost) is already in the rewards of the tokens. The greedy reward is
    subtracted whole at every token, as it is not known by token.

    Parameters
    ----------
    token_rewards
        Reward of each token, shape [B, T]; that of the response at its last token.
    greedy_rewards
        Total reward of the greedy response to the prompt of each, shape [B].
    mask
        Shape [B, T], non-zero at the tokens of the response.

    Returns
    -------
    AdvantageOutput
        `advantages` [B, T].

    Raises
    ------
    ArgumentError
        If the shapes differ.

    Warns
    -----
    UnscoredRewardWarning
        If a reward is not finite.

    References
    ----------
    Li et al., arXiv:2310.10505; the form of verl 0.9.1.

    Examples
    --------
    >>> rewards, mask = torch.tensor([[-0.1, -0.2, 1.0], [0.0, 0.5, 0.0]]), torch.tensor([[1, 1, 1], [1, 1, 0]])
    >>> output = remax_token_advantage(rewards, [0.25, 0.25], mask)
    >>> [[round(a, 4) for a in row] for row in output.advantages.tolist()]
    [[0.45, 0.55, 0.75], [0.25, 0.25, 0.0]]
    """
    call = "remax_token_advantage"
    if token_rewards.ndim != 2:
        raise ArgumentError("token_rewards", "of shape [B, T]", tuple(token_rewards.shape), call=call)
    check_mask(mask, token_rewards.shape[0], call, width=token_rewards.shape[1])
    keep = mask != 0
    inside = token_rewards.detach().double().masked_fill(~keep, 0.0)
    greedy = as_vector(greedy_rewards, "greedy_rewards", call, length=mask.shape[0], device=mask.device).double()
    usable = greedy.isfinite()
    whole = inside.sum(1).masked_fill(~usable, math.nan)
    sample = sample_of(whole.to(float_type(token_rewards)), call=call)
    base = greedy.masked_fill(~usable, 0.0)[:, None].expand(mask.shape).masked_fill(~keep, 0.0)
    returns = inside.flip(1).cumsum(1).flip(1) * keep
    return finish(sample, returns - base, base)


def remax_kl_returns(
    rewards: Any,
    greedy_rewards: Any,
    lp: Tensor,
    rlp: Tensor,
    mask: Tensor,
    *,
    beta: float = 0.05,
    gamma: float = 0.99,
    reward_clip: float = 5.0,
) -> AdvantageOutput:
    """Return the per-token returns of the ReMax reference for RLHF, with a one-step KL penalty, quirks included.

    Use it to reproduce runs of the reference. Not for new work: `remax_token_advantage` with a KL term in the token
    rewards sums the penalty over the rest of the response, as a return should.

    Parameters
    ----------
    rewards, greedy_rewards
        Reward of each response and of the greedy response to its prompt, shape [B].
    lp, rlp
        Log-probabilities of the tokens under the policy and under the frozen reference, shape [B, T]. No gradient.
    mask
        Shape [B, T], non-zero at the tokens of the response, which are contiguous.
    beta
        Weight of the penalty, 0 or more.
    gamma
        Discount per token, in [0, 1].
    reward_clip
        Bound on the absolute difference of the two rewards.

    Returns
    -------
    AdvantageOutput
        `advantages` [B, T]; `metrics["kl_ratio"]` is the mean share of the penalty in the absolute return, NaN without
        a token (the reference divides by zero).

    Raises
    ------
    ArgumentError
        If shapes differ or an option is out of range.

    Warns
    -----
    UnscoredRewardWarning, DroppedWeightWarning
        If a reward, or a log-probability at a valid token, is not finite: its response is dropped.

    Notes
    -----
    Three quirks: the penalty of a token is its own, -beta (lp - rlp), not that of the rest of the response; the last
    token is already discounted once; the clip acts on the *difference* of the rewards.

    References
    ----------
    Li et al., arXiv:2310.10505; the reference implementation.

    Examples
    --------
    >>> lp, rlp = torch.tensor([[-0.5, -1.5, -0.7]]), torch.tensor([[-0.7, -1.0, -0.7]])
    >>> output = remax_kl_returns([1.0], [0.4], lp, rlp, torch.ones(1, 3))
    >>> [round(a, 5) for a in output.advantages[0].tolist()]
    [0.57218, 0.61306, 0.594]
    """
    call = "remax_kl_returns"
    beta, gamma = check_number(beta, argument="beta", call=call), check_number(gamma, argument="gamma", call=call)
    clip = check_number(reward_clip, argument="reward_clip", call=call)
    for name, value, good in (
        ("beta", beta, beta >= 0),
        ("gamma", gamma, 0 <= gamma <= 1),
        ("reward_clip", clip, clip > 0),
    ):
        if not good:
            must = {"beta": "0 or more", "gamma": "between 0 and 1", "reward_clip": "above 0"}[name]
            raise ArgumentError(name, must, value, call=call)
    if lp.ndim != 2 or lp.shape != rlp.shape:
        raise ArgumentError("rlp", f"of the shape of lp, {tuple(lp.shape)}, [B, T]", tuple(rlp.shape), call=call)
    reward = as_vector(rewards, "rewards", call, length=lp.shape[0], device=lp.device)
    greedy = as_vector(greedy_rewards, "greedy_rewards", call, length=lp.shape[0], device=lp.device).double()
    check_mask(mask, lp.shape[0], call, width=lp.shape[1])
    reward = reward.to(float_type(reward)).masked_fill(~greedy.isfinite(), math.nan)
    keep = mask != 0
    penalty = (-beta * (lp.detach().double() - rlp.detach().double())).masked_fill(~keep, 0.0)
    sample = sample_of(reward, call=call, valid=penalty.isfinite().all(1))
    left = keep.flip(1).cumsum(1).flip(1).double()  # tokens to the end, this one included
    difference = (sample.rewards - greedy.nan_to_num(0.0, 0.0, 0.0)).clamp(-clip, clip)
    discounted = (gamma**left * difference[:, None]).masked_fill(~keep, 0.0)
    size = penalty.abs() + discounted.abs()
    share = torch.where(size > 0, penalty.abs() / size, 0.0)[keep & sample.valid[:, None]]
    extra = {"kl_ratio": float(share.mean()) if share.numel() else math.nan}
    base = greedy[:, None].expand(lp.shape).masked_fill(~keep, 0.0)
    return finish(sample, penalty + discounted, base, extra)
