"""`neff benchmark factors`."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Group, Parameter

from neff.cli.options import NO_OUTPUT, STATISTICS, Input, Number, Output, Whole

__all__ = ["factors"]

GRID = Group("Grid", sort_key=1)
Column = Annotated[str | None, Parameter(group=GRID)]


def factors(
    *tables: Input,
    factor: Annotated[tuple[str, ...], Parameter(group=GRID, show_default=False)] = (),
    score: Annotated[str, Parameter(group=GRID)] = "score",
    item: Column = None,
    unit: Column = None,
    group: Column = None,
    order: Annotated[Whole | None, Parameter(group=GRID)] = None,
    margin: Annotated[Number | None, Parameter(group=STATISTICS)] = None,
    correction: Annotated[
        Literal["holm", "benjamini-hochberg", "benjamini-yekutieli", "bonferroni", "none"], Parameter(group=STATISTICS)
    ] = "holm",
    level: Annotated[Number, Parameter(group=STATISTICS)] = 0.95,
    n_resamples: Annotated[Whole, Parameter(group=STATISTICS)] = 1000,
    seed: Annotated[Whole | None, Parameter(group=STATISTICS)] = None,
    output: Output = NO_OUTPUT,
) -> int:
    """Divide a grid of evaluations into main effects and interactions: model, prompt, format, task.

    For example:
      neff benchmark factors grid.csv --factor model --factor prompt --item question
      neff benchmark factors grid.csv --factor model --factor way --unit model --group tier --margin 0.02
      neff benchmark factors runs.parquet --factor size --factor tokens --factor task --order 2 -o factors.html

    Items shared by the conditions are the unit of tests and intervals; where the claim is about models, name them as
    the unit.

    Parameters
    ----------
    tables
        Files: CSV, JSON Lines or Parquet, one row per score. Logs become such a table with neff convert.
    factor
        Column of a factor. Repeat it: two or more.
    score
        Column of the score; an empty cell is unscored, not wrong.
    item
        Column of the question: tests and intervals with items as units.
    unit
        A factor whose levels are the units of paired tests: usually the model.
    group
        Column that groups the units: tests within each group too.
    order
        Highest order of interaction.
    margin
        A difference below this is none worth having: p-values of equivalence.
    correction
        Correction for the number of terms, and of tests over units.
    level
        Coverage of the intervals.
    n_resamples
        Permutations and bootstrap resamples of items.
    seed
        Seed of the random numbers.
    """
    from neff.benchmark.factorial import factorial
    from neff.cli.benchmark.tables import numbers_of, table_of
    from neff.cli.delivery import prepare
    from neff.cli.progress import progress
    from neff.cli.records import existing
    from neff.errors import ArgumentError

    paths = existing(tables, "benchmark factors")
    if len(set(factor)) < 2:
        raise ArgumentError(
            "factor", "given twice or more", list(factor), "For example --factor model --factor prompt."
        )
    delivery = prepare(output, inputs=paths)
    named = tuple(dict.fromkeys([*factor, *([group] if group else [])]))
    with progress("reading", quiet=output.quiet):
        columns = table_of(paths, (score, *named, *([item] if item else [])))
    with progress("testing", quiet=output.quiet):
        result = factorial(
            numbers_of(columns[score], score), {name: columns[name] for name in named},
            item=columns[item] if item else None, unit=unit, group=group, order=order, margin=margin,
            correction=correction, level=level, n_resamples=n_resamples, rng=seed,
        )  # fmt: skip
    delivery.put_out(result, [f"note: {note}" for note in result.notes])
    return 0
