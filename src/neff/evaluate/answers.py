"""From the columns of a table to the judged answers of each policy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from neff.errors import ArgumentError, RecordsError
from neff.evaluate.judge.data import Judged
from neff.evaluate.off_policy.data import Logged

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from neff.evaluate.judge_options import JudgeOptions
    from neff.records import Records

__all__ = ["Answers", "judged_policies", "logged_answers", "target_columns"]


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """One policy's answers: as arrays for the estimators, its distinct items, and how many answers had no score."""

    judged: Judged
    items: NDArray[np.int32]
    n_unscored: int

    @property
    def label_variance(self) -> float:
        """Variance of the policy's labels, NaN below two."""
        labels = self.judged.label[self.judged.labelled]
        return float(labels.var(ddof=1)) if len(labels) > 1 else math.nan


def judged_policies(records: Records, options: JudgeOptions) -> list[Answers]:
    """Return every policy's judged answers of one (task, metric)."""
    if len(records.clusters) > 1:
        raise ArgumentError(
            "cluster", "one column where labels are used", "two", "Name the coarser grouping.", call="evaluate"
        )
    if records.weight is not None and np.ptp(records.weight) > 0:
        raise ArgumentError(
            "weight",
            "left out, or equal, where labels are used",
            "unequal weights",
            "Calibrated means count every answer once; name the columns without weight, or use estimator='mean'.",
            call="evaluate",
        )
    label = np.full(len(records), math.nan) if records.label is None else records.label
    cluster = records.clusters[0] if records.clusters else records.item
    columns = [_number(records, name, "covariates") for name in options.covariates]
    propensity = None if options.propensity is None else _number(records, options.propensity, "propensity")
    if propensity is not None and not ((propensity > 0) & (propensity <= 1)).all():
        raise ArgumentError(
            "propensity",
            "a column of probabilities in (0, 1]",
            options.propensity,
            "Fill it for every row.",
            call="evaluate",
        )
    scored = ~np.isnan(records.score if options.estimator != "labels" else label)  # labels need no judge
    score = np.where(np.isnan(records.score), 0.0, records.score) if options.estimator == "labels" else records.score
    policies = []
    for code, policy in enumerate(records.model.levels):
        mine = records.model.codes == code
        if not mine.any():
            continue
        rows = mine & scored
        judged = Judged(
            policy,
            cluster.codes[rows].astype(np.int64),
            score[rows],
            label[rows],
            np.column_stack([column[rows] for column in columns]) if columns else None,
            None if propensity is None else propensity[rows],
        )
        policies.append(
            Answers(judged, np.unique(records.item.codes[rows]), int((mine & np.isnan(records.score)).sum()))
        )
    return policies


def target_columns(named: Mapping[str, str] | Sequence[str]) -> dict[str, str]:
    """Return the column of each target policy; a column `log_prob_x` or `x_logprob` is that of policy x.

    Examples
    --------
    >>> target_columns(["log_prob_new", "old_logprob", "clone"])
    {'new': 'log_prob_new', 'old': 'old_logprob', 'clone': 'clone'}
    """
    if not isinstance(named, (list, tuple)):
        return dict(named)  # type: ignore[arg-type]
    found = {}
    for column in named:
        policy = column
        for mark in ("log_prob_", "logprob_"):
            policy = policy.removeprefix(mark)
        for mark in ("_log_prob", "_logprob"):
            policy = policy.removesuffix(mark)
        found[policy] = column
    return found


def logged_answers(records: Records, options: JudgeOptions) -> tuple[dict[str, Logged], dict[str, NDArray[np.int32]]]:
    """Return the logged answers (those with a log-probability) as each target policy sees them, and their items."""
    if options.log_prob is None or not options.targets:
        return {}, {}
    behaviour = _log_prob(records, options.log_prob, "log_prob")
    rows = ~np.isnan(behaviour) & ~np.isnan(records.score)
    if not rows.any():
        raise RecordsError(
            f"column {options.log_prob} has no log-probability beside a score.", "Give the records that were logged."
        )
    label = np.full(len(records), math.nan) if records.label is None else records.label
    cluster = records.clusters[0] if records.clusters else records.item
    found, items = {}, {}
    for policy, column in options.targets.items():
        target = _log_prob(records, column, "target_log_prob")[rows]
        items[policy] = np.unique(records.item.codes[rows][~np.isnan(target)])
        found[policy] = Logged.of(
            policy,
            prompt=cluster.codes[rows].astype(np.int64),
            score=records.score[rows],
            label=label[rows],
            log_prob=behaviour[rows],
            target_log_prob=target,
        )
    return found, items


def _log_prob(records: Records, name: str, argument: str) -> NDArray[np.float64]:
    column = _number(records, name, argument, missing=True)
    above = np.flatnonzero(column > 0)
    if len(above):
        first = int(above[0])
        where = f"item {records.item.names()[first]}, model {records.model.names()[first]}"
        raise RecordsError(
            f"column {name} has {len(above):,} positive value(s), such as {column[first]:g} ({where}): no probability "
            "is above 1.",
            "Give natural logarithms of probabilities; an empty cell leaves the row out.",
        )
    return column


def _number(records: Records, name: str, argument: str, *, missing: bool = False) -> NDArray[np.float64]:
    column = records.extra.get(name)
    if column is None or not isinstance(column, np.ndarray):
        numbers = sorted(key for key, value in records.extra.items() if isinstance(value, np.ndarray))
        raise ArgumentError(
            argument,
            "a column of numbers that was kept",
            name,
            f"There are: {', '.join(numbers) or 'none'}.",
            call="evaluate",
        )
    if np.isnan(column).any() and not missing:
        raise RecordsError(f"column {name} is empty in {int(np.isnan(column).sum()):,} rows.", "Fill it for every row.")
    return column
