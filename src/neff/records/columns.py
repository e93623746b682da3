"""What the caller says about the columns of a file or frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from neff.errors import ArgumentError, ArgumentTypeError
from neff.records.finder import SYNONYMS
from neff.records.layout import Layout, find_layout

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from neff.records.reader import Keep

__all__ = ["SYNONYMS", "ColumnMap", "Layout"]


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """What the caller says about the columns; None = find it.

    If the caller names any column, only the named ones are used; item, model and score are still found by
    their usual names when not named. If none is named, every role is found by its usual names (`SYNONYMS`).

    Parameters
    ----------
    item, score, draw, task, metric, label, weight
        Name of the column with that role.
    model
        Name of the column of model names, or several names (globs allowed): then each is the column of one
        model's scores, a wide table.
    cluster
        One or two grouping columns.
    target
        Column of right answers: the score is 1 where the prediction equals it, 0 where not, NaN where empty.
    wide
        Whether each model has its own column; without `model`, every column without a role is a model.

    Examples
    --------
    >>> layout = ColumnMap().resolve(["prompt_id", "policy", "judge_score", "words"])
    >>> layout.item, layout.model, layout.score
    ('prompt_id', 'policy', 'judge_score')
    >>> ColumnMap(model=("gpt-*",), target="gold").resolve(["id", "gold", "gpt-4", "gpt-5"]).models
    ('gpt-4', 'gpt-5')
    """

    item: str | None = None
    model: str | tuple[str, ...] | None = None
    score: str | None = None
    draw: str | None = None
    task: str | None = None
    metric: str | None = None
    cluster: str | tuple[str, ...] | None = None
    label: str | None = None
    weight: str | None = None
    target: str | None = None
    wide: bool = False

    def __post_init__(self) -> None:
        for role in _ROLES:
            given = getattr(self, role)
            several = role in ("model", "cluster")
            names = _as_tuple(given) if several else () if given is None else (given,)
            if not all(isinstance(name, str) and name for name in names):
                must = "the name of a column" + (", or several names" if several else "")
                raise ArgumentTypeError(role, must, given, f'For example {role}="{role}".', call="columns")
            if several:
                object.__setattr__(self, role, names or None)
        if not isinstance(self.wide, bool):
            raise ArgumentTypeError("wide", "True or False", self.wide, call="columns")
        if len(self.clusters()) > 2:
            raise ArgumentError("cluster", "one or two columns", self.cluster, "Choose two.", call="columns")
        self._refuse_double_use()

    def _refuse_double_use(self) -> None:
        once = ("item", "score", "draw", "label", "weight", "target")
        seen = dict.fromkeys(self.model_names(), "model")
        for role in once:
            name = getattr(self, role)
            if name is not None and name in seen:
                raise ArgumentError(
                    role,
                    f"another column than {seen[name]}",
                    name,
                    "Give each role its own column.",
                    call="columns",
                )
            if name is not None:
                seen[name] = role

    def clusters(self) -> tuple[str, ...]:
        """Return the grouping columns."""
        return _as_tuple(self.cluster)

    def model_names(self) -> tuple[str, ...]:
        """Return the model columns that were named."""
        return _as_tuple(self.model)

    def named(self) -> bool:
        """Return whether the caller named any column."""
        return any(getattr(self, role) is not None for role in _ROLES)

    def flags(self) -> list[str]:
        """Return the column options as words of a command line."""
        words = []
        for role in _ROLES:
            for name in _as_tuple(getattr(self, role)):
                words += [f"--{role}", name]
        return [*words, "--wide"] if self.wide else words

    def resolve(self, names: Sequence[str], *, path: Path | str | None = None, keep: Keep = "all") -> Layout:
        """Find the role of each column.

        Parameters
        ----------
        names
            The column names of a file or frame, in order.
        path
            Name of the file, for messages.
        keep
            Which other columns to keep.

        Raises
        ------
        RecordsError
            If a named column does not exist, a name occurs twice, item or score cannot be found, or more
            than one column could be meant.
        """
        return find_layout(self, names, path=path, keep=keep)


_ROLES = ("item", "model", "score", "draw", "task", "metric", "cluster", "label", "weight", "target")


def _as_tuple(given: Any) -> tuple[str, ...]:
    if given is None:
        return ()
    return tuple(given) if isinstance(given, (list, tuple)) else (given,)
