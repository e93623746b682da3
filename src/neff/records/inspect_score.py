"""Scores of Inspect as numbers, by the rules of Inspect, except that what is no score is unscored, not 0."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec

from neff.records.logrows import plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["LogSample", "LogScore", "ScoreNotes", "expand", "number_of_score"]

_LETTERS = {"C": 1.0, "I": 0.0, "P": 0.5, "N": 0.0}
_WORDS = {"yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}


class LogScore(msgspec.Struct):
    """What one scorer said about one sample."""

    value: Any = None


class LogSample(msgspec.Struct):
    """A sample, or its summary; `score` is what the oldest logs wrote for `scores`."""

    id: int | str
    epoch: int = 1
    scores: dict[str, LogScore] | None = None
    score: LogScore | None = None
    metadata: dict[str, Any] | None = None
    error: Any = None


class ScoreNotes:
    """Counts of what became of values that are no plain numbers."""

    def __init__(self) -> None:
        self._odd: Counter[tuple[str, str]] = Counter()

    def odd(self, metric: str, value: object) -> None:
        """Count a value that is no score."""
        kind = "a list" if isinstance(value, list) else "an object" if isinstance(value, dict) else repr(value)[:40]
        self._odd[metric, kind] += 1

    def sentences(self) -> list[str]:
        """Return one sentence per metric."""
        by_metric: dict[str, list[str]] = {}
        for metric, kind in self._odd:
            by_metric.setdefault(metric, []).append(kind)
        return [
            f"{metric}: {plural(sum(self._odd[metric, kind] for kind in kinds), 'value')} that cannot be a score "
            f"({', '.join(kinds[:3])}{', ...' if len(kinds) > 3 else ''}), counted as unscored (Inspect takes 0)"
            for metric, kinds in by_metric.items()
        ]


def number_of_score(value: Any) -> float | None:
    """Return a score value as a number, NaN where there is none, None where it is no score.

    Letters and words mean what they mean in Inspect: C, P, I, N are 1, 0.5, 0, 0; yes and true are 1.

    Examples
    --------
    >>> [number_of_score(value) for value in ("C", "P", "N", True, "0.25", "Yes", 3)]
    [1.0, 0.5, 0.0, 1.0, 0.25, 1.0, 3.0]
    >>> number_of_score(None), number_of_score("maybe"), number_of_score([1, 0])
    (nan, None, None)
    """
    if value is None:
        return math.nan
    if isinstance(value, str):
        known = _LETTERS.get(value, _WORDS.get(value.lower()))
        if known is not None:
            return known
    elif not isinstance(value, (bool, int, float)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    if isinstance(value, str) and not math.isfinite(number):
        return None
    return None if math.isinf(number) else number


def expand(samples: Sequence[LogSample], declared: Iterable[str], notes: ScoreNotes) -> list[dict[str, float]]:
    """Return metric -> number for each sample.

    A scorer with a dict of values gives one metric per key, "scorer/key". A sample without any score, or one
    that ended with an error, gets an unscored row for every metric of the log, so that it is counted.

    Parameters
    ----------
    samples
        The samples of one log.
    declared
        The metrics that the header tells of, for a log in which no sample has a score.
    notes
        Counts values that are no scores.
    """
    tables = [_numbers(sample.scores or {}, notes) for sample in samples]
    keys: dict[str, dict[str, None]] = {}
    for sample in samples:
        for scorer, score in (sample.scores or {}).items():
            if isinstance(score.value, dict):
                keys.setdefault(scorer, {}).update(dict.fromkeys(f"{scorer}/{key}" for key in score.value))
    for table in tables:
        # NaN in place of the whole dict: every key is unscored
        for scorer in keys.keys() & table.keys():
            if math.isnan(table[scorer]):
                del table[scorer]
                table |= dict.fromkeys(keys[scorer], math.nan)
    metrics = dict.fromkeys(metric for table in tables for metric in table) or dict.fromkeys([*declared] or ["score"])
    for sample, table in zip(samples, tables, strict=True):
        if not table or sample.error is not None:
            for metric in metrics:
                table.setdefault(metric, math.nan)
    return tables


def _numbers(scores: Mapping[str, LogScore], notes: ScoreNotes) -> dict[str, float]:
    table: dict[str, float] = {}
    for scorer, score in scores.items():
        parts = (
            {f"{scorer}/{key}": value for key, value in score.value.items()}
            if isinstance(score.value, dict)
            else {scorer: score.value}
        )
        for metric, value in parts.items():
            number = number_of_score(value)
            if number is None:
                notes.odd(metric, value)
            table[metric] = math.nan if number is None else number
    return table
