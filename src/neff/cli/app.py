"""`main(argv) -> exit code`: the fast path without a parser, then the parser with lazily imported verbs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neff.cli.streams import show
from neff.cli.verbs import ROOMS, VERBS, Exit, exit_codes, overview
from neff.errors import ArgumentError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cyclopts import App

__all__ = ["build", "main"]


def main(argv: Sequence[str]) -> int:
    """Run one command line.

    Parameters
    ----------
    argv
        The words after `neff`.

    Returns
    -------
    int
        The exit code, see `neff.cli.verbs.Exit`.

    Examples
    --------
    >>> main(["--version"])
    neff 0.1.0
    0
    """
    if not argv or argv[0] in ("--help", "-h"):
        show(overview())
        return Exit.DONE
    if argv[0] in ("--version", "-V"):
        from neff import __version__

        show(f"neff {__version__}")
        return Exit.DONE
    from neff.cli.failure import guarded

    return guarded(_dispatch, list(argv))


def build() -> App:
    """Return the parser with every verb; a verb's module is imported when it is called.

    Raises
    ------
    MissingExtraError
        If cyclopts is not installed.
    """
    try:
        from cyclopts import App, Parameter
    except ImportError as error:
        raise MissingExtraError("The command line", "cli") from error
    from neff import __version__

    app = App(
        name="neff",
        version=__version__,
        help="What is a sample worth, and what should I do about it?",
        help_format="plaintext",
        default_parameter=Parameter(negative=()),
        result_action="return_value",
        suppress_keyboard_interrupt=False,
    )
    rooms = {word: App(name=word, help=purpose, version_flags=()) for word, purpose in ROOMS.items()}
    for verb in VERBS:
        *room, name = verb.words
        home = rooms[room[0]] if room else app
        usage = " ".join(filter(None, ("Usage: neff", verb.name, verb.arguments, "[OPTIONS]")))
        home.command(verb.target, name=name, usage=usage, help_epilogue=exit_codes())
    for room_app in rooms.values():
        app.command(room_app)
    return app


def _hint(word: str, names: list[str]) -> str:
    from difflib import get_close_matches

    if word.startswith("-"):
        return "The verb comes first, its options after it."
    close = get_close_matches(word, names, n=1)
    return f"Did you mean {close[0]!r}?" if close else "See `neff --help`."


def _with_stdin(argv: list[str]) -> list[str]:
    """Give a lone hyphen, which means stdin and which the parser takes for an option, a name."""
    from neff.cli.records import STDIN

    takes_value = ("-o", "--output")
    return [STDIN if word == "-" and argv[j - 1] not in takes_value else word for j, word in enumerate(argv)]


def _dispatch(argv: list[str]) -> int:
    names = list(dict.fromkeys(verb.words[0] for verb in VERBS))
    if argv[0] not in names:
        raise ArgumentError("verb", f"one of {', '.join(names)}", argv[0], _hint(argv[0], names))
    if argv[0] in ROOMS and len(argv) > 1 and not argv[1].startswith("-"):
        inner = [verb.words[1] for verb in VERBS if verb.words[0] == argv[0]]
        if argv[1] not in inner:
            raise ArgumentError(f"neff {argv[0]}", f"one of {', '.join(inner)}", argv[1], _hint(argv[1], inner))
    code = build()(_with_stdin(argv), exit_on_error=False, print_error=False)
    return Exit.DONE if code is None else int(code)
