"""`compare_estimators`: the same records by several estimators, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, get_args

from neff.errors import ArgumentError, ArgumentTypeError
from neff.evaluate.answers import target_columns
from neff.evaluate.api import evaluate
from neff.evaluate.judge_options import ESTIMATORS
from neff.evaluate.off_policy.estimators import OffPolicyMethod
from neff.records import Records, as_records
from neff.results import Column, Table
from neff.stats._options import check_choice

if TYPE_CHECKING:
    from collections.abc import Mapping

    from neff.evaluate.calibrating.calibration import Mode
    from neff.evaluate.judge_options import Estimator
    from neff.evaluate.options import Aggregate

__all__ = ["compare_estimators"]

CALL = "compare_estimators"
OFF_POLICY: tuple[str, ...] = get_args(OffPolicyMethod)


def compare_estimators(
    records: Any,
    *,
    estimators: Sequence[Estimator] = ("judge", "labels", "plug-in", "augmented", "ppi++"),
    level: float = 0.95,
    aggregate: Aggregate = "macro",
    scale: tuple[float, float] = (0.0, 1.0),
    calibration: Mode = "auto",
    covariates: Sequence[str] = (),
    propensity: str | None = None,
    n_folds: int | None = None,
    log_prob: str | None = None,
    target_log_prob: Mapping[str, str] | Sequence[str] = (),
    **columns: Any,
) -> Table:
    """Score every model by several estimators on the same records, one row per model and estimator.

    Use it to see what calibration and labels change, and which numbers rest on assumptions that others do not need.
    Not for choosing the estimator whose answer one likes: decide on one before looking, `augmented` where in doubt.

    Parameters
    ----------
    records
        As for `evaluate`: records with scores, and labels on some rows.
    estimators
        Names as in `evaluate`, in the order of the rows. Those that weight logged answers ("dr", "augmented-snips",
        "snips", ...) need `log_prob` and `target_log_prob`; the others do not look at these.
    level, aggregate, scale, calibration, covariates, propensity, n_folds, log_prob, target_log_prob, **columns
        As in `evaluate`.

    Returns
    -------
    Table
        task, metric, model, estimator, value, standard_error, interval, refused (why the level must not be read) and
        reason (why a number is undefined). Models are in the order of the first estimator, best first.

    Raises
    ------
    ArgumentError
        If an estimator is not known or occurs twice, or one that weights logged answers has no log-probabilities.
    RecordsError
        If an estimator cannot be used on the records at all, such as a calibrated one without labels.

    Notes
    -----
    Estimand and assumptions are those of each estimator; see `evaluate`. No pairs are compared. The cost is that of as
    many evaluations; files are read once.

    Examples
    --------
    >>> import numpy as np
    >>> score = np.tile(np.arange(10) / 10, 8)
    >>> label = np.where(np.arange(80) % 3 == 0, score**2, np.nan)
    >>> rows = {"item": np.arange(80), "model": ["a"] * 80, "score": score, "label": label}
    >>> table = compare_estimators(rows, estimators=("judge", "augmented"))
    >>> [(row[3], round(row[4], 3)) for row in table.rows]
    [('judge', 0.45), ('augmented', 0.285)]
    """
    names = _checked(estimators)
    targets = target_columns(target_log_prob)
    if not isinstance(records, Records):
        kept = [name for name in (*covariates, propensity, log_prob, *targets.values()) if name]
        columns.setdefault("keep", tuple(kept))
        records, columns = as_records(records, **columns), {}
    found: dict[tuple[str, str], dict[str, dict[str, tuple[Any, ...]]]] = {}
    for name in names:
        weighted = name in OFF_POLICY
        result = evaluate(
            records,
            estimator=name,
            pairs=False,
            level=level,
            aggregate=aggregate,
            scale=scale,
            calibration=calibration,
            covariates=covariates,
            propensity=propensity,
            n_folds=n_folds,
            log_prob=log_prob if weighted else None,
            target_log_prob=targets if weighted else (),
            **columns,
        )
        for e in result.estimates:
            row = (e.value, e.standard_error, e.interval, e.refused, "" if e.reason is None else str(e.reason))
            found.setdefault((e.task, e.metric), {}).setdefault(e.model, {})[name] = row
    rows = tuple(
        (task, metric, model, name, *row)
        for (task, metric), models in found.items()
        for model, by_name in models.items()
        for name, row in by_name.items()
    )
    titles = (
        Column("task", "Task"),
        Column("metric", "Metric"),
        Column("model", "Model"),
        Column("estimator", "Estimator"),
        Column("value", "Estimate", "number"),
        Column("standard_error", "SE", "number"),
        Column("interval", f"{100 * level:g}% interval", "interval"),
        Column("refused", "Refused", help="why the value must not be read as a level"),
        Column("reason", "Reason", help="why a number is undefined"),
    )
    return Table(titles, rows, "The same records by several estimators")


def _checked(estimators: Sequence[Estimator]) -> tuple[Estimator, ...]:
    if isinstance(estimators, str) or not isinstance(estimators, Sequence):
        fix = "Write ('judge', 'augmented')."
        raise ArgumentTypeError("estimators", "a list of names", estimators, fix, call=CALL)
    for name in estimators:
        check_choice(name, ESTIMATORS, argument="estimators", call=CALL)
    if not estimators or len(set(estimators)) < len(estimators):
        raise ArgumentError(
            "estimators", "different names, one or more", tuple(estimators), "Name each once.", call=CALL
        )
    return tuple(estimators)
