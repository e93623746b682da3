"""Run the comparison of ways to abstain for the guide, and write the tables of docs/guide/abstention.md.

    python docs/make_abstention.py          write the tables from docs/abstention.json
    python docs/make_abstention.py --run    run everything (some minutes), and write docs/abstention.json

A test fails when the page does not show what docs/abstention.json holds. Five splits of the digits of scikit-learn;
both networks are trained with the same width, epochs, learning rate and number of restarts.
"""
# ruff: noqa: INP001

from __future__ import annotations

import json
import re
import sys
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

DOCS = Path(__file__).resolve().parent
PAGE = DOCS / "guide/abstention.md"
DATA = DOCS / "abstention.json"
BLOCK = re.compile(r"(<!-- begin (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)

SEEDS = (0, 1, 2, 3, 4)
TARGET = 0.95
N_FIT = 1200  # of 1797; half for training, half for calibration
TRAINING: dict[str, Any] = {"width": 64, "n_epochs": 150, "learning_rate": 2e-3}
SHORT: dict[str, Any] = {"width": 64, "n_epochs": 40, "learning_rate": 1e-3}
RESTARTS = 3
SETS = {
    "test": "the test items", "rotated": "turned by 15 degrees", "moved": "moved by one pixel",
    "noisy": "noise of SD 4 added", "inverted": "light for dark", "noise": "uniform noise",
}  # fmt: skip
HIDDEN = "distance, hidden features"
METHODS = (
    "softmax", "temperature", "bounded threshold", "LAC", "LAC by class", "APS", "temperature and distance", HIDDEN,
    "SDM", "SDM region", "SDM region, lower",
)  # fmt: skip
SHEET: dict[str, dict[str, str]] = {
    "test": {
        "softmax": ".744/1.0", "temperature": ".762/1.0", "LAC": ".970/.978", "LAC by class": ".921/.978",
        "APS": ".801/.996", HIDDEN: ".745/1.0", "SDM": ".740/1.0", "SDM region": ".523/1.0",
        "SDM region, lower": ".283/1.0",
    },
    "rotated": {
        "softmax": ".315/.973", "temperature": ".357/.972", "LAC": ".868/.832", "LAC by class": ".742/.833",
        "APS": ".476/.937", HIDDEN: ".243/1.0", "SDM": ".186/.964", "SDM region": ".101/1.0",
        "SDM region, lower": ".008/1.0",
    },
    "moved": {
        "softmax": ".221/.500", "temperature": ".256/.510", "LAC": ".861/.412", "LAC by class": ".786/.386",
        "APS": ".402/.471", HIDDEN: ".094/.839", "SDM": ".082/.918", "SDM region": ".037/.955",
        "SDM region, lower": ".005/1.0",
    },
    "noisy": {
        "softmax": ".575/.991", "temperature": ".606/.992", "LAC": ".941/.902", "LAC by class": ".838/.908",
        "APS": ".650/.977", HIDDEN: ".511/.997", "SDM": ".461/1.0", "SDM region": ".281/1.0",
        "SDM region, lower": ".050/1.0",
    },
    "inverted": {
        "softmax": ".241/.000", "temperature": ".275/.000", "LAC": ".836/.000", "LAC by class": ".771/.000",
        "APS": ".394/.000", HIDDEN: "0", "SDM": "0", "SDM region": "0", "SDM region, lower": "0",
    },
    "noise": {
        "softmax": ".054", "temperature": ".075", "LAC": ".640", "LAC by class": ".606", "APS": ".112",
        HIDDEN: "0", "SDM": ".002", "SDM region": "0", "SDM region, lower": "0",
    },
}  # fmt: skip
"""What an earlier run gave on one split of the same data, with other code and other seeds: share/accuracy."""


def digits(seed: int) -> dict[str, Any]:
    """Return features, labels and splits: training, calibration, test, and the test items changed in five ways."""
    from scipy.ndimage import rotate
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(x))
    x, y = x[order], y[order]
    fit, test, label = x[:N_FIT], x[N_FIT:], y[N_FIT:]
    pictures = test.reshape(-1, 8, 8)
    parts = {
        "test": test,
        "rotated": np.stack([rotate(p, 15, reshape=False, order=1) for p in pictures]).reshape(test.shape),
        "moved": np.roll(pictures, 1, axis=2).reshape(test.shape),
        "noisy": np.clip(test + rng.normal(0, 4, test.shape), 0, 16),
        "inverted": 16 - test,
        "noise": rng.uniform(0, 16, test.shape),
    }
    half = N_FIT // 2
    return {
        "features": np.vstack([fit, *parts.values()]),
        "labels": [*y[:N_FIT].tolist(), *(label.tolist() * 5), *([None] * len(test))],
        "split": np.repeat(["train", "calibration", *parts], [half, half, *[len(test)] * len(parts)]),
    }


