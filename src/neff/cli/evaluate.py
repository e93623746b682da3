"""`neff evaluate`."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

from cyclopts import Parameter

from neff.cli.options import (
    NO_COLUMNS,
    NO_GATES,
    NO_JUDGE,
    NO_OUTPUT,
    NO_STATISTICS,
    STATISTICS,
    Columns,
    Flag,
    Gates,
    Input,
    Judge,
    Output,
    Statistics,
)

__all__ = ["evaluate"]


def evaluate(
    *records: Input,
    columns: Columns = NO_COLUMNS,
    statistics: Statistics = NO_STATISTICS,
    judge: Judge = NO_JUDGE,
    no_compare: Annotated[Flag, Parameter(group=STATISTICS)] = False,
    shrink: Annotated[Flag, Parameter(group=STATISTICS)] = False,
    engine: Annotated[Literal["auto", "memory", "stream", "ray"], Parameter(group=STATISTICS)] = "auto",
    output: Output = NO_OUTPUT,
    gates: Gates = NO_GATES,
) -> int:
    """Which model is better, by how much, and how sure?

    For example:
      neff evaluate runs/
      neff evaluate scores.csv --item id --model name --score ok --cluster topic
      neff evaluate wide.csv --item id --model 'gpt-*' --target gold -o out.html
      neff evaluate runs/ --fail-if 'lower(score[mine]) < 0.8' -o junit.xml

    Scores every model with an honest interval, and compares every pair on the items that both have.

    Parameters
    ----------
    records
        Files or folders: CSV, JSONL, Parquet, logs of Inspect, lm-eval and others; - is stdin.
    no_compare
        Scores only.
    shrink
        For many tasks with few items each: scores shrunk towards a common value, beside the raw ones.
    engine
        stream keeps sums per item, not rows, for files larger than memory (auto sees when); ray makes them in your
        cluster (RAY_ADDRESS). The result is the same to the last bit.
    """
    from neff.cli.delivery import prepare
    from neff.cli.progress import progress
    from neff.cli.records import evaluate_options, existing, load_records
    from neff.evaluate import evaluate as run
    from neff.evaluate import subtask_scores

    paths = existing(records, "evaluate")
    delivery = prepare(output, gates, inputs=paths)
    table = load_records(paths, columns, engine, judge, quiet=output.quiet)
    with progress("comparing", quiet=output.quiet):
        result = run(table, pairs=not no_compare, **evaluate_options(statistics, judge))
        if shrink:
            result = replace(result, subtasks=subtask_scores(result, rng=statistics.seed or 0))
    return delivery.hand_over(result)
