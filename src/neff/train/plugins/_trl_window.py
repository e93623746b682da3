"""The micro-batches of one optimizer step seen together, before the first of them is learnt from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from neff.errors import ArgumentError
from neff.train.advantages import opob_advantage, opob_baseline, score_sqnorm_proxy
from neff.train.losses.ratios import RatioSummary, sequence_log_ratio, sum_dtype, token_log_ratio
from neff.train.plugins._trl_host import disable_gradient_checkpointing
from neff.train.plugins._trl_inputs import behaviour_of, loss_mask

if TYPE_CHECKING:
    from torch import Tensor

    from neff.train.plugins._trl_inputs import Behaviour

__all__ = ["Heard", "Window", "open_window"]

MODALITIES = (
    "pixel_values", "image_grid_thw", "num_images", "pixel_attention_mask", "spatial_shapes", "num_tiles",
    "image_sizes", "token_type_ids", "mm_token_type_ids", "image_position_ids",
)  # fmt: skip


class Heard(NamedTuple):
    """What one pass of the model gave: log-probabilities, entropies and log of the sum of squared probabilities."""

    lp: Tensor
    entropy: Tensor | None
    log_squares: Tensor | None


class Part(NamedTuple):
    """A micro-batch."""

    inputs: dict[str, Any]
    lp: Tensor
    log_squares: Tensor | None
    mask: Tensor
    behaviour: Behaviour


@dataclass(slots=True, eq=False)
class Window:
    """The micro-batches of an optimizer step that come from one generation."""

    size: int
    used: int = 0
    tokens: RatioSummary | None = None
    proximal: RatioSummary | None = None
    advantages: list[Tensor] | None = None

    @property
    def done(self) -> bool:
        """Whether all of its micro-batches were learnt from."""
        return self.used >= self.size


def open_window(trainer: Any, model: Any, inputs: dict[str, Any], heard: Heard, *, opob: bool, ess: bool) -> Window:
    """Look at the other micro-batches of the step, without gradient, and return what only all of them tell.

    `heard` is the pass of the first one, which is learnt from next. Micro-batches of a step that are not generated yet
    get a window of their own.
    """
    every = trainer.args.steps_per_generation
    left = every * trainer.num_iterations - trainer._step % (every * trainer.num_iterations)  # noqa: SLF001
    size = min(trainer.current_gradient_accumulation_steps - trainer.neff_recorder.n_observed, left)
    window = Window(max(size, 1))
    stale = any(name in inputs for name in ("old_per_token_logps", "sampling_per_token_logps"))
    if not opob and not (ess and stale):
        return window
    parts = [_part(inputs, heard)]
    for k in range(1, window.size):
        other = trainer._buffered_inputs[(trainer._step + k) % every]  # noqa: SLF001
        parts.append(_part(other, _pass(trainer, model, other)))
    if ess and stale:
        ratios = [
            RatioSummary.of(token_log_ratio(p.lp, p.behaviour.filled, p.mask), p.mask)
            for p in parts
            if p.behaviour.filled is not None
        ]
        near = [
            RatioSummary.of(token_log_ratio(p.lp, p.behaviour.proximal, p.mask), p.mask)
            for p in parts
            if p.behaviour.proximal is not None
        ]
        device = heard.lp.device
        window.tokens = sum(ratios, RatioSummary.empty(device)).all_reduce()
        window.proximal = sum(near, RatioSummary.empty(device)).all_reduce()
    if opob:
        whole = window.size == every and trainer._step % every == 0  # noqa: SLF001
        window.advantages = _opob(trainer, parts, whole=whole)
    return window


def _part(inputs: dict[str, Any], heard: Heard) -> Part:
    mask = loss_mask(inputs)
    lp = heard.lp.detach()
    return Part(inputs, lp, heard.log_squares, mask, behaviour_of(inputs, lp, mask))


def _pass(trainer: Any, model: Any, inputs: dict[str, Any]) -> Heard:
    """Run the model on a micro-batch without gradient."""
    ids = torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], dim=1)
    attention = torch.cat([inputs["prompt_mask"], inputs["completion_mask"]], dim=1)
    more = {name: inputs[name] for name in MODALITIES if inputs.get(name) is not None}
    kwargs = trainer.args.gradient_checkpointing_kwargs
    with torch.no_grad(), disable_gradient_checkpointing(trainer.model, kwargs), trainer.neff_listen() as heard:
        trainer._get_per_token_logps_and_entropies(  # noqa: SLF001
            model, ids, attention, inputs["completion_ids"].shape[1], **more
        )
    found: Heard = heard[0]
    return found


def _opob(trainer: Any, parts: list[Part], *, whole: bool) -> list[Tensor]:
    """Return the advantages of each micro-batch, from the weights and score norms of all of them on all ranks.

    Where the step holds whole generations, as the paper has it: one baseline per prompt. TRL shuffles responses before
    it cuts a generation into steps, so that a step holds parts of groups otherwise: then the differences from the
    means of the whole groups, over their standard deviations, have one baseline for the step.
    """
    rows = []
    for p in parts:
        zero = torch.zeros(p.lp.shape[0], device=p.lp.device)
        filled = p.behaviour.filled
        log_w = zero if filled is None else sequence_log_ratio(p.lp, filled, p.mask)
        if p.log_squares is None:  # something calls the model past its patched forward method
            must, fix = "heard from the fused head of TRL", "Compile or wrap the model after the trainer is made."
            raise ArgumentError("the sum of squared probabilities", must, None, fix, call=type(trainer).__name__)
        sqnorm = score_sqnorm_proxy(p.lp, p.log_squares.exp(), p.mask)
        columns = (log_w, sqnorm, p.inputs["neff_reward"], p.inputs["neff_scaled"], p.inputs["neff_group"])
        rows.append(torch.stack([column.to(sum_dtype(zero.device)) for column in columns], dim=-1))
    own = torch.cat(rows)
    table = trainer.accelerator.gather(own)
    log_w, sqnorm, reward, scaled, group = table.unbind(-1)
    if whole:
        found = opob_advantage(log_w, sqnorm, reward, group).advantages
    else:
        found = (scaled - opob_baseline(log_w, sqnorm, scaled, torch.zeros_like(group))).nan_to_num(0.0)
    start = trainer.accelerator.process_index * own.shape[0]
    mine = found[start : start + own.shape[0]].to(parts[0].lp.dtype)
    return list(mine.split([p.lp.shape[0] for p in parts]))
