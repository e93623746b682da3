"""`SubtaskScores`: raw scores with intervals, shrunk ones beside them, and the estimated risk of each rule."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from neff.results import Column, Table, json_number

if TYPE_CHECKING:
    from neff.reasons import Reason

__all__ = ["SCHEMA", "SubtaskFit", "SubtaskRule", "SubtaskScore", "SubtaskScores"]

SCHEMA = "neff.subtasks/1"


@dataclass(frozen=True, slots=True)
class SubtaskScore:
    """One model on one subtask.

    Attributes
    ----------
    raw, interval, interval_method
        Mean over the cell's own items, and its confidence interval: Wilson's for 0/1 scores.
    shrunk
        The raw score moved towards `target` by `weight`. It has no interval.
    beta_binomial
        Posterior mean under the fitted Beta prior; NaN where the scores are no counts.
    n_items, n_unscored
        Items with a score; draws without one.
    reason
        Why the raw score or its spread is undefined.
    """

    task: str
    metric: str
    model: str
    n_items: int
    n_unscored: int
    raw: float
    interval: tuple[float, float]
    interval_method: str
    target: float
    weight: float
    shrunk: float
    beta_binomial: float
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class SubtaskRule:
    """The estimated risk of one way to score the subtasks.

    Attributes
    ----------
    rule
        Its name.
    risk
        Estimated mean squared error over the cells, each judged by the rule as tuned on the others.
    ratio
        Over that of the raw scores.
    difference, interval
        `risk` minus that of the reference, and its interval, for all rules at once.
    """

    metric: str
    rule: str
    risk: float
    ratio: float
    difference: float
    interval: tuple[float, float]
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class SubtaskFit:
    """What was fitted to the cells of one metric.

    Attributes
    ----------
    shrunk_by
        The rule that made the column `shrunk`.
    lam
        Its pseudo-count: weight = lam / (lam + n).
    reference, best
        The rule to be beaten, and the rule of lowest estimated risk among it and those shown to be better.
    gain, gain_interval
        Mean squared error that `shrunk_by` saves over the raw scores, averaged over these cells.
    prior_mean, pseudo_count
        Of the Beta prior; NaN where there is none.
    """

    metric: str
    n_cells: int
    shrunk_by: str
    lam: float
    reference: str
    best: str
    gain: float
    gain_interval: tuple[float, float]
    prior_mean: float
    pseudo_count: float
    rules: tuple[SubtaskRule, ...]
    reason: Reason | None = None

    def __str__(self) -> str:
        if self.reason is not None:
            return f"{self.metric}: nothing was shrunk ({self.reason})."
        raw = next(rule for rule in self.rules if rule.rule == "raw")
        lowest = min(self.rules, key=lambda rule: rule.risk)
        text = f"{self.metric}: lowest estimated risk: {lowest.rule} ({_percent(lowest.ratio)} of raw)"
        if lowest.rule == self.best:
            shown = "" if lowest.rule == self.reference else f", shown to be below {self.reference}"
            return f"{text}{shown}."
        best = next(rule for rule in self.rules if rule.rule == self.best)
        versus = "" if best is raw else f" ({_percent(best.ratio)} of raw)"
        return f"{text}, not told apart from {self.reference}; use {self.best}{versus}."


@dataclass(frozen=True, slots=True)
class SubtaskScores:
    """The result of `neff.evaluate.subtask_scores`.

    Attributes
    ----------
    cells
        One `SubtaskScore` per (metric, task, model), sorted by these names.
    fits
        One `SubtaskFit` per metric.
    level
        Of the intervals.
    notes
        Sentences that a reader must know.
    """

    cells: tuple[SubtaskScore, ...]
    fits: tuple[SubtaskFit, ...]
    level: float = 0.95
    notes: tuple[str, ...] = ()
    backend: str | None = field(default=None, repr=False, compare=False)

    def cell(self, model: str, task: str, metric: str | None = None) -> SubtaskScore:
        """Return one cell.

        Raises
        ------
        KeyError
            If there is none.
        """
        for cell in self.cells:
            if cell.model == model and cell.task == task and metric in (None, cell.metric):
                return cell
        raise KeyError(f"no score of model {model!r} on task {task!r}")

    def table(self) -> Table:
        """Return the cells as a table: raw score and interval first, shrunk values beside them."""
        columns = (
            Column("task", "Task"),
            Column("metric", "Metric"),
            Column("model", "Model"),
            Column("n_items", "Items", "count"),
            Column("raw", "Raw", "number", help="mean over the cell's own items"),
            Column("interval", f"{100 * self.level:g}% interval", "interval", help="of the raw score"),
            Column("shrunk", "Shrunk", "number", help="closer to the truth on average; not for testing single cells"),
            Column("target", "Target", "number", help="what it is moved towards"),
            Column("weight", "Weight", "percent", help="of the target"),
            Column("beta_binomial", "Beta-binomial", "number", help="posterior mean under the fitted prior"),
            Column("reason", "Reason"),
        )
        rows = tuple(tuple(_plain(getattr(cell, column.name)) for column in columns) for cell in self.cells)
        return Table(columns, rows, "Scores by subtask")

    def rules_table(self) -> Table:
        """Return the estimated risk of each rule as a table."""
        columns = (
            Column("metric", "Metric"),
            Column("rule", "Rule"),
            Column("risk", "Estimated MSE", "number", 6, help="over the cells; each judged with the others' tuning"),
            Column("ratio", "of raw", "percent"),
            Column("difference", "− reference", "signed", 6, help="minus the risk of the reference rule"),
            Column("interval", f"{100 * self.level:g}% interval", "interval", 6, help="for all rules at once"),
            Column("standing", "Standing"),
        )
        rows = tuple(
            (rule.metric, rule.rule, rule.risk, rule.ratio, rule.difference, rule.interval, standing(fit, rule))
            for fit in self.fits
            for rule in fit.rules
        )
        return Table(columns, rows, "Estimated risk of each rule")

    def __str__(self) -> str:
        parts = [str(self.table()), str(self.rules_table()), *(str(fit) for fit in self.fits)]
        return "\n\n".join([*parts, *(f"Note: {note}" for note in self.notes)])

    def _repr_html_(self) -> str:
        return self.table()._repr_html_() + self.rules_table()._repr_html_()

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, NaN as None."""
        return {
            "schema": SCHEMA,
            "level": self.level,
            "cells": [_json(cell) for cell in self.cells],
            "fits": [_json(fit) for fit in self.fits],
            "notes": list(self.notes),
        }

    def to_json(self, indent: int | None = None) -> str:
        """Return strict JSON."""
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False, ensure_ascii=False)

    def to_frame(self, what: str = "cells") -> Any:
        """Return "cells" or "rules" as a dataframe of the caller's kind."""
        return (self.rules_table() if what == "rules" else self.table()).to_frame(self.backend)


def standing(fit: SubtaskFit, rule: SubtaskRule) -> str:
    """Return what may be said of a rule: best, reference, better, worse, or not told apart."""
    words = ["reference"] if rule.rule == fit.reference else []
    if rule.rule != fit.reference:
        low, high = rule.interval
        words.append("lower" if high < 0 else "higher" if low > 0 else "not told apart")
        if rule.reason is not None:
            words.append(str(rule.reason))
    return ", ".join((["best"] if rule.rule == fit.best else []) + words)


def _percent(share: float) -> str:
    return "–" if math.isnan(share) else f"{100 * share:.0f}%"


def _plain(value: Any) -> Any:
    return "" if value is None else str(value) if isinstance(value, str) else value


def _json(value: Any) -> Any:
    if isinstance(value, float):
        return json_number(value)
    if isinstance(value, tuple):
        return [_json(part) for part in value]
    if isinstance(value, (SubtaskScore, SubtaskFit, SubtaskRule)):
        return {f.name: _json(getattr(value, f.name)) for f in fields(value)}
    return str(value) if isinstance(value, str) else value
