"""Rows of promptfoo as samples: which test, which prompt and provider, which repeat, and what was scored."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec

from neff.records.logrows import Sample
from neff.records.logvalues import Scores, key_of, plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from neff.records.logrows import Attributes

__all__ = ["ERROR", "Row", "Rows"]

ERROR = 2
"""The reason of a failure that is no verdict: the provider or the grader broke."""

_LABEL = 48
_RUNTIME = ("_conversation", "sessionId")
"""Variables that promptfoo sets itself, differently in each repeat."""


class Row(msgspec.Struct):
    """One result."""

    provider: Any = None
    prompt: Any = None
    vars: Any = None
    success: Any = None
    score: Any = None
    error: Any = None
    failureReason: Any = None  # noqa: N815  (promptfoo's name)
    gradingResult: Any = None  # noqa: N815
    namedScores: Any = None  # noqa: N815
    testIdx: Any = None  # noqa: N815
    promptIdx: Any = None  # noqa: N815
    testCase: Any = None  # noqa: N815


class Rows:
    """The results of one file, added one by one.

    Parameters
    ----------
    attributes
        Chooses the variables that are kept.
    """

    def __init__(self, attributes: Attributes) -> None:
        self._attributes = attributes
        self._scores = Scores()
        self._rows: list[tuple[str, int, Sample]] = []
        self._asserts: dict[str, dict[str, int]] = {}
        self._outcomes: Counter[str] = Counter()
        self._unnamed = 0

    def add(self, row: Row) -> None:
        """Add one result."""
        values = row.vars if isinstance(row.vars, dict) else {}
        values = {name: value for name, value in values.items() if name not in _RUNTIME}
        self._unnamed += not values
        test = row.testCase if isinstance(row.testCase, dict) else {}
        item = self._item(values, test) if values else f"test {row.testIdx}"
        sample = Sample(item, None, self._attributes.pick(values), self._scores_of(row, test))
        self._rows.append((_model(row), row.promptIdx if isinstance(row.promptIdx, int) else 0, sample))

    def _item(self, values: dict[str, Any], test: dict[str, Any]) -> str:
        """Return the key of the variables; of two tests with the same ones but other assertions, the second is "#2"."""
        key = key_of(values)
        ways = self._asserts.setdefault(key, {})
        number = ways.setdefault(key_of(test.get("assert")), len(ways) + 1)
        return key if number == 1 else f"{key}#{number}"

    def _scores_of(self, row: Row, test: dict[str, Any]) -> dict[str, float]:
        named = row.namedScores if isinstance(row.namedScores, dict) else {}
        if is_error(row):
            self._outcomes["error"] += 1
            return dict.fromkeys(["pass", "score", *named, *_metrics_of(test)], math.nan)
        self._outcomes["passed" if row.success else "failed"] += 1
        values = {"pass": row.success, "score": row.score}
        for name, value in named.items():
            values[name if name not in values else f"{name} (named)"] = value
        return {name: self._scores.number(name, value) for name, value in values.items()}

    def samples(self) -> list[Sample]:
        """Return one sample per result; of two providers with one name and one prompt, the second is "#2"."""
        places: dict[str, set[int]] = {}
        for model, place, _ in self._rows:
            places.setdefault(model, set()).add(place)
        number = {(model, at): i for model, all_at in places.items() for i, at in enumerate(sorted(all_at), 1)}
        return [
            replace(sample, model=model if number[model, at] == 1 else f"{model} #{number[model, at]}")
            for model, at, sample in self._rows
        ]

    def outcomes(self) -> tuple[int, int, int]:
        """Return how many results passed, failed, and ended with an error."""
        return self._outcomes["passed"], self._outcomes["failed"], self._outcomes["error"]

    def notes(self) -> Iterator[str]:
        """Yield what a person should know."""
        yield from self._scores.notes()
        if self._unnamed:
            yield (
                f"{plural(self._unnamed, 'result')} without variables: the item is the number of the test, "
                "so that repeats count as tests of their own"
            )
        twins = sum(len(ways) > 1 for ways in self._asserts.values())
        if twins:
            yield f"{plural(twins, 'set')} of variables is tested with several lists of assertions: told apart by order"


def is_error(row: Row) -> bool:
    """Return whether a result is no verdict; before there were reasons, it was one without grading."""
    if row.failureReason is not None:
        return bool(row.failureReason == ERROR)
    return not row.success and row.error is not None and row.gradingResult is None


def _metrics_of(test: dict[str, Any]) -> list[str]:
    """Return the metrics that the assertions of a test name."""
    asserts = test.get("assert")
    found = [each.get("metric") for each in asserts if isinstance(each, dict)] if isinstance(asserts, list) else []
    return [metric for metric in found if isinstance(metric, str) and "{{" not in metric]


def _model(row: Row) -> str:
    """Return the name of a run: the provider and the prompt, never by their number, which differs between files."""
    provider = row.provider
    if isinstance(provider, dict):
        provider = provider.get("label") or provider.get("id")
    prompt = row.prompt
    label = (prompt.get("label") or prompt.get("raw")) if isinstance(prompt, dict) else prompt
    return f"{provider or 'provider'} | {_short(label)}" if label else str(provider or "provider")


def _short(label: Any) -> str:
    """Return a prompt on one line, cut where it is long, with a key that keeps cut prompts apart."""
    text = " ".join(str(label).split())
    return text if len(text) <= _LABEL else f"{text[: _LABEL - 5]}… {key_of(text)[:4]}"
