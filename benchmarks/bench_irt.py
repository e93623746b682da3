"""2PL calibration: seconds and recovery of neff against py-irt 0.7.1 (1,000 epochs) and girth 0.8.0.

What is compared
    CPU seconds of the fit and how near it comes to the truth: correlations of discrimination, difficulty and ability,
    root mean square errors of difficulty and of log discrimination after theirs and ours are put on the scale of the
    true abilities (mean 0, standard deviation 1: py-irt leaves its scale free). The matrices are simulated with a known
    truth: a = exp(N(0, .35)), b ~ N(0, 1.2), theta ~ N(0, 1); 100 x 200 and 1,000 x 100, means over three each.
Why it is fair
    The same matrices from one file. Each package runs in a process of its own with one thread; imports are left out of
    the times, and a first fit of 20 x 10 answers warms up what is compiled. py-irt with the settings of the Fluid
    Benchmarking code: its 2PL with hierarchical priors, 1,000 epochs, learning rate 0.1, decay 0.9999.
What the peers do differently
    py-irt fits a variational posterior by stochastic gradient steps and reports its means; runs differ. girth
    maximises the marginal likelihood as neff does, item by item with a bounded optimiser, abilities by `ability_eap`.

Run: python benchmarks/bench_irt.py --peers
The peers are installed from the package index into environments of their own, in a temporary folder or the one given by
--environments. A peer that cannot be installed is named and left out.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

SINGLE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
SIZES = ((100, 200), (1000, 100))
PEERS = {"py-irt": ["py-irt==0.7.1"], "girth": ["girth==0.8.0"]}

NEFF = """
import sys, time
import numpy as np
from neff.benchmark import ability, fit_irt

def fit(right):
    bank = fit_irt(right)
    return bank.discrimination, bank.difficulty, ability(bank, right, method="eap").theta
"""
GIRTH = """
import sys, time
import numpy as np
from girth import twopl_mml, ability_eap

def fit(right):
    answers = right.T.astype(int)
    found = twopl_mml(answers)
    a, b = found["Discrimination"], found["Difficulty"]
    return a, b, ability_eap(answers, b, a)
"""
PY_IRT = """
import sys, time
import numpy as np, torch
torch.set_num_threads(1)
import pandas as pd
from py_irt.config import IrtConfig
from py_irt.dataset import Dataset
from py_irt.training import IrtModelTrainer
from py_irt.models import *

def fit(right, epochs=1000):
    n, j = right.shape
    frame = pd.DataFrame(right.astype(int), columns=[f"i{k:05d}" for k in range(j)])
    frame["subject"] = [f"s{k:05d}" for k in range(n)]
    data = Dataset.from_pandas(frame, subject_column="subject", item_columns=[f"i{k:05d}" for k in range(j)])
    config = IrtConfig(model_type="2pl", priors="hierarchical", epochs=epochs, lr=0.1, lr_decay=0.9999, log_every=10**6)
    trainer = IrtModelTrainer(config=config, data_path=None, dataset=data, verbose=False)
    trainer.train(device="cpu")
    best = trainer.best_params
    items = [best["item_ids"][k] for k in range(j)]
    subjects = [best["subject_ids"][k] for k in range(n)]
    order = np.argsort(items)
    disc, diff = np.array(best["disc"]).ravel()[order], np.array(best["diff"]).ravel()[order]
    return disc, diff, np.array(best["ability"]).ravel()[np.argsort(subjects)]
"""
TAIL = """
data = np.load(sys.argv[1])
small = (np.random.default_rng(0).random((20, 10)) < 0.5).astype(float)
small[0], small[1] = 1.0, 0.0
fit(small)
seconds = []
for _ in range(int(sys.argv[3])):
    start = time.process_time()
    a, b, theta = fit(data["right"])
    seconds.append(time.process_time() - start)
