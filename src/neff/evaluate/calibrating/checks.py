"""What `calibrate` accepts: the labelled rows are cut out and every way they can be wrong is named."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import ArgumentError
from neff.evaluate.calibrating.slice import LabelledSlice
from neff.evaluate.judge.data import check_covariates, check_prompts
from neff.stats._validate import check_count, check_same_length, check_vector, check_weights

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["checked_scale", "labelled_slice"]

FEWEST = 4
"""Labelled prompts without which no curve is learned."""

CALL = "calibrate"


def labelled_slice(
    score: Any, label: Any, *, fold: Any, covariates: Any, weights: Any, prompt: Any, n_folds: int | None
) -> tuple[LabelledSlice, int]:
    """Return the labelled rows of positive weight, and the number of folds."""
    scores = check_vector(score, argument="score", call=CALL)
    labels = check_vector(label, argument="label", call=CALL, allow_nan=True)
    folds = check_prompts(fold, argument="fold", call=CALL)
    n = check_same_length(call=CALL, score=scores, label=labels, fold=folds)
    known = ~np.isnan(labels)
    mass = np.ones(n)
    if weights is not None:
        mass = check_weights(weights, call=CALL, length=n)
        known &= mass > 0
    prompts = np.arange(n) if prompt is None else check_prompts(prompt, argument="prompt", call=CALL)
    check_same_length(call=CALL, score=scores, prompt=prompts)
    n_prompts = len(np.unique(prompts[known]))
    if n_prompts < FEWEST:
        raise ArgumentError(
            "label",
            f"known for at least {FEWEST} prompts",
            n_prompts,
            "Label more answers, drawn at random; without labels there is only the mean of the scores.",
            call=CALL,
        )
    some = None if covariates is None else check_covariates(covariates, n, call=CALL)[known]
    rows = LabelledSlice(scores[known], labels[known], folds[known], prompts[known], mass[known], some)
    return rows, _checked_folds(folds, rows, n_folds)


def _checked_folds(folds: NDArray[np.int64], rows: LabelledSlice, n_folds: int | None) -> int:
    largest = int(folds.max())
    count = largest + 1 if n_folds is None else check_count(n_folds, argument="n_folds", call=CALL, minimum=2)
    if largest >= count:
        raise ArgumentError("fold", f"below n_folds = {count}", largest, "Leave n_folds out to count them.", call=CALL)
    if int(rows.fold.min()) == int(rows.fold.max()):
        raise ArgumentError(
            "fold",
            "such that labels lie in at least 2 folds",
            f"all labels in fold {int(rows.fold[0])}",
            "Deal the labelled prompts with balanced_folds.",
            call=CALL,
        )
    order = np.argsort(rows.prompt, kind="stable")
    prompt, fold = rows.prompt[order], rows.fold[order]
    split = np.flatnonzero((prompt[1:] == prompt[:-1]) & (fold[1:] != fold[:-1]))
    if len(split):
        raise ArgumentError(
            "fold",
            "the same for all answers to a prompt",
            f"folds {int(fold[split[0]])} and {int(fold[split[0] + 1])} for prompt {int(prompt[split[0]])}",
            "Use FoldMap.of(prompt): a prompt on both sides lets a curve see what it predicts.",
            call=CALL,
        )
    return count


def checked_scale(scale: Any, labels: NDArray[np.float64]) -> tuple[float, float]:
    """Return the declared scale; labels outside of it are refused with the number of them."""
    pair = check_vector(scale, argument="scale", call=CALL, allow_nan=True, allow_inf=True)
    if len(pair) != 2 or not (math.isfinite(pair[0]) and math.isfinite(pair[1]) and pair[0] < pair[1]):
        raise ArgumentError(
            "scale", "(lowest, highest) label, finite and ascending", scale, "Use (0, 1) for shares.", call=CALL
        )
    low, high = float(pair[0]), float(pair[1])
    outside = np.flatnonzero((labels < low) | (labels > high))
    if len(outside):
        raise ArgumentError(
            "label",
            f"between {low:g} and {high:g}, the declared scale",
            float(labels[outside[0]]),
            f"{len(outside):,} label(s) lie outside; declare the scale of the labels, for example scale=(1, 5).",
            call=CALL,
        )
    return low, high
