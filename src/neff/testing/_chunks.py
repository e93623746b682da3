"""What a reader that works part by part must do: give the same sums whatever the size of the parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neff.records.merging import fold
from neff.records.streaming import Request, chunk_sums, summed_layout
from neff.records.summary import ItemSums
from neff.records.table import Source

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from neff.records.columns import ColumnMap
    from neff.records.reader import Reader
    from neff.records.table import Records

__all__ = ["chunking"]

_SIZES = (1, 7, 1 << 20)


def chunking(reader: Reader, path: Path, columns: ColumnMap, whole: Records) -> Iterator[str]:
    """Yield one sentence per broken property of `Reader.chunks` and `Reader.count`."""
    if reader.chunks is None:
        return
    if reader.header is None:
        yield "it reads in parts, but gives no header."
        return
    layout = columns.resolve(tuple(reader.header(path)), path=path, keep="mapped")
    if layout.loose or layout.target is not None:
        return  # such tables are read whole
    request = Request(columns, labels=False, distinct=False)
    layout = summed_layout(layout, request, str(path))
    source = Source(str(path), reader.name, 0)
    expected = _bits(ItemSums.of(whole))
    model = whole.model.levels[0]
    ranges: list[range | None] = [None]
    if reader.count is not None:
        n = reader.count(path)
        n_models = len(layout.models) or 1
        if n * n_models != len(whole):
            yield f"it counts {n:,} rows, {len(whole):,} were read."
            return
        ranges.append(range(n))
    for size in _SIZES:
        for rows in ranges:
            parts = reader.chunks(path, layout, size, rows)
            sums = fold(chunk_sums(chunk, layout, request, source, model) for chunk in parts)
            if _bits(sums) != expected:
                yield f"parts of about {size:,} rows do not add up to the whole."
    if reader.count is not None:
        halves = [range(n // 2), range(n // 2, n)] if n > 1 else [range(n)]
        parts = (chunk for rows in halves for chunk in reader.chunks(path, layout, None, rows))
        if _bits(fold(chunk_sums(chunk, layout, request, source, model) for chunk in parts)) != expected:
            yield "two ranges of rows do not add up to the whole."


def _bits(sums: ItemSums) -> list[object]:
    names = [factor.names() for factor in (sums.metric, sums.task, sums.item, sums.model)]
    return [*names, *(a.tobytes() for a in (sums.n, sums.n_unscored, sums.means(), sums.within()))]
