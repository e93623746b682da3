"""`neff sampling select`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Group, Parameter

from neff.cli.options import NO_COLUMNS, NO_OUTPUT, STATISTICS, Columns, Input, Number, Output

__all__ = ["select"]

SAMPLING = Group("Sampling", sort_key=1)


def select(
    *records: Input,
    answers: Annotated[str | None, Parameter(group=SAMPLING)] = None,
    confidence: Annotated[str | None, Parameter(group=SAMPLING)] = None,
    power: Annotated[tuple[Number, ...], Parameter(group=SAMPLING, show_default=False)] = (),
    level: Annotated[Number, Parameter(group=STATISTICS)] = 0.95,
    columns: Columns = NO_COLUMNS,
    output: Output = NO_OUTPUT,
) -> int:
    """Compare ways to choose among an item's answers: majority, Borda by confidence, the most confident.

    For example:
      neff sampling select samples.csv --answers answer --confidence self_certainty
      neff sampling select samples.csv --answers answer --confidence judge --power 0.5 --power 1

    Every way is applied to the same recorded answers and compared with the majority vote, item by item.

    Parameters
    ----------
    records
        Files or folders with several scored answers per item, of one model on one task.
    answers
        Column of the answer given.
    confidence
        Column of a confidence, higher is more confident: self-certainty, a judge's score, a log-probability.
    power
        Power of a Borda vote. Repeatable; by default 0.3, 0.7, 1.2 and 2.
    level
        Coverage of the intervals.
    """
    from neff.cli.delivery import prepare
    from neff.cli.records import existing, read_records
    from neff.cli.sampling.forecast import one_part
    from neff.errors import ArgumentError
    from neff.sampling import draws_of
    from neff.sampling.selection import selection_table

    paths = existing(records, "sampling select")
    for name, column in (("answers", answers), ("confidence", confidence)):
        if column is None:
            raise ArgumentError(name, "a column", None, f"For example --{name} {name}.")
    delivery = prepare(output, inputs=paths)
    table = read_records(paths, columns, also=(str(answers), str(confidence)), quiet=output.quiet)
    parts = draws_of(table, answers=answers, scores=confidence, call="neff sampling select")
    result = selection_table(one_part(parts, "select"), powers=power or (0.3, 0.7, 1.2, 2.0), level=level)
    delivery.put_out(result, [f"note: {note}" for note in result.notes])
    return 0
