"""Read the details of lighteval: `details_<task>_<time>.parquet`, with one row per document.

A row has three objects, doc, metric and model_response ("__doc__", ... in some versions). Documents have no id that
means the same everywhere, so an item is the hash of its query.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import msgspec

from neff.errors import RecordsError
from neff.records.duck import engine, quoted, refuse_too_many, scan
from neff.records.footer import column_names
from neff.records.jsontext import decode
from neff.records.logrows import LONG, Attributes, LogInfo, Sample, table_of
from neff.records.logvalues import Scores, Twins, means_differ
from neff.records.reader import BROKEN, Reader, open_bytes, printable, reading, stem_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from neff.records.columns import ColumnMap
    from neff.records.reader import Keep
    from neff.records.table import Records

__all__ = ["READER", "details_of"]

_TIME = r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d(?:\.\d+)?"
_DETAILS = re.compile(rf"details_(?P<task>.+)_(?P<time>{_TIME})\.parquet")
_RESULTS = re.compile(rf"results_(?P<time>{_TIME})\.json")
_GENERAL = re.compile(rb'\s*\{\s*"config_general"\s*:\s*\{')
_COLUMNS = ("doc", "metric", "model_response")
_FIELDS = ("task_name", "id")


class _Results(msgspec.Struct):
    results: dict[str, dict[str, Any]] = msgspec.field(default_factory=dict)
    config_general: dict[str, Any] = msgspec.field(default_factory=dict)
    config_tasks: dict[str, Any] = msgspec.field(default_factory=dict)


def _sniff(path: Path, head: bytes) -> bool:
    if head.startswith(b"PAR1"):
        names = column_names(path)
        return any(all(form.format(name) in names for name in _COLUMNS) for form in ("{}", "__{}__"))
    return _GENERAL.match(head) is not None


def _read(path: Path, columns: ColumnMap, keep: Keep) -> Records:
    attributes = Attributes(columns, keep, "doc")
    with reading(path):
        if path.name.endswith(".json"):
            raise _averages_only(path)
        rows, nested = _rows(path)
        if not rows:
            raise RecordsError("the file has no rows.", "Run lighteval again.")
        results = _results_of(path)
        task, model = _task(path, rows), _model(path, results)
        documents = _Documents(nested)
        samples = [documents.sample(*row, attributes) for row in rows]
        if not any(sample.scores for sample in samples):
            raise RecordsError("no metric scores single documents.", "Choose a metric that does.")
        metrics = dict.fromkeys(metric for sample in samples for metric in sample.scores)
        notes = (*documents.notes(), *_differences(samples, _reported(results, task)))
        lower = frozenset(metric for metric in metrics if metric in _lower(results))
        return table_of(samples, attributes, LogInfo(str(path), "lighteval", model, task, notes, lower))


def _rows(path: Path) -> tuple[list[tuple[str, dict[str, Any], dict[str, Any]]], list[str]]:
    """Return the hash of the query, the fields of the document and the metrics of each row; and the nested metrics."""
    with engine(path) as connection:
        described = connection.execute(f"DESCRIBE SELECT * FROM {scan(path)}").fetchall()  # noqa: S608  (quoted)
        kinds = {str(row[0]).strip("_"): (str(row[0]), str(row[1])) for row in described}
        if not all(name in kinds for name in _COLUMNS[:2]):
            raise RecordsError("there is no column doc or metric.", "Give the details that lighteval wrote.")
        refuse_too_many(connection, path)
        doc, metric = (quoted(kinds[name][0]) for name in _COLUMNS[:2])
        fields = [name for name in _FIELDS if f"{name} " in kinds["doc"][1]]
        plain, nested = _metrics(connection, metric, path)
        # texts are cut: one long text can stand for a million rows, and none is a score
        about = [f"left({doc}.{name}::VARCHAR, {LONG})" for name in fields]
        scores = [
            f"left({metric}.{quoted(name)}, {LONG})" if kind == "VARCHAR" else f"{metric}.{quoted(name)}"
            for name, kind in plain.items()
        ]
        cells = ", ".join([f"md5({doc}.query::VARCHAR)", *about, *scores])
        found = connection.execute(f"SELECT {cells} FROM {scan(path)}").fetchall()  # noqa: S608  (quoted)
    n = 1 + len(fields)
    return [
        (str(row[0])[:16], dict(zip(fields, row[1:n], strict=True)), dict(zip(plain, row[n:], strict=True)))
        for row in found
    ], nested


def _metrics(connection: Any, metric: str, path: Path) -> tuple[dict[str, str], list[str]]:
    """Return the metrics that are one value, with its type, and the names of those that are several."""
    fields = f"DESCRIBE SELECT unnest({metric}) FROM {scan(path)}"  # noqa: S608  (quoted)
    kinds = {str(row[0]): str(row[1]) for row in connection.execute(fields).fetchall()}
    nested = [name for name, kind in kinds.items() if "[" in kind or kind.startswith(("STRUCT", "MAP", "UNION"))]
    return {name: kind for name, kind in kinds.items() if name not in nested}, nested


class _Documents:
    """Rows as samples, and counts of what could not be a score."""

    def __init__(self, left_out: Sequence[str]) -> None:
        self._scores = Scores()
        self._twins = Twins("query")
        self._left_out = left_out

    def sample(
        self, query: str, about: Mapping[str, Any], metrics: Mapping[str, Any], attributes: Attributes
    ) -> Sample:
        """Return one document."""
        table = {name: self._scores.number(name, value) for name, value in metrics.items()}
        return Sample(self._twins.apart(query), 0, attributes.pick(about), table)

    def notes(self) -> Iterator[str]:
        """Yield what a person should know."""
        yield from self._scores.notes()
        yield from self._twins.notes()
        if self._left_out:
            yield f"{', '.join(self._left_out)}: not read (parts of a corpus metric, not one number per document)"


def _task(path: Path, rows: Sequence[tuple[str, dict[str, Any], dict[str, Any]]]) -> str:
    """Return the task, as the rows name it: in names of files, "|" does not survive everywhere."""
    named = {about.get("task_name") for _, about, _ in rows}
    if len(named) == 1 and isinstance(name := named.pop(), str) and name:
        return name
    match = _DETAILS.fullmatch(path.name)
    return match["task"] if match is not None else stem_of(path)


def _model(path: Path, results: _Results | None) -> str:
    """Return the model: what the results name, or the folders between "details" and the time."""
    name = results.config_general.get("model_name") if results else None
    if isinstance(name, str) and name:
        return name
    folder = path.resolve().parent
    above = [parent.name for parent in folder.parents]
    if "details" in above:
        return printable("/".join(reversed(above[: above.index("details")]))) or "model"
    return printable(folder.name) or "model"


def _results_of(path: Path) -> _Results | None:
    """Return the results of the run, from the folder beside "details" or from the same folder."""
    match = _DETAILS.fullmatch(path.name)
    if match is None:
        return None
    folder = path.resolve().parent
    name = f"results_{match['time']}.json"
    above = [parent for parent in folder.parents if parent.name == "details"]
    for place in (folder, *(parent.with_name("results") / folder.parent.relative_to(parent) for parent in above)):
        try:
            with open_bytes(place / name) as file:
                return decode(file.read(), _Results, "the results file")
        except BROKEN:
            continue
    return None


def details_of(path: Path) -> list[Path]:
    """Return the details that stand for a results file; none for other files."""
    match = _RESULTS.fullmatch(path.name)
    if match is None:
        return []
    pattern = f"details_*_{match['time']}.parquet"
    found = list(path.parent.glob(pattern))
    for results in path.parents:
        if results.name == "results":
            folder = results.with_name("details") / path.parent.relative_to(results) / match["time"]
            found += folder.glob(pattern)
    return sorted(found)


def _averages_only(path: Path) -> RecordsError:
    found = details_of(path)
    fix = f"Give its details: {found[0].parent}." if found else "Run lighteval with --save-details."
    return RecordsError("the file holds only averages; they cannot be compared document by document.", fix)


def _reported(results: _Results | None, task: str) -> Mapping[str, Any]:
    known = results.results if results else {}
    return known.get(task) or known.get(task.replace("|", ":")) or {}


def _lower(results: _Results | None) -> frozenset[str]:
    """Return the metrics for which the configuration of some task says that lower is better."""
    found = set()
    for config in results.config_tasks.values() if results else ():
        listed = config.get("metrics") or config.get("metric") if isinstance(config, dict) else None
        for metric in listed if isinstance(listed, list) else []:
            if isinstance(metric, dict) and metric.get("higher_is_better") is False:
                found.add(str(metric.get("metric_name")))
    return frozenset(found)


def _differences(samples: Sequence[Sample], reported: Mapping[str, Any]) -> Iterator[str]:
    for metric, theirs in reported.items():
        values = [sample.scores.get(metric, math.nan) for sample in samples]
        yield from means_differ(values, theirs, ours_of=f"{metric}: the documents", theirs_of="the results file")


READER = Reader(name="lighteval", mapped=False, sniff=_sniff, read=_read)
"""The details of lighteval."""
