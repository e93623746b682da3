"""Paired differences: two models on the items that both have.

What it estimates: the expected score of a minus that of b on items like the common ones. Pairing removes the part
of the variance that both models share; items that only one has are counted and left out, never compared silently.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from neff.evaluate.means.score import MACRO
from neff.evaluate.means.spread import Sample, Spread, average_over_tasks, difference, dot, sample, spread
from neff.reasons import Reason
from neff.results import Comparison
from neff.stats._special import normal_quantile, two_sided_p
from neff.stats.binary import mcnemar
from neff.stats.intervals import paired_proportions, t_interval, tango_p_value
from neff.stats.permutation import permutation_paired
from neff.stats.resample import bootstrap_paired

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from neff.evaluate.means.blocks import Block

__all__ = ["N_EFF_OF", "Pair", "PairedTest", "compare_macro", "compare_pair"]

N_EFF_OF = "items per model, each model on its own items"

PairedTest = Literal["mcnemar", "permutation", "bootstrap"]


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """Two models of a block on their common items: columns `i` and `j`, item means x and y of shape (n_common,)."""

    block: Block
    i: int
    j: int
    common: NDArray[np.bool_]
    n_unmatched: int
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    binary: bool

    @classmethod
    def of(cls, block: Block, a: str, b: str) -> Pair:
        """Match the items of models a and b."""
        i, j = block.models.index(a), block.models.index(b)
        has_a, has_b = block.scored(i), block.scored(j)
        common = has_a & has_b
        # Exact methods for 0/1 scores need one draw per item, no clusters and no weights.
        exact = block.binary[i] and block.binary[j] and not block.clusters and block.weight is None
        return cls(
            block,
            i,
            j,
            common,
            n_unmatched=int(np.count_nonzero(has_a ^ has_b)),
            x=block.mean[common, i],
            y=block.mean[common, j],
            binary=bool(exact and (block.draws[common, i] == 1).all() and (block.draws[common, j] == 1).all()),
        )

    @property
    def clusters(self) -> list[NDArray[np.int64]]:
        """The cluster codes of the common items."""
        return [codes[self.common] for codes in self.block.clusters]

    def samples(self) -> tuple[Sample, Sample]:
        """Return both models' means over the common items."""
        clusters = self.clusters
        of_a, of_b = self.weights(self.i), self.weights(self.j)
        return sample(self.x, of_a, clusters), sample(self.y, of_b, clusters)

    def weights(self, column: int) -> NDArray[np.float64] | None:
        """Return the item weights of one model on the common items."""
        return None if self.block.weight is None else self.block.weight[self.common, column]

    def least_square(self) -> float:
        """Return the squared standard error that equal 0/1 scores must be given in a task; NaN for other scores."""
        if not (self.block.binary[self.i] and self.block.binary[self.j]) or self.block.clusters or len(self.x) == 0:
            return math.nan
        low, high, _ = paired_proportions(*self.discordant(), len(self.x))
        return ((high - low) / (2 * normal_quantile(0.975))) ** 2

    def discordant(self) -> tuple[int, int]:
        """Return how many items only a, and only b, has right."""
        return int(np.count_nonzero(self.x > self.y)), int(np.count_nonzero(self.y > self.x))


def compare_pair(
    block: Block,
    a: str,
    b: str,
    *,
    level: float,
    margin: float = 0.0,
    tests: Sequence[PairedTest] = (),
    n_resamples: int = 10_000,
    rng: np.random.Generator | None = None,
) -> Comparison:
    """Compare two models of a block; p-values are of difference = margin, unadjusted."""
    pair = Pair.of(block, a, b)
    of_a, of_b = pair.samples()
    part = difference(of_a, of_b)
    found = _renamed(spread(part))
    n = part.n
    interval, p_value, method = _inference(pair, part, found, level, margin)
    variances = _variance(of_a) + _variance(of_b)
    return Comparison(
        a=a,
        b=b,
        difference=part.value,
        standard_error=found.standard_error,
        interval=interval,
        level=level,
        df=found.df,
        n_items=n,
        n_clusters=found.n_clusters,
        n_unmatched=pair.n_unmatched,
        correlation=_correlation(of_a, of_b),
        n_eff=variances / found.standard_error**2 if found.reason is None else math.nan,
        n_eff_of=N_EFF_OF,
        p_value=p_value,
        tests=_further_tests(pair, tests, n_resamples, rng, level) if n > 1 else {},
        margin=margin,
        method=method,
        reason=found.reason,
        warnings=(found.warning,) if found.warning else (),
        task=block.task,
        metric=block.metric,
    )


