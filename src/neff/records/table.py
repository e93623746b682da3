"""The table of draws: one row per scored answer, the common ground of every reader and every room."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import RecordsError, at_most
from neff.records.cells import refuse_split_items
from neff.records.factor import Factor
from neff.records.values import LARGEST
from neff.results.plain import clean, middle_cut

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from neff.results import Unread

__all__ = ["ALL", "Records", "Source"]

ALL = "all"
"""Name of the task when the records have none."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file or frame that rows came from."""

    path: str
    format: str
    n_rows: int
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "notes", tuple(map(at_most, self.notes)))

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"path": self.path, "format": self.format, "n_rows": self.n_rows, "notes": list(self.notes)}


@dataclass(frozen=True, slots=True, eq=False)
class Records:
    """One row per draw. Readers build it, rooms consume it; it is never changed in place.

    Attributes
    ----------
    item, model, task, metric
        Who answered what, as `Factor` of n rows. An item is identified by (task, item).
    score
        The cheap measure (judge or metric) in its own units, shape (n,), NaN = unscored.
    draw
        Repeat index within (task, item, model, metric), shape (n,), int64.
    clusters
        Zero, one or two groupings of the items (`Factor` of n rows each).
    label
        Oracle value, shape (n,), NaN = unlabelled; None where there are no labels at all.
    weight
        Non-negative sampling weight per row, shape (n,), or None.
    extra
        Every other column that was kept: float arrays, or `Factor` for text.
    lower_is_better
        Names of the metrics for which a lower score is better.
    sources, unread
        What was read, and what was not and why.
    backend
        "pandas", "polars" or "pyarrow" where the rows came from such a frame: results return the same kind.

    Examples
    --------
    >>> records = Records.build(item=["q1", "q2"], model=["a", "a"], score=[1.0, 0.0])
    >>> len(records), records.item.levels
    (2, ('q1', 'q2'))
    """

    item: Factor
    model: Factor
    task: Factor
    metric: Factor
    score: NDArray[np.float64]
    draw: NDArray[np.int64]
    clusters: tuple[Factor, ...] = ()
    label: NDArray[np.float64] | None = None
    weight: NDArray[np.float64] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    lower_is_better: frozenset[str] = frozenset()
    sources: tuple[Source, ...] = ()
    unread: tuple[Unread, ...] = ()
    backend: str | None = None

    def __len__(self) -> int:
        return len(self.score)

    def __str__(self) -> str:
        return (
            f"{len(self):,} draws: {self.model.n_levels} models × {self.item.n_levels:,} items, "
            f"{self.task.n_levels} task(s), metric(s) {middle_cut(clean(', '.join(self.metric.levels)), 400)}"
        )

    @classmethod
    def build(
        cls,
        *,
        item: Sequence[Any] | Factor,
        model: Sequence[Any] | Factor,
        score: Sequence[float] | NDArray[np.float64],
        task: Sequence[Any] | Factor | None = None,
        metric: Sequence[Any] | Factor | str = "score",
        draw: Sequence[Any] | NDArray[Any] | None = None,
        clusters: Sequence[Sequence[Any] | Factor] = (),
        label: Sequence[float] | NDArray[np.float64] | None = None,
        weight: Sequence[float] | NDArray[np.float64] | None = None,
        whole: bool = True,
        **rest: Any,
    ) -> Records:
        """Build and check a table from columns; the one door through which rows enter.

        Missing draws are numbered in the order of rows within (task, item, model, metric). Where the rows are not
        the `whole` table but a part of it, draws are neither numbered nor checked: that takes all parts.

        Raises
        ------
        RecordsError
            If lengths differ, an item or model is missing, a score is infinite, a weight is negative or not
            finite, a draw occurs twice, or an item lies in two clusters.
        """
        score = np.asarray(score, np.float64)
        n = len(score)
        table = cls(
            item=_factor(item),
            model=_factor(model),
            task=Factor.constant(ALL, n) if task is None else _factor(task),
            metric=Factor.constant(metric, n) if isinstance(metric, str) else _factor(metric),
            score=score,
            draw=np.zeros(n, np.int64),
            clusters=tuple(_factor(cluster) for cluster in clusters),
            label=_floats("label", label, n),
            weight=_weights(weight, n),
            **rest,
        )
        _check_factors(table)
        _check_scores(score)
        if not whole:
            return table
        draws = table.number_draws() if draw is None else _draws(draw, n)
        table = replace(table, draw=draws)
        if draw is not None:
            table.refuse_duplicates()
        table.refuse_split_items()
        return table

    def cell(self) -> NDArray[np.int64]:
        """Return one integer per row that identifies (task, metric, item, model), shape (n,)."""
        key = self.task.codes.astype(np.int64)
        for factor in (self.metric, self.item, self.model):
            key *= factor.n_levels  # in place: a copy of 10^7 keys is 80 MB
            key += factor.codes
        return key

    def number_draws(self) -> NDArray[np.int64]:
        """Return 0, 1, 2, ... within each cell, in the order of rows."""
        cell = self.cell()
        order = np.argsort(cell, kind="stable")
        ordered, n = cell[order], len(cell)
        del cell
        starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if n else np.array([], np.int64)
        del ordered
        within = np.arange(n)
        within -= np.repeat(starts, np.diff(np.r_[starts, n]))
        draws = np.empty(n, np.int64)
        draws[order] = within
        return draws

    def refuse_duplicates(self) -> None:
        """Raise where a (task, metric, item, model, draw) occurs twice."""
        if self._all_distinct():
            return
        order = np.lexsort((self.draw, self.cell()))
        cell, draw = self.cell()[order], self.draw[order]
        twice = np.flatnonzero((cell[1:] == cell[:-1]) & (draw[1:] == draw[:-1]))
        if len(twice):
            row = int(order[twice[0] + 1])
            raise RecordsError(
                f"item {self.item.levels[self.item.codes[row]]!r} of model "
                f"{self.model.levels[self.model.codes[row]]!r} has draw {self.draw[row]} twice "
                f"({len(twice):,} repeated rows).",
                "Remove the repeated rows; to count them as repeats, name the columns to use, without --draw.",
                line=row + 1,
            )

    def _all_distinct(self) -> bool:
        """Return whether one sort of one integer per row shows that no draw occurs twice."""
        if not len(self):
            return True
        low, high = int(self.draw.min()), int(self.draw.max())
        cells = math.prod(f.n_levels for f in (self.task, self.metric, self.item, self.model))
        if cells * (high - low + 1) >= 2**63:
            return False  # too many for one integer; the slow path finds out
        key = self.cell()
        key *= high - low + 1
        key += self.draw
        key.sort()
        return bool((key[1:] != key[:-1]).all())

    def refuse_split_items(self) -> None:
        """Raise where an item lies in two clusters of one grouping."""
        refuse_split_items(self.task, self.item, self.clusters)

    def take(self, rows: NDArray[Any]) -> Records:
        """Return the chosen rows (a boolean mask or indices), all columns."""
        return replace(
            self,
            item=self.item[rows],
            model=self.model[rows],
            task=self.task[rows],
            metric=self.metric[rows],
            score=self.score[rows],
            draw=self.draw[rows],
            clusters=tuple(cluster[rows] for cluster in self.clusters),
            label=None if self.label is None else self.label[rows],
            weight=None if self.weight is None else self.weight[rows],
            extra={name: column[rows] for name, column in self.extra.items()},
        )

    def renamed(self, model: str) -> Records:
        """Return the same rows under one model name."""
        return replace(self, model=Factor.constant(model, len(self)))

    @classmethod
    def concat(cls, tables: Sequence[Records], *, renumber: bool = False) -> Records:
        """Stack tables from several files; columns that only some have are missing elsewhere.

        Draws are kept, and must differ, unless `renumber`: then they are numbered anew in the order of rows.
        """
        if not tables:
            raise RecordsError("there are no records.", "Give at least one readable file.")
        if len(tables) == 1:
            return tables[0]
        if len({len(t.clusters) for t in tables}) > 1:
            raise RecordsError(
                "some inputs have a cluster column and some do not.", "Give the cluster for all, or for none."
            )
        backends = {t.backend for t in tables}
        stacked = cls(
            item=Factor.concat([t.item for t in tables]),
            model=Factor.concat([t.model for t in tables]),
            task=Factor.concat([t.task for t in tables]),
            metric=Factor.concat([t.metric for t in tables]),
            score=np.concatenate([t.score for t in tables]),
            draw=np.concatenate([t.draw for t in tables]),
            clusters=tuple(Factor.concat([t.clusters[j] for t in tables]) for j in range(len(tables[0].clusters))),
            label=_stack([t.label for t in tables], [len(t) for t in tables], math.nan),
            weight=_stack([t.weight for t in tables], [len(t) for t in tables], 1.0),
            extra=_stack_extra(tables),
            lower_is_better=frozenset().union(*(t.lower_is_better for t in tables)),
            sources=tuple(source for t in tables for source in t.sources),
            unread=tuple(unread for t in tables for unread in t.unread),
            backend=backends.pop() if len(backends) == 1 else None,
        )
        if renumber:
            stacked = replace(stacked, draw=stacked.number_draws())
        else:
            stacked.refuse_duplicates()
        stacked.refuse_split_items()
        return stacked


