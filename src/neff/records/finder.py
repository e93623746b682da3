"""Find columns by name: the names that people use for each role, near matches, patterns."""

from __future__ import annotations

from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from neff.errors import RecordsError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["SYNONYMS", "Finder", "is_glob", "listing", "normal"]

SYNONYMS: dict[str, tuple[str, ...]] = {
    "item": ("item_id", "question_id", "prompt_id", "doc_id", "sample_id", "id"),
    "model": ("model_id", "model_name", "policy", "system"),
    "score": ("acc", "accuracy", "correct", "exact_match", "value", "judge_score", "reward"),
    "draw": ("epoch", "repeat", "trial", "seed"),
    "task": ("task_name", "dataset", "benchmark", "subset"),
    "metric": (),
    "cluster": ("passage", "group"),
    "label": ("oracle_label",),
    "weight": (),
}
"""Other names of each role, compared without case. Its own name comes first; two others are ambiguous."""

_LAST_RESORT = {"item": ("task_id", "task", "task_name"), "model": ("run", "run_id")}
_PREDICTIONS = ("prediction", "predicted", "pred", "answer")


class Finder:
    """The columns of one file, and which of them already have a role."""

    def __init__(self, names: tuple[str, ...], path: Path | str | None) -> None:
        self.names = names
        self.path = path
        self.taken: set[str] = set()
        if not names:
            raise RecordsError("there are no columns.", "Give a table with named columns.", path=path)
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise RecordsError(
                f"column name {twice!r} occurs {names.count(twice)} times.",
                "Give each column its own name.",
                path=path,
            )

    def check(self, name: str, role: str) -> str:
        """Return the name if it is a column; else say which names come near."""
        if name in self.names:
            return name
        near = get_close_matches(name, self.names, n=3, cutoff=0.5)
        near += [other for other in self.names if normal(other) == normal(name) and other not in near]
        hint = f"Did you mean {listing(near)}? " if near else ""
        raise RecordsError(
            f"there is no column {name!r}{'' if role == 'keep' else f' (--{role})'}.",
            f"{hint}The columns are {listing(self.names)}.",
            path=self.path,
        )

    def find(self, role: str, *, predictions: bool) -> str | None:
        """Return the free column with a usual name of the role, its own name before others, or None."""
        free = [name for name in self.names if name not in self.taken]
        tiers = ((role,), SYNONYMS[role], _LAST_RESORT.get(role, ()))
        if predictions and role == "score":
            tiers = (_PREDICTIONS[:1], _PREDICTIONS, ("score",))
        for tier in tiers:
            fitting = [name for name in free if normal(name) in tier]
            exact = [name for name in fitting if name == role]
            if len(exact or fitting) == 1:
                return (exact or fitting)[0]
            if fitting:
                raise RecordsError(
                    f"more than one column could be the {role}: {listing(fitting)}.",
                    f"Choose one: --{role} {fitting[0]}.",
                    path=self.path,
                )
        return None

    def missing(self, role: str, fix: str) -> RecordsError:
        """Return the error for a role that no column has."""
        return RecordsError(
            f"no column looks like the {role}; the columns are {listing(self.names)}.", fix, path=self.path
        )

    def model_columns(self, asked: Sequence[str], used: set[str]) -> tuple[tuple[str, ...], frozenset[str]]:
        """Return the columns that hold one model each, and those of them that were not named one by one."""
        free = [name for name in self.names if name not in used]
        chosen = dict.fromkeys(name for name in asked if name in self.names)
        patterns = [name for name in asked if name not in chosen]
        for pattern in patterns if asked else ["*"]:
            fitting = [name for name in free if fnmatchcase(name, pattern)]
            if not fitting and asked and is_glob(pattern, self.names):
                raise RecordsError(
                    f"no column fits the pattern {pattern!r} (--model).",
                    f"The columns are {listing(free)}.",
                    path=self.path,
                )
            chosen |= dict.fromkeys(fitting if fitting or not asked else [self.check(pattern, "model")])
        if not chosen:
            raise self.missing("scores of a model", "Give a table with one column per model, or leave out --wide.")
        models = tuple(name for name in self.names if name in chosen)
        return models, frozenset(models) - set(asked)


def is_glob(name: str, names: Sequence[str]) -> bool:
    """Return whether a name is a pattern; a column of that very name comes first."""
    return any(mark in name for mark in "*?[") and name not in names


def normal(name: str) -> str:
    """Return a column name without case, and with single underscores between its words."""
    return "_".join(name.strip().lower().replace("-", " ").replace("_", " ").split())


def listing(names: Sequence[str], most: int = 12) -> str:
    """Return names for a message, at most so many."""
    shown = ", ".join(repr(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
