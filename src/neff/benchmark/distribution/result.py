"""`KSAtN`: the share of tasks whose draws are not told from the target."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from neff.errors import ArgumentError
from neff.results import Column, Table, json_number

if TYPE_CHECKING:
    from neff.benchmark.distribution.companions import SampleDistance
    from neff.results import Estimate

__all__ = ["KSAtN", "TaskKS"]


@dataclass(frozen=True, slots=True)
class TaskKS:
    """One model on one task.

    Attributes
    ----------
    model, task
        Who, and on what.
    n_given, n_valid
        Draws, and those that are numbers.
    p_values, passed, n_used
        By N, in the order of `KSAtN.ns`: p-value, whether the task is passed, draws it rests on.
    statistic
        Largest gap at the largest N.
    ties
        "exact" or "none": how p was computed.
    js, wasserstein, energy
        Distances with all valid draws; None where they were not asked for.
    """

    model: str
    task: str
    n_given: int
    n_valid: int
    p_values: tuple[float, ...]
    passed: tuple[bool | None, ...]
    n_used: tuple[int, ...]
    statistic: float
    ties: str
    js: float = math.nan
    wasserstein: SampleDistance | None = None
    energy: SampleDistance | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "model": self.model,
            "task": self.task,
            "n_given": self.n_given,
            "n_valid": self.n_valid,
            "p_values": [json_number(p) for p in self.p_values],
            "passed": list(self.passed),
            "n_used": list(self.n_used),
            "statistic": json_number(self.statistic),
            "ties": self.ties,
            "js": json_number(self.js),
            "wasserstein_z": json_number(self.wasserstein.z) if self.wasserstein else None,
            "energy_z": json_number(self.energy.z) if self.energy else None,
        }


@dataclass(frozen=True, slots=True)
class KSAtN:
    """KS@N of every model, the best at the largest N first.

    Attributes
    ----------
    models
        Names.
    ns
        Numbers of draws.
    scores
        By model, then by N: share of tasks passed, with Wilson's interval over tasks.
    tasks
        One per model and task.
    blind
        What passes at these N whatever the model does.
    invalid, p_threshold, level, order, seed
        How it was computed; `order` is "first" draws or "random" subsets, of this `seed`.
    warnings
        What weakens it.
    """

    models: tuple[str, ...]
    ns: tuple[int, ...]
    scores: tuple[tuple[Estimate, ...], ...]
    tasks: tuple[TaskKS, ...]
    blind: Table
    invalid: str
    p_threshold: float
    level: float
    order: str = "first"
    warnings: tuple[str, ...] = ()
    seed: int | None = None

    def score(self, model: str, n: int) -> Estimate:
        """Return KS@N of a model.

        Raises
        ------
        ArgumentError
            If there is no such model, or no such N.
        """
        for argument, value, known in (("model", model, self.models), ("n", n, self.ns)):
            if value not in known:
                raise ArgumentError(argument, f"one of {list(known)}", value, call="KSAtN.score")
        return self.scores[self.models.index(model)][self.ns.index(n)]

    def table(self) -> Table:
        """Return one row per model and one column per N."""
        columns = [Column("model", "Model")]
        columns += [Column(f"ks_{n}", f"KS@{n}", "percent") for n in self.ns]
        columns += [
            Column("interval", f"Interval @{self.ns[-1]}", "interval", 3),
            Column("invalid", "Invalid draws", "percent"),
        ]
        rows = []
        for model, found in zip(self.models, self.scores, strict=True):
            own = [t for t in self.tasks if t.model == model]
            given = sum(t.n_given for t in own)
            bad = 1 - sum(t.n_valid for t in own) / given if given else math.nan
            rows.append((model, *(e.value for e in found), found[-1].interval, bad))
        return Table(tuple(columns), tuple(rows))

    def task_table(self) -> Table:
        """Return one row per model and task: p-value at the largest N, and distances."""
        columns = (
            Column("model", "Model"), Column("task", "Task"), Column("valid", "Valid draws", "count"),
            Column("used", f"Used @{self.ns[-1]}", "count"), Column("gap", "Gap", "number", 3),
            Column("p", f"p @{self.ns[-1]}", "p"), Column("passed", "Passed"), Column("js", "JSD", "number", 3),
            Column("wasserstein", "W1 z", "number", 2), Column("energy", "Energy z", "number", 2),
        )  # fmt: skip
        words = {True: "yes", False: "no", None: "–"}
        return Table(
            columns,
            tuple(
                (t.model, t.task, t.n_valid, t.n_used[-1], t.statistic, t.p_values[-1], words[t.passed[-1]], t.js,
                 t.wasserstein.z if t.wasserstein else math.nan, t.energy.z if t.energy else math.nan)
                for t in self.tasks
            ),
        )  # fmt: skip

    def __str__(self) -> str:
        return "\n".join([str(self.table()), *self.warnings])

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "schema": "neff.ks-at-n/1",
            "models": list(self.models),
            "ns": list(self.ns),
            "scores": [[e.to_dict() for e in found] for found in self.scores],
            "tasks": [t.to_dict() for t in self.tasks],
            "invalid": self.invalid,
            "p_threshold": self.p_threshold,
            "level": self.level,
            "order": self.order,
            "seed": self.seed,
            "warnings": list(self.warnings),
        }
