"""Records of any size: small ones as rows in memory, large ones as per-item sums that are streamed or spread out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from neff.errors import ArgumentError, NeffError
from neff.records.detect import detect
from neff.records.drawsets import TooManyDrawsError
from neff.records.files import is_paths
from neff.records.read import as_records
from neff.records.streaming import NeedsRowsError
from neff.records.summary import ItemSums
from neff.records.sums import summarise

if TYPE_CHECKING:
    from neff.records.table import Records

__all__ = ["Engine", "is_large", "load"]

Engine: TypeAlias = Literal["auto", "memory", "stream", "ray"]
_SHARE = 0.5
"""Part of the memory that rows may take before `engine="auto"` streams them."""
_PER_ROW = 100
"""Bytes that a row of Parquet takes in memory for a moment."""
_PER_BYTE = 3
"""The same for a byte of text, which holds what is read and what is skipped."""
_PACKED = 8
"""Bytes of text in one byte of gzip."""


def load(
    data: Any, *, engine: Engine = "auto", rows: bool = False, labels: bool = True, **options: Any
) -> Records | ItemSums:
    """Return `Records`, or `ItemSums` where the rows would not fit.

    Parameters
    ----------
    data
        As in `as_records`; or `ItemSums`, or a Ray dataset.
    engine
        "memory", "stream", "ray", or "auto": stream files that would take more than half of the memory.
    rows
        Whether rows are needed, and sums do not do.
    labels
        Whether labels matter; where there are some, rows are needed.
    **options
        As in `read`.

    Raises
    ------
    ArgumentError
        If the engine is unknown, or cannot do what is asked.
    RecordsError
        If the records cannot be read.
    """
    if engine not in get_args(Engine):
        raise ArgumentError("engine", f"one of {', '.join(get_args(Engine))}", engine, call="evaluate")
    if isinstance(data, ItemSums):
        if rows:
            raise ArgumentError("estimator", "auto or mean for sums", "another one", "Give the rows.", call="evaluate")
        return data
    if rows and engine in ("stream", "ray"):
        fix = "Use memory, or take the mean score as it stands (estimator mean)."
        raise ArgumentError("engine", "auto or memory where labels or weights of answers are used", engine, fix)
    if engine == "ray" or _is_ray(data):
        from neff.records.on_ray import sums_on_ray

        return sums_on_ray(data, labels=labels, **options)
    if engine == "memory" or rows or not is_paths(data) or (engine == "auto" and not is_large(data)):
        return as_records(data, **options)
    try:
        return summarise(data, labels=labels, **options)
    except (NeedsRowsError, TooManyDrawsError):
        if engine == "stream":
            raise
    return as_records(data, **options)


def _is_ray(data: object) -> bool:
    return type(data).__module__.split(".")[:2] == ["ray", "data"]


def is_large(paths: Any) -> bool:
    """Return whether rows of these files would take more than their share of the memory."""
    names = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    if any(os.fspath(name) == "-" or not Path(name).exists() for name in names):
        return False  # standard input can be read once
    roots = [Path(name) for name in names]
    found = [file for root in roots for file in (root.rglob("*") if root.is_dir() else [root]) if file.is_file()]
    limit = _SHARE * _memory()
    if sum(file.stat().st_size for file in found) * _PER_BYTE * _PACKED < limit:
        return False  # the usual case: nothing is opened
    return sum(map(_in_memory, found)) > limit


def _in_memory(file: Path) -> float:
    """Return the bytes that the rows of a file take in memory."""
    try:
        with file.open("rb") as content:
            start = content.read(4)
        if start == b"PAR1":
            count = detect(file).count
            return 0.0 if count is None else _PER_ROW * count(file)
    except (NeffError, OSError):
        return 0.0  # whoever reads it will say what is wrong
    return file.stat().st_size * _PER_BYTE * (_PACKED if start.startswith(b"\x1f\x8b") else 1)


def _memory() -> int:
    """Return the bytes of memory that this process may use."""
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
        return min(whole, int(limit))
    except (OSError, ValueError):  # no limit, or another system
        return whole
