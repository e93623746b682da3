"""How large may the batch be? Critical batch size from branched training or fixed-target runs, and gradient noise."""

from __future__ import annotations

from neff._lazy import lazy

_HOMES: dict[str, str] = {
    "BATCH_SIZE_DEFINITIONS": "definitions",
    "BranchPlan": "branches",
    "Branches": "branches",
    "Branchable": "branches",
    "CheckpointedBatchSizes": "curve",
    "CriticalBatchSize": "result",
    "ModuleNoise": "modules",
    "NoiseAccumulator": "accumulate",
    "NoiseScale": "noise",
    "Tradeoff": "result",
    "branch": "branches",
    "critical_batch_size": "critical",
    "critical_batch_sizes": "curve",
    "expected_phi": "modules",
    "fit_tradeoff": "tradeoff",
    "gradient_phi": "modules",
    "learning_rate_factor": "rates",
    "module_noise_scales": "modules",
    "noise_from_phi": "modules",
    "noise_scale": "noise",
    "plan_branches": "branches",
    "read_batch_runs": "logs",
}

__all__ = list(_HOMES)

__getattr__, __dir__ = lazy(__name__, _HOMES)
