"""The validity of a benchmark, in ranks.

Variance and saturation are `total_variation` and `monotonicity(kind="spearman")` of `neff.benchmark.noise`; efficiency,
the fourth quality, is the three at several numbers of items: see `replay_fluid`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from neff.errors import ArgumentError
from neff.stats._validate import check_vector

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["rank_distance"]


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
