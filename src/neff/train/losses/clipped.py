"""PPO and its family: the ratio of every token, clipped to a band.

The ratio is r = exp(lp - olp), with `olp` the log-probabilities at the start of this batch's updates (the proximal
policy); without `olp`, r = exp(lp - blp).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from neff.errors import ArgumentError
from neff.stats._validate import check_number
from neff.train.losses._batch import read
from neff.train.losses._finish import finish
from neff.train.losses._surrogate import check_clip, proximal_ratio, surrogate

if TYPE_CHECKING:
    from typing import Unpack

    from torch import Tensor

    from neff.train.losses._batch import Batch
    from neff.train.losses.aggregators import Aggregator
    from neff.train.losses.options import LossOptions
    from neff.train.losses.output import LossOutput

__all__ = ["dapo", "dr_grpo", "dual_clip", "grpo", "ppo_clip"]


def _clipped(batch: Batch, aggregate: str, low: float, high: float, cap: float | None = None) -> LossOutput:
    check_clip(batch.call, low, high)
    if cap is not None and not check_number(cap, argument="cap", call=batch.call) > 1:
        raise ArgumentError("cap", "above 1", cap, "3 is usual.", call=batch.call)
    q, w = surrogate(batch, proximal_ratio(batch), low, high, cap)
    return finish(batch, q.mul_(batch.mask), w, aggregate=aggregate)


def ppo_clip(
    lp: Tensor,
    blp: Tensor | None,
    advantages: Tensor,
    mask: Tensor,
    *,
    olp: Tensor | None = None,
    rlp: Tensor | None = None,
    aggregate: Aggregator = "token-mean",
    clip_low: float = 0.2,
    clip_high: float = 0.2,
    **options: Unpack[LossOptions],
) -> LossOutput:
    """Return the loss of PPO, -min(r A, clip(r, 1 - clip_low, 1 + clip_high) A) per token.

    Use it for several updates on one batch of nearly fresh rollouts. It stops tokens that have moved, in the direction
    of their advantage, out of the band; it does not correct for stale data. For A < 0 the ratio has no upper bound:
    see `dual_clip`.

    Parameters
    ----------
    lp, blp, advantages, mask, rlp, aggregate, **options
        As for `reinforce`.
    olp
        Log-probabilities under the proximal policy, shape [B, T]; those of `blp` by default.
    clip_low, clip_high
        The band of the ratio around 1.

    Returns
    -------
    LossOutput
        Weights are the ratios, and 0 where clipped.

    Raises
    ------
    ArgumentError
        As for `reinforce`, and if the band is empty.

    References
    ----------
    arXiv:1707.06347.

    Examples
    --------
    >>> import torch
    >>> blp = torch.log(torch.tensor([[0.5, 0.5, 0.5]]))
    >>> lp = torch.log(torch.tensor([[0.5, 0.75, 0.25]])).requires_grad_()
    >>> out = ppo_clip(lp, blp, torch.tensor([1.0]), torch.ones(1, 3), aggregate="token-sum")
    >>> out.weights.tolist(), round(out.loss.item(), 6)
    ([[1.0, 0.0, 0.5]], -2.7)
    """
    batch = read("ppo_clip", lp, blp, advantages, mask, olp=olp, rlp=rlp, options=options)
    return _clipped(batch, aggregate, clip_low, clip_high)


def dual_clip(
    lp: Tensor,
    blp: Tensor | None,
    advantages: Tensor,
    mask: Tensor,
    *,
    olp: Tensor | None = None,
    rlp: Tensor | None = None,
    aggregate: Aggregator = "token-mean",
    clip_low: float = 0.2,
    clip_high: float = 0.2,
    cap: float = 3.0,
    **options: Unpack[LossOptions],
) -> LossOutput:
    """Return the loss of PPO where a negative advantage counts at most `cap` times: min(l, -cap A) for A < 0.

    Use it instead of `ppo_clip` wherever ratios can grow large. verl's default.

    Parameters
    ----------
    lp, blp, advantages, mask, olp, rlp, aggregate, clip_low, clip_high, **options
        As for `ppo_clip`.
    cap
        Above 1. Tokens with A < 0 and a larger ratio have no gradient.

    Returns
    -------
    LossOutput
        Weights are the ratios, and 0 where clipped.

    Raises
    ------
    ArgumentError
        As for `ppo_clip`, and if `cap` is not above 1.

    References
    ----------
    arXiv:1912.09729.

    Examples
    --------
    >>> import torch
    >>> lp, blp = torch.log(torch.tensor([[0.75, 0.5]])), torch.log(torch.tensor([[0.15, 0.5]]))
    >>> dual_clip(lp, blp, torch.tensor([-1.0]), torch.ones(1, 2), aggregate="token-sum").loss.item()
    4.0
    """
    batch = read("dual_clip", lp, blp, advantages, mask, olp=olp, rlp=rlp, options=options)
    return _clipped(batch, aggregate, clip_low, clip_high, cap)


def grpo(
    lp: Tensor,
    blp: Tensor | None,
    advantages: Tensor,
    mask: Tensor,
    *,
    olp: Tensor | None = None,
    rlp: Tensor | None = None,
    aggregate: Aggregator = "seq-mean-token-mean",
    clip_low: float = 0.2,
    clip_high: float = 0.2,
    **options: Unpack[LossOptions],
) -> LossOutput:
    """Return the loss of GRPO: PPO's, averaged per response, with `beta` times k3 towards the reference.

    Use it with group z-scored advantages. A token of a short response counts more than one of a long response: `dapo`
    and `dr_grpo` do away with that.

    Parameters
    ----------
    lp, blp, advantages, mask, olp, rlp, aggregate, clip_low, clip_high, **options
        As for `ppo_clip`; `beta` is 0 here too unless given.

    Returns
    -------
    LossOutput
        Weights are the ratios, and 0 where clipped.

    Raises
    ------
    ArgumentError
        As for `ppo_clip`.

    References
    ----------
    arXiv:2402.03300.

    Examples
    --------
    >>> import torch
    >>> lp, mask = torch.full((2, 3), -1.0), torch.tensor([[1, 1, 1], [1, 0, 0]])
    >>> round(grpo(lp, lp, torch.tensor([1.0, -1.0]), mask).loss.item(), 6) == 0  # each response counts once
    True
    """
    batch = read("grpo", lp, blp, advantages, mask, olp=olp, rlp=rlp, options=options)
    return _clipped(batch, aggregate, clip_low, clip_high)


def dr_grpo(
    lp: Tensor,
    blp: Tensor | None,
    advantages: Tensor,
    mask: Tensor,
    *,
    olp: Tensor | None = None,
    rlp: Tensor | None = None,
    aggregate: Aggregator = "seq-mean-token-sum-norm",
    clip_low: float = 0.2,
    clip_high: float = 0.2,
    **options: Unpack[LossOptions],
) -> LossOutput:
    """Return the loss of Dr. GRPO: PPO's, summed over tokens and divided by a constant length.

    Use it with advantages R - mean of the group, not divided by the spread. Give `norm_length`, the longest response
    allowed: its default is the padded length of this batch.

    Parameters
    ----------
    lp, blp, advantages, mask, olp, rlp, aggregate, clip_low, clip_high, **options
        As for `ppo_clip`.

    Returns
    -------
    LossOutput
        Weights are the ratios, and 0 where clipped.

    Raises
    ------
    ArgumentError
        As for `ppo_clip`.

    References
    ----------
    arXiv:2503.20783.

    Examples
    --------
    >>> import torch
    >>> lp, mask = torch.full((2, 3), -1.0), torch.tensor([[1, 1, 1], [1, 0, 0]])
    >>> dr_grpo(lp, lp, torch.tensor([1.0, -1.0]), mask, norm_length=4).loss.item()  # -(3 - 1) / 2 / 4
    -0.25
    """
    batch = read("dr_grpo", lp, blp, advantages, mask, olp=olp, rlp=rlp, options=options)
    return _clipped(batch, aggregate, clip_low, clip_high)


def dapo(
    lp: Tensor,
    blp: Tensor | None,
    advantages: Tensor,
    mask: Tensor,
    *,
    olp: Tensor | None = None,
    rlp: Tensor | None = None,
    aggregate: Aggregator = "token-mean",
    clip_low: float = 0.2,
    clip_high: float = 0.28,
    **options: Unpack[LossOptions],
) -> LossOutput:
    """Return the loss of DAPO: PPO's with a higher upper bound, averaged over all tokens of the batch.

    Use it as the present default of trainers for fresh rollouts. DAPO's other parts are not losses: leave out groups
    whose rewards are all equal, and penalize overlong responses in the reward. Give `n_tokens` under gradient
    accumulation.

    Parameters
    ----------
    lp, blp, advantages, mask, olp, rlp, aggregate, clip_low, clip_high, **options
        As for `ppo_clip`.

    Returns
    -------
    LossOutput
        Weights are the ratios, and 0 where clipped.

    Raises
    ------
    ArgumentError
        As for `ppo_clip`.

    References
    ----------
    arXiv:2503.14476.

    Examples
    --------
    >>> import torch
    >>> lp, blp = torch.log(torch.tensor([[0.625, 0.5]])), torch.log(torch.tensor([[0.5, 0.5]]))
    >>> dapo(lp, blp, torch.tensor([1.0]), torch.ones(1, 2)).weights.tolist()  # 1.25 is within 1.28
    [[1.25, 1.0]]
    """
    batch = read("dapo", lp, blp, advantages, mask, olp=olp, rlp=rlp, options=options)
    return _clipped(batch, aggregate, clip_low, clip_high)
