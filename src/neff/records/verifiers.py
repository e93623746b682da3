"""Read `traces.jsonl` of verifiers (version 1): one episode per line with its traces, or one trace per line.

The reward of a trace is the sum of its rewards, each times its weight. A reward that is null was not computed, and a
trace that is not ok has ended with an error: both are unscored. Rollouts of one task are draws.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from neff.errors import RecordsError
from neff.records.jsontext import each_line
from neff.records.logrows import Attributes, LogInfo, Sample, plural, table_of
from neff.records.logvalues import Scores, key_of, score_of
from neff.records.reader import Reader, printable, reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from neff.records.columns import ColumnMap
    from neff.records.reader import Keep
    from neff.records.table import Records

__all__ = ["READER"]

_EPISODE = re.compile(rb'\s*\{\s*"id"\s*:\s*"[^"]*"\s*,\s*"env"\s*:\s*\{')
_TRACE = re.compile(rb'\s*\{\s*"version"\s*:\s*1\s*,\s*"id"\s*:\s*"[^"]*"\s*,')
_TASK = re.compile(rb'"task"\s*:\s*\{\s*"type"\s*:')
_REWARD = "reward"
_AGENT = "agent"
"""Name of the agent of an environment that has only one."""

_KEY = 16
_LONG = frozenset({"prompt", "system_prompt", "artifacts", "network_allow", "network_block", "timeout", "resources"})


class _Task(msgspec.Struct):
    type: str = ""
    data: Any = None
    key: str | None = None
    hash: str | None = None


class _Config(msgspec.Struct):
    model: str | None = None


class _Agent(msgspec.Struct):
    name: str = "agent"
    config: _Config | None = None


class _Call(msgspec.Struct):
    model: str | None = None


class _Env(msgspec.Struct):
    id: str = ""
    name: str | None = None


class _Trace(msgspec.Struct):
    task: _Task | None = None
    agent: _Agent = msgspec.field(default_factory=_Agent)
    calls: list[_Call] = msgspec.field(default_factory=list)
    rewards: dict[str, Any] = msgspec.field(default_factory=dict)
    metrics: dict[str, Any] = msgspec.field(default_factory=dict)
    ok: bool = False


class _Line(_Trace):
    """An episode, or a trace."""

    env: _Env = msgspec.field(default_factory=_Env)
    traces: list[_Trace] | None = None


@dataclass(frozen=True, slots=True)
class _Row:
    """One trace with what its episode says; None where the episode failed before it had one."""

    trace: _Trace | None
    task: str
    item: str
    about: dict[str, Any]


def _sniff(path: Path, head: bytes) -> bool:  # noqa: ARG001  (the contract of a reader)
    line = head.partition(b"\n")[0]
    return _TASK.search(line) is not None and (_EPISODE.match(line) or _TRACE.match(line)) is not None


def _read(path: Path, columns: ColumnMap, keep: Keep) -> Records:
    attributes = Attributes(columns, keep, "task")
    with reading(path):
        rows = [row for number, line in each_line(path, _Line) for row in _rows(line, number)]
        if not rows:
            raise RecordsError("the file has no episodes.", "Wait for the run, or run it again.")
        scores = Scores()
        metrics = _metrics(rows)
        models = _models(rows, printable(path.resolve().parent.name) or "model")
        samples = [
            Sample(row.item, None, attributes.pick(row.about), _scores(row, metrics[agent], scores), model, row.task)
            for row in rows
            for agent, model in models.items()
            if row.trace is None or row.trace.agent.name == agent
        ]
        notes = (*scores.notes(), *_notes(rows))
        return table_of(samples, attributes, LogInfo(str(path), "verifiers", "model", "task", notes))


def _rows(line: _Line, number: int) -> Iterator[_Row]:
    traces: list[_Trace | None] = [line] if line.traces is None else [*line.traces] or [None]
    for trace in traces:
        task = (trace.task if trace else None) or line.task
        if task is None:
            raise RecordsError("the line has no task.", "Give traces.jsonl as verifiers wrote it.", line=number)
        about = task.data if isinstance(task.data, dict) else {}
        item = task.key or task.hash or key_of(task.data)
        name = line.env.name or line.env.id or task.type or "task"
        yield _Row(trace, name, item[:_KEY], {name: about[name] for name in about if name not in _LONG})


def _models(rows: list[_Row], unknown: str) -> dict[str, str]:
    """Return the model of each agent: what its configuration or its calls name."""
    agents: dict[str, str] = {}
    for row in rows:
        if row.trace is not None:
            agent, config = row.trace.agent, row.trace.agent.config
            named = (config.model if config else None) or next((c.model for c in row.trace.calls if c.model), None)
            agents[agent.name] = agents.get(agent.name) or named or ""
    found = {agent: model or unknown for agent, model in agents.items()} or {_AGENT: unknown}
    return {agent: model if agent == _AGENT else f"{model} ({agent})" for agent, model in found.items()}


def _metrics(rows: list[_Row]) -> dict[str, dict[str, None]]:
    """Return the metrics of each agent; a single reward is the same as their sum."""
    named: dict[str, tuple[dict[str, None], dict[str, None]]] = {_AGENT: ({}, {})}
    for trace in filter(None, (row.trace for row in rows)):
        rewards, metrics = named.setdefault(trace.agent.name, ({}, {}))
        rewards.update(dict.fromkeys(trace.rewards))
        metrics.update(dict.fromkeys(trace.metrics))
    return {
        agent: {_REWARD: None, **(rewards if len(rewards) > 1 else {}), **metrics}
        for agent, (rewards, metrics) in named.items()
    }


def _scores(row: _Row, metrics: Iterable[str], scores: Scores) -> dict[str, float]:
    trace = row.trace
    if trace is None or not trace.ok:
        return dict.fromkeys(metrics, math.nan)
    parts = {name: _part(name, value, scores) for name, value in trace.rewards.items()}
    table = dict.fromkeys(metrics, math.nan)  # what was not computed is not in the file
    table |= {name: score for name, (score, _) in parts.items() if name in metrics}
    table |= {name: scores.number(name, value) for name, value in trace.metrics.items()}
    total = math.fsum(score * weight for score, weight in parts.values()) if parts else math.nan
    return {**table, _REWARD: total}


def _part(name: str, value: Any, scores: Scores) -> tuple[float, float]:
    """Return the score and the weight of one reward; null is one that was not computed."""
    if not isinstance(value, dict):
        return scores.number(name, value), 1.0
    weight = score_of(value.get("weight", 1.0))
    return scores.number(name, value.get("score")), math.nan if weight is None else weight


def _notes(rows: list[_Row]) -> Iterator[str]:
    failed = sum(row.trace is not None and not row.trace.ok for row in rows)
    lost = sum(row.trace is None for row in rows)
    null = sum(row.trace is not None and row.trace.ok and None in row.trace.rewards.values() for row in rows)
    if failed:
        yield f"{plural(failed, 'trace')} ended with an error: unscored"
    if null:
        yield f"{plural(null, 'trace')} with a reward that was not computed: unscored; verifiers adds up the others"
    if lost:
        yield f"{plural(lost, 'episode')} failed before any trace: unscored"


READER = Reader(name="verifiers", mapped=False, sniff=_sniff, read=_read)
"""The traces of verifiers."""
