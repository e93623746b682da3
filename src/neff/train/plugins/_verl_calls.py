"""Losses and advantages with verl's arguments and return values."""

from __future__ import annotations

import inspect
import math
from typing import TYPE_CHECKING, Any

import torch

from neff.errors import ArgumentError
from neff.stats._options import check_choice
from neff.train.advantages import (
    group_advantage,
    group_centered_advantage,
    leave_one_out_advantage,
    opo_advantage,
)
from neff.train.losses.table import LOSSES
from neff.train.plugins.config import PROXIMAL

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["rebuild_behaviour", "verl_advantage", "verl_loss"]

MODES = ("token-mean", "token-sum", "seq-mean-token-sum", "seq-mean-token-mean", "seq-mean-token-sum-norm")
CAPS = (1.5, 2.0, 3.0, 4.0, 5.0, 8.0, 10.0)
KEPT = ("kept_fraction", "log_mean_ratio", "ess_used", "kl_behaviour", "capped_fraction")


def verl_loss(
    name: str,
    options: dict[str, Any],
    old_log_prob: Tensor,
    log_prob: Tensor,
    advantages: Tensor,
    response_mask: Tensor,
    loss_agg_mode: str,
    config: Any,
    rollout_is_weights: Tensor | None,
) -> tuple[Tensor, dict[str, float]]:
    """Return a loss of neff and its metrics, over the sizes of the global batch that verl keeps in its config."""
    check_choice(loss_agg_mode, MODES, argument="loss_agg_mode", call=f"neff_{name}")
    blp = old_log_prob
    if rollout_is_weights is not None:
        blp = rebuild_behaviour(old_log_prob, rollout_is_weights, response_mask, config, call=f"neff_{name}")
        if name in PROXIMAL:
            options["olp"] = old_log_prob
    if name == "rloo":
        advantages = _per_response(advantages, response_mask)
    sizes, factor = _sizes(config, loss_agg_mode, response_mask.shape[1], call=f"neff_{name}")
    known = inspect.signature(LOSSES[name]).parameters
    aggregate = {"aggregate": loss_agg_mode} if "aggregate" not in options else {}
    clips = {key: value for key, value in _clips(name, config).items() if key in known and key not in options}
    out = LOSSES[name](log_prob, blp, advantages, response_mask, **aggregate, **clips, **sizes, **options)
    metrics = {"ess_token": out.ess_token, "ess_sequence": out.ess_sequence}
    metrics |= {key: value for key, value in out.metrics.items() if key in KEPT}
    names = [f"neff/micro_batch/{key}" for key in metrics]
    stacked = torch.stack([value.double() for value in (*metrics.values(), -out.metrics["log_ratio_mean"])]).tolist()
    found = dict(zip([*names, "actor/ppo_kl"], stacked, strict=True))
    loss = out.loss if factor == 1 else out.loss * factor
    return loss, {key: value for key, value in found.items() if not math.isnan(value)}


def rebuild_behaviour(
    old_log_prob: Tensor, weights: Tensor, mask: Tensor, config: Any, *, call: str = "rebuild_behaviour"
) -> Tensor:
    """Return the sampler's log-probabilities, old_log_prob - log(weights), or refuse where the weights do not tell."""
    keep = mask != 0
    cure = "Set rollout_correction.bypass_mode=true with trainer.use_v1=true: old_log_prob then is the sampler's."
    must = "one untruncated importance weight per token"
    inside = weights[keep]
    if not inside.numel():
        return old_log_prob
    if not bool((inside > 0).all()):
        raise ArgumentError("rollout_is_weights", must, "weights of 0 or less", f"They were masked. {cure}", call=call)
    several = keep.sum(-1) > 1
    high = weights.masked_fill(~keep, -math.inf).amax(-1)
    low = weights.masked_fill(~keep, math.inf).amin(-1)
    if bool(several.any()) and bool((high == low)[several].all()) and bool((high != 1)[several].any()):
        said = "the same weight for all tokens of each response"
        raise ArgumentError("rollout_is_weights", must, said, f"rollout_is=sequence does that. {cure}", call=call)
    top = float(inside.max())
    tied = int((inside == top).sum())
    correction = getattr(getattr(config, "policy_loss", None), "rollout_correction", None)
    known = {*CAPS, _threshold(correction)}
    if top > 1 and (tied > 1 or any(abs(top - cap) < 1e-6 * cap for cap in known)):
        said = f"{tied} at {top:.6g}, and none above"
        raise ArgumentError("rollout_is_weights", must, said, f"They were truncated. {cure}", call=call)
    return old_log_prob - torch.where(keep, weights, 1.0).log()


