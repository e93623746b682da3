"""Two settings compared: the tests of one pair, and all pairs adjusted for their number."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from neff.errors import ArgumentError
from neff.reasons import Reason
from neff.stats.multiplicity import adjust
from neff.train.energy.kernels import difference_test, equivalence_test, hedges_g, wilcoxon
from neff.train.energy.power import runs_needed
from neff.train.energy.result import EnergyComparison

if TYPE_CHECKING:
    from neff.stats._validate import FloatArray
    from neff.stats.multiplicity import Correction

__all__ = ["Values", "adjusted_pairs", "compare_pair"]

WILCOXON_BLOCKS = 6


class Values(NamedTuple):
    """Usable runs of one setting: value, block, and resolution of each."""

    values: FloatArray
    blocks: tuple[str, ...]
    resolution: FloatArray


def compare_pair(
    a: str, b: str, values: dict[str, Values], margin: float, level: float, *, blocked: bool
) -> EnergyComparison:
    """Return one pair, not yet adjusted for the number of pairs and without a finding."""
    first, second = values[a], values[b]
    unmatched = 0
    x, y = first.values, second.values
    if blocked:
        shared = [name for name in first.blocks if name in second.blocks]
        unmatched = x.size + y.size - 2 * len(shared)
        x = x[[first.blocks.index(name) for name in shared]]
        y = y[[second.blocks.index(name) for name in shared]]
    nan = math.nan
    if not (x.size and y.size):
        return EnergyComparison(
            a, b, nan, (nan, nan), nan, (nan, nan), nan, nan, nan, nan, nan, margin, "", x.size, y.size,
            unmatched, nan, nan, level, "", Reason.ONE_BLOCK if blocked else Reason.EMPTY,
        )  # fmt: skip
    design: Literal["paired", "welch"] = "paired" if blocked else "welch"
    logs = difference_test(np.log(x), np.log(y), design=design, level=level)
    raw = difference_test(x, y, design=design, level=level)
    wrong_a, wrong_b = float(first.resolution.mean()), float(second.resolution.mean())
    ratio_wrong = wrong_a / float(x.mean()) + wrong_b / float(y.mean())
    equivalent = equivalence_test(np.log(x), np.log(y), margin=math.log1p(margin), design=design)
    return EnergyComparison(
        a=a,
        b=b,
        ratio=math.exp(logs.difference),
        interval=(math.exp(logs.interval[0] - ratio_wrong), math.exp(logs.interval[1] + ratio_wrong)),
        difference=raw.difference,
        difference_interval=(raw.interval[0] - wrong_a - wrong_b, raw.interval[1] + wrong_a + wrong_b),
        p_value=logs.p_value,
        p_adjusted=nan,
        p_wilcoxon=wilcoxon(np.log(x) - np.log(y)) if blocked and x.size >= WILCOXON_BLOCKS else nan,
        p_equivalence=equivalent,
        hedges_g=hedges_g(np.log(x), np.log(y)),
        margin=margin,
        finding="",
        n_a=x.size,
        n_b=y.size,
        n_unmatched=unmatched,
        runs_needed=_needed(np.log(x), np.log(y), margin, level, blocked=blocked),
        df=logs.df,
        level=level,
        method="paired t test of log energy" if blocked else "Welch's t test of log energy",
        reason=logs.reason,
    )


def _needed(x: FloatArray, y: FloatArray, margin: float, level: float, *, blocked: bool) -> float:
    if min(x.size, y.size) < 2:
        return math.nan
    sd = float((x - y).std(ddof=1)) if blocked else math.sqrt((float(x.var(ddof=1)) + float(y.var(ddof=1))) / 2)
    if sd <= 1e-12:
        return math.nan
    try:
        return float(runs_needed(math.log1p(margin), sd=sd, level=level, design="paired" if blocked else "independent"))
    except ArgumentError:  # over ten million: the margin is nothing beside the spread
        return math.nan


def adjusted_pairs(found: list[EnergyComparison], correction: Correction) -> list[EnergyComparison]:
    """Return all pairs with p-values adjusted for their number, differences and equivalences each, and the findings."""
    if not found:
        return []
    different = adjust([c.p_value for c in found], method=correction)
    equivalent = adjust([c.p_equivalence for c in found], method=correction)
    adjusted = [
        replace(c, p_adjusted=float(p), p_equivalence=float(q))
        for c, p, q in zip(found, different, equivalent, strict=True)
    ]
    return [replace(c, finding=_finding(c)) for c in adjusted]


def _finding(c: EnergyComparison) -> str:
    if math.isnan(c.p_adjusted):
        return "not graded"
    error = 1 - c.level
    if c.p_adjusted < error:
        found = "less energy" if c.ratio < 1 else "more energy"
        return f"{found}, within the margin" if c.p_equivalence < error else found
    return "equivalent" if c.p_equivalence < error else "not told apart"
