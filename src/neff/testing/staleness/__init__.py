"""The staleness testbed: how losses, advantages and step-size rules bear data that are k optimizer steps old."""

from __future__ import annotations

from neff._lazy import lazy

_HOMES = {
    "staleness_study": "study",
    "StalenessStudy": "result",
    "StalenessCell": "result",
    "StalenessRun": "result",
    "StalenessMethod": "methods",
    "Advantage": "methods",
    "warm_start": "digits",
}

__all__ = list(_HOMES)

__getattr__, __dir__ = lazy(__name__, _HOMES, extra="train", needs="torch")
