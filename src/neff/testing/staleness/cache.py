"""Runs in a file of JSON lines, so that a study that was killed goes on where it was."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from neff.errors import OutputError, RecordsError
from neff.testing.staleness.result import StalenessRun

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["RunCache", "key_of"]

VERSION = 1
"""Raised when the same settings give other numbers: older lines are then left alone and not used."""

Key: TypeAlias = tuple[str, str, int, float, int, int]


def key_of(run: StalenessRun) -> Key:
    """Return what makes a run the same run."""
    return run.environment, run.method, run.lag, run.learning_rate, run.seed, run.steps


class RunCache:
    """A file of finished runs, one per line.

    Runs are added to the end in one write, and flushed to disk. A line that was cut off by a kill is dropped when the
    file is opened again; several processes may add to one file.

    Parameters
    ----------
    path
        The file, made where there is none.

    Raises
    ------
    RecordsError
        If the file holds something else.
    OutputError
        If it cannot be written.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.runs: dict[Key, StalenessRun] = {}
        try:
            text = self.path.read_text(encoding="utf-8") if self.path.exists() else ""
        except (OSError, UnicodeDecodeError) as error:
            raise RecordsError(f"cannot be read: {error}.", "Give another cache file.", path=path) from error
        *lines, rest = text.split("\n")
        for number, line in enumerate(lines, 1):
            data = self._parse(line, number)
            if data is not None and data.get("testbed") == VERSION:
                run = StalenessRun.from_dict(data)
                self.runs[key_of(run)] = run
        self._torn = bool(rest)
        self._append(b"")

    def _parse(self, line: str, number: int) -> dict[str, Any] | None:
        if not line.strip():
            return None
        try:
            data = json.loads(line)
        except ValueError:
            data = None
        if not isinstance(data, dict) or "testbed" not in data:
            torn = data is None and '{"testbed"' in line[:12]
            if torn:  # cut off by a kill, and closed by the process that came after
                return None
            raise RecordsError("is no cache of the testbed.", "Give another file.", path=self.path, line=number)
        return data

    def add(self, runs: Iterable[StalenessRun]) -> None:
        """Keep runs: all of them, or none where the file cannot be written."""
        new = list(runs)
        lines = [json.dumps({"testbed": VERSION} | run.to_dict(), allow_nan=False) + "\n" for run in new]
        if not lines:
            return
        self._append(("\n" * self._torn + "".join(lines)).encode())
        self._torn = False
        self.runs |= {key_of(run): run for run in new}

    def _append(self, data: bytes) -> None:
        """Write to the end, at once; nothing, to see that the file can be written before anything is run."""
        try:
            with self.path.open("ab") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise OutputError(
                f"cannot write {self.path}: {error.strerror or error}. Give another cache file."
            ) from error
