"""From the words after a verb to records and options, for every verb that reads records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from neff.cli.progress import progress
from neff.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from neff.cli.options import Columns, Judge, Statistics
    from neff.records import ItemSums, Records
    from neff.records.big import Engine

__all__ = [
    "STDIN",
    "as_given",
    "column_names",
    "evaluate_options",
    "existing",
    "judge_columns",
    "load_records",
    "read_records",
]

STDIN = "<stdin>"
"""How `-` is called once the command line is parsed, where a lone hyphen is no word."""


def existing(paths: Sequence[Path], verb: str) -> tuple[Path, ...]:
    """Return the inputs, at least one.

    Raises
    ------
    ArgumentError
        If there is none.
    """
    if not paths:
        raise ArgumentError(
            "records", "at least one file or folder", "none", f"For example: neff {verb} scores.csv (- reads stdin)."
        )
    return tuple(paths)


def as_given(paths: Sequence[Path]) -> list[str]:
    """Return the inputs as the user wrote them."""
    return ["-" if str(path) == STDIN else str(path) for path in paths]


def column_names(columns: Columns) -> dict[str, Any]:
    """Return the column options as keywords of the library, those that were given."""
    given = {
        "item": columns.item,
        "model": columns.model if len(columns.model) != 1 else columns.model[0],
        "score": columns.score,
        "draw": columns.draw,
        "task": columns.task,
        "metric": columns.metric,
        "cluster": columns.cluster,
        "label": columns.label,
        "weight": columns.weight,
        "target": columns.target,
        "wide": columns.wide,
    }
    return {name: value for name, value in given.items() if value not in (None, (), False)}


def read_records(paths: Sequence[Path], columns: Columns, *, also: Sequence[str] = (), quiet: bool = False) -> Records:
    """Read all inputs into one table; `also` names further columns to keep."""
    from neff.records import read

    with progress("reading", quiet=quiet):
        return read(as_given(paths), keep=tuple(also) or "mapped", by_file=columns.by_file, **column_names(columns))


def load_records(
    paths: Sequence[Path], columns: Columns, engine: Engine, judge: Judge, *, quiet: bool = False
) -> Records | ItemSums:
    """Read all inputs: rows, or sums of them where they are too many."""
    from neff.records.big import load

    also = judge_columns(judge)
    with progress("reading", quiet=quiet):
        return load(
            as_given(paths),
            engine=engine,
            rows=bool(also) or judge.estimator not in ("auto", "mean"),
            labels=judge.estimator != "mean",
            keep=tuple(also) or "mapped",
            by_file=columns.by_file,
            **column_names(columns),
        )


def judge_options(judge: Judge) -> dict[str, Any]:
    """Return the judge options as keywords of `neff.evaluate`."""
    return {
        "estimator": judge.estimator,
        "scale": judge.scale,
        "calibration": judge.calibration,
        "covariates": judge.covariate,
        "propensity": judge.propensity,
        "n_folds": judge.n_folds,
        "inference": judge.inference,
        "log_prob": judge.log_prob,
        "target_log_prob": judge.target_log_prob,
    }


def judge_columns(judge: Judge) -> list[str]:
    """Return the columns that the judge options name."""
    named = [*judge.covariate, judge.propensity, judge.log_prob, *judge.target_log_prob]
    return [name for name in named if name]


def evaluate_options(statistics: Statistics, judge: Judge | None = None) -> dict[str, Any]:
    """Return the statistics (and judge) options as keywords of `neff.evaluate`."""
    return (judge_options(judge) if judge else {}) | {
        "level": statistics.level,
        "correction": statistics.correction,
        "margin": statistics.margin,
        "aggregate": statistics.aggregate,
        "unscored": statistics.unscored,
        "lower_is_better": statistics.lower_is_better or None,
        "tests": statistics.test,
        "n_resamples": statistics.n_resamples,
        "rng": statistics.seed,
    }
