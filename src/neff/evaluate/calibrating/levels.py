"""The levels of a calibration curve: each is a mean of labels, with the error that a mean of so many labels has.

What it estimates: how far labels alone could have moved a policy's mean calibrated score. The jackknife over folds
tells the same from the data, but with few labels it can miss by a factor: 25 labels of 0 and 1 leave a handful of
levels, and where by chance no fold moves them, it claims to know the curve. The levels say what it must be about.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.evaluate.calibrating.knots import locate
from neff.stats.cluster import crv1

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from neff.evaluate.calibrating.slice import Curve, LabelledSlice

__all__ = ["Levels", "levels_of"]


@dataclass(frozen=True, slots=True, eq=False)
class Levels:
    """Distinct fitted values on the labelled rows, ascending, and the standard error of each, both of shape (B,)."""

    value: NDArray[np.float64]
    error: NDArray[np.float64]

    def moves(self, fitted: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how far one standard error of each level moves the mean of fitted values, shape (n,) to (B,).

        A fitted value between two levels belongs to both, by its distance. Two policies' moves subtract: what moves
        both alike does not move their difference.
        """
        left, share = locate(self.value, fitted)
        mass = np.bincount(left, 1 - share, minlength=len(self.value))
        if len(self.value) > 1:
            mass += np.bincount(left + 1, share, minlength=len(self.value))
        moves: NDArray[np.float64] = mass / len(fitted) * self.error
        return moves

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"value": self.value.tolist(), "error": self.error.tolist()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Levels:
        """Rebuild from `to_dict`."""
        return cls(np.asarray(data["value"], float), np.asarray(data["error"], float))


def levels_of(rows: LabelledSlice, full: Curve, without: Sequence[Curve]) -> Levels:
    """Return the levels of a curve, with the out-of-fold squared error as the variance of a label about it.

    One variance for all labels: what a level's own few labels say of it is too often 0. Where answers to one prompt
    err together, the variance is scaled up by their design effect.
    """
    fitted = full.predict(rows.score, rows.covariates)
    value, code = np.unique(fitted, return_inverse=True)
    count = np.bincount(code, rows.mass) ** 2 / np.bincount(code, rows.mass**2)
    residual = rows.label - rows.out_of_fold(without)
    share = rows.mass / rows.mass.mean()
    noise = float(np.mean(share * residual**2))
    centred = share * (residual - float(np.mean(share * residual)))
    together, apart = (crv1(centred, code).standard_error for code in (rows.prompt, np.arange(len(centred))))
    if apart > 0 and together > apart:
        noise *= (together / apart) ** 2
    return Levels(value, np.sqrt(noise / count))