def _threshold(correction: Any) -> float:
    """Return the upper bound in verl's setting, a number or "lower_upper"; infinity where there is none."""
    value = None if correction is None else correction.get("rollout_is_threshold", None)
    try:
        return math.inf if value is None else float(str(value).split("_")[-1])
    except ValueError:
        return math.inf


def _sizes(config: Any, mode: str, width: int, *, call: str) -> tuple[dict[str, Any], float]:
    """Return the sizes that verl's `agg_loss` divides by, per rank, and the factor that is left for sums."""
    info = dict(getattr(config, "global_batch_info", None) or {})
    ranks = info.get("dp_size") or 1
    tokens, sequences = info.get("batch_num_tokens"), info.get("global_batch_size")
    needed = {"token-mean": ("batch_num_tokens", tokens), "token-sum": ("", 0)}.get(
        mode, ("global_batch_size", sequences)
    )
    if needed[1] is None and ranks > 1:
        raise ArgumentError(needed[0], "known where there are several ranks", None, call=call)
    scale = info.get("loss_scale_factor")
    sizes = {
        "n_tokens": None if tokens is None else tokens / ranks,
        "n_sequences": None if sequences is None else sequences / ranks,
        "norm_length": float(width if scale is None else scale),
    }
    return sizes, float(ranks) if mode == "token-sum" else 1.0


def _clips(name: str, config: Any) -> dict[str, Any]:
    """Return verl's clip range, except where verl's numbers mean something else, or nothing to this loss."""
    if config is None or name not in ("ppo_clip", "dual_clip", "grpo", "dr_grpo", "dapo", "decoupled_ppo", "rloo",
                                      "gspo", "opsm", "cispo"):  # fmt: skip
        return {}
    both = getattr(config, "clip_ratio", None)
    low, high = (getattr(config, f"clip_ratio_{end}", None) for end in ("low", "high"))
    found = {"clip_low": both if low is None else low, "clip_high": both if high is None else high}
    if name == "cispo":
        found["band"] = "band"  # the meaning that verl gives to its numbers
    if name == "dual_clip":
        found["cap"] = getattr(config, "clip_ratio_c", None)
    return {key: value for key, value in found.items() if value is not None}


def _per_response(advantages: Tensor, mask: Tensor) -> Tensor:
    """Return the one advantage of each response, where all of its tokens have the same."""
    keep = mask != 0
    high = advantages.masked_fill(~keep, -math.inf).amax(-1)
    low = advantages.masked_fill(~keep, math.inf).amin(-1)
    some = keep.any(-1)
    if bool((high != low)[some].any()):
        must, fix = "the same for all tokens of a response", "Use an outcome estimator, such as neff_rloo."
        raise ArgumentError("advantages", must, "different ones", fix, call="neff_rloo")
    return torch.where(some, high, 0.0)


def verl_advantage(
    name: str, token_level_rewards: Tensor, response_mask: Tensor, config: Any, fields: dict[str, Any]
) -> tuple[Tensor, Tensor]:
    """Return advantages and returns, [B, T] each, as verl's own estimators do. A lone response keeps its reward."""
    call = f"neff_{name}"
    mask = response_mask != 0
    index = fields.get("index")
    if index is None:
        raise ArgumentError("index", "in the batch", None, "verl takes it from the column uid.", call=call)
    rewards = token_level_rewards.detach().sum(-1)
    if name == "grpo":
        scaled = config is None or config.get("norm_adv_by_std_in_grpo", True)
        scale = "unbiased" if scaled else "none"
        out = group_advantage(rewards, index, scale=scale, eps=1e-6, singleton="reward")
    elif name == "opo":
        out = opo_advantage(rewards, mask.sum(-1), index, singleton="reward")
    else:
        estimate = group_centered_advantage if name == "dr_grpo" else leave_one_out_advantage
        out = estimate(rewards, index, singleton="reward")
    advantages = out.per_token(mask)
    return advantages, advantages
