"""One line on a terminal for anything that takes longer than two seconds; nothing anywhere else."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from threading import Event, Thread
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["progress"]

PATIENCE = 2.0
"""Seconds before the line appears."""


@contextmanager
def progress(doing: str, *, quiet: bool = False) -> Iterator[Callable[[str], None]]:
    """Show what is being done, on stderr, while the block runs; it gets a function that changes the words.

    Parameters
    ----------
    doing
        A few words, such as "reading".
    quiet
        Show nothing.
    """
    words = [doing]

    def say(text: str) -> None:
        words[0] = text

    if quiet or not sys.stderr.isatty():
        yield say
        return
    done = Event()
    line = Thread(target=_tick, args=(words, done), daemon=True)
    line.start()
    try:
        yield say
    finally:
        done.set()
        line.join()


def _tick(words: list[str], done: Event) -> None:
    started = monotonic()
    if done.wait(PATIENCE):
        return
    while True:
        sys.stderr.write(f"\rneff: {words[0]} ... {monotonic() - started:.0f} s\x1b[K")
        sys.stderr.flush()
        if done.wait(0.5):
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            return
