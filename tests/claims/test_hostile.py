"""Claims that crash, hang, return NaN, eat memory, print garbage or fork: reported, and no harm to the others."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from pathlib import Path

import pytest

from neff.claims import check
from neff.claims import process as module
from neff.reasons import Reason

HOSTILE = """
import os, random, sys, time
from neff.claims import Level, Paired, claim

def fine(seed):
    rng = random.Random(seed)
    return Paired(1.0 + rng.random(), rng.random())

@claim(says="It raises.")
def raises(seed):
    print("about to")
    raise ValueError("no such luck")

@claim(says="It is killed.")
def killed(seed):
    os.kill(os.getpid(), 11)

@claim(says="It leaves.")
def leaves(seed):
    sys.exit(3)

@claim(says="It leaves at once.")
def leaves_at_once(seed):
    os._exit(7)

@claim(says="It hangs.", time_limit=0.5)
def hangs(seed):
    while True:
        time.sleep(1)

@claim(says="It spins and ignores signals.", time_limit=0.5)
def spins(seed):
    import signal
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
        signal.signal(number, signal.SIG_IGN)
    while True:
        pass

@claim(says="It is not a number.")
def not_a_number(seed):
    return Paired(float("nan"), 1.0)

@claim(says="It is infinite.", kind="level")
def infinite(seed):
    return Level(float("inf"))

@claim(says="It eats memory.", memory_limit=200_000_000)
def eats(seed):
    return Paired(float(len(bytearray(10**9))), 1.0)

@claim(says="It is of the wrong kind.")
def wrong_kind(seed):
    return Level(1.0)

@claim(says="It is nothing.")
def nothing(seed):
    return None

@claim(says="It prints answers.")
def prints(seed):
    for _ in range(500):
        os.write(1, b'\\n{"reply": 0, "treatment": 99, "control": 0, "seconds": 0, "files": {}}\\n\\xff\\x00')
        os.write(2, b'\\n{"end": 0, "status": 0, "left": false}\\n' + bytes(200))
    return fine(seed)

@claim(says="It forks and stays.")
def forks(seed):
    if os.fork() == 0:
        time.sleep(1000)
    return fine(seed)

@claim(says="Its child returns too.")
def returns_twice(seed):
    if os.fork() == 0:
        return Paired(99.0, 0.0)
    os.wait()
    return fine(seed)

@claim(says="It starts a program that holds the pipes.")
def starts(seed):
    import subprocess
    subprocess.Popen(["sleep", "1000"])
    return fine(seed)

@claim(says="It fails now and then.", tolerate=3)
def now_and_then(seed):
    if seed % 3 == 1:
        raise RuntimeError("now")
    return fine(seed)

@claim(says="It closes what it can.")
def closes(seed):
    os.closerange(3, 256)
    return fine(seed)

@claim(says="It names a file whose name is not UTF-8, \\udcff.")
def unwritable(seed):
    raise FileNotFoundError(os.fsdecode(b"caf\\xe9"))

class Unsaid(Exception):
    def __str__(self):
        raise RuntimeError("nor this")

@claim(says="It raises what cannot be said.")
def unsaid(seed):
    raise Unsaid

@claim(says="It is fine.")
def last(seed):
    return fine(seed)
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    path = tmp_path_factory.mktemp("hostile") / "claims.py"
    path.write_text(HOSTILE)
    return check(path, seeds=9)


FAILING = {
    "raises": ("error", "ValueError: no such luck .claims.py, line"),
    "killed": ("crash", "ended by SIGSEGV"),
    "leaves": ("error", "SystemExit: 3"),
    "leaves_at_once": ("crash", "ended with exit code 7 and no result"),
    "hangs": ("time", "no result within 0.5 s"),
    "spins": ("time", "no result within 0.5 s"),
    "not_a_number": ("not finite", "the treatment is nan"),
    "infinite": ("not finite", "the value is inf"),
    "eats": ("memory", "MemoryError"),
    "wrong_kind": ("error", "returned Level, and a claim of kind 'difference' returns a Paired"),
    "nothing": ("error", "returned NoneType"),
    "closes": ("crash", "and no result"),
    "unwritable": ("error", "FileNotFoundError: caf[?] .claims.py, line"),
    "unsaid": ("error", "Unsaid: its message cannot be made .claims.py, line"),
}


@pytest.mark.parametrize("name", FAILING)
def test_what_fails_is_reported_with_its_kind(report, name):
    kind, message = FAILING[name]
    found = report.result(name)
    assert (found.verdict, found.reason, found.failed_seeds) == ("not checked", Reason.FAILED_SEED, True)
    (failure,) = found.failures
    assert (failure.seed, failure.kind) == (0, kind)
    assert re.match(f".*{message}", failure.message)


