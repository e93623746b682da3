"""A simulator of importance weights with a known effective sample size."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from neff.errors import ArgumentError
from neff.stats._validate import check_count, check_rng

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["WeightTruth", "simulate_weights"]


@dataclass(frozen=True, slots=True)
class WeightTruth:
    """What is true of simulated importance weights.

    Attributes
    ----------
    mean
        Expectation of the values under the target.
    n_eff_fraction
        Limit of the effective sample size over n: (E w)² / E w².
    log_weight_sd
        Standard deviation of the log-weights.
    """

    mean: float
    n_eff_fraction: float
    log_weight_sd: float


def simulate_weights(
    n: int,
    *,
    n_eff_fraction: float = 0.5,
    slope: float = 1.0,
    noise_sd: float = 1.0,
    rng: int | np.random.Generator | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64], WeightTruth]:
    """Simulate draws of one Gaussian policy that are weighted to be draws of another, with a known ESS.

    The logging policy is N(0, 1), the target N(s, 1) with s² = -ln(n_eff_fraction), so the weights are
    log-normal with mean 1. Use it to test weights and off-policy means; all moments of the weights exist,
    so it does not test what happens when they do not.

    Parameters
    ----------
    n
        Number of draws.
    n_eff_fraction
        Effective sample size over n in the limit, in (0, 1].
    slope
        How much the value rises per unit of the policy's variable; 0 makes it independent of the weights.
    noise_sd
        Standard deviation of the value around its line.
    rng
        Generator, seed or None.

    Returns
    -------
    log_weights : ndarray of shape (n,)
        Natural logs of target over logging density; the weights have expectation 1.
    values : ndarray of shape (n,)
        One value per draw.
    truth : WeightTruth
        Mean of the values under the target, and the ESS.

    Raises
    ------
    ArgumentError
        If `n_eff_fraction` is not in (0, 1].

    Examples
    --------
    >>> log_weights, values, truth = simulate_weights(1000, n_eff_fraction=0.5, rng=1)
    >>> round(truth.mean, 4)  # sqrt(ln 2)
    0.8326
    """
    rng = check_rng(rng, call="simulate_weights")
    n = check_count(n, argument="n", call="simulate_weights")
    if not 0 < n_eff_fraction <= 1:
        raise ArgumentError("n_eff_fraction", "in (0, 1]", n_eff_fraction, call="simulate_weights")
    shift = math.sqrt(-math.log(n_eff_fraction))
    x = rng.standard_normal(n)
    values = slope * x + noise_sd * rng.standard_normal(n)
    return shift * x - shift**2 / 2, values, WeightTruth(slope * shift, n_eff_fraction, shift)
