"""`neff benchmark replay`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Group, Parameter

from neff.cli.options import NO_COLUMNS, NO_OUTPUT, STATISTICS, Columns, Flag, Input, Number, Output, Whole

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["replay"]

SELECTION = Group("Selection", sort_key=1)


def replay(
    *records: Input,
    bank: Annotated[Input | None, Parameter(group=SELECTION)] = None,
    budgets: Annotated[str, Parameter(group=SELECTION)] = "10,50,100,500",
    checkpoints: Annotated[Flag, Parameter(group=SELECTION)] = False,
    share: Annotated[Number, Parameter(group=SELECTION)] = 0.5,
    delta: Annotated[str, Parameter(group=SELECTION)] = "gap",
    randomesque: Annotated[Whole, Parameter(group=SELECTION)] = 1,
    threshold: Annotated[Number | None, Parameter(group=SELECTION)] = None,
    benchmark: Annotated[str | None, Parameter(group=SELECTION)] = None,
    n_repeats: Annotated[Whole, Parameter(group=STATISTICS)] = 5,
    seed: Annotated[Whole | None, Parameter(group=STATISTICS)] = None,
    columns: Columns = NO_COLUMNS,
    output: Output = NO_OUTPUT,
) -> int:
    """How many items would have been enough, had they been chosen well? Replayed on answers that are known.

    For example:
      neff benchmark replay results.csv --seed 1
      neff benchmark replay new.csv --bank bank.json --budgets 10,50,100
      neff benchmark replay checkpoints.csv --bank bank.json --checkpoints

    Without a bank, half of the models are fitted on and the others replayed. With one, its models must not be among
    those replayed.

    Parameters
    ----------
    records
        Files or folders with the answers of several models to the items.
    bank
        The file that `neff benchmark fit -o bank.json` wrote.
    budgets
        Numbers of items, separated by commas.
    checkpoints
        The models are checkpoints of one run, in the order of the numbers in their names: report total variation and
        monotonicity.
    share
        Without a bank: share of the models to fit on.
    delta
        Standard error at which to stop; gap: the mean gap between calibration models.
    randomesque
        Draw each item among this many of the most informative ones.
    threshold
        A score of at least this counts as right.
    benchmark
        The task to keep, where the records have several.
    n_repeats
        Random subsets of items that the comparison is averaged over.
    seed
        Of the split and of the random subsets.
    """
    from neff.benchmark.fluid import replay_fluid, replay_split
    from neff.benchmark.irt import ItemBank, responses_of
    from neff.cli.benchmark.next import precision
    from neff.cli.delivery import prepare
    from neff.cli.progress import progress
    from neff.cli.records import existing, read_records
    from neff.cli.sampling.pass_ import whole_numbers

    paths: tuple[Path, ...] = existing(records, "benchmark replay")
    delivery = prepare(output, inputs=(*paths, *((bank,) if bank else ())))
    options: dict[str, Any] = {
        "budgets": whole_numbers(budgets, "budgets"), "checkpoints": checkpoints, "delta": precision(delta),
        "randomesque": randomesque, "n_repeats": n_repeats, "rng": seed,
    }  # fmt: skip
    items = None if bank is None else ItemBank.load(bank)
    table = read_records(paths, columns, quiet=output.quiet)
    told = responses_of(table, threshold=threshold, task=benchmark, call="neff benchmark replay")
    with progress("replaying", quiet=output.quiet):
        result = replay_split(told, share=share, **options) if items is None else replay_fluid(items, told, **options)
    delivery.put_out(result, [f"note: {note}" for note in result.notes])
    return 0
