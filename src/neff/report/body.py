"""The body of an evaluation's report: an overview of many groups; scores and differences of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neff.report.charts import ForestPlot, ForestRow
from neff.report.document import Figure, Paragraph, Section, TableBlock
from neff.report.groups import decided, same_pair
from neff.report.headline import correction_words, group_lead, group_title
from neff.report.headline_many import group_word
from neff.report.tables import compared_table, overview_table, pairs_table, scores_table
from neff.report.text import digits_for, label, plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neff.report.document import Block
    from neff.report.groups import Group
    from neff.results import Comparison

__all__ = ["body"]

OPEN_ROWS = 30  # longer tables are folded
MANY_GROUPS = 6  # more than this, and short outputs show only the overview and the average
BRIEF_OVERVIEW = ("task", "metric", "best", "value", "interval", "tied", "n_items")
BRIEF_COMPARED = ("task", "metric", "difference", "interval", "verdict", "n_items")
BRIEF_SCORES = ("model", "value", "interval", "difference", "difference_interval", "n_items", "n_eff", "standing")
BRIEF_PAIRS = ("a", "b", "difference", "interval", "verdict", "p_adjusted", "n_items", "reason")


def body(groups: Sequence[Group]) -> list[Section]:
    """Return the sections with the numbers."""
    if len(groups) < 2:
        return [section for group in groups for section in _only(group)]
    sections = [_overview(groups)]
    for group in groups:
        role = "detail" if len(groups) > MANY_GROUPS and not group.is_average else "result"
        lead = [part for sentence in group_lead(group)[:2] for part in (*sentence, " ")]
        blocks: list[Block] = [Paragraph(tuple(lead[:-1]) if lead else group_title(group)), _scores(group)]
        blocks += _differences(group)
        sections.append(Section(group.title or ("Scores",), tuple(blocks), role))  # type: ignore[arg-type]
    return sections


def _only(group: Group) -> list[Section]:
    return [Section((block.title,), (block,)) for block in (_scores(group), *_differences(group))]


def _scores(group: Group) -> Figure:
    several = len(group.estimates) > 1
    title = f"Scores of {plural(len(group.estimates), 'model')}" if several else "The score"
    about = f"Score of each model, with its {100 * group.level:g}% interval"
    more = "; the best first, a line at the best score" if several else ""
    table = scores_table(group)
    block = TableBlock(table, "The same numbers as a table", brief=BRIEF_SCORES, open=len(table) <= OPEN_ROWS)
    return Figure(group.forest(), title, f"{about}{more}.", block)


def _differences(group: Group) -> list[Figure]:
    if not group.comparisons:
        return []
    pairs = pairs_table(group)
    told = sum(decided(c) is True for c in group.comparisons)
    summary = (
        f"{plural(len(pairs), 'pair')} of models compared on their common items: {told:,} told apart, "
        f"{len(pairs) - told:,} not."
    )
    block = TableBlock(pairs, "All pairs", BRIEF_PAIRS, summary, len(pairs) <= 10)
    if len(pairs) == 1:
        return [_one_difference(group, block)]
    title = f"Differences between {plural(len(group.estimates), 'model')}"
    colour = "lower, which is better" if group.lower_is_better else "higher"
    description = (
        f"Score of the row minus score of the column, on the items that both have. Blue: the row scores {colour}. "
        f"{told:,} of {len(pairs):,} pairs are told apart{correction_words(group.correction, len(pairs))}."
    )
    return [Figure(group.matrix(), title, description, block)]


def _one_difference(group: Group, pairs: TableBlock) -> Figure:
    """One pair: its difference beside zero."""
    c = group.comparisons[0]
    row = ForestRow("A − B", c.difference, *c.interval, "", str(c.reason or ""), strong=decided(c) is True)
    chart = ForestPlot((row,), "difference", group.level, group.digits, c.margin, signed=True)
    block = TableBlock(pairs.table, "The same numbers as a table", pairs.brief)
    return Figure(chart, "The difference", _about_pair(c, group.level), block)


def _about_pair(c: Comparison, level: float) -> str:
    line = f"the margin {c.margin:g}" if c.margin else "zero, no difference"
    names = f"A is {label(c.a, 60)}, B is {label(c.b, 60)}"
    return f"A − B on the items that both have, with its {100 * level:g}% interval. {names}. The line is {line}."


def _overview(groups: Sequence[Group]) -> Section:
    word = group_word(groups)
    pair = same_pair(groups)
    if pair is not None:
        return _overview_of_pair(groups, pair[2], word)
    title = f"The best model, {word} by {word}" if " " not in word else "The best models"
    return Section((title,), (TableBlock(overview_table(groups), title, brief=BRIEF_OVERVIEW),))


def _overview_of_pair(groups: Sequence[Group], comparisons: Sequence[Comparison], word: str) -> Section:
    """Two models on many tasks: all differences on one axis."""
    title = f"The difference, {word} by {word}" if " " not in word else "The differences"
    digits = digits_for([c.standard_error for c in comparisons], [c.difference for c in comparisons])
    rows = [
        ForestRow(
            "".join(g.title) or "score", c.difference, *c.interval, "", str(c.reason or ""), strong=decided(c) is True
        )
        for g, c in zip(groups, comparisons, strict=True)
    ]
    first = comparisons[0]
    chart = ForestPlot(tuple(rows), "difference", first.level, digits, first.margin, signed=True)
    description = f"{_about_pair(first, first.level)} Filled points: told apart."
    table = compared_table(groups, comparisons, digits)
    block = TableBlock(table, "The same numbers as a table", BRIEF_COMPARED)
    return Section((title,), (Figure(chart, title, description, block),))
