"""From the weight of each token to the loss, its gradient and its report.

Every loss of this package has the form: sum over tokens of c (-A q + p), where c belongs to the aggregator, q and p are
numbers, and the gradient with respect to lp is c (-A w + s). The gradients are known, so that nothing but w and s is
kept for the backward pass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch.autograd.function import once_differentiable

from neff.train._caller import warn
from neff.train.losses._batch import LOG_LIMIT
from neff.train.losses.aggregators import coefficients
from neff.train.losses.output import LossOutput
from neff.train.losses.ratios import sum_dtype
from neff.train.losses.warnings import NothingKeptWarning

if TYPE_CHECKING:
    from torch import Tensor

    from neff.train.losses._batch import Batch

__all__ = ["Penalty", "finish", "reference_penalty", "token_mean"]


class Penalty(NamedTuple):
    """A term p per token that no advantage multiplies, and its slope with respect to lp; both 0 where the mask is."""

    values: Tensor
    slopes: Tensor
    weight: float | Tensor


class _Attach(torch.autograd.Function):  # type: ignore[misc]
    """The value of a loss, with the gradient `weights * scale + slopes` with respect to lp."""

    @staticmethod
    def forward(ctx: Any, lp: Tensor, value: Tensor, weights: Tensor, scale: Tensor, slopes: Tensor | None) -> Tensor:
        ctx.save_for_backward(weights, scale, slopes)
        ctx.dtype = lp.dtype
        return value.clone()

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        weights, scale, slopes = ctx.saved_tensors
        found = weights * (scale * gradient)
        if slopes is not None:
            found.addcmul_(slopes, gradient)
        return found.to(ctx.dtype), None, None, None, None


def finish(
    batch: Batch,
    q: Tensor,
    w: Tensor,
    *,
    aggregate: str,
    penalties: tuple[Penalty, ...] = (),
    extra: Tensor | None = None,
    metrics: dict[str, Tensor] | None = None,
) -> LossOutput:
    """Return the output of a loss.

    Parameters
    ----------
    q
        Values, [B, T] or [B, 1]; what is at tokens that do not count must be finite where advantages are per token,
        and 0 where q is [B, T] and advantages are per response.
    w
        Weights, [B, T], 0 at tokens that do not count.
    penalties
        Terms beside the policy's.
    extra
        A loss per token with a graph of its own, [B, T], 0 where the mask is.
    """
    options = batch.options
    with torch.no_grad():
        c = coefficients(
            batch.lengths,
            batch.mask.shape[1],
            how=aggregate,
            n_tokens=options.get("n_tokens"),
            n_sequences=options.get("n_sequences"),
            norm_length=options.get("norm_length"),
        )
        double, single = c.dtype, w.dtype
        policy = -(c * _rows(batch, q)).sum()
        value, slopes = policy, None
        for penalty in (*penalties, *reference_penalty(batch)):
            scale = (c * penalty.weight)[:, None].to(single)
            value = value + (scale[:, 0].to(double) * penalty.values.sum(-1).to(double)).sum()
            slopes = penalty.slopes * scale if slopes is None else slopes + penalty.slopes * scale
        if batch.poison is not None:
            value = value + batch.poison
            c = c + batch.poison
        found = {
            "log_ratio_mean": batch.log_sequence.to(double).sum() / batch.tokens.n,
            "log_mean_ratio": batch.tokens.log_mean,
            "n_tokens": batch.tokens.n,
            "n_sequences": batch.sequences.n,
            "kept_fraction": torch.count_nonzero(w) / batch.tokens.n,
            "policy_loss": policy,
        }
        if batch.poison is None:
            _warn_of_nothing(batch, found["kept_fraction"])
        for name, tensor in (metrics or {}).items():
            found[name] = tensor.detach()
        if batch.log_reference is not None:
            k3 = _k3(batch.log_reference)
            found["kl_reference"] = token_mean(batch, k3)
        scale = (-c[:, None] * batch.advantages).to(single)
    loss = _Attach.apply(batch.lp, value.to(single), w, scale, slopes)
    for term, weight in ((extra, 1.0), (options.get("entropy"), -options.get("entropy_coef", 0.0))):
        if term is not None and weight:
            rows = term.masked_fill(batch.mask == 0, 0.0).sum(-1)
            loss = loss + weight * (c.to(rows.dtype) * rows).sum().to(single)
    return LossOutput(
        loss, batch.tokens.ess_fraction, batch.sequences.ess_fraction, w, found, batch.tokens, batch.sequences
    )


def _rows(batch: Batch, q: Tensor) -> Tensor:
    """Return the sum over tokens of A q for each response, in double precision."""
    a, double = batch.advantages, sum_dtype(q.device)
    if a.shape[1] != 1 or batch.mask.shape[1] == 1:
        return (a * q).sum(-1).to(double)
    if q.shape[1] == 1:
        return (a * q)[:, 0].to(double) * batch.lengths
    return a[:, 0].to(double) * q.sum(-1).to(double)


def token_mean(batch: Batch, values: Tensor) -> Tensor:
    """Return the mean over valid tokens of values that are 0 elsewhere; NaN where there is none."""
    return values.sum(-1).to(batch.tokens.n.dtype).sum() / batch.tokens.n


def _k3(log: Tensor) -> Tensor:
    capped = log.clamp(max=LOG_LIMIT)
    return capped.expm1() - log


def reference_penalty(batch: Batch) -> tuple[Penalty, ...]:
    """Return the k3 estimate of KL(pi || reference) with its weight, if there is one."""
    beta, log = batch.options.get("beta", 0.0), batch.log_reference
    if not beta or log is None:
        return ()
    return (Penalty(_k3(log), -log.clamp(max=LOG_LIMIT).expm1_(), beta),)


def _warn_of_nothing(batch: Batch, kept: Tensor) -> None:
    if batch.advantages.shape[0] < 2 or not batch.advantages.numel():  # one response may well be clipped as a whole
        return
    share, largest = torch.stack([kept.to(batch.advantages.dtype), batch.advantages.abs().amax()]).tolist()
    if share == 0 and largest > 0:
        text = "every token is clipped or dropped, so this batch teaches nothing. Are its rollouts too old?"
        warn(NothingKeptWarning(f"{batch.call}: {text}"))
