"""`Evaluation`: scores, differences and tied sets of one call, in the shape that JSON and every report share."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from neff.errors import ArgumentError, RecordsError
from neff.evaluate.calibrating.curve import CalibrationCurve
from neff.evaluate.estimator_rows import EstimatorRow
from neff.evaluate.gating.gate import Gate
from neff.evaluate.gating.gate import table as gates_table
from neff.evaluate.shrinking.saved import subtasks_from_dict
from neff.results import Column, Comparison, Estimate, Provenance, Table, Unread, Verdict
from neff.results.plain import clean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from neff.evaluate.shrinking.result import SubtaskScores

__all__ = ["SCHEMA", "Evaluation", "group_key"]

SCHEMA = "neff.evaluation/1"


def group_key(task: str, metric: str, metrics: Sequence[str]) -> str:
    """Return the key of a group in `tied_with_best`: the task, and the metric where there are several."""
    return task if len(metrics) == 1 else f"{task} · {metric}"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The result of `neff.evaluate` and `neff.compare`.

    Attributes
    ----------
    estimates
        One `Estimate` per (task, metric, model), sorted by task and metric, best model first.
    comparisons
        One `Comparison` per pair of models within a (task, metric), better model first.
    tied_with_best
        For each task (or "task · metric" where there are several metrics) the models that cannot be told
        from the best, the best one first.
    correction
        The correction for multiple comparisons ("holm", "benjamini-hochberg", "bonferroni", "none").
    lower_is_better
        Metrics for which a lower score is better.
    gates
        Diagnostics of each policy's level, where a judge was calibrated or logged answers were weighted.
    calibrations
        The curve of each (task, metric) where a judge was calibrated, with the labels behind it.
    subtasks
        Shrunk scores beside the raw ones, where they were asked for (`neff evaluate --shrink`, `subtask_scores`).
    by_estimator
        What other estimators say of the same records, where that was asked for.
    notes
        Sentences that a reader must know (columns not used, repeats found, unmatched items).
    unread
        Files that were not read, and why.
    provenance
        Version, options, sources.
    backend
        Dataframe kind of the caller, for `to_frame`.
    """

    estimates: tuple[Estimate, ...]
    comparisons: tuple[Comparison, ...] = ()
    tied_with_best: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    level: float = 0.95
    correction: str = "holm"
    lower_is_better: frozenset[str] = frozenset()
    gates: tuple[Gate, ...] = ()
    calibrations: tuple[CalibrationCurve, ...] = ()
    subtasks: SubtaskScores | None = None
    by_estimator: tuple[EstimatorRow, ...] = ()
    notes: tuple[str, ...] = ()
    unread: tuple[Unread, ...] = ()
    provenance: Provenance | None = field(default=None, repr=False, compare=False)
    backend: str | None = field(default=None, repr=False, compare=False)

    def groups(self) -> list[tuple[str, str]]:
        """Return the (task, metric) groups, in the order of `estimates`."""
        return list(dict.fromkeys((e.task, e.metric) for e in self.estimates))

    def metrics(self) -> list[str]:
        """Return the metrics, in the order of `estimates`."""
        return list(dict.fromkeys(e.metric for e in self.estimates))

    def tied(self, task: str, metric: str) -> tuple[str, ...]:
        """Return the models that cannot be told from the best of this group, the best first."""
        return tuple(self.tied_with_best.get(group_key(task, metric, self.metrics()), ()))

    def estimate(self, model: str, task: str | None = None, metric: str | None = None) -> Estimate:
        """Return the first estimate of a model, optionally of one task and metric.

        Raises
        ------
        KeyError
            If there is none; the message lists the models.
        """
        for estimate in self.estimates:
            if estimate.model == model and task in (None, estimate.task) and metric in (None, estimate.metric):
                return estimate
        there = sorted({(e.model, e.task, e.metric) for e in self.estimates})
        raise KeyError(f"no estimate of model {model!r}, task {task!r}, metric {metric!r}; there are {there[:20]}")

    def comparison(self, a: str, b: str, task: str | None = None, metric: str | None = None) -> Comparison:
        """Return the comparison of two models as a minus b, whichever way round it was stored.

        Raises
        ------
        KeyError
            If the pair was not compared.
        """
        for found in self.comparisons:
            if {found.a, found.b} == {a, b} and task in (None, found.task) and metric in (None, found.metric):
                return found if found.a == a else found.swapped()
        raise KeyError(f"models {a!r} and {b!r} were not compared (task {task!r}, metric {metric!r})")

    def estimates_table(self) -> Table:
        """Return the estimates as a table: one row per (task, metric, model)."""
        columns = (
            Column("task", "Task"),
            Column("metric", "Metric"),
            Column("model", "Model"),
            Column("value", "Estimate", "number", help="mean over items"),
            Column("standard_error", "SE", "number"),
            Column("interval", f"{100 * self.level:g}% interval", "interval"),
            Column("n_items", "Items", "count"),
            Column("n", "Draws", "count"),
            Column("n_unscored", "Unscored", "count", help="draws without a score: not used, not wrong"),
            Column("n_clusters", "Clusters", "count"),
            Column("n_eff", "n_eff", "count", help="independent items with one draw each, for the same precision"),
            Column("tied", "With the best", help="cannot be told from the best after correction"),
            Column("reason", "Reason", help="why a number is undefined"),
        )
        rows = tuple(
            (
                e.task,
                e.metric,
                e.model,
                e.value,
                e.standard_error,
                e.interval,
                e.n_items,
                e.n,
                e.n_unscored,
                e.n_clusters,
                e.n_eff,
                self._standing(e),
                "" if e.reason is None else str(e.reason),
            )
            for e in self.estimates
        )
        return Table(columns, rows, "Scores by model")

    def _standing(self, estimate: Estimate) -> str:
        if estimate.refused:
            return "refused"
        tied = self.tied(estimate.task, estimate.metric)
        if not tied or estimate.model not in tied:
            return ""
        return "best" if estimate.model == tied[0] else "tied"

    def comparisons_table(self) -> Table:
        """Return the comparisons as a table: one row per pair."""
        columns = (
            Column("task", "Task"),
            Column("metric", "Metric"),
            Column("a", "A"),
            Column("b", "B"),
            Column("difference", "A − B", "signed"),
            Column("standard_error", "SE", "number"),
            Column("interval", f"{100 * self.level:g}% interval", "interval"),
            Column("n_items", "Common items", "count"),
            Column("n_unmatched", "Unmatched", "count", help="items that only one of the two has; not used"),
            Column("correlation", "r", "number", 2, help="correlation of the two models' item scores"),
            Column("p_value", "p", "p"),
            Column("p_adjusted", "p adjusted", "p", help=f"{self.correction} over all pairs of the task"),
            Column("verdict", "Verdict"),
            Column("reason", "Reason"),
        )
        rows = tuple(
            (
                c.task,
                c.metric,
                c.a,
                c.b,
                c.difference,
                c.standard_error,
                c.interval,
                c.n_items,
                c.n_unmatched,
                c.correlation,
                c.p_value,
                c.p_adjusted,
                c.describe_verdict(),
                "" if c.reason is None else str(c.reason),
            )
            for c in self.comparisons
        )
        return Table(columns, rows, "Differences on common items")

    def gates_table(self) -> Table:
        """Return the diagnostics as a table: refusals first, then what calls for care."""
        return gates_table(self.gates)

    def undecided(self) -> bool:
        """Return whether some comparison was left undecided or could not be made."""
        return any(c.verdict not in (Verdict.HOLDS, Verdict.FAILS) for c in self.comparisons)

    def __str__(self) -> str:
        parts = [str(self.estimates_table())]
        if self.comparisons:
            parts.append(str(self.comparisons_table()))
        parts += [f"Note: {clean(note)}" for note in self.notes]
        return "\n\n".join(parts)

    def _repr_html_(self) -> str:
        return self.estimates_table()._repr_html_() + self.comparisons_table()._repr_html_()

    def to_dict(self) -> dict[str, Any]:
        """Return the published JSON shape (`neff/report/schema.json`)."""
        provenance = self.provenance or Provenance("", "")
        return {
            "schema": SCHEMA,
            "neff_version": provenance.neff_version,
            "level": self.level,
            "correction": self.correction,
            "lower_is_better": sorted(self.lower_is_better),
            "estimates": [estimate.to_dict() for estimate in self.estimates],
            "comparisons": [comparison.to_dict() for comparison in self.comparisons],
            "tied_with_best": {task: list(models) for task, models in self.tied_with_best.items()},
            "gates": [gate.to_dict() for gate in self.gates],
            "calibrations": [curve.to_dict() for curve in self.calibrations],
            "subtasks": None if self.subtasks is None else self.subtasks.to_dict(),
            "by_estimator": [row.to_dict() for row in self.by_estimator],
            "notes": list(self.notes),
            "unread": [{"path": u.path, "reason": u.reason} for u in self.unread],
            "provenance": provenance.to_dict(),
        }

    def to_json(self, indent: int | None = None) -> str:
        """Return strict JSON: no NaN, keys in a fixed order."""
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False, ensure_ascii=False)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Evaluation:
        """Rebuild a saved result.

        Raises
        ------
        RecordsError
            If the object is not an evaluation of a known schema version.
        """
        if data.get("schema") != SCHEMA:
            raise RecordsError(
                f"this is not a saved evaluation: schema is {data.get('schema')!r}, expected {SCHEMA!r}.",
                "Give a file written by `neff evaluate ... --json` or `-o result.json`.",
            )
        try:
            return cls(
                estimates=tuple(Estimate.from_dict(e) for e in data["estimates"]),
                comparisons=tuple(Comparison.from_dict(c) for c in data["comparisons"]),
                tied_with_best={task: tuple(models) for task, models in data["tied_with_best"].items()},
                level=float(data["level"]),
                correction=str(data["correction"]),
                lower_is_better=frozenset(data["lower_is_better"]),
                gates=tuple(Gate.from_dict(gate) for gate in data["gates"]),
                calibrations=tuple(CalibrationCurve.from_dict(curve) for curve in data.get("calibrations", ())),
                subtasks=None if data.get("subtasks") is None else subtasks_from_dict(data["subtasks"]),
                by_estimator=tuple(EstimatorRow.from_dict(row) for row in data.get("by_estimator", ())),
                notes=tuple(data["notes"]),
                unread=tuple(Unread(str(u["path"]), str(u["reason"])) for u in data["unread"]),
                provenance=Provenance.from_dict(data["provenance"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise RecordsError(
                f"this saved evaluation is damaged: {error!r}.", "Write it again with `neff evaluate -o`."
            ) from error

    def to_frame(self, what: str = "estimates") -> Any:
        """Return "estimates" or "comparisons" as a dataframe of the caller's kind."""
        tables = {"estimates": self.estimates_table, "comparisons": self.comparisons_table}
        if what not in tables:
            raise ArgumentError("what", "'estimates' or 'comparisons'", what, call="Evaluation.to_frame")
        table = tables[what]()
        return table.to_frame(self.backend)

    def chart_data(self) -> list[dict[str, Any]]:
        """Return the forest plot as data: one dict per (task, metric, model) with value, low, high, tied."""
        return [
            {
                "task": e.task,
                "metric": e.metric,
                "model": e.model,
                "value": e.value,
                "low": e.interval[0],
                "high": e.interval[1],
                "standing": self._standing(e),
            }
            for e in self.estimates
        ]

    def plot(self, ax: Any = None) -> Any:
        """Draw the forest plot of the first (task, metric) on matplotlib axes and return them.

        Raises
        ------
        MissingExtraError
            If matplotlib is not installed.
        """
        from neff.evaluate.plotting import forest

        return forest(self, ax)