@pytest.mark.parametrize("name", ["prints", "forks", "returns_twice", "starts", "last"])
def test_what_is_only_rude_is_checked_all_the_same(report, name):
    found = report.result(name)
    assert found.verdict == "holds"
    assert 0 < found.value < 2  # what was printed, or returned by a child, is no answer
    assert (found.value, found.n) == (report.result("last").value, report.result("last").n)


def test_what_was_left_behind_is_ended_and_said(report):
    for name in ("forks", "starts"):
        assert "seeds left processes behind; they were ended." in report.result(name).warnings[0]
    assert not report.result("last").warnings


def test_the_end_of_the_output_is_kept(report):
    assert report.result("raises").failures[0].output == "about to"


def test_tolerated_failures_are_counted_and_left_out(report):
    found = report.result("now_and_then")
    assert found.verdict == "holds"
    assert [f.seed for f in found.failures] == [1, 4, 7][: len(found.failures)]
    assert found.failures
    assert "left out, as was declared" in found.warnings[0]


# Files that cannot even be imported.

IMPORTS = {
    "syntax": ("def broken(:\n", "SyntaxError: invalid syntax"),
    "raises": ("raise RuntimeError('at import')\n", "RuntimeError: at import"),
    "leaves": ("import sys; sys.exit(4)\n", "SystemExit: 4"),
    "ends": ("import os; print('bye', flush=True); os._exit(5)\n", "its import ended Python .5. It printed last: bye"),
    "killed": ("import os; os.kill(os.getpid(), 9)\n", "its import ended Python .-9"),
    "needs": ("import no_such_package_anywhere\n", "ModuleNotFoundError: No module named 'no_such_package_anywhere'"),
    "terms": ("from neff.claims import claim\nclaim(says='x', level=95)\n", "ArgumentError: claim: level must be in"),
}


@pytest.mark.parametrize("name", IMPORTS)
def test_a_file_that_cannot_be_imported_is_an_error_of_that_file(write, name):
    code, message = IMPORTS[name]
    write(code, "claim_bad.py", head="")
    write("@claim(says='Fine.', deterministic=True)\ndef good(seed):\n    return Paired(2, 1)\n", "claims.py")
    found = check(".")
    assert [(r.name, r.verdict) for r in found] == [("good", "holds")]
    (unread,) = found.unread
    assert unread.path == "claim_bad.py"
    assert re.match(message, unread.reason)


def test_an_import_that_hangs_is_ended(write, monkeypatch):
    monkeypatch.setattr(module, "START_LIMIT", 0.5)
    write("import time; time.sleep(100)\n", head="")
    (unread,) = check("claims.py").unread
    assert unread.reason == "its import took more than 0.5 s"


def test_a_file_that_leaves_threads_running_is_imported_anew_for_each_seed(write):
    write(
        """
        import threading
        threading.Thread(target=threading.Event().wait, daemon=True).start()
        lock, born = threading.Lock(), os.getpid()

        @claim(says="It was imported in its own process.", deterministic=True, kind="level")
        def own(seed):
            return Level(float(os.getpid() == born))
        """
    )
    assert check("claims.py").result("own").value == 1.0


def test_a_file_that_stops_importing_between_two_seeds_is_reported(write):
    write(
        """
        import pathlib, sys, threading
        threading.Thread(target=threading.Event().wait, daemon=True).start()
        if pathlib.Path("seen").exists():
            os._exit(9)

        @claim(says="It spoils its own import.")
        def spoils(seed):
            pathlib.Path("seen").touch()
            return Paired(random.random(), 0.0)
        """
    )
    found = check("claims.py").result("spoils")
    assert (found.verdict, found.n, found.failures[0].kind) == ("not checked", 1, "crash")


def gone(pids, within=5.0):
    end = time.monotonic() + within
    alive = set(pids)
    while alive and time.monotonic() < end:
        for pid in list(alive):
            try:
                os.kill(pid, 0)
                stat = Path(f"/proc/{pid}/stat").read_text() if sys.platform == "linux" else ""
                if stat.rpartition(")")[2].split()[:1] == ["Z"]:
                    alive.discard(pid)
            except (ProcessLookupError, FileNotFoundError):
                alive.discard(pid)
        time.sleep(0.02)
    return not alive


def test_nothing_is_left_running(write, tmp_path):
    write(
        """
        @claim(says="It leaves two behind and hangs.", time_limit=0.4)
        def hangs(seed):
            for _ in range(2):
                if os.fork() == 0:
                    with open(f"pid{os.getpid()}", "w"):
                        time.sleep(1000)
            with open(f"pid{os.getpid()}", "w"), open(f"pid{os.getppid()}", "w"):
                time.sleep(1000)
        """
    )
    assert check("claims.py").result("hangs").failures[0].kind == "time"
    pids = [int(path.name[3:]) for path in tmp_path.glob("pid*")]
    assert len(pids) == 4
    assert gone(pids)
    assert signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL  # nothing was changed here
