"""`neff benchmark ks`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Group, Parameter

from neff.cli.options import NO_OUTPUT, STATISTICS, Flag, Input, Number, Output, Whole

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ks"]

DRAWS = Group("Draws", sort_key=1)
Column = Annotated[str, Parameter(group=DRAWS)]


def ks(
    *table: Input,
    target: Annotated[Input | None, Parameter(group=DRAWS)] = None,
    reference: Annotated[str | None, Parameter(group=DRAWS)] = None,
    model: Column = "model",
    task: Column = "task",
    value: Column = "value",
    n: Annotated[tuple[Whole, ...], Parameter(group=STATISTICS)] = (1, 2, 5, 10, 20, 50, 100),
    p_threshold: Annotated[Number, Parameter(group=STATISTICS)] = 1e-4,
    invalid: Annotated[Literal["drop", "fail"], Parameter(group=STATISTICS)] = "drop",
    order: Annotated[Literal["first", "random"], Parameter(group=STATISTICS)] = "first",
    no_distances: Annotated[Flag, Parameter(group=STATISTICS)] = False,
    level: Annotated[Number, Parameter(group=STATISTICS)] = 0.95,
    seed: Annotated[Whole | None, Parameter(group=STATISTICS)] = None,
    output: Output = NO_OUTPUT,
) -> int:
    """Do a model's draws follow a target distribution? KS@N with exact p-values, and what it overlooks.

    For example:
      neff benchmark ks draws.csv --target truth.csv
      neff benchmark ks draws.csv --reference truth --n 20 --n 100 --invalid fail -o ks.html

    Parameters
    ----------
    table
        Files: CSV, JSON Lines or Parquet, one row per draw, in the order of the calls.
    target
        File with draws of the target: columns of the task and the value.
    reference
        Instead: the name of the model, in the same table, whose draws are the target.
    model, task, value
        Columns. A value that is no number is an invalid draw.
    n
        Numbers of draws. Repeatable.
    p_threshold
        A task is passed where p is above.
    invalid
        Leave invalid draws out, as in the paper, or fail a task whose first N are not all valid.
    order
        The first N draws, or random subsets of N.
    no_distances
        Leave out Jensen-Shannon, Wasserstein and energy distances.
    level
        Coverage of the intervals over tasks.
    seed
        Of random subsets.
    """
    from neff.benchmark.distribution import ks_at_n
    from neff.cli.delivery import prepare
    from neff.cli.progress import progress
    from neff.cli.records import existing
    from neff.errors import ArgumentError

    paths = existing(table, "benchmark ks")
    delivery = prepare(output, inputs=[*paths, *([target] if target else [])])
    if (target is None) == (reference is None):
        raise ArgumentError("target", "named, or else --reference, and not both", target, "Where are the true draws?")
    with progress("reading", quiet=output.quiet):
        draws = _grouped(paths, (model, task, value))
        if target is not None:
            truth = {name[0]: v for name, v in _grouped((target,), (task, value)).items()}
        else:
            truth = {of: v for (who, of), v in draws.items() if who == reference}
            if not truth:
                there = sorted({who for who, _ in draws})
                raise ArgumentError("reference", f"one of {there[:20]}", reference)
    by_model: dict[str, dict[str, list[float]]] = {}
    for (who, of), values in draws.items():
        if who != reference:
            by_model.setdefault(who, {})[of] = values
    targets = {of: [v for v in values if math.isfinite(v)] for of, values in truth.items()}
    with progress("testing", quiet=output.quiet):
        result = ks_at_n(
            targets, by_model, ns=n, p_threshold=p_threshold, invalid=invalid, order=order, distances=not no_distances,
            level=level, rng=seed,
        )  # fmt: skip
    delivery.put_out(result, [f"note: {warning}" for warning in result.warnings])
    return 0


def _grouped(paths: tuple[Path, ...], names: tuple[str, ...]) -> dict[tuple[str, ...], list[float]]:
    """Return the values by all but the last column, in the order of rows; NaN where a cell is no number."""
    from neff.benchmark.noise.curves import word
    from neff.cli.benchmark.noise import find
    from neff.cli.benchmark.tables import read_columns, stacked

    columns = stacked([read_columns(path) for path in paths])
    for role, name in zip(("model", "task", "value")[-len(names) :], names, strict=True):
        find(role, name, columns)
    found: dict[tuple[str, ...], list[float]] = {}
    for row in zip(*(columns[name] for name in names), strict=True):
        found.setdefault(tuple(map(word, row[:-1])), []).append(_number(row[-1]))
    return found


def _number(cell: Any) -> float:
    try:
        return math.nan if cell is None else float(cell)
    except (TypeError, ValueError):
        return math.nan
