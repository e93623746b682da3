"""Logs of codecarbon, zeus and nvidia-smi, and plain tables: what is read, marked, added up, refused."""

from __future__ import annotations

import json
import math

import pytest

from neff.errors import ArgumentError, RecordsError
from neff.train.energy import EnergyRun, compare_energy, read_energy

CODECARBON = (  # the header that codecarbon 3.3.2 writes, and two of its rows, shortened
    "timestamp,project_name,run_id,experiment_id,duration,emissions,emissions_rate,cpu_power,gpu_power,ram_power,"
    "cpu_energy,gpu_energy,ram_energy,energy_consumed,water_consumed,country_name,country_iso_code,region,"
    "cloud_provider,cloud_region,os,python_version,codecarbon_version,cpu_count,cpu_model,gpu_count,gpu_model,"
    "longitude,latitude,ram_total_size,tracking_mode,cpu_utilization_percent,gpu_utilization_percent,"
    "ram_utilization_percent,ram_used_gb,on_cloud,pue,wue"
)


def codecarbon_row(name, run, *, cpu=1e-3, gpu=4e-3, ram=1e-3, seconds=60.0, gpus=1, mode="machine", pue=1.0):
    total = cpu + gpu + ram
    return (
        f"2026-01-01T00:00:00,{name},{run},e1,{seconds},0.001,1e-5,10,200,20,{cpu},{gpu},{ram},{total},0.0,France,FRA,,,,"
        f"Linux,3.11.7,3.3.2,2,AMD EPYC,{gpus},A100,,,23.5,{mode},0.0,0,2.8,0.68,N,{pue},0.0"
    )


def write(path, *lines):
    path.write_text("\n".join(lines) + "\n")
    return path


def test_codecarbon_meters_and_their_marks(tmp_path):
    path = write(
        tmp_path / "emissions.csv", CODECARBON, codecarbon_row("fp32", "r1"), codecarbon_row("amp", "r2", gpu=3e-3)
    )
    total = read_energy(path)
    assert [run.joules for run in total.runs] == pytest.approx([6e-3 * 3.6e6, 5e-3 * 3.6e6], rel=1e-12)
    assert [run.setting for run in total.runs] == ["fp32", "amp"]
    assert {run.kind for run in total.runs} == {"unknown"}
    assert any("does not say whether the CPU was measured" in note for note in total.notes)
    kinds = {meter: read_energy(path, meter=meter).runs[0].kind for meter in ("gpu", "cpu", "ram")}
    assert kinds == {"gpu": "measured", "cpu": "unknown", "ram": "estimated"}
    assert read_energy(path, meter="gpu").runs[1].joules == pytest.approx(3e-3 * 3.6e6, rel=1e-12)
    assert {run.kind for run in read_energy(path, kind="measured").runs} == {"measured"}
    with pytest.raises(ArgumentError, match="total, gpu, cpu or ram"):
        read_energy(path, meter="wall")


def test_process_mode_is_an_estimate_and_does_not_mix(tmp_path):
    path = write(
        tmp_path / "emissions.csv",
        CODECARBON,
        codecarbon_row("a", "r1", mode="process"),
        codecarbon_row("b", "r2", mode="machine"),
    )
    log = read_energy(path)
    assert [run.kind for run in log.runs] == ["estimated", "unknown"]
    with pytest.raises(ArgumentError, match="kind must be the same"):
        compare_energy(log)


def test_a_gpu_without_a_counter_is_not_zero_joules(tmp_path):
    path = write(tmp_path / "emissions.csv", CODECARBON, codecarbon_row("a", "r1", gpu=0.0), codecarbon_row("b", "r2"))
    log = read_energy(path)
    assert math.isnan(log.runs[0].joules)
    assert "1 of 2 runs have no energy: the GPU has no energy counter." in log.notes
    without = write(tmp_path / "cpu.csv", CODECARBON, codecarbon_row("a", "r1", gpu=0.0, gpus=0))
    assert read_energy(without).runs[0].joules == pytest.approx(2e-3 * 3.6e6, rel=1e-12)


def test_codecarbon_totals_are_not_added_up_and_its_pue_not_applied_twice(tmp_path):
    path = write(
        tmp_path / "emissions.csv",
        CODECARBON,
        codecarbon_row("a", "r1", seconds=30.0, gpu=2e-3, pue=1.5),
        codecarbon_row("a", "r1", seconds=60.0, gpu=4e-3, pue=1.5),
    )
    log = read_energy(path, pue=1.2)
    (run,) = log.runs
    assert run.seconds == 60.0
    assert run.joules == pytest.approx(6e-3 * 3.6e6 * 1.2 / 1.5, rel=1e-12)
    assert any("the last one counts" in note for note in log.notes)
    assert read_energy(path).runs[0].joules == pytest.approx(6e-3 * 3.6e6, rel=1e-12)


