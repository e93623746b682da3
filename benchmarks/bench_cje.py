"""Calibrated judges and doubly robust estimates: neff against cje-eval 0.3.0 and 0.9.3 on the arena data.

What is compared
    Direct: the mean of four policies with 2,000 bootstrap refits of the calibrator, labels on the base policy.
        Ours: `refitting.refit.bootstrap_refit`. Peers: `cje.analyze_dataset`, estimator "direct", defaults.
    Stacked-DR: three target policies. Ours: `neff.evaluate.off_policy.stacked_dr`, the same algorithm with the same
        folds, so that the numbers must agree. Peer: 0.3.0, "stacked-dr" (0.9.3 has no off-policy estimators).
Why it is fair
    Same data: the CSV tables are written out as the JSON lines that the peer reads (each response has the right number
    of words; no estimator here looks at them). Every run is a process of its own, one thread of linear algebra each,
    the libraries taking turns. Seconds are wall time from reading the files to the last interval, imports left out.
    Peak memory is that of the whole process, imports included. Estimates are printed beside the times: ours and 0.3.0
    fit monotone curves here, 0.9.3 chooses the two-stage mode by its own rule, which costs more per refit.

Run: python benchmarks/bench_cje.py --peers
The peers are installed from the package index into environments of their own, in a temporary folder or the one given
by --environments, and only when asked for by --peers; without it only ours is timed. Needs the data folder NEFF_DATA.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
POLICIES = ("clone", "parallel_universe_prompt", "unhelpful")
RESAMPLES = 2000
GOALS = {("direct", "0.9.3"): 100, ("direct", "0.3.0"): 30, ("stacked-dr", "0.3.0"): 50}
SINGLE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

PEAK = """
def peak_mb():
    import re, resource
    try:  # unlike ru_maxrss this does not count the parent's memory before exec
        return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024
    except (OSError, TypeError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
"""

PEER = (
    PEAK
    + """
import json, logging, sys, time, warnings
warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)
folder, job, version, resamples = sys.argv[1:]
from cje import analyze_dataset
options = {"fresh_draws_dir": folder + "/fresh_draws", "estimator": job}
if job == "direct":
    options["estimator_config"] = {"inference_method": "bootstrap", "n_bootstrap": int(resamples)}
else:
    options["logged_data_path"] = folder + "/logged_data.jsonl"
start = time.perf_counter()
result = analyze_dataset(**options)
seconds = time.perf_counter() - start
names = list(result.metadata["target_policies"])
numbers = [[float(v) for v in values] for values in (result.estimates, result.standard_errors)]
print(json.dumps({"seconds": seconds, "peak_mb": peak_mb(), "policies": names, "numbers": numbers}))
"""
)

OURS = (
    PEAK
    + """
import csv, json, sys, time
from pathlib import Path
import numpy as np
import scipy.optimize, scipy.sparse, scipy.special  # neff imports them when first needed; imports are left out
from neff.evaluate.calibrating.calibration import calibrate
from neff.evaluate.judge.data import Judged
from neff.evaluate.judge.direct import direct
from neff.evaluate.calibrating.folds import FoldMap, hash_folds
from neff.evaluate.judge.inference import infer
from neff.evaluate.refitting.refit import bootstrap_refit
from neff.evaluate.off_policy.data import Logged
from neff.evaluate.off_policy.stacked import stacked_dr

data, job, resamples = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])

def rows(name):
    with (data / name).open() as file:
        return list(csv.DictReader(file))

def numbers(table, column):
    return np.array([float(row[column] or "nan") for row in table])

def judged(policy, table, code, *, labels):
    own = [row for row in table if row["policy"] == policy]
    prompt = np.array([code[row["prompt_id"]] for row in own])
    label = numbers(own, "oracle_label") if labels else np.full(len(own), np.nan)
    return Judged(policy, prompt, numbers(own, "judge_score"), label)

start = time.perf_counter()
answers = rows("arena1000_labels.csv")
code = {name: i for i, name in enumerate(dict.fromkeys(row["prompt_id"] for row in answers))}
targets = ["clone", "parallel_universe_prompt", "unhelpful"]
if job == "direct":
    names = ["base", *targets]
    policies = [judged(name, answers, code, labels=name == "base") for name in names]
    base = policies[0]
    folds = FoldMap(hash_folds(list(code)), 5)
    curve = calibrate(base.score, base.label, fold=folds.of(base.prompt), mode="monotone", n_folds=folds.n_folds)
    values = [direct(policy, curve, folds).value for policy in policies]
    resampled = bootstrap_refit(policies, folds, n_resamples=resamples, rng=0)
    intervals = [resampled.interval(name) for name in names]
    errors = resampled.standard_errors().tolist()
else:
    names = targets
    logs = rows("arena1000_logprobs.csv")
    prompt = np.array([code[row["prompt_id"]] for row in logs])
    folds = FoldMap(hash_folds(list(code)), 5)
    columns = {
        "prompt": prompt, "score": numbers(logs, "judge_score"), "label": numbers(logs, "oracle_label"),
        "log_prob": numbers(logs, "base_logprob"),
    }
    curve = calibrate(columns["score"], columns["label"], fold=folds.of(prompt), mode="monotone", n_folds=5)
    found = []
    for name in names:
        logged = Logged.of(name, target_log_prob=numbers(logs, name), **columns)
        fresh = judged(name, answers, code, labels=False)
        found.append(infer(stacked_dr(logged, calibration=curve, folds=folds, fresh=fresh)))
    values, errors = [one.value for one in found], [one.standard_error for one in found]
