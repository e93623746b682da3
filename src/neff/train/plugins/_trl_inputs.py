"""What TRL's batches mean: who sampled, which tokens count, how a micro-batch is weighed, which settings clash."""

from __future__ import annotations

import inspect
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from neff.errors import ArgumentError
from neff.stats._options import check_choice
from neff.train.findings import CheckWarning, enforce
from neff.train.losses.options import LossOptions
from neff.train.losses.table import LOSSES
from neff.train.monitor.settings import check_sampling

if TYPE_CHECKING:
    from torch import Tensor

    from neff.train.findings import Finding
    from neff.train.plugins.config import NeffConfig

__all__ = ["Behaviour", "Sizes", "behaviour_of", "check_settings", "clip_options", "loss_mask", "sampling_findings"]


@dataclass(frozen=True, slots=True, eq=False)
class Behaviour:
    """Log-probabilities of a micro-batch under the policies that it is compared with, shape [B, T].

    `sampled` is as the engine gave it, NaN included; `filled` has the proximal one in those places, so that their
    ratio to it is 1. All are None where the rollouts are on-policy by construction.
    """

    sampled: Tensor | None
    filled: Tensor | None
    proximal: Tensor | None
    n_missing: Tensor | None


def loss_mask(inputs: dict[str, Any]) -> Tensor:
    """Return the tokens that count: those of the response, without what tools wrote."""
    mask: Tensor = inputs["completion_mask"]
    return mask * inputs["tool_mask"] if "tool_mask" in inputs else mask


def behaviour_of(inputs: dict[str, Any], lp: Tensor, mask: Tensor) -> Behaviour:
    """Return who sampled: the engine where it said so, else the trainer's weights of that time."""
    old, sampled = inputs.get("old_per_token_logps"), inputs.get("sampling_per_token_logps")
    if sampled is None:
        return Behaviour(old, old, old, None)
    proximal = lp.detach() if old is None else old
    missing = sampled.isnan()
    filled = torch.where(missing, proximal, sampled)
    return Behaviour(sampled, filled, proximal, (missing & (mask != 0)).sum())


@dataclass(frozen=True, slots=True)
class Sizes:
    """The sizes that aggregators divide by, and what the loss is multiplied by afterwards."""

    n_tokens: Any
    n_sequences: float
    norm_length: float
    accumulation: float
    ranks: float

    @classmethod
    def of(cls, trainer: Any, inputs: dict[str, Any], *, train: bool) -> Sizes:
        """Return them as TRL has them, so that the same loss has the same scale.

        TRL counts the tokens of the generation batch and takes its share of one optimizer step; responses without a
        token count in means over responses.
        """
        ranks = trainer.accelerator.num_processes
        n_tokens = inputs["num_items_in_batch"].clamp(min=1.0) / ranks
        rows = float(inputs["completion_ids"].shape[0])
        steps = 1.0
        if train:
            # RLOOTrainer leaves the division by the accumulation steps to Trainer, GRPOTrainer does it itself.
            steps = float(trainer.current_gradient_accumulation_steps) if trainer.loss_is_scaled_for_ga else 1.0
            n_tokens = n_tokens * steps / trainer.args.steps_per_generation
        return cls(n_tokens, rows * steps, float(trainer.max_completion_length), steps, float(ranks))

    def options(self) -> dict[str, Any]:
        """Return the options of a loss."""
        return {"n_tokens": self.n_tokens, "n_sequences": self.n_sequences, "norm_length": self.norm_length}

    def factor(self, aggregate: str) -> float:
        """Return what remains to be multiplied, as no size stands in that aggregator: Trainer averages over ranks."""
        if aggregate == "local-token-mean":
            return 1 / self.accumulation
        return self.ranks if aggregate == "token-sum" else 1.0


REPLACED = (
    ("importance_sampling_level", "token", 'Use loss="gspo".'),
    ("off_policy_mask_threshold", None, 'Use loss="opsm".'),
    ("delta", None, 'Use loss="dual_clip".'),
    ("top_entropy_quantile", 1.0, "Losses of neff have no such mask."),
)
"""Settings of TRL's own policy term, which a loss of neff takes the place of: name, neutral value, what to do."""


def check_settings(trainer: Any, config: NeffConfig) -> None:
    """Refuse settings of the trainer that would silently do nothing, or be wrong."""
    call, args = type(trainer).__name__, trainer.args
    if config.loss is not None:
        known = set(inspect.signature(check_loss(config.loss)).parameters) | set(LossOptions.__annotations__)
        for name in config.options:
            check_choice(name, known, argument="an option", call=call)
        if config.options.get("kl") == "exact":
            fix = "TRL does not keep the distributions of the sampler; use is."
            raise ArgumentError("kl", "is, k3_behaviour or none", "exact", fix, call=call)
        for name, neutral, fix in REPLACED:
            value = getattr(args, name, neutral)
            if value != neutral:
                raise ArgumentError(name, f"{neutral!r} with a loss of neff", value, fix, call=call)
    if config.advantages == "trainer":
        return
    clashes = [
        ("rollout_func", getattr(trainer, "rollout_func", None), "remax"),
        ("tools", getattr(trainer, "tools", None) or None, "remax"),
        ("environment_factory", getattr(trainer, "environment_factories", None), "remax"),
        ("beta", args.beta if not trainer.loss_is_scaled_for_ga and args.beta else None, ""),
    ]
    for name, value, only in clashes:
        if value is not None and only in ("", config.advantages):
            fix = "It takes part in the reward or the generation, which these advantages are computed from."
            raise ArgumentError(name, f"off with advantages={config.advantages!r}", value, fix, call=call)
    if getattr(args, "multi_objective_aggregation", "sum_then_normalize") != "sum_then_normalize":
        value = args.multi_objective_aggregation
        raise ArgumentError(
            "multi_objective_aggregation", "sum_then_normalize with advantages of neff", value, call=call
        )


def check_loss(name: str) -> Any:
    """Return the loss of that name."""
    return LOSSES[check_choice(name, LOSSES, argument="loss", call="NeffConfig")]


def sampling_findings(trainer: Any, config: NeffConfig) -> tuple[Finding, ...]:
    """Return what is wrong with the sampling parameters; raise or warn as the config says."""
    args = trainer.args
    names = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")
    sampler = {name: getattr(args, name, None) for name in names} | (getattr(args, "generation_kwargs", None) or {})
    found = check_sampling(sampler, {"temperature": args.temperature})
    if config.on_refuse == "raise":
        return enforce(found)
    for finding in found:
        warnings.warn(str(finding), CheckWarning, stacklevel=4)
    return found


def clip_options(args: Any, loss: str, options: dict[str, Any]) -> dict[str, Any]:
    """Return the clip range of the trainer, where it was changed from TRL's default and the loss has one."""
    if "clip_low" not in inspect.signature(check_loss(loss)).parameters:
        return options
    low, high = args.epsilon, args.epsilon_high
    if low == 0.2 and high is None:
        return options
    return {"clip_low": low, "clip_high": low if high is None else high} | options
