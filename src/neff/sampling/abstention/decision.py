"""`SDMDecision`: what an SDM estimator says about each item, and whether it answers."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.results import Column, Table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from neff.stats._validate import FloatArray

__all__ = ["SDMDecision"]


@dataclass(frozen=True, slots=True, eq=False)
class SDMDecision:
    """What an SDM estimator says about n items.

    Attributes
    ----------
    predicted
        Code of the predicted class, the largest logit, shape (n,); -1 where a feature is not finite: never admitted.
    probabilities
        SDM(z') of estimator A, o of estimator U, shape (n, C).
    similarity, nearest_distance, distance_quantile
        q, the Euclidean distance to the nearest support point, and d, shape (n,).
    rescaled
        q' of estimator A, the rescaled similarity of estimator U, shape (n,).
    n_eff
        Calibration items of each class that are less similar than the item, shape (n, C).
    error
        Error of the calibration distributions at the item, shape (n,), from the smallest `n_eff`.
    probability_low, probability_high, rescaled_low
        Probability of the predicted class at the ends of the band, and the rescaled similarity at its lower end.
    admitted
        Whether the item lies in the high-reliability region, shape (n,).
    admitted_low
        Whether it still does at the lower end of the band: for deployment.
    out_of_distribution
        Whether no rescaled similarity is left, shape (n,).
    nearest
        Row of the nearest support point, shape (n,); -1 where there is none.
    """

    predicted: NDArray[np.int64]
    probabilities: FloatArray
    similarity: NDArray[np.int64]
    nearest_distance: FloatArray
    distance_quantile: FloatArray
    rescaled: FloatArray
    n_eff: NDArray[np.int64]
    error: FloatArray
    probability_low: FloatArray
    probability_high: FloatArray
    rescaled_low: FloatArray
    admitted: NDArray[np.bool_]
    admitted_low: NDArray[np.bool_]
    out_of_distribution: NDArray[np.bool_]
    nearest: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.predicted)

    @property
    def probability(self) -> FloatArray:
        """Probability of the predicted class, shape (n,)."""
        return np.asarray(self.probabilities[np.arange(len(self)), np.maximum(self.predicted, 0)], np.float64)

    def spread(self, rows: NDArray[np.bool_]) -> SDMDecision:
        """Return the decision on all rows, where this one is about the rows that are true; the others are rejected."""
        n = len(rows)
        empty: dict[str, Any] = {}
        for field in fields(self):
            values = getattr(self, field.name)
            start = np.nan if values.dtype.kind == "f" else False if values.dtype.kind == "b" else 0
            whole = np.full((n, *values.shape[1:]), start, values.dtype)
            whole[rows] = values
            empty[field.name] = whole
        empty["predicted"][~rows] = -1
        empty["nearest"][~rows] = -1
        empty["out_of_distribution"][~rows] = True
        return SDMDecision(**empty)

    def table(self, limit: int = 20) -> Table:
        """Return the first items as a table."""
        columns = (
            Column("row", "Row", "count"), Column("predicted", "Class", "count"),
            Column("probability", "Probability", "number"), Column("similarity", "Similarity", "count"),
            Column("distance", "Distance", "number"), Column("distance_quantile", "Quantile", "number"),
            Column("n_eff", "Effective items", "count"), Column("admitted", "Admitted"),
            Column("admitted_low", "Surely"), Column("nearest", "Nearest", "count"),
        )  # fmt: skip
        p, n_eff = self.probability, self.n_eff.min(axis=1, initial=np.iinfo(np.int64).max)
        rows = [
            (i, int(self.predicted[i]), float(p[i]), int(self.similarity[i]), float(self.nearest_distance[i]),
             float(self.distance_quantile[i]), int(n_eff[i]), "yes" if self.admitted[i] else "no",
             "yes" if self.admitted_low[i] else "no", int(self.nearest[i]))
            for i in range(min(len(self), limit))
        ]  # fmt: skip
        return Table(columns, tuple(rows), "Decisions")

    def __str__(self) -> str:
        return str(self.table())
