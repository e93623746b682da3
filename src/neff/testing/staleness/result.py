"""Runs of the testbed, and what they say per method, environment, lag and learning rate. Nothing here needs torch."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from statistics import median
from typing import TYPE_CHECKING, Any

from neff.reasons import Reason
from neff.results import Column, Estimate, Table
from neff.results._common import from_json, json_value, known_fields
from neff.stats.intervals import t_interval

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from neff.results import Provenance

__all__ = ["SCHEMA", "StalenessCell", "StalenessRun", "StalenessStudy"]

SCHEMA = "neff.staleness/1"
LEFT = 0.85
"""A run has crashed where less than this share is left of its peak at the end, or of its start on the way."""


@dataclass(frozen=True, slots=True)
class StalenessRun:
    """One run of the testbed.

    Attributes
    ----------
    environment, method, lag, learning_rate, seed, steps
        What was run; `lag` in optimizer steps.
    evaluated_at, rewards
        After how many steps it was evaluated, from 0 on, and the mean rewards, in [0, 1].
    final
        Mean reward of the last evaluations (4 in E1 and E2, 3 in TF).
    dip
        Lowest reward from the third evaluation after the start on.
    peak
        Highest reward.
    ess_token, ess_sequence
        Medians over the steps of the effective sample size of the batch, as a share: of all token ratios together, and
        of the sequence ratios; current policy over sampler, not clamped, whatever the method does with them.
    update_norm
        Median over the steps of the length of the step in parameter space.
    n_skipped
        Steps that were not made because the gradient was not finite.
    cpu_seconds
        CPU time, of runs side by side an equal share.
    """

    environment: str
    method: str
    lag: int
    learning_rate: float
    seed: int
    steps: int
    evaluated_at: tuple[int, ...]
    rewards: tuple[float, ...]
    final: float
    dip: float
    peak: float
    ess_token: float
    ess_sequence: float
    update_norm: float
    n_skipped: int
    cpu_seconds: float = field(compare=False)

    @property
    def start(self) -> float:
        """Reward before the first step."""
        return self.rewards[0]

    @property
    def crashed(self) -> bool:
        """Whether it ended below 85% of its peak, or fell below 85% of the reward it began with."""
        return self.final < LEFT * self.peak or self.dip < LEFT * self.start

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        found = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: list(value) if isinstance(value, tuple) else json_value(value) for name, value in found.items()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> StalenessRun:
        """Rebuild from `to_dict`."""
        known = known_fields(cls, data)
        for name in ("final", "dip", "peak", "ess_token", "ess_sequence", "update_norm", "cpu_seconds"):
            known[name] = from_json(known[name])
        return cls(**known | {name: tuple(known[name]) for name in ("evaluated_at", "rewards")})


@dataclass(frozen=True, slots=True)
class StalenessCell:
    """What the seeds of one method, environment, lag, learning rate and number of steps say together.

    Attributes
    ----------
    environment, method, lag, learning_rate, steps
        The cell.
    final, dip, peak
        Means over the seeds with t-intervals; undefined intervals (one seed, equal seeds) have a reason.
    worst
        The lowest final reward of a seed.
    n_crashed
        Seeds that crashed: see `StalenessRun.crashed`.
    ess_token, ess_sequence, update_norm
        Medians over the seeds.
    """

    environment: str
    method: str
    lag: int
    learning_rate: float
    steps: int
    final: Estimate
    dip: Estimate
    peak: Estimate
    worst: float
    n_crashed: int
    ess_token: float
    ess_sequence: float
    update_norm: float

    @property
    def n(self) -> int:
        """Number of seeds."""
        return self.final.n

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        found = {f.name: getattr(self, f.name) for f in fields(self)}
        return {
            name: value.to_dict() if isinstance(value, Estimate) else json_value(value) for name, value in found.items()
        }


@dataclass(frozen=True, slots=True)
class StalenessStudy:
    """Runs of the testbed and their summary.

    Attributes
    ----------
    runs
        One row per environment, learning rate, lag, method and seed.
    level
        Coverage of the intervals.
    notes
        What the reader must know.
    provenance
        Where it came from.
    """

    runs: tuple[StalenessRun, ...]
    level: float = 0.95
    notes: tuple[str, ...] = ()
    provenance: Provenance | None = field(default=None, repr=False, compare=False)

    def cells(self) -> tuple[StalenessCell, ...]:
        """Return the summary, one cell per environment, learning rate, steps, lag and method, in the order of runs."""
        cells: dict[tuple[str, float, int, int, str], list[StalenessRun]] = {}
        for run in self.runs:
            cells.setdefault((run.environment, run.learning_rate, run.steps, run.lag, run.method), []).append(run)
        return tuple(_cell(runs, self.level) for runs in cells.values())

    def cell(self, environment: str, method: str, lag: int, *, learning_rate: float | None = None) -> StalenessCell:
        """Return one cell; without a learning rate, that (and the steps) of the first run there.

        Raises
        ------
        KeyError
            If there is no such run.
        """
        found = [
            r
            for r in self.runs
            if (r.environment, r.method, r.lag) == (environment, method, lag)
            and (learning_rate is None or r.learning_rate == learning_rate)
        ]
        if not found:
            raise KeyError(f"no run of {method} in {environment} at lag {lag}")
        first = found[0]
        return _cell([r for r in found if (r.learning_rate, r.steps) == (first.learning_rate, first.steps)], self.level)

    @property
    def cpu_seconds(self) -> float:
        """CPU time of all runs together."""
        return math.fsum(run.cpu_seconds for run in self.runs)

    def table(self) -> Table:
        """Return the summary as a table, one row per cell."""
        columns = (
            Column("environment", "Env"),
            Column("learning_rate", "LR", "text"),
            Column("lag", "Lag", "count", help="optimizer steps"),
            Column("method", "Method"),
            Column("final", "Final", "number", 3, "mean reward of the last evaluations"),
            Column("final_interval", f"{100 * self.level:g}% interval", "interval", 3),
            Column("worst", "Worst", "number", 3, "final reward of the worst seed"),
            Column("dip", "Dip", "number", 3, "lowest reward from the third evaluation on"),
            Column("peak", "Peak", "number", 3),
            Column("n_crashed", "Crashed", "count", help="seeds"),
            Column("n", "Seeds", "count"),
            Column("ess_token", "ESS token", "number", 3, "median share"),
            Column("ess_sequence", "ESS seq.", "number", 3, "median share"),
            Column("update_norm", "Step", "number", 4, "median length"),
            Column("reason", "Reason", help="why an interval is undefined"),
        )
        rows = tuple(
            (
                c.environment, f"{c.learning_rate:g}", c.lag, c.method, c.final.value, c.final.interval, c.worst,
                c.dip.value, c.peak.value, c.n_crashed, c.n, c.ess_token, c.ess_sequence, c.update_norm,
                "" if c.final.reason is None else str(c.final.reason),
            )
            for c in self.cells()
        )  # fmt: skip
        return Table(columns, rows, "Rewards on stale rollouts")

    def __str__(self) -> str:
        return str(self.table())

    def chart_data(self) -> dict[tuple[str, float], dict[str, dict[str, list[float]]]]:
        """Return final rewards against lag: by environment and learning rate, then by method."""
        data: dict[tuple[str, float], dict[str, dict[str, list[float]]]] = {}
        for c in sorted(self.cells(), key=lambda c: c.lag):
            panel = data.setdefault((c.environment, c.learning_rate), {})
            line = panel.setdefault(c.method, {"lag": [], "final": [], "low": [], "high": []})
            for name, value in zip(line, (c.lag, c.final.value, *c.final.interval), strict=True):
                line[name].append(value)
        return data

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values: the summary, and the runs that it can be made from again."""
        return {
            "schema": SCHEMA,
            "level": self.level,
            "cells": [cell.to_dict() for cell in self.cells()],
            "runs": [run.to_dict() for run in self.runs],
            "cpu_seconds": self.cpu_seconds,
            "notes": list(self.notes),
            "provenance": None if self.provenance is None else self.provenance.to_dict(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> StalenessStudy:
        """Rebuild from `to_dict`."""
        from neff.results import Provenance

        came = data.get("provenance")
        return cls(
            runs=tuple(StalenessRun.from_dict(run) for run in data["runs"]),
            level=float(data.get("level", 0.95)),
            notes=tuple(data.get("notes", ())),
            provenance=None if came is None else Provenance.from_dict(came),
        )


def _cell(runs: Sequence[StalenessRun], level: float) -> StalenessCell:
    first = runs[0]
    final, dip, peak = (_mean([getattr(run, name) for run in runs], name, level) for name in ("final", "dip", "peak"))
    ess_token, ess_sequence, norm = (
        median(getattr(run, name) for run in runs) for name in ("ess_token", "ess_sequence", "update_norm")
    )
    return StalenessCell(
        first.environment, first.method, first.lag, first.learning_rate, first.steps, final, dip, peak,
        min(run.final for run in runs), sum(run.crashed for run in runs), ess_token, ess_sequence, norm,
    )  # fmt: skip


def _mean(values: Sequence[float], metric: str, level: float) -> Estimate:
    """Return the mean over seeds with its t-interval."""
    n = len(values)
    value = math.fsum(values) / n
    error, df = math.nan, float(n - 1)
    if n > 1:
        error = math.sqrt(math.fsum((v - value) ** 2 for v in values) / (n - 1) / n)
    low, high, reason = t_interval(value, error, df=df, level=level)
    if n == 1:
        reason = Reason.TOO_FEW
    if error == 0:
        error = math.nan
    return Estimate(
        value=value, standard_error=error, interval=(low, high), level=level, df=df, n=n, n_items=n, n_eff=float(n),
        n_eff_of="independent seeds", method="mean over seeds, t", reason=reason, metric=metric,
    )  # fmt: skip
