"""Self-certainty of 64 answers x 2,048 tokens over a vocabulary of 32,000, streamed: peak memory below 1 GB.

What is measured
    The score of every answer from logits that come in blocks of 64 positions, as an engine gives them: 4.2 x 10^9
    logits, of which no more than one block is held. Wall seconds and processor seconds (on a machine that others use
    too, read the latter), the peak memory of the process, and the share of the time that making the blocks took. The
    same on the vocabulary in four parts, merged.

Run: python benchmarks/bench_self_certainty.py [share of the tokens, default 1]
"""

from __future__ import annotations

import resource
import sys
import time
from itertools import pairwise

import numpy as np

from neff.sampling.selection import VocabularySums

ANSWERS, TOKENS, VOCABULARY, BLOCK = 64, 2048, 32_000, 64
GOAL_MB = 1024


def run(share: float, parts: int) -> tuple[float, float, float, float]:
    rng = np.random.default_rng(0)
    base = rng.standard_normal((BLOCK, VOCABULARY), dtype=np.float32)
    cuts = np.linspace(0, VOCABULARY, parts + 1).astype(int)
    tokens = max(BLOCK, int(TOKENS * share))
    start, used, making, total = time.perf_counter(), time.process_time(), 0.0, 0.0
    for answer in range(ANSWERS):
        for block in range(tokens // BLOCK):
            begun = time.process_time()
            z = base * np.float32(1 + 0.01 * ((answer + block) % 7))
            making += time.process_time() - begun
            sums = VocabularySums.of(z[:, : cuts[1]])
            for low, high in pairwise(cuts[1:]):
                sums = sums + VocabularySums.of(z[:, low:high])
            total += float(sums.certainty().sum())
    return time.perf_counter() - start, time.process_time() - used, making, total


def main() -> None:
    share = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    for parts in (1, 4):
        seconds, used, making, total = run(share, parts)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        logits = ANSWERS * max(BLOCK, int(TOKENS * share)) * VOCABULARY
        print(
            f"{logits:.2e} logits in {parts} part(s): {seconds:.1f} s, {used:.1f} s of the processor "
            f"({making:.1f} s of it making them), {peak:.0f} MB",
            flush=True,
        )
        print(f"  mean self-certainty {total / (logits / VOCABULARY):.6f}")
    print(f"goal below {GOAL_MB} MB: {'met' if peak < GOAL_MB else 'missed'}")


if __name__ == "__main__":
    main()
