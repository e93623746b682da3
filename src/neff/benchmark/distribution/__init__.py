"""Do draws of a model follow a target distribution? KS@N, exact p-values, and what they overlook."""

from __future__ import annotations

from neff._lazy import lazy

_HOMES = {
    "KSAtN": "result",
    "KSTest": "exact",
    "SampleDistance": "companions",
    "TaskKS": "result",
    "blind_spots": "overlooked",
    "energy_z": "companions",
    "first_lehmer_digit": "mapping",
    "jensen_shannon": "companions",
    "ks_at_n": "scoring",
    "ks_two_sample": "exact",
    "mapped": "mapping",
    "wasserstein_z": "companions",
}

__all__ = list(_HOMES)

__getattr__, __dir__ = lazy(__name__, _HOMES)
