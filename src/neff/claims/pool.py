"""A few workers at a time: get one for a target, and wait for what any of them has to say."""

from __future__ import annotations

import select
from time import monotonic
from typing import TYPE_CHECKING, Self

from neff.claims.process import Worker

if TYPE_CHECKING:
    from neff.claims.outcome import Outcome
    from neff.claims.process import Target, Task

__all__ = ["Pool"]


class Pool:
    """At most `size` workers; all of them are ended when the block ends, however it ends.

    Parameters
    ----------
    size
        Workers at a time.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.workers: list[Worker] = []
        self._cold: set[Target] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers:
            worker.close()

    def worker(self, target: Target) -> Worker | None:
        """Return an idle worker of the target, or start one (it is idle later), or None where all are busy."""
        own = [w for w in self.workers if w.target == target and w.task is None]
        if own:
            return min(own, key=lambda w: not w.idle)
        if len(self.workers) >= self.size:
            idle = [w for w in self.workers if w.idle]
            if not idle:
                return None
            self._end(idle[-1])
        self.workers.append(Worker(target, cold=target in self._cold))
        return self.workers[-1]

    def keep_out(self, target: Target) -> None:
        """Let children of this target import it themselves from now on: its import leaves threads running."""
        self._cold.add(target)
        for worker in [w for w in self.workers if w.target == target and w.task is None and not w.cold]:
            self._end(worker)

    def wait(self, until: float = float("inf")) -> list[tuple[Worker, Task | None, Outcome | None]]:
        """Wait until a worker says something, or the clock shows `until`.

        Returns
        -------
        list
            (worker, its task, outcome of the task) for each task that ended, and (worker, None, None) for each import.
        """
        ends = {end: w for w in self.workers for end in (w.channel, w.output)}
        first = min([until, *(w.deadline for w in self.workers)])
        seconds = None if first == float("inf") else max(first - monotonic(), 0.0)
        ready, _, _ = select.select(list(ends), [], [], seconds)
        said: list[tuple[Worker, Task | None, Outcome | None]] = []
        for w in list(self.workers):
            task, importing = w.task, w.listing is None
            outcome = w.read() if w.channel in ready or w.output in ready else None
            if outcome is None and w.channel >= 0:
                outcome = w.overdue()
            if outcome is not None:
                said.append((w, task, outcome))
            elif importing and w.listing is not None:
                said.append((w, None, None))
            if w.channel < 0:
                self.workers.remove(w)
        return said

    def _end(self, worker: Worker) -> None:
        worker.close()
        self.workers.remove(worker)
