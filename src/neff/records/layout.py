"""Find the role of each column of one file: named by the caller, or by the names that people use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from neff.errors import ArgumentError
from neff.records.finder import SYNONYMS, Finder, is_glob, normal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from neff.records.columns import ColumnMap
    from neff.records.reader import Keep

__all__ = ["Layout", "Use", "find_layout"]

Use: TypeAlias = Literal["key", "number", "any"]
"""How a reader delivers a column: names (`Factor`), numbers (NaN = missing), or what it holds."""

_ONE_WAY = "Give --score with one --model column, or the score columns as --model A --model B."
_SECOND = "cluster_2"
_DIRECTION = "lower_is_better"
_OPTIONAL = ("draw", "task", "metric", "cluster", "label", "weight")
_WHY = {
    "draw": "to number the repeats",
    "task": "for one result per task",
    "metric": "for one result per metric",
    "cluster": "to group the items",
    "label": "to use the oracle labels",
    "weight": "to weight the rows",
}


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of one file, each with its role.

    Attributes
    ----------
    item, model, score, draw, task, metric, label, weight, target
        Name of the column, or None. `model` None: all rows are of one model, unless `models` are columns.
    models
        Wide files: the columns that hold one model's scores (or predictions, with `target`) each.
    clusters
        Up to two grouping columns.
    direction
        Column that says of each row's metric whether lower is better; found by its name, `lower_is_better`, only.
    extra
        Other columns to keep.
    guessed
        Roles found by the name of the column, not named by the caller.
    loose
        Model columns that were not named one by one; those that hold no scores are left out with a note.
    notes
        Sentences about columns that were not used but would matter.
    """

    item: str
    model: str | None = None
    models: tuple[str, ...] = ()
    score: str | None = None
    draw: str | None = None
    task: str | None = None
    metric: str | None = None
    clusters: tuple[str, ...] = ()
    label: str | None = None
    weight: str | None = None
    target: str | None = None
    direction: str | None = None
    extra: tuple[str, ...] = ()
    guessed: frozenset[str] = frozenset()
    loose: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()

    def answers(self) -> tuple[str, ...]:
        """Return the columns that hold scores, or predictions where there is a target."""
        return self.models or ((self.score,) if self.score else ())

    def roles(self) -> dict[str, str]:
        """Return the role of each used column, in words."""
        pairs: list[tuple[str | None, str]] = [(name, "score") for name in self.answers()]
        if self.models:
            pairs = [(name, "model (its scores)") for name in self.models]
        if self.target:
            pairs = [(name, role.replace("score", "prediction")) for name, role in pairs]
        pairs += [(cluster, "cluster") for cluster in self.clusters]
        pairs += [(self.direction, "lower is better")]
        pairs += [
            (getattr(self, role), role)
            for role in ("item", "model", "draw", "task", "metric", "label", "weight", "target")
        ]
        found: dict[str, str] = {}
        for name, role in pairs:
            if name is not None:
                found[name] = f"{found[name]}, {role}" if name in found else role
        return found

    def uses(self) -> dict[str, Use]:
        """Return how each column must be delivered; names win over numbers, for they lose nothing."""
        uses: dict[str, Use] = dict.fromkeys(self.extra, "any")
        for role in ("label", "weight"):
            name = getattr(self, role)
            if name is not None:
                uses[name] = "any" if role in self.guessed else "number"
        for name in self.answers():
            uses[name] = "key" if self.target else "any" if name in self.loose else "number"
        keys = (self.item, self.model, self.draw, self.task, self.metric, self.target, self.direction, *self.clusters)
        return uses | {name: "key" for name in keys if name is not None}


def find_layout(columns: ColumnMap, names: Sequence[str], *, path: Path | str | None, keep: Keep) -> Layout:
    """Find the role of each column; see `ColumnMap.resolve`."""
    finder = Finder(tuple(names), path)
    found: dict[str, str] = {}
    for role in ("item", "score", "draw", "task", "metric", "label", "weight", "target"):
        name = getattr(columns, role)
        if name is not None:
            found[role] = finder.check(name, role)
    clusters = tuple(finder.check(name, "cluster") for name in columns.clusters())
    asked = columns.model_names()
    wide = columns.wide or len(asked) > 1 or any(is_glob(name, finder.names) for name in asked)
    if wide and columns.score is not None:
        raise ArgumentError(
            "score", "left out where each model has its own column", columns.score, _ONE_WAY, call="columns"
        )
    if asked and not wide:
        found["model"] = finder.check(asked[0], "model")

    finder.taken = {*found.values(), *clusters, *(name for name in asked if name in finder.names)}
    guessed = []
    for role in (*(() if wide else ("score", "model")), "item", *(() if columns.named() else _OPTIONAL)):
        name = None if role in found else finder.find(role, predictions=columns.target is not None)
        if name is not None:
            found[role] = name
            finder.taken.add(name)
            guessed.append(role)
    if "cluster" in found:
        clusters = (found.pop("cluster"),)
        if clusters == ("cluster",) and _SECOND in finder.names:
            clusters = ("cluster", _SECOND)
    if _DIRECTION in finder.names and _DIRECTION not in finder.taken:
        found["direction"] = _DIRECTION
    if "item" not in found:
        raise finder.missing("item", "Name it: --item COLUMN.")
    roles = {*found.values(), *clusters, *(() if isinstance(keep, str) else keep)}  # a column to keep is no model
    models, loose = finder.model_columns(asked, roles) if wide else ((), frozenset[str]())
    if not wide and "score" not in found:
        raise finder.missing(
            "score",
            "Name it: --score COLUMN; if each model has its own column: --model A --model B, or --wide.",
        )
    used = {*found.values(), *clusters, *models}
    other = tuple(name for name in finder.names if name not in used)
    return Layout(
        **found,
        models=models,
        clusters=clusters,
        extra=_kept(finder, other, keep),
        guessed=frozenset(guessed),
        loose=loose,
        notes=_unused(other, found, clusters),
    )


def _kept(finder: Finder, other: Iterable[str], keep: Keep) -> tuple[str, ...]:
    if keep == "all":
        return tuple(other)
    if keep == "mapped":
        return ()
    asked = {finder.check(name, "keep") for name in keep}
    return tuple(name for name in other if name in asked)


def _unused(other: Iterable[str], found: dict[str, str], clusters: tuple[str, ...]) -> tuple[str, ...]:
    """Say which columns have a name of a role that nobody plays; a repeat by another name is too common to mention."""
    open_roles = [role for role in _OPTIONAL if role not in found and not (role == "cluster" and clusters)]
    names = {role: (role, *(SYNONYMS[role] if role != "draw" else ())) for role in open_roles}
    return tuple(
        f"column {name!r} was not used; add --{role} {name} {_WHY[role]}"
        for name in other
        for role in open_roles
        if normal(name) in names[role]
    )
