"""Choosing the next items by their information: the best, one of the best, in balance with a content plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["best", "draw", "most_behind"]


def best(information: NDArray[np.float64], available: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return the most informative available item of each model, -1 where none is left; ties to the lowest place."""
    masked = np.where(available, information, -np.inf)
    chosen = np.argmax(masked, axis=1)
    return np.where(available.any(axis=1), chosen, -1)


def draw(
    information: NDArray[np.float64],
    available: NDArray[np.bool_],
    count: int,
    *,
    among: int = 1,
    rng: np.random.Generator | None = None,
) -> list[int]:
    """Return `count` items of one model, by falling information; each drawn among the `among` best (randomesque)."""
    places = np.flatnonzero(available)
    order: list[int] = places[np.argsort(-information[places], kind="stable")].tolist()
    if among == 1 or rng is None:
        return order[:count]
    chosen: list[int] = []
    while order and len(chosen) < count:
        chosen.append(order.pop(int(rng.integers(min(among, len(order))))))
    return chosen


def most_behind(
    plan: Mapping[str, float], asked: Sequence[str], content: Sequence[str], available: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return the available items of the category that is furthest behind its planned share."""
    total = len(asked) + 1
    left = {kind for kind, free in zip(content, available.tolist(), strict=True) if free}
    behind = {kind: share * total - asked.count(kind) for kind, share in plan.items() if kind in left}
    if not behind:
        return available
    kind = max(behind, key=lambda name: (behind[name], -list(plan).index(name)))
    return np.asarray(available & (np.asarray(content, object) == kind), bool)
