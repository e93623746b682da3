"""What a study returns, and what it keeps in its cache."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from neff.errors import ArgumentError, ArgumentTypeError, OutputError, RecordsError
from neff.reasons import Reason
from neff.testing import StalenessMethod, StalenessRun, StalenessStudy, staleness_study
from neff.testing.staleness import study as module
from neff.testing.staleness.cache import RunCache, key_of

SMALL = {"environments": ["E2"], "methods": ["reinforce", "vcpo"], "lags": [0, 7], "seeds": 3, "steps": 31}


@pytest.fixture(scope="module")
def small():
    return staleness_study(**SMALL)


def run(**changes):
    known = StalenessRun(
        environment="E2", method="grpo", lag=4, learning_rate=0.1, seed=0, steps=40, evaluated_at=(0, 10, 20, 30, 40),
        rewards=(0.5, 0.6, 0.9, 0.8, 0.7), final=0.75, dip=0.7, peak=0.9, ess_token=0.8, ess_sequence=0.5,
        update_norm=1.5, n_skipped=0, cpu_seconds=0.25,
    )  # fmt: skip
    return replace(known, **changes)


# --- rows and summary ---------------------------------------------------------------------------------------------


def test_one_row_per_run_in_the_order_that_was_asked_for(small):
    found = [(r.environment, r.lag, r.method, r.seed) for r in small.runs]
    assert found == [("E2", k, m, s) for k in (0, 7) for m in ("reinforce", "vcpo") for s in range(3)]
    assert {r.learning_rate for r in small.runs} == {0.1}
    assert {r.steps for r in small.runs} == {31}


def test_the_metrics_of_a_run_come_from_its_rewards(small):
    for r in small.runs:
        assert r.evaluated_at[0] == 0
        assert r.evaluated_at[-1] == 31
        assert len(r.rewards) == len(r.evaluated_at)
        assert r.final == pytest.approx(np.mean(r.rewards[-4:]))
        assert r.dip == min(r.rewards[3:])
        assert r.peak == max(r.rewards)
        assert r.start == r.rewards[0]
        assert r.cpu_seconds > 0
    assert {r.ess_token for r in small.runs if r.lag == 0} == {1.0}
    assert all(0 < r.ess_sequence < r.ess_token < 1 for r in small.runs if r.lag == 7)


def test_cells_are_means_over_seeds_with_t_intervals(small):
    cells = small.cells()
    assert [(c.lag, c.method, c.n) for c in cells] == [(k, m, 3) for k in (0, 7) for m in ("reinforce", "vcpo")]
    for cell in cells:
        runs = [r for r in small.runs if (r.lag, r.method) == (cell.lag, cell.method)]
        for name in ("final", "dip", "peak"):
            values = np.array([getattr(r, name) for r in runs])
            estimate = getattr(cell, name)
            half = 4.302652729911275 * values.std(ddof=1) / math.sqrt(3)  # t quantile with 2 degrees of freedom
            assert estimate.value == pytest.approx(values.mean())
            assert estimate.interval == pytest.approx((values.mean() - half, values.mean() + half))
        assert cell.worst == min(r.final for r in runs)
        assert cell.ess_sequence == np.median([r.ess_sequence for r in runs])
        assert cell == small.cell("E2", cell.method, cell.lag)
    with pytest.raises(KeyError, match="no run of grpo in E2 at lag 7"):
        small.cell("E2", "grpo", 7)


def test_an_undefined_interval_has_a_reason():
    one = StalenessStudy((run(),)).cells()[0]
    assert one.final.reason is Reason.TOO_FEW
    equal = StalenessStudy((run(), run(seed=1))).cells()[0]
    assert equal.final.reason is Reason.ALL_EQUAL
    for cell in (one, equal):
        assert all(map(math.isnan, (cell.final.standard_error, *cell.final.interval)))


def test_runs_of_different_length_or_rate_are_not_mixed():
    study = StalenessStudy((run(), run(steps=80, final=0.1), run(learning_rate=0.2, final=0.2)))
    assert [(c.steps, c.learning_rate, c.n) for c in study.cells()] == [(40, 0.1, 1), (80, 0.1, 1), (40, 0.2, 1)]
    assert study.cell("E2", "grpo", 4).final.value == 0.75
    assert study.cell("E2", "grpo", 4, learning_rate=0.2).final.value == 0.2


@pytest.mark.parametrize(
    ("changes", "crashed"),
    [
        ({}, True),  # ended at 0.75 after 0.9
        ({"final": 0.77}, False),
        ({"final": 0.89, "dip": 0.43}, False),
        ({"final": 0.89, "dip": 0.42}, True),  # was below 85% of the 0.5 that it began with
    ],
)
def test_what_a_crash_is(changes, crashed):
    assert run(**changes).crashed is crashed
    assert StalenessStudy((run(**changes),)).cells()[0].n_crashed == crashed


def test_a_study_goes_through_json(small):
    data = json.loads(json.dumps(small.to_dict(), allow_nan=False))
    again = StalenessStudy.from_dict(data)
    assert again == small
    assert again.to_dict() == small.to_dict()
    assert data["schema"] == "neff.staleness/1"
    assert data["cells"][0]["final"]["n"] == 3
    assert data["provenance"]["options"]["lags"] == [0, 7]


def test_table_and_chart(small):
    table = small.table()
    assert len(table) == 4
    assert str(small).splitlines()[1].split()[:4] == ["E2", "0.1", "0", "reinforce"]
    panel = small.chart_data()["E2", 0.1]["vcpo"]
    assert panel["lag"] == [0, 7]
    assert panel["final"] == [small.cell("E2", "vcpo", k).final.value for k in (0, 7)]
    assert small.notes[0].startswith("Small policies")
    assert len(small.notes) == 1


def test_a_lag_that_is_long_for_the_steps_is_noted():
    study = staleness_study(environments=["E2"], methods=["grpo"], lags=[16], seeds=1, steps=31)
    assert study.notes[1] == "E2: a lag of 16 in 31 steps leaves little but data of the first policy; run more steps."


# --- what is refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "kind", "match"),
    [
        ({"environments": ["E3"]}, ArgumentError, "environments must be 'E1', 'E2' or 'TF', got 'E3'"),
        ({"environments": "E1"}, ArgumentTypeError, r"environments must be a list, got 'E1'. Write \['E1'\]"),
        ({"environments": []}, ArgumentError, "environments must be at least one"),
        ({"methods": ["vcp"]}, ArgumentError, "Did you mean 'vcpo'"),
        ({"methods": [len]}, ArgumentTypeError, "methods must be names or StalenessMethod objects"),
        ({"methods": ["grpo", StalenessMethod("grpo", len)]}, ArgumentError, "of different names"),
        ({"lags": [-1]}, ArgumentError, "lags must be a whole number of at least 0"),
        ({"lags": [1.5]}, ArgumentError, "lags must be a whole number"),
        ({"seeds": 0}, ArgumentError, "seeds must be a whole number of at least 1"),
        ({"seeds": [0, -3]}, ArgumentError, "seeds must be a whole number of at least 0"),
        ({"learning_rates": [0.0]}, ArgumentError, "learning_rates must be above 0 and finite"),
        ({"learning_rates": [math.inf]}, ArgumentError, "learning_rates must be above 0 and finite"),
        ({"steps": 3}, ArgumentError, "steps must be a whole number of at least 10"),
        ({"level": 95}, ArgumentError, "Did you mean 0.95"),
    ],
)
def test_what_makes_no_sense_is_refused(options, kind, match):
    with pytest.raises(kind, match=match):
        staleness_study(**SMALL | options)


# --- the cache ----------------------------------------------------------------------------------------------------


def refuse(*_, **__):
    raise AssertionError("nothing is left to run")


def test_a_study_that_was_killed_goes_on(small, tmp_path, monkeypatch):
    path = tmp_path / "runs.jsonl"
    real, made = module.simulate, []

    def killed(environment, specs, **options):
        if made:
            raise KeyboardInterrupt
        made.extend(specs)
        return real(environment, specs, **options)

    monkeypatch.setattr(module, "simulate", killed)
    monkeypatch.setitem(module.SIDE_BY_SIDE, "E2", 5)
    with pytest.raises(KeyboardInterrupt):
        staleness_study(**SMALL, cache=path)
    assert len(path.read_text().splitlines()) == 5
    monkeypatch.setattr(
        module, "simulate", lambda e, specs, **options: (made.extend(specs), real(e, specs, **options))[1]
    )
    assert staleness_study(**SMALL, cache=path) == small
    assert len(made) == len(small.runs) == len(path.read_text().splitlines())
    monkeypatch.setattr(module, "simulate", refuse)
    assert staleness_study(**SMALL, cache=path) == small
    assert len(staleness_study(**SMALL | {"lags": [7]}, cache=path).runs) == 6


@pytest.mark.parametrize("cut", [1, 40, 300])
def test_a_line_that_was_cut_off_is_run_again(small, tmp_path, cut):
    path = tmp_path / "runs.jsonl"
    RunCache(path).add(small.runs)
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    cache = RunCache(path)
    assert len(cache.runs) == len(small.runs) - 1
    cache.add(small.runs[-1:])
    again = RunCache(path)
    assert again.runs == {key_of(r): r for r in small.runs}
    assert again.runs == RunCache(path).runs


def test_lines_of_another_version_are_left_alone(small, tmp_path):
    path = tmp_path / "runs.jsonl"
    RunCache(path).add(small.runs[:2])
    old = path.read_text().replace('"testbed": 1', '"testbed": 0')
    path.write_text(old)
    assert RunCache(path).runs == {}
    RunCache(path).add(small.runs[:1])
    assert path.read_text().startswith(old)
    assert len(RunCache(path).runs) == 1


def test_two_studies_may_share_a_cache(small, tmp_path):
    path = tmp_path / "runs.jsonl"
    a, b = RunCache(path), RunCache(path)
    a.add(small.runs[:3])
    b.add(small.runs[3:])
    assert len(RunCache(path).runs) == len(small.runs)


@pytest.mark.parametrize("text", ["item,score\nq1,1\n", '{"schema": "x"}\n', "[1]\n"])
def test_another_file_is_no_cache_and_stays_as_it_is(tmp_path, text):
    path = tmp_path / "scores.csv"
    path.write_text(text)
    with pytest.raises(RecordsError, match=r"scores\.csv, line 1: is no cache of the testbed"):
        staleness_study(**SMALL, cache=path)
    assert path.read_text() == text


def test_a_cache_that_cannot_be_written_says_so_before_any_run(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "simulate", refuse)
    with pytest.raises(OutputError, match="cannot write"):
        staleness_study(**SMALL, cache=tmp_path / "nowhere" / "runs.jsonl")


# --- the rest -----------------------------------------------------------------------------------------------------


def test_progress_is_told_run_by_run():
    told = []
    staleness_study(**SMALL, tell=lambda done, total, part: told.append((done, total, part)))
    assert told[-1] == (12, 12, 0.0)
    assert told == sorted(told, key=lambda t: (t[0], t[2]))
    assert all(0 <= part < 1 for _, _, part in told)


def test_the_names_are_there_without_torch():
    code = (
        "import sys, neff.testing as t, neff.testing.staleness as s; t.StalenessStudy; t.StalenessRun; "
        "s.StalenessCell; assert 'torch' not in sys.modules; t.staleness_study; assert 'torch' in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_missing_torch_is_named():
    code = (
        "import sys; sys.modules['torch'] = None\nimport neff.testing as t\n"
        "try:\n    t.staleness_study\nexcept ImportError as e:\n    print(e)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "pip install 'neff[train]'" in done.stdout
