"""`ParaphraseRobustness`: what other wordings do to scores, ranks and answers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from neff.results import Column, Table, json_number

if TYPE_CHECKING:
    from neff.benchmark.robustness.agreement import Consistency
    from neff.results import Estimate

__all__ = ["ModelRobustness", "ParaphraseRobustness"]


@dataclass(frozen=True, slots=True)
class ModelRobustness:
    """One model in several wordings.

    Attributes
    ----------
    model
        Its name.
    by_wording
        Mean score in each wording, the original first.
    mean
        Over all wordings, with the error over items (or clusters of items): the recommended headline.
    drop
        Original minus the mean of the paraphrases, paired by item. `relative_drop` is over the original.
    p_exchangeable
        Chance of a drop at least this large if any wording could have been the original: within each item the original
        is drawn anew. Two-sided it is not: it asks for a drop.
    worst, best, majority
        Mean over items of the worst and of the best wording; accuracy of the most frequent answer (ties: the
        original's), NaN where answers are not known.
    consistency
        Of its answers.
    between, within
        Variance of the score: between items of their mean over wordings, and within items over wordings.
    n_unanswered
        Answers without a score, which count as wrong.
    """

    model: str
    by_wording: tuple[float, ...]
    mean: Estimate
    drop: Estimate
    relative_drop: float
    p_exchangeable: float
    worst: float
    best: float
    majority: float
    consistency: Consistency
    between: float
    within: float
    n_unanswered: int

    @property
    def wording_share(self) -> float:
        """Share of the variance of a score that is due to the wording (and decoding)."""
        total = self.between + self.within
        return self.within / total if total > 0 else math.nan

    def standard_error(self, n_wordings: int, n_items: int) -> float:
        """Return the standard error of a mean over so many wordings of so many items: sqrt((V + W / K) / n).

        V is the variance between items. The one that is measured over K wordings holds W / K of the variance within,
        which is taken out first.
        """
        k = len(self.by_wording)
        w = self.within * k / (k - 1) if k > 1 else math.nan
        true = max(self.between - w / k, 0.0)
        return math.sqrt((true + w / n_wordings) / n_items)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        c = self.consistency
        return {
            "model": self.model,
            "by_wording": [json_number(x) for x in self.by_wording],
            "mean": self.mean.to_dict(),
            "drop": self.drop.to_dict(),
            "relative_drop": json_number(self.relative_drop),
            "p_exchangeable": json_number(self.p_exchangeable),
            "worst": json_number(self.worst),
            "best": json_number(self.best),
            "majority": json_number(self.majority),
            "consistency": {
                "identical": json_number(c.identical),
                "modal": json_number(c.modal),
                "pairwise": json_number(c.pairwise),
                "correctness": json_number(c.correctness),
                "flipped": json_number(c.flipped),
                "chance": json_number(c.chance),
                "constant": c.constant,
            },
            "between": json_number(self.between),
            "within": json_number(self.within),
            "wording_share": json_number(self.wording_share),
            "n_unanswered": self.n_unanswered,
        }


@dataclass(frozen=True, slots=True)
class ParaphraseRobustness:
    """Models in several wordings, the best (by the mean over wordings) first.

    Attributes
    ----------
    models
        One per model.
    wordings
        Names, the original first.
    n_items
        Items compared.
    mean_drop
        Mean over models of the drop, with its error over items: models answer the same items.
    n_dropped
        Models whose score falls, of all; a sign count says nothing by itself.
    rank_stability
        Kendall's tau-b between the models' order in the original and in each paraphrase; NaN for one model.
    association
        Spearman's correlation over models of score and consistency (pairwise, or of correctness).
    level, seed, warnings
        How it was computed; what weakens it.
    """

    models: tuple[ModelRobustness, ...]
    wordings: tuple[str, ...]
    n_items: int
    mean_drop: Estimate
    n_dropped: int
    rank_stability: tuple[float, ...]
    association: float
    level: float
    seed: int | None = None
    warnings: tuple[str, ...] = ()

    def __getitem__(self, model: str) -> ModelRobustness:
        for found in self.models:
            if found.model == model:
                return found
        raise KeyError(model)

    @property
    def mean_tau(self) -> float:
        """Mean over paraphrases of the rank stability."""
        known = [t for t in self.rank_stability if not math.isnan(t)]
        return sum(known) / len(known) if known else math.nan

    @property
    def min_tau(self) -> float:
        """Its minimum."""
        known = [t for t in self.rank_stability if not math.isnan(t)]
        return min(known) if known else math.nan

    def table(self) -> Table:
        """Return one row per model."""
        answers = any(not math.isnan(m.consistency.pairwise) for m in self.models)
        columns = [
            Column("model", "Model"), Column("original", "Original", "number", 3),
            Column("mean", "All wordings", "number", 3), Column("interval", "Interval", "interval", 3),
            Column("drop", "Drop", "signed", 3), Column("drop_interval", "Drop interval", "interval", 3),
            Column("p", "p", "p"), Column("worst", "Worst", "number", 3), Column("best", "Best", "number", 3),
            Column("consistent", "Right or wrong in all", "percent"),
            Column("wording_share", "Wording share", "percent"),
        ]  # fmt: skip
        if answers:
            columns += [
                Column("identical", "Same answer in all", "percent"), Column("modal", "Mode", "percent"),
                Column("pairwise", "Same in pairs", "percent"),
            ]  # fmt: skip
        rows = []
        for m in self.models:
            row = [
                m.model, m.by_wording[0], m.mean.value, m.mean.interval, m.drop.value, m.drop.interval,
                m.p_exchangeable, m.worst, m.best, m.consistency.correctness, m.wording_share,
            ]  # fmt: skip
            if answers:
                row += [m.consistency.identical, m.consistency.modal, m.consistency.pairwise]
            rows.append(tuple(row))
        return Table(tuple(columns), tuple(rows))

    def __str__(self) -> str:
        said = [str(self.table())]
        if len(self.models) > 1:
            said.append(f"rank stability (tau-b): mean {self.mean_tau:.3f}, lowest {self.min_tau:.3f}")
        return "\n".join([*said, *self.warnings])

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "schema": "neff.paraphrase-robustness/1",
            "models": [m.to_dict() for m in self.models],
            "wordings": list(self.wordings),
            "n_items": self.n_items,
            "mean_drop": self.mean_drop.to_dict(),
            "n_dropped": self.n_dropped,
            "rank_stability": [json_number(t) for t in self.rank_stability],
            "association": json_number(self.association),
            "level": self.level,
            "seed": self.seed,
            "warnings": list(self.warnings),
        }
