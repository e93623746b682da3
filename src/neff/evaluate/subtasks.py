"""`subtask_scores`: many models on many subtasks with few items each, shrunk scores beside the raw ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import ArgumentError, RecordsError
from neff.evaluate.api import evaluate
from neff.evaluate.means.score import MACRO, MICRO
from neff.evaluate.result import Evaluation
from neff.evaluate.shrinking.cells import FEW_CELLS, GIVEN, MEAN, PREDICTION, Cells, fit_cells, undefined
from neff.evaluate.shrinking.result import SubtaskScores
from neff.stats._options import check_choice
from neff.stats._validate import as_numbers, check_count, check_rng
from neff.stats.shrinkage_target import Ridge, check_predictor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from neff.evaluate.means.blocks import Unscored
    from neff.results import Estimate
    from neff.stats import Predictor

__all__ = ["subtask_scores"]

CALL = "subtask_scores"
FEW_FOR_INTERVAL = 100
"""Below this many cells the upper ends of the intervals of risks are rough, and a note says so."""


def subtask_scores(
    records: Any,
    *,
    target: str | ArrayLike | Mapping[tuple[str, str], float] = "auto",
    covariates: ArrayLike | Mapping[tuple[str, str], Sequence[float]] | None = None,
    predictor: Predictor | None = None,
    n_folds: int = 5,
    level: float | None = None,
    unscored: Unscored = "exclude",
    rng: int | np.random.Generator = 0,
    **columns: Any,
) -> SubtaskScores:
    """Score every model on every subtask, with shrunk values beside the raw ones.

    Use it for tables of model x subtask (or skill, language, topic) with few items per cell, where raw rates are mostly
    noise: the shrunk ones are closer to the truth on average, and the table says by how much. Not for deciding
    about a single cell: that is what the raw rate's interval, or `compare`, is for.

    Parameters
    ----------
    records
        As in `evaluate`; or an `Evaluation`.
    target
        What scores are shrunk towards. "mean": the mean of all other cells. "covariates": a prediction from the
        model's scores on other tasks and the other models' scores on the task. "auto": whichever of these has the
        lower estimated risk. Or numbers that do not depend on the answers: one, one per cell in the order of
        `cells` of the result (metric, task, model), or a mapping from (model, task).
    covariates
        Further predictors that do not depend on the answers, shape (n_cells, d) in the order of `cells`, or a
        mapping from (model, task).
    predictor
        Object with `fit(X, y)` and `predict(X)` for the prediction; None is a ridge regression in which a better
        model and an easier task never lower the score.
    n_folds
        Folds of cells for the prediction; no cell is predicted from itself.
    level
        Of the intervals, 0.95 by default; an `Evaluation` keeps its own.
    unscored
        As in `evaluate`.
    rng
        Generator or seed of the folds (SPEC 7, but for the default: the same folds each time).
    **columns
        As in `evaluate`: `item`, `model`, `score`, `task`, ...

    Returns
    -------
    SubtaskScores
        Cells, estimated risks of the rules, the best rule, notes.

    Raises
    ------
    ArgumentError
        If an option has a value that cannot be used.
    RecordsError
        If there is nothing to score.

    Notes
    -----
    Estimand of the risks: the mean over cells of (estimate - true score)^2 at fixed true scores; see
    `neff.stats.shrink_rates`. The reference is the beta-binomial rule where the scores are counts of right items,
    else the raw scores; another rule is called best only if its estimated risk is below the reference's with an
    interval (for all rules at once, clustered by task where there are several models) that leaves 0 out. With few
    tasks that takes a large difference. Cells of one item take part but do not tune. Cost O(600 n_cells).

    References
    ----------
    Chen and Lei 2025, Compound Estimation for Binomials, arXiv:2512.25042 (reconstructed).

    Examples
    --------
    >>> right = {("a", "x"): 3, ("a", "y"): 1, ("a", "z"): 2, ("b", "x"): 4, ("b", "y"): 2, ("b", "z"): 4}
    >>> rows = [(m, t, i, int(i < k)) for (m, t), k in right.items() for i in range(5)]
    >>> model, task, item, score = zip(*rows)
    >>> result = subtask_scores({"model": model, "task": task, "item": item, "score": score}, target="mean")
    >>> cell = result.cell("a", "y")
    >>> round(cell.raw, 3), round(cell.shrunk, 3), round(cell.beta_binomial, 3)
    (0.2, 0.484, 0.533)
    >>> result.fits[0].best
    'beta-binomial'
    """
    check_count(n_folds, argument="n_folds", call=CALL, minimum=2)
    model = Ridge(non_negative=2) if predictor is None else predictor
    check_predictor(model, call=CALL)
    generator = check_rng(rng, call=CALL)
    evaluation = _evaluation(records, level, unscored, columns)
    found = sorted(
        (e for e in evaluation.estimates if e.task not in (MACRO, MICRO)), key=lambda e: (e.metric, e.task, e.model)
    )
    if not found:
        raise RecordsError("there are no scores by task.", "Give records, or an evaluation that has tasks.")
    given = None if _is_name(target) else _by_cell(target, found, "target")
    extra = None if covariates is None else _by_cell(covariates, found, "covariates")
    notes, cells, fits = list(evaluation.notes), [], []
    for metric in sorted({e.metric for e in found}):
        rows = np.array([e.metric == metric and not (np.isnan(e.value) or e.refused) for e in found])
        group = Cells.of([e for e, used in zip(found, rows, strict=True) if used])
        targets: dict[str, Any] = {MEAN: "mean"}
        if given is not None:
            targets[GIVEN] = given[rows]
        elif target != "mean":
            predicted = group.predict(None if extra is None else extra[rows], model, n_folds=n_folds, rng=generator)
            if predicted is None:
                notes.append(
                    f"{metric}: scores are shrunk to the mean of the others; a prediction needs {FEW_CELLS} cells, "
                    "two models and two tasks."
                )
            else:
                targets[PREDICTION] = predicted
        wanted = None if given is None and target == "auto" else list(targets)[-1]
        fit, scores = fit_cells(metric, group, targets, wanted=wanted, level=evaluation.level)
        fits.append(fit)
        cells += scores
        notes += _notes(metric, group)
    cells += [undefined(e) for e in found if np.isnan(e.value) or e.refused]
    refused = sum(bool(e.refused) for e in found)
    if refused:
        notes.append(f"{refused:,} scores whose level is refused are shown raw: they take no part in the shrinking.")
    cells.sort(key=lambda cell: (cell.metric, cell.task, cell.model))
    notes.append(
        "Shrunk scores aim at the average error over all cells: judge a single one by its raw score and interval."
    )
    return SubtaskScores(tuple(cells), tuple(fits), evaluation.level, tuple(notes), evaluation.backend)


def _evaluation(records: Any, level: float | None, unscored: Unscored, columns: dict[str, Any]) -> Evaluation:
    if not isinstance(records, Evaluation):
        level = 0.95 if level is None else level
        return evaluate(records, level=level, pairs=False, aggregate="none", unscored=unscored, **columns)
    if columns:
        raise ArgumentError(next(iter(columns)), "left out for an evaluation", "a column", "Give records.", call=CALL)
    if level is not None and level != records.level:
        must = f"the level of the evaluation ({records.level:g})"
        raise ArgumentError("level", must, level, "Leave it out, or give records.", call=CALL)
    return records


def _is_name(target: Any) -> bool:
    if isinstance(target, str):
        check_choice(target, ("auto", "mean", "covariates"), argument="target", call=CALL)
    return isinstance(target, str)


def _by_cell(given: Any, found: Sequence[Estimate], argument: str) -> NDArray[np.float64]:
    """Return one number (or one row of covariates) per cell."""
    if hasattr(given, "keys"):
        missing = [(e.model, e.task) for e in found if (e.model, e.task) not in given]
        if missing:
            must, fix = "a mapping from every (model, task)", f"{len(missing)} are missing, such as {missing[0]}."
            raise ArgumentError(argument, must, f"{len(given)} entries", fix, call=CALL)
        given = [given[e.model, e.task] for e in found]
    values: NDArray[np.float64] = as_numbers(given, argument=argument, call=CALL).astype(np.float64)
    if argument == "target" and values.ndim == 0:
        values = np.full(len(found), float(values))
    if argument == "covariates" and values.ndim == 1:
        values = values[:, None]
    if values.ndim != (1 if argument == "target" else 2) or len(values) != len(found):
        must = f"of {len(found)} rows, one per cell"
        raise ArgumentError(argument, must, f"shape {values.shape}", "Or give a mapping from (model, task).", call=CALL)
    if not np.isfinite(values).all():
        raise ArgumentError(argument, "finite", "NaN or infinity", "Fill missing values.", call=CALL)
    return values


def _notes(metric: str, group: Cells) -> list[str]:
    """Say what a reader of the risks must know."""
    notes = []
    if group.successes is None and group.raw.size:
        notes.append(f"{metric}: no beta-binomial: the scores are not counts of right among independent items.")
    if 3 <= group.raw.size < FEW_FOR_INTERVAL:
        notes.append(
            f"{metric}: {group.raw.size} cells: the gain may well be larger than the upper end of its interval "
            "(the lower end holds)."
        )
    return notes
