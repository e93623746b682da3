"""How often some interval misses the mean: simulations with known truth, two-sided, and where a method must fail."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from neff.stats import confidence_sequence, e_process, paired_sequence, ratio_sequence
from neff.testing import coverage_band, simulate_miscoverage

UNIT: dict[str, Any] = {"bounds": (0.0, 1.0)}
DRAWS: dict[str, tuple[Any, float]] = {
    "normal": (lambda rng, n: rng.normal(2.0, 3.0, n), 2.0),
    "uniform": (lambda rng, n: rng.random(n), 0.5),
    "t3": (lambda rng, n: rng.standard_t(3, n), 0.0),
    "lognormal": (lambda rng, n: rng.lognormal(0.0, 1.0, n), math.exp(0.5)),
    "lognormal pair": (lambda rng, n: rng.lognormal(0, 1, n) - rng.lognormal(0, 1, n), 0.0),
    "two points": (lambda rng, n: np.where(rng.random(n) < 0.5, 0.25, 0.75), 0.5),
    "coin": (lambda rng, n: (rng.random(n) < 0.5) * 1.0, 0.5),
    "tenth": (lambda rng, n: (rng.random(n) < 0.1) * 1.0, 0.1),
    "hundredth": (lambda rng, n: (rng.random(n) < 0.01) * 1.0, 0.01),
    "skewed": (lambda rng, n: rng.beta(0.2, 0.8, n), 0.2),
}

# method, options, data, and the share of simulations that miss up to n = 300 and n = 10,000: lowest and highest true
# share that is accepted. The highest is 0.05 wherever the assumptions hold; the lowest says how conservative it may be.
CASES = [
    ("student", {}, "normal", (0.02, 0.05), (0.03, 0.05)),
    ("student", {"target": 50}, "normal", (0.01, 0.05), (0.02, 0.05)),
    ("student", {}, "t3", (0.005, 0.05), (0.01, 0.05)),
    ("student", {}, "lognormal pair", (0.005, 0.05), (0.005, 0.05)),
    ("normal", {"standard_deviation": 3.0}, "normal", (0.01, 0.05), (0.025, 0.05)),
    ("betting", UNIT, "uniform", (0.01, 0.05), (0.02, 0.05)),
    ("betting", UNIT, "two points", (0.01, 0.05), (0.02, 0.05)),
    ("betting", UNIT, "coin", (0.015, 0.05), (0.02, 0.05)),
    ("betting", UNIT, "tenth", (0.005, 0.05), (0.02, 0.05)),
    ("betting", UNIT, "hundredth", (0.0, 0.05), (0.02, 0.05)),
    ("betting", UNIT, "skewed", (0.01, 0.05), (0.02, 0.05)),
    ("beta-binomial", UNIT, "coin", (0.015, 0.05), (0.02, 0.05)),
    ("beta-binomial", UNIT, "tenth", (0.01, 0.05), (0.02, 0.05)),
    ("beta-binomial", UNIT, "hundredth", (0.01, 0.05), (0.015, 0.05)),
    ("beta-binomial", UNIT, "skewed", (0.0, 0.01), (0.0, 0.01)),
    ("empirical-bernstein", UNIT, "coin", (0.0, 0.02), (0.0, 0.02)),
    ("empirical-bernstein", UNIT, "tenth", (0.0, 0.02), (0.0, 0.03)),
    ("hoeffding", UNIT, "coin", (0.01, 0.05), (0.015, 0.05)),
    ("hoeffding", UNIT, "uniform", (0.0, 0.005), (0.0, 0.005)),
    ("asymptotic", {"target": 100}, "normal", (0.005, 0.05), (0.02, 0.05)),
    # assumptions that do not hold: the guide says so, and these say that it is no small matter
    ("student", {}, "lognormal", (0.15, 0.35), (0.18, 0.35)),
    ("student", {}, "skewed", (0.15, 0.30), (0.15, 0.30)),
    ("student", {}, "tenth", (0.06, 0.15), (0.06, 0.18)),
    ("asymptotic", {"target": 10}, "normal", (0.051, 0.10), (0.055, 0.12)),
    ("asymptotic", {"target": 10}, "lognormal", (0.17, 0.35), (0.20, 0.35)),
    ("asymptotic", {"target": 100}, "lognormal", (0.02, 0.12), (0.06, 0.16)),
]


def within(share: float, n_simulations: int, accepted: tuple[float, float]) -> None:
    low, high = coverage_band(n_simulations, (1 - accepted[1], 1 - max(accepted[0], 1e-9)), chance=1e-4)
    assert low <= 1 - share <= high, f"{share:.4f} of {n_simulations} miss, accepted {accepted}"


def names(case: Any) -> str:
    return case if isinstance(case, str) else ""


@pytest.mark.parametrize(("method", "options", "data", "early", "late"), CASES, ids=names)
def test_miscoverage_up_to_300(
    method: Any, options: dict[str, Any], data: str, early: tuple[float, float], late: tuple[float, float]
) -> None:
    draw, mean = DRAWS[data]
    found = simulate_miscoverage(draw, mean, method=method, horizons=(300,), n_simulations=1500, rng=29, **options)
    within(found.share[0], 1500, early)


@pytest.mark.slow
@pytest.mark.parametrize(("method", "options", "data", "early", "late"), CASES, ids=names)
def test_miscoverage_up_to_10000(
    method: Any, options: dict[str, Any], data: str, early: tuple[float, float], late: tuple[float, float]
) -> None:
    draw, mean = DRAWS[data]
    horizons = (30, 100, 300, 10_000)
    found = simulate_miscoverage(draw, mean, method=method, horizons=horizons, n_simulations=4000, rng=31, **options)
    within(found.share[2], 4000, early)
    within(found.share[3], 4000, late)
    assert list(found.share) == sorted(found.share)


@pytest.mark.parametrize("level", [0.5, 0.8, 0.99])
def test_other_levels(level: float) -> None:
    draw, mean = DRAWS["normal"]
    found = simulate_miscoverage(draw, mean, level=level, horizons=(1000,), n_simulations=2000, rng=37)
    within(found.share[0], 2000, (0.6 * (1 - level), 1 - level))


def test_ratios_cover() -> None:
    rng, misses = np.random.default_rng(41), 0
    for _ in range(1500):
        control = rng.lognormal(0, 1, 60)
        treatment = control * rng.lognormal(math.log(0.5), 0.3, 60)
        logs = np.log(treatment) - np.log(control)
        found = confidence_sequence(logs)
        misses += bool(np.any((found.low > math.log(0.5)) | (found.high < math.log(0.5))))
        assert ratio_sequence(treatment, control).low == pytest.approx(math.exp(found.low[-1]), rel=1e-12)
    within(misses / 1500, 1500, (0.02, 0.05))


@pytest.mark.parametrize("side", ["greater", "less", "two-sided"])
@pytest.mark.parametrize(
    ("method", "options", "data"),
    [
        ("student", {}, "normal"),
        ("normal", {"standard_deviation": 3.0}, "normal"),
        ("betting", UNIT, "skewed"),
        ("empirical-bernstein", UNIT, "coin"),
        ("hoeffding", UNIT, "coin"),
        ("beta-binomial", UNIT, "tenth"),
        ("beta-binomial", UNIT, "skewed"),
    ],
    ids=names,
)
def test_e_values_have_an_expectation_of_at_most_one(
    method: Any, options: dict[str, Any], data: str, side: Any
) -> None:
    """At a stopping time that looks for large ones (stop at 4 or at n = 30); exactly 1 for martingales."""
    draw, mean = DRAWS[data]
    rng, stopped = np.random.default_rng(43), []
    for _ in range(3000):
        log_e = e_process(draw(rng, 30), mean=mean, method=method, alternative=side, **options).log_e
        stop = int(np.argmax(log_e >= math.log(4))) if (log_e >= math.log(4)).any() else 29
        stopped.append(math.exp(log_e[stop]))
    error = np.std(stopped) / math.sqrt(3000)
    assert np.mean(stopped) < 1 + 3.5 * error
    exact = method in ("student", "normal", "betting") or (method, data) == ("beta-binomial", "tenth")
    assert not exact or np.mean(stopped) > 1 - 3.5 * error


def test_stopping_at_every_seed_keeps_null_claims_from_holding() -> None:
    """1,000 null claims, a look after each of 100 seeds: at most 5% are called "holds"; and about 2% decided at all."""
    rng, holds, decided = np.random.default_rng(47), 0, 0
    for _ in range(1000):
        low, high, _ = paired_sequence().follow(rng.normal(0.0, 1.0, 100))
        holds += bool((low > 0).any())
        decided += bool(((low > 0) | (high < 0)).any())
    assert holds <= 50
    within(decided / 1000, 1000, (0.02, 0.05))
