"""Power samples of nvidia-smi, zeus and dcgm as runs: one device at a time, then added up."""

from __future__ import annotations

import math
import re
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from neff.errors import RecordsError
from neff.train.energy.integrate import energy_from_samples
from neff.train.energy.log_rows import extras, labels
from neff.train.energy.runs import EnergyRun

if TYPE_CHECKING:
    from neff.stats._validate import FloatArray
    from neff.train.energy.log_rows import Options
    from neff.train.log_tables import LogTable

__all__ = ["is_power_log", "sampled_runs"]

TIME = ("timestamp", "time", "time_s", "t")
_POWER = re.compile(r"(power\.draw(\.average|\.instant)?( \[w\])?|power|power_w|watts|power\d+)", re.IGNORECASE)
_NUMBER = re.compile(r"[-+]?\d+(\.\d*)?([eE][-+]?\d+)?")


def is_power_log(table: LogTable) -> bool:
    """Return whether a table holds samples of power over time."""
    return _column(table, TIME) is not None and bool(_powers(table))


def _column(table: LogTable, names: tuple[str, ...]) -> str | None:
    return table.find(None, names, argument="seconds", call="read_energy")


def _powers(table: LogTable) -> list[str]:
    return [name for name in table.columns if _POWER.fullmatch(name)]


def sampled_runs(table: LogTable, options: Options, call: str) -> tuple[list[EnergyRun], list[str]]:
    """Return one run per file, or per value of the column of runs: the sum over its devices."""
    settings, blocks, named = labels(table, options, call, run=False)
    names = table.words(options.run) if options.run else table.words("file")
    seconds = _seconds(table, _column(table, TIME) or TIME[0])
    device = _column(table, ("index", "uuid", "gpu_uuid", "pci.bus_id", "gpu"))
    devices = table.words(device) if device else named
    columns = {name: _watts(table, name) for name in _powers(table)}
    if len(columns) > 1 and any(name.lower().startswith("power.draw") for name in columns):
        first = next(iter(columns))  # power.draw, and its average and instant forms, are one device
        columns = {first: columns[first]}
    counts, told = extras(table, options, call)
    runs = []
    for key in dict.fromkeys(zip(settings, blocks, names, strict=True)):
        rows = [i for i, other in enumerate(zip(settings, blocks, names, strict=True)) if other == key]
        parts = []
        for which in dict.fromkeys(devices[i] for i in rows):
            mine = sorted((i for i in rows if devices[i] == which), key=lambda i: float(seconds[i]))
            _refuse_doubles(table, seconds, mine)
            parts += [energy_from_samples(seconds[mine], watts[mine]) for watts in columns.values()]
        bad = next((part.reason for part in parts if part.reason is not None), None)
        runs.append(
            EnergyRun(
                setting=key[0],
                joules=math.nan if bad else sum(part.joules for part in parts),
                seconds=math.nan if bad else max(part.seconds for part in parts),
                run="/".join(part for part in key if part),
                block=key[1],
                samples=counts[rows[-1]],
                reached=told[rows[-1]],
                meter="gpu" if options.meter == "auto" else options.meter,
                kind=options.kind or "measured",
                resolution=0.0 if bad else sum(part.resolution for part in parts),
                n_gaps=sum(part.n_gaps for part in parts),
                gap_seconds=sum(part.gap_seconds for part in parts),
                n_missing=sum(part.n_missing for part in parts),
                reason="" if bad is None else str(bad),
                source=table.where[rows[0]][0],
            )
        )
    return runs, []


def _refuse_doubles(table: LogTable, seconds: FloatArray, rows: list[int]) -> None:
    """Refuse two samples of one time: two devices, or times that are too coarse."""
    for before, after in pairwise(rows):
        if seconds[before] == seconds[after]:
            path, line = table.where[after]
            said = "two samples of one device have the same time."
            fix = "Log the index or uuid of the device, and the time in milliseconds."
            raise RecordsError(said, fix, path=path, line=line)


def _watts(table: LogTable, name: str) -> FloatArray:
    """Return power in watts: "65.32 W" as nvidia-smi writes it, NaN for "[N/A]" and its kin."""
    found = np.full(len(table), math.nan)
    for i, cell in enumerate(table.columns[name]):
        match = _NUMBER.match(str(cell).strip()) if cell is not None else None
        if match:
            found[i] = float(match[0])
    return found


def _seconds(table: LogTable, name: str) -> FloatArray:
    """Return time in seconds, from numbers or from dates such as 2024/05/01 12:00:00.123."""
    found = np.empty(len(table))
    for i, cell in enumerate(table.columns[name]):
        try:
            found[i] = float(cell)
            continue
        except (TypeError, ValueError):
            pass
        try:
            found[i] = datetime.fromisoformat(str(cell).strip().replace("/", "-")).timestamp()
        except ValueError:
            path, line = table.where[i]
            raise RecordsError(
                f"column {name!r} holds {cell!r}.", "Give seconds, or dates such as 2024/05/01 12:00:00.", path=path,
                line=line,
            ) from None  # fmt: skip
    return found
