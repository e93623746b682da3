"""`neff demo`."""

from __future__ import annotations

from shutil import get_terminal_size
from textwrap import fill

from neff.cli.options import NO_OUTPUT, Number, Output

__all__ = ["demo"]


def demo(*, level: Number = 0.95, output: Output = NO_OUTPUT) -> int:
    """Evaluate the bundled example records: real measurements whose truth is known. No network is used.

    For example:
      neff demo
      neff demo -o report.html

    Parameters
    ----------
    level
        Coverage of the intervals.
    """
    from neff.cli.delivery import prepare
    from neff.cli.progress import progress
    from neff.cli.streams import show
    from neff.example import demonstrate

    delivery = prepare(output)
    with progress("computing", quiet=output.quiet):
        shown = demonstrate(level=level)
    if delivery.format != "table":
        delivery.put_out(shown.calibrated, [f"note: {note}" for note in shown.calibrated.notes])
        return 0
    delivery.write_files(shown.calibrated)
    show(_wrapped(str(shown)))
    return 0


def _wrapped(text: str) -> str:
    """Fold the sentences to the width of the terminal; tables stay as they are."""
    width = min(get_terminal_size((100, 24)).columns, 110)
    return "\n\n".join(part if "\n" in part else fill(part, width) for part in text.split("\n\n"))
