"""Branched training with PyTorch: a checkpoint that can be gone back to, with the learning rate scaled."""

from __future__ import annotations

from neff._lazy import lazy

_HOMES = {"TorchBranch": "torch_branch"}

__all__ = list(_HOMES)

__getattr__, __dir__ = lazy(__name__, _HOMES, extra="train", needs="torch")
