"""Aggregate 10^8 draws in Parquet in under 1.5 GB, with the same bits as from memory.

Usage: python benchmarks/bench_out_of_core.py [n_draws_in_all] [folder]

Writes a Parquet file of 10 models x 100,000 items with DuckDB (half of the models scored 0 or 1, half on a scale) into
a temporary folder, then streams it into per-item sums and evaluates them, in a process of its own. Prints wall time and
peak resident memory of that process, and the load of the machine. Where all rows fit (below 2 x 10^7), it also
evaluates them from memory and checks that the result is the same to the last bit.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

N_MODELS = 10
N_ITEMS = 100_000
GOAL_MB = 1500
FITS = 20_000_000

WORK = """
import hashlib, json, resource, sys, time

engine, path = sys.argv[1:]
import neff
from neff.evaluate import evaluate
from neff.records.big import load
start = time.perf_counter()
table = load(path, engine=engine)
summed = time.perf_counter()
result = evaluate(table)
done = time.perf_counter()
plain = {name: value for name, value in result.to_dict().items() if name != "provenance"}
print(json.dumps({
    "n": sum(estimate.n for estimate in result.estimates),
    "read_s": round(summed - start, 1),
    "evaluate_s": round(done - summed, 1),
    "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    "result": hashlib.sha256(json.dumps(plain).encode()).hexdigest()[:16],
}))
"""


def write(path: Path, n_rows: int, folder: str) -> None:
    """Write the file, draw by draw, as repeated runs do: every part of it has every item."""
    import duckdb

    cells = N_MODELS * N_ITEMS
    settings = {"memory_limit": "1GB", "temp_directory": folder, "threads": 2}
    with duckdb.connect(config=settings) as connection:
        connection.execute(f"""
            COPY (
                SELECT 'question-' || (i % {N_ITEMS}) AS item,
                       'model-' || (i // {N_ITEMS}) % {N_MODELS} AS model,
                       i // {cells} AS draw,
                       CASE WHEN (i // {N_ITEMS}) % 2 = 0
                            THEN (hash(i) % 10 < 6)::DOUBLE ELSE (hash(i) % 1000003) / 1000003 END AS score
                FROM range({n_rows}) AS t(i)
            ) TO '{path}' (FORMAT parquet)
        """)


def main() -> None:
    words = sys.argv[1:]
    n_rows = int(float(words[0])) if words else 100_000_000
    with tempfile.TemporaryDirectory(dir=words[1] if len(words) > 1 else None) as folder:
        path = Path(folder) / "draws.parquet"
        write(path, n_rows, folder)
        print(f"{n_rows:,} draws, {path.stat().st_size / 2**20:.0f} MiB of Parquet, load {os.getloadavg()[0]:.1f}")
        results = {}
        for engine in ("stream", *(["memory"] if n_rows < FITS else [])):
            done = subprocess.run(
                [sys.executable, "-c", WORK, engine, str(path)], capture_output=True, text=True, check=False
            )
            if done.returncode:
                print(f"{engine:8} failed: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
                continue
            results[engine] = json.loads(done.stdout)
            print(f"{engine:8} {done.stdout.strip()}  load {os.getloadavg()[0]:.1f}")
        print(f"goal: stream below {GOAL_MB} MB: {results['stream']['peak_mb'] < GOAL_MB}")
        if len(results) == 2:
            print(f"the same bits: {results['stream']['result'] == results['memory']['result']}")


if __name__ == "__main__":
    main()
