"""`EnergyRun`: the energy of one training run, the unit of every comparison."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["EnergyLog", "EnergyRun", "Kind"]

Kind: TypeAlias = Literal["measured", "estimated", "unknown"]
"""Whether a meter gave the energy, or a model. "unknown": the log does not say."""


@dataclass(frozen=True, slots=True)
class EnergyRun:
    """One training run.

    Attributes
    ----------
    setting
        What is compared.
    joules
        Energy of the run; NaN where it cannot be told.
    seconds
        Its duration; NaN where unknown.
    run, block
        Names of the run and of the block (a session of a warm machine) it belongs to; empty where not known.
    samples
        Examples or tokens trained on, for energy per sample; NaN where not known.
    reached
        Whether the run reached the target; a run that did not is left out and counted.
    meter
        What was measured: "wall", "total", "gpu", "cpu", "ram".
    kind
        Whether a meter or a model gave it.
    resolution
        Joules by which the energy is uncertain because the meter is read at intervals.
    n_gaps, gap_seconds, n_missing
        Gaps and missing samples of a sampled meter.
    pue
        Factor that the log had applied already.
    reason
        Why the joules are undefined, in words.
    source
        File it came from.
    """

    setting: str
    joules: float
    seconds: float = math.nan
    run: str = ""
    block: str = ""
    samples: float = math.nan
    reached: bool = True
    meter: str = "total"
    kind: Kind = "measured"
    resolution: float = 0.0
    n_gaps: int = 0
    gap_seconds: float = 0.0
    n_missing: int = 0
    pue: float = 1.0
    reason: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class EnergyLog:
    """Runs read from logs.

    Attributes
    ----------
    runs
        One per training run.
    notes
        What was assumed, added up or left out.
    """

    runs: tuple[EnergyRun, ...]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.runs)
