"""Entropy and divergence of answer distributions, in bits."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from neff.errors import ArgumentError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["check_distribution", "entropy_share", "kl_divergence"]


def check_distribution(p: ArrayLike, *, argument: str, call: str) -> NDArray[np.float64]:
    """Return a distribution over two or more options that sums to 1.

    Raises
    ------
    ArgumentError
        If it is none.
    """
    array = np.asarray(p, np.float64)
    if array.ndim != 1 or len(array) < 2:
        raise ArgumentError(argument, "a distribution over two or more options", f"shape {array.shape}", call=call)
    total = float(array.sum())
    if not (array >= 0).all() or not math.isclose(total, 1, abs_tol=1e-6):
        fix = "Divide counts by their sum."
        raise ArgumentError(argument, "non-negative and summing to 1", f"a sum of {total:.6g}", fix, call=call)
    return array / total


def entropy_share(p: ArrayLike) -> float:
    """Return the entropy of a distribution as a share of the largest possible: 1 for uniform, 0 for one answer.

    Parameters
    ----------
    p
        Distribution over n >= 2 options.

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    ArgumentError
        If p is no distribution.

    Examples
    --------
    >>> round(entropy_share([0.5, 0.25, 0.25]), 6)
    0.946395
    """
    p = check_distribution(p, argument="p", call="entropy_share")
    with np.errstate(divide="ignore", invalid="ignore"):
        bits = -float(np.where(p > 0, p * np.log2(p), 0.0).sum())
    return bits / math.log2(len(p))


def kl_divergence(p: ArrayLike, q: ArrayLike | None = None, *, smooth: float = 0.0) -> float:
    """Return KL(p || q) in bits; q is uniform where it is left out.

    Parameters
    ----------
    p, q
        Distributions over the same options.
    smooth
        Added to every option of q, which is then divided by its sum; 0 for none. Say so where you use it.

    Returns
    -------
    float
        Infinite where q gives nothing to an option that p gives something.

    Raises
    ------
    ArgumentError
        If one is no distribution, or they differ in length.

    Examples
    --------
    >>> round(kl_divergence([0.5, 0.25, 0.25]), 6), kl_divergence([0.5, 0.5], [1.0, 0.0])
    (0.084963, inf)
    """
    p = check_distribution(p, argument="p", call="kl_divergence")
    q = np.full(len(p), 1 / len(p)) if q is None else check_distribution(q, argument="q", call="kl_divergence")
    if len(q) != len(p):
        raise ArgumentError("q", f"a distribution over {len(p)} options", len(q), call="kl_divergence")
    if not (math.isfinite(smooth) and smooth >= 0):
        raise ArgumentError("smooth", "0 or more", smooth, "Such as 1e-6.", call="kl_divergence")
    if smooth:
        q = (q + smooth) / (1 + smooth * len(q))
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.where(p > 0, p * np.log2(p / q), 0.0).sum())
