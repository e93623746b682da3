"""`neff train cbs`."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Group, Parameter

from neff.cli.options import COLUMNS, NO_OUTPUT, STATISTICS, Input, Number, Output, Whole

__all__ = ["cbs"]

RUNS = Group("Runs", sort_key=1)

Name = Annotated[str | None, Parameter(group=COLUMNS)]


def cbs(
    *logs: Input,
    tolerance: Annotated[Number, Parameter(group=RUNS)] = 0.01,
    left_branch: Annotated[Literal["warn", "drop"], Parameter(group=RUNS)] = "warn",
    where: Annotated[tuple[str, ...], Parameter(group=RUNS, show_default=False)] = (),
    batch: Name = None,
    run: Name = None,
    loss: Name = None,
    checkpoint: Name = None,
    cost: Name = None,
    cost_unit: Annotated[Literal["auto", "examples", "tokens", "epochs", "steps"], Parameter(group=COLUMNS)] = "auto",
    level: Annotated[Number, Parameter(group=STATISTICS)] = 0.95,
    n_resamples: Annotated[Whole, Parameter(group=STATISTICS)] = 4000,
    seed: Annotated[Whole | None, Parameter(group=STATISTICS)] = None,
    output: Output = NO_OUTPUT,
) -> int:
    """How large may the batch be? Critical batch size from logs of runs.

    For example:
      neff train cbs branches.csv --tolerance 0.01
      neff train cbs runs/ --where optimizer=adam --where target=0.6
      neff train cbs branches.jsonl --loss eval_loss --checkpoint tokens -o cbs.html

    With a column of losses: branches that were trained on the same examples from one checkpoint (per checkpoint, where
    there is such a column). The answer is the largest batch without loss of token efficiency. With a column of
    examples, tokens, epochs or steps to a target: the batch at which the target costs twice the examples.

    Parameters
    ----------
    logs
        Files or folders: CSV, JSON Lines, Parquet, one row per run; - is stdin.
    tolerance
        Excess of loss that counts as none; declare it before you look.
    left_branch
        Small batches that cost more than larger ones: warn, or drop them from the fit.
    where
        Only rows with COLUMN=VALUE. Repeatable.
    batch
        Column of the batch size.
    run
        Column of the seed; runs with the same one are paired.
    loss
        Column of the loss at the end of the window.
    checkpoint
        Column of the checkpoint.
    cost
        Column of examples, tokens, epochs or steps to the target; an empty cell did not reach it.
    cost_unit
        What --cost counts; auto takes it from the name.
    level
        Coverage of the intervals.
    n_resamples
        Resamples of the runs.
    seed
        Seed of the random numbers.
    """
    from neff.cli.delivery import prepare
    from neff.cli.progress import progress
    from neff.cli.records import as_given
    from neff.errors import ArgumentError
    from neff.train.batch_size import read_batch_runs

    if not logs:
        fix = "For example: neff train cbs branches.csv (- reads stdin)."
        raise ArgumentError("logs", "at least one file or folder", "none", fix)
    delivery = prepare(output, inputs=logs)
    with progress("resampling", quiet=output.quiet):
        result = read_batch_runs(
            as_given(logs),
            batch=batch,
            run=run,
            loss=loss,
            checkpoint=checkpoint,
            cost=cost,
            cost_unit=cost_unit,
            where=where,
            tolerance=tolerance,
            level=level,
            n_resamples=n_resamples,
            left_branch=left_branch,
            rng=seed,
        )
    delivery.put_out(result, [f"note: {note}" for note in result.notes])
    return 0