def _factor(values: Sequence[Any] | Factor) -> Factor:
    return values if isinstance(values, Factor) else Factor.of(values)


def _check_factors(table: Records) -> None:
    n = len(table)
    named = [("item", table.item), ("model", table.model), ("task", table.task), ("metric", table.metric)]
    for name, factor in [*named, *(("cluster", cluster) for cluster in table.clusters)]:
        if len(factor) != n:
            raise RecordsError(f"column {name} has {len(factor)} rows, score has {n}.", "Give columns of one length.")
        missing = np.flatnonzero(factor.codes < 0)
        if len(missing):
            raise RecordsError(
                f"column {name} is empty in {len(missing):,} of {n:,} rows.",
                f"Fill it, or drop those rows; a row without its {name} cannot be counted.",
                line=int(missing[0]) + 1,
            )


def _check_scores(score: NDArray[np.float64]) -> None:
    large = np.flatnonzero(np.abs(score) > LARGEST)
    if len(large):
        what = "infinite" if np.isinf(score).any() else f"beyond {LARGEST:.0e} in size"
        raise RecordsError(
            f"score is {what} in {len(large):,} rows.",
            "Leave a score empty where there is none; an infinite score has no mean, a huge one no square.",
            line=int(large[0]) + 1,
        )


def _floats(name: str, values: Any, n: int) -> NDArray[np.float64] | None:
    if values is None:
        return None
    array = np.asarray(values, np.float64)
    if len(array) != n:
        raise RecordsError(f"column {name} has {len(array)} rows, score has {n}.", "Give columns of one length.")
    if (np.abs(array) > LARGEST).any():
        what = "an infinite value" if np.isinf(array).any() else f"a value beyond {LARGEST:.0e} in size"
        raise RecordsError(f"column {name} has {what}.", "Leave it empty where there is none.")
    return array


