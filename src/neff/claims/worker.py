"""The process that runs seeds: it imports one file, then forks a child of its own for each seed.

The import is paid once, and yet every seed starts from the same untouched state. A file that leaves threads running
after its import cannot be forked safely; its children then import it themselves (`cold`). Requests are lines of JSON on
stdin; answers are lines of JSON on a descriptor of their own, so that whatever a claim prints cannot be taken for one.

The process belongs to the claims: nothing of neff runs here beside this module, `loading` and `spec`.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import select
import signal
import sys
import time
import traceback
from typing import TYPE_CHECKING, Any

from neff.claims.loading import Sources, describe, find, load
from neff.claims.spec import Level, Paired
from neff.errors import MissingExtraError

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["main"]

LONGEST_MESSAGE = 2000


def main(channel: int) -> None:
    """Serve one target until stdin ends."""
    os.set_inheritable(channel, False)  # noqa: FBT003
    wake, wake_end = os.pipe()
    for end in (wake, wake_end):
        os.set_blocking(end, False)
    requests = _Lines(0)
    first = requests.wait()
    if first is None:
        return
    module, sources = None, Sources()
    if not first["cold"]:
        try:
            module = load(first["target"], first["kind"])
            answer: dict[str, Any] = describe(module) | {"threads": _threads()}
        except BaseException as error:  # noqa: BLE001  (also SystemExit: a file must not end the check)
            answer = {"error": _failure(error) | _extra(error)}
        _send(channel, answer)
        sources.files()
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake_end, warn_on_full_buffer=False)
    while (request := requests.wait()) is not None:
        pid = os.fork()
        if pid == 0:
            _seed(channel, request, module, first, sources)
        _watch(pid, request["seed"], channel, requests, wake)


def _seed(
    channel: int, request: dict[str, Any], module: ModuleType | None, first: dict[str, Any], sources: Sources
) -> None:
    """Run one seed in the child, answer, and end without cleaning up after what belongs to the parent."""
    own = os.getpid()
    try:
        os.setpgid(0, 0)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        _send(channel, {"start": request["seed"], "pid": own})
        if module is None:
            module = load(first["target"], first["kind"])
        _send(channel, {"running": request["seed"]})
        _limit(request)
        answer = _measure(module, request, sources)
    except BaseException as error:  # noqa: BLE001  (whatever a claim raises is the answer)
        answer = _failure(error)
    with contextlib.suppress(BaseException):
        sys.stdout.flush()
        sys.stderr.flush()
    if os.getpid() == own:  # a claim that forks and returns twice answers once
        _send(channel, {"reply": request["seed"], **answer})
    os._exit(0)


def _measure(module: ModuleType, request: dict[str, Any], sources: Sources) -> dict[str, Any]:
    made = find(module, request["attribute"])
    seed, params = request["seed"], made.params[request["case"]]
    _seed_generators(seed)
    started = time.perf_counter()
    found = made(seed, **params)
    seconds = time.perf_counter() - started
    wanted, names = (Level, ("value",)) if made.terms.kind == "level" else (Paired, ("treatment", "control"))
    if not isinstance(found, wanted):
        said = f"returned {type(found).__name__}, and a claim of kind {made.terms.kind!r} returns a {wanted.__name__}"
        return {"failure": "error", "message": said}
    numbers = {name: float(getattr(found, name)) for name in names}
    for name, number in numbers.items():
        if not math.isfinite(number):
            return {"failure": "not finite", "message": f"the {name} is {number}"}
    return {**numbers, "seconds": seconds, "files": sources.files()}


def _seed_generators(seed: int) -> None:
    """Seed the global generators of what is loaded: children of one process would otherwise all draw the same."""
    import random

    random.seed(seed)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(seed % 2**32)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)


def _limit(request: dict[str, Any]) -> None:
    """Bound address space, beyond what the import took, and processor time; the clock is watched from outside."""
    import resource

    taken = 0
    with contextlib.suppress(OSError), open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123
        taken = int(file.read().split()[0]) * resource.getpagesize()
    for kind, most in (
        (resource.RLIMIT_AS, taken + int(request["memory_limit"])),
        (resource.RLIMIT_CPU, math.ceil(request["time_limit"] * (os.cpu_count() or 1)) + 1),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(kind)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        with contextlib.suppress(ValueError, OSError):  # a system that cannot bound it: the clock still does
            resource.setrlimit(kind, (most, most))


def _failure(error: BaseException) -> dict[str, Any]:
    """Return what went wrong, with the line of the claim where it happened."""
    try:
        said = str(error)
    except Exception:  # noqa: BLE001  (an error that cannot be said is still one)
        said = "its message cannot be made"
    short = type(error).__name__ + (f": {said}" if said else "")
    memory = isinstance(error, MemoryError) or "allocate memory" in short.lower()
    where = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_theirs(frame.filename)]
    place = f" ({os.path.basename(where[-1].filename)}, line {where[-1].lineno})" if where else ""  # noqa: PTH119
    return {"failure": "memory" if memory else "error", "message": (short + place)[:LONGEST_MESSAGE]}


def _is_theirs(filename: str) -> bool:
    return not filename.startswith("<") and os.path.dirname(filename) != os.path.dirname(__file__)  # noqa: PTH120


def _extra(error: BaseException) -> dict[str, Any]:
    """Return the extra or the package whose absence stopped the import, if that is what it was."""
    if isinstance(error, MissingExtraError):
        return {"missing": f"neff[{error.extra}]"}
    from neff.claims.spec import EXTRAS

    name = (getattr(error, "name", None) or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    extra = next((extra for extra, packages in EXTRAS.items() if name in packages), None)
    return {} if extra is None else {"missing": f"neff[{extra}]"}


def _watch(pid: int, seed: int, channel: int, requests: _Lines, wake: int) -> None:
    """Wait for the child; end it, and ourselves, if whoever asked has gone. End what it has left behind."""
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            break
        select.select([wake, *([] if requests.lines else [requests.source])], [], [], 5.0)
        with contextlib.suppress(BlockingIOError):
            os.read(wake, 4096)
        if requests.ended():
            _end_group(pid)
            os._exit(0)
    left = _end_group(pid)
    _send(channel, {"end": seed, "status": os.waitstatus_to_exitcode(status), "left": left})


def _end_group(group: int) -> bool:
    """End every process of the group; return whether there was one."""
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _threads() -> int:
    """Return the number of threads of this process; where it cannot be told, those that Python knows."""
    import threading

    try:
        return len(os.listdir("/proc/self/task"))  # noqa: PTH208
    except OSError:
        return threading.active_count()


def _send(channel: int, message: dict[str, Any]) -> None:
    """Write one line; the line break in front ends what a killed child may have left unfinished.

    Halves of surrogate pairs, as in file names that are not UTF-8, become question marks: nobody can write them down.
    """
    data = ("\n" + json.dumps(message, allow_nan=False, ensure_ascii=False) + "\n").encode(errors="replace")
    while data:
        data = data[os.write(channel, data) :]


class _Lines:
    """Lines of JSON from a descriptor, with a way to see that it has ended while one waits for something else."""

    def __init__(self, source: int) -> None:
        self.source = source
        self.lines: list[dict[str, Any]] = []
        self._rest = b""
        self._ended = False

    def wait(self) -> dict[str, Any] | None:
        """Return the next line, or None at the end."""
        while not self.lines and not self._ended:
            self._read()
        return self.lines.pop(0) if self.lines else None

    def ended(self) -> bool:
        """Return whether the other side has closed; reads what is there without waiting."""
        while not self._ended and not self.lines and select.select([self.source], [], [], 0)[0]:
            self._read()
        return self._ended

    def _read(self) -> None:
        data = os.read(self.source, 65536)
        self._ended = not data
        *whole, self._rest = (self._rest + data).split(b"\n")
        self.lines += [json.loads(line) for line in whole if line.strip()]


if __name__ == "__main__":
    main(int(sys.argv[1]))
