"""Read Every-Eval-Ever, version 0.3: `<uuid>_samples.jsonl`, and `<uuid>.json` for what it says about them.

A line is one sample of one evaluation; samples that ran several times have several lines. A line with an error and no
score is unscored: the schema asks for a number, and writers put 0 there.
"""

from __future__ import annotations

import codecs
import math
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec

from neff.errors import RecordsError
from neff.records.jsontext import decode, each_line
from neff.records.logrows import Attributes, LogInfo, Sample, plural, table_of
from neff.records.logvalues import Scores, means_differ, number_in
from neff.records.reader import BROKEN, Reader, head_of, open_bytes, reading, stem_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from neff.records.columns import ColumnMap
    from neff.records.reader import Keep
    from neff.records.table import Records

__all__ = ["READER", "samples_file"]

_AGGREGATE = re.compile(rb'\s*(?:\[\s*)?\{\s*"schema_version"\s*:\s*"0\.[\d.]+"\s*,\s*"evaluation_id"\s*:')
_OF_AGGREGATE = re.compile(rb'"(retrieved_timestamp|source_metadata|evaluation_results|eval_library)"\s*:')
_OF_SAMPLE = tuple(re.compile(rb'"%s"\s*:' % key) for key in (b"model_id", b"evaluation_name", b"sample_id"))
_KEY = 16
_SCORE = "score"


class _Metric(msgspec.Struct):
    metric_id: str | None = None
    metric_name: str | None = None
    lower_is_better: bool = False


class _Details(msgspec.Struct):
    score: Any = None


class _Result(msgspec.Struct):
    evaluation_name: str = ""
    evaluation_result_id: str | None = None
    metric_config: _Metric = msgspec.field(default_factory=_Metric)
    score_details: _Details = msgspec.field(default_factory=_Details)

    def metric(self) -> str:
        return self.metric_config.metric_id or self.metric_config.metric_name or _SCORE


class _Aggregate(msgspec.Struct):
    evaluation_id: str = ""
    evaluation_results: list[_Result] = msgspec.field(default_factory=list)


class _Scored(msgspec.Struct):
    score: Any = None
    is_correct: Any = None


class _Line(msgspec.Struct):
    evaluation_id: str
    model_id: str
    evaluation_name: str
    sample_id: str
    evaluation: _Scored
    evaluation_result_id: str | None = None
    sample_hash: str | None = None
    error: str | None = None
    metadata: dict[str, Any] | None = None


def _sniff(path: Path, head: bytes) -> bool:  # noqa: ARG001  (the contract of a reader)
    return _AGGREGATE.match(head) is not None and (_is_samples(head) or _OF_AGGREGATE.search(head) is not None)


def _is_samples(head: bytes) -> bool:
    line = head.partition(b"\n")[0]
    return all(key.search(line) for key in _OF_SAMPLE)


def samples_file(path: Path) -> list[Path]:
    """Return the samples that stand for an aggregate file."""
    samples = path.with_name(f"{stem_of(path)}_samples.jsonl")
    return [samples] if path.suffix == ".json" and samples.exists() else []


def _read(path: Path, columns: ColumnMap, keep: Keep) -> Records:
    with reading(path):
        if _is_samples(head_of(path)):
            return _read_samples(path, columns, keep)
        found = samples_file(path)
        if not found:
            raise _averages_only(_logs(path))
        return _read_samples(found[0], columns, keep)


def _read_samples(path: Path, columns: ColumnMap, keep: Keep) -> Records:
    attributes = Attributes(columns, keep, "metadata")
    aggregate = _aggregate_of(path)
    results = _by_key(aggregate.evaluation_results if aggregate else [])
    lines = [line for _, line in each_line(path, _Line)]
    if not lines:
        raise RecordsError("the file has no samples.", "Write it again.", path=path)
    items = _Items(lines)
    scores = Scores()
    samples, errors = [], 0
    for line in lines:
        result = results.get(line.evaluation_result_id or "") or results.get(line.evaluation_name)
        metric = result.metric() if result else line.evaluation_result_id or _SCORE
        score = scores.number(metric, line.evaluation.score)
        if line.error is not None and score == 0 and not line.evaluation.is_correct:
            score, errors = math.nan, errors + 1
        about = attributes.pick(line.metadata or {})
        samples.append(Sample(items.key(line), None, about, {metric: score}, line.model_id, line.evaluation_name))
    lower = frozenset(result.metric() for result in results.values() if result.metric_config.lower_is_better)
    notes = (*scores.notes(), *items.notes(), *_notes(errors, aggregate, samples))
    info = LogInfo(str(path), "every_eval_ever", "model", "task", notes, lower)
    return table_of(samples, attributes, info)


