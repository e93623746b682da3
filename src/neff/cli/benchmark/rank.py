"""`neff benchmark rank`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Group, Parameter

from neff.cli.options import NO_OUTPUT, STATISTICS, Flag, Input, Number, Output, Whole

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["rank"]

BATTLES = Group("Battles", sort_key=1)
Column = Annotated[str | None, Parameter(group=BATTLES)]


def rank(
    *battles: Input,
    left: Column = None,
    right: Column = None,
    winner: Column = None,
    weight: Column = None,
    cluster: Column = None,
    covariate: Annotated[tuple[str, ...], Parameter(group=BATTLES, show_default=False)] = (),
    model: Annotated[Literal["bradley-terry", "davidson", "rao-kupper"], Parameter(group=STATISTICS)] = "bradley-terry",
    no_position: Annotated[Flag, Parameter(group=STATISTICS)] = False,
    judge: Annotated[Flag, Parameter(group=STATISTICS)] = False,
    prior: Annotated[Number, Parameter(group=STATISTICS)] = 0.0,
    inference: Annotated[Literal["sandwich", "model", "bootstrap"], Parameter(group=STATISTICS)] = "sandwich",
    level: Annotated[Number, Parameter(group=STATISTICS)] = 0.95,
    n_resamples: Annotated[Whole, Parameter(group=STATISTICS)] = 500,
    seed: Annotated[Whole | None, Parameter(group=STATISTICS)] = None,
    output: Output = NO_OUTPUT,
) -> int:
    """Rank models from pairwise verdicts, with the judge's preference for a place taken out.

    For example:
      neff benchmark rank battles.csv
      neff benchmark rank battles.csv --left model_a --right model_b --winner winner --cluster judge
      neff benchmark rank battles.parquet --model davidson --inference bootstrap -o ranking.html
      neff benchmark rank comparisons.csv --winner probability --judge

    Bradley-Terry on counts, so that a million battles take no longer than their reading.

    Parameters
    ----------
    battles
        Files: CSV, JSON Lines or Parquet, one row per battle.
    left, right
        Columns of the two sides; found as left/right, model_a/model_b, a/b or x/y.
    winner
        Column of the verdict: left, right or tie; 1, 0, 0.5; or the probability that the left one is better.
    weight
        Column of weights.
    cluster
        Column of what battles share: the judge, or the prompt.
    covariate
        Column of what else sways the judge, left minus right. Repeatable.
    model
        bradley-terry: a tie is half a win for each. davidson, rao-kupper: ties have a parameter.
    no_position
        Do not fit a preference for the left place.
    judge
        Describe the judge instead: its preference, win ratios with and without it.
    prior
        Weight of a normal prior on the strengths: gives undefeated players a number.
    inference
        Intervals: robust, from the likelihood, or over resamples.
    level
        Coverage of the intervals.
    n_resamples
        Of the bootstrap.
    seed
        Of the bootstrap.
    """
    from neff.benchmark.pairwise import judged_pairs, rank_battles
    from neff.cli.delivery import prepare
    from neff.cli.progress import progress
    from neff.cli.records import existing

    paths = existing(battles, "benchmark rank")
    delivery = prepare(output, inputs=paths)
    named = {"left": left, "right": right, "winner": winner, "weight": weight, "cluster": cluster}
    with progress("reading", quiet=output.quiet):
        told, covariates = read_battles(paths, named, covariate)
    result: Any
    with progress("ranking", quiet=output.quiet):
        if judge:
            result = judged_pairs(told, level=level)
        else:
            result = rank_battles(
                told, model=model, position=not no_position, covariates=covariates or None, prior=prior,
                inference=inference, level=level, n_resamples=n_resamples, rng=seed,
            )  # fmt: skip
    notes = [f"note: {told.n_dropped} battles without a verdict left out"] if told.n_dropped else []
    delivery.put_out(result, notes)
    return 0


SYNONYMS = {
    "left": ("left", "model_a", "a", "x", "model_x", "first"),
    "right": ("right", "model_b", "b", "y", "model_y", "second"),
    "winner": ("winner", "outcome", "verdict", "label", "probability"),
}


def read_battles(paths: tuple[Path, ...], named: dict[str, str | None], covariates: tuple[str, ...]) -> tuple[Any, Any]:
    """Read the columns of all files and return the battles, and the covariates of those with a verdict.

    Raises
    ------
    ArgumentError
        If a column is missing.
    RecordsError
        If a file cannot be read.
    """
    import numpy as np

    from neff.benchmark.pairwise.battles import battles_of, outcomes_of
    from neff.cli.benchmark.tables import numbers_of, read_columns
    from neff.errors import ArgumentError

    tables = [read_columns(path) for path in paths]
    columns: dict[str, list[Any]] = {}
    for table in tables:
        found = {role: _column(role, name, table) for role, name in named.items()}
        wanted = {role: name for role, name in found.items() if name is not None} | {f"+{c}": c for c in covariates}
        for role, name in wanted.items():
            if name not in table:
                raise ArgumentError("column", "in the file", name, f"It has {sorted(table)}.")
            columns.setdefault(role, []).extend(table[name])
    options = {role: columns[role] for role in ("weight", "cluster") if role in columns}
    told = battles_of(columns["left"], columns["right"], columns["winner"], **options)
    keep = ~np.isnan(outcomes_of(columns["winner"])[0])
    return told, {c: np.array(numbers_of(columns[f"+{c}"], c))[keep] for c in covariates}


def _column(role: str, name: str | None, table: dict[str, Any]) -> str | None:
    from neff.errors import ArgumentError

    if name is not None or role not in SYNONYMS:
        return name
    found = next((word for word in SYNONYMS[role] if word in table), None)
    if found is None:
        raise ArgumentError(role, "a column", None, f"Name it: --{role} NAME. The file has {sorted(table)}.")
    return found
