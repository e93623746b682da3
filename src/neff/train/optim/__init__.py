"""Wrappers of any torch optimizer: how far this step, of which size, from which batch."""

from __future__ import annotations

from neff._lazy import lazy

_HOMES = {
    "AGVM": "agvm",
    "AlignmentWarning": "warnings",
    "BatchSizeWarmup": "batch_size",
    "BatchSizeWarmupCallback": "hf",
    "DroppedRatioWarning": "warnings",
    "EssLRScaler": "ess_lr",
    "LRScale": "ess_lr",
    "MissingLogProbsWarning": "warnings",
    "SkippedStepWarning": "warnings",
    "UnstableGradientWarning": "warnings",
    "agvm_ratio": "agvm",
    "split_halves": "splitting",
}

__all__ = list(_HOMES)

__getattr__, __dir__ = lazy(__name__, _HOMES, extra="train", needs="torch")
