"""The steps-examples trade-off: what a batch size costs in examples and in steps on the way to a fixed target.

Estimand: Bc in E(B) = Emin (1 + B / Bc), the batch at which a target costs twice the examples of the best possible.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.stats._options import check_choice, seeded
from neff.stats._special import normal_quantile, t_quantile
from neff.stats._validate import check_count, check_level, check_same_length, check_vector
from neff.train.batch_size.definitions import EXAMPLES_DOUBLE
from neff.train.batch_size.result import Tradeoff, TradeoffRow, batch_number

if TYPE_CHECKING:
    from typing import Literal

    from numpy.typing import ArrayLike

    from neff.stats._validate import FloatArray

__all__ = ["fit_line", "fit_tradeoff"]


def fit_line(batches: FloatArray, means: FloatArray, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return intercept and slope of the weighted least squares line, along the last axis of `means`."""
    share = weights / weights.sum()
    centred = batches - share @ batches
    slope = means @ (share * centred) / (share @ centred**2)
    return means @ share - slope * (share @ batches), slope


def fit_tradeoff(
    batch_size: ArrayLike,
    examples: ArrayLike,
    *,
    level: float = 0.95,
    n_resamples: int = 4000,
    left_branch: Literal["warn", "drop"] = "warn",
    widen: bool = True,
    unit: str = "examples",
    rng: np.random.Generator | int | None = None,
) -> Tradeoff:
    """Fit examples to a fixed target against batch size, and return the critical batch size Bc.

    Use it on runs with several batch sizes to the same target, each with its best learning rate. It answers another
    question than `critical_batch_size`: at Bc a target costs twice the examples, not none more.

    Parameters
    ----------
    batch_size
        Batch size of each run, shape (n,).
    examples
        Examples (or epochs, tokens) that the run took to the target, shape (n,); NaN for a run that did not reach it.
        For steps give batch_size * steps.
    level
        Coverage of the intervals, in (0, 1).
    n_resamples
        Resamples of the runs.
    left_branch
        Where small batches need more examples than larger ones (their learning rate is too high, say), the model does
        not hold: "warn", or "drop" the batch sizes below the cheapest from the fit.
    widen
        Whether the interval is widened for few runs; False gives the plain percentile interval.
    unit
        The unit of `examples`, for messages.
    rng
        Generator, seed or None.

    Returns
    -------
    Tradeoff
        NaN with `Reason.NOT_IDENTIFIED` where the interval of the slope includes 0: then all batch sizes are below
        Bc as far as these runs tell.

    Raises
    ------
    ArgumentError
        If lengths differ, a value is not above 0, or fewer than two batch sizes reached the target.

    Notes
    -----
    Weighted least squares of E on [1, B] over runs; a run's residual is weighted by 1 / E(B), E(B) the mean of its
    batch size, as the spread of runs grows with their cost. Intervals: runs are resampled within each batch size, with
    the weights as they are; deviations are widened by sqrt(m / (m - 1)) for m runs of a batch size, and by the quantile
    of t over the normal one. In simulations with 3 runs each the 95% interval then covers in about 94% of cases; the
    plain percentile interval in 85%. A batch size with a single run gets the spread of the others, as a share of its
    cost. Runs that did not reach the target are left out and counted: where there are some, E of that batch size is too
    low. O(n + K n_resamples).

    References
    ----------
    McCandlish, Kaplan, Amodei and others 2018, arXiv:1812.06162.

    Examples
    --------
    >>> batch = [16, 16, 64, 64, 256, 256, 1024, 1024]
    >>> epochs = [10.5, 11.1, 13.0, 13.4, 22.9, 22.5, 61.2, 60.4]
    >>> found = fit_tradeoff(batch, epochs, unit="epochs", rng=0)
    >>> round(found.value), round(found.examples_min, 2)
    (202, 10.01)
    """
    call = "fit_tradeoff"
    batches = check_vector(batch_size, argument="batch_size", call=call)
    cost = check_vector(examples, argument="examples", call=call, allow_nan=True)
    check_same_length(call=call, batch_size=batches, examples=cost)
    level = check_level(level, call=call)
    n_resamples = check_count(n_resamples, argument="n_resamples", call=call, minimum=1)
    check_choice(left_branch, ("warn", "drop"), argument="left_branch", call=call)
    for name, values in (("batch_size", batches), ("examples", cost)):
        if (values <= 0).any():
            raise ArgumentError(name, "above 0", float(np.nanmin(values)), call=call)
    generator, seed = seeded(rng, call=call)
    groups = {float(b): cost[(batches == b) & ~np.isnan(cost)] for b in np.unique(batches)}
    reached = {b: runs for b, runs in groups.items() if runs.size}
    left = _left_branch(reached)
    used = {b: runs for b, runs in reached.items() if left_branch == "warn" or b not in left}
    if len(used) < 2:
        raise ArgumentError("examples", "known for two batch sizes or more", f"{len(used)}", call=call)
    x, runs = np.array(list(used)), list(used.values())
    means, counts = np.array([r.mean() for r in runs]), np.array([float(r.size) for r in runs])
    weights = counts / means**2  # runs whose standard deviation grows as their cost
    intercept, slope = (float(part) for part in fit_line(x, means, weights))
    repeated = max(r.size for r in runs) > 1
    ends = (
        _bootstrap(x, runs, weights, level, n_resamples, generator, widen=widen)
        if repeated
        else np.full((3, 2), np.nan)
    )
    identified = slope > 0 and intercept > 0 and not ends[1, 0] <= 0
    reason = None if repeated else Reason.ONE_RUN
    if not identified:
        reason = Reason.NOT_IDENTIFIED
    lost = {b: int(np.sum(np.isnan(cost) & (batches == b))) for b in groups}
    return Tradeoff(
        value=intercept / slope if identified else math.nan,
        interval=_pair(ends[2]) if identified else (math.nan, math.nan),
        level=level,
        examples_min=intercept,
        examples_min_interval=_pair(ends[0]),
        slope=slope,
        slope_interval=_pair(ends[1]),
        rows=tuple(
            TradeoffRow(
                b,
                float(r.mean()) if r.size else math.nan,
                float(r.std(ddof=1) / math.sqrt(r.size)) if r.size > 1 else math.nan,
                intercept + slope * b,
                r.size,
                lost[b],
                b in used,
            )
            for b, r in groups.items()
        ),
        n=int(counts.sum()),
        n_censored=sum(lost.values()),
        definition=EXAMPLES_DOUBLE,
        unit=unit,
        method="weighted least squares of examples on batch size; bootstrap of runs within each batch size",
        reason=reason,
        warnings=(
            *_warnings(left, left_branch, lost, reason, slope, intercept, used),
            *_misfit(used, left, intercept, slope),
        ),
        seed=seed if repeated else None,
    )


