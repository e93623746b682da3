"""Policy losses for stale or mismatched rollouts: one pure function each, one call shape, all on torch.

`loss(name, lp, blp, advantages, mask)` returns a `LossOutput`: the scalar to minimize, how much of the batch survives
the importance weights, and the weight of each token's score.
"""

from __future__ import annotations

from neff._lazy import lazy

_HOMES = {
    "RatioSummary": "ratios",
    "sequence_log_ratio": "ratios",
    "token_log_ratio": "ratios",
    "LossOutput": "output",
    "LossOptions": "options",
    "AGGREGATORS": "aggregators",
    "aggregate": "aggregators",
    "reinforce": "score",
    "cispo": "decoupled",
    "dapo": "clipped",
    "decoupled_ppo": "decoupled",
    "dr_grpo": "clipped",
    "dual_clip": "clipped",
    "grpo": "clipped",
    "ppo_clip": "clipped",
    "mis": "truncated",
    "tis": "truncated",
    "sequence_is": "sequence",
    "sequence_mis": "sequence",
    "sequence_tis": "sequence",
    "gspo": "whole",
    "opsm": "whole",
    "rloo": "whole",
    "vespo": "whole",
    "ess_adaptive": "adaptive",
    "p3o": "adaptive",
    "p4o": "adaptive",
    "EmptyBatchWarning": "warnings",
    "NonFiniteWarning": "warnings",
    "NothingKeptWarning": "warnings",
    "RatioOverflowWarning": "warnings",
    "RatioShiftWarning": "warnings",
    "LOSSES": "table",
    "loss": "table",
}

__all__ = list(_HOMES)

__getattr__, __dir__ = lazy(__name__, _HOMES, extra="train", needs="torch")
