"""F1 with a bootstrap standard error: counts of the confusion matrix against resampled rows.

What is compared
    Ours: `neff.stats.bootstrap_counts` on the four cells, 100,000 resamples, percentile interval included.
    Peer: the scheme of lm-evaluation-harness 0.4 for F1 (its default is 100,000 resamples): draw n rows with
    replacement by `random.choices`, call `sklearn.metrics.f1_score` on them, take the standard deviation.
    Also shown: resampling rows in numpy with F1 from the drawn cells, to tell the gain of the algebra from the gain
    of leaving scikit-learn's checks out.
Why it is fair
    Same data (n = 1000), one process, one core each, alternating. Both draw from the same distribution: the standard
    deviations are printed beside their Monte Carlo error. The peer is timed on fewer resamples and scaled linearly
    (each resample costs the same); the harness spreads them over all cores, which divides its wall time by
    the number of cores but not the CPU time compared here.

Run: python benchmarks/bench_bootstrap_f1.py
"""

from __future__ import annotations

import random
import statistics
import time
import tracemalloc
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.metrics import f1_score

from neff.stats.resample import bootstrap_counts

if TYPE_CHECKING:
    from collections.abc import Callable

N, REPEATS = 1_000, 5
RESAMPLES, PEER_RESAMPLES, ROWS_RESAMPLES = 100_000, 500, 2_000


def f1(counts: Any) -> Any:
    tp, fp, fn, _ = counts.T
    return 2 * tp / (2 * tp + fp + fn)


def ours(gold: np.ndarray, predicted: np.ndarray, seed: int) -> np.ndarray:
    cell = np.bincount(2 * gold + predicted, minlength=4)  # tn, fp, fn, tp
    return bootstrap_counts(cell[[3, 1, 2, 0]], f1, n_resamples=RESAMPLES, rng=seed).distribution


def rows_with_scikit_learn(gold: np.ndarray, predicted: np.ndarray, seed: int) -> np.ndarray:
    rows = list(zip(gold.tolist(), predicted.tolist(), strict=True))
    draw = random.Random(seed)
    results = []
    for _ in range(PEER_RESAMPLES):
        golds, predictions = zip(*draw.choices(rows, k=len(rows)), strict=True)
        results.append(f1_score(golds, predictions))
    return np.array(results)


def rows_in_numpy(gold: np.ndarray, predicted: np.ndarray, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    results = np.empty(ROWS_RESAMPLES)
    for b in range(ROWS_RESAMPLES):
        drawn = rng.integers(0, gold.size, gold.size)
        cell = np.bincount(2 * gold[drawn] + predicted[drawn], minlength=4)
        results[b] = 2 * cell[3] / (2 * cell[3] + cell[1] + cell[2])
    return results


def main() -> None:
    rng = np.random.default_rng(20)
    gold = (rng.random(N) < 0.4).astype(int)
    predicted = np.where(rng.random(N) < 0.8, gold, 1 - gold)
    jobs: list[tuple[str, Callable[..., np.ndarray], int]] = [
        ("neff, counts of cells", ours, RESAMPLES),
        ("rows, random.choices + scikit-learn", rows_with_scikit_learn, PEER_RESAMPLES),
        ("rows, numpy", rows_in_numpy, ROWS_RESAMPLES),
    ]
    seconds: dict[str, list[float]] = {name: [] for name, _, _ in jobs}
    draws: dict[str, list[np.ndarray]] = {name: [] for name, _, _ in jobs}
    for _, job, _ in jobs:
        job(gold, predicted, 0)  # warm-up: imports and caches
    for repeat in range(REPEATS):
        for name, job, made in jobs:
            start = time.process_time()
            drawn = job(gold, predicted, repeat + 1)
            seconds[name].append((time.process_time() - start) * RESAMPLES / made)
            draws[name].append(drawn)

    print(f"F1 bootstrap, n={N}, CPU seconds for {RESAMPLES:,} resamples, median of {REPEATS} alternating runs")
    print(f"{'':38}{'seconds':>10}{'ratio':>10}{'sd':>10}{'± MC':>9}{'peak MB':>9}")
    base = statistics.median(seconds[jobs[0][0]])
    for name, job, made in jobs:
        tracemalloc.start()
        job(gold, predicted, 1)
        peak = tracemalloc.get_traced_memory()[1] / 1e6
        tracemalloc.stop()
        took, sample = statistics.median(seconds[name]), np.concatenate(draws[name])
        error = sample.std() / np.sqrt(2 * sample.size)
        scaled = "" if made == RESAMPLES else f"  (timed on {made:,}, scaled)"
        print(f"{name:38}{took:10.3f}{took / base:10.0f}{sample.std():10.5f}{error:9.5f}{peak:9.1f}{scaled}")


if __name__ == "__main__":
    main()
