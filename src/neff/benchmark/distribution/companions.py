"""Distances between two samples beside the Kolmogorov-Smirnov test: how far, not only whether."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.reasons import Reason
from neff.stats._options import seeded
from neff.stats._validate import check_count, check_vector

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from neff.stats._validate import FloatArray

__all__ = ["SampleDistance", "energy_z", "jensen_shannon", "wasserstein_z"]


@dataclass(frozen=True, slots=True)
class SampleDistance:
    """A distance, and how it stands among those of random splits of the pooled values.

    Attributes
    ----------
    distance
        Between the two samples.
    excess
        Distance minus the mean over splits: about 0 for two samples of one distribution.
    z
        That over the standard deviation over splits; NaN where all splits are equal, with the reason.
    """

    distance: float
    excess: float
    z: float
    reason: Reason | None = None


def wasserstein_z(x: ArrayLike, y: ArrayLike, *, n_resamples: int = 999, rng: Any = 20240521) -> SampleDistance:
    """Return the Wasserstein distance of two samples, and its z score among permutations.

    Use it to say how far a sampler is off, in units of the values; the z score makes tasks comparable.

    Parameters
    ----------
    x, y
        The two samples, shapes (n,) and (m,).
    n_resamples, rng
        Permutations of the pooled values (SPEC 7); the defaults are the paper's.

    Returns
    -------
    SampleDistance
        NaN with a reason for fewer than two values on a side.

    References
    ----------
    Abaskohi et al., UnpredictaBench. arXiv:2606.06622

    Examples
    --------
    >>> import numpy as np
    >>> found = wasserstein_z(np.arange(20.0), np.arange(20.0) + 30)
    >>> round(found.distance, 9), found.z > 5
    (30.0, True)
    """
    return _distance(x, y, 1, n_resamples, rng, "wasserstein_z")


def energy_z(x: ArrayLike, y: ArrayLike, *, n_resamples: int = 999, rng: Any = 20240521) -> SampleDistance:
    """Return the energy distance of two samples, and its z score among permutations.

    Use it beside `wasserstein_z` where a few far values should weigh less.

    Parameters
    ----------
    x, y
        The two samples, shapes (n,) and (m,).
    n_resamples, rng
        Permutations of the pooled values (SPEC 7); the defaults are the paper's.

    Returns
    -------
    SampleDistance
        NaN with a reason for fewer than two values on a side.

    References
    ----------
    Abaskohi et al., UnpredictaBench. arXiv:2606.06622

    Examples
    --------
    >>> import numpy as np
    >>> energy_z(np.arange(20.0), np.arange(20.0) + 30).z > 5
    True
    """
    return _distance(x, y, 2, n_resamples, rng, "energy_z")


def _distance(x: ArrayLike, y: ArrayLike, power: int, n_resamples: int, rng: Any, call: str) -> SampleDistance:
    a, b = (check_vector(v, argument=name, call=call) for name, v in (("x", x), ("y", y)))
    n_resamples = check_count(n_resamples, argument="n_resamples", call=call, minimum=2)
    generator, _ = seeded(rng, call=call)
    if min(a.size, b.size) < 2:
        return SampleDistance(math.nan, math.nan, math.nan, Reason.TOO_FEW)
    pooled = np.concatenate([a, b])
    order = np.argsort(pooled, kind="stable")
    place = np.empty(pooled.size, np.int64)
    place[order] = np.arange(pooled.size)
    widths = np.diff(pooled[order])
    observed = _of(place[: a.size], widths, a.size, b.size, power)
    drawn = np.array(
        [
            _of(place[generator.permutation(pooled.size)[: a.size]], widths, a.size, b.size, power)
            for _ in range(n_resamples)
        ]
    )
    excess, sd = observed - float(drawn.mean()), float(drawn.std())
    if sd < 1e-12:
        return SampleDistance(observed, excess, math.nan, Reason.DEGENERATE_RESAMPLES)
    return SampleDistance(observed, excess, excess / sd)


def _of(first: Any, widths: FloatArray, n: int, m: int, power: int) -> float:
    """Return the distance where the values at these ranks of the pooled values are the first sample."""
    mine = np.zeros(n + m)
    mine[first] = 1.0
    whole = np.cumsum(mine)[:-1]
    gap = np.abs(whole / n - (np.arange(1, n + m) - whole) / m)
    return float(gap @ widths) if power == 1 else math.sqrt(2 * float((gap * gap) @ widths))


def jensen_shannon(x: ArrayLike, y: ArrayLike, *, n_points: int = 512) -> float:
    """Return the Jensen-Shannon divergence of two samples by Gaussian kernel densities (Scott's bandwidth), in nats.

    Use it to compare with published figures; it smooths, so that discrete distributions look alike. `wasserstein_z`
    needs no bandwidth.

    Parameters
    ----------
    x, y
        The two samples, shapes (n,) and (m,).
    n_points
        Points of the grid from a tenth of the range below the smallest value to a tenth above the largest.

    Returns
    -------
    float
        In [0, ln 2]. 0 where both samples are one and the same constant; NaN for fewer than two values on a side, and
        where one side is constant.

    References
    ----------
    Abaskohi et al., UnpredictaBench. arXiv:2606.06622

    Examples
    --------
    >>> jensen_shannon([0.0] * 5, [0.0] * 5), jensen_shannon([0.0] * 5, [1.0] * 5)
    (0.0, nan)
    """
    call = "jensen_shannon"
    a, b = (check_vector(v, argument=name, call=call) for name, v in (("x", x), ("y", y)))
    n_points = check_count(n_points, argument="n_points", call=call, minimum=2)
    if min(a.size, b.size) < 2:
        return math.nan
    if np.ptp(a) == 0 and np.ptp(b) == 0:
        return 0.0 if a[0] == b[0] else math.nan
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return math.nan
    low, high = min(a.min(), b.min()), max(a.max(), b.max())
    margin = 0.1 * (high - low)
    grid = np.linspace(low - margin, high + margin, n_points)
    p, q = (_density(v, grid) for v in (a, b))
    p, q = p / p.sum(), q / q.sum()
    middle = (p + q) / 2
    from scipy.special import rel_entr

    return max(0.0, float(rel_entr(p, middle).sum() + rel_entr(q, middle).sum()) / 2)


def _density(v: FloatArray, grid: FloatArray) -> FloatArray:
    width = float(v.std(ddof=1)) * v.size ** (-1 / 5)
    total = np.zeros(grid.size)
    for start in range(0, v.size, 2000):  # 2000 by 512 numbers at a time
        total += np.exp(-0.5 * ((grid - v[start : start + 2000, None]) / width) ** 2).sum(axis=0)
    return total
