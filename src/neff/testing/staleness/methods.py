"""Methods by name: a loss, advantages, and what the effective sample size does to the learning rate."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from neff.errors import ArgumentTypeError
from neff.stats._options import check_choice
from neff.testing.staleness.settings import METHODS
from neff.train.advantages.group import group_advantage
from neff.train.advantages.opob import opob_advantage
from neff.train.losses.table import LOSSES

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

__all__ = ["Advantage", "StalenessMethod", "method_of"]

CAP = 8.0
"""Truncation of sequence weights in the released recipes of VCPO."""


@dataclass(frozen=True, slots=True)
class Advantage:
    """How rewards become advantages.

    Attributes
    ----------
    of
        Called with rewards, group ids, log-weights of the sequences, and squared norms of the scores (None where
        `norms` is "none"), all of shape (N,); returns advantages (N,). Groups of several runs come in one call.
    norms
        Which squared score norms are needed: "none", "logits" (in the logits only) or "exact" (in all parameters).
    """

    of: Callable[[Tensor, Tensor, Tensor, Tensor | None], Tensor]
    norms: Literal["none", "logits", "exact"] = "none"


def _z_scores(rewards: Tensor, group: Tensor, log_w: Tensor, norms: Tensor | None) -> Tensor:  # noqa: ARG001
    return group_advantage(rewards, group).advantages


def _opob(rewards: Tensor, group: Tensor, log_w: Tensor, norms: Tensor | None, *, double_weight: bool) -> Tensor:
    return opob_advantage(log_w, norms, rewards, group, double_weight=double_weight, clip=CAP).advantages


Z_SCORES = Advantage(_z_scores)
"""Rewards minus the mean of their group, over its standard deviation (divisor n - 1) plus 1e-4."""
OPOB = Advantage(partial(_opob, double_weight=False), "logits")
OPOB_EXACT = Advantage(partial(_opob, double_weight=False), "exact")
OPOB_DOUBLE = Advantage(partial(_opob, double_weight=True), "logits")


@dataclass(frozen=True, slots=True)
class StalenessMethod:
    """What the testbed compares: give one of your own to `staleness_study` to see your loss beside the others.

    Attributes
    ----------
    name
        Its name in tables.
    loss
        Called as `loss(lp, blp, advantages, mask)`, shapes (B, T), (B, T), (B,), (B, T); returns a `LossOutput` of
        `neff.train.losses`, or a scalar tensor: the mean over the batch.
    advantage
        How rewards become advantages; by default z-scores within the group.
    step_rule
        What the sequence-level effective sample size does to the learning rate of a step: None (nothing), or its
        square root ("sqrt") or itself ("linear") as a factor, as `EssLRScaler` with reference 1 and no floor.
    distributions
        Names of two keyword arguments of the loss for the log-probabilities of the whole vocabulary, (B, T, V), under
        the current policy and the sampler; empty for losses that do not need them.
    by_response
        Whether the loss is a sum over responses, given the options `n_tokens` and `n_sequences`: one call then serves
        several runs. Not for losses that measure something on the whole batch.

    Examples
    --------
    >>> mine = StalenessMethod("mine", lambda lp, blp, advantages, mask: -(advantages[:, None] * lp)[mask].mean())
    >>> mine.step_factor(0.25), StalenessMethod("scaled", mine.loss, step_rule="sqrt").step_factor(0.25)
    (1.0, 0.5)
    """

    name: str
    loss: Callable[..., Any]
    advantage: Advantage = field(default=Z_SCORES)
    step_rule: Literal["sqrt", "linear"] | None = None
    distributions: tuple[str, str] | tuple[()] = ()
    by_response: bool = False

    def step_factor(self, share: float) -> float:
        """Return the factor of the learning rate at an effective sample size, a share of the batch."""
        if self.step_rule is None:
            return 1.0
        return math.sqrt(share) if self.step_rule == "sqrt" else share


FULL = ("lp_full", "blp_full")
TRUNCATED = partial(LOSSES["sequence_tis"], cap=CAP)

OPTIONS: dict[str, dict[str, Any]] = {
    "token_is": {"loss": partial(LOSSES["tis"], cap=math.inf)},
    "cispo": {"loss": partial(LOSSES["cispo"], band="band")},
    "sequence_tis": {"loss": TRUNCATED},
    "sequence_tis+opob": {"loss": TRUNCATED, "advantage": OPOB},
    "sequence_tis+ess_lr": {"loss": TRUNCATED, "step_rule": "sqrt"},
    "vcpo": {"loss": TRUNCATED, "advantage": OPOB, "step_rule": "sqrt"},
    "vcpo_double_weight": {"loss": TRUNCATED, "advantage": OPOB_DOUBLE, "step_rule": "sqrt"},
    "vcpo_exact_norms": {"loss": TRUNCATED, "advantage": OPOB_EXACT, "step_rule": "sqrt"},
    "ess_adaptive_exact": {"loss": partial(LOSSES["ess_adaptive"], kl="exact"), "distributions": FULL},
    "ess_adaptive_is": {"loss": partial(LOSSES["ess_adaptive"], kl="is")},
    "ess_adaptive_k3": {"loss": partial(LOSSES["ess_adaptive"], kl="k3_behaviour")},
    "ess_adaptive_none": {"loss": partial(LOSSES["ess_adaptive"], kl="none")},
}
"""How a method differs from the loss of its name with its defaults and z-scores."""


def method_of(method: str | StalenessMethod, *, call: str) -> StalenessMethod:
    """Return a method by name, hyphens or underscores; one of the caller's own as it is."""
    if isinstance(method, StalenessMethod):
        return method
    if not isinstance(method, str):
        raise ArgumentTypeError("methods", "names or StalenessMethod objects", method, call=call)
    name = check_choice(method.replace("-", "_"), METHODS, argument="methods", call=call)
    own = {"loss": LOSSES.get(name)} | OPTIONS.get(name, {})
    return StalenessMethod(name, by_response=not name.startswith("ess_adaptive"), **own)
