"""Kill writers at random moments, and look at what they leave; run by `test_killed_writers.py` as a program of its own.

    python tests/report/killed_writer.py FOLDER KILLS SEED

Every way to write a file is a job that writes one of two versions of it, again and again, in a child that is killed.
The last line on stdout is a JSON object of what was seen.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from neff import evaluate
from neff.report import convert, write

if TYPE_CHECKING:
    from collections.abc import Callable

STRAY = re.compile(r"\.[^/]{1,24}\.[0-9a-f]{12}\.tmp(\.d)?")
FORMATS = ("html", "md", "json", "xml", "csv", "txt", "parquet", "eee.json")
LONGEST = 0.08


def result_of(n_items: int) -> object:
    """Return a result; the two versions differ in every number."""
    rng = np.random.default_rng(n_items)
    items = [f"q{i}" for i in range(n_items)]
    models = [f"m{j}" for j in range(5)]
    return evaluate(
        {
            "item": items * 5,
            "model": [model for model in models for _ in items],
            "score": (rng.random(5 * n_items) < 0.6).astype(float),
        }
    )


def jobs(folder: Path) -> dict[str, Callable[[int, Path], object]]:
    """Return name of the file -> what writes version 0 or 1 of it."""
    results = [result_of(101), result_of(211)]
    found: dict[str, Callable[[int, Path], object]] = {}
    for name in FORMATS:
        found[f"result.{name}"] = lambda which, path: write(results[which], path)
    sources = []
    for which, n in enumerate((997, 2003)):
        path = folder / f"source{which}.csv"
        path.write_text(
            "item,model,score\n" + "".join(f"q{i},m{j},{(i + j) % 2}\n" for i in range(n) for j in range(3))
        )
        sources.append(path)
    for suffix in ("parquet", "csv", "jsonl"):
        found[f"draws.{suffix}"] = lambda which, path: convert(sources[which], path)
    return found


def in_child(work: Callable[[], object]) -> int:
    """Start a child that does the work and ends; return its process id."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(0)
    return pid


def once(job: Callable[[int, Path], object], folder: Path, name: str) -> None:
    for which in (0, 1):
        target = folder / str(which) / name
        target.parent.mkdir(exist_ok=True)
        job(which, target)


def forever(job: Callable[[int, Path], object], target: Path) -> None:
    which = 0
    while True:
        which = 1 - which
        job(which, target)


def normal(content: bytes) -> bytes:
    """Return content without the time of writing, which Every-Eval-Ever asks for."""
    return re.sub(rb'"retrieved_timestamp": "\d+"|/\d{10}"', b"", content)


def main(folder: Path, kills: int, seed: int) -> None:
    rng = random.Random(seed)
    target_folder, known_folder = folder / "targets", folder / "known"
    target_folder.mkdir()
    known_folder.mkdir()
    table = jobs(folder)
    known: dict[str, set[bytes]] = {}
    for name, job in table.items():
        os.waitpid(in_child(partial(once, job, known_folder, name)), 0)
        versions = [normal((known_folder / str(which) / name).read_bytes()) for which in (0, 1)]
        known[name] = set(versions)
        assert len(known[name]) == 2, name
        shutil.copy(known_folder / "0" / name, target_folder / name)
    torn, during = [], 0
    for kill in range(kills):
        name = [*table][kill % len(table)]
        before = {path.name for path in target_folder.iterdir()}
        pid = in_child(partial(forever, table[name], target_folder / name))
        time.sleep(rng.random() * LONGEST)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        during += bool({path.name for path in target_folder.iterdir()} - before)
        if normal((target_folder / name).read_bytes()) not in known[name]:
            torn.append(name)
    strays = [path for path in target_folder.iterdir() if path.name not in table]
    unknown = [path.name for path in strays if STRAY.fullmatch(path.name) is None]
    for path in strays:
        os.utime(path, (0, 0))
    for name, job in table.items():
        os.waitpid(in_child(partial(job, 0, target_folder / name)), 0)
    left = sorted(path.name for path in target_folder.iterdir() if path.name not in table)
    seen = {"kills": kills, "during": during, "torn": torn, "strays": len(strays), "unknown": unknown, "left": left}
    sys.stdout.write(json.dumps(seen) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
