"""Read the results of promptfoo: the output file, the bare summaries of versions 2 and 3, and JSON Lines.

A row is one test on one prompt and one provider. Repeats (`--repeat`) are rows with the same variables. A row that ended
with an error was not graded: it is unscored here, and counts as not passed in promptfoo's own pass rate.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import msgspec

from neff.errors import RecordsError
from neff.records.jsontext import decode, each_line
from neff.records.logrows import Attributes, LogInfo, plural, table_of
from neff.records.promptfoo_rows import Row, Rows
from neff.records.reader import HEAD, Reader, open_bytes, reading, stem_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from neff.records.columns import ColumnMap
    from neff.records.reader import Keep
    from neff.records.table import Records

__all__ = ["READER"]

_OUTPUT = re.compile(rb'\s*\{\s*"evalId"\s*:\s*("[^"]*"|null)\s*,\s*"results"\s*:\s*\{')
_SUMMARY = re.compile(rb'\s*\{\s*"version"\s*:\s*[123]\s*,\s*("timestamp"|"results"|"prompts"|"stats"|"table")\s*:')
_ROW = tuple(re.compile(rb'"%s"\s*:' % key) for key in (b"provider", b"prompt", b"success", b"latencyMs"))
_LINE = re.compile(rb'\s*\{\s*"(id|cost|description|provider|promptId|promptIdx|prompt|error|latencyMs)"\s*:')
_FIX = "Check that promptfoo wrote it unchanged, or export it again: promptfoo export eval ID -o out.json."


class _Stats(msgspec.Struct):
    successes: int = 0
    failures: int = 0
    errors: int = 0


class _Summary(msgspec.Struct):
    results: list[Row] | None = None
    stats: _Stats | None = None


class _Output(msgspec.Struct):
    results: _Summary


def _sniff(path: Path, head: bytes) -> bool:  # noqa: ARG001  (the contract of a reader)
    if _OUTPUT.match(head) or (_SUMMARY.match(head) and b'"prompt' in head):
        return True
    line = head.partition(b"\n")[0]
    return _LINE.match(line) is not None and all(key.search(line) for key in _ROW)


def _read(path: Path, columns: ColumnMap, keep: Keep) -> Records:
    attributes = Attributes(columns, keep, "vars")
    with reading(path):
        rows = Rows(attributes)
        stats = None
        with open_bytes(path) as file:
            head = file.read(HEAD)
        if _OUTPUT.match(head) or _SUMMARY.match(head):
            summary = _summary(path, whole=_OUTPUT.match(head) is not None)
            stats = summary.stats
            for row in summary.results or ():
                rows.add(row)
        else:
            for _, row in each_line(path, Row):
                rows.add(row)
        samples = rows.samples()
        if not samples:
            raise RecordsError("the file holds no results.", "Run promptfoo again; no test has finished.")
        notes = (*rows.notes(), *_against(rows, stats))
        return table_of(samples, attributes, LogInfo(str(path), "promptfoo", "model", stem_of(path), notes))


def _summary(path: Path, *, whole: bool) -> _Summary:
    with open_bytes(path) as file:
        data = file.read()
    summary = decode(data, _Output, "the file").results if whole else decode(data, _Summary, "the file")
    if summary.results is None:
        raise RecordsError("the file has no list of results.", _FIX)
    return summary


def _against(rows: Rows, stats: _Stats | None) -> Iterator[str]:
    """Say where the numbers differ from those that promptfoo prints, and why."""
    passed, failed, errors = rows.outcomes()
    if errors:
        total = passed + failed + errors
        ours = passed / (passed + failed) if passed + failed else math.nan
        yield (
            f"{plural(errors, 'result')} of {total:,} ended with an error: unscored here; promptfoo counts them as not "
            f"passed (pass rate {passed / total:.2%} with them, {ours:.2%} of the graded ones)"
        )
    if stats is not None and (stats.successes, stats.failures, stats.errors) != (passed, failed, errors):
        yield (
            f"the rows say {passed:,} passed, {failed:,} failed, {errors:,} errors; the summary of the file says "
            f"{stats.successes:,}, {stats.failures:,}, {stats.errors:,}"
        )


READER = Reader(name="promptfoo", mapped=False, sniff=_sniff, read=_read)
"""The results of promptfoo."""

