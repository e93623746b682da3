"""`DistanceGate`: refuse what is further from the training data than calibration items are."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import ArgumentError
from neff.sampling.abstention._check import check_matrix, finite_rows
from neff.sampling.abstention._parameters import Parameters
from neff.sampling.abstention.neighbours import nearest
from neff.stats._validate import check_level

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from neff.stats._validate import FloatArray

__all__ = ["DistanceGate"]


class DistanceGate(Parameters):
    """Admit an item whose nearest training item is no further than that of most calibration items.

    Use it together with a threshold on probabilities: it is the cheapest guard against inputs from elsewhere, and
    explains most of what similarity-distance-magnitude estimators do. Not alone: an item near the training data may
    still be hard.

    Parameters
    ----------
    quantile
        Share of the calibration items that is admitted, in (0, 1].

    Attributes
    ----------
    threshold_
        The largest distance that is admitted.

    Notes
    -----
    Exact Euclidean distances, n x N x D multiplications, in blocks. The threshold is the ceil((n + 1) quantile)-th
    smallest distance of the n calibration items, so that a share of at least `quantile` of exchangeable new items
    passes; with too few items for that it is the largest one.

    Examples
    --------
    >>> import numpy as np
    >>> train, calibration = np.arange(0.0, 10)[:, None], np.arange(0.1, 10)[:, None]
    >>> gate = DistanceGate(quantile=0.9).fit(train, calibration)
    >>> gate.predict([[3.02], [25.0]]).tolist()
    [True, False]
    """

    threshold_: float

    def __init__(self, quantile: float = 0.95) -> None:
        self.quantile = quantile

    def fit(self, train: Any, calibration: Any) -> DistanceGate:
        """Keep the training items, and find the threshold.

        Parameters
        ----------
        train, calibration
            Features, shapes (N, D) and (n, D). None may be in both.
        """
        call = "DistanceGate.fit"
        share = 1.0 if self.quantile == 1 else check_level(self.quantile, call=call)
        support = check_matrix(train, argument="train", call=call)
        items = check_matrix(calibration, argument="calibration", call=call, columns=support.shape[1])
        if not len(support) or not len(items):
            raise ArgumentError("train", "of one item or more, as calibration", "no items", call=call)
        distances = np.sort(np.sqrt(nearest(items, support)[0]))
        place = math.ceil(share * (len(items) + 1) - 1e-9)
        self._support = support
        self.threshold_ = float(distances[min(place, len(items)) - 1])
        return self

    def distance(self, features: Any) -> FloatArray:
        """Return the distance to the nearest training item, shape (n,); NaN where a feature is not finite."""
        support = self._fitted("_support", "distance")
        call = "DistanceGate.distance"
        h = check_matrix(features, argument="features", call=call, columns=support.shape[1], finite=False)
        good = finite_rows(h)
        found = np.full(len(h), np.nan)
        found[good] = np.sqrt(nearest(h[good], support)[0])
        return found

    def predict(self, features: Any) -> NDArray[np.bool_]:
        """Return which items are admitted, shape (n,)."""
        return np.asarray(self.distance(features) <= self._fitted("threshold_", "predict"), np.bool_)
