"""`neff convert`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from neff.cli.options import COLUMNS, NO_COLUMNS, OUTPUT, Columns, Input, Names

__all__ = ["convert"]

Target = Annotated[Path | None, Parameter(name=("--output", "-o"), group=OUTPUT, show_default=False)]
Quiet = Annotated[bool, Parameter(name=("--quiet", "-q"), group=OUTPUT, show_default=False)]


def convert(
    *records: Input,
    output: Target = None,
    keep: Annotated[Names, Parameter(group=COLUMNS)] = (),
    columns: Columns = NO_COLUMNS,
    quiet: Quiet = False,
) -> int:
    """Any tool's logs as one long table: Parquet, CSV, JSON Lines, or a store of Every-Eval-Ever.

    For example:
      neff convert runs/ -o draws.parquet
      neff convert log.eval -o draws.csv --keep metadata.topic
      neff convert runs/ -o store/

    One row per draw, under the names that neff finds by itself: reading the table again gives the same records.

    Parameters
    ----------
    records
        Files or folders of records; - is stdin.
    output
        File to write, its format by suffix (.parquet .csv .jsonl), or a folder for Every-Eval-Ever.
    keep
        Another column to keep; all by default. Repeatable.
    quiet
        No notes and no progress on stderr.
    """
    from neff.cli.progress import progress
    from neff.cli.records import as_given, column_names, existing
    from neff.cli.streams import say
    from neff.errors import ArgumentError
    from neff.report import convert as run

    paths = as_given(existing(records, "convert"))
    if output is None:
        raise ArgumentError("output", "a file or a folder", "none", "For example: neff convert runs/ -o draws.parquet.")
    target = f"{output}/" if not output.suffix else output  # a name without suffix is a folder
    with progress("converting", quiet=quiet):
        done = run(paths, target, keep=keep or None, by_file=columns.by_file, **column_names(columns))
    if not quiet:
        for unread in done.unread:
            say(f"not read: {unread.path}: {unread.reason}")
        for note in done.notes:
            say(f"note: {note}")
        say(f"wrote {done.path}: {done.n_draws:,} draws")
    return 0
