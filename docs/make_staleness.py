"""Run the staleness testbed for the guide, and write the tables of docs/guide/train-staleness.md.

    python docs/make_staleness.py                write the tables from docs/staleness.json
    python docs/make_staleness.py --run CACHE    run what the file CACHE does not hold, and write docs/staleness.json
    python docs/make_staleness.py --warm-start   train the parameters that TF begins with, and write them

A test fails when the page does not show what docs/staleness.json holds.
"""
# ruff: noqa: INP001

from __future__ import annotations

import json
import math
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from neff.testing.staleness.result import StalenessRun, StalenessStudy
from neff.testing.staleness.settings import COMPARED, LAGS, METHODS, SETTINGS

DOCS = Path(__file__).resolve().parent
PAGE, LOSSES = DOCS / "guide/train-staleness.md", DOCS / "guide/train-losses.md"
DATA = DOCS / "staleness.json"
WARM_START = DOCS.parent / "src/neff/testing/staleness/warm_start.npy"
COLUMNS = (
    "environment", "method", "lag", "learning_rate", "seed", "steps", "start", "final", "dip", "peak", "ess_token",
    "ess_sequence", "update_norm", "n_skipped", "cpu_seconds",
)  # fmt: skip
SLOW_RATE = 0.003
SLOW = (
    "reinforce", "token_is", "cispo", "grpo", "sequence_is", "sequence_tis", "vcpo", "ess_adaptive_exact",
    "ess_adaptive_is", "ess_adaptive_k3",
)  # fmt: skip
LONG_STEPS = 640
LONG = ("reinforce", "token_is", "cispo", "sequence_is", "vcpo", "ess_adaptive_exact")
STUDIES: tuple[dict[str, Any], ...] = (
    {"environments": ["E1", "E2"], "methods": [*COMPARED, "vcpo_double_weight"], "lags": LAGS, "seeds": 5},
    {"environments": ["TF"], "methods": COMPARED, "lags": LAGS[1:], "seeds": 3},
    {"environments": ["TF"], "methods": ["reinforce", "vcpo"], "lags": [0], "seeds": 3},
    {"environments": ["TF"], "methods": ["vcpo_double_weight"], "lags": [16, 64, 128], "seeds": 3},
    {"environments": ["TF"], "methods": ["vcpo_exact_norms"], "lags": [64], "seeds": 3},
    {"environments": ["TF"], "methods": SLOW, "lags": [64], "seeds": 3, "learning_rates": [SLOW_RATE]},
    {"environments": ["TF"], "methods": LONG, "lags": [128], "seeds": 3, "steps": LONG_STEPS},
)
"""What is run for the guide."""
BLOCK = re.compile(
    r"(<!-- (?:begin (\w+)|staleness table: begin) -->\n).*?(<!-- (?:staleness table: )?end -->)", re.DOTALL
)


def main(argv: list[str]) -> None:
    """Do what the words say."""
    if argv[:1] == ["--warm-start"]:
        import numpy as np

        from neff.testing.staleness import warm_start

        np.save(WARM_START, warm_start().numpy())
        return
    if argv[:1] == ["--run"]:
        run(Path(argv[1]))
    for path in (PAGE, LOSSES):
        path.write_text(page(path.read_text(encoding="utf-8"), load()), encoding="utf-8")
        sys.stdout.write(f"wrote {path}\n")


def run(cache: Path) -> None:
    """Run the studies and write what they measured."""
    import torch

    from neff import __version__
    from neff.testing import staleness_study

    def tell(done: int, total: int, part: float) -> None:
        if not part:
            sys.stderr.write(f"{done} of {total}\n")

    rows: dict[Any, list[Any]] = {}
    for options in STUDIES:
        for r in staleness_study(**options, cache=cache, tell=tell).runs:
            row = [getattr(r, name) for name in COLUMNS]
            rows[tuple(row[:6])] = [round(v, 6) if isinstance(v, float) else v for v in row]
    head = {
        "command": "python docs/make_staleness.py --run CACHE",
        "finished": datetime.now(UTC).date().isoformat(),
        "neff": __version__,
        "torch": str(torch.__version__),
        "columns": list(COLUMNS),
    }
    lines = ",\n  ".join(json.dumps(row) for row in rows.values())
    DATA.write_text(json.dumps(head)[:-1] + ',\n "runs": [\n  ' + lines + "\n ]}\n", encoding="utf-8")


def load() -> tuple[dict[str, Any], StalenessStudy]:
    """Return what was measured, and when and how. Learning curves are not kept, only the rewards at the start."""
    data = json.loads(DATA.read_text(encoding="utf-8"))
    runs = []
    for row in data["runs"]:
        known = dict(zip(data["columns"], row, strict=True))
        start = known.pop("start")
        runs.append(StalenessRun(**known, evaluated_at=(0,), rewards=(start,)))
    return data, StalenessStudy(tuple(runs))


def page(text: str, measured: tuple[dict[str, Any], StalenessStudy]) -> str:
    """Return the page with its blocks filled in."""
    return BLOCK.sub(lambda found: f"{found[1]}\n{block(found[2], *measured)}\n\n{found[3]}", text)


