"""When to stop drawing answers: one protocol, `observe(value) -> stop?`, for rules by score and rules by vote."""

from __future__ import annotations

from neff._lazy import lazy

_HOMES = {
    "AdaptiveConsistency": "voting",
    "EarlyStopping": "voting",
    "FirstAbove": "scoring",
    "FixedDraws": "protocol",
    "OptScale": "optscale",
    "Replay": "replaying",
    "ScoreModel": "truncated_normal",
    "Stopper": "protocol",
    "allocate_answers": "optscale",
    "answers_needed": "optscale",
    "fit_scores": "truncated_normal",
    "replay_stoppers": "replaying",
}

__all__ = list(_HOMES)

__getattr__, __dir__ = lazy(__name__, _HOMES)
