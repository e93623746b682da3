"""`BenchmarkNoise`: which benchmarks tell models apart, and which early decisions hold."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from neff.results import Column, Table, json_number

if TYPE_CHECKING:
    from collections.abc import Callable

    from neff.results import Estimate

__all__ = ["BenchmarkNoise", "TaskNoise"]


@dataclass(frozen=True, slots=True)
class TaskNoise:
    """Signal and noise of one task.

    Attributes
    ----------
    task
        Name of the benchmark or metric.
    n_runs, n_checkpoints
        Runs used, and the median number of last checkpoints per run.
    mean
        Mean over runs of the mean of the last checkpoints.
    signal, noise, snr
        Relative spread of the models, mean relative deviation of one checkpoint, and their ratio.
    total_variation
        Mean over runs of how many times a curve walks its own net change; see `total_variation`, "net".
    monotonicity
        Mean over runs of Kendall's tau-b between the order of checkpoints and the scores.
    decision
        Decision accuracy from small to target scale with the means of the last checkpoints; None where no scales are
        named.
    decision_drawn
        The same with one checkpoint per run drawn at random.
    flattened_snr
        The figure of the paper's quick-start script, to compare with published ones only.
    seed_sd
        Standard deviation over repeats of a run (other seeds) of the last checkpoint, pooled over runs; None without
        repeats.
    """

    task: str
    n_runs: int
    n_checkpoints: float
    mean: float
    signal: Estimate
    noise: Estimate
    snr: Estimate
    total_variation: float
    monotonicity: float
    decision: Estimate | None = None
    decision_drawn: Estimate | None = None
    flattened_snr: float = math.nan
    seed_sd: Estimate | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "task": self.task,
            "n_runs": self.n_runs,
            "n_checkpoints": self.n_checkpoints,
            "mean": json_number(self.mean),
            "signal": self.signal.to_dict(),
            "noise": self.noise.to_dict(),
            "snr": self.snr.to_dict(),
            "total_variation": json_number(self.total_variation),
            "monotonicity": json_number(self.monotonicity),
            "decision": None if self.decision is None else self.decision.to_dict(),
            "decision_drawn": None if self.decision_drawn is None else self.decision_drawn.to_dict(),
            "flattened_snr": json_number(self.flattened_snr),
            "seed_sd": None if self.seed_sd is None else self.seed_sd.to_dict(),
        }


@dataclass(frozen=True, slots=True)
class BenchmarkNoise:
    """Signal and noise of every task, the best ratio first.

    Attributes
    ----------
    tasks
        One per task, sorted by signal to noise; tasks without one last.
    population
        Which runs the signal is over, in words.
    small, target
        The two scales of the decision accuracy, or "".
    last, ddof, signal_kind, level
        How it was computed.
    warnings
        What weakens the figures.
    """

    tasks: tuple[TaskNoise, ...]
    population: str
    small: str
    target: str
    last: int
    ddof: int
    signal_kind: str
    level: float
    warnings: tuple[str, ...] = ()
    seed: int | None = None

    def __getitem__(self, task: str) -> TaskNoise:
        for found in self.tasks:
            if found.task == task:
                return found
        raise KeyError(task)

    def table(self) -> Table:
        """Return one row per task."""
        columns: list[tuple[Column, Callable[[TaskNoise], Any]]] = [
            (Column("task", "Task"), lambda t: t.task),
            (Column("snr", "SNR", "number", 1), lambda t: t.snr.value),
            (Column("snr_interval", "Interval", "interval", 1), lambda t: t.snr.interval),
            (Column("signal", "Signal", "number", 3), lambda t: t.signal.value),
            (Column("noise", "Noise", "number", 4), lambda t: t.noise.value),
            (Column("noise_interval", "Noise interval", "interval", 4), lambda t: t.noise.interval),
        ]
        if any(t.decision is not None for t in self.tasks):
            columns += [
                (Column("decision", "Decision accuracy", "percent"), lambda t: t.decision and t.decision.value),
                (
                    Column("decision_interval", "Decision interval", "interval", 2),
                    lambda t: t.decision.interval if t.decision else (math.nan, math.nan),
                ),
                (Column("drawn", "One checkpoint", "percent"), lambda t: t.decision_drawn and t.decision_drawn.value),
            ]
        if any(t.seed_sd is not None for t in self.tasks):
            columns += [
                (Column("seed_sd", "Seed SD", "number", 4), lambda t: t.seed_sd and t.seed_sd.value),
                (
                    Column("seed_interval", "Seed SD interval", "interval", 4),
                    lambda t: t.seed_sd.interval if t.seed_sd else (math.nan, math.nan),
                ),
            ]
        columns += [
            (Column("tau", "Monotonicity", "number", 2), lambda t: t.monotonicity),
            (Column("walked", "Walked", "number", 2), lambda t: t.total_variation),
            (Column("runs", "Runs", "count"), lambda t: t.n_runs),
        ]
        rows = tuple(tuple(of(task) for _, of in columns) for task in self.tasks)
        return Table(tuple(column for column, _ in columns), rows)

    def __str__(self) -> str:
        why = [f"{t.task}: {t.snr.reason}" for t in self.tasks if t.snr.reason is not None]
        return "\n".join([str(self.table()), *why[:10], *self.warnings])

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "schema": "neff.benchmark-noise/1",
            "tasks": [task.to_dict() for task in self.tasks],
            "population": self.population,
            "small": self.small or None,
            "target": self.target or None,
            "last": self.last,
            "ddof": self.ddof,
            "signal": self.signal_kind,
            "level": self.level,
            "warnings": list(self.warnings),
            "seed": self.seed,
        }
