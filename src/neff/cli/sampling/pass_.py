"""`neff sampling pass`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from cyclopts import Group, Parameter

from neff.cli.options import NO_COLUMNS, NO_OUTPUT, STATISTICS, Columns, Input, Number, Output, Whole

__all__ = ["pass_"]

SAMPLING = Group("Sampling", sort_key=1)

Budgets = Annotated[str, Parameter(name="--k", group=SAMPLING)]


def pass_(
    *records: Input,
    k: Budgets = "1,2,5,10",
    at_least: Annotated[tuple[Whole, ...], Parameter(group=SAMPLING, show_default=False)] = (),
    answers: Annotated[str | None, Parameter(group=SAMPLING)] = None,
    verifier: Annotated[str | None, Parameter(group=SAMPLING)] = None,
    weighted: Annotated[Literal["sum", "mean", "max", "log-sum"] | None, Parameter(group=SAMPLING)] = None,
    short: Annotated[Literal["refuse", "drop"], Parameter(group=SAMPLING)] = "refuse",
    level: Annotated[Number, Parameter(group=STATISTICS)] = 0.95,
    n_resamples: Annotated[Whole, Parameter(group=STATISTICS)] = 2000,
    seed: Annotated[Whole | None, Parameter(group=STATISTICS)] = None,
    columns: Columns = NO_COLUMNS,
    output: Output = NO_OUTPUT,
) -> int:
    """Say what k answers give: pass@k, pass^k, majority and best of k.

    For example:
      neff sampling pass runs/ --k 1,2,5,10
      neff sampling pass samples.csv.gz --item task --score correct --draw draw --k 1,10,100
      neff sampling pass samples.csv --answers answer --verifier judge_score -o report.html

    Every number is exact for budgets drawn without replacement from the recorded answers, and has two intervals: for
    other items, and for fresh draws of these items.

    Parameters
    ----------
    records
        Files or folders with several scored answers per item; the score is 1 for a right answer and 0 for a wrong one.
    k
        Budgets, separated by commas.
    at_least
        Also the chance of at least this many right answers among k. Repeatable.
    answers
        Column of the answer given: adds the majority vote.
    verifier
        Column of a verifier's score: adds the best of k.
    weighted
        Also the vote in which answers bring their verifier scores; needs --answers and --verifier.
    short
        Items with fewer than k answers: refuse makes the value undefined, drop leaves them out.
    level
        Coverage of the intervals.
    n_resamples
        Random subsets, where a vote has no exact form.
    seed
        Of those subsets.
    """
    from neff.cli.delivery import prepare
    from neff.cli.progress import progress
    from neff.cli.records import existing, read_records
    from neff.sampling import at_k

    paths = existing(records, "sampling pass")
    delivery = prepare(output, inputs=paths)
    budgets = whole_numbers(k, "k")
    named = [name for name in (answers, verifier) if name]
    table = read_records(paths, columns, also=named, quiet=output.quiet)
    options: dict[str, Any] = {"at_least": at_least, "weighted": weighted, "short": short, "level": level}
    with progress("counting", quiet=output.quiet):
        result = at_k(table, k=budgets, scores=verifier, answers=answers, n_resamples=n_resamples, rng=seed, **options)
    delivery.put_out(result, [f"note: {note}" for note in result.notes])
    return 0


def whole_numbers(text: str, argument: str) -> tuple[int, ...]:
    """Return the whole numbers of a list such as 1,2,5,10.

    Raises
    ------
    ArgumentError
        If it is none.
    """
    from neff.errors import ArgumentError

    try:
        return tuple(int(word) for word in text.replace(" ", "").split(",") if word)
    except ValueError:
        raise ArgumentError(argument, "whole numbers separated by commas", text, "For example 1,2,5,10.") from None
