"""What keeping only the subtasks of high signal to noise would gain in decision accuracy.

Half of the recipes choose, the others are scored: nothing is chosen and scored on the same recipes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.benchmark.noise.deciding import agreement, measured
from neff.benchmark.noise.measures import relative_noise, signal
from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.results import Estimate, json_number
from neff.stats._options import seeded
from neff.stats._validate import check_count, check_level

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike

    from neff.stats._validate import FloatArray

__all__ = ["SubtaskFilter", "filter_subtasks"]


@dataclass(frozen=True, slots=True)
class SubtaskFilter:
    """What keeping the subtasks of high signal to noise gains.

    Attributes
    ----------
    kept
        The subtasks chosen with all recipes, the best first.
    ratios
        Signal to noise of every subtask, by name.
    in_sample
        Gain on the recipes that chose: what is published by whoever does not split.
    held_out
        Gain on recipes that did not choose, mean over splits; its interval is over splits of the same recipes, and says
        how stable the gain is, not how large it is for other recipes.
    against_random
        Held-out accuracy of the chosen prefix minus that of as many subtasks at random.
    n_kept
        Mean number kept over splits.
    """

    kept: tuple[str, ...]
    ratios: Mapping[str, float]
    in_sample: float
    held_out: Estimate
    against_random: Estimate
    n_kept: float
    seed: int | None = None

    def __str__(self) -> str:
        if self.held_out.reason:
            return f"kept {len(self.kept)} of {len(self.ratios)}: gain undefined ({self.held_out.reason})"
        low, high = self.held_out.interval
        return (
            f"kept {len(self.kept)} of {len(self.ratios)}: {self.in_sample:+.3f} on the recipes that chose, "
            f"{self.held_out.value:+.3f} [{low:+.3f}, {high:+.3f}] on others, "
            f"{self.against_random.value:+.3f} against as many at random"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "schema": "neff.subtask-filter/1",
            "kept": list(self.kept),
            "ratios": {name: json_number(x) for name, x in self.ratios.items()},
            "in_sample": json_number(self.in_sample),
            "held_out": self.held_out.to_dict(),
            "against_random": self.against_random.to_dict(),
            "n_kept": json_number(self.n_kept),
            "seed": self.seed,
        }


def filter_subtasks(
    small: Mapping[str, Mapping[str, ArrayLike]],
    target: Mapping[str, Mapping[str, ArrayLike]],
    *,
    last: int = 30,
    n_splits: int = 100,
    level: float = 0.95,
    rng: Any = None,
) -> SubtaskFilter:
    """Return what keeping only the subtasks of high signal to noise gains in decision accuracy.

    Use it on benchmarks of many subtasks (MMLU) before publishing a subset. Half of the recipes choose: they sort the
    subtasks by signal to noise and keep the prefix whose mean score decides best; the other half shows the gain. Chosen
    and scored on the same recipes, a subset looks better than it is, and so does one of noise.

    Parameters
    ----------
    small, target
        Curves by subtask, then by recipe. The benchmark's score is the mean over subtasks; the target is the mean of
        all.
    last
        Checkpoints from the end: their mean is the score, their deviation the noise.
    n_splits, rng
        Random halves of the recipes (SPEC 7).
    level
        Coverage of the intervals.

    Returns
    -------
    SubtaskFilter
        With the gain in sample, held out, and against random subsets. NaN with a reason for fewer than six recipes, and
        where no subtask has a signal to noise (one checkpoint per run).

    Notes
    -----
    Signal here is the standard deviation over recipes, as in the paper's code for subtasks.

    References
    ----------
    Heineman et al., Signal and Noise. arXiv:2508.13144

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> truth = rng.normal(0.5, 0.03, 12)
    >>> noises = [0.005] * 3 + [0.2] * 9
    >>> small = {f"t{k}": {f"r{i}": t + rng.normal(0, s, 5) for i, t in enumerate(truth)} for k, s in enumerate(noises)}
    >>> target = {f"t{k}": {f"r{i}": [t] for i, t in enumerate(truth)} for k in range(12)}
    >>> found = filter_subtasks(small, target, rng=1)
    >>> found.held_out.value > 0, found.kept[0] in ("t0", "t1", "t2")
    (True, True)
    """
    call = "filter_subtasks"
    last = check_count(last, argument="last", call=call, minimum=2)
    n_splits = check_count(n_splits, argument="n_splits", call=call, minimum=2)
    level = check_level(level, call=call)
    generator, seed = seeded(rng, call=call)
    tasks = sorted(small.keys() & target.keys())
    if not tasks:
        raise ArgumentError("target", "of the subtasks of small", sorted(target), call=call)
    s, t = (
        [measured(of[task], argument=f"{name}[{task!r}]", call=call) for task in tasks]
        for name, of in (("small", small), ("target", target))
    )
    names = sorted(set.intersection(*(set(of) for of in (*s, *t))))
    tails = [[of[name][-last:] for name in names] for of in s]
    means = np.array([[c.mean() for c in curves] for curves in tails])  # subtasks by recipes
    deviation = np.array([[relative_noise(c) for c in curves] for curves in tails])
    goal = np.array([[of[name][-last:].mean() for name in names] for of in t]).mean(axis=0)
    everyone = np.arange(len(names))
    ratios = dict(zip(tasks, _ratios(means, deviation, everyone).tolist(), strict=True))
    nothing = Estimate(math.nan, level=level, n_items=len(names), reason=Reason.TOO_FEW)
    if all(map(math.isnan, ratios.values())):
        return SubtaskFilter((), ratios, math.nan, nothing, nothing, math.nan, seed)
    order, kept = _choose(means, deviation, goal, everyone)
    chosen = tuple(tasks[k] for k in order[:kept])
    whole = agreement(means.mean(axis=0), goal)
    in_sample = agreement(means[order[:kept]].mean(axis=0), goal) - whole
    if len(names) < 6 or len(tasks) < 2:
        return SubtaskFilter(chosen, ratios, in_sample, nothing, nothing, float(kept), seed)
    gains, over_random, sizes = [], [], []
    for _ in range(n_splits):
        shuffled = generator.permutation(len(names))
        choosers, others = shuffled[: len(names) // 2], shuffled[len(names) // 2 :]
        order, kept = _choose(means, deviation, goal, choosers)
        drawn = generator.permutation(len(tasks))[:kept]
        ours, all_of_them, random = (
            agreement(means[rows][:, others].mean(axis=0), goal[others]) for rows in (order[:kept], slice(None), drawn)
        )
        gains.append(ours - all_of_them)
        over_random.append(ours - random)
        sizes.append(kept)
    return SubtaskFilter(
        chosen, ratios, in_sample, _over_splits(gains, len(names), level), _over_splits(over_random, len(names), level),
        float(np.mean(sizes)), seed,
    )  # fmt: skip


def _ratios(means: FloatArray, deviation: FloatArray, recipes: FloatArray | Any) -> FloatArray:
    spread = np.array([signal(row[recipes], kind="sd") for row in means])
    noise = deviation[:, recipes].mean(axis=1) if len(recipes) else np.full(len(means), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(spread / noise, np.float64)


def _choose(means: FloatArray, deviation: FloatArray, goal: FloatArray, recipes: Any) -> tuple[Any, int]:
    """Return the subtasks by falling signal to noise, and how many of the first decide best for these recipes."""
    order = np.argsort(-np.nan_to_num(_ratios(means, deviation, recipes), nan=-1.0), kind="stable")
    prefix = np.cumsum(means[order][:, recipes], axis=0)
    accuracy = [agreement(row, goal[recipes]) for row in prefix]
    return order, int(np.argmax(accuracy)) + 1


def _over_splits(values: list[float], recipes: int, level: float) -> Estimate:
    v = np.array(values)
    low, high = np.quantile(v, [(1 - level) / 2, (1 + level) / 2])
    # the halves overlap: the deviation over splits, not over its root, is near the error of one half
    error = float(v.std(ddof=1))
    return Estimate(
        float(v.mean()), error if error > 0 else math.nan, (float(low), float(high)), level=level, n=len(values),
        n_items=recipes, method="mean and quantiles over random halves of the recipes",
        reason=None if error > 0 else Reason.NO_STANDARD_ERROR,
    )  # fmt: skip
