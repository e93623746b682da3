"""`neff benchmark noise`."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Group, Parameter

from neff.cli.options import NO_OUTPUT, STATISTICS, Input, Names, Number, Output, Whole

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

__all__ = ["noise"]

CURVES = Group("Curves", sort_key=1)
Column = Annotated[str | None, Parameter(group=CURVES)]
Columns = Annotated[Names, Parameter(group=CURVES, show_default=False)]

SYNONYMS = {
    "run": ("run", "run_file", "run_name", "model", "name"),
    "step": ("step", "_step", "checkpoint", "iteration", "global_step", "tokens"),
}


def noise(
    *table: Input,
    score: Columns = (),
    run: Column = None,
    step: Column = None,
    task: Column = None,
    repeat: Column = None,
    pattern: Annotated[str | None, Parameter(group=CURVES)] = None,
    lower_is_better: Columns = (),
    small: Annotated[str | None, Parameter(group=CURVES)] = None,
    target: Annotated[str | None, Parameter(group=CURVES)] = None,
    last: Annotated[Whole, Parameter(group=STATISTICS)] = 30,
    signal: Annotated[Literal["range", "sd", "mean_difference", "iqr", "gini"], Parameter(group=STATISTICS)] = "range",
    ddof: Annotated[Whole, Parameter(group=STATISTICS)] = 1,
    level: Annotated[Number, Parameter(group=STATISTICS)] = 0.95,
    n_draws: Annotated[Whole, Parameter(group=STATISTICS)] = 1000,
    seed: Annotated[Whole | None, Parameter(group=STATISTICS)] = None,
    output: Output = NO_OUTPUT,
) -> int:
    r"""Which benchmarks tell models apart: signal, noise and decision accuracy from training curves.

    For example:
      neff benchmark noise curves.csv --run model --step step --task task --score accuracy
      neff benchmark noise wandb.csv --score 'eval/*_acc' --last 5 -o noise.html
      neff benchmark noise runs.parquet --score 'eval/*' --pattern '(?P<size>\d+M)-(?P<recipe>.+)' --small 190M

    Long tables have one column of scores and one of tasks; wide ones, as trackers export them, one column per task.

    Parameters
    ----------
    table
        Files: CSV, JSON Lines or Parquet, one row per run and checkpoint (and task).
    score
        Column of the score; in a wide table every column of scores, by name or pattern. Repeatable.
    run
        Column of the run; found as run, run_file, run_name, model or name.
    step
        Column that orders checkpoints; found as step, _step, checkpoint, iteration, global_step or tokens.
    task
        Column of the task, in a long table.
    repeat
        Column of the training seed, where runs were repeated.
    pattern
        Regular expression of the names of runs, with the groups size and recipe (and seed).
    lower_is_better
        Tasks, by name or pattern, where a lower score is better.
    small, target
        Two sizes: do decisions at the first hold at the second?
    last
        Checkpoints from the end of each run that are its noise.
    signal
        How the spread of models is measured.
    ddof
        Of the standard deviation of the noise, 1 or 0.
    level
        Coverage of the intervals.
    n_draws
        Draws of one checkpoint per run, for decision accuracy without averaging.
    seed
        Of those draws.
    """
    from neff.benchmark.noise import benchmark_noise, curves_of, wide_curves
    from neff.benchmark.noise.curves import word
    from neff.cli.benchmark.tables import numbers_of, read_columns, stacked
    from neff.cli.delivery import prepare
    from neff.cli.progress import progress
    from neff.cli.records import existing

    paths = existing(table, "benchmark noise")
    delivery = prepare(output, inputs=paths)
    with progress("reading", quiet=output.quiet):
        columns = stacked([read_columns(path) for path in paths])
    names = {"run": find("run", run, columns), "step": find("step", step, columns)}
    wanted = chosen(score or (("score",) if "score" in columns else ()), columns, "score")
    if not wanted:
        from neff.errors import ArgumentError

        fix = "Name it: --score NAME, or --score 'eval/*' for several."
        raise ArgumentError("score", "a column", None, f"{fix} The file has {sorted(columns)[:20]}.")
    with progress("measuring", quiet=output.quiet):
        if task is None and (len(wanted) > 1 or repeat is None):
            lower = chosen(lower_is_better, wanted, "lower_is_better")
            curves = wide_curves(
                columns, run=names["run"], step=names["step"], scores=wanted, lower_is_better=lower, pattern=pattern,
                seed=repeat,
            )  # fmt: skip
        else:
            of = [wanted[0]] * len(columns[wanted[0]]) if task is None else columns[find("task", task, columns)]
            lower = chosen(lower_is_better, sorted({word(x) for x in of}), "lower_is_better")
            at, values = (numbers_of(columns[name], name) for name in (names["step"], wanted[0]))
            curves = curves_of(
                columns[names["run"]], at, values, task=of, pattern=pattern,
                seed=columns[find("repeat", repeat, columns)] if repeat else None,
                lower_is_better=lower,
            )  # fmt: skip
        result = benchmark_noise(
            curves,
            last=last,
            signal=signal,
            ddof=ddof,
            small=small,
            target=target,
            n_draws=n_draws,
            level=level,
            rng=seed,
        )
    delivery.put_out(result, [f"note: {warning}" for warning in result.warnings])
    return 0


def find(role: str, name: str | None, columns: dict[str, list[Any]]) -> str:
    """Return the column of a role: the one named, or else the first of its usual names.

    Raises
    ------
    ArgumentError
        If there is none.
    """
    from neff.errors import ArgumentError

    if name is None:
        name = next((word for word in SYNONYMS.get(role, (role,)) if word in columns), None)
    if name is None or name not in columns:
        raise ArgumentError(role, "a column", name, f"Name it: --{role} NAME. The file has {sorted(columns)[:20]}.")
    return name


def chosen(patterns: Sequence[str], columns: Collection[str], argument: str) -> list[str]:
    """Return the names (of columns, or tasks) that are given, or match a pattern, in their order.

    Raises
    ------
    ArgumentError
        If a name or pattern matches nothing.
    """
    from neff.errors import ArgumentError

    for one in patterns:
        if not any(name == one or fnmatchcase(name, one) for name in columns):
            raise ArgumentError(argument, "in the file", one, f"It has {sorted(columns)[:20]}.")
    return [name for name in columns if any(name == one or fnmatchcase(name, one) for one in patterns)]
