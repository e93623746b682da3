"""The Similarity-Distance-Magnitude activation: a softmax that grows sharper with q and flatter with distance.

SDM(z')_i = (2 + q)^(d z'_i) / sum_c (2 + q)^(d z'_c), computed as softmax(d ln(2 + q) z'), so that no power overflows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from neff.stats._validate import FloatArray

__all__ = ["log_softmax", "rescaled_similarity", "sdm_activation", "sdm_loss", "softmax"]


def log_softmax(logits: ArrayLike) -> FloatArray:
    """Return the logarithm of the softmax over the last axis."""
    z = np.asarray(logits, np.float64)
    z = z - z.max(axis=-1, keepdims=True)
    return np.asarray(z - np.log(np.exp(z).sum(axis=-1, keepdims=True)), np.float64)


def softmax(logits: ArrayLike) -> FloatArray:
    """Return the softmax over the last axis.

    Examples
    --------
    >>> softmax([[0.0, 0.0], [1000.0, 0.0]]).tolist()
    [[0.5, 0.5], [1.0, 0.0]]
    """
    return np.asarray(np.exp(log_softmax(logits)), np.float64)


def sdm_activation(logits: ArrayLike, similarity: ArrayLike, distance_quantile: ArrayLike) -> FloatArray:
    """Return the SDM activation.

    Use it for the output of a classifier whose support is known; the estimators call it. With q = e - 2 and d = 1 it is
    the softmax, with d = 0 all classes are equally likely.

    Parameters
    ----------
    logits
        z', shape (n, C).
    similarity
        q, 0 or more, shape (n,).
    distance_quantile
        d, in [0, 1], shape (n,): 1 near the support, 0 beyond everything that was seen.

    Returns
    -------
    array
        Probabilities, shape (n, C).

    References
    ----------
    Schmaltz, Similarity-Distance-Magnitude Activations. arXiv:2509.12760.

    Examples
    --------
    >>> sdm_activation([[2.0, -1.0]], [10], [0.5]).round(6).tolist()
    [[0.976509, 0.023491]]
    """
    return np.asarray(np.exp(_log_sdm(logits, similarity, distance_quantile)), np.float64)


def _log_sdm(logits: ArrayLike, similarity: ArrayLike, distance_quantile: ArrayLike) -> FloatArray:
    factor = np.log(2 + np.asarray(similarity, np.float64)) * np.asarray(distance_quantile, np.float64)
    return log_softmax(factor[..., None] * np.asarray(logits, np.float64))


def sdm_loss(logits: ArrayLike, similarity: ArrayLike, distance_quantile: ArrayLike) -> FloatArray:
    """Return -log SDM in base 2 + q, shape (n, C): the loss of each class."""
    base = np.log(2 + np.asarray(similarity, np.float64))
    return np.asarray(-_log_sdm(logits, similarity, distance_quantile) / base[..., None], np.float64)


def rescaled_similarity(similarity: ArrayLike, probability: ArrayLike) -> FloatArray:
    """Return q' = min(q, (2 + q)^p), where p is the probability of the predicted class.

    Examples
    --------
    >>> rescaled_similarity([10, 0, 100], [0.5, 1.0, 0.6879]).round(4).tolist()
    [3.4641, 0.0, 24.0833]
    """
    q = np.asarray(similarity, np.float64)
    return np.minimum(q, np.exp(np.asarray(probability, np.float64) * np.log(2 + q)))
