"""One (task, metric) of scores as they stand, or an average over tasks: a `Contest` of means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from neff.evaluate.means.blocks import merge
from neff.evaluate.means.pair import compare_macro, compare_pair
from neff.evaluate.means.score import MACRO, MICRO, estimate_macro, estimate_mean

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from neff.evaluate.calibrating.curve import CalibrationCurve
    from neff.evaluate.gating.gate import Gate
    from neff.evaluate.means.blocks import Block
    from neff.evaluate.options import Aggregate, Options
    from neff.results import Comparison, Estimate

__all__ = ["Group", "groups"]


@dataclass(frozen=True, slots=True)
class Group:
    """One block, or the blocks of several tasks to be averaged task by task (macro)."""

    task: str
    metric: str
    blocks: list[Block]

    @property
    def gates(self) -> tuple[Gate, ...]:
        """None: a plain mean needs nothing but its items."""
        return ()

    @property
    def calibrations(self) -> tuple[CalibrationCurve, ...]:
        """None: a plain mean takes scores as they stand."""
        return ()

    def models(self) -> list[str]:
        """Return the models, sorted by name."""
        return sorted(set().union(*(block.models for block in self.blocks)))

    def graded(self, model: str) -> bool:
        """Return True: the interval of a mean covers what can be wrong with it."""
        del model
        return True

    def estimate(self, model: str, options: Options) -> Estimate:
        """Return one model's mean."""
        if len(self.blocks) > 1:
            having = [block for block in self.blocks if model in block.models]
            return estimate_macro(having, model, len(self.blocks), level=options.level)
        block = self.blocks[0]
        return estimate_mean(block, block.models.index(model), level=options.level)

    def compare(self, a: str, b: str, options: Options, margin: float, rng: np.random.Generator | None) -> Comparison:
        """Return the paired difference a minus b."""
        if len(self.blocks) > 1:
            return compare_macro(self.blocks, a, b, level=options.level, margin=margin)
        return compare_pair(
            self.blocks[0],
            a,
            b,
            level=options.level,
            margin=margin,
            tests=options.tests,
            n_resamples=options.n_resamples,
            rng=rng,
        )


def groups(found: Sequence[Block], aggregate: Aggregate) -> list[Group]:
    """Return one group per block, after one average per metric that has several tasks."""
    by_metric: dict[str, list[Block]] = {}
    for block in found:
        by_metric.setdefault(block.metric, []).append(block)
    result: list[Group] = []
    for metric, blocks in by_metric.items():
        if len(blocks) > 1 and aggregate == "macro":
            result.append(Group(MACRO, metric, blocks))
        elif len(blocks) > 1 and aggregate == "micro":
            result.append(Group(MICRO, metric, [merge(blocks, MICRO)]))
        result += [Group(block.task, metric, [block]) for block in blocks]
    return result
