"""Advantages without groups: a reward minus a constant or running baseline, and whitening over the batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from neff.errors import ArgumentError, ArgumentTypeError
from neff.stats._options import check_choice
from neff.stats._validate import check_number
from neff.train.advantages._groups import AdvantageOutput, as_vector, check_mask, finish, float_type, sample_of

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["RunningBaseline", "reinforce_advantage", "reinforce_plus_plus_advantage", "whiten"]


def reinforce_advantage(rewards: Any, *, baseline: Any = 0.0) -> AdvantageOutput:
    """Return the advantages of REINFORCE: reward minus a baseline that was known before the rewards.

    Use it with one response per prompt and rewards on one scale. The gradient is unbiased for every baseline that does
    not depend on the response it is subtracted from; a mean of the same batch does, and shrinks the step by 1 - 1/n.

    Parameters
    ----------
    rewards
        One reward per response, shape [B]. NaN or infinite: dropped and counted.
    baseline
        A number, or one per response, [B]; `RunningBaseline.update` gives one from the batches before.

    Returns
    -------
    AdvantageOutput
        `advantages` [B].

    Raises
    ------
    ArgumentError
        If a baseline is NaN or infinite, or the shapes differ.

    Warns
    -----
    UnscoredRewardWarning
        If a reward is not finite.

    References
    ----------
    Williams 1992, Simple statistical gradient-following algorithms for connectionist reinforcement learning.

    Examples
    --------
    >>> reinforce_advantage([1.0, 0.0, 0.5], baseline=0.25).advantages.tolist()
    [0.75, -0.25, 0.25]
    """
    call = "reinforce_advantage"
    sample = sample_of(rewards, call=call)
    length, device = sample.rewards.shape[0], sample.rewards.device
    if isinstance(baseline, int | float):
        base = torch.full((length,), check_number(baseline, argument="baseline", call=call), dtype=torch.float64)
        base = base.to(device)
    else:
        base = as_vector(baseline, "baseline", call, length=length, device=device).double()
    if not bool(base.isfinite().all()):
        raise ArgumentError("baseline", "finite", baseline, "Drop those rows, or use 0.", call=call)
    return finish(sample, sample.rewards - base, base)


class RunningBaseline:
    """An average of past rewards, to subtract from the next ones.

    Use it with `reinforce_advantage`. Not with prompts of very different difficulty: one number stands for all.

    Parameters
    ----------
    decay
        Weight of the past at each batch, in [0, 1).

    Attributes
    ----------
    value
        The present average; 0 before the first batch. Corrected for its start, so the first batch counts in full.

    Examples
    --------
    >>> running = RunningBaseline(decay=0.5)
    >>> [running.update([r, r]) for r in (1.0, 0.0, 0.0)]  # what each batch is to be compared with
    [0.0, 1.0, 0.3333333333333333]
    """

    def __init__(self, *, decay: float = 0.9) -> None:
        self.decay = check_number(decay, argument="decay", call="RunningBaseline")
        if not 0 <= self.decay < 1:
            raise ArgumentError("decay", "at least 0 and below 1", decay, call="RunningBaseline")
        self._sum = self._weight = 0.0

    @property
    def value(self) -> float:
        """The average of the batches so far."""
        return self._sum / self._weight if self._weight else 0.0

    def update(self, rewards: Any) -> float:
        """Take a batch of rewards in, and return the average as it was before: the baseline for this batch."""
        before = self.value
        vector = as_vector(rewards, "rewards", "RunningBaseline.update").double()
        vector = vector[vector.isfinite()]
        if vector.numel():
            self._sum = self.decay * self._sum + (1 - self.decay) * float(vector.mean())
            self._weight = self.decay * self._weight + (1 - self.decay)
        return before

    def state_dict(self) -> dict[str, float]:
        """Return what a checkpoint must keep."""
        return {"sum": self._sum, "weight": self._weight}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Go on from a checkpoint."""
        self._sum, self._weight = float(state["sum"]), float(state["weight"])


