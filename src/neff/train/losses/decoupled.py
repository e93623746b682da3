"""Relatives of PPO in which the clipped ratio is a weight, or has a weight beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from neff.stats._options import check_choice
from neff.train.losses._batch import read
from neff.train.losses._finish import finish
from neff.train.losses._surrogate import check_clip, product, proximal_ratio, staleness, surrogate
from neff.train.losses.truncated import check_cap

if TYPE_CHECKING:
    from typing import Unpack

    from torch import Tensor

    from neff.train.losses.aggregators import Aggregator
    from neff.train.losses.options import LossOptions
    from neff.train.losses.output import LossOutput

__all__ = ["cispo", "decoupled_ppo"]


def cispo(
    lp: Tensor,
    blp: Tensor | None,
    advantages: Tensor,
    mask: Tensor,
    *,
    olp: Tensor | None = None,
    rlp: Tensor | None = None,
    aggregate: Aggregator = "token-mean",
    band: Literal["absolute-upper", "band"] = "absolute-upper",
    clip_low: float = 0.2,
    clip_high: float | None = None,
    **options: Unpack[LossOptions],
) -> LossOutput:
    """Return the loss of CISPO, -sg(clip(r)) A lp per token: a clipped token keeps its gradient, at the bound's weight.

    Use it where PPO's clipping silences rare but decisive tokens. Two rules go by this name; say which one you mean.

    Parameters
    ----------
    lp, blp, advantages, mask, olp, rlp, aggregate, **options
        As for `ppo_clip`.
    band
        "absolute-upper": the ratio is at most `clip_high` itself, 5.0 by default, and not bounded from below (TRL).
        "band": the ratio is clipped to [1 - clip_low, 1 + clip_high], 0.2 and 0.2 by default (verl).
    clip_low, clip_high
        The bounds, in the meaning of `band`.

    Returns
    -------
    LossOutput
        Weights are the clipped ratios.

    Raises
    ------
    ArgumentError
        As for `ppo_clip`, and if `band` is unknown.

    References
    ----------
    arXiv:2506.13585.

    Examples
    --------
    >>> import torch
    >>> lp, blp = torch.log(torch.tensor([[0.75, 0.25]])), torch.log(torch.tensor([[0.5, 0.5]]))
    >>> for band in ("absolute-upper", "band"):
    ...     weights = cispo(lp, blp, torch.tensor([1.0]), torch.ones(1, 2), band=band).weights
    ...     print([round(w, 6) for w in weights[0].tolist()])
    [1.5, 0.5]
    [1.2, 0.8]
    """
    check_choice(band, ("absolute-upper", "band"), argument="band", call="cispo")
    high = clip_high if clip_high is not None else 5.0 if band == "absolute-upper" else 0.2
    check_clip("cispo", clip_low, high)
    batch = read("cispo", lp, blp, advantages, mask, olp=olp, rlp=rlp, options=options)
    low, high = (0.0, high) if band == "absolute-upper" else (1 - clip_low, 1 + high)
    w = proximal_ratio(batch).clamp(low, high).mul_(batch.mask)
    return finish(batch, w * batch.values(), w, aggregate=aggregate)


def decoupled_ppo(
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
    cap: float | None = None,
    objective: Literal["clip", "cispo"] = "clip",
    **options: Unpack[LossOptions],
) -> LossOutput:
    """Return the loss of decoupled PPO, -sg(w) min(r A, clip(r) A) per token, with w = exp(olp - blp).

    Use it for asynchronous rollouts with several updates per batch: the trust region is around the proximal policy
    `olp`, and w corrects from the sampler to it.

    Parameters
    ----------
    lp, blp, advantages, mask, rlp, aggregate, clip_low, clip_high, **options
        As for `ppo_clip`.
    olp
        Log-probabilities under the proximal policy; those of the current one by default. Then r is 1 and the loss is
        that of `tis` with this cap.
    cap
        Upper bound of w; 2 to 5 are usual, none by default.
    objective
        "clip" for PPO's; "cispo" for -sg(w clip(r)) A lp.

    Returns
    -------
    LossOutput
        Weights are w r, and 0 where clipped.

    Raises
    ------
    ArgumentError
        As for `ppo_clip`, if `cap` is not positive or `objective` is unknown.

    References
    ----------
    arXiv:2110.00641.

    Examples
    --------
    >>> import torch
    >>> lp, olp, blp = (torch.log(torch.tensor([[p, 0.5]])) for p in (0.5, 0.5, 0.125))
    >>> decoupled_ppo(lp, blp, torch.tensor([1.0]), torch.ones(1, 2), olp=olp, cap=3.0).weights.tolist()
    [[3.0, 1.0]]
    """
    check_choice(objective, ("clip", "cispo"), argument="objective", call="decoupled_ppo")
    check_clip("decoupled_ppo", clip_low, clip_high)
    batch = read("decoupled_ppo", lp, blp, advantages, mask, olp=olp, rlp=rlp, options=options)
    correction, ratio = staleness(batch)
    if cap is not None:
        check_cap("decoupled_ppo", cap)
        correction = correction.clamp(max=cap)
    if objective == "cispo":
        w = product(correction, ratio.clamp(1 - clip_low, 1 + clip_high)).mul_(batch.mask)
        return finish(batch, w * batch.values(), w, aggregate=aggregate)
    q, w = surrogate(batch, ratio, clip_low, clip_high)
    return finish(batch, product(correction, q).mul_(batch.mask), product(correction, w), aggregate=aggregate)
