"""Ranking and JudgedPairs -> Document: who is ahead, between which ranks, and what sways the judge."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from neff.benchmark.pairwise.judged import JudgedPairs
from neff.benchmark.pairwise.ranking import Ranking
from neff.report.charts import ForestPlot, ForestRow
from neff.report.document import Bullets, Document, Fact, Figure, Notice, Section, TableBlock, document, gate_notices
from neff.report.text import Name, count, join_names, plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neff.report.document import Gate, Text

__all__ = ["judged_pairs_document", "ranking_document"]

BRIEF = ("rank", "name", "strength", "interval", "ranks")


@document.register(Ranking)
def ranking_document(result: Ranking, *, gates: Sequence[Gate] = ()) -> Document:
    """Return the document of a ranking: who is tied with the best, strengths, ranks, preferences of the judge."""
    known = [p for p in result.players if not math.isnan(p.strength)]
    block = TableBlock(result.table(), "Players by strength", BRIEF)
    parts: list[Figure | TableBlock] = [block]
    if known:
        rows = tuple(
            ForestRow(p.name, p.strength, *p.interval, reason="" if p in known else "no number") for p in result.players
        )
        plot = ForestPlot(
            rows, "log strength", level=result.level, digits=3, reference=0.0, signed=True, head="Strength"
        )
        parts = [Figure(plot, "Strength", "Log strength of each player, relative to the mean.", block)]
    notices = [Notice("warning", (f"{result.reason}.".replace("..", "."),))] if result.reason else []
    notices += [Notice("warning", (f"{warning}.",)) for warning in result.warnings]
    return Document(
        title=_title(result),
        kind="pairwise ranking",
        kicker=(f"{plural(len(result.players), 'player')} · {plural(result.n_battles, 'battle')}",),
        lead=_lead(result),
        facts=_facts(result),
        notices=(*gate_notices(gates), *notices),
        sections=(Section(("Ranking",), tuple(parts)), Section(("Notes",), (Bullets(_notes(result)),), "context")),
    )


def _title(result: Ranking) -> Text:
    best = result.tied_with_best()
    if not result.players or math.isnan(result.players[0].strength):
        return ("These battles do not rank anybody",)
    if len(best) == 1:
        return (Name(best[0]), " is surely ahead of all others")
    return (Name(result.players[0].name), " leads, ", plural(len(best) - 1, "other"), " may be as good")


def _lead(result: Ranking) -> tuple[Text, ...]:
    best = result.tied_with_best()
    said: list[Text] = []
    if len(best) > 1 and not math.isnan(result.players[0].strength):
        said.append(("Not surely behind the best: ", *join_names(best, 5), "."))
    e = result.position_effect
    if e is not None and not math.isnan(e.value):
        low, high = e.interval
        word = (
            "prefers the left place"
            if low > 0
            else "prefers the right place"
            if high < 0
            else "shows no sure preference for a place"
        )
        said.append(
            (f"The judge {word}: {e.value:+.3f} log odds [{low:+.3f}, {high:+.3f}], taken out of the strengths.",)
        )
    return tuple(said)


def _facts(result: Ranking) -> tuple[Fact, ...]:
    facts = [Fact("Players", count(len(result.players))), Fact("Battles", count(result.n_battles))]
    if result.position_effect is not None and not math.isnan(result.position_effect.value):
        odds = math.exp(result.position_effect.value)
        facts.append(Fact("Left place", f"{100 * odds / (1 + odds):.1f}%", ("of equals",)))
    return tuple(facts)


def _notes(result: Ranking) -> tuple[Text, ...]:
    notes: list[Text] = [
        (f"Fitted: {result.method}.",),
        ("A rank interval leaves out all ranks that a surely better or surely worse player takes (Holm, all pairs).",),
    ]
    if result.n_dropped:
        notes.append((f"{plural(result.n_dropped, 'battle')} without a verdict left out.",))
    notes += [
        (Name(e.metric), f": {e.value:+.4f} [{e.interval[0]:+.4f}, {e.interval[1]:+.4f}] log odds per unit.")
        for e in result.covariate_effects
    ]
    return tuple(notes)


@document.register(JudgedPairs)
def judged_pairs_document(result: JudgedPairs, *, gates: Sequence[Gate] = ()) -> Document:
    """Return the document of a judge's pairwise probabilities."""
    low, high = result.first_share.interval
    sure = low > 0.5 or high < 0.5
    return Document(
        title=("The judge prefers a place" if sure else "No sure preference for a place",),
        kind="pairwise judge",
        lead=((f"The first place wins {result.first_share.value:.1%} [{low:.1%}, {high:.1%}] of the comparisons.",),),
        facts=(
            Fact("Comparisons", count(result.n_comparisons)),
            Fact("Balanced threshold", f"{result.threshold:.3f}"),
            Fact(
                "Same verdict both ways",
                "–" if math.isnan(result.swap_consistency) else f"{result.swap_consistency:.1%}",
            ),
        ),
        notices=gate_notices(gates),
        sections=(Section((), (TableBlock(result.table(), "Win ratios"),)),),
    )
