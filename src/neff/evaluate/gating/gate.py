"""`Gate`: one diagnostic of one policy against its thresholds, and who is best when some levels are refused."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from neff.evaluate.gating.thresholds import RULES, State
from neff.results import Column, Table, json_number
from neff.results._common import from_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Best", "Gate", "best_unflagged", "flagged", "gate", "table"]


@dataclass(frozen=True, slots=True)
class Gate:
    """One diagnostic of one policy against its thresholds.

    `state` is "good", "warn", "refuse" (do not read the policy's number as a level) or "unknown" (cannot be told,
    which is not the same as fine). `sentence` says why, in words for a report.
    """

    policy: str
    quantity: str
    value: float
    warn: float
    refuse: float
    state: State
    sentence: str
    task: str = ""
    metric: str = ""

    def __str__(self) -> str:
        return f"{self.policy}: {self.state}: {self.sentence}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; a value that is NaN and a step that does not exist are None."""
        return {
            "policy": self.policy,
            "quantity": self.quantity,
            "value": json_number(self.value),
            "warn": json_number(self.warn),
            "refuse": json_number(self.refuse),
            "state": self.state,
            "sentence": self.sentence,
            "task": self.task,
            "metric": self.metric,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Gate:
        """Rebuild from `to_dict`."""
        return cls(
            policy=str(data["policy"]),
            quantity=str(data["quantity"]),
            value=from_json(data["value"]),
            warn=from_json(data["warn"]),
            refuse=from_json(data["refuse"]),
            state=data["state"],
            sentence=str(data["sentence"]),
            task=str(data["task"]),
            metric=str(data["metric"]),
        )


def gate(policy: str, quantity: str, value: float, sentence: str, *, state: State | None = None) -> Gate:
    """Return the gate of a value: its state by the table of thresholds, or as given."""
    rule = RULES[quantity]
    return Gate(policy, quantity, value, rule.warn, rule.refuse, state or rule.state(value), sentence)


def flagged(gates: Iterable[Gate]) -> dict[str, tuple[str, ...]]:
    """Return the policies whose level is refused, each with the reasons.

    Examples
    --------
    >>> flagged([Gate("a", "hill", 0.5, 2.0, 1.0, "refuse", "heavy tail"), Gate("b", "hill", 3, 2, 1, "good", "")])
    {'a': ('heavy tail',)}
    """
    found: dict[str, tuple[str, ...]] = {}
    for gate in gates:
        if gate.state == "refuse":
            found[gate.policy] = (*found.get(gate.policy, ()), gate.sentence)
    return found


@dataclass(frozen=True, slots=True)
class Best:
    """The best policy whose level is not refused, and the better-looking ones that were passed over."""

    policy: str | None
    value: float
    demoted: tuple[str, ...]
    sentence: str

    def __str__(self) -> str:
        return self.sentence

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "policy": self.policy,
            "value": json_number(self.value),
            "demoted": list(self.demoted),
            "sentence": self.sentence,
        }


def best_unflagged(values: Mapping[str, float], gates: Iterable[Gate], *, lower_is_better: bool = False) -> Best:
    """Name the best policy that no gate refuses, and every refused one that looks better.

    Parameters
    ----------
    values
        Estimate of each policy; NaN takes no part.
    gates
        Gates of all policies.
    lower_is_better
        Whether a lower value is better.

    Returns
    -------
    Best
        Without a policy where all are refused or undefined.

    Examples
    --------
    >>> refused = Gate("a", "label_ess", 8.8, 50.0, 20.0, "refuse", "its scores lie where 8.8 labels count")
    >>> print(best_unflagged({"a": 0.9, "b": 0.7}, [refused]))
    b is best (0.7000); a looks better (0.9000) but is refused: its scores lie where 8.8 labels count
    """
    refused = flagged(gates)
    known = {policy: value for policy, value in values.items() if not math.isnan(value)}
    sign = -1 if lower_is_better else 1
    ranked = sorted(known, key=lambda policy: (sign * known[policy], policy not in refused), reverse=True)
    best = next((policy for policy in ranked if policy not in refused), None)
    demoted = tuple(ranked[: len(ranked) if best is None else ranked.index(best)])
    parts = [f"{best} is best ({known[best]:.4f})" if best is not None else "no policy can be called best"]
    for policy in demoted:
        looks = "looks better" if best is not None else "has a number"
        parts.append(f"{policy} {looks} ({known[policy]:.4f}) but is refused: {', '.join(refused[policy])}")
    return Best(best, math.nan if best is None else known[best], demoted, "; ".join(parts))


def table(gates: Iterable[Gate]) -> Table:
    """Return one row per gate, refusals first, then what calls for care; policies in the order given."""
    order = ("refuse", "warn", "unknown", "good")
    columns = (
        Column("policy", "Policy"),
        Column("state", "State"),
        Column("quantity", "Quantity"),
        Column("value", "Value", "number", 3),
        Column("warn", "Care", "number", 2),
        Column("refuse", "Refuse", "number", 2),
        Column("sentence", "Why"),
    )
    rows = sorted(gates, key=lambda gate: order.index(gate.state))
    return Table(
        columns,
        tuple(
            (gate.policy, gate.state, RULES[gate.quantity].title, gate.value, gate.warn, gate.refuse, gate.sentence)
            for gate in rows
        ),
        "Gates",
    )
