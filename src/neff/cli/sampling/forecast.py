"""`neff sampling forecast`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Group, Parameter

from neff.cli.options import NO_COLUMNS, NO_OUTPUT, STATISTICS, Columns, Input, Number, Output, Whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neff.sampling import Draws

__all__ = ["forecast"]

SAMPLING = Group("Sampling", sort_key=1)


def forecast(
    *records: Input,
    k: Annotated[str, Parameter(name="--k", group=SAMPLING)] = "100,1000",
    draws: Annotated[Whole | None, Parameter(group=SAMPLING)] = None,
    forecaster: Annotated[tuple[str, ...], Parameter(group=SAMPLING, show_default=False)] = (),
    level: Annotated[Number, Parameter(group=STATISTICS)] = 0.95,
    n_resamples: Annotated[Whole, Parameter(group=STATISTICS)] = 200,
    seed: Annotated[Whole | None, Parameter(group=STATISTICS)] = None,
    columns: Columns = NO_COLUMNS,
    output: Output = NO_OUTPUT,
) -> int:
    """Forecast pass@k at budgets far beyond the recorded answers.

    For example:
      neff sampling forecast runs/ --k 100,1000
      neff sampling forecast samples.csv.gz --item task --score correct --draw draw --draws 10 --k 100

    Several forecasters side by side: where they disagree, the recorded answers do not decide.

    Parameters
    ----------
    records
        Files or folders with several scored answers per item, of one model on one task.
    k
        Budgets, separated by commas.
    draws
        Use only the first so many answers of each item, to see what they would have foretold.
    forecaster
        beta-binomial, zero-inflated, log-log, power or plug-in. Repeatable; by default all.
    level
        Coverage of the intervals.
    n_resamples
        Bootstrap resamples of items.
    seed
        Of those resamples.
    """
    from dataclasses import replace

    from neff.cli.delivery import prepare
    from neff.cli.progress import progress
    from neff.cli.records import existing, read_records
    from neff.cli.sampling.pass_ import whole_numbers
    from neff.sampling import draws_of
    from neff.sampling import forecast as run

    paths = existing(records, "sampling forecast")
    delivery = prepare(output, inputs=paths)
    budgets = whole_numbers(k, "k")
    parts = draws_of(read_records(paths, columns, quiet=output.quiet), call="neff sampling forecast")
    part = one_part(parts, "forecast")
    right, scored = first_draws(part, draws)
    options: dict[str, Any] = {"methods": forecaster} if forecaster else {}
    with progress("fitting", quiet=output.quiet):
        result = run(right, scored, k=budgets, level=level, n_resamples=n_resamples, rng=seed, **options)
    if part.n_items > len(scored):
        said = f"Items without a scored answer, which are left out: {part.n_items - len(scored):,}."
        result = replace(result, notes=(*result.notes, said))
    delivery.put_out(result, [f"note: {note}" for note in result.notes])
    return 0


def one_part(parts: Sequence[Draws], verb: str) -> Draws:
    """Return the draws of the only model, task and metric.

    Raises
    ------
    ArgumentError
        If there are several, or none.
    """
    from neff.errors import ArgumentError

    if len(parts) != 1:
        names = [f"{part.model} on {part.task}, {part.metric}" for part in parts[:5]]
        fix = f"Keep one for `neff sampling {verb}`."
        raise ArgumentError("records", "of one model on one task, with one metric", names or "none", fix)
    return parts[0]


def first_draws(part: Draws, limit: int | None) -> tuple[Any, Any]:
    """Return right and scored draws of each item, among its first `limit` ones; items without any are left out."""
    import numpy as np

    spans = part.spans()
    within = np.arange(len(part)) - np.repeat([s.start for s in spans], [s.stop - s.start for s in spans])
    keep = ~np.isnan(part.outcome) & (within < (np.inf if limit is None else limit))
    scored = np.bincount(part.item[keep], minlength=part.n_items)
    right = np.bincount(part.item[keep], weights=part.outcome[keep], minlength=part.n_items)
    return right[scored > 0], scored[scored > 0]
