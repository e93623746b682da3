"""Training curves of many runs on many tasks: from long or wide tables to one vector per run and task."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import ArgumentError
from neff.stats._validate import check_vector

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["Curve", "Curves", "curves_of", "wide_curves"]


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Scores of one run on one task by checkpoint.

    Attributes
    ----------
    task, run, seed
        What was scored; `seed` is "" where runs were not repeated.
    size, recipe
        The parts of the name of the run between which decisions are compared, or "".
    step, score
        In the order of training, shape (n_checkpoints,); higher is better.
    """

    task: str
    run: str
    step: NDArray[np.float64]
    score: NDArray[np.float64]
    seed: str = ""
    size: str = ""
    recipe: str = ""

    @property
    def repeated(self) -> tuple[str, str]:
        """What the repeats of one run have in common: size and recipe, or the name of the run."""
        return (self.size, self.recipe) if self.recipe else ("", self.run)


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """All curves, sorted by task, run and seed.

    Attributes
    ----------
    curves
        The curves.
    notes
        What was left out.
    """

    curves: tuple[Curve, ...]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.curves)

    def tasks(self) -> tuple[str, ...]:
        """Return the names of the tasks."""
        return tuple(dict.fromkeys(curve.task for curve in self.curves))

    def of(self, task: str) -> tuple[Curve, ...]:
        """Return the curves of one task."""
        return tuple(curve for curve in self.curves if curve.task == task)


def curves_of(
    run: Sequence[Any],
    step: ArrayLike,
    score: ArrayLike,
    *,
    task: Sequence[Any] | str = "all",
    seed: Sequence[Any] | None = None,
    size: Sequence[Any] | None = None,
    recipe: Sequence[Any] | None = None,
    pattern: str | None = None,
    lower_is_better: bool | str | Sequence[str] = False,
) -> Curves:
    r"""Collect curves from a long table: one row per run, checkpoint and task.

    Parameters
    ----------
    run, step, score
        Name of the run, training step (any unit that orders checkpoints), and score, one per row. NaN scores are left
        out.
    task
        Task of each row, or one name for all.
    seed
        Which repeat of the run a row belongs to.
    size, recipe
        What of a run is the scale, and what is the choice that is to be decided (data mix, length, optimiser), per row.
    pattern
        Instead: a regular expression with the groups `size` and `recipe`, and perhaps `seed`, that the name of the run
        must match; runs that do not match keep all empty.
    lower_is_better
        True, or the names of the tasks, where a lower score is better: those scores change their sign.

    Returns
    -------
    Curves
        Sorted by task and run; checkpoints by step.

    Raises
    ------
    ArgumentError
        If lengths differ, a step occurs twice in a curve, a score is infinite, nothing is left, or a task is unknown.

    Examples
    --------
    >>> found = curves_of(["a", "a", "b", "b"], [1, 2, 1, 2], [0.1, 0.2, 0.2, 0.3])
    >>> [(c.run, c.score.tolist()) for c in found.curves]
    [('a', [0.1, 0.2]), ('b', [0.2, 0.3])]
    """
    call = "curves_of"
    names = [word(x) for x in run]
    n = len(names)
    places = check_vector(step, argument="step", call=call, allow_nan=True)
    values = check_vector(score, argument="score", call=call, allow_nan=True)
    lengths = {"step": places.size, "score": values.size}
    tasks = [task] * n if isinstance(task, str) else [word(x) for x in task]
    words = {"task": tasks}
    for name, column in (("seed", seed), ("size", size), ("recipe", recipe)):
        words[name] = [""] * n if column is None else [word(x) for x in column]
    for name, length in (lengths | {name: len(cells) for name, cells in words.items()}).items():
        if length != n:
            raise ArgumentError(name, f"as long as run ({n})", f"length {length}", call=call)
    lower = _lower(lower_is_better, set(tasks), call)
    parts = _pattern(pattern, names, call) if pattern is not None else None
    kept = ~(np.isnan(values) | np.isnan(places))
    groups: dict[tuple[str, str, str], list[int]] = {}
    for i in np.flatnonzero(kept).tolist():
        repeat = parts[names[i]][2] if parts and not words["seed"][i] else words["seed"][i]
        groups.setdefault((tasks[i], names[i], repeat), []).append(i)
    if not groups:
        raise ArgumentError("score", "a number in at least one row", "none", "Check the name of the column.", call=call)
    found = []
    for (of, name, repeat), rows in sorted(groups.items()):
        at = np.array(rows)
        order = np.argsort(places[at], kind="stable")
        at = at[order]
        if (np.diff(places[at]) == 0).any():
            twice = places[at][:-1][np.diff(places[at]) == 0][0]
            fix = "Name the column of the seed, or of the task, that tells the rows apart."
            raise ArgumentError("step", f"once in run {name!r} on {of!r}", f"{twice:g} twice", fix, call=call)
        where = int(at[0])
        scale, choice = parts[name][:2] if parts else (words["size"][where], words["recipe"][where])
        found.append(Curve(of, name, places[at], -values[at] if of in lower else values[at], repeat, scale, choice))
    left_out = int(n - kept.sum())
    return Curves(tuple(found), (f"{left_out:,} rows without a score or a step left out",) if left_out else ())


