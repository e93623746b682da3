"""What three remedies would gain in decision accuracy: averaging checkpoints, another metric, fewer subtasks.

Each gain is a paired difference on the same recipes, with a jackknife over recipes. Nothing is chosen and scored on the
same recipes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.benchmark.noise.deciding import agreement, jackknife_error, left_out_one
from neff.benchmark.noise.measures import relative_noise, signal
from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.results import Estimate, json_number
from neff.stats import t_interval
from neff.stats._options import check_choice, seeded
from neff.stats._validate import check_count, check_level

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike

    from neff.stats._validate import FloatArray

__all__ = ["Gain", "SubtaskFilter", "average_checkpoints", "change_metric", "filter_subtasks"]


@dataclass(frozen=True, slots=True)
class Gain:
    """Decision accuracy before and after a remedy.

    Attributes
    ----------
    before, after
        Decision accuracy without and with it.
    gain
        Their difference, with its interval over recipes.
    what
        The remedy, in words.
    """

    before: float
    after: float
    gain: Estimate
    what: str

    def __str__(self) -> str:
        low, high = self.gain.interval
        why = f" ({self.gain.reason})" if self.gain.reason else f" [{low:+.3f}, {high:+.3f}]"
        return f"{self.what}: {self.before:.3f} to {self.after:.3f}, {self.gain.value:+.3f}{why}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "schema": "neff.gain/1",
            "before": json_number(self.before),
            "after": json_number(self.after),
            "gain": self.gain.to_dict(),
            "what": self.what,
        }


def _gain(before: FloatArray, after: FloatArray, what: str, level: float) -> Gain:
    """Return the gain from two matrices of pairwise agreements of the same recipes."""
    r = len(before)
    pairs = r * (r - 1)
    a, b = (float(m.sum()) / pairs if r > 1 else math.nan for m in (before, after))
    if r < 3:
        return Gain(a, b, Estimate(b - a, level=level, n_items=r, reason=Reason.TOO_FEW), what)
    error = jackknife_error(left_out_one(after) - left_out_one(before))
    if error == 0:
        return Gain(a, b, Estimate(b - a, level=level, n_items=r, reason=Reason.NO_STANDARD_ERROR), what)
    low, high, _ = t_interval(b - a, error, df=r - 1, level=level)
    estimate = Estimate(
        b - a, error, (low, high), level=level, df=r - 1, n=pairs // 2, n_items=r, metric="gain in decision accuracy",
        method="paired, jackknife over recipes",
    )  # fmt: skip
    return Gain(a, b, estimate, what)


def _expected(small: Sequence[FloatArray], target: Sequence[FloatArray]) -> FloatArray:
    """Return the agreement of each pair, averaged over every choice of one value per recipe and scale."""
    r = len(small)
    out = np.zeros((r, r))
    for i in range(r):
        for j in range(i):
            s = np.sign(small[i][:, None] - small[j]).ravel()
            t = np.sign(target[i][:, None] - target[j]).ravel()
            shares = [[float((x == sign).mean()) for sign in (-1, 0, 1)] for x in (s, t)]
            out[i, j] = out[j, i] = sum(
                shares[0][a] * shares[1][b] * (1 - abs(a - b) / 2) for a in range(3) for b in range(3)
            )
    return out


def _curves(of: Mapping[str, ArrayLike], names: Sequence[str], last: int | None) -> list[FloatArray]:
    curves = [np.asarray(of[name], np.float64) for name in names]
    return [c[~np.isnan(c)][-(last or c.size) :] for c in curves]


def _means(curves: Sequence[FloatArray]) -> list[FloatArray]:
    return [np.array([c.mean()]) for c in curves]


def average_checkpoints(
    small: Mapping[str, ArrayLike],
    target: Mapping[str, ArrayLike],
    *,
    last: int,
    where: str = "both",
    level: float = 0.95,
) -> Gain:
    """Return what averaging the last checkpoints gains over a single one of them.

    Use it before paying for a steadier benchmark: averaging is free. Where noise is independent from checkpoint to
    checkpoint it falls by the root of their number; checkpoints of one run are alike, and less is gained.

    Parameters
    ----------
    small, target
        Curve of each recipe at the two scales, by name of the recipe, higher is better.
    last
        Checkpoints from the end that are averaged.
    where
        Average at "small", at "target", or at "both"; the other scale keeps single checkpoints.
    level
        Coverage of the interval.

    Returns
    -------
    Gain
        Before: exactly the mean over every choice of one of the last checkpoints.

    References
    ----------
    Heineman et al., Signal and Noise. arXiv:2508.13144

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> truth = dict(zip("abcdefgh", rng.normal(0, 0.02, 8)))
    >>> small = {name: t + rng.normal(0, 0.03, 10) for name, t in truth.items()}
    >>> target = {name: [t] for name, t in truth.items()}
    >>> found = average_checkpoints(small, target, last=10)
    >>> found.gain.value > 0
    True
    """
    call = "average_checkpoints"
    last = check_count(last, argument="last", call=call, minimum=1)
    check_choice(where, ("small", "target", "both"), argument="where", call=call)
    level = check_level(level, call=call)
    names = sorted(small.keys() & target.keys())
    s, t = _curves(small, names, last), _curves(target, names, last)
    after = _expected(_means(s) if where != "target" else s, _means(t) if where != "small" else t)
    return _gain(_expected(s, t), after, f"mean of the last {last} checkpoints ({where})", level)


def change_metric(
    primary: Mapping[str, ArrayLike],
    other: Mapping[str, ArrayLike],
    target: Mapping[str, ArrayLike],
    *,
    last: int = 1,
    level: float = 0.95,
) -> Gain:
    """Return what deciding by another metric at the small scale gains, for the primary metric at the target scale.

    Use it on bits per byte, or the probability of the right answer, beside accuracy. Not every continuous metric is the
    steadier one: on real runs it is noisier than accuracy for some tasks.

    Parameters
    ----------
    primary, other
        Curve of each recipe at the small scale by the two metrics, higher is better (negate bits per byte).
    target
        Curve of each recipe at the target scale, by the primary metric.
    last
        Checkpoints from the end that are averaged, at both scales.
    level
        Coverage of the interval.

    Returns
    -------
    Gain
        Positive where the other metric decides better.

    References
    ----------
    Heineman et al., Signal and Noise. arXiv:2508.13144

    Examples
    --------
    >>> target = {"a": [0.5], "b": [0.6], "c": [0.7], "d": [0.8]}
    >>> accuracy = {"a": [0.3], "b": [0.2], "c": [0.4], "d": [0.1]}
    >>> bits = {"a": [-1.2], "b": [-1.1], "c": [-0.9], "d": [-1.0]}
    >>> round(change_metric(accuracy, bits, target).gain.value, 3)
    0.5
    """
    call = "change_metric"
    last = check_count(last, argument="last", call=call, minimum=1)
    level = check_level(level, call=call)
    names = sorted(primary.keys() & other.keys() & target.keys())
    p, o, t = (_means(_curves(of, names, last)) for of in (primary, other, target))
    return _gain(_expected(p, t), _expected(o, t), "another metric at the small scale", level)


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
            "schema": "neff.subtask_filter/1",
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
        With the gain in sample, held out, and against random subsets. NaN with a reason for fewer than six recipes.

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
    check_count(last, argument="last", call=call, minimum=2)
    n_splits = check_count(n_splits, argument="n_splits", call=call, minimum=2)
    level = check_level(level, call=call)
    generator, seed = seeded(rng, call=call)
    tasks = sorted(small.keys() & target.keys())
    if not tasks:
        raise ArgumentError("target", "of the subtasks of small", sorted(target), call=call)
    names = sorted(set.intersection(*(small[t].keys() & target[t].keys() for t in tasks)))
    of_small = [_curves(small[t], names, last) for t in tasks]
    means = np.array([[c.mean() for c in curves] for curves in of_small])  # subtasks by recipes
    deviation = np.array([[relative_noise(c) for c in curves] for curves in of_small])
    goal = np.array([[c.mean() for c in _curves(target[t], names, last)] for t in tasks]).mean(axis=0)
    everyone = np.arange(len(names))
    order, kept = _choose(means, deviation, goal, everyone)
    ratios = dict(zip(tasks, _ratios(means, deviation, everyone).tolist(), strict=True))
    chosen = tuple(tasks[k] for k in order[:kept])
    whole = agreement(means.mean(axis=0), goal)
    in_sample = agreement(means[order[:kept]].mean(axis=0), goal) - whole
    if len(names) < 6 or len(tasks) < 2:
        nothing = Estimate(math.nan, level=level, n_items=len(names), reason=Reason.TOO_FEW)
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
    noise = deviation[:, recipes].mean(axis=1)
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
