"""`neff doctor`."""

from __future__ import annotations

from neff.cli.options import NO_COLUMNS, Columns, Flag, Input

__all__ = ["doctor"]


def doctor(*path: Input, columns: Columns = NO_COLUMNS, json: Flag = False) -> int:
    """Say what a file or folder is, what can be computed from it, and what could not be read, and why.

    For example:
      neff doctor scores.csv
      neff doctor runs/ --json

    The exit code is 3 where nothing can be computed.

    Parameters
    ----------
    path
        Files or folders; - is stdin.
    json
        One JSON object on stdout.
    """
    from json import dumps

    from neff.cli.progress import progress
    from neff.cli.records import as_given, column_names, existing
    from neff.cli.streams import show
    from neff.cli.verbs import Exit
    from neff.records import diagnose
    from neff.report.text import clean

    given = as_given(existing(path, "doctor"))
    with progress("reading"):
        found = diagnose(given, **column_names(columns))
    if json:
        show(dumps(found.to_dict(), indent=1, allow_nan=False))
    else:
        show("\n".join(clean(line) for line in str(found).split("\n")))
    return Exit.DONE if found.readable() else Exit.UNREADABLE
