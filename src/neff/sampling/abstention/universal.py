"""Estimator U, Similarity-Distance-Magnitude universal verification: SDM outputs ranked, rescaled and bounded.

What it estimates: as estimator A, the region in which a classifier is right for a share `target` of every class, on
class-wise ranks of the SDM outputs instead of the outputs themselves, with offsets for how much the region moves when
the data are split anew.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from neff.sampling.abstention.activation import sdm_activation, softmax
from neff.sampling.abstention.decision import SDMDecision
from neff.sampling.abstention.region import ClassValues, Region, dkw_error, effective_sizes, find_region

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from neff.reasons import Reason
    from neff.sampling.abstention.estimator import Calibration, Support
    from neff.stats._validate import FloatArray

__all__ = ["UniversalEstimator", "cauchy_offset", "fit_universal"]

LEARNING_RATE = 1e-4
PATIENCE = 10


@dataclass(frozen=True, slots=True, eq=False)
class Ranked:
    """Items after ranking and rescaling: v, rescaled similarity, o, and which predictions flipped."""

    ranks: FloatArray
    rescaled: FloatArray
    probabilities: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class UniversalEstimator:
    """A fitted estimator U.

    Attributes
    ----------
    support, distances
        As in `SDMEstimator`.
    outputs
        SDM outputs of the calibration items by true class.
    similarities
        Their rescaled similarities by class.
    weights
        The rescaling matrix, shape (C, C).
    region
        The region of this fit; `minimum` includes the offset for restarts.
    medians
        Median probability of the calibration items by (predicted class, whole part of the rescaled similarity).
    offsets
        What is taken off the probability in each such bin for the variation between restarts.
    target
        The accuracy asked for.
    """

    support: Support
    distances: ClassValues
    outputs: ClassValues
    similarities: ClassValues
    weights: FloatArray
    region: Region
    medians: Mapping[tuple[int, int], float]
    target: float
    offsets: Mapping[tuple[int, int], float] = field(default_factory=dict)

    @property
    def reason(self) -> Reason | None:
        """Why no item is ever admitted; None where a region was found."""
        return self.region.reason

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return len(self.distances.values)

    def decide_on(self, features: FloatArray, logits: FloatArray) -> SDMDecision:
        """Return what the estimator says about finite features and logits."""
        predicted = logits.argmax(axis=1).astype(np.int64)
        seen = self.support.look(features, predicted)
        d = self.distances.distance_quantile(seen.squared_distance)
        outputs = sdm_activation(logits, seen.similarity, d)
        return self.decide_outputs(outputs, seen.similarity, predicted, d, seen.squared_distance, seen.nearest)

    def decide_outputs(
        self,
        outputs: FloatArray,
        similarity: NDArray[np.int64],
        predicted: NDArray[np.int64],
        distance_quantile: FloatArray | None = None,
        squared_distance: FloatArray | None = None,
        nearest: NDArray[np.int64] | None = None,
    ) -> SDMDecision:
        """Return what the estimator says about items whose SDM outputs are known."""
        rows = np.arange(len(outputs))
        centre = rank(self.outputs, self.weights, outputs, similarity, predicted)
        n_eff = effective_sizes(self.similarities, centre.rescaled)
        errors = dkw_error(n_eff, self.target)
        ends = []
        for sign in (-1, 1):  # against the predicted class, then for it
            moved = centre.ranks - sign * errors
            moved[rows, predicted] = (centre.ranks + sign * errors)[rows, predicted]
            ends.append(_rescale(np.clip(moved, 0, 1), self.weights, similarity, predicted))
        (low_similarity, low), (_, high) = ((s, p[rows, predicted]) for s, p in ends)
        taken = [self.offsets.get((c, b), 0.0) for c, b in zip(predicted, np.floor(low_similarity), strict=True)]
        low = np.maximum(low - np.array(taken), 0.0)
        unknown = np.full(len(outputs), np.nan)
        return SDMDecision(
            predicted=predicted, probabilities=centre.probabilities, similarity=similarity,
            nearest_distance=unknown if squared_distance is None else np.sqrt(squared_distance),
            distance_quantile=unknown if distance_quantile is None else distance_quantile,
            rescaled=centre.rescaled, n_eff=n_eff, error=errors.max(axis=1), probability_low=low,
            probability_high=high, rescaled_low=low_similarity,
            admitted=self.region.admits(centre.rescaled, centre.probabilities[rows, predicted], predicted),
            admitted_low=self.region.admits(low_similarity, low, predicted),
            out_of_distribution=np.floor(centre.rescaled) <= 0,
            nearest=np.full(len(outputs), -1, np.int64) if nearest is None else nearest,
        )  # fmt: skip


def _rescale(
    ranks: FloatArray, weights: FloatArray, similarity: NDArray[np.int64], predicted: NDArray[np.int64]
) -> tuple[FloatArray, FloatArray]:
    rescaled = ranks[np.arange(len(ranks)), predicted] * np.log(2.0 + similarity)
    return rescaled, softmax(np.log(2 + rescaled)[:, None] * (ranks @ weights.T))


def rank(
    of_class: ClassValues,
    weights: FloatArray,
    outputs: FloatArray,
    similarity: NDArray[np.int64],
    predicted: NDArray[np.int64],
) -> Ranked:
    """Return class-wise ranks of SDM outputs, rescaled; an item whose prediction flips has no similarity left."""
    ranks = ranks_of(of_class, outputs)
    rescaled, probabilities = _rescale(ranks, weights, similarity, predicted)
    rescaled = np.where(probabilities.argmax(axis=1) == predicted, rescaled, 0.0)
    return Ranked(ranks, rescaled, probabilities)


def ranks_of(of_class: ClassValues, outputs: FloatArray) -> FloatArray:
    """Return the share of the calibration outputs of each class that is smaller; 1 from the largest one on."""
    sizes = np.maximum(of_class.sizes, 1)
    largest = np.array([v[-1] if len(v) else np.inf for v in of_class.values])
    return np.where(outputs >= largest, 1.0, of_class.below(outputs) / sizes)


def train_rescaler(
    ranks: FloatArray, rescaled: FloatArray, labels: NDArray[np.int64], rng: np.random.Generator, *, epochs: int = 1000
) -> FloatArray:
    """Return the rescaling matrix: Adam, one item at a time, stopped after more than ten epochs without improvement."""
    n_classes = ranks.shape[1]
    weights = rng.uniform(-1, 1, (n_classes, n_classes)) / math.sqrt(n_classes)
    moment, square = np.zeros_like(weights), np.zeros_like(weights)
    base = np.log(2 + rescaled)
    best, best_loss, worse, step = weights.copy(), math.inf, 0, 0
    one = np.eye(n_classes)[labels]
    for _ in range(epochs):
        total = 0.0
        for i in rng.permutation(len(ranks)):
            step += 1
            u = base[i] * (weights @ ranks[i])
            u -= u.max()
            log_total = math.log(np.exp(u).sum())
            total += (log_total - u[labels[i]]) / base[i]
            gradient = np.outer(np.exp(u - log_total) - one[i], ranks[i])  # the two logarithms of the base cancel
            moment += 0.1 * (gradient - moment)
            square += 0.001 * (gradient * gradient - square)
            rate = LEARNING_RATE * math.sqrt(1 - 0.999**step) / (1 - 0.9**step)
            weights -= rate * moment / (np.sqrt(square) + 1e-8 * math.sqrt(1 - 0.999**step))
        if total <= best_loss:
            best, best_loss, worse = weights.copy(), total, 0
        else:
            worse += 1
            if worse > PATIENCE:
                break
    return best


def fit_universal(
    support: Support, placed: Calibration, *, target: float, rng: np.random.Generator, weights: FloatArray | None = None
) -> UniversalEstimator:
    """Fit estimator U to calibration items that are already placed.

    Parameters
    ----------
    support, placed
        The support, and the calibration items as it places them.
    target
        The paper's alpha, above 1/C.
    rng
        For the start and the order of the training of the rescaling matrix.
    weights
        The rescaling matrix, where it is known.
    """
    n_classes = placed.outputs.shape[1]
    of_class = ClassValues.of(placed.outputs, placed.labels, n_classes)
    if weights is None:
        ranks = ranks_of(of_class, placed.outputs)
        start = ranks[np.arange(len(ranks)), placed.predicted] * np.log(2.0 + placed.similarity)
        weights = train_rescaler(ranks, start, placed.labels, rng)
    found = rank(of_class, weights, placed.outputs, placed.similarity, placed.predicted)
    return UniversalEstimator(
        support=support,
        distances=placed.distances,
        outputs=of_class,
        similarities=ClassValues.of(found.rescaled, placed.labels, n_classes),
        weights=weights,
        region=find_region(found.rescaled, found.probabilities, placed.labels, target=target, whole=True),
        medians=_medians(found, placed.predicted),
        target=target,
    )


def _medians(found: Ranked, predicted: NDArray[np.int64]) -> dict[tuple[int, int], float]:
    probability = found.probabilities[np.arange(len(predicted)), predicted]
    bins = list(zip(predicted.tolist(), np.floor(found.rescaled).astype(int).tolist(), strict=True))
    return {
        key: float(np.median(probability[[i for i, own in enumerate(bins) if own == key]])) for key in sorted(set(bins))
    }


def cauchy_offset(values: Sequence[float], target: float) -> float:
    """Return the offset for the variation of a number over restarts: MAD tan(pi (target - 1/2)), 0 for one restart.

    Examples
    --------
    >>> round(cauchy_offset([2.0, 2.1, 2.3, 2.05, 2.2], 0.95), 7)
    0.6313752
    """
    if len(values) < 2:
        return 0.0
    array = np.asarray(values, np.float64)
    if not np.isfinite(array).all():
        return math.nan
    return float(np.median(np.abs(array - np.median(array)))) * math.tan(math.pi * (target - 0.5))


def with_restarts(best: UniversalEstimator, every: Sequence[UniversalEstimator]) -> tuple[UniversalEstimator, bool]:
    """Return the estimator with the offsets of its restarts, and whether the region's offset could be computed.

    A restart without a region makes the offset of the region undefined: the minimum stays as it is.
    """
    move = cauchy_offset([fit.region.minimum for fit in every], best.target)
    known = math.isfinite(move)
    region = Region(best.region.minimum + (move if known else 0.0), best.region.thresholds, best.region.reason)
    keys = {key for fit in every for key in fit.medians}
    offsets = {
        key: cauchy_offset([fit.medians[key] for fit in every if key in fit.medians], best.target) for key in keys
    }
    return UniversalEstimator(
        support=best.support, distances=best.distances, outputs=best.outputs, similarities=best.similarities,
        weights=best.weights, region=region, medians=best.medians, target=best.target, offsets=offsets,
    ), known  # fmt: skip
