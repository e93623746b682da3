"""Critical batch size from branched training: the largest batch that ends a window with no more loss.

Estimand: the largest batch k B among those tried whose expected loss at the end of the window is within a tolerance of
the lowest of all smaller batches, where each smaller batch is so too.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.results import Verdict
from neff.stats._options import seeded
from neff.stats._special import normal_quantile, t_quantile
from neff.stats._validate import as_numbers, check_count, check_level, check_number, check_vector
from neff.train.batch_size.definitions import NO_LOSS
from neff.train.batch_size.result import BatchRow, CriticalBatchSize, batch_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from neff.stats._validate import FloatArray, IntArray

__all__ = ["critical_batch_size", "excess_loss", "largest_passing"]

_FEW_SEEDS = 5
_ROUNDING = 1e-12  # so that a difference of exactly the tolerance passes


def excess_loss(losses: FloatArray) -> FloatArray:
    """Return each loss minus the lowest one before it, along the last axis; NaN for the first."""
    excess = np.full(losses.shape, np.nan)
    with np.errstate(invalid="ignore"):  # infinity minus infinity: a branch that diverged, after one that did
        excess[..., 1:] = losses[..., 1:] - np.minimum.accumulate(losses, axis=-1)[..., :-1]
    return excess


def largest_passing(losses: FloatArray, tolerance: float) -> IntArray:
    """Return the place of the last batch before the first that fails, along the last axis."""
    size = np.abs(np.where(np.isfinite(losses), losses, 0.0)).max(axis=-1, initial=1.0, keepdims=True)
    passes = excess_loss(losses) <= tolerance + _ROUNDING * size
    passes &= np.isfinite(losses)
    passes[..., 0] = True
    place: IntArray = np.where(passes.all(axis=-1), losses.shape[-1], np.argmin(passes, axis=-1)) - 1
    return place


def critical_batch_size(
    batch_sizes: ArrayLike,
    losses: ArrayLike | Sequence[Sequence[float]],
    *,
    tolerance: float = 0.01,
    level: float = 0.95,
    n_resamples: int = 4000,
    rng: np.random.Generator | int | None = None,
    checkpoint: str = "",
) -> CriticalBatchSize:
    """Return the largest batch size that loses no token efficiency, from branches trained from one checkpoint.

    Use it on branches that restored the same checkpoint, multiplied the batch by k and the learning rate by f(k), and
    trained on the same number of examples (`branch` does that). Not for runs to a target loss: see `fit_tradeoff`.

    Parameters
    ----------
    batch_sizes
        Batch of each branch, shape (K,), rising: the first is the one now in use. In examples or tokens per step.
    losses
        Loss at the end of the window: shape (R, K), one row per seed, with the same seeds in every batch. Or one
        sequence of losses per batch size (ragged), where seeds differ or some are missing; these are then not paired.
        Infinity marks a branch that diverged; in the table form NaN marks one that is missing.
    tolerance
        Excess of loss that counts as none, in nats (the unit of the losses). Declare it before looking.
    level
        Coverage of the intervals, in (0, 1).
    n_resamples
        Resamples of the seeds.
    rng
        Generator, seed or None.
    checkpoint
        Where in training this is, to name the result.

    Returns
    -------
    CriticalBatchSize
        With `censored` where the largest batch passes: then only "at least" is known. The interval is NaN with
        `Reason.ONE_RUN` for one seed.

    Raises
    ------
    ArgumentError
        If batch sizes do not rise, a branch has no loss, every branch diverged, or an option is out of range.

    Notes
    -----
    k* = max{k : L_j <= min_{i<j} L_i + tolerance for all j <= k} of the mean losses. All smaller batches must pass
    too: the paper does not say what to do where the curve dips again.

    The interval takes the seeds as the sample: rows are resampled whole (paired), k* is found anew in each resample,
    and the quantiles are read off. Resampled means of few seeds vary too little, so their deviations are widened by
    sqrt(R / (R - 1)) and by the quantile of t with R - 1 degrees of freedom over the normal one; with two seeds
    the interval is very wide, as it should be. It lives on the grid of batches tried. O(R K n_resamples).

    The learning rate is part of what is measured. Where the loss falls as the batch grows, the smallest batch has too
    high a learning rate, and k* says that rather than what the gradient noise allows: a warning names it.

    Assumes local recovery: a branch that has caught up at the end of the window stays caught up.

    References
    ----------
    Merrill, Arora, Groeneveld and Hajishirzi 2025, arXiv:2505.23971 (the mean of one seed; intervals are ours).

    Examples
    --------
    >>> losses = [[2.115, 2.098, 2.087, 2.091, 2.115], [2.113, 2.099, 2.088, 2.093, 2.117]]
    >>> found = critical_batch_size([32, 64, 128, 256, 512], losses, rng=0)
    >>> found.value, found.interval, found.censored
    (256.0, (256.0, 256.0), False)
    >>> critical_batch_size([32, 64, 128], [[2.0, 1.99, 1.98]]).describe()
    'at least 128'
    """
    call = "critical_batch_size"
    batches = _rising(batch_sizes, call)
    columns, paired = _columns(losses, batches.size, call)
    tolerance = check_number(tolerance, argument="tolerance", call=call)
    if not 0 <= tolerance < math.inf:
        raise ArgumentError("tolerance", "0 or more", tolerance, "The paper's is 0.01 nats.", call=call)
    level = check_level(level, call=call)
    n_resamples = check_count(n_resamples, argument="n_resamples", call=call, minimum=1)
    generator, seed = seeded(rng, call=call)
    means = np.array([column.mean() for column in columns])
    if not np.isfinite(means).any():
        fix = "All branches diverged: lower the learning rate."
        raise ArgumentError("losses", "finite for one batch size at least", means.tolist(), fix, call=call)
    place = int(largest_passing(means, tolerance))
    fewest = min(column.size for column in columns)
    reason, ends, excess_ends = Reason.ONE_RUN if fewest < 2 else None, None, None
    if reason is None:
        ends, excess_ends = _bootstrap(columns, tolerance, level, n_resamples, generator, paired=paired)
    censored = place == batches.size - 1
    interval = (math.nan, math.nan)
    if ends is not None:
        interval = (float(batches[ends[0]]), math.inf if ends[1] == batches.size - 1 else float(batches[ends[1]]))
    return CriticalBatchSize(
        value=float(batches[place]),
        multiplier=float(batches[place] / batches[0]),
        interval=interval,
        level=level,
        censored=censored,
        next_batch_size=math.inf if censored else float(batches[place + 1]),
        rows=_rows(batches, columns, means, excess_ends, tolerance),
        tolerance=tolerance,
        definition=NO_LOSS,
        n=fewest,
        method=_method(reason, paired=paired),
        reason=reason,
        warnings=_warnings(batches, means, tolerance, fewest, place),
        seed=seed if reason is None else None,
        checkpoint=checkpoint,
    )


def _rising(batch_sizes: Any, call: str) -> FloatArray:
    batches = check_vector(batch_sizes, argument="batch_sizes", call=call)
    if batches.size < 2 or batches[0] <= 0 or (np.diff(batches) <= 0).any():
        raise ArgumentError(
            "batch_sizes", "two or more, above 0 and rising", batches.tolist(), "Sort the branches.", call=call
        )
    return batches


def _columns(losses: Any, k: int, call: str) -> tuple[list[FloatArray], bool]:
    """Return the losses of each batch size, and whether their seeds are the same (one row each)."""
    try:
        ragged = len({len(row) for row in losses}) > 1
    except TypeError:
        ragged = False
    if ragged:
        columns = [
            check_vector(column, argument="losses", call=call, allow_nan=True, allow_inf=True) for column in losses
        ]
        paired = False
    else:
        table = np.atleast_2d(as_numbers(losses, argument="losses", call=call).astype(np.float64))
        if table.ndim != 2:
            raise ArgumentError("losses", "of shape (seeds, batch sizes)", f"shape {table.shape}", call=call)
        paired, columns = not np.isnan(table).any(), list(table.T)
    if len(columns) != k:
        fix = "One row per seed, one column per batch size." if not ragged else "One sequence per batch size."
        raise ArgumentError("losses", f"of {k} batch sizes", f"{len(columns)}", fix, call=call)
    columns = [column[~np.isnan(column)] for column in columns]
    for j, column in enumerate(columns):
        if not column.size or (column == -math.inf).any():
            raise ArgumentError(
                "losses", "one number at least for every batch size", f"none for batch size {j + 1}",
                "Mark a branch that diverged with infinity.", call=call,
            )  # fmt: skip
    return columns, paired


def _bootstrap(
    columns: list[FloatArray],
    tolerance: float,
    level: float,
    n_resamples: int,
    rng: np.random.Generator,
    *,
    paired: bool,
) -> tuple[tuple[int, int], FloatArray]:
    """Return the ends of the interval of the place of k*, and of each excess, shape (2, K)."""
    means = np.empty((n_resamples, len(columns)))
    shared = rng.integers(columns[0].size, size=(n_resamples, columns[0].size)) if paired else None
    for j, column in enumerate(columns):
        n = column.size
        drawn = column[rng.integers(n, size=(n_resamples, n)) if shared is None else shared].mean(axis=1)
        centre = column.mean()
        if np.isfinite(centre):
            drawn = centre + widening(n, level) * (drawn - centre)
        means[:, j] = drawn
    places = largest_passing(means, tolerance)
    tail = (1 - level) / 2
    low, high = (int(np.quantile(places, q, method="inverted_cdf")) for q in (tail, 1 - tail))
    excess = np.nan_to_num(excess_loss(means)[:, 1:], nan=np.inf, posinf=np.inf, neginf=-np.inf)
    sides = np.quantile(excess, (tail, 1 - tail), axis=0, method="inverted_cdf")
    return (low, high), np.column_stack([np.full(2, np.nan), sides])


def widening(n: int, level: float) -> float:
    """Return by how much deviations of resampled means of n values are widened to give the t interval.

    Examples
    --------
    >>> round(widening(5, 0.95), 3), round(widening(1000, 0.95), 3)
    (1.584, 1.002)
    """
    tail = 0.5 + level / 2
    return math.sqrt(n / (n - 1)) * t_quantile(tail, n - 1) / normal_quantile(tail)


def _rows(
    batches: FloatArray, columns: list[FloatArray], means: FloatArray, ends: FloatArray | None, tolerance: float
) -> tuple[BatchRow, ...]:
    excess = excess_loss(means)
    slack = tolerance + _ROUNDING * max(1.0, float(np.abs(means[np.isfinite(means)]).max(initial=0.0)))
    rows = []
    for j, column in enumerate(columns):
        finite = bool(np.isfinite(column).all())
        interval = (math.nan, math.nan) if ends is None else (float(ends[0, j]), float(ends[1, j]))
        passes = finite and (j == 0 or bool(excess[j] <= slack))
        rows.append(
            BatchRow(
                batch_size=float(batches[j]),
                loss=float(means[j]),
                standard_error=float(column.std(ddof=1) / math.sqrt(column.size))
                if finite and column.size > 1
                else math.nan,
                excess=float(excess[j]),
                interval=interval,
                passes=passes,
                verdict=_verdict(interval, slack),
                n=column.size,
            )
        )
    return tuple(rows)


def _verdict(interval: tuple[float, float], slack: float) -> Verdict:
    if math.isnan(interval[0]):
        return Verdict.NOT_GRADED
    return Verdict.HOLDS if interval[1] <= slack else Verdict.FAILS if interval[0] > slack else Verdict.UNDECIDED


def _method(reason: Reason | None, *, paired: bool) -> str:
    found = (
        "largest batch whose mean loss, and that of all smaller ones, is within the tolerance of the lowest before it"
    )
    if reason is not None:
        return found
    how = "rows of seeds" if paired else "the seeds of each batch size on their own (not paired)"
    return f"{found}; interval: bootstrap of {how}, widened to t"


def _warnings(batches: FloatArray, means: FloatArray, tolerance: float, fewest: int, place: int) -> tuple[str, ...]:
    found = []
    best = int(np.argmin(means[: place + 1]))
    if np.isinf(means[0]):
        found.append(
            f"Training diverged at the smallest batch, {batch_number(batches[0])}, as it does where the learning rate "
            "is too high for it. The result then measures the learning rate too: tune it there first."
        )
    elif means[0] - means[best] > tolerance:
        found.append(
            f"The loss falls by {means[0] - means[best]:.3g} from batch {batch_number(batches[0])} to "
            f"{batch_number(batches[best])}, as it does where the learning rate is too high for the smallest batch. "
            "The result then measures the learning rate too: tune it there first, or give each batch size its best one."
        )
    if place == 0:
        found.append("No larger batch passes: the critical batch size may also be below the smallest batch tried.")
    if np.isinf(means[1:]).any():
        lost = ", ".join(batch_number(b) for b in batches[1:][np.isinf(means[1:])])
        found.append(f"Training diverged at batch {lost}: counted as a failure.")
    if 2 <= fewest < _FEW_SEEDS:
        found.append(f"{fewest} seeds: the interval rests on a spread that is hardly known.")
    return tuple(found)
