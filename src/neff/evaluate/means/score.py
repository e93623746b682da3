"""Mean scores: one `Estimate` per (task, metric, model), with an interval that fits the data.

What it estimates: the model's expected score on items like these, each item counting once however many answers
were drawn. Items (or clusters of items) are a random sample; the answers to one item are repeats of it.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from neff.evaluate.means.spread import Sample, Spread, average_over_tasks, dot, sample, spread
from neff.reasons import Reason
from neff.results import Estimate
from neff.stats._special import normal_quantile
from neff.stats.intervals import t_interval, wilson

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from neff.evaluate.means.blocks import Block

__all__ = ["MACRO", "MICRO", "N_EFF_OF", "estimate_macro", "estimate_mean", "model_sample"]

MACRO = "macro average"
MICRO = "micro average"
N_EFF_OF = "independent items with one draw each"


def model_sample(block: Block, j: int) -> Sample:
    """Return model j's items that have a score, as a sample with influence values."""
    scored = block.scored(j)
    return sample(
        block.mean[scored, j],
        None if block.weight is None else block.weight[scored, j],
        [codes[scored] for codes in block.clusters],
    )


def estimate_mean(block: Block, j: int, *, level: float) -> Estimate:
    """Estimate the mean score of model j of a block."""
    scored = block.scored(j)
    part = model_sample(block, j)
    found = spread(part)
    if part.n == 0 and block.draws[:, j].any():
        found = replace(found, reason=Reason.ZERO_WEIGHT)
    draws = block.draws[scored, j]
    values = block.mean[scored, j]
    components = variance_components(values, draws, block.within[scored, j])
    one_draw = bool((draws == 1).all())
    binary = bool(block.binary[j]) and block.weight is None
    interval, method, warnings = _interval(part, found, values, level, binary=binary)
    one = components["single_draw"] if block.weight is None else weighted_variance(values, block.weight[scored, j])
    n_eff = one / found.standard_error**2 if found.reason is None and one > 0 else math.nan
    return Estimate(
        value=part.value,
        standard_error=found.standard_error,
        interval=interval,
        level=level,
        df=found.df,
        n=int(draws.sum()),
        n_items=part.n,
        n_clusters=found.n_clusters,
        n_unscored=int(block.unscored[j]),
        n_eff=n_eff,
        n_eff_of=N_EFF_OF,
        method=method,
        assumptions=_assumptions(block),
        warnings=warnings,
        reason=found.reason,
        components={} if one_draw or block.weight is not None else components,
        task=block.task,
        model=block.models[j],
        metric=block.metric,
    )


def _interval(
    part: Sample, found: Spread, values: NDArray[np.float64], level: float, *, binary: bool
) -> tuple[tuple[float, float], str, tuple[str, ...]]:
    """Choose the interval: Wilson for plain 0/1 items, Student t on items or clusters otherwise."""
    warnings = [found.warning] if found.warning else []
    unit = "item means" if not part.clusters else "cluster sums" if len(part.clusters) == 1 else "two-way cluster sums"
    method = f"mean over items, Student t interval on {unit}"
    if binary and not part.clusters and part.n and bool(((values == 0) | (values == 1)).all()):
        low, high, _ = wilson(round(float(values.sum())), part.n, level=level)
        return (low, high), "mean of 0/1 items, Wilson interval", tuple(warnings)
    if binary and found.reason is Reason.ALL_EQUAL and part.clusters:
        # All right or all wrong: count each cluster once, which is the most cautious a 0/1 score allows.
        units = found.n_clusters or 1
        low, high, _ = wilson(units * round(part.value), units, level=level)
        warnings.append("all scores equal: the interval counts each cluster once")
        return (low, high), "Wilson interval on clusters", tuple(warnings)
    if found.reason is not None:
        return (math.nan, math.nan), method, tuple(warnings)
    low, high, _ = t_interval(part.value, found.standard_error, df=found.df, level=level)
    return (low, high), method, tuple(warnings)


