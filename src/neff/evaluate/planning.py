"""Planning: the smallest difference these items can show, and how many items or repeats a target needs.

What it estimates: with V = n SE^2 the variance that one common item contributes to a paired difference, a two-sided
test at level 1 - alpha finds a true difference d with the wanted power when (t_alpha + t_power) sqrt(V / n) <= d.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from neff.errors import ArgumentError
from neff.evaluate.api import evaluate
from neff.evaluate.means import MACRO, MICRO
from neff.evaluate.result import Evaluation
from neff.reasons import Reason
from neff.results import Column, Table, json_value
from neff.stats._special import chi2_quantile, t_quantile
from neff.stats._validate import check_level

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neff.results import Comparison

__all__ = ["Plan", "PlanRow", "minimum_detectable_effect", "plan"]

MOST_ITEMS = 10**12


@dataclass(frozen=True, slots=True)
class PlanRow:
    """What it takes to tell one pair of models apart.

    Attributes
    ----------
    detectable
        Minimum detectable effect: the true difference that the items at hand show with the wanted power.
    target
        The difference planned for, in units of the score.
    items_needed, items_low, items_high
        Items (with the draws per item at hand, and clusters of the size at hand) for the target, and the range that
        the uncertainty of the measured variance leaves.
    draws_now
        Scored draws per item and model now (harmonic mean of the two models).
    draws_needed
        Draws per item that would do on the items at hand. NaN where no number does, where the records have no
        repeats, so that nobody knows, or for an average over tasks; `reason` says which.
    """

    task: str
    metric: str
    a: str
    b: str
    n_items: int
    difference: float
    standard_error: float
    detectable: float
    target: float
    items_needed: float
    items_low: float
    items_high: float
    draws_now: float
    draws_needed: float
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """The result of `neff.plan`: one row per pair."""

    rows: tuple[PlanRow, ...]
    power: float
    level: float
    n_comparisons: int
    notes: tuple[str, ...] = ()
    backend: str | None = None

    def table(self) -> Table:
        """Return the plan as a table."""
        columns = (
            Column("task", "Task"),
            Column("metric", "Metric"),
            Column("a", "A"),
            Column("b", "B"),
            Column("difference", "A − B now", "signed"),
            Column("n_items", "Items now", "count"),
            Column("detectable", "Detectable", "number", help=f"true difference found with power {self.power:g}"),
            Column("target", "Target", "number"),
            Column("items_needed", "Items needed", "count"),
            Column("items_low", "at least", "count", help="from the uncertainty of the measured variance"),
            Column("items_high", "at most", "count"),
            Column("draws_now", "Draws/item now", "number", 1),
            Column("draws_needed", "Draws/item needed", "count", help="on the items at hand"),
            Column("reason", "Reason"),
        )
        rows = tuple(
            tuple(str(value or "") if name == "reason" else value for name, value in _values(row, columns))
            for row in self.rows
        )
        return Table(columns, rows, f"What it takes to tell two models apart (power {self.power:g})")

    def __str__(self) -> str:
        return "\n\n".join([str(self.table()), *(f"Note: {note}" for note in self.notes)])

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, NaN as None beside the reason."""
        return {
            "schema": "neff.plan/1",
            "power": self.power,
            "level": self.level,
            "n_comparisons": self.n_comparisons,
            "rows": [{f.name: json_value(getattr(row, f.name)) for f in fields(row)} for row in self.rows],
            "notes": list(self.notes),
        }

    def to_frame(self) -> Any:
        """Return the plan as a dataframe of the caller's kind."""
        return self.table().to_frame(self.backend)


def _values(row: PlanRow, columns: Sequence[Column]) -> list[tuple[str, Any]]:
    return [(column.name, getattr(row, column.name)) for column in columns]


def minimum_detectable_effect(
    comparison: Comparison, *, power: float = 0.8, level: float = 0.95, n_comparisons: int = 1
) -> float:
    """Return the true difference that a comparison of this precision shows with the wanted power.

    Use it beside every "not told apart": a difference below it could be there and stay unseen.

    Parameters
    ----------
    comparison
        Its standard error and degrees of freedom are used, not its difference.
    power
        Chance to see the difference, in (0, 1).
    level
        1 minus the two-sided error, in (0, 1).
    n_comparisons
        Divide the error by this many comparisons (Bonferroni).

    Returns
    -------
    float
        In units of the score; NaN where the standard error is undefined.

    Raises
    ------
    ArgumentError
        If power or level lie outside (0, 1), or n_comparisons is below 1.

    Notes
    -----
    (t_{1 - alpha/2} + t_{power}) SE, the usual approximation to the noncentral t.

    References
    ----------
    Miller, "Adding Error Bars to Evals", arXiv:2411.00640, section on power analysis.

    Examples
    --------
    >>> from neff.results import Comparison
    >>> round(minimum_detectable_effect(Comparison("A", "B", 0.01, standard_error=0.0136)), 4)
    0.0381
    """
    _check(power, level, n_comparisons, "minimum_detectable_effect")
    return _multiple(comparison.df, power, level, n_comparisons) * comparison.standard_error


