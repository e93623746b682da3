"""Audit -> Document: for which policies the calibration holds, by how much it is off, and what would decide."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from neff.evaluate.auditing.result import Audit
from neff.evaluate.auditing.size import plan_audit
from neff.evaluate.auditing.transport import FEWEST_CLUSTERS
from neff.report.charts import ForestPlot, ForestRow
from neff.report.document import Bullets, Document, Fact, Figure, Section, TableBlock, document, gate_notices
from neff.report.text import Name, digits_for, join_names, number, plural, signed
from neff.results import Table, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neff.evaluate.auditing.transport import Transport
    from neff.report.document import Gate, Text

__all__ = ["audit_document"]

BRIEF = ("policy", "verdict", "residual", "interval", "margin_to_hold", "n", "n_eff", "reason")
BRIEF_DECILES = ("policy", "low", "high", "n", "residual", "standard_error")
MOST_SENTENCES = 4
WORDS = {
    Verdict.FAILS: "fails for ",
    Verdict.UNDECIDED: "is undecided for ",
    Verdict.HOLDS: "holds for ",
    Verdict.NOT_GRADED: "is not graded for ",
    Verdict.NOT_CHECKED: "is not checked for ",
}


@document.register(Audit)
def audit_document(result: Audit, *, gates: Sequence[Gate] = ()) -> Document:
    """Return the document of an audit: the verdicts, the residuals, what they rest on."""
    sections = [Section(("Label minus calibrated score",), (_figure(result),))] if result.rows else []
    if result.deciles:
        title = "Residuals by tenths of the score"
        block = TableBlock(_named(result.deciles_table()), title, BRIEF_DECILES, "", open=False)
        sections.append(Section((title,), (block,), "origin"))
    notes: list[Text] = [(note,) for note in result.notes]
    sections.append(Section(("Notes",), (Bullets((*notes, *_assumed(result))),), "context"))
    return Document(
        title=_title(result),
        kind="transport audit",
        kicker=_kicker(result),
        lead=_lead(result),
        facts=_facts(result),
        notices=gate_notices(gates),
        sections=tuple(sections),
    )


def _title(result: Audit) -> Text:
    if not result.rows:
        return ("No policy was audited",)
    parts: list[str] = ["The calibration "]
    for verdict, words in WORDS.items():
        named = [row.policy for row in result.rows if row.verdict is verdict]
        if named:
            parts += [*([", "] if len(parts) > 1 else []), words, *join_names(named, 3)]
    return tuple(parts)


def _kicker(result: Audit) -> Text:
    labels = sum(row.n for row in result.rows)
    margin = "no margin declared" if result.margin is None else f"margin {result.margin:g}"
    return (f"{plural(len(result.rows), 'policy', 'policies')} · {plural(labels, 'probe label')} · {margin}",)


def _facts(result: Audit) -> tuple[Fact, ...]:
    held = sum(row.verdict is Verdict.HOLDS for row in result.rows)
    return (
        Fact("Holds", f"{held:,} of {len(result.rows):,}", ("policies",)),
        Fact("Margin", "–" if result.margin is None else f"{result.margin:g}", ("in units of the label",)),
        Fact("Confidence", f"{100 * result.level:g}%", ("of all intervals together",)),
    )


def _lead(result: Audit) -> tuple[Text, ...]:
    """Say the most important first: what fails, then what is undecided."""
    order = list(WORDS)
    checked = [row for row in result.rows if row.verdict is not Verdict.NOT_CHECKED]
    rows = sorted(checked, key=lambda row: order.index(row.verdict))
    more = len(rows) - MOST_SENTENCES
    said = tuple(_sentence(row, result) for row in rows[:MOST_SENTENCES])
    return said if more <= 0 else (*said, (f"{plural(more, 'more policy', 'more policies')} in the table.",))


def _sentence(row: Transport, result: Audit) -> Text:
    """Say how far off the calibration is for one policy, and what follows."""
    if math.isnan(row.standard_error):
        return (Name(row.policy), f": labels are {_off(row)}, without an interval ({row.reason}).")
    digits = digits_for([row.standard_error])
    low, high = (signed(end, digits) for end in row.interval)
    found = f": labels are {_off(row)}, {100 * result.level:g}% interval {low} to {high}"
    return (Name(row.policy), f"{found}; {_follows(row, result)}.")


def _off(row: Transport) -> str:
    digits = digits_for([row.standard_error], [row.residual])
    way = "above" if row.residual > 0 else "below"
    return f"{number(abs(row.residual), digits)} {way} the calibrated scores on average"


def _follows(row: Transport, result: Audit) -> str:
    digits = digits_for([row.standard_error])
    hold = number(math.ceil(row.margin_to_hold * 10**digits) / 10**digits, digits)
    match row.verdict:
        case Verdict.HOLDS:
            return f"all within the margin of {row.margin:g}"
        case Verdict.FAILS:
            return f"all beyond the margin of {row.margin:g}: label answers of its own, or fit the calibration on them"
        case Verdict.UNDECIDED if row.n_eff < FEWEST_CLUSTERS:
            return f"{row.n_eff:.0f} effective clusters are too few, {FEWEST_CLUSTERS} are needed"
        case Verdict.UNDECIDED:
            return f"a margin of {hold} would hold{_wanted(row, result)}"
    return f"a margin of {hold} would hold"


def _wanted(row: Transport, result: Audit) -> str:
    """Say how many labels would show that it holds, if it does: where the mean found is within the margin."""
    if row.margin is None or abs(row.residual) >= row.margin:
        return ""
    sd, family = row.standard_error * math.sqrt(row.n_eff), result.n_policies_in_family
    plan = plan_audit(margin=row.margin, sd=sd, bias=row.residual, level=result.level, n_policies=family)
    if math.isnan(plan.n_prompts):
        return ""
    return f"; if that is the true mean, about {plan.n_prompts:,.0f} labelled prompts show that it holds"


def _figure(result: Audit) -> Figure:
    digits = digits_for(row.standard_error for row in result.rows)
    rows = tuple(
        ForestRow(
            row.policy, row.residual, *row.interval, "", str(row.reason or row.verdict), strong=_decided(row.verdict)
        )
        for row in result.rows
    )
    limits = () if result.margin is None else (-result.margin, result.margin)
    chart = ForestPlot(rows, "residual", result.level, digits, 0.0, signed=True, head="Residual", limits=limits)
    lines = "zero" if result.margin is None else f"zero and the margin of {result.margin:g} on both sides"
    description = (
        f"Mean of label minus calibrated score of each policy, with its {100 * result.level:g}% interval, all policies "
        f"together. The lines are {lines}. Filled points: decided."
    )
    return Figure(
        chart,
        "Label minus calibrated score",
        description,
        TableBlock(_named(result.table()), "The same numbers as a table", BRIEF),
    )


def _decided(verdict: Verdict) -> bool:
    return verdict in (Verdict.HOLDS, Verdict.FAILS)


def _assumed(result: Audit) -> list[Text]:
    family = result.n_policies_in_family
    shared = f"; the error is divided among {family:,} policies" if family > 1 else ""
    return [
        ("The labels of the probe were drawn at random, and the calibration is taken as given" + shared + ".",),
        (f"Holds: the whole interval lies within the margin, on at least {FEWEST_CLUSTERS} effective clusters.",),
    ]


def _named(table: Table) -> Table:
    rows = tuple((Name(row[0]), *row[1:]) for row in table.rows)
    return Table(table.columns, rows, table.caption)
