"""`staleness_study`: losses, advantages and learning-rate rules on data that are k optimizer steps old."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import ArgumentError, ArgumentTypeError
from neff.results import Provenance
from neff.stats._validate import check_count, check_level, check_number
from neff.testing.staleness.cache import RunCache, key_of
from neff.testing.staleness.digits import Digits
from neff.testing.staleness.engine import Spec, simulate
from neff.testing.staleness.methods import method_of
from neff.testing.staleness.result import StalenessRun, StalenessStudy
from neff.testing.staleness.settings import COMPARED, LAGS, settings_of
from neff.testing.staleness.tabular import Tabular

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from neff.testing.staleness.engine import Trace
    from neff.testing.staleness.environment import Environment
    from neff.testing.staleness.methods import StalenessMethod

__all__ = ["environment_of", "staleness_study"]

SIDE_BY_SIDE = {"E1": 60, "E2": 60, "TF": 6}
"""Runs in one tensor: as many as fit the processor's cache."""


def environment_of(name: str) -> Environment:
    """Return an environment of the testbed: "E1", "E2" or "TF"."""
    settings_of(name, call="environment_of")
    return Digits() if name == "TF" else Tabular(name)


def staleness_study(
    *,
    environments: Sequence[str] = ("E1", "E2", "TF"),
    methods: Sequence[str | StalenessMethod] = COMPARED,
    lags: Sequence[int] = LAGS,
    seeds: int | Sequence[int] = 3,
    learning_rates: Sequence[float] | None = None,
    steps: int | None = None,
    level: float = 0.95,
    cache: str | Path | None = None,
    tell: Callable[[int, int, float], None] | None = None,
) -> StalenessStudy:
    """Train small policies on data that are k optimizer steps old, and see which methods keep what they learn.

    Use it to choose a loss for asynchronous training, to test one of your own (a `StalenessMethod`), and to see at
    which lag and learning rate a recipe breaks. Not as a forecast of rewards on language models: what carries over is
    which mechanism fails how.

    Parameters
    ----------
    environments
        - "E1": a table of logits; reward is the share of right tokens. Every token is judged by itself, so stale
          gradients still point the right way, and no correction looks best.
        - "E2": the same table; half of the tokens must be token 0. Overshoot is punished.
        - "TF": a transformer of 14,344 parameters, warm-started on noisy labels, answers digits with digit + 1.
    methods
        Names of `METHODS`, or `StalenessMethod` objects.
    lags
        How many optimizer steps old the data are; 0 is on-policy.
    seeds
        How many seeds (0, 1, ...), or the seeds themselves. The same seed gives all methods, lags and learning rates
        the same random numbers, so that their differences are paired.
    learning_rates
        Of Adam, for every environment; by default each one's own (0.3, 0.1, 0.01).
    steps
        Optimizer steps of a run; by default each environment's own (600, 600, 250). Lags of the order of the steps see
        little but data of the first policy.
    level
        Coverage of the t-intervals over seeds.
    cache
        A file of JSON lines that keeps every finished run; a study that is started again takes them from there. Runs of
        `StalenessMethod` objects are kept under their names: rename a method that you change.
    tell
        Called with the number of runs that are done, of all runs, and the share of the present batch of runs that is
        done.

    Returns
    -------
    StalenessStudy
        Runs, and means with intervals per cell.

    Raises
    ------
    ArgumentError
        If a name is unknown, or a number makes no sense.
    RecordsError, OutputError
        If the cache holds something else, or cannot be written.

    Notes
    -----
    Batches wait in a first-in-first-out queue of k batches, filled at first with data of the initial policy. Adam
    (betas 0.9 and 0.95), gradient norm clipped to 1, group z-scores unless the method says otherwise, mean over tokens.
    Sequence log-ratios are summed and never clamped. Results do not depend on which runs are computed together; they
    can depend on processor and torch version in the last bits, which training amplifies. About 0.25 CPU seconds for a
    run of E1 or E2, 2.5 for one of TF. The default learning rates show the regime in which methods differ; the guide
    shows one in which they do not.

    References
    ----------
    Environments and lag model were made to compare arXiv:2602.17616 and arXiv:2605.12380.

    Examples
    --------
    >>> study = staleness_study(environments=["E2"], methods=["reinforce"], lags=[0, 16], seeds=1, steps=60)
    >>> [(run.method, run.lag, run.ess_token == 1.0) for run in study.runs]
    [('reinforce', 0, True), ('reinforce', 16, False)]
    """
    call = "staleness_study"
    names = _unique(environments, "environments", call)
    chosen = [method_of(method, call=call) for method in _unique(methods, "methods", call)]
    if len({method.name for method in chosen}) < len(chosen):
        raise ArgumentError("methods", "of different names", [m.name for m in chosen], call=call)
    waits = [check_count(k, argument="lags", call=call) for k in _unique(lags, "lags", call)]
    numbers = _seeds(seeds, call)
    if steps is not None:
        steps = check_count(steps, argument="steps", call=call, minimum=10)
    level = check_level(level, call=call)
    rates = (
        None if learning_rates is None else [_rate(r, call) for r in _unique(learning_rates, "learning_rates", call)]
    )
    store = None if cache is None else RunCache(cache)
    wanted: dict[Any, tuple[str, Spec]] = {}
    for name in names:
        settings = settings_of(name, call=call)
        for rate in rates or [settings.learning_rate]:
            for lag in waits:
                for method in chosen:
                    for seed in numbers:
                        key = (name, method.name, lag, rate, seed, settings.steps if steps is None else steps)
                        wanted[key] = (name, Spec(method, lag, rate, seed))
    done = {key: run for key, run in (store.runs if store else {}).items() if key in wanted}
    for name in names:
        environment = environment_of(name)
        left = [spec for key, (where, spec) in wanted.items() if where == name and key not in done]
        # Runs of one method side by side share calls of its loss.
        left.sort(key=lambda spec: chosen.index(spec.method))
        for start in range(0, len(left), SIDE_BY_SIDE[name]):
            part = left[start : start + SIDE_BY_SIDE[name]]
            tick = None if tell is None else _ticker(tell, len(done), len(wanted), len(part))
            traces = simulate(environment, part, steps=steps, tick=tick)
            new = [_run(environment, spec, trace) for spec, trace in zip(part, traces, strict=True)]
            if store is not None:
                store.add(new)
            done |= {key_of(run): run for run in new}
    options = {
        "environments": names, "methods": [m.name for m in chosen], "lags": waits, "seeds": numbers,
        "learning_rates": rates, "steps": steps,
    }  # fmt: skip
    return StalenessStudy(tuple(done[key] for key in wanted), level, _notes(names, waits, steps), _provenance(options))


