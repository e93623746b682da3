"""`neff benchmark discriminate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Group, Parameter

from neff.cli.options import NO_OUTPUT, STATISTICS, Input, Number, Output, Whole

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["discriminate"]

ROWS = Group("Rows", sort_key=1)
Names = Annotated[tuple[str, ...], Parameter(group=ROWS, show_default=False)]


def discriminate(
    real: Input,
    made: Input,
    /,
    *,
    column: Names = (),
    categorical: Names = (),
    n_rows: Annotated[Whole, Parameter(group=ROWS)] = 1000,
    classifier: Annotated[Literal["kernel", "trees"], Parameter(group=STATISTICS)] = "kernel",
    margin: Annotated[Number | None, Parameter(group=STATISTICS)] = None,
    n_splits: Annotated[Whole, Parameter(group=STATISTICS)] = 10,
    level: Annotated[Number, Parameter(group=STATISTICS)] = 0.95,
    n_resamples: Annotated[Whole | None, Parameter(group=STATISTICS)] = None,
    seed: Annotated[Whole | None, Parameter(group=STATISTICS)] = None,
    output: Output = NO_OUTPUT,
) -> int:
    """Can rows that a model made be told from real ones? A classifier on held-out rows.

    For example:
      neff benchmark discriminate census.csv model.csv
      neff benchmark discriminate census.csv model.csv --categorical sex --margin 0.05
      neff benchmark discriminate census.parquet model.parquet --classifier trees -o rows.html

    An accuracy of 0.5 is chance. Each column is also held against chance by itself.

    Parameters
    ----------
    real, made
        Two tables, a row per respondent: CSV, JSON Lines or Parquet.
    column
        Column to use. Repeatable; by default all that both tables have.
    categorical
        Column whose numbers are codes without an order. Repeatable.
    n_rows
        Rows of each kind that are used at most, drawn at random.
    classifier
        kernel: how many answers rows share. trees: gradient-boosted trees, needs scikit-learn (neff[trees]).
    margin
        Rows are alike where the accuracy is at most so much above 0.5; declare it before you look.
    n_splits
        Random splits; a fifth of the rows is held out in each.
    level
        Coverage of the interval.
    n_resamples
        Swaps of labels for the p-value; by default 999, and 39 with trees.
    seed
        Seed of the random numbers.
    """
    from dataclasses import replace

    from neff.benchmark.survey import discriminator_test
    from neff.cli.delivery import prepare
    from neff.cli.progress import progress
    from neff.cli.records import existing
    from neff.report.text import plural

    paths = existing((real, made), "benchmark discriminate")
    delivery = prepare(output, inputs=paths)
    with progress("reading", quiet=output.quiet):
        tables, apart = _tables(paths, column)
    with progress("classifying", quiet=output.quiet):
        result = discriminator_test(
            *tables, classifier=classifier, categorical=categorical, margin=margin, n_splits=n_splits, n_rows=n_rows,
            level=level, n_resamples=n_resamples, rng=seed,
        )  # fmt: skip
    if apart:
        note = f"{plural(len(apart), 'column')} of one table only left out: {', '.join(apart[:5])}"
        result = replace(result, notes=(note, *result.notes))
    delivery.put_out(result, [f"note: {note}" for note in result.notes])
    return 0


def _tables(paths: tuple[Path, ...], named: tuple[str, ...]) -> tuple[list[dict[str, list[Any]]], list[str]]:
    """Return the columns to use of both tables, and the names of those that only one has."""
    from neff.cli.benchmark.tables import read_columns
    from neff.errors import ArgumentError

    tables = [read_columns(path) for path in paths]
    for path, table in zip(paths, tables, strict=True):
        for name in named:
            if name not in table:
                raise ArgumentError("column", f"in {path.name}", name, f"It has {sorted(table)}.")
    shared = [name for name in tables[0] if name in tables[1]]
    if not named and not shared:
        raise ArgumentError("made", "a table that shares columns with the real one", sorted(tables[1]))
    apart = [] if named else sorted(set(tables[0]) ^ set(tables[1]))
    return [{name: table[name] for name in named or shared} for table in tables], apart
