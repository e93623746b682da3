"""Trainers of TRL with a loss, advantages, a learning-rate rule and a monitor of neff in them.

`NeffGRPOTrainer(..., neff=NeffConfig(...))` takes the place of `GRPOTrainer(...)`. What is overridden: the policy term
of the loss, what a generation hands on, and, for ReMax, the advantages. Everything else is TRL's.
"""

from __future__ import annotations

import functools
import inspect
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from neff.errors import ArgumentTypeError
from neff.train.losses.ratios import RatioSummary, sequence_log_ratio, token_log_ratio
from neff.train.plugins._trl_host import GRPOTrainer, RLOOTrainer, add_fused_lm_head
from neff.train.plugins._trl_inputs import (
    Sizes,
    behaviour_of,
    check_loss,
    check_settings,
    clip_options,
    loss_mask,
    sampling_findings,
)
from neff.train.plugins._trl_recorder import Recorder
from neff.train.plugins._trl_rewards import RewardsMixin
from neff.train.plugins._trl_window import Heard, Window, open_window
from neff.train.plugins.config import ADAPTIVE, NeffConfig

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from neff.train.losses.output import LossOutput
    from neff.train.plugins._trl_inputs import Behaviour

__all__ = ["NeffGRPOTrainer", "NeffRLOOTrainer", "NeffTrainerMixin"]

OF_THE_POLICY = ("clip_ratio/", "cispo_clip_ratio", "vespo/", "policy_loss")
"""Metrics of TRL's policy term, which is not the one in use."""


@dataclass(frozen=True, slots=True, eq=False)
class _Batch:
    """A micro-batch as a loss takes it."""

    lp: Tensor
    behaviour: Behaviour
    advantages: Tensor
    mask: Tensor


