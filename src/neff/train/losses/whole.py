"""One decision for each response: a clipped ratio, a smooth weight, or none at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neff.errors import ArgumentError
from neff.stats._validate import check_number
from neff.train.losses._batch import read, saturated_exp
from neff.train.losses._finish import finish
from neff.train.losses._surrogate import by_sign, check_clip, proximal_ratio, surrogate
from neff.train.losses.sequence import warn_of_overflow

if TYPE_CHECKING:
    from typing import Unpack

    from torch import Tensor

    from neff.train.losses._batch import Batch
    from neff.train.losses.aggregators import Aggregator
    from neff.train.losses.options import LossOptions
    from neff.train.losses.output import LossOutput

__all__ = ["gspo", "opsm", "rloo", "vespo"]


def _log_proximal(batch: Batch) -> Tensor:
    """Return sum(lp - olp), or sum(lp - blp) where there is no olp, shape [B, 1]."""
    log = batch.log_sequence if batch.log_proximal is None else batch.log_proximal.sum(-1)
    return log[:, None]


def rloo(
    lp: Tensor,
    blp: Tensor | None,
    advantages: Tensor,
    mask: Tensor,
    *,
    olp: Tensor | None = None,
    rlp: Tensor | None = None,
    aggregate: Aggregator = "seq-mean-token-sum",
    clip_low: float = 0.2,
    clip_high: float = 0.2,
    **options: Unpack[LossOptions],
) -> LossOutput:
    """Return the loss of RLOO as trainers have it: PPO's, on the one ratio of a whole response, exp(sum(lp - olp)).

    Use it with leave-one-out advantages, one per response. On fresh rollouts its gradient is that of REINFORCE, with
    the response as the unit. Long responses leave the band at the slightest change.

    Parameters
    ----------
    lp, blp, mask, olp, rlp, aggregate, clip_low, clip_high, **options
        As for `ppo_clip`. The response's loss is spread evenly over its tokens: "seq-mean-token-sum" is the mean over
        responses.
    advantages
        Shape [B]. The KL towards the reference belongs in the reward of RLOO (the k1 form), not in `beta`.

    Returns
    -------
    LossOutput
        Weights are the ratio of the response, and 0 where it is clipped.

    Raises
    ------
    ArgumentError
        As for `ppo_clip`, and if advantages are per token.

    References
    ----------
    arXiv:2402.14740.

    Examples
    --------
    >>> import torch
    >>> lp, blp = torch.log(torch.tensor([[0.5, 0.55]])), torch.log(torch.tensor([[0.5, 0.5]]))
    >>> out = rloo(lp, blp, torch.tensor([1.0]), torch.ones(1, 2))
    >>> round(out.loss.item(), 6), [round(w, 6) for w in out.weights[0].tolist()]
    (-1.1, [1.1, 1.1])
    """
    check_clip("rloo", clip_low, clip_high)
    batch = read("rloo", lp, blp, advantages, mask, olp=olp, rlp=rlp, options=options)
    if batch.advantages.shape[1] != 1:
        must, fix = "of shape [B]: one advantage per response", "Use gspo or ppo_clip for advantages per token."
        raise ArgumentError("advantages", must, tuple(advantages.shape), fix, call="rloo")
    log = _log_proximal(batch)
    warn_of_overflow(batch, log)
    q, w = surrogate(batch, saturated_exp(log), clip_low, clip_high)
    w = w * batch.mask
    return finish(batch, q / batch.lengths.clamp(min=1)[:, None], w, aggregate=aggregate)


def gspo(
    lp: Tensor,
    blp: Tensor | None,
    advantages: Tensor,
    mask: Tensor,
    *,
    olp: Tensor | None = None,
    rlp: Tensor | None = None,
    aggregate: Aggregator = "seq-mean-token-mean",
    clip_low: float = 3e-4,
    clip_high: float = 4e-4,
    **options: Unpack[LossOptions],
) -> LossOutput:
    """Return the loss of GSPO: PPO's, on the geometric mean of a response's ratios, s = exp(mean(lp - olp)).

    Use it for mixture-of-experts models, whose token ratios jump. The mean is not an importance weight: it does not
    undo staleness.

    Parameters
    ----------
    lp, blp, advantages, mask, olp, rlp, aggregate, **options
        As for `ppo_clip`. With advantages [B, T] this is the paper's GSPO-token.
    clip_low, clip_high
        The band of s around 1, two to three orders narrower than that of a token.

    Returns
    -------
    LossOutput
        Weights are s, and 0 where it is clipped.

    Raises
    ------
    ArgumentError
        As for `ppo_clip`.

    References
    ----------
    arXiv:2507.18071.

    Examples
    --------
    >>> import torch
    >>> lp, blp = torch.log(torch.tensor([[0.5, 0.5]])), torch.log(torch.tensor([[1.0, 0.25]]))
    >>> gspo(lp, blp, torch.tensor([1.0]), torch.ones(1, 2)).weights.tolist()  # ratios 1/2 and 2
    [[1.0, 1.0]]
    """
    check_clip("gspo", clip_low, clip_high)
    batch = read("gspo", lp, blp, advantages, mask, olp=olp, rlp=rlp, options=options)
    s = saturated_exp(_log_proximal(batch) / batch.lengths.clamp(min=1)[:, None])
    q, w = surrogate(batch, s, clip_low, clip_high)
    return finish(batch, q, w * batch.mask, aggregate=aggregate)


def vespo(
    lp: Tensor,
    blp: Tensor | None,
    advantages: Tensor,
    mask: Tensor,
    *,
    olp: Tensor | None = None,  # noqa: ARG001  (one call shape for all losses)
    rlp: Tensor | None = None,
    aggregate: Aggregator = "token-mean",
    positive: tuple[float, float] = (2.0, 3.0),
    negative: tuple[float, float] = (3.0, 2.0),
    **options: Unpack[LossOptions],
) -> LossOutput:
    """Return the loss of VESPO, -phi(W) A lp, with phi(W) = exp(lam) W^k exp(-lam W) and W the ratio of the response.

    Use it on stale rollouts of short responses: the weight is 1 at W = 1, has its peak at W = k / lam, and falls
    smoothly to 0 on both sides of it. On long ones W is far from 1 and nearly everything is dropped.

    Parameters
    ----------
    lp, blp, advantages, mask, rlp, aggregate, **options
        As for `reinforce`.
    olp
        Not used: W is the ratio from the sampler to the current policy.
    positive, negative
        (k, lam) for advantages of 0 or more, and below 0.

    Returns
    -------
    LossOutput
        Weights are phi(W). Log-ratios are not clamped.

    Raises
    ------
    ArgumentError
        As for `reinforce`, and if k or lam is not positive.

    References
    ----------
    arXiv:2602.10693.

    Examples
    --------
    >>> import torch
    >>> lp, blp = torch.log(torch.tensor([[0.5], [0.5]])), torch.log(torch.tensor([[0.5], [0.25]]))
    >>> weights = vespo(lp, blp, torch.tensor([1.0, 1.0]), torch.ones(2, 1)).weights
    >>> [round(w, 6) for w in weights[:, 0].tolist()]  # 1, and e^3 2^2 e^-6
    [1.0, 0.199148]
    """
    for name, pair in (("positive", positive), ("negative", negative)):
        if not min(check_number(x, argument=name, call="vespo") for x in pair) > 0:
            raise ArgumentError(name, "(k, lam), both positive", pair, call="vespo")
    batch = read("vespo", lp, blp, advantages, mask, olp=None, rlp=rlp, options=options)
    log = batch.log_sequence[:, None]
    k, lam = (by_sign(batch.advantages, *pair) for pair in zip(positive, negative, strict=True))
    phi = (lam + k * log - lam * saturated_exp(log)).exp()  # at the bound of the ratio phi is 0 already
    w = phi * batch.mask
    return finish(batch, w * batch.values(), w, aggregate=aggregate)


def opsm(
    lp: Tensor,
    blp: Tensor | None,
    advantages: Tensor,
    mask: Tensor,
    *,
    olp: Tensor | None = None,
    rlp: Tensor | None = None,
    aggregate: Aggregator = "token-mean",
    delta: float = 0.5,
    clip_low: float = 0.2,
    clip_high: float = 0.2,
    **options: Unpack[LossOptions],
) -> LossOutput:
    """Return PPO's loss with off-policy sequence masking: responses with A < 0 and mean(blp - lp) > delta are dropped.

    Use it against the harm that bad responses of an old policy do: pushing down what the policy would not say any more.

    Parameters
    ----------
    lp, blp, advantages, mask, olp, rlp, aggregate, clip_low, clip_high, **options
        As for `ppo_clip`.
    delta
        The largest mean of blp - lp, in nats per token, of a response that is kept although its advantage is negative.

    Returns
    -------
    LossOutput
        Weights are the ratios, and 0 where clipped or dropped.

    Raises
    ------
    ArgumentError
        As for `ppo_clip`, and if `delta` is negative.

    References
    ----------
    arXiv:2512.02556.

    Examples
    --------
    >>> import torch
    >>> lp, blp = torch.tensor([[-3.0], [-3.0]]), torch.tensor([[-1.0], [-1.0]])
    >>> out = opsm(lp, blp, torch.tensor([1.0, -1.0]), torch.ones(2, 1))
    >>> out.weights[:, 0].count_nonzero().item()  # far from the sampler: the bad one is dropped, the good one kept
    1
    """
    check_clip("opsm", clip_low, clip_high)
    if not check_number(delta, argument="delta", call="opsm") >= 0:
        raise ArgumentError("delta", "0 or more", delta, call="opsm")
    batch = read("opsm", lp, blp, advantages, mask, olp=olp, rlp=rlp, options=options)
    q, w = surrogate(batch, proximal_ratio(batch), clip_low, clip_high)
    mean = -batch.log_sequence / batch.lengths.clamp(min=1)
    kept = ~((batch.advantages < 0) & (mean > delta)[:, None]) * batch.mask
    return finish(batch, q * kept, w * kept, aggregate=aggregate)
