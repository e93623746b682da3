"""The benchmark room: which items are worth running, and can a benchmark tell models apart?

Names are loaded on first use.
"""

from __future__ import annotations

from neff._lazy import lazy

_HOMES: dict[str, str] = {}

__all__ = list(_HOMES)

__getattr__, __dir__ = lazy(__name__, _HOMES)