def control(x: Any, y: Any, train: Any, calibration: Any, seed: int) -> Any:
    """Return hidden features and logits of the same network under the softmax loss, best epoch and restart."""
    from neff.sampling.sdm.adaptor import Settings, train_adaptor

    settings = Settings.of(len(train), x.shape[1], plain=True, **TRAINING)
    generators = np.random.default_rng(seed).spawn(RESTARTS)
    runs = [train_adaptor(x[train], y[train], x[calibration], y[calibration], 10, settings, rng=g) for g in generators]
    best = min(runs, key=lambda run: run.best)
    hidden = best.adaptor.features(x)
    return hidden, best.adaptor.logits(hidden)


def compare(seed: int) -> tuple[Any, Any, Any]:
    """Return the abstention table of one split, the distance gate on hidden features, and the SDM classifier."""
    from neff.sampling import SDMClassifier, abstention_table

    data = digits(seed)
    x = data["features"]
    codes = np.array([-1 if y is None else y for y in data["labels"]])
    train, own = (np.flatnonzero(data["split"] == name) for name in ("train", "calibration"))
    hidden, logits = control(x, codes, train, own, seed)
    common = {"target": TARGET, "classes": range(10), "rng": seed}
    gate = abstention_table(logits, data["labels"], data["split"], features=hidden, methods=["distance"], **common)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = SDMClassifier(TARGET, n_restarts=RESTARTS, rng=seed, **TRAINING)
        model.fit(x[train], codes[train], x[own], codes[own])
        table = abstention_table(logits, data["labels"], data["split"], features=x, sdm=model, **common)
    return table, gate, model