def block(name: str | None, data: dict[str, Any], study: StalenessStudy) -> str:
    """Return one generated block."""
    if not name:
        return short_table(study)
    if name == "run":
        return how(data, study)
    if name == "methods":
        return "\n".join(
            ["| method | what it does |", "|---|---|", *(f"| `{m}` | {said} |" for m, said in METHODS.items())]
        )
    if name == "ess":
        return ess_table(study)
    if name == "long":
        return long_table(study)
    if name == "rates":
        return rates_table(study)
    return reward_table(study, name)


def how(data: dict[str, Any], study: StalenessStudy) -> str:
    """Return where the numbers come from."""
    parts = []
    for name in SETTINGS:
        runs = [r for r in study.runs if r.environment == name]
        seconds = sum(r.cpu_seconds for r in runs) / len(runs)
        seeds = len({r.seed for r in runs})
        parts.append(f"{name}: {len(runs):,} runs, {seeds} seeds, {seconds:.2f} CPU seconds per run")
    return (
        f"Made by `{data['command']}`, finished {data['finished']}, neff {data['neff']}, torch {data['torch']}, on two "
        f"shared cores. {'; '.join(parts)}; {study.cpu_seconds / 60:.0f} CPU minutes in all."
    )


def reward_table(study: StalenessStudy, name: str) -> str:
    """Return the rewards in one environment: methods by lags."""
    rate = SETTINGS[name].learning_rate
    of = (name, rate, SETTINGS[name].steps)
    cells = {(c.method, c.lag): c for c in study.cells() if (c.environment, c.learning_rate, c.steps) == of}
    lags = sorted({lag for _, lag in cells})
    lines = [
        f"| method | {' | '.join(f'k = {lag}' for lag in lags)} |",
        f"|---|{'---|' * len(lags)}",
    ]
    for method in METHODS:
        found = [cells.get((method, lag)) for lag in lags]
        if any(found):
            lines.append(f"| `{method}` | {' | '.join('–' if c is None else reward(c, name) for c in found)} |")
    return "\n".join(lines)


def reward(cell: Any, name: str) -> str:
    """Return final reward with the half width of its interval, dip (E2) or peak (TF), and crashes."""
    half = cell.final.value - cell.final.interval[0]
    width = "" if math.isnan(half) else f" ± {half:.3f}" if half >= 0.0005 else " ± < 0.001"
    more = [f"dip {cell.dip.value:.2f}"] if name == "E2" else [f"peak {cell.peak.value:.3f}"] if name == "TF" else []
    if cell.n_crashed:
        more.append(f"crashed {cell.n_crashed}/{cell.n}")
    return f"{cell.final.value:.3f}{width}" + (f"<br>{', '.join(more)}" if more else "")


def short_table(study: StalenessStudy) -> str:
    """Return all methods at a lag of 64, for the page about losses."""
    names = list(SETTINGS)
    lines = [
        "At a lag of 64 optimizer steps; mean of the final reward over seeds, and how many runs crashed. All lags,",
        "dips, peaks and intervals, and what each method and environment is: [stale rollouts,",
        "measured](train-staleness.md).",
        "",
        f"| method | {' | '.join(names)} |",
        f"|---|{'---|' * len(names)}",
    ]
    for method in COMPARED:
        found = [study.cell(name, method, 64, learning_rate=SETTINGS[name].learning_rate) for name in names]
        said = [f"{c.final.value:.3f}" + f", crashed {c.n_crashed}/{c.n}" * (c.n_crashed > 0) for c in found]
        lines.append(f"| `{method}` | {' | '.join(said)} |")
    return "\n".join(lines)


def ess_table(study: StalenessStudy) -> str:
    """Return median effective sample sizes at a lag of 64."""
    names = list(SETTINGS)
    lines = [
        f"| method | {' | '.join(f'{name} sequence | {name} token' for name in names)} |",
        f"|---|{'--:|' * (2 * len(names))}",
    ]
    for method in COMPARED:
        found = [study.cell(name, method, 64, learning_rate=SETTINGS[name].learning_rate) for name in names]
        lines.append(f"| `{method}` | {' | '.join(f'{c.ess_sequence:.3f} | {c.ess_token:.3f}' for c in found)} |")
    return "\n".join(lines)


def rates_table(study: StalenessStudy) -> str:
    """Return TF at a lag of 64 under two learning rates."""
    rates = (SLOW_RATE, SETTINGS["TF"].learning_rate)
    lines = [f"| method | {' | '.join(f'learning rate {rate:g}' for rate in rates)} |", f"|---|{'---|' * len(rates)}"]
    for method in SLOW:
        found = [reward(study.cell("TF", method, 64, learning_rate=rate), "TF") for rate in rates]
        lines.append(f"| `{method}` | {' | '.join(found)} |")
    return "\n".join(lines)


def long_table(study: StalenessStudy) -> str:
    """Return TF at a lag of 128, after as many steps as the others and after more."""
    cells = {(c.method, c.steps): c for c in study.cells() if (c.environment, c.lag) == ("TF", 128)}
    steps = (SETTINGS["TF"].steps, LONG_STEPS)
    lines = [f"| method | {' | '.join(f'{n} steps' for n in steps)} |", f"|---|{'---|' * len(steps)}"]
    lines += [f"| `{m}` | {' | '.join(reward(cells[m, n], 'TF') for n in steps)} |" for m in LONG]
    return "\n".join(lines)


if __name__ == "__main__":
    main(sys.argv[1:])
