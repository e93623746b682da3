"""Which of several answers to return without a reward model: confidence in the distribution, and votes by its rank."""

from __future__ import annotations

from neff._lazy import lazy

_HOMES = {
    "CertaintyBound": "certainty",
    "Selected": "votes",
    "SelectionTable": "comparing",
    "VocabularySums": "certainty",
    "borda_power": "votes",
    "borda_vote": "votes",
    "certainty_bound": "certainty",
    "confidence": "certainty",
    "inspect_certainty": "adapters",
    "majority_vote": "votes",
    "select_best": "votes",
    "selection_table": "comparing",
    "self_certainty": "certainty",
    "transformers_certainty": "adapters",
    "weighted_vote": "votes",
}

__all__ = list(_HOMES)

__getattr__, __dir__ = lazy(__name__, _HOMES, extra="train", needs="torch")
