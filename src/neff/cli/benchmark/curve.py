"""`neff benchmark curve`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Group, Parameter

from neff.cli.options import NO_OUTPUT, STATISTICS, Input, Number, Output, Whole

__all__ = ["curve"]

CURVE = Group("Curve", sort_key=1)


def curve(
    *tables: Input,
    size: Annotated[str, Parameter(group=CURVE)] = "n",
    score: Annotated[str, Parameter(group=CURVE)] = "score",
    target: Annotated[tuple[Number, ...], Parameter(group=CURVE, show_default=False)] = (),
    at: Annotated[tuple[Number, ...], Parameter(group=CURVE, show_default=False)] = (),
    level: Annotated[Number, Parameter(group=STATISTICS)] = 0.95,
    n_resamples: Annotated[Whole, Parameter(group=STATISTICS)] = 500,
    seed: Annotated[Whole | None, Parameter(group=STATISTICS)] = None,
    output: Output = NO_OUTPUT,
) -> int:
    """How many training examples does a score take? A learning curve, with its forecast.

    For example:
      neff benchmark curve runs.csv --size n --score accuracy --target 0.85
      neff benchmark curve runs.csv --at 20000 --at 50000 -o curve.html

    Fits score = A - B n^-C to runs of four sizes or more; with fewer nothing is extrapolated.

    Parameters
    ----------
    tables
        Files: CSV, JSON Lines or Parquet, one row per training run.
    size
        Column of the number of training examples.
    score
        Column of the score, in [0, 1].
    target
        A score to reach, or that of a model without training to beat. Repeatable.
    at
        A size to forecast the score at. Repeatable.
    level
        Coverage of the intervals.
    n_resamples
        Bootstrap resamples of runs.
    seed
        Seed of the random numbers.
    """
    from neff.benchmark.factorial import fit_learning_curve
    from neff.cli.benchmark.tables import numbers_of, table_of
    from neff.cli.delivery import prepare
    from neff.cli.records import existing

    paths = existing(tables, "benchmark curve")
    delivery = prepare(output, inputs=paths)
    columns = table_of(paths, (size, score))
    pairs = [
        (x, y)
        for x, y in zip(numbers_of(columns[size], size), numbers_of(columns[score], score), strict=True)
        if y == y  # a run without a score
    ]
    result = fit_learning_curve(
        [x for x, _ in pairs],
        [y for _, y in pairs],
        targets=target,
        at=at,
        level=level,
        n_resamples=n_resamples,
        rng=seed,
    )
    notes = [f"note: {warning}" for warning in result.warnings]
    missing = len(columns[score]) - len(pairs)
    delivery.put_out(result, [*notes, *([f"note: {missing} runs without a score left out"] if missing else [])])
    return 0
