"""Run a check as a program, kill it at a given moment, and say what it left."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

ROWS = "SELECT claim, fingerprint, seed, failure, first, second, message FROM seeds ORDER BY claim, fingerprint, seed"

CLAIMS = """
import os, random, time
from neff.claims import Paired, claim

def seed_of(name, seed):
    with open("log.txt", "a") as log:
        log.write(f"{name} {seed} {os.getppid()}\\n")
    time.sleep(0.012)
    return random.Random(seed)

@claim(says="It holds.", margin=0.2)
def holds(seed):
    rng = seed_of("holds", seed)
    return Paired(1.0 + rng.gauss(0, 1), rng.gauss(0, 0.2))

@claim(says="It is open.", budget=19)
def null(seed):
    rng = seed_of("null", seed)
    return Paired(rng.gauss(0, 1), 0.0)

@claim(says="It breaks at its eighth seed.", budget=19)
def breaks(seed):
    rng = seed_of("breaks", seed)
    if seed == 7:
        raise RuntimeError("eighth")
    return Paired(rng.gauss(0, 1), 0.0)

@claim(says="It bears two failures.", tolerate=2, budget=19, kind="ratio")
def bears(seed):
    rng = seed_of("bears", seed)
    if seed in (3, 5):
        raise RuntimeError("now and then")
    return Paired(1 + rng.random(), 1 + rng.random())
"""


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "neff", "check", "claims.py", "--journal", "j.sqlite", *words]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(folder: Path, *words: str) -> tuple[int, str]:
    with start(folder, *words) as process:
        out, err = process.communicate(timeout=120)
        assert "Traceback" not in err, err
        return process.returncode, without_times(out)


def kill_after(folder: Path, seconds: float, *words: str) -> bool:
    """Start, kill with SIGKILL after so many seconds; return whether it was still running."""
    with start(folder, *words) as process:
        try:
            process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return True
        return False


def without_times(out: str) -> str:
    return re.sub(r"· \d+ seeds · [\d.]+ s|\b\d+\.\d\d$", "", out, flags=re.MULTILINE)


def rows(folder: Path) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(folder / "j.sqlite")
    try:
        return connection.execute(ROWS).fetchall()
    finally:
        connection.close()


def workers_gone(folder: Path, within: float = 10.0) -> bool:
    """Return whether every worker that ever ran a seed has ended."""
    pids = {int(line.split()[2]) for line in (folder / "log.txt").read_text().splitlines()}
    end = time.monotonic() + within
    while pids and time.monotonic() < end:
        pids = {pid for pid in pids if _alive(pid)}
        time.sleep(0.02)
    return not pids


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
