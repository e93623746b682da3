"""`neff plan`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from neff.cli.options import (
    COLUMNS,
    NO_COLUMNS,
    NO_OUTPUT,
    PLAN,
    Columns,
    Flag,
    Input,
    Number,
    Output,
    Whole,
)

if TYPE_CHECKING:
    from pathlib import Path

    from neff.evaluate import Plan
    from neff.results import Table

__all__ = ["plan"]


def plan(
    *records: Input,
    difference: Annotated[Number | None, Parameter(group=PLAN)] = None,
    power: Annotated[Number, Parameter(group=PLAN)] = 0.8,
    level: Annotated[Number, Parameter(group=PLAN)] = 0.95,
    comparisons: Annotated[Whole, Parameter(group=PLAN)] = 1,
    unscored: Annotated[Literal["exclude", "wrong"], Parameter(group=PLAN)] = "exclude",
    lower_is_better: Annotated[Flag, Parameter(group=PLAN)] = False,
    a: Annotated[str | None, Parameter(group=COLUMNS)] = None,
    b: Annotated[str | None, Parameter(group=COLUMNS)] = None,
    columns: Columns = NO_COLUMNS,
    output: Output = NO_OUTPUT,
) -> int:
    """How many items does it take to see a difference, and what do the items at hand show?

    For example:
      neff plan scores.csv --difference 0.02
      neff plan runs/ --difference 0.01 --power 0.9 --a my-model --b baseline
      neff plan result.json --difference 0.02

    Plans from the spread that was measured; a result saved with -o result.json will do.

    Parameters
    ----------
    records
        Files or folders of records of at least two models, or one saved result; - is stdin.
    difference
        The smallest difference worth seeing, in units of the score; by default the one that was observed.
    power
        Chance to see it.
    level
        1 minus the two-sided error of the test.
    comparisons
        Divide the error by this many comparisons (Bonferroni).
    unscored
        Leave unscored draws out, or count them as wrong.
    lower_is_better
        A lower score is better.
    a
        Plan for this model against every other; by default for the best one.
    b
        Plan for --a against this model only.
    """
    from neff.cli.delivery import prepare
    from neff.cli.progress import progress
    from neff.cli.records import existing, read_records
    from neff.evaluate import plan as run
    from neff.report import load

    paths = existing(records, "plan")
    delivery = prepare(output, inputs=paths)
    source: Any
    options: dict[str, Any] = {}
    if len(paths) == 1 and is_saved_result(paths[0]):
        source = load(paths[0])
    else:
        source = read_records(paths, columns, quiet=output.quiet)
        options = {"unscored": unscored, "lower_is_better": lower_is_better or None}
    with progress("comparing", quiet=output.quiet):
        result = run(
            source, difference=difference, power=power, level=level, n_comparisons=comparisons, a=a, b=b, **options
        )
    notes = [f"note: {note}" for note in result.notes]
    delivery.put_out(result, notes, shown=_Shown(_shortened(result), result.notes))
    return 0


def is_saved_result(path: Path) -> bool:
    """Return whether a file begins like a result that `-o result.json` wrote."""
    if path.suffix.lower() != ".json" or not path.is_file():
        return False
    with path.open("rb") as file:
        return b'"neff.evaluation/' in file.read(200)


@dataclass(frozen=True, slots=True)
class _Shown:
    """What a terminal shows of a plan."""

    short: Table
    notes: tuple[str, ...]

    def table(self) -> Table:
        """Return the table."""
        return self.short


def _shortened(found: Plan) -> Table:
    """Return the columns that decide, the most important first: a terminal drops the last where it is narrow."""
    from neff.report.text import Name
    from neff.results import Table

    whole = found.table()
    order = (
        "a",
        "b",
        "items_needed",
        "target",
        "n_items",
        "detectable",
        "items_low",
        "items_high",
        "draws_needed",
        "reason",
    )
    same = {name for name in ("task", "metric", "a", "target") if len({getattr(row, name) for row in found.rows}) < 2}
    names = [name for name in ("task", "metric", *order) if name not in same]
    place = {column.name: j for j, column in enumerate(whole.columns)}
    rows = tuple(
        tuple(Name(row[place[name]]) if name in ("a", "b", "task", "metric") else row[place[name]] for name in names)
        for row in whole.rows
    )
    caption = whole.caption
    if found.rows and "target" in same:
        caption += f": a difference of {found.rows[0].target:g}"
    if found.rows and "a" in same:
        caption += f", A is {found.rows[0].a}"
    return Table(tuple(whole.columns[place[name]] for name in names), rows, caption)
