"""The record of a run: damaged files, restarts, collapses, findings; and the early-warning rule."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import numpy as np
import pytest

from neff.errors import ArgumentError, RecordsError
from neff.train import EarlyWarning, EssEstimate, Finding, StepReport, TrainingRun, early_warning, read_training_run


def step(number, collapsed=False, **values):
    return StepReport(step=number, ess_sequence=EssEstimate(value=0.5, n=64, collapsed=collapsed), **values)


def write(path, lines):
    path.write_bytes(b"".join(lines))
    return path


def line(number, **values):
    return (json.dumps(step(number, **values).to_dict()) + "\n").encode()


def test_reading_needs_no_torch(tmp_path):
    path = write(tmp_path / "run.jsonl", [line(0), line(1)])
    code = f"""
import sys
import neff.train as train
run = train.read_training_run({str(path)!r})
from neff.report import render
assert "2 steps" in render(run) or "Token" in render(run, "html")
assert "torch" not in sys.modules
print(len(run.steps))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "2", done.stderr


def test_a_cut_off_last_line_is_noted(tmp_path):
    run = read_training_run(write(tmp_path / "run.jsonl", [line(0), line(1)[:-20]]))
    assert [one.step for one in run.steps] == [0]
    assert run.notes == ("Line 2, the last, is cut off: the run was stopped while it was written.",)


def test_damaged_lines_are_named_and_left_out(tmp_path):
    junk = [b"not json\n", b"[1]\n", b'"text"\n', b'{"schema": "other"}\n', b"\xff\xfe\n", b"\n", b"null\n"]
    wrong = [b'{"schema": "neff.training/1", "step": "three"}\n', b'{"schema": "neff.training/1"}\n']
    run = read_training_run(write(tmp_path / "run.jsonl", [line(0), *junk, *wrong, line(1)]))
    assert [one.step for one in run.steps] == [0, 1]
    assert run.notes == ("Lines 2, 3, 4, 5, 6 and 3 more are no step of a training run and were left out.",)
    one = read_training_run(write(tmp_path / "one.jsonl", [b"\xef\xbb\xbf", line(0), b"{}\n"]))
    assert one.notes == ("Line 2 is no step of a training run and was left out.",)


def test_a_step_that_was_done_again_counts_once(tmp_path):
    lines = [line(0, reward=0.1), line(1, reward=0.2), line(2, reward=0.3), line(1, reward=0.9), line(2, reward=0.8)]
    run = read_training_run(write(tmp_path / "run.jsonl", lines))
    assert run.series("reward") == ((0.0, 1.0, 2.0), (0.1, 0.9, 0.8))
    assert run.notes == ("2 steps were done again, as after a restart: only the last time counts.",)
    shorter = read_training_run(write(tmp_path / "shorter.jsonl", lines[:4]))
    assert shorter.series("reward") == ((0.0, 1.0), (0.1, 0.9))  # step 2 belongs to what was given up


def test_a_file_without_a_step_is_refused(tmp_path):
    for content in (b"", b"{}\n", b'{"schema": "neff.training/1"'):
        with pytest.raises(RecordsError, match="no step"):
            read_training_run(write(tmp_path / "run.jsonl", [content]))
    with pytest.raises(RecordsError, match="cannot be read"):
        read_training_run(tmp_path / "missing.jsonl")


def test_a_newer_line_with_more_fields_is_read(tmp_path):
    data = step(3, reward=0.5).to_dict() | {"brand_new": 1}
    data["ess_token"] |= {"also_new": [1]}
    data["findings"] = [{"name": "x", "severity": "unheard-of", "message": "m", "more": 1}]
    run = read_training_run(write(tmp_path / "run.jsonl", [json.dumps(data).encode() + b"\n"]))
    assert run.steps[0].reward == 0.5
    assert run.steps[0].findings[0].severity == "warn"


