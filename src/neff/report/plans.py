"""Plan, BudgetPlan, AuditPlan -> Document: what to buy, what it costs, and what it can show."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from neff.evaluate.auditing.size import AuditPlan
from neff.evaluate.budgeting.plan import BudgetPlan
from neff.evaluate.planning import Plan
from neff.report.document import Bullets, Document, Notice, Section, TableBlock, document, gate_notices
from neff.report.text import Name, count, digits_for, number, plural
from neff.results import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neff.report.document import Gate, Text

__all__ = ["audit_plan_document", "budget_plan_document", "plan_document"]

BRIEF_PLAN = (
    "task",
    "metric",
    "a",
    "b",
    "items_needed",
    "target",
    "n_items",
    "detectable",
    "items_low",
    "items_high",
    "draws_needed",
    "reason",
)


@document.register(Plan)
def plan_document(result: Plan, *, gates: Sequence[Gate] = ()) -> Document:
    """Return the document of a plan of items: one row per pair; what is the same in all rows is in the title."""
    table = _named(result.table(), ("task", "metric", "a", "b"))
    same = {name for name in ("task", "metric", "a", "target") if len({getattr(r, name) for r in result.rows}) < 2}
    title: list[str] = [table.caption]
    if result.rows and "target" in same:
        title.append(f": a difference of {result.rows[0].target:g}")
    if result.rows and "a" in same:
        title += [", A is ", Name(result.rows[0].a)]
    brief = tuple(name for name in BRIEF_PLAN if name not in same)
    return Document(
        title=tuple(title),
        kind="plan of items",
        notices=gate_notices(gates),
        sections=(Section((), (TableBlock(table, table.caption, brief),)), *_notes([(n,) for n in result.notes])),
    )


@document.register(BudgetPlan)
def budget_plan_document(result: BudgetPlan, *, gates: Sequence[Gate] = ()) -> Document:
    """Return the document of a plan of prompts and labels."""
    undefined = math.isnan(result.n_prompts)
    variance = result.variance
    notes: list[Text] = [(warning,) for warning in variance.warnings]
    notes += [
        (_measured(result),),
        ("The labels must be drawn at random, and prompts, policies and judge be like those of the plan.",),
        (_pairing(result.correlation),),
    ]
    return Document(
        title=(_undone(result) if undefined else _to_buy(result),),
        kind="plan of labels",
        lead=() if undefined else ((_costs(result),), (_shows(result),)),
        notices=(*gate_notices(gates), *_weak(variance.reason)),
        sections=(
            Section((), (TableBlock(result.table(), "How many prompts and labels to buy"),)),
            *_notes(notes),
        ),
    )


def _to_buy(result: BudgetPlan) -> str:
    each = "" if result.n_policies == 1 else f" for each of {result.n_policies:,} policies"
    whose = "" if result.n_policies == 1 or result.labels == "own" else ", with labels for one of them"
    return f"Judge {count(result.n_prompts)} prompts{each} and label {count(result.n_labels)} of them{whose}"


def _undone(result: BudgetPlan) -> str:
    if result.variance.reason is not None:
        return f"No plan: what labels buy is unknown ({result.variance.reason})"
    return f"No plan: {result.reason}, the budget does not pay for the fewest labels on judged prompts"


def _costs(result: BudgetPlan) -> str:
    return f"That costs {_money(result.cost)}; labelling every answer would cost {_money(result.cost_all_labels)}."


def _money(value: float) -> str:
    return f"{value:,.2f}".removesuffix(".00")


def _shows(result: BudgetPlan) -> str:
    d = digits_for([result.standard_error])
    return (
        f"A policy's mean then has a standard error of about {number(result.standard_error, d)}, and a true difference "
        f"of {number(result.detectable, d)} between two policies is found with power {result.power_wanted:g}."
    )


def _measured(result: BudgetPlan) -> str:
    v = result.variance
    where = f"{v.source}; {v.n:,} prompts, {v.m:,} of them labelled" if v.n else v.source
    return f"Variance that more prompts remove: {v.s2_eval:.4f}; that only labels remove: {v.s2_cal:.4f} ({where})."


def _pairing(correlation: float) -> str:
    if correlation:
        return f"The two policies' estimates are taken to correlate with {correlation:g}."
    return "The two policies' estimates are taken as uncorrelated; on the same prompts the difference is often clearer."


def _weak(reason: Any) -> tuple[Notice, ...]:
    return () if reason is None else (Notice("warning", (f"The variances should not be used: {reason}.",)),)


@document.register(AuditPlan)
def audit_plan_document(result: AuditPlan, *, gates: Sequence[Gate] = ()) -> Document:
    """Return the document of the size of an audit."""
    lead: tuple[Text, ...] = ()
    if math.isnan(result.n_prompts):
        title = f"No number of labels does: a residual of {result.bias:g} is not below the margin of {result.margin:g}"
    else:
        each = "" if result.n_policies == 1 else f" for each of {plural(result.n_policies, 'policy', 'policies')}"
        title = f"Label {count(result.n_prompts)} prompts{each}"
        holds = "the calibration holds" if result.n_policies == 1 else "it holds for all"
        chance = f"with a chance of at least {math.floor(100 * result.power)}%"
        said = (
            f"The audit then finds that {holds} within {result.margin:g} {chance}, if the residual is {result.bias:g}."
        )
        lead = ((said,),)
    spread = f"Standard deviation of the residual (label minus calibrated score, mean per prompt): {result.sd:.4g}."
    notes: list[Text] = [
        (spread,),
        ("The labels must be drawn at random, from prompts that the calibration was not fitted to.",),
    ]
    if not result.bias:
        notes.insert(1, ("A residual of 0 is optimistic: no calibration is perfect. Plan with some.",))
    return Document(
        title=(title,),
        kind="plan of an audit",
        lead=lead,
        notices=gate_notices(gates),
        sections=(Section((), (TableBlock(result.table(), result.table().caption),)), *_notes(notes)),
    )


def _notes(notes: Sequence[Text]) -> tuple[Section, ...]:
    return (Section(("Notes",), (Bullets(tuple(notes)),), "context"),) if notes else ()


def _named(table: Table, names: Sequence[str]) -> Table:
    own = {j for j, column in enumerate(table.columns) if column.name in names}
    rows = tuple(tuple(Name(v) if j in own else v for j, v in enumerate(row)) for row in table.rows)
    return Table(table.columns, rows, table.caption)
