"""Rows of sequences -> the report of an optimizer step. Plain numpy; every number is a function of the rows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.stats.tail import hill, pareto_k
from neff.train.ess import ess_estimate
from neff.train.history import StepReport

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from neff.reasons import Reason
    from neff.stats.tail import TailIndex

__all__ = ["COLUMNS", "DEVICE_COLUMNS", "HOST_COLUMNS", "log_mean", "summarise"]

DEVICE_COLUMNS = (
    "n_good", "n_kept", "log_ratio", "log_max", "sum_w", "sum_w2", "n_zero", "entropy", "n_capped", "log_cap",
)  # fmt: skip
"""Of the tokens of a sequence: how many have a finite log-ratio, how many are valid; the sum of the log-ratios and the
largest; sums of the ratios and of their squares, relative to the largest; how many log-ratios are exactly 0; the sum of
the entropies; how many ratios are above the cap, and the logarithm of the cap."""

HOST_COLUMNS = ("reward", "group", "lag")
COLUMNS = (*DEVICE_COLUMNS, *HOST_COLUMNS)


def summarise(rows: NDArray[np.float64], *, step: int, level: float = 0.95, **said: Any) -> StepReport:
    """Return the report of a step from its rows, shape (B, len(COLUMNS)); `said` are fields that the caller knows."""
    of = {name: rows[:, k] for k, name in enumerate(COLUMNS)}
    grouped = bool(len(rows)) and not np.isnan(of["group"]).any()
    values: dict[str, Any] = {}
    reasons: dict[str, Reason] = {}
    filled = of["n_good"] > 0
    whole = filled & (of["n_good"] == of["n_kept"])
    values["n_tokens"] = int(of["n_good"].sum())
    values["n_sequences"] = int(whole.sum())
    values["n_dropped_tokens"] = int((of["n_kept"] - of["n_good"]).sum())
    values["n_dropped_sequences"] = int((of["n_good"] < of["n_kept"]).sum())
    values["n_empty_sequences"] = int((of["n_kept"] == 0).sum())
    cluster = np.unique(of["group"], return_inverse=True)[1] if grouped else np.arange(len(rows))
    _ratios(of, filled, whole, cluster, level, values)
    _tails(of["log_ratio"][whole], values, reasons)
    _caps(of, filled, whole, values)
    _rewards(of, cluster, values, grouped=grouped)
    _lengths(of["n_kept"], of["log_ratio"], whole, values)
    tokens = of["entropy"][filled]
    if tokens.size and not np.isnan(tokens).any():
        values["entropy"] = float(tokens.sum() / of["n_kept"][filled].sum())
    lag = of["lag"][~np.isnan(of["lag"])]
    if lag.size:
        values["lag_mean"], values["lag_max"] = float(lag.mean()), float(lag.max())
    return StepReport(step=step, reasons={name: str(reason) for name, reason in reasons.items()}, **values, **said)


def _ratios(
    of: dict[str, NDArray[np.float64]],
    filled: NDArray[np.bool_],
    whole: NDArray[np.bool_],
    cluster: NDArray[np.intp],
    level: float,
    values: dict[str, Any],
) -> None:
    count, top = of["n_good"][filled], of["log_max"][filled]
    first, second = top + np.log(of["sum_w"][filled]), 2 * top + np.log(of["sum_w2"][filled])
    values["ess_token"] = ess_estimate(
        first, second, count, cluster[filled], level=level, n_eff_of="equally weighted tokens"
    )
    log_w = of["log_ratio"][whole]
    values["ess_sequence"] = ess_estimate(
        log_w, 2 * log_w, np.ones_like(log_w), cluster[whole], level=level, n_eff_of="equally weighted responses"
    )
    for kind, sums, n, where in (("token", first, count, filled), ("sequence", log_w, np.ones_like(log_w), whole)):
        name = f"log_mean_ratio_{kind}"
        values[name], values[f"{name}_standard_error"] = log_mean(sums, n, cluster[where])
    values["log_ratio_variance"] = float(np.var(log_w, ddof=1)) if log_w.size > 1 else math.nan


def log_mean(
    log_sum: NDArray[np.float64], count: NDArray[np.float64], cluster: NDArray[np.intp]
) -> tuple[float, float]:
    """Return log(sum of weights / their number), and its linearised standard error between clusters."""
    if not log_sum.size:
        return math.nan, math.nan
    top = float(log_sum.max())
    sums, counts = np.bincount(cluster, np.exp(log_sum - top)), np.bincount(cluster, count)
    value = top + math.log(sums.sum() / counts.sum())
    k = int((counts > 0).sum())
    if k < 2:
        return value, math.nan
    score = sums / sums.sum() - counts / counts.sum()
    error = math.sqrt(k / (k - 1) * float((score**2).sum()))
    return value, error or math.nan


def _tails(log_w: NDArray[np.float64], values: dict[str, Any], reasons: dict[str, Reason]) -> None:
    found: dict[str, TailIndex] = {"hill": hill(log_w), "pareto_k": pareto_k(log_w)}
    for name, index in found.items():
        values[name] = index.value
        if index.reason is not None:
            reasons[name] = index.reason


def _caps(
    of: dict[str, NDArray[np.float64]], filled: NDArray[np.bool_], whole: NDArray[np.bool_], values: dict[str, Any]
) -> None:
    cap = of["log_cap"][filled]
    if not cap.size or np.isnan(cap).any():
        return
    values["cap"] = float(np.exp(cap).mean())
    values["cap_hit_token"] = float(of["n_capped"][filled].sum() / of["n_good"][filled].sum())
    if whole.any():
        values["cap_hit_sequence"] = float((of["log_ratio"][whole] > of["log_cap"][whole]).mean())


def _rewards(
    of: dict[str, NDArray[np.float64]], cluster: NDArray[np.intp], values: dict[str, Any], *, grouped: bool
) -> None:
    known = np.isfinite(of["reward"])
    reward, code = of["reward"][known], cluster[known]
    if not reward.size:
        if grouped:
            values["n_groups"] = int(cluster.max()) + 1
        return
    values["reward"] = float(reward.mean())
    if reward.size > 1:
        values["reward_sd"] = float(reward.std(ddof=1))
    there = np.bincount(code) > 0
    k = int(there.sum())
    if k > 1:
        off = np.bincount(code, reward - reward.mean())
        if reward.max() > reward.min():  # equal ones say nothing about their spread
            values["reward_standard_error"] = math.sqrt(k / (k - 1) * float((off**2).sum())) / reward.size
    if grouped:
        low, high = np.full(len(there), math.inf), np.full(len(there), -math.inf)
        np.minimum.at(low, code, reward)
        np.maximum.at(high, code, reward)
        values["n_groups"], values["informative_group_share"] = k, float((high > low).sum() / k)


def _lengths(
    length: NDArray[np.float64], log_w: NDArray[np.float64], whole: NDArray[np.bool_], values: dict[str, Any]
) -> None:
    full = length[length > 0]
    if full.size:
        values["length_mean"], values["length_max"] = float(full.mean()), float(full.max())
    x, y = length[whole], log_w[whole]
    if x.size > 2 and x.min() < x.max() and y.min() < y.max():
        values["length_r2"] = float(np.corrcoef(x, y)[0, 1] ** 2)
