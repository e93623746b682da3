"""`replay_stoppers`: what rules would have done on recorded answers, and the error that they really make."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import ArgumentError
from neff.results import Column, Table, json_number
from neff.sampling.shares import difference_mean, share_mean
from neff.sampling.stopping.protocol import FixedDraws
from neff.stats._options import seeded
from neff.stats._validate import check_count, check_level

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from neff.sampling.draws import Draws
    from neff.sampling.stopping.protocol import Stopper

__all__ = ["Replay", "ReplayRow", "replay_stoppers"]


@dataclass(frozen=True, slots=True)
class ReplayRow:
    """One rule on one log.

    Attributes
    ----------
    name
        Of the rule.
    draws
        Mean answers per item.
    accuracy, interval
        Share of right answers returned, and its interval over items (clusters). NaN where outcomes are unknown.
    difference, difference_interval
        Accuracy minus that of all answers (the reference rule), paired by item.
    error
        Share of items and orders in which the rule returns another answer than it would after all draws: what "95%
        sure" is in fact.
    capped
        Share in which the rule had not come to a decision when its limit, or the record, ended the draws.
    """

    name: str
    draws: float
    accuracy: float
    interval: tuple[float, float]
    difference: float
    difference_interval: tuple[float, float]
    error: float
    error_interval: tuple[float, float]
    capped: float


@dataclass(frozen=True, slots=True)
class Replay:
    """Rules side by side on the same answers in the same orders.

    Attributes
    ----------
    rows
        One per rule, and "all draws" last.
    n_items, n_orders
        Items that count, and random orders of each.
    level
        Coverage of the intervals.
    seed
        Of the orders.
    notes
        What a reader must know.
    """

    rows: tuple[ReplayRow, ...]
    n_items: int
    n_orders: int
    level: float
    seed: int | None
    notes: tuple[str, ...] = ()

    def table(self) -> Table:
        """Return one row per rule."""
        columns = (
            Column("name", "Rule"), Column("draws", "Draws", "number", 2), Column("accuracy", "Accuracy", "number"),
            Column("interval", "Interval", "interval"), Column("difference", "Against all", "signed"),
            Column("difference_interval", "Interval of it", "interval"), Column("error", "Other answer", "number"),
            Column("capped", "Capped", "percent"),
        )  # fmt: skip
        rows = tuple(
            (r.name, r.draws, r.accuracy, r.interval, r.difference, r.difference_interval, r.error, r.capped)
            for r in self.rows
        )
        return Table(columns, rows)

    def __str__(self) -> str:
        return str(self.table())

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        pairs = ("interval", "difference_interval", "error_interval")
        numbers = ("draws", "accuracy", "difference", "error", "capped")
        return {
            "schema": "neff.replay/1",
            "rows": [
                {"name": r.name}
                | {name: json_number(getattr(r, name)) for name in numbers}
                | {name: [json_number(x) for x in getattr(r, name)] for name in pairs}
                for r in self.rows
            ],
            "n_items": self.n_items,
            "n_orders": self.n_orders,
            "level": self.level,
            "seed": self.seed,
            "notes": list(self.notes),
        }


def replay_stoppers(
    draws: Draws,
    rules: Mapping[str, Callable[[], Stopper]],
    *,
    value: str = "answer",
    n_orders: int = 20,
    level: float = 0.95,
    rng: Any = None,
) -> Replay:
    """Run stopping rules on recorded answers, each item's taken in random orders.

    Use it to choose a rule, and to see the error that it really makes on these items: "95% sure" is about two answers
    and items of which nothing is known before.

    Parameters
    ----------
    draws
        Recorded answers. Unscored ones are left out, and counted in the notes, unless no outcome is known at all: then
        accuracies are NaN, and the errors are about the answer alone.
    rules
        A maker of a fresh rule by name: `{"ac .95": lambda: AdaptiveConsistency(0.95, max_draws=40)}`.
    value
        What the rules observe: "answer" or "score".
    n_orders
        Random orders per item.
    level
        Coverage of the intervals, over items.
    rng
        Of the orders (SPEC 7).

    Returns
    -------
    Replay
        One row per rule, and one for all draws, with which they are compared.

    Raises
    ------
    ArgumentError
        If the draws have no such value, or there are none.

    Notes
    -----
    A rule that wants more draws than an item has stops there, and counts as capped. Clusters of items widen the
    intervals. Replaying draws without replacement from a record understates the spread of rules that nearly use it up.
    Cost: orders x draws x what a look costs.

    Examples
    --------
    >>> from neff.sampling import as_draws
    >>> from neff.sampling.stopping import AdaptiveConsistency
    >>> answers = [list("aaaaaaab"), list("abababbb"), list("ccccdccc")]
    >>> right = [[x == y for x in row] for row, y in zip(answers, "abc")]
    >>> log = as_draws(right, answers=answers)
    >>> replay = replay_stoppers(log, {"ac": lambda: AdaptiveConsistency(0.9, max_draws=8)}, n_orders=10, rng=0)
    >>> [(row.name, round(row.draws, 1), round(row.accuracy, 2)) for row in replay.rows]
    [('ac', 5.1, 1.0), ('all draws', 8.0, 1.0)]
    """
    if value not in ("answer", "score") or getattr(draws, value) is None:
        raise ArgumentError("value", "'answer' or 'score', which the draws have", value, call="replay_stoppers")
    level = check_level(level, call="replay_stoppers")
    n_orders = check_count(n_orders, argument="n_orders", call="replay_stoppers", minimum=1)
    generator, seed = seeded(rng, call="replay_stoppers")
    known = ~np.isnan(draws.outcome)
    usable = known if known.any() else np.ones(len(draws), bool)
    found = [span.start + np.flatnonzero(usable[span]) for span in draws.spans()]
    items = [i for i, rows in enumerate(found) if len(rows)]
    if not items:
        raise ArgumentError("draws", "answers to one item or more", "none", call="replay_stoppers")
    orders = [[generator.permutation(found[i]) for _ in range(n_orders)] for i in items]
    cluster = None if draws.cluster is None else draws.cluster[items]
    full = _run(draws, orders, value, lambda n: FixedDraws(n, by="vote" if value == "answer" else "score"))
    rows = [_row(name, _run(draws, orders, value, _fresh(make)), full, cluster, level) for name, make in rules.items()]
    rows.append(_row("all draws", full, full, cluster, level))
    return Replay(tuple(rows), len(items), n_orders, level, seed, _notes(draws, usable, len(items)))


def _notes(draws: Draws, usable: NDArray[np.bool_], n_items: int) -> tuple[str, ...]:
    notes = []
    if not usable.all():
        notes.append(f"{int((~usable).sum()):,} draws are unscored: they are left out, not counted as wrong.")
    if n_items < draws.n_items:
        notes.append(f"Items without a scored draw, which are left out: {draws.n_items - n_items:,}.")
    if usable.all() and np.isnan(draws.outcome).any():
        notes.append("No outcome is known: accuracies are undefined.")
    return tuple(notes)


def _fresh(make: Callable[[], Stopper]) -> Callable[[int], Stopper]:
    """Return a maker that is told the draws of an item, and does not care."""
    return lambda _: make()


_Seen = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]


def _run(draws: Draws, orders: list[list[Any]], value: str, make: Callable[[int], Stopper]) -> _Seen:
    """Return per item the mean draws, accuracy, cap share, and the answer (or place) returned in each order.

    `make` is told how many draws the item has.
    """
    n = len(orders)
    taken, right, capped = np.zeros(n), np.zeros(n), np.zeros(n)
    returned = np.full((n, len(orders[0])), -1, np.int64)
    for i, of_item in enumerate(orders):
        accuracy = []
        for j, order in enumerate(of_item):
            rule = make(len(order))
            for row in order:
                if rule.observe(_value(draws, value, int(row))):
                    break
            taken[i] += rule.n
            capped[i] += not rule.stopped or getattr(rule, "capped", False)
            place = rule.choose()
            row = -1 if place is None else int(order[place])
            # Without a choice there is no answer, which is not a right one.
            accuracy.append(0.0 if row < 0 else float(draws.outcome[row]))
            returned[i, j] = -1 if row < 0 else row if draws.answer is None else draws.answer[row]
        right[i] = float(np.mean(accuracy))
    return taken / returned.shape[1], right, capped / returned.shape[1], returned


def _value(draws: Draws, value: str, row: int) -> Any:
    if value == "score":
        return float(draws.score[row])  # type: ignore[index]
    code = int(draws.answer[row])  # type: ignore[index]
    return None if code < 0 else code


def _row(name: str, seen: _Seen, full: _Seen, cluster: Any, level: float) -> ReplayRow:
    taken, right, capped, returned = seen
    nothing = (math.nan, (math.nan, math.nan))
    accuracy, difference = nothing, nothing
    if not np.isnan(right).any():  # else no outcome is known
        mean = share_mean(right, cluster, level)
        accuracy, difference = (mean.value, mean.interval), difference_mean(right - full[1], cluster, level)
    error = share_mean((returned != full[3]).mean(axis=1), cluster, level)
    of_error = error.interval if seen is not full else nothing[1]  # of all draws against themselves there is none
    return ReplayRow(
        name, float(taken.mean()), *accuracy, *difference, error.value, of_error, float(capped.mean())
    )  # fmt: skip
