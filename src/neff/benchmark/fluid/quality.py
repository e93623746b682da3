"""The quality of a benchmark in numbers: validity (ranks), variance (total variation), saturation (monotonicity).

Efficiency, the fourth, is these three at several numbers of items: see `replay_fluid`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from neff.errors import ArgumentError
from neff.stats import spearman
from neff.stats._validate import check_vector

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["monotonicity", "rank_distance", "total_variation"]


def total_variation(curve: ArrayLike) -> float:
    """Return the normalised total variation of a training curve: how much of its way was not forward. Lower is better.

    Use it to compare measures of the same checkpoints, whatever their units. Not for checkpoints out of order.

    Parameters
    ----------
    curve
        A measure at each checkpoint in order, shape (n_checkpoints,).

    Returns
    -------
    float
        n / (n - 1) * sum |x_(t+1) - x_t| / |x_n - x_1|. NaN for fewer than two checkpoints, or where the first and the
        last value are equal: then no way was made.

    Raises
    ------
    ArgumentError
        If a value is not finite.

    References
    ----------
    Hofmann et al., Fluid Language Model Benchmarking, section 4.2. arXiv:2509.11106

    Examples
    --------
    >>> total_variation([0.25, 0.30, 0.28, 0.35, 0.40, 0.38, 0.45])
    1.6333333333333333
    """
    x = check_vector(curve, argument="curve", call="total_variation")
    n = len(x)
    way = abs(float(x[-1] - x[0])) if n else 0.0
    if n < 2 or way == 0:
        return math.nan
    return n / (n - 1) * float(np.abs(np.diff(x)).sum()) / way


def monotonicity(curve: ArrayLike) -> float:
    """Return |Spearman's correlation of a training curve with the order of checkpoints|. Higher is better.

    Use it to see whether a benchmark is saturated: then checkpoints no longer come in order.

    Parameters
    ----------
    curve
        A measure at each checkpoint in order, shape (n_checkpoints,).

    Returns
    -------
    float
        In [0, 1]. NaN for fewer than two checkpoints and for a constant curve.

    Raises
    ------
    ArgumentError
        If a value is not finite.

    References
    ----------
    Hofmann et al., Fluid Language Model Benchmarking, section 4.2. arXiv:2509.11106

    Examples
    --------
    >>> round(monotonicity([0.25, 0.30, 0.28, 0.35, 0.40, 0.38, 0.45]), 10)
    0.9285714286
    """
    x = check_vector(curve, argument="curve", call="monotonicity")
    return abs(spearman(np.arange(len(x)), x))


def rank_distance(
    measure: ArrayLike,
    sister: ArrayLike,
    *,
    measure_reference: ArrayLike | None = None,
    sister_reference: ArrayLike | None = None,
) -> float:
    """Return the mean distance of ranks by a measure from ranks on a sister benchmark: lower is more valid.

    Use it with a benchmark that tests the same (ARC Challenge beside MMLU, HellaSwag beside WinoGrande). Ranks by the
    same benchmark say only that few items do as well as all.

    Parameters
    ----------
    measure
        Ability or accuracy on the benchmark that is judged, shape (n_models,).
    sister
        Accuracy of the same models on the sister benchmark, shape (n_models,).
    measure_reference, sister_reference
        The same of other models, shape (n_reference,): each model is then ranked among these by itself, which is how
        checkpoints are put among finished models. Without them models are ranked among each other.

    Returns
    -------
    float
        In ranks. NaN without models.

    Raises
    ------
    ArgumentError
        If lengths differ, a value is not finite, or only one reference is given.

    Notes
    -----
    Ties share the mean of their ranks. The paper does not say in which population it ranks.

    References
    ----------
    Hofmann et al., Fluid Language Model Benchmarking, section 4.2. arXiv:2509.11106

    Examples
    --------
    >>> rank_distance([0.1, 0.2, 0.3], [0.5, 0.7, 0.6])
    0.6666666666666666
    """
    call = "rank_distance"
    x = check_vector(measure, argument="measure", call=call)
    y = check_vector(sister, argument="sister", call=call)
    if len(x) != len(y):
        raise ArgumentError("sister", f"of length {len(x)}", f"length {len(y)}", "The same models.", call=call)
    if (measure_reference is None) != (sister_reference is None):
        raise ArgumentError("sister_reference", "given with measure_reference", None, "Give both or none.", call=call)
    if not len(x):
        return math.nan
    if measure_reference is None:
        return float(np.abs(_rank(x, x) - _rank(y, y)).mean())
    among_x = check_vector(measure_reference, argument="measure_reference", call=call)
    among_y = check_vector(sister_reference, argument="sister_reference", call=call)
    if len(among_x) != len(among_y):
        fix = "The same models."
        raise ArgumentError("sister_reference", f"of length {len(among_x)}", f"length {len(among_y)}", fix, call=call)
    return float(np.abs(_rank(x, among_x) - _rank(y, among_y)).mean())


def _rank(values: NDArray[np.float64], among: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how many are better, ties counted half: of two ranks the constant does not matter."""
    ordered = np.sort(among)
    below, not_above = np.searchsorted(ordered, values, "left"), np.searchsorted(ordered, values, "right")
    return np.asarray(len(ordered) - 0.5 * (below + not_above))
