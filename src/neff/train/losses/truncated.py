"""Importance weights per token, truncated or masked.

The weight is w = exp(olp - blp), from the sampler to the proximal policy, on top of PPO's clipped ratio lp - olp.
Without `olp` there is one ratio from the sampler to the current policy, w = exp(lp - blp), on top of the plain score.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from neff.errors import ArgumentError
from neff.stats._validate import check_number
from neff.train.losses._batch import read
from neff.train.losses._finish import finish
from neff.train.losses._surrogate import check_clip, inside, product, staleness, surrogate

if TYPE_CHECKING:
    from typing import Unpack

    from torch import Tensor

    from neff.train.losses._batch import Batch
    from neff.train.losses.aggregators import Aggregator
    from neff.train.losses.options import LossOptions
    from neff.train.losses.output import LossOutput

__all__ = ["mis", "tis"]


def weighted(
    batch: Batch, weight: Tensor, ratio: Tensor | None, low: float, high: float, *, aggregate: str
) -> LossOutput:
    """Return -weight A lp without a proximal ratio, and -weight min(r A, clip(r) A) with one."""
    if ratio is None:
        w = weight * batch.mask
        return finish(batch, w * batch.values(), w, aggregate=aggregate)
    check_clip(batch.call, low, high)
    q, w = surrogate(batch, ratio, low, high)
    return finish(batch, product(weight, q).mul_(batch.mask), product(weight, w), aggregate=aggregate)


def check_band(call: str, low: float, high: float) -> None:
    """Refuse bounds of a kept weight that keep nothing."""
    low, high = (check_number(value, argument=name, call=call) for name, value in (("low", low), ("high", high)))
    if not 0 <= low < high:
        raise ArgumentError("low", f"0 or more, and less than high ({high})", low, call=call)


def check_cap(call: str, cap: float) -> None:
    """Refuse a cap that is not positive."""
    if not check_number(cap, argument="cap", call=call) > 0:
        raise ArgumentError("cap", "a positive number", cap, "2 is usual.", call=call)


def tis(
    lp: Tensor,
    blp: Tensor | None,
    advantages: Tensor,
    mask: Tensor,
    *,
    olp: Tensor | None = None,
    rlp: Tensor | None = None,
    aggregate: Aggregator = "token-mean",
    cap: float = 2.0,
    clip_low: float = 0.2,
    clip_high: float = 0.2,
    **options: Unpack[LossOptions],
) -> LossOutput:
    """Return the loss with truncated importance weights per token, sg(min(w, cap)).

    Use it for the small mismatch between an inference engine and the trainer. Not for stale rollouts: weights per
    token are biased there, which is harmless only where the reward is a sum over tokens.

    Parameters
    ----------
    lp, blp, advantages, mask, rlp, aggregate, **options
        As for `reinforce`.
    olp
        Log-probabilities under the proximal policy, shape [B, T]: w = exp(olp - blp) multiplies PPO's loss. Without it,
        w = exp(lp - blp) multiplies -A lp.
    cap
        Upper bound of the weight.
    clip_low, clip_high
        The band of PPO's ratio, where there is an `olp`.

    Returns
    -------
    LossOutput
        Weights are min(w, cap), times the ratio where there is one, and 0 where it is clipped.

    Raises
    ------
    ArgumentError
        As for `reinforce`, and if `cap` is not positive.

    References
    ----------
    Ionides 2008, Journal of Computational and Graphical Statistics 17. Yao et al. 2025, Your efficient RL framework
    secretly brings you off-policy RL training.

    Examples
    --------
    >>> import torch
    >>> lp, blp = torch.log(torch.tensor([[0.5, 0.5]])), torch.log(torch.tensor([[0.125, 1.0]]))
    >>> tis(lp, blp, torch.tensor([1.0]), torch.ones(1, 2)).weights.tolist()
    [[2.0, 0.5]]
    """
    check_cap("tis", cap)
    batch = read("tis", lp, blp, advantages, mask, olp=olp, rlp=rlp, options=options)
    correction, ratio = staleness(batch)
    return weighted(
        batch, correction.clamp(max=cap), None if olp is None else ratio, clip_low, clip_high, aggregate=aggregate
    )


def mis(
    lp: Tensor,
    blp: Tensor | None,
    advantages: Tensor,
    mask: Tensor,
    *,
    olp: Tensor | None = None,
    rlp: Tensor | None = None,
    aggregate: Aggregator = "token-mean",
    low: float = 0.5,
    high: float = 5.0,
    clip_low: float = 0.2,
    clip_high: float = 0.2,
    **options: Unpack[LossOptions],
) -> LossOutput:
    """Return the loss with masked importance weights per token (IcePop): w where low <= w <= high, 0 outside.

    Use it as `tis`, where tokens with an extreme ratio are more likely wrong than informative.

    Parameters
    ----------
    lp, blp, advantages, mask, olp, rlp, aggregate, clip_low, clip_high, **options
        As for `tis`.
    low, high
        Bounds of a weight that is kept.

    Returns
    -------
    LossOutput
        Weights are w or 0, times the ratio where there is one, and 0 where it is clipped. Where nothing is kept, the
        loss is 0, with a `NothingKeptWarning`.

    Raises
    ------
    ArgumentError
        As for `reinforce`, and if `low` is not below `high`.

    Examples
    --------
    >>> import torch
    >>> lp, blp = torch.log(torch.tensor([[0.75, 0.5]])), torch.log(torch.tensor([[0.125, 1.0]]))
    >>> mis(lp, blp, torch.tensor([1.0]), torch.ones(1, 2)).weights.tolist()
    [[0.0, 0.5]]
    """
    check_band("mis", low, high)
    batch = read("mis", lp, blp, advantages, mask, olp=olp, rlp=rlp, options=options)
    correction, ratio = staleness(batch)
    kept = inside(correction.clamp(low, high), correction)
    return weighted(batch, kept, None if olp is None else ratio, clip_low, clip_high, aggregate=aggregate)
