"""Confidence sequences: widths and speed of neff against confseq 0.0.11, expectation 0.6.1 and savvi 0.3.1.

What is compared
    Mean width after 10, 30, 100, 1,000 and 10,000 values, over the same repetitions of the same data for all, at level
    0.95 and with the defaults of each package: values in [0, 1] (uniform, Beta(2, 5), Bernoulli(0.1)) by every method
    for bounds, normal values of unknown variance by the t mixtures, on one scale where the package lets us choose.
    Seconds for all intervals of 10,000 values, one value after the other where a package has no other way.
Why it is fair
    No running intersection anywhere. Data come from one file. Each package runs in a process of its own with one
    thread; imports and a first call are left out of the times. confseq finds the ends of the betting sequence on a grid
    of 1,000 means (its default), neff to about 1e-14.
What the peers do differently
    expectation's empirical Bernstein boundary is fed with the sample variance around the present mean, not with
    predictions, so how often it misses is measured here too. Its t sequence (0.6.1) cannot be constructed. savvi's
    linear model counts one degree of freedom too few where there is an intercept only.

Run: python benchmarks/bench_sequential.py --peers
The peers are installed from the package index into environments of their own, in a temporary folder or the one given by
--environments. confseq has no wheel: it needs a C++ compiler, CMake, Boost and a Python below 3.11, expectation one of
3.12 or more; name them with --confseq-python and --expectation-python. A peer that cannot be installed is named and
left out.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

LOOKS = (10, 30, 100, 1000, 10_000)
SINGLE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
PEERS = {
    "confseq": ["confseq==0.0.11", "numpy<2"],
    "expectation": ["expectation==0.6.1"],
    "savvi": ["savvi==0.3.1", "matplotlib"],
}

COMMON = """
import json, sys, time, warnings
warnings.simplefilter("ignore")
import numpy as np
folder = sys.argv[1]
data = {name: np.load(f"{folder}/{name}.npy") for name in ("uniform", "beta25", "bernoulli01", "normal")}
looks = np.array(json.loads(sys.argv[2])) - 1
UNIT = ("uniform", "beta25", "bernoulli01")
result = {"widths": {}, "seconds": {}}

def run(method, name, call, timed=True):
    if timed:
        call(data[name][0][:50])
    widths = []
    for k, x in enumerate(data[name]):
        start = time.perf_counter()
        low, high = call(x)
        if k == 0 and timed:
            result["seconds"].setdefault(method, time.perf_counter() - start)
        widths.append((np.asarray(high) - np.asarray(low))[looks])
    result["widths"].setdefault(name, {})[method] = np.mean(widths, axis=0).tolist()

def stepwise(make, step):
    def call(x):
        sequence = make()
        ends = np.array([step(sequence, value) for value in x])
        return ends[:, 0], ends[:, 1]
    return call
"""

OURS = (
    COMMON
    + """
from neff.stats import MeanSequence, confidence_sequence

def batch(**options):
    def call(x):
        found = confidence_sequence(x, **options)
        return found.low, found.high
    return call

for name in UNIT:
    for method in ("betting", "empirical-bernstein", "hoeffding", "beta-binomial"):
        run(method, name, batch(method=method, bounds=(0, 1)))
run("t mixture", "normal", batch(target=int(sys.argv[3])))
run("t mixture, one at a time", "normal", stepwise(
    lambda: MeanSequence(target=int(sys.argv[3])), lambda s, v: s.update(v).interval))
run("empirical-bernstein, one at a time", "uniform", stepwise(
    lambda: MeanSequence(method="empirical-bernstein", bounds=(0, 1)), lambda s, v: s.update(v).interval))
print(json.dumps(result))
"""
)

THEIRS = {
    "confseq": COMMON
    + """
from confseq.betting import betting_cs
from confseq.boundaries import bernoulli_confidence_interval
from confseq.predmix import predmix_empbern_twosided_cs, predmix_hoeffding_cs

def bernoulli(x):  # at the looks only: it takes milliseconds each
    ends = np.full((x.size, 2), np.nan)
    for k in looks:
        ends[k] = bernoulli_confidence_interval(x[: k + 1].sum(), int(k) + 1, 0.05, 100)
    return ends[:, 0], ends[:, 1]

for name in UNIT:
    run("betting", name, betting_cs)
    run("empirical-bernstein", name, predmix_empbern_twosided_cs)
    run("hoeffding", name, predmix_hoeffding_cs)
    run("beta-binomial", name, bernoulli, timed=False)
print(json.dumps(result))
""",
    "expectation": COMMON
    + """
from expectation.confseq.confidenceconfig import EmpiricalBernsteinConfig
from expectation.confseq.confidencesequence import EmpiricalBernsteinConfidenceSequence

def make():
    return EmpiricalBernsteinConfidenceSequence(config=EmpiricalBernsteinConfig(lower_bound=0, upper_bound=1))