def variance_components(
    means: NDArray[np.float64], draws: NDArray[np.int64], within: NDArray[np.float64]
) -> dict[str, float]:
    """Split the variance of scores into items and sampling.

    Parameters
    ----------
    means, draws, within
        Item mean, number of draws and sum of squared deviations within the item, shape (n_items,) each.

    Returns
    -------
    dict
        "item": variance of the items' expected scores; "sampling": mean variance of one draw within an item;
        "single_draw": their sum, the variance of one answer to one random item; "of_mean": mean sampling variance
        of an item's mean; "sampling_share": the part of the variance of independent items' means that more draws
        per item would remove. Squared score units. NaN where there are no repeats (or one item).

    Notes
    -----
    Unbiased but for the floor at 0: with s2 the variance of item means and v_i / K_i each item's own estimate of
    its sampling variance (items with one draw borrow the mean of the others), item = s2 - mean(v_i / K_i).
    """
    n = len(means)
    nan = math.nan
    if n < 2:
        return {"item": nan, "sampling": nan, "single_draw": nan, "of_mean": nan, "sampling_share": nan}
    of_means = float(np.var(means, ddof=1))
    repeated = draws > 1
    if not repeated.any():
        return {"item": nan, "sampling": nan, "single_draw": of_means, "of_mean": nan, "sampling_share": nan}
    per_draw = within[repeated] / (draws[repeated] - 1)
    typical = float(per_draw.mean())
    of_draws = np.full(n, typical)
    of_draws[repeated] = per_draw
    sampling_of_means = float(np.mean(of_draws / draws))
    sampling = float(of_draws.mean())
    item = max(0.0, of_means - sampling_of_means)
    return {
        "item": item,
        "sampling": sampling,
        "single_draw": item + sampling,
        "of_mean": sampling_of_means,
        "sampling_share": min(1.0, sampling_of_means / of_means) if of_means > 0 else nan,
    }


def _assumptions(block: Block) -> tuple[str, ...]:
    if len(block.clusters) == 2:
        unit = "items are a random sample; items that share neither cluster are independent"
    elif block.clusters:
        unit = "clusters are a random sample and independent of each other"
    else:
        unit = "items are a random sample and independent of each other"
    return (unit, "a missing score says nothing about its value")


def estimate_macro(blocks: Sequence[Block], model: str, n_tasks: int, *, level: float) -> Estimate:
    """Estimate a model's unweighted average over tasks.

    `blocks` are those that have the model; where some of the `n_tasks` tasks lack it, the average is undefined.
    """
    columns = [(block, block.models.index(model)) for block in blocks]
    parts = [model_sample(block, j) for block, j in columns]
    if len(parts) < n_tasks or any(part.n == 0 for part in parts):
        value, found = math.nan, Spread(math.nan, math.nan, None, Reason.MISSING_TASK)
    else:
        value, found = average_over_tasks(parts, [_least_square(block, j) for block, j in columns])
    low, high, n_eff = math.nan, math.nan, math.nan
    n_items = sum(part.n for part in parts)
    if found.reason is None:
        low, high, _ = t_interval(value, found.standard_error, df=found.df, level=level)
        # Squared standard error that independent items with one draw each would give, with the same items per task.
        single = math.fsum(_single_draw_variance(b, j) / part.n for (b, j), part in zip(columns, parts, strict=True))
        n_eff = n_items * single / (len(parts) * found.standard_error) ** 2
    return Estimate(
        value=value,
        standard_error=found.standard_error,
        interval=(low, high),
        level=level,
        df=found.df,
        n=sum(int(block.draws[:, j].sum()) for block, j in columns),
        n_items=n_items,
        n_clusters=found.n_clusters,
        n_unscored=sum(int(block.unscored[j]) for block, j in columns),
        n_eff=n_eff,
        n_eff_of=f"{N_EFF_OF}, in the same shares of tasks",
        method=f"mean of {n_tasks} task means, Student t interval",
        assumptions=(*_assumptions(blocks[0]), "the tasks are the ones that matter, not a sample of tasks"),
        warnings=(found.warning,) if found.warning else (),
        reason=found.reason,
        task=MACRO,
        model=model,
        metric=blocks[0].metric,
    )


def _least_square(block: Block, j: int) -> float:
    """Return the squared standard error that a task of equal 0/1 scores must be given; NaN for other scores.

    All right (or all wrong) shows no variance, but Wilson's interval says how far the truth may lie from it.
    """
    values = block.mean[block.scored(j), j]
    if not block.binary[j] or block.weight is not None or block.clusters or len(values) == 0:
        return math.nan
    low, high, _ = wilson(round(float(values.sum())), len(values))
    return ((high - low) / (2 * normal_quantile(0.975))) ** 2


def weighted_variance(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """Return the variance of one draw of a weighted item, unbiased for equal weights; NaN below two items."""
    share = weights / weights.sum()
    lost = dot(share, share)
    if len(values) < 2 or lost >= 1:
        return math.nan
    return dot(share, (values - dot(share, values)) ** 2) / (1 - lost)


def _single_draw_variance(block: Block, j: int) -> float:
    """Return the variance of one answer to one random item; 0 where a task has too few items to say."""
    scored = block.scored(j)
    if block.weight is not None:
        found = weighted_variance(block.mean[scored, j], block.weight[scored, j])
        return 0.0 if math.isnan(found) else found
    parts = variance_components(block.mean[scored, j], block.draws[scored, j], block.within[scored, j])
    return 0.0 if math.isnan(parts["single_draw"]) else parts["single_draw"]
