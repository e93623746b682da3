"""Learning curves: score over the number of training examples, A - B n^-C, with the number that a target takes.

What it estimates: the mean score at each size over training runs, and where the curve goes if it keeps its form.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.results import Column, Estimate, Table, json_number
from neff.stats._options import seeded
from neff.stats._validate import check_count, check_level, check_number, check_vector

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["LearningCurve", "fit_learning_curve"]

FEWEST_SIZES = 4
LOWEST, HIGHEST = 0.01, 3.0
GRID, ROUNDS = 41, 7


@dataclass(frozen=True, slots=True, eq=False)
class LearningCurve:
    """A fitted curve A - B n^-C.

    Attributes
    ----------
    limit, scale, rate
        A, B and C; NaN below 4 sizes, where nothing is extrapolated.
    sizes, means, fitted
        Training sizes, mean scores, and the curve there, shape (n_sizes,).
    n_runs
        Runs at each size, shape (n_sizes,).
    resamples
        (A, B, C) of each bootstrap resample of runs, shape (n_resamples, 3).
    warnings
        What weakens it.
    targets, ahead
        Scores to reach and sizes to forecast that were asked for: see `forecasts`.
    """

    limit: float
    scale: float
    rate: float
    sizes: NDArray[np.float64]
    means: NDArray[np.float64]
    fitted: NDArray[np.float64]
    n_runs: NDArray[np.int64]
    resamples: NDArray[np.float64]
    level: float
    seed: int | None
    reason: Reason | None = None
    warnings: tuple[str, ...] = ()
    targets: tuple[float, ...] = ()
    ahead: tuple[float, ...] = ()

    def at(self, n: float) -> Estimate:
        """Return the score at a training size: interpolated within the sizes, else from the curve.

        Raises
        ------
        ArgumentError
            If the size is not positive.
        """
        if not (math.isfinite(n) and n > 0):
            raise ArgumentError("n", "a positive size", n, call="LearningCurve.at")
        if self.reason is not None:
            inside = self.sizes.min() <= n <= self.sizes.max()
            value = float(np.interp(math.log(n), np.log(self.sizes), self.means)) if inside else math.nan
            return Estimate(value, level=self.level, metric="score", method="interpolated", reason=self.reason)
        drawn = self.resamples[:, 0] - self.resamples[:, 1] * n ** -self.resamples[:, 2]
        return self._estimate(self.limit - self.scale * n**-self.rate, drawn, "score")

    def needed(self, target: float) -> Estimate:
        """Return the training size at which the curve reaches a score; infinity where it never does.

        With the score of a zero-shot model as the target, the upper end of the interval is the size from which on the
        curve is surely better.
        """
        if self.reason is not None:
            return Estimate(math.nan, level=self.level, metric="examples", reason=self.reason)
        value = _size_for(self.limit, self.scale, self.rate, target)
        drawn = np.array([_size_for(a, b, c, target) for a, b, c in self.resamples])
        return self._estimate(value, drawn, "examples")

    def _estimate(self, value: float, drawn: NDArray[np.float64], metric: str) -> Estimate:
        tails = [(1 - self.level) / 2, (1 + self.level) / 2]
        low, high = np.quantile(drawn, tails, method="nearest")  # sizes may be infinite: no mean of two
        spread = float(drawn.std(ddof=1)) if np.isfinite(drawn).all() else math.nan
        return Estimate(
            value, spread, (float(low), float(high)), level=self.level, n=int(self.n_runs.sum()), metric=metric,
            method="learning curve, bootstrap of runs", assumptions=("the curve keeps its form",), seed=self.seed,
        )  # fmt: skip

    def table(self) -> Table:
        """Return one row per size."""
        columns = (
            Column("n", "Training examples", "count"), Column("mean", "Score", "number"),
            Column("fitted", "Curve", "number"), Column("runs", "Runs", "count"),
        )  # fmt: skip
        return Table(columns, tuple(zip(self.sizes, self.means, self.fitted, self.n_runs, strict=True)))

    def forecasts(self) -> Table | None:
        """Return the sizes that the targets take and the scores at the sizes ahead; None where nothing was asked."""
        if not self.targets and not self.ahead:
            return None
        columns = (
            Column("question", "Question"), Column("value", "Answer", "number", 4),
            Column("interval", "Interval", "interval", 4),
        )  # fmt: skip
        sizes = ((f"examples for {target:g}", self.needed(target)) for target in self.targets)
        scores = ((f"score at {n:,.0f}", self.at(n)) for n in self.ahead)
        return Table(columns, tuple((name, e.value, e.interval) for name, e in (*sizes, *scores)))

    def __str__(self) -> str:
        asked = self.forecasts()
        curve = (
            f"{self.limit:.4f} - {self.scale:.4f} n^-{self.rate:.4f}"
            if self.reason is None
            else f"no curve: {self.reason}"
        )
        return "\n".join([str(self.table()), curve, *([str(asked)] if asked else [])])

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        lines = ("sizes", "means", "fitted")
        return {
            "schema": "neff.learning-curve/1",
            **{name: json_number(getattr(self, name)) for name in ("limit", "scale", "rate")},
            **{name: [json_number(float(x)) for x in getattr(self, name)] for name in lines},
            "n_runs": self.n_runs.tolist(),
            "needed": [{"target": t} | self.needed(t).to_dict() for t in self.targets],
            "ahead": [{"size": n} | self.at(n).to_dict() for n in self.ahead],
            "level": self.level,
            "seed": self.seed,
            "reason": None if self.reason is None else str(self.reason),
            "warnings": list(self.warnings),
        }


def _size_for(limit: float, scale: float, rate: float, target: float) -> float:
    if target >= limit:
        return math.inf
    return (scale / (limit - target)) ** (1 / rate) if scale > 0 else 0.0


def fit_learning_curve(
    size: ArrayLike,
    score: ArrayLike,
    *,
    targets: Sequence[float] = (),
    at: Sequence[float] = (),
    level: float = 0.95,
    n_resamples: int = 500,
    rng: Any = None,
) -> LearningCurve:
    """Fit score = A - B n^-C to training runs of several sizes.

    Use it to decide whether more labels are worth their price. With fewer than four sizes nothing is extrapolated.

    Parameters
    ----------
    size, score
        Training examples and score in [0, 1] of each run, shape (n_runs,); several runs per size give the interval.
    targets, at
        Scores to reach, and sizes to forecast the score at; they can also be asked of the result.
    level
        Coverage of the intervals.
    n_resamples, rng
        Bootstrap of runs within sizes (SPEC 7).

    Returns
    -------
    LearningCurve
        With `at(n)` and `needed(target)`.

    Raises
    ------
    ArgumentError
        If a size is not positive, or a score not in [0, 1].

    Notes
    -----
    Least squares of the size means, weighted by their precision where every size has two runs or more; A in [0, 1], B
    at least 0, C in [0.01, 3]. For each C the best A and B have a closed form, so that the search is over one number.

    Percentile intervals of a curve of three parameters are somewhat narrow: with five runs at each of seven sizes, 90%
    intervals of the score at twice the largest size held the truth in 80% of 150 simulations, missing on both sides.

    References
    ----------
    Carammia, Iacus and Porro, Rethinking Scale: The Efficacy of Fine-Tuned Open-Source LLMs. arXiv:2411.00890

    Examples
    --------
    >>> n = [50, 100, 200, 500, 1000, 2000, 5000]
    >>> curve = fit_learning_curve(n, [0.9 - 0.9 * x**-0.35 for x in n], n_resamples=20, rng=0)
    >>> round(curve.limit, 4), round(curve.rate, 4), round(curve.needed(0.85).value)
    (0.9, 0.35, 3859)
    """
    level = check_level(level, call="fit_learning_curve")
    n_resamples = check_count(n_resamples, argument="n_resamples", call="fit_learning_curve", minimum=2)
    x = check_vector(size, argument="size", call="fit_learning_curve")
    y = check_vector(score, argument="score", call="fit_learning_curve")
    if len(x) != len(y) or not len(x):
        raise ArgumentError("score", "one per size, at least one", len(y), call="fit_learning_curve")
    for name, bad, must in (("size", x <= 0, "positive"), ("score", (y < 0) | (y > 1), "in [0, 1]")):
        if bad.any():
            values = x if name == "size" else y
            raise ArgumentError(name, must, float(values[bad][0]), call="fit_learning_curve")
    for name, numbers in (("targets", targets), ("at", at)):
        for number in numbers:
            known = check_number(number, argument=name, call="fit_learning_curve")
            if not math.isfinite(known) or (name == "at" and known <= 0):
                raise ArgumentError(name, "finite, and sizes positive", number, call="fit_learning_curve")
    asked: dict[str, Any] = {"targets": tuple(map(float, targets)), "ahead": tuple(map(float, at))}
    generator, seed = seeded(rng, call="fit_learning_curve")
    sizes, back = np.unique(x, return_inverse=True)
    counts = np.bincount(back)
    means = np.bincount(back, weights=y) / counts
    runs = [y[back == i] for i in range(len(sizes))]
    if len(sizes) < FEWEST_SIZES:
        nan = math.nan
        return LearningCurve(
            nan,
            nan,
            nan,
            sizes,
            means,
            np.full(len(sizes), nan),
            counts,
            np.zeros((0, 3)),
            level,
            seed,
            Reason.TOO_FEW,
            **asked,
        )
    weight = _weights(runs)
    a, b, c = _curve(sizes, means, weight)
    drawn = np.empty((n_resamples, 3))
    noise = _noise(runs, means - (a - b * sizes**-c))
    for k in range(n_resamples):
        again = means + [generator.choice(own, count).mean() for own, count in zip(noise, counts, strict=True)]
        drawn[k] = _curve(sizes, np.clip(again, 0, 1), weight)
    single = bool((counts == 1).all())
    warnings: tuple[str, ...] = ()
    if single:
        warnings += ("one run per size: the interval rests on the curve's residuals",)
    if not LOWEST * 1.001 < c < HIGHEST * 0.999 or a == 1:
        warnings += ("a parameter is at the end of its range",)
    return LearningCurve(a, b, c, sizes, means, a - b * sizes**-c, counts, drawn, level, seed, None, warnings, **asked)


def _noise(runs: list[NDArray[np.float64]], residual: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Return what is drawn from at each size: deviations of its runs, made as large as those of fresh runs are.

    A size of one run takes the deviations of all; without any repeats the curve's residuals are what there is.
    """
    apart = [(r - r.mean()) * math.sqrt(len(r) / max(len(r) - 1, 1)) for r in runs]
    repeated = [r for r in apart if len(r) > 1]
    if not repeated:
        return [residual * math.sqrt(len(runs) / (len(runs) - 3))] * len(runs)
    return [r if len(r) > 1 else np.concatenate(repeated) for r in apart]


