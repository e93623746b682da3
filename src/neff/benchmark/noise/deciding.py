"""Does the winner at a small scale win at the target scale? Decision accuracy with an interval over recipes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.results import Estimate
from neff.stats._options import seeded
from neff.stats._special import t_quantile
from neff.stats._validate import check_count, check_level, check_vector

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from neff.stats._validate import FloatArray

__all__ = ["agreement", "decision_accuracy", "decision_accuracy_drawn", "expected_decision_accuracy", "measured"]


def decision_accuracy(
    small: Mapping[str, float] | ArrayLike, target: Mapping[str, float] | ArrayLike, *, level: float = 0.95
) -> Estimate:
    """Return the share of pairs of recipes that small and target scale put in the same order.

    Use it to ask whether a cheap experiment decides as an expensive one would. 1/2 is chance.

    Parameters
    ----------
    small, target
        Score of each recipe at the two scales, higher is better: mappings by the name of the recipe (recipes that are
        in only one are left out), or two arrays in the same order.
    level
        Coverage of the interval.

    Returns
    -------
    Estimate
        `n` is the number of pairs, `n_items` the number of recipes.

    Raises
    ------
    ArgumentError
        If arrays differ in length, or a score is not finite.

    Notes
    -----
    Pairs that share a recipe are dependent: the standard error is the jackknife's over recipes, the interval Wilson's
    at the number of independent pairs with that error, with a t quantile at R - 1 degrees of freedom. Where all pairs
    agree, R/2 pairs without a common recipe stand for all, so that the interval has a width. A pair that is tied at one
    scale only counts half, a pair tied at both counts one; the paper's code counts a tie as "not greater", so that its
    value depends on the order of recipes.

    References
    ----------
    Heineman et al., Signal and Noise. arXiv:2508.13144

    Examples
    --------
    >>> decision_accuracy([0.1, 0.4, 0.3, 0.2, 0.5], [0.2, 0.5, 0.6, 0.1, 0.9]).value
    0.8
    >>> decision_accuracy({"a": 0.1, "b": 0.1, "c": 0.3}, {"c": 0.4, "b": 0.2, "a": 0.3}).value
    0.8333333333333334
    """
    level = check_level(level, call="decision_accuracy")
    s, t, left_out = _aligned(small, target)
    value = agreement(s, t)
    warnings = left_out_warning(left_out)
    method = "share of pairs in the same order, jackknife over recipes"
    if s.size < 2:
        return _too_few(s.size, level, method, warnings)
    error = _jackknife(s, t)
    interval = _wilson(value, error, s.size, level)
    return Estimate(
        value, error if error > 0 else math.nan, interval, level=level, df=s.size - 1, n=s.size * (s.size - 1) // 2,
        n_items=s.size, method=method, warnings=warnings, metric="decision accuracy",
        reason=None if error > 0 else Reason.NO_STANDARD_ERROR,
    )  # fmt: skip


def _too_few(recipes: int, level: float, method: str, warnings: tuple[str, ...]) -> Estimate:
    return Estimate(
        math.nan, level=level, n_items=recipes, method=method, reason=Reason.TOO_FEW, warnings=warnings,
        metric="decision accuracy",
    )  # fmt: skip


def left_out_warning(left_out: int) -> tuple[str, ...]:
    """Say how many recipes are not scored everywhere, where there are any."""
    return (f"{left_out} recipe{'s' * (left_out != 1)} not scored at every scale left out",) if left_out else ()


def agreement(small: FloatArray, target: FloatArray) -> float:
    """Return the share of pairs in the same order; a tie at one side is half, at both one. The last axis: recipes."""
    if small.shape[-1] < 2:
        return math.nan
    i, j = np.triu_indices(small.shape[-1], 1)
    apart = np.abs(np.sign(small[..., i] - small[..., j]) - np.sign(target[..., i] - target[..., j]))
    return float((1 - apart / 2).mean())


def _matches(small: FloatArray, target: FloatArray) -> FloatArray:
    """Return the agreement of each pair, shape (R, R), with an empty diagonal."""
    a = np.sign(small[..., :, None] - small[..., None, :])
    b = np.sign(target[..., :, None] - target[..., None, :])
    same = 1 - np.abs(a - b) / 2
    while same.ndim > 2:
        same = same.mean(axis=0)
    np.fill_diagonal(same, 0.0)
    return np.asarray(same, np.float64)


def left_out_one(same: FloatArray) -> FloatArray:
    """Return the mean over pairs without each recipe in turn, from the matrix of agreements, shape (R,)."""
    r = len(same)
    return np.asarray((same.sum() - 2 * same.sum(axis=1)) / ((r - 1) * (r - 2)), np.float64)


def jackknife_error(without: FloatArray) -> float:
    """Return the jackknife's standard error from the estimates without each unit in turn."""
    r = len(without)
    error = math.sqrt((r - 1) / r * float(((without - without.mean()) ** 2).sum()))
    return error if error > 1e-12 else 0.0


def _jackknife(small: FloatArray, target: FloatArray) -> float:
    return jackknife_error(left_out_one(_matches(small, target))) if small.shape[-1] > 2 else 0.0


def _wilson(p: float, error: float, recipes: int, level: float) -> tuple[float, float]:
    """Return Wilson's interval at as many independent pairs as have this error, at least R/2 and at most all."""
    fewest = max(recipes / 2, 1.0)
    n = fewest if error == 0 else min(max(p * (1 - p) / error**2, fewest), recipes * (recipes - 1) / 2)
    z = t_quantile((1 + level) / 2, max(recipes - 1, 1))
    centre, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)


