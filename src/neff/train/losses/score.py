"""The score function without importance weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neff.train.losses._batch import read
from neff.train.losses._finish import finish

if TYPE_CHECKING:
    from typing import Unpack

    from torch import Tensor

    from neff.train.losses.aggregators import Aggregator
    from neff.train.losses.options import LossOptions
    from neff.train.losses.output import LossOutput

__all__ = ["reinforce"]


def reinforce(
    lp: Tensor,
    blp: Tensor | None,
    advantages: Tensor,
    mask: Tensor,
    *,
    olp: Tensor | None = None,  # noqa: ARG001  (one call shape for all losses)
    rlp: Tensor | None = None,
    aggregate: Aggregator = "token-mean",
    **options: Unpack[LossOptions],
) -> LossOutput:
    """Return the REINFORCE loss, -A lp per token.

    Use it on fresh rollouts, and as the yardstick beside any correction. Not on stale ones: it is fast, then crashes
    where the reward is not a sum over tokens.

    Parameters
    ----------
    lp
        Log-probability of each sampled token under the current policy, shape [B, T], in nats, with gradient.
    blp
        The same under the policy that sampled it, at its temperature. None where that is the current policy itself.
        Here it only enters the effective sample sizes.
    advantages
        Shape [B] or [B, T].
    mask
        Shape [B, T]; non-zero at the tokens of the response. The other tokens may hold anything.
    olp
        Not used.
    rlp
        The same under the frozen reference, for the KL penalty `beta`.
    aggregate
        See `aggregate`.
    **options
        See `LossOptions`.

    Returns
    -------
    LossOutput
        Weights of 1.

    Raises
    ------
    ArgumentError
        If shapes differ, an option is unknown, or a value at a valid token is not finite.

    References
    ----------
    Williams 1992, Machine Learning 8.

    Examples
    --------
    >>> import torch
    >>> lp = torch.tensor([[-1.0, -2.0]], requires_grad=True)
    >>> out = reinforce(lp, torch.tensor([[-1.0, -2.0]]), torch.tensor([1.0]), torch.ones(1, 2))
    >>> out.loss.backward()
    >>> out.loss.item(), lp.grad.tolist(), out.ess_token.item()
    (1.5, [[-0.5, -0.5]], 1.0)
    """
    batch = read("reinforce", lp, blp, advantages, mask, olp=None, rlp=rlp, options=options)
    return finish(batch, batch.values(), batch.mask, aggregate=aggregate)
