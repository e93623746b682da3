"""One line on a terminal for anything that takes longer than two seconds; nothing anywhere else."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from threading import Event, Thread
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["progress"]

PATIENCE = 2.0
"""Seconds before the line appears."""


@contextmanager
def progress(doing: str, *, quiet: bool = False) -> Iterator[None]:
    """Show what is being done, on stderr, while the block runs.

    Parameters
    ----------
    doing
        A few words, such as "reading".
    quiet
        Show nothing.
    """
    if quiet or not sys.stderr.isatty():
        yield
        return
    done = Event()
    line = Thread(target=_tick, args=(doing, done), daemon=True)
    line.start()
    try:
        yield
    finally:
        done.set()
        line.join()


def _tick(doing: str, done: Event) -> None:
    started = monotonic()
    if done.wait(PATIENCE):
        return
    while True:
        sys.stderr.write(f"\rneff: {doing} ... {monotonic() - started:.0f} s")
        sys.stderr.flush()
        if done.wait(0.5):
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            return
