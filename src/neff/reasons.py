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
    ONE_RUN = "one run"
    NOT_IDENTIFIED = "not identified"
    NO_SIGNAL = "squared gradient not above zero"
    SATURATED = "halves unrelated"
    SHORT_WINDOW = "window too short"
    ONE_BLOCK = "one block"
    NO_SPREAD = "no spread between runs"
    HEAVY_TAIL = "tail too heavy for an interval"
    EQUAL_WEIGHTS = "all weights equal"
    COLLAPSED = "a few weights hold the batch"
    FAILED_SEED = "a seed failed"
    OUT_OF_TIME = "no time left"
    EQUAL_ARMS = "treatment and control equal on every seed"
    DETERMINISTIC = "the same on every seed"
    NOT_DETERMINISTIC = "not the same on every seed"
    MISSING_EXTRA = "an optional package is missing"
    NO_COMMON_POINT = "intervals without a common point"
    FEW_DRAWS = "fewer draws than k"
    MISSING_LOG_PROBS = "missing log-probabilities"
    NOT_FINITE = "log-ratios not finite"
    NO_REGION = "no region reaches the target"
    NOTHING_ADMITTED = "nothing admitted"
    UNDERFIT = "still improving at the last epoch"
    ONE_MODEL = "one model"
    ONE_ANSWER = "one answer per item"
    AT_BOUND = "at a bound of the scale"
    ZERO_MEAN = "mean is zero"
    NO_NOISE = "no checkpoint differs from another"
