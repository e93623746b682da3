"""Sinks: real TensorBoard files, a tracker, and a JSON Lines file that a killed run leaves readable."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time

import pytest

from neff.errors import OutputError
from neff.train import Finding, JsonlSink, StepReport, TensorBoardSink, TrackerSink, read_training_run

pytest.importorskip("torch")


def report(step, **values):
    return StepReport(step=step, **values)


def test_jsonl_is_strict_and_comes_back(tmp_path):
    path = tmp_path / "folder" / "run.jsonl"
    sink = JsonlSink(path)
    reports = [report(k, reward=0.1 * k, hill=math.inf, metrics={"x": math.nan, "y": 2.0}) for k in range(3)]
    for one in reports:
        sink(one)
        assert len(path.read_text().splitlines()) == one.step + 1  # there at once
    sink.close()
    sink.close()
    lines = path.read_text().splitlines()

    def refuse(text):
        raise AssertionError(text)

    data = [json.loads(line, parse_constant=refuse) for line in lines]
    assert {line["schema"] for line in data} == {"neff.training/1"}
    assert data[1]["hill"] is None
    run = read_training_run(path)
    assert [step.to_dict() for step in run.steps] == [one.to_dict() for one in reports]
    with pytest.raises(OutputError, match="closed"):
        sink(reports[0])


def test_a_restarted_run_goes_on_behind_a_line_that_was_cut_off(tmp_path):
    path = tmp_path / "run.jsonl"
    path.write_bytes(b'{"schema":"neff.training/1","step":0}\n{"schema":"neff.training/1","step":1,"rew')
    sink = JsonlSink(path)
    sink(report(1, reward=0.5))
    sink.close()
    run = read_training_run(path)
    assert [step.step for step in run.steps] == [0, 1]
    assert run.notes == ("Line 2 is no step of a training run and was left out.",)
    assert JsonlSink(path).path == path
    assert path.read_bytes().count(b"\n\n") == 0


def test_what_cannot_be_written_is_an_error(tmp_path):
    with pytest.raises(OutputError, match="cannot write"):
        JsonlSink(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        JsonlSink(tmp_path / "file" / "run.jsonl")


def test_a_full_disk_is_an_error():
    if not os.path.exists("/dev/full"):  # noqa: PTH110
        pytest.skip("no /dev/full")
    sink = JsonlSink("/dev/full")
    with pytest.raises(OutputError, match="No space left"):
        sink(report(0))


def test_a_killed_run_leaves_whole_lines(tmp_path):
    code = f"""
import itertools
from neff.train import JsonlSink, StepReport
sink = JsonlSink({str(tmp_path / "run.jsonl")!r})
for step in itertools.count():
    sink(StepReport(step=step, metrics={{f"metric {{k}}": k / 7 for k in range(200)}}))
"""
    process = subprocess.Popen([sys.executable, "-c", code])
    path = tmp_path / "run.jsonl"
    deadline = time.monotonic() + 60
    while not (path.exists() and path.stat().st_size > 200_000) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    run = read_training_run(path)
    assert len(run.steps) > 10
    assert run.notes == ()
    assert [step.step for step in run.steps] == list(range(len(run.steps)))


def test_tensorboard_reads_what_was_written(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(tmp_path))
    sink = TensorBoardSink(writer, prefix="train/")
    for k in range(3):
        sink(report(10 * k, reward=0.25 * k, findings=(Finding("top-p", "refuse", "No."),)))
    writer.close()
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars("train/reward")] == [(0, 0.0), (10, 0.25), (20, 0.5)]
    assert "train/entropy" not in events.Tags()["scalars"]
    assert any(tag.startswith("train/top-p") for tag in events.Tags()["tensors"])


def test_a_writer_needs_add_scalar_alone():
    class Writer:
        def __init__(self):
            self.seen = []

        def add_scalar(self, name, value, step):
            self.seen.append((name, value, step))

    writer = Writer()
    TensorBoardSink(writer)(report(5, entropy=0.5))
    assert ("neff/entropy", 0.5, 5) in writer.seen


def test_a_tracker_gets_the_step_as_a_number_among_the_others():
    class Tracker:
        def __init__(self):
            self.seen = []

        def log(self, values):
            self.seen.append(values)

    tracker, plain = Tracker(), []
    for sink in (TrackerSink(tracker), TrackerSink(plain.append)):
        sink(report(7, reward=0.5))
    assert tracker.seen == plain
    assert plain[0]["neff/step"] == 7.0
    assert plain[0]["neff/reward"] == 0.5
    assert all(type(value) is float for value in plain[0].values())
