"""From what moves an estimate to its standard error: prompts as the random sample, and the calibrator as another.

What it estimates: the variance of a `PolicyEstimate`, or of the difference of two, as the sum of a part from the
prompts (CRV1 on influence values) and a part from having learned the calibrator (delete-one-fold jackknife).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from neff.evaluate.judge.estimate import oracle_variance
from neff.reasons import Reason
from neff.stats.cluster import welch_satterthwaite
from neff.stats.intervals import t_interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from neff.evaluate.judge.estimate import DfRule, PolicyEstimate

__all__ = ["Inference", "infer", "infer_difference", "total_variance"]


@dataclass(frozen=True, slots=True)
class Inference:
    """A value with its uncertainty.

    `oracle_share` is the part of the variance that comes from having learned the calibrator from few labels: more
    labels remove it, more answers do not. `correlation` is that of two policies' influence values.
    """

    value: float
    standard_error: float
    df: float
    interval: tuple[float, float]
    n_clusters: int
    oracle_share: float
    correlation: float = math.nan
    reason: Reason | None = None


def infer(estimate: PolicyEstimate, *, level: float = 0.95) -> Inference:
    """Return the standard error and interval of one policy's value."""
    if estimate.reason is not None:
        return _undefined(estimate.value, len(estimate.influence), estimate.reason)
    return _infer(
        estimate.value,
        estimate.influence,
        estimate.cluster,
        estimate.jackknife,
        estimate.labelled,
        estimate.n_parameters,
        estimate.df_rule,
        level,
    )


def infer_difference(a: PolicyEstimate, b: PolicyEstimate, *, level: float = 0.95) -> Inference:
    """Return the difference a minus b, paired by prompt.

    Where both policies were judged through one calibrator, its error is in both and cancels in part: the jackknife
    is of the difference. A prompt that one policy lacks adds to the other side alone.
    """
    for side in (a, b):
        if side.reason is not None:
            return _undefined(a.value - b.value, 0, side.reason)
    prompts = np.union1d(a.prompt, b.prompt)
    left, right = _spread_over(prompts, a.prompt, a.influence), _spread_over(prompts, b.prompt, b.influence)
    folds = [side.jackknife for side in (a, b) if side.jackknife is not None]
    jackknife = None
    if folds:
        # A side without a calibrator has nothing to leave out: its value stands in every fold.
        zero = np.zeros_like(folds[0])
        left_out = [zero + side.value if side.jackknife is None else side.jackknife for side in (a, b)]
        jackknife = left_out[0] - left_out[1]
    labelled = None
    if a.labelled is not None or b.labelled is not None:
        labelled = np.zeros(len(prompts), bool)
        for side in (a, b):
            if side.labelled is not None:
                labelled |= np.isin(prompts, side.prompt[side.labelled])
    cluster = None
    if a.cluster is not None and b.cluster is not None:
        cluster = np.zeros(len(prompts), np.int64)
        cluster[np.searchsorted(prompts, a.prompt)] = a.cluster
        cluster[np.searchsorted(prompts, b.prompt)] = b.cluster
    found = _infer(
        a.value - b.value,
        left - right,
        cluster,
        jackknife,
        labelled,
        max(a.n_parameters, b.n_parameters),
        a.df_rule if a.df_rule == b.df_rule else "welch",
        level,
    )
    return Inference(
        found.value,
        found.standard_error,
        found.df,
        found.interval,
        found.n_clusters,
        found.oracle_share,
        _correlation(left, right),
        found.reason,
    )


def _infer(
    value: float,
    influence: NDArray[np.float64],
    cluster: NDArray[np.int64] | None,
    jackknife: NDArray[np.float64] | None,
    labelled: NDArray[np.bool_] | None,
    n_parameters: int,
    df_rule: DfRule,
    level: float,
) -> Inference:
    if cluster is not None:
        influence, labelled = np.bincount(cluster, influence).astype(np.float64), None
    g = len(influence)
    if g < 2:
        return _undefined(value, g, Reason.ONE_CLUSTER if g else Reason.EMPTY)
    if df_rule == "normal":  # the asymptotic variance, as published, without corrections for small samples
        squares = influence**2
    else:
        squares = (influence - influence.mean()) ** 2 * (g / (g - 1))
    sampling = float(squares.sum())
    of_oracle = 0.0 if jackknife is None else oracle_variance(jackknife)
    if not math.isfinite(of_oracle):
        return _undefined(value, g, Reason.ONE_CLUSTER)
    df_oracle = math.inf if jackknife is None else len(jackknife) - 1.0
    if labelled is None or n_parameters == 0:
        of_labels, n_labelled = 0.0, 0
    else:
        of_labels, n_labelled = float(squares[labelled].sum()), int(labelled.sum())
        if n_labelled <= n_parameters:
            return _undefined(value, g, Reason.TOO_FEW)
    variance, df = total_variance(
        sampling - of_labels, of_labels, of_oracle, g - 1.0, df_oracle, n_labelled, n_parameters, df_rule
    )
    if not variance > 0:
        return _undefined(value, g, Reason.ALL_EQUAL)
    error = math.sqrt(variance)
    low, high, _ = t_interval(value, error, df=df, level=level)
    return Inference(value, error, df, (low, high), g, of_oracle / variance)


def total_variance(
    unlabelled: float,
    labelled: float,
    oracle: float,
    df_clusters: float,
    df_oracle: float,
    n_labelled: int = 0,
    n_parameters: int = 0,
    df_rule: DfRule = "welch",
) -> tuple[float, float]:
    """Return the variance of an estimate and the degrees of freedom of its t interval.

    The part from labelled prompts is scaled up for the parameters that were fitted to them, and no more degrees of
    freedom are claimed than labelled prompts leave.

    Examples
    --------
    >>> variance, df = total_variance(0.0001, 0.0003, 0.0, 99, float("inf"), n_labelled=10, n_parameters=1)
    >>> round(variance, 9), df
    (0.000433333, 9.0)
    """
    factor = n_labelled / (n_labelled - n_parameters) if n_labelled else 1.0
    sampling = unlabelled + labelled * factor
    total = sampling + oracle
    if not total > 0:
        return total, math.nan
    if df_rule == "normal":
        return total, math.inf
    if df_rule == "smaller":
        return total, min(df_clusters, df_oracle)
    df = welch_satterthwaite([sampling, oracle], [df_clusters, df_oracle])
    if n_labelled:
        plain = welch_satterthwaite([unlabelled + labelled, oracle], [df_clusters, df_oracle])
        df = min(float(n_labelled - n_parameters), df, plain)
    return total, df


def _undefined(value: float, n_clusters: int, reason: Reason) -> Inference:
    nan = math.nan
    return Inference(value, nan, nan, (nan, nan), n_clusters, nan, reason=reason)


def _spread_over(
    prompts: NDArray[np.int64], some: NDArray[np.int64], influence: NDArray[np.float64]
) -> NDArray[np.float64]:
    whole = np.zeros(len(prompts))
    whole[np.searchsorted(prompts, some)] = influence
    return whole


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    scale = math.sqrt(float(a @ a)) * math.sqrt(float(b @ b))
    return max(-1.0, min(1.0, float(a @ b) / scale)) if scale > 0 else math.nan
