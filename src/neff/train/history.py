"""The record of a training run: one report per optimizer step."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from neff.errors import RecordsError
from neff.results._common import from_json, json_value, known_fields
from neff.results.table import Column, Table
from neff.train.ess import EssEstimate, whole
from neff.train.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["RUN_SCHEMA", "STEP_SCHEMA", "StepReport", "TrainingRun"]

STEP_SCHEMA = "neff.training/1"
RUN_SCHEMA = "neff.training_run/1"
FIX_OF_RUNS = "Give a file that neff's JSONL sink wrote: one JSON object per optimizer step."


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReport:
    """What one optimizer step's batch was worth.

    Attributes
    ----------
    step
        Number of the optimizer step.
    ess_token, ess_sequence
        Effective sample sizes of the token ratios and of the sequence ratios pi/mu, never truncated.
    log_mean_ratio_token, log_mean_ratio_sequence
        Logarithms of the mean ratio, in nats: about 0 where the log-probabilities are those of the sampler, however
        stale. `..._standard_error`: between clusters.
    log_ratio_variance
        Variance of the sequences' log-ratios. Were they normal, the share in the population would be exp(-variance).
    hill, pareto_k
        Tail index of the sequence weights (infinite variance below 2) and Pareto k-hat (unreliable mean above 0.7).
    cap, cap_hit_token, cap_hit_sequence
        The cap of the loss, and the shares of token ratios and of sequence ratios above it.
    reward, reward_standard_error, reward_sd
        Mean reward of a response, its standard error between clusters, and the standard deviation of rewards.
    n_groups, informative_group_share
        Prompts, and the share of those with two rewards that differ: the others have no advantage.
    entropy
        Mean entropy per token, nats.
    lag_mean, lag_max
        How many optimizer steps older the sampler's weights were.
    length_mean, length_max, length_r2
        Tokens per response, and the share of the log-ratios' variance that length explains.
    n_tokens, n_sequences
        What was used.
    n_dropped_tokens, n_dropped_sequences, n_empty_sequences
        Valid tokens without a finite log-ratio, the responses that they are in, and responses without a valid token.
    learning_rate, lr_factor
        As given by the caller: the learning rate of this step, and the factor that ESS scaling put on it.
    scope, n_micro_batches, n_ranks
        What the numbers are over.
    reasons
        Why a number is NaN, by its name.
    findings
        What checks found.
    metrics
        The caller's own numbers.
    """

    step: int
    ess_token: EssEstimate = field(default_factory=EssEstimate)
    ess_sequence: EssEstimate = field(default_factory=EssEstimate)
    log_mean_ratio_token: float = math.nan
    log_mean_ratio_token_standard_error: float = math.nan
    log_mean_ratio_sequence: float = math.nan
    log_mean_ratio_sequence_standard_error: float = math.nan
    log_ratio_variance: float = math.nan
    hill: float = math.nan
    pareto_k: float = math.nan
    cap: float = math.nan
    cap_hit_token: float = math.nan
    cap_hit_sequence: float = math.nan
    reward: float = math.nan
    reward_standard_error: float = math.nan
    reward_sd: float = math.nan
    n_groups: int = 0
    informative_group_share: float = math.nan
    entropy: float = math.nan
    lag_mean: float = math.nan
    lag_max: float = math.nan
    length_mean: float = math.nan
    length_max: float = math.nan
    length_r2: float = math.nan
    n_tokens: int = 0
    n_sequences: int = 0
    n_dropped_tokens: int = 0
    n_dropped_sequences: int = 0
    n_empty_sequences: int = 0
    learning_rate: float = math.nan
    lr_factor: float = math.nan
    scope: str = "optimizer step"
    n_micro_batches: int = 0
    n_ranks: int = 1
    reasons: Mapping[str, str] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, with the schema first; an undefined number is None."""
        data: dict[str, Any] = {"schema": STEP_SCHEMA}
        for one in fields(self):
            data[one.name] = json_value(getattr(self, one.name))
        data["ess_token"], data["ess_sequence"] = self.ess_token.to_dict(), self.ess_sequence.to_dict()
        data["reasons"] = {name: str(reason) for name, reason in self.reasons.items()}
        data["findings"] = [finding.to_dict() for finding in self.findings]
        data["metrics"] = {name: json_value(float(value)) for name, value in self.metrics.items()}
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> StepReport:
        """Rebuild from `to_dict`; a newer file may hold more.

        Raises
        ------
        ValueError, TypeError, KeyError, OverflowError
            If a value is not of the kind that it must be.
        """
        known = known_fields(cls, data)
        for one in fields(cls):
            if one.type == "float" and one.name in known:
                known[one.name] = from_json(known[one.name])
            elif one.type == "int" and one.name in known:
                known[one.name] = whole(known[one.name])
        for name in ("ess_token", "ess_sequence"):
            known[name] = EssEstimate.from_dict(known.get(name) or {})
        known["findings"] = tuple(Finding.from_dict(finding) for finding in known.get("findings") or ())
        known["metrics"] = {str(name): from_json(value) for name, value in (known.get("metrics") or {}).items()}
        known["reasons"] = {str(name): str(reason) for name, reason in (known.get("reasons") or {}).items()}
        known["scope"] = str(known.get("scope", "optimizer step"))
        return cls(**known)

    def numbers(self, prefix: str = "neff/") -> dict[str, float]:
        """Return the numbers that are defined, flat and by name, as trackers want them.

        Examples
        --------
        >>> StepReport(step=3, reward=0.5, metrics={"grad_norm": 1.5}).numbers()
        {'neff/reward': 0.5, 'neff/n_tokens': 0.0, 'neff/n_sequences': 0.0, 'neff/grad_norm': 1.5}
        """
        found: dict[str, float] = {}
        for kind, ess in (("token", self.ess_token), ("sequence", self.ess_sequence)):
            low, high = ess.interval
            for name, value in (("", ess.value), ("_low", low), ("_high", high), ("_floor", ess.floor)):
                found[f"ess_{kind}{name}"] = value
        for one in fields(self):
            if one.type == "float":
                found[one.name] = getattr(self, one.name)
        counts = ("n_tokens", "n_sequences", "n_groups", "n_dropped_tokens", "n_dropped_sequences", "n_empty_sequences")
        found |= {name: float(getattr(self, name)) for name in counts if getattr(self, name) or name in counts[:2]}
        if self.ess_sequence.n:
            found["collapsed"] = float(self.ess_sequence.collapsed)
        found |= {name: float(value) for name, value in self.metrics.items()}
        return {prefix + name: value for name, value in found.items() if math.isfinite(value)}

    def __str__(self) -> str:
        said = [f"step {self.step}: token ESS {self.ess_token}; sequence ESS {self.ess_sequence}"]
        said += [str(finding) for finding in self.findings]
        return "\n  ".join(said)


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """All steps of a run, as they were recorded.

    Attributes
    ----------
    steps
        The reports, by step. Where the numbers go back, as after a restart, what came before from that step on is left
        out.
    name
        Where they come from.
    notes
        What was not read, and why.
    """

    steps: tuple[StepReport, ...]
    name: str = ""
    notes: tuple[str, ...] = ()

    def series(self, value: str | Callable[[StepReport], float]) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return the steps and a number at each, by its name or by a function of the report."""
        take = value if callable(value) else lambda step: float(getattr(step, value))
        return tuple(float(step.step) for step in self.steps), tuple(take(step) for step in self.steps)

    def collapses(self) -> tuple[tuple[int, int], ...]:
        """Return the stretches, first and last step, in which the sequence ESS was at its floor."""
        stretches: list[list[int]] = []
        before = False
        for step in self.steps:
            if step.ess_sequence.collapsed:
                if before:
                    stretches[-1][1] = step.step
                else:
                    stretches.append([step.step, step.step])
            before = step.ess_sequence.collapsed
        return tuple((first, last) for first, last in stretches)

    def found(self) -> tuple[tuple[Finding, int, int, int], ...]:
        """Return each finding once, the most serious first: as it was last said, first step, last step, how often."""
        seen: dict[tuple[str, str], list[Any]] = {}
        for step in self.steps:
            for finding in step.findings:
                entry = seen.setdefault((finding.name, finding.severity), [finding, step.step, step.step, 0])
                entry[0], entry[2], entry[3] = finding, step.step, entry[3] + 1
        order = {"refuse": 0, "warn": 1, "note": 2}
        return tuple(
            (finding, first, last, times)
            for finding, first, last, times in sorted(seen.values(), key=lambda entry: order[entry[0].severity])
        )

    def table(self) -> Table:
        """Return one row per step."""
        return Table(_columns(), tuple(_row(step) for step in self.steps), "Optimizer steps")

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "schema": RUN_SCHEMA,
            "name": self.name,
            "notes": list(self.notes),
            "steps": [step.to_dict() for step in self.steps],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> TrainingRun:
        """Rebuild from `to_dict`.

        Raises
        ------
        RecordsError
            If it is damaged.
        """
        try:
            steps = tuple(StepReport.from_dict(step) for step in data["steps"])
            return cls(steps, str(data.get("name", "")), tuple(map(str, data.get("notes", ()))))
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise RecordsError(f"is a damaged training run: {error}.", FIX_OF_RUNS) from error

    def __str__(self) -> str:
        return str(self.table())


_SHOWN = (
    ("step", "Step", "count"),
    ("ess_token", "Token ESS", "number"),
    ("ess_sequence", "Sequence ESS", "number"),
    ("collapsed", "Collapsed", "text"),
    ("reward", "Reward", "number"),
    ("entropy", "Entropy", "number"),
    ("log_mean_ratio_token", "Log mean ratio", "signed"),
    ("pareto_k", "Pareto k", "number"),
    ("cap_hit_token", "Tokens at the cap", "percent"),
    ("informative_group_share", "Informative groups", "percent"),
    ("lag_max", "Largest lag", "count"),
    ("lr_factor", "LR factor", "number"),
    ("n_sequences", "Sequences", "count"),
    ("n_tokens", "Tokens", "count"),
    ("n_dropped_tokens", "Tokens dropped", "count"),
)


def _columns() -> tuple[Column, ...]:
    return tuple(Column(name, title, kind) for name, title, kind in _SHOWN)  # type: ignore[arg-type]


def _row(step: StepReport) -> tuple[Any, ...]:
    own = {
        "ess_token": step.ess_token.value,
        "ess_sequence": step.ess_sequence.value,
        "collapsed": "yes" if step.ess_sequence.collapsed else "",
    }
    return tuple(own[name] if name in own else getattr(step, name) for name, _, _ in _SHOWN)
