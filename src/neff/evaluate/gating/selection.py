"""Were the labels drawn at random? A test of labelled against unlabelled scores that can only say no."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from neff.reasons import Reason
from neff.stats._validate import check_vector

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from neff.stats._validate import FloatArray

__all__ = ["SampleTest", "ks_test"]


class SampleTest(NamedTuple):
    """The largest gap between two distribution functions, and how surprising it is."""

    statistic: float
    p_value: float
    reason: Reason | None = None


def ks_test(a: ArrayLike, b: ArrayLike) -> SampleTest:
    """Test whether two samples come from one distribution (Kolmogorov and Smirnov).

    Use it on the scores of labelled and unlabelled answers: a small p-value says that labels were not drawn at
    random. It can only reject. A large p-value certifies nothing: labels chosen for what the score does not show
    (complaints) leave no trace here.

    Parameters
    ----------
    a, b
        The two samples, shapes (n,) and (m,), finite.

    Returns
    -------
    SampleTest
        `statistic` is the largest gap between the two empirical distribution functions. NaN where a sample is empty.

    Raises
    ------
    ArgumentError
        If a value is not finite.

    Notes
    -----
    The p-value is the asymptotic one at sqrt(nm / (n + m)) times the gap; with ties (judges use few distinct
    scores) it is too large, so that it rejects too rarely. Rows are taken as independent. O((n + m) log(n + m)).

    Examples
    --------
    >>> found = ks_test(np.arange(40), np.arange(40) + 20)
    >>> found.statistic, round(found.p_value, 5)
    (0.5, 9e-05)
    """
    first = np.sort(check_vector(a, argument="a", call="ks_test"))
    second = np.sort(check_vector(b, argument="b", call="ks_test"))
    if first.size == 0 or second.size == 0:
        return SampleTest(math.nan, math.nan, Reason.EMPTY)
    from scipy.special import kolmogorov

    places = np.concatenate([first, second])
    gaps = _distribution(first, places) - _distribution(second, places)
    statistic = float(np.abs(gaps).max())
    scale = math.sqrt(first.size * second.size / (first.size + second.size))
    return SampleTest(statistic, float(kolmogorov(scale * statistic)))


def _distribution(ordered: FloatArray, places: FloatArray) -> FloatArray:
    return np.searchsorted(ordered, places, side="right") / ordered.size
