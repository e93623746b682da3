"""Options that verbs share: columns, statistics, output. Parsed here, checked by the room that uses them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Group, Parameter

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "COLUMNS",
    "JUDGE",
    "NO_COLUMNS",
    "NO_GATES",
    "NO_JUDGE",
    "NO_OUTPUT",
    "NO_STATISTICS",
    "PLAN",
    "STATISTICS",
    "Columns",
    "Flag",
    "Gates",
    "Input",
    "Judge",
    "Number",
    "Output",
    "Statistics",
    "Whole",
]

COLUMNS = Group("Columns", help="Which column holds what; found by name where none is given.", sort_key=2)
STATISTICS = Group("Statistics", sort_key=3)
JUDGE = Group("Judge and labels", sort_key=4)
OUTPUT = Group("Output", sort_key=5)
PLAN = Group("Plan", sort_key=1)
GATES = Group("Gates", sort_key=6)


def _whole(_: type, tokens: Sequence[Any]) -> int:
    """Return a whole number; 1e4 is one, 1.5 is not (it must not be rounded in silence)."""
    written = tokens[0].value
    try:
        return int(written)
    except ValueError:
        pass
    try:
        number = float(written)
    except ValueError:
        number = 0.5
    if not number.is_integer():
        raise ValueError(f"must be a whole number, got {written!r}.")
    return int(number)


def _number(_: type, tokens: Sequence[Any]) -> float:
    written = tokens[0].value
    try:
        return float(written)
    except ValueError:
        raise ValueError(f"must be a number, got {written!r}.") from None


Input = Annotated[Path, Parameter(show_default=False)]
Whole = Annotated[int, Parameter(converter=_whole)]
Number = Annotated[float, Parameter(converter=_number)]
Names = Annotated[tuple[str, ...], Parameter(show_default=False)]
Files = Annotated[tuple[Path, ...], Parameter(name=("--output", "-o"), show_default=False)]
Format = Literal["table", "md", "json", "html", "csv", "junit", "eee"]
Flag = Annotated[bool, Parameter(show_default=False)]
Tests = Annotated[tuple[Literal["mcnemar", "permutation", "bootstrap"], ...], Parameter(show_default=False)]


@Parameter(name="*", group=COLUMNS)
@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Which column holds what.

    Parameters
    ----------
    item
        Column of the question.
    model
        Column of the model. Repeat it, or give a pattern ('gpt-*'), where each model has its own column.
    score
        Column of the score; an empty cell is unscored, not wrong.
    draw
        Column of the repeat; without it, repeats are counted in the order of rows.
    task
        Column of the task.
    metric
        Column of the metric.
    cluster
        Column that groups items that share a passage, topic or author. At most two.
    label
        Column of the oracle's label, empty where there is none.
    weight
        Column of the sampling weight.
    target
        Column of the right answer: the score is then 1 where the model's answer equals it, else 0.
    wide
        Every column that no other option names is a model; those without scores are left out.
    by_file
        What several files without a model column are: refuse to guess, one model each, or repeats of one.
    """

    item: str | None = None
    model: Names = ()
    score: str | None = None
    draw: str | None = None
    task: str | None = None
    metric: str | None = None
    cluster: Names = ()
    label: str | None = None
    weight: str | None = None
    target: str | None = None
    wide: Flag = False
    by_file: Literal["refuse", "models", "draws"] = "refuse"


@Parameter(name="*", group=STATISTICS)
@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """How it is computed.

    Parameters
    ----------
    level
        Coverage of the intervals.
    correction
        Correction for comparing many pairs.
    margin
        A model must be better by more than this; declare it before you look.
    aggregate
        Over tasks: the mean of the task means (macro), the mean over all items (micro), or none.
    unscored
        Leave unscored draws out, or count them as wrong.
    lower_is_better
        A lower score is better.
    test
        A further test of each difference. Repeatable.
    n_resamples
        Resamples of the permutation and bootstrap tests.
    seed
        Seed of the random numbers.
    """

    level: Number = 0.95
    correction: Literal["holm", "benjamini-hochberg", "benjamini-yekutieli", "bonferroni", "none"] = "holm"
    margin: Number = 0.0
    aggregate: Literal["macro", "micro", "none"] = "macro"
    unscored: Literal["exclude", "wrong"] = "exclude"
    lower_is_better: Flag = False
    test: Tests = ()
    n_resamples: Whole = 10_000
    seed: Whole | None = None


@Parameter(name="*", group=JUDGE)
@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """What to make of a judge's scores beside labels on a slice.

    Parameters
    ----------
    estimator
        auto: augmented where there are labels, else mean. mean takes the scores as they stand; augmented calibrates
        them and corrects each model by its own labels; plug-in does not correct; labels, judge, ppi, ppi++ compare;
        dr and augmented-snips weight logged answers; the others are published methods.
    scale
        Lowest and highest possible label: --scale 1 5.
    calibration
        monotone: the label rises with the score. two-stage: any smooth shape, and covariates.
    covariate
        Column that predicts the label beside the score. Repeatable.
    propensity
        Column with the known probability that a row was labelled.
    n_folds
        Folds of prompts; by default 20, or as many as prompts are labelled.
    inference
        bootstrap refits the calibrator n-resamples times.
    log_prob
        Column with the log-probability of each logged answer under the policy that gave it.
    target_log_prob
        Column with its log-probability under a target policy, named after it (log_prob_new). Repeatable.
    """

    estimator: Literal[
        "auto",
        "mean",
        "augmented",
        "augmented-tuned",
        "plug-in",
        "labels",
        "judge",
        "ppi",
        "ppi++",
        "dr",
        "augmented-snips",
        "snips",
        "ips",
        "raw-ips",
        "simcal-ips",
        "dr-cpo",
        "mrdr",
        "tmle",
        "tr-cpo",
        "tr-cpo-e",
        "stacked-dr",
    ] = "auto"
    scale: tuple[Number, Number] = (0.0, 1.0)
    calibration: Literal["auto", "monotone", "two-stage"] = "auto"
    covariate: Names = ()
    propensity: str | None = None
    n_folds: Whole | None = None
    inference: Literal["analytic", "bootstrap"] = "analytic"
    log_prob: str | None = None
    target_log_prob: Names = ()


@Parameter(name="*", group=OUTPUT)
@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """What is shown and written.

    Parameters
    ----------
    json
        One JSON object on stdout; the same as --format json.
    format
        Format on stdout.
    output
        File to write, its format by suffix (.html .md .json .csv .xml ...). Repeatable.
    quiet
        No notes and no progress on stderr.
    no_color
        No colour; the variable NO_COLOR does the same.
    """

    json: Flag = False
    format: Format | None = None
    output: Files = ()
    quiet: Annotated[bool, Parameter(name=("--quiet", "-q"), show_default=False)] = False
    no_color: Flag = False


@Parameter(name="*", group=GATES)
@dataclass(frozen=True, slots=True, kw_only=True)
class Gates:
    """When the exit code stops a build.

    Parameters
    ----------
    strict
        Exit with 4 where the data do not decide.
    fail_if
        Exit with 1 where this is true: 'lower(diff) < -0.01', 'value(score[my-model]) < 0.8'. Repeatable.
    """

    strict: Flag = False
    fail_if: Names = ()


NO_COLUMNS, NO_STATISTICS, NO_JUDGE, NO_OUTPUT, NO_GATES = Columns(), Statistics(), Judge(), Output(), Gates()
"""The defaults of the verbs: nothing said."""
