"""The tables of an evaluation: scores, pairs, an overview of the groups, and the long table for machines."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from neff.report.text import Name
from neff.results import Column, Table, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from neff.report.groups import Group
    from neff.results import Comparison

__all__ = ["compared_table", "overview_table", "pairs_table", "scores_table"]

NAN_PAIR = (math.nan, math.nan)
STANDING_WORDS = {"best": "best", "tied": "not told apart", "behind": "behind", "refused": "refused", "": "–"}
SHARE_HELP = "part of the squared standard error that comes from it"


def keep_columns(table: Table, *, drop: Iterable[str]) -> Table:
    """Return the table without some columns."""
    gone = set(drop)
    index = [j for j, column in enumerate(table.columns) if column.name not in gone]
    return Table(
        tuple(table.columns[j] for j in index),
        tuple(tuple(row[j] for j in index) for row in table.rows),
        table.caption,
    )


def scores_table(group: Group) -> Table:
    """Return one row per model: score, interval, distance to the best, counts; without columns that say nothing."""
    percent, d = f"{100 * group.level:g}%", group.digits
    shares = list(dict.fromkeys(name for e in group.estimates for name in e.components if name.endswith("_share")))
    columns = (
        Column("model", "Model"),
        Column("value", "Score", "number", d),
        Column("interval", f"{percent} interval", "interval", d, help="of this model alone"),
        Column("difference", "vs best", "signed", d, help="this model minus the best, on common items"),
        Column("difference_interval", f"{percent} interval", "interval", d, help="of the difference, this pair alone"),
        Column("p_adjusted", "p adjusted", "p", help=f"{group.correction} over all pairs of this table"),
        Column("standing", "Standing", help="to the best, after the correction for many pairs"),
        Column("n_items", "Items", "count"),
        Column("n", "Draws", "count", help="scored answers"),
        Column("n_unscored", "Unscored", "count", help="answers without a score: counted, not used"),
        Column("n_clusters", "Clusters", "count"),
        Column("n_eff", "n_eff", "count", help=_n_eff_of(group) or "effective sample size"),
        Column("standard_error", "SE", "number", d + 1, help="standard error of the score"),
        *(Column(name, _share_title(name), "percent", help=SHARE_HELP) for name in shares),
        Column("reason", "Why", help="why a number is undefined, or its level refused"),
    )
    rows = []
    for e in group.estimates:
        to_best = group.to_best.get(e.model)
        rows.append(
            (
                Name(e.model),
                e.value,
                e.interval,
                math.nan if to_best is None else to_best.difference,
                NAN_PAIR if to_best is None else to_best.interval,
                math.nan if to_best is None else to_best.p_adjusted,
                STANDING_WORDS[group.standing(e)],
                e.n_items,
                e.n,
                e.n_unscored,
                e.n_clusters,
                e.n_eff,
                e.standard_error,
                *(e.components.get(name, math.nan) for name in shares),
                str(e.reason or e.refused or (to_best.reason if to_best else "") or ""),
            )
        )
    drop = set()
    if not group.comparisons:
        drop |= {"difference", "difference_interval", "p_adjusted", "standing"}
    if all(e.n == e.n_items for e in group.estimates):
        drop.add("n")
    if len(group.comparisons) == 1:
        drop.add("p_adjusted")
    drop |= _empty(columns, rows, ("n_unscored", "n_clusters", "n_eff", "reason"))
    return keep_columns(Table(columns, tuple(rows)), drop=drop)


def _share_title(name: str) -> str:
    return name.removesuffix("_share").replace("_", " ").capitalize() + " share"


def _n_eff_of(group: Group) -> str:
    return next((e.n_eff_of for e in group.estimates if e.n_eff_of), "")


def _empty(columns: Sequence[Column], rows: Sequence[tuple[Any, ...]], names: Iterable[str]) -> set[str]:
    """Return those of the named columns in which no row says anything (None, NaN, 0, "")."""
    place = {column.name: j for j, column in enumerate(columns)}

    def silent(value: Any) -> bool:
        return not value or (isinstance(value, float) and math.isnan(value))

    return {name for name in names if all(silent(row[place[name]]) for row in rows)}


def verdict_words(c: Comparison) -> str:
    """Return the verdict in the words of the columns A and B."""
    margin = f" by > {c.margin:g}" if c.margin else ""
    match c.verdict:
        case Verdict.HOLDS:
            return f"A better{margin}"
        case Verdict.FAILS:
            return f"A not better{margin}" if c.margin else "B better"
        case Verdict.UNDECIDED:
            return "not told apart" if not c.margin else "undecided"
        case _:
            return str(c.verdict)


def pairs_table(group: Group) -> Table:
    """Return one row per pair."""
    percent, d = f"{100 * group.level:g}%", group.digits
    tests = list(dict.fromkeys(name for c in group.comparisons for name in c.tests))
    columns = (
        Column("a", "A"),
        Column("b", "B"),
        Column("difference", "A − B", "signed", d),
        Column("interval", f"{percent} interval", "interval", d, help="of this pair alone"),
        Column("p_value", "p", "p"),
        Column("p_adjusted", "p adjusted", "p", help=f"{group.correction} over all pairs of this table"),
        *(Column(f"test_{name}", f"p {name}", "p") for name in tests),
        Column("verdict", "Verdict"),
        Column("n_items", "Common items", "count"),
        Column("n_unmatched", "Unmatched", "count", help="items that only one of the two has: not used"),
        Column("correlation", "r", "number", 2, help="correlation of the two models' item scores"),
        Column("standard_error", "SE", "number", d + 1),
        Column("reason", "Why undefined"),
    )
    rows = [
        (
            Name(c.a),
            Name(c.b),
            c.difference,
            c.interval,
            c.p_value,
            c.p_adjusted,
            *(c.tests.get(name, math.nan) for name in tests),
            verdict_words(c),
            c.n_items,
            c.n_unmatched,
            c.correlation,
            c.standard_error,
            "" if c.reason is None else str(c.reason),
        )
        for c in group.comparisons
    ]
    drop = _empty(columns, rows, ("n_unmatched", "correlation", "reason"))
    if group.correction == "none" or len(rows) == 1:
        drop.add("p_adjusted")
    return keep_columns(Table(columns, tuple(rows)), drop=drop)


def overview_table(groups: Sequence[Group]) -> Table:
    """Return one row per group: who is best and how many cannot be told from it."""
    digits = max((g.digits for g in groups), default=4)
    columns = (
        Column("task", "Task"),
        Column("metric", "Metric"),
        Column("best", "Best model"),
        Column("value", "Score", "number", digits),
        Column("interval", f"{100 * groups[0].level:g}% interval", "interval", digits),
        Column("tied", "Not told from it", "count", help="models that cannot be told from the best"),
        Column("behind", "Behind it", "count"),
        Column("models", "Models", "count"),
        Column("n_items", "Items", "count"),
    )
    rows = []
    for g in groups:
        best = g.best
        rows.append(
            (
                Name(g.task),
                Name(g.metric),
                Name(best.model) if best else "–",
                best.value if best else math.nan,
                best.interval if best else NAN_PAIR,
                len(g.not_told_apart) if g.comparisons else math.nan,
                g.behind if g.comparisons else math.nan,
                len(g.estimates),
                best.n_items if best else math.nan,
            )
        )
    drop = {"metric"} if len({g.metric for g in groups}) == 1 else set()
    drop |= {"task"} if len({g.task for g in groups}) == 1 else set()
    drop |= {"tied", "behind"} if not any(g.comparisons for g in groups) else set()
    return keep_columns(Table(columns, tuple(rows)), drop=drop)


def compared_table(groups: Sequence[Group], comparisons: Sequence[Comparison], digits: int) -> Table:
    """Return one row per group of the same two models: their difference."""
    columns = (
        Column("task", "Task"),
        Column("metric", "Metric"),
        Column("difference", "A − B", "signed", digits),
        Column("interval", f"{100 * groups[0].level:g}% interval", "interval", digits),
        Column("p_value", "p", "p", help="not corrected for the number of rows"),
        Column("verdict", "Verdict"),
        Column("n_items", "Common items", "count"),
        Column("reason", "Why undefined"),
    )
    rows = []
    for g, c in zip(groups, comparisons, strict=True):
        why = "" if c.reason is None else str(c.reason)
        names = (Name(g.task), Name(g.metric))
        rows.append((*names, c.difference, c.interval, c.p_value, verdict_words(c), c.n_items, why))
    drop = {"metric"} if len({g.metric for g in groups}) == 1 else set()
    drop |= {"task"} if len({g.task for g in groups}) == 1 else set()
    return keep_columns(Table(columns, tuple(rows)), drop=drop | _empty(columns, rows, ("reason",)))
