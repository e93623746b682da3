"""`neff benchmark letters`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Group, Parameter

from neff.cli.options import NO_OUTPUT, STATISTICS, Input, Number, Output, Whole

__all__ = ["letters"]

ANSWERS = Group("Answers", sort_key=1)
Column = Annotated[str | None, Parameter(group=ANSWERS)]


def letters(
    *predictions: Input,
    gold: Column = None,
    n_options: Annotated[Whole, Parameter(group=ANSWERS)] = 4,
    options: Column = None,
    model: Annotated[tuple[str, ...], Parameter(group=ANSWERS, show_default=False)] = (),
    level: Annotated[Number, Parameter(group=STATISTICS)] = 0.95,
    output: Output = NO_OUTPUT,
) -> int:
    """Measure how far models' multiple-choice letters lean to a place.

    For example:
      neff benchmark letters predictions.parquet --gold gold --options nopt --n-options 10
      neff benchmark letters predictions.csv --gold answer --model llama --model qwen -o letters.html

    A letter that is given more often than it is right, on questions with about uniform right letters, is a preference
    for its place.

    Parameters
    ----------
    predictions
        One table: a row per question, a column per model with the letter that it gave, empty where none.
    gold
        Column of the right letter.
    n_options
        Options of the questions that are used.
    options
        Column of the number of options: others than --n-options are left out. Without it all questions have so many.
    model
        Column of a model. Repeatable; by default every other column of single letters.
    level
        Coverage of the intervals.
    """
    from neff.benchmark.survey import letter_bias
    from neff.cli.benchmark.tables import read_columns
    from neff.cli.delivery import prepare
    from neff.cli.records import existing
    from neff.errors import ArgumentError

    (path, *more) = existing(predictions, "benchmark letters")
    if more:
        raise ArgumentError("predictions", "one table", len(more) + 1, "Join them first: a column per model.")
    if gold is None:
        raise ArgumentError("gold", "the column of the right letter", None, "For example --gold answer.")
    delivery = prepare(output, inputs=[path])
    table = read_columns(path)
    for name in (gold, *([options] if options else []), *model):
        if name not in table:
            raise ArgumentError("column", "in the file", name, f"It has {sorted(table)}.")
    rows = range(len(table[gold]))
    if options:
        rows = [i for i in rows if table[options][i] == n_options]  # type: ignore[assignment]
    named = model or tuple(c for c in table if c not in (gold, options) and _is_letters(table[c]))
    allowed = {chr(ord("A") + i) for i in range(n_options)}
    told = {c: [table[c][i] if str(table[c][i]).strip().upper() in allowed else None for i in rows] for c in named}
    result = letter_bias(told, [table[gold][i] for i in rows], n_options=n_options, level=level)
    delivery.put_out(result)
    return 0


def _is_letters(values: list[object]) -> bool:
    """Return whether a column holds single letters and nothing else, at least one."""
    known = [v for v in values if v not in (None, "")]
    return bool(known) and all(isinstance(v, str) and len(v.strip()) == 1 and v.strip().isalpha() for v in known)
