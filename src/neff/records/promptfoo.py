"""Read the results of promptfoo: the output file, the bare summaries of versions 2 and 3, and JSON Lines.

A row is one test on one prompt and one provider. Repeats (`--repeat`) are rows with the same variables. A row that
ended with an error was not graded: it is unscored here, and counts as not passed in promptfoo's own pass rate.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import msgspec

from neff.errors import RecordsError
from neff.records.jsontext import decode, each_line
from neff.records.logrows import Attributes, LogInfo, plural, table_of
from neff.records.promptfoo_rows import Row, Rows
from neff.records.reader import BROKEN, Reader, head_of, open_bytes, reading

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from neff.records.columns import ColumnMap
    from neff.records.reader import Keep
    from neff.records.table import Records

__all__ = ["READER", "whole_output"]

_OUTPUT = re.compile(rb'\s*\{\s*"evalId"\s*:\s*("[^"]*"|null)\s*,\s*"results"\s*:\s*\{')
_SUMMARY = re.compile(rb'\s*\{\s*"version"\s*:\s*[123]\s*,\s*("timestamp"|"results"|"prompts"|"stats"|"table")\s*:')
_ROW = tuple(re.compile(rb'"%s"\s*:' % key) for key in (b"provider", b"prompt", b"success", b"latencyMs"))
_LINE = re.compile(rb'\s*\{\s*"(id|cost|description|provider|promptId|promptIdx|prompt|error|latencyMs)"\s*:')
_TASK = "promptfoo"
"""The task where the evaluation has no description: JSON Lines never have it, and two files of one test must pair."""

_FIX = "Check that promptfoo wrote it unchanged, or export it again: promptfoo export eval ID -o out.json."


class _Stats(msgspec.Struct):
    successes: int = 0
    failures: int = 0
    errors: int = 0


class _Summary(msgspec.Struct):
    results: list[Row] | None = None
    stats: _Stats | None = None


class _Config(msgspec.Struct):
    description: str | None = None


class _Output(msgspec.Struct):
    results: _Summary
    config: _Config | None = None


def _sniff(path: Path, head: bytes) -> bool:  # noqa: ARG001  (the contract of a reader)
    if _OUTPUT.match(head) or (_SUMMARY.match(head) and b'"prompt' in head):
        return True
    line = head.partition(b"\n")[0]
    return _LINE.match(line) is not None and all(key.search(line) for key in _ROW)


def whole_output(path: Path) -> list[Path]:
    """Return the output file that stands for JSON Lines of the same name: `-o out.json -o out.jsonl` writes both."""
    other = path.with_suffix(".json")
    try:
        return [other] if path.suffix == ".jsonl" and _OUTPUT.match(head_of(other)) else []
    except BROKEN:
        return []


def _read(path: Path, columns: ColumnMap, keep: Keep) -> Records:
    attributes = Attributes(columns, keep, "vars")
    with reading(path):
        rows = Rows(attributes)
        stats, task = None, _TASK
        head = head_of(path)
        if _OUTPUT.match(head) or _SUMMARY.match(head):
            output = _load(path, whole=_OUTPUT.match(head) is not None)
            stats = output.results.stats
            task = (output.config.description if output.config else None) or _TASK
            for row in output.results.results or ():
                rows.add(row)
        else:
            for _, row in each_line(path, Row):
                rows.add(row)
        samples = rows.samples()
        if not samples:
            raise RecordsError("the file holds no results.", "Run promptfoo again; no test has finished.")
        notes = (*rows.notes(), *_against(rows, stats))
        return table_of(samples, attributes, LogInfo(str(path), "promptfoo", "model", task, notes))


def _load(path: Path, *, whole: bool) -> _Output:
    """Return an output file, or a bare summary as one."""
    with open_bytes(path) as file:
        data = file.read()
    output = decode(data, _Output, "the file") if whole else _Output(decode(data, _Summary, "the file"))
    if output.results.results is None:
        raise RecordsError("the file has no list of results.", _FIX)
    return output


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
