"""`neff compare`."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from neff.cli.options import (
    COLUMNS,
    NO_COLUMNS,
    NO_GATES,
    NO_JUDGE,
    NO_OUTPUT,
    NO_STATISTICS,
    Columns,
    Gates,
    Input,
    Judge,
    Number,
    Output,
    Statistics,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from neff.evaluate.result import Evaluation
    from neff.records import Records

__all__ = ["compare"]

_FORMS = "Write neff compare RUN_A RUN_B, or neff compare RECORDS --a MODEL --b MODEL."


def compare(
    *records: Input,
    a: Annotated[str | None, Parameter(group=COLUMNS)] = None,
    b: Annotated[str | None, Parameter(group=COLUMNS)] = None,
    columns: Columns = NO_COLUMNS,
    statistics: Statistics = NO_STATISTICS,
    judge: Judge = NO_JUDGE,
    power: Number = 0.8,
    output: Output = NO_OUTPUT,
    gates: Gates = NO_GATES,
) -> int:
    """Two runs or two models, paired by item: A minus B.

    For example:
      neff compare run_a.jsonl run_b.jsonl
      neff compare new/ old/ --margin 0.01 --strict
      neff compare scores.csv --a my-model --b baseline
      neff compare new.csv old.csv --fail-if 'upper(diff) < 0'

    Two inputs are two runs. With --a and --b, the inputs hold both models.

    Parameters
    ----------
    records
        Run A and run B (files or folders), or records of both models with --a and --b; - is stdin.
    a
        The model A, whose score comes first.
    b
        The model B, whose score is subtracted.
    power
        Chance with which the detectable difference would be seen.
    """
    from neff.cli.delivery import prepare
    from neff.cli.records import evaluate_options, existing, judge_columns, read_records
    from neff.errors import ArgumentError

    paths = existing(records, "compare")
    delivery = prepare(output, gates, inputs=paths)
    if not 0 < power < 1:
        raise ArgumentError("power", "in (0, 1)", power, "Use 0.8.")
    if (a is None) != (b is None):
        name, given = ("b", a) if b is None else ("a", b)
        raise ArgumentError(
            name, f"given where --{'a' if name == 'b' else 'b'} is", None, f"{given!r} needs a partner."
        )
    if a is not None and b is not None:
        if columns.wide and not columns.model:
            columns = replace(columns, model=(a, b))
        table = read_records(paths, columns, also=judge_columns(judge), quiet=output.quiet)
        result = _of_models(table, a, b, evaluate_options(statistics, judge))
    elif len(paths) == 2:
        also = judge_columns(judge)
        sides = [read_records([path], columns, also=also, quiet=output.quiet) for path in paths]
        result = _of_runs(sides, paths, evaluate_options(statistics, judge))
    else:
        raise ArgumentError("records", "two runs", f"{len(paths)} without --a and --b", _FORMS)
    return delivery.hand_over(_with_detectable(result, power))


def _of_models(table: Records, a: str, b: str, options: dict[str, Any]) -> Evaluation:
    from difflib import get_close_matches

    from neff.errors import ArgumentError
    from neff.evaluate import compare as run

    known = table.model.levels
    for name, model in (("a", a), ("b", b)):
        if model not in known:
            close = get_close_matches(model, known, n=1)
            fix = f"Did you mean {close[0]!r}?" if close else f"There are: {', '.join(known[:20])}."
            raise ArgumentError(name, "a model of the records", model, fix)
    if a == b:
        raise ArgumentError("b", "another model than --a", b, "A model does not differ from itself.")
    return run(a, b, records=table, **options)


def _of_runs(sides: Sequence[Records], paths: Sequence[Path], options: dict[str, Any]) -> Evaluation:
    from neff.errors import ArgumentError
    from neff.evaluate import compare as run

    for side, path in zip(sides, paths, strict=True):
        models = side.model.levels
        if len(models) != 1:
            raise ArgumentError(
                "records",
                "runs of one model each",
                f"{path} with {len(models)}: {', '.join(models[:10])}",
                "Name the two to compare: --a MODEL --b MODEL.",
            )
    return run(sides[0], sides[1], **options)


def _with_detectable(result: Evaluation, power: float) -> Evaluation:
    """Add to the notes what these items can show: an undecided result means little without it."""
    from neff.evaluate import minimum_detectable_effect
    from neff.evaluate.means import MACRO, MICRO

    averages = [c for c in result.comparisons if c.task in (MACRO, MICRO)]
    notes = []
    for c in averages or result.comparisons:
        effect = minimum_detectable_effect(c, power=power, level=result.level)
        if math.isfinite(effect):
            where = f" on {c.task}" if len(result.groups()) > 1 else ""
            notes.append(
                f"Minimum detectable effect{where}: {c.n_items:,} common items show a true difference of "
                f"{effect:.4f} with power {power:g}; a smaller one can stay unseen."
            )
    return replace(result, notes=(*result.notes, *notes))
