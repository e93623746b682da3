"""Fluid benchmarking: which items to run next on a model, when to stop, and what that buys.

Names are loaded on first use.
"""

from __future__ import annotations

from neff._lazy import lazy

_HOMES: dict[str, str] = {
    "AdaptiveTest": "adaptive",
    "FluidReplay": "replay_result",
    "NextItems": "asking",
    "next_items": "asking",
    "rank_distance": "quality",
    "replay_fluid": "replaying",
    "replay_split": "splitting",
}

__all__ = list(_HOMES)

__getattr__, __dir__ = lazy(__name__, _HOMES)
