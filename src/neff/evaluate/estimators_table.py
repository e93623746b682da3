"""`compare_estimators`: the same records by several estimators, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, get_args

from neff.errors import ArgumentError, ArgumentTypeError
from neff.evaluate.answers import target_columns
from neff.evaluate.api import evaluate
from neff.evaluate.estimator_rows import EstimatorRow, rows_table
from neff.evaluate.judge_options import ESTIMATORS, Estimator
from neff.evaluate.off_policy.estimators import OffPolicyMethod
from neff.records import Records, as_records
from neff.stats._options import check_choice

if TYPE_CHECKING:
    from collections.abc import Mapping

    from neff.evaluate.calibrating.calibration import Mode
    from neff.evaluate.options import Aggregate
    from neff.records import ItemSums
    from neff.results import Table

__all__ = ["USUAL", "compare_estimators", "estimator_rows"]

USUAL: tuple[Estimator, ...] = ("judge", "labels", "plug-in", "augmented", "ppi++")
"""What is compared where nothing else is asked for."""

CALL = "compare_estimators"
OFF_POLICY: tuple[str, ...] = get_args(OffPolicyMethod)


def compare_estimators(
    records: Any,
    *,
    estimators: Sequence[Estimator] = USUAL,
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
        records = as_records(records, **columns)
    elif columns:
        records = as_records(records, **columns)  # which refuses them
    rows = estimator_rows(
        records,
        names,
        level=level,
        aggregate=aggregate,
        scale=scale,
        calibration=calibration,
        covariates=covariates,
        propensity=propensity,
        n_folds=n_folds,
        log_prob=log_prob,
        target_log_prob=targets,
    )
    return rows_table(rows, level)


def estimator_rows(
    records: Records | ItemSums,
    estimators: Sequence[Estimator],
    *,
    log_prob: str | None = None,
    target_log_prob: Mapping[str, str] | Sequence[str] = (),
    **options: Any,
) -> tuple[EstimatorRow, ...]:
    """Return the rows of `compare_estimators`; `options` are those of `evaluate`."""
    if not isinstance(records, Records):
        raise ArgumentError(
            "records", "rows with labels", "sums per item", "Sums hold no labels; use engine='memory'.", call=CALL
        )
    found: dict[tuple[str, str], dict[str, list[EstimatorRow]]] = {}
    for name in estimators:
        weighted = name in OFF_POLICY
        result = evaluate(
            records,
            estimator=name,
            pairs=False,
            log_prob=log_prob if weighted else None,
            target_log_prob=target_log_prob if weighted else (),
            **options,
        )
        for e in result.estimates:
            reason = "" if e.reason is None else str(e.reason)
            row = EstimatorRow(
                e.task, e.metric, e.model, name, e.value, e.standard_error, e.interval, e.refused, reason
            )
            found.setdefault((e.task, e.metric), {}).setdefault(e.model, []).append(row)
    return tuple(row for models in found.values() for rows in models.values() for row in rows)


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
