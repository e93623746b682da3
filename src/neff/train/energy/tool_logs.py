"""Logs of codecarbon and zeus as runs, marked as measured, estimated or unknown."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import numpy as np

from neff.errors import ArgumentError
from neff.train.energy.footprints import JOULES_PER_KWH
from neff.train.energy.log_rows import added, extras, labels
from neff.train.energy.runs import EnergyRun

if TYPE_CHECKING:
    from neff.train.energy.log_rows import Options
    from neff.train.energy.runs import Kind
    from neff.train.log_tables import LogTable

__all__ = ["codecarbon_runs", "zeus_runs"]

_ZEUS_GPU = re.compile(r"gpu\d+_energy")


def codecarbon_runs(table: LogTable, options: Options, call: str) -> tuple[list[EnergyRun], list[str]]:
    """Return one run per `run_id` of emissions.csv, its last row where there are several."""
    settings, blocks, _ = labels(table, options, call, run=False)
    names = table.words(options.run or "run_id")
    meter = "total" if options.meter == "auto" else options.meter
    column = {"total": "energy_consumed", "gpu": "gpu_energy", "cpu": "cpu_energy", "ram": "ram_energy"}.get(meter)
    if column is None or column not in table.columns:
        raise ArgumentError("meter", "total, gpu, cpu or ram for a log of codecarbon", meter, call=call)
    joules, seconds = table.numbers(column) * JOULES_PER_KWH, table.numbers("duration")
    pue = table.numbers("pue") if "pue" in table.columns else [1.0] * len(table)
    gpus = table.numbers("gpu_energy") if "gpu_energy" in table.columns else [math.nan] * len(table)
    counted = table.numbers("gpu_count") if "gpu_count" in table.columns else [0.0] * len(table)
    modes = table.words("tracking_mode") if "tracking_mode" in table.columns else [""] * len(table)
    counts, told = extras(table, options, call)
    last: dict[str, EnergyRun] = {}
    repeated = False
    for i, name in enumerate(names):
        silent = counted[i] > 0 and gpus[i] == 0 and meter in ("total", "gpu")
        row = EnergyRun(
            settings[i], math.nan if silent else float(joules[i]), float(seconds[i]), name, blocks[i], counts[i],
            told[i], meter, options.kind or _codecarbon_kind(meter, modes[i]), pue=_or_one(pue[i]),
            reason="the GPU has no energy counter" if silent else "", source=table.where[i][0],
        )  # fmt: skip
        before = last.get(name)
        repeated |= before is not None
        if before is None or row.seconds >= before.seconds:
            last[name] = row
    notes = [] if options.kind else [f"codecarbon: {_CODECARBON[_codecarbon_kind(meter, modes[0])]}."]
    if repeated:
        notes.append("codecarbon wrote some runs several times, with totals up to then: the last one counts.")
    return list(last.values()), notes


_CODECARBON = {
    "measured": "GPU energy is read from the driver",
    "estimated": "this energy is estimated by a model",
    "unknown": "its log does not say whether the CPU was measured (RAPL) or modeled, and memory is always modeled; "
    "if you know, say kind",
}


def _codecarbon_kind(meter: str, mode: str) -> Kind:
    if meter == "gpu":
        return "measured"
    return "estimated" if meter == "ram" or mode == "process" else "unknown"


def _or_one(value: float) -> float:
    return 1.0 if math.isnan(value) or value < 1 else float(value)


def zeus_runs(table: LogTable, options: Options, call: str) -> tuple[list[EnergyRun], list[str]]:
    """Return one run per file, or per value of the column of runs: the sum over windows that do not overlap."""
    gpus = [name for name in table.columns if _ZEUS_GPU.fullmatch(name)]
    if not gpus or options.meter not in ("auto", "gpu"):
        raise ArgumentError("meter", "gpu for a log of zeus, which has no other", options.meter, call=call)
    settings, blocks, _ = labels(table, options, call, run=False)
    names = table.words(options.run or "file")
    starts, seconds = table.numbers("start_time"), table.numbers("elapsed_time")
    joules = np.sum([table.numbers(name) for name in gpus], axis=0)
    counts, told = extras(table, options, call)
    ends: dict[str, float] = {}
    rows = []
    for i in sorted(range(len(table)), key=lambda i: (names[i], float(starts[i]))):
        if starts[i] < ends.get(names[i], -math.inf) - 1e-6:
            windows = ", ".join(dict.fromkeys(table.words("window_name")))
            fix = f"Choose the windows to add up: --where window_name=NAME (there are: {windows[:80]})."
            raise ArgumentError("where", "such that windows do not overlap", table.where[i][0], fix, call=call)
        ends[names[i]] = float(starts[i] + seconds[i])
        rows.append(
            EnergyRun(
                settings[i], float(joules[i]), float(seconds[i]), names[i], blocks[i], counts[i], told[i], "gpu",
                options.kind or "measured", source=table.where[i][0],
            )
        )  # fmt: skip
    return added(rows)
