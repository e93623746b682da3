"""Pairwise verdicts: rankings with intervals, the judge's preference for a place, and which pair to ask next."""

from __future__ import annotations

from neff._lazy import lazy

_HOMES = {
    "Battles": "battles",
    "JudgedPairs": "judged",
    "Ranking": "ranking",
    "Schedule": "schedule",
    "balanced_threshold": "judged",
    "battles_of": "battles",
    "choose_pairs": "schedule",
    "colley": "judged",
    "judged_pairs": "judged",
    "rank_battles": "ranked",
    "schedule_pairs": "schedule",
    "win_ratio": "judged",
}

__all__ = list(_HOMES)

__getattr__, __dir__ = lazy(__name__, _HOMES)
