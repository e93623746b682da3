"""`selection_table`: how right each way to choose among an item's answers is, on the same answers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import ArgumentError
from neff.results import Column, Table, json_number
from neff.sampling.selection.votes import borda_vote, majority_vote, select_best, weighted_vote
from neff.sampling.shares import difference_mean, share_mean
from neff.stats._validate import check_level

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from neff.sampling.draws import Draws
    from neff.sampling.selection.votes import Selected

__all__ = ["SelectionRow", "SelectionTable", "selection_table"]


@dataclass(frozen=True, slots=True)
class SelectionRow:
    """One way to choose: its accuracy, and its difference from the majority vote on the same items."""

    name: str
    accuracy: float
    interval: tuple[float, float]
    difference: float
    difference_interval: tuple[float, float]
    n_items: int


@dataclass(frozen=True, slots=True)
class SelectionTable:
    """Ways to choose among the answers of an item, side by side.

    Attributes
    ----------
    rows
        One per way: one draw at random, majority, Borda by power, the most confident, sum and mean of confidences, and
        what a perfect choice would give.
    level
        Coverage of the intervals, over items.
    notes
        What a reader must know.
    """

    rows: tuple[SelectionRow, ...]
    level: float
    notes: tuple[str, ...] = ()

    def table(self) -> Table:
        """Return one row per way."""
        columns = (
            Column("name", "Choice"), Column("accuracy", "Accuracy", "number"),
            Column("interval", "Interval", "interval"), Column("difference", "Against majority", "signed"),
            Column("difference_interval", "Interval of it", "interval"), Column("n_items", "Items", "count"),
        )  # fmt: skip
        return Table(
            columns,
            tuple((r.name, r.accuracy, r.interval, r.difference, r.difference_interval, r.n_items) for r in self.rows),
        )

    def __str__(self) -> str:
        return str(self.table())

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "schema": "neff.selection/1",
            "rows": [
                {
                    "name": r.name,
                    "accuracy": json_number(r.accuracy),
                    "interval": [json_number(x) for x in r.interval],
                    "difference": json_number(r.difference),
                    "difference_interval": [json_number(x) for x in r.difference_interval],
                    "n_items": r.n_items,
                }
                for r in self.rows
            ],
            "level": self.level,
            "notes": list(self.notes),
        }


def selection_table(
    draws: Draws, *, powers: Sequence[float | None] = (0.3, 0.7, 1.2, 2.0), level: float = 0.95
) -> SelectionTable:
    """Compare ways to choose among an item's answers by a confidence, on recorded answers with outcomes.

    Use it on labelled questions to see whether a confidence is worth anything, and to tune the power of `borda_vote`;
    then report the tuned power on other questions.

    Parameters
    ----------
    draws
        With answers, scores (the confidences) and outcomes.
    powers
        Of the Borda votes; None for the default by the number of answers.
    level
        Coverage of the intervals.

    Returns
    -------
    SelectionTable
        Accuracy of each way, paired by item with the majority vote.

    Raises
    ------
    ArgumentError
        If the draws have no answers or no scores.

    Notes
    -----
    The outcome of a chosen answer is the mean outcome of its draws. Items without any answer count as wrong for every
    way. Clusters of items widen the intervals.

    References
    ----------
    Kang, Zhao and Song, Scalable Best-of-N Selection via Self-Certainty. arXiv:2502.18581

    Examples
    --------
    >>> from neff.sampling import as_draws
    >>> answers, right = [list("AABB"), list("BBBA"), list("ABAB")], [[1, 1, 0, 0], [0, 0, 0, 1], [1, 0, 1, 0]]
    >>> sure = [[3.0, 2.0, 1.0, 0.5], [1.0, 1.5, 1.2, 4.0], [2.0, 1.0, 2.5, 0.1]]
    >>> found = selection_table(as_draws(right, answers=answers, scores=sure), powers=(2.0,))
    >>> [(row.name, round(row.accuracy, 2)) for row in found.rows][1:4]
    [('majority', 0.67), ('Borda 2', 1.0), ('most confident', 1.0)]
    """
    if draws.answer is None or draws.score is None:
        missing = "answers" if draws.answer is None else "scores"
        raise ArgumentError("draws", f"with {missing}", "none", "Name their column.", call="selection_table")
    level = check_level(level, call="selection_table")
    ways: dict[str, Callable[[Any, Any], Selected]] = {"majority": lambda _, a: majority_vote(a)}
    for power in powers:
        named = "Borda" if power is None else f"Borda {power:g}"
        ways[named] = partial(borda_vote, power=power)
    ways["most confident"] = select_best
    ways["sum of confidences"] = weighted_vote
    ways["mean of confidences"] = partial(weighted_vote, how="mean")
    columns: dict[str, list[float]] = {"one at random": [], **{name: [] for name in ways}, "perfect choice": []}
    items = []
    for i, span in enumerate(draws.spans()):
        rows = span.start + np.flatnonzero(~np.isnan(draws.outcome[span]))
        if not len(rows):
            continue
        items.append(i)
        outcome, codes, sure = draws.outcome[rows], draws.answer[rows], draws.score[rows]
        answers = [None if code < 0 else int(code) for code in codes]
        columns["one at random"].append(float(outcome.mean()))
        columns["perfect choice"].append(float(outcome.max()))
        for name, choose in ways.items():
            chosen = choose(sure, answers)
            columns[name].append(0.0 if chosen.index is None else float(outcome[codes == codes[chosen.index]].mean()))
    cluster = None if draws.cluster is None else draws.cluster[items]
    base = np.array(columns["majority"])
    table = tuple(_row(name, np.array(values), base, cluster, level) for name, values in columns.items())
    notes = []
    if draws.n_items > len(items):
        notes.append(f"{draws.n_items - len(items)} items have no scored draw and are left out.")
    return SelectionTable(table, level, tuple(notes))


def _row(name: str, values: Any, base: Any, cluster: Any, level: float) -> SelectionRow:
    mean = share_mean(values, cluster, level)
    difference, of_difference = difference_mean(values - base, cluster, level)
    return SelectionRow(name, mean.value, mean.interval, difference, of_difference, len(values))
