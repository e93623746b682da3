"""Values of logs: scores as numbers, keys for items without an id, names that can be shown."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Scores", "Twins", "key_of", "means_differ", "number_in", "plural", "score_of", "showable"]

_KEY = 16
"""Hex digits of a key: readable, and 64 bits are unique among any number of items."""

_CLOSE = 1e-9


def score_of(value: Any) -> float | None:
    """Return a value as a score, NaN where there is none, None where it is no score.

    Examples
    --------
    >>> score_of(True), score_of("0.5"), score_of(None)
    (1.0, 0.5, nan)
    >>> score_of("good"), score_of([1, 0]), score_of(float("inf"))
    (None, None, None)
    """
    if value is None:
        return math.nan
    try:
        number = float(value)  # some producers write numbers that JSON does not know as text
    except (TypeError, ValueError, OverflowError):
        return None
    return None if math.isinf(number) else number


class Scores:
    """Turns values of a log into scores and counts, metric by metric, those that are none."""

    def __init__(self) -> None:
        self._odd: Counter[str] = Counter()

    def number(self, metric: str, value: Any) -> float:
        """Return the score, NaN where the value is none."""
        number = score_of(value)
        self._odd[metric] += number is None
        return math.nan if number is None else number

    def notes(self) -> Iterator[str]:
        """Yield one sentence per metric with values that were no scores."""
        for metric, count in self._odd.items():
            if count:
                yield f"{metric}: {plural(count, 'value')} that cannot be a score, counted as unscored"


def number_in(value: Any) -> float:
    """Return a number of a summary, NaN for anything else: a text, a flag, more digits than a float holds.

    Examples
    --------
    >>> number_in(3), number_in("3"), number_in(True), number_in(10**400)
    (3.0, nan, nan, nan)
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.nan


def means_differ(values: Iterable[float], theirs: Any, *, ours_of: str, theirs_of: str, scale: float = 1) -> list[str]:
    """Return a sentence where the mean of the scores is not what the producer says, else nothing.

    Examples
    --------
    >>> means_differ([1.0, 0.0, math.nan], 50.0, ours_of="acc: the rows", theirs_of="the file", scale=100)
    []
    >>> means_differ([1.0, 1.0], 0.5, ours_of="acc: the rows", theirs_of="the file")
    ['acc: the rows have the mean 1, the file says 0.5']
    """
    known = [value for value in values if not math.isnan(value)]
    said = number_in(theirs)
    if not known or math.isnan(said):
        return []
    ours = scale * (math.fsum(known) / len(known))
    if math.isclose(ours, said, rel_tol=_CLOSE, abs_tol=_CLOSE):
        return []
    return [f"{ours_of} have the mean {ours:.6g}, {theirs_of} says {said:.6g}"]


def key_of(*parts: Any) -> str:
    """Return a key for what identifies an item, the same in every file; the order of object fields is nothing.

    Examples
    --------
    >>> key_of({"a": 1, "b": 2}) == key_of({"b": 2, "a": 1})
    True
    >>> key_of("Say it.")
    '63c35d239a2683ef'
    """
    text = json.dumps(parts, sort_keys=True, default=str, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_KEY]


class Twins:
    """Tells items with equal keys apart by their order: the first keeps the key, the next ones are "key#2", ...

    Parameters
    ----------
    what
        What is equal ("prompt"), for the note.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._seen: Counter[Any] = Counter()

    def apart(self, key: str, *within: Any) -> str:
        """Return the key, with a number from its second use on (within a model, a task)."""
        cell = (key, *within)
        self._seen[cell] += 1
        count = self._seen[cell]
        return key if count == 1 else f"{key}#{count}"

    def notes(self) -> Iterator[str]:
        """Yield a sentence where there were twins."""
        twice = sum(count > 1 for count in self._seen.values())
        if twice:
            yield f"{plural(twice, 'item')} occurs more than once (equal {self._what}): told apart by order"


def showable(name: str) -> str:
    r"""Return a name without what no report can show: half characters and NUL.

    Examples
    --------
    >>> showable("a\ud800b")
    'a?b'
    """
    return name.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def plural(count: int, noun: str) -> str:
    """Return a count with its noun.

    Examples
    --------
    >>> plural(1, "sample"), plural(2300, "line")
    ('1 sample', '2,300 lines')
    """
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
