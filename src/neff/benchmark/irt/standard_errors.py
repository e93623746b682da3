"""Standard errors of item parameters: the observed information of each item, by Louis's identity."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from neff.benchmark.irt.em import Answers, blocks
from neff.benchmark.irt.logistic import exp_1p

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from neff.benchmark.irt.em import Fit, Prior

    Floats = NDArray[np.float64]

__all__ = ["covariances"]


def covariances(matrix: Floats, fit: Fit, prior: Prior, *, shared_slope: bool = False) -> Floats:
    """Return the covariance of (log a, b) of each item, shape (n_items, 2, 2); NaN where it is not defined.

    The information is that of known abilities less what their being unknown takes away.
    """
    answers, items, found = Answers.of(matrix), fit.items, fit.posterior
    x, w = found.nodes, found.weights
    j = len(items.a)
    information = np.zeros((j, 2, 2))
    information[:, 0, 0] += 1 / prior.log_a_sd**2
    information[:, 1, 1] += 1 / prior.b_sd**2
    for block in blocks(j, len(x)):
        part = items.take(block)
        a, b, c = part.a, part.b, part.c
        p = c + (1 - c) * (1 - 1 / exp_1p(a * (x[:, None] - b)))
        k = (p - c) / ((1 - c) * p)
        distance = x[:, None] - b
        seen = answers.known[:, block]
        right = answers.right[:, block]
        count = w.T @ seen
        v = count * p * (1 - p) * k**2
        d = np.stack([a * distance, np.broadcast_to(-a, distance.shape)])  # dz / d(log a), dz / db
        for outcome, cells in ((1.0, right), (0.0, seen - right)):
            score = d * ((outcome - p) * k)
            spread = w.T @ cells
            mean = np.stack([w @ score[0], w @ score[1]])
            for r in range(2):
                for s in range(2):
                    lost = (spread * score[r] * score[s]).sum(axis=0) - (cells * mean[r] * mean[s]).sum(axis=0)
                    information[block, r, s] -= lost
        for r in range(2):
            for s in range(2):
                information[block, r, s] += (v * d[r] * d[s]).sum(axis=0)
        # z is not linear in (log a, b): its own curvature, times the residuals.
        residual = (w.T @ right - count * p) * k
        information[block, 0, 0] -= (residual * d[0]).sum(axis=0)
        cross = (residual * d[1]).sum(axis=0)
        information[block, 0, 1] -= cross
        information[block, 1, 0] -= cross
    if shared_slope:
        return _arrow_inverse(information, prior)
    det = information[:, 0, 0] * information[:, 1, 1] - information[:, 0, 1] ** 2
    bad = (det <= 0) | (information[:, 0, 0] <= 0)
    det = np.where(bad, np.nan, det)
    inverse = np.empty_like(information)
    inverse[:, 0, 0], inverse[:, 1, 1] = information[:, 1, 1] / det, information[:, 0, 0] / det
    inverse[:, 0, 1] = inverse[:, 1, 0] = -information[:, 0, 1] / det
    return inverse


def _arrow_inverse(information: Floats, prior: Prior) -> Floats:
    """Return the covariances where all items share the slope: its information is the sum, each b is eliminated."""
    own = information[:, 0, 0] - 1 / prior.log_a_sd**2
    cross, of_b = information[:, 0, 1], information[:, 1, 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        of_slope = own.sum() + 1 / prior.log_a_sd**2 - (cross**2 / of_b).sum()
        slope = 1 / of_slope if of_slope > 0 else math.nan
        inverse = np.empty_like(information)
        inverse[:, 0, 0] = slope
        inverse[:, 0, 1] = inverse[:, 1, 0] = -cross / of_b * slope
        inverse[:, 1, 1] = np.where(of_b > 0, 1 / of_b + (cross / of_b) ** 2 * slope, np.nan)
    return inverse