def _inference(
    pair: Pair, part: Sample, found: Spread, level: float, margin: float
) -> tuple[tuple[float, float], float, str]:
    """Return interval, two-sided p-value of difference = margin, and the method in words."""
    if pair.binary and part.n:
        n10, n01 = pair.discordant()
        low, high, _ = paired_proportions(n10, n01, part.n, level=level)
        if margin == 0:
            return (low, high), mcnemar(n10, n01), "paired 0/1 items, Tango score interval, McNemar mid-p"
        p_value = tango_p_value(n10, n01, part.n, margin)
        return (low, high), p_value, "paired 0/1 items, Tango score interval and test against the margin"
    unit = "item differences" if not part.clusters else "cluster sums of item differences"
    method = f"paired difference, Student t on {unit}"
    if found.reason is not None:
        return (math.nan, math.nan), math.nan, method
    low, high, _ = t_interval(part.value, found.standard_error, df=found.df, level=level)
    return (low, high), two_sided_p((part.value - margin) / found.standard_error, found.df), method


_IN_WORDS_OF_PAIRS = {
    Reason.ALL_EQUAL: Reason.ALL_DIFFERENCES_EQUAL,
    Reason.NO_SCORED: Reason.NO_COMMON_ITEMS,
    Reason.ONE_ITEM: Reason.ONE_COMMON_ITEM,
}


def _renamed(found: Spread) -> Spread:
    reason = None if found.reason is None else _IN_WORDS_OF_PAIRS.get(found.reason, found.reason)
    return replace(found, reason=reason)


def _variance(part: Sample) -> float:
    return dot(part.influence, part.influence) / (part.n - 1) if part.n > 1 else math.nan


def _correlation(a: Sample, b: Sample) -> float:
    """Return the Pearson correlation of the influence values; NaN where one of them is constant."""
    scale = math.sqrt(dot(a.influence, a.influence)) * math.sqrt(dot(b.influence, b.influence))
    if not scale > 0:
        return math.nan
    return max(-1.0, min(1.0, dot(a.influence, b.influence) / scale))


def _further_tests(
    pair: Pair,
    tests: Sequence[PairedTest],
    n_resamples: int,
    rng: np.random.Generator | None,
    level: float,
) -> dict[str, float]:
    """Return the p-values asked for, by name; NaN where a test does not apply to these data."""
    values: dict[str, float] = {}
    cluster = pair.clusters[0] if pair.block.clusters else None
    resampled = len(pair.block.clusters) < 2 and pair.block.weight is None
    for test in tests:
        if test == "mcnemar":
            values["mcnemar"] = mcnemar(*pair.discordant()) if pair.binary else math.nan
        elif not resampled:
            values[test] = math.nan
        elif test == "permutation":
            flips = permutation_paired(pair.x, pair.y, cluster=cluster, n_resamples=n_resamples, rng=rng)
            values["permutation"] = flips.p_value
        else:
            found = bootstrap_paired(pair.x, pair.y, cluster=cluster, n_resamples=n_resamples, level=level, rng=rng)
            side = min(np.count_nonzero(found.distribution <= 0), np.count_nonzero(found.distribution >= 0))
            values["bootstrap"] = (
                min(1.0, 2 * (int(side) + 1) / (n_resamples + 1)) if found.reason is None else math.nan
            )
            values["bootstrap_low"], values["bootstrap_high"] = found.interval[0], found.interval[1]
    return values


def compare_macro(blocks: Sequence[Block], a: str, b: str, *, level: float, margin: float = 0.0) -> Comparison:
    """Compare two models on their unweighted average over tasks; a task that one of them lacks makes it undefined."""
    pairs = [Pair.of(block, a, b) for block in blocks if a in block.models and b in block.models]
    parts = [difference(*pair.samples()) for pair in pairs]
    if len(parts) < len(blocks) or any(part.n == 0 for part in parts):
        value, found = math.nan, Spread(math.nan, math.nan, None, Reason.MISSING_TASK)
    else:
        value, found = average_over_tasks(parts, [pair.least_square() for pair in pairs])
    found = _renamed(found)
    low, high, p_value = math.nan, math.nan, math.nan
    if found.reason is None:
        low, high, _ = t_interval(value, found.standard_error, df=found.df, level=level)
        p_value = two_sided_p((value - margin) / found.standard_error, found.df)
    return Comparison(
        a=a,
        b=b,
        difference=value,
        standard_error=found.standard_error,
        interval=(low, high),
        level=level,
        df=found.df,
        n_items=sum(part.n for part in parts),
        n_clusters=found.n_clusters,
        n_unmatched=sum(pair.n_unmatched for pair in pairs),
        p_value=p_value,
        margin=margin,
        method=f"paired difference of {len(blocks)} task means, Student t",
        reason=found.reason,
        warnings=(found.warning,) if found.warning else (),
        task=MACRO,
        metric=blocks[0].metric,
    )
