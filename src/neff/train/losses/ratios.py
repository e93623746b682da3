"""Log-ratios of the current policy to the one that sampled, and what a batch of them is worth.

Ratios stay logarithms and are never clamped: a clamp hides the collapse that the effective sample size is there to
show.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from neff.errors import ArgumentError, ArgumentTypeError

if TYPE_CHECKING:
    from torch import Tensor

    from neff.stats.weights import WeightSummary

__all__ = ["RatioSummary", "sequence_log_ratio", "token_log_ratio"]

FAR = 1e30
"""What is subtracted from a log-ratio that does not count: its exponential is 0."""


def token_log_ratio(lp: Tensor, blp: Tensor, mask: Tensor) -> Tensor:
    """Return log pi(token) - log mu(token) at the valid tokens, and 0 elsewhere.

    Parameters
    ----------
    lp
        Log-probability of each sampled token under the current policy, shape [B, T], in nats. May carry gradient.
    blp
        The same under the policy that sampled it; no gradient goes to it.
    mask
        Shape [B, T]; non-zero where the token belongs to the response. What the others hold does not matter, NaN and
        infinity included: neither value nor gradient sees it.

    Returns
    -------
    Tensor
        Shape [B, T], in single precision at least.

    Raises
    ------
    ArgumentError
        If the shapes differ.

    Examples
    --------
    >>> lp, blp = torch.tensor([[-1.0, -2.0, float("nan")]]), torch.tensor([[-1.5, -2.0, -3.0]])
    >>> token_log_ratio(lp, blp, torch.tensor([[1, 1, 0]])).tolist()
    [[0.5, 0.0, 0.0]]
    """
    for name, tensor in (("blp", blp), ("mask", mask)):
        if tensor.shape != lp.shape:
            must = f"of the shape of lp, {tuple(lp.shape)}"
            fix = "One value per token of the response in each."
            raise ArgumentError(name, must, tuple(tensor.shape), fix, call="token_log_ratio")
    return zero_off(widen(lp) - widen(blp.detach()), mask)


def sequence_log_ratio(lp: Tensor, blp: Tensor, mask: Tensor) -> Tensor:
    """Return log pi(response) - log mu(response): the sum of the token log-ratios, shape [B].

    Parameters
    ----------
    lp, blp, mask
        As for `token_log_ratio`.

    Returns
    -------
    Tensor
        Shape [B]; 0 for a response without a valid token.

    Raises
    ------
    ArgumentError
        If the shapes differ.

    Examples
    --------
    >>> lp, blp = torch.tensor([[-1.0, -2.0], [-3.0, -4.0]]), torch.tensor([[-1.5, -2.5], [-3.0, -9.0]])
    >>> sequence_log_ratio(lp, blp, torch.tensor([[1, 1], [1, 0]])).tolist()
    [1.0, 0.0]
    """
    return token_log_ratio(lp, blp, mask).sum(-1)


@dataclass(frozen=True, slots=True, eq=False)
class RatioSummary:
    """Sums that say what a batch of log-ratios is worth, and that add: over micro-batches, steps and ranks.

    Use it wherever the batch is not in one place: build one per micro-batch, add them up, all-reduce once per optimizer
    step. Merging in any order gives the one-shot answer to rounding. All fields and properties are 0-d tensors on the
    device of the log-ratios, without gradient; nothing waits for the device until a float is asked for.

    Attributes
    ----------
    max_log
        The largest log-ratio: the scale of the sums. Minus infinity where there is none.
    sum_w, sum_w2
        Sums of the ratios and of their squares, relative to the largest one.
    n
        Number of log-ratios.

    Notes
    -----
    The effective sample size is Kish's, relative to the unweighted mean of as many draws. It does not see a shift of
    all log-ratios (probabilities renormalised by top-p, a wrong temperature): look at `log_mean`, which should be
    about 0, beside it. NaN among the log-ratios makes every property NaN.

    Examples
    --------
    >>> whole = RatioSummary.of(torch.log(torch.tensor([4.0, 1.0, 1.0, 1.0])))
    >>> round(float(whole.ess_fraction), 6)  # 49 / (4 * 19)
    0.644737
    >>> parts = RatioSummary.of(torch.log(torch.tensor([4.0]))) + RatioSummary.of(torch.zeros(3))
    >>> round(float(parts.ess_fraction), 6)
    0.644737
    """

    max_log: Tensor
    sum_w: Tensor
    sum_w2: Tensor
    n: Tensor

    @classmethod
    def of(cls, log_weights: Tensor, mask: Tensor | None = None) -> RatioSummary:
        """Summarise log-ratios of any shape, at the places where `mask` is not 0."""
        x = widen(log_weights.detach())
        if x.ndim < 2:
            x = x.to(sum_dtype(x.device))
        if mask is None:
            n = torch.tensor(float(x.numel()), dtype=sum_dtype(x.device), device=x.device)
        else:
            if mask.shape != x.shape:
                must = f"of the shape of log_weights, {tuple(x.shape)}"
                raise ArgumentError("mask", must, tuple(mask.shape), call="RatioSummary.of")
            ones = valid(mask).to(x.dtype)
            n = total(ones)
            x = zero_off(x.clone(), mask, ones).add_(ones - 1, alpha=FAR)
        if x.numel() == 0:
            return cls.empty(x.device)
        largest = torch.where(n > 0, x.amax(), -math.inf)
        relative = (x - torch.where(largest.isfinite(), largest, 0.0)).exp_()
        return cls(largest.to(n.dtype), total(relative), total_square(relative), n)

    @classmethod
    def empty(cls, device: Any = None) -> RatioSummary:
        """Return the summary of nothing, which adds nothing."""
        zero = torch.zeros((), dtype=sum_dtype(torch.device(device or "cpu")), device=device)
        return cls(zero - math.inf, zero, zero, zero)

    def __add__(self, other: RatioSummary) -> RatioSummary:
        if not isinstance(other, RatioSummary):
            return NotImplemented
        top = torch.maximum(self.max_log, other.max_log)
        a, b = _rescale(self.max_log, top), _rescale(other.max_log, top)
        return RatioSummary(
            top, self.sum_w * a + other.sum_w * b, self.sum_w2 * a * a + other.sum_w2 * b * b, self.n + other.n
        )

    def __radd__(self, other: object) -> RatioSummary:
        return self if isinstance(other, int) and other == 0 else NotImplemented  # where sum() starts

    def all_reduce(self, group: Any = None) -> RatioSummary:
        """Return the summary over all ranks of a `torch.distributed` process group; itself where there is none.

        Every rank of the group must call it. Ranks without a token add nothing. Two collectives of 1 and 3 numbers.
        """
        if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
            return self
        # NaN would be lost or not in a maximum, depending on the order; it stays in the sums.
        top = torch.nan_to_num(self.max_log, nan=-math.inf, posinf=math.inf, neginf=-math.inf).clone()
        torch.distributed.all_reduce(top, op=torch.distributed.ReduceOp.MAX, group=group)
        a = _rescale(self.max_log, top)
        sums = torch.stack([self.sum_w * a, self.sum_w2 * a * a, self.n])
        torch.distributed.all_reduce(sums, op=torch.distributed.ReduceOp.SUM, group=group)
        return RatioSummary(top, sums[0], sums[1], sums[2])

    @property
    def ess(self) -> Tensor:
        """Kish's effective sample size, in [1, n]; NaN for no ratios, or none above 0."""
        return self.ess_fraction * self.n

    @property
    def ess_fraction(self) -> Tensor:
        """The effective sample size as a share of n, in [1/n, 1]; NaN for no ratios, or none above 0."""
        share = self.sum_w**2 / (self.sum_w2 * self.n)
        return torch.minimum(torch.maximum(share, 1 / self.n), torch.ones_like(share))

    @property
    def log_mean(self) -> Tensor:
        """Logarithm of the mean ratio, about 0 where the log-probabilities are those of the sampler."""
        return self.max_log + torch.log(self.sum_w) - torch.log(self.n)

    def to_weight_summary(self) -> WeightSummary:
        """Return the same sums as Python floats, for the functions of `neff.stats`. Waits for the device."""
        from neff.stats.weights import WeightSummary

        top, first, second, n = torch.stack([self.max_log, self.sum_w, self.sum_w2, self.n]).tolist()
        return WeightSummary(int(n), top, first, second)


