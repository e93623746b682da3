"""Read the logs of lm-evaluation-harness: the samples files, and results files for what they say about them.

A run writes `results_<time>.json` and, with `--log_samples`, one `samples_<task>_<time>.jsonl` per task beside
it. Scores of single documents are in the samples files only; the results file names the model, says which
metrics are better when lower, and holds the means that ours are checked against.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from neff.errors import RecordsError
from neff.records.jsontext import decode, fields_of
from neff.records.lm_eval_lines import Lines
from neff.records.logrows import Attributes, LogInfo
from neff.records.logvalues import number_in
from neff.records.reader import BROKEN, Reader, head_of, line_blocks, open_bytes, reading, stem_of
from neff.records.table import Records, Source

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from neff.records.columns import ColumnMap
    from neff.records.reader import Keep

__all__ = ["READER", "samples_beside"]

_TIME = r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d(?:\.\d+)?"
_NAME = re.compile(rf"(?P<kind>.+?)_(?P<time>{_TIME})\.(?:json|jsonl)(?:\.gz)?")
_LINE = re.compile(rb'\s*\{\s*"doc_id"\s*:\s*[^,]{1,80},\s*"doc"\s*:')
_KEYS = (b'"doc_id"', b'"doc"', b'"filtered_resps"')
_RESULTS = re.compile(rb'\s*\{\s*"results"\s*:\s*\{')
_METRICS = re.compile(rb'"alias"\s*:|"[^"]+_stderr[,"]|"[^"]+,none"\s*:')
_CLOSE = 1e-6


class _Run(msgspec.Struct):
    """A results file."""

    results: dict[str, dict[str, Any]]
    samples: dict[str, list[dict[str, Any]]] | None = None
    higher_is_better: dict[str, dict[str, Any] | None] | None = None
    config: dict[str, Any] | None = None
    model_name: str | None = None
    model_name_sanitized: str | None = None


def _sniff(path: Path, head: bytes) -> bool:  # noqa: ARG001  (the contract of a reader)
    if _is_results(head):
        return True
    line = head.partition(b"\n")[0]
    return _LINE.match(line) is not None or (line.lstrip()[:1] == b"{" and all(key in line for key in _KEYS))


def _is_results(head: bytes) -> bool:
    return _RESULTS.match(head) is not None and _METRICS.search(head) is not None


def _read(path: Path, columns: ColumnMap, keep: Keep) -> Records:
    with reading(path):
        return _read_results(path, columns, keep) if _is_results(head_of(path)) else _read_samples(path, columns, keep)


def _read_samples(path: Path, columns: ColumnMap, keep: Keep) -> Records:
    lines = Lines(Attributes(columns, keep, "doc"))
    with open_bytes(path) as file:
        at = 0
        for block in line_blocks(file):
            if not lines.add_all(block):
                _add_each(lines, block, path, at)
            at += len(block)
    run = _run_of(path)
    return _table(lines, run, _task(path, run), path, _model(run) or path.resolve().parent.name or "model")


def _add_each(lines: Lines, block: memoryview, path: Path, at: int) -> None:
    """Add lines one by one; `at` is the place of the block in the file."""
    for number, line in enumerate(bytes(block).split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            lines.add(fields_of(line, "the line"))
        except RecordsError as error:
            with open_bytes(path) as file:  # lines are counted only where there is something to say about one
                before = file.read(at).count(b"\n")
            raise RecordsError(error.problem, error.fix, path=path, line=before + number) from error


def _read_results(path: Path, columns: ColumnMap, keep: Keep) -> Records:
    run = _load(path)
    if not run.samples:
        return _through_samples(path, run, columns, keep)
    model = _model(run) or stem_of(path)
    tables = []
    for task, rows in run.samples.items():
        lines = Lines(Attributes(columns, keep, "doc"))
        for row in rows:
            lines.add(row)
        tables.append(_table(lines, run, task, path, model))
    table = Records.concat(tables)
    notes = tuple(dict.fromkeys(note for source in table.sources for note in source.notes))
    return replace(table, sources=(Source(str(path), "lm-eval", len(table), notes),))


def _through_samples(path: Path, run: _Run, columns: ColumnMap, keep: Keep) -> Records:
    """Read the samples files of the run in place of its results file."""
    found = samples_beside(path)
    if not found:
        raise RecordsError(
            f"the file holds only averages ({_summary(run)}); they cannot be compared item by item.",
            "Run lm_eval with --log_samples and give the folder with the samples_*.jsonl files.",
        )
    return Records.concat([_read_samples(samples, columns, keep) for samples in found])


def samples_beside(path: Path) -> list[Path]:
    """Return the samples files that the run of a results file wrote; none beside a samples file."""
    match = _NAME.fullmatch(path.name)
    if match is None or match["kind"].startswith("samples_"):
        return []
    return sorted(
        other
        for other in path.parent.glob(f"samples_*_{match['time']}.jsonl*")
        if _NAME.fullmatch(other.name) is not None
    )


def _run_of(samples: Path) -> _Run | None:
    """Return the results of the run that wrote a samples file, None where they are missing or damaged."""
    match = _NAME.fullmatch(samples.name)
    if match is None:
        return None
    for path in sorted(samples.parent.glob(f"*_{match['time']}.json*")):
        if path != samples and not path.name.startswith("samples_"):
            try:
                return _load(path)
            except BROKEN:
                continue
    return None


def _load(path: Path) -> _Run:
    with open_bytes(path) as file:
        return decode(file.read(), _Run, "the results file")


def _task(path: Path, run: _Run | None) -> str:
    match = _NAME.fullmatch(path.name)
    if match is not None:
        return match["kind"].removeprefix("samples_")
    tasks = list(run.results) if run else []
    return tasks[0] if len(tasks) == 1 else stem_of(path).removeprefix("samples_")


def _model(run: _Run | None) -> str:
    """Return the name of the model, with the revision where one was asked for: checkpoints share the name."""
    if run is None:
        return ""
    config = run.config or {}
    arguments = _arguments(config.get("model_args"))
    name = run.model_name or arguments.get("pretrained") or arguments.get("model") or run.model_name_sanitized
    name = str(name or config.get("model") or "")
    revision = arguments.get("revision")
    return f"{name}@{revision}" if revision and revision != "main" else name


def _arguments(model_args: Any) -> dict[str, str]:
    if isinstance(model_args, dict):
        return {str(key): str(value) for key, value in model_args.items()}
    pairs = [part.partition("=") for part in model_args.split(",")] if isinstance(model_args, str) else []
    return {key.strip(): value.strip() for key, _, value in pairs}


def _table(lines: Lines, run: _Run | None, task: str, path: Path, model: str) -> Records:
    table = lines.finish()
    metrics = list(table.metrics())
    if not metrics:
        why = table.left_out() or "no line has a metric"
        raise RecordsError(f"task {task} has no score per document: {why}.", "Choose a metric that scores documents.")
    better = (run.higher_is_better or {}).get(task) if run else None
    info = LogInfo(
        path=str(path),
        format="lm-eval",
        model=model,
        task=task,
        notes=(*table.notes(), *(_differences(metrics, run.results.get(task, {})) if run else ())),
        lower_is_better=frozenset(m for m, _, _ in metrics if better and better.get(m.partition(",")[0]) is False),
    )
    return table.records(lines.attributes, info)


def _differences(
    metrics: Sequence[tuple[str, NDArray[np.int64], NDArray[np.float64]]], reported: Mapping[str, Any]
) -> Iterator[str]:
    """Yield the metrics whose mean over documents is not what the harness reports."""
    for metric, _, values in metrics:
        scores = values[~np.isnan(values)]
        theirs = number_in(reported.get(metric if "," in metric else f"{metric},none"))
        if not len(scores) or math.isnan(theirs):
            continue
        mean = math.fsum(scores) / len(scores)
        if not math.isclose(mean, theirs, rel_tol=_CLOSE, abs_tol=_CLOSE):
            yield f"{metric}: the mean of the documents is {mean:.6g}, the results file says {theirs:.6g}"


def _summary(run: _Run) -> str:
    parts = [
        f"{task} {metric.removesuffix(',none')} {value:.4g}"
        for task, metrics in run.results.items()
        for metric, value in metrics.items()
        if isinstance(value, float) and "_stderr," not in metric
    ]
    return ", ".join(parts[:6]) + (", ..." if len(parts) > 6 else "")


READER = Reader(name="lm-eval", mapped=False, sniff=_sniff, read=_read)
"""The logs of lm-evaluation-harness."""
