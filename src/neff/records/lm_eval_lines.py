"""Lines of lm-evaluation-harness: one per document and filter, with one key per metric."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from neff.errors import RecordsError
from neff.records.jsontext import field_of
from neff.records.logrows import Sample, plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from neff.records.logrows import Attributes

__all__ = ["Lines", "metric_name"]

_FIXED = frozenset(
    {"doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics"}
    | {"doc_hash", "prompt_hash", "target_hash"}
)
_LOG_LIKELIHOOD = frozenset({"perplexity", "word_perplexity", "byte_perplexity", "bits_per_byte"})
"""Metrics whose lines hold log-likelihoods, not the metric: the harness takes exp(-mean)."""
_LOOK = 100
"""Number of lines in which repeats are looked for; a run has them in all lines or in none."""
_KEY = 16
"""Hex digits of a hash that make an item's key: readable, and 64 bits are unique among any number of documents."""


@dataclass(slots=True)
class _Line:
    doc_id: str
    doc_hash: str
    scores: dict[str, float]
    attributes: dict[str, Any]


@dataclass(slots=True)
class Lines:
    """The lines of one task, read one by one.

    Parameters
    ----------
    attributes
        Chooses the fields of the document that are kept.
    """

    attributes: Attributes
    _lines: dict[tuple[str, str], _Line] = field(default_factory=dict)
    _repeated: int = 0
    _repeats: int = 1
    _left_out: dict[str, str] = field(default_factory=dict)
    _odd: Counter[str] = field(default_factory=Counter)

    def add(self, fields: Mapping[str, Any]) -> None:
        """Add one line; a later line of the same document and filter replaces an earlier one.

        Raises
        ------
        RecordsError
            If it has no document.
        """
        doc_id = field_of(fields, "doc_id")
        if not isinstance(doc_id, (int, str)):
            raise RecordsError("there is no doc_id.", "Give the samples file as lm-evaluation-harness wrote it.")
        chosen = str(field_of(fields, "filter") or "none")
        names = field_of(fields, "metrics")
        if not isinstance(names, list):
            names = [name for name in fields if name not in _FIXED]  # before the key "metrics" was written
        if len(self._lines) < _LOOK:
            self._repeats = max(self._repeats, _repeats(fields))
        doc = field_of(fields, "doc")
        key = (str(doc_id), chosen)
        self._repeated += key in self._lines
        self._lines[key] = _Line(
            doc_id=str(doc_id),
            doc_hash=str(field_of(fields, "doc_hash") or "")[:_KEY],
            scores=dict(self._scores(fields, map(str, names), chosen)),
            attributes=self.attributes.pick(doc) if isinstance(doc, dict) else {},
        )

    def _scores(self, fields: Mapping[str, Any], names: Iterable[str], chosen: str) -> Iterator[tuple[str, float]]:
        for name in names:
            metric = metric_name(name, chosen)
            value = field_of(fields, name)
            if name in _LOG_LIKELIHOOD or name == "bypass":
                what = "scored nothing" if name == "bypass" else "log-likelihoods, from which a corpus value is made"
                self._left_out[metric] = what
            elif isinstance(value, (list, dict)):
                self._left_out[metric] = "parts of a corpus metric, not one number per document"
            else:
                number = _number(value)
                self._odd[metric] += number is None
                yield metric, math.nan if number is None else number

    def samples(self) -> list[Sample]:
        """Return one sample per document and filter."""
        shared = self._shared_hashes()
        return [Sample(_item(line, shared), 0, line.attributes, line.scores) for line in self._lines.values()]

    def _shared_hashes(self) -> frozenset[str]:
        """Return the hashes that several documents have: the same question twice in a data set."""
        owners: dict[str, set[str]] = {}
        for line in self._lines.values():
            owners.setdefault(line.doc_hash, set()).add(line.doc_id)
        return frozenset(doc_hash for doc_hash, ids in owners.items() if doc_hash and len(ids) > 1)

    def left_out(self) -> str:
        """Return what was not read, as one sentence, empty where all was."""
        return "; ".join(f"{metric} is not read ({why})" for metric, why in self._left_out.items())

    def notes(self) -> Iterator[str]:
        """Yield what a person should know."""
        if self._left_out:
            yield self.left_out()
        if self._repeated:
            yield (
                f"{plural(self._repeated, 'line')} came again with the same doc_id and filter (a re-run appends): "
                "the last one counts"
            )
        shared = self._shared_hashes()
        if shared:
            yield (
                f"{plural(len(shared), 'document')} occurs more than once in the data (equal doc_hash): "
                "told apart by doc_id"
            )
        if self._repeats > 1:
            yield (
                f"{self._repeats} responses per document: the harness scored what its filter kept, "
                "the others have no score and are not read"
            )
        for metric, count in self._odd.items():
            if count:
                yield f"{metric}: {plural(count, 'value')} that cannot be a score, counted as unscored"


def metric_name(name: str, chosen: str) -> str:
    """Return the metric with its filter, as the harness writes it in its results, without the filter "none".

    Examples
    --------
    >>> metric_name("acc", "none"), metric_name("exact_match", "strict-match")
    ('acc', 'exact_match,strict-match')
    """
    return name if chosen == "none" else f"{name},{chosen}"


def _item(line: _Line, shared: frozenset[str]) -> str:
    if not line.doc_hash:
        return line.doc_id
    return f"{line.doc_hash}#{line.doc_id}" if line.doc_hash in shared else line.doc_hash


def _repeats(fields: Mapping[str, Any]) -> int:
    """Return the number of responses per request: resps is a list over requests of lists over repeats."""
    try:
        resps = msgspec.convert(field_of(fields, "resps"), list[list[Any]])
    except msgspec.ValidationError:
        return 1
    return max(map(len, resps), default=1)


def _number(value: Any) -> float | None:
    """Return a value as a number, NaN where there is none, None where it is no number."""
    if value is None:
        return math.nan
    try:
        number = float(value)  # numpy numbers that json does not know are written as text
    except (TypeError, ValueError, OverflowError):
        return None
    return None if math.isinf(number) else number