def _aligned(small: Any, target: Any) -> tuple[FloatArray, FloatArray, int]:
    left_out = 0
    if isinstance(small, Mapping) or isinstance(target, Mapping):
        if not (isinstance(small, Mapping) and isinstance(target, Mapping)):
            fix = "Recipes are matched by name, or by position, not by both."
            got = type(target).__name__
            raise ArgumentError("target", "a mapping, as small is", got, fix, call="decision_accuracy")
        names = sorted(small.keys() & target.keys())
        left_out = len(small.keys() | target.keys()) - len(names)
        small, target = [small[name] for name in names], [target[name] for name in names]
    s, t = np.asarray(small, np.float64), np.asarray(target, np.float64)
    if s.shape != t.shape or s.ndim != 1:
        fix = "Give one score per recipe at both scales."
        raise ArgumentError("target", f"of shape {s.shape}", f"shape {t.shape}", fix, call="decision_accuracy")
    if not (np.isfinite(s).all() and np.isfinite(t).all()):
        raise ArgumentError("small", "finite", "NaN or inf", "Leave those recipes out.", call="decision_accuracy")
    return s, t, left_out


def decision_accuracy_drawn(
    small: Mapping[str, ArrayLike],
    target: Mapping[str, ArrayLike],
    *,
    n_draws: int = 1000,
    level: float = 0.95,
    rng: Any = None,
) -> Estimate:
    """Return decision accuracy where each score is that of one of a run's last checkpoints, drawn at random.

    Use it to see what the noise of single checkpoints costs: `decision_accuracy` of the means is what averaging gives.

    Parameters
    ----------
    small, target
        Last checkpoints of each recipe at the two scales, by name of the recipe. NaN: not measured, left out, as is a
        recipe without any at one scale.
    n_draws
        Draws of one checkpoint per run.
    level
        Coverage of the interval.
    rng
        SPEC 7.

    Returns
    -------
    Estimate
        The mean over draws, with the error and interval over recipes; `components["draws"]` is the variance over draws.

    Raises
    ------
    ArgumentError
        If a score is infinite or no number.

    Examples
    --------
    >>> small = {"a": [0.1, 0.3], "b": [0.2, 0.2], "c": [0.4, 0.5]}
    >>> target = {"a": [0.5], "b": [0.6], "c": [0.7]}
    >>> found = decision_accuracy_drawn(small, target, rng=0)
    >>> found.value < 1, found.components["draws"] > 0
    (True, True)
    """
    call = "decision_accuracy_drawn"
    n_draws, level = check_count(n_draws, argument="n_draws", call=call, minimum=1), check_level(level, call=call)
    generator, seed = seeded(rng, call=call)
    known = [measured(of, argument=name, call=call) for name, of in (("small", small), ("target", target))]
    names = sorted(known[0].keys() & known[1].keys())
    warnings = left_out_warning(len(small.keys() | target.keys()) - len(names))
    method = f"mean over {n_draws} draws of one checkpoint per run, jackknife over recipes"
    if len(names) < 2:
        return _too_few(len(names), level, method, warnings)
    s, t = (_drawn([of[name] for name in names], n_draws, generator) for of in known)
    same = _matches(s, t)
    r = len(names)
    value = float(same.sum() / (r * (r - 1)))
    error = jackknife_error(left_out_one(same)) if r > 2 else 0.0
    i, j = np.triu_indices(r, 1)
    each = (1 - np.abs(np.sign(s[:, i] - s[:, j]) - np.sign(t[:, i] - t[:, j])) / 2).mean(axis=1)
    base = decision_accuracy(s[0], t[0], level=level)
    return replace(
        base, value=value, standard_error=error if error > 0 else math.nan, interval=_wilson(value, error, r, level),
        components={"draws": float(each.var(ddof=1)) if n_draws > 1 else math.nan}, seed=seed,
        reason=None if error > 0 else Reason.NO_STANDARD_ERROR, method=method, warnings=warnings,
    )  # fmt: skip


def measured(curves: Mapping[str, ArrayLike], *, argument: str, call: str) -> dict[str, FloatArray]:
    """Return the curves without what was not measured, and without those of which nothing was."""
    found = {
        name: check_vector(curve, argument=f"{argument}[{name!r}]", call=call, allow_nan=True)
        for name, curve in curves.items()
    }
    return {name: curve[~np.isnan(curve)] for name, curve in found.items() if not np.isnan(curve).all()}


def _drawn(curves: Sequence[FloatArray], n_draws: int, rng: np.random.Generator) -> FloatArray:
    return np.stack([curve[rng.integers(0, curve.size, n_draws)] for curve in curves], axis=1)


def expected_decision_accuracy(spread: float, noise: float) -> float:
    """Return what decision accuracy is expected where true scores and noise are normal: 1/2 + asin(rho) / pi.

    Use it to plan: how small must the noise be, or how many checkpoints averaged (noise over the root of their number,
    where they are independent). The target is taken as known.

    Parameters
    ----------
    spread, noise
        Standard deviations of true scores over recipes, and of the noise of one score.

    Returns
    -------
    float
        Between 1/2 and 1; NaN where both are 0.

    Examples
    --------
    >>> [round(expected_decision_accuracy(0.03, noise), 4) for noise in (0.01, 0.03, 0.1)]
    [0.8976, 0.75, 0.5928]
    """
    if spread < 0 or noise < 0:
        raise ArgumentError("noise", "0 or more, as spread", (spread, noise), call="expected_decision_accuracy")
    total = math.hypot(spread, noise)
    return 0.5 + math.asin(spread / total) / math.pi if total > 0 else math.nan
