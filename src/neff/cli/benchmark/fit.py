"""`neff benchmark fit`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from cyclopts import Group, Parameter

from neff.cli.options import NO_COLUMNS, NO_OUTPUT, Columns, Input, Number, Output, Whole

__all__ = ["fit"]

ITEMS = Group("Items", sort_key=1)


def fit(
    *records: Input,
    irt: Annotated[Literal["2pl", "1pl", "3pl"], Parameter(group=ITEMS)] = "2pl",
    guess: Annotated[Number, Parameter(group=ITEMS)] = 0.0,
    threshold: Annotated[Number | None, Parameter(group=ITEMS)] = None,
    benchmark: Annotated[str | None, Parameter(group=ITEMS)] = None,
    content: Annotated[str | None, Parameter(group=ITEMS)] = None,
    max_iterations: Annotated[Whole, Parameter(group=ITEMS)] = 500,
    columns: Columns = NO_COLUMNS,
    output: Output = NO_OUTPUT,
) -> int:
    """Which items carry information, and which are broken? Item response theory on the answers of many models.

    For example:
      neff benchmark fit results.csv -o bank.json -o items.html
      neff benchmark fit matrix.csv --item item --wide -o bank.json
      neff benchmark fit predictions.parquet --item question_id --target gold --wide --content category -o bank.json

    One benchmark at a time; a hundred models or more for good discriminations. The bank is what `neff benchmark next`
    and `neff benchmark replay` need.

    Parameters
    ----------
    records
        Files or folders with the answers of many models to the same items.
    irt
        2pl; 1pl: one discrimination for all items; 3pl: with a given chance to guess right.
    guess
        That chance, such as 0.25 with four options.
    threshold
        A score of at least this counts as right; needed where scores are graded or items have several draws.
    benchmark
        The task to keep, where the records have several.
    content
        Column with the category of each item, kept in the bank for a balanced selection.
    max_iterations
        Steps after which the fit gives up.
    """
    from neff.benchmark.irt import fit_irt, responses_of
    from neff.cli.delivery import prepare
    from neff.cli.progress import progress
    from neff.cli.records import existing, read_records

    paths = existing(records, "benchmark fit")
    delivery = prepare(output, inputs=paths)
    table = read_records(paths, columns, also=(content,) if content else (), quiet=output.quiet)
    answers = responses_of(table, threshold=threshold, task=benchmark, call="neff benchmark fit")
    kinds = None if content is None else contents(table, content, answers.items)
    with progress("fitting", quiet=output.quiet):
        bank = fit_irt(answers, model=irt, guess=guess, content=kinds, max_iterations=max_iterations)
    delivery.put_out(bank, [f"note: {note}" for note in bank.notes])
    return 0


def contents(table: Any, column: str, items: tuple[str, ...]) -> list[str]:
    """Return the category of each item.

    Raises
    ------
    ArgumentError
        If there is no such column.
    """
    import numpy as np

    from neff.errors import ArgumentError
    from neff.records import Factor

    if column not in table.extra:
        raise ArgumentError("content", "a column of the records", column, f"They have {sorted(table.extra)}.")
    values = table.extra[column]
    first = dict(zip(table.item.codes[::-1].tolist(), np.arange(len(table))[::-1].tolist(), strict=True))
    where = {name: first.get(code) for code, name in enumerate(table.item.levels)}
    names = values.names() if isinstance(values, Factor) else values.tolist()
    return [str(names[where[item]]) for item in items]  # type: ignore[index]
