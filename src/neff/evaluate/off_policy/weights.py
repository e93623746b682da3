"""Importance weights of logged answers: self-normalised (Hajek), capped; and the cheapest mixture of candidates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from neff.errors import ArgumentError
from neff.stats.weights import normalise

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from neff.evaluate.off_policy.data import Logged

__all__ = ["hajek_weights", "least_variance_mixture"]


def hajek_weights(logged: Logged, *, cap: float | None = None) -> NDArray[np.float64] | None:
    """Return self-normalised importance weights, with mean 1.

    Use them uncapped unless a published number is to be reproduced: a cap makes weights of a thin overlap look
    better than they are, and biases towards the policy that gave the answers.

    Parameters
    ----------
    logged
        The logged answers.
    cap
        Largest weight, in units of the mean weight; weights are then scaled to mean 1 once more.

    Returns
    -------
    ndarray of shape (n,) or None
        None where the target gives none of the answers.

    Raises
    ------
    ArgumentError
        If the cap is not above 0.

    References
    ----------
    Hajek 1971. Swaminathan and Joachims 2015, "The Self-Normalized Estimator for Counterfactual Learning".

    Examples
    --------
    >>> from neff.evaluate.off_policy.data import Logged
    >>> columns = {"prompt": [0, 1], "score": [0.5, 0.5], "label": [1.0, 0.0], "log_prob": [-1.0, -1.0]}
    >>> hajek_weights(Logged.of("new", target_log_prob=[-1.0, -np.inf], **columns)).tolist()
    [2.0, 0.0]
    >>> hajek_weights(Logged.of("new", target_log_prob=[-np.inf, -np.inf], **columns)) is None
    True
    """
    if cap is not None and not cap > 0:
        raise ArgumentError("cap", "above 0", cap, "A cap of 100 means 100 times the mean weight.")
    if logged.n == 0 or logged.log_ratio.max() == -np.inf:
        return None
    weights: NDArray[np.float64] = normalise(logged.log_ratio) * logged.n
    if cap is None:
        return weights
    capped: NDArray[np.float64] = np.minimum(weights, cap)
    return capped / float(capped.mean())


def least_variance_mixture(covariance: NDArray[np.float64], *, slack: float = 1e-10) -> NDArray[np.float64]:
    """Return the weights of the mixture with the smallest variance, 0 or more and summing to 1.

    Parameters
    ----------
    covariance
        Covariance of the candidates, shape (k, k), positive definite.
    slack
        How far below 0 a weight may be before its candidate is left out.

    Returns
    -------
    ndarray
        Shape (k,).

    Notes
    -----
    Active set: solve without the bounds, leave out the most negative weight, repeat. Where the covariance of the
    rest is singular, that rest is weighted equally. Exact for two candidates; with more it is the published rule,
    which never takes a candidate back in.

    References
    ----------
    Landesberg and Narayan, "Causal Judge Evaluation", arXiv:2512.11150.

    Examples
    --------
    >>> least_variance_mixture(np.diag([1.0, 3.0])).tolist()
    [0.75, 0.25]
    >>> least_variance_mixture(np.array([[1.0, 2.0], [2.0, 5.0]])).tolist()
    [1.0, 0.0]
    """
    active = np.arange(len(covariance))
    while True:
        part = covariance[np.ix_(active, active)]
        ones = np.ones(len(active))
        try:
            share = np.linalg.solve(part, ones)
        except np.linalg.LinAlgError:
            share = ones
        total = share.sum()
        share = share / total if abs(total) >= slack else ones / len(active)
        if len(active) == 1 or (share >= -slack).all():
            break
        active = np.delete(active, int(np.argmin(share)))
    mixture = np.zeros(len(covariance))
    mixture[active] = np.maximum(share, 0.0)
    return mixture / float(mixture.sum())
