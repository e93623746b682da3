"""`BudgetPlan`: how many prompts and labels to buy, what they cost, and what they can show."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any, Literal

from neff.evaluate.budgeting.variance import VarianceModel
from neff.reasons import Reason
from neff.results import Column, Table, json_number
from neff.stats._special import normal_cdf, normal_quantile

__all__ = ["BudgetPlan"]


_LABELLED = {"own": "with a label of every policy's answer", "shared": "with a label of one answer"}


@dataclass(frozen=True, slots=True)
class BudgetPlan:
    """How many prompts and labels to buy.

    Attributes
    ----------
    n_prompts, n_labels
        Prompts that every policy answers and the judge scores, and how many of them are labelled; NaN with the reason
        where the budget does not do.
    cost
        In the unit of the prices; `cost_all_labels` is what labelling every answer would cost.
    labels
        "own": every policy's answer is labelled on those prompts. "shared": one answer is.
    standard_error
        Of one policy's calibrated mean, in label units.
    detectable
        The true difference of two policies that is found with chance `power_wanted`.
    """

    n_prompts: float
    n_labels: float
    cost: float
    cost_all_labels: float
    standard_error: float
    detectable: float
    power_wanted: float
    level: float
    correlation: float
    n_policies: int
    price_score: float
    price_label: float
    variance: VarianceModel
    labels: Literal["own", "shared"] = "own"
    reason: Reason | None = None

    def power(self, difference: float) -> float:
        """Return the chance to find a true difference of two policies, both tails counted.

        Examples
        --------
        >>> from neff.evaluate.budgeting.planning import plan_budget
        >>> plan = plan_budget(VarianceModel(0.06, 0.03), budget=1000, price_label=16)
        >>> round(plan.power(0.05), 4)
        0.2216
        """
        z = normal_quantile(0.5 + self.level / 2)
        shift = abs(difference) / (self.standard_error * math.sqrt(2 * (1 - self.correlation)))
        return normal_cdf(shift - z) + normal_cdf(-shift - z)

    def table(self) -> Table:
        """Return a table of one row."""
        columns = (
            Column("n_policies", "Policies", "count"),
            Column("n_prompts", "Prompts", "count", help="answered by every policy and judged"),
            Column("n_labels", "Labelled prompts", "count", help=_LABELLED[self.labels]),
            Column("cost", "Cost", "number", 0),
            Column("cost_all_labels", "All labelled", "number", 0, help="cost of labelling every answer instead"),
            Column("standard_error", "SE", "number"),
            Column("detectable", "Detectable", "number", help=f"difference found with power {self.power_wanted:g}"),
            Column("reason", "Reason"),
        )
        row = tuple(
            str(value or "") if name == "reason" else value
            for name, value in ((column.name, getattr(self, column.name)) for column in columns)
        )
        return Table(columns, (row,), "How many prompts and labels to buy")

    def __str__(self) -> str:
        return "\n\n".join([str(self.table()), *(f"Note: {warning}" for warning in self.variance.warnings)])

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, NaN as None beside the reason."""
        data: dict[str, Any] = {"schema": "neff.budget-plan/1"}
        for f in fields(self):
            value = getattr(self, f.name)
            if isinstance(value, VarianceModel):
                value = value.to_dict()
            elif isinstance(value, float):
                value = json_number(value)
            data[f.name] = str(value) if isinstance(value, Reason) else value
        return data
