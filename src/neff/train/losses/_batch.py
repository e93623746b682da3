"""The batch that a loss works on: checked, masked, with its ratios and what they are worth."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch

from neff.errors import ArgumentError, ArgumentTypeError
from neff.stats._options import check_choice
from neff.train._caller import warn
from neff.train.losses.options import LossOptions
from neff.train.losses.ratios import RatioSummary, sum_dtype, total, total_square, valid, widen, zero_off
from neff.train.losses.warnings import (
    EmptyBatchWarning,
    NonFiniteWarning,
    RatioOverflowWarning,
    RatioShiftWarning,
)

if TYPE_CHECKING:
    from torch import Tensor

    from neff.errors import TrainingWarning

__all__ = ["LOG_LIMIT", "Batch", "proximal", "read", "saturated_exp"]

LOG_LIMIT = 44.0
"""Beyond e^44 the square of a ratio is no single-precision float. Weights in a loss stay there; what the batch is worth
is computed from the ratio itself."""
LOG_SHIFT = 10.0
LARGEST_SUMMED = 1e15
"""Sums over a row of the squares of ratios up to here are single-precision floats, however long the row."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What a loss needs. Nothing here carries gradient, except `lp` and `entropy`."""

    call: str
    lp: Tensor  # [B, T], as given
    blp: Tensor  # [B, T], detached
    mask: Tensor  # [B, T], 1.0 where the token counts, else 0.0, as floats: arithmetic on booleans is slow
    lengths: Tensor  # [B], as floats
    advantages: Tensor  # [B, 1] or [B, T], 0 where the token does not count
    log_ratio: Tensor  # [B, T], lp - blp, 0 where the mask is
    ratio: Tensor  # [B, T], exp of it, at most e^44, 0 where the mask is
    log_sequence: Tensor  # [B], sums of log_ratio
    log_proximal: Tensor | None  # [B, T], lp - olp, likewise; None without olp
    log_reference: Tensor | None  # [B, T], rlp - lp, likewise; None without rlp
    tokens: RatioSummary
    sequences: RatioSummary
    poison: Tensor | None  # 0-d, NaN where something was not finite; None where that was checked
    options: LossOptions

    def values(self) -> Tensor:
        """Return lp without gradient, 0 where the mask is."""
        return zero_off(widen(self.lp.detach()).clone(), self.mask, self.mask)


def saturated_exp(log: Tensor) -> Tensor:
    """Return exp(log), at most e^44."""
    return log.clamp(max=LOG_LIMIT).exp_()


def read(
    call: str,
    lp: Tensor,
    blp: Tensor | None,
    advantages: Tensor,
    mask: Tensor,
    *,
    olp: Tensor | None,
    rlp: Tensor | None,
    options: LossOptions,
) -> Batch:
    """Check the arguments of a loss, and return its batch."""
    _check_options(call, options, rlp)
    entropy = options.get("entropy")
    _check_shapes(call, lp, advantages, mask, blp=blp, olp=olp, rlp=rlp, entropy=entropy)
    if blp is None:  # sampled by the current policy: all ratios are 1
        blp = lp.detach()
    policy = options.get("nonfinite", "raise")
    with torch.no_grad():
        now = widen(lp.detach())
        keep = valid(mask)
        ones = keep.to(now.dtype)
        lengths = ones.sum(-1)
        blp = blp.detach()
        log_ratio = zero_off(now - widen(blp), keep, ones)
        log_proximal = None if olp is None else zero_off(now - widen(olp.detach()), keep, ones)
        log_reference = None if rlp is None else zero_off(widen(rlp.detach()) - now, keep, ones)
        advantage = _advantages(advantages, ones, lengths, now.dtype)
        log_sequence = log_ratio.sum(-1)
        # A sum is finite where all its terms are: one look per response instead of one per token.
        fine = log_sequence.isfinite() & advantage.sum(-1).isfinite()
        spread = None if entropy is None else zero_off(widen(entropy.detach()).clone(), keep, ones)
        for other in (log_proximal, log_reference, spread):
            if other is not None:
                fine &= other.sum(-1).isfinite()
        ratio = log_ratio.exp().mul_(ones)
        poison = None
        if policy == "propagate":
            tokens = RatioSummary.of(log_ratio, keep)
            ratio.clamp_(max=math.exp(LOG_LIMIT))
            poison = torch.where(fine.all(), 0.0, math.nan).to(now.dtype)
        else:
            tokens, n_bad = _summary(log_ratio, ratio, keep, lengths, fine)
            if n_bad:
                if policy == "raise":
                    _refuse(call, keep, lp=lp, blp=blp, olp=olp, rlp=rlp, entropy=entropy, advantages=advantages)
                text = f"{call}: {n_bad} of {lp.shape[0]} responses hold a NaN or infinite value and were dropped."
                warn(NonFiniteWarning(text))
                keep = keep & fine[:, None]
                return read(call, lp, blp, advantages, keep, olp=olp, rlp=rlp, options=options)
            _warn(call, tokens)
        sequences = RatioSummary.of(log_sequence, lengths > 0)
    return Batch(
        call, lp, blp, ones, lengths, advantage, log_ratio, ratio, log_sequence, log_proximal, log_reference, tokens,
        sequences, poison, options,
    )  # fmt: skip


def proximal(batch: Batch) -> RatioSummary:
    """Return what the ratios to the proximal policy are worth: a batch without one is at it."""
    log = torch.zeros_like(batch.log_ratio) if batch.log_proximal is None else batch.log_proximal
    if batch.poison is not None:  # the caller does not want to wait for the device
        return RatioSummary.of(log, batch.mask)
    fine = torch.ones((), dtype=torch.bool, device=log.device)  # as `read` has checked
    return _summary(log, log.exp().mul_(batch.mask), batch.mask, batch.lengths, fine)[0]