def step(sequence, value):
    try:
        found = sequence.update(np.array([value]))
    except RuntimeError:  # while all values are equal
        return 0.0, 1.0
    return found.lower, found.upper

for name in UNIT:
    run("empirical-bernstein, one at a time", name, stepwise(make, step))
rng, missed = np.random.default_rng(1), 0
for _ in range(300):
    ends = np.array([step(sequence, v) for sequence in [make()] for v in (rng.random(300) < 0.1) * 1.0])
    missed += bool(((ends[:, 0] > 0.1) | (ends[:, 1] < 0.1)).any())
result["missed"] = missed / 300
print(json.dumps(result))
""",
    "savvi": COMMON
    + """
from savvi.linear_regression import LinearRegression
from savvi.multinomial import Multinomial

def line(sequence, value):
    sequence.update(np.array([value, 1.0]))
    return np.asarray(sequence.calculate_conf_int()).ravel()

def pair(sequence, value):
    sequence.update(np.array([int(value), 1 - int(value)]))
    return np.asarray(sequence.calculate_conf_int())[0]

scale = float(sys.argv[3])
run("t mixture, one at a time", "normal", stepwise(lambda: LinearRegression(alpha=0.05, p=1, phi=1 / scale**2), line))
data["bernoulli01"] = data["bernoulli01"][:1]  # minutes each: one repetition, and fewer values
looks = looks[looks < 100]
data["bernoulli01"] = data["bernoulli01"][:, :100]
run("beta-binomial, one repetition", "bernoulli01",
    stepwise(lambda: Multinomial(alpha=0.05, theta_0=np.array([0.5, 0.5])), pair), timed=False)
print(json.dumps(result))
""",
}


def write_data(folder: Path, repetitions: int) -> None:
    rng = np.random.default_rng(59)
    shape = (repetitions, max(LOOKS))
    np.save(folder / "uniform.npy", rng.random(shape))
    np.save(folder / "beta25.npy", rng.beta(2, 5, shape))
    np.save(folder / "bernoulli01.npy", (rng.random(shape) < 0.1) * 1.0)
    np.save(folder / "normal.npy", rng.normal(size=shape))


def install(peer: str, python: str, folder: Path) -> Path | None:
    """Return the interpreter of an environment with the peer, None where it cannot be installed."""
    home = folder / peer
    interpreter = home / "bin" / "python"
    if not interpreter.exists():
        print(f"installing {peer} into {home}", file=sys.stderr)
        subprocess.run([python, "-m", "venv", str(home)], check=True)
    command = [str(interpreter), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PEERS[peer]]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        print(f"{peer} could not be installed here: {done.stderr.strip().splitlines()[-1]}")
        return None
    return interpreter


def measure(python: str, code: str, *arguments: str) -> dict:
    done = subprocess.run(
        [python, "-c", code, *arguments],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, **SINGLE_THREAD},
    )
    if done.returncode:
        sys.exit(f"{python} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def show(found: dict[str, dict]) -> None:
    for name in ("uniform", "beta25", "bernoulli01", "normal"):
        print(f"\nmean width, {name:40}" + "".join(f"n = {n:<8,}" for n in LOOKS))
        for package, result in found.items():
            for method, widths in result["widths"].get(name, {}).items():
                cells = "".join(f"{w:<12.4f}" if math.isfinite(w) else f"{'infinite':<12}" for w in widths)
                print(f"  {package:12}{method:38}" + cells)
    print(f"\nseconds for {max(LOOKS):,} values")
    ours = found["neff"]["seconds"]
    for package, result in found.items():
        for method, seconds in result["seconds"].items():
            ratio = f"{seconds / ours[method]:10.1f} times neff" if package != "neff" and method in ours else ""
            print(f"  {package:12}{method:50}{seconds:9.3f}{ratio}")
    if "expectation" in found:
        missed = found["expectation"]["missed"]
        print(f"\nexpectation, empirical Bernstein, Bernoulli(0.1): {missed:.3f} of 300 miss by n = 300")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", action="store_true", help="install and run the peers too (minutes)")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--environments", type=Path, help="folder for the peers' environments, kept and used again")
    for peer in PEERS:
        parser.add_argument(f"--{peer}-python", default=sys.executable, help=f"interpreter for {peer}'s environment")
    options = parser.parse_args()
    from neff.stats.sequential._gaussian import student_scale

    target = 100
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_data(folder, options.repetitions)
        looks = json.dumps(LOOKS)
        found = {"neff": measure(sys.executable, OURS, scratch, looks, str(target))}
        for peer in PEERS if options.peers else ():
            home = options.environments or folder
            python = install(peer, getattr(options, f"{peer}_python"), home)
            if python is not None:
                scale = str(student_scale(target, 0.95))
                found[peer] = measure(str(python), THEIRS[peer], scratch, looks, scale)
        show(found)
    if not options.peers:
        print("\npeers were not run: add --peers to install and run them")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
