"""A run before a change and a run after it, in two files: is the new one better, and by more than we care about?

Run it from anywhere: `python examples/compare_two_runs.py`. It prints:

    net (after) - net (before): +0.1208 ± 0.0365, 95% interval [+0.0486, +0.1931], 120 common items, net (after) better
    items that only one run has: 5
    the runs agree on which items are hard: r = 0.22
    unpaired, it would have taken 152 items per run to be as sure, not 120
    by more than 0.05? not told apart (p = 0.055)
"""

import csv
import tempfile
from pathlib import Path

import neff
from neff import example


def write_runs(folder):
    """Write two runs as they come out of an evaluation: one row per answer. The older run lost its last five items."""
    with example.path("fresh").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["label"]]
    lost = sorted({row["item"] for row in rows})[-5:]
    for name, model in (("before", "lowres"), ("after", "network")):
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["item", "model", "draw", "correct"])
            for row in rows:
                if row["model"] == model and not (name == "before" and row["item"] in lost):
                    writer.writerow([row["item"], "net", row["draw"], row["label"]])


with tempfile.TemporaryDirectory() as folder:
    write_runs(Path(folder))
    after, before = Path(folder) / "after.csv", Path(folder) / "before.csv"
    columns = {"item": "item", "model": "model", "draw": "draw", "score": "correct"}

    result = neff.compare(after, before, **columns)
    found = result.comparisons[0]
    print(found)
    print(f"items that only one run has: {found.n_unmatched}")
    print(f"the runs agree on which items are hard: r = {found.correlation:.2f}")
    print(f"unpaired, it would have taken {found.n_eff:.0f} items per run to be as sure, not {found.n_items}")

    # A margin is declared before looking: we only switch for more than five points.
    strict = neff.compare(after, before, margin=0.05, **columns).comparisons[0]
    print(f"by more than 0.05? {strict.describe_verdict()} (p = {strict.p_value:.3f})")
