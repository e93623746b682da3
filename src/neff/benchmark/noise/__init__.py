"""Signal, noise and variance: does a score tell models apart, and how large must a difference be to mean anything?"""

from __future__ import annotations

from neff._lazy import lazy

_HOMES = {
    "BenchmarkNoise": "result",
    "Curve": "curves",
    "Curves": "curves",
    "Gain": "interventions",
    "ItemAnalysis": "items",
    "Ladder": "ladder",
    "NoiseVerdict": "verdict",
    "SeedVariance": "seeds",
    "SplitStability": "halves",
    "SubtaskFilter": "subtasks",
    "TaskNoise": "result",
    "average_checkpoints": "interventions",
    "benchmark_noise": "measuring",
    "change_metric": "interventions",
    "curves_of": "curves",
    "decision_accuracy": "deciding",
    "decision_accuracy_drawn": "deciding",
    "difference_or_noise": "verdict",
    "expected_decision_accuracy": "deciding",
    "filter_subtasks": "subtasks",
    "fit_ladder": "ladder",
    "flattened_snr": "measures",
    "item_analysis": "items",
    "monotonicity": "measures",
    "prune_items": "halves",
    "relative_noise": "measures",
    "seed_variance": "seeds",
    "signal": "measures",
    "signal_to_noise": "measures",
    "split_stability": "halves",
    "total_variation": "measures",
    "wide_curves": "curves",
}

__all__ = list(_HOMES)

__getattr__, __dir__ = lazy(__name__, _HOMES)