def _weights(runs: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return 1 / variance of each mean where every size has repeats; equal weights otherwise."""
    if min(map(len, runs)) < 2:
        return np.ones(len(runs))
    pooled = float(np.mean([r.var(ddof=1) for r in runs]))
    # A variance from a few runs is itself a guess: half its own, half the pooled one.
    variance = np.array([(r.var(ddof=1) + pooled) / 2 / len(r) for r in runs])
    return 1 / variance if (variance > 0).all() else np.ones(len(runs))


def _curve(n: NDArray[np.float64], y: NDArray[np.float64], w: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return A, B and C. C is searched on a grid that closes in; the best A and B at each have a closed form."""
    w = w / w.sum()
    my = w @ y

    def best(c: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        z = n ** -c[:, None]
        mz = z @ w
        spread = (z - mz[:, None]) ** 2 @ w
        slope = (z - mz[:, None]) @ (w * (y - my))
        b = np.maximum(np.divide(-slope, spread, out=np.zeros_like(c), where=spread > 0), 0)
        a = my + b * mz
        over = a > 1
        b = np.where(over, np.maximum(z @ (w * (1 - y)) / (z**2 @ w), 0), b)
        a = np.minimum(a, 1)
        return (y - a[:, None] + b[:, None] * z) ** 2 @ w, a, b

    grid = np.geomspace(LOWEST, HIGHEST, GRID)
    for _ in range(ROUNDS):
        loss, a, b = best(grid)
        k = int(np.argmin(loss))
        found = float(a[k]), float(b[k]), float(grid[k])
        grid = np.geomspace(grid[max(k - 1, 0)], grid[min(k + 1, GRID - 1)], GRID)
    return found
