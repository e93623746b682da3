"""What a generation of a TRL trainer hands on: rewards, prompts, the age of the weights, and ReMax's baseline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from neff.errors import ArgumentError
from neff.train.advantages import remax_advantage
from neff.train.plugins._trl_greedy import greedy_rewards
from neff.train.plugins._trl_inputs import loss_mask

if TYPE_CHECKING:
    from torch import Tensor
    from trl import GRPOTrainer as _Host
else:
    _Host = object

__all__ = ["RewardsMixin"]


class RewardsMixin(_Host):  # type: ignore[misc]  # TRL is not typed
    """The part of `NeffTrainerMixin` between a generation and the loss."""

    def neff_total(self, scores: Tensor) -> Tensor:
        """Return the reward of each response from those of all functions, as the trainer weighs them; NaN if none."""
        total = (scores * self.reward_weights.to(scores.device).unsqueeze(0)).nansum(dim=1)
        total = total.masked_fill(scores.isnan().all(dim=1), torch.nan)
        clip = getattr(self, "reward_clip_range", None)
        return total.clamp(min=clip[0], max=clip[1]) if clip else total

    def _calculate_rewards(self, inputs: Any, prompts: Any, completions: Any, completion_ids_list: Any) -> Tensor:
        scores: Tensor = super()._calculate_rewards(inputs, prompts, completions, completion_ids_list)
        self._neff_scores = self.neff_total(scores)
        if self.neff.advantages == "remax" and self.model.training:
            self._neff_greedy = greedy_rewards(self, inputs, prompts, super()._calculate_rewards)
        return scores

    def _generate_and_score_completions(self, inputs: Any) -> dict[str, Any]:
        with self.neff_listen() as heard:
            output: dict[str, Any] = super()._generate_and_score_completions(inputs)
        if "num_items_in_batch" not in output:
            output["num_items_in_batch"] = self.accelerator.gather(loss_mask(output).sum()).sum()
        if "old_logps" in output:  # RLOOTrainer keeps sums alone; the first pass was that of the current weights
            output["old_per_token_logps"] = heard[0].lp
        if self.model.training:
            self._neff_stamp(output)
        return output

    def _neff_stamp(self, output: dict[str, Any]) -> None:
        """Hand on, with each response, its reward, its prompt, and the step of the weights that sampled it."""
        scores = self._neff_scores
        if scores is None:
            raise ArgumentError("rewards", "computed by _calculate_rewards", None, call=type(self).__name__)
        rows = output["completion_ids"].shape[0]
        mine = slice(self.accelerator.process_index * rows, (self.accelerator.process_index + 1) * rows)
        grouped = scores.view(-1, self.num_generations)
        centered = grouped - grouped.nanmean(dim=1, keepdim=True)
        deviation = centered.square().nanmean(dim=1, keepdim=True).sqrt()
        scaled = (centered / torch.where(deviation > 1e-8, deviation, 1.0)).view(-1)
        group = torch.arange(scores.shape[0], device=scores.device) // self.num_generations
        output["neff_reward"], output["neff_scaled"] = scores[mine], scaled[mine]
        output["neff_group"] = (group + self._neff_generations * grouped.shape[0])[mine]
        output["neff_step"] = torch.full_like(scores[mine], float(self.state.global_step + 1))
        self._neff_generations += 1
        if self._neff_greedy is not None:
            self._neff_baseline(output, self._neff_greedy)

    def _neff_baseline(self, output: dict[str, Any], greedy: Tensor) -> None:
        """Replace the advantages by those of ReMax."""
        found = remax_advantage(output["neff_reward"], greedy)
        output["advantages"] = found.advantages.to(output["advantages"].dtype)
        everyone = self.accelerator.gather(output["advantages"])
        shown = self._logs["advantages"]
        for _ in range(min(len(shown), everyone.shape[0])):
            shown.pop()
        shown.extend(everyone.tolist())
        metrics = self._metrics["train"]
        metrics["neff/greedy_reward"].append(float(self.accelerator.gather(greedy).nanmean()))
        metrics["neff/nonzero_advantage_share"].append(float((everyone != 0).float().mean()))
