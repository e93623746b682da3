"""Read three columns of 415 MB of lm-eval-like JSON Lines: at most 1.3 times DuckDB's own scan, under 300 MB.

Usage: python benchmarks/bench_jsonl.py [megabytes] [folder]

Writes a samples file as lm-evaluation-harness does (questions, choices, arguments, responses, hashes; one metric) into
a temporary folder. DuckDB scans doc_hash, filter and acc, on one thread and on two; neff, which decodes on one, reads
the log as such (lm-eval), and the same file as a plain table (jsonl). Each runs in a process of its own, imports
before the clock, in turn. On a busy machine single runs say little: wall and processor time are both printed, and the
ratio that counts is the median of those of the rounds, each of which runs all four.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

GOAL_RATIO = 1.3
GOAL_MB = 300
REPEATS = 7

WORK = """
import json, resource, sys, time
from pathlib import Path

what, path = sys.argv[1:]
if what.startswith("duckdb"):
    import duckdb, numpy
    columns = "{'doc_hash': 'VARCHAR', 'filter': 'VARCHAR', 'acc': 'DOUBLE'}"
    query = f"SELECT doc_hash, filter, acc FROM read_json('{path}', format='newline_delimited', columns={columns})"
    start, work = time.perf_counter(), time.process_time()
    connection = duckdb.connect(config={"threads": int(what[-1])})
    connection.execute("SET enable_progress_bar = false")
    n = len(connection.execute(query).fetchnumpy()["acc"])
else:
    from neff.records import ColumnMap
    from neff.records.jsonlines import READER as JSONL
    from neff.records.lm_eval import READER as LM_EVAL
    start, work = time.perf_counter(), time.process_time()
    if what == "lm-eval":
        n = len(LM_EVAL.read(Path(path), ColumnMap(), "mapped"))
    else:
        n = len(JSONL.read(Path(path), ColumnMap(item="doc_hash", metric="filter", score="acc"), "mapped"))
times = time.perf_counter() - start, time.process_time() - work
print(json.dumps([n, *times, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""


def write(path: Path, megabytes: int) -> None:
    """Write lines of about 6.5 KB, as those of a question with four choices are."""
    rng = random.Random(7)
    words = [f"{rng.getrandbits(40):x}" for _ in range(5000)]

    def text(n: int) -> str:
        return " ".join(rng.choices(words, k=n))

    def sha() -> str:
        return f"{rng.getrandbits(256):064x}"

    size, doc_id = 0, 0
    with path.open("w", encoding="utf-8") as file:
        while size < megabytes << 20:
            question, choices, gold = text(90), [text(8) for _ in range(4)], rng.randrange(4)
            likelihoods = [-20 * rng.random() for _ in range(4)]
            line = {
                "doc_id": doc_id,
                "doc": {"question": question, "choices": choices, "answer": gold, "subject": f"s{doc_id % 17}"},
                "target": str(gold),
                "arguments": {f"gen_args_{j}": {"arg_0": question, "arg_1": f" {c}"} for j, c in enumerate(choices)},
                "resps": [[[str(value), "False"]] for value in likelihoods],
                "filtered_resps": [[str(value), "False"] for value in likelihoods],
                "filter": "none",
                "metrics": ["acc"],
                "doc_hash": sha(),
                "prompt_hash": sha(),
                "target_hash": sha(),
                "acc": float(max(range(4), key=likelihoods.__getitem__) == gold),
            }
            size += file.write(json.dumps(line) + "\n")
            doc_id += 1


class Run(NamedTuple):
    """What one process did."""

    n: int
    wall: float
    processor: float
    megabytes: float


def run(what: str, path: Path) -> Run:
    done = subprocess.run([sys.executable, "-c", WORK, what, str(path)], capture_output=True, text=True, check=True)
    return Run(*json.loads(done.stdout))


def ratio(ours: list[Run], theirs: list[Run], field: str) -> float:
    """Return the median over rounds."""
    return statistics.median(getattr(a, field) / getattr(b, field) for a, b in zip(ours, theirs, strict=True))


def main() -> None:
    words = sys.argv[1:]
    megabytes = int(words[0]) if words else 415
    with tempfile.TemporaryDirectory(dir=words[1] if len(words) > 1 else None) as folder:
        path = Path(folder) / "samples_bench_2026-01-01T00-00-00.jsonl"
        write(path, megabytes)
        print(f"{path.stat().st_size / 2**20:.0f} MiB, load {os.getloadavg()[0]:.1f}")
        found: dict[str, list[Run]] = {"duckdb-1": [], "duckdb-2": [], "lm-eval": [], "jsonl": []}
        for _ in range(REPEATS):
            for what, runs in found.items():
                runs.append(run(what, path))
    for what, runs in found.items():
        wall, processor = (statistics.median(getattr(r, name) for r in runs) for name in ("wall", "processor"))
        best, peak = min(r.wall for r in runs), max(r.megabytes for r in runs)
        print(
            f"{what:8} {runs[0].n:,} rows: wall {wall:.2f} s (best {best:.2f}), "
            f"processor {processor:.2f} s, {peak:.0f} MB"
        )
    for what in ("lm-eval", "jsonl"):
        for peer in ("duckdb-1", "duckdb-2"):
            wall, processor = (ratio(found[what], found[peer], name) for name in ("wall", "processor"))
            best = min(r.wall for r in found[what]) / min(r.wall for r in found[peer])
            print(
                f"{what} / {peer}: wall {wall:.2f} (best of each {best:.2f}), processor {processor:.2f}; "
                f"goal {GOAL_RATIO}: {wall <= GOAL_RATIO}"
            )
    peaks = max(r.megabytes for what in ("lm-eval", "jsonl") for r in found[what])
    print(f"goal: below {GOAL_MB} MB: {peaks < GOAL_MB}; load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
