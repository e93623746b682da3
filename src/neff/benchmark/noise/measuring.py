"""`benchmark_noise`: signal, noise and decision accuracy per task, from training curves."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.benchmark.noise.deciding import decision_accuracy, decision_accuracy_drawn
from neff.benchmark.noise.measures import SIGNALS, check_ddof, flattened_snr, monotonicity, total_variation
from neff.benchmark.noise.per_task import lag_one, noise_estimate, signal_estimate, snr_estimate
from neff.benchmark.noise.result import BenchmarkNoise, TaskNoise
from neff.benchmark.noise.seeds import sd_estimate
from neff.errors import ArgumentError
from neff.stats._options import check_choice, seeded
from neff.stats._validate import check_count, check_level

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from neff.benchmark.noise.curves import Curve, Curves
    from neff.results import Estimate

__all__ = ["benchmark_noise"]


def benchmark_noise(
    curves: Curves,
    *,
    last: int = 30,
    signal: str = "range",
    ddof: int = 1,
    small: str | None = None,
    target: str | None = None,
    n_draws: int = 1000,
    level: float = 0.95,
    rng: Any = None,
) -> BenchmarkNoise:
    """Say per task how far it spreads models apart, how noisy its score is, and whether its early decisions hold.

    Use it on training curves of several runs to choose the benchmarks, or the metrics, that decisions rest on. Not on
    one score per model: there is no noise in it to see (the sampling noise of items is what `neff.evaluate` measures).

    Parameters
    ----------
    curves
        From `curves_of` or `wide_curves`.
    last
        Checkpoints from the end of each run that are its noise: 30 for large runs, 5 for small ones. Runs with fewer
        than 2 are left out of signal and noise.
    signal
        How the spread of models is measured; see `neff.benchmark.noise.signal`.
    ddof
        Of the deviation over checkpoints: 1, or 0 as in the paper's quick function, which is too small where they are
        few. The interval is that of 1 in any case.
    small, target
        Two sizes of `curves`: decision accuracy from the one to the other over common recipes. Signal and noise are
        then of the runs of the size `small`; without, of all runs.
    n_draws, rng
        Of the decision accuracy by single checkpoints (SPEC 7).
    level
        Coverage of the intervals.

    Returns
    -------
    BenchmarkNoise
        The tasks by signal to noise.

    Raises
    ------
    ArgumentError
        If a size is unknown, or only one of the two is named.

    Notes
    -----
    Signal is relative to the mean, the noise that of one checkpoint, and each model's own: the paper's definition. The
    intervals take the models as given and the checkpoints as random: degrees of freedom of the noise and the error of
    the means allow for the correlation of neighbouring checkpoints, estimated per task over all its runs. A trend
    within the last checkpoints counts as noise, as in the paper. Signals of different numbers of models do not compare.
    Decision accuracy has its interval over recipes. Of a run that was repeated the signal takes the first repeat;
    decision accuracy takes all.

    References
    ----------
    Heineman et al., Signal and Noise. arXiv:2508.13144
    Madaan et al., Quantifying Variance in Evaluation Benchmarks. arXiv:2406.10229

    Examples
    --------
    >>> from neff.benchmark.noise import curves_of
    >>> run = ["a"] * 4 + ["b"] * 4
    >>> told = curves_of(run, [1, 2, 3, 4] * 2, [0.30, 0.31, 0.30, 0.32, 0.40, 0.41, 0.39, 0.42])
    >>> found = benchmark_noise(told, last=4)
    >>> round(found.tasks[0].signal.value, 4), round(found.tasks[0].snr.value, 2)
    (0.2737, 8.69)
    """
    call = "benchmark_noise"
    last = check_count(last, argument="last", call=call, minimum=2)
    check_choice(signal, SIGNALS, argument="signal", call=call)
    ddof, level = check_ddof(ddof, call), check_level(level, call=call)
    if (small is None) != (target is None):
        raise ArgumentError("target", "named together with small", target, "Name both sizes.", call=call)
    sizes = sorted({curve.size for curve in curves.curves})
    for name, given in (("small", small), ("target", target)):
        if given is not None and given not in sizes:
            fix = "Sizes come with the curves: size=, or pattern=."
            raise ArgumentError(name, f"one of {sizes}", given, fix, call=call)
    generator, seed = seeded(rng, call=call)
    base = int(generator.integers(2**62))
    found = []
    for task in curves.tasks():
        own = curves.of(task)
        population = [c for c in own if small is None or c.size == small]
        pair = _decide(own, small, target, last, n_draws, level, base) if small is not None else (None, None)
        found.append(_task(task, population, own, last, signal, ddof, level, *pair))
    found.sort(key=lambda t: (math.isnan(t.snr.value), -t.snr.value if not math.isnan(t.snr.value) else 0.0, t.task))
    return BenchmarkNoise(
        tasks=tuple(found), population=f"runs of size {small}" if small else "all runs", small=small or "",
        target=target or "", last=last, ddof=ddof, signal_kind=signal, level=level,
        warnings=(*curves.notes, *_warnings(found)), seed=seed if small else None,
    )  # fmt: skip


def tail(curve: Curve, last: int) -> NDArray[np.float64]:
    """Return the last checkpoints of a curve."""
    return curve.score[-last:]


def _task(
    task: str,
    population: Sequence[Curve],
    own: Sequence[Curve],
    last: int,
    kind: str,
    ddof: int,
    level: float,
    decision: Estimate | None,
    drawn: Estimate | None,
) -> TaskNoise:
    once = list({curve.repeated: curve for curve in reversed(population)}.values())[::-1]
    tails = [tail(curve, last) for curve in once]
    measured = [t for t in tails if t.size > 1]
    rho = lag_one(measured)
    spread = signal_estimate(measured or tails, kind=kind, level=level, rho=rho)
    noise = noise_estimate(measured, ddof=ddof, level=level, rho=rho)
    means = np.array([t.mean() for t in tails])
    return TaskNoise(
        task=task, n_runs=len(measured), mean=float(means.mean()) if means.size else math.nan,
        n_checkpoints=float(np.median([t.size for t in measured])) if measured else 0.0, signal=spread, noise=noise,
        snr=snr_estimate(spread, noise, level=level),
        total_variation=_mean([total_variation(c.score) for c in population]),
        seed_sd=_seed_sd(own, level),
        monotonicity=_mean([monotonicity(c.score) for c in population]), decision=decision, decision_drawn=drawn,
        flattened_snr=flattened_snr([float(t[-1]) for t in measured], measured) if len(measured) > 1 else math.nan,
    )  # fmt: skip


def _mean(values: list[float]) -> float:
    known = [v for v in values if not math.isnan(v)]
    return float(np.mean(known)) if known else math.nan


def by_recipe(curves: Sequence[Curve], size: str, last: int) -> dict[str, NDArray[np.float64]]:
    """Return the last checkpoints of each recipe at a size."""
    found: dict[str, list[NDArray[np.float64]]] = {}
    for c in curves:
        if c.size == size:
            found.setdefault(c.recipe, []).append(tail(c, last))
    return {recipe: np.concatenate(tails) for recipe, tails in found.items()}


def _seed_sd(curves: Sequence[Curve], level: float) -> Estimate | None:
    """Return the deviation over repeats of the last checkpoint, pooled over the runs that were repeated."""
    repeats: dict[tuple[str, str], list[float]] = {}
    for c in curves:
        repeats.setdefault(c.repeated, []).append(float(c.score[-1]))
    several = [np.array(values) for values in repeats.values() if len(values) > 1]
    if not several:
        return None
    df = sum(v.size - 1 for v in several)
    pooled = math.sqrt(sum(float(((v - v.mean()) ** 2).sum()) for v in several) / df)
    return sd_estimate(pooled, df + 1, level, "seed SD")


def _decide(
    curves: Sequence[Curve],
    small: str | None,
    target: str | None,
    last: int,
    n_draws: int,
    level: float,
    seed: int,
) -> tuple[Estimate, Estimate]:
    s, t = (by_recipe(curves, size or "", last) for size in (small, target))
    means = [{name: float(x.mean()) for name, x in of.items()} for of in (s, t)]
    # a stream per task, so that a task's figure does not depend on which others are there
    stream = np.random.default_rng([seed, _number(curves[0].task)])
    drawn = decision_accuracy_drawn(s, t, n_draws=n_draws, level=level, rng=stream)
    return decision_accuracy(*means, level=level), drawn


def _number(name: str) -> int:
    from hashlib import blake2b

    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "little")


def _warnings(found: Sequence[TaskNoise]) -> tuple[str, ...]:
    said = []
    runs = {t.n_runs for t in found}
    if len(runs) > 1:
        said.append(f"signals of different numbers of runs ({min(runs)} to {max(runs)}) do not compare")
    if any(0 < t.n_checkpoints < 5 for t in found):
        said.append("fewer than 5 checkpoints per run: the noise is hardly known")
    if any(t.decision is not None and t.decision.n_items < 10 for t in found):
        said.append("fewer than 10 recipes: decision accuracy is coarse, and its interval wide")
    return tuple(said)
