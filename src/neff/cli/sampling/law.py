"""`neff sampling law`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Group, Parameter

from neff.cli.options import NO_COLUMNS, NO_OUTPUT, STATISTICS, Columns, Flag, Input, Number, Output, Whole

if TYPE_CHECKING:
    from neff.records import Records

__all__ = ["law"]

SAMPLING = Group("Sampling", sort_key=1)


def law(
    *records: Input,
    size: Annotated[str | None, Parameter(group=SAMPLING)] = None,
    predict: Annotated[tuple[Number, ...], Parameter(group=SAMPLING, show_default=False)] = (),
    curves: Annotated[Literal["instance", "dataset"], Parameter(group=SAMPLING)] = "instance",
    fit: Annotated[Literal["likelihood", "weighted", "ols"], Parameter(group=SAMPLING)] = "likelihood",
    passes: Annotated[Whole | None, Parameter(group=SAMPLING)] = None,
    emergence: Annotated[Flag, Parameter(group=SAMPLING)] = False,
    level: Annotated[Number, Parameter(group=STATISTICS)] = 0.95,
    n_resamples: Annotated[Whole, Parameter(group=STATISTICS)] = 200,
    seed: Annotated[Whole | None, Parameter(group=STATISTICS)] = None,
    columns: Columns = NO_COLUMNS,
    output: Output = NO_OUTPUT,
) -> int:
    """Fit the task scaling law to the pass rates of models of several sizes.

    For example:
      neff sampling law runs/ --size parameters --predict 2.4
      neff sampling law draws.csv --size parameters --passes 2 --predict 2.4 --predict 7
      neff sampling law draws.csv --size parameters --emergence

    Rates of small models predict those of a larger one; and whether they grow faster than the items' own laws say.

    Parameters
    ----------
    records
        Files or folders with answers of several models to the same items, scored 1 or 0.
    size
        Column of the model's size, one number per model.
    predict
        Size to predict the pass rate of. Repeatable.
    curves
        instance: a curve per item. dataset: one for the mean rate.
    fit
        likelihood of the counts, or least squares of log(-log rate): weighted, or ols as in the paper.
    passes
        r, where answers were drawn until the r-th pass.
    emergence
        Test the shape instead.
    level
        Coverage of the intervals.
    n_resamples
        Bootstrap resamples, or data sets drawn for the test.
    seed
        Of those.
    """
    from neff.cli.delivery import prepare
    from neff.cli.progress import progress
    from neff.cli.records import existing, read_records
    from neff.errors import ArgumentError
    from neff.sampling import emergence_test, fit_task_law

    paths = existing(records, "sampling law")
    if size is None:
        raise ArgumentError("size", "the column of the model's size", None, "For example --size parameters.")
    delivery = prepare(output, inputs=paths)
    sizes, right, drawn = counts(read_records(paths, columns, also=(size,), quiet=output.quiet), size)
    result: Any
    with progress("fitting", quiet=output.quiet):
        if emergence:
            result = emergence_test(sizes, right, drawn, passes=passes, n_resamples=max(n_resamples, 20), rng=seed)
        else:
            options: dict[str, Any] = {"curves": curves, "method": fit, "n_resamples": n_resamples, "rng": seed}
            result = fit_task_law(sizes, right, drawn, passes=passes, **options)
            result = result.with_predictions(predict, level=level)
    delivery.put_out(result, [f"note: {warning}" for warning in getattr(result, "warnings", ())])
    return 0


def counts(table: Records, size: str) -> tuple[Any, Any, Any]:
    """Return sizes, right and scored answers by item and model, the models in order of size.

    Raises
    ------
    ArgumentError
        If the column is missing or not one number per model, there are several tasks or metrics, or scores between 0
        and 1.
    """
    import numpy as np

    from neff.errors import ArgumentError

    column = table.extra.get(size)
    if not isinstance(column, np.ndarray):
        raise ArgumentError("size", "a column of numbers", size, f"The records have {sorted(table.extra)}.")
    if table.task.n_levels > 1 or table.metric.n_levels > 1:
        got = ", ".join([*table.task.levels, *table.metric.levels][:6])
        raise ArgumentError("records", "of one task and one metric", got, "Keep one for `neff sampling law`.")
    wrong = table.score[~np.isnan(table.score) & (table.score != 0) & (table.score != 1)]
    if len(wrong):
        fix = "Say first from which score on an answer passes; a fraction is not a pass."
        raise ArgumentError("score", "0, 1 or missing", float(wrong[0]), fix)
    models = table.model.codes
    sizes = np.full(table.model.n_levels, np.nan)
    for model in range(table.model.n_levels):
        own = np.unique(column[models == model])
        if len(own) != 1 or not own[0] > 0:
            got = f"{table.model.levels[model]}: {own[:3].tolist()}"
            raise ArgumentError("size", "one positive number per model", got)
        sizes[model] = own[0]
    shape = (table.item.n_levels, table.model.n_levels)
    keep = ~np.isnan(table.score)
    place = (table.item.codes.astype(np.int64) * shape[1] + models)[keep]
    drawn = np.bincount(place, minlength=shape[0] * shape[1]).reshape(shape)
    right = np.bincount(place, weights=table.score[keep], minlength=shape[0] * shape[1]).reshape(shape)
    order = np.argsort(sizes, kind="stable")
    return sizes[order], right[:, order], drawn[:, order]
