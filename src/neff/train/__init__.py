"""The train room: how far may this batch move the model?

Losses, advantages, learning-rate scaling, monitors and batch sizes for training on few, stale or mismatched samples.
Names are loaded on first use; what works on tensors needs the extra `neff[train]`.
"""

from __future__ import annotations

from neff._lazy import lazy

_HOMES: dict[str, str] = {}

__all__ = list(_HOMES)

__getattr__, __dir__ = lazy(__name__, _HOMES, extra="train", needs="torch")
