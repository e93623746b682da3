"""CheckReport -> Document: which claims hold, how far each is from its margin, and what went wrong."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from neff.claims.result import CheckReport
from neff.reasons import Reason
from neff.report.charts import ForestPlot, ForestRow
from neff.report.document import Bullets, Document, Fact, Figure, Notice, Section, TableBlock, document, gate_notices
from neff.report.text import Name, clean, join_names, plural, shorten
from neff.results import Column, Table, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neff.claims.result import ClaimResult
    from neff.report.document import Block, Gate, Text

__all__ = ["check_document"]

BRIEF = ("claim", "verdict", "effect", "interval", "margin", "published", "n", "seconds", "change", "why")
MAY_BE_ABSENT = ("published", "n_failed", "change")
ORDER = (Verdict.FAILS, Verdict.UNDECIDED, Verdict.NOT_CHECKED, Verdict.HOLDS)
WORDS = {
    Verdict.HOLDS: ("holds", "hold"),
    Verdict.FAILS: ("fails", "fail"),
    Verdict.UNDECIDED: ("is undecided", "are undecided"),
    Verdict.NOT_CHECKED: ("was not checked", "were not checked"),
}
MOST_SENTENCES = 5
STOPPING = (
    "Each interval covers at all numbers of seeds together: stopping at the first seed that decides is no cheat.",
    "Each claim is judged by itself: of twenty without substance one may be called “holds”.",
)
OUTPUT_SHOWN = 300


@document.register(CheckReport)
def check_document(result: CheckReport, *, gates: Sequence[Gate] = ()) -> Document:
    """Return the document of a check: the verdicts, the effects beside their margins, what went wrong."""
    sections = [Section((), (_figure(result),))] if result.results else []
    if wrong := _wrong(result):
        sections.append(Section(("What went wrong",), wrong))
    if result.results:
        sections.append(Section(("What was claimed",), (_claimed(result),), "origin"))
    sections.append(Section(("Notes",), (Bullets(tuple(_notes(result))),), "context"))
    return Document(
        title=_title(result),
        kind="check of claims",
        kicker=_kicker(result),
        lead=_lead(result),
        facts=_facts(result) if result.results else (),
        notices=(*gate_notices(gates), *_notices(result)),
        sections=tuple(sections),
        footer=_footer(result),
    )


def _title(result: CheckReport) -> Text:
    if not result.results:
        return ("No claim was checked",)
    if len(result) == 1:
        (only,) = result
        return ("The claim ", Name(only.name), f" {WORDS[only.verdict][0]}")
    parts: list[str] = []
    for verdict in reversed(ORDER):
        count = len(result.with_verdict(verdict))
        if count:
            said = WORDS[verdict][count > 1]
            parts.append(f"{count:,} of {plural(len(result), 'claim')} {said}" if not parts else f"{count:,} {said}")
    return (", ".join(parts),)


def _kicker(result: CheckReport) -> Text:
    homes = list(dict.fromkeys(r.home for r in result))
    where: Text = (Name(homes[0]),) if len(homes) == 1 else (plural(len(homes), "file"),)
    seeds = sum(r.n + len(r.failures) for r in result)
    return (*where, f" · {plural(seeds, 'seed')} · {_time(result.seconds)}")


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _lead(result: CheckReport) -> tuple[Text, ...]:
    """Say the most important first: what fails, then what is open."""
    rows = sorted(result, key=lambda r: ORDER.index(r.verdict))
    said = tuple(_sentence(row) for row in rows[:MOST_SENTENCES])
    more = len(rows) - MOST_SENTENCES
    return said if more <= 0 else (*said, (f"{plural(more, 'more claim')} in the table.",))


def _sentence(r: ClaimResult) -> Text:
    if r.verdict is Verdict.NOT_CHECKED:
        return (Name(r.name), f" was not checked: {r.why}.")
    found = f": {_minus(r.shown(r.value))}"
    if r.shown_interval() != "–":
        found += f", {100 * r.terms.level:g}% interval {_minus(r.shown_interval())},"
    against = f" against a margin of {_minus(_margin(r))}"
    why = "" if r.reason is None else f" ({r.why})"
    return (Name(r.name), f"{found}{against} after {plural(r.n, 'seed')}: {r.verdict}{why}.")


def _facts(result: CheckReport) -> tuple[Fact, ...]:
    levels = {r.terms.level for r in result}
    level = f"{100 * levels.pop():g}%" if len(levels) == 1 else "as declared"
    seeds = sum(r.n for r in result)
    failed = sum(len(r.failures) for r in result)
    return (
        Fact("Holds", f"{len(result.with_verdict(Verdict.HOLDS)):,} of {len(result):,}", ("claims",)),
        Fact("Seeds", f"{seeds:,}", (f"{failed:,} more failed" if failed else "none failed",)),
        Fact("Confidence", level, ("of each interval, at all numbers of seeds",)),
        Fact("Time", _time(result.seconds), (plural(result.n_workers, "worker"),)),
    )


def _notices(result: CheckReport) -> tuple[Notice, ...]:
    found = []
    if result.unread:
        files = plural(len(result.unread), "file or claim was", "files or claims were")
        found.append(Notice("error", (f"{files} not read. The reasons are listed under “What went wrong”.",)))
    worse = [r.name for r in result if r.change == "worse"]
    if worse:
        found.append(Notice("error", (*join_names(worse), " since the last run."), "Worse"))
    elif result.baseline and result.results:
        found.append(Notice("good", ("no claim got worse since the last run.",), "Baseline"))
    return tuple(found)


def _figure(result: CheckReport) -> Figure:
    rows = tuple(
        ForestRow(
            r.name,
            _share(r, r.distance),
            low=_end(r, 0),
            high=_end(r, 1),
            reason="no interval" if r.reason is None else str(r.verdict),
            strong=r.verdict in (Verdict.HOLDS, Verdict.FAILS),
        )
        for r in result
    )
    level = min(r.terms.level for r in result)
    chart = ForestPlot(rows, "share of seeds", level, 2, 0.5, head="Share")
    description = (
        "On which share of seeds the effect is beyond the declared margin, if effects are about normal: all claims on "
        "one axis, whatever their units. The line is one half, where the mean effect equals the margin: a claim holds "
        "where its whole interval lies to the right, and fails where it lies to the left. Filled points: decided."
    )
    title = "How surely a seed lies beyond the margin"
    return Figure(chart, title, description, TableBlock(_table(result), "The verdicts", BRIEF))


def _end(r: ClaimResult, k: int) -> float:
    return _share(r, r.distance_interval[k]) if r.reason is None else math.nan


def _share(r: ClaimResult, distance: float) -> float:
    """Return the share of a normal population of seeds beyond the margin, from a distance in standard deviations."""
    if r.reason is Reason.DETERMINISTIC:
        return float(r.verdict is Verdict.HOLDS)
    return 0.5 * math.erfc(-distance / math.sqrt(2))


def _table(result: CheckReport) -> Table:
    """Return the verdicts, each effect in its own unit and with the digits it deserves."""
    columns = (
        Column("claim", "Claim"),
        Column("verdict", "Verdict"),
        Column("effect", "Effect", help="larger is better, but for a level; × is a ratio"),
        Column("interval", "Interval", help="at all numbers of seeds together"),
        Column("margin", "Margin"),
        Column("published", "Published"),
        Column("n", "Seeds", "count"),
        Column("n_failed", "Failed", "count"),
        Column("seconds", "Seconds", "number", 2, help="of the used seeds, each by itself"),
        Column("change", "Change", help="since the last run in the journal"),
        Column("why", "Why"),
    )
    rows = tuple(
        (
            Name(r.name),
            str(r.verdict),
            _minus(r.shown(r.value)),
            _minus(r.shown_interval()),
            _minus(_margin(r)),
            _published(r),
            r.n,
            len(r.failures),
            r.seconds,
            r.change if r.before is None or r.change in ("", "same") else f"{r.change}, was {r.before}",
            r.why,
        )
        for r in result
    )
    used = [j for j, c in enumerate(columns) if c.name not in MAY_BE_ABSENT or any(row[j] for row in rows)]
    return Table(tuple(columns[j] for j in used), tuple(tuple(row[j] for j in used) for row in rows), "The verdicts")


def _minus(text: str) -> str:
    return text.replace("-", "−")


def _margin(r: ClaimResult) -> str:
    return f"{r.terms.margin:g}" + ("×" if r.terms.kind == "ratio" else "")


def _published(r: ClaimResult) -> str:
    value = r.terms.published
    return "" if value is None else value if isinstance(value, str) else f"{value:g}"


def _claimed(result: CheckReport) -> TableBlock:
    columns = (
        Column("claim", "Claim"),
        Column("says", "It says"),
        Column("paper", "Paper"),
        Column("published", "Published"),
        Column("treatment", "Treatment", "number"),
        Column("control", "Control", "number"),
        Column("method", "Method"),
    )
    rows = tuple(
        (
            Name(r.name),
            r.terms.says,
            "" if r.terms.paper is None else f"arXiv:{r.terms.paper}",
            _published(r),
            r.treatment,
            r.control,
            r.method,
        )
        for r in result
    )
    return TableBlock(Table(columns, rows, "What was claimed"), "What was claimed")


def _wrong(result: CheckReport) -> tuple[Block, ...]:
    said: list[Text] = [(Name(u.path), f": {_short(u.reason)}") for u in result.unread]
    for r in result:
        for failure in r.failures[:3]:
            printed = f" It printed last: {_short(failure.output[-OUTPUT_SHOWN:])}" if failure.output else ""
            said.append((Name(r.name), f", seed {failure.seed}: {failure.kind}: {_short(failure.message)}.{printed}"))
        if len(r.failures) > 3:
            said.append((Name(r.name), f": {plural(len(r.failures) - 3, 'more failed seed')}."))
    said += [(Name(r.name), f": {warning}") for r in result for warning in r.warnings]
    return (Bullets(tuple(said)),) if said else ()


def _short(text: str) -> str:
    """Return what a claim printed on one line; nothing in it steers a terminal or a page."""
    return shorten(clean(" ".join(text.split())), 2 * OUTPUT_SHOWN)


def _notes(result: CheckReport) -> list[Text]:
    said: list[Text] = [(note,) for note in result.notes]
    if result.results:
        said += [(note,) for note in STOPPING]
    return said


def _footer(result: CheckReport) -> tuple[str, ...]:
    p = result.provenance
    return () if p is None else (f"neff {p.neff_version}", p.created)
