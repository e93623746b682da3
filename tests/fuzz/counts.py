"""How many units a file holds, counted without neff: lines, samples, results, rows; None where that cannot be said.

A unit is what one score is given to. `seen` counts the same units in the records that neff made of the file.
"""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

__all__ = ["COUNTERS", "Counter"]

Counter = tuple[Callable[[bytes, Path], Any], Callable[[Any], Any]]
"""`units(content, path)` and `seen(records)`; the first may be a set of numbers, any of which is right."""

_LM_EVAL = {"doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics", "doc_hash"}
_LM_EVAL |= {"prompt_hash", "target_hash"}
_NOT_SCORES = {"perplexity", "word_perplexity", "byte_perplexity", "bits_per_byte", "bypass"}


def _loads(text: bytes) -> Any:
    return json.loads(text.decode("utf-8", "replace").removeprefix("\ufeff"))


def _lines(content: bytes) -> Iterator[Any]:
    for line in content.split(b"\n"):
        if line.strip():
            yield _loads(line)


def _of_metric(name: str) -> Callable[[Any], int]:
    """Return what counts the rows of one metric."""
    return lambda records: sum(metric == name for metric in records.metric.names())


def _draws(records: Any) -> int:
    """Return the number of answers, whatever was scored of each."""
    return len(set(zip(records.task.codes, records.model.codes, records.item.codes, records.draw, strict=True)))


# ----------------------------------------------------------------------------------------------- tables


def rows_of_lines(content: bytes, _: Path) -> int:
    return sum(1 for _ in _lines(content))


def rows_of_array(content: bytes, _: Path) -> int:
    return len(_loads(content))


def rows_of_csv(content: bytes, _: Path) -> set[int]:
    """Return the rows after the header, for each delimiter."""
    found = set()
    for encoding in ("utf-8-sig", "utf-16"):
        try:
            text = content.decode(encoding)
        except UnicodeError:
            continue
        for delimiter in ",;\t|":
            try:
                found.add(sum(1 for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if row) - 1)
            except csv.Error:
                continue
    return found


def rows_of_parquet(_: bytes, path: Path) -> int | None:
    import pyarrow as pa
    from pyarrow import parquet as pq

    try:
        return int(pq.read_metadata(path).num_rows)
    except (pa.ArrowException, OSError):
        return None  # it wants to decode a schema of its own, which is only a comment in the file


def rows_of_arrow(content: bytes, _: Path) -> int:
    from pyarrow import ipc

    return int(ipc.open_file(io.BytesIO(content)).read_all().num_rows)


# ------------------------------------------------------------------------------------------------- logs


def lm_eval_rows(content: bytes, _: Path) -> int | None:
    """Return the scores of the last line of each document and filter."""
    last = {}
    for line in _lines(content):
        last[str(line["doc_id"]), str(line.get("filter") or "none")] = line
    n, repeats = 0, 1
    for line in last.values():
        listed = line.get("metrics")
        names = listed if isinstance(listed, list) else [name for name in line if name not in _LM_EVAL]
        for name in dict.fromkeys(map(str, names)):
            n += name not in _NOT_SCORES and not isinstance(line.get(name), (list, dict))
            repeats = max(repeats, 2 * isinstance(line.get(name), list))
    return n if repeats == 1 else None


def inspect_samples(content: bytes, _: Path) -> int | None:
    """Return the distinct samples: of the summaries, or of the members that hold whole samples."""
    if not content.startswith(b"PK"):
        samples = _loads(content).get("samples") or []
    else:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = {info.filename: info for info in archive.infolist()}
            if any(info.compress_type == 93 for info in members.values()):
                return None  # zipfile reads them from Python 3.14 on
            names = [name for name in members if name == "summaries.json"] or sorted(
                name for name in members if name.startswith("_journal/summaries/")
            )
            samples = [sample for name in names for sample in _loads(archive.read(members[name]))]
    return None if not samples else len({(str(s["id"]), s.get("epoch", 1)) for s in samples})


def promptfoo_results(content: bytes, _: Path) -> int:
    try:
        whole = _loads(content)
    except ValueError:
        return rows_of_lines(content, _)
    if "success" in whole and "results" not in whole:  # one line of JSON Lines
        return 1
    summary = whole["results"] if isinstance(whole["results"], dict) else whole
    return len(summary["results"])


def helm_instances(content: bytes, _: Path) -> int:
    def perturbation(entry: Any) -> str:
        return (entry.get("perturbation") or {}).get("name", "")

    return len({(e["instance_id"], perturbation(e), e.get("train_trial_index", 0)) for e in _loads(content)})


def helm_draws(records: Any) -> int:
    return len(set(zip(records.item.codes, records.draw, strict=True)))


def opencompass_answers(content: bytes, _: Path) -> int:
    details = _loads(content)["details"]
    entries = [e for k, e in details.items() if k != "type"] if isinstance(details, dict) else details
    entries = [entry if isinstance(entry, dict) else {} for entry in entries]
    key = next((k for k in ("correct", "is_correct", "cascade_correct") if any(k in e for e in entries)), None)
    if key is None:
        return len(entries)
    return sum(max(1, len(e[key])) if isinstance(e.get(key), list) else 1 for e in entries)


def verifiers_traces(content: bytes, _: Path) -> int | None:
    n, lost, agents = 0, 0, {}
    for line in _lines(content):
        traces = [line] if line.get("traces") is None else line["traces"]
        n, lost = n + len(traces), lost + (not traces)
        agents |= dict.fromkeys((trace.get("agent") or {}).get("name", "agent") for trace in traces)
    return n + lost * max(1, len(agents))


def trl_rows(content: bytes, path: Path) -> int:
    return rows_of_parquet(content, path)


def rows_of_first_metric(records: Any) -> int:
    """Return the rows of a metric, of which every row of the file has one, if all have as many; else -1."""
    names = records.metric.names()
    found = {names.count(name) for name in set(names)}
    return found.pop() if len(found) == 1 else -1


def most_rows(records: Any) -> int:
    """Return the rows of the metric that has most."""
    names = records.metric.names()
    return max(names.count(name) for name in set(names))


COUNTERS: dict[str, Counter] = {
    "csv": (rows_of_csv, len),
    "jsonl": (rows_of_lines, len),
    "json": (rows_of_array, len),
    "parquet": (rows_of_parquet, len),
    "arrow": (rows_of_arrow, len),
    "lm-eval": (lm_eval_rows, len),
    "inspect": (inspect_samples, _draws),
    "promptfoo": (promptfoo_results, _of_metric("pass")),
    "helm": (helm_instances, helm_draws),
    "opencompass": (opencompass_answers, len),
    "alpaca_eval": (rows_of_array, len),
    "every_eval_ever": (rows_of_lines, len),
    "verl": (rows_of_lines, _of_metric("score")),
    "verifiers": (verifiers_traces, _of_metric("reward")),
    "trl": (trl_rows, rows_of_first_metric),
    "lighteval": (rows_of_parquet, most_rows),
}
"""Format -> counters. `Source.format` of what was read says which of them to ask."""
