"""What moves one estimate, or the difference of two: influence values per cluster, and the jackknife over folds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from neff.errors import ArgumentError
from neff.evaluate.judge.estimate import Split
from neff.stats.cluster import welch_satterthwaite

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from neff.evaluate.judge.estimate import DfRule, PolicyEstimate

__all__ = ["Moves", "moves_apart"]


@dataclass(frozen=True, slots=True, eq=False)
class Moves:
    """What a standard error is made of.

    Attributes
    ----------
    value, size
        The value, and the largest number that went into it, against which rounding is told from variance.
    influence, factor
        What each cluster adds, and how its square is scaled for parameters that were fitted to labelled prompts,
        shape (G,).
    jackknife
        The value without each fold, shape (K,), or None.
    levels
        How far each level of the calibration curve moves the value, shape (B,), or None.
    fitted
        For every side that fitted parameters to its labelled prompts: their number, that of the parameters, and
        the sum of squared influence values of the prompts.
    n_labelled
        Prompts with a label on a side in `fitted`.
    df_rule
        See `PolicyEstimate`.
    correlation
        Of the two sides of a difference.
    """

    value: float
    size: float
    influence: NDArray[np.float64]
    factor: NDArray[np.float64] | float
    jackknife: NDArray[np.float64] | None
    levels: NDArray[np.float64] | None
    fitted: tuple[tuple[int, int, float], ...]
    n_labelled: int
    df_rule: DfRule
    correlation: float = math.nan

    @classmethod
    def of(cls, estimate: PolicyEstimate) -> Moves:
        """Return what moves one policy's value."""
        fitted, factor = _fitted(estimate)
        influence, factor = _by_cluster(estimate.cluster, estimate.influence, factor)
        return cls(
            value=estimate.value,
            size=_size(estimate),
            influence=influence,
            factor=factor,
            jackknife=estimate.jackknife,
            levels=estimate.levels,
            fitted=fitted,
            n_labelled=fitted[0][0] if fitted else 0,
            df_rule=estimate.df_rule,
        )

    def df_of_labels(self) -> float:
        """Return how many degrees of freedom the labelled prompts leave: what is said by few must not count as many.

        Two sides with labels of their own combine like independent variances, but never to more than the labelled
        prompts of both together leave.
        """
        if not self.fitted:
            return math.inf
        fewest = float(min(n - q for n, q, _ in self.fitted))
        if not any(v > 0 for _, _, v in self.fitted):
            return fewest
        combined = welch_satterthwaite([v for _, _, v in self.fitted], [float(n - q) for n, q, _ in self.fitted])
        return max(fewest, min(combined, float(self.n_labelled - max(q for _, q, _ in self.fitted))))


def moves_apart(a: PolicyEstimate, b: PolicyEstimate, *, published: bool = False) -> Moves:
    """Return what moves the difference a minus b; see `infer_difference`."""
    prompts, where = _union(a.prompt, b.prompt)
    left, right = (_spread(len(prompts), at, side.influence) for at, side in zip(where, (a, b), strict=True))
    correlation = _correlation(left, right)
    rule: DfRule = a.df_rule if a.df_rule == b.df_rule else "welch"
    cluster = _clusters(len(prompts), where, a, b)
    apart = None if published else _apart(a, b)
    factor: NDArray[np.float64] | float = 1.0
    fitted: tuple[tuple[int, int, float], ...] = ()
    n_labelled = 0
    jackknife: NDArray[np.float64] | None
    levels: NDArray[np.float64] | None = None
    if apart is not None:
        left, right = (_spread(len(prompts), at, side.fitted) for at, side in zip(where, apart, strict=True))
        jackknife, levels = _minus(apart[0].without, apart[1].without), _minus(apart[0].levels, apart[1].levels)
    else:
        jackknife = _jackknife(a, b)
        if a.levels is not None and b.levels is not None:
            levels = _minus(a.levels, b.levels)
        sides = [_fitted(side) for side in (a, b)]
        fitted = tuple(part for parts, _ in sides for part in parts)
        if fitted:
            spread = [
                np.maximum(1.0, _spread(len(prompts), at, np.broadcast_to(scale, at.shape)))
                for at, (_, scale) in zip(where, sides, strict=True)
            ]
            factor = np.maximum(*spread)
            n_labelled = int((factor > 1).sum())
    influence, factor = _by_cluster(cluster, left - right, factor)
    value, size = a.value - b.value, max(_size(a), _size(b))
    return Moves(value, size, influence, factor, jackknife, levels, fitted, n_labelled, rule, correlation)


