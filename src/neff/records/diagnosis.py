"""What `neff doctor` found out: the result of `neff.diagnose`."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from neff.results import Column, Table
from neff.results.plain import clean, middle_cut

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Diagnosis", "FileDiagnosis"]

_FEW = 3
"""More files than these are shown as a table."""


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
        What can be computed from it; what cannot, and why. One sentence each.
    has, lacks
        The same in words: "scores", "pairs", "repeats", "clusters", "labels", "log-probs", "weights".
    command
        The command to run on this file alone, empty where it cannot be read.
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
    has: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    command: str = ""
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
            "has": list(self.has),
            "lacks": list(self.lacks),
            "command": self.command,
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        lines = [f"{clean(self.path)}: {self.format}"]
        if self.problem:
            lines.append(f"  problem   {clean(self.problem)}")
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
        lines += [f"  can       {clean(sentence)}" for sentence in self.can]
        lines += [f"  missing   {clean(sentence)}" for sentence in self.missing]
        lines += [f"  note      {clean(sentence)}" for sentence in self.notes]
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
            Column("has", "Has"),
            Column("lacks", "Lacks"),
            Column("problem", "Problem"),
        )
        return Table(columns, tuple((file.path, *_cells(file), file.problem) for file in self.files), "Files")

    def _overview(self) -> str:
        """Return a table of the files that can be read, and a line on each other one."""
        folder = _folder([file.path for file in self.files])
        read = [file for file in self.files if not file.problem]
        whole = self.table()
        rows = tuple((file.path.removeprefix(folder), *_cells(file)) for file in read)
        parts = []
        if read:
            title = f"{len(read)} of {len(self.files)} files can be read" + (f", in {clean(folder)}" if folder else "")
            table = Table(whole.columns[:-1], rows, title)
            parts += [f"{title}\n{table}", f"run on one file: {clean(_on_one(read[0]))}"]
        unread = [
            f"  {clean(file.path.removeprefix(folder))} ({file.format}): {clean(file.problem)}"
            for file in self.files
            if file.problem
        ]
        if unread:
            parts.append("\n".join(["not read:", *unread]))
        return "\n\n".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "files": [file.to_dict() for file in self.files],
            "together": None if self.together is None else self.together.to_dict(),
            "command": self.command,
        }

    def readable(self) -> bool:
        """Return whether anything can be computed: some file can be read."""
        return any(not file.problem for file in self.files)

    def __str__(self) -> str:
        if len(self.files) > _FEW:
            parts = [self._overview()]
        elif len(self.files) > 1:
            parts = [f"{file}\n  run       {clean(file.command)}" if file.command else str(file) for file in self.files]
        else:
            parts = [str(self.files[0])]
        if self.together is not None:
            parts.append(str(self.together))
        if self.command:
            parts.append(f"run: {clean(self.command)}")
        return "\n\n".join(parts)


def _cells(file: FileDiagnosis) -> tuple[Any, ...]:
    low, high = file.draws
    return (
        file.format,
        file.n_rows,
        len(file.models),
        file.n_items,
        str(low) if low == high else f"{low}–{high}",
        file.n_unscored,
        ", ".join(file.has),
        ", ".join(file.lacks),
    )


def _folder(paths: list[str]) -> str:
    """Return the folder that all paths begin with, with its last slash, or nothing."""
    if not all("/" in path for path in paths) or len({path.startswith("/") for path in paths}) > 1:
        return ""
    common = os.path.commonpath([path.rpartition("/")[0] or "/" for path in paths])
    return common.rstrip("/") + "/" if common else ""


def _on_one(file: FileDiagnosis) -> str:
    return file.command.replace(shlex.quote(file.path), "FILE")


def _listed(names: Iterable[str], most: int = 8) -> str:
    shown = list(names)
    more = f" and {len(shown) - most} more" if len(shown) > most else ""
    return ", ".join(middle_cut(clean(name), 80) for name in shown[:most]) + more
