"""How far labels reach: what a policy's scores find of them where it scores, and beyond the last of them.

What it estimates: Kish's effective number of labels behind a policy's calibrated mean, and how far that mean could
move if the curve were wrong where no label is. Arrays in, numbers out.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from neff.stats._validate import check_same_length, check_vector

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["Boundary", "boundary", "label_density", "label_ess"]

NEAR_END = 0.05
"""A calibrated value within this share of the fitted range from its end counts as saturated."""


class Boundary(NamedTuple):
    """How much of a policy lies beyond the labelled scores, as shares of its rows, and what that leaves open.

    `below` and `above` add up to `outside`. `saturation` is the share of calibrated values at either end of the
    fitted range. `width` is how far the policy's mean could move, in label units, if the label were anything that
    its scale allows wherever no label is.
    """

    outside: float
    below: float
    above: float
    saturation: float
    width: float


def label_ess(score: ArrayLike, labelled_score: ArrayLike) -> float:
    """Return how many labels the calibrated mean of a policy rests on.

    Use it as the first warning for a policy without labels of its own: below 50 be careful, below 20 do not trust
    the level. It is small where the policy scores in places that few labels reach, even inside the labelled range.

    Parameters
    ----------
    score
        The policy's scores, shape (n,).
    labelled_score
        Scores of the labelled rows, shape (m,).

    Returns
    -------
    float
        Between 0 and m; NaN without rows or without labels.

    Raises
    ------
    ArgumentError
        If a score is not finite.

    Notes
    -----
    Every row of the policy hands its weight to the labelled rows at the nearest labelled score (the lower one of
    two that are equally near), in equal parts. This is Kish's effective sample size of those weights: 1 / sum_u
    p_u^2 / c_u, with p_u the policy's share and c_u the number of labels at score u. The error that the labels leave
    in the policy's mean has the variance of a label around the curve divided by it, if every score has its own
    mean; pooling scores, as a monotone curve does, can only help. O(n log m).

    References
    ----------
    Kish 1965, Survey Sampling. Ours; a complement to the gates of arXiv:2512.11150, which this case passes.

    Examples
    --------
    >>> labelled = [0.1] * 2 + [0.9] * 98
    >>> round(label_ess([0.9] * 99 + [0.1], labelled), 1), round(label_ess([0.1] * 99 + [0.9], labelled), 1)
    (99.5, 2.0)
    """
    target = check_vector(score, argument="score", call="label_ess")
    labelled = check_vector(labelled_score, argument="labelled_score", call="label_ess")
    if target.size == 0 or labelled.size == 0:
        return math.nan
    knots, count = np.unique(labelled, return_counts=True)
    right = np.searchsorted(knots, target).clip(0, len(knots) - 1)
    left = np.maximum(right - 1, 0)
    nearest = np.where(target - knots[left] <= knots[right] - target, left, right)
    share = np.bincount(nearest, minlength=len(knots)) / target.size
    return 1.0 / float(np.sum(share * share / count))


def boundary(
    score: ArrayLike,
    labelled_score: ArrayLike,
    value: ArrayLike,
    *,
    value_range: tuple[float, float],
    scale: tuple[float, float] = (0.0, 1.0),
) -> Boundary:
    """Return how much of a policy lies beyond the labelled scores, and what that leaves open.

    Parameters
    ----------
    score, value
        The policy's scores and their calibrated values, shape (n,) each.
    labelled_score
        Scores of the labelled rows, shape (m,).
    value_range
        Lowest and highest calibrated value on the labelled rows.
    scale
        Lowest and highest possible label.

    Returns
    -------
    Boundary
        NaN without rows or without labels.

    Raises
    ------
    ArgumentError
        If a score or value is not finite, or lengths differ.

    References
    ----------
    Landesberg and Narayan, "Causal Judge Evaluation", arXiv:2512.11150 (code, boundary card).

    Examples
    --------
    >>> found = boundary([0.0, 0.5, 1.0, 1.0], [0.1, 0.9], [0.2, 0.5, 0.7, 0.7], value_range=(0.2, 0.7))
    >>> found.outside, found.above, found.saturation, round(found.width, 3)
    (0.75, 0.5, 0.75, 0.2)
    """
    target = check_vector(score, argument="score", call="boundary")
    labelled = check_vector(labelled_score, argument="labelled_score", call="boundary")
    fitted = check_vector(value, argument="value", call="boundary")
    check_same_length(call="boundary", score=target, value=fitted)
    if target.size == 0 or labelled.size == 0:
        return Boundary(math.nan, math.nan, math.nan, math.nan, math.nan)
    below, above = float(np.mean(target < labelled.min())), float(np.mean(target > labelled.max()))
    floor, top = value_range
    margin = NEAR_END * (top - floor)
    return Boundary(
        outside=float(np.mean((target < labelled.min()) | (target > labelled.max()))),
        below=below,
        above=above,
        saturation=float(np.mean((fitted <= floor + margin) | (fitted >= top - margin))),
        width=below * (floor - scale[0]) + above * (scale[1] - top),
    )


def label_density(score: ArrayLike, labelled_score: ArrayLike, *, lowest: float) -> float:
    """Return labelled rows per row of the policy among the lowest scores of the policy.

    Parameters
    ----------
    score
        The policy's scores, shape (n,).
    labelled_score
        Scores of the labelled rows, shape (m,).
    lowest
        Which share of the policy's scores counts as the lowest: those at or below this quantile.

    Returns
    -------
    float
        0 or more; NaN without rows. Where the labelled rows are a sample of the policy's own, this is the share of
        its lowest answers that have a label.

    Examples
    --------
    >>> label_density([0.1, 0.2, 0.3, 0.4, 0.5], [0.1, 0.4, 0.5], lowest=0.2)
    1.0
    >>> label_density([0.1, 0.2, 0.3, 0.4, 0.5], [0.4, 0.5], lowest=0.2)
    0.0
    """
    target = check_vector(score, argument="score", call="label_density")
    labelled = check_vector(labelled_score, argument="labelled_score", call="label_density")
    if target.size == 0:
        return math.nan
    edge = np.quantile(target, lowest, method="inverted_cdf")
    return float(np.count_nonzero(labelled <= edge)) / float(np.count_nonzero(target <= edge))
