"""`neff plan`: items for a difference, prompts and labels for a budget, or the size of an audit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from neff.cli.options import COLUMNS, NO_COLUMNS, NO_OUTPUT, PLAN, Columns, Input, Number, Output, Whole
from neff.cli.plan_options import (
    NO_AUDIT,
    NO_ITEMS,
    NO_LABELS,
    AuditSize,
    Items,
    Labels,
    given,
    kind_of,
    refuse_others,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from neff.evaluate import AuditPlan, BudgetPlan, Plan

__all__ = ["plan"]


def plan(
    *records: Input,
    difference: Annotated[Number | None, Parameter(group=PLAN)] = None,
    power: Annotated[Number, Parameter(group=PLAN)] = 0.8,
    level: Annotated[Number, Parameter(group=PLAN)] = 0.95,
    policies: Annotated[Whole | None, Parameter(group=PLAN)] = None,
    scale: Annotated[tuple[Number, Number] | None, Parameter(group=PLAN)] = None,
    items: Items = NO_ITEMS,
    labels: Labels = NO_LABELS,
    audit: AuditSize = NO_AUDIT,
    a: Annotated[str | None, Parameter(group=COLUMNS)] = None,
    columns: Columns = NO_COLUMNS,
    output: Output = NO_OUTPUT,
) -> int:
    """How many items, labels or probe answers does it take?

    For example:
      neff plan scores.csv --difference 0.02
      neff plan result.json --difference 0.02 --power 0.9
      neff plan pilot.csv --budget 1000 --label-price 16
      neff plan --difference 0.03 --label-price 16 --judge-r2 0.5 --policies 4
      neff plan pilot.csv --audit-margin 0.05 --policies 3
      neff plan --audit-margin 0.05 --audit-sd 0.2

    Plans from the spread that was measured: of scores, or of a pilot's labels around the judge.

    Parameters
    ----------
    records
        Files or folders of records, or one saved result; - is stdin. For labels and audits, a pilot with labels.
    difference
        The smallest difference worth seeing, in units of the score (items) or of the label (labels); for items by
        default the one that was observed.
    power
        Chance to see it, or that an audit holds.
    level
        1 minus the two-sided error.
    policies
        Models that will be compared (labels) or audited; by default those of the records, else 1.
    scale
        Lowest and highest possible label: --scale 1 5; by default 0 1.
    a
        Plan for this model: against every other (items; by default the best one), or as measured on its labels.
    """
    from neff.cli.delivery import prepare

    kind = kind_of(labels, audit)
    written = {"items": given(items), "labels": given(labels), "audit": given(audit)}
    if kind == "audit" and difference is not None:
        written["items"]["difference"] = difference
    if kind == "items":
        written["labels"] = {k: v for k, v in (("policies", policies), ("scale", scale)) if v is not None}
    refuse_others(kind, written)
    delivery = prepare(output, inputs=records)
    common: dict[str, Any] = {"power": power, "level": level}
    if kind == "items":
        found = _of_items(records, columns, items, a, {"difference": difference} | common, quiet=output.quiet)
        delivery.put_out(found, [f"note: {note}" for note in found.notes])
        return 0
    pilot = _Pilot(records, columns, a, scale or (0.0, 1.0), output.quiet)
    if kind == "labels":
        result = _of_labels(pilot, labels, policies, {"detectable": difference} | common)
        delivery.put_out(result, [f"note: {warning}" for warning in result.variance.warnings])
    else:
        delivery.put_out(_of_audit(pilot, audit, policies, common, scaled=scale is not None))
    return 0


def is_saved_result(path: Path) -> bool:
    """Return whether a file begins like a result that `-o result.json` wrote."""
    if path.suffix.lower() != ".json" or not path.is_file():
        return False
    with path.open("rb") as file:
        return b'"neff.evaluation/' in file.read(200)


def _of_items(
    paths: Sequence[Path], columns: Columns, items: Items, a: str | None, common: dict[str, Any], *, quiet: bool
) -> Plan:
    from neff.cli.progress import progress
    from neff.cli.records import existing, read_records
    from neff.evaluate import plan as run
    from neff.report import load

    paths = existing(paths, "plan")
    source: Any
    options: dict[str, Any] = {}
    if len(paths) == 1 and is_saved_result(paths[0]):
        source = load(paths[0])
    else:
        source = read_records(paths, columns, quiet=quiet)
        options = {"unscored": items.unscored or "exclude", "lower_is_better": items.lower_is_better or None}
    comparisons = 1 if items.comparisons is None else items.comparisons
    with progress("comparing", quiet=quiet):
        return run(source, n_comparisons=comparisons, a=a, b=items.b, **common, **options)


@dataclass(frozen=True, slots=True)
class _Pilot:
    """Where labels and audits are planned from: records with labels, or nothing."""

    paths: Sequence[Path]
    columns: Columns
    model: str | None
    scale: tuple[float, float]
    quiet: bool

    def variance(self) -> tuple[Any, int]:
        """Return the variances measured on the records, and how many models these have."""
        from neff.cli.records import read_records
        from neff.errors import ArgumentError
        from neff.evaluate import pilot_variance

        if len(self.paths) == 1 and is_saved_result(self.paths[0]):
            raise ArgumentError(
                "records", "records with labels", str(self.paths[0]), "A saved result has no labels; give its records."
            )
        table = read_records(self.paths, self.columns, quiet=self.quiet)
        return pilot_variance(table, models=self.model or (), scale=self.scale), table.model.n_levels

    def refuse(self, instead: str) -> None:
        """Refuse records, and what is about them, beside the option that stands for them."""
        from neff.errors import ArgumentError

        if self.paths:
            raise ArgumentError("records", f"left out beside {instead}", str(self.paths[0]), "Give one of the two.")
        if self.model is not None:
            raise ArgumentError("a", f"left out beside {instead}", self.model, "It names a model of records.")


def _of_labels(pilot: _Pilot, labels: Labels, policies: int | None, common: dict[str, Any]) -> BudgetPlan:
    from neff.errors import ArgumentError
    from neff.evaluate import VarianceModel, plan_budget

    low, high = pilot.scale
    if labels.judge_r2 is not None:
        pilot.refuse("--judge-r2")
        spread = (high - low) / 2 if labels.label_sd is None else labels.label_sd
        variance, found = VarianceModel.from_quality(labels.judge_r2, label_sd=spread), 1
    elif labels.label_sd is not None:
        raise ArgumentError("label_sd", "left out without --judge-r2", labels.label_sd, "A pilot measures it.")
    elif not pilot.paths:
        raise ArgumentError(
            "records",
            "a pilot with labels",
            "none",
            "Or say how good the judge is: --judge-r2 0.5.",
        )
    else:
        _one_of_two(labels.budget, common["detectable"])
        variance, found = pilot.variance()
    _one_of_two(labels.budget, common["detectable"])
    options: dict[str, Any] = {
        "price_label": labels.label_price,
        "price_score": labels.score_price,
        "labels": labels.labels,
        "fewest_labels": labels.fewest_labels,
        "correlation": labels.correlation,
        "n_policies": found if policies is None else policies,
        "budget": labels.budget,
    }
    return plan_budget(variance, **common, **{name: value for name, value in options.items() if value is not None})


def _one_of_two(budget: float | None, difference: float | None) -> None:
    from neff.errors import ArgumentError

    if (budget is None) == (difference is None):
        got = "neither" if budget is None else "both"
        raise ArgumentError("budget", "given, or else --difference", got, "Give exactly one.")


def _of_audit(
    pilot: _Pilot, audit: AuditSize, policies: int | None, common: dict[str, Any], *, scaled: bool
) -> AuditPlan:
    from neff.errors import ArgumentError
    from neff.evaluate import plan_audit

    if audit.audit_sd is not None:
        pilot.refuse("--audit-sd")
        if scaled:
            raise ArgumentError("scale", "left out beside --audit-sd", pilot.scale, "It is about a pilot's labels.")
        sd = audit.audit_sd
    elif not pilot.paths:
        raise ArgumentError("audit_sd", "given, or else a pilot with labels", None, "For example: --audit-sd 0.2.")
    else:
        variance, _ = pilot.variance()
        sd = variance.s2_cal**0.5
    common |= {"margin": audit.audit_margin, "bias": audit.audit_bias or 0.0}
    return plan_audit(sd=sd, n_policies=1 if policies is None else policies, **common)