def _by_key(results: list[_Result]) -> dict[str, _Result]:
    """Return the results by their ids, and by the names of evaluations that have one result only."""
    names = Counter(result.evaluation_name for result in results)
    by_name = {result.evaluation_name: result for result in results if names[result.evaluation_name] == 1}
    return by_name | {result.evaluation_result_id: result for result in results if result.evaluation_result_id}


class _Items:
    """Keys of samples: the hash of input and reference, and the id as well where it tells equal ones apart."""

    def __init__(self, lines: list[_Line]) -> None:
        ids: dict[tuple[str, str], set[str]] = {}
        for line in lines:
            if line.sample_hash:
                ids.setdefault((line.evaluation_name, line.sample_hash), set()).add(line.sample_id)
        self._shared = {key for key, names in ids.items() if len(names) > 1}
        self._bare = sum(not line.sample_hash for line in lines)
        self._n = len(lines)

    def key(self, line: _Line) -> str:
        if not line.sample_hash:
            return line.sample_id
        key = line.sample_hash[:_KEY]
        return f"{key}#{line.sample_id}" if (line.evaluation_name, line.sample_hash) in self._shared else key

    def notes(self) -> Iterator[str]:
        if self._bare:
            yield (
                f"{plural(self._bare, 'sample')} of {self._n:,} without sample_hash: items are matched by sample_id, "
                "which must mean the same question in every file"
            )
        if self._shared:
            yield f"{plural(len(self._shared), 'sample')} with equal sample_hash: told apart by sample_id"


def _aggregate_of(samples: Path) -> _Aggregate | None:
    name = stem_of(samples).removesuffix("_samples")
    try:
        return _load(samples.with_name(f"{name}.json"))
    except BROKEN:
        return None


def _load(path: Path) -> _Aggregate:
    with open_bytes(path) as file:
        return decode(file.read(), _Aggregate, "the aggregate")


def _logs(path: Path) -> list[_Aggregate]:
    """Return the log of an aggregate file, or the logs of a list of them, as neff writes for several models."""
    with open_bytes(path) as file:
        data = file.read().removeprefix(codecs.BOM_UTF8)
    if data.lstrip().startswith(b"["):
        return decode(data, list[_Aggregate], "the aggregates")
    return [decode(data, _Aggregate, "the aggregate")]


def _averages_only(logs: list[_Aggregate]) -> RecordsError:
    parts = [
        f"{result.evaluation_name} {result.metric()} {score:.4g}"
        for log in logs
        for result in log.evaluation_results
        if not math.isnan(score := number_in(result.score_details.score))
    ]
    summary = ", ".join(parts[:6]) + (", ..." if len(parts) > 6 else "") or "no score"
    return RecordsError(
        f"the file holds only averages ({summary}); they cannot be compared sample by sample.",
        "Give the folder with its <uuid>_samples.jsonl too.",
    )


def _notes(errors: int, aggregate: _Aggregate | None, samples: list[Sample]) -> Iterator[str]:
    if errors:
        yield f"{plural(errors, 'sample')} ended with an error and score 0: unscored"
    if aggregate is None:
        yield "there is no aggregate file beside the samples: whether lower is better is not known"
        return
    for result in aggregate.evaluation_results:
        name, metric = result.evaluation_name, result.metric()
        items: dict[tuple[str, str], list[float]] = {}
        for sample in samples:
            score = sample.scores.get(metric, math.nan)
            if sample.task == name and not math.isnan(score):
                items.setdefault((sample.model, sample.item), []).append(score)
        lines = [score for scores in items.values() for score in scores]
        of_items = [math.fsum(scores) / len(scores) for scores in items.values()]
        theirs, ours_of = result.score_details.score, f"{name}: the samples"
        if means_differ(of_items, theirs, ours_of=ours_of, theirs_of=""):  # a mean over items, or over lines
            yield from means_differ(lines, theirs, ours_of=ours_of, theirs_of="the aggregate")


READER = Reader(name="every_eval_ever", mapped=False, sniff=_sniff, read=_read)
"""Every-Eval-Ever."""
