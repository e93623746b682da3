"""Models as units: paired differences of two levels of a factor over the levels of another."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from neff.benchmark.factorial.result import UnitTest
from neff.stats import adjust, mean_se, t_interval
from neff.stats._special import binomial_cdf, t_cdf, two_sided_p

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from neff.stats.multiplicity import Correction

__all__ = ["MOST_LEVELS", "unit_tests"]

MOST_LEVELS = 4


def unit_tests(
    mean: NDArray[np.float64],
    names: tuple[str, ...],
    levels: tuple[tuple[str, ...], ...],
    unit: str,
    groups: Mapping[str, NDArray[np.bool_]],
    *,
    margin: float | None,
    level: float,
    correction: Correction,
) -> tuple[UnitTest, ...]:
    """Return the paired tests of all pairs of levels of every other factor with up to four levels, by group of units.

    A unit's difference is the mean over the cells of the remaining factors that it has at both levels.
    """
    place = names.index(unit)
    found = []
    for i, name in enumerate(names):
        if i == place or len(levels[i]) > MOST_LEVELS:
            continue
        table = np.moveaxis(mean, (i, place), (0, 1))
        for a, b in combinations(range(len(levels[i])), 2):
            apart = (table[a] - table[b]).reshape(len(levels[place]), -1)
            known = ~np.isnan(apart)
            count = known.sum(axis=1)
            diff = np.where(count > 0, np.where(known, apart, 0).sum(axis=1) / np.maximum(count, 1), np.nan)
            for who, members in groups.items():
                own = diff[members & (count > 0)]
                found.append(_test(own, name, levels[i][a], levels[i][b], unit, who, margin, level))
    if not found:
        return ()
    family = adjust([test.p_value for test in found], method=correction)
    return tuple(replace(test, p_adjusted=float(p)) for test, p in zip(found, family, strict=True))


def _test(
    diff: NDArray[np.float64], name: str, a: str, b: str, unit: str, who: str, margin: float | None, level: float
) -> UnitTest:
    mean = mean_se(diff)
    se, df = mean.standard_error, mean.df
    low, high, reason = t_interval(mean.value, se, df=df, level=level)
    plus, minus = int((diff > 0).sum()), int((diff < 0).sum())
    n = plus + minus
    same = math.nan
    if margin is not None and se > 0:  # two one-sided tests: the larger of their p-values
        same = 1 - min(t_cdf((mean.value + margin) / se, df), t_cdf((margin - mean.value) / se, df))
    return UnitTest(
        factor=name, a=a, b=b, unit=unit, group=who, difference=mean.value, standard_error=se, interval=(low, high),
        df=df, p_value=two_sided_p(mean.value / se, df) if se > 0 else math.nan, p_adjusted=math.nan,
        p_sign=min(1.0, 2 * float(binomial_cdf(min(plus, minus), n, 0.5))) if n else math.nan,
        p_equivalent=same, n_units=len(diff), reason=mean.reason or reason,
    )  # fmt: skip
