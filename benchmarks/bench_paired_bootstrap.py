"""Paired bootstrap of a mean difference: neff against scipy.stats.bootstrap, 10,000 resamples of 10,000 items.

What is compared
    Ours: `neff.stats.bootstrap_paired` from the two score vectors, percentile interval and standard error.
    Peer: `scipy.stats.bootstrap` on the differences with the vectorised mean, the fastest way to call it, once with
    its default (all resamples in one batch) and once with the batch that we measured fastest here (100).
Why it is fair
    Same data, one process, one core each, alternating; both give the same kind of interval from the same number of
    resamples of the same distribution (both standard errors are printed). CPU time is compared, because other
    work on the machine disturbs wall time. Scores of 0 and 1 are resampled by ours from three counts; real
    scores are drawn one by one, as in the peer.

Run: python benchmarks/bench_paired_bootstrap.py
"""

from __future__ import annotations

import statistics
import time
import tracemalloc
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import bootstrap

from neff.stats.resample import bootstrap_paired

if TYPE_CHECKING:
    from collections.abc import Callable

N, RESAMPLES, REPEATS = 10_000, 10_000, 5


def ours(x: np.ndarray, y: np.ndarray, seed: int) -> float:
    return bootstrap_paired(x, y, n_resamples=RESAMPLES, rng=seed).standard_error


def peer(x: np.ndarray, y: np.ndarray, seed: int, *, batch: int | None) -> float:
    result = bootstrap(
        (x - y,),
        np.mean,
        n_resamples=RESAMPLES,
        batch=batch,
        vectorized=True,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    return float(result.standard_error)


def main() -> None:
    rng = np.random.default_rng(20)
    ability = rng.normal(size=N)
    scores = {
        "0/1 scores": tuple((ability + rng.normal(size=N) > cut).astype(float) for cut in (-0.5, -0.4)),
        "real scores": tuple(ability + shift + rng.normal(size=N) for shift in (0.5, 0.4)),
    }
    jobs: list[tuple[str, Callable[..., float]]] = [
        ("neff", ours),
        ("scipy, default batch", partial(peer, batch=None)),
        ("scipy, batch=100", partial(peer, batch=100)),
    ]
    print(f"Paired bootstrap, {RESAMPLES:,} resamples of n={N:,}, median CPU seconds of {REPEATS} alternating runs")
    print(f"{'':36}{'seconds':>10}{'ratio':>9}{'SE':>10}{'peak MB':>9}")
    for kind, (x, y) in scores.items():
        seconds: dict[str, list[float]] = {name: [] for name, _ in jobs}
        errors: dict[str, float] = {}
        ours(x, y, 0)  # warm-up
        for repeat in range(REPEATS):
            for name, job in jobs:
                start = time.process_time()
                errors[name] = job(x, y, repeat + 1)
                seconds[name].append(time.process_time() - start)
        base = statistics.median(seconds["neff"])
        for name, job in jobs:
            tracemalloc.start()
            job(x, y, 1)
            peak = tracemalloc.get_traced_memory()[1] / 1e6
            tracemalloc.stop()
            took = statistics.median(seconds[name])
            print(f"{kind + ', ' + name:36}{took:10.4f}{took / base:9.1f}{errors[name]:10.6f}{peak:9.1f}")


if __name__ == "__main__":
    main()
