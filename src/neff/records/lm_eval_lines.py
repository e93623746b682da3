"""Lines of lm-evaluation-harness: one per document and filter, with one key per metric. Kept as columns, for speed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import msgspec

from neff.errors import RecordsError
from neff.records.jsontext import field_of
from neff.records.lm_eval_table import ABSENT, Table
from neff.records.reader import one_each

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from neff.records.logrows import Attributes

__all__ = ["Lines"]

_FIXED = frozenset(
    {"doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics"}
    | {"doc_hash", "prompt_hash", "target_hash"}
)
_LOOK = 100
"""Number of lines in which repeats are looked for; a run has them in all lines or in none."""
_NO_FILTER = "none"
_KEY = 16
"""Hex digits of a hash that make an item's key: readable, and 64 bits are unique among any number of documents."""


@dataclass(slots=True)
class Lines:
    """The lines of one task, read one by one or many at once.

    Parameters
    ----------
    attributes
        Chooses the fields of the document that are kept.
    """

    attributes: Attributes
    picked: list[dict[str, Any]] = field(default_factory=list)
    _ids: list[str] = field(default_factory=list)
    _filters: list[str] = field(default_factory=list)
    _hashes: list[str] = field(default_factory=list)
    _values: dict[str, list[Any]] = field(default_factory=dict)
    _names: list[str] = field(default_factory=list)
    _repeats: int = 1
    _decoder: Any = None

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
        names = field_of(fields, "metrics")
        listed = isinstance(names, list)
        if not listed:
            names = [name for name in fields if name not in _FIXED]  # before the key "metrics" was written
        names = list(dict.fromkeys(map(str, names)))
        if len(self._ids) < _LOOK:
            self._repeats = max(self._repeats, _repeats(fields))
        doc = field_of(fields, "doc")
        for name in names:
            if name not in self._values:
                self._values[name] = [ABSENT] * len(self._ids)
        for name, values in self._values.items():
            values.append(field_of(fields, name) if name in names else ABSENT)
        self._ids.append(str(doc_id))
        self._filters.append(str(field_of(fields, "filter") or _NO_FILTER))
        self._hashes.append(str(field_of(fields, "doc_hash") or "")[:_KEY])
        self.picked.append(self.attributes.pick(doc) if isinstance(doc, dict) else {})
        if names != self._names or (self._decoder is None and listed):
            self._names = names
            self._decoder = _decoder(names) if listed and len(self._values) == len(names) else None

    def add_all(self, lines: memoryview) -> bool:
        """Add lines like those before, many times faster than one by one; return False, adding none, if they differ.

        Fields of the document cannot be picked in this way.
        """
        if self._decoder is None or len(self._ids) < _LOOK or self._picks():
            return False
        try:
            rows = self._decoder.decode_lines(lines)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return False
        if [row.metrics for row in rows].count(self._names) < len(rows) or not one_each(lines, len(rows)):
            return False
        for j, name in enumerate(self._names):
            self._values[name] += map(attrgetter(f"m{j}"), rows)
        self._ids += [str(row.doc_id) for row in rows]
        self._filters += [row.filter or _NO_FILTER for row in rows]
        self._hashes += [(row.doc_hash or "")[:_KEY] for row in rows]
        return True

    def _picks(self) -> bool:
        return self.attributes.keep == "all" or bool(self.attributes.named())

    def finish(self) -> Table:
        """Return the lines that count, as columns."""
        n = len(self._ids)
        one_filter = len({*self._filters}) == 1
        keys = self._ids if one_filter else zip(self._ids, self._filters, strict=True)
        last: dict[Any, int] = dict(zip(keys, range(n), strict=True))
        kept = list(last.values())

        def only(column: list[Any]) -> list[Any]:
            return column if len(kept) == n else [column[i] for i in kept]

        ids, hashes = only(self._ids), only(self._hashes)
        shared = _shared(ids, hashes)
        table = Table(
            items=_items(ids, hashes, shared),
            filters=only(self._filters),
            attributes=only(self.picked) if len(self.picked) == n else [],
            n_repeated=n - len(kept),
            n_shared=len(shared),
            n_repeats=self._repeats,
        )
        for name, values in self._values.items():
            table.add(name, only(values))
        return table


def _shared(ids: Sequence[str], hashes: Sequence[str]) -> set[str]:
    """Return the hashes that several documents have: the same question twice in a data set."""
    if len({*hashes}) == len(hashes):
        return set()
    pairs = {*zip(hashes, ids, strict=True)}
    count = Counter(doc_hash for doc_hash, _ in pairs)
    return {doc_hash for doc_hash, owners in count.items() if doc_hash and owners > 1}


def _items(ids: list[str], hashes: list[str], shared: set[str]) -> list[str]:
    if not shared and all(hashes):
        return hashes
    return [
        doc_id if not doc_hash else f"{doc_hash}#{doc_id}" if doc_hash in shared else doc_hash
        for doc_id, doc_hash in zip(ids, hashes, strict=True)
    ]


def _decoder(names: Sequence[str]) -> Any:
    """Return a decoder of the keys that are read; what else a line has is skipped without being built."""
    text = str | None
    keys: list[Any] = [
        ("doc_id", int | str),
        ("filter", text, None),
        ("doc_hash", text, None),
        ("metrics", list[str], []),
    ]
    metrics = [(f"m{j}", Any, msgspec.field(default=None, name=name)) for j, name in enumerate(names)]
    if not _FIXED.isdisjoint(names):
        return None
    try:
        return msgspec.json.Decoder(msgspec.defstruct("Line", [*keys, *metrics], gc=False))
    except ValueError:  # a name with quotes or control characters: such lines are read one by one
        return None


def _repeats(fields: Mapping[str, Any]) -> int:
    """Return the number of responses per request: resps is a list over requests of lists over repeats."""
    try:
        resps = msgspec.convert(field_of(fields, "resps"), list[list[Any]])
    except msgspec.ValidationError:
        return 1
    return max(map(len, resps), default=1)
