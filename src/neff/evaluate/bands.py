"""`simultaneous_intervals`: intervals that hold for all scores, or all differences, of a group at once."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, NamedTuple

from neff.errors import ArgumentTypeError
from neff.evaluate.result import Evaluation
from neff.reasons import Reason
from neff.results import Column, Table
from neff.stats._options import check_choice
from neff.stats._special import t_quantile
from neff.stats.multiplicity import simultaneous_z

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["simultaneous_intervals"]

CALL = "simultaneous_intervals"


class _Number(NamedTuple):
    """A score or a difference with what its interval is made of."""

    what: str
    name: str
    value: float
    standard_error: float
    df: float
    reason: Reason | None

    @property
    def undefined(self) -> Reason | None:
        """Why there is no interval, or None."""
        if math.isnan(self.value):
            return self.reason or Reason.EMPTY
        if self.standard_error > 0 and self.df >= 1:  # neither is NaN
            return None
        return self.reason or (Reason.ALL_EQUAL if self.standard_error == 0 else Reason.NO_STANDARD_ERROR)


def simultaneous_intervals(result: Evaluation, *, method: Literal["bonferroni"] = "bonferroni") -> Table:
    """Return intervals of all scores, and of all differences, that hold at once at the result's level.

    Use it where the intervals are read together: "every model is above 0.7", "no two models differ by more than 0.05".
    An ordinary interval is for its own number; of twenty at 95%, one leaves the truth out on average. Not for deciding
    which pairs differ: the adjusted p-values of `Comparison` do that, and Holm's tell more apart.

    Parameters
    ----------
    result
        A result of `evaluate` or `compare`, also a saved one.
    method
        "bonferroni": holds however the numbers depend on each other.

    Returns
    -------
    Table
        One row per score and per difference: what, task, metric, name, value, interval, and `together`, the number
        of intervals that hold at once. NaN with the reason where there is no standard error.

    Raises
    ------
    ArgumentTypeError
        If `result` is not an `Evaluation`.
    ArgumentError
        If `method` is not known.

    Notes
    -----
    Families: the scores of a (task, metric), and its differences; each is covered at the level, not both together.
    Value ± t · standard error, t the quantile at 1 - alpha / (2 k) with each number's own degrees of freedom (normal
    where they are infinite); k counts the defined intervals of the family. So it is also for 0/1 scores and
    after a bootstrap, whose ordinary intervals are Wilson's, Tango's or percentiles: with few items these can leave
    [0, 1], and scores that are all equal have none. A refused level stays refused. O(rows).

    Examples
    --------
    >>> from neff.results import Estimate
    >>> pair = Estimate(0.1, 0.03, task="all", model="a"), Estimate(0.2, 0.05, task="all", model="b")
    >>> table = simultaneous_intervals(Evaluation(estimates=pair))
    >>> [tuple(round(end, 4) for end in row[5]) for row in table.rows]
    [(0.0328, 0.1672), (0.0879, 0.3121)]
    """
    check_choice(method, ("bonferroni",), argument="method", call=CALL)
    if not isinstance(result, Evaluation):
        fix = "Give what neff.evaluate or neff.compare returned."  # type: ignore[unreachable]
        raise ArgumentTypeError("result", "an Evaluation", type(result).__name__, fix, call=CALL)
    groups = dict.fromkeys([(e.task, e.metric) for e in result.estimates])
    groups |= dict.fromkeys([(c.task, c.metric) for c in result.comparisons])
    rows = []
    for task, metric in groups:
        scores = [
            _Number("score", e.model, e.value, e.standard_error, e.df, e.reason)
            for e in result.estimates
            if (e.task, e.metric) == (task, metric)
        ]
        differences = [
            _Number("difference", f"{c.a} - {c.b}", c.difference, c.standard_error, c.df, c.reason)
            for c in result.comparisons
            if (c.task, c.metric) == (task, metric)
        ]
        for family in (scores, differences):
            together = sum(number.undefined is None for number in family)
            for number, interval in zip(family, _intervals(family, together, result.level), strict=True):
                why = "" if number.undefined is None else str(number.undefined)
                rows.append((number.what, task, metric, number.name, number.value, interval, together, why))
    columns = (
        Column("what", "What"),
        Column("task", "Task"),
        Column("metric", "Metric"),
        Column("name", "Name"),
        Column("value", "Value", "number"),
        Column("interval", f"{100 * result.level:g}% interval, all at once", "interval"),
        Column("together", "Together", "count", help="intervals that hold at once"),
        Column("reason", "Reason", help="why an interval is undefined"),
    )
    return Table(columns, tuple(rows), "Simultaneous intervals")


def _intervals(family: Sequence[_Number], together: int, level: float) -> list[tuple[float, float]]:
    """Return value ± quantile · standard error of each number, with the error divided among the defined ones."""
    found = []
    for number in family:
        if number.undefined is not None:
            found.append((math.nan, math.nan))
            continue
        if math.isinf(number.df):
            quantile = simultaneous_z(together, level=level)
        else:
            quantile = -t_quantile((1.0 - level) / (2 * together), number.df)
        half = quantile * number.standard_error
        found.append((number.value - half, number.value + half))
    return found
