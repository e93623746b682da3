"""The mean over items of shares and chances in [0, 1], with its interval: one rule for the whole room."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from neff.reasons import Reason
from neff.stats import mean_se, t_interval, wilson

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["ShareMean", "difference_mean", "inside", "share_mean"]


class ShareMean(NamedTuple):
    """A mean over items, and what is known about it; `reason` where the interval is undefined."""

    value: float
    standard_error: float
    interval: tuple[float, float]
    df: float
    n_clusters: int | None
    reason: Reason | None
    method: str


def share_mean(values: NDArray[np.float64], cluster: Any, level: float) -> ShareMean:
    """Return the mean of items' shares; Wilson's interval where each gives 0 or 1, else Student's t within [0, 1].

    Examples
    --------
    >>> import numpy as np
    >>> share_mean(np.array([1.0, 1.0, 0.0, 1.0]), None, 0.95).interval
    (0.3006..., 0.9544...)
    >>> share_mean(np.array([0.5, 1.0, 0.0, 1.0]), None, 0.95).method
    't interval'
    """
    mean = mean_se(values, cluster=cluster)
    low, high, reason = t_interval(mean.value, mean.standard_error, df=mean.df, level=level)
    method = "t interval" + ("" if cluster is None else " by cluster")
    if len(values) and cluster is None and bool(((values == 0) | (values == 1)).all()):
        low, high, reason = wilson(round(float(values.sum())), len(values), level=level)
        method = "Wilson interval of 0/1 items"
    elif mean.reason in (Reason.ALL_EQUAL, Reason.EQUAL_CLUSTERS) and mean.value in (0.0, 1.0):
        units = mean.n_clusters or 1
        low, high, reason = wilson(units * round(mean.value), units, level=level)
        method = "Wilson interval that counts each cluster once, as all items agree"
    return ShareMean(
        mean.value, mean.standard_error, inside(low, high), mean.df, mean.n_clusters,
        (mean.reason or reason) if reason else None, method,
    )  # fmt: skip


def difference_mean(values: NDArray[np.float64], cluster: Any, level: float) -> tuple[float, tuple[float, float]]:
    """Return the mean of items' differences and its t interval; NaN where they are all equal."""
    mean = mean_se(values, cluster=cluster)
    low, high, _ = t_interval(mean.value, mean.standard_error, df=mean.df, level=level)
    return mean.value, (low, high)


def inside(low: float, high: float) -> tuple[float, float]:
    """Cut an interval to what a share can be."""
    return (low, high) if math.isnan(low) else (max(low, 0.0), min(high, 1.0))
