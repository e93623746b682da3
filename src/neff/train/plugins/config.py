"""What a trainer with neff in it does differently."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, Self

from neff.errors import ArgumentError
from neff.stats._options import check_choice
from neff.stats._validate import check_number

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from neff.train.monitor.monitor import Monitor

__all__ = ["ADAPTIVE", "PROXIMAL", "NeffConfig"]

ADAPTIVE = ("ess_adaptive", "p3o", "p4o")
"""Losses that depend on the effective sample size of the whole batch."""

PROXIMAL = (
    "ppo_clip", "dual_clip", "grpo", "dr_grpo", "dapo", "cispo", "gspo", "rloo", "decoupled_ppo", "opsm", "p4o",
)  # fmt: skip
"""Losses whose trust region is around the policy at the start of the batch's updates."""

OF_THE_TRAINER = (
    "n_tokens", "n_sequences", "norm_length", "beta", "entropy", "entropy_coef", "olp", "rlp", "scope", "ess",
    "ess_proximal", "lp_full", "blp_full",
)  # fmt: skip

CHOICES = {
    "advantages": ("trainer", "opob", "remax"),
    "lr": (None, "sqrt", "linear"),
    "lr_of": ("sequence", "token"),
    "scope": ("optimizer-step", "micro-batch"),
    "on_refuse": ("raise", "warn"),
}


@dataclass(frozen=True, kw_only=True)
class NeffConfig:
    """What `NeffGRPOTrainer` and `NeffRLOOTrainer` do differently from the trainers of TRL.

    Parameters
    ----------
    loss
        Name of a loss of `neff.train.LOSSES`; None keeps the trainer's own, for the monitor and the learning rate
        alone.
    options
        Options of that loss, such as `{"kl": "is"}`, `{"cap": 8.0}` or `{"aggregate": "token-mean"}`. Sizes of the
        batch, the KL to the reference and the entropy bonus stay settings of the trainer.
    advantages
        "trainer" (default): as the trainer computes them. "opob": reward minus the off-policy optimal baseline, with
        score norms from the logits (`opob_advantage`, `score_sqnorm_proxy`). "remax": reward minus that of one greedy
        response per prompt (`remax_advantage`).
    lr
        "sqrt" or "linear": scale the learning rate of each step by its effective sample size (`EssLRScaler`). None:
        not.
    lr_reference, lr_floor
        `reference` and `floor` of `EssLRScaler`.
    lr_of
        Which effective sample size: "sequence" (VCPO) or "token".
    scope
        Over what `ess_adaptive` measures: "optimizer-step", over all micro-batches and ranks, or "micro-batch". With
        gradient accumulation the former runs the model once more, without gradient, on all micro-batches of a step but
        one.
    proximal
        Whether the loss is given the policy at the start of the batch's updates as `olp`. By default the losses of the
        PPO family are, and those with importance weights are not: their weight is the whole ratio to the sampler.
    monitor
        True (default): a `Monitor` whose main numbers go into the trainer's log. A path: it also writes JSON Lines
        there, for `neff report`. A `Monitor` of your own. False: none.
    on_refuse
        What to do where a check of the settings refuses, such as top-p below 1: "raise" (default) or "warn".

    Raises
    ------
    ArgumentError
        If a choice is unknown, or an option belongs to the trainer.

    Examples
    --------
    >>> NeffConfig(lr="sqrt").loss
    'ess_adaptive'
    >>> vcpo = NeffConfig.vcpo(monitor="run.jsonl")
    >>> vcpo.loss, vcpo.options, vcpo.advantages, vcpo.lr
    ('sequence_tis', {'cap': 8.0, 'aggregate': 'seq-mean-token-mean'}, 'opob', 'sqrt')
    """

    loss: str | None = "ess_adaptive"
    options: Mapping[str, Any] = field(default_factory=dict)
    advantages: Literal["trainer", "opob", "remax"] = "trainer"
    lr: Literal["sqrt", "linear"] | None = None
    lr_reference: float = 1.0
    lr_floor: float | None = None
    lr_of: Literal["sequence", "token"] = "sequence"
    scope: Literal["optimizer-step", "micro-batch"] = "optimizer-step"
    proximal: bool | None = None
    monitor: Monitor | str | Path | bool = True
    on_refuse: Literal["raise", "warn"] = "raise"

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            value = getattr(self, name)
            if value is not None or None not in choices:
                known = tuple(choice for choice in choices if choice is not None)
                check_choice(value, known, argument=name, call="NeffConfig")
        for name, must in (("lr_reference", "above 0 and at most 1"), ("lr_floor", "between 0 and 1")):
            value = getattr(self, name)
            if name == "lr_floor" and value is None:
                continue
            share = check_number(value, argument=name, call="NeffConfig")
            if not 0 <= share <= 1 or (share == 0 and name == "lr_reference"):
                raise ArgumentError(name, must, value, call="NeffConfig")
        taken = [name for name in OF_THE_TRAINER if name in self.options]
        if taken:
            fix = "Batch sizes, beta and entropy_coef are settings of the trainer; scope is one of NeffConfig."
            raise ArgumentError("options", "options of the loss alone", ", ".join(taken), fix, call="NeffConfig")
        if self.options and self.loss is None:
            raise ArgumentError("options", "empty where loss is None", dict(self.options), call="NeffConfig")
        if self.advantages == "opob" and self.loss is None:
            fix = 'The baseline needs the weights of the loss: use loss="sequence_tis".'
            raise ArgumentError("loss", 'a loss of neff with advantages="opob"', None, fix, call="NeffConfig")

    @classmethod
    def vcpo(cls, **changes: Any) -> Self:
        """Return the recipe of VCPO: truncated sequence ratios, the off-policy optimal baseline, a scaled rate.

        Parameters
        ----------
        **changes
            Fields to set differently.

        Returns
        -------
        NeffConfig
            Cap 8, mean over the tokens of a response, score norms from the logits.

        References
        ----------
        Huang et al., arXiv:2602.17616.
        """
        options = {"cap": 8.0, "aggregate": "seq-mean-token-mean"}
        return replace(cls(loss="sequence_tis", options=options, advantages="opob", lr="sqrt"), **changes)

    @classmethod
    def remax(cls, **changes: Any) -> Self:
        """Return the recipe of ReMax: the score function, with the greedy response as baseline.

        Parameters
        ----------
        **changes
            Fields to set differently.

        Returns
        -------
        NeffConfig
            Mean over all tokens. One generation more per prompt.

        References
        ----------
        Li et al., arXiv:2310.10505.
        """
        return replace(cls(loss="reinforce", advantages="remax"), **changes)

    def uses_proximal(self) -> bool:
        """Return whether the loss is given `olp`."""
        return self.loss in PROXIMAL if self.proximal is None else self.proximal
