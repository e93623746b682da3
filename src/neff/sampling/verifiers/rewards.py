"""The reward of a budget when a wrong answer costs something, the best budget, and how sure it is."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from neff.sampling.verifiers.accept_first import Curves
from neff.sampling.verifiers.result import Reward

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["resampled", "reward"]

NEAR = 1e-12  # relative to the largest reward: differences below are rounding
BLOCK = 1_000_000  # weights held at once


def resampled(items: Curves, cluster: NDArray[np.int64] | None, n_resamples: int, rng: np.random.Generator) -> Curves:
    """Return the mean curves of resamples of items (or clusters), shape (n_resamples, n_budgets) each."""
    n = len(items.right)
    if not n:
        return Curves(*(np.full((n_resamples, values.shape[1]), np.nan) for values in items))
    groups = n if cluster is None else int(cluster.max()) + 1
    step = max(1, BLOCK // n)
    parts = []
    for start in range(0, n_resamples, step):
        size = min(step, n_resamples - start)
        drawn = rng.multinomial(groups, np.full(groups, 1 / groups), size=size).astype(np.float64)
        weights = drawn if cluster is None else drawn[:, cluster]
        shares = weights / np.maximum(weights.sum(axis=1, keepdims=True), 1)
        parts.append([shares @ values for values in items])
    return Curves(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def reward(items: Curves, drawn: Curves, cost: float, values: tuple[float, float, float], level: float) -> Reward:
    """Return the best budget and its reward where a wrong answer costs `cost`; `values` of right, none, an attempt.

    `drawn` are the curves of resampled items, of `resampled`.
    """
    abstain = values[1]
    per_item = _worth(items, cost, values)
    curve: NDArray[np.float64] = per_item.mean(axis=0) if len(per_item) else np.full(per_item.shape[1], np.nan)
    if not len(curve):
        nothing = (math.nan, math.nan)
        return Reward(cost, 0, math.nan, None, nothing, math.nan, curve)
    best, value = _best(curve[None, :], abstain)
    worth = _worth(drawn, cost, values)
    near = NEAR * max(float(np.abs(curve).max()), abs(abstain))
    k = int(best[0])
    at_best = worth[:, k - 1] if k else np.full(len(worth), abstain)
    tail = (1 - level) / 2
    low, high = np.quantile(at_best, [tail, 1 - tail])
    if k and high - low <= near:  # items that are all alike are no proof of certainty
        low = high = np.nan
    spread = np.quantile(_best(worth, abstain)[0], [0.05, 0.5, 0.95], method="nearest")
    alike = bool((np.ptp(worth, axis=0) <= near).all())
    return Reward(
        cost=cost,
        best_k=k,
        reward=float(value[0]),
        best_k_range=None if alike else (int(spread[0]), int(spread[1]), int(spread[2])),
        reward_interval=(float(low), float(high)),
        reward_at_most=float(curve[-1]),
        curve=curve,
    )


def _worth(curves: Curves, cost: float, values: tuple[float, float, float]) -> NDArray[np.float64]:
    right, abstain, price = values
    worth: NDArray[np.float64] = (
        right * curves.right - cost * curves.wrong + abstain * curves.abstain - price * curves.attempts
    )
    return worth


def _best(rewards: NDArray[np.float64], abstain: float) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the smallest budget with the highest reward in each row, 0 (no attempt at all) where none beats it.

    Rewards within rounding of the highest count as equal: past the last draw a curve stands still.
    """
    top = rewards.max(axis=1)
    near = NEAR * np.maximum(np.abs(rewards).max(axis=1), abs(abstain))
    k = np.argmax(rewards >= (top - near)[:, None], axis=1) + 1
    idle = top <= abstain + near
    return np.where(idle, 0, k), np.where(idle, abstain, top)
