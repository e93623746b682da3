"""Calibrated judges at scale: 5 policies, up to 1,000,000 judged answers each, up to 20,000 labels, on two cores.

What is measured
    The whole analytic path from arrays: deal 20 folds, calibrate (mode="auto"), estimate five policies (three with
    labels of their own, two that borrow), five intervals, and all ten paired differences. Wall seconds, CPU seconds
    and the peak memory of a process of its own, which makes its data first (the data alone take 120 MB at the
    largest size). The goal is 10 s and 2 GB at 1,000,000, and a cost that grows no faster than the rows.
    Scores on a grid of 21 values, as judges give them, and continuous ones, which are the harder case. The last
    line makes the judge non-monotone, so that "auto" takes the slower two-stage curves.

Run: python benchmarks/bench_judge_scale.py
"""

from __future__ import annotations

import itertools
import json
import resource
import subprocess
import sys
import time
from typing import Any

import numpy as np

from neff.evaluate.calibrating.calibration import calibrate
from neff.evaluate.calibrating.folds import balanced_folds
from neff.evaluate.judge.data import Judged
from neff.evaluate.judge.direct import direct
from neff.evaluate.judge.inference import infer, infer_difference

SIZES = (10_000, 100_000, 1_000_000)
POLICIES = 5
LABEL_SHARE = 0.02
GOAL_SECONDS, GOAL_GB = 10.0, 2.0


def answers(n: int, *, kind: str) -> list[Judged]:
    rng = np.random.default_rng(n)
    ability = rng.normal(size=n)
    with_labels = 3
    found = []
    for policy in range(POLICIES):
        score = 1 / (1 + np.exp(-(ability + 0.2 * policy + rng.normal(size=n))))
        if kind == "grid":
            score = np.round(score * 20) / 20
        truth = 4 * score * (1 - score) if kind == "bent" else score**1.5
        label = np.full(n, np.nan)
        if policy < with_labels:
            rows = rng.choice(n, size=int(n * LABEL_SHARE / with_labels), replace=False)
            label[rows] = rng.uniform(size=len(rows)) < truth[rows]
        found.append(Judged(f"policy-{policy}", np.arange(n), score, label))
    return found


def analyse(policies: list[Judged]) -> dict[str, Any]:
    score, label, prompt = (
        np.concatenate([getattr(p, name) for p in policies]) for name in ("score", "label", "prompt")
    )
    known = ~np.isnan(label)
    folds = balanced_folds(int(prompt.max()) + 1, prompt[known], n_folds=20)
    fold = folds.of(prompt[known])
    curve = calibrate(score[known], label[known], fold=fold, n_folds=folds.n_folds, prompt=prompt[known])
    found = [direct(p, curve, folds) for p in policies]
    intervals = [infer(estimate).interval for estimate in found]
    pairs = [infer_difference(a, b).interval for a, b in itertools.combinations(found, 2)]
    return {"mode": curve.mode, "labels": int(known.sum()), "interval": intervals[0], "pairs": len(pairs)}


def child(n: int, kind: str) -> None:
    policies = answers(n, kind=kind)
    analyse(answers(1_000, kind=kind))  # import what is imported on first use
    wall, cpu = time.perf_counter(), time.process_time()
    found = analyse(policies)
    found |= {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    found["gb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    print(json.dumps(found))


def main() -> None:
    print(f"{'':34}{'labels':>8}{'mode':>12}{'wall s':>9}{'CPU s':>8}{'us/answer':>11}{'peak GB':>9}  first interval")
    for kind, n in [*itertools.product(("grid", "continuous"), SIZES), ("bent", SIZES[-1])]:
        command = [sys.executable, __file__, str(n), kind]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        low, high = found["interval"]
        name = f"{kind + ' scores,':20}5 x {n:>9,}"
        print(
            f"{name:34}{found['labels']:>8,}{found['mode']:>12}{found['wall']:>9.2f}{found['cpu']:>8.2f}"
            f"{found['cpu'] / n / POLICIES * 1e6:>11.2f}{found['gb']:>9.2f}  [{low:.5f}, {high:.5f}]"
        )
        if n == SIZES[-1]:
            met = found["wall"] < GOAL_SECONDS and found["gb"] < GOAL_GB
            print(f"{'':34}goal of {GOAL_SECONDS:g} s and {GOAL_GB:g} GB: {'met' if met else 'MISSED'}")


if __name__ == "__main__":
    child(int(sys.argv[1]), sys.argv[2]) if len(sys.argv) > 1 else main()
