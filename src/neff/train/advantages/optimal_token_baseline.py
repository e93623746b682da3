"""The optimal token baseline of verl: one baseline per group and position, weighted by the score norm so far."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from neff.errors import ArgumentError
from neff.train.advantages._groups import AdvantageOutput, finish, float_type, sample_of

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["optimal_token_advantage"]


def optimal_token_advantage(
    token_rewards: Tensor,
    group: Any,
    mask: Tensor,
    *,
    lp: Tensor,
    sum_pi_squared: Tensor,
    weights: Tensor | None = None,
    zero_tail: bool = True,
    eps: float = 1e-8,
) -> AdvantageOutput:
    """Return return-to-go minus, at each position, the mean return of the group weighted by its score norm so far.

    Use it with several responses per prompt and the sum of squared token probabilities from the actor. Not with rewards
    given to whole responses of very different lengths only: past the end of the short ones the baseline is a mean over
    the few long ones.

    Parameters
    ----------
    token_rewards
        Reward of each token, shape [B, T].
    group
        Id of the prompt of each response, shape [B].
    mask
        Shape [B, T], non-zero at the tokens of the response.
    lp
        Log-probability of each token under the policy that is trained, shape [B, T].
    sum_pi_squared
        Sum over the vocabulary of the squared probabilities at each position, shape [B, T].
    weights
        Importance weight of each token, shape [B, T]: their squares multiply the norms.
    zero_tail
        Give the part of the longest response beyond the second longest the baseline 0, not its own return.
    eps
        Added to the sum of weights.

    Returns
    -------
    AdvantageOutput
        `advantages` [B, T]. A response that is alone in its group keeps its return (baseline 0), as in verl.

    Raises
    ------
    ArgumentError
        If the shapes differ.

    Warns
    -----
    UnscoredRewardWarning, DroppedWeightWarning
        If a reward, or a log-probability, sum of squares or weight at a valid token, is not finite: its response is
        dropped.
    LoneResponseWarning
        If a group has one scored response.

    Notes
    -----
    Weight at position t: the sum up to t of w^2 (1 - 2 pi + sum pi^2), the squared norm of the score of a tabular
    softmax. The baseline contains the response's own return, so the gradient has the bias of a group mean. O(B T).

    References
    ----------
    verl 0.9.1, `optimal_token_baseline`.

    Examples
    --------
    >>> rewards, mask = torch.tensor([[0.0, 1.0], [0.0, 0.0]]), torch.ones(2, 2)
    >>> lp = torch.log(torch.tensor([[0.5, 0.5], [0.5, 0.25]]))
    >>> squares = torch.full((2, 2), 0.5)
    >>> output = optimal_token_advantage(rewards, [1, 1], mask, lp=lp, sum_pi_squared=squares)
    >>> [[round(a, 4) for a in row] for row in output.advantages.tolist()]
    [[0.5, 0.6], [-0.5, -0.4]]
    """
    call = "optimal_token_advantage"
    shape = token_rewards.shape
    if token_rewards.ndim != 2:
        raise ArgumentError("token_rewards", "of shape [B, T]", tuple(shape), call=call)
    others = {"mask": mask, "lp": lp, "sum_pi_squared": sum_pi_squared, "weights": weights}
    for name, tensor in others.items():
        if tensor is not None and tensor.shape != shape:
            raise ArgumentError(name, f"of the shape of token_rewards, {tuple(shape)}", tuple(tensor.shape), call=call)
    keep = mask != 0
    inside = token_rewards.detach().double().masked_fill(~keep, 0.0)
    energy = (1 - 2 * lp.detach().double().exp() + sum_pi_squared.detach().double()).clamp(min=0)  # but for rounding
    if weights is not None:
        energy = energy * weights.detach().double().square()
    energy = energy.masked_fill(~keep, 0.0)
    usable = energy.isfinite().all(1)
    sample = sample_of(inside.sum(1).to(float_type(token_rewards)), group, call=call, valid=usable)
    use = keep & sample.valid[:, None]
    returns = inside.masked_fill(~use, 0.0).flip(1).cumsum(1).flip(1) * use
    energy = energy.masked_fill(~use, 0.0).cumsum(1) * use
    groups = sample.groups
    upper, lower = (
        torch.zeros(groups.n, shape[1], dtype=torch.float64, device=inside.device).index_add_(0, groups.code, x)
        for x in (returns * energy, energy)
    )
    baseline = (upper / (lower + eps))[groups.code]
    lone = groups.spread(sample.counts == 1)
    baseline = baseline.masked_fill(lone[:, None], 0.0)
    if zero_tail:
        baseline = baseline.masked_fill(_tail(sample.groups.pad(use.sum(1)), use, sample.groups.spread), 0.0)
    baseline = baseline * use
    return finish(sample, (returns - baseline) * use, baseline)


def _tail(lengths: Tensor, use: Tensor, spread: Any) -> Tensor:
    """Return where the one longest response of a group is beyond the second longest, [B, T]; `lengths` is [G, W]."""
    if lengths.shape[1] < 2:
        return torch.zeros_like(use)
    second = spread(lengths.sort(dim=1, descending=True).values[:, 1])
    positions = use.cumsum(1)  # counted in valid tokens
    return (positions > second[:, None]) & use
