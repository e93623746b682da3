"""Sensors: RAPL zones in a folder of our own, nvidia-smi as a script, and what is said where there is none."""

from __future__ import annotations

import math
import os
import sys

import pytest

from neff.errors import ArgumentError
from neff.train.energy import EnergyMeter, Sensor, compare_energy, find_sensors


def zone(folder, name, label, joules=None, maximum=100.0):
    path = folder / name
    path.mkdir(parents=True)
    (path / "name").write_text(label + "\n")
    (path / "max_energy_range_uj").write_text(f"{int(maximum * 1e6)}\n")
    if joules is not None:
        (path / "energy_uj").write_text(f"{int(joules * 1e6)}\n")
    return path


@pytest.fixture
def without_gpu(monkeypatch, tmp_path):
    empty = tmp_path / "no-programs"
    empty.mkdir()
    monkeypatch.setenv("PATH", str(empty))


def smi(monkeypatch, tmp_path, body):
    folder = tmp_path / "programs"
    folder.mkdir()
    script = folder / "nvidia-smi"
    script.write_text(f"#!{sys.executable}\n{body}\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


@pytest.mark.usefixtures("without_gpu")
def test_packages_and_memory_are_read_and_nothing_twice(tmp_path):
    root = tmp_path / "powercap"
    package = zone(root, "intel-rapl:0", "package-0", 10.0)
    zone(root, "intel-rapl:0:0", "core", 3.0)
    zone(root, "intel-rapl:0:1", "dram", 2.0)
    zone(root, "intel-rapl:1", "psys", 50.0)
    found = find_sensors(powercap=root)
    assert [s.name for s in found if s.read is not None] == ["cpu:package-0", "ram:dram"]
    assert [s.read() for s in found if s.read is not None] == [10.0, 2.0]
    assert found[0].maximum == 100.0
    (package / "energy_uj").write_text("12000000\n")
    assert found[0].read() == 12.0
    assert str(found[-1]) == "gpu: no sensor: nvidia-smi is not installed (no NVIDIA GPU on this machine)"


@pytest.mark.usefixtures("without_gpu")
def test_what_is_absent_says_why(tmp_path):
    none = find_sensors(powercap=tmp_path / "nowhere")
    assert [s.read for s in none] == [None, None]
    assert "does not exist" in none[0].absent
    (tmp_path / "empty").mkdir()
    assert "no RAPL zone" in find_sensors(powercap=tmp_path / "empty")[0].absent
    zone(tmp_path / "broken", "intel-rapl:0", "package-0")
    assert "cannot be read" in find_sensors(powercap=tmp_path / "broken")[0].absent
    if os.geteuid():  # root may read everything
        locked = zone(tmp_path / "locked", "intel-rapl:0", "package-0", 1.0)
        (locked / "energy_uj").chmod(0)
        assert "no permission" in find_sensors(powercap=tmp_path / "locked")[0].absent


def test_gpus_through_nvidia_smi(tmp_path, monkeypatch):
    smi(monkeypatch, tmp_path, "print('61.5')\nprint('[N/A]')")
    gpus = find_sensors(powercap=tmp_path / "nowhere")[1:]
    assert [(s.name, s.unit, s.read is not None) for s in gpus] == [
        ("gpu:0", "watts", True),
        ("gpu:1", "joules", False),
    ]
    assert gpus[0].read() == 61.5
    assert "does not report its power" in gpus[1].absent


def test_a_broken_nvidia_smi_is_no_sensor(tmp_path, monkeypatch):
    smi(monkeypatch, tmp_path, "raise SystemExit(9)")
    assert "nvidia-smi failed" in find_sensors(powercap=tmp_path / "nowhere")[1].absent


def metered(readings, *, unit="joules", maximum=math.inf, times=None, n=2):
    values, clock = iter(readings), iter(times or [0.0, 10.0, 20.0, 30.0, 40.0])
    meter = EnergyMeter(
        [Sensor("gpu:0", "gpu", unit, lambda: next(values), maximum), Sensor("cpu", "cpu", absent="no sensor: none")],
        interval=3600,
        clock=lambda: next(clock),
    )
    with meter:
        for _ in range(n - 2):
            meter.sample()
    return meter


def test_counters_are_added_over_wraps():
    meter = metered([90.0, 95.0, 20.0, 10.0], maximum=100.0, n=4)
    # 5, then 95 -> 20 over the top, then 20 -> 10 over the top; a step of the counter is one joule here
    assert meter.joules == {"gpu": 5.0 + 26.0 + 91.0}
    assert meter.seconds == 30.0
    assert meter.absent == ("cpu: no sensor: none",)
    run = meter.run("amp", meter="gpu", run="r1", block="1")
    assert (run.joules, run.seconds, run.kind, run.block) == (122.0, 30.0, "measured", "1")
    assert meter.run("amp", meter="cpu").reason == "no sensor of the cpu"
    assert math.isnan(meter.run("amp", meter="cpu").joules)


def test_a_wrap_costs_one_step_of_the_counter_and_no_more():
    values = iter([99.5, 0.5])
    sensor = Sensor("cpu:0", "cpu", "joules", lambda: next(values), maximum=100.0, per_joule=1e6)
    with EnergyMeter([sensor], interval=3600, clock=iter([0.0, 10.0]).__next__) as meter:
        pass
    assert meter.joules["cpu"] == pytest.approx(1.000001, abs=1e-9)


def test_power_is_integrated_and_a_failure_is_no_zero():
    assert metered([100.0, 200.0, 300.0], unit="watts", n=3).joules == {"gpu": 4000.0}
    failed = metered([10.0, math.nan], n=2)
    assert math.isnan(failed.joules["gpu"])
    assert failed.run("a", meter="gpu").reason == "a sensor failed"
    short = metered([10.0, 20.0], times=[0.0, 0.5])
    assert math.isnan(short.joules["gpu"])
    assert short.run("a", meter="gpu").reason == "the window is shorter than 1 second"


def test_a_sensor_that_raises_stops_nothing():
    def broken():
        raise OSError("driver")

    meter = EnergyMeter([Sensor("gpu:0", "gpu", "joules", broken)], clock=iter([0.0, 2.0]).__next__, interval=3600)
    with meter:
        pass
    assert math.isnan(meter.joules["gpu"])


def test_the_thread_reads_while_the_block_runs():
    count = iter(range(10_000))
    meter = EnergyMeter([Sensor("gpu:0", "gpu", "joules", lambda: float(next(count)))], interval=0.02)
    from time import sleep

    with meter:
        sleep(1.2)
    assert meter.joules["gpu"] > 2  # more readings than the two at the ends
    assert meter.seconds >= 1.2
    with pytest.raises(ArgumentError, match="interval must be above 0"):
        EnergyMeter([], interval=0)


def test_measured_runs_can_be_compared():
    runs = [
        metered([0.0, joules]).run(name, meter="gpu")
        for name, joules in (("a", 50.0), ("a", 51.0), ("b", 70.0), ("b", 72.0))
    ]
    assert compare_energy(runs).comparisons[0].finding == "less energy"


def test_gaps_missing_samples_and_resolution_of_sampled_power_are_kept():
    times = [0.0, 1.0, 2.0, 3.0, 23.0, 24.0, 25.0]
    meter = metered([100.0, 100.0, math.nan, 100.0, 100.0, 100.0, 100.0], unit="watts", times=times, n=7)
    run = meter.run("amp", meter="gpu")
    assert run.joules == meter.joules["gpu"] == 500.0  # 25 seconds without the gap of 20
    assert (run.n_gaps, run.gap_seconds, run.n_missing, run.resolution) == (1, 20.0, 1, 100.0)


def test_a_day_of_samples_is_added_up_at_once():
    from time import process_time

    n = 86_400
    meter = EnergyMeter(
        [Sensor("gpu:0", "gpu", "watts", lambda: 1.0)], interval=1e6, clock=map(float, range(n)).__next__
    )
    with meter:
        for _ in range(n - 2):
            meter.sample()
        start = process_time()
    assert meter.joules["gpu"] == n - 1
    assert process_time() - start < 2  # it went with the square of the samples: a minute
