"""Where reports go: TensorBoard, a tracker, a JSON Lines file, or any function of the report."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from neff.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from neff.train.history import StepReport

__all__ = ["JsonlSink", "Sink", "TensorBoardSink", "TrackerSink"]


class Sink(Protocol):
    """What a report is handed to: any callable. One with a `close` is closed with the monitor."""

    def __call__(self, report: StepReport, /) -> Any:
        """Take one report."""


class TensorBoardSink:
    """Write every defined number with `writer.add_scalar(name, value, step)`.

    Parameters
    ----------
    writer
        A `SummaryWriter`, of torch or of tensorboardX: anything with `add_scalar`. It stays the caller's to close.
    prefix
        In front of every name.
    """

    def __init__(self, writer: Any, *, prefix: str = "neff/") -> None:
        self.writer, self.prefix = writer, prefix

    def __call__(self, report: StepReport) -> None:
        """Write the report at its step; what checks found goes to `add_text`, where there is one."""
        for name, value in report.numbers(self.prefix).items():
            self.writer.add_scalar(name, value, report.step)
        add_text = getattr(self.writer, "add_text", None)
        if add_text is not None:
            for finding in report.findings:
                add_text(f"{self.prefix}{finding.name}", f"{finding.severity}: {finding.message}", report.step)


class TrackerSink:
    """Hand every defined number to `tracker.log(dict)`: Weights & Biases, Trackio, SwanLab and others.

    Parameters
    ----------
    tracker
        Anything with `log(dict)`, or a function of a dict.
    prefix
        In front of every name.

    Notes
    -----
    The optimizer step travels as `<prefix>step` in the dict and is never passed as the tracker's own step, which
    belongs to the training loop: trackers drop what comes late for a step. Make it the axis:
    `wandb.define_metric("neff/*", step_metric="neff/step")`.
    """

    def __init__(self, tracker: Any, *, prefix: str = "neff/") -> None:
        self.log: Callable[[dict[str, float]], Any] = getattr(tracker, "log", tracker)
        self.prefix = prefix

    def __call__(self, report: StepReport) -> None:
        """Log the report."""
        self.log({f"{self.prefix}step": float(report.step), **report.numbers(self.prefix)})


class JsonlSink:
    r"""Append one line of strict JSON per step to a file that `neff report` shows as a training page.

    Use it in every run: a killed run leaves whole lines, a restarted one goes on in the same file.

    Parameters
    ----------
    path
        The file; folders above it are made.

    Raises
    ------
    OutputError
        If the file cannot be written.

    Notes
    -----
    Each line goes to the operating system in one write to a file opened for appending, so that it is there, whole,
    though the process is killed at the next instruction. A line that an earlier run left unfinished is closed first;
    readers pass over it. Schema "neff.training/1": NaN is null.

    Examples
    --------
    >>> import tempfile
    >>> from neff.train import StepReport, read_training_run
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     sink = JsonlSink(f"{folder}/run.jsonl")
    ...     sink(StepReport(step=0, reward=0.25))
    ...     sink.close()
    ...     read_training_run(f"{folder}/run.jsonl").steps[0].reward
    0.25
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file: int | None = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            if _unfinished(self.path):
                _write(self._file, b"\n")
        except OSError as error:
            raise OutputError(f"cannot write {self.path}: {error.strerror or error}.") from error

    def __call__(self, report: StepReport) -> None:
        """Append the report."""
        if self._file is None:
            raise OutputError(f"cannot write {self.path}: the sink is closed.")
        line = json.dumps(report.to_dict(), allow_nan=False, separators=(",", ":")) + "\n"
        try:
            _write(self._file, line.encode("ascii"))
        except OSError as error:
            raise OutputError(f"cannot write {self.path}: {error.strerror or error}.") from error

    def close(self) -> None:
        """Close the file; closing twice is no error."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _write(file: int, data: bytes) -> None:
    while data:  # a full disk may take a part
        data = data[os.write(file, data) :]


def _unfinished(path: Path) -> bool:
    """Return whether the file ends inside a line."""
    with path.open("rb") as stream:
        if not stream.seek(0, os.SEEK_END):
            return False
        stream.seek(-1, os.SEEK_END)
        return stream.read(1) != b"\n"
