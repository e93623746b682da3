"""The effective sample size of a training batch, with its uncertainty, its floor, and when it says nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.reasons import Reason
from neff.results._common import from_json, json_value, known_fields, pair_from_json
from neff.stats._validate import check_codes, check_level, check_same_length, check_vector

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

    from neff.stats._validate import FloatArray

__all__ = ["COLLAPSED_BELOW", "EVEN_SHARE", "FEWEST_CLUSTERS", "FEWEST_EVEN", "EssEstimate", "ess_estimate"]

COLLAPSED_BELOW = 3.0
"""Below this many effective draws the value is that of a batch with a few dominating weights, whatever is true."""
FEWEST_CLUSTERS, FEWEST_EVEN, EVEN_SHARE = 20, 40.0, 0.7
"""An interval needs 20 clusters, and a sum of squares that rests on 40 of them, or on 70% of fewer than 57."""
FEWEST = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class EssEstimate:
    """An effective sample size as a share of n, and how far it can be trusted.

    Attributes
    ----------
    value
        (sum w)^2 / (n sum w^2), in [floor, 1], from weights that are not truncated. NaN where there is none.
    standard_error
        Its standard error: the jackknife over clusters, made on the logarithm, times `value`.
    log_standard_error
        The standard error of log(value).
    interval, level
        Interval for the share in the population that the batch was drawn from. It is centred on the jackknife's
        bias-corrected value, since a small batch overstates the share. NaN where it would not cover; then `reason` says
        why.
    n, n_clusters
        Weights, and the clusters they come in: a sequence for its tokens, a prompt for its responses.
    n_eff, n_eff_of
        value * n, and what it is relative to.
    floor
        1 / n: the smallest value there can be.
    collapsed
        Whether fewer than three draws carry the batch: the value is then a property of n, not of the policies.
    reason
        Why a number is NaN, or None.
    """

    value: float = math.nan
    standard_error: float = math.nan
    log_standard_error: float = math.nan
    interval: tuple[float, float] = (math.nan, math.nan)
    level: float = 0.95
    n: int = 0
    n_clusters: int = 0
    n_eff: float = math.nan
    n_eff_of: str = ""
    floor: float = math.nan
    collapsed: bool = False
    reason: Reason | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values: None for what is undefined."""
        data = {field.name: json_value(getattr(self, field.name)) for field in fields(self)}
        data["interval"] = [json_value(end) for end in self.interval]
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> EssEstimate:
        """Rebuild from `to_dict`; a newer file may hold more."""
        known = known_fields(cls, data)
        for name in ("value", "standard_error", "log_standard_error", "n_eff", "floor"):
            known[name] = from_json(known.get(name))
        known["interval"] = pair_from_json(known.get("interval") or (None, None))
        known["reason"] = Reason(known["reason"]) if known.get("reason") else None
        for name in {"n", "n_clusters"} & set(known):
            known[name] = whole(known[name])
        known["level"], known["n_eff_of"] = float(known.get("level", 0.95)), str(known.get("n_eff_of", ""))
        known["collapsed"] = known.get("collapsed") is True
        return cls(**known)

    def __str__(self) -> str:
        if math.isnan(self.value):
            return f"undefined ({self.reason})"
        said = f"{self.value:.4f} of n = {self.n:,}"
        if self.collapsed:
            return f"{said}, collapsed: the floor is {self.floor:.4f} and the value means nothing"
        low, high = self.interval
        if math.isnan(low):
            return f"{said}, no interval ({self.reason})"
        return f"{said}, {100 * self.level:g}% interval [{low:.4f}, {high:.4f}]"


def whole(value: Any) -> int:
    """Return a whole number from JSON.

    Raises
    ------
    ValueError, TypeError, OverflowError
        If it is none, or too large to count anything.
    """
    number = int(value)
    if abs(number) >= 2**63:
        raise ValueError("a count that is too large")
    return number


