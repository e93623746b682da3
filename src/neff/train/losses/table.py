"""All losses by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from neff.stats._options import check_choice
from neff.train.losses.adaptive import ess_adaptive, p3o, p4o
from neff.train.losses.clipped import dapo, dr_grpo, dual_clip, grpo, ppo_clip
from neff.train.losses.decoupled import cispo, decoupled_ppo
from neff.train.losses.score import reinforce
from neff.train.losses.sequence import sequence_is, sequence_mis, sequence_tis
from neff.train.losses.truncated import mis, tis
from neff.train.losses.whole import gspo, opsm, rloo, vespo

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from neff.train.losses.output import LossOutput

__all__ = ["LOSSES", "loss"]

LOSSES: dict[str, Callable[..., LossOutput]] = {
    "reinforce": reinforce,
    "rloo": rloo,
    "grpo": grpo,
    "dr_grpo": dr_grpo,
    "ppo_clip": ppo_clip,
    "dual_clip": dual_clip,
    "dapo": dapo,
    "cispo": cispo,
    "gspo": gspo,
    "decoupled_ppo": decoupled_ppo,
    "tis": tis,
    "mis": mis,
    "sequence_tis": sequence_tis,
    "sequence_mis": sequence_mis,
    "sequence_is": sequence_is,
    "vespo": vespo,
    "opsm": opsm,
    "ess_adaptive": ess_adaptive,
    "p3o": p3o,
    "p4o": p4o,
}
"""The function of each name."""


def loss(name: str, lp: Tensor, blp: Tensor | None, advantages: Tensor, mask: Tensor, **options: Any) -> LossOutput:
    """Return the loss of that name.

    Use it where the loss is a setting; call the function itself where it is not.

    Parameters
    ----------
    name
        One of `LOSSES`.
    lp, blp, advantages, mask
        As for `reinforce`.
    **options
        Of that loss.

    Returns
    -------
    LossOutput
        The loss, what the batch is worth, weights and metrics.

    Raises
    ------
    ArgumentError
        If there is no loss of that name, and as the loss does.

    Examples
    --------
    >>> import torch
    >>> lp = torch.tensor([[-1.0, -2.0]])
    >>> loss("dapo", lp, lp, torch.tensor([1.0]), torch.ones(1, 2)).loss.item()
    -1.0
    """
    check_choice(name, LOSSES, argument="name", call="loss")
    return LOSSES[name](lp, blp, advantages, mask, **options)
