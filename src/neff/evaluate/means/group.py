"""One (task, metric), or an average over tasks: its scores, its comparisons, its verdicts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from neff.evaluate.means.blocks import merge
from neff.evaluate.means.pair import compare_macro, compare_pair
from neff.evaluate.means.score import MACRO, MICRO, estimate_macro, estimate_mean
from neff.evaluate.means.standing import best_first, decide, tied_set

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from neff.evaluate.means.blocks import Block
    from neff.evaluate.options import Aggregate, Options
    from neff.results import Comparison, Estimate

__all__ = ["Group", "Outcome", "Pairs", "groups"]

Pairs: TypeAlias = "bool | Sequence[tuple[str, str]]"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a group has to say."""

    estimates: list[Estimate]
    comparisons: list[Comparison]
    tied: tuple[str, ...]
    warning: str | None


@dataclass(frozen=True, slots=True)
class Group:
    """One block, or the blocks of several tasks to be averaged task by task (macro)."""

    task: str
    metric: str
    blocks: list[Block]

    def run(self, options: Options, pairs: Pairs, rng: np.random.Generator, *, lower_is_better: bool) -> Outcome:
        """Estimate every model, compare the pairs, decide."""
        models = sorted(set().union(*(block.models for block in self.blocks)))
        estimates = best_first([self._estimate(model, options) for model in models], lower_is_better=lower_is_better)
        ranked = [estimate.model for estimate in estimates]
        wanted: list[tuple[str, str]]
        if pairs is True:
            wanted = [(a, b) for i, a in enumerate(ranked) for b in ranked[i + 1 :]]
        else:
            wanted = [(a, b) for a, b in pairs or () if a in models and b in models]
        # One stream of random numbers per pair: no result depends on how many were drawn for another pair.
        streams = rng.spawn(len(wanted)) if options.tests else [None] * len(wanted)
        compared = [
            self._compare(a, b, options, stream, lower_is_better=lower_is_better)
            for (a, b), stream in zip(wanted, streams, strict=True)
        ]
        decided = decide(compared, level=options.level, correction=options.correction, lower_is_better=lower_is_better)
        tied, warning = tied_set(estimates, decided) if pairs is True else ((), None)
        return Outcome(estimates, decided, tied, warning)

    def _estimate(self, model: str, options: Options) -> Estimate:
        if len(self.blocks) > 1:
            having = [block for block in self.blocks if model in block.models]
            return estimate_macro(having, model, len(self.blocks), level=options.level)
        block = self.blocks[0]
        return estimate_mean(block, block.models.index(model), level=options.level)

    def _compare(
        self, a: str, b: str, options: Options, rng: np.random.Generator | None, *, lower_is_better: bool
    ) -> Comparison:
        # The better model wins by more than the margin: downwards, where lower is better.
        margin = -options.margin if lower_is_better else options.margin
        if len(self.blocks) > 1:
            found = compare_macro(self.blocks, a, b, level=options.level, margin=margin)
        else:
            found = compare_pair(
                self.blocks[0],
                a,
                b,
                level=options.level,
                margin=margin,
                tests=options.tests,
                n_resamples=options.n_resamples,
                rng=rng,
            )
        return replace(found, margin=options.margin)


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
