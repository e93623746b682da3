"""PaperIndex -> Document: every paper with its summary, where neff has it, and what its claims came to."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from neff.claims.index import NOT_YET, PaperIndex
from neff.reasons import Reason
from neff.report.document import Bullets, Document, Fact, Section, TableBlock, document, gate_notices
from neff.report.text import Link, Name, plural
from neff.results import Column, Table, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neff.claims.index import IndexedPaper, Measurement
    from neff.report.document import Gate, Text

__all__ = ["measured_text", "papers_document", "published_text"]

BRIEF = ("paper", "verdict", "measured", "room", "published")
BRIEF_CLAIMS = ("name", "verdict", "measured", "margin", "n", "published")
MOST_NAMES = 2
LONGEST = 400
STATES = {"whole": "whole", "in part": "in part", NOT_YET: NOT_YET}
NOTES = (
    (
        "Claims are the papers' headlines at the scale of a laptop, each against a control with the same care, "
        "with a margin that was declared before. One that fails at this scale says nothing about the paper's own."
    ),
    "Each interval covers at all numbers of seeds together; each claim is judged by itself.",
    "A paper may be in neff, whole or in part, before there is a claim about it: its verdict is then “not yet”.",
)


@document.register(PaperIndex)
def papers_document(result: PaperIndex, *, gates: Sequence[Gate] = ()) -> Document:
    """Return the document of an index of papers: one row per paper, then every claim."""
    sections = []
    if result.papers:
        table = TableBlock(_papers(result), "The papers", BRIEF, filters=("room", "state", "verdict"))
        sections.append(Section(("The papers",), (table,)))
    if result.measured:
        claims = TableBlock(_claims(result), "The claims", BRIEF_CLAIMS, filters=("verdict",))
        sections.append(Section(("The claims",), (claims,)))
    sections.append(Section(("Notes",), (Bullets(tuple((note,) for note in NOTES)),), "context"))
    return Document(
        title=_title(result),
        kind="paper index",
        kicker=(f"{len(result):,} of {plural(result.of, 'paper')}" if len(result) < result.of else "",),
        lead=_lead(result),
        facts=_facts(result) if result.papers else (),
        notices=gate_notices(gates),
        sections=tuple(sections),
        footer=_footer(result),
    )


def _title(result: PaperIndex) -> Text:
    if not result.papers:
        return ("No paper fits",)
    if not result.measured:
        return (f"{plural(len(result), 'paper')}, no claim measured yet",)
    holds = sum(m.result.verdict is Verdict.HOLDS for m in result.measured)
    papers = sum(bool(paper.measured) for paper in result)
    return (f"{holds:,} of {plural(len(result.measured), 'claim')} of {plural(papers, 'paper')} hold at our scale",)


def _lead(result: PaperIndex) -> tuple[Text, ...]:
    if not result.papers:
        return ()
    counts = [(state, sum(paper.state == state for paper in result)) for state in STATES]
    words = {"whole": "in neff as published", "in part": "in neff in part", NOT_YET: "not in neff yet"}
    said = ", ".join(f"{count:,} {words[state]}" for state, count in counts if count)
    return ((f"{plural(len(result), 'paper')}: {said}.",),)


def _facts(result: PaperIndex) -> tuple[Fact, ...]:
    found = [m.result.verdict for m in result.measured]
    dates = sorted({m.date for m in result.measured})
    last = f"measured up to {dates[-1]}" if dates else "none measured"
    seeds = sum(m.result.n for m in result.measured)
    return (
        Fact("Hold", f"{found.count(Verdict.HOLDS):,}", (f"of {plural(len(found), 'claim')}",)),
        Fact("Fail", f"{found.count(Verdict.FAILS):,}", ("short of the declared margin",)),
        Fact("Undecided", f"{found.count(Verdict.UNDECIDED):,}", ("within the budget of seeds",)),
        Fact("Seeds", f"{seeds:,}", (last,)),
    )


def _papers(result: PaperIndex) -> Table:
    columns = (
        Column("paper", "Paper"),
        Column("date", "Date"),
        Column("room", "Room"),
        Column("summary", "What it is about"),
        Column("state", "In neff"),
        Column("where", "Where", help="functions, and the command"),
        Column("published", "Published", help="of the headline claim"),
        Column("measured", "Measured", help="of the headline claim, at our scale"),
        Column("verdict", "Verdict", help="on the headline claim"),
        Column("run", "Date of run"),
    )
    return Table(columns, tuple(_paper_row(paper) for paper in result), "The papers")


def _paper_row(paper: IndexedPaper) -> tuple[str, ...]:
    names = list(paper.functions[:MOST_NAMES])
    if len(paper.functions) > MOST_NAMES:
        names.append(f"{len(paper.functions) - MOST_NAMES} more")
    if paper.command:
        names.append(f"neff {paper.command}")
    head = paper.headline
    return (
        Link.to(paper.title, paper.url),
        paper.date,
        paper.room,
        paper.summary,
        paper.state,
        ", ".join(names) or "–",
        "–" if head is None else published_text(head),
        NOT_YET if head is None else measured_text(head),
        paper.verdict,
        "–" if head is None else head.date,
    )


def published_text(measured: Measurement) -> str:
    """Return the published figure of a claim as text."""
    value = measured.result.terms.published
    return "–" if value is None else value if isinstance(value, str) else f"{value:g}".replace("-", "−")


def measured_text(measured: Measurement) -> str:
    """Return our figure of a claim with its interval, or what there is instead."""
    r = measured.result
    if math.isnan(r.value):
        return r.why
    interval = r.shown_interval()
    exact = ", the same on every seed" if r.reason is Reason.DETERMINISTIC else f", {r.why}"
    found = r.shown(r.value) + (f" {interval}" if interval != "–" else exact)
    return found.replace("-", "−") if interval != "–" else found


def _claims(result: PaperIndex) -> Table:
    columns = (
        Column("says", "Claim"),
        Column("paper", "Paper"),
        Column("published", "Published"),
        Column("measured", "Measured", help="larger is better, but for a level; × is a ratio"),
        Column("margin", "Margin"),
        Column("verdict", "Verdict"),
        Column("n", "Seeds", "count"),
        Column("name", "Name", help="as in neff check --only"),
        Column("run", "Date of run"),
        Column("version", "neff"),
    )
    rows = tuple(
        (
            _says(m),
            Link.to(f"arXiv:{paper.arxiv}", paper.url),
            published_text(m),
            measured_text(m),
            f"{m.result.terms.margin:.3g}".replace("-", "−") + ("×" if m.result.terms.kind == "ratio" else ""),
            str(m.result.verdict),
            m.result.n,
            Name(m.result.claim.removeprefix("neff.claims.papers.")),
            m.date,
            m.neff_version,
        )
        for paper in result
        for m in paper.measured
    )
    return Table(columns, rows, "The claims")


def _says(measured: Measurement) -> str:
    r = measured.result
    case = ", ".join(f"{name} {value}" for name, value in r.params.items())
    return f"{r.terms.says} ({case})" if case else r.terms.says


def _footer(result: PaperIndex) -> tuple[str, ...]:
    versions = sorted({m.neff_version for m in result.measured})
    return tuple(f"measured with neff {version}" for version in versions)
