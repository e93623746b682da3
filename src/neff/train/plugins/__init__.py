"""The losses, advantages, learning-rate scaling and monitor of this room inside TRL and verl.

`plugins.trl` needs the extra `neff[trl]`, `plugins.verl` the extra `neff[verl]`. Nothing of either is imported before
its module is.
"""

from __future__ import annotations

from neff._lazy import lazy

_HOMES: dict[str, str] = {
    "NeffConfig": "config",
    "NeffGRPOTrainer": "trl",
    "NeffRLOOTrainer": "trl",
    "NeffTrainerMixin": "trl",
    "SUPPORTED": "versions",
    "UnsupportedVersionError": "versions",
}

__all__ = list(_HOMES)

__getattr__, __dir__ = lazy(__name__, _HOMES, extra="trl", needs="trl")
