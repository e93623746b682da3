"""Estimator A of Similarity-Distance-Magnitude activations, on features and logits that are given.

What it estimates: the region of inputs in which a classifier is right for a share `target` of every class. Three
numbers place an input: how many of its nearest training points are of its predicted class and rightly predicted
(similarity), how its distance to the nearest one compares with calibration items (distance), and its logits
(magnitude).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import ArgumentError
from neff.sampling.abstention._check import check_codes_of, check_matrix, check_target, finite_rows
from neff.sampling.abstention.activation import rescaled_similarity, sdm_activation
from neff.sampling.abstention.decision import SDMDecision
from neff.sampling.abstention.neighbours import NO_CLASS, Neighbours, neighbours
from neff.sampling.abstention.region import ClassValues, Region, dkw_error, effective_sizes, find_region
from neff.stats._validate import check_count

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from neff.reasons import Reason
    from neff.stats._validate import FloatArray

__all__ = ["SDMEstimator", "Support", "fit_sdm"]


@dataclass(frozen=True, slots=True, eq=False)
class Support:
    """Training points that new points are compared with.

    Attributes
    ----------
    features
        Shape (N, D).
    classes
        The class of each point where its prediction is right, else -1, shape (N,).
    most
        The longest similarity that is counted.
    """

    features: FloatArray
    classes: NDArray[np.int64]
    most: int = 2048

    @classmethod
    def of(cls, features: FloatArray, predicted: NDArray[np.int64], labels: NDArray[np.int64], most: int) -> Support:
        """Return the support of labelled and predicted points; a label that is no class can only end a run."""
        return cls(features, np.where(predicted == labels, predicted, NO_CLASS), most)

    def look(self, features: FloatArray, predicted: NDArray[np.int64], *, is_support: bool = False) -> Neighbours:
        """Return what the support says about points."""
        return neighbours(features, predicted, self.features, self.classes, most=self.most, is_support=is_support)

    def plus(self, features: FloatArray, predicted: NDArray[np.int64], labels: NDArray[np.int64]) -> Support:
        """Return the support with further points."""
        more = np.where(predicted == labels, predicted, NO_CLASS)
        return Support(np.vstack([self.features, features]), np.concatenate([self.classes, more]), self.most)


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """Calibration items placed by a support: what both estimators are fitted to.

    Attributes
    ----------
    distances
        Squared nearest distances of the items with a positive similarity, by class.
    labels, predicted, similarity, distance_quantile, outputs
        Of all items; `outputs` are SDM(z'), shape (n, C).
    """

    distances: ClassValues
    labels: NDArray[np.int64]
    predicted: NDArray[np.int64]
    similarity: NDArray[np.int64]
    squared_distance: FloatArray
    distance_quantile: FloatArray
    outputs: FloatArray

    @classmethod
    def of(
        cls, support: Support, features: FloatArray, logits: FloatArray, labels: NDArray[np.int64], *, own: bool = False
    ) -> Calibration:
        """Place labelled items; `own` where they are the support itself."""
        predicted = logits.argmax(axis=1)
        found = support.look(features, predicted, is_support=own)
        known = found.similarity > 0
        distances = ClassValues.of(found.squared_distance[known], labels[known], logits.shape[1])
        d = distances.distance_quantile(found.squared_distance)
        outputs = sdm_activation(logits, found.similarity, d)
        return cls(distances, labels, predicted, found.similarity, found.squared_distance, d, outputs)


@dataclass(frozen=True, slots=True, eq=False)
class SDMEstimator:
    """A fitted estimator A; made by `fit_sdm`.

    Attributes
    ----------
    support
        The training points.
    distances
        Squared nearest distances of the calibration items by class.
    similarities
        Rescaled similarities of the calibration items by class.
    region
        The high-reliability region.
    target
        The accuracy asked for.
    """

    support: Support
    distances: ClassValues
    similarities: ClassValues
    region: Region
    target: float

    @property
    def reason(self) -> Reason | None:
        """Why no item is ever admitted; None where a region was found."""
        return self.region.reason

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return len(self.distances.values)

    def decide(self, features: Any, logits: Any) -> SDMDecision:
        """Return what the estimator says about new items.

        Parameters
        ----------
        features, logits
            Shapes (n, D) and (n, C). A row that is not finite is rejected.
        """
        call = "SDMEstimator.decide"
        h = check_matrix(features, argument="features", call=call, columns=self.support.features.shape[1], finite=False)
        z = check_matrix(logits, argument="logits", call=call, rows=len(h), columns=self.n_classes, finite=False)
        good = finite_rows(h, z)
        found = self._decide(h[good], z[good])
        return found if good.all() else found.spread(good)

    def _decide(self, h: FloatArray, z: FloatArray) -> SDMDecision:
        predicted = z.argmax(axis=1).astype(np.int64)
        seen = self.support.look(h, predicted)
        q, rows = seen.similarity, np.arange(len(h))
        d = self.distances.distance_quantile(seen.squared_distance)
        outputs = sdm_activation(z, q, d)
        probability = outputs[rows, predicted]
        rescaled = rescaled_similarity(q, probability)
        n_eff = effective_sizes(self.similarities, rescaled)
        error = dkw_error(n_eff, self.target).max(axis=1)
        low, high = (sdm_activation(z, q, np.clip(d + sign * error, 0, 1))[rows, predicted] for sign in (-1, 1))
        rescaled_low = rescaled_similarity(q, low)
        return SDMDecision(
            predicted=predicted, probabilities=outputs, similarity=q, nearest_distance=np.sqrt(seen.squared_distance),
            distance_quantile=d, rescaled=rescaled, n_eff=n_eff, error=error, probability_low=low,
            probability_high=high, rescaled_low=rescaled_low,
            admitted=self.region.admits(rescaled, probability, predicted),
            admitted_low=self.region.admits(rescaled_low, low, predicted),
            out_of_distribution=rescaled <= 0, nearest=seen.nearest,
        )  # fmt: skip


def fit_sdm(
    support_features: Any,
    support_logits: Any,
    support_labels: Any,
    features: Any,
    logits: Any,
    labels: Any,
    *,
    target: float = 0.95,
    max_similarity: int = 2048,
) -> SDMEstimator:
    """Fit estimator A to features and logits of a classifier that stays as it is.

    Use it where the classifier, and the vectors in which neighbours mean something (the last hidden layer), are given;
    `SDMClassifier` trains an adaptor on top of an embedding, as the paper does.

    Parameters
    ----------
    support_features, support_logits, support_labels
        Training items, shapes (N, D), (N, C), (N,); a label outside 0 to C - 1 marks a point that is known to be out of
        distribution.
    features, logits, labels
        Calibration items, shapes (n, D), (n, C), (n,). None may be among the training items.
    target
        Accuracy wanted among the admitted items of every class, above 0.5: the paper's alpha.
    max_similarity
        The longest similarity that is counted.

    Returns
    -------
    SDMEstimator
        Its `reason` says where no region reaches the target: then nothing is ever admitted.

    Raises
    ------
    ArgumentError
        If shapes do not fit, a value is not finite, or there are fewer than two training items.

    Notes
    -----
    Not a finite-sample guarantee: the thresholds are plain quantiles of the calibration items that also choose the
    region. Similarity counts a point that does not agree before one that is equally near (the reference leaves this to
    the order of the support), and floor((1 - target) n) is computed with a guard of 1e-9. Classes should be about
    balanced. Cost: n x N x D multiplications per call, exact, in blocks.

    References
    ----------
    Schmaltz, Similarity-Distance-Magnitude Activations. arXiv:2509.12760

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(3)
    >>> label = np.arange(400) % 2
    >>> x = rng.normal(size=(400, 2)) + 5 * label[:, None]
    >>> z = np.stack([5 - x.sum(axis=1), x.sum(axis=1) - 5], axis=1) / 2
    >>> estimator = fit_sdm(x[:200], z[:200], label[:200], x[200:], z[200:], label[200:])
    >>> found = estimator.decide([[0.2, -0.1], [5.3, 4.8], [40.0, 40.0]], [[2.0, -2.0], [-2.5, 2.5], [-37.0, 37.0]])
    >>> found.admitted.tolist()  # the last is far from everything, though the classifier is surest of it
    [True, True, False]
    """
    call = "fit_sdm"
    target = check_target(target, call=call)
    most = check_count(max_similarity, argument="max_similarity", call=call, minimum=1)
    h = check_matrix(support_features, argument="support_features", call=call)
    z = check_matrix(support_logits, argument="support_logits", call=call, rows=len(h))
    if len(h) < 2 or z.shape[1] < 2:
        got = f"{len(h)} items, {z.shape[1]} classes"
        raise ArgumentError("support_logits", "of two items and two classes or more", got, call=call)
    x = check_matrix(features, argument="features", call=call, columns=h.shape[1])
    own = check_matrix(logits, argument="logits", call=call, rows=len(x), columns=z.shape[1])
    known = np.asarray(support_labels)
    if known.shape != (len(h),) or known.dtype.kind not in "biu":
        raise ArgumentError("support_labels", f"{len(h)} whole numbers", f"{known.dtype} {known.shape}", call=call)
    codes = check_codes_of(labels, argument="labels", call=call, n=len(x), n_classes=z.shape[1])
    support = Support.of(h, z.argmax(axis=1), known.astype(np.int64), most)
    return fit_calibrated(support, Calibration.of(support, x, own, codes), target)


def fit_calibrated(support: Support, placed: Calibration, target: float) -> SDMEstimator:
    """Fit estimator A to calibration items that are already placed."""
    probability = placed.outputs[np.arange(len(placed.labels)), placed.predicted]
    rescaled = rescaled_similarity(placed.similarity, probability)
    n_classes = placed.outputs.shape[1]
    return SDMEstimator(
        support=support,
        distances=placed.distances,
        similarities=ClassValues.of(rescaled, placed.labels, n_classes),
        region=find_region(rescaled, placed.outputs, placed.labels, target=target),
        target=target,
    )
