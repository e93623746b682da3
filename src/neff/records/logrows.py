"""Rows of one evaluation log: samples with attributes (metadata, fields of the document) and several scores each."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import RecordsError
from neff.records.factor import Factor
from neff.records.feed import Sink
from neff.records.logvalues import plural, showable
from neff.records.table import Records, Source
from neff.records.values import BadCellError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from neff.records.columns import ColumnMap
    from neff.records.layout import Use
    from neff.records.reader import Keep
    from neff.records.values import Column

__all__ = ["LONG", "Attributes", "LogInfo", "Sample", "plural", "table_of"]

LONG = 256
"""Longer texts are kept only where they are named: they are documents, not groups."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One answer of a log.

    Attributes
    ----------
    item
        Key of the question, the same in every log of the task.
    draw
        Repeat index; None where the log only repeats the item: then they are numbered in the order of samples.
    attributes
        What `Attributes.pick` chose.
    scores
        Metric -> number, NaN = unscored.
    model, task
        Who answered, and what, where the log holds several; else empty, and `LogInfo` says it.
    """

    item: str
    draw: int | None
    attributes: Mapping[str, Any]
    scores: Mapping[str, float]
    model: str = ""
    task: str = ""


@dataclass(frozen=True, slots=True)
class LogInfo:
    """What is the same for all rows of a log.

    Attributes
    ----------
    path, format
        For `Source`.
    model, task
        Who answered, and what.
    notes
        Sentences for `Source.notes`.
    lower_is_better
        Names of the metrics for which lower is better.
    """

    path: str
    format: str
    model: str
    task: str
    notes: tuple[str, ...] = ()
    lower_is_better: frozenset[str] = frozenset()


@dataclass(slots=True)
class Attributes:
    """The attributes of samples that become columns: those that a role or `keep` names, and all short plain values.

    Parameters
    ----------
    columns
        The caller's columns; cluster, label and weight may name an attribute, with or without the prefix.
    keep
        Which others to keep.
    prefix
        "metadata" in Inspect logs, "doc" in lm-evaluation-harness logs.

    Examples
    --------
    >>> from neff.records.columns import ColumnMap
    >>> attributes = Attributes(ColumnMap(cluster="metadata.passage"), "mapped", "metadata")
    >>> attributes.pick({"passage": "p1", "level": 3})
    {'passage': 'p1'}
    """

    columns: ColumnMap
    keep: Keep
    prefix: str
    _seen: dict[str, None] = field(default_factory=dict)
    _named: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self._named = frozenset(self.named())

    def key(self, name: str) -> str:
        """Return the key that a name stands for."""
        return name.removeprefix(f"{self.prefix}.")

    def named(self) -> list[str]:
        """Return the keys of all that the caller named."""
        columns = self.columns
        names = (*columns.clusters(), columns.label, columns.weight)
        return [self.key(name) for name in (*names, *(self.keep if isinstance(self.keep, tuple) else ())) if name]

    def pick(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the attributes of one sample that are wanted."""
        self._seen.update(dict.fromkeys(values))
        every = self.keep == "all"
        return {key: value for key, value in values.items() if key in self._named or (every and _is_plain(value))}

    def column(self, name: str, use: Use, samples: Sequence[Sample], info: LogInfo) -> Column:
        """Return a named attribute of every sample as a column.

        Raises
        ------
        RecordsError
            If no sample has it, or a value cannot be used.
        """
        key = self.key(name)
        if key not in self._seen:
            near = get_close_matches(key, self._seen, n=3) or list(self._seen)[:8]
            raise RecordsError(
                f"no sample has the {self.prefix} key {key!r}.",
                f"Name one of: {', '.join(map(repr, near))}." if near else f"The log has no {self.prefix}.",
                path=info.path,
            )
        return _column(name, key, use, samples, info)

    def kept(self, samples: Sequence[Sample], info: LogInfo) -> dict[str, Column]:
        """Return the columns that have no role."""
        columns = self.columns
        roles = {self.key(name) for name in (*columns.clusters(), columns.label, columns.weight) if name}
        if isinstance(self.keep, tuple):
            names = {self.key(name): name for name in self.keep}
        else:
            found = dict.fromkeys(key for sample in samples for key in sample.attributes)
            names = {key: f"{self.prefix}.{key}" for key in found}
        return {
            name: _column(name, key, "any", samples, info)
            for key, name in names.items()
            if key in self._seen and key not in roles
        }


def table_of(samples: Sequence[Sample], attributes: Attributes, info: LogInfo) -> Records:
    """Return one row per sample and metric.

    Raises
    ------
    RecordsError
        If a named attribute is missing or cannot be used, or the rows make no sense.
    """
    samples = [sample for sample in samples if sample.scores]
    rows = [(i, metric, value) for i, sample in enumerate(samples) for metric, value in sample.scores.items()]
    index = np.array([i for i, _, _ in rows], np.int64)
    columns = attributes.columns

    def of_rows(name: str, use: Use) -> Any:
        return attributes.column(name, use, samples, info)[index]

    return Records.build(
        item=_names([sample.item for sample in samples])[index],
        model=_names([sample.model or info.model for sample in samples])[index],
        task=_names([sample.task or info.task for sample in samples])[index],
        metric=_names([metric for _, metric, _ in rows]),
        score=np.array([value for _, _, value in rows], np.float64),
        draw=_as_integers(_draws(samples), info)[index],
        clusters=tuple(of_rows(name, "key") for name in columns.clusters()),
        label=of_rows(columns.label, "number") if columns.label else None,
        weight=of_rows(columns.weight, "number") if columns.weight else None,
        extra={name: column[index] for name, column in attributes.kept(samples, info).items()},
        lower_is_better=info.lower_is_better,
        sources=(Source(info.path, info.format, len(rows), info.notes),),
    )


def _names(names: Sequence[str]) -> Factor:
    return Factor.of([showable(name) for name in names])


def _draws(samples: Iterable[Sample]) -> Iterator[int]:
    """Yield the draw of each sample, numbered in their order where the log has no number.

    The scores of one sample keep one number; metrics that lie in samples of their own are numbered apart.
    """
    seen: Counter[tuple[str, str, str, str]] = Counter()
    for sample in samples:
        if sample.draw is not None:
            yield sample.draw
            continue
        cells = [(sample.task, sample.model, sample.item, metric) for metric in sample.scores]
        draw = max(seen[cell] for cell in cells)
        yield draw
        seen |= dict.fromkeys(cells, draw + 1)


def _as_integers(draws: Iterable[int], info: LogInfo) -> NDArray[np.int64]:
    try:
        return np.fromiter(draws, np.int64)
    except OverflowError as error:
        problem = "the number of a repeat has more than 18 digits."
        raise RecordsError(problem, "Check that the producer wrote the log unchanged.", path=info.path) from error


def _is_plain(value: Any) -> bool:
    return isinstance(value, (bool, int, float)) or (isinstance(value, str) and len(value) <= LONG)


def _column(name: str, key: str, use: Use, samples: Sequence[Sample], info: LogInfo) -> Column:
    sink = Sink(use)
    try:
        if samples:
            sink.extend([sample.attributes.get(key) for sample in samples])
        return sink.finish()
    except BadCellError as cell:
        problem = f"{name!r} of sample {samples[cell.row].item!r} is {repr(cell.value)[:60]}."
        wanted = "a number" if use == "number" else "one plain value, not a list or an object,"
        raise RecordsError(problem, f"Name a key that holds {wanted} in every sample.", path=info.path) from cell