def _weights(values: Any, n: int) -> NDArray[np.float64] | None:
    array = _floats("weight", values, n)
    if array is not None and not (array >= 0).all():
        row = int(np.flatnonzero(~(array >= 0))[0])
        raise RecordsError(
            f"weight must be a non-negative number, got {array[row]}.",
            "Drop the row, or give it weight 0.",
            line=row + 1,
        )
    return array


def _draws(values: Any, n: int) -> NDArray[np.int64]:
    array = np.asarray(values)
    if len(array) != n:
        raise RecordsError(f"column draw has {len(array)} rows, score has {n}.", "Give columns of one length.")
    if array.dtype.kind in "iu":
        return array.astype(np.int64)
    if array.dtype.kind == "f" and np.isfinite(array).all() and (array == np.round(array)).all():
        if np.abs(array).max(initial=0) >= 2**53:
            raise RecordsError("column draw has a number above 2^53.", "Number the draws 0, 1, 2, ... .")
        return array.astype(np.int64)
    factor = Factor.of(array.tolist())
    if (factor.codes < 0).any():
        raise RecordsError("column draw is empty in some rows.", "Number every draw, or leave the column out.")
    # A name stands for the same number in every file, so that the same draw in two files is seen to be one.
    texts = [name.encode(errors="surrogatepass") for name in factor.levels]
    named = [int.from_bytes(blake2b(text, digest_size=8).digest(), "big") >> 1 for text in texts]
    return np.array(named, np.int64)[factor.codes]


def _stack(
    parts: Sequence[NDArray[np.float64] | None], lengths: Sequence[int], missing: float
) -> NDArray[np.float64] | None:
    if all(part is None for part in parts):
        return None
    return np.concatenate(
        [np.full(n, missing) if part is None else part for part, n in zip(parts, lengths, strict=True)]
    )


def _stack_extra(tables: Sequence[Records]) -> dict[str, Any]:
    """Stack the extra columns; text wins over numbers where files disagree about a column."""
    stacked: dict[str, Any] = {}
    for name in sorted(set().union(*(t.extra for t in tables))):
        columns = [t.extra.get(name) for t in tables]
        if any(isinstance(column, Factor) for column in columns):
            parts = [
                column
                if isinstance(column, Factor)
                else Factor.of([None] * len(t) if column is None else column.tolist())
                for column, t in zip(columns, tables, strict=True)
            ]
            stacked[name] = Factor.concat(parts)
        else:
            stacked[name] = _stack(columns, [len(t) for t in tables], math.nan)
    return stacked
