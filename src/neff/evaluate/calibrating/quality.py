"""How well a calibration fits the rows it was learned from, and rows it has not seen."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.evaluate.calibrating.slice import MonotoneCurve
from neff.evaluate.calibrating.two_stage import TwoStageCurve

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from neff.evaluate.calibrating.slice import Curve, LabelledSlice

__all__ = ["Quality", "quality_of", "warnings_of"]

NEAR = 0.1
"""A prediction is near its label within this share of the label scale."""


@dataclass(frozen=True, slots=True)
class Quality:
    """How well a calibration fits its labelled rows, in label units.

    Attributes
    ----------
    rmse, rmse_out_of_fold
        Root mean squared error on the labelled rows: of the curve that was fitted to them, which flatters it, and of
        the curves that had not seen the row's fold.
    near, near_out_of_fold
        Share of labelled rows whose label is within a tenth of the scale of the prediction.
    n_labelled
        Labelled rows.
    label_range, score_range, value_range
        Range of the labels, of the labelled scores, and of the fitted values. Beyond `score_range` the curve is
        level: no policy is worth more than the upper end of `value_range`.
    n_levels
        Distinct fitted values.
    collapsed
        The curve is constant although scores and labels vary: the judge's scale may be upside down.
    rmse_by_mode
        Out-of-fold error of (monotone, two-stage), over the fold assignments by which "auto" chose; None where
        the mode was given.
    """

    rmse: float
    rmse_out_of_fold: float
    near: float
    near_out_of_fold: float
    n_labelled: int
    label_range: tuple[float, float]
    score_range: tuple[float, float]
    value_range: tuple[float, float]
    n_levels: int
    collapsed: bool
    rmse_by_mode: tuple[float, float] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in ((field.name, getattr(self, field.name)) for field in fields(self))
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Quality:
        """Rebuild from `to_dict`."""
        values: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in data.items()}
        return cls(**values)


def quality_of(
    rows: LabelledSlice,
    full: Curve,
    without: Sequence[Curve],
    scale: tuple[float, float],
    rmse_by_mode: tuple[float, float] | None = None,
) -> Quality:
    """Say how well the curves fit the labelled rows, in and out of fold."""
    fitted = np.clip(full.predict(rows.score, rows.covariates), *scale)
    held_out = np.clip(rows.out_of_fold(without), *scale)
    error, error_out = np.abs(rows.label - fitted), np.abs(rows.label - held_out)
    w = rows.mass
    within = NEAR * (scale[1] - scale[0]) * (1 + 1e-9)  # a difference of exactly a tenth counts, whatever its rounding
    n_levels = len(np.unique(fitted))
    varied = min(len(np.unique(rows.label)), len(np.unique(rows.score))) > 1
    return Quality(
        rmse=math.sqrt(float(np.average(error**2, weights=w))),
        rmse_out_of_fold=math.sqrt(float(np.average(error_out**2, weights=w))),
        near=float(np.average(error <= within, weights=w)),
        near_out_of_fold=float(np.average(error_out <= within, weights=w)),
        n_labelled=len(rows.label),
        label_range=(float(rows.label.min()), float(rows.label.max())),
        score_range=(float(rows.score.min()), float(rows.score.max())),
        value_range=(float(fitted.min()), float(fitted.max())),
        n_levels=n_levels,
        collapsed=n_levels == 1 and varied,
        rmse_by_mode=rmse_by_mode,
    )


def warnings_of(quality: Quality, full: Curve, covariates: NDArray[np.float64] | None) -> tuple[str, ...]:
    """Say in words what weakens a calibration."""
    found = []
    if quality.collapsed:
        found.append("the calibrated score is constant although labels vary: is the judge's scale upside down?")
    if quality.label_range[0] == quality.label_range[1]:
        found.append(f"all {quality.n_labelled:,} labels are equal, so the score could not be calibrated")
    if covariates is not None and isinstance(full, MonotoneCurve):
        found.append("covariates were not used: mode='monotone' looks at the score alone")
    if covariates is not None and isinstance(full, TwoStageCurve) and full.index is None:
        found.append(f"covariates were not used: {quality.n_labelled:,} labels are too few for them")
    return tuple(found)