def too_short(seed: int) -> Any:
    """Return the classifier after too few epochs at too small a rate."""
    from neff.sampling import SDMClassifier

    data = digits(seed)
    rows = data["split"] == "train", data["split"] == "calibration"
    y = np.array([-1 if label is None else label for label in data["labels"]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return SDMClassifier(TARGET, n_restarts=1, rng=seed, **SHORT).fit(
            data["features"][rows[0]], y[rows[0]], data["features"][rows[1]], y[rows[1]]
        )


def run() -> None:
    """Run all splits and write what was found."""
    import torch

    from neff import __version__

    torch.set_num_threads(1)
    counts: dict[str, dict[str, list[list[int]]]] = {name: {m: [] for m in ("all", *METHODS)} for name in SETS}
    models, accuracy = [], []
    for seed in SEEDS:
        table, gate, model = compare(seed)
        for row in table.rows:
            counts[row.set][row.method].append([row.n, row.n_admitted, row.accuracy.n_right])
        for row in gate.rows:
            counts[row.set][HIDDEN].append([row.n, row.n_admitted, row.accuracy.n_right])
        low = model.region_.minimum
        models.append({
            "seed": seed, "minimum": low if np.isfinite(low) else None, "reason": model.reason_,
            "restarts_with_region": sum(r.reason is None for r in model.regions_),
        })  # fmt: skip
        data = digits(seed)
        test = data["split"] == "test"
        truth = np.array([label for label, own in zip(data["labels"], test, strict=True) if own])
        accuracy.append(model.score(data["features"][test], truth))
        sys.stderr.write(f"split {seed}: smallest similarity {low}\n")
    short = too_short(SEEDS[0])
    DATA.write_text(
        json.dumps({
            "command": "python docs/make_abstention.py --run",
            "finished": datetime.now(UTC).date().isoformat(), "neff": __version__, "torch": str(torch.__version__),
            "target": TARGET, "training": TRAINING, "restarts": RESTARTS, "models": models, "sdm_accuracy": accuracy,
            "short": {"training": SHORT, "reason": short.reason_, "warnings": list(short.warnings_),
                      "n_admitted": int(short.admit(digits(SEEDS[0])["features"]).sum())},
            "counts": counts,
        }, indent=1) + "\n",
        encoding="utf-8",
    )  # fmt: skip


def pooled(data: dict[str, Any], name: str, method: str) -> tuple[int, int, int]:
    """Return items, answered and right of all splits."""
    n, admitted, right = (sum(row[k] for row in data["counts"][name][method]) for k in range(3))
    return n, admitted, right


def cell(n: int, admitted: int, right: int, *, labelled: bool) -> str:
    """Return share and accuracy as the sheet writes them, with the count."""
    if not admitted:
        return "0"
    share = f"{admitted / n:.3f}".lstrip("0")
    return f"{share}/{right / admitted:.3f}".replace("/0.", "/.") if labelled else share


def results_table(data: dict[str, Any]) -> str:
    """Return shares and accuracies, ours and the sheet's."""
    lines = [f"| method | {' | '.join(SETS)} |", f"|---|{'--:|' * len(SETS)}"]
    for method in METHODS:
        ours = [cell(*pooled(data, name, method), labelled=name != "noise") for name in SETS]
        theirs = [SHEET[name].get(method, "–") for name in SETS]
        both = [f"{a}<br>*{b}*" for a, b in zip(ours, theirs, strict=True)]
        lines.append(f"| {method} | {' | '.join(both)} |")
    return "\n".join(lines)


def counts_table(data: dict[str, Any]) -> str:
    """Return the wrong answers that were given, of how many."""
    lines = [f"| method | {' | '.join(SETS)} |", f"|---|{'--:|' * len(SETS)}"]
    for method in METHODS:
        counts = [pooled(data, name, method) for name in SETS]
        cells = [f"{admitted - right:,} of {admitted:,}" for _, admitted, right in counts]
        lines.append(f"| {method} | {' | '.join(cells)} |")
    return "\n".join(lines)


def how(data: dict[str, Any]) -> str:
    """Return where the numbers come from."""
    found = [m["minimum"] for m in data["models"]]
    said = ", ".join("none" if low is None else f"{low:.1f}" for low in found)
    some = ", ".join(f"{m['restarts_with_region']} of {data['restarts']}" for m in data["models"])
    plain = pooled(data, "test", "all")
    t = data["training"]
    return (
        f"Made by `{data['command']}`, finished {data['finished']}, neff {data['neff']}, torch {data['torch']}. "
        f"{len(found)} splits, target {data['target']}, width {t['width']}, {t['n_epochs']} epochs at "
        f"{t['learning_rate']:g}, {data['restarts']} restarts. Smallest similarity of the region by split: {said} "
        f"(restarts with a region: {some}). Accuracy without abstention: SDM {np.mean(data['sdm_accuracy']):.3f}, the "
        f"same network under the softmax loss {plain[2] / plain[1]:.3f}."
    )


def short_text(data: dict[str, Any]) -> str:
    """Return what too short a training says."""
    short = data["short"]
    said = " ".join(f"*{line}*" for line in short["warnings"])
    return (
        f"After {short['training']['n_epochs']} epochs at {short['training']['learning_rate']:g} the classifier "
        f"answers {short['n_admitted']} items, and says why: {said}"
    )


BLOCKS = {"run": how, "digits": results_table, "wrong": counts_table, "short": short_text}


def page(text: str, data: dict[str, Any]) -> str:
    """Return the page with its blocks filled in."""
    return BLOCK.sub(lambda found: f"{found[1]}\n{BLOCKS[found[2]](data)}\n\n{found[3]}", text)


def main(argv: list[str]) -> None:
    """Do what the words say."""
    if argv[:1] == ["--run"]:
        run()
    data = json.loads(DATA.read_text(encoding="utf-8"))
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), data), encoding="utf-8")
    sys.stdout.write(f"wrote {PAGE}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