def ess_estimate(
    log_sum: ArrayLike,
    log_sum_squares: ArrayLike,
    count: ArrayLike,
    cluster: ArrayLike | None = None,
    *,
    level: float = 0.95,
    n_eff_of: str = "",
) -> EssEstimate:
    """Return the effective sample size of weights that come in parts, with its uncertainty between clusters of parts.

    Parameters
    ----------
    log_sum, log_sum_squares
        Logarithms of the sum of the weights of each part and of the sum of their squares, shape (k,).
    count
        Weights in each part, shape (k,). A part of one weight has log_sum = log w and log_sum_squares = 2 log w.
    cluster
        Which cluster each part belongs to, shape (k,): numbers or texts. Each part is its own by default.
    level
        Coverage of the interval.
    n_eff_of
        What the effective sample size is relative to.

    Returns
    -------
    EssEstimate
        The share, its jackknife standard error and interval.

    Raises
    ------
    ArgumentError
        If lengths differ, a value is NaN, or the level is not in (0, 1).

    Notes
    -----
    Estimand: (E w)^2 / E w^2 per weight, in the population that clusters are drawn from. Weights may be of any size:
    sums are taken relative to the largest, and each cluster is left out by adding up the others, not by subtracting it,
    so that one dominating cluster loses no digits. O(k log k).

    Measured on log-normal weights with variance v of the logarithm, 1,000 batches each: where it is given, the 95%
    interval covers the true share in 92 to 96% for v <= 0.1 and n = 256 or 1,024, 87 to 92% at n = 64, 88 to 90% for
    v = 0.25 at 256 and v = 0.5 at 1,024. From v = 1 on (true share 0.37) resampling covers in 20 to 80%, since no batch
    holds the weights that it would have to know: there the interval is withheld (`Reason.HEAVY_TAIL`). Batches are
    judged by the spread of the logarithms too, not only by the weights at hand, because a batch looks best exactly
    where it missed the heavy weights.

    Examples
    --------
    >>> log_w = np.log([4.0, 1.0, 1.0, 1.0])
    >>> print(ess_estimate(log_w, 2 * log_w, np.ones(4)))
    0.6447 of n = 4, collapsed: the floor is 0.2500 and the value means nothing
    """
    first, second, counts, code = _checked(log_sum, log_sum_squares, count, cluster)
    level = check_level(level, call="ess_estimate")
    n = int(counts.sum())
    top = float(first.max()) if first.size else -math.inf
    base: dict[str, Any] = {"level": level, "n": n, "n_eff_of": n_eff_of, "floor": 1 / n if n else math.nan}
    if n == 0:
        return EssEstimate(**base, reason=Reason.EMPTY)
    if top == -math.inf:
        return EssEstimate(**base, reason=Reason.ZERO_WEIGHT)
    if top == math.inf:
        return EssEstimate(**base, reason=Reason.INFINITE_WEIGHT)
    parts = [np.exp(first - top), np.exp(second - 2 * top), counts]
    total, squares, _ = (float(part.sum()) for part in parts)
    value = min(max(total * total / (squares * n), 1 / n), 1.0)
    if code is not None:
        parts = [np.bincount(code, part) for part in parts]
    k = len(parts[0])
    even = min(squares * squares / float((parts[1] ** 2).sum()), _expected_even(parts))
    collapsed = n >= FEWEST and value * n < COLLAPSED_BELOW
    base |= {"value": value, "n_clusters": k, "n_eff": value * n, "collapsed": collapsed}
    log_se, centre = _jackknife(parts, math.log(value))
    if n < FEWEST:
        return EssEstimate(**base, reason=Reason.TOO_FEW)
    if k < 2:
        return EssEstimate(**base, reason=Reason.ONE_CLUSTER)
    if math.isnan(log_se):
        return EssEstimate(**base, reason=Reason.COLLAPSED)
    if value > 1 - 1e-12:
        return EssEstimate(**base, reason=Reason.EQUAL_WEIGHTS)
    base |= {"log_standard_error": log_se, "standard_error": value * log_se}
    if collapsed:
        return EssEstimate(**base, reason=Reason.COLLAPSED)
    if k < FEWEST_CLUSTERS:
        return EssEstimate(**base, reason=Reason.TOO_FEW)
    if even < min(FEWEST_EVEN, EVEN_SHARE * k):
        return EssEstimate(**base, reason=Reason.HEAVY_TAIL)
    from neff.stats._special import t_quantile

    half = t_quantile((1 + level) / 2, k - 1) * log_se
    ends = tuple(min(max(math.exp(min(centre + sign * half, 0.0)), 1 / n), 1.0) for sign in (-1, 1))
    return EssEstimate(**base, interval=(ends[0], ends[1]))


def _checked(
    log_sum: ArrayLike, log_sum_squares: ArrayLike, count: ArrayLike, cluster: ArrayLike | None
) -> tuple[FloatArray, FloatArray, FloatArray, NDArray[np.intp] | None]:
    """Return the parts as vectors of one length, and the number of the cluster of each."""
    call = "ess_estimate"
    first = check_vector(log_sum, argument="log_sum", call=call, allow_inf=True)
    second = check_vector(log_sum_squares, argument="log_sum_squares", call=call, allow_inf=True)
    counts = check_vector(count, argument="count", call=call)
    check_same_length(call=call, log_sum=first, log_sum_squares=second, count=counts)
    if cluster is None:
        return first, second, counts, None
    return first, second, counts, check_codes(cluster, argument="cluster", call=call, length=first.size)[0]


def _expected_even(parts: list[NDArray[np.float64]]) -> float:
    """Return on how many clusters the sum of squares would rest if the logarithms of the clusters' shares were normal.

    The number found in a batch is large exactly where the batch missed the heavy weights: an interval that is given
    only there misses too. The spread of the logarithms does not depend on a few of them.
    """
    _, squares, count = parts
    seen = squares > 0
    if int(seen.sum()) < 2:
        return 0.0
    spread = float(np.var(np.log(squares[seen] / count[seen]), ddof=1))
    return len(squares) * math.exp(-spread)


def _jackknife(parts: list[NDArray[np.float64]], full: float) -> tuple[float, float]:
    """Return the delete-one-cluster standard error of the log share and its bias-corrected value."""
    k = len(parts[0])
    if k < 2:
        return math.nan, full
    total, squares, count = (_all_but_one(part) for part in parts)
    if not (squares > 0).all() or not (count > 0).all():
        return math.nan, full  # one cluster holds everything
    left = 2 * np.log(total) - np.log(squares) - np.log(count)
    mean = float(left.mean())
    spread = float(((left - mean) ** 2).sum()) * (k - 1) / k
    return math.sqrt(spread), k * full - (k - 1) * mean


def _all_but_one(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sum without each value in turn, from the sums before and after it."""
    before = np.concatenate([[0.0], np.cumsum(values)[:-1]])
    after = np.concatenate([np.cumsum(values[::-1])[::-1][1:], [0.0]])
    others: NDArray[np.float64] = before + after
    return others
