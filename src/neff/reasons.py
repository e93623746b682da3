"""Machine-readable reasons for undefined numbers."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Reason"]


class Reason(StrEnum):
    """Why a number is NaN. The value is the text that a person reads and that JSON carries.

    Examples
    --------
    >>> Reason.ONE_CLUSTER
    <Reason.ONE_CLUSTER: 'one cluster'>
    >>> str(Reason.ONE_CLUSTER)
    'one cluster'
    """

    EMPTY = "no values"
    NO_LABELS = "no labels"
    NO_SCORED = "no scored draws"
    ONE_ITEM = "one item"
    ONE_CLUSTER = "one cluster"
    ALL_EQUAL = "all scores equal"
    EQUAL_CLUSTERS = "cluster totals all equal"
    ALL_DIFFERENCES_EQUAL = "all differences equal"
    NO_COMMON_ITEMS = "no items in common"
    ONE_COMMON_ITEM = "one item in common"
    NO_DISCORDANT = "no discordant items"
    ZERO_WEIGHT = "all weights zero"
    NO_OVERLAP = "no overlap"
    TOO_FEW = "too few values"
    EQUAL_TAIL = "largest weights all equal"
    INFINITE_WEIGHT = "infinite weight"
    NO_STANDARD_ERROR = "no standard error"
    DEGENERATE_RESAMPLES = "resamples all equal"
    OUTSIDE_RESAMPLES = "estimate outside all resamples"
    UNDEFINED_STATISTIC = "statistic undefined on some resamples"
    NEGATIVE_VARIANCE = "negative variance"
    NOT_REACHABLE = "not reachable"
    NO_REPEATS = "one draw per item"
    POOR_FIT = "the model fits badly"
    OF_WEIGHTS = "weighted items"
    OF_TASKS = "an average over tasks"
    MISSING_TASK = "not scored in every task"
    SHARED_CLUSTERS = "clusters shared by tasks"
    ONE_ANSWER_PER_CELL = "one answer per cell"
