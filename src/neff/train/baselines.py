"""The variance of a policy gradient under different baselines, exact or from samples."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import ArgumentError
from neff.results import Column, Reason, Table, json_number, json_value
from neff.stats._special import normal_quantile
from neff.stats._validate import as_numbers, check_level, check_vector

if TYPE_CHECKING:
    from collections.abc import Mapping

    from neff.stats._validate import FloatArray

__all__ = ["BaselineRow", "BaselineVariance", "bandit_baselines", "bandit_scores", "baseline_variance"]


@dataclass(frozen=True, slots=True)
class BaselineRow:
    """One baseline: the variance of one response's gradient with it, and what that is of the first baseline's.

    `standard_error` and `interval` are NaN where the variance is exact. `bias` is the distance between the mean
    gradient and the one without a baseline, as a share of the latter's length. `reason` says why `value` is NaN.
    """

    name: str
    baseline: float
    value: float
    standard_error: float
    interval: tuple[float, float]
    ratio: float
    bias: float
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class BaselineVariance:
    """Trace of the covariance matrix of one response's gradient, for several baselines.

    Attributes
    ----------
    rows
        One `BaselineRow` for each baseline, in the order given.
    n
        Number of outcomes or samples.
    exact
        Whether the outcomes came with their probabilities.
    level
        Of the intervals.
    """

    rows: tuple[BaselineRow, ...]
    n: int
    exact: bool
    level: float = 0.95

    def __getitem__(self, name: str) -> BaselineRow:
        for row in self.rows:
            if row.name == name:
                return row
        raise KeyError(name)

    def table(self) -> Table:
        """Return the rows as a table."""
        columns = [
            Column("name", "Baseline"),
            Column("baseline", "value", "number"),
            Column("value", "Variance", "number", 6),
        ]
        if not self.exact:
            columns.append(Column("interval", f"{100 * self.level:g}% interval", "interval"))
        columns += [Column("ratio", "of the first", "number", 3), Column("bias", "Bias", "number", 3)]
        return Table(tuple(columns), tuple(tuple(getattr(row, c.name) for c in columns) for row in self.rows))

    def __str__(self) -> str:
        return str(self.table())

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON carries, NaN as None."""
        rows = [
            {f.name: json_value(getattr(row, f.name)) for f in fields(row)}
            | {"interval": [json_number(end) for end in row.interval], "level": self.level, "n": self.n}
            for row in self.rows
        ]
        return {"schema": "neff.baseline_variance/1", "estimates": rows, "exact": self.exact}


def baseline_variance(
    scores: Any,
    rewards: Any,
    baselines: Mapping[str, Any],
    *,
    probabilities: Any = None,
    log_weights: Any = None,
    level: float = 0.95,
) -> BaselineVariance:
    """Return the variance of w (R - b) s for each baseline b: the trace of its covariance matrix.

    Use it to choose a baseline on a problem small enough for scores as vectors: a bandit or a table of logits (exact,
    with `probabilities`), or a few thousand samples of a small model. Not for large models, and not for baselines that
    are computed from the same samples: give what each sample would be compared with, as an array.

    Parameters
    ----------
    scores
        Gradient of the log-probability of each outcome or sample, shape (n, d).
    rewards
        Shape (n,).
    baselines
        Name to number, or to one number per outcome, shape (n,). Ratios are to the first.
    probabilities
        Probability of each outcome under the policy that samples, shape (n,), summing to 1. None: samples, alike.
    log_weights
        Log importance weights, target over sampler, shape (n,).
    level
        Of the intervals.

    Returns
    -------
    BaselineVariance
        A row for each baseline.

    Raises
    ------
    ArgumentError
        If lengths differ, a value is not finite, or probabilities do not sum to 1.

    Notes
    -----
    Estimand: E||g||^2 - ||E g||^2 with g = w (R - b) s. From samples the divisor is n - 1, and the standard error that
    of the mean squared distance from the mean gradient (normal interval); correct for samples drawn independently.
    O(n d) for each baseline.

    References
    ----------
    Li et al., arXiv:2310.10505. Huang et al., arXiv:2602.17616.

    Examples
    --------
    >>> pi = [0.9, 0.1]
    >>> print(baseline_variance(bandit_scores(pi), [1, 0.5], bandit_baselines(pi, [1, 0.5]), probabilities=pi))
    Baseline   value  Variance  of the first   Bias
    none      0.0000  0.054450         1.000  0.000
    greedy    1.0000  0.036450         0.669  0.000
    value     0.9500  0.028800         0.529  0.000
    optimal   0.5500  0.000000         0.000  0.000
    """
    call = "baseline_variance"
    check_level(level, call=call)
    score = as_numbers(scores, argument="scores", call=call).astype(np.float64)
    if score.ndim != 2 or not np.isfinite(score).all():
        raise ArgumentError("scores", "finite numbers of shape (n, d)", f"shape {score.shape}", call=call)
    reward = check_vector(rewards, argument="rewards", call=call)
    n = reward.size
    share = None if probabilities is None else check_vector(probabilities, argument="probabilities", call=call)
    weights = (
        np.ones(n) if log_weights is None else np.exp(check_vector(log_weights, argument="log_weights", call=call))
    )
    if not score.shape[0] == n == weights.size == (n if share is None else share.size) or n == 0:
        raise ArgumentError("rewards", f"of length {score.shape[0]}, as scores", f"length {n}", call=call)
    if share is not None and (share.min() < 0 or not math.isclose(float(share.sum()), 1, abs_tol=1e-9)):
        raise ArgumentError("probabilities", "0 or more and of sum 1", float(share.sum()), call=call)
    if not baselines:
        raise ArgumentError("baselines", "at least one", baselines, 'Give {"none": 0.0}.', call=call)
    truth = _moments((weights * reward)[:, None] * score, share)[0]
    z = normal_quantile(0.5 + level / 2)
    rows: list[BaselineRow] = []
    for name, baseline in baselines.items():
        base = np.broadcast_to(as_numbers(baseline, argument=f"baselines[{name!r}]", call=call), (n,)).astype(
            np.float64
        )
        mean, value, error = _moments((weights * (reward - base))[:, None] * score, share)
        interval = (max(value - z * error, 0.0), value + z * error) if error > 0 else (math.nan, math.nan)
        first = rows[0].value if rows else value
        ratio = value / first if first > 0 else math.nan
        length = float(np.linalg.norm(truth))
        bias = float(np.linalg.norm(mean - truth)) / length if length > 0 else math.nan
        center = float(base.mean() if share is None else share @ base)
        reason = Reason.TOO_FEW if math.isnan(value) else None
        rows.append(BaselineRow(name, center, value, error, interval, ratio, bias, reason))
    return BaselineVariance(tuple(rows), n, share is not None, level)


