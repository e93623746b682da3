"""A fitted calibration as a picture: its curve, and the labels that it was learned from, in at most a few points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.evaluate.calibrating.slice import MonotoneCurve
from neff.evaluate.calibrating.two_stage import TwoStageCurve

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from neff.evaluate.calibrating.calibration import Calibration
    from neff.evaluate.judge.data import Judged

__all__ = ["MOST_KNOTS", "MOST_POINTS", "CalibrationCurve", "calibration_curve"]

MOST_POINTS = 60
MOST_KNOTS = 120
FEWEST_BINS, PER_BIN = 12, 10

_ARRAYS = ("knots", "values", "scores", "mean_labels")
_PAIRS = ("scale", "score_range", "labelled_range")


@dataclass(frozen=True, slots=True)
class CalibrationCurve:
    """What a judge's score is worth on the labels' scale, for one (task, metric).

    Attributes
    ----------
    task, metric
        What was calibrated.
    mode
        "monotone" or "two-stage".
    scale
        Lowest and highest possible label.
    score_range, labelled_range
        Range of all judged scores, and of those with a label.
    knots, values
        The curve: scores, ascending, and the calibrated value at each; linear between, level outside.
    scores, counts, mean_labels
        The labels: a score, how many labels it has, and their mean (weighted by 1 / propensity where given).
    binned
        Whether several scores stand together, because there are more than 60 distinct ones.
    at_medians
        Whether the curve also depends on covariates, which are held at their medians over the labelled answers.
    rmse, rmse_out_of_fold
        Root mean squared error on the labelled answers, and out of fold.
    n_labelled
        Labelled answers.
    """

    task: str
    metric: str
    mode: str
    scale: tuple[float, float]
    score_range: tuple[float, float]
    labelled_range: tuple[float, float]
    knots: tuple[float, ...]
    values: tuple[float, ...]
    scores: tuple[float, ...]
    counts: tuple[int, ...]
    mean_labels: tuple[float, ...]
    binned: bool
    at_medians: bool
    rmse: float
    rmse_out_of_fold: float
    n_labelled: int

    def value_at(self, score: float) -> float:
        """Return the calibrated value of a score, as drawn."""
        return float(np.interp(score, self.knots, self.values))

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in ((name, getattr(self, name)) for name in self.__slots__)
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> CalibrationCurve:
        """Rebuild from `to_dict`; a newer file may hold more."""
        arrays = {name: tuple(float(v) for v in data[name]) for name in _ARRAYS}
        pairs = {name: (float(data[name][0]), float(data[name][1])) for name in _PAIRS}
        counts = tuple(int(v) for v in data["counts"])
        sizes = len(arrays["scores"]), len(counts), len(arrays["mean_labels"])
        if len(arrays["knots"]) != len(arrays["values"]) or len(set(sizes)) > 1 or not sizes[0] or not arrays["knots"]:
            raise ValueError("the points of a calibration curve do not match")
        return cls(
            task=str(data["task"]),
            metric=str(data["metric"]),
            mode=str(data["mode"]),
            counts=counts,
            binned=bool(data["binned"]),
            at_medians=bool(data["at_medians"]),
            rmse=float(data["rmse"]),
            rmse_out_of_fold=float(data["rmse_out_of_fold"]),
            n_labelled=int(data["n_labelled"]),
            scale=pairs["scale"],
            score_range=pairs["score_range"],
            labelled_range=pairs["labelled_range"],
            knots=arrays["knots"],
            values=arrays["values"],
            scores=arrays["scores"],
            mean_labels=arrays["mean_labels"],
        )


def calibration_curve(
    calibration: Calibration, policies: Sequence[Judged], *, task: str = "all", metric: str = "score"
) -> CalibrationCurve:
    """Return the curve of a calibration and the labels behind it, thinned to what a picture can show.

    Parameters
    ----------
    calibration
        As fitted.
    policies
        The judged answers that it was fitted to.
    task, metric
        Their names.

    Notes
    -----
    At most 60 points and 120 knots: more distinct scores are put into bins of about ten labels, in score order, and a
    longer monotone curve keeps evenly spaced knots. O(n log n).
    """
    score = np.concatenate([part.score for part in policies])
    label = np.concatenate([part.label for part in policies])
    weight = np.concatenate(
        [np.ones(len(part.score)) if part.propensity is None else 1.0 / part.propensity for part in policies]
    )
    covariates = None
    if all(part.covariates is not None for part in policies):
        covariates = np.concatenate([part.covariates for part in policies if part.covariates is not None])
    known = ~np.isnan(label)
    low, high = float(score.min()), float(score.max())
    labelled = score[known]
    knots, values, at_medians = _curve(calibration, labelled, None if covariates is None else covariates[known])
    scores, counts, means, binned = _points(labelled, label[known], weight[known])
    return CalibrationCurve(
        task=task,
        metric=metric,
        mode=calibration.mode,
        scale=calibration.scale,
        score_range=(low, high),
        labelled_range=(float(labelled.min()), float(labelled.max())),
        knots=_plain(knots),
        values=_plain(values),
        scores=_plain(scores),
        counts=tuple(int(v) for v in counts),
        mean_labels=_plain(means),
        binned=binned,
        at_medians=at_medians,
        rmse=calibration.quality.rmse,
        rmse_out_of_fold=calibration.quality.rmse_out_of_fold,
        n_labelled=calibration.quality.n_labelled,
    )


def _plain(values: NDArray[np.float64]) -> tuple[float, ...]:
    """Return plain numbers of seven digits: a picture shows no more, and a file stays short."""
    return tuple(float(f"{v:.7g}") for v in values.tolist())


def _curve(
    calibration: Calibration, labelled: NDArray[np.float64], covariates: NDArray[np.float64] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64], bool]:
    if isinstance(calibration.full, MonotoneCurve):
        knots = calibration.full.fit.x
        if len(knots) > MOST_KNOTS:
            knots = knots[np.unique(np.linspace(0, len(knots) - 1, MOST_KNOTS).round().astype(np.int64))]
        return knots, calibration.predict(knots), False
    knots = np.unique(np.linspace(labelled.min(), labelled.max(), MOST_KNOTS))
    used = isinstance(calibration.full, TwoStageCurve) and calibration.full.index is not None
    if covariates is None or not used:
        return knots, calibration.predict(knots), False
    table = covariates.reshape(len(labelled), -1)
    return knots, calibration.predict(knots, np.tile(np.median(table, axis=0), (len(knots), 1))), True


def _points(
    score: NDArray[np.float64], label: NDArray[np.float64], weight: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64], bool]:
    distinct, code = np.unique(score, return_inverse=True)
    binned = len(distinct) > MOST_POINTS
    if binned:
        bins = min(MOST_POINTS, max(FEWEST_BINS, len(score) // PER_BIN))
        edges = np.unique(np.quantile(score, np.linspace(0, 1, bins + 1)[1:-1]))
        code = np.unique(np.searchsorted(edges, score, side="left"), return_inverse=True)[1]
    count = np.bincount(code)
    mass = np.bincount(code, weight)
    mean = np.bincount(code, weight * label) / mass
    return (np.bincount(code, score) / count if binned else distinct), count, mean, binned
