"""Item response theory: item parameters, abilities with errors, and scores on items that were not run.

Names are loaded on first use.
"""

from __future__ import annotations

from neff._lazy import lazy

_HOMES: dict[str, str] = {
    "Abilities": "scoring",
    "ItemBank": "item_bank",
    "Link": "linking",
    "Responses": "responses",
    "ability": "scoring",
    "fit_irt": "calibrating",
    "information": "item_bank",
    "link_banks": "linking",
    "predicted_scores": "predicting",
    "responses_of": "responses",
}

__all__ = list(_HOMES)

__getattr__, __dir__ = lazy(__name__, _HOMES)
