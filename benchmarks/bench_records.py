"""Read 10^7 draws from Parquet (and evaluate them, once `neff.evaluate` is there) in under 1 GB of memory.

Usage: python benchmarks/bench_records.py [n_items] [n_draws]

Writes a Parquet file of 10 models x n_items x n_draws with DuckDB into a temporary folder, then runs neff in a
process of its own and prints wall time and peak resident memory of that process.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

N_MODELS = 10
GOAL_MB = 1000

WORK = """
import json, resource, sys, time

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

what, path = sys.argv[1:]
start = time.perf_counter()
import neff
if what == "evaluate":
    result = neff.evaluate(neff.read(path, keep="mapped"))
    n = sum(estimate.n for estimate in result.estimates)
else:
    n = len(neff.read(path, keep="mapped"))
print(json.dumps({"n": n, "seconds": time.perf_counter() - start, "peak_mb": peak()}))
"""


def write(path: Path, n_items: int, n_draws: int) -> None:
    """Write the file: half of the models are scored 0 or 1, half on a scale."""
    import duckdb

    rows = N_MODELS * n_items * n_draws
    with duckdb.connect() as connection:
        connection.execute("SELECT setseed(0.5)")
        connection.execute(f"""
            COPY (
                SELECT 'question-' || (i % {n_items}) AS item,
                       'model-' || (i // {n_items * n_draws}) AS model,
                       (i // {n_items}) % {n_draws} AS draw,
                       CASE WHEN (i // {n_items * n_draws}) % 2 = 0
                            THEN (random() < 0.6)::DOUBLE ELSE random() END AS score
                FROM range({rows}) AS t(i)
            ) TO '{path}' (FORMAT parquet)
        """)


def main() -> None:
    n_items, n_draws = (int(word) for word in (sys.argv[1:] + ["100000", "10"][len(sys.argv) - 1 :])[:2])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "draws.parquet"
        write(path, n_items, n_draws)
        print(f"{N_MODELS * n_items * n_draws:,} draws, {path.stat().st_size / 2**20:.0f} MiB of Parquet")
        for what in ("read", "evaluate"):
            done = subprocess.run(
                [sys.executable, "-c", WORK, what, str(path)], capture_output=True, text=True, check=False
            )
            if done.returncode:
                print(f"{what:9} not run: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
                continue
            print(f"{what:9} {done.stdout.strip()}  goal: peak below {GOAL_MB} MB")


if __name__ == "__main__":
    main()