def test_a_run_comes_back_from_its_own_json():
    run = TrainingRun(
        (step(0, reward=0.5, findings=(Finding("a", "note", "m"),)), step(2, collapsed=True)), "r", ("n",)
    )
    again = TrainingRun.from_dict(json.loads(json.dumps(run.to_dict(), allow_nan=False)))
    assert again.to_dict() == run.to_dict()
    with pytest.raises(RecordsError, match="damaged"):
        TrainingRun.from_dict({"steps": [{"step": None}]})


def test_collapses_are_stretches():
    flags = [False, True, True, False, True, False, True]
    run = TrainingRun(tuple(step(10 * k, collapsed=flag) for k, flag in enumerate(flags)))
    assert run.collapses() == ((10, 20), (40, 40), (60, 60))
    assert TrainingRun((step(0),)).collapses() == ()


def test_findings_are_counted_the_most_serious_first():
    note, warn = Finding("token-ess", "note", "n"), Finding("clamped", "refuse", "old")
    run = TrainingRun(
        (
            step(1, findings=(note,)),
            step(2, findings=(note, warn)),
            step(5, findings=(Finding("clamped", "refuse", "new"),)),
        )
    )
    assert run.found() == ((Finding("clamped", "refuse", "new"), 2, 5, 2), (note, 1, 2, 2))


def test_the_table_has_a_row_per_step():
    table = TrainingRun((step(0, reward=0.5), step(1, collapsed=True))).table()
    assert [row[0] for row in table.rows] == [0, 1]
    assert [row[3] for row in table.rows] == ["", "yes"]
    assert "Token ESS" in str(table)


# The early-warning rule.


def test_the_rule_looks_back_from_the_peak():
    shares = [0.5] * 12 + [0.9] * 12 + [0.6] * 12
    rewards = list(np.linspace(0, 1, 20)) + [0.9] * 16
    at = early_warning(range(36), shares, rewards)
    assert at == 29  # the first ten steps with six of the low values
    assert early_warning(range(36), [0.9] * 36, rewards) is None
    assert early_warning([], [], []) is None
    rising = list(np.linspace(0, 1, 36))
    assert early_warning(range(36), [0.1] * 36, rising) is None  # the peak is the last step
    gaps = [math.nan, *shares]
    assert early_warning(range(37), gaps, [0.5, *rewards]) == at + 1


def test_step_by_step_it_waits_until_the_peak_is_behind():
    watch = EarlyWarning()
    rewards = [min(k / 20, 1.0) for k in range(40)] + [1 - k / 20 for k in range(20)]
    held = [watch.update(0.5, reward) for reward in rewards]
    assert not any(held[:50])
    assert held[-1]
    calm = EarlyWarning()
    assert not any(calm.update(0.8, reward) for reward in rewards)
    assert not EarlyWarning().update(math.nan, 0.5)
    assert "no measured record" in watch.finding().message


def test_the_rule_has_sensible_options_only():
    with pytest.raises(ArgumentError, match="window"):
        early_warning([1], [1.0], [1.0], window=0)


@pytest.mark.parametrize(
    "changes",
    [
        {"n_tokens": math.inf},
        {"n_groups": 10**400},
        {"reward": 10**400},
        {"step": math.inf},
        {"ess_sequence": {"value": 0.5, "n": math.inf}},
        {"ess_token": {"value": 0.5, "n": "many"}},
    ],
)
def test_numbers_that_count_nothing_make_a_damaged_line(tmp_path, changes):
    damaged = json.dumps(StepReport(step=1).to_dict() | changes).encode() + b"\n"
    run = read_training_run(write(tmp_path / "run.jsonl", [line(0), damaged, line(2)]))
    assert [step.step for step in run.steps] == [0, 2]
    assert run.notes == ("Line 2 is no step of a training run and was left out.",)
    with pytest.raises(RecordsError, match="is a damaged training run"):
        TrainingRun.from_dict({"steps": [StepReport(step=1).to_dict() | changes]})
