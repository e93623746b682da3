"""Ranking four policies from few labels: neff, cje-eval 0.9.3 and the labels alone on the same resamples.

What is compared
    The arena data with labels on every policy. A resample draws 1,000 answers of each policy with replacement from its
    labelled rows, whose mean label is the truth, and keeps 5% or 25% of the labels. Counted is the share of the six
    pairs of policies that the estimates put in the right order.
Why it is fair
    Same resamples, paired: differences have the standard error of paired differences. Ours: the monotone curve over 20
    folds and the augmented mean, as `neff.evaluate` runs it. Peer: `cje.analyze_dataset` with its defaults, but for the
    interval, which it makes without refits (orders do not depend on it). Labels only: the mean of the kept labels.

Run: python benchmarks/bench_ranking.py --peers [--resamples 300]
The peer is installed from the package index into an environment of its own, and only when asked for; without it only
ours and the labels are shown. Needs the data folder NEFF_DATA.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from bench_cje import ROOT, SINGLE_THREAD, install

from neff.evaluate.calibrating.calibration import calibrate
from neff.evaluate.calibrating.folds import balanced_folds
from neff.evaluate.judge.data import Judged
from neff.evaluate.judge.direct import augmented

N = 1000
SHARES = (0.05, 0.25)

PEER = """
import json, logging, sys, warnings
warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)
from cje import analyze_dataset
for line in sys.stdin:
    draws = {
        policy: [{"prompt_id": f"p{i}", "judge_score": s, "oracle_label": y} for i, (s, y) in enumerate(rows)]
        for policy, rows in json.loads(line).items()
    }
    result = analyze_dataset(fresh_draws_data=draws, estimator_config={"inference_method": "cluster_robust"})
    names = list(result.metadata["target_policies"])
    print(json.dumps(dict(zip(names, map(float, result.estimates)))), flush=True)
"""

Resample = dict[str, tuple[np.ndarray, np.ndarray]]


def labelled_pools(path: Path) -> dict[str, np.ndarray]:
    """Return (judge score, label) of the labelled rows of each policy."""
    pools: dict[str, list[tuple[float, float]]] = {}
    with path.open() as file:
        for row in csv.DictReader(file):
            if row["oracle_label"]:
                pools.setdefault(row["policy"], []).append((float(row["judge_score"]), float(row["oracle_label"])))
    return {policy: np.array(rows) for policy, rows in sorted(pools.items())}


def resample(pools: dict[str, np.ndarray], share: float, rng: np.random.Generator) -> Resample:
    """Return scores and labels of `N` answers of each policy; labels that are not kept are NaN."""
    drawn = {}
    for policy, pool in pools.items():
        score, label = pool[rng.integers(len(pool), size=N)].T
        kept = rng.permutation(N)[: round(share * N)]
        known = np.full(N, np.nan)
        known[kept] = label[kept]
        drawn[policy] = score, known
    return drawn


def ours(drawn: Resample, seed: int) -> dict[str, float]:
    judged = [Judged(policy, np.arange(N), score, label) for policy, (score, label) in drawn.items()]
    prompt, score, label = (np.concatenate([getattr(p, name) for p in judged]) for name in ("prompt", "score", "label"))
    folds = balanced_folds(N, prompt[~np.isnan(label)], n_folds=20, seed=seed)
    curve = calibrate(score, label, fold=folds.of(prompt), n_folds=20, prompt=prompt)
    return {part.policy: augmented(part, curve, folds).value for part in judged}


def peer(python: Path, resamples: list[Resample]) -> list[dict[str, float]]:
    lines = (
        {
            policy: [(s, None if np.isnan(y) else y) for s, y in zip(score.tolist(), label.tolist(), strict=True)]
            for policy, (score, label) in drawn.items()
        }
        for drawn in resamples
    )
    done = subprocess.run(
        [str(python), "-c", PEER], input="\n".join(map(json.dumps, lines)), check=False, capture_output=True, text=True,
        env={**os.environ, **SINGLE_THREAD},
    )  # fmt: skip
    if done.returncode:
        sys.exit(f"cje-eval failed:\n{done.stderr[-2000:]}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def right_orders(found: list[dict[str, float]], truth: dict[str, float]) -> np.ndarray:
    """Return the share of pairs in the right order, one number a resample."""
    pairs = list(itertools.combinations(truth, 2))
    return np.array([np.mean([(one[a] > one[b]) == (truth[a] > truth[b]) for a, b in pairs]) for one in found])


def said(values: np.ndarray) -> str:
    return f"{values.mean():.4f} ± {values.std(ddof=1) / np.sqrt(len(values)):.4f}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", action="store_true", help="install and run cje-eval too (about a second a resample)")
    parser.add_argument("--resamples", type=int, default=300)
    parser.add_argument("--environments", type=Path, help="folder for the peer's environment, kept and used again")
    options = parser.parse_args()
    path = Path(os.environ.get("NEFF_DATA", ROOT.parent / "shared" / "data")) / "arena1000_labels.csv"
    if not path.exists():
        print(f"no data: set NEFF_DATA to the folder with {path.name} ({path.parent} has none)")
        return 0
    pools = labelled_pools(path)
    truth = {policy: float(pool[:, 1].mean()) for policy, pool in pools.items()}
    with tempfile.TemporaryDirectory() as scratch:
        python = install("0.9.3", options.environments or Path(scratch)) if options.peers else None
        for share in SHARES:
            rng = np.random.default_rng(0)
            resamples = [resample(pools, share, rng) for _ in range(options.resamples)]
            found = {
                "neff": [ours(drawn, seed) for seed, drawn in enumerate(resamples)],
                "labels only": [{p: float(np.nanmean(y)) for p, (_, y) in drawn.items()} for drawn in resamples],
            }
            if python:
                found["cje-eval 0.9.3"] = peer(python, resamples)
            right = {name: right_orders(estimates, truth) for name, estimates in found.items()}
            print(f"\n{share:.0%} of the labels, {options.resamples} resamples: pairs in the right order")
            for name, values in right.items():
                beside = "" if name == "neff" else f"   less ours {said(values - right['neff'])}"
                print(f"  {name:15} {said(values)}{beside}")
    if not options.peers:
        print("\nthe peer was not run: add --peers to install and run cje-eval 0.9.3")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
