"""The tables of files: those that were read, and those that were not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from neff.report.text import Name
from neff.results import Column, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neff.evaluate.result import Evaluation

__all__ = ["sources_table", "unread_table"]

SOURCE_TITLES = {"sha256": "SHA-256", "n_rows": "Rows", "path": "File"}


def unread_table(evaluation: Evaluation) -> Table:
    """Return the files that were not read."""
    columns = (Column("path", "File"), Column("reason", "Why it was not read"))
    return Table(columns, tuple((Name(u.path), Name(u.reason)) for u in evaluation.unread))


def sources_table(evaluation: Evaluation) -> Table | None:
    """Return the files that were read, or None where that is not known."""
    sources = evaluation.provenance.sources if evaluation.provenance else ()
    names = [name for name in dict.fromkeys(str(key) for source in sources for key in source) if name != "notes"]
    if not names:
        return None
    columns = tuple(
        Column(name, SOURCE_TITLES.get(name, name.replace("_", " ").capitalize()), _kind(sources, name))
        for name in names
    )
    rows = tuple(
        tuple(value if _is_count(value) else Name(value) for value in (source.get(name, "") for name in names))
        for source in sources
    )
    return Table(columns, rows)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _kind(sources: Sequence[Any], name: str) -> Any:
    return "count" if all(_is_count(source.get(name)) for source in sources) else "text"
