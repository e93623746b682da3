"""Energy of runs from logs: codecarbon, zeus, nvidia-smi, and any table with a column of energy or power."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from neff.errors import ArgumentError, RecordsError
from neff.stats._options import check_choice
from neff.stats._validate import check_number
from neff.train.energy.footprints import JOULES_PER_KWH
from neff.train.energy.integrate import SHORTEST
from neff.train.energy.log_rows import Options, added, extras, labels
from neff.train.energy.power_logs import is_power_log, sampled_runs
from neff.train.energy.runs import EnergyLog, EnergyRun
from neff.train.energy.tool_logs import codecarbon_runs, zeus_runs
from neff.train.log_tables import each_log_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neff.train.energy.log_rows import Meter
    from neff.train.energy.runs import Kind
    from neff.train.log_tables import LogTable

__all__ = ["read_energy"]

_METERS = ("auto", "wall", "total", "gpu", "cpu", "ram")
SECONDS = ("seconds", "duration", "duration_s", "elapsed_time", "elapsed", "time_s", "wall_time")
_JOULES = {
    "wall": ("wall_energy_j", "wall_joules"),
    "total": ("energy_j", "joules", "energy_joules", "total_energy_j", "total_joules", "energy"),
    "gpu": ("gpu_energy_j", "gpu_joules"),
    "cpu": ("cpu_energy_j", "cpu_joules"),
    "ram": ("ram_energy_j", "ram_joules", "dram_joules"),
}
_KWH = {"wall": ("wall_kwh",), "total": ("kwh", "energy_kwh", "total_kwh"), "gpu": ("gpu_kwh",), "cpu": ("cpu_kwh",)}


def read_energy(
    paths: Any,
    *,
    group: str | None = None,
    block: str | None = None,
    run: str | None = None,
    samples: str | None = None,
    reached: str | None = None,
    energy: str | None = None,
    seconds: str | None = None,
    meter: Meter = "auto",
    kind: Kind | None = None,
    pue: float = 1.0,
    idle_watts: float = 0.0,
    where: Sequence[str] = (),
) -> EnergyLog:
    r"""Read the energy of training runs from logs.

    Use it before `compare_energy`. What a file is, is seen from its columns: codecarbon's emissions.csv, the log of a
    zeus monitor, CSV of nvidia-smi (timestamp and power.draw), or any table with a column of energy, or of time and
    power.

    Parameters
    ----------
    paths
        Files or folders: CSV, JSON Lines, Parquet.
    group
        Column of the setting; "file" and "folder" stand for the name of the file and of the folder it is in.
    block, run
        Columns of the block and of the run. Rows of one run are added up. By default each row of a table is a run, and
        each file of a sampled or zeus log.
    samples
        Column of examples or tokens trained on.
    reached
        Column that says whether the run reached its target: 1, true, yes. The last row of a run counts.
    energy, seconds
        Columns of energy (in joules, or kWh where the name ends so) and of duration.
    meter
        What to take where there are several: "auto" is the wall meter if there is one, else the total, else the GPU.
    kind
        "measured" or "estimated", where you know what the log does not say.
    pue
        Power usage effectiveness, applied to all; what codecarbon had applied is taken out first.
    idle_watts
        Idle power to take off (net energy); 0 gives the gross energy.
    where
        Conditions "COLUMN=VALUE" on the rows.

    Returns
    -------
    EnergyLog
        One `EnergyRun` per run. Windows under 1 second, and counters that read 0, have no energy and a reason.

    Raises
    ------
    ArgumentError
        If a column is not there, or windows of one run overlap.
    RecordsError
        If a file is none of these.

    Notes
    -----
    codecarbon's `tracking_mode` is its scope, machine or process, and does not say how power was found: its log never
    does. Here GPU energy counts as measured (NVML; 0 with a GPU present means that it has no counter), memory as
    estimated (codecarbon has no meter for it), the CPU as unknown in machine mode (RAPL or a model) and as estimated in
    process mode. A total is no better than its worst part.

    References
    ----------
    Antonopoulos 2024, arXiv:2409.07853.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "runs.csv")
    ...     _ = path.write_text("setting,energy_j,seconds\nfp32,1000,10\namp,900,8\n")
    ...     log = read_energy(path)
    >>> [(run.setting, run.joules, run.kind) for run in log.runs]
    [('fp32', 1000.0, 'measured'), ('amp', 900.0, 'measured')]
    """
    call = "read_energy"
    check_choice(meter, _METERS, argument="meter", call=call)
    if kind is not None:
        check_choice(kind, ("measured", "estimated", "unknown"), argument="kind", call=call)
    factor = check_number(pue, argument="pue", call=call)
    idle = check_number(idle_watts, argument="idle_watts", call=call)
    if not factor >= 1 or idle < 0:
        raise ArgumentError("pue", "1 or more, and idle_watts 0 or more", (factor, idle), call=call)
    options = Options(group, block, run, samples, reached, energy, seconds, meter, kind)
    runs: list[EnergyRun] = []
    notes: list[str] = []
    for table in each_log_table(paths):
        found, said = _read(table.filtered(where, call=call), options, call)
        runs += [_finished(r, factor, idle) for r in found]
        notes += [note for note in said if note not in notes]
    if idle:
        notes.append(f"Net energy: {idle:g} W of idle power are taken off.")
    if factor > 1:
        notes.append(f"Energy of the building: times {factor:g} (PUE).")
    return EnergyLog(tuple(runs), (*notes, *_counted(runs)))


def _read(table: LogTable, options: Options, call: str) -> tuple[list[EnergyRun], list[str]]:
    names = set(table.columns)
    if options.energy is None and {"emissions", "energy_consumed", "run_id"} <= names:
        return codecarbon_runs(table, options, call)
    if options.energy is None and {"start_time", "window_name", "elapsed_time"} <= names:
        return zeus_runs(table, options, call)
    if options.energy is None and is_power_log(table) and not _has_energy(table):
        return sampled_runs(table, options, call)
    return _generic(table, options, call)


def _has_energy(table: LogTable) -> bool:
    names = [name for group in (*_JOULES.values(), *_KWH.values()) for name in group]
    return table.find(None, names, argument="energy", call="read_energy") is not None


def _generic(table: LogTable, options: Options, call: str) -> tuple[list[EnergyRun], list[str]]:
    settings, blocks, names = labels(table, options, call)
    column, unit, meter = _energy_column(table, options, call)
    joules = table.numbers(column) * unit
    duration = table.find(options.seconds, SECONDS, argument="seconds", call=call)
    seconds = table.numbers(duration) if duration else [math.nan] * len(table)
    counts, told = extras(table, options, call)
    rows = [
        EnergyRun(
            settings[i], float(joules[i]), float(seconds[i]), names[i], blocks[i], counts[i], told[i], meter,
            options.kind or "measured", source=table.where[i][0],
        )
        for i in range(len(table))
    ]  # fmt: skip
    return added(rows)


def _energy_column(table: LogTable, options: Options, call: str) -> tuple[str, float, str]:
    """Return the column of the energy, what one unit of it is in joules, and the meter."""
    if options.energy is not None:
        name = table.find(options.energy, (), argument="energy", call=call) or options.energy
        unit = JOULES_PER_KWH if name.lower().endswith("kwh") else 1.0
        return name, unit, "total" if options.meter == "auto" else options.meter
    for meter in ("wall", "total", "gpu", "cpu", "ram") if options.meter == "auto" else (options.meter,):
        for names, unit in ((_JOULES.get(meter, ()), 1.0), (_KWH.get(meter, ()), JOULES_PER_KWH)):
            found = table.find(None, names, argument="energy", call=call)
            if found is not None:
                return found, unit, meter
    path = table.where[0][0]
    raise RecordsError(
        f"there is no energy in it (columns {', '.join(table.columns)}).",
        "Name the column: --energy COLUMN; or give a log of codecarbon, zeus or nvidia-smi.",
        path=path,
    )


def _finished(run: EnergyRun, pue: float, idle: float) -> EnergyRun:
    """Refuse what is no measurement; apply the building's factor and take off the idle power."""
    joules, reason = run.joules, run.reason
    if run.seconds < SHORTEST and not reason:
        joules, reason = math.nan, "the window is shorter than 1 second"
    elif joules == 0:
        joules, reason = math.nan, "the meter reads 0"
    elif joules == math.inf:
        joules, reason = math.nan, "the energy is infinite"
    elif joules < 0:
        joules, reason = math.nan, "the counter went back"
    elif math.isnan(joules) and not reason:
        reason = "no energy in the log"
    if idle:
        if math.isnan(run.seconds):
            fix = "Name the column: --seconds COLUMN."
            raise ArgumentError("seconds", "known where idle power is taken off", "none", fix, call="read_energy")
        joules -= idle * run.seconds * run.pue
        if joules <= 0:
            must, got = (
                "below the mean power of every run",
                f"{idle:g}, where {run.joules / run.seconds:.4g} W are used",
            )
            raise ArgumentError("idle_watts", must, got, call="read_energy")
    factor = pue / run.pue if pue > 1 else 1.0
    return replace(run, joules=joules * factor, resolution=run.resolution * factor, reason=reason)


def _counted(runs: list[EnergyRun]) -> list[str]:
    notes = []
    reasons = [r.reason for r in runs if math.isnan(r.joules)]
    notes += [
        f"{reasons.count(reason)} of {len(runs)} runs have no energy: {reason}." for reason in dict.fromkeys(reasons)
    ]
    gaps, missing = sum(r.n_gaps for r in runs), sum(r.n_missing for r in runs)
    if gaps:
        seconds = sum(r.gap_seconds for r in runs)
        notes.append(f"{gaps} gaps in the samples ({seconds:.0f} s in all) are left out, not filled in.")
    if missing:
        notes.append(f"{missing} samples without a value were dropped.")
    return notes
