"""The labelled slice: its curves with and without each fold, the choice of mode, and how well they fit."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

import numpy as np

from neff.evaluate.judge.folds import balanced_folds
from neff.evaluate.judge.two_stage import SMALLEST, fit_two_stage
from neff.stats.cluster import crv1
from neff.stats.isotonic import IsotonicFit, isotonic_fit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["Curve", "Fitted", "LabelledSlice", "MonotoneCurve", "Quality", "quality_of", "two_stage_wins"]

Fitted: TypeAlias = Literal["monotone", "two-stage"]

MODES: tuple[Fitted, Fitted] = ("monotone", "two-stage")

REPEATS = 10
"""Fold assignments over which "auto" averages: a single one flips its choice from seed to seed."""


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


@dataclass(frozen=True, slots=True)
class Quality:
    """How well a calibration fits its labelled rows, in label units.

    `rmse` is on the rows it was fitted to and flatters it; `rmse_out_of_fold` does not. `score_range` and
    `value_range` are the range of the labelled scores and of the fitted values: beyond the first, the curve is level.
    `collapsed` marks a constant curve under labels that vary: the judge's scale may be upside down.
    """

    rmse: float
    rmse_out_of_fold: float
    n_labelled: int
    score_range: tuple[float, float]
    value_range: tuple[float, float]
    n_levels: int
    collapsed: bool

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in ((name, getattr(self, name)) for name in self.__slots__)
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Quality:
        """Rebuild from `to_dict`."""
        return cls(
            rmse=float(data["rmse"]),
            rmse_out_of_fold=float(data["rmse_out_of_fold"]),
            n_labelled=int(data["n_labelled"]),
            score_range=(float(data["score_range"][0]), float(data["score_range"][1])),
            value_range=(float(data["value_range"][0]), float(data["value_range"][1])),
            n_levels=int(data["n_levels"]),
            collapsed=bool(data["collapsed"]),
        )


@dataclass(frozen=True, slots=True, eq=False)
class LabelledSlice:
    """The labelled rows."""

    score: NDArray[np.float64]
    label: NDArray[np.float64]
    fold: NDArray[np.int64]
    prompt: NDArray[np.int64]
    covariates: NDArray[np.float64] | None
    weights: NDArray[np.float64] | None

    def fit(self, mode: Fitted, n_folds: int) -> tuple[Curve, list[Curve]]:
        """Return the curve from all rows, and the curves without each fold (an empty fold leaves nothing out)."""
        return self._monotone(n_folds) if mode == "monotone" else self._two_stage(n_folds)

    def _monotone(self, n_folds: int) -> tuple[Curve, list[Curve]]:
        # Isotonic regression sees only sums per distinct score: add them up once, take each fold's part away.
        knots, code = np.unique(self.score, return_inverse=True)
        w = np.ones(len(self.label)) if self.weights is None else self.weights
        cell = self.fold * len(knots) + code
        shape = (n_folds, len(knots))
        mass = np.bincount(cell, w, minlength=n_folds * len(knots)).reshape(shape)
        total = np.bincount(cell, w * self.label, minlength=n_folds * len(knots)).reshape(shape)
        rest = [(mass.sum(axis=0), total.sum(axis=0))]
        for k in range(n_folds):
            others = np.arange(n_folds) != k
            rest.append((mass[others].sum(axis=0), total[others].sum(axis=0)))
        curves: list[Curve] = []
        for some_mass, some_total in rest:
            used = some_mass > 0
            means = some_total[used] / some_mass[used]
            curves.append(MonotoneCurve(isotonic_fit(knots[used], means, weights=some_mass[used])))
        return curves[0], curves[1:]

    def _two_stage(self, n_folds: int) -> tuple[Curve, list[Curve]]:
        without: list[Curve] = []
        for k in range(n_folds):
            rows = self.fold != k
            without.append(
                fit_two_stage(
                    self.score[rows],
                    self.label[rows],
                    covariates=None if self.covariates is None else self.covariates[rows],
                    weights=None if self.weights is None else self.weights[rows],
                )
            )
        full = fit_two_stage(self.score, self.label, covariates=self.covariates, weights=self.weights)
        return full, without

    def out_of_fold(self, without: Sequence[Curve]) -> NDArray[np.float64]:
        """Return out-of-fold predictions of the labelled rows."""
        values = np.empty(len(self.label))
        for k, curve in enumerate(without):
            rows = self.fold == k
            if rows.any():
                values[rows] = curve.predict(
                    self.score[rows], None if self.covariates is None else self.covariates[rows]
                )
        return values


def two_stage_wins(rows: LabelledSlice) -> bool:
    """Return whether the two-stage mode is better out of fold by more than a standard error, over many folds."""
    m = len(rows.label)
    if m < 2 * SMALLEST:  # with less, the two-stage curve is all but the monotone one
        return False
    prompts, code = np.unique(rows.prompt, return_inverse=True)
    if len(prompts) < 2:
        return False
    gain = np.zeros(m)
    for seed in range(REPEATS):
        dealt = balanced_folds(len(prompts), np.arange(len(prompts)), n_folds=5, seed=seed)
        again = replace(rows, fold=dealt.of(code))
        errors = [(rows.label - again.out_of_fold(again.fit(mode, dealt.n_folds)[1])) ** 2 for mode in MODES]
        gain += (errors[0] - errors[1]) / REPEATS
    return bool(crv1(gain - gain.mean(), code).standard_error < gain.mean())


def quality_of(rows: LabelledSlice, full: Curve, without: Sequence[Curve], scale: tuple[float, float]) -> Quality:
    """Say how well the curves fit the labelled rows, in and out of fold."""
    fitted = np.clip(full.predict(rows.score, rows.covariates), *scale)
    held_out = np.clip(rows.out_of_fold(without), *scale)
    w = np.ones(len(rows.label)) if rows.weights is None else rows.weights
    return Quality(
        rmse=math.sqrt(float(np.average((rows.label - fitted) ** 2, weights=w))),
        rmse_out_of_fold=math.sqrt(float(np.average((rows.label - held_out) ** 2, weights=w))),
        n_labelled=len(rows.label),
        score_range=(float(rows.score.min()), float(rows.score.max())),
        value_range=(float(fitted.min()), float(fitted.max())),
        n_levels=len(np.unique(fitted)),
        collapsed=bool(len(np.unique(fitted)) == 1 and len(np.unique(rows.label)) > 1),
    )
