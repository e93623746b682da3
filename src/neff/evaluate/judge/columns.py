"""From the columns of a table to the judged answers of each policy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from neff.errors import ArgumentError, RecordsError
from neff.evaluate.judge.data import Judged

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from neff.evaluate.judge.contest import JudgeOptions
    from neff.records import Records

__all__ = ["Answers", "judged_policies"]


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """One policy's answers: as arrays for the estimators, its distinct items, and how many answers had no score."""

    judged: Judged
    items: NDArray[np.int32]
    n_unscored: int


def judged_policies(records: Records, options: JudgeOptions) -> list[Answers]:
    """Return every policy's judged answers of one (task, metric)."""
    if len(records.clusters) > 1:
        raise ArgumentError(
            "cluster", "one column where labels are used", "two", "Name the coarser grouping.", call="evaluate"
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
    scored = ~np.isnan(records.score)
    policies = []
    for code, policy in enumerate(records.model.levels):
        mine = records.model.codes == code
        if not mine.any():
            continue
        rows = mine & scored
        judged = Judged(
            policy,
            cluster.codes[rows].astype(np.int64),
            records.score[rows],
            label[rows],
            np.column_stack([column[rows] for column in columns]) if columns else None,
            None if propensity is None else propensity[rows],
        )
        policies.append(Answers(judged, np.unique(records.item.codes[rows]), int((mine & ~scored).sum())))
    return policies


def _number(records: Records, name: str, argument: str) -> NDArray[np.float64]:
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
    if np.isnan(column).any():
        raise RecordsError(f"column {name} is empty in {int(np.isnan(column).sum()):,} rows.", "Fill it for every row.")
    return column
