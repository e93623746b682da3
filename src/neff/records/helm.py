"""Read the runs of HELM: per-instance statistics, with the run's specification and averages beside them.

A run is a folder with `run_spec.json`, `scenario_state.json`, `stats.json` and `per_instance_stats.json`; after
`helm-summarize` also `display_predictions.json`, which holds the main statistics of each instance again. Only these
two are rows. Statistics that are missing were not computed, or were not numbers: HELM leaves both out.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from neff.errors import RecordsError
from neff.records.helm_stats import Instance, Stat, average, samples_of
from neff.records.jsontext import decode
from neff.records.logrows import Attributes, LogInfo, table_of
from neff.records.logvalues import means_differ
from neff.records.reader import BROKEN, Reader, head_of, open_bytes, printable, reading

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from neff.records.columns import ColumnMap
    from neff.records.helm_stats import Counted
    from neff.records.reader import Keep
    from neff.records.table import Records

__all__ = ["READER", "main_file"]

_ROWS = re.compile(rb'\s*\[\s*\{\s*"instance_id"\s*:')
_KEYS = (re.compile(rb'"train_trial_index"\s*:'), re.compile(rb'"stats"\s*:\s*[\[{]'))
_OTHERS = (
    re.compile(rb'\s*\[\s*\{\s*"name"\s*:\s*\{\s*"name"\s*:'),  # stats.json
    re.compile(rb'\s*\{\s*"name"\s*:\s*"[^"]*"\s*,\s*"scenario_spec"\s*:'),  # run_spec.json
    re.compile(rb'\s*\{\s*"adapter_spec"\s*:'),  # scenario_state.json
    re.compile(rb'\s*\[\s*\{\s*"instance_id"\s*:.{1,400}?"request"\s*:\s*\{', re.DOTALL),  # display_requests.json
)
_MAIN = "per_instance_stats.json"
_COMPANIONS = frozenset(
    {"run_spec.json", "scenario.json", "scenario_state.json", "stats.json", "instances.json"}
    | {"display_predictions.json", "display_requests.json", "costs.json"}
)
_MODEL = re.compile(r"(?:^|(?<=[:,]))model(?:_deployment)?=([^,]*),?")


class _Adapter(msgspec.Struct):
    model: str = ""
    model_deployment: str = ""


class _RunSpec(msgspec.Struct):
    name: str = ""
    adapter_spec: _Adapter = msgspec.field(default_factory=_Adapter)


def _sniff(path: Path, head: bytes) -> bool:  # noqa: ARG001  (the contract of a reader)
    return _has_rows(head) or any(pattern.match(head) for pattern in _OTHERS)


def _has_rows(head: bytes) -> bool:
    return _ROWS.match(head) is not None and all(key.search(head) for key in _KEYS)


def main_file(path: Path) -> list[Path]:
    """Return the per-instance statistics that stand for another file of the same run."""
    if path.name not in _COMPANIONS:
        return []
    return [main for name in (_MAIN, f"{_MAIN}.gz") if (main := path.with_name(name)).exists()]


def _read(path: Path, columns: ColumnMap, keep: Keep) -> Records:
    attributes = Attributes(columns, keep, "stats")
    with reading(path):
        if not _has_rows(head_of(path)):
            raise RecordsError(
                f"this file of HELM has no scores of single instances; they are in {_MAIN} of the run.",
                f"Give the folder of the run, or its {_MAIN}.",
            )
        with open_bytes(path) as file:
            instances = decode(file.read(), list[Instance], "the file")
        spec = _spec(path)
        found = samples_of(instances, attributes)
        notes = (*found.notes, *_differences(path, found.means))
        info = LogInfo(str(path), "helm", _model(spec), _task(spec.name), notes)
        return table_of(found.samples, attributes, info)


def _spec(path: Path) -> _RunSpec:
    """Return the specification of the run; without it, the name of the folder says most of it."""
    beside = path.with_name("run_spec.json")
    name = printable(path.resolve().parent.name)
    try:
        with open_bytes(beside) as file:
            spec = decode(file.read(), _RunSpec, "run_spec.json")
    except BROKEN:
        return _RunSpec(name)
    spec.name = spec.name or name
    return spec


def _model(spec: _RunSpec) -> str:
    named = _MODEL.search(spec.name)
    return spec.adapter_spec.model or spec.adapter_spec.model_deployment or (named[1] if named else "") or "model"


def _task(name: str) -> str:
    """Return the name of a run without its model, so that the runs of two models are of one task.

    Examples
    --------
    >>> _task("mmlu:subject=law,model=openai_gpt-4,data_augmentation=canonical")
    'mmlu:subject=law,data_augmentation=canonical'
    """
    return _MODEL.sub("", name).rstrip(",:") or "task"


def _differences(path: Path, means: dict[Counted, list[float]]) -> Iterator[str]:
    """Yield the statistics whose mean is not what stats.json of the run says."""
    if path.name.removesuffix(".gz") != _MAIN:
        return
    try:
        with open_bytes(path.with_name("stats.json")) as file:
            stats = decode(file.read(), list[Stat], "stats.json")
    except BROKEN:
        return
    reported = {stat.name.counted(): average(stat) for stat in stats if stat.name.computed_on() == "perturbed"}
    for counted, trials in means.items():
        ours_of = f"{counted.metric}: the instances"
        yield from means_differ(trials, reported.get(counted), ours_of=ours_of, theirs_of="stats.json")


READER = Reader(name="helm", mapped=False, sniff=_sniff, read=_read)
"""The runs of HELM."""
