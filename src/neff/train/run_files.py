"""The record of a training run, read back from the JSON Lines that a monitor wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from neff.errors import RecordsError
from neff.train.history import FIX_OF_RUNS, STEP_SCHEMA, StepReport, TrainingRun

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["parse_training_run", "read_training_run"]


def read_training_run(path: str | Path) -> TrainingRun:
    r"""Read what the JSONL sink of a monitor wrote.

    Parameters
    ----------
    path
        The file. A last line that a killed run left unfinished is noted, not fatal; so is any other damaged line.

    Returns
    -------
    TrainingRun
        Its steps.

    Raises
    ------
    RecordsError
        If the file cannot be read, or no line of it is a step.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
    ...     _ = file.write('{"schema": "neff.training/1", "step": 0, "reward": 0.25}\n{"schema": "neff.tr')
    ...     file.flush()
    ...     run = read_training_run(file.name)
    >>> len(run.steps), run.notes
    (1, ('Line 2, the last, is cut off: the run was stopped while it was written.',))
    """
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise RecordsError(f"cannot be read: {error.strerror or error}.", FIX_OF_RUNS, path=path) from error
    try:
        return parse_training_run(raw, name=str(path))
    except RecordsError as error:
        raise RecordsError(error.problem, error.fix, path=path) from error


def parse_training_run(raw: bytes, *, name: str = "") -> TrainingRun:
    """Return the run in the bytes of a JSON Lines file."""
    lines = raw.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    steps: dict[int, StepReport] = {}
    again, damaged = 0, []
    cut_off = 0
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        step = _step(line)
        if step is None:
            if number == len(lines):  # no line feed behind it: nobody finished writing it
                cut_off = number
            else:
                damaged.append(number)
            continue
        while steps and next(reversed(steps)) >= step.step:  # what came before a restart
            steps.popitem()
            again += 1
        steps[step.step] = step
    if not steps:
        raise RecordsError("has no step of a training run.", FIX_OF_RUNS)
    return TrainingRun(tuple(steps.values()), name, tuple(_notes(again, damaged, cut_off)))


def _step(line: bytes) -> StepReport | None:
    try:
        data = json.loads(line)
        if data.get("schema") != STEP_SCHEMA:
            return None
        return StepReport.from_dict(data)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return None


def _notes(again: int, damaged: list[int], cut_off: int) -> Iterable[str]:
    if again:
        many = "1 step was" if again == 1 else f"{again:,} steps were"
        yield f"{many} done again, as after a restart: only the last time counts."
    if damaged:
        shown = ", ".join(map(str, damaged[:5])) + (f" and {len(damaged) - 5:,} more" if len(damaged) > 5 else "")
        many = f"Lines {shown} are" if len(damaged) > 1 else f"Line {shown} is"
        yield (
            f"{many} no step of a training run and were left out."
            if len(damaged) > 1
            else (f"{many} no step of a training run and was left out.")
        )
    if cut_off:
        yield f"Line {cut_off:,}, the last, is cut off: the run was stopped while it was written."