def _rescale(log: Tensor, top: Tensor) -> Tensor:
    """Return exp(log - top), and 0 for the empty one, also where both are empty."""
    return torch.where(torch.isneginf(log), torch.zeros_like(log), torch.exp(log - top))


def widen(tensor: Tensor) -> Tensor:
    """Return half precision as single precision, and others as they are."""
    if not tensor.is_floating_point():
        got = str(tensor.dtype)
        raise ArgumentTypeError("log-probabilities", "a tensor of floats", got, call="neff.train.losses")
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor


def valid(mask: Tensor) -> Tensor:
    """Return a mask of any dtype as booleans."""
    return mask if mask.dtype == torch.bool else mask != 0


def zero_off(values: Tensor, mask: Tensor, ones: Tensor | None = None) -> Tensor:
    """Return the values with 0 wherever `mask` is 0, whatever was there; in place. `ones` is the mask as 0.0 and 1.0.

    On a CPU filling by a mask takes some 60 times as long as multiplying by it, which is the same where all is finite.
    """
    if values.device.type == "cpu" and math.isfinite(values.detach().sum()):
        return values.mul_(valid(mask).to(values.dtype) if ones is None else ones)
    return values.masked_fill_(~valid(mask), 0.0)


def sum_dtype(device: torch.device) -> torch.dtype:
    """Return the type that sums are kept in: double precision wherever the device has it."""
    return torch.float32 if device.type == "mps" else torch.float64


def total(values: Tensor) -> Tensor:
    """Return the sum in double precision; the last axis is summed in the precision of the values."""
    return values.sum(-1).to(sum_dtype(values.device)).sum()


def total_square(values: Tensor) -> Tensor:
    """Return the sum of squares likewise; exact for ones, as a norm is not."""
    return total(values * values)
