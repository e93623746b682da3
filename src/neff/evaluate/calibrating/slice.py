"""The labelled slice: its curves with and without each fold, and the choice of mode."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

import numpy as np

from neff.evaluate.calibrating.folds import balanced_folds
from neff.evaluate.calibrating.two_stage import SMALLEST, fit_two_stage, knots_for
from neff.stats.cluster import crv1
from neff.stats.isotonic import IsotonicFit, isotonic_fit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["Curve", "Fitted", "LabelledSlice", "ModeChoice", "MonotoneCurve", "compare_modes"]

Fitted: TypeAlias = Literal["monotone", "two-stage"]

MODES: tuple[Fitted, Fitted] = ("monotone", "two-stage")

REPEATS = 10
"""Fold assignments over which "auto" averages: a single one flips its choice from seed to seed."""

ENOUGH = 10_000
"""Held-out rows, over all assignments, beyond which more assignments do not change the choice."""


WORTH = 0.01
"""Share of the squared error that two-stage must take away: with less, the simpler curve stays."""


class Curve(Protocol):
    """Anything that predicts a label from a score, and covariates where it was given some."""

    def predict(self, score: NDArray[np.float64], covariates: NDArray[np.float64] | None) -> NDArray[np.float64]:
        """Return predictions of shape (n,)."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""


@dataclass(frozen=True, slots=True, eq=False)
class MonotoneCurve:
    """An isotonic curve of the label on the score, linear between its knots and level outside."""

    fit: IsotonicFit

    def predict(self, score: NDArray[np.float64], covariates: NDArray[np.float64] | None) -> NDArray[np.float64]:
        """Return predictions of shape (n,); covariates are not used."""
        del covariates
        return np.interp(score, self.fit.x, self.fit.y)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return self.fit.to_dict()

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> MonotoneCurve:
        """Rebuild from `to_dict`."""
        return cls(IsotonicFit.from_dict(data))


@dataclass(frozen=True, slots=True, eq=False)
class LabelledSlice:
    """The labelled rows: score, label, fold, prompt and mass (weights above 0), all of shape (m,)."""

    score: NDArray[np.float64]
    label: NDArray[np.float64]
    fold: NDArray[np.int64]
    prompt: NDArray[np.int64]
    mass: NDArray[np.float64]
    covariates: NDArray[np.float64] | None = None

    def fit(self, mode: Fitted, n_folds: int) -> tuple[Curve, list[Curve]]:
        """Return the curve from all rows, and the curves without each fold (an empty fold leaves nothing out)."""
        return self._monotone(n_folds) if mode == "monotone" else self._two_stage(n_folds)

    def _monotone(self, n_folds: int) -> tuple[Curve, list[Curve]]:
        # Isotonic regression sees only sums per distinct score: add them up once per fold, then over all other folds.
        knots, code = np.unique(self.score, return_inverse=True)
        cell, size = self.fold * len(knots) + code, n_folds * len(knots)
        mass = np.bincount(cell, self.mass, minlength=size).reshape(n_folds, -1)
        total = np.bincount(cell, self.mass * self.label, minlength=size).reshape(n_folds, -1)
        curves: list[Curve] = []
        for left_out in range(-1, n_folds):
            others = np.arange(n_folds) != left_out
            some_mass, some_total = mass[others].sum(axis=0), total[others].sum(axis=0)
            used = some_mass > 0
            means = some_total[used] / some_mass[used]
            curves.append(MonotoneCurve(isotonic_fit(knots[used], means, weights=some_mass[used])))
        return curves[0], curves[1:]

    def _two_stage(self, n_folds: int) -> tuple[Curve, list[Curve]]:
        # All curves have the form that the smallest training part allows: leaving out a fold must not change it.
        fewest = len(self.label) - int(np.bincount(self.fold, minlength=n_folds).max())
        curves: list[Curve] = []
        for left_out in range(-1, n_folds):
            rows = self.fold != left_out
            curves.append(
                fit_two_stage(
                    self.score[rows],
                    self.label[rows],
                    covariates=None if self.covariates is None else self.covariates[rows],
                    weights=self.mass[rows],
                    n_knots=knots_for(fewest),
                )
            )
        return curves[0], curves[1:]

    def out_of_fold(self, without: Sequence[Curve]) -> NDArray[np.float64]:
        """Return out-of-fold predictions of the labelled rows, shape (m,)."""
        values = np.empty(len(self.label))
        for k, curve in enumerate(without):
            rows = self.fold == k
            if rows.any():
                some = None if self.covariates is None else self.covariates[rows]
                values[rows] = curve.predict(self.score[rows], some)
        return values


@dataclass(frozen=True, slots=True)
class ModeChoice:
    """Out-of-fold root mean squared errors of (monotone, two-stage), and whether two-stage is better beyond doubt."""

    rmse: tuple[float, float]
    two_stage: bool


def compare_modes(rows: LabelledSlice) -> ModeChoice | None:
    """Hold both modes against the labels out of fold, over several fold assignments; None with too few labels.

    Two-stage must be better by more than one standard error of the paired difference of squared errors, clustered
    by prompt, and by 1 per cent of them. Below 40 labels it is all but the monotone curve, and not tried. Simulated:
    chosen in at most 1% of runs where the label rises with the score, in a straight line, a step or not at all.
    """
    prompts, code = np.unique(rows.prompt, return_inverse=True)
    m = len(rows.label)
    if m < 2 * SMALLEST or len(prompts) < 2:
        return None
    repeats = min(REPEATS, max(2, math.ceil(ENOUGH / m)))
    squares = np.zeros((len(MODES), m))
    for seed in range(repeats):
        dealt = balanced_folds(len(prompts), np.arange(len(prompts)), n_folds=5, seed=seed)
        again = replace(rows, fold=dealt.of(code))
        for i, mode in enumerate(MODES):
            squares[i] += (rows.label - again.out_of_fold(again.fit(mode, dealt.n_folds)[1])) ** 2 / repeats
    share = rows.mass / rows.mass.mean()
    monotone, two_stage = (float(np.mean(share * part)) for part in squares)
    gain = squares[0] - squares[1]
    error = crv1(share * (gain - (monotone - two_stage)), code).standard_error
    better = monotone - two_stage > max(error, WORTH * monotone) if math.isfinite(error) else False
    return ModeChoice((math.sqrt(monotone), math.sqrt(two_stage)), better)
