"""Energy of training runs: joules from logs, samples, counters and sensors, and tests that take a run as the unit."""

from __future__ import annotations

from neff._lazy import lazy

_HOMES: dict[str, str] = {
    "EnergyComparison": "result",
    "EnergyLog": "runs",
    "EnergyMeter": "meter",
    "EnergyRun": "runs",
    "EnergyStudy": "result",
    "Footprint": "footprints",
    "NetEnergy": "footprints",
    "SampledEnergy": "integrate",
    "Sensor": "sensing",
    "anova": "omnibus",
    "compare_energy": "comparing",
    "difference_test": "kernels",
    "energy_from_counter": "integrate",
    "energy_from_samples": "integrate",
    "equivalence_test": "kernels",
    "estimated_watts": "footprints",
    "footprint": "footprints",
    "friedman": "omnibus",
    "hedges_g": "kernels",
    "kruskal_wallis": "omnibus",
    "net_of_idle": "footprints",
    "power_of_test": "power",
    "read_energy": "readers",
    "runs_needed": "power",
    "find_sensors": "sensing",
    "wilcoxon": "kernels",
}

__all__ = list(_HOMES)

__getattr__, __dir__ = lazy(__name__, _HOMES)
