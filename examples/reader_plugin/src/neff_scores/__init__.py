"""Read `.scores` files: a first line `#scores MODEL`, then one `ITEM SCORE` per line; `-` is unscored."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from neff.errors import RecordsError
from neff.records import Reader, Records, Source

if TYPE_CHECKING:
    from pathlib import Path

    from neff.records import ColumnMap

__all__ = ["READER"]


def _sniff(path: Path, head: bytes) -> bool:  # noqa: ARG001  (the name of a file says little)
    return head.startswith(b"#scores ")


def _read(path: Path, columns: ColumnMap, keep: object) -> Records:  # noqa: ARG001  (this format has no columns)
    first, _, rest = path.read_text(encoding="utf-8").partition("\n")
    model = first.removeprefix("#scores").strip()
    items, scores = [], []
    for number, line in enumerate(rest.splitlines(keepends=True), 2):
        if not line.endswith("\n"):
            raise RecordsError("the last line is cut off.", "Write the file again.", path=path, line=number)
        try:
            item, score = line.split()
            scores.append(math.nan if score == "-" else float(score))
        except ValueError as error:
            raise RecordsError("this is not ITEM SCORE.", "Write the file again.", path=path, line=number) from error
        items.append(item)
    if not model or not items:
        raise RecordsError("the file names no model, or has no scores.", "Write the file again.", path=path)
    return Records.build(
        item=items,
        model=[model] * len(items),
        score=scores,
        sources=(Source(str(path), READER.name, len(items)),),
    )


READER = Reader(name="scores", mapped=False, sniff=_sniff, read=_read)
