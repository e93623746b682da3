"""Read the generations that verl dumps while it trains or validates: `<step>.jsonl`, one line per rollout.

A line has input, output, gts (not in old versions), score, step, and what else the reward function returned. There are
no log-probs in it. Rollouts of one prompt are draws. A dump of training compares runs: the item is a prompt within a
step. A dump of validation, in which every line repeats its score as "reward", compares steps: each step is a model.
"""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any

from neff.errors import RecordsError
from neff.records.jsontext import each_line
from neff.records.logrows import Attributes, LogInfo, Sample, table_of
from neff.records.logvalues import Scores, key_of
from neff.records.reader import Reader, printable, reading

if TYPE_CHECKING:
    from pathlib import Path

    from neff.records.columns import ColumnMap
    from neff.records.reader import Keep
    from neff.records.table import Records

__all__ = ["READER"]

_START = re.compile(rb'\s*\{\s*"input"\s*:')
_TAIL = re.compile(rb'"output"\s*:.*"score"\s*:\s*[-0-9NnI][^,]*,\s*"step"\s*:\s*\d+', re.DOTALL)
_STEP = re.compile(r"\d+")
_FIXED = frozenset({"input", "output", "gts", "score", "step", "uid", "request_id"})
_UID = re.compile(r"(?P<sample>.+)_\d+_\d+")
_LIMIT = 1 << 16
_NO_LOG_PROBS = "there are no log-probs in the file: importance weights cannot be computed from it"


def _sniff(path: Path, head: bytes) -> bool:
    line, newline, _ = head.partition(b"\n")
    if _START.match(line) is None:
        return False
    if not newline and len(head) >= _LIMIT:  # a prompt that fills the head: the name of the file must do
        return _STEP.fullmatch(path.name.partition(".")[0]) is not None and b'"output"' in line
    return _TAIL.search(line) is not None and set(_keys(line)) >= {"input", "output", "score", "step"}


def _keys(line: bytes) -> list[str]:
    try:
        return list(json.loads(line))
    except (ValueError, RecursionError):
        return []


def _read(path: Path, columns: ColumnMap, keep: Keep) -> Records:
    if columns.item or columns.score or columns.model:  # the caller says what the columns are: a plain table
        from neff.records import jsonlines

        return jsonlines.read(path, columns, keep)
    attributes = Attributes(columns, keep, "line")
    with reading(path):
        scores = Scores()
        lines: list[tuple[str, int, dict[str, Any], dict[str, float]]] = []
        for number, line in each_line(path, dict[str, Any]):
            step = line.get("step")
            if "input" not in line or not isinstance(step, int):
                raise RecordsError("the line has no input or no step.", "Give the file as verl wrote it.", line=number)
            about = {name: value for name, value in line.items() if name not in ("input", "output", "score")}
            lines.append((_item(line), step, attributes.pick(about), _scores(line, scores)))
        if not lines:
            raise RecordsError("the file has no lines.", "Wait for the step, or run it again.")
        validation = all(_repeats_score(table) for *_, table in lines)
        run = printable(path.resolve().parent.name) or "run"
        notes = (*scores.notes(), *_how(validation=validation), _NO_LOG_PROBS)
        info = LogInfo(str(path), "verl", run, "validation" if validation else "rollouts", notes)
        samples = [_sample(*line, validation=validation, run=run) for line in lines]
        return table_of(samples, attributes, info)


def _repeats_score(table: dict[str, float]) -> bool:
    score, reward = table["score"], table.get("reward")
    return reward is not None and (reward == score or (math.isnan(reward) and math.isnan(score)))


def _how(*, validation: bool) -> list[str]:
    if validation:
        return ["every line repeats its score as reward, as verl's validation does: each step is a model of its own"]
    return ["an item is a prompt within a step, its rollouts are draws; the folder names the run"]


def _item(line: dict[str, Any]) -> str:
    """Return the key of the prompt; a uid names it, a request_id only the rollout."""
    uid = line.get("uid")
    if isinstance(uid, str) and uid:
        match = _UID.fullmatch(uid)
        return match["sample"] if match else uid
    return key_of(line["input"], line.get("gts"))


def _scores(line: dict[str, Any], scores: Scores) -> dict[str, float]:
    """Return the score, and every number that the reward function returned beside it."""
    table = {"score": scores.number("score", line.get("score"))}
    for name, value in line.items():
        if name not in _FIXED and (value is None or isinstance(value, (bool, int, float))):
            table[name] = scores.number(name, value)
    return table


def _sample(
    item: str, step: int, about: dict[str, Any], table: dict[str, float], *, validation: bool, run: str
) -> Sample:
    if validation:
        table = {name: value for name, value in table.items() if name != "reward"}
        return Sample(item, None, about, table, model=f"{run} @ step {step}")
    return Sample(f"{item} @ {step}", None, about, table)


READER = Reader(name="verl", mapped=False, sniff=_sniff, read=_read)
"""The rollouts of verl."""
