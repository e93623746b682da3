"""What two remedies would gain in decision accuracy: averaging checkpoints, and another metric.

Each gain is a paired difference on the same recipes, with a jackknife over recipes. The third remedy, fewer subtasks,
is in `neff.benchmark.noise.subtasks`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.benchmark.noise.deciding import jackknife_error, left_out_one, left_out_warning, measured
from neff.reasons import Reason
from neff.results import Estimate, json_number
from neff.stats import t_interval
from neff.stats._options import check_choice
from neff.stats._validate import check_count, check_level

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike

    from neff.stats._validate import FloatArray

__all__ = ["Gain", "average_checkpoints", "change_metric"]


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


def _gain(before: FloatArray, after: FloatArray, what: str, level: float, warnings: tuple[str, ...]) -> Gain:
    """Return the gain from two matrices of pairwise agreements of the same recipes."""
    r = len(before)
    common: dict[str, Any] = {"level": level, "n_items": r, "metric": "gain in decision accuracy", "warnings": warnings}
    pairs = r * (r - 1)
    a, b = (float(m.sum()) / pairs if r > 1 else math.nan for m in (before, after))
    if r < 3:
        return Gain(a, b, Estimate(b - a, reason=Reason.TOO_FEW, **common), what)
    error = jackknife_error(left_out_one(after) - left_out_one(before))
    if error == 0:
        return Gain(a, b, Estimate(b - a, reason=Reason.NO_STANDARD_ERROR, **common), what)
    low, high, _ = t_interval(b - a, error, df=r - 1, level=level)
    estimate = Estimate(
        b - a, error, (low, high), df=r - 1, n=pairs // 2, method="paired, jackknife over recipes", **common
    )
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


def _tails(call: str, last: int, **scales: Mapping[str, ArrayLike]) -> tuple[list[list[FloatArray]], tuple[str, ...]]:
    """Return the last measured checkpoints of the recipes that every mapping has, by name; and what is left out."""
    known = [measured(of, argument=name, call=call) for name, of in scales.items()]
    names = sorted(set.intersection(*(set(of) for of in known)))
    left_out = len(set.union(*(set(of) for of in scales.values()))) - len(names)
    return [[of[name][-last:] for name in names] for of in known], left_out_warning(left_out)


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
        Curve of each recipe at the two scales, by name of the recipe, higher is better. NaN: not measured, left out, as
        is a recipe without any at one scale.
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
    (s, t), warnings = _tails(call, last, small=small, target=target)
    after = _expected(_means(s) if where != "target" else s, _means(t) if where != "small" else t)
    return _gain(_expected(s, t), after, f"mean of the last {last} checkpoints ({where})", level, warnings)


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
    curves, warnings = _tails(call, last, primary=primary, other=other, target=target)
    p, o, t = map(_means, curves)
    return _gain(_expected(p, t), _expected(o, t), "another metric at the small scale", level, warnings)
