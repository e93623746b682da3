"""The same items in several wordings: does the score drop, do rankings hold, is each answer the same?"""

from __future__ import annotations

from neff._lazy import lazy

_HOMES = {
    "Consistency": "agreement",
    "ModelRobustness": "result",
    "ParaphraseRobustness": "result",
    "Wordings": "wordings",
    "consistency": "agreement",
    "paraphrase_robustness": "measuring",
    "wordings_of": "wordings",
}

__all__ = list(_HOMES)

__getattr__, __dir__ = lazy(__name__, _HOMES)
