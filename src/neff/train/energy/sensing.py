"""Sensors of this machine: RAPL through sysfs, NVIDIA GPUs through NVML or nvidia-smi. What is absent says why."""

from __future__ import annotations

import math
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["POWERCAP", "Sensor", "find_sensors"]

POWERCAP = Path("/sys/class/powercap")
_PACKAGE = re.compile(r"intel-rapl:\d+")
_PART = re.compile(r"intel-rapl:\d+:\d+")


@dataclass(frozen=True, slots=True)
class Sensor:
    """One place where energy or power can be read, or the reason why it cannot.

    Attributes
    ----------
    name
        Such as "cpu:package-0", "ram:dram", "gpu:0".
    meter
        "cpu", "ram" or "gpu".
    unit
        "joules" for a counter, "watts" for power.
    read
        Returns the present value; None for an absent sensor.
    maximum
        The counter's largest value in joules, after which it starts again; infinite where it does not.
    per_joule
        Steps of the counter per joule: 1e6 for RAPL, 1e3 for NVML.
    absent
        Why it cannot be read; empty where it can.
    """

    name: str
    meter: Literal["cpu", "ram", "gpu"]
    unit: Literal["joules", "watts"] = "joules"
    read: Callable[[], float] | None = None
    maximum: float = math.inf
    per_joule: float = 1.0
    absent: str = ""

    def __str__(self) -> str:
        return f"{self.name}: {self.absent or self.unit}"


def find_sensors(*, powercap: Path = POWERCAP) -> tuple[Sensor, ...]:
    """Return the energy sensors of this machine, the absent ones with the reason.

    Use it before an experiment, to see what a comparison can rest on.

    Parameters
    ----------
    powercap
        Folder of the kernel's powercap zones.

    Returns
    -------
    tuple of Sensor
        At least one entry each for CPU and GPU, present or absent.

    Notes
    -----
    RAPL: the packages and their DRAM zones; the platform zone would count them twice. NVIDIA: the energy counter of
    NVML where the package pynvml (nvidia-ml-py) is installed, else power from nvidia-smi. Nothing is installed or
    started.

    Examples
    --------
    >>> sensors = find_sensors(powercap=Path("/nowhere"))
    >>> print(sensors[0])
    cpu: no sensor: /nowhere does not exist (no RAPL on this machine, or inside a container)
    """
    return (*_rapl(powercap), *_gpus())


def _rapl(powercap: Path) -> list[Sensor]:
    if not powercap.is_dir():
        why = f"no sensor: {powercap} does not exist (no RAPL on this machine, or inside a container)"
        return [Sensor("cpu", "cpu", absent=why)]
    found: list[Sensor] = []
    for zone in sorted(powercap.iterdir()):
        if not (_PACKAGE.fullmatch(zone.name) or _PART.fullmatch(zone.name)):
            continue
        name = _text(zone / "name")
        if name == "psys" or (_PART.fullmatch(zone.name) and name != "dram"):
            continue
        found.append(_zone(zone, name or zone.name))
    return found or [Sensor("cpu", "cpu", absent=f"no sensor: {powercap} has no RAPL zone")]


def _zone(zone: Path, name: str) -> Sensor:
    meter: Literal["cpu", "ram"] = "ram" if name == "dram" else "cpu"
    counter = zone / "energy_uj"
    label = f"{meter}:{name}"
    try:
        int(counter.read_text())
    except PermissionError:
        why = f"no permission to read {counter}: it takes root, or chmod a+r as root"
        return Sensor(label, meter, absent=why)
    except (OSError, ValueError) as error:
        return Sensor(label, meter, absent=f"{counter} cannot be read ({error})")
    try:
        maximum = int((zone / "max_energy_range_uj").read_text()) / 1e6
    except (OSError, ValueError):
        maximum = math.inf
    return Sensor(label, meter, "joules", lambda: int(counter.read_text()) / 1e6, maximum, 1e6)


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _gpus() -> list[Sensor]:
    return _nvml() or _smi()


def _nvml() -> list[Sensor]:
    """Return the counters of NVML; nothing where pynvml is not installed or has no driver."""
    from importlib import import_module

    try:
        pynvml: Any = import_module("pynvml")
    except ImportError:
        return []
    try:
        pynvml.nvmlInit()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
    except pynvml.NVMLError:
        return []
    return [_nvml_sensor(pynvml, handle, i) for i, handle in enumerate(handles)]


def _nvml_sensor(pynvml: Any, handle: Any, index: int) -> Sensor:
    try:
        pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except pynvml.NVMLError:  # older than Volta
        return Sensor(f"gpu:{index}", "gpu", "watts", lambda: pynvml.nvmlDeviceGetPowerUsage(handle) / 1000)

    def read() -> float:
        return float(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1000

    return Sensor(f"gpu:{index}", "gpu", "joules", read, per_joule=1e3)


def _query() -> list[float]:
    """Return the power of every GPU as nvidia-smi says it, NaN where it does not know."""
    command = ["nvidia-smi", "--query-gpu=power.draw", "--format=csv,noheader,nounits"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    watts = []
    for line in done.stdout.splitlines():
        try:
            watts.append(float(line))
        except ValueError:
            watts.append(math.nan)
    return watts


def _smi() -> list[Sensor]:
    try:
        watts = _query()
    except FileNotFoundError:
        return [Sensor("gpu", "gpu", absent="no sensor: nvidia-smi is not installed (no NVIDIA GPU on this machine)")]
    except (OSError, subprocess.SubprocessError) as error:
        return [Sensor("gpu", "gpu", absent=f"no sensor: nvidia-smi failed ({type(error).__name__})")]
    if not watts:
        return [Sensor("gpu", "gpu", absent="no sensor: nvidia-smi lists no GPU")]
    return [
        Sensor(f"gpu:{i}", "gpu", absent="no sensor: the GPU does not report its power")
        if math.isnan(value)
        else Sensor(f"gpu:{i}", "gpu", "watts", _reader(i))
        for i, value in enumerate(watts)
    ]


def _reader(index: int) -> Callable[[], float]:
    return lambda: _query()[index]