np.savez(sys.argv[2], a=a, b=b, theta=theta, seconds=seconds)
"""


def simulate(n: int, j: int, seed: int) -> dict[str, np.ndarray]:
    """Return a matrix of answers in which every item has both, and its truth."""
    rng = np.random.default_rng(seed)
    a, b, theta = np.exp(rng.normal(0, 0.35, j)), rng.normal(0, 1.2, j), rng.normal(0, 1, n)
    right = (rng.random((n, j)) < 1 / (1 + np.exp(-a * (theta[:, None] - b)))).astype(float)
    keep = (right.mean(axis=0) > 0) & (right.mean(axis=0) < 1)
    return {"right": right[:, keep], "a": a[keep], "b": b[keep], "theta": theta}


def recovery(found: dict[str, np.ndarray], truth: dict[str, np.ndarray]) -> dict[str, float]:
    """Return correlations with the truth, and errors on the scale of the true abilities."""
    mean, sd = found["theta"].mean(), found["theta"].std()
    own_mean, own_sd = truth["theta"].mean(), truth["theta"].std()
    b = (found["b"] - mean) / sd * own_sd + own_mean
    log_a = np.log(np.maximum(found["a"], 1e-6) * sd / own_sd)

    def corr(x: np.ndarray, y: np.ndarray) -> float:
        return float(np.corrcoef(x, y)[0, 1])

    return {
        "corr a": corr(found["a"], truth["a"]),
        "corr b": corr(found["b"], truth["b"]),
        "corr theta": corr(found["theta"], truth["theta"]),
        "rmse log a": float(np.sqrt(np.mean((log_a - np.log(truth["a"])) ** 2))),
        "rmse b": float(np.sqrt(np.mean((b - truth["b"]) ** 2))),
        "sd theta": float(sd),
    }


def environment(name: str, folder: Path) -> Path | None:
    """Return the Python of an environment with the peer, or None where it cannot be installed."""
    home = folder / name
    python = home / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        done = subprocess.run(
            [str(python), "-m", "pip", "install", "-q", *PEERS[name]], capture_output=True, text=True, check=False
        )
        if done.returncode:
            print(f"{name} cannot be installed: {done.stderr.strip().splitlines()[-1:]}")
            return None
    return python


def run(python: Path, code: str, data: Path, repeats: int) -> dict[str, np.ndarray] | None:
    """Fit in a process of its own; None where that fails."""
    out = data.with_suffix(".out.npz")
    script = data.with_suffix(".py")
    script.write_text(code + TAIL, encoding="utf-8")
    done = subprocess.run(
        [str(python), str(script), str(data), str(out), str(repeats)], env={**os.environ, **SINGLE_THREAD},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        print(f"{python.parents[1].name} failed: {done.stderr.strip().splitlines()[-1:]}")
        return None
    return dict(np.load(out))


def main() -> None:
    """Print one row per package and size, and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", action="store_true", help="install and run the peers")
    parser.add_argument("--environments", type=Path, help="folder to keep the peers' environments in")
    parser.add_argument("--repeats", type=int, default=3, help="fits of neff per matrix, of which the median counts")
    parser.add_argument("--matrices", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the numbers here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.environments or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        programs = [("neff", Path(sys.executable), NEFF, options.repeats)]
        if options.peers:
            for name, code, repeats in (("girth", GIRTH, 1), ("py-irt", PY_IRT, 1)):
                python = environment(name, folder)
                if python is not None:
                    programs.append((name, python, code, repeats))
        rows = []
        for n, j in SIZES:
            found: dict[str, list[dict[str, float]]] = {name: [] for name, *_ in programs}
            for seed in range(options.matrices):
                truth = simulate(n, j, seed)
                path = Path(temporary) / f"{n}x{j}-{seed}.npz"
                np.savez(path, right=truth["right"])
                for name, python, code, repeats in programs:
                    fitted = run(python, code, path, repeats)
                    if fitted is not None:
                        found[name].append({"seconds": float(np.median(fitted["seconds"])), **recovery(fitted, truth)})
            for name, each in found.items():
                if not each:
                    continue
                mean = {key: float(np.mean([row[key] for row in each])) for key in each[0]}
                ratio = mean["seconds"] / float(np.mean([row["seconds"] for row in found["neff"]]))
                rows.append({"package": name, "size": f"{n} x {j}", "ratio": ratio, **mean})
                print("  ".join(f"{k} {v:.3f}" if isinstance(v, float) else f"{v:>10}" for k, v in rows[-1].items()))
        if options.json:
            options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
