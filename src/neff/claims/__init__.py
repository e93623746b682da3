"""Claims: does a stated improvement hold? Treatment against control, seed by seed, until it is decided.

Names are loaded on first use.
"""

from __future__ import annotations

from neff._lazy import lazy

_HOMES: dict[str, str] = {
    "CheckReport": "result",
    "Claim": "spec",
    "ClaimResult": "result",
    "Decision": "decision",
    "Failure": "outcome",
    "IndexedPaper": "index",
    "Level": "spec",
    "Measured": "outcome",
    "Measurement": "index",
    "Paired": "spec",
    "PaperIndex": "index",
    "Progress": "run",
    "Terms": "terms",
    "check": "checking",
    "claim": "spec",
    "decide": "decision",
    "paper_index": "index",
}

__all__ = list(_HOMES)

__getattr__, __dir__ = lazy(__name__, _HOMES)
