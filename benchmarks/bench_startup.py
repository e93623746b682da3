"""Start-up time: how long until `neff` answers, against the bare interpreter.

Run it alone on the machine: ``python benchmarks/bench_startup.py [--repeats 15]``. It prints medians and ratios,
and the budgets: `import neff` at most 0.1 s beyond the interpreter, `neff --help` at most 0.3 s.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

PYTHON = sys.executable
COMMANDS = {
    "python -c pass": [PYTHON, "-c", "pass"],
    "import neff": [PYTHON, "-c", "import neff"],
    "neff --version": [PYTHON, "-m", "neff", "--version"],
    "neff --help": [PYTHON, "-m", "neff", "--help"],
    "neff evaluate --help": [PYTHON, "-m", "neff", "evaluate", "--help"],
    "import numpy": [PYTHON, "-c", "import numpy"],
    "import cyclopts": [PYTHON, "-c", "import cyclopts"],
}
BUDGETS = {"import neff": 0.1, "neff --help": 0.3}


def seconds(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15)
    repeats = parser.parse_args().repeats
    for command in COMMANDS.values():
        seconds(command)  # bytecode is written and files are cached, as on a user's second call
    # Interleaved, so that a slow minute of the machine touches every command.
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(repeats):
        for name, command in COMMANDS.items():
            times[name].append(seconds(command))
    bare = statistics.median(times["python -c pass"])
    print(f"{'command':<22} {'median s':>9} {'min s':>8} {'ratio':>6}  budget")
    missed = 0
    for name, measured in times.items():
        median = statistics.median(measured)
        spent = median - bare if name.startswith("import") else median
        budget = BUDGETS.get(name)
        verdict = "" if budget is None else f"{budget} s: {'met' if spent <= budget else 'MISSED'}"
        missed += budget is not None and spent > budget
        print(f"{name:<22} {median:>9.3f} {min(measured):>8.3f} {median / bare:>6.1f}  {verdict}")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
