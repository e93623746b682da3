"""Rules of estimation side by side: the estimated risk of each, and which of them is shown to be lower."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from neff.reasons import Reason
from neff.stats.cluster import mean_se
from neff.stats.intervals import Interval, t_interval

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from neff.stats._validate import FloatArray

__all__ = ["RAW", "RuleRisk", "compare_rules", "mean_interval"]

RAW = "raw"


@dataclass(frozen=True, slots=True)
class RuleRisk:
    """What is known about the mean squared error of one rule over the cells.

    Attributes
    ----------
    rule
        Its name.
    risk
        Estimate of its mean squared error, in squared units of the raw means: each cell is judged by the rule as
        tuned on the other cells, so that tuning does not make it look better than it is. Can be negative.
    risk_in_sample
        The same with the rule as tuned on all cells: too low by about its number of parameters / cells.
    ratio
        `risk` over the risk of the raw means.
    difference
        `risk` minus that of the reference rule; 0 for the reference itself.
    interval
        Of the difference, for all rules at once (Bonferroni). NaN for the reference.

    Examples
    --------
    >>> from neff.stats import shrink_rates
    >>> fit = shrink_rates([1, 2, 0, 4, 1, 2], [5, 6, 5, 6, 5, 6])
    >>> [rule.rule for rule in fit.rules]
    ['raw', 'target', 'linear', 'beta-binomial']
    """

    rule: str
    risk: float
    risk_in_sample: float
    ratio: float
    difference: float
    interval: Interval


def mean_interval(values: FloatArray, cluster: Any, level: float) -> tuple[float, Interval]:
    """Return the mean of the values that are not NaN, and its (clustered) t interval."""
    used = ~np.isnan(values)
    found = mean_se(values[used], cluster=None if cluster is None else np.asarray(cluster)[used])
    if found.reason is not None:
        reason = Reason.TOO_FEW if found.reason is Reason.ONE_ITEM else found.reason
        return found.value, Interval(math.nan, math.nan, reason)
    return found.value, t_interval(found.value, found.standard_error, df=found.df, level=level)


def compare_rules(
    risks: Mapping[str, tuple[FloatArray, FloatArray]], *, reference: str, cluster: Any, level: float
) -> tuple[tuple[RuleRisk, ...], str]:
    """Return each rule's risk and the best rule.

    Parameters
    ----------
    risks
        By rule: U of each cell with the cell left out of the tuning, and in sample. NaN where there is none.
    reference
        The rule to be beaten.
    cluster
        Cluster of each cell, or None.
    level
        Of all intervals together.

    Returns
    -------
    tuple
        The rules; and the name of the one with the lowest risk among the reference and those whose interval lies
        wholly below 0. A rule that is lower by a nose, or by noise, is not the best.
    """
    others = max(len(risks) - 1, 1)
    each = 1 - (1 - level) / others
    base = risks[reference][0]
    raw = _mean(risks[RAW][0])
    found = []
    for name, (left_out, in_sample) in risks.items():
        difference, interval = 0.0, Interval(math.nan, math.nan)
        if name != reference:
            difference, interval = mean_interval(left_out - base, cluster, each)
        risk = _mean(left_out)
        ratio = risk / raw if raw > 0 else math.nan
        found.append(RuleRisk(name, risk, _mean(in_sample), ratio, difference, interval))
    shown = [rule for rule in found if rule.rule == reference or rule.interval.high < 0]
    return tuple(found), min(shown, key=lambda rule: rule.risk).rule


def _mean(values: FloatArray) -> float:
    used = values[~np.isnan(values)]
    return math.fsum(used) / used.size if used.size else math.nan
