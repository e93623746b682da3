"""The sampling room: how many answers to draw, which one to return, when to abstain?

Names are loaded on first use.
"""

from __future__ import annotations

from neff._lazy import lazy

_HOMES: dict[str, str] = {
    "AtK": "repeats.result",
    "Draws": "draws",
    "as_draws": "draws",
    "at_k": "repeats.repeated",
    "draws_of": "draws",
    "pass_at_k": "repeats.repeated",
    "pass_hat_k": "repeats.repeated",
    "CeilingTest": "verifiers.result",
    "TwoTypeModel": "verifiers.two_type",
    "VerifierReport": "verifiers.result",
    "can_match": "verifiers.ceiling",
    "verifier_curves": "verifiers.curves",
    "Emergence": "forecasts.emergence",
    "Forecast": "forecasts.coverage",
    "PassRates": "forecasts.pass_until",
    "PassUntil": "forecasts.pass_until",
    "TaskLaw": "forecasts.task_law",
    "allocate_draws": "forecasts.coverage",
    "emergence_test": "forecasts.emergence",
    "fit_task_law": "forecasts.task_law",
    "forecast": "forecasts.coverage",
    "pass_rates": "forecasts.pass_until",
    "replay_pass_until": "forecasts.pass_until",
    "AbstentionRow": "abstention.table_result",
    "AbstentionTable": "abstention.table_result",
    "AbstentionWarning": "abstention.warnings",
    "DistanceGate": "abstention.distance_gate",
    "NoRegionWarning": "abstention.warnings",
    "RestartWarning": "abstention.warnings",
    "RiskCoverage": "abstention.selective",
    "SDMClassifier": "sdm.classifier",
    "SDMDecision": "abstention.decision",
    "SDMEstimator": "abstention.estimator",
    "SelectiveThreshold": "abstention.selective",
    "SplitConformal": "abstention.conformal",
    "TemperatureScaling": "abstention.temperature",
    "UnderfitWarning": "abstention.warnings",
    "abstention_table": "abstention.table",
    "conformal_quantile": "abstention.conformal",
    "coverage_spread": "abstention.conformal",
    "fit_sdm": "abstention.estimator",
    "read_abstention": "abstention.reading",
    "risk_coverage": "abstention.selective",
    "sdm_activation": "abstention.activation",
    "selective_threshold": "abstention.selective",
}

__all__ = list(_HOMES)

__getattr__, __dir__ = lazy(__name__, _HOMES, extra="train", needs="torch")