def _check(power: float, level: float, n_comparisons: int, call: str) -> None:
    check_level(level, call=call)
    if not 0 < power < 1:
        raise ArgumentError("power", "in (0, 1)", power, "Use 0.8.", call=call)
    if n_comparisons < 1:
        raise ArgumentError("n_comparisons", "at least 1", n_comparisons, call=call)


def _multiple(df: float, power: float, level: float, n_comparisons: int) -> float:
    df = max(df, 1.0)
    alpha = (1 - level) / n_comparisons
    return float(t_quantile(1 - alpha / 2, df)) + float(t_quantile(power, df))


def plan(
    records: Any,
    *,
    difference: float | None = None,
    power: float = 0.8,
    level: float = 0.95,
    n_comparisons: int = 1,
    a: str | None = None,
    b: str | None = None,
    **options: Any,
) -> Plan:
    """Say how many more items or repeats would tell models apart, from the data at hand.

    Use it before buying more answers, or when two models are tied. It plans for the same kind of items, models and
    clusters; it does not help where the two models differ on other kinds of items.

    Parameters
    ----------
    records
        Anything `evaluate` takes, or an `Evaluation` that was made before.
    difference
        The smallest difference worth finding, in units of the score. None plans for the difference that was
        observed, which is optimistic: an observed difference that is not told apart is often larger than the true one.
    power
        Chance to find it, in (0, 1).
    level
        1 minus the two-sided error of the test, in (0, 1).
    n_comparisons
        Divide the error by this many comparisons (Bonferroni).
    a, b
        Two models; a alone pairs it with every other; neither pairs the best with every other.
    **options
        Of `evaluate`, column names among them.

    Returns
    -------
    Plan
        One `PlanRow` per pair.

    Raises
    ------
    ArgumentError
        If the difference is not positive, or power or level lie outside (0, 1).

    Notes
    -----
    Estimand: items n with (t_{1-alpha/2} + t_power) sqrt(V / n) <= difference, where V = n SE^2 from the paired
    (and, where clusters are given, clustered) standard error at hand; t quantiles with degrees of freedom that grow
    with n. Draws: V = V_item + (s_a^2 + s_b^2) / K, where s^2 is the sampling variance of one draw, known only from
    repeats. The range of items is the chi-square interval of the variance, exact for normal differences.

    References
    ----------
    Miller, "Adding Error Bars to Evals", arXiv:2411.00640.

    Examples
    --------
    >>> scores = {"item": [1, 2, 3, 4] * 2, "model": ["a"] * 4 + ["b"] * 4, "score": [1, 1, 0, 1, 0, 1, 0, 0]}
    >>> row = plan(scores, difference=0.1).rows[0]
    >>> row.a, row.b, int(row.items_needed)
    ('a', 'b', 265)
    """
    _check(power, level, n_comparisons, "plan")
    if difference is not None and not (difference > 0 and math.isfinite(difference)):
        raise ArgumentError(
            "difference",
            "positive, in units of the score",
            difference,
            "Use 0.02 for two points of accuracy.",
            call="plan",
        )
    result = records if isinstance(records, Evaluation) else evaluate(records, level=level, **options)
    chosen = _chosen(result, a, b)
    rows = [_row(result, c, difference, power, level, n_comparisons) for c in chosen]
    notes = []
    if difference is None:
        notes.append("Planned for the observed differences; name the smallest difference worth finding instead.")
    if any(row.reason is Reason.NO_REPEATS for row in rows):
        notes.append("There is one draw per item, so what more draws would bring is unknown: score a few items twice.")
    return Plan(tuple(rows), power, level, n_comparisons, tuple(notes), result.backend)


