"""Read the logs of Inspect: `.eval` (a zip archive) and `.json`, without Inspect.

Scores come from the summaries, which are a small part of the archive; whole samples are read, one at a time,
only where there are no summaries, or where a summary has cut a metadata value that the caller names.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from neff.errors import RecordsError
from neff.records.inspect_score import LogSample, ScoreNotes, expand
from neff.records.jsontext import decode
from neff.records.logrows import Attributes, LogInfo, Sample, plural, table_of
from neff.records.reader import Reader, open_bytes, reading
from neff.records.zipmember import Members, open_zip

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from neff.records.columns import ColumnMap
    from neff.records.reader import Keep
    from neff.records.table import Records

__all__ = ["READER", "merged_log"]

_ZIP = b"PK\x03\x04"
_FIRST = re.compile(rb"(_journal/|samples/|(header|summaries|reductions)\.json)")
_STATUS = re.compile(rb'"status"\s*:\s*"(started|success|cancelled|error)"')
_SPEC = re.compile(rb'"eval"\s*:\s*\{')
_ID = re.compile(rb'"(eval_id|run_id|task_id)"\s*:')
_SUMMARY = re.compile(r"_journal/summaries/(\d+)\.json")
_SAMPLE = re.compile(r"(samples/.*_epoch_\d+)(\.json|/sample\.json)", re.DOTALL)
_REMOVED = "Key removed from summary (> 1k)"
_CUT = 900  # summaries shorten a text to about 1,000 characters that end in "..."
_FIX = "Check that Inspect wrote it unchanged, or write it again with `inspect log convert`."


class _Named(msgspec.Struct):
    name: str = ""


class _Dataset(msgspec.Struct):
    sample_ids: list[Any] | None = None


class _Config(msgspec.Struct):
    epochs: int | None = None
    epochs_reducer: Any = None


class _Spec(msgspec.Struct):
    task: str = ""
    model: str = ""
    model_roles: dict[str, Any] | None = None
    dataset: _Dataset = msgspec.field(default_factory=_Dataset)
    config: _Config = msgspec.field(default_factory=_Config)
    scorers: list[_Named] | None = None


class _Metric(msgspec.Struct):
    value: Any = None


class _Result(msgspec.Struct):
    name: str = ""
    scorer: str = ""
    metrics: dict[str, _Metric] = msgspec.field(default_factory=dict)


class _Results(msgspec.Struct):
    total_samples: int | None = None
    scores: list[_Result] = msgspec.field(default_factory=list)


class _Error(msgspec.Struct):
    message: str = ""


class _Log(msgspec.Struct):
    eval: _Spec
    status: str = "started"
    results: _Results | None = None
    error: _Error | None = None
    invalidated: bool = False
    samples: list[LogSample] | None = None


def _sniff(path: Path, head: bytes) -> bool:
    if head.startswith(_ZIP):
        name_length = int.from_bytes(head[26:28], "little")
        return _FIRST.match(head[30 : 30 + name_length]) is not None or path.suffix == ".eval"
    return head.lstrip()[:1] == b"{" and all(pattern.search(head) for pattern in (_STATUS, _SPEC, _ID))


def merged_log(path: Path) -> list[Path]:
    """Return the logs that a shard may have been merged into: `run.eval` beside the folder `run.shards`."""
    folder = path.parent
    if folder.suffix != ".shards":
        return []
    names = (folder.stem, f"{folder.stem}.eval", f"{folder.stem}.json")
    return [merged for name in names if (merged := folder.with_name(name)).is_file()]


def _read(path: Path, columns: ColumnMap, keep: Keep) -> Records:
    attributes = Attributes(columns, keep, "metadata")
    with reading(path):
        log = _load(path, attributes)
        # of a sample that ran again, the last record counts
        samples = list({(str(sample.id), sample.epoch): sample for sample in log.samples or ()}.values())
        _migrate(samples, log)
        if not samples:
            raise _no_samples(log)
        notes = ScoreNotes()
        tables = expand(samples, _declared(log), notes)
        rows = [
            Sample(str(sample.id), sample.epoch, attributes.pick(sample.metadata or {}), table)
            for sample, table in zip(samples, tables, strict=True)
        ]
        sentences = (*_notes(log, samples), *notes.sentences())
        info = LogInfo(str(path), "inspect", _model(log.eval), log.eval.task or "task", sentences)
        return table_of(rows, attributes, info)


def _load(path: Path, attributes: Attributes) -> _Log:
    with path.open("rb") as file:
        is_zip = file.read(len(_ZIP)) == _ZIP
    if not is_zip:
        with open_bytes(path) as file:
            return decode(file.read(), _Log, "the log")
    with open_zip(path) as members:
        names = frozenset(members.names())
        start = "header.json" if "header.json" in names else "_journal/start.json"
        if start not in names:
            raise RecordsError("the archive has neither header.json nor _journal/start.json.", _FIX)
        log = decode(members.read(start), _Log, start)
        log.samples = list(_summaries(members))
        if not log.samples or _is_cut(log.samples, attributes.named()):
            log.samples = list(_whole_samples(members)) or log.samples
        return log


def _summaries(members: Members) -> Iterator[LogSample]:
    """Yield the summaries; those of a run that has not finished lie in numbered files of the journal."""
    names = members.names()
    if "summaries.json" in names:
        found = ["summaries.json"]
    else:
        numbered = sorted((int(match[1]), name) for name in names if (match := _SUMMARY.fullmatch(name)))
        found = [name for _, name in numbered]
    for name in found:
        yield from decode(members.read(name), list[LogSample], name)


def _whole_samples(members: Members) -> Iterator[LogSample]:
    """Yield the samples, each from its one member, or from its folder of members (the newer shape)."""
    names = members.names()
    for name in names:
        match = _SAMPLE.fullmatch(name)
        if match is None:
            continue
        sample = decode(members.read(name), LogSample, name)
        metadata = f"{match[1]}/metadata.json"
        if match[2] == "/sample.json" and metadata in names:
            sample.metadata = decode(members.read(metadata), dict[str, Any], metadata)
        yield sample


def _is_cut(samples: Iterable[LogSample], named: Iterable[str]) -> bool:
    """Return whether a summary has shortened or left out a metadata value that is needed."""
    values = [(sample.metadata or {}).get(key) for sample in samples for key in named]
    texts = [value for value in values if isinstance(value, str)]
    return any(text == _REMOVED or (len(text) > _CUT and text.endswith("...")) for text in texts)


def _migrate(samples: Iterable[LogSample], log: _Log) -> None:
    """Give the one score of the oldest logs the name of their scorer."""
    name = next(iter(_declared(log)), "score")
    for sample in samples:
        if sample.scores is None and sample.score is not None:
            sample.scores = {name: sample.score}


def _declared(log: _Log) -> list[str]:
    """Return the metrics that the header tells of, under the names that samples would give them."""
    results = log.results.scores if log.results else []
    names = [score.name if score.scorer in ("", score.name) else f"{score.scorer}/{score.name}" for score in results]
    return names or [scorer.name for scorer in log.eval.scorers or ()]


def _model(spec: _Spec) -> str:
    """Return the model; a task whose agents bring their own has none, but roles."""
    if spec.model in ("", "none", "none/none") and spec.model_roles:
        roles = {
            role: config.get("model", "?") if isinstance(config, dict) else config
            for role, config in sorted(spec.model_roles.items())
        }
        return ", ".join(f"{role}={name}" for role, name in roles.items())
    return spec.model or "model"


def _no_samples(log: _Log) -> RecordsError:
    if log.status == "started":
        return RecordsError("no sample has finished.", "Wait for the run, or run it again.")
    scores = [
        f"{score.name} {name} {metric.value:.4g}"
        for score in (log.results.scores if log.results else [])
        for name, metric in score.metrics.items()
        if isinstance(metric.value, float)
    ]
    summary = f" Its summary says: {', '.join(scores[:6])}." if scores else ""
    return RecordsError(
        f"the log holds no samples.{summary}", "Run it again with samples logged (without --no-log-samples)."
    )


def _notes(log: _Log, samples: list[LogSample]) -> Iterator[str]:
    planned = (log.results.total_samples if log.results else None) or (
        len(log.eval.dataset.sample_ids or ()) * (log.eval.config.epochs or 1)
    )
    if log.status != "success":
        reason = f" ({log.error.message})" if log.error and log.error.message else ""
        of_planned = f": {len(samples):,} of {planned:,} planned samples are in the log" if planned else ""
        yield f"status is {log.status!r}{reason}{of_planned}"
    errors = sum(sample.error is not None for sample in samples)
    if errors:
        lost = sum(sample.error is not None and not sample.scores for sample in samples)
        yield f"{plural(errors, 'sample')} ended with an error; {lost:,} without any score, counted as unscored"
    if log.invalidated:
        yield "some samples were marked as invalid in Inspect; their scores are kept"
    reducers = log.eval.config.epochs_reducer
    if isinstance(reducers, list) and reducers not in ([], ["mean"]):
        yield f"Inspect reduces epochs by {', '.join(map(str, reducers))}; here every epoch is a draw"


READER = Reader(name="inspect", mapped=False, sniff=_sniff, read=_read)
"""The logs of Inspect."""
