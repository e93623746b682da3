"""From one loss per token to one number: the aggregators that trainers use, under their names.

Each is a sum of token losses with one coefficient per response. With the size of the global batch given, sums over
micro-batches equal the one big batch.
"""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING, Literal, get_args

import torch

from neff.errors import ArgumentError, ArgumentTypeError
from neff.stats._options import check_choice
from neff.train.losses.ratios import valid, widen

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["AGGREGATORS", "Aggregator", "aggregate"]

Aggregator = Literal[
    "token-mean",  # over the valid tokens of the global batch (DAPO; TRL `dapo`)
    "token-sum",
    "local-token-mean",  # over the valid tokens of this call (TRL `bnpo`)
    "seq-mean-token-mean",  # mean over responses of their means (GRPO; TRL `grpo`)
    "seq-mean-token-sum",
    "seq-mean-token-sum-norm",  # that, divided by a constant length (Dr. GRPO; TRL `dr_grpo`)
]

AGGREGATORS: tuple[str, ...] = get_args(Aggregator)
"""Names of the aggregators."""


def aggregate(
    values: Tensor,
    mask: Tensor,
    *,
    how: Aggregator,
    n_tokens: float | Tensor | None = None,
    n_sequences: float | Tensor | None = None,
    norm_length: float | None = None,
) -> Tensor:
    """Return one number from a loss per token.

    Parameters
    ----------
    values
        Loss per token, shape [B, T]. May carry gradient.
    mask
        Shape [B, T]; non-zero at the tokens that count.
    how
        - "token-mean": sum over the valid tokens, divided by `n_tokens`. Every token counts the same.
        - "token-sum": the sum alone.
        - "local-token-mean": divided by the valid tokens of this call, whatever `n_tokens` says. Gradient accumulation
          is then not the same as a big batch.
        - "seq-mean-token-mean": mean over responses of their token mean. A token of a short response counts more.
        - "seq-mean-token-sum": mean over responses of their token sum.
        - "seq-mean-token-sum-norm": the same, divided by `norm_length`.
    n_tokens, n_sequences
        Valid tokens, and responses with a valid token, of the whole optimizer step; those of this call by default.
        Where the gradients of ranks are averaged (DDP, FSDP), give the global count divided by the number of ranks.
    norm_length
        The constant of "seq-mean-token-sum-norm", by default T. Set it to the longest response allowed: T depends on
        the padding of the batch.

    Returns
    -------
    Tensor
        0-d, in single precision at least; 0 where no token is valid.

    Raises
    ------
    ArgumentError
        If `how` is unknown, shapes differ, or a count or length is not positive.

    Examples
    --------
    >>> values, mask = torch.tensor([[1.0, 2.0, 3.0], [4.0, 9.0, 9.0]]), torch.tensor([[1, 1, 1], [1, 0, 0]])
    >>> float(aggregate(values, mask, how="token-mean"))
    2.5
    >>> float(aggregate(values, mask, how="seq-mean-token-mean"))
    3.0
    >>> float(aggregate(values, mask, how="token-mean", n_tokens=8))  # one half of a batch of 8 tokens
    1.25
    """
    if values.shape != mask.shape or values.ndim != 2:
        must = f"of the shape of values, [B, T] = {tuple(values.shape)}"
        raise ArgumentError("mask", must, tuple(mask.shape), call="aggregate")
    if not values.is_floating_point():
        raise ArgumentTypeError("values", "a tensor of floats", str(values.dtype), call="aggregate")
    values, keep = widen(values), valid(mask)
    c = coefficients(
        keep.sum(-1), keep.shape[1], how=how, n_tokens=n_tokens, n_sequences=n_sequences, norm_length=norm_length
    )
    return (c.to(values.dtype) * values.masked_fill(~keep, 0.0).sum(-1)).sum()


def coefficients(
    lengths: Tensor,
    width: int,
    *,
    how: str,
    n_tokens: float | Tensor | None = None,
    n_sequences: float | Tensor | None = None,
    norm_length: float | None = None,
) -> Tensor:
    """Return what each response's token losses are multiplied by, shape [B]; the aggregate is their sum."""
    check_choice(how, AGGREGATORS, argument="aggregate", call="neff.train.losses")
    for name, value in (("n_tokens", n_tokens), ("n_sequences", n_sequences), ("norm_length", norm_length)):
        # A tensor is not looked at: that would wait for the device.
        if isinstance(value, Real) and not 0 < float(value) < float("inf"):
            raise ArgumentError(name, "a positive number", value, call="neff.train.losses")
        if isinstance(value, torch.Tensor) and value.numel() != 1:
            raise ArgumentError(name, "one number", f"shape {tuple(value.shape)}", call="neff.train.losses")
    one = torch.ones_like(lengths, dtype=torch.float64 if lengths.device.type != "mps" else torch.float32)
    if how == "token-sum":
        return one
    if how in ("token-mean", "local-token-mean"):
        given = None if how == "local-token-mean" else n_tokens
        return one / (lengths.sum().clamp(min=1) if given is None else given)
    per = one / ((lengths > 0).sum().clamp(min=1) if n_sequences is None else n_sequences)
    if how == "seq-mean-token-mean":
        return per / lengths.clamp(min=1)
    if how == "seq-mean-token-sum-norm":
        return per / (max(width, 1) if norm_length is None else norm_length)
    return per
