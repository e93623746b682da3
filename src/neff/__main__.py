"""`neff` and `python -m neff`."""

from __future__ import annotations

import sys

from neff.cli.app import main as run


def main() -> None:
    """Run the command line and leave with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        # A name in a log that the terminal cannot show must not lose the result.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
