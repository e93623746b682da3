"""Details of OpenCompass, in the two shapes that it writes, as samples."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from neff.errors import RecordsError
from neff.records.logrows import Sample
from neff.records.logvalues import Scores

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from neff.records.logrows import Attributes

__all__ = ["METRIC", "Entry", "entries_of", "samples_of"]

METRIC = "accuracy"
_KEYS = ("correct", "is_correct", "cascade_correct")
_LETTER = re.compile(r"A|B")
_CLOSE = 1e-6


@dataclass(frozen=True, slots=True)
class Entry:
    """The details of one question: its key, and its fields, a list of one value per run where there were several."""

    item: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Found:
    """Samples of one dataset, and what a person should know."""

    samples: list[Sample]
    notes: tuple[str, ...]


def entries_of(details: Any) -> list[Entry]:
    """Return the questions: of a dict "0", "1", ... (and "type"), or of a list with one object each."""
    if isinstance(details, dict):
        named = [(str(key), fields) for key, fields in details.items() if key != "type"]
    elif isinstance(details, list):
        named = [(str(i), fields) for i, fields in enumerate(details)]
    else:
        return []
    return [
        Entry(key, {}) if not isinstance(fields, dict) else Entry(_item(key, fields), fields) for key, fields in named
    ]


def _item(key: str, fields: Mapping[str, Any]) -> str:
    abbr = fields.get("example_abbr")
    return abbr if isinstance(abbr, str) and abbr else key


def samples_of(entries: Sequence[Entry], accuracy: float, attributes: Attributes) -> Found:
    """Return one sample per question and run.

    Parameters
    ----------
    entries
        The questions.
    accuracy
        What the file says, of 100; NaN where it says nothing.
    attributes
        Chooses the fields that are kept.

    Raises
    ------
    RecordsError
        If the details do not say whether an answer was right.

    Notes
    -----
    Some evaluators write no verdict. Then it is worked out as they do (the prediction is the reference; the letter
    of the judge is A), and used only where its mean is what the file says.
    """
    key = next((key for key in _KEYS if any(key in entry.fields for entry in entries)), None)
    scores = Scores()
    if key is not None:
        table = [_runs(entry.fields.get(key)) for entry in entries]
        note = []
    else:
        table, how = _worked_out(entries, accuracy)
        note = [f"the details hold no verdict; {how}, which gives the accuracy that the file says"]
    samples = [
        Sample(entry.item, draw, attributes.pick(_fields(entry.fields, draw)), {METRIC: scores.number(METRIC, value)})
        for entry, runs in zip(entries, table, strict=True)
        for draw, value in enumerate(runs)
    ]
    return Found(samples, (*note, *scores.notes()))


def _runs(value: Any) -> list[Any]:
    """Return the values of a field, one per run."""
    return value if isinstance(value, list) and value else [None] if value == [] else [value]


def _fields(fields: Mapping[str, Any], draw: int) -> dict[str, Any]:
    """Return the fields of one run."""
    picked = {}
    for name, value in fields.items():
        runs = _runs(value)
        picked[name] = runs[draw] if draw < len(runs) else runs[0]
    return picked


def _worked_out(entries: Sequence[Entry], accuracy: float) -> tuple[list[list[Any]], str]:
    """Return a verdict per question and run that gives the reported accuracy, and how it was found."""
    for how, judge in _WAYS.items():
        table = [judge(entry.fields) for entry in entries]
        values = [value for runs in table for value in runs]
        known = [value for value in values if value is not None]
        if known and len(known) == len(values):
            mean = 100 * math.fsum(known) / len(known)
            if math.isclose(mean, accuracy, rel_tol=_CLOSE, abs_tol=_CLOSE):
                return table, how
    fields = ", ".join(repr(name)[:40] for name in list(entries[0].fields)[:8]) or "no fields"
    raise RecordsError(
        f"the details do not say which answers are right; they hold {fields}.",
        "Use an evaluator that writes 'correct', or write one row per answer as CSV.",
    )


def _equal(fields: Mapping[str, Any]) -> list[Any]:
    predictions, references = _runs(fields.get("predictions")), _runs(fields.get("references"))
    if None in predictions or None in references or len(predictions) != len(references):
        return [None]
    return [float(str(p) == str(r)) for p, r in zip(predictions, references, strict=True)]


def _judged(fields: Mapping[str, Any]) -> list[Any]:
    judgements = _runs(fields.get("prediction"))
    if not all(isinstance(text, str) for text in judgements) or "gold" not in fields:
        return [None]
    letters = [_LETTER.search(text) for text in judgements]
    return [float(letter is not None and letter[0] == "A") for letter in letters]


_WAYS: dict[str, Callable[[Mapping[str, Any]], list[Any]]] = {
    "an answer is right where the prediction is the reference": _equal,
    "an answer is right where the judge wrote A": _judged,
}