def _pair(ends: FloatArray) -> tuple[float, float]:
    return float(ends[0]), float(ends[1])


def _bootstrap(
    x: FloatArray,
    runs: list[FloatArray],
    weights: FloatArray,
    level: float,
    n_resamples: int,
    rng: np.random.Generator,
    *,
    widen: bool,
) -> FloatArray:
    """Return the intervals of intercept, slope and Bc, one per row."""
    means = np.empty((n_resamples, x.size))
    df, tail = sum(group.size - 1 for group in runs), 0.5 + level / 2
    of_few = t_quantile(tail, df) / normal_quantile(tail) if widen else 1.0
    shares = _shares(runs)
    for j, group in enumerate(runs):
        m = group.size
        if m > 1:
            drawn = group[rng.integers(m, size=(n_resamples, m))].mean(axis=1)
            wide = of_few * math.sqrt(m / (m - 1)) if widen else 1.0
        else:  # its own spread is not known: that of the others, as shares of their means
            drawn, wide = group[0] * (1 + shares[rng.integers(shares.size, size=n_resamples)]), of_few
        means[:, j] = np.maximum(group.mean() + wide * (drawn - group.mean()), 1e-9 * group.mean())
    intercept, slope = fit_line(x, means, weights)
    tails = ((1 - level) / 2, (1 + level) / 2)
    with np.errstate(divide="ignore"):
        critical = np.where(slope > 0, np.maximum(intercept, 0.0) / slope, np.inf)
    ends = [[np.quantile(part, tails[0], method="inverted_cdf"), np.quantile(part, tails[1], method="inverted_cdf")]
            for part in (intercept, slope, critical)]  # fmt: skip
    return np.array(ends)


