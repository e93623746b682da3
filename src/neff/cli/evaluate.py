"""`neff evaluate`."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from neff.cli.options import (
    JUDGE,
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
    compare_estimators: Annotated[Flag, Parameter(group=JUDGE)] = False,
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
    compare_estimators
        Beside the result: what judge, labels, plug-in, augmented and ppi++ say of the same records.
    engine
        stream keeps sums per item, not rows, for files larger than memory (auto sees when); ray makes them in your
        cluster (RAY_ADDRESS). The result is the same to the last bit.
    """
    from neff.cli.delivery import prepare
    from neff.cli.progress import progress
    from neff.cli.records import evaluate_options, existing, load_records
    from neff.evaluate import evaluate as run
    from neff.evaluate import subtask_scores
    from neff.evaluate.estimators_table import USUAL, estimator_rows

    paths = existing(records, "evaluate")
    delivery = prepare(output, gates, inputs=paths)
    table = load_records(paths, columns, engine, judge, quiet=output.quiet)
    options = evaluate_options(statistics, judge)
    with progress("comparing", quiet=output.quiet):
        result = run(table, pairs=not no_compare, **options)
        if shrink:
            result = replace(result, subtasks=subtask_scores(result, rng=statistics.seed or 0))
        if compare_estimators:
            result = replace(result, by_estimator=estimator_rows(table, USUAL, **_common(options)))
    return delivery.hand_over(result)


def _common(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that all estimators share."""
    shared = ("level", "aggregate", "scale", "calibration", "covariates", "propensity", "n_folds")
    return {name: options[name] for name in shared}
