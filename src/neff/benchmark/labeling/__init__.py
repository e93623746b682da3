"""Labels that models propose and people reject: what is accepted, what is left wrong, and what people should label."""

from __future__ import annotations

from neff._lazy import lazy

_HOMES = {
    "DeferralCurve": "deferral",
    "DeferralPoint": "deferral",
    "HybridLabels": "result",
    "LabelMetrics": "metrics",
    "ProposalRecord": "result",
    "deferral_curve": "deferral",
    "hybrid_labels": "hybrid",
    "label_metrics": "metrics",
}

__all__ = list(_HOMES)

__getattr__, __dir__ = lazy(__name__, _HOMES)