def wide_curves(
    columns: Mapping[str, Sequence[Any]],
    *,
    run: str,
    step: str,
    scores: Sequence[str],
    lower_is_better: bool | str | Sequence[str] = False,
    pattern: str | None = None,
    seed: str | None = None,
) -> Curves:
    """Collect curves from a wide table: one row per run and checkpoint, one column per task, as trackers export it.

    Parameters
    ----------
    columns
        The table: cells by name of the column.
    run, step, seed
        Names of those columns.
    scores
        Names of the columns of scores; each is a task. Empty cells are left out.
    lower_is_better, pattern
        See `curves_of`.

    Returns
    -------
    Curves
        Sorted by task and run.

    Raises
    ------
    ArgumentError
        If a column is missing or has no numbers, or as in `curves_of`.

    Examples
    --------
    >>> table = {"run": ["a", "a"], "step": [1, 2], "eval/x": [0.1, None], "eval/y": [0.3, 0.4]}
    >>> found = wide_curves(table, run="run", step="step", scores=["eval/x", "eval/y"])
    >>> [(c.task, c.score.tolist()) for c in found.curves]
    [('eval/x', [0.1]), ('eval/y', [0.3, 0.4])]
    """
    call = "wide_curves"
    curves: list[Curve] = []
    scores = [scores] if isinstance(scores, str) else list(scores)
    lower = _lower(lower_is_better, set(scores), call)
    needed = {"run": run, "step": step} | ({} if seed is None else {"seed": seed}) | {"scores": scores}
    for argument, names in needed.items():
        for name in [names] if isinstance(names, str) else names:
            if name not in columns:
                raise ArgumentError(argument, "in the table", name, f"It has {sorted(columns)[:20]}.", call=call)
    for name in scores:
        values = check_vector(columns[name], argument=name, call=call, allow_nan=True)
        if np.isnan(values).all():
            continue
        told = curves_of(
            columns[run], columns[step], values, task=name, seed=None if seed is None else columns[seed],
            pattern=pattern, lower_is_better=name in lower,
        )  # fmt: skip
        curves += told.curves
    if not curves:
        raise ArgumentError("scores", "columns with numbers", list(scores), call=call)
    return Curves(tuple(curves))


def _lower(given: Any, tasks: set[str], call: str) -> set[str]:
    """Return the tasks of which a lower score is better."""
    if isinstance(given, bool):
        return tasks if given else set()
    named = {given} if isinstance(given, str) else set(map(word, given))
    if not named <= tasks:
        fix = f"The tasks are {sorted(tasks)[:20]}."
        raise ArgumentError("lower_is_better", "names of tasks", min(named - tasks), fix, call=call)
    return named


def _pattern(pattern: str, names: list[str], call: str) -> dict[str, tuple[str, str, str]]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ArgumentError("pattern", "a regular expression", pattern, f"{error}.", call=call) from None
    if not {"size", "recipe"} <= set(compiled.groupindex):
        fix = r"For example: (?P<size>\d+M)-(?P<recipe>.+)"
        raise ArgumentError("pattern", "with the groups size and recipe", pattern, fix, call=call)
    found = {}
    for name in set(names):
        match = compiled.fullmatch(name)
        groups = match.groupdict(default="") if match else {}
        found[name] = (groups.get("size", ""), groups.get("recipe", ""), groups.get("seed", ""))
    return found


def word(cell: Any) -> str:
    """Return a cell as text, a whole number without its point, nothing as an empty string."""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return "" if cell is None else str(cell)
