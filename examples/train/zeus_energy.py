"""Which batch size and power limit train to the target with the least energy? Published traces of a V100.

Reads `zeus_summary_power_v100.csv` and `zeus_summary_train.csv` (ml-energy/zeus, Apache-2.0) from the folder given, or
from NEFF_DATA: seconds per epoch and mean watts by batch and power limit, and epochs to the target of several runs.

    python examples/train/zeus_energy.py FOLDER
"""

from __future__ import annotations

import csv
import math
import os
import sys
from pathlib import Path
from typing import NamedTuple

from neff.train.energy import EnergyRun, compare_energy


class Choice(NamedTuple):
    """One batch size at one power limit: mean energy and time to the target over the runs that reached it."""

    batch: int
    limit: int
    kilojoules: float
    seconds: float
    watts: float
    runs: tuple[EnergyRun, ...]


def rows_of(path: Path, network: str, optimizer: str) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return [r for r in csv.DictReader(file) if (r["network"], r["optimizer"]) == (network, optimizer)]


def choices(folder: Path, network: str, optimizer: str, target: float) -> list[Choice]:
    """Return every batch size and power limit, with one `EnergyRun` per training run."""
    train = rows_of(folder / "zeus_summary_train.csv", network, optimizer)
    train = [row for row in train if float(row["target_metric"]) == target]
    found = []
    for row in rows_of(folder / "zeus_summary_power_v100.csv", network, optimizer):
        epoch, watts = float(row["time_per_epoch"]), float(row["average_power"])
        name = f"batch {row['batch_size']} at {row['power_limit']} W"
        runs = tuple(
            EnergyRun(
                name,
                joules=epochs * epoch * watts,
                seconds=epochs * epoch,
                run=f"{name}, run {r['run']}",
                reached=not math.isnan(epochs),
                meter="gpu",
            )
            for r in train
            if r["batch_size"] == row["batch_size"]
            for epochs in [float(r["target_epoch"])]
        )
        reached = [r for r in runs if r.reached]
        if reached:
            joules = sum(r.joules for r in reached) / len(reached)
            seconds = sum(r.seconds for r in reached) / len(reached)
            found.append(Choice(int(row["batch_size"]), int(row["power_limit"]), joules / 1e3, seconds, watts, runs))
    return found


def said(choice: Choice) -> str:
    return (
        f"batch {choice.batch} at {choice.limit} W: {choice.kilojoules:.1f} kJ, {choice.seconds:.0f} s, "
        f"{choice.watts:.1f} W"
    )


def conclusions(folder: Path) -> list[str]:
    """Return what the traces say, one line each."""
    lines = ["CIFAR-100, ShuffleNetV2, adadelta, to 60%:"]
    every = choices(folder, "shufflenetv2", "adadelta", 0.6)
    least = min(every, key=lambda c: c.kilojoules)
    fastest = min(every, key=lambda c: c.seconds)
    coolest = min(every, key=lambda c: c.watts)
    usual = min((c for c in every if c.limit == 250), key=lambda c: c.kilojoules)
    lines += [
        f"  least energy   {said(least)}",
        f"  fastest        {said(fastest)}",
        f"  least power    {said(coolest)} ({coolest.kilojoules / least.kilojoules:.0f} times the energy)",
        f"  best at 250 W  {said(usual)}",
    ]
    # Only the epochs differ from run to run in these traces: the interval is that of training, not of the power meter.
    (pair,) = compare_energy([*least.runs, *fastest.runs], per="target").comparisons
    low, high = (100 * (end - 1) for end in pair.interval)
    lines.append(
        f"  {pair.a} against {pair.b}: {100 * (pair.ratio - 1):+.0f}% energy "
        f"(95% interval {low:+.0f}% to {high:+.0f}%, {pair.n_a} and {pair.n_b} runs)"
    )
    every = choices(folder, "bert_base_uncased", "adamw", 84.0)
    lines.append("SQuAD, BERT, to F1 84:")
    lines.append(f"  least energy   {said(min(every, key=lambda c: c.kilojoules))}")
    lines.append(f"  fastest        {said(min(every, key=lambda c: c.seconds))}")
    return lines


def main(argv: list[str]) -> None:
    folder = Path(argv[0] if argv else os.environ.get("NEFF_DATA", "../shared/data"))
    print("\n".join(conclusions(folder)))


if __name__ == "__main__":
    main(sys.argv[1:])
