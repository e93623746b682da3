"""The benchmark room: which items are worth running, and can a benchmark tell models apart?

The names of its parts, loaded on first use: `neff.benchmark.fit_irt` is `neff.benchmark.irt.fit_irt`. One is only in
its part, as both have the same name: `neff.benchmark.factorial.factorial`.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from neff._lazy import lazy

_PARTS = [part.name for part in iter_modules(__path__) if part.ispkg]
_HOMES: dict[str, str] = {
    name: part for part in _PARTS for name in import_module(f"{__name__}.{part}").__all__ if name not in _PARTS
}

__all__ = list(_HOMES)

__getattr__, __dir__ = lazy(__name__, _HOMES)
