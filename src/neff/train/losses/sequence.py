"""Importance weights of whole responses: the product of a response's token ratios.

This is the ratio that makes a stale batch unbiased. It is also the one whose variance grows with the length: look at
`ess_sequence`. As in `truncated`, the weight is W = exp(sum(olp - blp)) on top of PPO's clipped ratio, and without
`olp` W = exp(sum(lp - blp)) on top of the plain score.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from neff.train._caller import warn
from neff.train.losses._batch import LOG_LIMIT, read, saturated_exp
from neff.train.losses._surrogate import inside, proximal_ratio
from neff.train.losses.truncated import check_band, check_cap, weighted
from neff.train.losses.warnings import RatioOverflowWarning

if TYPE_CHECKING:
    from typing import Unpack

    from torch import Tensor

    from neff.train.losses._batch import Batch
    from neff.train.losses.aggregators import Aggregator
    from neff.train.losses.options import LossOptions
    from neff.train.losses.output import LossOutput

__all__ = ["sequence_is", "sequence_mis", "sequence_tis"]


def _weight(batch: Batch) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return log W and W, shape [B, 1], and the proximal ratio if there is one."""
    if batch.log_proximal is None:
        log, ratio = batch.log_sequence, None
    else:
        log, ratio = batch.log_sequence - batch.log_proximal.sum(-1), proximal_ratio(batch)
    log = log[:, None]
    return log, saturated_exp(log), ratio


def sequence_tis(
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
    """Return the loss with truncated importance weights per response, sg(min(W, cap)).

    Use it on stale rollouts of moderate length, with the learning rate scaled by `ess_sequence`. Truncation delays the
    collapse of `sequence_is` but does not prevent it.

    Parameters
    ----------
    lp, blp, advantages, mask, rlp, aggregate, **options
        As for `reinforce`.
    olp
        Log-probabilities under the proximal policy, shape [B, T]: W = exp(sum(olp - blp)) multiplies PPO's loss.
        Without it, W = exp(sum(lp - blp)) multiplies -A lp.
    cap
        Upper bound of the weight: 2 in verl, 8 in the released recipes of VCPO.
    clip_low, clip_high
        The band of PPO's ratio, where there is an `olp`.

    Returns
    -------
    LossOutput
        Weights are min(W, cap), times the ratio where there is one, and 0 where it is clipped.

    Raises
    ------
    ArgumentError
        As for `reinforce`, and if `cap` is not positive.

    References
    ----------
    arXiv:2602.17616.

    Examples
    --------
    >>> import torch
    >>> lp, blp = torch.log(torch.tensor([[0.5, 0.5]])), torch.log(torch.tensor([[0.25, 0.25]]))
    >>> sequence_tis(lp, blp, torch.tensor([1.0]), torch.ones(1, 2), cap=3.0).weights.tolist()  # 4 is cut to 3
    [[3.0, 3.0]]
    """
    check_cap("sequence_tis", cap)
    batch = read("sequence_tis", lp, blp, advantages, mask, olp=olp, rlp=rlp, options=options)
    _, weight, ratio = _weight(batch)
    return weighted(batch, weight.clamp(max=cap), ratio, clip_low, clip_high, aggregate=aggregate)


def sequence_mis(
    lp: Tensor,
    blp: Tensor | None,
    advantages: Tensor,
    mask: Tensor,
    *,
    olp: Tensor | None = None,
    rlp: Tensor | None = None,
    aggregate: Aggregator = "token-mean",
    low: float = 0.0,
    high: float = 3.0,
    clip_low: float = 0.2,
    clip_high: float = 0.2,
    **options: Unpack[LossOptions],
) -> LossOutput:
    """Return the loss with masked importance weights per response: W where low <= W <= high, 0 outside.

    Use it for short responses. On long ones a tiny mean log-ratio throws everything away: 0.005 over 300 tokens is a
    weight of 4.5.

    Parameters
    ----------
    lp, blp, advantages, mask, olp, rlp, aggregate, clip_low, clip_high, **options
        As for `sequence_tis`.
    low, high
        Bounds of a weight that is kept; TRL's by default.

    Returns
    -------
    LossOutput
        Weights are W or 0, times the ratio where there is one, and 0 where it is clipped. Where no response is kept,
        the loss is 0, with a `NothingKeptWarning`.

    Raises
    ------
    ArgumentError
        As for `reinforce`, and if `low` is not below `high`.

    Examples
    --------
    >>> import torch
    >>> lp, blp = torch.log(torch.tensor([[0.5], [0.5]])), torch.log(torch.tensor([[0.25], [0.125]]))
    >>> sequence_mis(lp, blp, torch.tensor([1.0, 1.0]), torch.ones(2, 1)).weights.tolist()
    [[2.0], [0.0]]
    """
    check_band("sequence_mis", low, high)
    batch = read("sequence_mis", lp, blp, advantages, mask, olp=olp, rlp=rlp, options=options)
    _, weight, ratio = _weight(batch)
    kept = inside(weight.clamp(low, high), weight)
    return weighted(batch, kept, ratio, clip_low, clip_high, aggregate=aggregate)


def sequence_is(
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
    """Return the loss with the whole importance weight per response.

    Use it to see what unbiased costs: a few responses take over the batch, and training collapses. Weights
    beyond e^44 stay there in the loss, with a `RatioOverflowWarning`.

    Parameters
    ----------
    lp, blp, advantages, mask, olp, rlp, aggregate, clip_low, clip_high, **options
        As for `sequence_tis`.

    Returns
    -------
    LossOutput
        Weights are W, times the ratio where there is one, and 0 where it is clipped.

    Raises
    ------
    ArgumentError
        As for `reinforce`.

    Examples
    --------
    >>> import torch
    >>> lp, blp = torch.log(torch.tensor([[0.5, 0.5]])), torch.log(torch.tensor([[0.25, 0.25]]))
    >>> sequence_is(lp, blp, torch.tensor([1.0]), torch.ones(1, 2)).weights.tolist()
    [[4.0, 4.0]]
    """
    batch = read("sequence_is", lp, blp, advantages, mask, olp=olp, rlp=rlp, options=options)
    log, weight, ratio = _weight(batch)
    warn_of_overflow(batch, log)
    return weighted(batch, weight, ratio, clip_low, clip_high, aggregate=aggregate)


def warn_of_overflow(batch: Batch, log: Tensor) -> None:
    """Warn where an unbounded weight of a response is beyond e^44."""
    if batch.poison is None and log.numel() and (largest := float(log.amax())) > LOG_LIMIT:
        text = (
            f"the largest log-weight of a response is {largest:.4g}; its weight in the loss stays at e^{LOG_LIMIT:g}."
        )
        warn(RatioOverflowWarning(f"{batch.call}: {text}"))