def _shares(runs: list[FloatArray]) -> FloatArray:
    """Return the deviations of repeated runs as shares of the mean of their batch size, of the right variance."""
    return np.concatenate([
        np.empty(0), *((g / g.mean() - 1) * math.sqrt(g.size / (g.size - 1)) for g in runs if g.size > 1)
    ])  # fmt: skip


def _errors(groups: dict[float, FloatArray]) -> dict[float, float]:
    """Return the standard error of the mean of each batch size; of a single run by the spread of the others.

    NaN where no batch size has two runs.
    """
    shares = _shares(list(groups.values()))
    spread = math.sqrt(float((shares**2).mean())) if shares.size else math.nan
    return {
        b: float(r.std(ddof=1)) / math.sqrt(r.size) if r.size > 1 else spread * float(r[0]) for b, r in groups.items()
    }


def _left_branch(groups: dict[float, FloatArray]) -> list[float]:
    """Return the batch sizes below the cheapest that cost more than it by two standard errors, or by a tenth of it.

    The tenth is for runs without a repetition, whose error is not known.
    """
    if len(groups) < 3:
        return []
    best, errors = min(groups, key=lambda b: float(groups[b].mean())), _errors(groups)
    least = float(groups[best].mean())
    found = []
    for b, runs in groups.items():
        if b >= best:
            break
        error = math.hypot(errors[b], errors[best])
        if runs.mean() - least > (0.1 * least if math.isnan(error) else 2 * error + 1e-12):
            found.append(b)
    return found


def _warnings(
    left: list[float], left_branch: str, lost: dict[float, int], reason: Reason | None, slope: float, intercept: float,
    used: dict[float, FloatArray],
) -> tuple[str, ...]:  # fmt: skip
    found = []
    if left:
        names = ", ".join(batch_number(b) for b in left)
        done = "they are left out" if left_branch == "drop" else 'they pull the fit: left_branch="drop" leaves them out'
        found.append(
            f"Batch {names} costs more than a larger one, so the model does not hold there (a learning rate too high "
            f"for small batches does this); {done}."
        )
    if reason is Reason.NOT_IDENTIFIED:
        if intercept <= 0 < slope:
            found.append("The fitted minimum is not above 0: all batch sizes tried are above the critical one.")
        else:
            found.append(
                f"The cost does not rise with the batch as far as these runs tell: the batch sizes tried "
                f"(up to {batch_number(max(used))}) are all below the critical one."
            )
    single = [batch_number(b) for b, runs in used.items() if runs.size == 1]
    if single and len(single) < len(used):
        found.append(f"One run at batch {', '.join(single)}: the spread there is taken from the other batch sizes.")
    if any(lost.values()):
        names = ", ".join(f"{count} at {batch_number(b)}" for b, count in lost.items() if count)
        found.append(f"Runs that did not reach the target are left out ({names}): the cost there is larger than shown.")
    return tuple(found)


def _misfit(used: dict[float, FloatArray], left: list[float], intercept: float, slope: float) -> tuple[str, ...]:
    """Say where the line is off by a tenth and by three standard errors: there the trade-off is not what is seen."""
    off, errors = [], _errors(used)
    for b, runs in used.items():
        fitted, error = intercept + slope * b, errors[b]
        gap = float(runs.mean()) - fitted
        if b not in left and 3 * error < abs(gap) > 0.1 * abs(fitted):
            off.append(f"{batch_number(b)} ({gap / fitted:+.0%})" if fitted > 0 else batch_number(b))
    return (
        (f"The trade-off does not fit at batch {', '.join(off)}: the interval does not know of that.",) if off else ()
    )
