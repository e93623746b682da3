"""The options that all losses share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["LossOptions", "NonFinite"]

NonFinite = Literal["raise", "drop", "propagate"]


class LossOptions(TypedDict, total=False):
    """Keyword arguments of every loss.

    Attributes
    ----------
    n_tokens, n_sequences, norm_length
        Size of the whole optimizer step, and the constant length: see `aggregate`.
    beta
        Weight of the KL penalty towards the reference, `beta * k3` with k3 = exp(rlp - lp) - (rlp - lp) - 1 per token;
        needs `rlp`. 0 by default. Where `rlp` is given, the mean of k3 is in the metrics as `kl_reference`.
    entropy, entropy_coef
        Entropy of the policy at each token, shape [B, T] with gradient, and its weight: `entropy_coef * entropy` is
        subtracted from the token's loss. 0 by default.
    nonfinite
        What to do where a valid token has a NaN or infinite log-probability, advantage or entropy: "raise" an
        `ArgumentError` that names it (default); "drop" the whole response, with a warning; "propagate", which makes
        loss and gradient NaN. The first two wait for the device once or twice per call; "propagate" never does, and
        gives none of the warnings.
    """

    n_tokens: float | Tensor | None
    n_sequences: float | Tensor | None
    norm_length: float | None
    beta: float
    entropy: Tensor | None
    entropy_coef: float
    nonfinite: NonFinite
