"""A worker seen from outside: start it, ask it, read what it says without waiting, end it with all its children."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any

from neff.claims.outcome import Failure, Measured
from neff.errors import NeffError

if TYPE_CHECKING:
    from neff.claims.outcome import Failed, Outcome

__all__ = ["Target", "Task", "Worker", "available"]

START_LIMIT = 300.0  # seconds that the import of a file may take
GRACE = 5.0  # seconds that a worker has to report a child that was ended
OUTPUT_KEPT = 4000  # bytes of what a seed printed last
THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
"""One thread each, unless the user says otherwise: a process with threads cannot be forked, and workers share cores."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a worker imports: a file by its path, or a module by its name."""

    where: str
    kind: str = "file"


@dataclass(frozen=True, slots=True)
class Task:
    """One seed of one case."""

    seed: int
    attribute: str
    case: int
    time_limit: float
    memory_limit: int


def available() -> None:
    """Refuse a system without `fork`.

    Raises
    ------
    NeffError
        On Windows.
    """
    if not hasattr(os, "fork"):
        raise NeffError("Claims are checked in forked processes: use Linux or macOS (on Windows, its Linux subsystem).")


class Worker:
    """A process that has imported one target, and runs one seed at a time.

    `listing` is what it found at its start: claims, or an error. `read` takes what it said and returns the outcome of
    the task once there is one; the caller watches `channel` and `output`, and calls `overdue` now and then.
    """

    def __init__(self, target: Target, *, cold: bool = False) -> None:
        self.target = target
        self.cold = cold
        self.task: Task | None = None
        self.listing: dict[str, Any] | None = {} if cold else None
        self.deadline = monotonic() + START_LIMIT
        self._said = b""
        self._printed = b""
        self._reply: dict[str, Any] | None = None
        self._child: int | None = None
        self._expired = False
        self._abandoned = False
        self._started = 0.0
        self._process, self.channel, self.output = _start()
        self._ask({"target": target.where, "kind": target.kind, "cold": cold})

    @property
    def idle(self) -> bool:
        """Whether it waits for a task."""
        return self.task is None and self.listing is not None

    def run(self, task: Task) -> None:
        """Start a seed."""
        self.task, self._reply, self._child, self._printed = task, None, None, b""
        self._expired = self._abandoned = False
        self._started = monotonic()
        self.deadline = self._started + START_LIMIT
        self._ask(
            {
                "seed": task.seed,
                "attribute": task.attribute,
                "case": task.case,
                "time_limit": task.time_limit,
                "memory_limit": task.memory_limit,
            }
        )

    def read(self) -> Outcome | None:
        """Take what has been said since; return the outcome of the task, if it has ended."""
        data, open_ = _drain(self.channel)
        self._keep_output()
        *lines, self._said = (self._said + data).split(b"\n")
        outcome = None
        for line in lines:
            message = _parsed(line)
            if message is not None:
                outcome = self._hear(message) or outcome
        if not open_ and outcome is None:
            return self._gone()
        return outcome

    def overdue(self) -> Outcome | None:
        """End what has run too long; return the outcome if the worker itself had to be ended."""
        if monotonic() < self.deadline:
            return None
        if self._child is not None and not self._expired:  # its end is reported by the worker
            self._expired = True
            self.deadline = monotonic() + GRACE
            _end_group(self._child)
            return None
        self._expired = True
        self._end_groups()
        return self._gone()

    def abandon(self) -> None:
        """End the seed that runs; it will have no outcome, and the worker is idle once its child has ended."""
        self._abandoned = self.task is not None
        self.deadline = monotonic() + GRACE
        if self._child is not None:
            _end_group(self._child)

    def close(self) -> None:
        """End the worker and everything it has started."""
        self._end_groups()
        self._process.wait()
        for end in (self.channel, self.output):
            with contextlib.suppress(OSError):
                os.close(end)
        self.channel = self.output = -1
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()

    def _end_groups(self) -> None:
        for group in filter(None, (self._child, self._process.pid)):
            _end_group(group)

    def _ask(self, request: dict[str, Any]) -> None:
        stdin = self._process.stdin
        if stdin is not None:
            with contextlib.suppress(BrokenPipeError):  # it has gone: the end of its channel says so
                stdin.write(json.dumps(request).encode() + b"\n")
                stdin.flush()

    def _hear(self, message: dict[str, Any]) -> Outcome | None:
        if self.listing is None:
            self.listing = message
            self.deadline = float("inf")
        elif self.task is None:
            return None
        elif "start" in message:
            self._child = message["pid"]
            if self._abandoned:
                _end_group(message["pid"])
        elif "running" in message and not self._abandoned:
            self.deadline = monotonic() + self.task.time_limit
        elif message.get("reply") == self.task.seed:
            self._reply = message
        elif message.get("end") == self.task.seed:
            return self._ended(message["status"], left=message["left"])
        return None

    def _ended(self, status: int, *, left: bool) -> Outcome | None:
        task, reply = self.task, self._reply
        if task is None:
            raise RuntimeError("a worker reported the end of a seed that nobody asked for")
        self.task, self._child, self.deadline = None, None, float("inf")
        if self._abandoned:
            return None
        if reply is None or self._expired:
            return self._failure(task, status)
        if "failure" in reply:
            return self._failed(task, reply["failure"], reply["message"])
        values = (reply["value"],) if "value" in reply else (reply["treatment"], reply["control"])
        return Measured(task.seed, values, reply["seconds"], left, reply["files"])

    def _failure(self, task: Task, status: int) -> Failure:
        if self._expired or status == -signal.SIGXCPU:
            return self._failed(task, "time", f"no result within {task.time_limit:g} s")
        if status < 0:
            name = signal.Signals(-status).name if -status in signal.valid_signals() else str(-status)
            about = ": the system ended it, often for lack of memory" if status == -signal.SIGKILL else ""
            return self._failed(task, "crash", f"ended by {name}{about}")
        return self._failed(task, "crash", f"ended with exit code {status} and no result")

    def _failed(self, task: Task, kind: Failed, message: str) -> Failure:
        return Failure(task.seed, kind, message, self._tail(), monotonic() - self._started)

    def _gone(self) -> Outcome | None:
        """Say what is known after the worker itself has ended."""
        if self.output >= 0:
            self._keep_output()
        task, self.task, self.deadline = self.task, None, float("inf")
        expired, status = self._expired, None
        with contextlib.suppress(subprocess.TimeoutExpired):
            status = self._process.wait(GRACE)
        self.close()
        if self.listing is None:
            said = f"its import took more than {START_LIMIT:g} s" if expired else f"its import ended Python ({status})"
            self.listing = {"error": {"failure": "crash", "message": said, "output": self._tail()}}
        if task is None or self._abandoned:
            return None
        said = "its worker had to be ended" if expired else "it ended its worker"
        return self._failed(task, "time" if expired else "crash", said)

    def _keep_output(self) -> None:
        data, _ = _drain(self.output)
        self._printed = (self._printed + data)[-OUTPUT_KEPT:]

    def _tail(self) -> str:
        return self._printed.decode("utf-8", "replace").strip()


def _start() -> tuple[subprocess.Popen[bytes], int, int]:
    said, saying = os.pipe()
    printed, printing = os.pipe()
    environment = {**dict.fromkeys(THREADS, "1"), **os.environ, "PYTHONHASHSEED": "0"}
    code = f"from neff.claims.worker import main; main({saying})"
    try:
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", code],
            stdin=subprocess.PIPE,
            stdout=printing,
            stderr=printing,
            pass_fds=(saying,),
            env=environment,
            start_new_session=True,
        )
    finally:
        os.close(saying)
        os.close(printing)
    for end in (said, printed):
        os.set_blocking(end, False)
    return process, said, printed


def _drain(source: int) -> tuple[bytes, bool]:
    """Return what is there to read, the last part of it where it is much, and whether more can come."""
    parts = b""
    for _ in range(64):  # a claim that prints without end must not keep us here
        try:
            data = os.read(source, 65536)
        except BlockingIOError:
            return parts, True
        if not data:
            return parts, False
        parts += data
    return parts, True


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        message = json.loads(line)
    except ValueError:  # empty, or cut short when a child was ended
        return None
    return message if isinstance(message, dict) else None


def _end_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