def test_zeus_windows_are_added_up_within_a_file(tmp_path):
    head = "start_time,window_name,elapsed_time,gpu0_energy,gpu1_energy"
    for name, joules in (("fp32", 100), ("amp", 80)):
        (tmp_path / name).mkdir()
        for seed in (0, 1):
            rows = [f"{10 * k},epoch{k},9.5,{joules + seed},{joules}" for k in range(3)]
            write(tmp_path / name / f"run{seed}.csv", head, *rows)
    log = read_energy(tmp_path, group="folder")
    assert sorted((run.setting, run.joules, run.seconds) for run in log.runs) == [
        ("amp", 480.0, 28.5), ("amp", 483.0, 28.5), ("fp32", 600.0, 28.5), ("fp32", 603.0, 28.5),
    ]  # fmt: skip
    assert {run.kind for run in log.runs} == {"measured"}
    assert any("added up" in note for note in log.notes)
    nested = write(tmp_path / "nested.csv", head, "0,all,30,250,250", "0,epoch0,9.5,90,90")
    with pytest.raises(ArgumentError, match="window_name=NAME"):
        read_energy(nested, group="file")
    chosen = read_energy(nested, group="file", where=["window_name=all"])
    assert [run.joules for run in chosen.runs] == [500.0]


def test_nvidia_smi_samples_are_integrated_per_gpu(tmp_path):
    head = "timestamp, index, power.draw [W]"
    rows = []
    for second in range(4):
        rows += [f"2024/05/01 12:00:0{second}.000, 0, 100.00 W", f"2024/05/01 12:00:0{second}.000, 1, 50.00 W"]
    rows[2] = "2024/05/01 12:00:01.000, 0, [N/A]"
    log = read_energy(write(tmp_path / "amp.csv", head, *rows), group="file")
    (run,) = log.runs
    assert (run.setting, run.joules, run.seconds, run.meter) == ("amp", 450.0, 3.0, "gpu")
    assert run.n_missing == 1
    assert run.resolution == pytest.approx(100 * 1.5 + 50, rel=1e-12)
    assert "1 samples without a value were dropped." in log.notes
    short = read_energy(write(tmp_path / "s.csv", head, *rows[:1], "2024/05/01 12:00:00.500, 0, 90 W"), group="file")
    assert short.runs[0].reason == "window too short"
    with pytest.raises(RecordsError, match=r"s2\.csv, line 2: column 'timestamp' holds 'noon'"):
        read_energy(write(tmp_path / "s2.csv", head, "noon, 0, 100 W"), group="file")


def test_plain_samples_with_a_column_of_runs(tmp_path):
    rows = [f"{run},{setting},{t},{watts}" for run, setting, watts in ((1, "a", 100), (2, "b", 200)) for t in range(5)]
    path = write(tmp_path / "power.csv", "run,setting,time,watts", *rows)
    log = read_energy(path, run="run")
    assert [(run.setting, run.joules) for run in log.runs] == [("a", 400.0), ("b", 800.0)]
    gap = write(tmp_path / "gap.csv", "setting,time,watts", *[f"a,{t},100" for t in (0, 1, 2, 60, 61)])
    (run,) = read_energy(gap, group="setting").runs
    assert (run.joules, run.n_gaps, run.gap_seconds) == (300.0, 1, 58.0)


def test_a_table_of_runs_in_every_format(tmp_path):
    table = [
        {"setting": s, "block": b, "energy_kwh": e, "seconds": 100} for b in (1, 2) for s, e in (("a", 1.0), ("b", 0.9))
    ]
    jsonl = write(tmp_path / "runs.jsonl", *map(json.dumps, table))
    as_list = write(tmp_path / "runs.json", json.dumps(table))
    semicolons = write(
        tmp_path / "runs.txt", "setting;block;energy_kwh;seconds",
        *(";".join(map(str, row.values())) for row in table),
    )  # fmt: skip
    expected = [3.6e6, 0.9 * 3.6e6] * 2
    for path in (jsonl, as_list, semicolons):
        log = read_energy(path)
        assert [run.joules for run in log.runs] == pytest.approx(expected, rel=1e-12)
        assert [run.block for run in log.runs] == ["1", "1", "2", "2"]
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pyarrow.Table.from_pylist(table), tmp_path / "runs.parquet")
    assert [run.joules for run in read_energy(tmp_path / "runs.parquet").runs] == pytest.approx(expected, rel=1e-12)


def test_epochs_of_a_run_are_added_up(tmp_path):
    rows = [f"{s},{run},{10 + run},2.0,500" for s in "ab" for run in (1, 2, 3) for _ in range(5)]
    path = write(tmp_path / "epochs.csv", "setting,run,joules,seconds,examples", *rows)
    log = read_energy(path, samples="examples")
    assert len(log) == 6
    assert [run.joules for run in log.runs[:3]] == [55.0, 60.0, 65.0]
    assert {run.samples for run in log.runs} == {2500.0}
    study = compare_energy(log, per="sample")
    assert (study.comparisons[0].n_a, study.comparisons[0].n_b) == (3, 3)


