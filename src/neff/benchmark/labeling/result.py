"""`HybridLabels`: the labels that models proposed and people did not reject, and how wrong they still are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from neff.results import Column, Estimate, Table, Verdict, json_number

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from neff.benchmark.labeling.deferral import DeferralCurve
    from neff.benchmark.labeling.metrics import LabelMetrics

__all__ = [
    "ACCEPTED",
    "ALL_REJECTED",
    "NOTHING_PROPOSED",
    "NO_MAJORITY",
    "SEVERAL_LEFT",
    "HybridLabels",
    "ProposalRecord",
]

ACCEPTED, NOTHING_PROPOSED, NO_MAJORITY = "accepted", "nothing proposed", "no majority"
ALL_REJECTED, SEVERAL_LEFT = "all rejected", "several left"


@dataclass(frozen=True, slots=True)
class ProposalRecord:
    """What one model proposed, and what became of it.

    Attributes
    ----------
    model
        Its name.
    n_items, n_labels, n_rejected
        Items that it labeled, labels that it proposed for them, and those that people rejected.
    agreement, interval
        Share of the items with accepted labels on which it proposed just these (Wilson). Its own vote counts in what is
        accepted.
    """

    model: str
    n_items: int
    n_labels: int
    n_rejected: int
    agreement: float
    interval: tuple[float, float]


@dataclass(frozen=True, slots=True, eq=False)
class HybridLabels:
    """Labels from models and people together.

    Attributes
    ----------
    items, labels, states
        Name of each item, its accepted labels (none where it must be labeled in full), and "accepted", "nothing
        proposed", "no majority", "all rejected" or "several left".
    agreement
        Share of the models that proposed just the accepted labels, shape (n_items,); NaN where nothing is accepted.
    models
        One per model.
    residual
        Share of items with wrong labels among the accepted ones, from a random audit (Clopper-Pearson).
    metrics
        Measures of the accepted labels on audited items; None without an audit.
    deferral
        Error by how many of the least certain items people label too; None without an audit.
    verdict, target
        Whether the residual error is at most `target`: holds, fails, undecided; not graded without a target.
    n_decisions, n_rejected
        Labels that people had to look at, and those that they rejected.
    rule, exclusive
        How proposals were put together, and whether an item has just one label.
    """

    items: tuple[str, ...]
    labels: tuple[tuple[str, ...], ...]
    states: tuple[str, ...]
    agreement: NDArray[np.float64]
    models: tuple[ProposalRecord, ...]
    residual: Estimate
    metrics: LabelMetrics | None
    deferral: DeferralCurve | None
    verdict: Verdict
    target: float | None
    n_decisions: int
    n_rejected: int
    rule: str
    exclusive: bool
    level: float
    seed: int | None
    notes: tuple[str, ...] = ()

    @property
    def n_accepted(self) -> int:
        """Items with accepted labels."""
        return sum(state == ACCEPTED for state in self.states)

    def sentence(self) -> str:
        """Return the finding in one sentence."""
        rest = len(self.items) - self.n_accepted
        said = f"{self.n_accepted:,} of {len(self.items):,} items have accepted labels"
        if self.n_decisions:
            said += f" after people looked at {self.n_decisions:,} proposed ones"
        said += f", {rest:,} {'is' if rest == 1 else 'are'} to be labeled in full"
        if math.isnan(self.residual.value):
            return f"{said}; how many are wrong is unknown: {self.residual.reason}."
        low, high = self.residual.interval
        said += f"; a share of {self.residual.value:.4f} [{low:.4f}, {high:.4f}] of these items is wrong"
        if self.target is not None:
            said += f", at most {self.target:g}: {self.verdict}"
        return f"{said}."

    def table(self) -> Table:
        """Return one row per item: its accepted labels, what became of it, and how many models agree."""
        columns = (
            Column("item", "Item"), Column("labels", "Labels"), Column("state", "State"),
            Column("agreement", "Agreement", "number", 3),
        )  # fmt: skip
        parts = zip(self.items, self.labels, self.states, map(float, self.agreement), strict=True)
        return Table(columns, tuple((item, "; ".join(own), state, share) for item, own, state, share in parts))

    def model_table(self) -> Table:
        """Return one row per model."""
        columns = (
            Column("model", "Model"), Column("n_items", "Items", "count"), Column("n_labels", "Labels", "count"),
            Column("n_rejected", "Rejected", "count"), Column("agreement", "As accepted", "number"),
            Column("interval", "Interval", "interval"),
        )  # fmt: skip
        rows = ((m.model, m.n_items, m.n_labels, m.n_rejected, m.agreement, m.interval) for m in self.models)
        return Table(columns, tuple(rows))

    def __str__(self) -> str:
        parts = [str(self.model_table()), self.sentence()]
        if self.deferral is not None and self.deferral.points:
            parts.append(str(self.deferral))
        return "\n".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        parts = zip(self.items, self.labels, self.states, self.agreement.tolist(), strict=True)
        return {
            "schema": "neff.hybrid-labels/1",
            "items": [
                {"item": item, "labels": list(own), "state": state, "agreement": json_number(share)}
                for item, own, state, share in parts
            ],
            "models": [
                {
                    "model": m.model,
                    "n_items": m.n_items,
                    "n_labels": m.n_labels,
                    "n_rejected": m.n_rejected,
                    "agreement": json_number(m.agreement),
                    "interval": [json_number(x) for x in m.interval],
                }
                for m in self.models
            ],
            "residual": self.residual.to_dict(),
            "metrics": None if self.metrics is None else self.metrics.to_dict(),
            "deferral": None if self.deferral is None else self.deferral.to_dict(),
            "verdict": str(self.verdict),
            "target": self.target,
            "n_accepted": self.n_accepted,
            "n_decisions": self.n_decisions,
            "n_rejected": self.n_rejected,
            "rule": self.rule,
            "exclusive": self.exclusive,
            "level": self.level,
            "seed": self.seed,
            "notes": list(self.notes),
        }
