"""`neff benchmark paraphrase`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Group, Parameter

from neff.cli.options import NO_COLUMNS, NO_OUTPUT, STATISTICS, Columns, Input, Number, Output, Whole

__all__ = ["paraphrase"]

WORDINGS = Group("Wordings", sort_key=1)


def paraphrase(
    *records: Input,
    original: Annotated[str, Parameter(group=WORDINGS)],
    wording: Annotated[str, Parameter(group=WORDINGS)] = "wording",
    answer: Annotated[str | None, Parameter(group=WORDINGS)] = None,
    columns: Columns = NO_COLUMNS,
    level: Annotated[Number, Parameter(group=STATISTICS)] = 0.95,
    n_resamples: Annotated[Whole, Parameter(group=STATISTICS)] = 2000,
    seed: Annotated[Whole | None, Parameter(group=STATISTICS)] = None,
    output: Output = NO_OUTPUT,
) -> int:
    """Do scores, rankings and answers hold when the same items are worded otherwise?

    For example:
      neff benchmark paraphrase answers.csv --original plain
      neff benchmark paraphrase answers.jsonl --wording template --original default --answer choice -o wording.html

    One row per model, item and wording; options and their order the same in all wordings.

    Parameters
    ----------
    records
        Files or folders of records.
    original
        The value that is the original wording.
    wording
        Column of the wording. Epochs are not wordings.
    answer
        Column of the answer as given, for consistency of wrong answers too.
    level
        Coverage of the intervals.
    n_resamples
        Of the test that the original is a wording like any other.
    seed
        Of that test.
    """
    from neff.benchmark.robustness import paraphrase_robustness, wordings_of
    from neff.cli.delivery import prepare
    from neff.cli.progress import progress
    from neff.cli.records import existing, read_records

    paths = existing(records, "benchmark paraphrase")
    delivery = prepare(output, inputs=paths)
    told = read_records(paths, columns, also=[wording, *([answer] if answer else [])], quiet=output.quiet)
    with progress("comparing", quiet=output.quiet):
        found = wordings_of(told, wording=wording, original=original, answer=answer)
        result = paraphrase_robustness(found, n_resamples=n_resamples, level=level, rng=seed)
    delivery.put_out(result, [f"note: {warning}" for warning in result.warnings])
    return 0
