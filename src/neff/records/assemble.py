"""Columns with their roles to `Records`: the one way by which every generic reader ends."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from neff.errors import RecordsError
from neff.records.factor import Factor
from neff.records.finder import normal
from neff.records.rows import Rows
from neff.records.table import Records, Source
from neff.records.values import Column, coded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from neff.records.layout import Layout

__all__ = ["assemble"]


def assemble(
    layout: Layout,
    columns: Mapping[str, Column],
    *,
    path: str,
    format: str,  # noqa: A002  (the word of `Source`)
    model: str,
    line_of: Callable[[int], int] = lambda row: row + 1,
    backend: str | None = None,
    notes: tuple[str, ...] = (),
    whole: bool = True,
) -> Records:
    """Build records from the columns of one file or frame.

    Parameters
    ----------
    layout
        Role of each column.
    columns
        The columns that `layout.uses()` asks for, of one length.
    path, format
        Name and format of the source.
    model
        Name of the model where no column names it.
    line_of
        Turns a 0-based row into the line number that a person finds it on.
    backend, notes
        Passed on to `Records.backend` and `Source.notes`.
    whole
        Whether these are all rows; False for a part of them, whose draws are neither numbered nor checked.

    Raises
    ------
    RecordsError
        If a cell cannot be used, or the table makes no sense (see `Records.build`).
    """
    rows = Rows(layout, columns, path, line_of, [*layout.notes, *notes])
    if not rows.n:
        raise RecordsError("the table has no rows.", "Give a file with at least one draw.", path=path)
    scores = rows.scores()
    names, m = list(scores), len(scores)
    if layout.models:
        who = coded(np.repeat(np.arange(m, dtype=np.int32), rows.n), names)
    elif layout.model is not None:
        who = rows.key(layout.model)
    else:
        who = Factor.constant(model, rows.n)
        rows.notes.append(f"no model column: all rows are of one model, {model!r}; name it with --model")
    label, weight = rows.optional_numbers("label"), rows.optional_numbers("weight")
    metric = _metric_name(layout) if layout.metric is None else rows.key(layout.metric)
    try:
        table = Records.build(
            item=rows.repeated(rows.key(layout.item), m),
            model=who,
            score=np.concatenate(list(scores.values())) if m > 1 else scores[names[0]],
            task=None if layout.task is None else rows.repeated(rows.key(layout.task), m),
            metric=metric if isinstance(metric, str) else rows.repeated(metric, m),
            draw=None if layout.draw is None or not whole else rows.repeated(rows.draws(layout.draw), m),
            label=None if label is None else rows.repeated(label, m),
            weight=None if weight is None else rows.repeated(weight, m),
            extra={name: rows.repeated(column, m) for name, column in rows.extra().items()},
            lower_is_better=_lower_is_better(rows, metric),
            backend=backend,
            whole=whole,
        )
        table = _with_clusters(table, rows, m)
    except RecordsError as error:
        line = None if error.line is None else line_of((error.line - 1) % rows.n)
        raise RecordsError(error.problem, error.fix, path=path, line=line) from error
    notes = (*rows.notes, *_taken(layout, table))
    return replace(table, sources=(Source(path, format, len(table), notes),))


def _taken(layout: Layout, table: Records) -> list[str]:
    """Say which columns play a role that changes results, though nobody named them and their name is not the role's."""
    found = {role: getattr(layout, role) for role in ("draw", "task", "metric", "label", "weight")}
    found["cluster"] = next(iter(layout.clusters), None)
    return [
        f"column {name!r} was taken as the {role}; to leave it out, name the columns to use"
        for role, name in sorted(found.items())
        if role in layout.guessed and normal(name) != role and name not in table.extra
    ]


def _metric_name(layout: Layout) -> str:
    if layout.target is not None:
        return "accuracy"
    return layout.score or "score"


def _lower_is_better(rows: Rows, metric: Factor | str) -> frozenset[str]:
    """Return the metrics of which the column `lower_is_better` says so."""
    if rows.layout.direction is None:
        return frozenset()
    said = rows.key(rows.layout.direction)
    strange = {level.lower() for level in said.levels} - _YES - _NO
    if strange:
        rows.notes.append(
            f"column {rows.layout.direction!r} was not used: it holds {min(strange)!r}, not true or false"
        )
        return frozenset()
    lower = np.array([level.lower() in _YES for level in said.levels] + [False])[said.codes]
    factor = Factor.constant(metric, rows.n) if isinstance(metric, str) else metric
    votes = [lower[factor.codes == code] for code in range(factor.n_levels)]
    for name, vote in zip(factor.levels, votes, strict=True):
        if vote.any() and not vote.all():
            raise RecordsError(
                f"column 'lower_is_better' says both true and false of metric {name!r}.",
                "Give each metric one direction.",
                path=rows.path,
            )
    return frozenset(name for name, vote in zip(factor.levels, votes, strict=True) if vote.any())


_YES, _NO = frozenset({"true", "1"}), frozenset({"false", "0"})


def _with_clusters(table: Records, rows: Rows, m: int) -> Records:
    """Add the groupings; a column that was only found by its name, and cannot be one, stays an extra column."""
    names = rows.layout.clusters
    groups = tuple(rows.repeated(rows.key(name), m) for name in names)
    grouped = replace(table, clusters=groups)
    try:
        for name, group in zip(names, groups, strict=True):
            _refuse_empty(name, group)
        grouped.refuse_split_items()
    except RecordsError as error:
        if "cluster" not in rows.layout.guessed:
            raise
        rows.notes.append(f"column {names[0]!r} was not used as the cluster: {error.problem}")
        return replace(table, extra={**table.extra, names[0]: groups[0]})
    return grouped


def _refuse_empty(name: str, group: Factor) -> None:
    empty = np.flatnonzero(group.codes < 0)
    if len(empty):
        raise RecordsError(
            f"cluster column {name!r} is empty in {len(empty):,} rows.",
            "Fill it; an item that belongs to no group is a group of its own, with its own name.",
            line=int(empty[0]) + 1,
        )
