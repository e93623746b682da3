"""The reward of a budget when a wrong answer costs something, the best budget, and how sure it is."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from neff.sampling.verifiers.result import Reward

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from neff.sampling.verifiers.accept_first import Curves

__all__ = ["resamples", "reward"]


def resamples(
    n: int, cluster: NDArray[np.int64] | None, n_resamples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return the share of each item in each resample of items (or clusters), shape (n_resamples, n)."""
    if not n:
        return np.zeros((n_resamples, 0))
    groups = n if cluster is None else int(cluster.max()) + 1
    drawn = rng.multinomial(groups, np.full(groups, 1 / groups), size=n_resamples).astype(np.float64)
    weights = drawn if cluster is None else drawn[:, cluster]
    shares: NDArray[np.float64] = weights / np.maximum(weights.sum(axis=1, keepdims=True), 1)
    return shares


def reward(
    items: Curves, cost: float, values: tuple[float, float, float], weights: NDArray[np.float64], level: float
) -> Reward:
    """Return the best budget and its reward where a wrong answer costs `cost`; `values` of right, none, an attempt."""
    right, abstain, price = values
    per_item = right * items.right - cost * items.wrong + abstain * items.abstain - price * items.attempts
    curve: NDArray[np.float64] = per_item.mean(axis=0) if len(per_item) else np.full(per_item.shape[1], np.nan)
    best, value = _best(curve[None, :], abstain)
    drawn = weights @ per_item
    best_drawn, _ = _best(drawn, abstain)
    k = int(best[0])
    at_best = drawn[:, k - 1] if k else np.full(len(drawn), abstain)
    tail = (1 - level) / 2
    low, high = np.quantile(at_best, [tail, 1 - tail]) if len(curve) else (np.nan, np.nan)
    if k and low == high:  # items that are all alike are no proof of certainty
        low = high = np.nan
    spread = np.quantile(best_drawn, [0.05, 0.5, 0.95], method="nearest")
    return Reward(
        cost=cost,
        best_k=k,
        reward=float(value[0]),
        best_k_range=(int(spread[0]), int(spread[1]), int(spread[2])),
        reward_interval=(float(low), float(high)),
        reward_at_most=float(curve[-1]) if len(curve) else math.nan,
        curve=curve,
    )


def _best(rewards: NDArray[np.float64], abstain: float) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the smallest budget with the highest reward in each row, 0 (no attempt at all) where none beats it.

    Rewards within rounding of the highest count as equal: past the last draw a curve stands still.
    """
    if not rewards.shape[1]:
        return np.zeros(len(rewards), np.int64), np.full(len(rewards), abstain)
    top = rewards.max(axis=1)
    near = 1e-12 * np.maximum(np.abs(rewards).max(axis=1), abs(abstain))
    k = np.argmax(rewards >= (top - near)[:, None], axis=1) + 1
    idle = top <= abstain + near
    return np.where(idle, 0, k), np.where(idle, abstain, top)
