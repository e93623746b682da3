"""neff: what is a sample worth, and what should I do about it?

The public face. Names are loaded on first use, so that `import neff` costs nothing.

Examples
--------
>>> import neff
>>> round(neff.ess([0.0, 0.0, 0.0]), 6)
3.0
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "Comparison": "neff.results",
    "Estimate": "neff.results",
    "Evaluation": "neff.evaluate",
    "NeffError": "neff.errors",
    "Plan": "neff.evaluate",
    "Reason": "neff.reasons",
    "Records": "neff.records",
    "Table": "neff.results",
    "Verdict": "neff.results",
    "audit": "neff.evaluate",
    "compare": "neff.evaluate",
    "convert": "neff.report",
    "diagnose": "neff.records",
    "ess": "neff.stats",
    "evaluate": "neff.evaluate",
    "plan": "neff.evaluate",
    "plan_audit": "neff.evaluate",
    "plan_budget": "neff.evaluate",
    "read": "neff.records",
    "stats": "neff.stats",
    "subtask_scores": "neff.evaluate",
    "write": "neff.report",
}

__all__ = ["__version__", *_PUBLIC]  # noqa: PLE0604  (the keys are names)


def __getattr__(name: str) -> Any:
    home = _PUBLIC.get(name)
    if home is None:
        raise AttributeError(f"module 'neff' has no attribute {name!r}")
    module = import_module(home)
    return module if home == f"neff.{name}" else getattr(module, name)


def __dir__() -> list[str]:
    return sorted(__all__)