class NeffTrainerMixin(RewardsMixin):
    """What makes a trainer of TRL one with neff in it; for subclasses of your own.

    Use it as `class Mine(NeffTrainerMixin, MyGRPOTrainer)`. `NeffGRPOTrainer` and `NeffRLOOTrainer` are it with TRL's.

    Parameters
    ----------
    *args, **kwargs
        As for the trainer.
    neff
        A `NeffConfig`, or the name of a loss.

    Attributes
    ----------
    neff
        The `NeffConfig`.
    neff_recorder
        The callback; its `monitor` is the `Monitor`, its `scaler` the `EssLRScaler` once a step was made.

    Raises
    ------
    ArgumentError
        If a setting of the trainer clashes with the config.
    CheckRefusedError
        If a check of the sampling parameters refuses.

    Notes
    -----
    The sampler's log-probabilities are `sampling_per_token_logps` where the engine gave them; where it gave NaN the
    trainer's own of that time stand in, and are counted as `neff/n_missing_behaviour`. Without an engine they are
    `old_per_token_logps`. Where TRL has neither, the update is on-policy by construction: all ratios and the effective
    sample sizes are 1.

    The KL to the reference, the entropy bonus and the load-balancing loss stay TRL's: its own loss is computed with
    advantages of 0 from the same forward pass, and what remains of it is added.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if hasattr(cls, "compute_loss") and not hasattr(super(), "_compute_loss"):
            names = [base.__name__ for base in cls.__mro__ if base.__module__.startswith("trl.")]
            fix = (
                "AsyncGRPOTrainer makes forward pass, loss and accounting in one compute_loss, with no method between "
                "them that could be overridden."
            )
            must = "a GRPOTrainer or an RLOOTrainer, whose loss is a method of its own"
            raise ArgumentTypeError("the trainer", must, ", ".join(names), fix, call="NeffTrainerMixin")

    def __init__(self, *args: Any, neff: NeffConfig | str | None = None, **kwargs: Any) -> None:
        self.neff = neff if isinstance(neff, NeffConfig) else NeffConfig() if neff is None else NeffConfig(loss=neff)
        self._neff_heard: list[Heard] | None = None
        self._neff_squares: list[Tensor] = []
        self._neff_window: Window | None = None
        self._neff_scores: Tensor | None = None
        self._neff_greedy: Tensor | None = None
        self._neff_generations = 0
        super().__init__(*args, **kwargs)
        check_settings(self, self.neff)
        self._neff_options: dict[str, Any] = {}
        self._neff_aggregate, self._neff_cap = "", None
        if self.neff.loss is not None:
            self._neff_options = clip_options(self.args, self.neff.loss, dict(self.neff.options))
            defaults = inspect.signature(check_loss(self.neff.loss)).parameters
            self._neff_aggregate = self._neff_options.get("aggregate", defaults["aggregate"].default)
            own = defaults["cap"].default if "cap" in defaults else None
            self._neff_cap = self._neff_options.get("cap", own)
        if self.neff.advantages == "opob":
            self._neff_hear_squares()
        self.neff_recorder = Recorder(self, self.neff, sampling_findings(self, self.neff))
        self.add_callback(self.neff_recorder)

    # What the model says, heard without a second pass.

    @contextmanager
    def neff_listen(self) -> Iterator[list[Heard]]:
        """Keep what the passes of the model within the block give."""
        before, self._neff_heard = self._neff_heard, []
        try:
            yield self._neff_heard
        finally:
            self._neff_heard = before

    def _get_per_token_logps_and_entropies(
        self, model: Any, input_ids: Tensor, attention_mask: Tensor, logits_to_keep: int, *args: Any, **kwargs: Any
    ) -> Any:
        self._neff_squares.clear()
        found = super()._get_per_token_logps_and_entropies(
            model, input_ids, attention_mask, logits_to_keep, *args, **kwargs
        )
        if self._neff_heard is not None:
            squares = torch.cat(self._neff_squares)[:, -logits_to_keep:] if self._neff_squares else None
            self._neff_heard.append(Heard(found[0], found[1], squares))
        return found

    def _neff_hear_squares(self) -> None:
        """Let the fused head of TRL compute the sum of squared probabilities too, and keep it."""
        model = self.model
        if hasattr(model, "get_base_model"):  # an adapter
            model = model.get_base_model()
        fp32 = getattr(self.args, "cast_lm_head_to_fp32", False)
        outputs = ("log_probs", "entropy", "log_sum_sq_probs")
        add_fused_lm_head(model, temperature=self.temperature, cast_lm_head_to_fp32=fp32, outputs=outputs)
        forward = model.forward

        @functools.wraps(forward)
        def heard(*args: Any, **kwargs: Any) -> Any:
            output = forward(*args, **kwargs)
            squares = getattr(output, "log_sum_sq_probs", None)
            if squares is not None:
                self._neff_squares.append(squares.detach())
            return output

        model.forward = heard

    # The loss.

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> Tensor:
        train, name = self.model.training, self.neff.loss
        quiet = inputs if name is None else {**inputs, "advantages": torch.zeros_like(inputs["advantages"])}
        with self.neff_listen() as all_heard:
            total: Tensor = super()._compute_loss(model, quiet)
        heard = all_heard[0]
        mask = loss_mask(inputs)
        behaviour = behaviour_of(inputs, heard.lp, mask)
        batch = _Batch(heard.lp, behaviour, inputs["advantages"], mask)
        if name is None:
            if train:
                self._neff_observe(batch, heard, inputs, None)
            return self._neff_last(total, train=train)
        self._neff_forget("train" if train else "eval")
        if train:
            batch = self._neff_look(model, inputs, heard, batch)
        sizes = Sizes.of(self, inputs, train=train)
        out = self._neff_policy(name, batch, sizes, train=train)
        factor = sizes.factor(self._neff_aggregate)
        loss = out.loss if factor == 1 else out.loss * factor
        if self.beta or self.aux_loss_enabled or getattr(self, "_entropy_bonus_enabled", False):
            loss = loss + total
        if train:
            self._neff_observe(batch, heard, inputs, out)
        return self._neff_last(loss, train=train)

    def _neff_look(self, model: Any, inputs: dict[str, Any], heard: Heard, batch: _Batch) -> _Batch:
        """Look at the whole step where something depends on it; return the micro-batch with its advantages."""
        opob = self.neff.advantages == "opob"
        if self._neff_window is None or self._neff_window.done or self.neff_recorder.n_observed == 0:
            ess = self.neff.loss in ADAPTIVE and self.neff.scope == "optimizer-step"
            self._neff_window = open_window(self, model, inputs, heard, opob=opob, ess=ess)
        window = self._neff_window
        window.used += 1
        if window.advantages is None:
            return batch
        return _Batch(batch.lp, batch.behaviour, window.advantages[window.used - 1], batch.mask)

    def _neff_policy(self, name: str, batch: _Batch, sizes: Sizes, *, train: bool) -> LossOutput:
        options = {**self._neff_options, **sizes.options()}
        if train and self._neff_window is not None and self._neff_window.tokens is not None:
            options |= {"scope": "optimizer-step", "ess": self._neff_window.tokens}
            if name == "p4o":
                options["ess_proximal"] = self._neff_window.proximal
        if self.neff.uses_proximal():
            options["olp"] = batch.behaviour.proximal
        out: LossOutput = check_loss(name)(batch.lp, batch.behaviour.filled, batch.advantages, batch.mask, **options)
        return out

    def _neff_observe(self, batch: _Batch, heard: Heard, inputs: dict[str, Any], out: LossOutput | None) -> None:
        of_tokens = self.neff.lr_of == "token"
        if out is not None:
            weights = out.tokens if of_tokens else out.sequences
        else:
            blp = batch.lp if batch.behaviour.filled is None else batch.behaviour.filled
            if of_tokens:
                weights = RatioSummary.of(token_log_ratio(batch.lp, blp, batch.mask), batch.mask)
            else:
                some = (batch.mask != 0).any(-1)
                weights = RatioSummary.of(sequence_log_ratio(batch.lp, blp, batch.mask), some)
        metrics = {} if out is None else out.metrics
        self.neff_recorder.observe(
            batch.lp,
            batch.behaviour,
            batch.mask,
            weights=weights,
            inputs=inputs,
            entropy=heard.entropy,
            cap=metrics.get("ess_used", self._neff_cap),
            metrics=metrics,
        )

    def _neff_last(self, loss: Tensor, *, train: bool) -> Tensor:
        """Scale the rate before the last backward pass of a step where that makes the step, as DeepSpeed does."""
        if train and self.is_deepspeed_enabled and self.accelerator.sync_gradients:
            self.neff_recorder.scale(self.optimizer)
        return loss

    def _neff_forget(self, mode: str) -> None:
        """Take back what TRL noted about its own policy term, whose advantages were 0."""
        for name, values in list(self._metrics[mode].items()):
            if name.startswith(OF_THE_POLICY) and values:
                values.pop()
                if not values:
                    del self._metrics[mode][name]


class NeffGRPOTrainer(NeffTrainerMixin, GRPOTrainer):  # type: ignore[misc]
    """TRL's GRPOTrainer with neff in it: `NeffGRPOTrainer(..., neff=NeffConfig(loss="ess_adaptive", lr="sqrt"))`.

    Use it in place of `GRPOTrainer` where rollouts are stale or come from an inference engine. Everything that is said
    of `NeffTrainerMixin` holds.

    Parameters
    ----------
    *args, **kwargs
        As for `GRPOTrainer`. `GRPOConfig.loss_type` only says how the KL to the reference is averaged.
    neff
        A `NeffConfig`, or the name of a loss.

    Raises
    ------
    ArgumentError
        If a setting of the trainer clashes with the config.
    CheckRefusedError
        If a check of the sampling parameters refuses.
    """


class NeffRLOOTrainer(NeffTrainerMixin, RLOOTrainer):  # type: ignore[misc]
    """TRL's RLOOTrainer with neff in it.

    Use it in place of `RLOOTrainer`; with `loss="rloo"` it is the same trainer.

    Parameters
    ----------
    *args, **kwargs
        As for `RLOOTrainer`.
    neff
        A `NeffConfig`, or the name of a loss.

    Raises
    ------
    ArgumentError
        If a setting of the trainer clashes with the config.
    CheckRefusedError
        If a check of the sampling parameters refuses.

    Notes
    -----
    TRL's RLOOTrainer does not hand on the log-probabilities of an inference engine: the sampler is taken to be the
    trainer's weights at the time of the generation.
    """