def test_idle_power_short_windows_and_zeros(tmp_path):
    path = write(
        tmp_path / "runs.csv",
        "setting,joules,seconds,converged",
        "a,1000,10,true",
        "a,0,10,yes",
        "a,5,0.5,1",
        "a,,10,no",
    )
    log = read_energy(path, idle_watts=20, reached="converged")
    assert log.runs[0].joules == 800.0
    assert [run.reason for run in log.runs[1:]] == [
        "the meter reads 0", "the window is shorter than 1 second", "no energy in the log",
    ]  # fmt: skip
    assert [run.reached for run in log.runs] == [True, True, True, False]
    assert any("Net energy: 20 W" in note for note in log.notes)
    no_time = write(tmp_path / "bare.csv", "setting,joules", "a,1000")
    with pytest.raises(ArgumentError, match="idle power is taken off"):
        read_energy(no_time, idle_watts=20)
    assert read_energy(no_time).runs[0].joules == 1000.0


def test_what_cannot_be_read_says_what_there_is(tmp_path):
    path = write(tmp_path / "x.csv", "setting,loss", "a,1")
    with pytest.raises(RecordsError, match="there is no energy in it"):
        read_energy(path)
    with pytest.raises(ArgumentError, match="group must be the column of the setting"):
        read_energy(write(tmp_path / "y.csv", "z,joules", "a,1"))
    with pytest.raises(ArgumentError, match="Did you mean 'joules'"):
        read_energy(write(tmp_path / "z.csv", "setting,joules", "a,1"), energy="joule")
    with pytest.raises(RecordsError, match="line 3: column 'joules' holds 'many'"):
        read_energy(write(tmp_path / "w.csv", "setting,joules", "a,1", "b,many"))
    with pytest.raises(RecordsError, match="the row has 3 fields"):
        read_energy(write(tmp_path / "v.csv", "setting,joules", "a,1,2"))
    with pytest.raises(RecordsError, match="there are no rows"):
        read_energy(write(tmp_path / "u.csv", "setting,joules"))
    with pytest.raises(ArgumentError, match="pue must be 1 or more"):
        read_energy(path, pue=0.9)
    with pytest.raises(ArgumentError, match="There are: a"):
        read_energy(path, where=["setting=q"])
    with pytest.raises(ArgumentError, match="COLUMN=VALUE"):
        read_energy(path, where=["setting"])


def test_whether_a_run_reached_its_target_is_what_its_last_row_says(tmp_path):
    rows = ["amp,1,10,0", "amp,1,12,1", "fp32,2,20,1", "fp32,2,20,no"]
    path = write(tmp_path / "x.csv", "setting,run,energy_j,ok", *rows)
    assert [(r.joules, r.reached) for r in read_energy(path, reached="ok").runs] == [(22.0, True), (40.0, False)]
    with pytest.raises(RecordsError, match="line 2: column 'energy_j' holds '10'"):
        read_energy(path, reached="energy_j")


def test_idle_power_above_that_of_a_run_is_refused(tmp_path):
    path = write(tmp_path / "x.csv", "setting,energy_j,seconds", "amp,100,10", "fp32,200,10")
    assert [r.joules for r in read_energy(path, idle_watts=5).runs] == [50.0, 150.0]
    with pytest.raises(ArgumentError, match="idle_watts must be below the mean power of every run, got '12, where 10"):
        read_energy(path, idle_watts=12)


def test_infinite_energy_is_no_measurement(tmp_path):
    path = write(tmp_path / "x.csv", "setting,energy_j", "amp,inf", "fp32,2")
    assert read_energy(path).runs[0].reason == "the energy is infinite"
    with pytest.raises(ArgumentError, match="data must be above 0 and finite, got inf"):
        compare_energy([EnergyRun("a", 1.0), EnergyRun("b", math.inf)])


def test_two_samples_of_one_time_are_named(tmp_path):
    rows = [f"2024/05/01 12:00:0{t // 2}, 60 W" for t in range(8)]
    path = write(tmp_path / "x.csv", "timestamp, power.draw [W]", *rows)
    with pytest.raises(RecordsError, match=r"x\.csv, line 3: two samples of one device have the same time"):
        read_energy(path, group="file")


def test_runs_named_by_times_are_not_added_up(tmp_path):
    rows = [f"amp,1700000000.{i},10" for i in (125, 375, 625)]
    runs = read_energy(write(tmp_path / "x.csv", "setting,run,energy_j", *rows)).runs
    assert [r.joules for r in runs] == [10.0] * 3
