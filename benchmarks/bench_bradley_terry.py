"""Bradley-Terry on 1,000,000 battles of 200 players, string names included, against evalica.

What is measured
    From three lists of strings (left, right, winner) to strengths: indexing the names and fitting. Medians of CPU
    seconds after one warm-up, one thread each, both in one process tree, evalica in an environment of its own that
    this script makes. neff's second figure also has the preference for the left place, robust intervals and ranks.

Run: python benchmarks/bench_bradley_terry.py [repeats, default 5]
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

from neff.benchmark.pairwise import battles_of, rank_battles
from neff.benchmark.pairwise.newton import Layout, fit_counts

N, PLAYERS = 1_000_000, 200
ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1"}

PEER = """
import json, sys, time, statistics
import evalica
from evalica import Winner
left, right, winner = json.load(open(sys.argv[1]))
names = {"left": Winner.X, "right": Winner.Y, "tie": Winner.Draw}
winner = [names[w] for w in winner]
evalica.bradley_terry(left, right, winner)
times = []
for _ in range(int(sys.argv[2])):
    start = time.process_time()
    result = evalica.bradley_terry(left, right, winner)
    times.append(time.process_time() - start)
print(json.dumps([statistics.median(times), result.scores.to_dict()]))
"""


def battles() -> tuple[list[str], list[str], list[str], np.ndarray]:
    rng = np.random.default_rng(0)
    strength = rng.normal(size=PLAYERS)
    left = rng.integers(PLAYERS, size=N)
    right = (left + 1 + rng.integers(PLAYERS - 1, size=N)) % PLAYERS
    p = 1 / (1 + np.exp(-(strength[left] - strength[right])))
    u = rng.random(N)
    told = np.where(u < 0.1, "tie", np.where(rng.random(N) < p, "left", "right"))
    names = np.array([f"model-{i:03d}" for i in range(PLAYERS)])
    return names[left].tolist(), names[right].tolist(), told.tolist(), strength


def main() -> None:
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    if os.environ.get("OMP_NUM_THREADS") != "1":  # threads are counted when numpy is loaded
        sys.exit(subprocess.run([sys.executable, *sys.argv], check=False, env=ONE_THREAD).returncode)
    left, right, winner, _ = battles()
    rank_battles(battles_of(left[:1000], right[:1000], winner[:1000]))
    fit, full = [], []
    for _ in range(repeats):
        start = time.process_time()
        told = battles_of(left, right, winner)
        found = fit_counts(
            told.counts(), Layout(told.n_players, place=False, n_covariates=0, ties=False), "bradley-terry"
        )
        fit.append(time.process_time() - start)
        start = time.process_time()
        rank_battles(battles_of(left, right, winner))
        full.append(time.process_time() - start)
    print(f"neff, strengths: {median(fit):.2f} CPU s; with place effect, intervals, ranks: {median(full):.2f} CPU s")
    with tempfile.TemporaryDirectory() as folder:
        python = Path(folder) / "venv/bin/python"
        subprocess.run([sys.executable, "-m", "venv", Path(folder) / "venv"], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "evalica==0.4.2"], check=True)
        data = Path(folder) / "battles.json"
        data.write_text(json.dumps([left, right, winner]))
        done = subprocess.run(
            [python, "-c", PEER, data, str(repeats)], check=True, capture_output=True, text=True, env=ONE_THREAD
        )
    seconds, scores = json.loads(done.stdout)
    theirs = np.log([scores[name] for name in told.names])
    off = float(np.abs((theirs - theirs.mean()) - found.parameters).max())
    print(f"evalica 0.4.2: {seconds:.2f} CPU s; ratio {seconds / median(fit):.2f}; strengths within {off:.1e}")


if __name__ == "__main__":
    main()
