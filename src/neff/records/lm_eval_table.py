"""The lines of a samples file that count, as columns, and the rows of `Records` that they make."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from neff.records.factor import Factor
from neff.records.logrows import Sample, plural
from neff.records.table import Records, Source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from neff.records.layout import Use
    from neff.records.logrows import Attributes, LogInfo

__all__ = ["ABSENT", "Table", "metric_name"]

ABSENT = msgspec.UNSET
"""The value of a metric that a line does not have."""

_LOG_LIKELIHOOD = frozenset({"perplexity", "word_perplexity", "byte_perplexity", "bits_per_byte"})
"""Metrics whose lines hold log-likelihoods, not the metric: the harness takes exp(-mean)."""

_PAIRS = frozenset({"f1", "mcc"})
"""Metrics whose lines hold a pair, gold and predicted, which two repeats must not be taken for."""


@dataclass(slots=True)
class Table:
    """Columns of one row per document and filter.

    Attributes
    ----------
    items, filters, attributes
        Key of the document, filter, and chosen fields of the document (empty where none are) of each row.
    scores
        Metric -> one score per row, NaN = unscored.
    present
        Metric -> whether the row has that metric.
    repeats
        Metric with a score of each response -> scores, of shape (rows, responses), NaN = unscored.
    """

    items: list[str]
    filters: list[str]
    attributes: list[dict[str, Any]]
    n_repeated: int = 0
    n_shared: int = 0
    n_repeats: int = 1
    scores: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    present: dict[str, NDArray[np.bool_]] = field(default_factory=dict)
    repeats: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    _left_out: dict[str, str] = field(default_factory=dict)
    _odd: Counter[str] = field(default_factory=Counter)

    def add(self, name: str, values: list[Any]) -> None:
        """Add a metric: one value per row, `ABSENT` where the row does not have it."""
        if name in _LOG_LIKELIHOOD or name == "bypass":
            what = "scored nothing" if name == "bypass" else "log-likelihoods, from which a corpus value is made"
            filters = (chosen for chosen, value in zip(self.filters, values, strict=True) if value is not ABSENT)
            self._left_out |= {metric_name(name, chosen): what for chosen in dict.fromkeys(filters)}
            return
        if (repeats := self._of_repeats(name, values)) is not None:
            self.repeats[name] = repeats
            return
        if (numbers := _as_numbers(values)) is not None:
            scores = numbers
            present = np.ones(len(values), bool)
            scores[np.isinf(scores)] = self._unscored(name, np.flatnonzero(np.isinf(scores)).tolist())
        else:
            scores, present = np.full(len(values), math.nan), np.zeros(len(values), bool)
            for i, value in enumerate(values):
                if isinstance(value, (list, dict)):
                    self._left_out[metric_name(name, self.filters[i])] = (
                        "parts of a corpus metric, not one number per document"
                    )
                elif value is not ABSENT:
                    number = _number(value)
                    present[i], scores[i] = True, self._unscored(name, [i]) if number is None else number
        if present.any():
            self.scores[name], self.present[name] = scores, present

    def _of_repeats(self, name: str, values: list[Any]) -> NDArray[np.float64] | None:
        """Return the scores of all responses, None where lines do not hold one number for each."""
        if self.n_repeats == 1 or name in _PAIRS or not all(isinstance(v, list) or v is ABSENT for v in values):
            return None
        rows = [[math.nan] * self.n_repeats if value is ABSENT else value for value in values]
        if any(len(row) != self.n_repeats for row in rows):
            return None
        scores = _as_numbers([value for row in rows for value in row])
        if scores is None:
            return None
        scores = scores.reshape(len(rows), self.n_repeats)
        self.present[name] = np.array([value is not ABSENT for value in values], bool)
        infinite = np.isinf(scores)
        scores[infinite] = self._unscored(name, np.flatnonzero(infinite.any(axis=1)).tolist())
        return scores if self.present[name].any() else None

    def _unscored(self, name: str, rows: list[int]) -> float:
        """Count values that cannot be a score, and return what stands for them."""
        self._odd.update(metric_name(name, self.filters[i]) for i in rows)
        return math.nan

    def metrics(self) -> Iterator[tuple[str, NDArray[np.int64], NDArray[np.float64]]]:
        """Yield each metric with its filter, the rows that have it (once per response), and their scores."""
        filters = Factor.of(self.filters)
        for name, scores in (self.scores | self.repeats).items():
            for code, chosen in enumerate(filters.levels):
                rows = np.flatnonzero(self.present[name] & (filters.codes == code))
                if len(rows):
                    found = scores[rows]
                    yield metric_name(name, chosen), np.repeat(rows, found.size // len(rows)), found.ravel()

    def records(self, attributes: Attributes, info: LogInfo) -> Records:
        """Return one row per line and metric, the metrics of a line one after the other.

        Raises
        ------
        RecordsError
            If a named attribute is missing or cannot be used.
        """
        found = list(self.metrics())
        line = np.concatenate([rows for _, rows, _ in found])
        order = np.argsort(line, kind="stable")
        line = line[order]
        metric = np.repeat(np.arange(len(found), dtype=np.int32), [len(rows) for _, rows, _ in found])[order]
        score = np.concatenate([scores for _, _, scores in found])[order]
        draw = np.concatenate([np.arange(len(rows)) - np.searchsorted(rows, rows) for _, rows, _ in found])[order]
        used = np.unique(line) if self.attributes else line[:0]
        samples = [Sample(self.items[i], 0, self.attributes[i], {}) for i in used]
        place = np.searchsorted(used, line) if self.attributes else line[:0]

        def column(name: str, use: Use) -> Any:
            return attributes.column(name, use, samples, info)[place]

        columns = attributes.columns
        return Records.build(
            item=Factor.of(self.items)[line],
            model=Factor.constant(info.model, len(line)),
            task=Factor.constant(info.task, len(line)),
            metric=Factor.from_codes(metric, [name for name, _, _ in found]),
            score=score,
            draw=draw,
            clusters=tuple(column(name, "key") for name in columns.clusters()),
            label=column(columns.label, "number") if columns.label else None,
            weight=column(columns.weight, "number") if columns.weight else None,
            extra={name: kept[place] for name, kept in attributes.kept(samples, info).items()},
            lower_is_better=info.lower_is_better,
            sources=(Source(info.path, info.format, len(line), info.notes),),
        )

    def left_out(self) -> str:
        """Return what was not read, as one sentence, empty where all was."""
        return "; ".join(f"{metric} is not read ({why})" for metric, why in self._left_out.items())

    def notes(self) -> Iterator[str]:
        """Yield what a person should know."""
        if self._left_out:
            yield self.left_out()
        if self.n_repeated:
            yield (
                f"{plural(self.n_repeated, 'line')} came again with the same doc_id and filter (a re-run appends): "
                "the last one counts"
            )
        if self.n_shared:
            yield (
                f"{plural(self.n_shared, 'document')} occurs more than once in the data (equal doc_hash): "
                "told apart by doc_id"
            )
        if self.repeats:
            yield f"{', '.join(self.repeats)}: {self.n_repeats} responses per document, each with a score, are draws"
        if self.n_repeats > 1 and self.scores:
            yield (
                f"{self.n_repeats} responses per document: the harness scored what its filter kept, "
                "the others have no score and are not read"
            )
        for metric, count in self._odd.items():
            yield f"{metric}: {plural(count, 'value')} that cannot be a score, counted as unscored"


def _as_numbers(values: list[Any]) -> NDArray[np.float64] | None:
    """Return plain numbers as an array, None where some value is something else, or more than a float holds."""
    if not {*map(type, values)} <= {int, float, bool}:
        return None
    try:
        return np.array(values, np.float64)
    except OverflowError:
        return None


def metric_name(name: str, chosen: str) -> str:
    """Return the metric with its filter, as the harness writes it in its results, without the filter "none".

    Examples
    --------
    >>> metric_name("acc", "none"), metric_name("exact_match", "strict-match")
    ('acc', 'exact_match,strict-match')
    """
    return name if chosen == "none" else f"{name},{chosen}"


def _number(value: Any) -> float | None:
    """Return a value as a number, NaN where there is none, None where it is no number."""
    if value is None:
        return math.nan
    try:
        number = float(value)  # numpy numbers that json does not know are written as text
    except (TypeError, ValueError, OverflowError):
        return None
    return None if math.isinf(number) else number
