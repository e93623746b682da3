"""stdout is the result and nothing else; everything else goes to stderr, one line each."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from neff.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

__all__ = ["say", "show", "stdout", "visible"]


def visible(text: str) -> str:
    """Return text on one line, control characters spelled out: a file name must not move the cursor.

    Examples
    --------
    >>> visible("a" + chr(27) + "[31mb" + chr(10) + "c") == "a" + chr(92) + "x1b[31mb c"
    True
    """
    flat = " ".join(text.split())
    return "".join(ch if ch.isprintable() else ch.encode("unicode_escape").decode() for ch in flat)


def say(text: str) -> None:
    """Write one line to stderr, where notes and errors go."""
    try:
        print(f"neff: {visible(text)}", file=sys.stderr, flush=True)  # noqa: T201
    except (BrokenPipeError, ValueError):  # nobody reads stderr any more; the exit code still tells
        return


def show(text: str) -> None:
    """Write the result to stdout."""
    with stdout() as stream:
        stream.write(text if text.endswith("\n") else text + "\n")


@contextmanager
def stdout() -> Iterator[TextIO]:
    """Yield stdout; a reader that went away (`| head`) is no error, a full disk is.

    Raises
    ------
    OutputError
        If stdout cannot be written.
    """
    try:
        yield sys.stdout
        sys.stdout.flush()
    except BrokenPipeError:
        _point_nowhere()
    except OSError as error:
        _point_nowhere()
        raise OutputError(
            f"cannot write to stdout: {error.strerror or error}. Give a file instead: -o FILE."
        ) from error


def _point_nowhere() -> None:
    """Replace stdout's descriptor, so that the interpreter does not complain about the pipe at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, sys.stdout.fileno())
    except (OSError, ValueError, AttributeError):  # a stdout without a descriptor has nothing to replace
        pass
    finally:
        os.close(nowhere)
