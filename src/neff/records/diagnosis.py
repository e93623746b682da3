"""What `neff doctor` found out: the result of `neff.diagnose`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from neff.results import Column, Table

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Diagnosis", "FileDiagnosis"]


@dataclass(frozen=True, slots=True)
class FileDiagnosis:
    """What one file is.

    Attributes
    ----------
    path, format
        Where it is; the name of the format, "unknown" where none fits.
    problem
        Why it cannot be read, with the fix; empty where it can.
    columns
        (name, role) of each column, role "" where it has none. Empty for logs whose columns are known.
    n_rows, n_unscored
        Draws, and those without a score.
    tasks, metrics, models
        Their names, sorted.
    n_items
        Number of items.
    draws
        Least and most draws of one model on one item.
    can, missing
        What can be computed from it; what cannot, and why.
    notes
        What the reader has to say.
    """

    path: str
    format: str
    problem: str = ""
    columns: tuple[tuple[str, str], ...] = ()
    n_rows: int = 0
    n_unscored: int = 0
    tasks: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    n_items: int = 0
    draws: tuple[int, int] = (0, 0)
    can: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "path": self.path,
            "format": self.format,
            "problem": self.problem,
            "columns": [{"name": name, "role": role} for name, role in self.columns],
            "n_rows": self.n_rows,
            "n_unscored": self.n_unscored,
            "tasks": list(self.tasks),
            "metrics": list(self.metrics),
            "models": list(self.models),
            "n_items": self.n_items,
            "draws": list(self.draws),
            "can": list(self.can),
            "missing": list(self.missing),
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        lines = [f"{self.path}: {self.format}"]
        if self.problem:
            lines.append(f"  problem   {self.problem}")
        if self.columns:
            lines.append(f"  columns   {_listed(name + (f' ({role})' if role else '') for name, role in self.columns)}")
        if self.n_rows:
            low, high = self.draws
            each = f"{low}" if low == high else f"{low} to {high}"
            lines += [
                f"  rows      {self.n_rows:,} draws, {self.n_unscored:,} unscored",
                f"  models    {len(self.models)}: {_listed(self.models)}",
                f"  items     {self.n_items:,}, {each} draw(s) of each model",
                f"  tasks     {len(self.tasks)}: {_listed(self.tasks)}",
                f"  metrics   {len(self.metrics)}: {_listed(self.metrics)}",
            ]
        lines += [f"  can       {sentence}" for sentence in self.can]
        lines += [f"  missing   {sentence}" for sentence in self.missing]
        lines += [f"  note      {sentence}" for sentence in self.notes]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What `neff doctor` prints.

    Attributes
    ----------
    files
        One `FileDiagnosis` per file, in the order of their paths.
    together
        All readable files as one table; None where there are fewer than two.
    command
        The command to run next.
    """

    files: tuple[FileDiagnosis, ...]
    together: FileDiagnosis | None
    command: str

    def table(self) -> Table:
        """Return one row per file."""
        columns = (
            Column("path", "File"),
            Column("format", "Format"),
            Column("n_rows", "Draws", "count"),
            Column("n_models", "Models", "count"),
            Column("n_items", "Items", "count"),
            Column("draws", "Draws/item"),
            Column("n_unscored", "Unscored", "count"),
            Column("problem", "Problem"),
        )
        rows = tuple(
            (
                file.path,
                file.format,
                file.n_rows,
                len(file.models),
                file.n_items,
                str(file.draws[0]) if file.draws[0] == file.draws[1] else f"{file.draws[0]}–{file.draws[1]}",
                file.n_unscored,
                file.problem,
            )
            for file in self.files
        )
        return Table(columns, rows, "Files")

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "files": [file.to_dict() for file in self.files],
            "together": None if self.together is None else self.together.to_dict(),
            "command": self.command,
        }

    def readable(self) -> bool:
        """Return whether anything can be computed: some file is readable, and they fit together."""
        whole = self.together or self.files[0]
        return not whole.problem

    def __str__(self) -> str:
        parts = [str(self.table())] if len(self.files) > 3 else [str(file) for file in self.files]
        if self.together is not None:
            parts.append(str(self.together))
        if self.command:
            parts.append(f"run: {self.command}")
        return "\n\n".join(parts)


def _listed(names: Iterable[str], most: int = 8) -> str:
    shown = list(names)
    more = f" and {len(shown) - most} more" if len(shown) > most else ""
    return ", ".join(shown[:most]) + more
