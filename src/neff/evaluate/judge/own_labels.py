"""A policy's own labels against what the calibrator says of the same answers: the correction and its jackknife."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from neff.evaluate.calibrating.calibration import Calibration
    from neff.evaluate.calibrating.folds import FoldMap
    from neff.evaluate.judge.data import Judged

__all__ = ["OwnLabels", "tuned_weight"]

FEWEST_TUNED = 20
"""Labelled prompts below which a tuned weight is noise."""

FEWEST_OFF_MODE = 5
"""Labelled prompts with another label than the most common one, below which a tuned weight is noise."""


@dataclass(frozen=True, slots=True, eq=False)
class OwnLabels:
    """The labelled rows of one policy.

    Attributes
    ----------
    score, label, held_out, prompt, fold
        Shape (m,); `held_out` is the prediction of the curve that had not seen the row's fold.
    covariates
        Shape (m, d), or None.
    inverse
        How many rows each labelled row stands for: n / m, or 1 / propensity.
    rest
        How many rows (n) lie outside each fold, shape (K,): all rows where propensities are known, else as many as
        the labelled rows outside the fold stand for.
    n
        Rows of the policy, labelled or not.
    """

    score: NDArray[np.float64]
    label: NDArray[np.float64]
    held_out: NDArray[np.float64]
    prompt: NDArray[np.int64]
    fold: NDArray[np.int64]
    covariates: NDArray[np.float64] | None
    inverse: NDArray[np.float64]
    rest: NDArray[np.float64]
    n: int

    @classmethod
    def of(cls, judged: Judged, calibration: Calibration, folds: FoldMap) -> OwnLabels:
        """Cut the labelled rows out and predict them out of fold."""
        known = judged.labelled
        score, prompt = judged.score[known], judged.prompt[known]
        covariates = None if judged.covariates is None else judged.covariates[known]
        fold = folds.of(prompt)
        if judged.propensity is None:
            inverse = np.full(len(score), judged.n / len(score))
            inside = np.bincount(fold, inverse, folds.n_folds).astype(np.float64)
        else:
            inverse = 1 / judged.propensity[known]
            inside = np.bincount(folds.of(judged.prompt), minlength=folds.n_folds).astype(np.float64)
        held_out = calibration.predict_out_of_fold(score, fold, covariates)
        return cls(score, judged.label[known], held_out, prompt, fold, covariates, inverse, judged.n - inside, judged.n)

    def left_out(
        self, calibration: Calibration, means: NDArray[np.float64], *, tuned: bool
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the estimate with the curve without each fold, and also without the fold's residuals, (K,) each.

        `means` are the mean predictions over all answers by the curves without each fold. A tuned weight is tuned
        again.
        """
        jackknife, without = np.empty(len(means)), np.empty(len(means))
        for k, mean in enumerate(means):
            predicted = calibration.predict_fold(k, self.score, self.covariates)
            weight = tuned_weight(predicted, self.label, self.prompt) if tuned else 1.0
            residual = self.inverse * (self.label - weight * predicted)
            outside = float(residual[self.fold != k].sum())
            jackknife[k] = weight * mean + residual.sum() / self.n
            without[k] = weight * mean + (outside / self.rest[k] if self.rest[k] > 0.5 else np.nan)
        return jackknife, without


def tuned_weight(predicted: NDArray[np.float64], label: NDArray[np.float64], prompt: NDArray[np.int64]) -> float:
    """Return how far to trust predictions: the slope of the label on them, in [0, 1]; 1 where little is known.

    Little is known with fewer than 20 labelled prompts, with fewer than 5 that differ from the most common label,
    or where predictions hardly vary.
    """
    values, counts = np.unique(label, return_counts=True)
    n_prompts = len(np.unique(prompt))
    off_mode = len(np.unique(prompt[label != values[np.argmax(counts)]]))
    spread = float(predicted.var())
    if n_prompts < FEWEST_TUNED or off_mode < FEWEST_OFF_MODE or spread <= 1e-12:
        return 1.0
    slope = float(np.mean((predicted - predicted.mean()) * (label - label.mean()))) / spread
    return min(1.0, max(0.0, slope))
