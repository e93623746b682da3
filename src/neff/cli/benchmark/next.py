"""`neff benchmark next`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from cyclopts import Group, Parameter

from neff.cli.options import NO_COLUMNS, NO_OUTPUT, STATISTICS, Columns, Flag, Input, Number, Output, Whole

__all__ = ["next"]

SELECTION = Group("Selection", sort_key=1)


def next(  # noqa: A001
    bank: Input,
    *answers: Input,
    batch: Annotated[Whole, Parameter(group=SELECTION)] = 1,
    max_items: Annotated[Whole, Parameter(group=SELECTION)] = 100,
    delta: Annotated[str | None, Parameter(group=SELECTION)] = None,
    randomesque: Annotated[Whole, Parameter(group=SELECTION)] = 1,
    balance: Annotated[Flag, Parameter(group=SELECTION)] = False,
    ability: Annotated[Literal["map", "mle", "eap", "wle"], Parameter(group=SELECTION)] = "map",
    start: Annotated[Number | None, Parameter(group=SELECTION)] = None,
    threshold: Annotated[Number | None, Parameter(group=SELECTION)] = None,
    level: Annotated[Number, Parameter(group=STATISTICS)] = 0.95,
    seed: Annotated[Whole | None, Parameter(group=STATISTICS)] = None,
    columns: Columns = NO_COLUMNS,
    output: Output = NO_OUTPUT,
) -> int:
    """Which items to run next on a model, where it stands, and whether that is enough.

    For example:
      neff benchmark next bank.json
      neff benchmark next bank.json answers.csv --batch 10
      neff benchmark next bank.json answers.csv --delta 0.2 --json

    Give all answers of the model so far, run the items that come back, and ask again.

    Parameters
    ----------
    bank
        The file that `neff benchmark fit -o bank.json` wrote.
    answers
        Files or folders with the answers of one model; none before the first item.
    batch
        How many items to run next.
    max_items
        Stop after so many answers.
    delta
        Stop when the standard error of the ability is below this; gap: the mean gap between calibration models.
    randomesque
        Draw each item among this many of the most informative ones; needs --seed to come out the same again.
    balance
        Keep the shares of the categories that the bank has.
    ability
        Posterior mode, maximum likelihood, posterior mean, or weighted likelihood.
    start
        Ability at which the first item is chosen; by default the mean of the calibration models.
    threshold
        A score of at least this counts as right.
    level
        Coverage of the intervals.
    seed
        Of randomesque.
    """
    from neff.benchmark.fluid.asking import next_items
    from neff.benchmark.irt import ItemBank, responses_of
    from neff.cli.delivery import prepare
    from neff.cli.records import read_records

    delivery = prepare(output, inputs=(bank, *answers))
    items = ItemBank.load(bank)
    told: Any = None
    if answers:
        table = read_records(answers, columns, quiet=output.quiet)
        told = responses_of(table, threshold=threshold, call="neff benchmark next")
    result = next_items(
        items, told, level=level, batch=batch, max_items=max_items, delta=precision(delta), randomesque=randomesque,
        balance=balance or None, method=ability, start=start, rng=seed,
    )  # fmt: skip
    delivery.put_out(result, [f"note: {note}" for note in result.notes])
    return 0


def precision(delta: str | None) -> float | str | None:
    """Return a standard error to stop at, "gap" or None.

    Raises
    ------
    ArgumentError
        If it is neither.
    """
    from neff.errors import ArgumentError

    if delta is None or delta == "gap":
        return delta
    try:
        return float(delta)
    except ValueError:
        raise ArgumentError("delta", "a number or gap", delta, "For example --delta 0.2.") from None