def _union(a: NDArray[np.int64], b: NDArray[np.int64]) -> tuple[NDArray[np.int64], list[NDArray[np.int64]]]:
    """Return the sorted union of two sorted sets of codes, and where the codes of each stand in it."""
    if np.array_equal(a, b):
        return a, [np.arange(len(a))] * 2
    both = np.sort(np.concatenate([a, b]), kind="stable")  # two runs to merge; np.union1d would hash them
    prompts = both[np.append(True, both[1:] != both[:-1])] if len(both) else both
    return prompts, [np.searchsorted(prompts, side) for side in (a, b)]


def _fitted(estimate: PolicyEstimate) -> tuple[tuple[tuple[int, int, float], ...], NDArray[np.float64] | float]:
    """Return (labelled prompts, parameters, sum of squares) where parameters were fitted, and the factor per prompt."""
    if estimate.labelled is None or estimate.n_parameters == 0 or estimate.cluster is not None:
        return (), 1.0
    n, q = int(estimate.labelled.sum()), estimate.n_parameters
    squares = float(np.square(estimate.influence[estimate.labelled]).sum())
    return ((n, q, squares),), np.where(estimate.labelled, n / (n - q) if n > q else math.inf, 1.0)


def _jackknife(a: PolicyEstimate, b: PolicyEstimate) -> NDArray[np.float64] | None:
    if a.jackknife is None and b.jackknife is None:
        return None
    # A side without a calibrator has nothing to leave out: its value stands in every fold.
    left = np.array([a.value]) if a.jackknife is None else a.jackknife
    right = np.array([b.value]) if b.jackknife is None else b.jackknife
    return _minus(left, right)


def _apart(a: PolicyEstimate, b: PolicyEstimate) -> tuple[Split, Split] | None:
    """Return both sides by prompts and labels apart, where one of them borrowed the labels that the other uses."""
    sides = [side.split or _borrower(side) for side in (a, b)]
    if (a.split is None) == (b.split is None) or sides[0] is None or sides[1] is None:
        return None
    return sides[0], sides[1]


def _borrower(estimate: PolicyEstimate) -> Split | None:
    """Return an estimate that uses labels through its calibrator alone: there its two parts are apart already."""
    if estimate.jackknife is None or estimate.levels is None or estimate.labelled is not None:
        return None
    return Split(estimate.influence, estimate.jackknife, estimate.levels)


def _minus(left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    if len(left) != len(right) and 1 not in (len(left), len(right)):
        raise ArgumentError(
            "b",
            "estimated with the same folds and the same calibration as a",
            f"{len(right)} values beside {len(left)}",
            "Calibrate once, and estimate all policies with that calibration.",
            call="infer_difference",
        )
    return left - right


def _clusters(n: int, where: list[NDArray[np.int64]], a: PolicyEstimate, b: PolicyEstimate) -> NDArray[np.int64] | None:
    """Return the cluster of every prompt; a prompt that only a side without clusters has is one of its own."""
    if a.cluster is None and b.cluster is None:
        return None
    cluster = np.full(n, -1, np.int64)
    for at, side in zip(where, (a, b), strict=True):
        if side.cluster is not None:
            cluster[at] = side.cluster
    alone = cluster < 0
    cluster[alone] = int(cluster.max()) + 1 + np.arange(int(alone.sum()))
    return cluster


def _by_cluster(
    cluster: NDArray[np.int64] | None, influence: NDArray[np.float64], factor: NDArray[np.float64] | float
) -> tuple[NDArray[np.float64], NDArray[np.float64] | float]:
    if cluster is None:
        return influence, factor
    codes = np.unique(cluster, return_inverse=True)[1]
    return np.bincount(codes, influence).astype(np.float64), 1.0


def _spread(n: int, at: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    whole = np.zeros(n)
    whole[at] = values
    return whole


def _size(estimate: PolicyEstimate) -> float:
    return max(abs(estimate.value), float(np.abs(estimate.influence).max(initial=0.0)))


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    scale = math.sqrt(float(a @ a)) * math.sqrt(float(b @ b))
    return max(-1.0, min(1.0, float(a @ b) / scale)) if scale > 0 else math.nan