def _chosen(result: Evaluation, a: str | None, b: str | None) -> list[Comparison]:
    """Return the pairs to plan for, the named (or best) model first."""
    known = sorted({c.a for c in result.comparisons} | {c.b for c in result.comparisons})
    if len(known) < 2:
        raise ArgumentError("records", "scores of at least two models", known, call="plan")
    for argument, name in (("a", a), ("b", b)):
        if name is not None and name not in known:
            raise ArgumentError(argument, "a model of the records", name, f"There are: {known[:20]}.", call="plan")
    if a is None and b is not None:
        a, b = b, None
    chosen: list[Comparison] = []
    for task, metric in result.groups():
        tied = result.tied(task, metric)
        first = a or (tied[0] if tied else None)
        for c in result.comparisons:
            if (c.task, c.metric) != (task, metric) or first not in (c.a, c.b):
                continue
            other = c.b if c.a == first else c.a
            if b in (None, other):
                # A plan asks how precise the difference is, whichever way round and whatever the margin was.
                chosen.append(c if c.a == first else replace(c, margin=0.0).swapped())
    return chosen


def _row(
    result: Evaluation, c: Comparison, difference: float | None, power: float, level: float, n_comparisons: int
) -> PlanRow:
    target = abs(c.difference) if difference is None else difference
    nan = math.nan
    needed, low, high, draws_needed = nan, nan, nan, nan
    draws_now = _draws_per_item(result, c)
    reason = c.reason
    if reason is None and not target > 0:
        reason = Reason.NOT_REACHABLE
    if reason is None:
        needed = _items(c, target, power, level, n_comparisons)
        low, high = (needed * factor for factor in _variance_range(c.df, level))
        draws_needed, reason = _draws(result, c, target, power, level, n_comparisons)
    return PlanRow(
        task=c.task,
        metric=c.metric,
        a=c.a,
        b=c.b,
        n_items=c.n_items,
        difference=c.difference,
        standard_error=c.standard_error,
        detectable=minimum_detectable_effect(c, power=power, level=level, n_comparisons=n_comparisons),
        target=target,
        items_needed=needed,
        items_low=low,
        items_high=high,
        draws_now=draws_now,
        draws_needed=draws_needed,
        reason=reason,
    )


def _items(c: Comparison, target: float, power: float, level: float, n_comparisons: int) -> float:
    """Solve for the number of items; degrees of freedom grow with it, so iterate from the normal answer up."""
    per_item = c.n_items * c.standard_error**2
    needed = per_item * (_multiple(math.inf, power, level, n_comparisons) / target) ** 2
    for _ in range(50):
        if needed > MOST_ITEMS:
            break
        df = c.df * needed / c.n_items
        further = per_item * (_multiple(df, power, level, n_comparisons) / target) ** 2
        if abs(further - needed) < 0.5:
            needed = further
            break
        needed = (needed + further) / 2  # halfway: the plain iteration swings when few clusters are enough
    return float(math.ceil(needed))


def _variance_range(df: float, level: float) -> tuple[float, float]:
    """Return the factors by which the true variance may lie below and above the measured one."""
    if not math.isfinite(df):
        return 1.0, 1.0
    tail = (1 - level) / 2
    return df / float(chi2_quantile(1 - tail, df)), df / float(chi2_quantile(tail, df))


def _draws_per_item(result: Evaluation, c: Comparison) -> float:
    found = [result.estimate(model, c.task, c.metric) for model in (c.a, c.b)]
    if any(e.n == 0 for e in found):
        return math.nan
    return 2 / sum(e.n_items / e.n for e in found)


def _draws(
    result: Evaluation,
    c: Comparison,
    target: float,
    power: float,
    level: float,
    n_comparisons: int,
) -> tuple[float, Reason | None]:
    """Return draws per item that reach the target on the items at hand, or the reason why there is no number."""
    parts = [result.estimate(model, c.task, c.metric).components for model in (c.a, c.b)]
    per_draw = sum(part.get("sampling", math.nan) for part in parts)
    now = sum(part.get("of_mean", math.nan) for part in parts)  # with as many draws as each item has
    if c.task in (MACRO, MICRO):
        return math.nan, Reason.OF_TASKS
    if math.isnan(per_draw):
        return math.nan, Reason.NO_REPEATS if _draws_per_item(result, c) == 1 else Reason.OF_WEIGHTS
    allowed = c.n_items * (target / _multiple(c.df, power, level, n_comparisons)) ** 2
    of_items = max(0.0, c.n_items * c.standard_error**2 - now)
    if allowed <= of_items:
        return math.nan, Reason.NOT_REACHABLE
    return float(max(1, math.ceil(per_draw / (allowed - of_items)))), None
