"""The callback: what an optimizer step's batch was worth, in the learning rate, the monitor and the log."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from neff.train.losses.ratios import RatioSummary
from neff.train.monitor.monitor import Monitor
from neff.train.monitor.sinks import JsonlSink
from neff.train.optim.ess_lr import EssLRScaler
from neff.train.plugins._trl_host import TrainerCallback

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torch import Tensor

    from neff.train.findings import Finding
    from neff.train.plugins._trl_inputs import Behaviour
    from neff.train.plugins.config import NeffConfig

__all__ = ["Recorder"]

LOGGED = (
    "ess_token", "ess_sequence", "ess_sequence_floor", "log_mean_ratio_token", "pareto_k", "cap_hit_token",
    "informative_group_share", "lag_max", "n_dropped_tokens",
)  # fmt: skip
"""What of a report goes into the trainer's log; the file of the monitor has all of it."""

OF_THE_MONITOR = ("log_ratio_mean", "log_mean_ratio", "n_tokens", "n_sequences")
"""What losses say too, for one micro-batch."""


class Recorder(TrainerCallback):  # type: ignore[misc]  # transformers is not typed
    """Collects per micro-batch; scales the rate before the optimizer step, puts it back after it, and reports."""

    def __init__(self, trainer: Any, config: NeffConfig, findings: Iterable[Finding]) -> None:
        self.trainer = trainer
        self.config = config
        self.scaler: EssLRScaler | None = None
        self.n_observed = 0
        self.own_monitor = not isinstance(config.monitor, Monitor)
        self.monitor = _monitor(config, findings)
        self._weights: list[RatioSummary] = []
        self._metrics: dict[str, list[Tensor]] = {}

    def observe(
        self,
        lp: Tensor,
        behaviour: Behaviour,
        mask: Tensor,
        *,
        weights: RatioSummary,
        inputs: Mapping[str, Any],
        entropy: Tensor | None = None,
        cap: Any = None,
        metrics: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Take a micro-batch in."""
        self.n_observed += 1
        self._weights.append(weights)
        found = dict(metrics or {})
        if behaviour.n_missing is not None:
            found["n_missing_behaviour"] = behaviour.n_missing
        for name, value in found.items():
            if name in OF_THE_MONITOR:
                continue
            self._metrics.setdefault(name, []).append(value.detach().double())
        if self.monitor is not None:
            self.monitor.observe(
                lp.detach(),
                lp.detach() if behaviour.sampled is None else behaviour.sampled,
                mask,
                rewards=inputs.get("neff_reward"),
                group=inputs.get("neff_group"),
                entropy=None if entropy is None else entropy.detach(),
                cap=cap,
                policy_step=inputs.get("neff_step"),
            )

    def scale(self, optimizer: Any) -> None:
        """Scale the learning rate for the step that follows, once."""
        if self.config.lr is None:
            return
        if self.scaler is None or self.scaler.optimizer is not optimizer:
            self.scaler = EssLRScaler(
                optimizer, rule=self.config.lr, reference=self.config.lr_reference, floor=self.config.lr_floor
            )
        if self._weights:
            self.scaler.scale(sum(self._weights, RatioSummary.empty(self._weights[0].n.device)))
        else:
            self.scaler.scale()
        self._weights = []

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, optimizer: Any = None, **_: Any) -> None:  # noqa: ARG002
        """Scale the rate, and report the step."""
        if not self.trainer.is_deepspeed_enabled:  # DeepSpeed has made its step within the backward pass
            self.scale(optimizer)
        last = None if self.scaler is None else self.scaler.last
        found = self._step_metrics()
        logged = dict(found)
        if last is not None:
            logged |= {"lr_factor": last.factor, "lr_ess_fraction": last.ess_fraction}
        if self.monitor is not None:
            rate = optimizer.param_groups[0]["lr"]
            factor = None if last is None else last.factor
            report = self.monitor.close_step(
                state.global_step + 1, learning_rate=float(rate), lr_factor=factor, metrics=found
            )
            numbers = report.numbers("")
            logged |= {name: numbers[name] for name in LOGGED if name in numbers}
        for name, value in logged.items():
            self.trainer._metrics["train"][f"neff/{name}"].append(value)  # noqa: SLF001
        self.n_observed, self._weights = 0, []

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """Put the rate back, before the scheduler looks at it."""
        if self.scaler is not None:
            self.scaler.restore()

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """Close the file."""
        if self.monitor is not None and self.own_monitor:
            self.monitor.close()

    def _step_metrics(self) -> dict[str, float]:
        """Return the mean of each metric of the loss over micro-batches and ranks, passing over what is undefined."""
        collected, self._metrics = self._metrics, {}
        if not collected:
            return {}
        stacked = torch.stack([torch.stack(values) for values in collected.values()])
        known = stacked.isfinite()
        sums = torch.stack([torch.where(known, stacked, 0.0).sum(-1), known.sum(-1).to(stacked.dtype)])
        total, count = self.trainer.accelerator.reduce(sums, reduction="sum").tolist()
        counts = {name for name in collected if name.startswith("n_")}  # these add up over the step
        return {
            name: value if name in counts else value / n if n else math.nan
            for name, value, n in zip(collected, total, count, strict=True)
        }


def _monitor(config: NeffConfig, findings: Iterable[Finding]) -> Monitor | None:
    if isinstance(config.monitor, Monitor):
        config.monitor.note(*findings)
        return config.monitor
    if config.monitor is False:
        return None
    sinks = () if config.monitor is True else (JsonlSink(Path(config.monitor)),)
    return Monitor(*sinks, findings=findings)