def whiten(advantages: Tensor, mask: Tensor | None = None, *, eps: float = 1e-8) -> Tensor:
    """Return values with mean 0 and variance 1 over the valid entries of the batch, and 0 elsewhere.

    Use it on the advantages of one optimizer step. Every response then depends on every other, and a batch of equal
    rewards gives no step at all.

    Parameters
    ----------
    advantages
        Values of any shape.
    mask
        Non-zero where they count, of the same shape; all, by default.
    eps
        Added to the variance.

    Returns
    -------
    Tensor
        Same shape and type (floats for whole numbers). All 0 where fewer than two entries are valid, or all are equal.

    Raises
    ------
    ArgumentError
        If the shapes differ, or a value that counts is not finite.

    Notes
    -----
    The variance has divisor n - 1, as in verl. Under data parallelism this is the batch of one rank.

    Examples
    --------
    >>> whiten(torch.tensor([1.0, 2.0, 3.0, 9.0]), torch.tensor([1, 1, 1, 0])).tolist()
    [-1.0, 0.0, 1.0, 0.0]
    """
    if not isinstance(advantages, torch.Tensor):
        raise ArgumentTypeError(
            "advantages", "a tensor", type(advantages).__name__, "Use torch.as_tensor.", call="whiten"
        )
    keep = torch.ones_like(advantages, dtype=torch.bool) if mask is None else mask != 0
    if keep.shape != advantages.shape:
        must = f"of the shape of advantages, {tuple(advantages.shape)}"
        raise ArgumentError("mask", must, tuple(keep.shape), "advantages[:, None] makes one per token.", call="whiten")
    values = advantages.detach().double().masked_fill(~keep, 0.0)
    n = keep.sum()
    centered = (values - values.sum() / n.clamp(min=1)).masked_fill(~keep, 0.0)
    chosen, dtype = values[keep], float_type(advantages)
    if not bool(chosen.isfinite().all()):
        got, fix = float(chosen[~chosen.isfinite()][0]), "One such value would make all of them NaN: mask it."
        raise ArgumentError("advantages", "finite where the mask is not 0", got, fix, call="whiten")
    if chosen.numel() < 2 or bool((chosen == chosen[0]).all()):
        return torch.zeros_like(advantages, dtype=dtype)
    return (centered / (centered.square().sum() / (n - 1) + eps).sqrt()).to(dtype)


def reinforce_plus_plus_advantage(
    rewards: Any, group: Any, mask: Tensor, *, unit: str = "token", eps: float = 1e-8, singleton: str = "zero"
) -> AdvantageOutput:
    """Return the advantages of REINFORCE++ with a group baseline: centered in the group, whitened over the batch.

    Use it where one scale for the whole batch is wanted instead of one per prompt.

    Parameters
    ----------
    rewards, group
        As for `group_advantage`.
    mask
        Shape [B, T], non-zero at the tokens of the response.
    unit
        What the whitening counts: "token" weights each response by its length (verl), "sequence" each alike.
    eps
        Added to the variance.
    singleton
        Centered reward of a response that is alone in its group: 0, or its reward ("reward": verl).

    Returns
    -------
    AdvantageOutput
        `advantages` [B, T], 0 outside the mask; `baseline` is the group mean.

    Raises
    ------
    ArgumentError
        If shapes differ or an option is unknown.

    Warns
    -----
    UnscoredRewardWarning
        If a reward is not finite.
    LoneResponseWarning
        If a group has one scored response.

    References
    ----------
    Hu et al., arXiv:2501.03262.

    Examples
    --------
    >>> mask = torch.tensor([[1, 1], [1, 0], [1, 1], [1, 1]])
    >>> output = reinforce_plus_plus_advantage([1.0, 0.0, 2.0, -1.0], [7, 7, 9, 9], mask, unit="sequence")
    >>> [[round(a, 4) for a in row] for row in output.advantages.tolist()]
    [[0.3873, 0.3873], [-0.3873, 0.0], [1.1619, 1.1619], [-1.1619, -1.1619]]
    """
    call = "reinforce_plus_plus_advantage"
    unit = check_choice(unit, ("token", "sequence"), argument="unit", call=call)
    singleton = check_choice(singleton, ("zero", "reward"), argument="singleton", call=call)
    sample = sample_of(rewards, group, call=call)
    check_mask(mask, sample.rewards.shape[0], call)
    lone = sample.groups.spread(sample.counts == 1)
    means = sample.groups.spread(sample.means())
    signal = sample.groups.spread(sample.spread_out())
    centered = torch.where(signal, sample.rewards - means, 0.0)
    if singleton == "reward":
        centered, means = torch.where(lone, sample.rewards, centered), means.masked_fill(lone, 0.0)
    keep = (mask != 0) & sample.valid[:, None]
    if unit == "token":
        advantages = whiten(centered[:, None].expand(mask.shape), keep, eps=eps)
    else:
        advantages = whiten(centered, sample.valid, eps=eps)[:, None].expand(mask.shape)
    return finish(sample, advantages.masked_fill(~keep, 0.0), means[:, None].expand(mask.shape).clone())
