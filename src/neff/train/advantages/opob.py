"""OPOB: the constant baseline of least variance for a gradient of importance-weighted scores."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from neff.errors import ArgumentError
from neff.stats._options import check_choice
from neff.stats._validate import check_number
from neff.train.advantages._groups import AdvantageOutput, as_vector, finish, sample_of

if TYPE_CHECKING:
    from torch import Tensor

    from neff.train.advantages._groups import Sample

__all__ = ["opob_advantage", "opob_baseline"]

SCOPES, AGGREGATES, SCALES = ("group", "minibatch"), ("mean", "median", "winsorized"), ("population", "none")
WINSORIZED = (0.05, 0.95)


def opob_baseline(
    log_w: Any,
    sqnorm: Any,
    rewards: Any,
    group: Any,
    *,
    leave_one_out: bool = False,
    double_weight: bool = False,
    clip: float = 8.0,
    scope: str = "group",
    aggregate: str = "mean",
) -> Tensor:
    """Return the baseline b that minimises the variance of w (R - b) s: rewards weighted by w^2 ||s||^2.

    Use it with stale or mismatched rollouts, where importance weights and score norms differ between responses: a group
    mean can then have several times its variance. Not for fewer than four responses per group at equal weights: the
    plug-in form shrinks the gradient by 1 - 1/n, and `leave_one_out=True`, which does not, is noisier there.

    Parameters
    ----------
    log_w
        Log importance weight of each response, current policy over sampler (`sequence_log_ratio`), shape [B];
        untruncated. None for weights of 1.
    sqnorm
        Squared norm of the score of each response, ||grad log pi||^2, shape [B] (`score_sqnorm`, `score_sqnorm_proxy`).
        None for norms of 1.
    rewards
        One reward per response, shape [B].
    group
        Id of the prompt of each response, shape [B].
    leave_one_out
        Leave each response's own reward out of its baseline: unbiased, of higher variance in small groups. The paper's
        baseline is the plug-in form (False).
    double_weight
        Weight by w^2 min(w, clip)^2 ||s||^2, as the released code does; the paper's weight is w^2 ||s||^2.
    clip
        Truncation in `double_weight`.
    scope
        "group": one baseline per prompt; "minibatch": the reward is replaced by its difference from the group mean, and
        one baseline serves all groups. Use it where groups have one or two responses; a lone reward is taken as it is.
    aggregate
        "mean"; or, for rewards with outliers, the weighted "median" or "winsorized" mean (5% and 95%) of the released
        code.

    Returns
    -------
    Tensor
        Shape [B], in the type of the rewards, to be subtracted from them in both scopes. NaN for a response without a
        usable reward or weight. The reward itself where there is nothing to compare it with; 0 where all weights are 0.

    Raises
    ------
    ArgumentError
        If shapes differ, a squared norm is negative, or an option is unknown.

    Notes
    -----
    Estimand: E[w^2 ||s||^2 R] / E[w^2 ||s||^2]. The weights are a softmax of 2 log w + log ||s||^2 in double precision:
    scale-free, never clamped. O(B); with `leave_one_out` O(B) times the size of a group, or of the batch.

    References
    ----------
    Huang et al., arXiv:2602.17616, equation 7.

    Examples
    --------
    >>> b = opob_baseline(torch.log(torch.tensor([2.0, 1.0, 1.0])), None, torch.tensor([1.0, 0.0, 0.0]), [5, 5, 5])
    >>> b.tolist()  # 4 / (4 + 1 + 1)
    [0.6666666865348816, 0.6666666865348816, 0.6666666865348816]
    """
    call = "opob_baseline"
    weighted = _weighted(log_w, sqnorm, rewards, group, double_weight=double_weight, clip=clip, call=call)
    ones = torch.ones_like(weighted.sample.rewards)
    baseline, _ = _baseline(weighted, ones, scope, aggregate, leave_one_out=leave_one_out, call=call)
    return baseline.masked_fill(~weighted.sample.valid, math.nan).to(weighted.sample.dtype)


def opob_advantage(
    log_w: Any,
    sqnorm: Any,
    rewards: Any,
    group: Any,
    *,
    leave_one_out: bool = False,
    double_weight: bool = False,
    clip: float = 8.0,
    scope: str = "group",
    aggregate: str = "mean",
    scale: str = "population",
) -> AdvantageOutput:
    """Return the advantages of VCPO: reward minus `opob_baseline`, divided by the standard deviation of the group.

    Use it with a loss that multiplies by truncated sequence ratios (`sequence_tis` with cap 8) and `EssLRScaler`: the
    three together are VCPO, and on the testbed neither part alone was stable. Not on-policy with equal lengths, where
    it is a group mean.

    Parameters
    ----------
    log_w, sqnorm, rewards, group, leave_one_out, double_weight, clip, scope, aggregate
        As for `opob_baseline`.
    scale
        "population": divide by the standard deviation (divisor n) of the rewards of the group where it is above 1e-8;
        "none": do not divide.

    Returns
    -------
    AdvantageOutput
        `advantages` [B]; exactly 0 in groups with equal rewards or one response (scope "group").

    Raises
    ------
    ArgumentError
        If shapes differ, a squared norm is negative, or an option is unknown.

    Warns
    -----
    UnscoredRewardWarning, DroppedWeightWarning
        If a reward, log-weight or norm is NaN or infinite.
    LoneResponseWarning
        If a group has one scored response.

    References
    ----------
    Huang et al., arXiv:2602.17616.

    Examples
    --------
    >>> output = opob_advantage(
    ...     torch.log(torch.tensor([2.0, 1.0, 1.0])), None, [1.0, 0.0, 0.0], [5, 5, 5], scale="none"
    ... )
    >>> [round(a, 4) for a in output.advantages.tolist()]
    [0.3333, -0.6667, -0.6667]
    """
    call = "opob_advantage"
    scale = check_choice(scale, SCALES, argument="scale", call=call)
    weighted = _weighted(log_w, sqnorm, rewards, group, double_weight=double_weight, clip=clip, call=call)
    sample = weighted.sample
    sigma = torch.ones_like(sample.rewards)
    if scale == "population":
        centered = (sample.values - sample.means()[:, None]) * sample.present
        deviation = (centered.square().sum(1) / sample.counts.clamp(min=1)).sqrt()
        sigma = sample.groups.spread(torch.where((deviation > 1e-8) & sample.spread_out(), deviation, 1.0))
    baseline, empty = _baseline(weighted, sigma, scope, aggregate, leave_one_out=leave_one_out, call=call)
    names = ("zero_weights",) if bool((empty & sample.valid).any()) else ()
    return finish(sample, (sample.rewards - baseline) / sigma, baseline, None, *names)


@dataclass(frozen=True, slots=True, eq=False)
class _Weighted:
    """Rewards by group, and the logarithm of w^2 ||s||^2, -inf where a response does not count; both [B]."""

    sample: Sample
    log_omega: Tensor


def _weighted(
    log_w: Any, sqnorm: Any, rewards: Any, group: Any, *, double_weight: bool, clip: float, call: str
) -> _Weighted:
    reward = as_vector(rewards, "rewards", call)
    like = {"length": reward.shape[0], "device": reward.device}
    zero = torch.zeros(reward.shape[0], dtype=torch.float64, device=reward.device)
    log = zero if log_w is None else as_vector(log_w, "log_w", call, **like).double()
    square = zero + 1 if sqnorm is None else as_vector(sqnorm, "sqnorm", call, **like).double()
    if bool((square < 0).any()):
        raise ArgumentError("sqnorm", "0 or more", float(square.min()), "Give squared norms.", call=call)
    usable = ~log.isnan() & (log < math.inf) & square.isfinite()
    omega = 2 * log + square.log()
    if double_weight:
        if not check_number(clip, argument="clip", call=call) > 0:
            raise ArgumentError("clip", "above 0", clip, call=call)
        omega = omega + 2 * log.clamp(max=math.log(clip))
    sample = sample_of(reward, group, call=call, valid=usable)
    return _Weighted(sample, omega.masked_fill(~sample.valid, -math.inf))


def _baseline(
    weighted: _Weighted, sigma: Tensor, scope: str, aggregate: str, *, leave_one_out: bool, call: str
) -> tuple[Tensor, Tensor]:
    """Return the baseline of each response, and where there was no weight to compute it from; both [B]."""
    scope = check_choice(scope, SCOPES, argument="scope", call=call)
    aggregate = check_choice(aggregate, AGGREGATES, argument="aggregate", call=call)
    sample, omega = weighted.sample, weighted.log_omega
    groups = sample.groups
    if scope == "minibatch":
        return _of_minibatch(weighted, sigma, aggregate, leave_one_out=leave_one_out)
    log = groups.pad(omega, -math.inf)
    if leave_one_out:
        log = log[groups.code]  # a row for each response: its group without itself
        log.scatter_(1, groups.slot[:, None], -math.inf)
        found, empty = _center(sample.values[groups.code], log, aggregate)
    else:
        found, empty = (groups.spread(x) for x in _center(sample.values, log, aggregate))
    alone = groups.spread((sample.counts == 1) | ~sample.spread_out())  # nothing to compare with, or nothing to learn
    return torch.where(alone, sample.rewards, found), empty & ~alone


def _of_minibatch(
    weighted: _Weighted, sigma: Tensor, aggregate: str, *, leave_one_out: bool, rows: int = 256
) -> tuple[Tensor, Tensor]:
    """One baseline for the differences from the group means, in units of `sigma`."""
    sample, omega = weighted.sample, weighted.log_omega
    groups, rewards = sample.groups, sample.rewards
    if not rewards.numel():
        return rewards, rewards > 0
    several = groups.spread(sample.counts > 1)  # a lone reward is taken as it is
    means = groups.spread(sample.means()) * several
    if not leave_one_out:
        found, empty = _center(((rewards - means) / sigma)[None], omega[None], aggregate)
        return means + sigma * found, empty.expand(rewards.shape)
    totals, counts = groups.spread(sample.values.sum(1)), groups.spread(sample.counts)
    without = (totals - rewards) / (counts - 1).clamp(min=1) * several  # the mean of the others, for each response
    parts = []
    for chunk in torch.arange(rewards.shape[0], device=rewards.device).split(rows):
        kin = groups.code[chunk, None] == groups.code
        shift = torch.where(kin, without[chunk, None], means)
        log = omega.expand(len(chunk), -1).clone()
        log.scatter_(1, chunk[:, None], -math.inf)
        parts.append(_center((rewards - shift) / sigma, log, aggregate))
    found, empty = (torch.cat(x) for x in zip(*parts, strict=True))
    return without + sigma * found, empty


def _center(values: Tensor, log: Tensor, aggregate: str) -> tuple[Tensor, Tensor]:
    """Return the weighted center of each row of values, and whether a row has no weight (center 0)."""
    top = log.amax(1, keepdim=True)
    weight = (log - torch.where(top.isfinite(), top, 0.0)).exp()
    whole = weight.sum(1)
    if aggregate == "median":
        found = _quantile(values, weight, 0.5)
    elif aggregate == "winsorized":
        low, high = (_quantile(values, weight, level)[:, None] for level in WINSORIZED)
        found = (weight * values.clamp(low, high)).sum(1) / whole
    else:
        found = (weight * values).sum(1) / whole
    return torch.where(whole > 0, found, 0.0), whole == 0


def _quantile(values: Tensor, weight: Tensor, level: float) -> Tensor:
    """Return the smallest value of each row with at least `level` of the weight at or below it."""
    order = values.masked_fill(weight == 0, math.inf).argsort(1)
    ordered, share = values.gather(1, order), weight.gather(1, order).cumsum(1)
    first = (share >= level * (1 - 1e-12) * share[:, -1:]).int().argmax(1, keepdim=True)
    return ordered.gather(1, first)[:, 0]
