"""Kernels of the score simulator: effects with a given covariance, exact variances, rows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from neff.records.factor import Factor
from neff.records.table import Records

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["Scores", "effects", "records", "standard", "variances"]

Scores = Literal["normal", "skewed", "binary"]


def standard(scores: Scores, rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return independent variables of mean 0 and variance 1."""
    if scores == "normal":
        return rng.standard_normal(shape)
    if scores == "skewed":
        return rng.standard_exponential(shape) - 1.0
    return rng.uniform(-math.sqrt(3), math.sqrt(3), shape)


def effects(
    scores: Scores,
    rng: np.random.Generator,
    tasks_models: tuple[int, int],
    group: NDArray[np.int64],
    correlation: float,
    icc: float,
) -> NDArray[np.float64]:
    """Return item effects of shape (tasks, items, models), with the promised covariance.

    There is one layer of effects per model and one that the models share; each has a part of the item and a
    part of its cluster. Gaussian parts are added. Others would lose their distribution when added, so one
    is chosen at random: two effects then are equal with a probability that is their correlation, and
    independent else.
    """
    n_tasks, n_models = tasks_models
    n_groups = int(group[-1]) + 1
    own = standard(scores, rng, (n_tasks, len(group), n_models + 1))
    common = standard(scores, rng, (n_tasks, n_groups, n_models + 1))[:, group]
    if scores == "normal":
        layer = math.sqrt(icc) * common + math.sqrt(1 - icc) * own
        return math.sqrt(correlation) * layer[..., -1:] + math.sqrt(1 - correlation) * layer[..., :-1]
    layer = np.where(rng.random(own.shape) < math.sqrt(icc), common, own)
    # Chosen once per cluster and model, so that the choice does not weaken the correlation within a cluster.
    shared = (rng.random((n_tasks, n_groups, n_models)) < math.sqrt(correlation))[:, group]
    return np.where(shared, layer[..., -1:], layer[..., :-1])


def variances(
    n_scored: NDArray[np.int64],
    group: NDArray[np.int64],
    item_variance: float,
    icc: float,
    correlation: float,
    sampling: Sequence[float],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the variances of means (models,) and of differences (models, models), averaged over tasks."""
    there = n_scored > 0  # (tasks, items, models)
    noise = np.where(there, np.array(sampling) / np.maximum(n_scored, 1), 0.0)
    starts = np.flatnonzero(np.r_[True, np.diff(group) > 0])

    def of_mean(used: NDArray[np.bool_], factor: float, noise: NDArray[np.float64]) -> NDArray[np.float64]:
        n = np.where(used.any(axis=1), used.sum(axis=1), np.nan)
        in_cluster = np.add.reduceat(used.astype(np.float64), starts, axis=1)
        items = (1 - icc) * n + icc * (in_cluster**2).sum(axis=1)
        return np.asarray(np.mean((factor * item_variance * items + (noise * used).sum(axis=1)) / n**2, axis=0))

    single = of_mean(there, 1.0, noise)
    both = there[..., :, None] & there[..., None, :]
    paired = of_mean(both, 2 * (1 - correlation), noise[..., :, None] + noise[..., None, :])
    return single, paired


def records(
    values: NDArray[np.float64], asked: NDArray[np.bool_], models: list[str], group: NDArray[np.int64] | None
) -> Records:
    rows = np.flatnonzero(asked)
    task, item, model, draw = np.unravel_index(rows, values.shape)
    clusters: list[Factor] = []
    if group is not None:  # the clusters of one task have nothing to do with those of another
        n_groups = int(group[-1]) + 1
        clusters = [_factor(task * n_groups + group[item], "c", values.shape[0] * n_groups)]
    return Records.build(
        item=_factor(item, "i", values.shape[1]),
        model=Factor.from_codes(model, models),
        task=_factor(task, "t", values.shape[0]),
        draw=draw,
        score=values.ravel()[rows],
        clusters=clusters,
    )


def _factor(codes: NDArray[Any], letter: str, n: int) -> Factor:
    width = len(str(n - 1))
    return Factor.from_codes(codes, [f"{letter}{i:0{width}d}" for i in range(n)])
