"""`neff sampling verifier`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Group, Parameter

from neff.cli.options import NO_COLUMNS, NO_OUTPUT, STATISTICS, Columns, Input, Number, Output, Whole

__all__ = ["verifier"]

SAMPLING = Group("Sampling", sort_key=1)
REWARDS = Group("Rewards", sort_key=1)


def verifier(
    *records: Input,
    accept: Annotated[tuple[str, ...], Parameter(group=SAMPLING, show_default=False)] = (),
    cost: Annotated[tuple[Number, ...], Parameter(group=REWARDS, show_default=False)] = (),
    right_value: Annotated[Number, Parameter(group=REWARDS)] = 1.0,
    abstain_value: Annotated[Number, Parameter(group=REWARDS)] = 0.0,
    price: Annotated[Number, Parameter(group=REWARDS)] = 0.0,
    level: Annotated[Number, Parameter(group=STATISTICS)] = 0.95,
    n_resamples: Annotated[Whole, Parameter(group=STATISTICS)] = 2000,
    seed: Annotated[Whole | None, Parameter(group=STATISTICS)] = None,
    columns: Columns = NO_COLUMNS,
    output: Output = NO_OUTPUT,
) -> int:
    """Say what resampling until a verifier accepts buys, and when to stop.

    For example:
      neff sampling verifier samples.csv.gz --item task --score correct --draw draw --accept accept_base
      neff sampling verifier samples.csv --accept tests --accept judge --cost 1 --cost 4 -o verifier.html

    Answers are drawn until the verifier accepts one or the budget is spent: how many are right, how many wrong, and
    which budget is best when a wrong answer costs something. Exact, no simulation.

    Parameters
    ----------
    records
        Files or folders with several answers per item; the score is the truth, 1 right and 0 wrong.
    accept
        Column that says whether the verifier accepts the answer, 1 or 0. Repeatable.
    cost
        Loss of a wrong answer, in units of a right one. Repeatable; by default 0, 1, 2, 4 and 8.
    right_value
        Value of a right answer.
    abstain_value
        Value of giving no answer.
    price
        Price of one attempt.
    level
        Coverage of the intervals over items.
    n_resamples
        Bootstrap resamples of items, for the range of the best budget.
    seed
        Of those resamples.
    """
    from neff.cli.delivery import prepare
    from neff.cli.progress import progress
    from neff.cli.records import existing, read_records
    from neff.errors import ArgumentError
    from neff.sampling import verifier_curves

    paths = existing(records, "sampling verifier")
    if not accept:
        fix = "For example --accept tests_passed."
        raise ArgumentError("accept", "the column of the verifier's yes or no", None, fix)
    delivery = prepare(output, inputs=paths)
    table = read_records(paths, columns, also=accept, quiet=output.quiet)
    with progress("counting", quiet=output.quiet):
        result = verifier_curves(
            table,
            list(accept),
            costs=cost or (0.0, 1.0, 2.0, 4.0, 8.0),
            right_value=right_value,
            abstain_value=abstain_value,
            price=price,
            level=level,
            n_resamples=n_resamples,
            rng=seed,
        )
    delivery.put_out(result, [f"note: {note}" for note in result.notes])
    return 0
