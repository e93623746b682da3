"""Advantages relative to the other responses to the same prompt: GRPO, Dr. GRPO, RLOO, OPO."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from neff.errors import ArgumentError
from neff.stats._options import check_choice
from neff.stats._validate import check_number
from neff.train.advantages._groups import AdvantageOutput, as_vector, finish, sample_of

if TYPE_CHECKING:
    from torch import Tensor

    from neff.train.advantages._groups import Sample

__all__ = ["group_advantage", "group_centered_advantage", "leave_one_out_advantage", "opo_advantage"]

SINGLETONS = ("zero", "reward")


def group_advantage(
    rewards: Any, group: Any, *, scale: str = "unbiased", eps: float = 1e-4, singleton: str = "zero"
) -> AdvantageOutput:
    """Return the advantages of GRPO: reward minus the mean of its group, divided by the standard deviation.

    Use it with several responses per prompt whose rewards are on different scales from prompt to prompt. Not where hard
    and easy prompts should count by how far their rewards are apart: dividing by the standard deviation gives a group
    with one right answer of 64 a large step (`group_centered_advantage`, `leave_one_out_advantage` do not divide).

    Parameters
    ----------
    rewards
        One reward per response, shape [B]. NaN or infinite: not scored, dropped and counted.
    group
        Id of the prompt of each response, shape [B]: integers or text, in any order; groups may differ in size.
    scale
        Divisor n - 1 ("unbiased": TRL, verl) or n ("population": the papers of P3O and VCPO) in the variance; "none"
        does not divide.
    eps
        Added to the standard deviation; 1e-4 in TRL, 1e-6 in verl.
    singleton
        Advantage of a response that has no other to compare it with: 0, or its reward ("reward": verl).

    Returns
    -------
    AdvantageOutput
        `advantages` [B], and what was left out. Responses of a group with equal rewards have advantage exactly 0.

    Raises
    ------
    ArgumentError
        If shapes differ, an id is missing, or an option is unknown.

    Warns
    -----
    UnscoredRewardWarning
        If a reward is not finite.
    LoneResponseWarning
        If a group has one scored response.

    Notes
    -----
    The mean contains the response's own reward, which shrinks the expected gradient by 1 - 1/n at equal weights. Double
    precision inside. O(B).

    References
    ----------
    Shao et al., arXiv:2402.03300.

    Examples
    --------
    >>> output = group_advantage(torch.tensor([1.0, 0.0, 0.5, 2.0, -1.0]), [7, 7, 7, 9, 9], eps=1e-6)
    >>> [round(a, 4) for a in output.advantages.tolist()]
    [1.0, -1.0, 0.0, 0.7071, -0.7071]
    """
    call = "group_advantage"
    scale = check_choice(scale, ("unbiased", "population", "none"), argument="scale", call=call)
    if not check_number(eps, argument="eps", call=call) >= 0:
        raise ArgumentError("eps", "0 or more", eps, call=call)
    sample = sample_of(rewards, group, call=call)
    centered = _centered(sample, sample.means())
    if scale != "none":
        divisor = sample.counts - (1 if scale == "unbiased" else 0)
        deviation = (centered.square().sum(1) / divisor.clamp(min=1)).sqrt() + eps
        centered = centered / torch.where(deviation > 0, deviation, 1.0)[:, None]
    return _result(sample, centered, sample.means(), singleton, call)


def group_centered_advantage(rewards: Any, group: Any, *, singleton: str = "zero") -> AdvantageOutput:
    """Return the advantages of Dr. GRPO: reward minus the mean of its group, not divided by anything.

    Use it instead of `group_advantage` where rewards of all prompts are on one scale; with a loss that divides by a
    constant length, so that neither length nor difficulty of a prompt changes its weight.

    Parameters
    ----------
    rewards, group, singleton
        As for `group_advantage`.

    Returns
    -------
    AdvantageOutput
        `advantages` [B].

    Raises
    ------
    ArgumentError
        As for `group_advantage`.

    Warns
    -----
    UnscoredRewardWarning
        If a reward is not finite.
    LoneResponseWarning
        If a group has one scored response.

    References
    ----------
    Liu et al., arXiv:2503.20783.

    Examples
    --------
    >>> group_centered_advantage([1.0, 0.0, 0.5, 2.0, -1.0], [7, 7, 7, 9, 9]).advantages.tolist()
    [0.5, -0.5, 0.0, 1.5, -1.5]
    """
    sample = sample_of(rewards, group, call="group_centered_advantage")
    means = sample.means()
    return _result(sample, _centered(sample, means), means, singleton, "group_centered_advantage")


def leave_one_out_advantage(rewards: Any, group: Any, *, singleton: str = "zero") -> AdvantageOutput:
    """Return the advantages of RLOO: reward minus the mean reward of the other responses of its group.

    Use it for an unbiased gradient from two or more responses per prompt: the baseline does not contain the response's
    own reward. At two responses it costs as many generations as ReMax, and had lower variance in every case that was
    measured (`neff.testing.baseline_study`).

    Parameters
    ----------
    rewards, group, singleton
        As for `group_advantage`. TRL gives a lone response 0, verl its reward.

    Returns
    -------
    AdvantageOutput
        `advantages` [B]: n / (n - 1) times those of `group_centered_advantage`.

    Raises
    ------
    ArgumentError
        As for `group_advantage`.

    Warns
    -----
    UnscoredRewardWarning
        If a reward is not finite.
    LoneResponseWarning
        If a group has one scored response.

    References
    ----------
    Kool, van Hoof and Welling 2019, Buy 4 REINFORCE samples, get a baseline for free. Ahmadian et al.,
    arXiv:2402.14740.

    Examples
    --------
    >>> leave_one_out_advantage([1.0, 0.0, 0.5, 2.0, -1.0], [7, 7, 7, 9, 9]).advantages.tolist()
    [0.75, -0.75, 0.0, 3.0, -3.0]
    """
    sample = sample_of(rewards, group, call="leave_one_out_advantage")
    counts = sample.counts
    centered = _centered(sample, sample.means()) * (counts / (counts - 1).clamp(min=1))[:, None]
    return _result(sample, centered, None, singleton, "leave_one_out_advantage")


def opo_advantage(rewards: Any, lengths: Any, group: Any, *, singleton: str = "zero") -> AdvantageOutput:
    """Return the advantages of OPO: reward minus the length-weighted mean of its group.

    Use it on-policy, where the length of a response stands for the squared norm of its score. Not with stale rollouts,
    and not where token probabilities are at hand: `opob_advantage` weights by both.

    Parameters
    ----------
    rewards, group, singleton
        As for `group_advantage`.
    lengths
        Number of tokens of each response, shape [B], 0 or more.

    Returns
    -------
    AdvantageOutput
        `advantages` [B]. A group whose lengths are all 0 has baseline 0.

    Raises
    ------
    ArgumentError
        As for `group_advantage`, or if a length is negative or not finite.

    Warns
    -----
    UnscoredRewardWarning
        If a reward is not finite.
    LoneResponseWarning
        If a group has one scored response.

    References
    ----------
    Hao et al., arXiv:2505.23585.

    Examples
    --------
    >>> output = opo_advantage([1.0, 0.0, 0.5, 2.0, -1.0], [3, 2, 1, 3, 2], [7, 7, 7, 9, 9])
    >>> [round(a, 4) for a in output.advantages.tolist()]
    [0.4167, -0.5833, -0.0833, 1.2, -1.8]
    """
    call = "opo_advantage"
    sample = sample_of(rewards, group, call=call)
    size = as_vector(lengths, "lengths", call, length=sample.rewards.shape[0], device=sample.rewards.device).double()
    if size.numel() and not bool((size.isfinite() & (size >= 0)).all()):
        raise ArgumentError("lengths", "finite and 0 or more", size.tolist(), "Count the tokens.", call=call)
    weight = sample.groups.pad(size) * sample.present
    whole = weight.sum(1)
    means = (weight * sample.values).sum(1) / torch.where(whole > 0, whole, 1.0)
    names = ("zero_weights",) if bool(((whole == 0) & (sample.counts > 0)).any()) else ()
    return _result(sample, _centered(sample, means, exact=whole > 0), means, singleton, call, *names)


def _centered(sample: Sample, baseline: Tensor, *, exact: Tensor | None = None) -> Tensor:
    """Return rewards minus a mean of their group, [G, W]; exactly 0 where all rewards are equal."""
    signal = sample.spread_out() if exact is None else sample.spread_out() | ~exact
    return (sample.values - baseline[:, None]) * (sample.present & signal[:, None])


def _result(
    sample: Sample, centered: Tensor, means: Tensor | None, singleton: str, call: str, *names: str
) -> AdvantageOutput:
    singleton = check_choice(singleton, SINGLETONS, argument="singleton", call=call)
    spread = sample.groups.spread
    advantages = spread(centered)
    baseline = sample.rewards - advantages if means is None else spread(means)
    lone = spread(sample.counts == 1)
    if singleton == "reward":
        advantages, baseline = (torch.where(lone, a, b) for a, b in ((sample.rewards, advantages), (0.0, baseline)))
    else:  # also where a weighted mean of one reward, with weight 0, left the reward itself
        advantages = advantages.masked_fill(lone, 0.0)
        baseline = torch.where(lone, sample.rewards, baseline)
    return finish(sample, advantages, baseline, None, *names)
