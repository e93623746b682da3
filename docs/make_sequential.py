"""Write the tables of docs/guide/sequential.md by simulation: `python docs/make_sequential.py` (about two minutes).

Seeds are fixed, so that the same code gives the same tables; `--check` says whether the page is up to date.
"""
# ruff: noqa: INP001

from __future__ import annotations

import math
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np

from neff.testing import simulate_miscoverage, simulate_stopping

PAGE = Path(__file__).resolve().parent / "guide" / "sequential.md"
HORIZONS = (10, 30, 100, 1000, 10_000)
N_SIMULATIONS = 1000
UNIT: dict[str, Any] = {"bounds": (0.0, 1.0)}

DATA: dict[str, tuple[Any, float]] = {
    "normal": (lambda rng, n: rng.normal(size=n), 0.0),
    "t, 3 degrees of freedom": (lambda rng, n: rng.standard_t(3, n), 0.0),
    "lognormal minus lognormal": (lambda rng, n: rng.lognormal(0, 1, n) - rng.lognormal(0, 1, n), 0.0),
    "exponential": (lambda rng, n: rng.exponential(size=n), 1.0),
    "lognormal": (lambda rng, n: rng.lognormal(0, 1, n), math.exp(0.5)),
    "uniform": (lambda rng, n: rng.random(n), 0.5),
    "Beta(0.2, 0.8)": (lambda rng, n: rng.beta(0.2, 0.8, n), 0.2),
    "0 or 1, rate 0.5": (lambda rng, n: (rng.random(n) < 0.5) * 1.0, 0.5),
    "0 or 1, rate 0.1": (lambda rng, n: (rng.random(n) < 0.1) * 1.0, 0.1),
    "0 or 1, rate 0.01": (lambda rng, n: (rng.random(n) < 0.01) * 1.0, 0.01),
}
ANY = ("normal", "t, 3 degrees of freedom", "lognormal minus lognormal", "exponential", "lognormal")
BOUNDED = ("uniform", "Beta(0.2, 0.8)", "0 or 1, rate 0.5", "0 or 1, rate 0.1", "0 or 1, rate 0.01")
CELLS: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
    ("student", {}, (*ANY, "0 or 1, rate 0.1")),
    ("normal", {"standard_deviation": 1.0}, ("normal",)),
    ("asymptotic", {"target": 10}, ANY),
    ("asymptotic", {"target": 100}, ANY),
    ("betting", UNIT, BOUNDED),
    ("beta-binomial", UNIT, BOUNDED),
    ("empirical-bernstein", UNIT, BOUNDED),
    ("hoeffding", UNIT, BOUNDED),
]


def miscoverage() -> str:
    """Return the table of how often each method misses."""
    lines = [
        "| method | values | " + " | ".join(f"n ≤ {n:,}" for n in HORIZONS) + " |",
        "|---|---|" + "--:|" * len(HORIZONS),
    ]
    for method, options, data in CELLS:
        label = method + (f", target {options['target']}" if "target" in options else "")
        for name in data:
            draw, mean = DATA[name]
            found = simulate_miscoverage(
                draw, mean, method=method, horizons=HORIZONS, n_simulations=N_SIMULATIONS, rng=67, **options
            )
            lines.append(f"| {label} | {name} | " + " | ".join(percent(share) for share in found.share) + " |")
    return "\n".join(lines)


def stopping() -> str:
    """Return the table of when a claim is decided."""
    columns = (
        *("true effect", "holds", "fails", "undecided", "median pairs", "nine in ten by"),
        *("t-test: half", "t-test: nine in ten", "t-test at every pair"),
    )
    lines = [f"| {' | '.join(columns)} |", "|" + "--:|" * len(columns)]
    for effect in (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0):
        found = simulate_stopping(effect, budget=200, n_simulations=N_SIMULATIONS, rng=71)
        shares = (percent(share) for share in (found.holds, found.fails, found.undecided))
        pairs = (count(n) for n in (found.median, found.most, found.t_test_half, found.t_test_most))
        lines.append(f"| {effect:g} | " + " | ".join((*shares, *pairs, percent(found.t_test_peeking))) + " |")
    return "\n".join(lines)


def percent(share: float) -> str:
    """Return a share as a percentage."""
    return f"{100 * share:.1f}%"


def count(n: float) -> str:
    """Return a number of pairs, or a dash."""
    return f"{n:.0f}" if np.isfinite(n) else "–"


def page(text: str) -> str:
    """Return the page with its tables made anew."""
    for name, table in (("miscoverage", miscoverage()), ("stopping", stopping())):
        block = f"<!-- {name}: written by docs/make_sequential.py -->\n\n{table}\n\n<!-- end -->"
        text, n = re.subn(rf"<!-- {name}: .*?<!-- end -->", lambda _, block=block: block, text, flags=re.DOTALL)
        if n != 1:
            raise SystemExit(f"{PAGE} has {n} places for {name}")
    return text


def main() -> int:
    """Write the page, or check it."""
    old = PAGE.read_text(encoding="utf-8")
    new = page(old)
    if "--check" in sys.argv[1:]:
        if new != old:
            raise SystemExit("out of date: run python docs/make_sequential.py")
        return 0
    PAGE.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
