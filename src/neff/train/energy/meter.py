"""`EnergyMeter`: read the sensors of this machine while a block of code runs."""

from __future__ import annotations

import math
import time
from itertools import pairwise
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.stats._validate import check_number
from neff.train.energy.integrate import (
    SHORTEST,
    SampledEnergy,
    energy_from_counter,
    energy_from_samples,
    undefined,
)
from neff.train.energy.runs import EnergyRun
from neff.train.energy.sensing import find_sensors

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Self

    from neff.train.energy.sensing import Sensor

__all__ = ["EnergyMeter"]


class EnergyMeter:
    """Measure the energy of a block of code on this machine.

    Use it around one whole training run, where no tool logs energy yet. What cannot be measured is NaN, and `absent`
    says why; nothing is estimated in its place.

    Parameters
    ----------
    sensors
        Sensors to read; by default all of this machine.
    interval
        Seconds between readings, in a thread of its own: counters must be read before they wrap, power is sampled.
    clock
        Time in seconds.

    Attributes
    ----------
    joules
        Energy by meter ("cpu", "ram", "gpu"); NaN where a sensor of that meter failed, or the block took less than 1
        second; no entry where there is no sensor.
    seconds
        How long the block took.
    absent
        Why sensors could not be read.

    Examples
    --------
    >>> from neff.train.energy import Sensor
    >>> readings, times = iter([10.0, 25.0, 40.0]), iter([0.0, 2.0, 4.0, 4.0])
    >>> counter = Sensor("cpu:package-0", "cpu", "joules", lambda: next(readings), maximum=100.0)
    >>> meter = EnergyMeter((counter,), interval=3600, clock=lambda: next(times))
    >>> with meter:
    ...     meter.sample()
    >>> meter.joules, meter.seconds
    ({'cpu': 30.0}, 4.0)
    """

    def __init__(
        self,
        sensors: Sequence[Sensor] | None = None,
        *,
        interval: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.interval = check_number(interval, argument="interval", call="EnergyMeter")
        if not self.interval > 0:
            raise ArgumentError("interval", "above 0", interval, "1 second is usual.", call="EnergyMeter")
        found = find_sensors() if sensors is None else tuple(sensors)
        self._sensors = [sensor for sensor in found if sensor.read is not None]
        self.absent = tuple(str(sensor) for sensor in found if sensor.read is None)
        self._clock = clock
        self.joules: dict[str, float] = {}
        self.seconds = math.nan
        self._measured: dict[str, list[SampledEnergy]] = {}
        self._times: list[float] = []
        self._readings: list[list[float]] = []
        self._stop = Event()
        self._thread: Thread | None = None

    def __enter__(self) -> Self:
        self._times, self._readings, self.joules, self.seconds = [], [[] for _ in self._sensors], {}, math.nan
        self._measured = {}
        self._stop.clear()
        self.sample()
        self._thread = Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self.sample()
        self.seconds = self._times[-1] - self._times[0]
        for sensor, readings in zip(self._sensors, self._readings, strict=True):
            found = self._energy(sensor, readings)
            self._measured.setdefault(sensor.meter, []).append(found)
        self.joules = {meter: sum(found.joules for found in parts) for meter, parts in self._measured.items()}

    def _watch(self) -> None:
        while not self._stop.wait(self.interval):
            self.sample()

    def sample(self) -> None:
        """Read every sensor now; the thread calls it."""
        self._times.append(self._clock())
        for sensor, readings in zip(self._sensors, self._readings, strict=True):
            try:
                readings.append(math.nan if sensor.read is None else float(sensor.read()))
            except Exception:  # noqa: BLE001  (a driver that fails once must not stop a training run)
                readings.append(math.nan)

    def _energy(self, sensor: Sensor, readings: list[float]) -> SampledEnergy:
        if self.seconds < SHORTEST:
            return undefined(Reason.SHORT_WINDOW)
        if sensor.unit == "watts":
            times = np.array(self._times)
            rising = np.concatenate([[True], times[1:] > np.maximum.accumulate(times)[:-1]])
            return energy_from_samples(times[rising], np.array(readings)[rising])
        known = [value for value in readings if not math.isnan(value)]
        if len(known) < 2 or math.isnan(readings[0]) or math.isnan(readings[-1]):
            return undefined(Reason.TOO_FEW)
        unit = sensor.per_joule  # the counter starts again one step after its maximum
        steps = [value * unit for value in known]
        gained = sum(energy_from_counter(a, b, maximum=sensor.maximum * unit) for a, b in pairwise(steps)) / unit
        return SampledEnergy(
            gained, self.seconds, gained / self.seconds, len(known), len(readings) - len(known), 0, 0.0, 0.0
        )

    def run(self, setting: str, *, meter: str, **fields: Any) -> EnergyRun:
        """Return what was measured as a run, for `compare_energy`.

        Parameters
        ----------
        setting
            What is compared.
        meter
            "cpu", "ram" or "gpu".
        fields
            Further fields of `EnergyRun`: run, block, samples, reached.
        """
        reason = "" if meter in self.joules else f"no sensor of the {meter}"
        joules, parts = self.joules.get(meter, math.nan), self._measured.get(meter, [])
        if not reason and math.isnan(joules):
            reason = "the window is shorter than 1 second" if self.seconds < SHORTEST else "a sensor failed"
        return EnergyRun(
            setting,
            joules,
            self.seconds,
            meter=meter,
            resolution=0.0 if math.isnan(joules) else sum(part.resolution for part in parts),
            n_gaps=sum(part.n_gaps for part in parts),
            gap_seconds=sum(part.gap_seconds for part in parts),
            n_missing=sum(part.n_missing for part in parts),
            reason=reason,
            **fields,
        )