def _unique(values: Any, argument: str, call: str) -> list[Any]:
    if isinstance(values, str) or not hasattr(values, "__iter__"):
        raise ArgumentTypeError(argument, "a list", values, f"Write [{values!r}].", call=call)
    found = list(dict.fromkeys(values))
    if not found:
        raise ArgumentError(argument, "at least one", [], call=call)
    return found


def _seeds(seeds: int | Sequence[int], call: str) -> list[int]:
    if hasattr(seeds, "__iter__"):
        return [check_count(seed, argument="seeds", call=call) for seed in _unique(seeds, "seeds", call)]
    return list(range(check_count(seeds, argument="seeds", call=call, minimum=1)))


def _rate(rate: float, call: str) -> float:
    number = check_number(rate, argument="learning_rates", call=call)
    if not 0 < number < math.inf:
        raise ArgumentError("learning_rates", "above 0 and finite", rate, call=call)
    return number


def _ticker(tell: Callable[[int, int, float], None], done: int, total: int, part: int) -> Callable[[int, int], None]:
    def tick(step: int, steps: int) -> None:
        last = step == steps
        tell(done + part if last else done, total, 0.0 if last else step / steps)

    return tick


def _run(environment: Environment, spec: Spec, trace: Trace) -> StalenessRun:
    settings = environment.settings
    rewards = trace.rewards
    return StalenessRun(
        environment=settings.name,
        method=spec.method.name,
        lag=spec.lag,
        learning_rate=spec.learning_rate,
        seed=spec.seed,
        steps=trace.marks[-1],
        evaluated_at=trace.marks,
        rewards=rewards,
        final=math.fsum(rewards[-settings.n_last :]) / settings.n_last,
        dip=min(rewards[3:]),
        peak=max(rewards),
        ess_token=float(np.median(trace.ess_token)),
        ess_sequence=float(np.median(trace.ess_sequence)),
        update_norm=float(np.median(trace.update_norms)),
        n_skipped=trace.n_skipped,
        cpu_seconds=trace.cpu_seconds,
    )


def _notes(names: Iterable[str], lags: Iterable[int], steps: int | None) -> tuple[str, ...]:
    long = [
        f"{name}: a lag of {max(lags)} in {n} steps leaves little but data of the first policy; run more steps."
        for name in names
        if 2 * max(lags) > (n := settings_of(name, call="staleness_study").steps if steps is None else steps)
    ]
    return ("Small policies: what carries over to language models is which mechanism fails, not the rewards.", *long)


def _provenance(options: dict[str, Any]) -> Provenance:
    import torch

    from neff import __version__

    created = datetime.now(UTC).isoformat(timespec="seconds")
    return Provenance(
        __version__, "neff.testing.staleness_study", options | {"torch": str(torch.__version__)}, (), created
    )
