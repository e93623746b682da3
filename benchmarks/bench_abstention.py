"""Exact neighbours for SDM: our blocks without sorting, against sorting all distances, and faiss where it is there.

    python benchmarks/bench_abstention.py [N_SUPPORT N_QUERIES N_COLUMNS]

All answer the same: how long the run of agreeing nearest neighbours of each query is, and the nearest distance. Prints
medians of three runs, the ratio, and the peak memory that each allocates beyond its inputs.
"""

import sys
import time
import tracemalloc
from statistics import median

import numpy as np

from neff.sampling.abstention.neighbours import neighbours


def by_sorting(queries, classes, support, support_class):
    """Return the same by a full matrix of distances and a full sort."""
    squared = (queries**2).sum(1)[:, None] + (support**2).sum(1) - 2 * queries @ support.T
    order = np.argsort(squared, axis=1)
    agrees = support_class[order] == classes[:, None]
    return np.cumprod(agrees, axis=1).sum(axis=1), np.take_along_axis(squared, order[:, :1], 1)[:, 0]


def by_faiss(queries, classes, support, support_class, most=2048):
    """Return the same by the flat index of faiss, as the reference implementation does, in single precision."""
    import faiss

    index = faiss.IndexFlatL2(support.shape[1])
    index.add(support.astype(np.float32))
    squared, order = index.search(queries.astype(np.float32), min(most, len(support)))
    agrees = support_class[order] == classes[:, None]
    return np.cumprod(agrees, axis=1).sum(axis=1), squared[:, 0]


def timed(call, *arguments):
    """Return the result, the median seconds, and the peak megabytes."""
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        found = call(*arguments)
        seconds.append(time.perf_counter() - start)
    tracemalloc.start()
    call(*arguments)
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    return found, median(seconds), peak


def main(size=5000, n=2000, columns=256):
    rng = np.random.default_rng(1)
    support_class = rng.integers(2, size=size)
    support = rng.normal(size=(size, columns)) + 0.4 * support_class[:, None]
    classes = rng.integers(2, size=n)
    queries = rng.normal(size=(n, columns)) + 0.4 * classes[:, None]
    print(f"{n:,} queries, {size:,} support points, {columns} columns")
    ours, own, peak = timed(neighbours, queries, classes, support, support_class)
    print(f"neff            {own:8.3f} s  {peak:8.1f} MB")
    for name, peer in (("sorting", by_sorting), ("faiss", by_faiss)):
        try:
            found, seconds, most = timed(peer, queries, classes, support, support_class)
        except ImportError:
            print(f"{name:14}  not installed")
            continue
        same = (np.minimum(found[0], 2048) == ours.similarity).mean()
        said = f"{seconds / own:5.1f} times ours, {100 * same:.2f}% of the runs equal"
        print(f"{name:14}  {seconds:8.3f} s  {most:8.1f} MB  {said}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
