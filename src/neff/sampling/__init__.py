"""The sampling room: how many answers to draw, which one to return, when to abstain?

Names are loaded on first use.
"""

from __future__ import annotations

from neff._lazy import lazy

_HOMES: dict[str, str] = {
    "AtK": "repeated_result",
    "Draws": "draws",
    "as_draws": "draws",
    "at_k": "repeated",
    "draws_of": "draws",
    "pass_at_k": "repeated",
    "pass_hat_k": "repeated",
    "CeilingTest": "verifier_result",
    "TwoTypeModel": "two_type",
    "VerifierReport": "verifier_result",
    "can_match": "ceiling",
    "verifier_curves": "verifier",
    "Emergence": "emergence",
    "Forecast": "forecasting",
    "PassRates": "pass_until",
    "PassUntil": "pass_until",
    "TaskLaw": "task_law",
    "allocate_draws": "forecasting",
    "emergence_test": "emergence",
    "fit_task_law": "task_law",
    "forecast": "forecasting",
    "pass_rates": "pass_until",
    "replay_pass_until": "pass_until",
}

__all__ = list(_HOMES)

__getattr__, __dir__ = lazy(__name__, _HOMES, extra="train", needs="torch")