seconds = time.perf_counter() - start
print(json.dumps({"seconds": seconds, "peak_mb": peak_mb(), "policies": names, "numbers": [values, errors]}))
"""
)


def table(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def write_for_peer(data: Path, folder: Path) -> None:
    """Write the tables as the JSON lines that cje-eval reads."""
    answers = table(data / "arena1000_labels.csv")
    words = {(row["prompt_id"], row["policy"]): " ".join(["word"] * int(row["n_words"])) for row in answers}
    (folder / "fresh_draws").mkdir(parents=True)
    with (folder / "logged_data.jsonl").open("w") as file:
        for row in table(data / "arena1000_logprobs.csv"):
            record = {
                "prompt_id": row["prompt_id"],
                "prompt": row["prompt_id"],
                "response": words[row["prompt_id"], "base"],
                "base_policy_logprob": float(row["base_logprob"]),
                "target_policy_logprobs": {policy: float(row[policy]) for policy in POLICIES},
                "judge_score": float(row["judge_score"]),
                "oracle_label": float(row["oracle_label"]) if row["oracle_label"] else None,
            }
            file.write(json.dumps(record) + "\n")
    for policy in ("base", *POLICIES):
        with (folder / "fresh_draws" / f"{policy}_responses.jsonl").open("w") as file:
            for row in answers:
                if row["policy"] != policy:
                    continue
                record = {
                    "prompt_id": row["prompt_id"],
                    "prompt": row["prompt_id"],
                    "response": words[row["prompt_id"], policy],
                    "judge_score": float(row["judge_score"]),
                    "draw_idx": 0,
                }
                if policy == "base" and row["oracle_label"]:
                    record["oracle_label"] = float(row["oracle_label"])
                file.write(json.dumps(record) + "\n")


def install(version: str, folder: Path) -> Path:
    """Return the interpreter of an environment with one release of the peer."""
    home = folder / f"cje-{version}"
    python = home / "bin" / "python"
    if not python.exists():
        print(f"installing cje-eval {version} into {home}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        command = [
            str(python),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            f"cje-eval=={version}",
        ]
        subprocess.run(command, check=True)
    return python


def measure(command: list[str]) -> dict:
    done = subprocess.run(command, check=False, capture_output=True, text=True, env={**os.environ, **SINGLE_THREAD})
    if done.returncode:
        sys.exit(f"{command[0]} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def show(job: str, runs: dict[str, list[dict]]) -> bool:
    """Print medians, ratios and estimates; return whether the goals are met."""
    ours = statistics.median(run["seconds"] for run in runs["neff"])
    memory = statistics.median(run["peak_mb"] for run in runs["neff"])
    print(f"\n{job}" + (f", {RESAMPLES:,} bootstrap refits" if job == "direct" else ""))
    print(f"{'':14}{'seconds':>10}{'ratio':>9}{'peak MB':>9}{'ratio':>7}   goal")
    met = True
    for name, taken in runs.items():
        seconds = statistics.median(run["seconds"] for run in taken)
        peak = statistics.median(run["peak_mb"] for run in taken)
        goal = GOALS.get((job, name))
        verdict = ""
        if goal:
            good = seconds >= goal * ours and peak > memory
            met &= good
            verdict = f"   at least {goal} times, less memory: {'met' if good else 'MISSED'}"
        print(f"{name:14}{seconds:10.3f}{seconds / ours:9.1f}{peak:9.0f}{peak / memory:7.1f}{verdict}")
    for name, taken in runs.items():
        last = taken[-1]
        cells = (
            f"{policy[:8]} {value:.6f} ± {error:.6f}"
            for policy, value, error in zip(last["policies"], *last["numbers"], strict=True)
        )
        print(f"  {name:12}" + "  ".join(cells))
    return met


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", action="store_true", help="install and run cje-eval too (minutes)")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--environments", type=Path, help="folder for the peers' environments, kept and used again")
    options = parser.parse_args()
    data = Path(os.environ.get("NEFF_DATA", ROOT.parent / "shared" / "data"))
    if not (data / "arena1000_labels.csv").exists():
        print(f"no data: set NEFF_DATA to the folder with arena1000_labels.csv ({data} has none)")
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "arena"
        write_for_peer(data, folder)
        homes = options.environments or Path(scratch)
        pythons = {version: install(version, homes) for version in ("0.3.0", "0.9.3")} if options.peers else {}
        met = True
        for job, versions in (("direct", ("0.3.0", "0.9.3")), ("stacked-dr", ("0.3.0",))):
            commands = {"neff": [sys.executable, "-c", OURS, str(data), job, str(RESAMPLES)]}
            for version in versions:
                if version in pythons:
                    commands[version] = [str(pythons[version]), "-c", PEER, str(folder), job, version, str(RESAMPLES)]
            runs: dict[str, list[dict]] = {name: [] for name in commands}
            for command in commands.values():
                if command[0] == sys.executable:
                    measure(command)  # bytecode is written and files are cached
            for _ in range(options.repeats):
                for name, command in commands.items():
                    runs[name].append(measure(command))
            met &= show(job, runs)
    if not options.peers:
        print("\npeers were not run: add --peers to install and time cje-eval 0.3.0 and 0.9.3")
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
