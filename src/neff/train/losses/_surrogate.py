"""The ratios that losses put a bound on, and PPO's bound."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from neff.errors import ArgumentError
from neff.stats._validate import check_number
from neff.train.losses._batch import LOG_LIMIT, saturated_exp

if TYPE_CHECKING:
    from torch import Tensor

    from neff.train.losses._batch import Batch

__all__ = ["by_sign", "check_clip", "inside", "product", "proximal_ratio", "staleness", "surrogate"]


def check_clip(call: str, low: float, high: float) -> None:
    """Refuse bounds that leave no band around 1."""
    low, high = (
        check_number(value, argument=name, call=call) for name, value in (("clip_low", low), ("clip_high", high))
    )
    if not 0 <= low <= 1:
        fix = "The ratio is clipped to [1 - clip_low, 1 + clip_high]."
        raise ArgumentError("clip_low", "between 0 and 1", low, fix, call=call)
    if not high >= 0:
        raise ArgumentError("clip_high", "0 or more", high, call=call)


def surrogate(batch: Batch, ratio: Tensor, low: float, high: float, cap: float | None = None) -> tuple[Tensor, Tensor]:
    """Return PPO's bounded ratio q, with min(r A, clip(r) A) = q A, and its weight w: r, or 0 where q is not.

    For A >= 0 the ratio is bounded by 1 + high from above only, for A < 0 by 1 - low from below, and by `cap` from
    above.
    """
    a = batch.advantages
    up = by_sign(a, 1 + high, math.inf if cap is None else cap)
    down = by_sign(a, 0.0, 1 - low)
    q = torch.maximum(torch.minimum(ratio, up), down)
    return q, inside(q, ratio)


def by_sign(a: Tensor, positive: float, negative: float) -> Tensor:
    """Return one number where a >= 0 and the other where a < 0, in the precision of a."""
    return torch.where(a < 0, torch.full_like(a, negative), positive)


def inside(bounded: Tensor, values: Tensor) -> Tensor:
    """Return the values where their bounded form is the same, and 0 elsewhere."""
    return bounded.clone().eq_(values).mul_(values)  # eq_ writes 0.0 and 1.0: no booleans, which are slow on a CPU


def product(weight: Tensor, ratio: Tensor) -> Tensor:
    """Return the product of two ratios, at most e^44 as each of them is: that of two bounds is no float in a sum."""
    return (weight * ratio).clamp_(max=math.exp(LOG_LIMIT))


def proximal_ratio(batch: Batch) -> Tensor:
    """Return exp(lp - olp), or exp(lp - blp) where there is no olp; 0 where the mask is."""
    if batch.log_proximal is None:
        return batch.ratio
    return saturated_exp(batch.log_proximal).mul_(batch.mask)


def staleness(batch: Batch) -> tuple[Tensor, Tensor]:
    """Return w = exp(olp - blp) and r = exp(lp - olp), masked; without olp, w = exp(lp - blp) and r is 1."""
    if batch.log_proximal is None:
        return batch.ratio, batch.mask
    correction = saturated_exp(batch.log_ratio - batch.log_proximal)
    return correction.mul_(batch.mask), proximal_ratio(batch)