def _summary(log_ratio: Tensor, ratio: Tensor, keep: Tensor, lengths: Tensor, fine: Tensor) -> tuple[RatioSummary, int]:
    """Return the summary of the tokens, and the number of responses that are not finite. Waits for the device.

    The sums of the ratios that the loss needs anyway are right where the largest ratio is at least 1, as in nearly
    every batch, and its square a float; the shifted sums, a second exponential of the whole batch, are for the rest.
    """
    double = sum_dtype(ratio.device)
    if not ratio.numel():
        return RatioSummary.empty(ratio.device), 0
    n, largest = lengths.sum().to(double), ratio.amax().to(double)
    first, second, bad = total(ratio), total_square(ratio), (~fine).sum().to(double)
    n_bad, top = torch.stack([bad, largest]).tolist()
    if n_bad:
        return RatioSummary.empty(ratio.device), int(n_bad)
    if 1 <= top <= LARGEST_SUMMED:
        return RatioSummary(largest.log(), first / largest, second / largest**2, n), 0
    ratio.clamp_(max=math.exp(LOG_LIMIT))
    return RatioSummary.of(log_ratio, keep), 0


def _warn(call: str, tokens: RatioSummary) -> None:
    n, largest, log_mean = torch.stack([tokens.n, tokens.max_log, tokens.log_mean]).tolist()
    found: TrainingWarning | None = None
    if n == 0:
        found = EmptyBatchWarning(f"{call}: no valid token; the loss is 0 and no effective sample size is defined.")
    elif largest > LOG_LIMIT:
        text = f"the largest log-ratio of a token is {largest:.4g}; its weight in the loss stays at e^{LOG_LIMIT:g}."
        found = RatioOverflowWarning(f"{call}: {text}")
    elif abs(log_mean) > LOG_SHIFT:
        text = f"the mean ratio is e^{log_mean:.4g}, not near 1. Are blp those of the sampler, at its temperature?"
        found = RatioShiftWarning(f"{call}: {text}")
    if found is not None:
        warn(found)


def _check_options(call: str, options: LossOptions, rlp: Tensor | None) -> None:
    for name in options:
        check_choice(name, LossOptions.__annotations__, argument="an option", call=call)
    check_choice(options.get("nonfinite", "raise"), ("raise", "drop", "propagate"), argument="nonfinite", call=call)
    for name in ("beta", "entropy_coef"):
        value = options.get(name, 0.0)
        if not isinstance(value, int | float) or not math.isfinite(value):
            raise ArgumentError(name, "a finite number", value, call=call)
    if options.get("beta", 0.0) and rlp is None:
        fix = "Give the log-probabilities of the reference, or beta=0."
        raise ArgumentError("rlp", "given where beta is not 0", None, fix, call=call)
    if options.get("entropy_coef", 0.0) and options.get("entropy") is None:
        raise ArgumentError("entropy", "given where entropy_coef is not 0", None, call=call)


def _check_shapes(call: str, lp: Tensor, advantages: Tensor, mask: Tensor, **others: Tensor | None) -> None:
    given = {name: tensor for name, tensor in others.items() if tensor is not None}
    for name, tensor in {"lp": lp, "advantages": advantages, "mask": mask, **given}.items():
        if not isinstance(tensor, torch.Tensor):
            raise ArgumentTypeError(name, "a tensor", type(tensor).__name__, "Use torch.as_tensor.", call=call)
        if tensor.device != lp.device:
            must = f"on the device of lp, {lp.device}"
            raise ArgumentError(name, must, str(tensor.device), "Use .to(lp.device).", call=call)
    if lp.ndim != 2:
        fix = "One row per response; unsqueeze(0) makes one."
        raise ArgumentError("lp", "of shape [B, T]", tuple(lp.shape), fix, call=call)
    for name, tensor in {"mask": mask, **given}.items():
        if tensor.shape != lp.shape:
            must = f"of the shape of lp, {tuple(lp.shape)}"
            raise ArgumentError(name, must, tuple(tensor.shape), "One value per token of the response.", call=call)
    if advantages.shape not in (lp.shape, lp.shape[:1], (lp.shape[0], 1)):
        must = f"of shape [B] = {tuple(lp.shape[:1])} or [B, T] = {tuple(lp.shape)}"
        raise ArgumentError("advantages", must, tuple(advantages.shape), call=call)


def _advantages(advantages: Tensor, ones: Tensor, lengths: Tensor, dtype: Any) -> Tensor:
    """Return [B, 1] or [B, T], 0 at responses or tokens that do not count."""
    found = advantages.detach().to(dtype)
    if found.shape == ones.shape and ones.shape[1] != 1:
        return zero_off(found.clone(), ones, ones)
    return found.reshape(-1, 1).masked_fill((lengths == 0)[:, None], 0.0)


def _refuse(call: str, keep: Tensor, **tensors: Tensor | None) -> None:
    """Raise the error that names the first value that is not finite."""
    for name, tensor in tensors.items():
        if tensor is None:
            continue
        tensor = tensor.detach()
        where = keep if tensor.shape == keep.shape else keep.any(-1).reshape(tensor.shape)
        bad = (~tensor.isfinite() & where).nonzero()
        if len(bad):
            place = tuple(bad[0].tolist())
            fix = f'Found {len(bad)}, the first at {list(place)}; mask them, or use nonfinite="drop".'
            raise ArgumentError(name, "finite at valid tokens", float(cast("Any", tensor)[place]), fix, call=call)
    raise ArgumentError("log-probabilities", "small enough that their differences are finite", "overflow", call=call)
