"""The journal: killed runs go on, stale seeds are not used, one run at a time, and what got worse."""

from __future__ import annotations

import random
import sqlite3
import sys
import time
from collections import Counter
from dataclasses import replace
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from neff.claims import Terms, check
from neff.claims.baseline import moved
from neff.claims.journal import Journal
from neff.claims.outcome import Failure, Measured
from neff.errors import NeffError, RecordsError


def load(name):
    spec = spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


killing = load("killing")

NULL = """
@claim(says="x", budget=7)
def null(seed):
    open(f"ran-{seed}", "a").write("x")
    return Paired(random.random(), random.random())
"""


def ran(folder):
    """Return how often each seed was run."""
    return {int(path.name[4:]): len(path.read_text()) for path in sorted(folder.glob("ran-*"))}


# What is kept.


def test_outcomes_come_back_as_they_were(tmp_path):
    pairs = {
        0: Measured(0, (0.1 + 0.2, -1e-300), 1.5, True, {}),
        1: Measured(1, (1e300, 3.0), 0.5, False, {}),
        2: Failure(2, "crash", "boom", "output\n\x00", 0.25),
    }
    with Journal(tmp_path / "j.sqlite") as journal:
        for outcome in pairs.values():
            journal.keep("a", "f", outcome)
        journal.keep("a", "other", Measured(0, (9.0,)))
        assert journal.recall("a", "f") == pairs
        assert journal.recall("a", "f")[2].output == "output\n\x00"
        assert journal.recall("a", "other")[0].values == (9.0,)
        assert journal.recall("b", "f") == {}
        journal.forget("a", "f")
        assert journal.recall("a", "f") == {}


def test_a_second_check_runs_nothing_again(write, tmp_path):
    write(NULL)
    one, two = (check("claims.py", journal="j.sqlite") for _ in range(2))
    assert ran(tmp_path) == dict.fromkeys(range(7), 1)
    assert one.results == two.results
    more = check("claims.py", journal="j.sqlite", seeds=11)
    assert ran(tmp_path) == dict.fromkeys(range(11), 1)
    assert more.results[0].n == 11
    fewer = check("claims.py", journal="j.sqlite", seeds=5)
    assert fewer.results[0].n == 5
    check("claims.py", journal="j.sqlite", fresh=True)
    assert ran(tmp_path)[0] == 2
    check("claims.py")
    assert ran(tmp_path)[0] == 3


def test_seeds_are_stale_once_the_code_they_used_has_changed(write, tmp_path):
    write("SHIFT = 0\n", "helper.py", head="")
    write("WIDTH = 1\n", "late.py", head="")
    write("import helper\n" + NULL.replace("Paired(", "Paired(helper.SHIFT + __import__('late').WIDTH * "))

    def again():
        check("claims.py", journal="j.sqlite")
        return ran(tmp_path)[0]

    assert (again(), again()) == (1, 1)
    write("SHIFT = 5\n", "helper.py", head="")
    assert (again(), again()) == (2, 2)
    write("WIDTH = 2\n", "late.py", head="")  # imported within the function
    assert (again(), again()) == (3, 3)
    write("import helper\n" + NULL, "claims.py")
    assert (again(), again()) == (4, 4)
    write("unused = 1\n", "unused.py", head="")
    assert again() == 4


def test_parameters_have_seeds_of_their_own(write):
    write(
        "@claim(says='x', budget=5, params=[{'k': 1}, {'k': 2}])\ndef null(seed, k):\n    return Paired(k * seed, 0)\n"
    )
    check("claims.py", journal="j.sqlite")
    with Journal("j.sqlite") as journal:
        kept = list(journal.seeds())
    assert Counter(claim for claim, *_ in kept) == {"claims.py::null[k=1]": 5, "claims.py::null[k=2]": 5}
    assert [first for claim, _, _, first, _ in kept if claim.endswith("2]")] == [0, 2, 4, 6, 8]


def test_failed_seeds_of_a_finished_run_are_run_again(write, tmp_path):
    write(
        """
        import pathlib

        @claim(says="x", budget=5, min_seeds=5)
        def flaky(seed):
            open(f"ran-{seed}", "a").write("x")
            if seed == 2 and not pathlib.Path("mended").exists():
                raise RuntimeError("the disk is full")
            return Paired(random.random(), 0.0)
        """
    )
    assert check("claims.py", journal="j.sqlite").result("flaky").verdict == "not checked"
    (tmp_path / "mended").touch()
    assert check("claims.py", journal="j.sqlite").result("flaky").n == 5
    assert ran(tmp_path) == {0: 1, 1: 1, 2: 2, 3: 1, 4: 1}


# One run at a time, and files that are no journal.


def test_two_runs_do_not_share_a_journal(tmp_path):
    with (
        Journal(tmp_path / "j.sqlite"),
        pytest.raises(NeffError, match=r"is in use by another run\. Wait for it, or give"),
    ):
        Journal(tmp_path / "j.sqlite")
    with Journal(tmp_path / "j.sqlite") as journal:
        journal.keep("a", "f", Measured(0, (1.0,)))


def test_what_is_no_journal_is_refused_and_left_alone(tmp_path):
    text = tmp_path / "text.sqlite"
    text.write_text("this is no database, but it is long enough to look at\n" * 50)
    with pytest.raises(RecordsError, match=r"text\.sqlite: is no journal of neff\. Give another file"):
        Journal(text)
    assert text.read_text().startswith("this is no database")
    other = tmp_path / "other.sqlite"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE mine (x)")
    connection.close()
    with pytest.raises(RecordsError, match="is no journal of this version of neff"):
        Journal(other)
    with pytest.raises(NeffError, match="cannot be"):
        Journal(text / "below.sqlite")


@pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full")
def test_a_journal_that_cannot_be_written_is_a_sentence(tmp_path):
    with pytest.raises(NeffError, match="journal"):
        Journal("/dev/full")


# Baselines.

SHIFTED = """
@claim(says="x", budget=20)
def moved(seed):
    rng = random.Random(seed)
    return Paired(SHIFT + rng.gauss(0, 0.3), 0.0)
"""


def after(write, shift, **options):
    write(f"SHIFT = {shift}\n" + SHIFTED)
    return check("claims.py", journal="j.sqlite", baseline=True, **options).results[0]


def test_a_baseline_says_what_got_worse(write):
    story = [(2.0, "new", None), (2.0, "same", "holds"), (1.0, "worse", "holds"), (0.0, "worse", "holds")]
    story += [
        (1.0, "better", "undecided"),
        (-2.0, "worse", "holds"),
        (-1.0, "better", "fails"),
        (-1.0, "same", "fails"),
    ]
    for shift, change, before in story:
        found = after(write, shift)
        assert (found.change, found.before) == (change, before), shift


def test_one_is_paired_with_the_other_by_seed():
    rng = random.Random(4)
    arms = {k: (1 + rng.gauss(0, 1), rng.gauss(0, 1)) for k in range(11)}
    noisy = {k: (t - 0.5 + rng.gauss(0, 0.05), c) for k, (t, c) in arms.items()}
    better = Terms(says="x")
    assert moved(arms, noisy, better) == -1
    assert moved(noisy, arms, better) == 1
    assert moved(arms, noisy, replace(better, lower_is_better=True)) == 1
    assert moved(arms, arms, better) == 0
    assert moved(arms, {k + 50: v for k, v in noisy.items()}, better) == 0  # no seed in common
    assert moved(arms, {0: noisy[0]}, better) == 0
    other = {k: (1 + rng.gauss(0, 1), rng.gauss(0, 1)) for k in range(11)}
    assert moved(arms, other, better) == 0
    assert moved({0: (0.1,), 1: (0.2,)}, {0: (0.1 + 1e-16,), 1: (0.2,)}, replace(better, kind="level")) == 0


def test_a_crash_is_worse_and_a_missing_package_is_no_change(write):
    after(write, 2.0)
    crashed = after(write, "None")
    assert (crashed.verdict, crashed.change) == ("not checked", "worse")
    assert after(write, 2.0).change == "new"  # beside a run that gave nothing to compare with
    write("SHIFT = 2\n" + SHIFTED.replace("budget=20", "needs=['no_such_package']"))
    skipped = check("claims.py", journal="j.sqlite", baseline=True).results[0]
    assert (skipped.change, skipped.before) == ("", "holds")


def test_a_level_where_lower_is_better_gets_worse_upwards(write):
    code = """
@claim(says='x', kind='level', lower_is_better=True, margin=9)
def low(seed):
    return Level(SHIFT + random.random())
"""
    changes = []
    for shift in (2, 4, 3):
        write(f"SHIFT = {shift}\n" + code)
        changes.append(check("claims.py", journal="j.sqlite", baseline=True).results[0].change)
    assert changes == ["new", "worse", "better"]


# Killed and resumed.


def reference(folder):
    """Return the output and the rows of an unbroken run, and how long it took."""
    folder.mkdir()
    (folder / "claims.py").write_text(killing.CLAIMS)
    started = time.monotonic()
    code, out = killing.finish(folder)
    assert code == 1
    return out, killing.rows(folder), time.monotonic() - started


def kill_and_resume(tmp_path, n_kills, rng):
    """Kill at random moments and go on, from a new journal where one is complete; all must end like an unbroken run."""
    out, rows, seconds = reference(tmp_path / "unbroken")
    killed, complete = 0, 0
    while killed < n_kills:
        folder = tmp_path / f"broken-{complete}"
        folder.mkdir()
        (folder / "claims.py").write_text(killing.CLAIMS)
        here = 0
        while killed < n_kills and killing.kill_after(folder, rng.uniform(0.1, 1.0) * seconds):
            killed += 1
            here += 1
        assert killing.finish(folder) == (1, out)
        assert killing.rows(folder) == rows
        log = Counter(tuple(line.split()[:2]) for line in (folder / "log.txt").read_text().splitlines())
        assert len(log) == len(rows)
        failing = {("breaks", "7"), ("bears", "3"), ("bears", "5")}  # run again after a run that came to its end
        again = sum(count - 1 for seed, count in log.items() if seed not in failing)
        assert again <= here  # no more than the seed that was running at each kill
        assert killing.workers_gone(folder)
        complete += 1


def test_killed_and_resumed_is_the_same_as_unbroken(tmp_path):
    kill_and_resume(tmp_path, 5, random.Random(1))


@pytest.mark.slow
def test_killed_fifty_times_and_resumed_is_the_same_as_unbroken(tmp_path):
    kill_and_resume(tmp_path, 50, random.Random(2))


@pytest.mark.slow
def test_killed_with_two_workers_gives_the_same_verdicts(tmp_path):
    out, _, seconds = reference(tmp_path / "unbroken")
    rng = random.Random(3)
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "claims.py").write_text(killing.CLAIMS)
    for _ in range(7):
        killing.kill_after(folder, rng.uniform(0.3, 1.0) * seconds, "--workers", "2")
    assert killing.finish(folder, "--workers", "3") == (1, out)
    assert killing.workers_gone(folder)
