"""Watching a run of reinforcement learning: what each optimizer step's batch was worth, and what is wrong with it.

`Monitor` collects per micro-batch and reports per optimizer step; `settings` and `checks` refuse or warn, before a run
and during it; `sinks` hand the reports to TensorBoard, a tracker, or a JSON Lines file that `neff report` shows.
"""

from __future__ import annotations

from neff._lazy import lazy

_HOMES = {
    "JsonlSink": "sinks",
    "Monitor": "monitor",
    "TensorBoardSink": "sinks",
    "TrackerSink": "sinks",
    "check_behaviour_log_probs": "checks",
    "check_clamped": "checks",
    "check_length": "checks",
    "check_log_mean_ratio": "checks",
    "check_sampling": "settings",
    "check_token_ess": "checks",
    "check_verl_config": "settings",
}

__all__ = list(_HOMES)

__getattr__, __dir__ = lazy(__name__, _HOMES, extra="train", needs="torch")
