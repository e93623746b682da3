"""What prompts and labels buy, from records: the variances of each labelled model's calibrated mean, averaged."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import ArgumentError, RecordsError
from neff.evaluate.budgeting.pilot import FEWEST_LABELS, fit_variance_model
from neff.evaluate.budgeting.variance import VarianceModel
from neff.records import as_records

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from neff.records import Records

__all__ = ["pilot_variance"]

CALL = "pilot_variance"


def pilot_variance(
    records: Any, *, models: str | Sequence[str] = (), scale: tuple[float, float] = (0.0, 1.0), **columns: Any
) -> VarianceModel:
    """Measure on records with labels what prompts and labels buy, for `plan_budget` and `plan_audit`.

    Use it on a pilot whose models, prompts and judge are like those to come, with labels drawn at random.

    Parameters
    ----------
    records
        Records with scores and labels, as for `evaluate`.
    models
        Models to measure; by default all that have at least 15 labelled prompts.
    scale
        Lowest and highest possible label.
    **columns
        Names of columns, as in `evaluate`: `item`, `model`, `score`, `label`, `cluster`, ...

    Returns
    -------
    VarianceModel
        The mean over the models; n and m count the prompts and labelled prompts of the smallest. NaN with the reason
        where one of them is undefined.

    Raises
    ------
    ArgumentError
        If a named model is not there, or has fewer than 15 labelled prompts.
    RecordsError
        If no model has 15 labelled prompts, or there are several metrics.

    Notes
    -----
    Variances by moments, see `fit_variance_model`, each model with a calibration of its own; prompts are the cluster
    column, else items within tasks. The root of `s2_cal` is the standard deviation that `plan_audit` asks for.

    References
    ----------
    Landesberg and Narayan, "Causal Judge Evaluation", arXiv:2512.11150.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> score = rng.integers(0, 11, 500) / 10
    >>> label = np.where(rng.random(500) < score, 1.0, 0.0)
    >>> pilot = {"item": np.arange(500) % 250, "model": ["a"] * 250 + ["b"] * 250, "score": score, "label": label}
    >>> model = pilot_variance(pilot)
    >>> round(model.s2_eval, 2), round(model.s2_cal, 2), model.source
    (0.12, 0.14, 'moments, 2 models')
    """
    table = as_records(records, **columns)
    if table.metric.n_levels > 1:
        raise RecordsError(
            f"there are several metrics ({', '.join(table.metric.levels[:5])}).",
            "Plan for one judge at a time: keep the rows of one metric, or name its column with score.",
        )
    named = (models,) if isinstance(models, str) else tuple(models)
    for name in named:
        if name not in table.model.levels:
            must, there = "a model of the records", f"There are: {', '.join(table.model.levels[:20])}."
            raise ArgumentError("models", must, name, there, call=CALL)
    prompt = _prompts(table)
    known = np.zeros(len(table), bool) if table.label is None else ~np.isnan(table.label)
    known &= ~np.isnan(table.score)
    model = table.model
    counts = {name: len(np.unique(prompt[known & (model.codes == code)])) for code, name in enumerate(model.levels)}
    chosen = named or tuple(name for name, count in counts.items() if count >= FEWEST_LABELS)
    short = [name for name in named if counts[name] < FEWEST_LABELS]
    fix = "Label more prompts, drawn at random, or plan from the judge's quality (from_quality, --judge-r2)."
    if short:
        have = f"{short[0]} has {counts[short[0]]} labelled prompts"
        raise RecordsError(f"{have}; a pilot needs {FEWEST_LABELS}.", fix)
    if not chosen:
        most = max(counts.values(), default=0)
        raise RecordsError(f"no model has the {FEWEST_LABELS} labelled prompts that a pilot needs; most: {most}.", fix)
    found = [_of_model(table, name, prompt, scale) for name in chosen]
    reason = next((part.reason for part in found if part.reason is not None), None)
    return VarianceModel(
        math.fsum(part.s2_eval for part in found) / len(found),
        math.fsum(part.s2_cal for part in found) / len(found),
        "moments" if len(found) == 1 else f"moments, {len(found)} models",
        min(part.n for part in found),
        min(part.m for part in found),
        reason=reason,
    )


def _of_model(table: Records, name: str, prompt: NDArray[np.int64], scale: tuple[float, float]) -> VarianceModel:
    rows = (table.model.codes == table.model.levels.index(name)) & ~np.isnan(table.score)
    label = np.full(len(table), math.nan) if table.label is None else table.label
    return fit_variance_model(table.score[rows], label[rows], prompt=prompt[rows], scale=scale)


def _prompts(table: Records) -> NDArray[np.int64]:
    if table.clusters:
        return table.clusters[0].codes.astype(np.int64)
    return table.task.codes.astype(np.int64) * max(table.item.n_levels, 1) + table.item.codes
