"""The names of columns in the footer of a Parquet file, without an engine: enough to recognise a producer."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["column_names"]

_MAGIC = b"PAR1"
_MOST = 1 << 22
_NAME = re.compile(rb"[\x18\x48]([\x01-\x7f])")
"""How a name starts in the compact encoding: field 4, text, after field 3 (or first, of the root), then its length."""


def column_names(path: Path) -> tuple[str, ...]:
    """Return what looks like names of columns, nested ones too, in their order; empty where there is no footer.

    A name of up to 127 bytes is found. What only looks like a name may be in between, so ask for several names.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 8))
            tail = file.read(8)
            length = int.from_bytes(tail[:4], "little")
            if tail[4:] != _MAGIC or not 0 < length <= min(size, _MOST):
                return ()
            file.seek(size - 8 - length)
            footer = file.read(length)
    except (OSError, ValueError):
        return ()
    found = []
    for match in _NAME.finditer(footer):
        name = footer[match.end() : match.end() + match[1][0]]
        if name.isascii() and name.decode("ascii").isprintable():
            found.append(name.decode("ascii"))
    return tuple(found)
