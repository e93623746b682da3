"""Groups of responses by their ids, and what every advantage returns."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from neff.errors import ArgumentError, ArgumentTypeError
from neff.train._caller import warn
from neff.train.advantages.warnings import (
    DroppedWeightWarning,
    LoneResponseWarning,
    NoRewardsWarning,
    UnscoredRewardWarning,
)

if TYPE_CHECKING:
    from neff.errors import TrainingWarning

__all__ = ["AdvantageOutput", "Groups", "Sample", "check_mask", "finish", "groups_of", "sample_of"]


WARNINGS: dict[str, type[TrainingWarning]] = {
    "unscored_rewards": UnscoredRewardWarning,
    "dropped_weights": DroppedWeightWarning,
    "lone_responses": LoneResponseWarning,
    "no_rewards": NoRewardsWarning,
}
"""Faults that raise a Python warning. `equal_rewards` and `zero_weights`, which are everyday, are only named."""


@dataclass(frozen=True, slots=True, eq=False)
class AdvantageOutput:
    """Advantages, and which responses they are defined for.

    Attributes
    ----------
    advantages
        Shape [B], or [B, T] where the method gives one per token; without gradient, in the type of the rewards. 0 where
        `valid` is False.
    valid
        Shape [B], boolean: False for a response that was dropped, its reward (or weight) being NaN or infinite. Take
        these out of the loss mask, `mask & output.valid[:, None]`, so that no mean counts them.
    baseline
        What was subtracted from the reward, of the shape of `advantages`; NaN where `valid` is False.
    metrics
        Floats by name: `n_groups`, `n_dropped`, `n_lone`, `n_equal_groups`, `informative_share` (share of the
        groups whose rewards differ: only those teach anything), `nonzero_share` (of the valid responses), and those of
        the method.
    warnings
        Names of what calls for care: `unscored_rewards`, `dropped_weights`, `lone_responses`, `no_rewards` (each also
        raises a warning of `neff.train.advantages.warnings`), `equal_rewards`, `zero_weights`.
    """

    advantages: Tensor
    valid: Tensor
    baseline: Tensor
    metrics: dict[str, float] = field(repr=False)
    warnings: tuple[str, ...] = ()

    def per_token(self, mask: Tensor) -> Tensor:
        """Return the advantages as [B, T]: each response's at its valid tokens, 0 elsewhere."""
        keep = (mask != 0) & self.valid[:, None]
        whole = self.advantages if self.advantages.ndim == 2 else self.advantages[:, None].expand(mask.shape)
        return whole.masked_fill(~keep, 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """Rows sorted into groups; `pad` lays them out as [G, W], with a row of its own for each group."""

    code: Tensor
    slot: Tensor
    n: int
    width: int

    def pad(self, values: Tensor, fill: float = 0.0) -> Tensor:
        """Return [B] as [G, W], `fill` where a group has fewer rows than the largest."""
        out = torch.full((self.n, self.width), fill, dtype=values.dtype, device=values.device)
        out[self.code, self.slot] = values
        return out

    def spread(self, padded: Tensor) -> Tensor:
        """Return [G, W] as [B], or give each row its group's value, [G] as [B]."""
        return padded[self.code, self.slot] if padded.ndim == 2 else padded[self.code]


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Rewards in double precision, by group: `values` and `present` are [G, W]."""

    rewards: Tensor
    valid: Tensor
    groups: Groups
    values: Tensor
    present: Tensor
    dtype: torch.dtype
    names: tuple[str, ...] = ()
    grouped: bool = True

    @property
    def counts(self) -> Tensor:
        """Number of scored responses of each group, shape [G]."""
        return self.present.sum(1).double()

    def means(self) -> Tensor:
        """Mean reward of each group, shape [G]; 0 for a group without a scored response."""
        return self.values.sum(1) / self.counts.clamp(min=1)

    def spread_out(self) -> Tensor:
        """Whether the rewards of a group differ, shape [G]. Compared exactly: rounding of a mean is no signal."""
        high = self.values.masked_fill(~self.present, -math.inf).amax(1)
        low = self.values.masked_fill(~self.present, math.inf).amin(1)
        return high > low


def float_type(tensor: Tensor) -> torch.dtype:
    """Return the type that advantages of these rewards come in."""
    return tensor.dtype if tensor.is_floating_point() else torch.get_default_dtype()


def as_vector(values: Any, argument: str, call: str, *, length: int | None = None, device: Any = None) -> Tensor:
    """Return a vector of numbers without gradient; lists and arrays pass, and None in a list is NaN."""
    if isinstance(values, (list, tuple)):
        values = [math.nan if value is None else value for value in values]
    try:
        tensor = values.detach() if isinstance(values, Tensor) else torch.as_tensor(values, device=device)
    except (TypeError, ValueError, RuntimeError) as error:
        got = type(values).__name__
        raise ArgumentTypeError(argument, "a tensor of numbers", got, f"({error})", call=call) from error
    if tensor.is_complex() or tensor.ndim != 1:
        fix = "One number per response; sum the rewards of its tokens."
        raise ArgumentError(argument, "a vector, [B]", f"{tensor.dtype} of shape {tuple(tensor.shape)}", fix, call=call)
    if length is not None and tensor.shape[0] != length:
        fix = "Give one value per response."
        raise ArgumentError(argument, f"of length {length}", f"length {tensor.shape[0]}", fix, call=call)
    return tensor if device is None else tensor.to(device)


def check_mask(mask: Any, length: int, call: str, *, width: int | None = None) -> None:
    """Refuse what is no [B, T] of a batch."""
    if not isinstance(mask, Tensor):
        raise ArgumentTypeError("mask", "a tensor", type(mask).__name__, "Use torch.as_tensor.", call=call)
    if mask.ndim != 2 or mask.shape[0] != length or (width is not None and mask.shape[1] != width):
        must = f"of shape ({length}, {'T' if width is None else width})"
        raise ArgumentError("mask", must, tuple(mask.shape), "One value per token of the response.", call=call)


def groups_of(group: Any, length: int, *, device: Any, call: str) -> Groups:
    """Sort rows into groups by ids of any kind: a tensor, or an array or list of integers or text."""
    if isinstance(group, Tensor):
        if group.shape != (length,):
            fix = "Give one group id per response; prompts.repeat_interleave(G) makes them."
            raise ArgumentError("group", f"of shape ({length},)", tuple(group.shape), fix, call=call)
        if group.is_floating_point() and bool(group.isnan().any()):
            raise ArgumentError("group", "known for every response", "NaN", "Give it an id of its own.", call=call)
        code = torch.unique(group, return_inverse=True)[1].to(device)
    else:
        try:
            ids = list(group.tolist() if hasattr(group, "tolist") else group)
        except TypeError as error:
            must, fix = "a tensor, an array or a list of ids", "Give one group id per response."
            raise ArgumentTypeError("group", must, group, fix, call=call) from error
        if len(ids) != length or any(isinstance(i, list) for i in ids):
            fix = "Give one group id per response."
            raise ArgumentError("group", f"a vector of length {length}", f"length {len(ids)}", fix, call=call)
        if any(i is None or i != i for i in ids):
            raise ArgumentError("group", "known for every response", None, "Give it an id of its own.", call=call)
        seen: dict[Any, int] = {}
        code = torch.tensor([seen.setdefault(i, len(seen)) for i in ids], dtype=torch.long, device=device)
    n = int(code.max()) + 1 if length else 0
    counts = torch.bincount(code, minlength=n)
    order = torch.argsort(code, stable=True)
    slot = torch.empty_like(code)
    slot[order] = torch.arange(length, device=device) - (counts.cumsum(0) - counts)[code[order]]
    return Groups(code, slot, n, int(counts.max()) if length else 1)


def sample_of(rewards: Any, group: Any = None, *, call: str, valid: Tensor | None = None) -> Sample:
    """Return the rewards by group; those that are NaN or infinite, or not `valid`, are left out.

    Without `group` all rows are one group, and the output does not speak of groups.
    """
    vector = as_vector(rewards, "rewards", call)
    length = vector.shape[0]
    ids = torch.zeros(length, dtype=torch.long, device=vector.device) if group is None else group
    groups = groups_of(ids, length, device=vector.device, call=call)
    values = vector.to(torch.float64)
    scored = values.isfinite()
    names = [] if bool(scored.all()) else ["unscored_rewards"]
    if valid is not None:
        names += [] if bool(valid.all()) else ["dropped_weights"]
        scored = scored & valid
    values = values.masked_fill(~scored, 0.0)
    padded, present = groups.pad(values), groups.pad(scored, fill=0)
    return Sample(values, scored, groups, padded, present, float_type(vector), tuple(names), group is not None)


def finish(
    sample: Sample, advantages: Tensor, baseline: Tensor, extra: dict[str, float] | None = None, *names: str
) -> AdvantageOutput:
    """Count, warn and return: `advantages` and `baseline` are double precision, [B] or [B, T]."""
    found = [*sample.names, *names]
    drop = ~sample.valid if advantages.ndim == 1 else ~sample.valid[:, None]
    advantages = advantages.masked_fill(drop, 0.0)
    moved = advantages != 0 if advantages.ndim == 1 else (advantages != 0).any(1)
    n_valid = int(sample.valid.sum())
    metrics = {"n_dropped": float(sample.valid.numel() - n_valid)}
    metrics["nonzero_share"] = float(moved.sum()) / n_valid if n_valid else math.nan
    if sample.grouped:
        counted, more = _of_groups(sample)
        metrics |= counted
        found += more
    if sample.valid.numel() and not n_valid:
        found.append("no_rewards")
    for name in found:
        if name in WARNINGS:
            warn(WARNINGS[name](WARNINGS[name].__doc__ or name))
    base = baseline.masked_fill(drop, math.nan).to(sample.dtype)
    return AdvantageOutput(
        advantages.to(sample.dtype), sample.valid, base, metrics | (extra or {}), tuple(dict.fromkeys(found))
    )


def _of_groups(sample: Sample) -> tuple[dict[str, float], list[str]]:
    counts, differ = sample.counts, sample.spread_out()
    some, one = counts > 0, counts == 1
    n_groups, n_one, n_equal = (int(x.sum()) for x in (some, one, some & ~one & ~differ))
    metrics = {
        "n_groups": float(n_groups),
        "n_lone": float(n_one),
        "n_equal_groups": float(n_equal),
        "informative_share": float(differ.sum()) / n_groups if n_groups else math.nan,
    }
    names = ["lone_responses"] if n_one else []
    return metrics, names + (["equal_rewards"] if n_equal else [])
