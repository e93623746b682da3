"""Read `annotations.json` of alpaca_eval: a judge's preferences between two outputs.

`preference` is 1 where the first output is better, 2 where the second is, 1.5 for a draw (0 in old files), and anything
between for a judge that gives a probability. The score is `preference - 1`, the win probability of the second output:
`generator_2` is the model, and `generator_1` what it is compared with.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from neff.errors import RecordsError
from neff.records.jsontext import decode
from neff.records.logrows import Attributes, LogInfo, Sample, plural, table_of
from neff.records.logvalues import Scores, Twins, key_of
from neff.records.reader import Reader, open_bytes, reading, stem_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from neff.records.columns import ColumnMap
    from neff.records.reader import Keep
    from neff.records.table import Records

__all__ = ["READER"]

_START = re.compile(rb'\s*\[\s*\{\s*"')
_KEYS = tuple(re.compile(rb'"%s"\s*:' % key) for key in (b"instruction", b"output_1", b"generator_1"))
_FIXED = frozenset(
    {"instruction", "output_1", "output_2", "generator_1", "generator_2", "preference", "raw_completion"}
)
_SCALE = (1.0, 2.0)
_OLD_DRAW = 0.0


def _sniff(path: Path, head: bytes) -> bool:  # noqa: ARG001  (the contract of a reader)
    return _START.match(head) is not None and all(key.search(head) for key in _KEYS)


def _read(path: Path, columns: ColumnMap, keep: Keep) -> Records:
    attributes = Attributes(columns, keep, "annotation")
    with reading(path):
        with open_bytes(path) as file:
            rows = decode(file.read(), list[dict[str, Any]], "the file")
        preferences = _Preferences()
        samples = [preferences.sample(row, attributes, number) for number, row in enumerate(rows, 1)]
        info = LogInfo(str(path), "alpaca_eval", stem_of(path), "alpaca_eval", tuple(preferences.notes()))
        return table_of(samples, attributes, info)


class _Preferences:
    """Preferences as win probabilities, and counts of what was none."""

    def __init__(self) -> None:
        self._scores = Scores()
        self._twins = Twins("instruction")
        self._missing = 0
        self._outside = 0

    def sample(self, row: Mapping[str, Any], attributes: Attributes, number: int) -> Sample:
        """Return one annotation; it is of another task where another judge made it."""
        model, base, judge = (row.get(name) for name in ("generator_2", "generator_1", "annotator"))
        if not isinstance(model, str) or "instruction" not in row:
            raise RecordsError(
                f"annotation {number} has no {'instruction' if isinstance(model, str) else 'generator_2'}.",
                "Give annotations.json as alpaca_eval wrote it.",
            )
        task = str(judge) if judge else "alpaca_eval"
        metric = f"win_rate vs {base}"
        item = self._twins.apart(key_of(row["instruction"]), task, metric, model)
        about = {name: value for name, value in row.items() if name not in _FIXED}
        scores = {metric: self._probability(metric, row.get("preference"))}
        return Sample(item, 0, attributes.pick(about), scores, model, task)

    def _probability(self, metric: str, preference: Any) -> float:
        self._missing += preference is None
        number = self._scores.number(metric, preference)
        if number == _OLD_DRAW:
            return 0.5
        if number < _SCALE[0] or number > _SCALE[1]:
            self._outside += 1
            return float("nan")
        return number - 1

    def notes(self) -> Iterator[str]:
        """Yield what a person should know."""
        yield from self._scores.notes()
        yield from self._twins.notes()
        if self._missing:
            yield f"{plural(self._missing, 'annotation')} without a preference (the judge failed): unscored"
        if self._outside:
            yield f"{plural(self._outside, 'preference')} outside 1 to 2: unscored, as in alpaca_eval"


READER = Reader(name="alpaca_eval", mapped=False, sniff=_sniff, read=_read)
"""The annotations of alpaca_eval."""