def _moments(gradients: FloatArray, share: FloatArray | None) -> tuple[FloatArray, float, float]:
    """Return the mean of the rows, the trace of their covariance, and its standard error (NaN where exact)."""
    if share is not None:
        mean = share @ gradients
        return mean, float(share @ ((gradients - mean) ** 2).sum(1)), math.nan
    n = len(gradients)
    mean = gradients.mean(0)
    if n < 2:
        return mean, math.nan, math.nan
    distance = ((gradients - mean) ** 2).sum(1) * n / (n - 1)
    return mean, float(distance.mean()), float(distance.std(ddof=1)) / math.sqrt(n)


def bandit_scores(pi: Any) -> FloatArray:
    """Return the score of each arm of a softmax bandit, gradient of log pi(a) by the logits, shape (k, k).

    Parameters
    ----------
    pi
        Probabilities of the arms, shape (k,).

    Returns
    -------
    array
        Row a is the unit vector of a minus pi.

    Examples
    --------
    >>> bandit_scores([0.75, 0.25]).tolist()
    [[0.25, -0.25], [-0.75, 0.75]]
    """
    p = _probabilities(pi, "pi", "bandit_scores")
    return np.eye(p.size) - p


def bandit_baselines(pi: Any, rewards: Any, *, behavior: Any = None) -> dict[str, float]:
    """Return the usual baselines of a softmax bandit.

    Parameters
    ----------
    pi, rewards
        Probabilities of the arms under the policy that is trained, and their rewards, shape (k,).
    behavior
        Probabilities under the policy that samples; `pi`, by default.

    Returns
    -------
    dict
        `none` (0), `greedy` (reward of the likeliest arm), `value` (mean reward under pi), with `behavior` also
        `behavior_value` and `on_policy_optimal` (the optimum if samples came from pi), and `optimal`, E[w^2 ||s||^2 R]
        / E[w^2 ||s||^2].

    Raises
    ------
    ArgumentError
        If lengths differ or probabilities do not sum to 1.

    Examples
    --------
    >>> b = bandit_baselines([0.2, 0.3, 0.5], [1.0, 0.0, 0.4], behavior=[0.5, 0.3, 0.2])
    >>> round(b["optimal"], 10)
    0.3408686817
    """
    call = "bandit_baselines"
    p, reward = _probabilities(pi, "pi", call), check_vector(rewards, argument="rewards", call=call)
    mu = p if behavior is None else _probabilities(behavior, "behavior", call)
    if not p.size == reward.size == mu.size:
        raise ArgumentError("rewards", f"of length {p.size}, as pi", f"length {reward.size}", call=call)
    if (mu[p > 0] == 0).any():
        raise ArgumentError("behavior", "above 0 wherever pi is", mu.tolist(), call=call)
    square = (bandit_scores(p) ** 2).sum(1)
    found = {"none": 0.0, "greedy": float(reward[p.argmax()]), "value": float(p @ reward)}
    omega = np.divide(p**2, mu, out=np.zeros_like(p), where=mu > 0) * square  # mu w^2 ||s||^2
    if behavior is not None:
        found["behavior_value"] = float(mu @ reward)
        found["on_policy_optimal"] = _mean(p * square, reward)
    return found | {"optimal": _mean(omega, reward)}


def _mean(weight: FloatArray, values: FloatArray) -> float:
    whole = float(weight.sum())
    return float(weight @ values) / whole if whole > 0 else 0.0


def _probabilities(values: Any, argument: str, call: str) -> FloatArray:
    p = check_vector(values, argument=argument, call=call)
    if p.size == 0 or p.min() < 0 or not math.isclose(float(p.sum()), 1, abs_tol=1e-9):
        raise ArgumentError(argument, "probabilities, 0 or more and of sum 1", p.tolist(), call=call)
    return p
